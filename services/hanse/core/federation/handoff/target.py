"""The receiving end of a transfer: the one decision on each epoch.

    has                          event              writes                          replies
    epoch undecided              COMMIT, admitted   QUEUED(e) and "accepted e"      COMMITTED, after the write
    epoch undecided              COMMIT, not        "burned e"                      BURNED
    epoch undecided              WITHDRAW           "burned e"                      BURNED
    accepted e                   COMMIT, WITHDRAW   nothing                         COMMITTED: never taken back
    burned e                     COMMIT, WITHDRAW   nothing                         BURNED
    sequence below the mark      COMMIT, WITHDRAW   nothing                         nothing
    the job at e or later        COMMIT, WITHDRAW   "accepted e"                    COMMITTED: superseded (an old disk)

A decision is keyed by (giver's ledger id, sequence), written once, and repeated to every duplicate until the giver's
STABLE says that it will not ask again.
"""

from __future__ import annotations

from collections.abc import Callable

from hanse.core.books import Books
from hanse.core.effects import Effects, Send
from hanse.core.federation.handoff.giver import WITHDRAWN, Giver, PeerCounts
from hanse.core.federation.handoff.intake import Intake
from hanse.core.federation.ports import LocalWork
from hanse.core.messages import (
    Commit,
    Decision,
    Stable,
    Verdict,
    Withdraw,
)
from hanse.core.model.jobs import Job, Reason, ReasonCode
from hanse.core.model.lifecycle import JobState
from hanse.core.rows import DecisionRow

# What a COMMIT may require of this region; grows with the features that are built.
KNOWN_FEATURES: frozenset[str] = frozenset()


class Target:
    """Decisions on transfers into one set of books. What is accepted goes to `enqueue`, to start when it may."""

    def __init__(
        self, books: Books, local: LocalWork, giver: Giver, intake: Intake, enqueue: Callable[[Job], None]
    ) -> None:
        self._books = books
        self._local = local
        self._giver = giver
        self._intake = intake
        self._enqueue = enqueue

    def on_commit(
        self, peer: str, ledger_id: str, commit: Commit, out: Effects, offered_to: str = ""
    ) -> Job | None:
        """Decide this epoch once; answer duplicates from the decision. Returns the job if it was accepted just now.

        `offered_to` is the region whose offer this follows, if it is not the giver's name.
        """
        if commit.sequence < self._books.channels.get(ledger_id, 0):
            return None
        decided = self._books.decisions.get((ledger_id, commit.sequence))
        if decided is not None:
            out.sends.append(_answer(peer, decided))
            return None
        if self._is_superseded(commit):
            out.sends.append(_answer(peer, self._books.supersede(commit, peer, ledger_id)))
            return None
        self._intake.use_hold(offered_to or peer, commit.offer_id)
        refusal = self._commit_refusal(commit)
        if refusal is not None or commit.shape is None:
            reason = refusal or _UNREADABLE
            row = self._books.burn(commit.job_id, commit.epoch, commit.sequence, peer, ledger_id, reason)
            out.sends.append(_answer(peer, row))
            return None
        return self._accept(peer, ledger_id, commit, out)

    def _is_superseded(self, transfer: Commit | Withdraw) -> bool:
        """Whether the job has passed this epoch: then it was accepted, though this disk does not know by whom."""
        known = self._books.jobs.get(transfer.job_id)
        return known is not None and transfer.epoch <= max(known.epoch, known.transfer_epoch)

    def on_withdraw(self, peer: str, ledger_id: str, withdraw: Withdraw, out: Effects) -> None:
        """An undecided epoch is burned; a decided one keeps its decision: an acceptance is never taken back."""
        if withdraw.sequence < self._books.channels.get(ledger_id, 0):
            return
        row = self._books.decisions.get((ledger_id, withdraw.sequence))
        if row is None and self._is_superseded(withdraw):
            row = self._books.supersede(withdraw, peer, ledger_id)
        elif row is None:
            row = self._books.burn(
                withdraw.job_id, withdraw.epoch, withdraw.sequence, peer, ledger_id, WITHDRAWN
            )
        out.sends.append(_answer(peer, row))

    def on_stable(self, peer: str, ledger_id: str, stable: Stable) -> None:
        """The giver will not ask about smaller sequences again."""
        self._books.make_stable(ledger_id, peer, stable.sequence)

    def _accept(self, peer: str, ledger_id: str, commit: Commit, out: Effects) -> Job:
        known = self._books.jobs.get(commit.job_id)
        if known is not None and known.state is JobState.XFER:
            self._giver.imply_committed(known)
        job = self._books.accept(commit, peer, ledger_id)
        self._books.skip_attempts(job, self._local.found_attempt(job.id, job.epoch))
        self._giver.counts.setdefault(peer, PeerCounts()).taken += 1
        out.sends.append(_answer(peer, self._books.decisions[(ledger_id, commit.sequence)]))
        if job.cancel_id:
            self._books.cancel_queued(job)
        else:
            self._enqueue(job)
        return job

    def _commit_refusal(self, commit: Commit) -> Reason | None:
        """Why this epoch must be burned; None: it is admitted."""
        if commit.shape is None:
            return _UNREADABLE
        known = self._books.jobs.get(commit.job_id)
        if known is not None and not _admissible(known, commit.epoch):
            return Reason(ReasonCode.BURNED_NO_ROOM, f"this region has the job at epoch {known.epoch}")
        unknown = [each for each in commit.shape.body.required_features if each not in KNOWN_FEATURES]
        if unknown:
            return Reason(ReasonCode.BURNED_FEATURE, f"unknown feature {unknown[0]!r}")
        return self._intake.refusal(commit.shape, commit.path)


_UNREADABLE = Reason(ReasonCode.BURNED_BAD_SPEC, "the spec can't be read here")


def _admissible(known: Job, epoch: int) -> bool:
    """Whether a job that this region has had may come back at this epoch."""
    if known.state is JobState.MOVED:
        return epoch > known.transfer_epoch
    return known.state is JobState.XFER and epoch > known.transfer_epoch


def _answer(peer: str, row: DecisionRow) -> Send:
    reason = Reason(ReasonCode(row.reason), row.reason_detail)
    return Send(
        peer, Decision(row.job_id, row.epoch, row.giver_ledger_id, row.sequence, Verdict(row.verdict), reason)
    )
