"""What this region answers by itself about jobs. Peers are served by it as it is; callers through `jobs.py`.

A region answers for jobs whose home it is, and, where it is told that the home is out of reach, for those in its books.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any

import msgspec

from hanse.core.admission import STALE_POLICY
from hanse.core.effects import CancelOutcome, Explanation, Refused, SubmitOutcome, Submitted
from hanse.core.events import Ask, CancelJobs, Question, Submit
from hanse.core.model import limits
from hanse.core.model.jobs import Submission
from hanse.core.model.lifecycle import TERMINAL_STATES, JobState
from hanse.daemon.clock import wall_us
from hanse.daemon.errors import invalid, not_found, refused_request
from hanse.daemon.ids import JobIds
from hanse.daemon.runtime import Runtime
from hanse.daemon.servers import logs
from hanse.daemon.servers.filters import check_filter, checked_page_size, decode_filter
from hanse.daemon.servers.records import encode_job, encode_revision, encode_timeline, whereabouts
from hanse.daemon.servers.watching import HomeWatch
from hanse.daemon.tracing import current_traceparent
from hanse.ledger import queries
from hanse.ledger.queries import JobRecord
from hanse.policies.rules import Facts
from hanse.wire.gen.hanse.v1 import jobs_pb2, jobs_pb2_grpc
from hanse.wire.jobs import encode_cancel_results, encode_explanation, encode_submit_result
from hanse.wire.specs import SpecReader
from hanse.wire.times import timestamp

# A response of this size passes every bound of the transport, with room for the job that crosses it.
_PAGE_BYTES_MAX = limits.RPC_BYTES_MAX // 2


class LocalJobs(jobs_pb2_grpc.JobServiceServicer):
    """JobService for the jobs of this region."""

    def __init__(self, runtime: Runtime, specs: SpecReader, ids: JobIds) -> None:
        self._runtime = runtime
        self._specs = specs
        self._ids = ids
        self._region = runtime.name

    # --- submit and cancel ----------------------------------------------------------------------------------------

    async def SubmitJobs(
        self, request: jobs_pb2.SubmitJobsRequest, context: Any
    ) -> jobs_pb2.SubmitJobsResponse:
        """Check every spec, and have the good ones admitted together; the reply means that they are on disk."""
        if request.home not in ("", self._region):
            raise invalid("home", f"this is {self._region}, not {request.home!r}")
        if not 1 <= len(request.jobs) <= limits.SUBMISSIONS_MAX:
            raise invalid("jobs", f"{len(request.jobs)} submissions; 1 to {limits.SUBMISSIONS_MAX}")
        decoded = self._decoded(request.jobs)
        good = tuple(each for each in decoded if isinstance(each, Submission))
        outcomes = iter(await self._ruled_and_admitted(good))
        results = [each if isinstance(each, Refused) else next(outcomes) for each in decoded]
        for result in results:
            if isinstance(result, Refused):
                self._runtime.metrics.refused(result.code)
        return jobs_pb2.SubmitJobsResponse(
            results=[encode_submit_result(result, index) for index, result in enumerate(results)]
        )

    def _decoded(self, jobs: Sequence[jobs_pb2.JobSubmission]) -> list[Submission | Refused]:
        traceparent = current_traceparent.get()
        return [
            self._specs.decode_submission(job, job_id, traceparent)
            for job, job_id in zip(jobs, self._ids.draw(len(jobs)), strict=True)
        ]

    async def _ruled_and_admitted(self, submissions: Sequence[Submission]) -> list[Submitted | Refused]:
        """In order. Those that were on their way while the policy changed are ruled anew."""
        results: dict[int, Submitted | Refused] = {}
        pending = dict(enumerate(submissions))
        for _ in range(limits.RULING_TRIES_MAX):
            ruled = tuple([await self._ruled(each) for each in pending.values()])
            outcomes = dict(zip(pending, await self._admitted(ruled), strict=True))
            pending = {number: submissions[number] for number, each in outcomes.items() if _is_stale(each)}
            results |= {number: each for number, each in outcomes.items() if number not in pending}
            if not pending:
                break
        busy = Refused("EXHAUSTED", "", "the policy is being changed; try again", limits.RETRY_AFTER_MS)
        return [results.get(number, busy) for number in range(len(submissions))]

    async def _ruled(self, submission: Submission) -> Submission:
        """By the rules of the policy in force. Others have their turn now and then."""
        rulebook = self._runtime.desk.rulebook
        if not rulebook.rules:
            return msgspec.structs.replace(submission, policy_version=rulebook.version)
        details = self._specs.details(submission)
        facts = Facts(labels=details.labels, kind=details.kind, tier=details.tier)
        evaluated = rulebook.evaluated
        result = rulebook.rule(submission, facts, wall_us())
        if rulebook.evaluated != evaluated and rulebook.evaluated % limits.RULINGS_PER_TURN_MAX == 0:
            await asyncio.sleep(0)
        if isinstance(result, Refused):
            # Its key may name a job that is there already: only the core knows.
            refused = (result.field, result.message)
            return msgspec.structs.replace(submission, policy_version=rulebook.version, refused=refused)
        return result

    async def _admitted(self, submissions: tuple[Submission, ...]) -> tuple[Submitted | Refused, ...]:
        if not submissions:
            return ()
        cause = f"submit:{submissions[0].job_id}"
        outcome = await self._runtime.ask(
            SubmitOutcome, lambda number: Submit(request_id=number, submissions=submissions, cause=cause)
        )
        return outcome.results

    async def CancelJobs(
        self, request: jobs_pb2.CancelJobsRequest, context: Any
    ) -> jobs_pb2.CancelJobsResponse:
        """The wish is on disk when the reply comes."""
        job_ids = tuple(request.job_ids)
        if not 1 <= len(job_ids) <= limits.CANCELS_MAX:
            raise invalid("job_ids", f"{len(job_ids)} ids; 1 to {limits.CANCELS_MAX}")
        cause = f"cancel:{self._ids.draw(1)[0]}"
        outcome = await self._runtime.ask(
            CancelOutcome, lambda number: CancelJobs(request_id=number, job_ids=job_ids, cause=cause)
        )
        results = [
            await self._ended_already(job_id, result)
            for job_id, result in zip(job_ids, outcome.results, strict=True)
        ]
        return jobs_pb2.CancelJobsResponse(
            results=encode_cancel_results(job_ids, CancelOutcome(tuple(results)))
        )

    async def _ended_already(self, job_id: str, result: JobState | Refused) -> JobState | Refused:
        """Memory forgets what has ended and is settled; the books know it for longer."""
        if not (isinstance(result, Refused) and result.code in ("NOT_FOUND", "UNREACHABLE")):
            return result
        detail = await self._runtime.read(queries.get_job, job_id)
        if detail is None or detail.job.observed_state not in TERMINAL_STATES:
            return result
        return Refused("TERMINAL", "job_ids", f"{job_id} is {detail.job.observed_state.name} already")

    # --- questions ------------------------------------------------------------------------------------------------

    async def GetJob(self, request: jobs_pb2.GetJobRequest, context: Any) -> jobs_pb2.GetJobResponse:
        """Any job in the books; what this region only owns, or only passed on, is marked as its word."""
        detail = await self._runtime.read(
            queries.get_job, request.job_id, with_timeline=request.with_timeline
        )
        if detail is None:
            raise not_found(f"{self._region} knows no job {request.job_id!r}")
        job = encode_job(detail.job, self._region)
        job.timeline.extend(encode_timeline(detail.timeline, self._region))
        if detail.job.home != self._region and not job.observed_by:
            job.observed_by = self._region
            job.observed_at.CopyFrom(timestamp(wall_us()))  # type: ignore[arg-type]
        return jobs_pb2.GetJobResponse(job=job)

    async def ListJobs(self, request: jobs_pb2.ListJobsRequest, context: Any) -> jobs_pb2.ListJobsResponse:
        """A page of this home's jobs. The token between two regions is plain: the last id."""
        check_filter(request.filter)
        page_size = checked_page_size(request)
        page = await self._runtime.read(
            queries.list_jobs, decode_filter(request.filter), after=request.page_token, page_size=page_size
        )
        jobs, next_after = self._within_bytes(page.jobs, page.next_after)
        return jobs_pb2.ListJobsResponse(
            jobs=jobs,
            next_page_token=next_after,
            revisions=[encode_revision(self._region, page.revision)],
        )

    def _within_bytes(self, records: Sequence[JobRecord], next_after: str) -> tuple[list[jobs_pb2.Job], str]:
        jobs: list[jobs_pb2.Job] = []
        size = 0
        for record in records:
            if size > _PAGE_BYTES_MAX:
                return jobs, jobs[-1].id
            size += len(record.spec) + 512
            jobs.append(encode_job(record, self._region))
        return jobs, next_after

    async def ExplainJob(
        self, request: jobs_pb2.ExplainJobRequest, context: Any
    ) -> jobs_pb2.ExplainJobResponse:
        """Why the job is where it is, as far as this region can tell."""
        answer = await self._runtime.ask(
            object,
            lambda number: Ask(request_id=number, question=Question.EXPLAIN, job_id=request.job_id),
        )
        if isinstance(answer, Explanation):
            return encode_explanation(answer)
        assert isinstance(answer, Refused)
        detail = await self._runtime.read(queries.get_job, request.job_id)
        if detail is None:
            raise refused_request(answer)
        return jobs_pb2.ExplainJobResponse(
            job_id=request.job_id,
            state=encode_job(detail.job, self._region).state,
            summary=_epilogue(detail.job, self._region),
        )

    # --- streams --------------------------------------------------------------------------------------------------

    async def WatchJobs(
        self, request: jobs_pb2.WatchJobsRequest, context: Any
    ) -> AsyncGenerator[jobs_pb2.WatchJobsResponse, None]:
        """Changes of this home's jobs."""
        check_filter(request.filter)
        async with aclosing(HomeWatch(self._runtime, request).responses()) as responses:
            async for response in responses:
                yield response

    async def StreamLogs(
        self, request: jobs_pb2.StreamLogsRequest, context: Any
    ) -> AsyncGenerator[jobs_pb2.StreamLogsResponse, None]:
        """Output of a task that runs here, or ran here."""
        detail = await self._runtime.read(queries.get_job, request.job_id, with_timeline=request.attempt != 0)
        if detail is None:
            raise not_found(f"{self._region} knows no job {request.job_id!r}")
        run = logs.run_of(detail, request.attempt)
        async for response in logs.read_here(self._runtime.executor, run, request):
            yield response


def _is_stale(outcome: Submitted | Refused) -> bool:
    return isinstance(outcome, Refused) and outcome.code == STALE_POLICY


def _epilogue(record: JobRecord, region: str) -> str:
    """One sentence on a job that memory has let go of."""
    where = whereabouts(record, region)
    reason = f"{record.reason.code}: {record.reason.detail}" if record.reason.detail else record.reason.code
    if record.observed_state in TERMINAL_STATES:
        return f"it ended in {where} as {record.observed_state.name} ({reason})"
    return f"it is with {where} ({reason})"
