"""Starting a tenant's jobs in what is set aside for it.

Before anybody else's turn comes, each open window is offered to the queued jobs of its tenant, in their order, whatever
is parked and whoever goes first elsewhere: a job that fits into what is held starts at once. One that needs more waits
until all others have had their turns: then it may take what they left beside what is held.
"""

from __future__ import annotations

from collections.abc import Iterator

from hanse.core.model.jobs import Allocation, Job
from hanse.core.model.limits import RESERVATION_TRIES_MAX
from hanse.core.model.resources import Resources, added, fits
from hanse.core.scheduling.crossings import release_held
from hanse.core.scheduling.lanes import Lane
from hanse.core.scheduling.queue import JobQueue
from hanse.core.scheduling.trial import Trial
from hanse.core.scheduling.ways import Way
from hanse.core.scheduling.windows import Window, Windows


class ReservedRoom:
    """Finds the jobs that have room in windows, and the room."""

    def __init__(self, windows: Windows, queue: JobQueue) -> None:
        self._windows = windows
        self._queue = queue
        # By window: what it was offered for in vain, as of which state of queue and nodes.
        self._seen: dict[tuple[str, bool], tuple[int, int]] = {}

    def windows(self, *, beside: bool) -> Iterator[Window]:
        """Open ones with something to offer, if anything has changed since they were offered in vain: by themselves, or
        with what is free beside them."""
        for window in self._windows.open():
            if window.holds and self._seen.get((window.id, beside)) != self._state():
                yield window

    def in_vain(self, window: Window, *, beside: bool) -> None:
        """Nobody is left who fits, until something changes."""
        self._seen[window.id, beside] = self._state()

    def beside(self, job: Job, way: Way) -> Allocation | None:
        """Room for a job in what is held in all open windows that are for it, and in what is free."""
        if not self._windows.are_for(job.tenant):
            return None
        trial = Trial(self._windows.capacity.table)
        for window in self._windows.open():
            if window.reservation.is_for(job.tenant):
                release_held(trial, window, window.holds)
        return way.place(trial)

    def _state(self) -> tuple[int, int]:
        return self._queue.version, self._windows.capacity.table.changes

    def lanes(self, window: Window) -> list[Lane]:
        """Those of the window's tenant and of all below it, the one that goes first before the others."""
        return sorted(self._queue.lanes_for(window.reservation.is_for), key=self._queue.key)

    def place(self, window: Window, job: Job, ways: tuple[Way, ...]) -> tuple[Way, Allocation] | None:
        """Room for a job within what is held for the window; None: there is none."""
        held = window.held()
        for way in ways:
            if way.queue is not None and way.bound(way.queue.root.usage) is not None:
                continue
            if not _may_choose(way) and not fits(_least(way), held):
                continue
            allocation = self._within(window, job, way)
            if allocation is not None:
                return way, allocation
        return None

    def _within(self, window: Window, job: Job, way: Way) -> Allocation | None:
        away: dict[str, None] = {}
        for _ in range(RESERVATION_TRIES_MAX):
            trial = Trial(self._windows.capacity.table)
            release_held(trial, window, window.holds)
            trial.confine(window.holds)
            for node in away:
                trial.exclude(node)
            allocation = way.place(trial)
            if allocation is None:
                return None
            beyond = _beyond(window, job, allocation)
            if not beyond:
                return allocation
            away |= dict.fromkeys(beyond)
        return None


def _may_choose(way: Way) -> bool:
    """Whether placement has a say in how much it takes."""
    return any(group.rules is not None and group.rules.alternatives for group in way.placed.body.groups)


def _least(way: Way) -> Resources:
    """What it takes with as few tasks as it makes do with."""
    least: dict[str, int] = {}
    for group in way.placed.body.groups:
        for kind, quantity in group.resources:
            least[kind] = least.get(kind, 0) + quantity * group.count_min
    return tuple(sorted(least.items()))


def _beyond(window: Window, job: Job, allocation: Allocation) -> list[str]:
    """Nodes on which it would take more than is held."""
    taken: dict[str, Resources] = {}
    for task in allocation.tasks:
        wanted = job.shape.body.groups[task.group].resources_of(task.alternative)
        taken[task.node] = added(taken.get(task.node, ()), wanted)
    return [node for node, there in taken.items() if not fits(there, window.held_on(node))]
