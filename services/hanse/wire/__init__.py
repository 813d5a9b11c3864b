"""Protobuf <-> model. What comes from outside is checked here, and only here becomes something that the core sees."""
