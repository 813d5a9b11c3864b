"""Shortcuts of a shard's leader: what it lets go before a majority holds what it follows from, and its cancels."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from chaos.mutants.giver import settle_in_transfer
from chaos.mutants.mutant import Mutant, replace
from chaos.mutants.owner import cancel_before_dead
from chaos.mutants.profiles import (
    CUT_LEADERS,
    LEADERS_BACK_AT_ONCE,
    LOST_LEADERS,
)
from hanse.core.effects import Send
from hanse.core.federation.shards.journal import Journal
from hanse.core.federation.shards.leadership import Leadership
from hanse.core.federation.shards.leading import Leading
from hanse.core.federation.shards.log import ShardLog, Where
from hanse.core.federation.shards.seat import Role, Seat
from hanse.core.messages import (
    CancelAck,
    Commit,
    Decision,
    Terminal,
    Verdict,
)
from hanse.core.model.jobs import Job
from hanse.core.model.lifecycle import JobState
from hanse.core.model.time import Now
from hanse.core.replies import CancelOutcome, Reply, SubmitOutcome
from hanse.core.rows import NO_WRITES

Install = Callable[[ExitStack], None]


# --- effects before a majority holds what they follow from ------------------------------------------------------------


def _gate_leaks(kind: str, leaks: Callable[[Any], bool]) -> Install:
    """Of the `sends` or `replies` of a shard's leader, those that leak do not wait at the gate."""

    def install(patches: ExitStack) -> None:
        collect, release = Leading.collect, Leading.release
        early: dict[Leading, list[Any]] = {}

        def put_aside(self: Leading, written_at: int) -> None:
            found = getattr(self.out, kind)
            early[self] = [each for each in found if leaks(each)]
            setattr(self.out, kind, [each for each in found if not leaks(each)])
            collect(self, written_at)

        def let_go(self: Leading) -> Any:
            released = release(self)
            getattr(released, kind).extend(early.pop(self, []))
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
