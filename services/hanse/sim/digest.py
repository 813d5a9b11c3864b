"""One number for all that a run did: every effect of every step, in order."""

from __future__ import annotations

import hashlib

import msgspec

from hanse.core.effects import NO_WRITES, Effects, Send
from hanse.core.messages import GossipDelta, GossipDigest

_FLUSH_BYTES = 1 << 16


class Digest:
    """Two runs with equal digests took the same steps at the same instants, with the same effects. Of gossip, which is
    most of what a large league says, the stamps of what is passed on count: they name the records."""

    def __init__(self) -> None:
        self._hash = hashlib.blake2b(digest_size=16)
        self._encoder = msgspec.msgpack.Encoder()
        self._buffer = bytearray()

    def add(self, index: int, at_us: int, effects: Effects) -> None:
        """One step's effects."""
        buffer = self._buffer
        self._encoder.encode_into(_told(index, at_us, effects), buffer, -1)
        if len(buffer) > _FLUSH_BYTES:
            self._hash.update(buffer)
            buffer.clear()

    def hexdigest(self) -> str:
        """So far."""
        self._hash.update(self._buffer)
        self._buffer.clear()
        return self._hash.hexdigest()


def _told(index: int, at_us: int, effects: Effects) -> tuple[object, ...]:
    sends = [_said(send) for send in effects.sends]
    wrote = effects.writes is not NO_WRITES
    does = wrote or effects.launches or effects.stops or effects.reaps or effects.replies
    if not does and not effects.changes:
        return (index, at_us, sends)
    return (
        index,
        at_us,
        sends,
        effects.sequence,
        effects.writes,
        effects.launches,
        effects.stops,
        effects.reaps,
        effects.replies,
        effects.changes,
    )


def _said(send: Send) -> tuple[object, ...]:
    match send.message:
        case GossipDigest(entries, wants_reply):
            return (send.to, len(entries), wants_reply)
        case GossipDelta(records):
            return (send.to, [(record.region, record.version) for record in records])
        case message:
            return (send.to, type(message).__name__, message)
