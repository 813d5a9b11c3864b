"""Shortcuts in the replacement of a guardian: each loses what a majority held, or lets a job run twice.

The simulation finds the first of them. The others need a few coincidences each: SCHEDULED are those that
tests/core/shards/test_shortcuts.py builds by hand."""

from __future__ import annotations

from contextlib import ExitStack
from unittest import mock

import msgspec

from chaos.mutants.mutant import Mutant, replace
from chaos.mutants.profiles import EXCHANGED_GUARDIANS
from hanse.core.effects import Effects
from hanse.core.federation.shards import shard as shards
from hanse.core.federation.shards.candidacy import Candidacy
from hanse.core.federation.shards.regroup import Change, Final, Situation, Step, next_step
from hanse.core.federation.shards.shard import Shard
from hanse.core.messages import Append
from hanse.core.model.time import Now


def _switch_at_once(patches: ExitStack) -> None:
    def shortcut(situation: Situation) -> Step:
        step = next_step(situation)
        if not isinstance(step, Change):
            return step
        group = msgspec.structs.replace(step.group, members=step.group.joining, joining=())
        return Final(group, tuple(each for each in step.group.members if each not in group.members))

    patches.enter_context(mock.patch.object(shards, "next_step", shortcut))


def _keep_own_group(patches: ExitStack) -> None:
    on_fetched = Shard._on_fetched

    def shortcut(self: Shard, now: Now, candidacy: Candidacy, append: Append, out: Effects) -> None:
        take, self._take_group = self._take_group, lambda now: None  # type: ignore[method-assign]
        on_fetched(self, now, candidacy, append, out)
        self._take_group = take  # type: ignore[method-assign]

    replace(patches, Shard, "_on_fetched", shortcut)


def _begin_without_the_log(patches: ExitStack) -> None:
    begin = Shard._begin

    def shortcut(self: Shard, peer: str, append: Append, out: Effects) -> None:
        if append.parts == 1 and not append.cut:
            append = msgspec.structs.replace(append, cut=True, previous_sequence=0)
        begin(self, peer, append, out)

    replace(patches, Shard, "_begin", shortcut)


def _final_at_once(patches: ExitStack) -> None:
    situation = Shard._situation

    def shortcut(self: Shard) -> Situation:
        return situation(self)._replace(waited=True)

    replace(patches, Shard, "_situation", shortcut)


MUTANTS = (
    Mutant(
        name="switch without joint",
        shortcut="the new group counts alone as soon as the leader has written it",
        profile=EXCHANGED_GUARDIANS,
        install=_switch_at_once,
    ),
)

SCHEDULED = (
    Mutant(
        name="the candidate's own group",
        shortcut="a candidate that takes a better copy counts promises by the group that it knew before",
        profile=EXCHANGED_GUARDIANS,
        install=_keep_own_group,
    ),
    Mutant(
        name="newcomer without the log",
        shortcut="a newcomer acknowledges what comes now, before it has what came earlier",
        profile=EXCHANGED_GUARDIANS,
        install=_begin_without_the_log,
    ),
    Mutant(
        name="old grants are not waited out",
        shortcut="the new group counts alone although tasks may live by grants of the old one",
        profile=EXCHANGED_GUARDIANS,
        install=_final_at_once,
    ),
)
