"""Arrays on the wire: what a spec says of them, and what regions tell each other of their elements."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hanse.core.events import OrderKind
from hanse.core.model.arrays import ArrayProgress, ArrayRules, FailedSet, TriedSet
from hanse.core.model.indexes import all_of, pack, parse_indexes
from hanse.core.model.jobs import OnLoss
from hanse.wire.arrays import decode_array, loss_of_array
from hanse.wire.checks import FieldRefused
from hanse.wire.gen.hanse.v1 import jobs_pb2, peers_pb2
from hanse.wire.orders import decode_order
from hanse.wire.progress import decode_progress, encode_progress
from hanse.wire.shapes import MalformedMessage

SETS = st.integers(0, all_of(200)).map(pack)
PROGRESS = st.builds(
    ArrayProgress,
    SETS,
    SETS,
    st.lists(st.builds(FailedSet, st.just("EXIT_CODE"), st.integers(0, 255), SETS), max_size=3).map(tuple),
    st.lists(st.builds(TriedSet, st.integers(1, 100), SETS), max_size=3).map(tuple),
)


@given(PROGRESS)
def test_what_has_become_of_elements_comes_back_as_it_was_sent(progress: ArrayProgress) -> None:
    message = encode_progress(progress)
    assert message is not None
    again = decode_progress(peers_pb2.ArrayProgress.FromString(message.SerializeToString()))
    assert again == progress


def test_sets_that_are_too_large_are_malformed() -> None:
    large = peers_pb2.ArrayProgress(succeeded=peers_pb2.ElementSet(bitmap=b"\1" * 1_251))
    with pytest.raises(MalformedMessage):
        decode_progress(large)
    many = peers_pb2.ArrayProgress(tried=[peers_pb2.TriedElements(failures=1)] * 5_000)
    with pytest.raises(MalformedMessage):
        decode_progress(many)


def test_a_reason_of_a_newer_version_is_unknown() -> None:
    message = peers_pb2.ArrayProgress(failed=[peers_pb2.FailedElements(reason="MELTED", exit_code=1)])
    assert decode_progress(message).failed[0].reason == "UNKNOWN"


def test_the_rules_of_an_array_are_those_of_its_spec() -> None:
    spec = jobs_pb2.JobSpec(
        kind=jobs_pb2.JOB_KIND_ARRAY,
        array=jobs_pb2.ArraySpec(indexes="0-9,20", in_flight_max=3, stop_at_failures=2),
    )
    assert decode_array(spec) == ArrayRules(parse_indexes("0-9,20"), 3, 2)
    assert decode_array(jobs_pb2.JobSpec()) is None


def test_an_array_is_in_one_ledger_only() -> None:
    assert loss_of_array(OnLoss.ADOPT_OR_WAIT) is OnLoss.WAIT
    with pytest.raises(FieldRefused) as refused:
        loss_of_array(OnLoss.ADOPT)
    assert refused.value.code == "UNIMPLEMENTED"


def test_elements_are_cancelled_by_an_order() -> None:
    request = jobs_pb2.ControlJobsRequest(cancel_elements=jobs_pb2.CancelElementsOrder(indexes="3,7-9"))
    order = decode_order(request)
    assert (order.kind, order.indexes) == (OrderKind.CANCEL_ELEMENTS, parse_indexes("3,7-9"))
    request.cancel_elements.indexes = "x"
    with pytest.raises(FieldRefused):
        decode_order(request)
