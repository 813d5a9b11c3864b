"""Shortcuts of guardians: who may lead a shard, and what a copy takes from a leader."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import msgspec

from chaos.mutants.mutant import Mutant, replace
from chaos.mutants.profiles import (
    CUT_LEADERS,
    LOST_LEADERS,
)
from chaos.mutants.schedules import (
    ALONE_FOR_LONG,
    ASKED_WHILE_TASKS_LIVE,
    DIES_WITH_ITS_PROMISE,
    OLD_LEADER_FIRST,
)
from chaos.mutants.shell import leaking_sends
from hanse.core.effects import Effects, Send
from hanse.core.federation.shards.candidacy import Candidacy, Stage
from hanse.core.federation.shards.elections import Elections
from hanse.core.federation.shards.following import Following
from hanse.core.federation.shards.log import ShardLog, Where
from hanse.core.federation.shards.seat import Role, Seat
from hanse.core.messages import (
    Append,
    AppendAck,
    LogRecord,
    Promise,
    Renew,
    RenewAck,
)
from hanse.core.model.time import Now
from hanse.core.rows import ShardRow, ShardStateRow
from hanse.core.scheduling.local import LocalSide

Install = Callable[[ExitStack], None]


# --- votes ------------------------------------------------------------------------------------------------------------


def _wait_for_no_grant(patches: ExitStack) -> None:
    replace(patches, Seat, "waited", lambda self, now, candidate: True)


def _forget_the_wait_at_start(patches: ExitStack) -> None:
    init = Seat.__init__

    def shortcut(self: Seat, *arguments: Any) -> None:
        init(self, *arguments)
        now: Now = arguments[-1]
        self.granted_until_us = now.mono_us

    replace(patches, Seat, "__init__", shortcut)


def _take_processes_for_dead(patches: ExitStack) -> None:
    replace(patches, LocalSide, "living", lambda self, shard: not self.runs.recovered)


def _written(
    change: Callable[[ShardStateRow, list[ShardRow]], tuple[ShardStateRow, list[ShardRow]]],
) -> Install:
    """What a member that does not lead writes is less than what it says."""

    def install(patches: ExitStack) -> None:
        collect = Seat.collect

        def shortcut(self: Seat) -> tuple[ShardStateRow | None, list[ShardRow], list[tuple[str, str]]]:
            state, rows, gone = collect(self)
            if state is not None and not self.leading:
                state, rows = change(state, rows)
            return state, rows, gone

        replace(patches, Seat, "collect", shortcut)

    return install


def _without_records(state: ShardStateRow, rows: list[ShardRow]) -> tuple[ShardStateRow, list[ShardRow]]:
    return msgspec.structs.replace(state, log_term=0, log_sequence=0, committed_sequence=0), []


def _without_promise(state: ShardStateRow, rows: list[ShardRow]) -> tuple[ShardStateRow, list[ShardRow]]:
    if state.promised_term == state.log_term:
        return state, rows
    return msgspec.structs.replace(state, promised_term=state.log_term, promised_to=""), rows


def _vote_for_oneself_alone(patches: ExitStack) -> None:
    consider = Elections.consider

    def shortcut(self: Elections, now: Now, out: Effects) -> None:
        consider(self, now, out)
        seat, candidacy = self._seat, self.candidacy
        if candidacy is not None and candidacy.term > seat.promised:
            seat.join(candidacy.term, seat.region)
            self.give_up()
            self._leadership.start(now, seat.log.end)

    replace(patches, Elections, "consider", shortcut)


def _keep_own_copy(patches: ExitStack) -> None:
    def shortcut(self: Candidacy, own: Where) -> str:
        self.source, self.stage = self.region, Stage.READY
        return self.region

    replace(patches, Candidacy, "choose_copy", shortcut)


def _choose_the_longest_copy(patches: ExitStack) -> None:
    def shortcut(self: Candidacy, own: Where) -> str:
        best, source = own, self.region
        for member in sorted(self.copies):
            if self.copies[member].sequence > best.sequence:
                best, source = self.copies[member], member
        self.source = source
        self.stage = Stage.READY if source == self.region else Stage.FETCH
        return source

    replace(patches, Candidacy, "choose_copy", shortcut)


# --- members ----------------------------------------------------------------------------------------------------------


def _follow_the_fenced(patches: ExitStack) -> None:
    on_append = Following.on_append

    def shortcut(self: Following, now: Now, peer: str, append: Append, out: Effects) -> None:
        seat = self._seat
        if append.term >= seat.promised or seat.role is not Role.MEMBER or not seat.holds_copy:
            on_append(self, now, peer, append, out)
            return
        promise = seat.promised, seat.promised_to
        seat.promised, seat.promised_to = append.term, peer
        self._follow(peer, append, out)
        seat.promised, seat.promised_to = promise

    replace(patches, Following, "on_append", shortcut)


def _grant_to_the_fenced(patches: ExitStack) -> None:
    on_renew = Following.on_renew

    def shortcut(self: Following, now: Now, peer: str, renew: Renew, out: Effects) -> None:
        if renew.term < self._seat.promised and self._seat.holds_copy:
            out.sends.append(Send(peer, RenewAck(renew.shard, renew.term, renew.boot, renew.number)))
        else:
            on_renew(self, now, peer, renew, out)

    replace(patches, Following, "on_renew", shortcut)


def _keep_the_suffix(patches: ExitStack) -> None:
    def shortcut(self: ShardLog, committed: int, records: list[LogRecord], end: Where) -> None:
        for record in records:
            if record.sequence:
                self._put(record)
        self.end = end

    replace(patches, ShardLog, "cut_to", shortcut)


MUTANTS = (
    Mutant(
        name="a promise without waiting",
        shortcut="a member promises a term while the last lease that it granted runs",
        profile=CUT_LEADERS,
        install=_wait_for_no_grant,
    ),
    Mutant(
        name="a restart skips the wait",
        shortcut="a member that restarts promises as if it had granted nothing",
        profile=CUT_LEADERS,
        install=_forget_the_wait_at_start,
    ),
    Mutant(
        name="own processes are not waited for",
        shortcut="a member promises, follows and stands although tasks of the shard live in its region",
        profile=ASKED_WHILE_TASKS_LIVE,
        install=_take_processes_for_dead,
    ),
    Mutant(
        name="copies are not durable",
        shortcut="a member acknowledges records and does not write them",
        profile=LOST_LEADERS,
        install=_written(_without_records),
    ),
    Mutant(
        name="records are acknowledged before the write",
        shortcut="the acknowledgement leaves before the records are durable",
        profile=LOST_LEADERS,
        install=leaking_sends(lambda send: isinstance(send.message, AppendAck)),
    ),
    Mutant(
        name="promises are not durable",
        shortcut="a member promises a term and does not write it",
        profile=DIES_WITH_ITS_PROMISE,
        install=_written(_without_promise),
    ),
    Mutant(
        name="a promise before the write",
        shortcut="PROMISE leaves before the promise is durable",
        profile=DIES_WITH_ITS_PROMISE,
        install=leaking_sends(lambda send: isinstance(send.message, Promise) and not send.message.trial),
    ),
    Mutant(
        name="one vote is enough",
        shortcut="a candidate leads without any promise but its own",
        profile=CUT_LEADERS,
        install=_vote_for_oneself_alone,
    ),
    Mutant(
        name="the other copy is not looked at",
        shortcut="a candidate begins its term with its own copy, whatever others hold",
        profile=CUT_LEADERS,
        install=_keep_own_copy,
    ),
    Mutant(
        name="the longest copy wins",
        shortcut="copies are compared by sequence, without their terms",
        profile=ALONE_FOR_LONG,
        install=_choose_the_longest_copy,
    ),
    Mutant(
        name="records of a fenced term are taken",
        shortcut="a member takes records of a term below the one that it has promised",
        profile=OLD_LEADER_FIRST,
        install=_follow_the_fenced,
    ),
    Mutant(
        name="a fenced leader is granted its lease",
        shortcut="a member acknowledges renewals of a term below the one that it has promised",
        profile=CUT_LEADERS,
        install=_grant_to_the_fenced,
    ),
    Mutant(
        name="a leader that returns keeps its suffix",
        shortcut="records that the next leader never had stay in a copy",
        profile=CUT_LEADERS,
        install=_keep_the_suffix,
    ),
)
