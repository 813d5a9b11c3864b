"""Shortcuts in the replacement of a guardian: each loses what a majority held, or lets a job run twice."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any
from unittest import mock

import msgspec

from chaos.mutants.mutant import Mutant, replace
from chaos.mutants.profiles import EXCHANGED_GUARDIANS
from hanse.core.effects import Effects
from hanse.core.federation.shards import shard as shards
from hanse.core.federation.shards.candidacy import Candidacy
from hanse.core.federation.shards.regroup import Change, Final, Situation, Step, next_step
from hanse.core.federation.shards.shard import Shard, Standing
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


def _promise_twice(patches: ExitStack) -> None:
    is_repeated, join = Shard._is_repeated, Shard._join

    def repeated(self: Shard, peer: str, prepare: Any) -> bool:
        same = prepare.term == self.promised and not prepare.trial and self.log.end.term < self.promised
        return is_repeated(self, peer, prepare) or (same and self.promised_to != self._region)

    def joined(self: Shard, term: int, leader: str) -> None:
        if term == self.promised:
            self.promised_to = ""
        join(self, term, leader)

    replace(patches, Shard, "_is_repeated", repeated)
    replace(patches, Shard, "_join", joined)
    replace(patches, Shard, "_is_over", lambda self, peer, term: term < self.promised)


def _change_during_a_change(patches: ExitStack) -> None:
    def shortcut(situation: Situation) -> Step:
        group = situation.group
        if not group.joining or not situation.settled:
            return next_step(situation)
        present = msgspec.structs.replace(group, members=group.joining, joining=())
        step = next_step(situation._replace(group=present))
        return next_step(situation) if step is None else step

    patches.enter_context(mock.patch.object(shards, "next_step", shortcut))


def _forget_on_leaving(patches: ExitStack) -> None:
    leave = Shard._leave_if_told

    def shortcut(self: Shard, append: Append) -> None:
        before = self.standing
        leave(self, append)
        if self.standing is Standing.LEFT and before is not Standing.LEFT:
            self.promised, self._seen_term = 0, 0

    replace(patches, Shard, "_leave_if_told", shortcut)


MUTANTS = (
    Mutant(
        name="switch without joint",
        shortcut="the new group counts alone as soon as the leader has written it",
        profile=EXCHANGED_GUARDIANS,
        install=_switch_at_once,
    ),
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
    Mutant(
        name="one term promised twice",
        shortcut="a member promises the same term to a second candidate",
        profile=EXCHANGED_GUARDIANS,
        install=_promise_twice,
    ),
    Mutant(
        name="a change during a change",
        shortcut="the next guardian is replaced before the group of the first change counts alone",
        profile=EXCHANGED_GUARDIANS,
        install=_change_during_a_change,
    ),
    Mutant(
        name="promises forgotten on leaving",
        shortcut="a former member forgets with its copy what it has promised, and may be a newcomer again",
        profile=EXCHANGED_GUARDIANS,
        install=_forget_on_leaving,
    ),
)
