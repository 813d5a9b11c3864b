"""A PolicyService with a known content, for the command line's tests: three versions, and one plan."""

from __future__ import annotations

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from hanse.core.model.league_policy import (
    LeaguePolicy,
    SignedPolicy,
    decode_league_policy,
    encode_league_policy,
    league_policy_sha256,
)
from hanse.daemon.servers.plans import encode_problems
from hanse.policies.document import digest, read_document
from hanse.policies.problems import DocumentRefused, Problem
from hanse.wire.gen.hanse.v1 import common_pb2, policies_pb2_grpc, regions_pb2
from hanse.wire.gen.hanse.v1 import policies_pb2 as pb

REGION = "north"
AT_S = 1_700_000_000
DOCUMENT = '[fair_share]\norder = "off"\n'
VERSIONS = (
    pb.Policy(
        version=1, digest=digest("a"), document="# the first\n", why="what the region was started with"
    ),
    pb.Policy(
        version=2,
        digest=digest("b"),
        document="# the second\n",
        author="ada",
        why="quotas of the spring term",
        applied_at=Timestamp(seconds=AT_S),
    ),
    pb.Policy(
        version=3,
        digest=digest(DOCUMENT),
        document=DOCUMENT,
        author="grace",
        why="back to version 1: too strict",
        applied_at=Timestamp(seconds=AT_S + 90_000),
    ),
)
IN_FORCE = VERSIONS[-1].version


def judged(text: str) -> tuple[bool, list[pb.PolicyProblem]]:
    problems: tuple[Problem, ...]
    try:
        problems, valid = read_document(text).warnings, True
    except DocumentRefused as refused:
        problems, valid = refused.problems, False
    return valid, encode_problems(problems)


def tenant(name: str, jobs: int, before_s: float, after_s: float, **more: int) -> pb.TenantPlan:
    return pb.TenantPlan(
        tenant=name,
        jobs=jobs,
        wait_before_ms=int(before_s * 1000),
        wait_after_ms=int(after_s * 1000),
        longest_before_ms=int(before_s * 3000),
        longest_after_ms=int(after_s * 3000),
        **more,
    )


def plan() -> pb.PolicyPlan:
    refusal = common_pb2.Refusal(
        code=common_pb2.REFUSAL_CODE_INVALID,
        field="spec.groups",
        message="gpu: 16 devices; at most 8 devices (rule 'students are basic' of policy 4)",
    )
    return pb.PolicyPlan(
        version_in_force=IN_FORCE,
        digest=digest("plan"),
        begin=Timestamp(seconds=AT_S),
        end=Timestamp(seconds=AT_S + 86_400),
        jobs=1_240,
        measured_wait_ms=212_000,
        replayed_wait_ms=200_000,
        tenants=[
            tenant("", 1_240, 200, 185, longer=210, shorter=505, refused_after=17, stuck_before=2),
            tenant("courses/physics", 310, 40, 372, longer=205, refused_after=17),
            tenant("biology", 330, 61, 61.3, longer=5, shorter=2),
            tenant("physics/theory", 600, 350, 120, shorter=503, stuck_before=2),
        ],
        moves=[
            pb.PlanMove(
                tenant="courses/physics",
                jobs=293,
                tier_before="standard",
                tier_after="basic",
                queue_before="physics",
                queue_after="night",
            ),
            pb.PlanMove(
                tenant="biology", jobs=3, tier_before="basic", tier_after="basic", queue_after="night"
            ),
        ],
        refusals=[
            pb.PlanRefusal(tenant="courses/physics", jobs=17, refusal=refusal),
            pb.PlanRefusal(tenant="biology", jobs=1, refusal=refusal, before=True),
        ],
        worst=[
            pb.PlanJob(
                job_id="north-01hf7yat000000000000000001",
                tenant="courses/physics",
                name="exercise 4",
                wait_before_ms=12_000,
                wait_after_ms=7_340_000,
            )
        ],
        preemptions_before=4,
        preemptions_after=11,
        caveats=["It begins with an empty region.", "People would ask for other things under other rules."],
    )


class Policies(policies_pb2_grpc.PolicyServiceServicer):
    """Answers about the region north, and keeps nothing."""

    async def GetPolicy(
        self, request: pb.GetPolicyRequest, context: grpc.aio.ServicerContext
    ) -> pb.GetPolicyResponse:
        wanted = request.version or IN_FORCE
        found = next((each for each in VERSIONS if each.version == wanted), None)
        if found is None:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"north keeps no version {wanted} of its policy")
        return pb.GetPolicyResponse(region=REGION, policy=found, version_in_force=IN_FORCE)

    async def ListPolicies(
        self, request: pb.ListPoliciesRequest, context: grpc.aio.ServicerContext
    ) -> pb.ListPoliciesResponse:
        return pb.ListPoliciesResponse(region=REGION, policies=VERSIONS[::-1], version_in_force=IN_FORCE)

    async def ValidatePolicy(
        self, request: pb.ValidatePolicyRequest, context: grpc.aio.ServicerContext
    ) -> pb.ValidatePolicyResponse:
        valid, problems = judged(request.document)
        return pb.ValidatePolicyResponse(
            region=REGION, valid=valid, problems=problems, digest=digest(request.document)
        )

    async def PlanPolicy(
        self, request: pb.PlanPolicyRequest, context: grpc.aio.ServicerContext
    ) -> pb.PlanPolicyResponse:
        valid, problems = judged(request.document)
        return pb.PlanPolicyResponse(region=REGION, problems=problems, plan=plan() if valid else None)

    async def ApplyPolicy(
        self, request: pb.ApplyPolicyRequest, context: grpc.aio.ServicerContext
    ) -> pb.ApplyPolicyResponse:
        valid, problems = judged(request.document)
        response = pb.ApplyPolicyResponse(region=REGION, problems=problems, digest=digest(request.document))
        if not valid:
            return response
        if request.document == DOCUMENT:
            response.version, response.unchanged = IN_FORCE, True
            return response
        if request.expected_version not in (0, IN_FORCE):
            message = f"the policy in force is version {IN_FORCE}, not {request.expected_version}"
            await context.abort(grpc.StatusCode.ABORTED, message)
        response.version = IN_FORCE + 1
        return response

    async def GetLeaguePolicy(
        self, request: pb.GetLeaguePolicyRequest, context: grpc.aio.ServicerContext
    ) -> pb.GetLeaguePolicyResponse:
        """North's is always the same; another region has what it was handed."""
        region = request.region or REGION
        if region == REGION:
            return pb.GetLeaguePolicyResponse(status=LEAGUE)
        return pb.GetLeaguePolicyResponse(status=self._handed(region))

    def _handed(self, region: str) -> pb.LeaguePolicyStatus:
        document = _HANDED.get(region, b"")
        status = pb.LeaguePolicyStatus(region=region, document=document, version=1)
        status.known.add(region="east")
        if document:
            made = decode_league_policy(document).document
            status.news.CopyFrom(league_news(made, "IN_FORCE", 2))
            status.known[0].news.CopyFrom(league_news(made, "UNFIT" if region == "odd" else "IN_FORCE", 2))
        return status

    async def ApplyLeaguePolicy(
        self, request: pb.ApplyLeaguePolicyRequest, context: grpc.aio.ServicerContext
    ) -> pb.ApplyLeaguePolicyResponse:
        made = decode_league_policy(request.document).document
        valid, problems = judged(made.text)
        if valid:
            _HANDED[request.region] = request.document
        return pb.ApplyLeaguePolicyResponse(
            region=request.region, number=made.number if valid else 0, problems=problems
        )


def league_news(document: LeaguePolicy, standing: str, version: int) -> regions_pb2.PolicyNews:
    return regions_pb2.PolicyNews(
        number=document.number,
        sha256=league_policy_sha256(document),
        standing=regions_pb2.PolicyStanding.Value(f"POLICY_STANDING_{standing}"),
        version=version,
    )


def _league() -> pb.LeaguePolicyStatus:
    document = LeaguePolicy(
        cluster_id="test",
        number=3,
        previous_sha256="b" * 64,
        issuer="0" * 32,
        issued_wall_us=AT_S * 1_000_000,
        text=DOCUMENT,
        author="ada",
        why="quotas of the spring term",
    )
    status = pb.LeaguePolicyStatus(
        region=REGION,
        document=encode_league_policy(SignedPolicy(document=document)),
        news=league_news(document, "UNFIT", 3),
        version=3,
        unfit='line 5: there is no kind of resource "licence"',
    )
    for region, standing, version in (
        ("east", "IN_FORCE", 9),
        ("south", "DEVIATES", 7),
        ("west", "PENDING", 1),
    ):
        status.known.add(region=region, news=league_news(document, standing, version))
    status.known.add(region="young")
    return status


LEAGUE = _league()
# By region.
_HANDED: dict[str, bytes] = {}
