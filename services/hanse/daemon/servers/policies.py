"""PolicyService: the policy of a region, read, judged, planned and changed. Any region answers about any region."""

from __future__ import annotations

import asyncio
from typing import Any

import structlog

from hanse.core.events import ApplyLeaguePolicy, Ask, PolicyChanged, PolicyText, Question
from hanse.core.model import limits
from hanse.core.replies import LeaguePolicyView, PolicyAdopted, Refused
from hanse.core.rows import PolicyRow
from hanse.daemon.clock import wall_us
from hanse.daemon.errors import invalid, not_found, refused_request
from hanse.daemon.ids import JobIds
from hanse.daemon.ledger_ids import LEDGER_FILE
from hanse.daemon.plan_task import PlanTask
from hanse.daemon.runtime import Runtime
from hanse.daemon.servers.members import Members
from hanse.daemon.servers.plans import encode_plan, encode_problems
from hanse.ledger import queries
from hanse.policies.document import Document, digest, read_document
from hanse.policies.problems import DocumentRefused, Problem
from hanse.wire.checks import FieldRefused
from hanse.wire.gen.hanse.v1 import policies_pb2 as pb
from hanse.wire.gen.hanse.v1 import policies_pb2_grpc
from hanse.wire.policies import encode_league_policy_view, encode_policy, read_league_policy

log = structlog.get_logger()

PLAN_JOBS_DEFAULT = 2_000


class PolicyService(policies_pb2_grpc.PolicyServiceServicer):
    """`members` None: only about this region, for peers."""

    def __init__(self, runtime: Runtime, ids: JobIds, members: Members | None) -> None:
        self._runtime = runtime
        self._ids = ids
        self._members = members

    async def GetPolicy(self, request: pb.GetPolicyRequest, context: Any) -> pb.GetPolicyResponse:
        """One version, with its document."""
        if not self._is_here(request.region):
            return await self._elsewhere("GetPolicy", request, context)  # type: ignore[no-any-return]
        in_force = self._runtime.desk.row
        row: PolicyRow | None = in_force
        if request.version not in (0, in_force.version):
            row = await self._runtime.read(queries.policy, request.version)
        if row is None:
            raise not_found(
                f"{self._runtime.name} keeps no version {request.version} of its policy", "version"
            )
        return pb.GetPolicyResponse(
            region=self._runtime.name, policy=encode_policy(row), version_in_force=in_force.version
        )

    async def ListPolicies(self, request: pb.ListPoliciesRequest, context: Any) -> pb.ListPoliciesResponse:
        """Versions, newest first."""
        if not self._is_here(request.region):
            return await self._elsewhere("ListPolicies", request, context)  # type: ignore[no-any-return]
        size = request.page_size or limits.POLICY_HISTORY_MAX
        if size > limits.POLICY_HISTORY_MAX:
            raise invalid("page_size", f"{size}; at most {limits.POLICY_HISTORY_MAX}")
        in_force = self._runtime.desk.row
        rows = await self._runtime.read(queries.policies, request.before_version, size)
        if not rows and not request.before_version:
            rows = (in_force,)
        policies = [encode_policy(row) for row in rows]
        for policy in policies:
            policy.document = ""
        return pb.ListPoliciesResponse(
            region=self._runtime.name, policies=policies, version_in_force=in_force.version
        )

    async def ValidatePolicy(
        self, request: pb.ValidatePolicyRequest, context: Any
    ) -> pb.ValidatePolicyResponse:
        """Everything that is wrong with a document."""
        if not self._is_here(request.region):
            return await self._elsewhere("ValidatePolicy", request, context)  # type: ignore[no-any-return]
        document, problems = await self._judged(request.document)
        return pb.ValidatePolicyResponse(
            region=self._runtime.name,
            valid=document is not None,
            problems=encode_problems(problems),
            digest=digest(request.document),
        )

    async def PlanPolicy(self, request: pb.PlanPolicyRequest, context: Any) -> pb.PlanPolicyResponse:
        """Who would wait longer."""
        if not self._is_here(request.region):
            return await self._elsewhere(  # type: ignore[no-any-return]
                "PlanPolicy", request, context, limits.RPC_TIMEOUT_S_MAX
            )
        if request.jobs_max > limits.PLAN_JOBS_MAX:
            raise invalid("jobs_max", f"{request.jobs_max}; at most {limits.PLAN_JOBS_MAX}")
        document, problems = await self._judged(request.document)
        response = pb.PlanPolicyResponse(region=self._runtime.name, problems=encode_problems(problems))
        if document is None:
            return response
        desk, config = self._runtime.desk, self._runtime.config
        task = PlanTask(
            ledger=str(config.data_dir / LEDGER_FILE),
            config=config.region,
            here=desk.here,
            version=desk.row.version,
            document_before=desk.row.document,
            document_after=document.text,
            jobs_max=request.jobs_max or PLAN_JOBS_DEFAULT,
            now_wall_us=wall_us(),
        )
        plan = await self._runtime.planner.plan(task)
        response.plan.CopyFrom(encode_plan(plan, task.version, document.digest))
        return response

    async def ApplyPolicy(self, request: pb.ApplyPolicyRequest, context: Any) -> pb.ApplyPolicyResponse:
        """Put a document in force; durable when it is answered."""
        if not self._is_here(request.region):
            return await self._elsewhere("ApplyPolicy", request, context)  # type: ignore[no-any-return]
        _check_sentence("author", request.author)
        _check_sentence("why", request.why)
        document, problems = await self._judged(request.document)
        response = pb.ApplyPolicyResponse(
            region=self._runtime.name, problems=encode_problems(problems), digest=digest(request.document)
        )
        if document is None:
            return response
        in_force = self._runtime.desk.row
        if in_force.digest == document.digest:
            # Perhaps this very call, whose answer was lost.
            response.version, response.unchanged = in_force.version, True
            return response
        response.version = await self._apply(document, request)
        return response

    async def _apply(self, document: Document, request: pb.ApplyPolicyRequest) -> int:
        desk = self._runtime.desk
        desk.expect(document)
        cause = f"policy:{self._ids.draw(1)[0]}"
        text = PolicyText(
            document=document.text, digest=document.digest, author=request.author, why=request.why
        )
        answer = await self._runtime.ask(
            object,
            lambda number: PolicyChanged(
                request_id=number,
                policy=document.policy,
                cause=cause,
                expected_version=request.expected_version,
                text=text,
                former=desk.founding_text,
            ),
        )
        if isinstance(answer, Refused):
            raise refused_request(answer)
        assert isinstance(answer, PolicyAdopted)
        return answer.version

    async def GetLeaguePolicy(
        self, request: pb.GetLeaguePolicyRequest, context: Any
    ) -> pb.GetLeaguePolicyResponse:
        """The policy of the whole league as this region has it, and as others last told of it."""
        if not self._is_here(request.region):
            return await self._elsewhere("GetLeaguePolicy", request, context)  # type: ignore[no-any-return]
        view = await self._runtime.ask(
            LeaguePolicyView, lambda number: Ask(request_id=number, question=Question.LEAGUE_POLICY)
        )
        return pb.GetLeaguePolicyResponse(status=encode_league_policy_view(view))

    async def ApplyLeaguePolicy(
        self, request: pb.ApplyLeaguePolicyRequest, context: Any
    ) -> pb.ApplyLeaguePolicyResponse:
        """The next policy of the whole league; durable when it is answered. A document that could not be in force here
        is not even taken."""
        if not self._is_here(request.region):
            return await self._elsewhere("ApplyLeaguePolicy", request, context)  # type: ignore[no-any-return]
        signed = read_league_policy(request.document)
        if isinstance(signed, FieldRefused):
            raise invalid(signed.field, signed.message)
        document, problems = await self._judged(signed.document.text)
        response = pb.ApplyLeaguePolicyResponse(region=self._runtime.name, problems=encode_problems(problems))
        if document is None:
            return response
        cause = f"league-policy:{self._ids.draw(1)[0]}"
        answer = await self._runtime.ask(
            object, lambda number: ApplyLeaguePolicy(request_id=number, signed=signed, cause=cause)
        )
        if isinstance(answer, Refused):
            raise refused_request(answer)
        response.number = signed.document.number
        log.info("league_policy.taken", number=response.number, cause=cause)
        return response

    async def _judged(self, text: str) -> tuple[Document | None, tuple[Problem, ...]]:
        """The document, if it can be put in force here, and what is wrong with it. Beside the loop: the largest take
        a second."""
        try:
            document = await asyncio.to_thread(read_document, text, self._runtime.desk.world)
        except DocumentRefused as refused:
            return None, refused.problems
        return document, document.warnings

    def _is_here(self, region: str) -> bool:
        if region in ("", self._runtime.name):
            return True
        if self._members is None or not self._members.knows(region):
            raise invalid("region", f"no region {region!r} in the roster")
        return False

    async def _elsewhere(
        self, method: str, request: Any, context: Any, timeout_s: float = limits.PROXY_TIMEOUT_S
    ) -> Any:
        assert self._members is not None
        return await self._members.call(
            request.region, lambda stubs: getattr(stubs.policies, method), request, context, timeout_s
        )


def _check_sentence(field: str, text: str) -> None:
    if len(text) > limits.POLICY_SENTENCE_LENGTH_MAX:
        raise invalid(field, f"{len(text)} characters; at most {limits.POLICY_SENTENCE_LENGTH_MAX}")
    if not text.isprintable():
        raise invalid(field, "one line of text")
