"""Rounds: many starts at once, while there is room for everybody.

As long as nobody is blocked, what a job gets depends on others by the order in which they share quotas and nodes, and
on nodes there is room for all. Then a cycle need not look for nodes job by job:

    1  pick   the first jobs in order, one after another, each admitted by its quota and charged at once: so shares and
              quotas decide who is next just as if each had started alone
    2  book   their tasks on nodes, kind by kind in the order in which the kinds came up: what is worked out for the
              first task of a kind serves the others (filling.py)

A round is only as long as there is room for sure. If so many nodes have room for each kind as there are jobs in the
round, then every job finds a node whatever the others take: a task closes no node but its own. So nobody is picked in
vain, and nothing is ever undone. Who starts, and in which order, is what job by job would have been; on which nodes may
differ, since alike tasks are booked side by side.

A round ends before whoever it can't start: jobs that are not one plain task (groups, alternatives, neighbours, caps,
arrays), without quota or rights, or with little room left. The cycle looks at these by itself (cycle.py). While
somebody is blocked and has room kept for him there are no rounds, nor while there are reservations: whoever starts has
to keep clear of their windows.
"""

from __future__ import annotations

from hanse.core.model.jobs import Allocation, Job
from hanse.core.model.time import Now
from hanse.core.scheduling.admission import refused_here
from hanse.core.scheduling.gate import StartGate
from hanse.core.scheduling.lanes import Lane
from hanse.core.scheduling.placement import Capacity, is_single
from hanse.core.scheduling.queue import JobQueue
from hanse.core.scheduling.standing import Standing
from hanse.core.scheduling.table import TaskFit
from hanse.core.scheduling.ways import Way

Started = list[tuple[Job, Allocation]]
# Jobs whose tasks are of one kind, with their flavours.
Kinds = dict[TaskFit, list[tuple[Job, str]]]


class Rounds:
    """See the module's docstring."""

    def __init__(self, queue: JobQueue, capacity: Capacity, standing: Standing, region: str) -> None:
        self._queue = queue
        self._capacity = capacity
        self._standing = standing
        self._region = region
        # Why a job may start, by queue and flavour.
        self._grounds: dict[tuple[str, str], str] = {}

    def run(self, now: Now, limit: int, gate: StartGate, why: dict[str, str]) -> Started:
        """One round of at most `limit` jobs, which have left the queue and hold their allocations, in order; `why` they
        may start is added."""
        picked, kinds = self._pick(now, limit, gate, why)
        allocations: dict[str, Allocation] = {}
        for fit, alike in kinds.items():
            self._capacity.take_alike(fit, alike, allocations)
        return [(job, allocations[job.id]) for job in picked]

    def _pick(self, now: Now, limit: int, gate: StartGate, why: dict[str, str]) -> tuple[list[Job], Kinds]:
        """Jobs in order, and the same by kind."""
        queue, standing = self._queue, self._standing
        picked: list[Job] = []
        kinds: Kinds = {}
        room = 0 if queue.seeks_neighbours else limit
        while len(picked) < room:
            lane = queue.best_lane()
            fit = None if lane is None else self._plain(lane)
            if lane is None or fit is None or lane.group.placement.woken:
                break
            alike = kinds.get(fit)
            if alike is None:
                # By what was free before the round began: nothing has been booked since.
                room = min(room, self._capacity.table.open_for_sure(fit, limit))
                if len(picked) >= room:
                    break
                alike = kinds[fit] = []
            assert lane.ways is not None
            way = lane.ways[0]
            if (
                not way.has_quota()
                or lane.jobs.first.array is not None
                or not gate.may_start(lane.jobs.first)
            ):
                break
            job = queue.take_first(lane)
            gate.take(job)
            end_us = now.mono_us + standing.predictor.predict_us(job)
            standing.started(job, way, way.wanted, end_us, now)
            if way.queue is not None:
                why[job.id] = self._ground(way)
            picked.append(job)
            alike.append((job, way.flavour))
        return picked, kinds

    def _plain(self, lane: Lane) -> TaskFit | None:
        """The kind of task that all of its jobs are, each by itself; None: they may not start in rounds."""
        if not lane.is_asked:
            lane.is_asked = True
            lane.ways = self._standing.ways.of(lane.quota, lane.shape)
            lane.plain = self._plain_fit(lane, lane.ways)
        return lane.plain

    def _plain_fit(self, lane: Lane, ways: tuple[Way, ...]) -> TaskFit | None:
        if len(ways) != 1 or not is_single(ways[0].placed) or ways[0].placed.body.groups[0].wish_count > 1:
            return None
        if refused_here(self._region, lane.shape.body) is not None:
            return None
        fit = self._capacity.table.fits_of(ways[0].placed)[0]
        return fit if fit.plain and fit.mask.by_class else None

    def _ground(self, way: Way) -> str:
        assert way.queue is not None
        key = (way.queue.name, way.flavour)
        known = self._grounds.get(key)
        if known is None:
            flavour = f", flavour {way.flavour}" if way.flavour else ""
            known = f"queue {way.queue.name}{flavour}, policy {self._standing.policy.version}"
            self._grounds[key] = known
        return known
