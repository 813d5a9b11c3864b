"""Shortcuts of the target, and of the fence that stands before it."""

from __future__ import annotations

from contextlib import ExitStack

from chaos.mutants.mutant import Mutant, replace
from chaos.mutants.profiles import LATE_COPIES, LOST_ANSWERS
from hanse.core.books import Books
from hanse.core.effects import Effects, Send
from hanse.core.federation.handoff.giver import WITHDRAWN
from hanse.core.federation.handoff.target import Target
from hanse.core.federation.sessions import Sessions
from hanse.core.messages import Commit, Decision, Verdict, Withdraw
from hanse.core.model.jobs import Job, Reason
from hanse.core.model.lifecycle import JobState
from hanse.core.rows import DecisionRow, Writes
from hanse.sim.ledger import SimLedger


def _refuse_in_memory(patches: ExitStack) -> None:
    def shortcut(
        self: Books, job_id: str, epoch: int, sequence: int, giver: str, ledger_id: str, reason: Reason
    ) -> DecisionRow:
        row = DecisionRow(
            ledger_id, sequence, giver, job_id, epoch, int(Verdict.BURNED), reason.code, reason.detail
        )
        self.decisions[(ledger_id, sequence)] = row
        self._decided_by_ledger.setdefault(ledger_id, {})[sequence] = None
        return row

    replace(patches, Books, "burn", shortcut)


def take_every_session(patches: ExitStack) -> None:
    accepts = Sessions.accepts

    def shortcut(self: Sessions, *arguments: object) -> bool:
        accepts(self, *arguments)  # type: ignore[arg-type]
        return True

    replace(patches, Sessions, "accepts", shortcut)


def _refuse_in_memory_without_fence(patches: ExitStack) -> None:
    _refuse_in_memory(patches)
    take_every_session(patches)


def _unaccept_on_withdraw(patches: ExitStack) -> None:
    on_withdraw, apply = Target.on_withdraw, SimLedger._apply

    def shortcut(self: Target, peer: str, ledger_id: str, withdraw: Withdraw, out: Effects) -> None:
        key = (ledger_id, withdraw.sequence)
        job = self._books.jobs.get(withdraw.job_id)
        decided = self._books.decisions.get(key)
        if job is None or decided is None or job.state is not JobState.QUEUED or job.epoch != withdraw.epoch:
            on_withdraw(self, peer, ledger_id, withdraw, out)
            return
        self._local.dequeue(job)
        self._books.counts[job.state] -= 1
        job.state, job.transfer_to, job.transfer_epoch = JobState.MOVED, peer, job.epoch
        self._books.counts[job.state] += 1
        self._books._owe(job)
        del self._books.decisions[key]
        self._books.burn(job.id, withdraw.epoch, withdraw.sequence, peer, ledger_id, WITHDRAWN)
        answer = Decision(job.id, withdraw.epoch, *key, Verdict.BURNED, WITHDRAWN)
        out.sends.append(Send(peer, answer))

    def overwrite(self: SimLedger, writes: Writes) -> None:
        for row in writes.decisions:
            self.decisions.get(row.giver_ledger_id, {}).pop(row.sequence, None)
        apply(self, writes)

    replace(patches, Target, "on_withdraw", shortcut)
    replace(patches, SimLedger, "_apply", overwrite)


def _forget_decision(books: Books, ledger_id: str, sequence: int) -> None:
    del books.decisions[(ledger_id, sequence)]
    del books._decided_by_ledger[ledger_id][sequence]
    books._rows.decisions_delete_below.append((ledger_id, sequence + 1))


def _forget_decisions_of(books: Books, job: Job) -> None:
    for (ledger_id, sequence), row in list(books.decisions.items()):
        if row.job_id == job.id:
            _forget_decision(books, ledger_id, sequence)


def _forget_once_answered(patches: ExitStack) -> None:
    on_commit = Target.on_commit

    def shortcut(
        self: Target, peer: str, ledger_id: str, commit: Commit, out: Effects, offered_to: str = ""
    ) -> Job | None:
        job = on_commit(self, peer, ledger_id, commit, out, offered_to)
        if job is not None:
            _forget_decision(self._books, ledger_id, commit.sequence)
        return job

    replace(patches, Target, "on_commit", shortcut)


def _forget_once_moved(patches: ExitStack) -> None:
    moved = Books.moved

    def shortcut(self: Books, job: Job) -> None:
        moved(self, job)
        _forget_decisions_of(self, job)

    replace(patches, Books, "moved", shortcut)


def _forget_once_settled(patches: ExitStack) -> None:
    drop = Books._drop

    def shortcut(self: Books, job: Job) -> None:
        drop(self, job)
        _forget_decisions_of(self, job)

    replace(patches, Books, "_drop", shortcut)


_FENCED = (
    "A copy of the refused COMMIT that is older than the target's restart carries the session of the life that refused "
    "it, and is dropped; one that is newer comes from a giver that is still in XFER, and may be decided either way. "
    "Its old BURNED is dropped by the giver once it is in the new session, and nothing else lets a new COMMIT in."
)
_DECISIONS_SUFFICE = (
    "Decisions that are kept below the mark answer every late copy, whatever its session: the model has no sessions "
    "either. The fence is needed once a disk may be old, and by shortcuts beside it."
)

MUTANTS = (
    Mutant(
        name="a refusal is kept in memory only",
        shortcut="BURNED is sent and not written",
        profile=LATE_COPIES,
        install=_refuse_in_memory,
        harmless=_FENCED,
    ),
    Mutant(
        name="a refusal is kept in memory only, and every session is taken",
        shortcut="BURNED is sent and not written; messages of earlier lives are not dropped",
        profile=LATE_COPIES,
        install=_refuse_in_memory_without_fence,
    ),
    Mutant(
        name="every session is taken",
        shortcut="messages of earlier lives are not dropped",
        profile=LATE_COPIES,
        install=take_every_session,
        harmless=_DECISIONS_SUFFICE,
    ),
    Mutant(
        name="an acceptance is taken back on WITHDRAW",
        shortcut="a job that still waits at the target is given back when its giver asks",
        profile=LOST_ANSWERS,
        install=_unaccept_on_withdraw,
    ),
    Mutant(
        name="a tombstone is dropped once it was sent",
        shortcut="the target forgets an acceptance as soon as it has answered",
        profile=LOST_ANSWERS,
        install=_forget_once_answered,
    ),
    Mutant(
        name="a tombstone is dropped when the job moves on",
        shortcut="the target forgets an acceptance when it has passed the job on",
        profile=LOST_ANSWERS,
        install=_forget_once_moved,
    ),
    Mutant(
        name="a tombstone is dropped when the job is settled",
        shortcut="the target forgets an acceptance when the job's home has the outcome",
        profile=LOST_ANSWERS,
        install=_forget_once_settled,
    ),
)
