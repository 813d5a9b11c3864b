"""Plans of jobs over all regions: how the answers of each become one.

The home has the job's rules and decides where it would go; it also knows what the others last told of themselves. Each
of those that can be asked says for itself what it would make of the job (local_plans.py).
"""

from __future__ import annotations

import asyncio
from typing import Any

from hanse.daemon.errors import RegionUnreachable, RequestRefused
from hanse.daemon.servers.asking import Asking
from hanse.daemon.servers.members import Members, ProxiedError
from hanse.wire.gen.hanse.v1 import jobs_pb2


class Planning:
    """Plans over all regions."""

    def __init__(self, asking: Asking, members: Members) -> None:
        self._asking = asking
        self._members = members

    async def plan(
        self, home: str, request: jobs_pb2.PlanJobRequest, context: Any
    ) -> jobs_pb2.PlanJobResponse:
        """The home's plan, with every other region's own word where it can be had. Raises RegionUnreachable if the home
        can't be asked, RequestRefused or ProxiedError if it refuses."""
        wanted = jobs_pb2.PlanJobRequest(home=home, spec=request.spec)
        plan: jobs_pb2.PlanJobResponse = await self._asking.at(home, "PlanJob", wanted, context)
        wanted.shape.CopyFrom(plan.shape)
        plan.ClearField("shape")
        others = [region for region in plan.regions if region.region != home]
        answers = await asyncio.gather(*(self._word_of(each.region, wanted, context) for each in others))
        for region, answer in zip(others, answers, strict=True):
            if answer is None:
                plan.unreachable.append(region.region)
            else:
                region.CopyFrom(answer)
        plan.summary = summary(plan)
        return plan

    async def _word_of(
        self, region: str, wanted: jobs_pb2.PlanJobRequest, context: Any
    ) -> jobs_pb2.RegionPlan | None:
        if not self._members.knows(region):
            return None
        try:
            answer: jobs_pb2.PlanJobResponse = await self._asking.at(region, "PlanJob", wanted, context)
        except (RegionUnreachable, ProxiedError, RequestRefused):
            return None
        return answer.regions[0]


def summary(plan: jobs_pb2.PlanJobResponse) -> str:
    """A plan in one sentence."""
    home = plan.regions[0]
    chosen = next((region for region in plan.regions if region.region == plan.chosen), None)
    if chosen is None:
        return f"it can't run anywhere at present: {_first(home)}"
    if chosen is home:
        match home.outcome:
            case jobs_pb2.PLAN_OUTCOME_START:
                many = f"{home.elements_at_once} of its elements" if home.elements_at_once else "it"
                return f"{many} would start at once in {home.region}, on {', '.join(home.nodes)}"
            case jobs_pb2.PLAN_OUTCOME_PREEMPT:
                count = len(home.stops)
                return f"it would start in {home.region}, and {count} other job{'s' * (count != 1)} be stopped for it"
            case _:
                return f"it would wait in {home.region}: {_first(home)}"
    at_once = bool(plan.takers) and plan.takers[0].wait_ms == 0
    how = "which had room for it when it last told" if at_once else "where it would wait for less long"
    return f"it would be handed to {chosen.region}, {how}"


def _first(region: jobs_pb2.RegionPlan) -> str:
    return region.blockers[0].message if region.blockers else "its turn comes"
