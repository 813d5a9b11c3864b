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
from hanse.core.events import Ask, CancelJobs, OrderJobs, Question, Submit
from hanse.core.model import limits
from hanse.core.model.jobs import RunId, Submission
from hanse.core.model.lifecycle import TERMINAL_STATES, JobState
from hanse.core.replies import CancelOutcome, Explanation, OrdersOutcome, Refused, SubmitOutcome, Submitted
from hanse.daemon.clock import wall_us
from hanse.daemon.errors import RegionUnreachable, invalid, not_found, refused_request
from hanse.daemon.ids import JobIds, home_of
from hanse.daemon.runtime import Runtime
from hanse.daemon.servers import logs
from hanse.daemon.servers.arrays import add_counts, array_status, element_run
from hanse.daemon.servers.filters import check_filter, checked_page_size, decode_filter
from hanse.daemon.servers.leaders import Leaders
from hanse.daemon.servers.local_plans import LocalPlans
from hanse.daemon.servers.records import (
    encode_job,
    encode_revision,
    encode_timeline,
    newest_moment,
    nodes_of,
    whereabouts,
)
from hanse.daemon.servers.watching import HomeWatch
from hanse.daemon.tracing import current_traceparent
from hanse.ledger import queries
from hanse.ledger.copies import JobCopy, shard_copy
from hanse.ledger.queries import JobRecord
from hanse.policies.rules import Facts
from hanse.wire.arrays import loss_of_array
from hanse.wire.checks import FieldRefused
from hanse.wire.gen.hanse.v1 import jobs_pb2, jobs_pb2_grpc
from hanse.wire.jobs import encode_cancel_results, encode_explanation, encode_state, encode_submit_result
from hanse.wire.orders import decode_order, encode_control_results
from hanse.wire.specs import SpecReader
from hanse.wire.times import timestamp

# A response of this size passes every bound of the transport, with room for the job that crosses it.
_PAGE_BYTES_MAX = limits.RPC_BYTES_MAX // 2


class LocalJobs(jobs_pb2_grpc.JobServiceServicer):
    """JobService for the jobs of this region."""

    def __init__(self, runtime: Runtime, specs: SpecReader, ids: JobIds, leaders: Leaders) -> None:
        self._runtime = runtime
        self._specs = specs
        self._ids = ids
        self._leaders = leaders
        self._region = runtime.name
        self._plans = LocalPlans(runtime, specs, ids, self._ruled)

    # --- submit and cancel ----------------------------------------------------------------------------------------

    async def SubmitJobs(
        self, request: jobs_pb2.SubmitJobsRequest, context: Any
    ) -> jobs_pb2.SubmitJobsResponse:
        """Check every spec, and have the good ones admitted together; the reply means that they are on disk. For
        another home it takes adoptable jobs, while it leads that home's shard."""
        home = request.home or self._region
        if self._runtime.region.member(home) is None:
            raise invalid("home", f"no region {home!r} in the roster")
        if not 1 <= len(request.jobs) <= limits.SUBMISSIONS_MAX:
            raise invalid("jobs", f"{len(request.jobs)} submissions; 1 to {limits.SUBMISSIONS_MAX}")
        decoded = self._decoded(request.jobs, home)
        good = tuple(each for each in decoded if isinstance(each, Submission))
        outcomes = iter(await self._ruled_and_admitted(good, home))
        results = [each if isinstance(each, Refused) else next(outcomes) for each in decoded]
        for result in results:
            if isinstance(result, Refused):
                self._runtime.metrics.refused(result.code)
        return jobs_pb2.SubmitJobsResponse(
            results=[encode_submit_result(result, index) for index, result in enumerate(results)]
        )

    def _decoded(self, jobs: Sequence[jobs_pb2.JobSubmission], home: str) -> list[Submission | Refused]:
        traceparent = current_traceparent.get()
        return [
            self._specs.decode_submission(job, job_id, traceparent)
            for job, job_id in zip(jobs, self._ids.draw(len(jobs), home), strict=True)
        ]

    async def _ruled_and_admitted(
        self, submissions: Sequence[Submission], home: str
    ) -> list[Submitted | Refused]:
        """In order. Those that were on their way while the policy changed are ruled anew."""
        results: dict[int, Submitted | Refused] = {}
        pending = dict(enumerate(submissions))
        for _ in range(limits.RULING_TRIES_MAX):
            ruled = tuple([await self._ruled(each) for each in pending.values()])
            outcomes = dict(zip(pending, await self._admitted(ruled, home), strict=True))
            pending = {number: submissions[number] for number, each in outcomes.items() if _is_stale(each)}
            results |= {number: each for number, each in outcomes.items() if number not in pending}
            if not pending:
                break
        busy = Refused("EXHAUSTED", "", "the policy is being changed; try again", limits.RETRY_AFTER_MS)
        return [results.get(number, busy) for number in range(len(submissions))]

    async def _ruled(self, submission: Submission) -> Submission:
        """By the rules of the policy in force. Others have their turn now and then."""
        if submission.terms.after and not submission.ended:
            submission = await self._with_ends(submission)
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
        if details.loss_by_tier:
            # A rule may have given it another tier.
            on_loss = self._specs.loss_of(result.shape.body.tier)
            try:
                on_loss = on_loss if result.array is None else loss_of_array(on_loss)
            except FieldRefused as refusal:
                refused = (refusal.field, refusal.message)
                return msgspec.structs.replace(result, refused=refused)
            return msgspec.structs.replace(result, on_loss=on_loss)
        return result

    async def _with_ends(self, submission: Submission) -> Submission:
        """How those jobs ended that it waits for, as far as they have: memory may have forgotten it."""
        ended: list[tuple[str, JobState]] = []
        for after in submission.terms.after:
            detail = await self._runtime.read(queries.get_job, after.job_id)
            if detail is not None and detail.job.home == (detail.job.shard or self._region):
                state = detail.job.observed_state
                if state in TERMINAL_STATES:
                    ended.append((after.job_id, state))
        return msgspec.structs.replace(submission, ended=tuple(ended))

    async def _admitted(
        self, submissions: tuple[Submission, ...], home: str
    ) -> tuple[Submitted | Refused, ...]:
        if not submissions:
            return ()
        cause = f"submit:{submissions[0].job_id}"
        outcome = await self._runtime.ask(
            SubmitOutcome,
            lambda number: Submit(
                request_id=number,
                submissions=submissions,
                cause=cause,
                home="" if home == self._region else home,
            ),
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

    async def ControlJobs(
        self, request: jobs_pb2.ControlJobsRequest, context: Any
    ) -> jobs_pb2.ControlJobsResponse:
        """Orders about jobs that are here; they are on disk when the reply comes."""
        job_ids = tuple(request.job_ids)
        if not 1 <= len(job_ids) <= limits.CANCELS_MAX:
            raise invalid("job_ids", f"{len(job_ids)} ids; 1 to {limits.CANCELS_MAX}")
        try:
            order = decode_order(request)
        except FieldRefused as refused:
            raise invalid(refused.field, refused.message) from refused
        cause = f"{order.kind.name.lower()}:{self._ids.draw(1)[0]}"
        outcome = await self._runtime.ask(
            OrdersOutcome,
            lambda number: OrderJobs(request_id=number, job_ids=job_ids, order=order, cause=cause),
        )
        results = [
            await self._ended_already(job_id, result)
            for job_id, result in zip(job_ids, outcome.results, strict=True)
        ]
        return jobs_pb2.ControlJobsResponse(
            results=encode_control_results(job_ids, OrdersOutcome(tuple(results)), self._region)
        )

    # --- questions ------------------------------------------------------------------------------------------------

    async def GetJob(self, request: jobs_pb2.GetJobRequest, context: Any) -> jobs_pb2.GetJobResponse:
        """Any job in the books; what this region only owns, or only passed on, is marked as its word. A job that is
        only in a copy of a shard's log is shown as old as that."""
        detail = await self._runtime.read(
            queries.get_job, request.job_id, with_timeline=request.with_timeline
        )
        if detail is None:
            return jobs_pb2.GetJobResponse(job=await self._copy(request))
        job = encode_job(detail.job, self._region)
        if not job.nodes:
            job.nodes.extend(nodes_of(detail.owner))
        job.timeline.extend(encode_timeline(detail.timeline, self._region))
        array = await array_status(self._runtime.read, detail.owner, request.elements)
        if array is not None:
            job.array.CopyFrom(array)
        elif request.elements:
            raise invalid("elements", f"{job.id} is no array")
        if not self._answers_for(detail.job) and not job.observed_by:
            job.observed_by = self._region
            job.observed_at.CopyFrom(timestamp(wall_us()))  # type: ignore[arg-type]
        if not detail.job.shard and detail.job.home != self._region and job.region != self._region:
            await self._say_since_when(job)
        if detail.job.shard and detail.job.state not in TERMINAL_STATES:
            self._say_how_old(job, detail.job.shard)
        return jobs_pb2.GetJobResponse(job=job)

    async def _say_since_when(self, job: jobs_pb2.Job) -> None:
        """Of a job of another home that was passed on, what is known here is as old as that."""
        entries = await self._runtime.read(queries.timeline, job.id)
        last_us = max((entry.at_wall_us for entry in entries), default=0)
        job.as_of.FromMicroseconds(last_us or newest_moment(job).ToMicroseconds())

    def _say_how_old(self, job: jobs_pb2.Job, shard: str) -> None:
        """Of a shard whose guardians have not been heard for longer than a lease, another region may lead it by now:
        what is known here is as old as that, or as the job's own news."""
        news_us = newest_moment(job).ToMicroseconds()
        heard_us = max(self._runtime.renewed_wall_us(shard), news_us)
        if wall_us() - heard_us > self._runtime.config.region.timings.lease_us:
            job.as_of.FromMicroseconds(heard_us)

    def _answers_for(self, record: JobRecord) -> bool:
        """Whether nobody knows more: the home, or whoever leads its shard."""
        return record.home == self._region if not record.shard else record.home == record.shard

    async def _copy(self, request: jobs_pb2.GetJobRequest) -> jobs_pb2.Job:
        """From this region's copy of a log that another region leads. Raises RequestRefused if it is in none."""
        copy = await self._runtime.read(shard_copy, request.job_id)
        if copy is None:
            await self._own_up(request.job_id)
            raise not_found(f"{self._region} knows no job {request.job_id!r}")
        record = queries.record_of(copy.row)
        job = encode_job(record, await self._leaders.of(copy.shard) or copy.shard)
        job.answered_by = self._region
        job.as_of.CopyFrom(timestamp(self._copied_wall_us(copy)) or job.submitted_at)
        if request.with_timeline:
            entries = await self._runtime.read(queries.timeline, request.job_id)
            job.timeline.extend(encode_timeline(entries, self._region))
        return job

    async def _own_up(self, job_id: str) -> None:
        """Only a home that leads its shard can say that there is no such job of it. Raises RegionUnreachable."""
        if home_of(job_id) == self._region and not await self._leaders.leads_itself(self._region):
            raise RegionUnreachable(self._region, "it does not lead its adoptable jobs at present")

    def _copied_wall_us(self, copy: JobCopy) -> int:
        """When this region last wrote into the copy; if that was before its daemon started, the job's own last time."""
        row = copy.row
        return self._runtime.copied_wall_us(copy.shard) or max(
            row.submitted_wall_us, row.started_wall_us, row.ended_wall_us
        )

    async def ListJobs(self, request: jobs_pb2.ListJobsRequest, context: Any) -> jobs_pb2.ListJobsResponse:
        """A page of jobs of one home, for which this region answers; of this one, if none is named. The token between
        two regions is plain: the last id."""
        check_filter(request.filter)
        page_size = checked_page_size(request)
        home = request.filter.homes[0] if len(request.filter.homes) == 1 else self._region
        if home != self._region and await self._leaders.of(home) != self._region:
            raise RegionUnreachable(home, f"{self._region} does not lead its shard")
        page = await self._runtime.read(
            queries.list_jobs,
            decode_filter(request.filter, (home,)),
            after=request.page_token,
            page_size=page_size,
        )
        jobs, next_after = self._within_bytes(page.jobs, page.next_after)
        await add_counts(self._runtime.read, page.jobs, jobs)
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
        if detail is not None:
            record, region, ending = detail.job, self._region, ""
        else:
            copy = await self._runtime.read(shard_copy, request.job_id)
            if copy is None:
                raise refused_request(answer)
            record, region = queries.record_of(copy.row), copy.shard
            ending = (
                f"; so says an old copy in {self._region}, and whoever leads the shard of {region} does not"
            )
        return jobs_pb2.ExplainJobResponse(
            job_id=request.job_id,
            state=encode_state(record.observed_state),
            summary=_epilogue(record, region) + ending,
            regions=_not_led(record, self._region),
        )

    async def PlanJob(self, request: jobs_pb2.PlanJobRequest, context: Any) -> jobs_pb2.PlanJobResponse:
        """What this region would make of a job."""
        return await self._plans.plan(request)

    # --- streams --------------------------------------------------------------------------------------------------

    async def WatchJobs(
        self, request: jobs_pb2.WatchJobsRequest, context: Any
    ) -> AsyncGenerator[jobs_pb2.WatchJobsResponse, None]:
        """Changes of the jobs that this region answers for."""
        check_filter(request.filter)
        async with aclosing(HomeWatch(self._runtime, request).responses()) as responses:
            async for response in responses:
                yield response

    async def StreamLogs(
        self, request: jobs_pb2.StreamLogsRequest, context: Any
    ) -> AsyncGenerator[jobs_pb2.StreamLogsResponse, None]:
        """Output of a task that runs here, or ran here."""
        detail = await self._runtime.read(queries.get_job, request.job_id, with_timeline=request.attempt != 0)
        if detail is not None and (detail.owner.array is not None or request.HasField("index")):
            read, executor = self._runtime.read, self._runtime.executor
            run = await element_run(read, executor, detail.owner, request)
        elif detail is not None:
            run = logs.run_of(detail, request.attempt)
        else:
            run = await self._run_of_copy(request)
        async for response in logs.read_here(self._runtime.executor, run, request):
            yield response

    async def _run_of_copy(self, request: jobs_pb2.StreamLogsRequest) -> RunId:
        """It ran here while this region led its shard, which another one leads now."""
        copy = await self._runtime.read(shard_copy, request.job_id)
        if copy is None:
            raise not_found(f"{self._region} knows no job {request.job_id!r}")
        record = queries.record_of(copy.row)
        entries = await self._runtime.read(queries.timeline, request.job_id) if request.attempt else ()
        return logs.run_among(record, entries, request.attempt)


def _not_led(record: JobRecord, region: str) -> list[jobs_pb2.RegionExplanation]:
    """What is in the way of a job of a shard that this region has on record and does not lead: nobody says more."""
    if not record.shard or record.observed_state is not JobState.QUEUED:
        return []
    message = (
        f"{region} does not lead the jobs of {record.shard} at present, and nobody who does has answered"
    )
    blocker = jobs_pb2.Blocker(code="NO_LEADER", message=message)
    return [jobs_pb2.RegionExplanation(region=region, blockers=[blocker])]


def _is_stale(outcome: Submitted | Refused) -> bool:
    return isinstance(outcome, Refused) and outcome.code == STALE_POLICY


def _epilogue(record: JobRecord, region: str) -> str:
    """One sentence on a job that memory has let go of."""
    where = whereabouts(record, region)
    reason = f"{record.reason.code}: {record.reason.detail}" if record.reason.detail else record.reason.code
    if record.observed_state in TERMINAL_STATES:
        return f"it ended in {where} as {record.observed_state.name} ({reason})"
    return f"it is with {where} ({reason})"
