"""The one tree of errors, by whose fault it is.

    HanseError
    +-- OurBug             an internal contract is broken: nobody else's doing (an assert is its short form)
    +-- PeerFault          what another region sent cannot be right
    +-- CallerFault        what a caller or an operator asked for cannot be right
    +-- EnvironmentFault   disk, network, operating system, or a region that cannot be reached

Each package derives its own errors from one of the four. An expected refusal is a value (core.replies.Refused), not an
error.
"""

# ruff: noqa: N818 -- "Fault" and "Bug" say whose it is; "Error" would only say that it is one.

from __future__ import annotations


class HanseError(Exception):
    """Base of every error that Hanse raises on purpose."""


class OurBug(HanseError):
    """An internal contract is broken."""


class PeerFault(HanseError):
    """What another region sent cannot be right."""


class CallerFault(HanseError):
    """What a caller or an operator asked for cannot be right."""


class EnvironmentFault(HanseError):
    """The machine, the disk, the network or another region fails us; trying again may help."""
