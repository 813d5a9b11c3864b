"""Jobs that wait for other jobs: after they succeeded, failed, or ended at all.

A job and those that it waits for have one home and are in the same books, so that an end and what follows from it are
one transaction (or, of adoptable jobs, follow each other in one log). Whoever waits is QUEUED and not in the queue
(Job.is_parked). What can never come any more ends with NEVER_AFTER, and so does what waits for that.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from hanse.core.books import Books
from hanse.core.library import Library
from hanse.core.model.jobs import After, Job, JobTerms, Reason, ReasonCode, Submission, When
from hanse.core.model.lifecycle import JobInput, JobState
from hanse.core.replies import Refused

_WORDS = {When.OK: "has succeeded", When.ANY: "has ended", When.FAILED: "has failed"}


class Dependencies:
    """Sees to what follows from ends. `enqueue` takes in a job that waits for nothing any more."""

    def __init__(self, library: Library, enqueue: Callable[[Job], None]) -> None:
        self._library = library
        self._enqueue = enqueue

    def settle(self) -> None:
        """Everything that has ended in this step so far, and what ends because of it."""
        for books in self._library:
            while books.ended:
                job_id = next(iter(books.ended))
                state = books.ended.pop(job_id)
                for waiting in books.awaited.pop(job_id, {}):
                    self._see_to(books, waiting, job_id, state)

    def _see_to(self, books: Books, waiting: str, ended: str, state: JobState) -> None:
        job = books.jobs.get(waiting)
        if job is None or job.state is not JobState.QUEUED:
            return
        wanted = [each.when for each in job.terms.after if each.job_id == ended]
        if all(when.is_met_by(state) for when in wanted):
            books.meet(job, ended)
            if not job.is_parked:
                self._enqueue(job)
            return
        reason = Reason(ReasonCode.NEVER_AFTER, f"{ended} has ended as {state.name}")
        books.finish(job, JobInput.CANCEL, reason, 0)


def with_present_terms(submission: Submission, books: Books) -> Submission | Refused:
    """The submission without those that have ended already as they have to; Refused if one never will, or is not among
    the jobs that may be waited for."""
    known = dict(submission.ended)
    left: list[After] = []
    for number, after in enumerate(submission.terms.after):
        field = f"spec.after[{number}].job_id"
        if after.job_id in books.jobs and after.job_id not in known:
            job = books.jobs[after.job_id]
            if job.home != books.party:
                return Refused("INVALID", field, f"{after.job_id} has another home")
            left.append(after)
            continue
        state = books.closed.get(after.job_id) or known.get(after.job_id)
        if state is None:
            where = "adoptable jobs" if books.shard else "jobs that wait for their region"
            return Refused("INVALID", field, f"{after.job_id} is not among the {where} of {books.party}")
        if not after.when.is_met_by(state):
            message = f"{after.job_id} has ended as {state.name}: the job could never start"
            return Refused("INVALID", field, message)
    if len(left) == len(submission.terms.after):
        return submission
    return msgspec.structs.replace(submission, terms=JobTerms(tuple(left), submission.terms.retry))


def waits_for_text(terms: JobTerms) -> str:
    """What a job waits for, in words."""
    return ", ".join(f"until {each.job_id} {_WORDS[each.when]}" for each in terms.after)
