"""Arrays: what a spec, or an order, says of elements."""

from __future__ import annotations

from hanse.core.model import limits
from hanse.core.model.arrays import ArrayRules
from hanse.core.model.indexes import Indexes, parse_indexes
from hanse.core.model.jobs import OnLoss
from hanse.wire import checks
from hanse.wire.checks import FieldRefused, echo
from hanse.wire.gen.hanse.v1 import jobs_pb2

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
