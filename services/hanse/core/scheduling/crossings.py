"""What may start on the nodes of windows that are still ahead.

A job that is predicted to be gone when a window begins may use its nodes. One that is predicted to cross the beginning
may only if it fits there beside what the window is to have: beside the places of all windows that are open at that
instant, and beside what is then predicted to be running. Jobs of the reservation's own tenant may cross: what they hold
counts as their use of the window.

Those who look further ahead than now (backfill.py, conservative.py, preemption.py) leave the nodes of a window alone
altogether for a job that would cross it: that may show them a start later than it will be, and never an earlier one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from hanse.core.model.jobs import Allocation, Shape, TaskPlacement
from hanse.core.model.limits import RESERVATION_TRIES_MAX
from hanse.core.model.reservations import WindowState
from hanse.core.model.resources import Resources
from hanse.core.scheduling.backfill import Candidate
from hanse.core.scheduling.nodes import NodeState
from hanse.core.scheduling.overlaps import lacking
from hanse.core.scheduling.trial import Trial
from hanse.core.scheduling.windows import Window, Windows, as_tasks


class Crossings:
    """Asks the windows of a region."""

    def __init__(self, windows: Windows) -> None:
        self._windows = windows

    def crossed(self, tenant: str, from_us: int, until_us: int) -> list[tuple[int, Window]]:
        """The windows of others that are open, or begin, while a job of this tenant runs (mono), and when each begins;
        without those that are open now, whose room is taken already."""
        if not len(self._windows):
            return []
        clock, found = self._windows.clock, []
        for window in self._windows.all():
            reservation = window.reservation
            if reservation.is_for(tenant):
                continue
            begins_us = reservation.window_at(clock.wall_us(from_us))
            if begins_us is not None and begins_us == reservation.released_wall_us:
                begins_us = reservation.window_at(begins_us + reservation.duration_us)
            if begins_us is None or (window.state is WindowState.OPEN and begins_us == window.begins_wall_us):
                continue
            if clock.mono_us(begins_us) < until_us:
                found.append((clock.mono_us(begins_us), window))
        return found

    def heed(
        self, trial: Trial, tenant: str, from_us: int, until_us: int, gone: Collection[str] = ()
    ) -> None:
        """Suppose what windows make of the nodes for a job of this tenant: what is held for it is free, what those that
        are gone leave in windows of others is not, and nothing is placed where it would cross one."""
        if not self._windows:
            return
        for window in self._windows.open():
            if window.reservation.is_for(tenant) and window.id not in gone:
                release_held(trial, window, window.holds)
        self._take_back(trial, tenant, from_us, gone)
        for _, window in self.crossed(tenant, from_us, until_us):
            for node in window.places:
                trial.exclude(node)

    def hold_for(self, tenant: str) -> bool:
        """Whether something is set aside for this tenant now."""
        return self._windows.are_for(tenant)

    def _take_back(self, trial: Trial, tenant: str, at_us: int, gone: Collection[str]) -> None:
        """Windows that are still open then set aside again what these jobs leave. A node that has too little for one is
        left alone."""
        windows = self._windows
        for node in windows.open_nodes() if gone else ():
            state = trial.table.by_name.get(node)
            left = [job_id for job_id in gone if state is not None and job_id in state.jobs]
            for window in windows.on_node(node) if left else ():
                is_over = windows.clock.mono_us(window.ends_wall_us) <= at_us
                if not is_over and not window.reservation.is_for(tenant):
                    self._set_aside(trial, node, windows.missing_without(window, node, left))

    def _set_aside(self, trial: Trial, node: str, wanted: Resources) -> None:
        if not all(trial.squeeze(node, trial.table.fit_of(group).need) for group in as_tasks(wanted)):
            trial.exclude(node)

    def clear_of(self, candidate: Candidate, allocation: Allocation, now_us: int) -> Allocation | None:
        """Where the candidate may start now, if not on these nodes; None: nowhere."""
        crossed = self.crossed(candidate.job.tenant, now_us, candidate.end_us)
        if not crossed:
            return allocation
        away: dict[str, None] = {}
        found: Allocation | None = allocation
        for _ in range(RESERVATION_TRIES_MAX):
            if found is None:
                return None
            full = self._lacking(candidate, found, crossed)
            if not full:
                return found
            away |= dict.fromkeys(full)
            found = self._place(candidate, away)
        return self._place(candidate, (node for _, window in crossed for node in window.places))

    def _place(self, candidate: Candidate, away: Iterable[str]) -> Allocation | None:
        trial = Trial(self._windows.capacity.table)
        for node in away:
            trial.exclude(node)
        return candidate.way.place(trial)

    def _lacking(
        self, candidate: Candidate, allocation: Allocation, crossed: list[tuple[int, Window]]
    ) -> list[str]:
        """The nodes on which a window would lack something if the candidate were there."""
        by_node: dict[str, list[TaskPlacement]] = {}
        for task in allocation.tasks:
            by_node.setdefault(task.node, []).append(task)
        lacking_nodes: dict[str, None] = {}
        for begins_us, window in crossed:
            for node, tasks in by_node.items():
                if node in window.places and node not in lacking_nodes:
                    booked = (candidate.job.shape, Allocation(tuple(tasks)))
                    if not self._fits_at(begins_us, node, booked, candidate.job.tenant):
                        lacking_nodes[node] = None
        return list(lacking_nodes)

    def _fits_at(self, at_us: int, node: str, booked: tuple[Shape, Allocation], tenant: str) -> bool:
        """Whether the node will have room then for this and for the places of all windows that are open then."""
        trial = Trial(self._windows.capacity.table)
        state = trial.table.by_name[node]
        self.release_ended(trial, state, at_us)
        if not trial.book(*booked):
            return False
        return not any(
            lacking(trial, window.reservation.shape, _tasks_on(window, node))
            for window in self._open_at(at_us, node)
            if not window.reservation.is_for(tenant)
        )

    def _open_at(self, at_us: int, node: str) -> list[Window]:
        """Windows with places there that are open at an instant that is still ahead, unless what they have is taken
        already."""
        wall_us = self._windows.clock.wall_us(at_us)
        found = []
        for window in self._windows.all():
            begins_us = window.reservation.window_at(wall_us)
            if node not in window.places or begins_us is None or begins_us > wall_us:
                continue
            is_taken = window.state is WindowState.OPEN and begins_us == window.begins_wall_us
            if not is_taken and begins_us != window.reservation.released_wall_us:
                found.append(window)
        return found

    def release_ended(self, trial: Trial, state: NodeState, at_us: int) -> None:
        """Suppose that what is predicted to be gone from this node at that instant is: jobs, and what is held."""
        running, capacity, node = self._windows.running, self._windows.capacity, state.node.name
        for job_id in sorted(state.jobs):
            if job_id in running.ends and running.ends.end_us(job_id) <= at_us:
                shape, allocation = capacity.held(job_id)
                there = tuple(task for task in allocation.tasks if task.node == node)
                trial.release(job_id, shape, Allocation(there))
        for window in self._windows.on_node(node):
            if self._windows.clock.mono_us(window.ends_wall_us) <= at_us:
                release_held(trial, window, [node])


def release_held(trial: Trial, window: Window, nodes: Iterable[str]) -> None:
    """Suppose that nothing is set aside for this window on these nodes."""
    for node in nodes:
        for hold in window.holds.get(node, ()):
            trial.give_back(node, trial.table.fit_of(hold.group).need, hold.devices)


def _tasks_on(window: Window, node: str) -> list[TaskPlacement]:
    return [task for task in window.reservation.allocation.tasks if task.node == node]
