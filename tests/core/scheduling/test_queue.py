"""The queue against a plain sorted list, under random operations."""

from __future__ import annotations

import random

import pytest

from hanse.core.model.jobs import GroupShape, Job
from hanse.core.scheduling.queue import JobQueue
from hanse.core.scheduling.sorted_jobs import CHUNK_JOBS_MAX, SortedJobs, job_key
from tests.core.scheduling.worlds import TIERS, group, job, shape

SHAPES = [
    shape(group(cpu=cpu), tier=tier, priority=priority)
    for tier in (*TIERS, "unknown")
    for priority in (0, 5)
    for cpu in (1, 2, 3)
]
RANK = {tier: rank for rank, tier in enumerate((*TIERS, "unknown"))}


def serving_key(queued: Job) -> tuple[int, int, int, str]:
    body = queued.shape.body
    return (RANK[body.tier], -body.priority, queued.order_us, queued.id)


class Model:
    """What the queue must be equal to."""

    def __init__(self) -> None:
        self.jobs: dict[str, Job] = {}
        # With the place of the job that was found blocked.
        self.parked: dict[tuple[GroupShape, ...], tuple[int, int, int, str]] = {}

    def ordered(self) -> list[Job]:
        return sorted(self.jobs.values(), key=serving_key)

    def best(self) -> Job | None:
        return next(
            (queued for queued in self.ordered() if queued.shape.body.groups not in self.parked), None
        )

    def add(self, fresh: Job) -> None:
        self.jobs[fresh.id] = fresh
        groups = fresh.shape.body.groups
        if groups in self.parked and serving_key(fresh) < self.parked[groups]:
            del self.parked[groups]

    def discard(self, job_id: str) -> None:
        gone = self.jobs.pop(job_id, None)
        if gone is None:
            return
        groups = gone.shape.body.groups
        if all(other.shape.body.groups != groups for other in self.jobs.values()):
            self.parked.pop(groups, None)


@pytest.mark.parametrize("seed", range(12))
def test_random_operations_agree_with_a_sorted_list(seed: int) -> None:
    draw = random.Random(seed)
    queue, model = JobQueue(TIERS), Model()
    for at in range(400):
        match draw.choice(["add", "add", "add", "discard", "discard", "park", "reopen", "none"]):
            case "add":
                fresh = job(f"j{draw.randrange(10_000)}-{at}", draw.choice(SHAPES), draw.randrange(20))
                queue.add(fresh)
                model.add(fresh)
            case "discard":
                gone = draw.choice([*model.jobs, "unknown"])
                if draw.random() < 0.5 and (best := model.best()) is not None:
                    gone = best.id
                queue.discard(gone)
                model.discard(gone)
            case "park":
                best = model.best()
                if best is not None:
                    lane = queue.lane_of(best.id)
                    assert lane is not None
                    queue.park(lane)
                    model.parked[best.shape.body.groups] = serving_key(best)
            case "reopen" if draw.random() < 0.3:
                queue.reopen()
                model.parked.clear()
        assert queue.best() is model.best()
        assert len(queue) == len(model.jobs)
        if at % 20 == 0:
            agree(queue, model, draw)


def agree(queue: JobQueue, model: Model, draw: random.Random) -> None:
    """Every question has the answer of the sorted list."""
    ordered = model.ordered()
    for position, queued in enumerate(ordered, 1):
        assert queued.id in queue
        assert queue.position(queued.id) == position
    if ordered:
        at = draw.randrange(len(ordered))
        assert queue.ahead(ordered[at].id, 3) == ordered[: min(at, 3)]
    assert queue.oldest() == min(model.jobs.values(), key=job_key, default=None)
    for wanted in SHAPES:
        alike = [queued for queued in ordered if queued.shape == wanted]
        assert queue.depth_of(wanted.key) == len(alike)
        assert queue.first_of(wanted.key, 4) == alike[:4]
    first_jobs = {queued.shape.key: queued.shape for queued in ordered}
    assert queue.first_shapes(5) == list(first_jobs.values())[:5]
    counts = sorted((-queue.depth_of(key), key) for key in first_jobs)
    assert [each.key for each in queue.numerous_shapes(3)] == [key for _, key in counts[:3]]
    waiting = queue.waiting_shapes(3, 100)
    assert [(w.shape_key, w.count) for w in waiting] == [(key, queue.depth_of(key)) for key in first_jobs][:3]
    assert all(w.oldest_wait_us == 100 - queue.first_of(w.shape_key, 1)[0].order_us for w in waiting)


def test_unknown_jobs_have_no_position() -> None:
    queue = JobQueue(TIERS)
    queue.discard("nobody")
    assert (queue.position("nobody"), queue.ahead("nobody", 3), queue.best(), queue.oldest()) == (
        0,
        [],
        None,
        None,
    )
    assert "nobody" not in queue


def test_a_job_is_queued_once() -> None:
    queue = JobQueue(TIERS)
    queue.add(job("a", SHAPES[0]))
    with pytest.raises(AssertionError, match="queued already"):
        queue.add(job("a", SHAPES[0]))


def test_changing_a_queued_jobs_place_is_our_bug() -> None:
    queue = JobQueue(TIERS)
    for at in range(3):
        queue.add(job(f"j{at}", SHAPES[0], at))
    moved = queue.get("j1")
    assert moved is not None
    moved.order_us = -5
    with pytest.raises(AssertionError, match="place changed"):
        queue.discard("j1")


def test_heads_that_come_and_go_leave_no_litter() -> None:
    """Nobody asks for the best job while a region drains; cancelled heads must not pile up."""
    queue = JobQueue(TIERS)
    for at in range(5_000):
        queue.add(job(f"j{at}", SHAPES[0], at))
    for at in range(5_000):
        queue.discard(f"j{at}")
        assert len(queue._heap) <= 200
    assert not queue._shapes
    assert not queue._classes


@pytest.mark.parametrize("order", ["ascending", "descending", "shuffled"])
def test_sorted_jobs_stay_sorted_over_many_chunks(order: str) -> None:
    jobs = [job(f"j{at:05d}", SHAPES[0], at // 3) for at in range(3 * CHUNK_JOBS_MAX)]
    draw = random.Random(1)
    arriving = {"ascending": jobs, "descending": jobs[::-1], "shuffled": draw.sample(jobs, len(jobs))}[order]
    held = SortedJobs()
    for one in arriving:
        held.add(one)
    assert list(held) == jobs
    assert [held.rank(one) for one in jobs[::97]] == list(range(0, len(jobs), 97))
    assert held.head(CHUNK_JOBS_MAX + 7) == jobs[: CHUNK_JOBS_MAX + 7]
    leaving = draw.sample(jobs, len(jobs) // 2)
    for one in leaving:
        held.remove(one)
    gone = {one.id for one in leaving}
    assert list(held) == [one for one in jobs if one.id not in gone]
    assert len(held) == len(jobs) - len(leaving)
