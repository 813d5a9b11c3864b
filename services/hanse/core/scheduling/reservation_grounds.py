"""Why reservations keep a queued job from starting, and when that is over.

Either what it would need is set aside for somebody else now, or the job would still be running on the nodes of a window
when that begins.
"""

from __future__ import annotations

from collections.abc import Sequence

from hanse.core.model.jobs import Allocation, Job
from hanse.core.model.time import clock_text
from hanse.core.replies import Blocker
from hanse.core.scheduling.backfill import Candidate
from hanse.core.scheduling.crossings import Crossings, release_held
from hanse.core.scheduling.standing import Standing
from hanse.core.scheduling.trial import Trial
from hanse.core.scheduling.ways import Way
from hanse.core.scheduling.windows import Window, Windows

RESERVATION = "RESERVATION"
# Nodes that a blocker names.
_NODES_NAMED_MAX = 10


class ReservationGrounds:
    """Asks the windows of a region; every answer was tried by placing the job."""

    def __init__(self, windows: Windows, crossings: Crossings, standing: Standing) -> None:
        self._windows = windows
        self._crossings = crossings
        self._standing = standing

    def blockers(self, job: Job, now_us: int) -> tuple[Blocker, ...]:
        """What is reserved of what the job could have now otherwise; empty: that is not why it waits."""
        return self._blockers(job, *self._found(job, now_us))

    def _blockers(
        self, job: Job, held: list[Window], crossed: list[tuple[int, Window]]
    ) -> tuple[Blocker, ...]:
        clock = self._windows.clock
        blockers = [
            self._blocker(
                window,
                f"keeps its nodes until {clock_text(window.ends_wall_us)}",
            )
            for window in held
        ]
        run_s = self._standing.predictor.predict_us(job) / 1e6
        blockers += [
            self._blocker(
                window,
                f"begins at {clock_text(clock.wall_us(begins_us))}; predicted to run for {run_s:.1f} s, the job would "
                "not be gone from its nodes by then",
            )
            for begins_us, window in crossed
        ]
        return tuple(blockers)

    def besides(self, job: Job, of_ways: Sequence[tuple[Blocker, ...]], now_us: int) -> tuple[Blocker, ...]:
        """What is reserved on the nodes that these blockers name: in the way even once all jobs there have ended."""
        if not self._windows:
            return ()
        named = {node for blockers in of_ways for node in _named(blockers)}
        held = [each for each in self._windows.open() if named & each.holds.keys()]
        until_us = now_us + self._standing.predictor.predict_us(job)
        crossed = [
            each
            for each in self._crossings.crossed(job.tenant, now_us, until_us)
            if named & each[1].places.keys()
        ]
        return self._blockers(job, held, crossed)

    def ahead(self, job: Job, now_us: int) -> tuple[Blocker, ...]:
        """The windows that whoever plans ahead keeps it off altogether, though it would fit beside what they need."""
        until_us = now_us + self._standing.predictor.predict_us(job)
        return self._blockers(job, [], self._crossings.crossed(job.tenant, now_us, until_us))

    def hints(self, job: Job, now_us: int) -> tuple[str, ...]:
        """From when on the job may have what is reserved now."""
        held, crossed = self._found(job, now_us)
        ends = {window.id: window.ends_wall_us for window in held}
        clock = self._windows.clock
        for begins_us, window in crossed:
            ends[window.id] = clock.wall_us(begins_us) + window.reservation.duration_us
        names = {window.id: window.reservation.name for window in (*held, *(each for _, each in crossed))}
        return tuple(
            f"after {clock_text(ends_us)}, when reservation {names[reservation_id]} ends"
            for reservation_id, ends_us in sorted(ends.items(), key=lambda each: (each[1], each[0]))
        )

    def _found(self, job: Job, now_us: int) -> tuple[list[Window], list[tuple[int, Window]]]:
        """The windows that hold, and those that it would cross, on the nodes that it could have otherwise."""
        if not self._windows:
            return [], []
        for way in self._standing.ways_of(job):
            if way.queue is not None and way.bound(way.queue.root.usage) is not None:
                continue
            found = self._found_so(job, way, now_us)
            if found[0] or found[1]:
                return found
        return [], []

    def _found_so(self, job: Job, way: Way, now_us: int) -> tuple[list[Window], list[tuple[int, Window]]]:
        until_us = now_us + self._standing.predictor.predict_us(job)
        crossed = self._crossings.crossed(job.tenant, now_us, until_us)
        allocation = way.place(self._windows.capacity)
        if allocation is not None:
            candidate = Candidate(job, way, until_us)
            if not crossed or self._crossings.clear_of(candidate, allocation, now_us) is not None:
                return [], []
            return [], _on_nodes_of(allocation, crossed)
        holding = self._windows.open()
        trial = Trial(self._windows.capacity.table)
        for window in holding:
            release_held(trial, window, window.holds)
        allocation = way.place(trial)
        if allocation is None:
            return [], []
        nodes = {task.node for task in allocation.tasks}
        return [each for each in holding if nodes & each.holds.keys()], _on_nodes_of(allocation, crossed)

    def _blocker(self, window: Window, what: str) -> Blocker:
        reservation = window.reservation
        message = f"reservation {reservation.name} of {reservation.tenant} {what}"
        return Blocker(code=RESERVATION, message=message, nodes=tuple(window.places)[:_NODES_NAMED_MAX])


def _named(blockers: tuple[Blocker, ...]) -> set[str]:
    """All nodes that they name, and that those name that are behind them."""
    return {node for each in blockers for node in (*each.nodes, *_named(each.because))}


def _on_nodes_of(allocation: Allocation, crossed: list[tuple[int, Window]]) -> list[tuple[int, Window]]:
    nodes = {task.node for task in allocation.tasks}
    return [each for each in crossed if nodes & each[1].places.keys()]
