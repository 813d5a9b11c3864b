"""Shortcuts of moves: what is running is handed over too early, too often, or is blamed for it."""

from __future__ import annotations

from contextlib import ExitStack
from unittest import mock

from chaos.mutants.mutant import Mutant, replace
from chaos.mutants.profiles import DRAINED
from hanse.core.effects import Effects
from hanse.core.federation import moving
from hanse.core.federation.moving import Moving, Stays
from hanse.core.model.jobs import Job, Reason
from hanse.core.model.time import Now
from hanse.core.scheduling.local import LocalSide
from hanse.core.scheduling.runs import Runs


def _requeue_before_dead(patches: ExitStack) -> None:
    stop_to_move = LocalSide.stop_to_move

    def shortcut(self: LocalSide, job: Job, reason: Reason, out: Effects) -> None:
        stop_to_move(self, job, reason, out)
        self.runs._clean.pop(job.id, None)
        settled = self.runs._settle_stopped(job, out)
        out.reaps.pop()  # the engine would refuse: its tasks live
        self._after(settled, out)

    replace(patches, LocalSide, "stop_to_move", shortcut)


def _forget_the_bound(patches: ExitStack) -> None:
    patches.enter_context(mock.patch.object(moving, "MOVES_MAX", 1 << 30))


def _count_as_failure(patches: ExitStack) -> None:
    stop_to_move = Runs.stop_to_move

    def shortcut(self: Runs, job: Job, reason: Reason, out: Effects) -> None:
        stop_to_move(self, job, reason, out)
        self._library.of(job).count_failure(job, 143)

    replace(patches, Runs, "stop_to_move", shortcut)


def _run_again_what_was_done(patches: ExitStack) -> None:
    stop_to_move = Runs.stop_to_move

    def shortcut(self: Runs, job: Job, reason: Reason, out: Effects) -> None:
        stop_to_move(self, job, reason, out)
        self._clean.pop(job.id, None)

    replace(patches, Runs, "stop_to_move", shortcut)


def _move_everything(patches: ExitStack) -> None:
    why_it_stays = Moving._why_it_stays

    def shortcut(self: Moving, now: Now, job: Job) -> Stays:
        why = why_it_stays(self, now, job)
        return Stays.NEXT if why is Stays.NOT_RESTARTABLE else why

    replace(patches, Moving, "_why_it_stays", shortcut)


MUTANTS = (
    Mutant(
        name="handed over before the processes are dead",
        shortcut="a job that is to move is queued again as soon as its stop was sent",
        profile=DRAINED,
        install=_requeue_before_dead,
    ),
    Mutant(
        name="moved without end",
        shortcut="nobody counts how often a job was moved",
        profile=DRAINED,
        install=_forget_the_bound,
    ),
    Mutant(
        name="a move is a failure",
        shortcut="being stopped to move costs a retry",
        profile=DRAINED,
        install=_count_as_failure,
    ),
    Mutant(
        name="what was done is done again",
        shortcut="a job that is to move goes on elsewhere although all of it had ended well",
        profile=DRAINED,
        install=_run_again_what_was_done,
    ),
    Mutant(
        name="everything moves",
        shortcut="jobs that may not be restarted are stopped to move, too",
        profile=DRAINED,
        install=_move_everything,
    ),
)
