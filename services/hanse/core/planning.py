"""What would become of a job if it were submitted now, and whether that still holds when it is.

A plan asks the code that decides (scheduling/whatif.py, federation/routing.py) and changes nothing. Its *index* stands
for what a caller would call the plan: where the job would go, whether it would start there, whom it would stop, under
which policy. A submit that carries an index is refused if the same question has another answer by then; nodes,
positions and predicted times may change without the plan being another one.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import msgspec

from hanse.core.dependencies import waits_for_text
from hanse.core.model.jobs import Job, Submission
from hanse.core.model.limits import EXPLAINED_NODES_MAX, PLAN_INDEX_LENGTH_MAX
from hanse.core.model.time import FOR_EVER_US, Now
from hanse.core.replies import (
    Blocker,
    JobPlan,
    PlannedStop,
    Refused,
    RegionExplanation,
    RegionPlan,
    TakerView,
)
from hanse.core.scheduling.explain import LocalExplanation, Span
from hanse.core.scheduling.whatif import Outcome, supposed

if TYPE_CHECKING:
    from hanse.core.region import Region

PLAN_CHANGED = "PLAN_CHANGED"
_DIGEST_BYTES = 8


class Planning:
    """Plans for one Region."""

    def __init__(self, region: Region) -> None:
        self._region = region

    def plan(self, now: Now, submission: Submission, home: str) -> JobPlan:
        """For the job's home: where it would go. For another region: what that one would make of it."""
        region = self._region
        name = region.config.name
        job = supposed(submission, home, now)
        told = region.local.explain(job, now)
        here = self._here(now, job, told)
        if home != name:
            return self._answer((here,), (), "", job)
        takers = () if here.outcome in (Outcome.START, Outcome.PREEMPT) else self._takers(now, job, here)
        abroad = tuple(_unasked(each) for each in region.router.explain(now, job))
        return self._answer((here, *abroad), takers, self._chosen(here, takers), job)

    def check(self, now: Now, submission: Submission) -> Refused | None:
        """Whether a submission that is held to a plan may be taken; None: it may, or is held to none."""
        wanted = submission.check_index
        if not wanted:
            return None
        plan = self.plan(now, submission, self._region.config.name)
        if plan.index == wanted:
            return None
        message = f"the plan was {wanted[:PLAN_INDEX_LENGTH_MAX]!r} and is {plan.index!r} now; plan it again"
        return Refused(PLAN_CHANGED, "check_index", message)

    def _answer(
        self, regions: tuple[RegionPlan, ...], takers: tuple[TakerView, ...], chosen: str, job: Job
    ) -> JobPlan:
        version = self._region.local.standing.policy.version
        return JobPlan(
            regions=regions,
            takers=takers,
            chosen=chosen,
            index=_index(regions[0], takers, chosen, version),
            policy_version=version,
            shape=job.shape,
        )

    # --- here

    def _here(self, now: Now, job: Job, told: LocalExplanation) -> RegionPlan:
        region = self._region
        outcome, start = told.prospect.outcome, told.start
        blockers = told.region.blockers
        closed = self._why_closed(job)
        if closed is not None:
            blockers, start = (closed, *blockers), Span()
            outcome = outcome if outcome is Outcome.NEVER else Outcome.CLOSED
        ahead = region.escrow.lacks(job)
        if job.terms.after:
            message = f"it waits {waits_for_text(job.terms)}"
            ahead = (Blocker(code="WAITS_FOR_JOBS", message=message), *ahead)
            outcome = Outcome.WAIT if outcome in (Outcome.START, Outcome.PREEMPT) else outcome
        blockers = (*ahead, *blockers)
        allocation = told.prospect.allocation if outcome is Outcome.START else None
        nodes = () if allocation is None else tuple(dict.fromkeys(task.node for task in allocation.tasks))
        return RegionPlan(
            region=region.config.name,
            outcome=outcome,
            nodes=nodes[:EXPLAINED_NODES_MAX],
            queue=told.prospect.queue if outcome is Outcome.START else "",
            stops=self._stops(told) if outcome is Outcome.PREEMPT else (),
            blockers=blockers,
            position=told.position,
            predicted_start_wall_us=start.likely_us,
            earliest_wall_us=start.earliest_us,
            latest_wall_us=start.latest_us,
            unblock=(*told.unblock, *region.router.unblock_hints(now, job)),
            price=region.config.price,
            power=region.config.power,
            elements_at_once=self._at_once(job) if outcome is Outcome.START else 0,
        )

    def _at_once(self, job: Job) -> int:
        if job.array is None:
            return 0
        limit = job.array.rules.in_flight_max or job.array.count
        return self._region.local.capacity.fitting(job.shape, min(limit, job.array.count))

    def _stops(self, told: LocalExplanation) -> tuple[PlannedStop, ...]:
        return tuple(
            PlannedStop(victim.job.id, victim.job.name, victim.job.tenant, victim.rule)
            for victim in told.prospect.victims
        )

    def _why_closed(self, job: Job) -> Blocker | None:
        """Why the region would not start it, whatever there is room for."""
        region = self._region
        if region.in_doubt:
            return Blocker(
                code="QUARANTINE" if region.old_disk.active else "STARTING",
                message=f"{region.config.name} launches nothing yet; it waits for {region.waits_for}",
            )
        reason = region.intake.closed
        if reason is not None:
            return Blocker(code=reason.code, message=reason.detail or reason.code)
        if not region.local.knows_tier(job.shape.body.tier):
            return Blocker(code="TIER", message=f"{region.config.name} has no tier {job.shape.body.tier!r}")
        return None

    # --- abroad

    def _takers(self, now: Now, job: Job, here: RegionPlan) -> tuple[TakerView, ...]:
        """Whom the job could be offered to. (Of two that are drawn the better one is asked: routing.py.)"""
        region = self._region
        never = here.outcome in (Outcome.NEVER, Outcome.CLOSED)
        own_wait_us = FOR_EVER_US if never else region.local.predicted_wait_us(job.shape)
        found = region.router.candidates(now, job.shape, (), own_wait_us)
        return tuple(TakerView(each.name, each.wait_us, each.cost_us) for each in found)

    def _chosen(self, here: RegionPlan, takers: tuple[TakerView, ...]) -> str:
        if here.outcome in (Outcome.START, Outcome.PREEMPT):
            return here.region
        if takers:
            return takers[0].region
        return here.region if here.outcome is Outcome.WAIT else ""


def _unasked(told: RegionExplanation) -> RegionPlan:
    return RegionPlan(region=told.region, outcome="", blockers=told.blockers, age_us=told.age_us)


def _index(here: RegionPlan, takers: tuple[TakerView, ...], chosen: str, version: int) -> str:
    """What was decided, in words, and a digest of all that it is about."""
    at_once = bool(takers) and takers[0].wait_us == 0
    verdict = here.outcome if chosen in (here.region, "") else "GO" if at_once else "GO_AND_WAIT"
    decided = (
        here.region,
        version,
        verdict,
        chosen,
        here.queue,
        tuple(sorted(stop.job_id for stop in here.stops)),
    )
    digest = hashlib.blake2b(msgspec.msgpack.encode(decided), digest_size=_DIGEST_BYTES).hexdigest()
    return f"{verdict.lower()}:{chosen}:{digest}"
