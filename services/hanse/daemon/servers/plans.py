"""What is wrong with documents, and plans -> protobuf."""

from __future__ import annotations

from collections.abc import Iterable

from hanse.policies.comparison import Compared, Plan, TenantPlan
from hanse.policies.problems import Problem
from hanse.wire.gen.hanse.v1 import policies_pb2 as pb
from hanse.wire.jobs import encode_refusal
from hanse.wire.times import timestamp

_SEVERITIES = {
    "error": pb.POLICY_SEVERITY_ERROR,
    "warning": pb.POLICY_SEVERITY_WARNING,
}


def encode_problems(problems: Iterable[Problem]) -> list[pb.PolicyProblem]:
    """In order."""
    return [
        pb.PolicyProblem(
            severity=_SEVERITIES[each.severity],
            path=each.path,
            line=each.line,
            column=each.column,
            width=each.width,
            message=each.message,
            hint=each.hint,
            source=each.source,
        )
        for each in problems
    ]


def encode_plan(plan: Plan, version_in_force: int, digest: str) -> pb.PolicyPlan:
    """Times in whole milliseconds."""
    return pb.PolicyPlan(
        version_in_force=version_in_force,
        digest=digest,
        begin=timestamp(plan.from_wall_us),
        end=timestamp(plan.to_wall_us),
        jobs=plan.jobs,
        measured_wait_ms=plan.measured_wait_us // 1_000,
        replayed_wait_ms=plan.replayed_wait_us // 1_000,
        tenants=[_tenant(each) for each in plan.tenants],
        moves=[
            pb.PlanMove(
                tenant=move.tenant,
                jobs=count,
                tier_before=move.tier_before,
                tier_after=move.tier_after,
                queue_before=move.queue_before,
                queue_after=move.queue_after,
            )
            for move, count in plan.moves
        ],
        refusals=[
            pb.PlanRefusal(tenant=tenant, jobs=count, refusal=encode_refusal(refused), before=before)
            for tenant, refused, before, count in plan.refusals
        ],
        worst=[_job(each) for each in plan.worst],
        preemptions_before=plan.preemptions_before,
        preemptions_after=plan.preemptions_after,
        caveats=plan.caveats,
    )


def _tenant(plan: TenantPlan) -> pb.TenantPlan:
    return pb.TenantPlan(
        tenant=plan.tenant,
        jobs=plan.jobs,
        wait_before_ms=plan.wait_before_us // 1_000,
        wait_after_ms=plan.wait_after_us // 1_000,
        longest_before_ms=plan.longest_before_us // 1_000,
        longest_after_ms=plan.longest_after_us // 1_000,
        longer=plan.longer,
        shorter=plan.shorter,
        refused_before=plan.refused_before,
        refused_after=plan.refused_after,
        stuck_before=plan.stuck_before,
        stuck_after=plan.stuck_after,
    )


def _job(job: Compared) -> pb.PlanJob:
    assert job.before.wait_us is not None
    assert job.after.wait_us is not None
    return pb.PlanJob(
        job_id=job.job_id,
        tenant=job.tenant,
        name=job.name,
        wait_before_ms=job.before.wait_us // 1_000,
        wait_after_ms=job.after.wait_us // 1_000,
    )
