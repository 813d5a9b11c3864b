"""What must hold after every step. `check` looks at the jobs that the step touched; with `full`, at everything.

An AssertionError here is a bug of ours, never a peer's or a caller's.
"""

from __future__ import annotations

from hanse.core.model.arrays import Array
from hanse.core.model.jobs import Job
from hanse.core.model.lifecycle import ALLOCATED_STATES, TERMINAL_STATES, JobState
from hanse.core.model.limits import HOLDS_MAX, INTENTS_MAX, OFFERS_OUTSTANDING_MAX, TRANSFERS_UNDECIDED_MAX
from hanse.core.model.reservations import WindowState
from hanse.core.model.resources import added, fits
from hanse.core.region import Region
from hanse.core.scheduling.cohorts import Usage


def check(region: Region, *, full: bool = False) -> None:
    """Raise AssertionError if the region's memory contradicts itself."""
    for books in region.library:
        for job in books.jobs.values() if full else books.touched:
            if job.id in books.jobs:
                _check_job(region, job)
    _check_bounds(region)
    if full:
        _check_holders(region)
        _check_counts(region)
        _check_capacity(region)
        _check_standing(region)
        _check_windows(region)
        _check_transfers(region)
        _check_rights(region)


def _check_job(region: Region, job: Job) -> None:
    if job.array is not None:
        _check_array(region, job, job.array)
    else:
        _check_work(region, job)
    _check_ownership(region, job)


def _check_array(region: Region, job: Job, array: Array) -> None:
    """Its state is what its elements make it, and each of these is in one set."""
    local, state = region.local, job.state
    waits = region.local.queue.get(job.id) is job or region.escrow.room.get(job.id) is job
    is_open = state in (JobState.QUEUED, JobState.RUNNING)
    ought = is_open and array.may_start and not job.is_parked
    assert waits == ought, f"{job.id}: {state.name}, {array.counts()}: queue disagrees"
    assert bool(array.in_flight) == (state in ALLOCATED_STATES), f"{job.id}: {state.name}, {array.counts()}"
    limit = array.rules.in_flight_max
    assert not limit or len(array.in_flight) <= limit, f"{job.id}: more in flight than {limit}"
    sets = [array.waiting, array.succeeded, array.cancelled, *array.failed.values()]
    sets += [1 << position for position in array.in_flight]
    assert sum(each.bit_count() for each in sets) == array.count, f"{job.id}: elements twice, or lost"
    through = array.succeeded | array.cancelled
    assert not any(each & through for each in array.tried.values()), f"{job.id}: retries of what is through"
    for position, element in array.in_flight.items():
        assert array.rules.indexes.at(position) == element.index, f"{element.id} is at a wrong position"
        assert element.state in ALLOCATED_STATES, f"{element.id} holds capacity and is {element.state.name}"
        assert local.runs.job(element.id) is element, f"{element.id}: runs disagree"
        assert local.capacity.holds(element.id), f"{element.id}: {element.state.name}, but holds nothing"
        assert element.attempt > 0, f"{element.id} runs without an attempt"
    if job.cancel_id and not region.in_doubt:
        assert not is_open, f"{job.id} goes on although it is cancelled"
    if not region.in_doubt and state in (JobState.QUEUED, *ALLOCATED_STATES):
        assert array.waiting or array.in_flight, f"{job.id} is through and still {state.name}"


def _check_work(region: Region, job: Job) -> None:
    state = job.state
    allocated = state in ALLOCATED_STATES
    leading = region.shards.leading_of(job)
    may_start = leading is None or (leading.startable and not leading.is_unheld(job.id))
    waiting = state is JobState.QUEUED and may_start and not job.is_parked
    queued = (
        region.local.queue.get(job.id) is job
        or region.local.waits_for_ghost(job.id)
        or region.escrow.room.get(job.id) is job
    )
    assert queued == waiting or (not waiting and region.local.queue.get(job.id) is not job), (
        f"{job.id}: {state.name}, queue disagrees"
    )
    assert (region.local.runs.job(job.id) is job) == allocated, f"{job.id}: {state.name}, runs disagree"
    assert not allocated or region.local.capacity.holds(job.id), f"{job.id}: {state.name}, but holds nothing"
    if allocated:
        assert job.allocation is not None, f"{job.id} runs without an allocation"
        assert job.attempt > 0, f"{job.id} runs without an attempt"
    if job.cancel_id and not region.in_doubt:
        assert state is not JobState.RUNNING, f"{job.id} runs although it is cancelled"
        assert state is not JobState.QUEUED, f"{job.id} is queued although it is cancelled"


def _check_ownership(region: Region, job: Job) -> None:
    state = job.state
    if state is JobState.XFER:
        assert job.transfer_epoch == job.epoch + 1, f"{job.id}: a transfer without its epoch"
        assert job.transfer_to, f"{job.id}: a transfer to nobody"
    if state is JobState.MOVED:
        assert job.transfer_epoch > job.epoch, f"{job.id}: moved, but not on"
    if state in (JobState.QUEUED, *ALLOCATED_STATES):
        assert job.spec, f"{job.id} is owned without its spec"
    if state in TERMINAL_STATES:
        assert job.home != (job.shard or region.config.name) or job.settled, (
            f"{job.id} ended at home and is not settled"
        )
    assert job.reason.code, f"{job.id} has no reason"


def _check_holders(region: Region) -> None:
    """What holds capacity runs, or is dying under a term that is over."""
    for job_id in region.local.capacity.holders():
        runs = region.local.runs.job(job_id) is not None
        assert runs or region.local.is_haunted(job_id), f"{job_id} holds capacity and does not run"


def _check_bounds(region: Region) -> None:
    deadline_us = region.next_deadline()
    late = deadline_us is not None and deadline_us <= region.books.now.mono_us
    assert region.local.more or not late or region.shards.looping or region.escrow.looping, (
        "a deadline that the step did not serve would spin the shell"
    )
    for peer in region.peers:
        assert region.desk.giver.undecided(peer) <= TRANSFERS_UNDECIDED_MAX
    assert region.offers.outstanding <= OFFERS_OUTSTANDING_MAX
    assert region.intake.holds <= HOLDS_MAX
    assert len(region.books.intents) <= INTENTS_MAX


def _check_counts(region: Region) -> None:
    counts = dict.fromkeys(JobState, 0)
    for job in region.books.jobs.values():
        counts[job.state] += 1
    assert counts == region.books.counts, f"counted {counts}, kept {region.books.counts}"


def _check_capacity(region: Region) -> None:
    if region.local.capacity.overcommitted():
        return  # Nodes were configured smaller than what runs on them.
    for view in region.local.capacity.nodes():
        assert fits(view.free, view.node.capacity), f"{view.node.name} has more free than it has"
        assert all(quantity >= 0 for _, quantity in view.free), f"{view.node.name} is oversold"


def _check_standing(region: Region) -> None:
    """Shares, quotas and ends are of just what holds capacity, whoever leads its shard by now."""
    standing = region.local.standing
    held = set(region.local.capacity.holders())
    assert set(standing.running.jobs) == held, "the standing does not know what runs"
    expected = held | set(region.local.windows.holding)
    assert {job_id for _, job_id in standing.running.ends} == expected, (
        "ends are expected of what does not run"
    )
    for root in standing.quotas.roots:
        usage: Usage = {}
        for charge in standing.quotas.charges().values():
            if charge.queue.root is root:
                charge.count(1, usage)
        assert usage == root.usage, f"{root.name}: charged {usage}, kept {root.usage}"
    dying = [job_id for job_id in held if region.local.runs.job(job_id) is None]
    assert all(job_id in standing.running.leaving for job_id in dying), "a victim is nobody's any more"
    waiting = [job_id for job_id in held if region.local.scheduler.claimed(job_id)]
    assert not waiting, f"{waiting[:1]} runs and others are being stopped for it"


def _check_windows(region: Region) -> None:
    """What is set aside is no more than was reserved and is not in use, and all that there is room for."""
    for window in region.local.windows.all():
        assert window.state is WindowState.OPEN or not (window.holds or window.used), f"{window.id}: not open"
        for node, places in window.places.items():
            there = added(window.used.get(node, ()), window.held_on(node))
            assert fits(there, places), f"{window.id}: {there} of {places} on {node}"


def _check_transfers(region: Region) -> None:
    for job in region.books.jobs.values():
        assert (job.state is JobState.XFER) == region.desk.giver.tracks(job.id), (
            f"{job.id}: {job.state.name}, giver disagrees"
        )


def _check_rights(region: Region) -> None:
    """What runs is what is charged, and nothing is in use that was given away."""
    for books in region.library:
        account = books.account
        for key, balance in account.balances.items():
            assert min(balance.held, balance.debt, balance.lost) >= 0, f"{account.name}: {key} below nothing"
        for job_id in account.charges:
            job = region.library.holder(job_id)
            assert job is not None, f"{job_id} uses rights and is not there"
            state = job.state
            assert state in ALLOCATED_STATES, f"{job_id} uses rights and is {state.name}"
