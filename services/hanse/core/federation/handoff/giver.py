"""The giving end of a transfer: XFER until the target has answered, however long that takes.

    state     event                               writes             sends                         next
    QUEUED    ACCEPT, still queued                XFER(e+1, to, seq) COMMIT                        XFER
    XFER(x)   timer 0.2 s x 2^n, at most 30 s     nothing            COMMIT again                  XFER
    XFER(x)   COMMITTED(x), or a higher epoch     MOVED(x, to)       STABLE                        MOVED
    XFER(x)   BURNED(x)                           QUEUED(x)          STABLE; offers elsewhere      QUEUED
    XFER(x)   30 s in doubt, or cancel            the wish, if any   WITHDRAW (instead of COMMIT)  XFER
    XFER(x)   time alone                          nothing            nothing                       never reverts

A transfer is named by (this ledger's id, sequence towards the peer). STABLE tells the target below which sequence all
are resolved, so that it may forget its decisions.
"""

from __future__ import annotations

import msgspec

from hanse.core.books import Books
from hanse.core.effects import Effects, Send
from hanse.core.federation.ports import LocalWork
from hanse.core.messages import Commit, Decision, Stable, Verdict, Withdraw
from hanse.core.model.deadlines import Alarm, Deadlines, backoff_us
from hanse.core.model.jobs import Job, Reason, ReasonCode
from hanse.core.model.lifecycle import JobState
from hanse.core.model.limits import COMMIT_RESEND_BYTES_MAX, TRANSFERS_UNDECIDED_MAX
from hanse.core.model.regions import Timings
from hanse.core.model.time import Now


class _Transfer(msgspec.Struct):
    """One job in XFER. `doubt_since_us` is mono time of the first COMMIT of this life of the daemon."""

    peer: str
    sequence: int
    doubt_since_us: int
    sent: int = 0
    withdrawing: bool = False


class PeerCounts(msgspec.Struct):
    """Transfers with one peer since this daemon started."""

    given: int = 0
    taken: int = 0
    burned: int = 0


class Giver:
    """All transfers away from this region that are not resolved."""

    def __init__(
        self, region: str, ledger_id: str, books: Books, local: LocalWork, timings: Timings, now: Now
    ) -> None:
        self._region = region
        self._ledger_id = ledger_id
        self._books = books
        self._local = local
        self._timings = timings
        self._transfers: dict[str, _Transfer] = {}
        # Peer -> sequence -> job id, in the order of the sequences.
        self._undecided: dict[str, dict[int, str]] = {}
        self._deadlines: Deadlines[str] = Deadlines()
        self.alarm: Alarm = self._deadlines
        # Peers with a transfer that was resolved in this step.
        self.owes_stable: dict[str, None] = {}
        self.counts: dict[str, PeerCounts] = {}
        in_transfer = [job for job in books.jobs.values() if job.state is JobState.XFER]
        for job in sorted(in_transfer, key=lambda each: each.transfer_sequence):
            self._track(job, now)

    def undecided(self, peer: str) -> int:
        """Transfers to this peer that wait for an answer."""
        return len(self._undecided.get(peer, ()))

    def tracks(self, job_id: str) -> bool:
        """Whether this job's transfer waits for an answer."""
        return job_id in self._transfers

    def room(self, peer: str) -> int:
        """How many more transfers to this peer may be open."""
        return TRANSFERS_UNDECIDED_MAX - self.undecided(peer)

    def give(self, now: Now, job: Job, peer: str, offer_id: int, out: Effects, why: str = "") -> None:
        """The peer accepted and the job is still queued: write XFER, then send COMMIT."""
        assert self.undecided(peer) < TRANSFERS_UNDECIDED_MAX
        assert peer != self._books.party, "a job is never handed to where it is"
        self._local.dequeue(job)
        self._books.give(job, peer, why)
        transfer = self._track(job, now)
        transfer.sent = 1
        out.sends.append(Send(peer, commit_of(job, self._region, offer_id)))
        self._deadlines.set(job.id, now.mono_us + self._timings.commit_retry_us)

    def on_decision(self, peer: str, decision: Decision, out: Effects) -> Job | None:
        """The target's durable answer. Returns the job if this resolved it."""
        if decision.ledger_id != self._ledger_id:
            return None
        if self._undecided.get(peer, {}).get(decision.sequence) != decision.job_id:
            # Resolved before: the target's mark may have missed it.
            self.owes_stable[peer] = None
            return None
        job = self._books.jobs[decision.job_id]
        if decision.verdict is Verdict.COMMITTED:
            self._resolve(job)
            self._books.moved(job)
            self.counts.setdefault(peer, PeerCounts()).given += 1
        else:
            self._resolve(job)
            self._books.burned(job, Reason(decision.reason.code, f"{peer}: {decision.reason.detail}"))
            self.counts.setdefault(peer, PeerCounts()).burned += 1
            self._local.enqueue(job)
        return job

    def imply_committed(self, job: Job) -> None:
        """A higher epoch, or the outcome, shows that the transfer in doubt was accepted."""
        if job.id in self._transfers:
            self.counts.setdefault(job.transfer_to, PeerCounts()).given += 1
            self._resolve(job)

    def give_up(self, job: Job) -> None:
        """The target was declared lost: it will not decide, and what becomes of the job was found out otherwise."""
        if job.id in self._transfers:
            self._resolve(job)

    def withdraw(self, now: Now, job: Job, out: Effects) -> None:
        """Rather have it back: from now on WITHDRAW is sent instead of COMMIT."""
        transfer = self._transfers[job.id]
        transfer.withdrawing = True
        transfer.sent = 0
        self._send_again(now, job, out)

    def on_session(self, now: Now, peer: str, out: Effects) -> None:
        """A session began: ask at once about what is undecided, in order, and repeat the mark."""
        for job_id in self._undecided.get(peer, {}).values():
            self._transfers[job_id].sent = 0
            self._deadlines.set(job_id, now.mono_us)
        if peer in self._books.outbound:
            self.owes_stable[peer] = None
        self.on_deadline(now, out)

    def on_deadline(self, now: Now, out: Effects) -> None:
        """Send again what was not answered in time, bounded by bytes: a dead peer must cost little."""
        budget = COMMIT_RESEND_BYTES_MAX
        for job_id in self._deadlines.pop_due(now.mono_us):
            job = self._books.jobs[job_id]
            if budget <= 0:
                self._deadlines.set(job_id, now.mono_us + self._timings.commit_retry_us)
                continue
            budget -= len(job.spec)
            self._send_again(now, job, out)

    def flush(self, out: Effects) -> None:
        """At the end of a step: one STABLE for each peer with a transfer resolved in it."""
        for peer in self.owes_stable:
            out.sends.append(Send(peer, Stable(self._stable_below(peer))))
        self.owes_stable = {}

    def _stable_below(self, peer: str) -> int:
        undecided = self._undecided.get(peer)
        if undecided:
            return next(iter(undecided))
        return self._books.outbound.get(peer, 1)

    def _track(self, job: Job, now: Now) -> _Transfer:
        transfer = _Transfer(
            job.transfer_to, job.transfer_sequence, now.mono_us, withdrawing=bool(job.cancel_id)
        )
        self._transfers[job.id] = transfer
        self._undecided.setdefault(transfer.peer, {})[transfer.sequence] = job.id
        self._deadlines.set(job.id, now.mono_us)
        return transfer

    def _resolve(self, job: Job) -> None:
        transfer = self._transfers.pop(job.id)
        self._deadlines.cancel(job.id)
        del self._undecided[transfer.peer][transfer.sequence]
        self.owes_stable[transfer.peer] = None

    def _send_again(self, now: Now, job: Job, out: Effects) -> None:
        transfer = self._transfers[job.id]
        if now.mono_us - transfer.doubt_since_us >= self._timings.withdraw_after_us:
            transfer.withdrawing = True
        if transfer.withdrawing:
            message: Withdraw | Commit = Withdraw(job.id, job.transfer_epoch, job.transfer_sequence)
        else:
            message = commit_of(job, self._region, 0)
        out.sends.append(Send(transfer.peer, message))
        retry_us = backoff_us(self._timings.commit_retry_us, transfer.sent, self._timings.commit_retry_max_us)
        transfer.sent += 1
        due_us = now.mono_us + retry_us
        if not transfer.withdrawing:
            due_us = min(due_us, transfer.doubt_since_us + self._timings.withdraw_after_us)
        self._deadlines.set(job.id, due_us)


def commit_of(job: Job, region: str, offer_id: int) -> Commit:
    """The COMMIT of a job that `region` hands on, or handed on last."""
    return Commit(
        job_id=job.id,
        epoch=job.transfer_epoch,
        sequence=job.transfer_sequence,
        home=job.home,
        tenant=job.tenant,
        spec=job.spec,
        spec_sha256=job.spec_sha256,
        path=(*job.path, region),
        submitted_wall_us=job.submitted_wall_us,
        cancel_id=job.cancel_id,
        offer_id=offer_id,
        failures=job.failures,
        moves=job.moves,
        traceparent=job.traceparent,
        shape=job.shape,
        name=job.name,
        grace_us=job.grace_us,
        retries_max=job.retries_max,
        retry=job.terms.retry,
        array=None if job.array is None else job.array.rules,
        progress=None if job.array is None else job.array.progress(),
    )


WITHDRAWN = Reason(ReasonCode.BURNED_WITHDRAWN, "the giver took it back")
