"""One number for all that a run did: every effect of every step, in order."""

from __future__ import annotations

import hashlib

import msgspec

from hanse.core.effects import Effects, Send
from hanse.core.messages import GossipDelta, GossipDigest

_FLUSH_BYTES = 1 << 16


class Digest:
    """Two runs with equal digests took the same steps at the same instants, with the same effects. Of gossip, which is
    most of what a large league says, the size and the latest news count: the rest follows from earlier messages."""

    def __init__(self) -> None:
        self._hash = hashlib.blake2b(digest_size=16)
        self._encoder = msgspec.msgpack.Encoder()
        self._buffer = bytearray()

    def add(self, index: int, at_us: int, effects: Effects, *, only_sends: bool) -> None:
        """One step's effects; `only_sends`: there is nothing else in them."""
        buffer = self._buffer
        told: list[object] = [index, at_us]
        for send in effects.sends:
            _say(send, told)
        if not only_sends:
            told += (effects.sequence, effects.writes, effects.launches, effects.stops, effects.reaps)
            told += (effects.replies, effects.changes)
        self._encoder.encode_into(told, buffer, -1)
        if len(buffer) > _FLUSH_BYTES:
            self._hash.update(buffer)
            buffer.clear()

    def hexdigest(self) -> str:
        """So far."""
        self._hash.update(self._buffer)
        self._buffer.clear()
        return self._hash.hexdigest()


def _say(send: Send, told: list[object]) -> None:
    message = send.message
    match message:
        case GossipDigest():
            told += (send.to, len(message.entries))
        case GossipDelta():
            told += (send.to, len(message.records), message.records[0].entry)
        case _:
            told += (send.to, type(message).__name__, message)
