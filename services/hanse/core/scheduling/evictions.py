"""Who has to leave for a window, and when.

Jobs that ran before a reservation was made, or that run longer than predicted, may be where a window is to have its
places. Its reservation says what becomes of them. Those that are to be stopped are told so by their own grace before
the window begins, so that they are gone when it does: node by node, as few as make room, those of the last tiers and
the newest first, and nobody where it would not be enough. Nobody is stopped by a wall clock of which there is only one
reading (clock.py): then they are late.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from hanse.core.model.deadlines import NEVER_US
from hanse.core.model.jobs import Job
from hanse.core.model.lifecycle import JobState
from hanse.core.model.limits import GRACE_US_MAX
from hanse.core.model.reservations import Before, WindowState
from hanse.core.scheduling.crossings import Crossings
from hanse.core.scheduling.standing import Standing
from hanse.core.scheduling.trial import Trial
from hanse.core.scheduling.windows import Window, Windows, as_tasks


class Evicted(msgspec.Struct, frozen=True):
    """A job that is to be stopped for a window, and why, in words."""

    job: Job
    why: str


class Evictions:
    """Looks at each window that begins soon, or that lacks something."""

    def __init__(self, windows: Windows, crossings: Crossings, standing: Standing) -> None:
        self._windows = windows
        self._crossings = crossings
        self._standing = standing

    def due(self, now_us: int) -> tuple[list[Evicted], int]:
        """Who is to be told now, and when somebody is next."""
        evicted: dict[str, Evicted] = {}
        next_us = NEVER_US
        for window in self._windows.all():
            begins_us = self._begins_us(window)
            if window.reservation.before is Before.FINISH or begins_us - now_us > GRACE_US_MAX:
                continue
            for job in self._in_the_way(window, max(now_us, begins_us)):
                told_us = begins_us - job.grace_us
                if told_us > now_us:
                    next_us = min(next_us, told_us)
                elif self._windows.clock.is_steady:
                    evicted.setdefault(job.id, Evicted(job, _why(window)))
        return list(evicted.values()), next_us

    def _begins_us(self, window: Window) -> int:
        if window.state not in (WindowState.AHEAD, WindowState.OPEN) or not window.reservation.is_sure:
            return NEVER_US
        return self._windows.clock.mono_us(window.begins_wall_us)

    def _in_the_way(self, window: Window, at_us: int) -> list[Job]:
        found: dict[str, Job] = {}
        for node in window.places:
            if window.state is not WindowState.OPEN or window.missing_on(node):
                found |= {job.id: job for job in self._leaving(window, node, at_us)}
        return list(found.values())

    def _leaving(self, window: Window, node: str, at_us: int) -> list[Job]:
        """Whoever has to leave a node so that the window has its places there at this instant."""
        trial = Trial(self._windows.capacity.table)
        state = trial.table.by_name.get(node)
        if state is None or state.closed:
            return []
        self._crossings.release_ended(trial, state, at_us)
        candidates = list(self._candidates(window, node, at_us))
        chosen: list[Job] = []
        while not self._has_room(trial, window, node):
            if len(chosen) == len(candidates):
                return []
            self._release(trial, candidates[len(chosen)], node)
            chosen.append(candidates[len(chosen)])
        return self._needed(window, node, at_us, chosen)

    def _needed(self, window: Window, node: str, at_us: int, chosen: list[Job]) -> list[Job]:
        """Without those that are in nobody's way after all."""
        for job in list(chosen[:-1]):
            fewer = [each for each in chosen if each is not job]
            trial = Trial(self._windows.capacity.table)
            self._crossings.release_ended(trial, trial.table.by_name[node], at_us)
            for each in fewer:
                self._release(trial, each, node)
            if self._has_room(trial, window, node):
                chosen = fewer
        return chosen

    def _candidates(self, window: Window, node: str, at_us: int) -> Iterator[Job]:
        running, tiers = self._windows.running, self._standing.tiers
        jobs = [
            running.jobs[job_id]
            for job_id in self._windows.capacity.table.by_name[node].jobs
            if job_id in running.jobs and running.ends.end_us(job_id) > at_us
        ]
        jobs.sort(key=lambda job: (-tiers.rank(job.shape.body.tier), -running.ends.began_us(job.id), job.id))
        for job in jobs:
            runs = job.state is JobState.RUNNING and job.id not in running.leaving
            if runs and not self._is_spared(window, node, job):
                yield job

    def _is_spared(self, window: Window, node: str, job: Job) -> bool:
        """What would lose its work, if the reservation says so; and jobs of this window's tenant, and of those whom
        other windows that are open there are for."""
        if window.reservation.before is Before.CHECKPOINT and not job.shape.body.restartable:
            return True
        used = (window, *self._windows.on_node(node))
        return any(each.reservation.is_for(job.tenant) for each in used)

    def _release(self, trial: Trial, job: Job, node: str) -> None:
        shape, allocation = self._windows.capacity.held(job.id)
        there = tuple(task for task in allocation.tasks if task.node == node)
        trial.release(job.id, shape, msgspec.structs.replace(allocation, tasks=there))

    def _has_room(self, trial: Trial, window: Window, node: str) -> bool:
        """For what the window's tenant does not use there already."""
        attempt = trial.copy()
        if window.state is WindowState.OPEN:
            wanted = window.missing_on(node)
        else:
            wanted = self._windows.unused_of(window, node)
        return all(attempt.squeeze(node, attempt.table.fit_of(group).need) for group in as_tasks(wanted))


def _why(window: Window) -> str:
    reservation = window.reservation
    return f"for reservation {reservation.name} of {reservation.tenant}, whose window begins"
