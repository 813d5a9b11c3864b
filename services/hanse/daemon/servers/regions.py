"""RegionService: how a region fares, and how it sees the league. Any region answers about any region."""

from __future__ import annotations

from typing import Any

import structlog

from hanse import __version__
from hanse.core.events import (
    ApplyQuotas,
    Ask,
    AskRoster,
    OrderNodes,
    ProposeRoster,
    Question,
    SetDrain,
    TrustDisk,
)
from hanse.core.model import limits
from hanse.core.model.regions import RunningJobs
from hanse.core.replies import Done, QuotaView, Refused, RosterView, StatusView, Trusted
from hanse.daemon.errors import invalid, refused_request
from hanse.daemon.ids import JobIds
from hanse.daemon.runtime import Runtime
from hanse.daemon.servers.members import Members
from hanse.wire.checks import FieldRefused
from hanse.wire.gen.hanse.v1 import regions_pb2, regions_pb2_grpc
from hanse.wire.orders import decode_node_order
from hanse.wire.quotas import encode_quota_view, read_quotas
from hanse.wire.regions import (
    decode_running_jobs,
    encode_inventory,
    encode_members,
    encode_nodes,
    encode_running_jobs,
    encode_status,
)
from hanse.wire.rosters import encode_roster, read_document

log = structlog.get_logger()


class RegionService(regions_pb2_grpc.RegionServiceServicer):
    """`members` None: only about this region, for peers."""

    def __init__(self, runtime: Runtime, ids: JobIds, members: Members | None) -> None:
        self._runtime = runtime
        self._ids = ids
        self._members = members

    async def GetStatus(
        self, request: regions_pb2.GetStatusRequest, context: Any
    ) -> regions_pb2.GetStatusResponse:
        """How it fares."""
        if not self._is_here(request.region):
            return await self._elsewhere("GetStatus", request, context)  # type: ignore[no-any-return]
        config = self._runtime.config.region
        view = await self._runtime.ask(StatusView, self._question(Question.STATUS))
        return encode_status(view, config.cluster_id, __version__, self._runtime.started_wall_us)

    async def ListNodes(
        self, request: regions_pb2.ListNodesRequest, context: Any
    ) -> regions_pb2.ListNodesResponse:
        """Its nodes."""
        if not self._is_here(request.region):
            return await self._elsewhere("ListNodes", request, context)  # type: ignore[no-any-return]
        return encode_nodes(await self._runtime.ask(tuple, self._question(Question.NODES)))

    async def ListMembers(
        self, request: regions_pb2.ListMembersRequest, context: Any
    ) -> regions_pb2.ListMembersResponse:
        """The league as it sees it."""
        if not self._is_here(request.region):
            return await self._elsewhere("ListMembers", request, context)  # type: ignore[no-any-return]
        members = await self._runtime.ask(tuple, self._question(Question.MEMBERS))
        return encode_members(self._runtime.name, self._runtime.region.roster_epoch, members)

    async def GetInventory(
        self, request: regions_pb2.GetInventoryRequest, context: Any
    ) -> regions_pb2.GetInventoryResponse:
        """The records that it has."""
        if not self._is_here(request.region):
            return await self._elsewhere("GetInventory", request, context)  # type: ignore[no-any-return]
        records = await self._runtime.ask(tuple, self._question(Question.INVENTORY))
        return encode_inventory(self._runtime.name, records)

    async def Drain(self, request: regions_pb2.DrainRequest, context: Any) -> regions_pb2.DrainResponse:
        """No new starts or acceptances from now on; durable."""
        if not self._is_here(request.region):
            return await self._elsewhere("Drain", request, context)  # type: ignore[no-any-return]
        running = decode_running_jobs(request.running)
        if running is None:
            raise invalid("running", f"{request.running} is not a RunningJobs")
        await self._set_drain(draining=True, running=running)
        return regions_pb2.DrainResponse(draining=True, running=encode_running_jobs(running))

    async def Undrain(self, request: regions_pb2.UndrainRequest, context: Any) -> regions_pb2.UndrainResponse:
        """The end of a drain."""
        if not self._is_here(request.region):
            return await self._elsewhere("Undrain", request, context)  # type: ignore[no-any-return]
        await self._set_drain(draining=False)
        return regions_pb2.UndrainResponse(draining=False)

    async def ControlNodes(
        self, request: regions_pb2.ControlNodesRequest, context: Any
    ) -> regions_pb2.ControlNodesResponse:
        """Cordon, uncordon or drain nodes; durable."""
        if not self._is_here(request.region):
            return await self._elsewhere("ControlNodes", request, context)  # type: ignore[no-any-return]
        try:
            nodes, order, why = decode_node_order(request)
        except FieldRefused as refused:
            raise invalid(refused.field, refused.message) from refused
        cause = f"{order.name.lower()}:{self._ids.draw(1)[0]}"
        answer = await self._runtime.ask(
            object,
            lambda number: OrderNodes(request_id=number, nodes=nodes, order=order, why=why, cause=cause),
        )
        if isinstance(answer, Refused):
            raise refused_request(answer)
        log.warning("nodes.ordered", order=order.name, nodes=nodes, why=why, cause=cause)
        return regions_pb2.ControlNodesResponse()

    async def ReloadConfig(
        self, request: regions_pb2.ReloadConfigRequest, context: Any
    ) -> regions_pb2.ReloadConfigResponse:
        """By its file as it is now. Raises ConfigError, ReloadRefused."""
        if not self._is_here(request.region):
            return await self._elsewhere("ReloadConfig", request, context)  # type: ignore[no-any-return]
        return regions_pb2.ReloadConfigResponse(changed=await self._runtime.reload())

    async def GetRoster(
        self, request: regions_pb2.GetRosterRequest, context: Any
    ) -> regions_pb2.GetRosterResponse:
        """The roster as it has it, and what followed on an epoch."""
        if not self._is_here(request.region):
            return await self._elsewhere("GetRoster", request, context)  # type: ignore[no-any-return]
        after = min(request.after_epoch, limits.ROSTER_EPOCH_MAX)
        view = await self._runtime.ask(
            RosterView, lambda number: AskRoster(request_id=number, after_epoch=after)
        )
        return regions_pb2.GetRosterResponse(roster=encode_roster(view))

    async def ProposeRoster(
        self, request: regions_pb2.ProposeRosterRequest, context: Any
    ) -> regions_pb2.ProposeRosterResponse:
        """Its countersignature is durable, or the roster is in force already. Raises RequestRefused."""
        if not self._is_here(request.region):
            return await self._elsewhere("ProposeRoster", request, context)  # type: ignore[no-any-return]
        read = read_document(request.document)
        if isinstance(read, FieldRefused):
            raise invalid(read.field, read.message)
        cause = f"roster:{self._ids.draw(1)[0]}"
        answer = await self._runtime.ask(
            object, lambda number: ProposeRoster(request_id=number, signed=read, cause=cause)
        )
        if isinstance(answer, Refused):
            raise refused_request(answer)
        assert isinstance(answer, RosterView)
        return regions_pb2.ProposeRosterResponse(roster=encode_roster(answer))

    async def GetQuotas(
        self, request: regions_pb2.GetQuotasRequest, context: Any
    ) -> regions_pb2.GetQuotasResponse:
        """Global quotas as it has them."""
        if not self._is_here(request.region):
            return await self._elsewhere("GetQuotas", request, context)  # type: ignore[no-any-return]
        view = await self._runtime.ask(QuotaView, self._question(Question.QUOTAS))
        return regions_pb2.GetQuotasResponse(quotas=encode_quota_view(view))

    async def ApplyQuotas(
        self, request: regions_pb2.ApplyQuotasRequest, context: Any
    ) -> regions_pb2.ApplyQuotasResponse:
        """What the document mints or owes is durable. Unless a region is named, whichever keeps the quotas takes it.
        Raises RequestRefused."""
        if not self._is_here(request.region):
            return await self._elsewhere("ApplyQuotas", request, context)  # type: ignore[no-any-return]
        read = read_quotas(request.document)
        if isinstance(read, FieldRefused):
            raise invalid(read.field, read.message)
        cause = f"quotas:{self._ids.draw(1)[0]}"
        answer = await self._runtime.ask(
            object, lambda number: ApplyQuotas(request_id=number, signed=read, cause=cause)
        )
        if not isinstance(answer, Refused):
            log.info("quotas.applied", number=read.document.number, cause=cause)
            return regions_pb2.ApplyQuotasResponse(region=self._runtime.name)
        if request.region or not answer.leader or self._members is None:
            raise refused_request(answer)
        onward = regions_pb2.ApplyQuotasRequest(region=answer.leader, document=request.document)
        return await self._elsewhere("ApplyQuotas", onward, context)  # type: ignore[no-any-return]

    async def TrustDisk(
        self, request: regions_pb2.TrustDiskRequest, context: Any
    ) -> regions_pb2.TrustDiskResponse:
        """Go on without some members; durable."""
        if not self._is_here(request.region):
            return await self._elsewhere("TrustDisk", request, context)  # type: ignore[no-any-return]
        if not request.without:
            raise invalid("without", "name the members to go on without")
        cause = f"trust-disk:{self._ids.draw(1)[0]}"
        without = tuple(request.without)
        answer = await self._runtime.ask(
            object, lambda number: TrustDisk(request_id=number, without=without, cause=cause)
        )
        if isinstance(answer, Refused):
            raise refused_request(answer)
        assert isinstance(answer, Trusted)
        log.warning("region.goes_on_without", members=without, missing=answer.missing, cause=cause)
        return regions_pb2.TrustDiskResponse(missing=answer.missing)

    async def _set_drain(self, *, draining: bool, running: RunningJobs = RunningJobs.FINISH) -> None:
        cause = f"drain:{self._ids.draw(1)[0]}"
        await self._runtime.ask(
            Done,
            lambda number: SetDrain(request_id=number, draining=draining, cause=cause, running=running),
        )

    @staticmethod
    def _question(question: Question) -> Any:
        return lambda number: Ask(request_id=number, question=question)

    def _is_here(self, region: str) -> bool:
        if region in ("", self._runtime.name):
            return True
        if self._members is None or not self._members.knows(region):
            raise invalid("region", f"no region {region!r} in the roster")
        return False

    async def _elsewhere(self, method: str, request: Any, context: Any) -> Any:
        assert self._members is not None
        return await self._members.call(
            request.region, lambda stubs: getattr(stubs.regions, method), request, context
        )
