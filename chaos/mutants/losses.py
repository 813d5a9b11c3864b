"""Shortcuts of regions that take back what they gave to one that was declared lost."""

from __future__ import annotations

from contextlib import ExitStack

from chaos.mutants.mutant import Mutant, replace
from chaos.mutants.profiles import LOST_REGIONS
from hanse.core.books import Books
from hanse.core.federation.losses import Losses
from hanse.core.model.jobs import Job, Reason, ReasonCode
from hanse.core.model.lifecycle import JobInput


def _ask_nobody(patches: ExitStack) -> None:
    replace(patches, Losses, "missing", lambda self: [])


def _reuse_the_epoch(patches: ExitStack) -> None:
    def shortcut(self: Books, job: Job, epoch: int) -> None:
        job.epoch, job.attempt, job.remote = job.transfer_epoch, 0, None
        self._change(job, JobInput.TAKEN_BACK, Reason(ReasonCode.REGION_LOST))

    replace(patches, Books, "taken_back", shortcut)


MUTANTS = (
    Mutant(
        name="taken back without asking",
        shortcut="a job that was with a lost region is queued again before any member has said what it knows",
        profile=LOST_REGIONS,
        install=_ask_nobody,
    ),
    Mutant(
        name="taken back in the old epoch",
        shortcut="a job that was with a lost region is queued again at the epoch at which that one had it",
        profile=LOST_REGIONS,
        install=_reuse_the_epoch,
    ),
)
