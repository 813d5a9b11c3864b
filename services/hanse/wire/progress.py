"""What has become of an array's elements, between regions."""

from __future__ import annotations

from collections.abc import Sequence

from hanse.core.model import limits
from hanse.core.model.arrays import ArrayProgress, FailedSet, TriedSet
from hanse.core.model.indexes import Packed
from hanse.core.model.jobs import ReasonCode
from hanse.wire.gen.hanse.v1 import peers_pb2 as pb
from hanse.wire.kinds import bounded
from hanse.wire.shapes import MalformedMessage

_BITMAP_BYTES_MAX = limits.ARRAY_ELEMENTS_MAX // 8


def encode_progress(progress: ArrayProgress | None) -> pb.ArrayProgress | None:
    """None: it is no array."""
    if progress is None:
        return None
    return pb.ArrayProgress(
        succeeded=_encode_set(progress.succeeded),
        cancelled=_encode_set(progress.cancelled),
        failed=[
            pb.FailedElements(
                reason=kind.reason, exit_code=kind.exit_code, elements=_encode_set(kind.elements)
            )
            for kind in progress.failed
        ],
        tried=[
            pb.TriedElements(failures=tried.failures, elements=_encode_set(tried.elements))
            for tried in progress.tried
        ],
    )


def decode_progress(message: pb.ArrayProgress) -> ArrayProgress:
    """Raises MalformedMessage. What contradicts itself is put right by who takes it (Array.go_on_from)."""
    return ArrayProgress(
        _decode_set(message.succeeded),
        _decode_set(message.cancelled),
        tuple(
            FailedSet(_reason(kind.reason), kind.exit_code, _decode_set(kind.elements))
            for kind in bounded(message.failed, limits.ARRAY_FAILED_KINDS_MAX)
        ),
        tuple(
            TriedSet(tried.failures, _decode_set(tried.elements))
            for tried in bounded(message.tried, limits.ARRAY_FAILED_KINDS_MAX)
        ),
    )


def _reason(code: str) -> str:
    return code if code in ReasonCode.__members__ else ReasonCode.UNKNOWN.value


def _encode_set(packed: Packed) -> pb.ElementSet:
    return pb.ElementSet(bitmap=packed) if isinstance(packed, bytes) else pb.ElementSet(runs=packed)


def _decode_set(message: pb.ElementSet) -> Packed:
    if message.bitmap:
        if len(message.bitmap) > _BITMAP_BYTES_MAX:
            raise MalformedMessage(f"a set of {len(message.bitmap)} bytes; at most {_BITMAP_BYTES_MAX}")
        return message.bitmap
    runs: Sequence[int] = bounded(message.runs, limits.ARRAY_ELEMENTS_MAX)
    return tuple(runs)
