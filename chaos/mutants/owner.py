"""Shortcuts of the owner: processes, capacity, and what the home is told."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

from chaos.mutants.mutant import Mutant, replace
from chaos.mutants.profiles import CRASHES, LOST_OUTCOMES, STUBBORN
from hanse.core.effects import Effects
from hanse.core.events import FoundTask
from hanse.core.federation.reports import Reports
from hanse.core.model.jobs import Job, Reason
from hanse.core.model.lifecycle import JobState
from hanse.core.model.time import Now
from hanse.core.scheduling.local import LocalSide
from hanse.core.scheduling.placement import Capacity
from hanse.core.scheduling.runs import Runs, Settled


def _send_terminal_once(patches: ExitStack) -> None:
    send_terminal = Reports._send_terminal

    def shortcut(self: Reports, now: Now, job: Job, out: Effects) -> None:
        send_terminal(self, now, job, out)
        self._terminals.cancel(job.id)

    replace(patches, Reports, "_send_terminal", shortcut)
    replace(patches, Reports, "on_session", lambda self, now, peer: None)


def _find_nothing_at_start(patches: ExitStack) -> None:
    on_recovered = Runs.on_recovered

    def shortcut(self: Runs, found: tuple[FoundTask, ...], out: Effects) -> list[Settled]:
        settled = on_recovered(self, (), out)
        out.reaps.clear()  # the engine would refuse: some of the tasks live
        return settled

    replace(patches, Runs, "on_recovered", shortcut)


def _free_when_stopped(patches: ExitStack) -> None:
    stop, release = LocalSide.stop, Capacity.release

    # What was freed too early is still on the capacity's list, for those that ask what a running job holds.
    freed: dict[str, None] = {}

    def shortcut(self: LocalSide, job: Job, reason: Reason, out: Effects) -> None:
        stop(self, job, reason, out)
        held = self.capacity.held(job.id)
        release(self.capacity, job.id)
        self.capacity._held[job.id] = held
        freed[job.id] = None

    def release_once(self: Capacity, job_id: str) -> None:
        if job_id in freed:
            del freed[job_id], self._held[job_id]
        elif self.holds(job_id):
            release(self, job_id)

    replace(patches, LocalSide, "stop", shortcut)
    replace(patches, Capacity, "release", release_once)


def cancel_before_dead(is_meant: Callable[[Job], bool]) -> Callable[[ExitStack], None]:
    """A running job is CANCELLED as soon as its stop was sent, if the job is meant."""

    def install(patches: ExitStack) -> None:
        stop = LocalSide.stop

        def shortcut(self: LocalSide, job: Job, reason: Reason, out: Effects) -> None:
            stop(self, job, reason, out)
            if job.state is JobState.STOPPING and job.cancel_id and is_meant(job):
                settled = self.runs._settle_stopped(job, out)
                out.reaps.pop()  # the engine would refuse: its tasks live
                self._after(settled, out)

        replace(patches, LocalSide, "stop", shortcut)

    return install


MUTANTS = (
    Mutant(
        name="TERMINAL is sent once",
        shortcut="an outcome that home has not acknowledged is not sent again",
        profile=LOST_OUTCOMES,
        install=_send_terminal_once,
    ),
    Mutant(
        name="nothing is adopted after a restart",
        shortcut="a region that starts takes its processes for dead",
        profile=CRASHES,
        install=_find_nothing_at_start,
    ),
    Mutant(
        name="capacity is free when the stop was sent",
        shortcut="SIGTERM frees what the tasks hold",
        profile=STUBBORN,
        install=_free_when_stopped,
    ),
    Mutant(
        name="CANCELLED before the processes are dead",
        shortcut="a running job is CANCELLED as soon as its stop was sent",
        profile=STUBBORN,
        install=cancel_before_dead(lambda job: True),
    ),
)
