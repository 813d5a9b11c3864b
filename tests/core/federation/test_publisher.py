"""A record goes out as soon as a stale one would cost something, and no sooner."""

from __future__ import annotations

from typing import Any

import pytest

from hanse.core.federation.publisher import Publisher, Urgency, share_us, urgency
from hanse.core.model.regions import CapacityClass, QueuedShape, RegionRecord, Timings
from hanse.core.model.resources import resources
from hanse.core.model.time import MILLISECOND_US, SECOND_US, Now
from tests.core.federation.gossip_world import record_of

TIMINGS = Timings()
START_US = 50 * SECOND_US


def at(offset_us: int) -> Now:
    return Now(mono_us=START_US + offset_us, wall_us=0)


def capacity(cpu: int, gpu: int = 4_000, *, gpu_max: int = 4_000, nodes: int = 2) -> CapacityClass:
    return CapacityClass(
        node_class="a100",
        nodes=nodes,
        node_capacity=resources({"cpu": 10_000, "gpu": 4_000}),
        labels=(),
        free=resources({"cpu": cpu, "gpu": gpu}),
        free_max=resources({"cpu": 10_000, "gpu": gpu_max}),
    )


def shape(key: bytes) -> QueuedShape:
    return QueuedShape(shape_key=key, count=1, resources=())


def body(cpu: int = 10_000, *, gpu: int = 4_000, **changes: Any) -> RegionRecord:
    return record_of("north", **{"classes": (capacity(cpu, gpu),), "queued": 100, **changes})


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        pytest.param(body(), Urgency.NONE, id="nothing"),
        pytest.param(body(observed_wall_us=9), Urgency.NONE, id="only when it was observed"),
        pytest.param(body(10_999), Urgency.NONE, id="less than 5 % of the class"),
        pytest.param(body(11_000), Urgency.ORDINARY, id="5 % of the class freed"),
        pytest.param(body(9_000), Urgency.ORDINARY, id="5 % of the class taken"),
        pytest.param(body(classes=(capacity(10_000, gpu_max=3_800),)), Urgency.ORDINARY, id="5 % of a node"),
        pytest.param(body(gpu=0), Urgency.PROMPT, id="a kind ran out"),
        pytest.param(body(classes=(capacity(10_000, nodes=3),)), Urgency.ORDINARY, id="another node"),
        pytest.param(body(classes=()), Urgency.ORDINARY, id="a class gone"),
        pytest.param(body(draining=True), Urgency.PROMPT, id="draining"),
        pytest.param(body(queued=0), Urgency.PROMPT, id="queue emptied"),
        pytest.param(body(queued=125), Urgency.NONE, id="queue a quarter longer"),
        pytest.param(body(queued=126), Urgency.ORDINARY, id="queue more than a quarter longer"),
        pytest.param(body(predicted_wait_us=SECOND_US - 1), Urgency.NONE, id="wait below the noise"),
        pytest.param(body(predicted_wait_us=SECOND_US), Urgency.ORDINARY, id="wait moved"),
        pytest.param(body(queued_shapes=(shape(b"a"),)), Urgency.ORDINARY, id="work of another shape"),
        pytest.param(body(price=900), Urgency.ORDINARY, id="price"),
        pytest.param(body(datasets=("imagenet",)), Urgency.ORDINARY, id="data set"),
    ],
)
def test_urgency(changed: RegionRecord, expected: Urgency) -> None:
    assert urgency(body(), changed) is expected


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (body(gpu=0), body(gpu=1_000), Urgency.PROMPT),
        (body(queued=0), body(queued=1), Urgency.PROMPT),
        (body(queued=1), body(queued=2), Urgency.ORDINARY),
        (body(predicted_wait_us=40 * SECOND_US), body(predicted_wait_us=49 * SECOND_US), Urgency.NONE),
        (body(predicted_wait_us=40 * SECOND_US), body(predicted_wait_us=30 * SECOND_US), Urgency.ORDINARY),
        (
            body(queued_shapes=(shape(b"a"), shape(b"b"))),
            body(queued_shapes=(shape(b"b"), shape(b"a"))),
            Urgency.NONE,
        ),
    ],
)
def test_urgency_of_steps(before: RegionRecord, after: RegionRecord, expected: Urgency) -> None:
    assert urgency(before, after) is expected


@pytest.mark.parametrize(
    ("members", "shapes", "expected_ms"),
    [(3, 0, 8), (3, 32, 95), (100, 0, 268), (100, 32, 3_198), (300, 0, 805), (300, 32, 5_000)],
)
def test_share(members: int, shapes: int, expected_ms: int) -> None:
    record = body(queued_shapes=(shape(b"a"),) * shapes)
    assert share_us(TIMINGS, members, record) // MILLISECOND_US == expected_ms


@pytest.mark.parametrize(
    ("members", "shapes", "expected"), [(3, 32, 240), (100, 0, 236), (100, 32, 23), (300, 32, 16)]
)
def test_flapping_is_bounded_by_how_often_peers_meet_and_by_the_share(
    members: int, shapes: int, expected: int
) -> None:
    """Records in a minute of a region whose capacity runs out and comes free whenever somebody looks."""
    publisher = Publisher(TIMINGS, members)
    records: list[RegionRecord] = []
    for millisecond in range(60_000):
        now = at(millisecond * MILLISECOND_US)
        gpu = len(records) % 2 * 4_000
        if publisher.wants_body(now):
            record = publisher.maybe_publish(now, body(gpu=gpu, queued_shapes=(shape(b"a"),) * shapes))
            records += [record] if record else []
    assert len(records) == expected


def test_a_prompt_change_after_quiet_goes_out_at_once_however_large_the_federation() -> None:
    publisher = Publisher(TIMINGS, 1_000)
    publisher.maybe_publish(at(0), body())
    sent = [publisher.maybe_publish(at((s + 1) * 250_000), body(gpu=s % 2 * 4_000)) for s in range(5)]
    assert [record is not None for record in sent] == [True, True, True, True, False]


def published() -> Publisher:
    publisher = Publisher(TIMINGS)
    assert publisher.maybe_publish(at(0), body()) is not None
    return publisher


def test_versions_count_from_one_and_the_body_is_kept() -> None:
    publisher = Publisher(TIMINGS)
    first = publisher.maybe_publish(at(0), body(version=77, incarnation=4))
    second = publisher.maybe_publish(at(TIMINGS.record_refresh_us), body(incarnation=4))
    assert first is not None
    assert second is not None
    assert (first.stamp, second.stamp) == ((4, 1), (4, 2))
    assert first.classes == body().classes


def test_the_first_record_is_due_at_once() -> None:
    publisher = Publisher(TIMINGS)
    assert publisher.alarm.next_us <= START_US
    assert publisher.wants_body(at(0))


def test_an_unchanged_record_is_renewed_at_the_refresh() -> None:
    publisher = published()
    assert publisher.alarm.next_us == START_US + TIMINGS.record_refresh_us
    assert publisher.maybe_publish(at(TIMINGS.record_refresh_us - 1), body()) is None
    assert publisher.maybe_publish(at(TIMINGS.record_refresh_us), body()) is not None


def test_an_ordinary_change_waits_for_a_gossip_round_and_is_not_forgotten() -> None:
    publisher = published()
    assert publisher.maybe_publish(at(400 * MILLISECOND_US), body(12_000)) is None
    assert publisher.alarm.next_us == START_US + TIMINGS.gossip_interval_us
    assert publisher.maybe_publish(at(TIMINGS.gossip_interval_us), body(12_000)) is not None


def test_a_prompt_change_goes_out_at_once_but_not_faster_than_peers_meet() -> None:
    publisher = published()
    assert publisher.maybe_publish(at(SECOND_US), body(gpu=0)) is not None
    assert not publisher.wants_body(at(SECOND_US + 1))
    assert publisher.maybe_publish(at(SECOND_US + 1), body()) is None
    assert publisher.alarm.next_us == START_US + 1_250 * MILLISECOND_US
    assert publisher.maybe_publish(at(1_250 * MILLISECOND_US), body()) is not None


def test_a_change_that_was_taken_back_before_its_time_is_not_published() -> None:
    publisher = published()
    publisher.maybe_publish(at(400 * MILLISECOND_US), body(12_000))
    assert publisher.maybe_publish(at(TIMINGS.gossip_interval_us), body()) is None
    assert publisher.alarm.next_us == START_US + TIMINGS.record_refresh_us


def test_many_steps_make_few_bodies() -> None:
    publisher = published()
    looks = 0
    for millisecond in range(1_000):
        if publisher.wants_body(at(millisecond * MILLISECOND_US)):
            looks += 1
            assert publisher.maybe_publish(at(millisecond * MILLISECOND_US), body()) is None
    assert looks == 30  # none in the first 250 ms, then one in 25 ms


def test_steps_that_change_nothing_make_no_bodies_before_the_refresh() -> None:
    publisher = published()
    for millisecond in range(5_000):
        assert not publisher.wants_body(at(millisecond * MILLISECOND_US), changed=False)
    assert publisher.alarm.next_us == START_US + TIMINGS.record_refresh_us
    assert publisher.wants_body(at(TIMINGS.record_refresh_us), changed=False)


def test_a_change_that_came_too_early_is_looked_at_when_its_time_has_come() -> None:
    publisher = published()
    assert not publisher.wants_body(at(1))
    due_us = publisher.alarm.next_us
    assert due_us == START_US + 250 * MILLISECOND_US
    assert publisher.wants_body(Now(mono_us=due_us, wall_us=0), changed=False)


def test_a_change_between_two_looks_is_looked_at_by_the_next_deadline() -> None:
    publisher = published()
    publisher.maybe_publish(at(300 * MILLISECOND_US), body())
    assert not publisher.wants_body(at(310 * MILLISECOND_US))
    assert publisher.alarm.next_us == START_US + 325 * MILLISECOND_US
    assert publisher.maybe_publish(at(325 * MILLISECOND_US), body(gpu=0)) is not None
