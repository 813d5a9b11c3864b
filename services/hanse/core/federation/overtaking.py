"""Carrying out the rulings of an inquest on the books and the queue."""

from __future__ import annotations

from typing import Protocol

from hanse.core.books import Books
from hanse.core.effects import Effects
from hanse.core.federation.old_disk import Fate, Ruling
from hanse.core.messages import (
    Cancel,
    CancelAck,
    Commit,
    Decision,
    Inquest,
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
from hanse.core.model.jobs import Job, Reason, ReasonCode
from hanse.core.model.lifecycle import ALLOCATED_STATES, TERMINAL_STATES, JobState

# Messages that a region in quarantine leaves unread: they rest on what its disk may have forgotten. Whoever sent one
# sends it again.
QUARANTINED = (
    Cancel,
    CancelAck,
    Commit,
    Decision,
    Inquest,
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
    """Bring one job to where the others say that it is."""
    job = books.jobs.get(ruling.job_id)
    match ruling.fate:
        case Fate.STANDS:
            return
        case Fate.MOVED:
            _move(ruling, job, books, local)
        case Fate.QUEUED:
            _queue(ruling, job, books, local)


def _move(ruling: Ruling, job: Job | None, books: Books, local: LocalRuns) -> None:
    if job is None:
        if ruling.commit is None or ruling.commit.shape is None:
            return  # Settled everywhere, or nobody has its spec any more: nothing can come of it here.
        job = books.found(ruling.commit, JobState.MOVED, ruling.epoch, ruling.to)
    elif job.state in TERMINAL_STATES:
        books.settle(job)
        return
    elif job.state is not JobState.MOVED or job.transfer_epoch < ruling.epoch:
        if job.state is JobState.QUEUED:
            local.dequeue(job)
        books.overtaken_moved(job, ruling.to, ruling.epoch)
    if ruling.terminal is not None and job.home == books.party:
        books.close(job, ruling.terminal)


def _queue(ruling: Ruling, job: Job | None, books: Books, local: LocalRuns) -> None:
    if job is None:
        if ruling.commit is None or ruling.commit.shape is None:
            return
        job = books.found(ruling.commit, JobState.QUEUED, ruling.epoch, "")
    elif job.state in TERMINAL_STATES or not (job.spec or ruling.commit):
        return
    else:
        if job.state is JobState.QUEUED:
            local.dequeue(job)
        books.overtaken_queued(job, ruling.epoch, ruling.commit)
    if job.cancel_id:
        books.cancel_queued(job)
    else:
        local.enqueue(job)
