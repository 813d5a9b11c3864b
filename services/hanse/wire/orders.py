"""Orders about jobs and nodes: protobuf <-> model."""

from __future__ import annotations

from collections.abc import Sequence

from hanse.core.events import NodeOrder, Order, OrderKind
from hanse.core.model import limits
from hanse.core.replies import OrdersOutcome, Refused
from hanse.wire import checks
from hanse.wire.arrays import read_indexes
from hanse.wire.checks import FieldRefused
from hanse.wire.gen.hanse.v1 import jobs_pb2, regions_pb2
from hanse.wire.jobs import encode_refusal, encode_state

_NODE_ORDERS = {
    regions_pb2.NODE_ORDER_CORDON: NodeOrder.CORDON,
    regions_pb2.NODE_ORDER_UNCORDON: NodeOrder.UNCORDON,
    regions_pb2.NODE_ORDER_DRAIN: NodeOrder.DRAIN,
}


def decode_order(request: jobs_pb2.ControlJobsRequest) -> Order:
    """Raises FieldRefused."""
    why = _why(request.why)
    match request.WhichOneof("order"):
        case "hold":
            return Order(kind=OrderKind.HOLD, why=why)
        case "release":
            return Order(kind=OrderKind.RELEASE, why=why)
        case "requeue":
            return Order(kind=OrderKind.REQUEUE, why=why)
        case "set_priority":
            priority = request.set_priority.priority
            checks.check_range("set_priority.priority", priority, -limits.PRIORITY_MAX, limits.PRIORITY_MAX)
            return Order(kind=OrderKind.SET_PRIORITY, priority=priority, why=why)
        case "move":
            checks.check_region_name("move.region", request.move.region)
            return Order(kind=OrderKind.MOVE, region=request.move.region, why=why)
        case "cancel_elements":
            indexes = read_indexes("cancel_elements.indexes", request.cancel_elements.indexes)
            return Order(kind=OrderKind.CANCEL_ELEMENTS, indexes=indexes, why=why)
        case _:
            message = "hold, release, requeue, set_priority, move or cancel_elements"
            raise FieldRefused("order", message)


def encode_control_results(
    job_ids: Sequence[str], outcome: OrdersOutcome, region: str
) -> list[jobs_pb2.ControlResult]:
    """One for each job id, in order."""
    return [
        jobs_pb2.ControlResult(job_id=job_id, refusal=encode_refusal(result))
        if isinstance(result, Refused)
        else jobs_pb2.ControlResult(job_id=job_id, state=encode_state(result), region=region)
        for job_id, result in zip(job_ids, outcome.results, strict=True)
    ]


def decode_node_order(request: regions_pb2.ControlNodesRequest) -> tuple[tuple[str, ...], NodeOrder, str]:
    """The nodes, what is to be done, and why. Raises FieldRefused."""
    if request.order not in _NODE_ORDERS:
        raise FieldRefused("order", "CORDON, UNCORDON or DRAIN")
    nodes = tuple(dict.fromkeys(request.nodes))
    if not 1 <= len(nodes) <= limits.NODE_ORDERS_MAX:
        raise FieldRefused("nodes", f"{len(nodes)} nodes; 1 to {limits.NODE_ORDERS_MAX}")
    return nodes, _NODE_ORDERS[request.order], _why(request.why)


def _why(text: str) -> str:
    checks.check_no_zero_byte("why", text, limits.ORDER_WHY_LENGTH_MAX)
    return " ".join(text.split())
