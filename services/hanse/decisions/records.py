"""What a journal holds, and how it lies in files.

A *segment* is one file: frames, one after the other. A frame is its kind (1 byte), the length and the CRC-32 of its
payload (4 bytes each, big-endian), and the payload, deflated. What a crash has torn off is where the first frame does
not match; everything before it counts. The first frame is a Header; after it come Blocks of steps; the image of the
Region before the first step is a file beside it, which is there or not.

    <number>.steps     Header, Block, Block, ...
    <number>.image     a frame of kind IMAGE
"""

from __future__ import annotations

import enum
import hashlib
import struct
import zlib
from collections.abc import Iterator

import msgspec

from hanse.core.effects import Effects, JobChange
from hanse.core.events import Event
from hanse.core.model.time import Now
from hanse.decisions.codec import Named, Unreadable, decode_event, encode_event

FORMAT = 1
_HEAD = struct.Struct(">BII")
# The fastest: inputs are mostly specs and gossip, which repeat themselves.
_LEVEL = 1
_encode = msgspec.msgpack.Encoder().encode


class Kind(enum.IntEnum):
    """Of a frame. The numbers are stored."""

    HEADER = 1
    BLOCK = 2
    IMAGE = 3


_KINDS = frozenset(Kind)


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """Whose steps these are, and by which code. `life` is drawn for each Region that is built; its steps count from 1,
    and `first` is the first of this segment."""

    format: int
    region: str
    version: str
    code: str
    incarnation: int
    life: str
    first: int
    begun_wall_us: int


class Change(msgspec.Struct, frozen=True, array_like=True):
    """One decision, as people read it: what became of a job, and why."""

    job_id: str
    state: str
    region: str
    epoch: int
    attempt: int
    reason: str
    detail: str
    cause: str


class StepRecord(msgspec.Struct, frozen=True, array_like=True):
    """One step: when, what came in, what was decided, and the digest of all that left the core because of it (16 hex
    digits; empty: the step did not end)."""

    number: int
    mono_us: int
    wall_us: int
    events: list[Named]
    digest: str
    changes: list[Change]

    @property
    def now(self) -> Now:
        """When it was."""
        return Now(mono_us=self.mono_us, wall_us=self.wall_us)

    def inputs(self) -> list[Event]:
        """What came in. Raises Unreadable."""
        return [decode_event(named) for named in self.events]


_HEADER = msgspec.msgpack.Decoder(Header)
_STEPS = msgspec.msgpack.Decoder(list[StepRecord])


def record_of(number: int, now: Now, events: list[Event], effects: Effects | None) -> StepRecord:
    """A step and what came of it; None: it raised."""
    return StepRecord(
        number,
        now.mono_us,
        now.wall_us,
        [encode_event(event) for event in events],
        digest_of(effects) if effects is not None else "",
        [change_of(change) for change in effects.changes] if effects is not None else [],
    )


def digest_of(effects: Effects) -> str:
    """Of all that a step does; not of what it answers to questions, which may be as long as the region is large."""
    done = (
        effects.sequence,
        effects.writes,
        effects.leases,
        effects.launches,
        effects.stops,
        effects.reaps,
        effects.lookups,
        effects.judge,
        effects.sends,
        effects.changes,
        effects.restart,
    )
    return hashlib.blake2b(_encode(done), digest_size=8).hexdigest()


def change_of(change: JobChange) -> Change:
    """As it is recorded."""
    return Change(
        change.job_id,
        change.state.name,
        change.region,
        change.epoch,
        change.attempt,
        change.reason.code,
        change.reason.detail,
        change.cause,
    )


# --- frames


def frame(kind: Kind, payload: bytes) -> bytes:
    """The bytes of one frame."""
    packed = zlib.compress(payload, _LEVEL)
    return _HEAD.pack(kind, len(packed), zlib.crc32(packed)) + packed


def header_frame(header: Header) -> bytes:
    """The first frame of a segment."""
    return frame(Kind.HEADER, _encode(header))


def block_frame(steps: list[bytes]) -> bytes:
    """Some steps that were encoded one by one (`encode_step`)."""
    return frame(Kind.BLOCK, _array_head(len(steps)) + b"".join(steps))


def encode_step(record: StepRecord) -> bytes:
    """The bytes of one step within a block."""
    return _encode(record)


def frames(data: bytes, size_max: int) -> Iterator[tuple[Kind, bytes]]:
    """The frames of a file up to its end, or to where it is torn. Raises Unreadable for one that says that it is larger
    than any that is written."""
    at = 0
    while at + _HEAD.size <= len(data):
        kind, length, checksum = _HEAD.unpack_from(data, at)
        at += _HEAD.size
        packed = data[at : at + length]
        if len(packed) < length or zlib.crc32(packed) != checksum or kind not in _KINDS:
            return
        inflater = zlib.decompressobj()
        payload = inflater.decompress(packed, size_max)
        if inflater.unconsumed_tail:
            raise Unreadable(f"a frame of more than {size_max} bytes")
        yield Kind(kind), payload
        at += length


def whole_length(data: bytes) -> int:
    """How much of a file consists of whole frames."""
    at = 0
    while at + _HEAD.size <= len(data):
        _, length, checksum = _HEAD.unpack_from(data, at)
        end = at + _HEAD.size + length
        if end > len(data) or zlib.crc32(data[at + _HEAD.size : end]) != checksum:
            break
        at = end
    return at


def read_header(payload: bytes) -> Header:
    """Raises Unreadable."""
    try:
        header = _HEADER.decode(payload)
    except msgspec.DecodeError as error:
        raise Unreadable(f"a header: {error}") from error
    if header.format != FORMAT:
        raise Unreadable(f"format {header.format}; this version reads {FORMAT}")
    return header


def read_block(payload: bytes) -> list[StepRecord]:
    """Raises Unreadable."""
    try:
        return _STEPS.decode(payload)
    except msgspec.DecodeError as error:
        raise Unreadable(f"a block: {error}") from error


def _array_head(length: int) -> bytes:
    """MessagePack's head of an array (spec: fixarray, array 16, array 32)."""
    if length < 16:
        return bytes([0x90 | length])
    if length < 1 << 16:
        return struct.pack(">BH", 0xDC, length)
    return struct.pack(">BI", 0xDD, length)
