"""Plans of jobs: what this region by itself would make of one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec

from hanse.core.events import PlanJob
from hanse.core.model.jobs import Submission
from hanse.core.replies import JobPlan, Refused
from hanse.daemon.errors import invalid, refused_request
from hanse.daemon.ids import JobIds
from hanse.daemon.runtime import Runtime
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
