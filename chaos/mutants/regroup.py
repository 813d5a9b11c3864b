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
from hanse.core.federation.shards import leadership as leadership_module
from hanse.core.federation.shards.elections import Elections
from hanse.core.federation.shards.following import Following
from hanse.core.federation.shards.leadership import Leadership
from hanse.core.federation.shards.regroup import Change, Final, Listen, Situation, Step, next_step
from hanse.core.federation.shards.replication import Replication
from hanse.core.federation.shards.seat import Seat, Standing
from hanse.core.messages import Append, Prepare
from hanse.core.model.time import Now


def _switch_at_once(patches: ExitStack) -> None:
    def shortcut(situation: Situation) -> Step:
        step = next_step(situation)
        if not isinstance(step, Change):
            return step
        group = msgspec.structs.replace(step.group, members=step.group.joining, joining=())
        return Final(group, tuple(each for each in step.group.members if each not in group.members))

    patches.enter_context(mock.patch.object(leadership_module, "next_step", shortcut))


def _keep_own_group(patches: ExitStack) -> None:
    on_fetched = Elections.on_fetched

    def shortcut(self: Elections, now: Now, append: Append, out: Effects) -> None:
        with mock.patch.object(Seat, "take_group", return_value=False):
            on_fetched(self, now, append, out)

    replace(patches, Elections, "on_fetched", shortcut)


def _begin_without_the_log(patches: ExitStack) -> None:
    begin = Following._begin

    def shortcut(self: Following, peer: str, append: Append, out: Effects) -> None:
        if append.parts == 1 and not append.cut:
            append = msgspec.structs.replace(append, cut=True, previous_sequence=0)
        begin(self, peer, append, out)

    replace(patches, Following, "_begin", shortcut)


def _final_at_once(patches: ExitStack) -> None:
    situation = Leadership._situation

    def shortcut(self: Leadership, replication: Replication) -> Situation:
        return situation(self, replication)._replace(waited=True)

    replace(patches, Leadership, "_situation", shortcut)


def _change_while_changing(patches: ExitStack) -> None:
    def shortcut(situation: Situation) -> Step:
        group = situation.group
        if not group.joining or sorted(group.joining) == sorted(situation.wanted):
            return next_step(situation)
        ended = msgspec.structs.replace(group, members=group.joining, joining=())
        step = next_step(situation._replace(group=ended, settled=True))
        return step if isinstance(step, Change | Listen) else next_step(situation)

    patches.enter_context(mock.patch.object(leadership_module, "next_step", shortcut))


def _promise_to_anybody(patches: ExitStack) -> None:
    """A promise is a number, and names nobody."""

    def is_repeated(self: Following, peer: str, prepare: Prepare) -> bool:
        return prepare.term == self._seat.promised and not prepare.trial

    def join(self: Seat, term: int, leader: str) -> None:
        self.standing = Standing.WHOLE if term > self.promised else self.standing
        self.promised, self.promised_to = term, leader
        self.seen_term = max(self.seen_term, term)

    replace(patches, Following, "_is_repeated", is_repeated)
    replace(patches, Seat, "is_over", lambda self, peer, term: term < self.promised)
    replace(patches, Seat, "join", join)


def _forget_promises(patches: ExitStack) -> None:
    leave = Seat.leave

    def shortcut(self: Seat) -> None:
        leave(self)
        self.promised = 0

    replace(patches, Seat, "leave", shortcut)


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
        name="a change during a change",
        shortcut="the next guardian is exchanged before the group agrees that the last one was",
        profile=EXCHANGED_GUARDIANS,
        install=_change_while_changing,
    ),
    Mutant(
        name="a term promised to two",
        shortcut="a promise names no candidate: whoever asks for the same term has it too",
        profile=EXCHANGED_GUARDIANS,
        install=_promise_to_anybody,
    ),
    Mutant(
        name="a former member forgets its promise",
        shortcut="who leaves a group deletes what it has promised along with its copy",
        profile=EXCHANGED_GUARDIANS,
        install=_forget_promises,
    ),
    Mutant(
        name="old grants are not waited out",
        shortcut="the new group counts alone although tasks may live by grants of the old one",
        profile=EXCHANGED_GUARDIANS,
        install=_final_at_once,
    ),
)
