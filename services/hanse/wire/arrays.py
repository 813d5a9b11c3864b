"""Arrays: what a spec says of its elements, and what has become of them."""

from __future__ import annotations

from collections.abc import Sequence

from hanse.core.model import limits
from hanse.core.model.arrays import ArrayProgress, ArrayRules, FailedSet, TriedSet
from hanse.core.model.indexes import Indexes, Packed, parse_indexes
from hanse.core.model.jobs import OnLoss, ReasonCode
from hanse.wire import checks
from hanse.wire.checks import FieldRefused, echo
from hanse.wire.gen.hanse.v1 import jobs_pb2
from hanse.wire.gen.hanse.v1 import peers_pb2 as pb
from hanse.wire.kinds import bounded
from hanse.wire.shapes import MalformedMessage

_BITMAP_BYTES_MAX = limits.ARRAY_ELEMENTS_MAX // 8
# Ranges, each with two numbers and what stands between them.
_INDEXES_LENGTH_MAX = 24 * limits.ARRAY_RANGES_MAX


def decode_array(spec: jobs_pb2.JobSpec) -> ArrayRules | None:
    """The rules of an array; None: it is none. Raises FieldRefused."""
    is_array = spec.kind == jobs_pb2.JOB_KIND_ARRAY
    if not is_array:
        if spec.HasField("array"):
            raise FieldRefused("spec.array", "only for jobs of the kind ARRAY")
        return None
    indexes = read_indexes("spec.array.indexes", spec.array.indexes)
    count = indexes.count
    checks.check_range("spec.array.in_flight_max", spec.array.in_flight_max, 0, limits.ARRAY_ELEMENTS_MAX)
    checks.check_range("spec.array.stop_at_failures", spec.array.stop_at_failures, 0, count)
    return ArrayRules(indexes, spec.array.in_flight_max, spec.array.stop_at_failures)


def loss_of_array(on_loss: OnLoss) -> OnLoss:
    """Arrays are in one ledger only. Raises FieldRefused for who insists on more."""
    if on_loss is OnLoss.ADOPT:
        message = "arrays can't be adopted yet: use WAIT or ADOPT_OR_WAIT, which means WAIT for an array"
        raise FieldRefused("spec.on_region_loss", message, "UNIMPLEMENTED")
    return OnLoss.WAIT


def read_indexes(field: str, text: str, count_max: int = limits.ARRAY_ELEMENTS_MAX) -> Indexes:
    """Raises FieldRefused."""
    if not text:
        raise FieldRefused(field, "required: such as 0-99 or 3,7-9")
    if len(text) > _INDEXES_LENGTH_MAX:
        raise FieldRefused(field, f"{len(text)} characters; at most {_INDEXES_LENGTH_MAX}")
    try:
        indexes = parse_indexes(text)
    except ValueError as error:
        raise FieldRefused(field, echo(str(error))) from None
    if indexes.count > count_max:
        raise FieldRefused(field, f"{indexes.count} elements; at most {count_max}")
    return indexes


# --- what has become of them, between regions


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
