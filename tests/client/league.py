"""A small league in memory behind real gRPC servers, which fails on purpose."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2, status_pb2

from hanse.client.messages import FINAL_STATES, JobState, Reason, Revision
from hanse.wire.gen.hanse.v1 import common_pb2, jobs_pb2, jobs_pb2_grpc, regions_pb2, regions_pb2_grpc

FIRST_S = 1_700_000_000


@dataclass
class Fault:
    """One failure of one call. `after`: it has been carried out, and only the answer is lost."""

    code: grpc.StatusCode
    after: bool = False
    retry_after_ms: int = 0
    details: str = "on purpose"


@dataclass
class League:
    """All jobs of all regions. Every server shares it, so that any of them answers for any job."""

    regions: tuple[str, ...] = ("north", "east")
    # Of every job that is submitted.
    durability: common_pb2.Durability = common_pb2.DURABILITY_REGIONAL
    ledger_id: str = "l1"
    jobs: dict[str, jobs_pb2.Job] = field(default_factory=dict)
    # Signed quota documents, oldest first.
    quotas: list[bytes] = field(default_factory=list)
    keys: dict[tuple[str, str, str], str] = field(default_factory=dict)
    sequence: int = 0
    compacted: int = 0
    history: list[tuple[int, str, jobs_pb2.JobChange]] = field(default_factory=list)
    faults: dict[str, list[Fault]] = field(default_factory=lambda: defaultdict(list))
    calls: list[tuple[str, str]] = field(default_factory=list)
    submits: list[jobs_pb2.SubmitJobsRequest] = field(default_factory=list)
    refusals: dict[str, list[common_pb2.Refusal]] = field(default_factory=lambda: defaultdict(list))
    unreachable: set[str] = field(default_factory=set)
    output: bytes = b""
    output_ended: bool = False
    break_after_bytes: int = 0
    page_size_max: int = 1000
    mute: bool = False
    watches: int = 0
    broken: int = 0
    announced: int = 0
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    def fail(self, method: str, code: grpc.StatusCode, times: int = 1, **how: object) -> None:
        """The next calls of `method` fail."""
        self.faults[method] += [Fault(code, **how) for _ in range(times)]  # type: ignore[arg-type]

    def add(self, home: str, name: str = "job", state: str = "QUEUED") -> str:
        """A job that is there already."""
        job_id = f"{home}-{len(self.jobs):08d}"
        job = jobs_pb2.Job(
            id=job_id, home=home, region=home, epoch=1, spec=jobs_pb2.JobSpec(name=name, tenant="t")
        )
        job.submitted_at.seconds = FIRST_S
        self.jobs[job_id] = job
        self.record(job_id, state)
        return job_id

    def record(self, job_id: str, state: str, **more: object) -> None:
        """A change, as yet unannounced."""
        job = self.jobs[job_id]
        job.state = JobState.Value(f"JOB_STATE_{state}")
        job.reason.CopyFrom(Reason(code=state))
        for name, value in more.items():
            setattr(job, name, value)
        self.sequence += 1
        if state == "RUNNING":
            job.attempt += 1
            job.started_at.seconds = FIRST_S + self.sequence
        if job.state in FINAL_STATES:
            job.ended_at.seconds = FIRST_S + self.sequence
        change = jobs_pb2.JobChange(
            job_id=job_id,
            state=job.state,
            region=job.region,
            epoch=job.epoch,
            attempt=job.attempt,
            reason=job.reason,
            exit_code=job.exit_code,
        )
        change.at.seconds = FIRST_S + self.sequence
        self.history.append((self.sequence, job.home, change))

    async def change(self, job_id: str, state: str, **more: object) -> None:
        """A change that watchers hear of."""
        self.record(job_id, state, **more)
        await self.announce()

    async def announce(self) -> None:
        """Wake all streams."""
        async with self.changed:
            self.announced += 1
            self.changed.notify_all()

    async def news(self, seen: int) -> None:
        """Return when there was an announcement after the `seen`-th."""
        async with self.changed:
            await self.changed.wait_for(lambda: self.announced != seen)

    async def break_streams(self) -> None:
        """Every open stream ends with UNAVAILABLE."""
        self.broken += 1
        await self.announce()

    def compact(self) -> None:
        """Forget the history, as a region does that has a bound."""
        self.compacted = self.sequence
        self.history.clear()

    def revision(self, region: str) -> Revision:
        """Where the region's history stands."""
        return Revision(region=region, ledger_id=self.ledger_id, sequence=self.sequence)

    def matching(self, wanted: jobs_pb2.JobFilter) -> list[jobs_pb2.Job]:
        """Jobs that satisfy the filter."""
        return [
            job
            for job in self.jobs.values()
            if (not wanted.job_ids or job.id in wanted.job_ids)
            and (not wanted.states or job.state in wanted.states)
            and (not wanted.homes or job.home in wanted.homes)
            and (not wanted.tenant or job.spec.tenant == wanted.tenant)
            and job.spec.name.startswith(wanted.name_prefix)
            and job.home not in self.unreachable
        ]


async def abort(context: grpc.aio.ServicerContext, fault: Fault) -> None:
    """Fail as the real servers do, with typed details."""
    details = []
    if fault.retry_after_ms:
        packed = AnyMessage()
        delay = Duration(nanos=fault.retry_after_ms * 1_000_000)
        packed.Pack(error_details_pb2.RetryInfo(retry_delay=delay))
        details.append(packed)
    status = status_pb2.Status(code=fault.code.value[0], message=fault.details, details=details)
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    await context.abort(fault.code, fault.details)


class Jobs(jobs_pb2_grpc.JobServiceServicer):
    """JobService at one address."""

    def __init__(self, league: League, region: str) -> None:
        self.league = league
        self.region = region

    async def _enter(self, method: str, context: grpc.aio.ServicerContext) -> Fault | None:
        """Note the call, and fail if that is due; a fault that comes after the deed is handed back."""
        self.league.calls.append((method, self.region))
        fault = self.league.faults[method].pop(0) if self.league.faults[method] else None
        if fault is not None and not fault.after:
            await abort(context, fault)
        return fault

    async def SubmitJobs(
        self, request: jobs_pb2.SubmitJobsRequest, context: grpc.aio.ServicerContext
    ) -> jobs_pb2.SubmitJobsResponse:
        self.league.submits.append(request)
        fault = await self._enter("SubmitJobs", context)
        home = request.home or self.region
        response = jobs_pb2.SubmitJobsResponse(results=[self._submit(home, one) for one in request.jobs])
        if fault is not None:
            await abort(context, fault)
        await self.league.announce()
        return response

    def _submit(self, home: str, submission: jobs_pb2.JobSubmission) -> jobs_pb2.SubmitResult:
        league = self.league
        refusals = league.refusals[submission.spec.name]
        if refusals:
            return jobs_pb2.SubmitResult(refusal=refusals.pop(0))
        key = (home, submission.spec.tenant, submission.client_key)
        existed = key in league.keys
        if not existed:
            job_id = league.add(home, submission.spec.name)
            league.jobs[job_id].spec.CopyFrom(submission.spec)
            league.jobs[job_id].client_key = submission.client_key
            league.keys[key] = job_id
        submitted = jobs_pb2.SubmittedJob(
            job_id=league.keys[key], durability=league.durability, existed=existed
        )
        return jobs_pb2.SubmitResult(job=submitted)

    async def GetJob(
        self, request: jobs_pb2.GetJobRequest, context: grpc.aio.ServicerContext
    ) -> jobs_pb2.GetJobResponse:
        await self._enter("GetJob", context)
        job = self.league.jobs.get(request.job_id)
        if job is None:
            await abort(context, Fault(grpc.StatusCode.NOT_FOUND, details=f"no job {request.job_id}"))
        assert job is not None
        if job.home in self.league.unreachable:
            await abort(context, Fault(grpc.StatusCode.UNAVAILABLE, details=f"region {job.home} is away"))
        return jobs_pb2.GetJobResponse(job=job)

    async def ListJobs(
        self, request: jobs_pb2.ListJobsRequest, context: grpc.aio.ServicerContext
    ) -> jobs_pb2.ListJobsResponse:
        await self._enter("ListJobs", context)
        jobs = self.league.matching(request.filter)
        start = int(request.page_token or 0)
        end = start + min(request.page_size or 100, self.league.page_size_max)
        return jobs_pb2.ListJobsResponse(
            jobs=jobs[start:end],
            next_page_token=str(end) if end < len(jobs) else "",
            unreachable=sorted(self.league.unreachable),
            revisions=[
                self.league.revision(region)
                for region in self.league.regions
                if region not in self.league.unreachable
            ],
        )

    async def WatchJobs(
        self, request: jobs_pb2.WatchJobsRequest, context: grpc.aio.ServicerContext
    ) -> AsyncIterator[jobs_pb2.WatchJobsResponse]:
        league = self.league
        await self._enter("WatchJobs", context)
        league.watches += 1
        broken = league.broken
        since = {revision.region: revision.sequence for revision in request.since}
        if any(sequence < league.compacted for sequence in since.values()):
            await abort(context, Fault(grpc.StatusCode.OUT_OF_RANGE, details="compacted"))
        sent = dict.fromkeys(league.regions, league.sequence) | since
        if not since:
            for response in self._present(request.filter):
                yield response
        while True:
            seen = league.announced
            if league.broken != broken:
                await abort(context, Fault(grpc.StatusCode.UNAVAILABLE, details="broken on purpose"))
            wanted = {job.id for job in league.matching(request.filter)}
            for sequence, home, change in list(league.history):
                if sequence > sent[home] and not league.mute:
                    sent[home] = sequence
                    revision = Revision(region=home, ledger_id=league.ledger_id, sequence=sequence)
                    changes = [change] if change.job_id in wanted else []
                    yield jobs_pb2.WatchJobsResponse(changes=changes, revision=revision)
            await league.news(seen)

    def _present(self, wanted: jobs_pb2.JobFilter) -> list[jobs_pb2.WatchJobsResponse]:
        """The present state of every job, region by region."""
        newest = {change.job_id: change for _, _, change in self.league.history}
        responses = []
        for region in self.league.regions:
            changes = [
                newest[job.id]
                for job in self.league.matching(wanted)
                if job.home == region and job.id in newest
            ]
            responses.append(
                jobs_pb2.WatchJobsResponse(changes=changes, revision=self.league.revision(region))
            )
        return responses

    async def CancelJobs(
        self, request: jobs_pb2.CancelJobsRequest, context: grpc.aio.ServicerContext
    ) -> jobs_pb2.CancelJobsResponse:
        await self._enter("CancelJobs", context)
        return jobs_pb2.CancelJobsResponse(results=[self._cancel(job_id) for job_id in request.job_ids])

    def _cancel(self, job_id: str) -> jobs_pb2.CancelResult:
        job = self.league.jobs.get(job_id)
        refusal = None
        if job is None:
            refusal = common_pb2.Refusal(code=common_pb2.REFUSAL_CODE_NOT_FOUND, message=f"no job {job_id}")
        elif job.state in FINAL_STATES:
            refusal = common_pb2.Refusal(code=common_pb2.REFUSAL_CODE_TERMINAL, message="it has ended")
        else:
            job.cancel_requested = True
        return jobs_pb2.CancelResult(job_id=job_id, refusal=refusal, state=job.state if job else 0)

    async def ExplainJob(
        self, request: jobs_pb2.ExplainJobRequest, context: grpc.aio.ServicerContext
    ) -> jobs_pb2.ExplainJobResponse:
        await self._enter("ExplainJob", context)
        because = jobs_pb2.Blocker(code="CAPACITY", message="n1 has 2 of 4 gpu free", nodes=["n1"])
        blocker = jobs_pb2.Blocker(code="CAPACITY", message="no node has 4 gpu free", because=[because])
        response = jobs_pb2.ExplainJobResponse(
            job_id=request.job_id,
            state=self.league.jobs[request.job_id].state,
            summary="waits for 4 gpu",
            regions=[
                jobs_pb2.RegionExplanation(region="north", blockers=[blocker]),
                jobs_pb2.RegionExplanation(region="east", age_ms=1500),
            ],
            position=3,
            unblock=["2000 gpu fewer"],
        )
        response.predicted_start.seconds = FIRST_S
        response.predicted_earliest.seconds = FIRST_S
        response.predicted_latest.seconds = FIRST_S + 60
        return response

    async def ControlJobs(
        self, request: jobs_pb2.ControlJobsRequest, context: grpc.aio.ServicerContext
    ) -> jobs_pb2.ControlJobsResponse:
        await self._enter("ControlJobs", context)
        results = [self._cancel(job_id) for job_id in request.job_ids]
        return jobs_pb2.ControlJobsResponse(
            results=[
                jobs_pb2.ControlResult(job_id=job_id, refusal=each.refusal, state=each.state)
                if each.HasField("refusal")
                else jobs_pb2.ControlResult(job_id=job_id, state=each.state, region="north")
                for job_id, each in zip(request.job_ids, results, strict=True)
            ]
        )

    async def PlanJob(
        self, request: jobs_pb2.PlanJobRequest, context: grpc.aio.ServicerContext
    ) -> jobs_pb2.PlanJobResponse:
        await self._enter("PlanJob", context)
        because = jobs_pb2.Blocker(
            code="CAPACITY",
            message="3 of 120 fit but for gpu: a task needs 8000, the most free is 4000",
            nodes=["n17"],
        )
        blocker = jobs_pb2.Blocker(code="CAPACITY", message="no node has 8 gpu free", because=[because])
        here = jobs_pb2.RegionPlan(
            region="north",
            outcome=jobs_pb2.PLAN_OUTCOME_PREEMPT,
            stops=[
                jobs_pb2.PlannedStop(
                    job_id="north-1", name="old", tenant="t", rule="tier premium before basic"
                )
            ],
            blockers=[blocker],
            position=2,
            unblock=["2000 gpu fewer per task (6000 instead of 8000)"],
            price=1000,
            power=900,
        )
        for moment in (here.predicted_start, here.predicted_earliest, here.predicted_latest):
            moment.seconds = FIRST_S
        east = jobs_pb2.RegionPlan(
            region="east", outcome=jobs_pb2.PLAN_OUTCOME_START, nodes=["e1"], queue="t"
        )
        south = jobs_pb2.RegionPlan(region="south", age_ms=2_500)
        return jobs_pb2.PlanJobResponse(
            home="north",
            chosen="" if request.spec.name == "nowhere" else "north",
            summary="it would start in north, and 1 other job be stopped for it",
            index="preempt:north:0011223344556677",
            regions=[here, east, south],
            takers=[
                jobs_pb2.PlannedTaker(region="east"),
                jobs_pb2.PlannedTaker(region="south", wait_ms=4_000),
            ],
            policy_version=3,
            unreachable=["south"],
        )

    async def StreamLogs(
        self, request: jobs_pb2.StreamLogsRequest, context: grpc.aio.ServicerContext
    ) -> AsyncIterator[jobs_pb2.StreamLogsResponse]:
        league = self.league
        await self._enter("StreamLogs", context)
        broken, offset = league.broken, request.offset
        while True:
            seen = league.announced
            data = league.output[offset : offset + (league.break_after_bytes or len(league.output) or 1)]
            if data:
                offset += len(data)
                yield jobs_pb2.StreamLogsResponse(data=data, next_offset=offset)
            if league.break_after_bytes and offset < len(league.output):
                await abort(context, Fault(grpc.StatusCode.UNAVAILABLE, details="broken on purpose"))
            if league.output_ended or not request.follow:
                return
            await league.news(seen)
            if league.broken != broken:
                await abort(context, Fault(grpc.StatusCode.UNAVAILABLE, details="broken on purpose"))


class Regions(regions_pb2_grpc.RegionServiceServicer):
    """RegionService at one address."""

    def __init__(self, league: League, region: str) -> None:
        self.league = league
        self.region = region

    async def GetStatus(
        self, request: regions_pb2.GetStatusRequest, context: grpc.aio.ServicerContext
    ) -> regions_pb2.GetStatusResponse:
        self.league.calls.append(("GetStatus", self.region))
        if self.league.faults["GetStatus"]:
            await abort(context, self.league.faults["GetStatus"].pop(0))
        status = regions_pb2.GetStatusResponse(
            region=request.region or self.region,
            cluster_id="test",
            ledger_id=self.league.ledger_id,
            incarnation=2,
            revision=self.league.revision(self.region),
            version="0.1.0",
            jobs_by_state={"QUEUED": 3, "RUNNING": 1},
            capacity={"cpu": 8000, "gpu": 4000, "memory": 64 << 30},
            free={"cpu": 6000, "gpu": 0, "memory": 64 << 30},
            channels=[regions_pb2.ChannelStatus(peer="east", given=5, taken=2, session=True)],
        )
        status.started_at.seconds = FIRST_S
        if request.region == "restored":
            quarantine = regions_pb2.Quarantine(why="the anchor is ahead", missing=["west"], suspects=7)
            quarantine.since.seconds = FIRST_S
            status.quarantine.CopyFrom(quarantine)
        if request.region == "emptied":
            status.draining = True
            status.drain.running = regions_pb2.RUNNING_JOBS_MOVE
            status.drain.queued, status.drain.leaving = 12, 3
            status.drain.stopping, status.drain.stopped = 4, 5
            status.drain.running_on.update({"NOT_RESTARTABLE": 6, "NO_ROOM_ELSEWHERE": 7, "LATER": 8})
        return status

    async def ListNodes(
        self, request: regions_pb2.ListNodesRequest, context: grpc.aio.ServicerContext
    ) -> regions_pb2.ListNodesResponse:
        node = regions_pb2.Node(
            name="n1",
            node_class="a",
            labels={"zone": "z1"},
            capacity={"cpu": 8000, "gpu": 4000},
            free={"cpu": 6000, "gpu": 0},
            jobs=["north-00000000"],
        )
        return regions_pb2.ListNodesResponse(nodes=[node])

    async def ListMembers(
        self, request: regions_pb2.ListMembersRequest, context: grpc.aio.ServicerContext
    ) -> regions_pb2.ListMembersResponse:
        members = [
            regions_pb2.Member(
                name=region,
                peer_address="127.0.0.1:1",
                public_address="127.0.0.1:2",
                liveness=regions_pb2.LIVENESS_ALIVE,
                incarnation=1,
                heard_ago_ms=0 if region == self.region else 800,
                protocol_min=1,
                protocol_max=1,
            )
            for region in self.league.regions
        ]
        return regions_pb2.ListMembersResponse(region=self.region, roster_epoch=1, members=members)

    async def GetInventory(
        self, request: regions_pb2.GetInventoryRequest, context: grpc.aio.ServicerContext
    ) -> regions_pb2.GetInventoryResponse:
        record = regions_pb2.RegionRecord(
            region="north", incarnation=1, version=4, queued=3, predicted_wait_ms=1500
        )
        record.observed_at.seconds = FIRST_S
        capacity = {"cpu": 8000, "gpu": 4000}
        record.classes.add(node_class="a", nodes=2, node_capacity=capacity, free={"cpu": 4000, "gpu": 0})
        return regions_pb2.GetInventoryResponse(region=self.region, records=[record])

    async def GetQuotas(
        self, request: regions_pb2.GetQuotasRequest, context: grpc.aio.ServicerContext
    ) -> regions_pb2.GetQuotasResponse:
        """Whatever documents were handed in, and an account with a little of everything."""
        quotas = regions_pb2.QuotaStatus(
            region=request.region or self.region, league="aa", history=self.league.quotas, waiting=2
        )
        if self.league.quotas:
            quotas.known.add(region="east", number=1)
            quotas.balances.add(
                account="north",
                tenant="lab",
                resource="gpu",
                held=4000,
                used=3000,
                in_transit=500,
                debt=100,
                lost=50,
                asked=1000,
                waiting=2000,
            )
            news = quotas.elsewhere.add(region="east").news
            news.league, news.number, news.sha256 = "aa", 1, "bb"
            news.accounts.add(name="east", id=7)
            news.rights.add(tenant="lab", resource="gpu", free=1000, held=1500)
        return regions_pb2.GetQuotasResponse(quotas=quotas)

    async def ApplyQuotas(
        self, request: regions_pb2.ApplyQuotasRequest, context: grpc.aio.ServicerContext
    ) -> regions_pb2.ApplyQuotasResponse:
        self.league.quotas.append(request.document)
        return regions_pb2.ApplyQuotasResponse(region="north")

    async def Drain(
        self, request: regions_pb2.DrainRequest, context: grpc.aio.ServicerContext
    ) -> regions_pb2.DrainResponse:
        return regions_pb2.DrainResponse(draining=True)

    async def ControlNodes(
        self, request: regions_pb2.ControlNodesRequest, context: grpc.aio.ServicerContext
    ) -> regions_pb2.ControlNodesResponse:
        return regions_pb2.ControlNodesResponse()

    async def ReloadConfig(
        self, request: regions_pb2.ReloadConfigRequest, context: grpc.aio.ServicerContext
    ) -> regions_pb2.ReloadConfigResponse:
        return regions_pb2.ReloadConfigResponse(changed=["nodes"])

    async def TrustDisk(
        self, request: regions_pb2.TrustDiskRequest, context: grpc.aio.ServicerContext
    ) -> regions_pb2.TrustDiskResponse:
        return regions_pb2.TrustDiskResponse(missing=["west"])

    async def Undrain(
        self, request: regions_pb2.UndrainRequest, context: grpc.aio.ServicerContext
    ) -> regions_pb2.UndrainResponse:
        return regions_pb2.UndrainResponse(draining=False)


@asynccontextmanager
async def served(
    league: League, register: Callable[[grpc.aio.Server], None] = lambda server: None
) -> AsyncIterator[list[str]]:
    """One server for each region of the league; yields their addresses in the same order. `register` adds services."""
    servers, addresses = [], []
    for region in league.regions:
        server = grpc.aio.server()
        jobs_pb2_grpc.add_JobServiceServicer_to_server(Jobs(league, region), server)
        regions_pb2_grpc.add_RegionServiceServicer_to_server(Regions(league, region), server)
        register(server)
        addresses.append(f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}")
        await server.start()
        servers.append(server)
    try:
        yield addresses
    finally:
        for server in servers:
            await server.stop(None)
