"""Shortcuts of evening out queues: jobs are carried back and forth."""

from __future__ import annotations

from contextlib import ExitStack
from unittest import mock

from chaos.mutants.mutant import Mutant
from chaos.mutants.profiles import UNEVEN
from hanse.core.federation.handoff import rebalancing
from hanse.core.model.jobs import Job
from hanse.core.model.limits import RELIEF_HOPS_MAX


def _for_ever(patches: ExitStack) -> None:
    patches.enter_context(mock.patch.object(rebalancing, "RELIEF_HOPS_MAX", 1 << 30))


def _back_again(patches: ExitStack) -> None:
    def shortcut(job: Job, peer: str) -> bool:
        return peer != job.shard and len(job.path) < RELIEF_HOPS_MAX

    patches.enter_context(mock.patch.object(rebalancing, "may_be_relieved", shortcut))


MUTANTS = (
    Mutant(
        name="handed on for ever",
        shortcut="nobody counts how often a job went for a shorter queue",
        profile=UNEVEN,
        install=_for_ever,
    ),
    Mutant(
        name="back and forth",
        shortcut="a job goes back to where it was for a shorter queue",
        profile=UNEVEN,
        install=_back_again,
    ),
)
