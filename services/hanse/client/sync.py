"""The client for programs without an event loop: the same calls as AsyncClient, blocking."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterable, Iterator, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

import grpc

from hanse.client.aio import AsyncClient
from hanse.client.limits import BATCH_JOBS, BATCHES_IN_FLIGHT, NO_EPOCH, PAGE_JOBS_MAX
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
    StreamLogsResponse,
    ValidatePolicyResponse,
)
from hanse.client.retry import RetryPolicy
from hanse.client.submit import Submitted
from hanse.wire.gen.hanse.v1 import jobs_pb2

T = TypeVar("T")


class LoopThread:
    """An event loop in a thread of its own, shared by all clients of the process: grpc.aio wants one loop a process."""

    _shared: LoopThread | None = None
    _lock = threading.Lock()

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="hanse-client", daemon=True).start()

    @classmethod
    def shared(cls) -> LoopThread:
        """The process's loop; started when first asked for, and ended with the process."""
        with cls._lock:
            if cls._shared is None:
                cls._shared = cls()
            return cls._shared

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """The coroutine's result. An interrupt of the calling thread cancels it."""
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def iterate(self, start: Callable[[], AsyncIterator[T]]) -> Iterator[T]:
        """The items of an async iterator, one at a time, as they are asked for."""
        iterator = start()
        try:
            while True:
                try:
                    yield self.run(_next(iterator))
                except StopAsyncIteration:
                    return
        finally:
            if isinstance(iterator, AsyncGenerator):
                self.run(_closed(iterator))


async def _next(iterator: AsyncIterator[T]) -> T:
    return await anext(iterator)


async def _closed(generator: AsyncGenerator[Any, None]) -> None:
    await generator.aclose()


class Client:
    """A client of a federation, usable from any thread. Arguments, results and errors are AsyncClient's.

    Iterators (`list`, `watch`, `logs`) hold a stream open until they are exhausted or closed.
    """

    def __init__(
        self,
        addresses: str | Sequence[str],
        *,
        home: str = "",
        retry: RetryPolicy | None = None,
        credentials: grpc.ChannelCredentials | None = None,
    ) -> None:
        self._thread = LoopThread.shared()

        async def connected() -> AsyncClient:
            # Channels belong to the loop that they are made in.
            return AsyncClient(addresses, home=home, retry=retry, credentials=credentials)

        self._client = self._thread.run(connected())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; calls under way are cancelled."""
        self._thread.run(self._client.close())

    def submit(
        self,
        spec: JobSpec,
        *,
        client_key: str = "",
        home: str = "",
        force_home: bool = False,
        check_index: str = "",
    ) -> Submitted:
        """See AsyncClient.submit."""
        return self._thread.run(
            self._client.submit(
                spec, client_key=client_key, home=home, force_home=force_home, check_index=check_index
            )
        )

    def plan(self, spec: JobSpec, *, home: str = "") -> PlanJobResponse:
        """See AsyncClient.plan."""
        return self._thread.run(self._client.plan(spec, home=home))

    def submit_many(
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
        """See AsyncClient.submit_many."""
        return self._thread.run(
            self._client.submit_many(
                specs,
                client_keys=client_keys,
                home=home,
                force_home=force_home,
                check_index=check_index,
                batch_jobs=batch_jobs,
                batches_in_flight=batches_in_flight,
            )
        )

    def get(self, job_id: str, *, with_timeline: bool = False, elements: str = "") -> Job:
        """See AsyncClient.get."""
        return self._thread.run(self._client.get(job_id, with_timeline=with_timeline, elements=elements))

    def list(self, job_filter: JobFilter | None = None, *, page_size: int = PAGE_JOBS_MAX) -> Iterator[Job]:
        """See AsyncClient.list."""
        return self._thread.iterate(lambda: self._client.list(job_filter, page_size=page_size))

    def list_pages(
        self, job_filter: JobFilter | None = None, *, page_size: int = PAGE_JOBS_MAX
    ) -> Iterator[jobs_pb2.ListJobsResponse]:
        """See AsyncClient.list_pages."""
        return self._thread.iterate(lambda: self._client.list_pages(job_filter, page_size=page_size))

    def watch(
        self,
        job_filter: JobFilter | None = None,
        *,
        since: Iterable[Revision] = (),
        coalesce: bool = False,
    ) -> Iterator[JobChange]:
        """See AsyncClient.watch."""
        return self._thread.iterate(lambda: self._client.watch(job_filter, since=since, coalesce=coalesce))

    def wait(self, job_ids: Iterable[str], *, timeout_s: float | None = None) -> dict[str, Job]:
        """See AsyncClient.wait."""
        return self._thread.run(self._client.wait(job_ids, timeout_s=timeout_s))

    def cancel(self, job_ids: Iterable[str]) -> Sequence[CancelResult]:
        """See AsyncClient.cancel."""
        return self._thread.run(self._client.cancel(job_ids))

    def control(self, order: ControlJobsRequest) -> Sequence[ControlResult]:
        """See AsyncClient.control."""
        return self._thread.run(self._client.control(order))

    def explain(self, job_id: str) -> ExplainJobResponse:
        """See AsyncClient.explain."""
        return self._thread.run(self._client.explain(job_id))

    def logs(
        self,
        job_id: str,
        *,
        task: int = 0,
        stream: LogStream = LogStream.LOG_STREAM_STDOUT,
        follow: bool = False,
        offset: int = 0,
        attempt: int = 0,
        index: int | None = None,
    ) -> Iterator[StreamLogsResponse]:
        """See AsyncClient.logs."""
        return self._thread.iterate(
            lambda: self._client.logs(
                job_id,
                task=task,
                stream=stream,
                follow=follow,
                offset=offset,
                attempt=attempt,
                index=index,
            )
        )

    def status(self, region: str = "") -> GetStatusResponse:
        """See AsyncClient.status."""
        return self._thread.run(self._client.status(region))

    def nodes(self, region: str = "") -> ListNodesResponse:
        """See AsyncClient.nodes."""
        return self._thread.run(self._client.nodes(region))

    def members(self, region: str = "") -> ListMembersResponse:
        """See AsyncClient.members."""
        return self._thread.run(self._client.members(region))

    def inventory(self, region: str = "") -> GetInventoryResponse:
        """See AsyncClient.inventory."""
        return self._thread.run(self._client.inventory(region))

    def roster(self, region: str = "", *, after_epoch: int = NO_EPOCH) -> RosterStatus:
        """See AsyncClient.roster."""
        return self._thread.run(self._client.roster(region, after_epoch=after_epoch))

    def quotas(self, region: str = "") -> QuotaStatus:
        """See AsyncClient.quotas."""
        return self._thread.run(self._client.quotas(region))

    def apply_quotas(self, document: bytes, region: str = "") -> str:
        """See AsyncClient.apply_quotas."""
        return self._thread.run(self._client.apply_quotas(document, region))

    def propose_roster(self, document: bytes, region: str = "") -> RosterStatus:
        """See AsyncClient.propose_roster."""
        return self._thread.run(self._client.propose_roster(document, region))

    def drain(self, region: str = "", *, move: bool = False) -> bool:
        """See AsyncClient.drain."""
        return self._thread.run(self._client.drain(region, move=move))

    def undrain(self, region: str = "") -> bool:
        """See AsyncClient.undrain."""
        return self._thread.run(self._client.undrain(region))

    def reservations(self, region: str = "") -> ListReservationsResponse:
        """See AsyncClient.reservations."""
        return self._thread.run(self._client.reservations(region))

    def reserve(self, reservation: Reservation, region: str = "") -> CreateReservationResponse:
        """See AsyncClient.reserve."""
        return self._thread.run(self._client.reserve(reservation, region))

    def cancel_reservation(self, name: str, region: str = "") -> CancelReservationResponse:
        """See AsyncClient.cancel_reservation."""
        return self._thread.run(self._client.cancel_reservation(name, region))

    def policy(self, region: str = "", version: int = 0) -> GetPolicyResponse:
        """See AsyncClient.policy."""
        return self._thread.run(self._client.policy(region, version))

    def policies(self, region: str = "", before_version: int = 0) -> ListPoliciesResponse:
        """See AsyncClient.policies."""
        return self._thread.run(self._client.policies(region, before_version))

    def validate_policy(self, document: str, region: str = "") -> ValidatePolicyResponse:
        """See AsyncClient.validate_policy."""
        return self._thread.run(self._client.validate_policy(document, region))

    def plan_policy(self, document: str, region: str = "", jobs_max: int = 0) -> PlanPolicyResponse:
        """See AsyncClient.plan_policy."""
        return self._thread.run(self._client.plan_policy(document, region, jobs_max))

    def apply_policy(
        self, document: str, region: str = "", *, expected_version: int = 0, author: str = "", why: str = ""
    ) -> ApplyPolicyResponse:
        """See AsyncClient.apply_policy."""
        return self._thread.run(
            self._client.apply_policy(
                document, region, expected_version=expected_version, author=author, why=why
            )
        )

    def league_policy(self, region: str = "") -> LeaguePolicyStatus:
        """See AsyncClient.league_policy."""
        return self._thread.run(self._client.league_policy(region))

    def apply_league_policy(self, document: bytes, region: str = "") -> ApplyLeaguePolicyResponse:
        """See AsyncClient.apply_league_policy."""
        return self._thread.run(self._client.apply_league_policy(document, region))

    def control_nodes(
        self, nodes: Sequence[str], order: NodeOrder, region: str = "", *, why: str = ""
    ) -> None:
        """See AsyncClient.control_nodes."""
        self._thread.run(self._client.control_nodes(nodes, order, region, why=why))

    def reload_config(self, region: str = "") -> Sequence[str]:
        """See AsyncClient.reload_config."""
        return self._thread.run(self._client.reload_config(region))

    def trust_disk(self, region: str, without: Sequence[str]) -> Sequence[str]:
        """See AsyncClient.trust_disk."""
        return self._thread.run(self._client.trust_disk(region, without))
