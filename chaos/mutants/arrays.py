"""Shortcuts with arrays: their elements are done twice, too many at a time, or summed up wrongly."""

from __future__ import annotations

from contextlib import ExitStack
from unittest import mock

import msgspec

from chaos.mutants.mutant import Mutant, replace
from chaos.mutants.profiles import ARRAYS
from hanse.core.elements import Elements
from hanse.core.federation.handoff import giver
from hanse.core.messages import Commit
from hanse.core.model.arrays import Array
from hanse.core.model.jobs import Job, Reason
from hanse.core.model.lifecycle import JobInput, JobState


def _without_limit(patches: ExitStack) -> None:
    patches.enter_context(mock.patch.object(Array, "may_start", property(lambda self: bool(self.waiting))))


def _forget_progress(patches: ExitStack) -> None:
    commit_of = giver.commit_of

    def shortcut(job: Job, region: str, offer_id: int) -> Commit:
        return msgspec.structs.replace(commit_of(job, region, offer_id), progress=None)

    patches.enter_context(mock.patch.object(giver, "commit_of", shortcut))


def _fail_at_the_end(patches: ExitStack) -> None:
    def shortcut(self: Array, *, ended_by_caller: bool) -> JobState:
        return JobState.CANCELLED if self.cancelled else JobState.SUCCEEDED

    replace(patches, Array, "outcome", shortcut)


def _blame_the_stopped(patches: ExitStack) -> None:
    """An element that is to be tried again is taken for one that has failed."""
    requeue = Elements.requeue

    def shortcut(self: Elements, element: Job, reason: Reason) -> None:
        if element.cancel_id or element.state is not JobState.STOPPING:
            requeue(self, element, reason)
        else:
            self.finish(element, JobInput.STOPPED_FAIL, reason, 0)

    replace(patches, Elements, "requeue", shortcut)


MUTANTS = (
    Mutant(
        name="array without a limit",
        shortcut="as many elements start as there is room for, whatever the caller allows",
        profile=ARRAYS,
        install=_without_limit,
    ),
    Mutant(
        name="array begins anew elsewhere",
        shortcut="a COMMIT of an array does not tell what has become of its elements",
        profile=ARRAYS,
        install=_forget_progress,
    ),
    Mutant(
        name="array succeeds at the end",
        shortcut="elements that failed do not count in the sum",
        profile=ARRAYS,
        install=_fail_at_the_end,
    ),
    Mutant(
        name="stopped elements are blamed",
        shortcut="an element that was stopped for another job has failed",
        profile=ARRAYS,
        install=_blame_the_stopped,
    ),
)
