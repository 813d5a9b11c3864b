"""Plans of jobs -> protobuf."""

from __future__ import annotations

from hanse.core.replies import JobPlan, RegionPlan
from hanse.wire.gen.hanse.v1 import jobs_pb2
from hanse.wire.jobs import encode_blocker
from hanse.wire.shapes import encode_shape
from hanse.wire.times import milliseconds_32, timestamp

_OUTCOMES = {
    name.removeprefix("PLAN_OUTCOME_"): number for name, number in jobs_pb2.PlanOutcome.items() if number
}


def encode_plan(plan: JobPlan) -> jobs_pb2.PlanJobResponse:
    """As the region that answers has it; of the others what it knows."""
    return jobs_pb2.PlanJobResponse(
        home=plan.regions[0].region,
        chosen=plan.chosen,
        index=plan.index,
        regions=[_region(region) for region in plan.regions],
        takers=[
            jobs_pb2.PlannedTaker(region=each.region, wait_ms=each.wait_us // 1_000) for each in plan.takers
        ],
        policy_version=plan.policy_version,
        shape=encode_shape(plan.shape),
    )


def _region(plan: RegionPlan) -> jobs_pb2.RegionPlan:
    return jobs_pb2.RegionPlan(
        region=plan.region,
        outcome=_OUTCOMES[plan.outcome] if plan.outcome else jobs_pb2.PLAN_OUTCOME_UNSPECIFIED,  # type: ignore[arg-type]
        nodes=plan.nodes,
        queue=plan.queue,
        stops=[
            jobs_pb2.PlannedStop(job_id=stop.job_id, name=stop.name, tenant=stop.tenant, rule=stop.rule)
            for stop in plan.stops
        ],
        blockers=[encode_blocker(blocker) for blocker in plan.blockers],
        position=plan.position,
        predicted_start=timestamp(plan.predicted_start_wall_us),
        predicted_earliest=timestamp(plan.earliest_wall_us),
        predicted_latest=timestamp(plan.latest_wall_us),
        unblock=plan.unblock,
        price=plan.price,
        power=plan.power,
        age_ms=milliseconds_32(plan.age_us),
        elements_at_once=plan.elements_at_once,
    )
