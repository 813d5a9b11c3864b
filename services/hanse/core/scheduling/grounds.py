"""Why the policy keeps a queued job from starting: quota, and what is reserved for others.

Beside what its nodes lack and who goes first (explain.py). A blocker says whose quota, how much is short, and who
uses it; or which job would be delayed, and until when.
"""

from __future__ import annotations

import heapq

from hanse.core.effects import Blocker
from hanse.core.model.jobs import Job
from hanse.core.scheduling.cohorts import Bound, Cell
from hanse.core.scheduling.cycle import Scheduler
from hanse.core.scheduling.quota import QuotaQueue

QUOTA = "QUOTA"
RESERVED = "RESERVED"
# Queues that are named as users of a quota.
_USERS_NAMED_MAX = 3


def policy_blockers(scheduler: Scheduler, job: Job) -> tuple[Blocker, ...]:
    """What of the policy is in the way now; empty: nothing is."""
    standing = scheduler.standing
    queue = standing.quotas.queue_of(job.tenant, job.shape)
    if queue is not None:
        bounds = [way.bound(queue.root.usage) for way in standing.ways_of(job)]
        if all(bounds):
            version = standing.policy.version
            return tuple(_quota(queue, bound, version) for bound in bounds if bound is not None)
    return scheduler.reservation_grounds.blockers(job, scheduler.now_us) or _reserved(scheduler, job)


def _quota(queue: QuotaQueue, bound: Bound, version: int) -> Blocker:
    flavour, kind = bound.cell
    short = bound.wanted - max(0, bound.available)
    of_flavour = f" of flavour {flavour}" if flavour else ""
    whose = "its own limit" if bound.node == queue.name else f"cohort {bound.node}"
    message = (
        f"queue {queue.name} is {short} {kind}{of_flavour} short: it needs {bound.wanted}, and {whose} leaves "
        f"{max(0, bound.available)} (policy {version})"
    )
    return Blocker(code=QUOTA, message=message, because=_users(queue, bound.cell))


def _users(queue: QuotaQueue, cell: Cell) -> tuple[Blocker, ...]:
    """Who uses most of it."""
    usage = queue.root.usage
    parents = {node.parent.name for node in queue.root.nodes.values() if node.parent is not None}
    using = [
        (usage.get((node.number, cell), 0), name)
        for name, node in queue.root.nodes.items()
        if name not in parents
    ]
    most = heapq.nsmallest(_USERS_NAMED_MAX, using, key=lambda each: (-each[0], each[1]))
    return tuple(
        Blocker(
            code=QUOTA,
            message=f"queue {name} uses {used} {cell[1]}, of {queue.root.nodes[name].nominal.get(cell, 0)} nominal",
        )
        for used, name in most
        if used
    )


def _reserved(scheduler: Scheduler, job: Job) -> tuple[Blocker, ...]:
    reservation = scheduler.delayed_by(job)
    if reservation is None:
        return ()
    nodes = tuple(reservation.reserved)
    away_s = max(0, reservation.starts_us - scheduler.now_us) / 1e6
    waiting = reservation.job
    message = (
        f"it would delay {waiting.id} ({waiting.name}), which goes first and is to start in {away_s:.1f} s; "
        f"predicted to run for {scheduler.standing.predictor.predict_us(job) / 1e6:.1f} s, it would not be gone by then"
    )
    return (Blocker(code=RESERVED, message=message, nodes=nodes[:10]),)
