"""Predicted waits: the formulas by table, and what they are applied to."""

from __future__ import annotations

import pytest

from hanse.core.model.resources import Resources, resources
from hanse.core.scheduling.placement import Capacity
from hanse.core.scheduling.queue import JobQueue
from hanse.core.scheduling.wait import (
    OBSERVED_SHAPES_MAX,
    RUN_US_DEFAULT,
    WaitPredictor,
    completions,
    drain_time_us,
    smoothed_us,
)
from tests.core.scheduling.worlds import TIERS, group, job, node, shape

ONE = shape(group(cpu=1), estimate_us=800)


def region(cpu: int) -> tuple[JobQueue, Capacity, WaitPredictor]:
    queue, capacity = JobQueue(TIERS), Capacity((node("n", cpu=cpu),))
    return queue, capacity, WaitPredictor(queue, capacity)


@pytest.mark.parametrize(
    ("mean", "observed", "result"), [(800, 0, 700), (0, 800, 100), (5, 5, 5), (10, 9, 9)]
)
def test_smoothing(mean: int, observed: int, result: int) -> None:
    assert smoothed_us(mean, observed) == result


@pytest.mark.parametrize(
    ("work", "capacity", "time_us"),
    [
        ({}, {"cpu": 4}, 0),
        ({"cpu": 400}, {"cpu": 4}, 100),
        ({"cpu": 401}, {"cpu": 4}, 101),
        ({"cpu": 400, "gpu": 300}, {"cpu": 4, "gpu": 2}, 150),
        ({"tpu": 400}, {"cpu": 4}, 0),
        ({"cpu": 400}, {}, 0),
    ],
)
def test_drain_time_is_that_of_the_scarcest_kind(
    work: dict[str, int], capacity: dict[str, int], time_us: int
) -> None:
    assert drain_time_us(work, resources(capacity)) == time_us


@pytest.mark.parametrize(
    ("held", "wanted", "mean_us", "within_us", "count"),
    [
        ({"cpu": 10}, {"cpu": 1}, 100, 50, 5),
        ({"cpu": 10}, {"cpu": 3}, 100, 100, 3),
        ({"cpu": 10, "gpu": 1}, {"cpu": 1, "gpu": 1}, 100, 200, 2),
        ({"cpu": 10}, {"gpu": 1}, 100, 200, 0),
        ({"cpu": 10}, {"cpu": 1}, 0, 2, 20),
        ({}, {"cpu": 1}, 100, 100, 0),
    ],
)
def test_completions(
    held: dict[str, int], wanted: dict[str, int], mean_us: int, within_us: int, count: int
) -> None:
    def vector(kinds: dict[str, int]) -> Resources:
        return resources(kinds)

    assert completions(vector(held), vector(wanted), mean_us, within_us) == count


def test_runs_are_predicted_as_estimated_else_as_those_of_its_size_else_as_all() -> None:
    _, _, waits = region(4)
    same_size, other = shape(group(cpu=1)), shape(group(cpu=2))
    assert (waits.run_us(other), waits.run_us(ONE)) == (RUN_US_DEFAULT, 800)
    waits.observe_run(ONE, 400)
    waits.observe_run(other, 1200)
    assert [waits.run_us(one) for one in (ONE, same_size, other)] == [800, 400, 1200]
    assert waits.run_us(shape(group(cpu=3))) == 500


def test_what_is_remembered_is_bounded() -> None:
    _, _, waits = region(4)
    for at in range(OBSERVED_SHAPES_MAX + 10):
        waits.observe_run(shape(group(cpu=at + 1)), 5)
    assert len(waits._mean_us) == OBSERVED_SHAPES_MAX


def test_an_idle_region_has_no_wait() -> None:
    _, _, waits = region(4)
    assert (waits.queue_wait_us(), waits.predicted_wait_us(ONE)) == (0, 0)


def test_a_wait_is_the_work_ahead_over_the_capacity() -> None:
    queue, capacity, waits = region(4)
    full = shape(group(cpu=4), estimate_us=1000)
    allocation = capacity.place(full)
    assert allocation is not None
    capacity.take("running", full, allocation)
    waits.observe_run(full, 1000)
    # Half of an average run is left of what runs.
    assert waits.predicted_wait_us(ONE) == 500
    for at in range(10):
        queue.add(job(f"j{at}", ONE, at))
    assert waits.queue_wait_us() == 500 + 10 * 800 // 4
    assert waits.predicted_wait_us(ONE) == waits.queue_wait_us()
    fifth = queue.get("j4")
    assert fifth is not None
    # At most, if what runs has only just begun.
    assert waits.predicted_span_us(fifth) == (500 + 4 * 800 // 4, 1000 + 4 * 800 // 4)
    assert waits.completions_within(ONE, 250) == 1
    capacity.release("running")
    assert waits.queue_wait_us() == 10 * 800 // 4


def test_the_queues_wait_adds_up_estimated_and_other_jobs() -> None:
    queue, _, waits = region(2)
    waits.observe_run(ONE, 400)
    queue.add(job("a", ONE))
    queue.add(job("b", shape(group(cpu=1), estimate_us=100)))
    queue.add(job("c", shape(group(cpu=1))))
    assert waits.queue_wait_us() == (800 + 100 + 400) // 2
    queue.discard("b")
    assert waits.queue_wait_us() == (800 + 400) // 2
    queue.discard("a")
    queue.discard("c")
    assert waits.queue_wait_us() == 0
