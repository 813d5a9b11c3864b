"""Where submissions go: to their home; those that another region has to take, on to that one, once.

An adoptable job belongs to its home's shard. While the home does not lead it, it says so (NOT_LEADER) and who does.
While the home does not answer at all, only a job that is ADOPT in so many words may go to whoever leads by what gossip
says: the home can't have taken it for itself alone. Any other job might be in the home's ledger already.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from hanse.core.model import limits
from hanse.core.replies import Refused
from hanse.daemon.errors import RegionUnreachable, RequestRefused
from hanse.daemon.servers.asking import Asking
from hanse.daemon.servers.leaders import Leaders
from hanse.daemon.servers.members import Members, ProxiedError
from hanse.wire.gen.hanse.v1 import common_pb2, jobs_pb2
from hanse.wire.jobs import encode_refusal

_INDEX = re.compile(r"^jobs\[\d+\]")


class Submitting:
    """Submissions of one caller to one home."""

    def __init__(self, asking: Asking, members: Members, leaders: Leaders) -> None:
        self._asking = asking
        self._members = members
        self._leaders = leaders

    async def submit(
        self, home: str, request: jobs_pb2.SubmitJobsRequest, context: Any
    ) -> jobs_pb2.SubmitJobsResponse:
        """One result for each submission, in order. Raises RegionUnreachable, RequestRefused, ProxiedError."""
        try:
            response: jobs_pb2.SubmitJobsResponse = await self._asking.at(
                home, "SubmitJobs", request, context, limits.RPC_TIMEOUT_S_MAX
            )
        except RegionUnreachable as unreachable:
            response = await self._without_home(home, request, context, unreachable)
        else:
            await self._pass_on(home, request, response, context)
        return response

    async def _pass_on(
        self,
        home: str,
        request: jobs_pb2.SubmitJobsRequest,
        response: jobs_pb2.SubmitJobsResponse,
        context: Any,
    ) -> None:
        """What the home did not take because another region leads goes there; its answer stands in place of the
        home's."""
        by_leader: dict[str, list[int]] = {}
        for index, result in enumerate(response.results):
            refusal = result.refusal
            if refusal.code == common_pb2.REFUSAL_CODE_NOT_LEADER and refusal.leader not in ("", home):
                by_leader.setdefault(refusal.leader, []).append(index)
        for leader, indices in by_leader.items():
            if self._members.knows(leader):
                await self._replace(home, leader, indices, request, response, context)

    async def _without_home(
        self,
        home: str,
        request: jobs_pb2.SubmitJobsRequest,
        context: Any,
        unreachable: RegionUnreachable,
    ) -> jobs_pb2.SubmitJobsResponse:
        adoptable = [
            index
            for index, job in enumerate(request.jobs)
            if job.spec.on_region_loss == jobs_pb2.ON_REGION_LOSS_ADOPT
        ]
        leader = await self._leaders.other_than(home)
        if not (adoptable and leader and self._members.knows(leader)):
            raise unreachable
        response = jobs_pb2.SubmitJobsResponse()
        for index in range(len(request.jobs)):
            refused = Refused("UNREACHABLE", "", str(unreachable), limits.RETRY_AFTER_MS)
            response.results.add(refusal=encode_refusal(refused, f"jobs[{index}]"))
        await self._replace(home, leader, adoptable, request, response, context)
        return response

    async def _replace(
        self,
        home: str,
        leader: str,
        indices: Sequence[int],
        request: jobs_pb2.SubmitJobsRequest,
        response: jobs_pb2.SubmitJobsResponse,
        context: Any,
    ) -> None:
        """Ask the leader for these submissions. If it can't be asked either, the results stay as they are."""
        passed_on = jobs_pb2.SubmitJobsRequest(home=home, jobs=[request.jobs[index] for index in indices])
        try:
            answer: jobs_pb2.SubmitJobsResponse = await self._asking.at(
                leader, "SubmitJobs", passed_on, context, limits.RPC_TIMEOUT_S_MAX
            )
        except (RegionUnreachable, RequestRefused, ProxiedError):
            return
        for index, result in zip(indices, answer.results, strict=True):
            # It counted within what was passed on.
            if result.HasField("refusal"):
                result.refusal.field = _INDEX.sub(f"jobs[{index}]", result.refusal.field)
            response.results[index].CopyFrom(result)
