"""What a job waits for and which failures are worth a retry, out of its spec; and orders."""

from __future__ import annotations

from typing import Any

import pytest

from hanse.core.events import NodeOrder, Order, OrderKind
from hanse.core.model.jobs import NO_TERMS, After, JobTerms, RetryRules, Submission, When
from hanse.core.replies import Refused
from hanse.wire.checks import FieldRefused
from hanse.wire.gen.hanse.v1 import jobs_pb2, regions_pb2
from hanse.wire.orders import decode_node_order, decode_order
from hanse.wire.specs import SpecReader, SpecRules
from tests.daemon.league import submission

_ID = "north-" + "0" * 26


def read(**spec: Any) -> Submission | Refused:
    return SpecReader(SpecRules()).decode_submission(submission("key", **spec), "north-1")


def terms(**spec: Any) -> JobTerms:
    found = read(**spec)
    assert isinstance(found, Submission), found
    return found.terms


def test_a_spec_that_says_nothing_has_no_terms() -> None:
    assert terms() == NO_TERMS
    assert terms(retry=jobs_pb2.RetryPolicy(retries_max=3)) == NO_TERMS


def test_terms_are_read() -> None:
    after = [
        jobs_pb2.JobDependency(job_id=_ID),
        jobs_pb2.JobDependency(job_id="east-" + "1" * 26, when=jobs_pb2.AFTER_FAILED),
    ]
    retry = jobs_pb2.RetryPolicy(exit_codes=["75", "100-110"], final_exit_codes=["64-78"], reasons=["SIGNAL"])
    assert terms(after=after, retry=retry) == JobTerms(
        (After(_ID, When.OK), After("east-" + "1" * 26, When.FAILED)),
        RetryRules(((75, 75), (100, 110)), ((64, 78),), ("SIGNAL",)),
    )


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"after": [jobs_pb2.JobDependency(job_id=_ID)] * 2}, "spec.after[1].job_id"),
        ({"after": [jobs_pb2.JobDependency()]}, "spec.after[0].job_id"),
        ({"after": [jobs_pb2.JobDependency(job_id=_ID, when=9)]}, "spec.after[0].when"),  # type: ignore[arg-type]
        ({"after": [jobs_pb2.JobDependency(job_id=_ID)] * 65}, "spec.after"),
        ({"retry": jobs_pb2.RetryPolicy(exit_codes=["256"])}, "spec.retry.exit_codes[0]"),
        ({"retry": jobs_pb2.RetryPolicy(exit_codes=["1", "9-3"])}, "spec.retry.exit_codes[1]"),
        ({"retry": jobs_pb2.RetryPolicy(final_exit_codes=["x"])}, "spec.retry.final_exit_codes[0]"),
        ({"retry": jobs_pb2.RetryPolicy(reasons=["BOREDOM"])}, "spec.retry.reasons[0]"),
        ({"retry": jobs_pb2.RetryPolicy(exit_codes=["1"] * 17)}, "spec.retry.exit_codes"),
    ],
)
def test_wrong_terms_are_refused_by_field(spec: dict[str, Any], field: str) -> None:
    refused = read(**spec)
    assert isinstance(refused, Refused)
    assert refused.field == field


@pytest.mark.parametrize(
    ("fields", "order"),
    [
        ({"hold": jobs_pb2.HoldOrder()}, Order(kind=OrderKind.HOLD, why="a b")),
        ({"release": jobs_pb2.ReleaseOrder()}, Order(kind=OrderKind.RELEASE, why="a b")),
        ({"requeue": jobs_pb2.RequeueOrder()}, Order(kind=OrderKind.REQUEUE, why="a b")),
        (
            {"set_priority": jobs_pb2.PriorityOrder(priority=-5)},
            Order(kind=OrderKind.SET_PRIORITY, priority=-5, why="a b"),
        ),
        (
            {"move": jobs_pb2.MoveOrder(region="east")},
            Order(kind=OrderKind.MOVE, region="east", why="a b"),
        ),
    ],
)
def test_orders_are_read(fields: dict[str, Any], order: Order) -> None:
    request = jobs_pb2.ControlJobsRequest(job_ids=["j"], why=" a\n b ", **fields)
    assert decode_order(request) == order


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({}, "order"),
        ({"order": regions_pb2.NODE_ORDER_DRAIN}, "nodes"),
        ({"order": regions_pb2.NODE_ORDER_DRAIN, "nodes": ["n"], "why": "x" * 257}, "why"),
        ({"order": 77, "nodes": ["n"]}, "order"),
    ],
)
def test_wrong_orders_about_nodes_are_refused(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(FieldRefused) as raised:
        decode_node_order(regions_pb2.ControlNodesRequest(**fields))
    assert raised.value.field == field


def test_an_order_about_nodes_is_read() -> None:
    request = regions_pb2.ControlNodesRequest(nodes=["b", "a", "b"], order=regions_pb2.NODE_ORDER_CORDON)
    assert decode_node_order(request) == (("b", "a"), NodeOrder.CORDON, "")
