"""Protobuf <-> model: the only place that looks into generated messages. What comes from outside is checked here."""
