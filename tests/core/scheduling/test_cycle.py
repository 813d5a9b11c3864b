"""The cycle: order, limits, and blocked shapes that cost nothing."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hanse.core.model.jobs import Allocation, Job, Shape, ShapeBody, make_shape
from hanse.core.model.regions import Node
from hanse.core.scheduling.cycle import Scheduler
from hanse.core.scheduling.placement import Capacity
from hanse.core.scheduling.queue import JobQueue
from tests.core.scheduling.worlds import NOW, TIERS, group, job, node, nodes_strategy, shape, shape_strategy


def region(nodes: Iterable[Node], jobs: Iterable[Job] = ()) -> tuple[JobQueue, Capacity, Scheduler]:
    queue, capacity = JobQueue(TIERS), Capacity(tuple(nodes))
    for one in jobs:
        queue.add(one)
    return queue, capacity, Scheduler(queue, capacity, "north")


def names(started: list[tuple[Job, Allocation]]) -> list[str]:
    return [one.id for one, _ in started]


def test_jobs_start_by_tier_priority_and_age() -> None:
    one = group(cpu=1)
    jobs = [
        job("basic", shape(one, tier="basic"), 0),
        job("late", shape(one), 9),
        job("early", shape(one), 1),
        job("urgent", shape(one, priority=7), 9),
        job("premium", shape(one, tier="premium"), 9),
    ]
    queue, capacity, scheduler = region([node("n", cpu=5)], jobs)
    assert names(scheduler.run(NOW, 100)) == ["premium", "urgent", "early", "late", "basic"]
    assert len(queue) == 0
    assert all(capacity.holds(one.id) for one in jobs)


def test_a_limit_ends_the_cycle_and_says_that_there_is_more() -> None:
    _, _, scheduler = region([node("n", cpu=5)], [job(f"j{at}", shape(group(cpu=1)), at) for at in range(5)])
    assert names(scheduler.run(NOW, 3)) == ["j0", "j1", "j2"]
    assert scheduler.more
    assert names(scheduler.run(NOW, 3)) == ["j3", "j4"]
    assert not scheduler.more


def test_a_blocked_shape_is_asked_once_until_something_is_released(monkeypatch: pytest.MonkeyPatch) -> None:
    big, small = shape(group(cpu=4)), shape(group(cpu=1))
    queue, capacity, scheduler = region([node("n", cpu=4)], [job(f"b{at}", big, at) for at in range(50)])
    asked: list[Shape] = []
    place = capacity.place
    monkeypatch.setattr(capacity, "place", lambda wanted: (asked.append(wanted), place(wanted))[1])
    assert names(scheduler.run(NOW, 100)) == ["b0"]
    # The first one started in a round.
    assert asked == [big]
    for at in range(50, 60):
        queue.add(job(f"b{at}", big, at))
        assert scheduler.run(NOW, 100) == []
    assert len(asked) == 1
    # Another shape is not held up by it, and is asked for itself.
    queue.add(job("s", small, 99))
    scheduler.run(NOW, 100)
    assert asked[1:] == [small]
    capacity.release("b0")
    assert names(scheduler.run(NOW, 100)) == ["b1"]


def test_jobs_that_differ_only_in_their_estimates_are_blocked_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = [job(f"j{at}", shape(group(cpu=4), estimate_us=at + 1, priority=at % 3), at) for at in range(60)]
    _, capacity, scheduler = region([node("n", cpu=4)], jobs)
    asked: list[Shape] = []
    place = capacity.place
    monkeypatch.setattr(capacity, "place", lambda wanted: (asked.append(wanted), place(wanted))[1])
    assert names(scheduler.run(NOW, 100)) == ["j2"]
    assert len(asked) == 1
    capacity.release("j2")
    assert names(scheduler.run(NOW, 100)) == ["j5"]
    assert len(asked) == 3


def test_a_job_that_may_not_run_here_does_not_and_holds_up_nobody() -> None:
    def only(**where: tuple[str, ...]) -> Shape:
        return make_shape(ShapeBody(groups=(group(cpu=1),), **where))

    jobs = [
        job("elsewhere", only(regions_allow=("west",)), 1),
        job("denied", only(regions_deny=("north",)), 2),
        job("here", only(regions_allow=("west", "north")), 3),
        job("anywhere", only(), 4),
    ]
    queue, _, scheduler = region([node("n", cpu=9)], jobs)
    assert names(scheduler.run(NOW, 100)) == ["here", "anywhere"]
    assert len(queue) == 2


@given(nodes_strategy(), st.lists(shape_strategy(), max_size=8), st.lists(st.integers(0, 5), max_size=8))
def test_order_is_respected_and_nothing_startable_is_left(
    nodes: tuple[Node, ...], shapes: list[Shape], ends: list[int]
) -> None:
    """After each cycle every queued job lacks room; and whoever starts, nobody before it had room at that moment."""
    queue, capacity, scheduler = region(nodes, (job(f"j{at}", one, at) for at, one in enumerate(shapes * 3)))
    held: list[str] = []
    for end in [0, *ends]:
        if held:
            gone = held.pop(end % len(held))
            capacity.release(gone)
            scheduler.standing.running.end(gone)
        while True:
            waiting = sorted(
                (queue.get(f"j{at}") for at in range(len(shapes) * 3) if f"j{at}" in queue), key=_place
            )
            expected = next((one for one in waiting if capacity.place(one.shape) is not None), None)
            started = scheduler.run(NOW, 1)
            assert names(started) == ([] if expected is None else [expected.id])
            if expected is None:
                break
            held.append(expected.id)


def _place(queued: Job | None) -> tuple[int, int, int, str]:
    assert queued is not None
    body = queued.shape.body
    return (TIERS.index(body.tier), -body.priority, queued.order_us, queued.id)
