"""Which messages must not wait behind others: leases and takeovers rest on them, and they are of no use when late."""

from __future__ import annotations

from hanse.core import messages as m

_URGENT = (m.Renew, m.RenewAck, m.Prepare, m.Promise, m.Refuse)


_WAITED_FOR = (m.Append, m.AppendAck)


def is_urgent(message: m.Message) -> bool:
    """Whether it goes ahead of what waits. All of these are small, so that they can't hold each other up."""
    if isinstance(message, m.AppendAck):
        # What callers wait for; but not one that names all keys of a copy that has to be repaired.
        return not message.keys
    return isinstance(message, _URGENT)


def is_waited_for(message: m.Message) -> bool:
    """Whether the answer to a caller hangs on how soon this is taken in. Between two regions only one of them is on its
    way at a time, so that their number is bounded by the round trips."""
    return isinstance(message, _WAITED_FOR)
