"""The asyncio client."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from dataclasses import replace
from types import TracebackType
from typing import Self

import grpc

from hanse.client import logs as log_streams
from hanse.client import submit as submits
from hanse.client import wait as waits
from hanse.client import watch as watches
from hanse.client.calls import Calls
from hanse.client.concurrently import mapped
from hanse.client.errors import InvalidArgumentError
from hanse.client.limits import (
    BATCH_JOBS,
    BATCHES_IN_FLIGHT,
    CANCEL_IDS_MAX,
    NO_EPOCH,
    PAGE_JOBS_MAX,
    PLAN_TIMEOUT_S,
)
from hanse.client.messages import (
    ApplyLeaguePolicyResponse,
    ApplyPolicyResponse,
    CancelReservationResponse,
    CancelResult,
    ControlJobsRequest,
    ControlResult,
    CreateReservationResponse,
    ExplainJobResponse,
    GetInventoryResponse,
    GetPolicyResponse,
    GetStatusResponse,
    Job,
    JobChange,
    JobFilter,
    JobSpec,
    LeaguePolicyStatus,
    ListMembersResponse,
    ListNodesResponse,
    ListPoliciesResponse,
    ListReservationsResponse,
    LogStream,
    NodeOrder,
    PlanJobResponse,
    PlanPolicyResponse,
    QuotaStatus,
    Reservation,
    Revision,
    RosterStatus,
    RunningJobs,
    StreamLogsResponse,
    ValidatePolicyResponse,
)
from hanse.client.retry import RetryPolicy
from hanse.client.submit import Home, Submitted
from hanse.wire.gen.hanse.v1 import jobs_pb2, policies_pb2, regions_pb2, reservations_pb2


class AsyncClient:
    """A client of a federation, for one event loop. Use it as an async context manager, or call `close`.

    `addresses`: public addresses ("host:port") of one or more regions, as a sequence or separated by commas; they are
    equal, and the next one is used when one does not answer. `home`: the region that submissions go to; empty: the
    first region that answers. `credentials`: None for plain text. Every call raises HanseErrors
    (`hanse.client.errors`) and nothing else.

    Iterators (`list`, `watch`, `logs`) hold a stream open: leave one early through `contextlib.aclosing`.
    """

    def __init__(
        self,
        addresses: str | Sequence[str],
        *,
        home: str = "",
        retry: RetryPolicy | None = None,
        credentials: grpc.ChannelCredentials | None = None,
    ) -> None:
        self._calls = Calls(split_addresses(addresses), retry or RetryPolicy(), credentials)
        self._home = Home(self._calls, home)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections; calls under way are cancelled."""
        await self._calls.close()

    # -- jobs ---------------------------------------------------------------------------------------------------------

    async def submit(
        self,
        spec: JobSpec,
        *,
        client_key: str = "",
        home: str = "",
        force_home: bool = False,
        check_index: str = "",
    ) -> Submitted:
        """Submit one job; raises the typed refusal if it is not taken. The reply means that it is on disk.

        `check_index`: that of a plan; PlanChangedError if the plan is another one by now.
        """
        keys = [client_key] if client_key else None
        outcomes = await self.submit_many(
            [spec], client_keys=keys, home=home, force_home=force_home, check_index=check_index
        )
        return outcomes[0].raise_for_refusal()

    async def plan(self, spec: JobSpec, *, home: str = "") -> PlanJobResponse:
        """What would become of a job if it were submitted now, region by region. Nothing comes of it."""
        submits.check_spec_size(spec, "spec")
        pinned = await self._home.pinned(home, force=False)
        request = jobs_pb2.PlanJobRequest(home=pinned, spec=spec)
        response: PlanJobResponse = await self._calls.unary(lambda link: link.jobs.PlanJob, request)
        return response

    async def submit_many(
        self,
        specs: Iterable[JobSpec],
        *,
        client_keys: Sequence[str] | None = None,
        home: str = "",
        force_home: bool = False,
        check_index: str = "",
        batch_jobs: int = BATCH_JOBS,
        batches_in_flight: int = BATCHES_IN_FLIGHT,
    ) -> list[Submitted]:
        """Submit any number of jobs; one outcome per spec, in order. Jobs are refused one by one (`outcome.error`).

        `client_keys`: one per spec, 1 to 128 characters; drawn if absent. Calling again with the same keys and home
        returns the same jobs. The home is fixed at the first submission of this client; `force_home` submits to `home`
        nevertheless, with a DuplicationWarning. `check_index`: each is held to the plan of this index. Batches hold at
        most `batch_jobs` jobs (up to 1,000) and 2 MiB.

        SubmitIncompleteError: the time was up before every job was taken or refused.
        """
        pinned = await self._home.pinned(home, force=force_home)
        return await submits.submit_many(
            self._calls,
            pinned,
            list(specs),
            client_keys,
            check_index=check_index,
            batch_jobs=batch_jobs,
            batches_in_flight=batches_in_flight,
        )

    async def get(self, job_id: str, *, with_timeline: bool = False, elements: str = "") -> Job:
        """The job as its home sees it; of an array also these elements, such as "3,7-9". NotFoundError if there is
        none."""
        return await watches.get_job(self._calls, job_id, with_timeline=with_timeline, elements=elements)

    async def list(
        self, job_filter: JobFilter | None = None, *, page_size: int = PAGE_JOBS_MAX
    ) -> AsyncGenerator[Job, None]:
        """Every job that matches, page by page. `list_pages` also tells which regions could not be asked."""
        async with aclosing(self.list_pages(job_filter, page_size=page_size)) as pages:
            async for page in pages:
                for job in page.jobs:
                    yield job

    async def list_pages(
        self, job_filter: JobFilter | None = None, *, page_size: int = PAGE_JOBS_MAX
    ) -> AsyncGenerator[jobs_pb2.ListJobsResponse, None]:
        """The pages of a list, with `unreachable` and the `revisions` to watch from."""
        async with aclosing(watches.pages(self._calls, job_filter or JobFilter(), page_size)) as pages:
            async for page in pages:
                yield page

    async def watch(
        self,
        job_filter: JobFilter | None = None,
        *,
        since: Iterable[Revision] = (),
        coalesce: bool = False,
    ) -> AsyncGenerator[JobChange, None]:
        """Changes of the jobs that match, for ever: first the present state of each, then what happens.

        Broken streams are resumed. Intermediate states may be left out (`coalesce`: as many as possible), final ones
        never; nothing follows a job's final state. A job whose record was deleted while the watch was interrupted
        is reported with state UNSPECIFIED and the reason EXPIRED.
        """
        watch = watches.Watch(self._calls, job_filter or JobFilter(), since, coalesce=coalesce)
        async with aclosing(watch.changes()) as changes:
            async for change in changes:
                yield change

    async def wait(self, job_ids: Iterable[str], *, timeout_s: float | None = None) -> dict[str, Job]:
        """Wait until all jobs have ended; returns them by id. Whether they succeeded is in `state`.

        WaitTimeoutError after `timeout_s` (None: no limit); NotFoundError for an id that does not exist. Outages are
        sat out: as long as the timeout lasts, or the retry budget where there is no timeout.
        """
        return await waits.wait(self._calls, list_of(job_ids), timeout_s)

    async def cancel(self, job_ids: Iterable[str]) -> Sequence[CancelResult]:
        """Record the wish to cancel each job; one result per id, in order. The outcome comes as the job's state."""

        async def cancel_some(ids: Sequence[str]) -> Sequence[CancelResult]:
            request = jobs_pb2.CancelJobsRequest(job_ids=ids)
            response: jobs_pb2.CancelJobsResponse = await self._calls.unary(
                lambda link: link.jobs.CancelJobs, request
            )
            return response.results

        ids = list_of(job_ids)
        chunks = (ids[start : start + CANCEL_IDS_MAX] for start in range(0, len(ids), CANCEL_IDS_MAX))
        return [
            result for results in await mapped(cancel_some, chunks, BATCHES_IN_FLIGHT) for result in results
        ]

    async def control(self, order: ControlJobsRequest) -> Sequence[ControlResult]:
        """Hold, release, requeue, reorder or move jobs, or cancel elements of arrays (`order` names one of these); one
        result per id, in order."""
        results: list[ControlResult] = []
        ids = list(order.job_ids)
        for start in range(0, len(ids), CANCEL_IDS_MAX):
            some = ControlJobsRequest()
            some.CopyFrom(order)
            del some.job_ids[:]
            some.job_ids.extend(ids[start : start + CANCEL_IDS_MAX])
            response: jobs_pb2.ControlJobsResponse = await self._calls.unary(
                lambda link: link.jobs.ControlJobs, some
            )
            results += response.results
        return results

    async def explain(self, job_id: str) -> ExplainJobResponse:
        """Why the job is where it is, region by region."""
        request = jobs_pb2.ExplainJobRequest(job_id=job_id)
        response: ExplainJobResponse = await self._calls.unary(lambda link: link.jobs.ExplainJob, request)
        return response

    async def logs(
        self,
        job_id: str,
        *,
        task: int = 0,
        stream: LogStream = LogStream.LOG_STREAM_STDOUT,
        follow: bool = False,
        offset: int = 0,
        attempt: int = 0,
        index: int | None = None,
    ) -> AsyncGenerator[StreamLogsResponse, None]:
        """A task's output from byte `offset` on, in pieces, each with the offset after it; `follow`: until it ends.

        `index`: of which element of an array. `attempt` 0: the newest. Broken streams are resumed at the byte where
        they broke, in the same attempt.
        """
        pieces = log_streams.logs(
            self._calls,
            job_id,
            task=task,
            stream=stream,
            follow=follow,
            offset=offset,
            attempt=attempt,
            index=index,
        )
        async with aclosing(pieces):
            async for piece in pieces:
                yield piece

    # -- regions (an empty `region` means the one that is asked) ----------------------------------------------------

    async def status(self, region: str = "") -> GetStatusResponse:
        """How a region fares."""
        request = regions_pb2.GetStatusRequest(region=region)
        response: GetStatusResponse = await self._calls.unary(lambda link: link.regions.GetStatus, request)
        return response

    async def nodes(self, region: str = "") -> ListNodesResponse:
        """A region's nodes, with what is free on each."""
        request = regions_pb2.ListNodesRequest(region=region)
        response: ListNodesResponse = await self._calls.unary(lambda link: link.regions.ListNodes, request)
        return response

    async def members(self, region: str = "") -> ListMembersResponse:
        """The federation's members as a region sees them."""
        request = regions_pb2.ListMembersRequest(region=region)
        response: ListMembersResponse = await self._calls.unary(
            lambda link: link.regions.ListMembers, request
        )
        return response

    async def inventory(self, region: str = "") -> GetInventoryResponse:
        """What a region knows of the capacity of all regions."""
        request = regions_pb2.GetInventoryRequest(region=region)
        response: GetInventoryResponse = await self._calls.unary(
            lambda link: link.regions.GetInventory, request
        )
        return response

    async def roster(self, region: str = "", *, after_epoch: int = NO_EPOCH) -> RosterStatus:
        """The signed roster that a region has in force, and how far its successor is; `following` are the rosters after
        `after_epoch`, as many as one answer holds."""
        request = regions_pb2.GetRosterRequest(region=region, after_epoch=after_epoch)
        response: regions_pb2.GetRosterResponse = await self._calls.unary(
            lambda link: link.regions.GetRoster, request
        )
        return response.roster

    async def propose_roster(self, document: bytes, region: str = "") -> RosterStatus:
        """Hand in the next roster, signed by the operator. The region has countersigned it when this returns, and
        gathers the others' countersignatures by itself: `roster` tells how far it is."""
        request = regions_pb2.ProposeRosterRequest(region=region, document=document)
        response: regions_pb2.ProposeRosterResponse = await self._calls.unary(
            lambda link: link.regions.ProposeRoster, request
        )
        return response.roster

    async def quotas(self, region: str = "") -> QuotaStatus:
        """Global quotas as a region has them, and the rights that it holds."""
        request = regions_pb2.GetQuotasRequest(region=region)
        response: regions_pb2.GetQuotasResponse = await self._calls.unary(
            lambda link: link.regions.GetQuotas, request
        )
        return response.quotas

    async def apply_quotas(self, document: bytes, region: str = "") -> str:
        """Hand in the next quota document, signed by the operator. What it mints or owes is durable when this returns;
        the others hear of it within seconds. Returns the region that took it."""
        request = regions_pb2.ApplyQuotasRequest(region=region, document=document)
        response: regions_pb2.ApplyQuotasResponse = await self._calls.unary(
            lambda link: link.regions.ApplyQuotas, request
        )
        return response.region

    async def drain(self, region: str = "", *, move: bool = False) -> bool:
        """Take no new work: queued jobs are offered to peers, running ones finish. With `move` those of them that may
        be restarted are stopped, as others have room, and go on elsewhere. Returns `draining`."""
        running = RunningJobs.RUNNING_JOBS_MOVE if move else RunningJobs.RUNNING_JOBS_FINISH
        request = regions_pb2.DrainRequest(region=region, running=running)
        response: regions_pb2.DrainResponse = await self._calls.unary(
            lambda link: link.regions.Drain, request
        )
        return response.draining

    async def undrain(self, region: str = "") -> bool:
        """Take new work again. Returns `draining`."""
        request = regions_pb2.UndrainRequest(region=region)
        response: regions_pb2.UndrainResponse = await self._calls.unary(
            lambda link: link.regions.Undrain, request
        )
        return response.draining

    async def control_nodes(
        self, nodes: Sequence[str], order: NodeOrder, region: str = "", *, why: str = ""
    ) -> None:
        """Cordon, uncordon or drain nodes of a region."""
        request = regions_pb2.ControlNodesRequest(region=region, nodes=nodes, order=order, why=why)
        await self._calls.unary(lambda link: link.regions.ControlNodes, request)

    async def reload_config(self, region: str = "") -> Sequence[str]:
        """Have a region read its configuration again; the keys that took effect. RequestError if the file is wrong, or
        changes what can only change with a restart: then nothing has changed."""
        request = regions_pb2.ReloadConfigRequest(region=region)
        response: regions_pb2.ReloadConfigResponse = await self._calls.unary(
            lambda link: link.regions.ReloadConfig, request
        )
        return response.changed

    async def trust_disk(self, region: str, without: Sequence[str]) -> Sequence[str]:
        """Let a region whose disk is, or may be, an old one go on without these members. What only they know of its
        jobs is then not known: one may run twice, or be lost. Returns the members that it still waits for."""
        request = regions_pb2.TrustDiskRequest(region=region, without=without)
        response: regions_pb2.TrustDiskResponse = await self._calls.unary(
            lambda link: link.regions.TrustDisk, request
        )
        return response.missing

    # -- reservations -------------------------------------------------------------------------------------------------

    async def reservations(self, region: str = "") -> ListReservationsResponse:
        """All reservations of a region, by name."""
        request = reservations_pb2.ListReservationsRequest(region=region)
        response: ListReservationsResponse = await self._calls.unary(
            lambda link: link.reservations.ListReservations, request
        )
        return response

    async def reserve(self, reservation: Reservation, region: str = "") -> CreateReservationResponse:
        """Set capacity of a region aside; durable. Raises what the region refuses, with the field."""
        request = reservations_pb2.CreateReservationRequest(region=region, reservation=reservation)
        response: CreateReservationResponse = await self._calls.unary(
            lambda link: link.reservations.CreateReservation, request
        )
        return response

    async def cancel_reservation(self, name: str, region: str = "") -> CancelReservationResponse:
        """End a reservation at once; durable. What runs in it goes on."""
        request = reservations_pb2.CancelReservationRequest(region=region, name=name)
        response: CancelReservationResponse = await self._calls.unary(
            lambda link: link.reservations.CancelReservation, request
        )
        return response

    # -- policies -----------------------------------------------------------------------------------------------------

    async def policy(self, region: str = "", version: int = 0) -> GetPolicyResponse:
        """A version of a region's policy with its document; 0: the one in force."""
        request = policies_pb2.GetPolicyRequest(region=region, version=version)
        response: GetPolicyResponse = await self._calls.unary(lambda link: link.policies.GetPolicy, request)
        return response

    async def policies(self, region: str = "", before_version: int = 0) -> ListPoliciesResponse:
        """Versions of a region's policy, newest first, without their documents."""
        request = policies_pb2.ListPoliciesRequest(region=region, before_version=before_version)
        response: ListPoliciesResponse = await self._calls.unary(
            lambda link: link.policies.ListPolicies, request
        )
        return response

    async def validate_policy(self, document: str, region: str = "") -> ValidatePolicyResponse:
        """Everything that is wrong with a document, by what a region knows."""
        request = policies_pb2.ValidatePolicyRequest(region=region, document=document)
        response: ValidatePolicyResponse = await self._calls.unary(
            lambda link: link.policies.ValidatePolicy, request
        )
        return response

    async def plan_policy(self, document: str, region: str = "", jobs_max: int = 0) -> PlanPolicyResponse:
        """Who would wait longer under a document, by a replay of the region's last jobs. Takes seconds."""
        request = policies_pb2.PlanPolicyRequest(region=region, document=document, jobs_max=jobs_max)
        patient = replace(self._calls.policy, call_timeout_s=PLAN_TIMEOUT_S)
        response: PlanPolicyResponse = await self._calls.unary(
            lambda link: link.policies.PlanPolicy, request, policy=patient
        )
        return response

    async def apply_policy(
        self, document: str, region: str = "", *, expected_version: int = 0, author: str = "", why: str = ""
    ) -> ApplyPolicyResponse:
        """Put a document in force, if the version in force is the expected one (0: whichever it is). `version` of the
        answer is 0 if it was refused for its `problems`. ConflictError if another version is in force."""
        request = policies_pb2.ApplyPolicyRequest(
            region=region, document=document, expected_version=expected_version, author=author, why=why
        )
        response: ApplyPolicyResponse = await self._calls.unary(
            lambda link: link.policies.ApplyPolicy, request
        )
        return response

    async def league_policy(self, region: str = "") -> LeaguePolicyStatus:
        """The policy of the whole league as a region has it, and what became of it in each region."""
        request = policies_pb2.GetLeaguePolicyRequest(region=region)
        response: policies_pb2.GetLeaguePolicyResponse = await self._calls.unary(
            lambda link: link.policies.GetLeaguePolicy, request
        )
        return response.status

    async def apply_league_policy(self, document: bytes, region: str = "") -> ApplyLeaguePolicyResponse:
        """Hand in the next policy of the whole league, signed by an operator. It is durable when this returns; the
        others hear of it within seconds. `number` of the answer is 0 if it was refused for its `problems`.
        ConflictError if another number is next."""
        request = policies_pb2.ApplyLeaguePolicyRequest(region=region, document=document)
        response: ApplyLeaguePolicyResponse = await self._calls.unary(
            lambda link: link.policies.ApplyLeaguePolicy, request
        )
        return response


def split_addresses(addresses: str | Sequence[str]) -> list[str]:
    """Addresses given as a sequence or separated by commas. InvalidArgumentError if one is not "host:port"."""
    given = addresses.split(",") if isinstance(addresses, str) else addresses
    found = [address.strip() for address in given if address.strip()]
    for address in found:
        host, _, port = address.rpartition(":")
        if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
            raise InvalidArgumentError(
                f"{address!r} is not an address such as 127.0.0.1:7401", field="addresses"
            )
    return found


def list_of(job_ids: Iterable[str]) -> list[str]:
    """A list of ids; one bare string is a likely mistake, and an error."""
    if isinstance(job_ids, str):
        raise InvalidArgumentError("give a sequence of ids, not one string", field="job_ids")
    return [*job_ids]
