"""Regions under virtual time for tests of policies, and jobs for them; times in milliseconds."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

from hanse.core.invariants import check
from hanse.core.model.jobs import Reason
from hanse.core.policy.model import Policy, Queue, Quota
from hanse.policies.virtual import VirtualJob, VirtualRegion
from tests.core.scheduling.worlds import TIERS, group, node, shape

MS = 1_000


def virtual(
    policy: Policy, jobs: Sequence[VirtualJob] = (), *, cpu: int = 4, nodes: int = 1
) -> VirtualRegion:
    """A region of nodes that are alike, to which these jobs come."""
    region = VirtualRegion(tuple(node(f"n{at}", cpu=cpu) for at in range(nodes)), policy)
    region.add(jobs)
    return region


def one(
    name: str,
    cpu: int,
    *,
    at: int = 0,
    run: int = 100,
    tenant: str = "team",
    tier: str = "standard",
    priority: int = 0,
    count: int = 1,
    estimate: int | None = None,
    grace: int = 0,
) -> VirtualJob:
    """A job whose user estimates its run exactly, unless `estimate` says otherwise (0: not at all)."""
    estimated = run if estimate is None else estimate
    wanted = shape(group(count, cpu=cpu), tier=tier, priority=priority, estimate_us=estimated * MS)
    return VirtualJob(
        id=name, shape=wanted, at_us=at * MS, run_us=run * MS, tenant=tenant, name=name, grace_us=grace * MS
    )


def quota_of(
    name: str,
    nominal: int,
    *,
    cohort: str = "",
    borrow: int | None = None,
    lend: int | None = None,
    **rules: str,
) -> Queue:
    """A queue for the tenant of the same name, with a quota of cpu."""
    quota = Quota(kind="cpu", nominal=nominal, borrowing_limit=borrow, lending_limit=lend)
    return Queue(name=name, tenants=(name,), cohort=cohort, quotas=(quota,), **rules)  # type: ignore[arg-type]


def run_checked(region: VirtualRegion, *, steps_max: int = 5_000) -> None:
    """Go to the end, and check everything after each step."""
    for _ in range(steps_max):
        check(region.region, full=True)
        if not region.busy:
            return
        region.advance()
    raise AssertionError("it does not come to an end")


def started_at(region: VirtualRegion) -> dict[str, int]:
    """When each job started first, in milliseconds."""
    found: dict[str, int] = {}
    for start in region.starts:
        found.setdefault(start.job_id, start.at_us // MS)
    return found


def reason(region: VirtualRegion, job_id: str) -> Reason:
    """Of the job's present state."""
    return region.region.books.jobs[job_id].reason


@st.composite
def jobs_strategy(
    draw: st.DrawFn, *, tenants: Sequence[str] = ("a", "b"), jobs_max: int = 14, cpu_max: int = 4
) -> list[VirtualJob]:
    """Some jobs of a few milliseconds, of all tiers."""
    return [
        one(
            f"j{number}",
            draw(st.integers(1, cpu_max)),
            at=draw(st.integers(0, 30)),
            run=draw(st.integers(1, 20)),
            tenant=draw(st.sampled_from(tenants)),
            tier=draw(st.sampled_from(TIERS)),
            priority=draw(st.integers(0, 2)),
            grace=draw(st.sampled_from([0, 2])),
        )
        for number in range(draw(st.integers(1, jobs_max)))
    ]
