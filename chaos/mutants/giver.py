"""Shortcuts of the giver."""

from __future__ import annotations

from contextlib import ExitStack
from unittest import mock

from chaos.mutants.mutant import Mutant, replace
from chaos.mutants.profiles import LOST_ANSWERS, LOST_TRANSFERS
from hanse.core.books import Books
from hanse.core.effects import Effects
from hanse.core.federation.desk import Desk
from hanse.core.federation.handoff.giver import Giver
from hanse.core.federation.handoff.target import Target
from hanse.core.messages import Commit
from hanse.core.model.jobs import Job, Reason, ReasonCode
from hanse.core.model.lifecycle import TRANSITIONS, JobInput, JobState
from hanse.core.model.time import Now

_TAKEN_BACK = Reason(ReasonCode.BURNED_WITHDRAWN, "no answer in time")


def _take_back(giver: Giver, job: Job) -> None:
    giver._resolve(job)
    giver._books.burned(job, _TAKEN_BACK)
    giver._local.enqueue(job)


def _revert_on_timeout(patches: ExitStack) -> None:
    send_again = Giver._send_again

    def shortcut(self: Giver, now: Now, job: Job, out: Effects) -> None:
        if now.mono_us - self._transfers[job.id].doubt_since_us >= self._timings.withdraw_after_us:
            _take_back(self, job)
        else:
            send_again(self, now, job, out)

    replace(patches, Giver, "_send_again", shortcut)


def _hold_voids_commit(patches: ExitStack) -> None:
    send_again, on_commit = Giver._send_again, Target.on_commit

    def take_back(self: Giver, now: Now, job: Job, out: Effects) -> None:
        if now.mono_us - self._transfers[job.id].doubt_since_us >= self._timings.hold_ttl_us:
            _take_back(self, job)
        else:
            send_again(self, now, job, out)

    def drop(
        self: Target, peer: str, ledger_id: str, commit: Commit, out: Effects, offered_to: str = ""
    ) -> Job | None:
        decided = (ledger_id, commit.sequence) in self._books.decisions
        if not decided and (offered_to or peer, commit.offer_id) not in self._intake._holds:
            return None
        return on_commit(self, peer, ledger_id, commit, out, offered_to)

    replace(patches, Giver, "_send_again", take_back)
    replace(patches, Target, "on_commit", drop)


def _settle_cancel_in_transfer(patches: ExitStack) -> None:
    end = Desk._end

    def shortcut(self: Desk, now: Now, job: Job, cancel_id: str, out: Effects) -> None:
        if job.state is not JobState.XFER or job.cancel_id:
            end(self, now, job, cancel_id, out)
            return
        self.books.want_cancel(job, cancel_id)
        self.giver._resolve(job)
        job.epoch = job.transfer_epoch
        self.books.cancel_queued(job)

    patches.enter_context(mock.patch.dict(TRANSITIONS[JobState.XFER], {JobInput.CANCEL: JobState.CANCELLED}))
    replace(patches, Desk, "_end", shortcut)


def _reuse_burned_epoch(patches: ExitStack) -> None:
    def shortcut(self: Books, job: Job, reason: Reason) -> None:
        job.transfer_epoch, job.attempt = job.epoch, 0
        self._change(job, JobInput.BURNED, reason)

    replace(patches, Books, "burned", shortcut)


def _send_commit_once(patches: ExitStack) -> None:
    replace(patches, Giver, "_send_again", lambda self, now, job, out: None)


def _stable_too_high(patches: ExitStack) -> None:
    replace(patches, Giver, "_stable_below", lambda self, peer: self._books.outbound.get(peer, 1))


MUTANTS = (
    Mutant(
        name="revert on timeout",
        shortcut="a giver that has been in doubt for long takes the job back",
        profile=LOST_ANSWERS,
        install=_revert_on_timeout,
    ),
    Mutant(
        name="an expired hold voids the COMMIT",
        shortcut="a COMMIT counts only while its hold lasts: then the target drops it and the giver has the job again",
        profile=LOST_ANSWERS,
        install=_hold_voids_commit,
    ),
    Mutant(
        name="a cancel is settled during XFER",
        shortcut="a cancelled job in XFER is CANCELLED at once",
        profile=LOST_ANSWERS,
        install=_settle_cancel_in_transfer,
    ),
    Mutant(
        name="a burned epoch is used again",
        shortcut="after BURNED the next transfer uses the same epoch",
        profile=LOST_TRANSFERS,
        install=_reuse_burned_epoch,
    ),
    Mutant(
        name="COMMIT is sent once",
        shortcut="a COMMIT without an answer is not sent again",
        profile=LOST_TRANSFERS,
        install=_send_commit_once,
    ),
    Mutant(
        name="STABLE counts what is undecided",
        shortcut="the mark is the next sequence, whatever is still in doubt",
        profile=LOST_TRANSFERS,
        install=_stable_too_high,
    ),
)
