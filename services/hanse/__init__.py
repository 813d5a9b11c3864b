"""Hanse: a peer-to-peer federated regional scheduler."""

__version__ = "0.1.0"
