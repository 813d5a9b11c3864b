"""One number for all that a run did: every effect of every step, in order."""

from __future__ import annotations

import hashlib

import msgspec

from hanse.core.effects import Effects

_FLUSH_BYTES = 1 << 16


class Digest:
    """Two runs with equal digests took the same steps at the same instants, with the same effects."""

    def __init__(self) -> None:
        self._hash = hashlib.blake2b(digest_size=16)
        self._encoder = msgspec.msgpack.Encoder()
        self._buffer = bytearray()

    def add(self, index: int, at_us: int, effects: Effects) -> None:
        """One step's effects."""
        buffer = self._buffer
        self._encoder.encode_into((index, at_us, effects), buffer, -1)
        if len(buffer) > _FLUSH_BYTES:
            self._hash.update(buffer)
            buffer.clear()

    def hexdigest(self) -> str:
        """So far."""
        self._hash.update(self._buffer)
        self._buffer.clear()
        return self._hash.hexdigest()
