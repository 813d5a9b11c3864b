"""What a plan says: two replays of the same jobs, compared tenant by tenant."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

from hanse.core.model.limits import PLAN_CHANGES_MAX
from hanse.core.replies import Refused

# A wait that changes by no more than this is the same.
ALIKE_US = 1_000_000


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one job in one replay. `refused` None: it was taken in; `wait_us` None: it never started."""

    tier: str = ""
    queue: str = ""
    wait_us: int | None = None
    refused: Refused | None = None


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """One job in both replays."""

    job_id: str
    tenant: str
    name: str
    before: Outcome
    after: Outcome

    @property
    def longer_us(self) -> int:
        """How much longer it waits; 0 if it does not start in both."""
        if self.before.wait_us is None or self.after.wait_us is None:
            return 0
        return self.after.wait_us - self.before.wait_us


class TenantPlan(msgspec.Struct, frozen=True, kw_only=True):
    """See TenantPlan in proto/hanse/v1/policies.proto; times in microseconds."""

    tenant: str
    jobs: int
    wait_before_us: int
    wait_after_us: int
    longest_before_us: int
    longest_after_us: int
    longer: int
    shorter: int
    refused_before: int
    refused_after: int
    stuck_before: int
    stuck_after: int


class Move(msgspec.Struct, frozen=True, order=True):
    """A change of tier or queue."""

    tenant: str
    tier_before: str
    tier_after: str
    queue_before: str
    queue_after: str


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """See PolicyPlan in proto/hanse/v1/policies.proto; times in microseconds. `tenants`: all together first (with an
    empty name), then by how much longer they wait. `refusals`: (tenant, refusal, whether it was refused before, too)
    with how many jobs it concerns."""

    from_wall_us: int
    to_wall_us: int
    jobs: int
    measured_wait_us: int
    replayed_wait_us: int
    tenants: tuple[TenantPlan, ...]
    moves: tuple[tuple[Move, int], ...]
    refusals: tuple[tuple[str, Refused, bool, int], ...]
    worst: tuple[Compared, ...]
    preemptions_before: int
    preemptions_after: int
    caveats: tuple[str, ...]


def tenant_plans(jobs: Sequence[Compared]) -> tuple[TenantPlan, ...]:
    """All together, then each tenant, those that lose most first."""
    by_tenant: dict[str, list[Compared]] = {}
    for job in jobs:
        by_tenant.setdefault(job.tenant, []).append(job)
    plans = [_tenant_plan(tenant, of_tenant) for tenant, of_tenant in by_tenant.items()]
    plans.sort(key=lambda each: (each.wait_before_us - each.wait_after_us, each.tenant))
    return (_tenant_plan("", jobs), *plans)


def _tenant_plan(tenant: str, jobs: Sequence[Compared]) -> TenantPlan:
    started = [
        (job.before.wait_us, job.after.wait_us)
        for job in jobs
        if job.before.wait_us is not None and job.after.wait_us is not None
    ]
    before, after = [wait for wait, _ in started], [wait for _, wait in started]
    return TenantPlan(
        tenant=tenant,
        jobs=len(jobs),
        wait_before_us=_mean(before),
        wait_after_us=_mean(after),
        longest_before_us=max(before, default=0),
        longest_after_us=max(after, default=0),
        longer=sum(1 for job in jobs if job.longer_us > ALIKE_US),
        shorter=sum(1 for job in jobs if job.longer_us < -ALIKE_US),
        refused_before=sum(1 for job in jobs if job.before.refused is not None),
        refused_after=sum(1 for job in jobs if job.after.refused is not None),
        stuck_before=sum(1 for job in jobs if _is_stuck(job.before)),
        stuck_after=sum(1 for job in jobs if _is_stuck(job.after)),
    )


def moves(jobs: Iterable[Compared]) -> tuple[tuple[Move, int], ...]:
    """Changes of tier or queue, those of most jobs first."""
    found = Counter(
        Move(job.tenant, job.before.tier, job.after.tier, job.before.queue, job.after.queue)
        for job in jobs
        if job.before.refused is None
        and job.after.refused is None
        and (job.before.tier, job.before.queue) != (job.after.tier, job.after.queue)
    )
    return tuple(sorted(found.items(), key=lambda item: (-item[1], item[0]))[:PLAN_CHANGES_MAX])


def refusals(jobs: Iterable[Compared]) -> tuple[tuple[str, Refused, bool, int], ...]:
    """Refusals by reason, those of most jobs first."""
    found: Counter[tuple[str, Refused, bool]] = Counter(
        (job.tenant, job.after.refused, job.before.refused is not None)
        for job in jobs
        if job.after.refused is not None
    )
    ordered = sorted(found.items(), key=lambda item: (-item[1], item[0][0], item[0][1].message))
    return tuple(
        (tenant, refused, before, count) for (tenant, refused, before), count in ordered[:PLAN_CHANGES_MAX]
    )


def worst(jobs: Iterable[Compared]) -> tuple[Compared, ...]:
    """Jobs whose wait grows most."""
    longer = [job for job in jobs if job.longer_us > ALIKE_US]
    return tuple(sorted(longer, key=lambda job: (-job.longer_us, job.job_id))[:PLAN_CHANGES_MAX])


def _mean(waits: Sequence[int]) -> int:
    return sum(waits) // len(waits) if waits else 0


def _is_stuck(outcome: Outcome) -> bool:
    return outcome.refused is None and outcome.wait_us is None
