"""Carrying out the rulings of an inquest on the books and the queue."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from hanse.core.books import Books
from hanse.core.effects import Effects
from hanse.core.federation.rulings import Fate, Ruling
from hanse.core.messages import (
    Cancel,
    CancelAck,
    Commit,
    Decision,
    Inquest,
    Locate,
    Located,
    Offer,
    OfferAnswer,
    Release,
    Solicit,
    Stable,
    Status,
    Terminal,
    TerminalAck,
    Withdraw,
)
from hanse.core.model.jobs import Job, Reason, ReasonCode, RemoteView
from hanse.core.model.lifecycle import ALLOCATED_STATES, TERMINAL_STATES, JobState

_ELSEWHERE = (JobState.XFER, JobState.MOVED)
# Messages that rest on what an old disk may have forgotten. A region that may have one leaves them unread; whoever sent
# one sends it again.
UNREAD_IN_DOUBT = (
    Cancel,
    CancelAck,
    Commit,
    Decision,
    Inquest,
    Locate,
    Located,
    Offer,
    OfferAnswer,
    Release,
    Solicit,
    Stable,
    Status,
    Terminal,
    TerminalAck,
    Withdraw,
)


class LocalRuns(Protocol):
    """What overtaking asks of the local side."""

    def stop(self, job: Job, reason: Reason, out: Effects) -> None:
        """End the job's present attempt."""

    def enqueue(self, job: Job) -> None:
        """This QUEUED job waits for capacity here."""

    def dequeue(self, job: Job) -> None:
        """It does not any more."""

    def found_attempt(self, job_id: str, epoch: int) -> int:
        """The newest attempt of this job at this epoch that the engine knew of at the start of this life; 0: none."""


def stop_what_runs_on(rulings: list[Ruling], books: Books, local: LocalRuns, out: Effects) -> bool:
    """Stop what runs here although the others have gone on. Returns whether nothing of it is left."""
    running = [
        job
        for ruling in rulings
        if ruling.fate is not Fate.STANDS
        and (job := books.jobs.get(ruling.job_id)) is not None
        and job.state in ALLOCATED_STATES
    ]
    for job in running:
        local.stop(job, Reason(ReasonCode.OLD_DISK, "others have gone on with it"), out)
    return not running


def carry_out(ruling: Ruling, books: Books, local: LocalRuns) -> None:
    """Bring one job to where the others say that it is. A wish to end it is only taken down."""
    match ruling.fate:
        case Fate.STANDS:
            _keep(ruling, books, local)
        case Fate.MOVED:
            _move(ruling, books, local)
        case Fate.QUEUED:
            _queue(ruling, books, local)
    job = books.jobs.get(ruling.job_id)
    if job is None or job.state in TERMINAL_STATES:
        return
    if ruling.terminal is not None and job.home == books.region and job.state in _ELSEWHERE:
        books.close(job, ruling.terminal)
        return
    if ruling.cancel_id and not job.cancel_id:
        books.want_cancel(job, ruling.cancel_id)
    if ruling.state is not None and job.home == books.region and job.state is JobState.MOVED:
        books.observe(job, _view(ruling, ruling.state, books))


def decide_what_is_passed(ruling: Ruling, books: Books, ledger_id_of: Callable[[str], str]) -> None:
    """The epoch floor: transfers that their givers still ask about, and that the job has passed, were accepted once.
    Written now: by the time they ask again, the job may have ended and be gone from memory."""
    job = books.jobs.get(ruling.job_id)
    if job is None:
        return
    for giver, commit in ruling.undecided:
        ledger_id = ledger_id_of(giver)
        is_decided = (ledger_id, commit.sequence) in books.decisions
        is_over = commit.sequence < books.channels.get(ledger_id, 0)
        if commit.epoch <= max(job.epoch, job.transfer_epoch) and not is_decided and not is_over:
            books.supersede(commit, giver, ledger_id)


def _view(ruling: Ruling, state: JobState, books: Books) -> RemoteView:
    """What a home learns of a job that goes on elsewhere; the next STATUS is newer, whatever it says."""
    return RemoteView(
        region=ruling.to,
        state=state,
        epoch=ruling.epoch,
        attempt=ruling.attempt,
        reason=Reason(ReasonCode.OLD_DISK, "as it was when this region asked"),
        sequence=0,
        at_wall_us=books.now.wall_us,
    )


def _keep(ruling: Ruling, books: Books, local: LocalRuns) -> None:
    job = books.jobs.get(ruling.job_id)
    if job is not None and job.state is JobState.QUEUED and job.epoch == ruling.epoch:
        books.skip_attempts(job, max(ruling.attempt, local.found_attempt(job.id, job.epoch)))


def _move(ruling: Ruling, books: Books, local: LocalRuns) -> None:
    job = books.jobs.get(ruling.job_id)
    if job is None:
        # Without a spec it is settled everywhere, or lost to all: nothing can come of it here.
        if ruling.commit is not None and ruling.commit.shape is not None:
            books.found_moved(ruling.commit, ruling.to, ruling.epoch)
    elif job.state in TERMINAL_STATES:
        books.settle(job)
    elif job.state is not JobState.MOVED or job.transfer_epoch < ruling.epoch:
        if job.state is JobState.QUEUED:
            local.dequeue(job)
        books.overtaken_moved(job, ruling.to, ruling.epoch)


def _queue(ruling: Ruling, books: Books, local: LocalRuns) -> None:
    job = books.jobs.get(ruling.job_id)
    commit = ruling.commit
    attempt = max(ruling.attempt, local.found_attempt(ruling.job_id, ruling.epoch))
    if job is None:
        if commit is None or commit.shape is None:
            return
        job = books.found_queued(commit, ruling.epoch, attempt, ruling.told)
    elif job.state in TERMINAL_STATES or not (job.spec or commit):
        return
    else:
        if job.state is JobState.QUEUED:
            local.dequeue(job)
        books.overtaken_queued(job, ruling.epoch, attempt, commit, ruling.told)
    local.enqueue(job)
