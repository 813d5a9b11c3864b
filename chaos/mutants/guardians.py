"""Shortcuts of the guardians: who may lead, what a majority is, how long a lease lasts, what a lost disk may do."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any
from unittest import mock

import msgspec

from chaos.mutants.giver import settle_in_transfer
from chaos.mutants.mutant import Mutant, replace
from chaos.mutants.owner import cancel_before_dead
from chaos.mutants.profiles import (
    CUT_LEADERS,
    FORGETFUL_GUARDIANS,
    LEADERS_BACK_AT_ONCE,
    LOST_LEADERS,
    UNEVEN_CLOCKS,
)
from chaos.mutants.schedules import (
    ALONE_FOR_LONG,
    ASKED_WHILE_TASKS_LIVE,
    DIES_WITH_ITS_PROMISE,
    GRANTED_AND_LOST,
    LAUNCHED_AND_LOST,
    LEARNT_A_PROMISE,
    OLD_LEADER_FIRST,
    SLOW_ANSWERS,
)
from chaos.mutants.shell import leaking_sends
from hanse.core.effects import (
    NO_WRITES,
    CancelOutcome,
    Effects,
    Reply,
    Send,
    ShardRow,
    ShardStateRow,
    SubmitOutcome,
)
from hanse.core.federation.shards import following as following_module
from hanse.core.federation.shards import seat as seat_module
from hanse.core.federation.shards.candidacy import Candidacy, Stage
from hanse.core.federation.shards.elections import Elections
from hanse.core.federation.shards.following import Following
from hanse.core.federation.shards.journal import Journal
from hanse.core.federation.shards.leadership import Leadership
from hanse.core.federation.shards.leading import Leading
from hanse.core.federation.shards.lease import Renewals
from hanse.core.federation.shards.log import ShardLog, Where
from hanse.core.federation.shards.rejoining import Rejoining
from hanse.core.federation.shards.seat import Role, Seat, Standing
from hanse.core.federation.shards.shard import Shard
from hanse.core.federation.shards.shards import Shards
from hanse.core.messages import (
    Append,
    AppendAck,
    CancelAck,
    Commit,
    Decision,
    LogRecord,
    Promise,
    Renew,
    RenewAck,
    Terminal,
    Verdict,
)
from hanse.core.model.deadlines import NEVER_US
from hanse.core.model.jobs import Job
from hanse.core.model.lifecycle import JobState
from hanse.core.model.regions import Group, Timings
from hanse.core.model.time import Now
from hanse.core.scheduling.local import LocalSide
from hanse.sim.executor import SimExecutor

Install = Callable[[ExitStack], None]


# --- effects before a majority holds what they follow from ------------------------------------------------------------


def _gate_leaks(kind: str, leaks: Callable[[Any], bool]) -> Install:
    """Of the `sends` or `replies` of a shard's leader, those that leak do not wait at the gate."""

    def install(patches: ExitStack) -> None:
        collect, release = Leading.collect, Leading.release
        early: dict[Leading, list[Any]] = {}
        place = {"sends": 0, "replies": 1}[kind]

        def put_aside(self: Leading) -> None:
            found = getattr(self.out, kind)
            early[self] = [each for each in found if leaks(each)]
            setattr(self.out, kind, [each for each in found if not leaks(each)])
            collect(self)

        def let_go(self: Leading) -> Any:
            released = release(self)
            released[place].extend(early.pop(self, []))
            return released

        replace(patches, Leading, "collect", put_aside)
        replace(patches, Leading, "release", let_go)

    return install


def _sends(kind: type) -> Install:
    return _gate_leaks("sends", lambda send: isinstance(send.message, kind))


def _is_committed(send: Send) -> bool:
    return isinstance(send.message, Decision) and send.message.verdict is Verdict.COMMITTED


def _answers(kind: type) -> Install:
    def leaks(reply: Reply) -> bool:
        return isinstance(reply.answer, kind)

    return _gate_leaks("replies", leaks)


def _show_at_once(patches: ExitStack) -> None:
    release = Leading.release

    def shortcut(self: Leading) -> Any:
        freed = release(self)
        for held in self._gate._held if self.shard.leads else ():
            self.rows.add(held.rows, [])
            held.rows = NO_WRITES
        return freed

    replace(patches, Leading, "release", shortcut)


def _own_disk_is_enough(patches: ExitStack) -> None:
    append = ShardLog.append

    def shortcut(self: ShardLog, term: int, key: str, value: bytes) -> None:
        append(self, term, key, value)
        self.note_committed(self.end.sequence)

    replace(patches, ShardLog, "append", shortcut)


def _keep_transfers_to_oneself(patches: ExitStack) -> None:
    put = Journal._put

    def shortcut(self: Journal, term: int, kind: str, name: str, row: Any) -> None:
        if kind != "s" or row.state != JobState.XFER:
            put(self, term, kind, name, row)

    replace(patches, Journal, "_put", shortcut)


def _act_once_started(patches: ExitStack) -> None:
    replicate = Leadership._replicate_from

    def shortcut(self: Leadership, now: Now, inherited: Where) -> None:
        replicate(self, now, inherited)
        _act_on_all(self._seat)

    replace(patches, Leadership, "_replicate_from", shortcut)


def _act_on_all(seat: Seat) -> None:
    seat.log.note_committed(seat.log.end.sequence)
    seat.role = Role.LEADER


def _reopen_alone(patches: ExitStack) -> None:
    resume = Leadership.resume

    def shortcut(self: Leadership, now: Now) -> None:
        resume(self, now)
        if self._seat.role is Role.STARTING:
            _act_on_all(self._seat)

    replace(patches, Leadership, "resume", shortcut)


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


# --- leases -----------------------------------------------------------------------------------------------------------


def _count_from_the_answer(patches: ExitStack) -> None:
    on_message, on_renew_ack = Shard.on_message, Leadership.on_renew_ack
    received_us: dict[Leadership, int] = {}

    def note(self: Shard, now: Now, *arguments: Any) -> None:
        received_us[self.leadership] = now.mono_us
        on_message(self, now, *arguments)

    def shortcut(self: Leadership, peer: str, ack: RenewAck, out: Effects) -> None:
        if ack.number in self.renewals._sent_us:
            self.renewals._sent_us[ack.number] = received_us[self]
        on_renew_ack(self, peer, ack, out)

    replace(patches, Shard, "on_message", note)
    replace(patches, Leadership, "on_renew_ack", shortcut)


def _count_for_the_newest(patches: ExitStack) -> None:
    on_ack = Renewals.on_ack

    def shortcut(self: Renewals, group: Group, member: str, number: int) -> bool:
        return on_ack(self, group, member, self._number)

    replace(patches, Renewals, "on_ack", shortcut)


def _wait_for_the_lease_alone(patches: ExitStack) -> None:
    def shortcut(timings: Timings) -> int:
        return timings.lease_us

    for module in (following_module, seat_module):
        patches.enter_context(mock.patch.object(module, "member_wait_us", shortcut))


def _no_supervisor(patches: ExitStack) -> None:
    replace(patches, SimExecutor, "_on_lease_end", lambda self, shard, until_us: None)


def _launch_without_lease(patches: ExitStack) -> None:
    replace(patches, Renewals, "holds", lambda self, now_us: True)
    replace(patches, Renewals, "lapses_us", lambda self: NEVER_US)


# --- lost disks -------------------------------------------------------------------------------------------------------


def _forget_nothing(patches: ExitStack) -> None:
    replace(patches, Shard, "forget", lambda self, now: None)


def _learn_from_one(patches: ExitStack) -> None:
    on_deadline = Rejoining.on_deadline

    def shortcut(self: Rejoining, now: Now, out: Effects) -> None:
        told, is_due = dict(self._told), self.asks and self._ask_us <= now.mono_us
        if is_due and any(not each.blank for each in told.values()) and not self._seat.living():
            self._fetch_longest(told, out)
            self._ask_us = now.mono_us + self._seat.timings.append_retry_us
        else:
            on_deadline(self, now, out)

    replace(patches, Rejoining, "on_deadline", shortcut)


def _after_learning(change: Callable[[Following, Now], None]) -> Install:
    def install(patches: ExitStack) -> None:
        on_append = Following.on_append

        def shortcut(self: Following, now: Now, peer: str, append: Append, out: Effects) -> None:
            was_blank = self._seat.blank
            on_append(self, now, peer, append, out)
            if was_blank and self._seat.standing is Standing.REJOINED:
                change(self, now)

        replace(patches, Following, "on_append", shortcut)

    return install


def _skip_the_wait(member: Following, now: Now) -> None:
    member._seat.granted_until_us = now.mono_us


def _count_as_whole(member: Following, now: Now) -> None:
    """The term was promised to whoever owns it: what comes from him was granted to him."""
    seat = member._seat
    seat.standing = Standing.WHOLE
    seat.promised_to = seat.group.owner(max(1, seat.promised))


def _resume_the_own_term(member: Following, now: Now) -> None:
    seat = member._seat
    if seat.group.owner(max(1, seat.promised)) == seat.region:
        seat.standing, seat.promised_to = Standing.WHOLE, seat.region
        member._leadership.resume(now)


def _write_in_doubt(patches: ExitStack) -> None:
    never = property(lambda self: False, lambda self, value: None)
    patches.enter_context(mock.patch.object(Shards, "in_doubt", never, create=True))


# --- cancels ----------------------------------------------------------------------------------------------------------


def _queue_again_what_lives(patches: ExitStack) -> None:
    init = Leading.__init__

    def shortcut(self: Leading, *arguments: Any, resumed: bool) -> None:
        init(self, *arguments, resumed=False)

    replace(patches, Leading, "__init__", shortcut)


def _is_of_shard(job: Job) -> bool:
    return bool(job.shard)


MUTANTS = (
    Mutant(
        name="COMMIT before a majority",
        shortcut="a shard's leader sends COMMIT when XFER is on its own disk",
        profile=LOST_LEADERS,
        install=_sends(Commit),
    ),
    Mutant(
        name="XFER is kept to oneself",
        shortcut="XFER is no record of the shard's log",
        profile=LOST_LEADERS,
        install=_keep_transfers_to_oneself,
    ),
    Mutant(
        name="COMMITTED before a majority",
        shortcut="a shard's leader answers COMMITTED when the acceptance is on its own disk",
        profile=LOST_LEADERS,
        install=_gate_leaks("sends", _is_committed),
    ),
    Mutant(
        name="TERMINAL before a majority",
        shortcut="a shard's leader reports an outcome that is on its own disk",
        profile=LOST_LEADERS,
        install=_sends(Terminal),
    ),
    Mutant(
        name="a submit is acknowledged before a majority",
        shortcut="a caller is answered when the adoptable job is on the leader's disk",
        profile=LOST_LEADERS,
        install=_answers(SubmitOutcome),
    ),
    Mutant(
        name="a cancel is acknowledged before a majority",
        shortcut="a caller is answered when the wish is on the leader's disk",
        profile=LOST_LEADERS,
        install=_answers(CancelOutcome),
    ),
    Mutant(
        name="a relayed cancel is acknowledged before a majority",
        shortcut="a shard's leader acknowledges the wish to another shard when it is on its own disk",
        profile=LOST_LEADERS,
        install=_sends(CancelAck),
    ),
    Mutant(
        name="rows are shown before a majority",
        shortcut="callers read what the leader has written alone",
        profile=LOST_LEADERS,
        install=_show_at_once,
    ),
    Mutant(
        name="one disk is a majority",
        shortcut="what is on the leader's disk counts as committed",
        profile=LOST_LEADERS,
        install=_own_disk_is_enough,
    ),
    Mutant(
        name="a term acts once it has begun",
        shortcut="a new leader takes its START, and all before it, for committed",
        profile=CUT_LEADERS,
        install=_act_once_started,
    ),
    Mutant(
        name="a leader reopens alone",
        shortcut="a leader that restarts takes all of its log for committed",
        profile=LOST_LEADERS,
        install=_reopen_alone,
    ),
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
    Mutant(
        name="a lease counts from the answer",
        shortcut="a lease counts from the receipt of the acknowledgement",
        profile=SLOW_ANSWERS,
        install=_count_from_the_answer,
    ),
    Mutant(
        name="renewals have no sequence",
        shortcut="any acknowledgement counts for the newest renewal",
        profile=SLOW_ANSWERS,
        install=_count_for_the_newest,
    ),
    Mutant(
        name="the wait is as long as the lease",
        shortcut="a member waits for a lease, without the time to kill and the rates of the clocks",
        profile=UNEVEN_CLOCKS,
        install=_wait_for_the_lease_alone,
    ),
    Mutant(
        name="no supervisor",
        shortcut="tasks live on when their lease ends; the daemon stops them when it learns of another leader",
        profile=CUT_LEADERS,
        install=_no_supervisor,
    ),
    Mutant(
        name="launched without a lease",
        shortcut="a leader launches whether or not a majority has acknowledged a renewal of late",
        profile=CUT_LEADERS,
        install=_launch_without_lease,
    ),
    Mutant(
        name="a lost disk votes at once",
        shortcut="a member whose disk is an old one goes on with what is on it",
        profile=FORGETFUL_GUARDIANS,
        install=_forget_nothing,
    ),
    Mutant(
        name="one copy is enough",
        shortcut="a member that lost its disk learns from the first that answers",
        profile=FORGETFUL_GUARDIANS,
        install=_learn_from_one,
    ),
    Mutant(
        name="a lost disk waits for nothing",
        shortcut="a member that has learnt again promises at once",
        profile=GRANTED_AND_LOST,
        install=_after_learning(_skip_the_wait),
    ),
    Mutant(
        name="a lost disk is as good as ever",
        shortcut="a member that has learnt again repeats promises, and takes a candidate's grant for its own",
        profile=LEARNT_A_PROMISE,
        install=_after_learning(_count_as_whole),
    ),
    Mutant(
        name="a lost disk resumes its own term",
        shortcut="a member that learns that the newest term is its own goes on leading it",
        profile=LAUNCHED_AND_LOST,
        install=_after_learning(_resume_the_own_term),
    ),
    Mutant(
        name="shards write in doubt",
        shortcut="a leader adds to its log while its disk may be an old one",
        profile=FORGETFUL_GUARDIANS,
        install=_write_in_doubt,
    ),
    Mutant(
        name="what lives is queued again",
        shortcut="a leader that reopens puts its running jobs back into the queue",
        profile=LEADERS_BACK_AT_ONCE,
        install=_queue_again_what_lives,
    ),
    Mutant(
        name="a shard settles a cancel during XFER",
        shortcut="an adoptable job in XFER is CANCELLED at once",
        profile=LOST_LEADERS,
        install=settle_in_transfer(_is_of_shard),
    ),
    Mutant(
        name="a shard's CANCELLED before the processes are dead",
        shortcut="an adoptable job that runs is CANCELLED as soon as its stop was sent",
        profile=CUT_LEADERS,
        install=cancel_before_dead(_is_of_shard),
    ),
)
