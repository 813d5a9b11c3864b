"""What keeps a queued job from starting, way by way: quota, nodes, and what is set aside or kept for others.

A blocker says whose quota, how much is short, and who uses it; what the nodes lack; or which job would be delayed, and
until when. A job that may be met in several ways (ways.py) has the blockers of each: one way that is free of them is
enough.
"""

from __future__ import annotations

import heapq

import msgspec

from hanse.core.model.jobs import Job
from hanse.core.model.limits import EXPLAINED_NODES_MAX
from hanse.core.replies import Blocker
from hanse.core.scheduling.backfill import Reservation
from hanse.core.scheduling.cohorts import Bound, Cell
from hanse.core.scheduling.cycle import Scheduler
from hanse.core.scheduling.placement import Capacity
from hanse.core.scheduling.quota import QuotaQueue
from hanse.core.scheduling.ways import Way

QUOTA = "QUOTA"
RESERVED = "RESERVED"
PREEMPTING = "PREEMPTING"
# Queues that are named as users of a quota, and jobs that are being stopped.
_USERS_NAMED_MAX = 3
_LEAVING_NAMED_MAX = 3


def grounds(scheduler: Scheduler, capacity: Capacity, job: Job) -> tuple[Blocker, ...]:
    """What is in the way of a job that is not started by the present cycle; empty: nothing is."""
    claim = scheduler.stopping_for(job.id)
    if claim is not None:
        return (_preempting(scheduler, [victim.job for victim in claim.victims], claim.reservation),)
    windows = scheduler.reservation_grounds
    set_aside = windows.blockers(job, scheduler.now_us)
    if set_aside:
        return set_aside
    ways = scheduler.standing.ways_of(job)
    of_ways = [(*_quotas(scheduler, way), *capacity.blockers(way.placed)) for way in ways]
    if all(of_ways):
        # Once there is room, the plan still keeps the places of those that came before.
        besides = (*windows.besides(job, of_ways, scheduler.now_us), *_planned(scheduler, job))
        if len(ways) == 1:
            return (*of_ways[0], *besides)
        return (*(_of_way(way, blockers) for way, blockers in zip(ways, of_ways, strict=True)), *besides)
    return reserved(scheduler, job) or windows.ahead(job, scheduler.now_us)


def quota_left(scheduler: Scheduler, job: Job, kind: str) -> list[int]:
    """How much of this kind the job's quota leaves, way by way, as far as it is limited."""
    left: list[int] = []
    for way in scheduler.standing.ways_of(job):
        if way.queue is not None:
            usage = way.queue.root.usage
            cells = way.queue.cells(way.flavour, way.wanted)
            left += [way.queue.node.available(cell, usage) for cell, _ in cells if cell[1] == kind]
    return left


def _of_way(way: Way, blockers: tuple[Blocker, ...]) -> Blocker:
    """All that is in the way of one of several."""
    names = [f"flavour {way.flavour}"] if way.flavour else []
    names += [f"alternative {number} of groups[{at}]" for at, number in enumerate(way.chosen) if number]
    first = blockers[0]
    return msgspec.structs.replace(
        first,
        message=f"{' and '.join(names) or 'as it is'}: {first.message}",
        because=(*first.because, *blockers[1:]),
    )


# --- quota


def _quotas(scheduler: Scheduler, way: Way) -> tuple[Blocker, ...]:
    """Every kind of which the way's queue has too little."""
    queue = way.queue
    if queue is None:
        return ()
    usage = queue.root.usage
    bounds = [
        queue.node.bound(cell, quantity, usage) for cell, quantity in queue.cells(way.flavour, way.wanted)
    ]
    version = scheduler.standing.policy.version
    return tuple(_quota(queue, bound, version) for bound in bounds if bound is not None)


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


# --- what is kept for others


def _preempting(scheduler: Scheduler, leaving: list[Job], reservation: Reservation) -> Blocker:
    running = scheduler.standing.running.jobs
    left = [job for job in leaving if job.id in running]
    named = ", ".join(f"{job.id} ({job.name})" for job in left[:_LEAVING_NAMED_MAX])
    more = f" and {len(left) - _LEAVING_NAMED_MAX} more" if len(left) > _LEAVING_NAMED_MAX else ""
    away_s = max(0, reservation.starts_us - scheduler.now_us) / 1e6
    what = "1 job is" if len(left) == 1 else f"{len(left)} jobs are"
    message = f"{what} being stopped for it: {named}{more}; it starts within {away_s:.1f} s"
    return Blocker(code=PREEMPTING, message=message, nodes=tuple(reservation.reserved)[:EXPLAINED_NODES_MAX])


def reserved(scheduler: Scheduler, job: Job) -> tuple[Blocker, ...]:
    """For whom room is kept that the job could have; or for when its own is."""
    reservation = scheduler.delayed_by(job)
    if reservation is not None:
        return (_for_another(scheduler, job, reservation),)
    planned_us = scheduler.reserved_start_us(job)
    if planned_us is None or planned_us <= scheduler.now_us:
        return ()
    return _planned(scheduler, job)


def _planned(scheduler: Scheduler, job: Job) -> tuple[Blocker, ...]:
    """Whom it would delay if it started now, under conservative backfill."""
    others = scheduler.planned_before(job)
    if not others:
        return ()
    named = ", ".join(f"{other.id} ({other.name})" for other in others[:_LEAVING_NAMED_MAX])
    more = f" and {len(others) - _LEAVING_NAMED_MAX} more" if len(others) > _LEAVING_NAMED_MAX else ""
    return (Blocker(code=RESERVED, message=f"places in the plan that it would delay now: {named}{more}"),)


def _for_another(scheduler: Scheduler, job: Job, reservation: Reservation) -> Blocker:
    away_s = max(0, reservation.starts_us - scheduler.now_us) / 1e6
    waiting = reservation.job
    message = (
        f"it would delay {waiting.id} ({waiting.name}), which goes first and is to start in {away_s:.1f} s; "
        f"predicted to run for {scheduler.standing.predictor.predict_us(job) / 1e6:.1f} s, it would not be gone by then"
    )
    return Blocker(code=RESERVED, message=message, nodes=tuple(reservation.reserved)[:EXPLAINED_NODES_MAX])
