"""Plans of jobs: what each region by itself would make of one, and how these answers become a plan.

The home has the job's rules and decides where it would go; it also knows what the others last told of themselves. Each
of those that can be asked says for itself what it would make of the job.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from hanse.core.effects import JobPlan, Refused
from hanse.core.events import PlanJob
from hanse.core.model.jobs import Submission
from hanse.daemon.errors import RegionUnreachable, RequestRefused, invalid, refused_request
from hanse.daemon.ids import JobIds
from hanse.daemon.runtime import Runtime
from hanse.daemon.servers.asking import Asking
from hanse.daemon.servers.members import Members, ProxiedError
from hanse.wire.gen.hanse.v1 import jobs_pb2
from hanse.wire.plans import encode_plan
from hanse.wire.shapes import MalformedMessage, ShapeReader
from hanse.wire.specs import SpecReader, SpecRules

Rule = Callable[[Submission], Awaitable[Submission]]
# What stands for a client key: none is taken.
_NO_KEY = "plan"


class LocalPlans:
    """What this region would make of a job: as its home by its own rules, else as the home's rules have it."""

    def __init__(self, runtime: Runtime, specs: SpecReader, ids: JobIds, rule: Rule) -> None:
        self._runtime = runtime
        self._specs = specs
        # A spec of another home is held to the bounds only, as one that is handed over.
        self._foreign = SpecReader(SpecRules())
        self._shapes = ShapeReader()
        self._ids = ids
        self._rule = rule

    async def plan(self, request: jobs_pb2.PlanJobRequest) -> jobs_pb2.PlanJobResponse:
        """Raises RequestRefused for what a submit would be refused for."""
        home = request.home or self._runtime.name
        if self._runtime.region.member(home) is None:
            raise invalid("home", f"no region {home!r} in the roster")
        own = home == self._runtime.name
        submission = self._read(request, own=own)
        if own:
            submission = await self._rule(submission)
        answer = await self._runtime.ask(
            object,
            lambda number: PlanJob(
                request_id=number, submission=submission, home=home, cause=f"plan:{submission.job_id}"
            ),
        )
        if isinstance(answer, Refused):
            raise refused_request(answer)
        assert isinstance(answer, JobPlan)
        return encode_plan(answer)

    def _read(self, request: jobs_pb2.PlanJobRequest, *, own: bool) -> Submission:
        reader = self._specs if own else self._foreign
        asked = jobs_pb2.JobSubmission(client_key=_NO_KEY, spec=request.spec)
        read = reader.decode_submission(asked, self._ids.draw(1)[0])
        if isinstance(read, Refused):
            raise refused_request(read)
        if own or not request.HasField("shape"):
            return read
        try:
            return msgspec.structs.replace(read, shape=self._shapes.decode(request.shape))
        except MalformedMessage as error:
            raise invalid("shape", str(error)) from error


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
                return f"it would start at once in {home.region}, on {', '.join(home.nodes)}"
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
