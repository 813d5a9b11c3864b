"""The local side of a region: its queue, its capacity, and what runs, behind one door.

Implements what the federation side asks of it (federation/ports.py: LocalWork).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import assert_never

import msgspec

from hanse.core.books import Books
from hanse.core.effects import Effects
from hanse.core.events import FoundTask, NodeOrder, OrderNodes, TaskEnded
from hanse.core.library import Library
from hanse.core.model.jobs import Job, Reason, ReasonCode, Shape
from hanse.core.model.lifecycle import ALLOCATED_STATES, JobState
from hanse.core.model.limits import (
    ACCEPT_AHEAD_MAX,
    ACCEPT_AHEAD_US,
    ACCOUNTS_SAVE_US,
    STARTS_PER_STEP_MAX,
)
from hanse.core.model.regions import RegionConfig
from hanse.core.model.reservations import CapacityReservation
from hanse.core.model.resources import times_fitting
from hanse.core.model.time import FOR_EVER_US, SECOND_US, Now
from hanse.core.policy.model import Policy
from hanse.core.scheduling.admission import refused_here
from hanse.core.scheduling.arrays import Arrays
from hanse.core.scheduling.attainment import Attainment
from hanse.core.scheduling.cycle import Preempted, Scheduler
from hanse.core.scheduling.experience import Experience
from hanse.core.scheduling.explain import Explainer, LocalExplanation
from hanse.core.scheduling.placement import Capacity
from hanse.core.scheduling.predictor import OnlinePredictor
from hanse.core.scheduling.queue import JobQueue
from hanse.core.scheduling.reserving import Reserving
from hanse.core.scheduling.runs import Runs, Settled
from hanse.core.scheduling.standing import Standing
from hanse.core.scheduling.wait import WaitPredictor
from hanse.core.scheduling.windows import Windows

# While nothing may be launched, windows of reservations are looked at when that is over; this often it is asked.
_CLOSED_LOOK_US = SECOND_US
# The meta row that keeps what tenants have had.
META_SHARES = "shares"
# The meta row that keeps which nodes are cordoned, and why: JSON.
META_CORDONED = "cordoned"
_CORDONS = msgspec.json.Decoder(dict[str, str])


class LocalSide:
    """Everything that this region runs or will run. `draining`: nothing new is started; nor is it while the disk is
    `in_doubt`."""

    def __init__(
        self,
        config: RegionConfig,
        library: Library,
        policy: Policy,
        now: Now,
        saved_shares: str = "",
        saved_cordons: str = "",
        reservations: Iterable[CapacityReservation] = (),
    ) -> None:
        self._library = library
        self._region = config.name
        self.capacity = Capacity(config.nodes, config.topology, self._owner_of)
        for node, why in (_CORDONS.decode(saved_cordons) if saved_cordons else {}).items():
            self.capacity.cordon(node, why)
        self.attainment = Attainment()
        self.predictor = OnlinePredictor(policy.backfill.runtime)
        self.standing = Standing(policy, self.capacity, self.predictor, self.attainment)
        self.standing.tenants.restore(saved_shares, now)
        self._saved_us = now.mono_us
        self.experience = Experience()
        self.queue = JobQueue(policy, self.standing.tenants, self.standing.quotas, self.experience)
        self.windows = Windows(
            self.capacity,
            self.standing.running,
            now,
            reservations,
            library.own.keep_reservation,
            library.own.drop_reservation,
        )
        self.reserving = Reserving(self.windows, self.capacity)
        self.scheduler = Scheduler(self.queue, self.capacity, config.name, self.standing, self.windows)
        self.alarm = self.scheduler.alarm
        self.wait = WaitPredictor(self.queue, self.capacity)
        self.predictor.fallback = self.wait
        self.runs = Runs(library)
        self.arrays = Arrays(library, self.queue, self.scheduler, self.runs)
        self.scheduler.unfolding = self.arrays
        self.draining = False
        # Whether the last cycle stopped at its limit.
        self.more = False
        # Queued jobs whose last attempt here, under a term that is over, still holds capacity.
        self._haunted: dict[str, Job] = {}
        for attempt in library.attempts():
            self._seat(attempt, now)
        for job in library.jobs():
            if job.array is not None:
                self.arrays.resume(job)
            elif job.state is JobState.QUEUED and not job.is_parked:
                self.queue.add(job)
        if self.windows:
            self.alarm.ring_at(now.mono_us)

    # --- books of shards ---------------------------------------------------------------------------------------------

    def open_books(self, now: Now, books: Books) -> None:
        """This region leads a shard: what it was running under the same term goes on."""
        for job in books.jobs.values():
            self._seat(job, now)
            self.runs.resume(job)

    def abandon(self, now: Now, books: Books, out: Effects) -> None:
        """Another region leads the shard: end what runs here, and hold its capacity until it is dead."""
        for job in books.jobs.values():
            if job.state in ALLOCATED_STATES:
                self.runs.abandon(job, out)
                # It counts as long as it holds capacity, and is nobody's victim any more.
                self.standing.running.leave(job.id, now.mono_us + job.grace_us)
            else:
                self._leaves(job)

    def waits_for_ghost(self, job_id: str) -> bool:
        """Whether this queued job waits until its last attempt here is dead."""
        return job_id in self._haunted

    def is_haunted(self, job_id: str) -> bool:
        """Whether an attempt under a term that is over still holds capacity."""
        return self.runs.has_ghost(job_id)

    def living(self, shard: str) -> bool:
        """Whether tasks of this shard may be alive here."""
        return self.runs.living(shard)

    def _seat(self, job: Job, now: Now) -> None:
        """What ran here before this life of the region, or of its desk, holds what it held."""
        if job.state in ALLOCATED_STATES:
            assert job.allocation is not None
            nodes = [task.node for task in job.allocation.tasks] if self.windows else []
            self.windows.make_way(nodes)
            self.capacity.take(job.id, job.shape, job.allocation, recovering=True)
            self.standing.resumed(job, job.allocation, now, known=False)
            self.windows.settle(nodes, now.mono_us)

    def _owner_of(self, job_id: str) -> tuple[str, str]:
        """Of a job that holds capacity, or is about to."""
        job = self.standing.running.jobs.get(job_id) or self._library.holder(job_id)
        assert job is not None, f"nobody knows {job_id}"
        return job.tenant, job.name

    # --- the cycle ------------------------------------------------------------------------------------------------

    def cycle(self, now: Now, out: Effects) -> None:
        """Start what can be started, at most so much in one step."""
        self.more = False
        if self._is_closed():
            self.scheduler.rest()
            if self.windows:
                self.alarm.ring_at(now.mono_us + _CLOSED_LOOK_US)
            return
        started = self.scheduler.run(now, STARTS_PER_STEP_MAX)
        for job, allocation in started:
            self.runs.start(job, allocation, out, self.scheduler.why.get(job.id, ""))
        for preempted in self.scheduler.preempted:
            self.runs.stop(preempted.victim.job, self._preempted(preempted), out)
        for evicted in self.scheduler.evicted:
            detail = f"{evicted.why}, policy {self.standing.policy.version}"
            self.runs.stop(evicted.job, Reason(ReasonCode.PREEMPTED, detail), out)
        self.more = self.scheduler.more

    def adopt(self, policy: Policy, now: Now) -> None:
        """Go on under another policy, with everything that waits and runs."""
        former = self.standing
        self.predictor.source = policy.backfill.runtime
        self.standing = Standing(policy, self.capacity, self.predictor, self.attainment)
        self.standing.inherit(former, now)
        for job in list(former.running.jobs.values()):
            self.standing.resumed(job, self.capacity.held(job.id)[1], now, known=True)
        for job_id in former.running.leaving:
            self.standing.running.leave(job_id, former.running.ends.end_us(job_id))
        self.windows.adopt(self.standing.running)
        self.queue.adopt(policy, self.standing.tenants, self.standing.quotas)
        self.scheduler.adopt(self.standing)

    def heed_windows(self, now: Now) -> None:
        """Reservations may have changed: the cycle is to look at the windows in this very step."""
        self.alarm.ring_by(now.mono_us)

    def _preempted(self, preempted: Preempted) -> Reason:
        """Why a running job is stopped: for whom, and by which rule."""
        waiting, version = preempted.waiting, self.standing.policy.version
        detail = f"for {waiting.id} ({waiting.name}): {preempted.victim.rule}, policy {version}"
        return Reason(ReasonCode.PREEMPTED, detail)

    @property
    def in_doubt(self) -> bool:
        """Whether the region may have forgotten what became of its jobs."""
        return self.runs.in_doubt

    @in_doubt.setter
    def in_doubt(self, in_doubt: bool) -> None:
        self.runs.in_doubt = self.arrays.in_doubt = in_doubt

    def _is_closed(self) -> bool:
        """Whether nothing may be launched now."""
        return self.draining or self.in_doubt or not self.runs.recovered or self.runs.has_orphans

    def found_attempt(self, job_id: str, epoch: int) -> int:
        """The newest attempt of this job at this epoch that the engine knew of at the start of this life; 0: none."""
        return self.runs.found_attempt(job_id, epoch)

    def stop(self, job: Job, reason: Reason, out: Effects) -> None:
        """End the job's present attempt, or those of an array's elements."""
        if job.array is None:
            self.runs.stop(job, reason, out)
        else:
            self.arrays.stop(job, reason, out)

    def stop_to_move(self, job: Job, reason: Reason, out: Effects) -> None:
        """End the job's present attempt so that it goes on elsewhere."""
        self.runs.stop_to_move(job, reason, out)

    def blocked_gang(self) -> Job | None:
        """The first job that is blocked by the nodes, if it is a gang for which running jobs may be moved, and some
        are."""
        if not self.runs.has_restartable or self._is_closed():
            return None
        return self.scheduler.blocked_gang()

    def make_room(
        self, gang: Job, movable: Sequence[Job], most: int, agreed: Callable[[list[Job]], bool], out: Effects
    ) -> list[Job]:
        """End the cheapest of these running jobs, at most so many, without which the blocked gang can start, if
        `agreed` says so of them; what they leave is the gang's. Returns them."""
        claim = self.scheduler.find_movable(gang, movable, most)
        victims = [] if claim is None else [victim.job for victim in claim.victims]
        if claim is None or not agreed(victims):
            return []
        self.scheduler.keep_for(claim)
        detail = f"makes room for {gang.id} ({gang.name}), policy {self.standing.policy.version}"
        for job in victims:
            self.runs.stop_to_move(job, Reason(ReasonCode.MOVING, detail), out)
        return victims

    def running(self) -> list[Job]:
        """The jobs that run here, and are not being stopped, in the order of their starts."""
        return self.runs.running()

    def restartable_newest(self, limit: int) -> list[Job]:
        """Of the last so many that may go on in another region those that run and are not being stopped, newest
        first."""
        return self.runs.restartable_newest(limit)

    def suspend(self, reason: Reason, out: Effects) -> None:
        """End every attempt that this life of the daemon began."""
        for job_id in list(self.runs.begun):
            job = self.runs.job(job_id)
            assert job is not None
            self.runs.stop(job, reason, out)

    def on_task_ended(self, event: TaskEnded, out: Effects) -> None:
        """A task is dead."""
        settled = self.runs.on_task_ended(event, out)
        if settled is not None:
            self._after(settled, out)
        for job_id in self.runs.ghosts_gone:
            self._bury(job_id)
        self.runs.ghosts_gone.clear()

    def on_recovered(self, found: tuple[FoundTask, ...], out: Effects) -> None:
        """The executor told what it found after a start."""
        for settled in self.runs.on_recovered(found, out):
            self._after(settled, out)

    def _after(self, settled: Settled, out: Effects) -> None:
        self._free(settled.job, run_us=settled.run_us, requeued=settled.requeued, by_itself=settled.by_itself)
        self.wait.observe_run(settled.job.shape, settled.run_us)
        self._end_haunting(settled.job.id)
        if settled.job.index is not None:
            self.arrays.after(settled.job, out)
        elif settled.requeued:
            self.enqueue(settled.job)

    def _bury(self, job_id: str) -> None:
        """An attempt that was nobody's any more is dead. (One that was found after a restart holds no capacity.)"""
        if self.capacity.holds(job_id) and self.runs.job(job_id) is None:
            self._free(self.standing.running.jobs[job_id], run_us=0, requeued=False, by_itself=False)
        self._end_haunting(job_id)

    def _free(self, job: Job, *, run_us: int, requeued: bool, by_itself: bool) -> None:
        """Nothing of this attempt holds capacity any more."""
        now = self._library.now
        allocation = self.capacity.held(job.id)[1]
        self.capacity.release(job.id)
        self.scheduler.note_end(task.node for task in allocation.tasks)
        self.standing.ended(job, now, run_us=run_us, requeued=requeued, by_itself=by_itself)
        if by_itself:
            self.experience.learn(job, run_us)
        if self.windows:
            self.windows.settle((task.node for task in allocation.tasks), now.mono_us)
            self.alarm.ring_by(self.windows.next_us)
        self.queue.tenant_changed(job.tenant, job.shape)
        if now.mono_us - self._saved_us >= ACCOUNTS_SAVE_US:
            self._saved_us = now.mono_us
            self._library.own.set_meta(META_SHARES, self.standing.tenants.saved(now))

    def _end_haunting(self, job_id: str) -> None:
        """Nothing of this job holds capacity any more: if it waits for that, it may start."""
        job = self._haunted.pop(job_id, None)
        if job is not None and not job.is_parked:
            self.queue.add(job)

    # --- nodes -----------------------------------------------------------------------------------------------------

    def has_node(self, name: str) -> bool:
        """Whether there is such a node."""
        return name in self.capacity.table.by_name

    def order_nodes(self, event: OrderNodes, out: Effects) -> None:
        """Cordon, uncordon or drain them."""
        for name in event.nodes:
            match event.order:
                case NodeOrder.CORDON:
                    self.capacity.cordon(name, event.why or "by hand")
                case NodeOrder.DRAIN:
                    self.capacity.cordon(name, event.why or "drained")
                    self._vacate(name, out)
                case NodeOrder.UNCORDON:
                    self.capacity.cordon(name, None)
                case _:
                    assert_never(event.order)
        cordoned = msgspec.json.encode(self.capacity.cordoned()).decode()
        self._library.own.set_meta(META_CORDONED, cordoned)

    def _vacate(self, node: str, out: Effects) -> None:
        """Stop whatever has a task on this node; it is queued again."""
        reason = Reason(ReasonCode.NODE_DRAINED, f"node {node} is drained")
        for job_id in sorted(self.capacity.table.by_name[node].jobs):
            job = self.runs.job(job_id)
            if job is not None:
                self.runs.stop(job, reason, out)

    def explain(self, job: Job, now: Now) -> LocalExplanation:
        """Why a queued job does not run here; of one that is not queued, what would become of it."""
        return Explainer(self.scheduler, self.queue, self.capacity, self.wait, self._region).explain(job, now)

    # --- what the federation side asks ------------------------------------------------------------------------------

    def slots(self, shape: Shape, limit: int, tenant: str = "") -> int:
        """How many jobs of this shape could start now, or follow those within a hop's round trip: a pipeline that is
        filled only when it is empty runs dry once in every round trip. Not more than the tenant has quota for."""
        if self._is_closed():
            return 0
        limit = min(limit, self.standing.quota_slots(tenant, shape, limit))
        free = self._spare(shape, tenant, limit)
        return min(limit, free + max(0, self._freed_within(shape, ACCEPT_AHEAD_US) - len(self.queue)))

    @property
    def may_have_spare(self) -> bool:
        """Whether something may be free here that nothing here can use."""
        return not self.queue.depth or self.scheduler.has_spare

    def _spare(self, shape: Shape, tenant: str, limit: int) -> int:
        """How many could start now without taking anything from what waits here, or from windows of reservations."""
        self.scheduler.at(self._library.now)
        if not self.queue:
            return self.scheduler.fitting(tenant, shape, self.wait.run_us(shape), limit)
        if self.queue.depth_of(shape.key):
            return 0
        return self.scheduler.spare(tenant, shape, self.wait.run_us(shape), limit)

    def knows_tier(self, tier: str) -> bool:
        """Whether the policy in force has it."""
        return tier in self.standing.policy.tier_names

    def never_fits(self, shape: Shape) -> str | None:
        """Why it could not run here even if everything were idle; None: it could."""
        return self.capacity.never_fits(shape)

    def never_admitted(self, tenant: str, shape: Shape) -> str | None:
        """Why the tenant's quota could not hold it even if nobody else used any; None: it could."""
        return self.standing.never_admitted(tenant, shape, self.capacity.never_fits)

    def has_quota(self, tenant: str, shape: Shape) -> bool:
        """Whether the tenant's quota has something left for it now."""
        return self.standing.quota_slots(tenant, shape, 1) > 0

    def predicted_wait_us(self, shape: Shape) -> int:
        """How long a job of this shape that is queued now would wait."""
        if self.draining or self.in_doubt or self.never_fits(shape) is not None:
            return FOR_EVER_US
        if refused_here(self._region, shape.body) is not None:
            return FOR_EVER_US
        return self.wait.predicted_wait_us(shape)

    def is_blocked(self, shape_key: bytes) -> bool:
        """Whether jobs of this shape wait here, for want of room."""
        return self.queue.depth_of(shape_key) > 0

    def queue_wait_us(self) -> int:
        """How long the last job of the queue will wait; 0 if nothing is queued."""
        return self.wait.queue_wait_us()

    def waiting_shapes(self, limit: int) -> list[Shape]:
        """Shapes that are blocked here, in the order in which they would be served."""
        return self.queue.first_shapes(limit)

    def waiting(self, shape_key: bytes, limit: int) -> list[Job]:
        """The first queued jobs of a shape, in order; not those for which others are being stopped here."""
        jobs = self.queue.first_of(shape_key, limit)
        if not self.scheduler.claims:
            return [job for job in jobs if job.state is JobState.QUEUED]
        return [job for job in jobs if self._may_leave(job)]

    def waiting_spread(self, shape_key: bytes, from_us: int, until_us: int, count: int) -> list[Job]:
        """So many queued jobs of a shape, evenly spread over those that would start between these waits, as if the last
        one waited `until_us`."""
        jobs = self.queue.spread_of(shape_key, from_us, until_us, count)
        return [job for job in jobs if self._may_leave(job)]

    def is_waiting(self, job: Job) -> bool:
        """Whether it is queued, could start as soon as there is room, and nobody is being stopped for it."""
        return self.queue.get(job.id) is job and self._may_leave(job)

    def _may_leave(self, job: Job) -> bool:
        """Whether nobody is being stopped for it, and (of an array) nothing of it runs."""
        return job.state is JobState.QUEUED and not self.scheduler.claimed(job.id)

    def numerous_shapes(self, limit: int) -> list[Shape]:
        """The shapes with most queued jobs, most numerous first."""
        return self.queue.numerous_shapes(limit)

    def added_wait_us(self, shape: Shape) -> int:
        """By how much one more job of this shape prolongs the queue."""
        return self.wait.added_wait_us(shape)

    def learn(self, job: Job, run_us: int) -> None:
        """A job of this home has run elsewhere to its own end: what is like it waits here."""
        self.experience.learn(job, run_us)

    def enqueue(self, job: Job) -> None:
        """This QUEUED job waits for capacity here, unless it is parked; one of a shard only while there is a lease to
        run it under."""
        if job.is_parked or (job.shard and job.shard not in self._library.leases):
            return
        if job.array is not None:
            self.arrays.enqueue(job)
        elif self.capacity.holds(job.id):
            self._haunted[job.id] = job
        else:
            self.queue.add(job)

    def readmit(self, job: Job) -> None:
        """It waited outside the queue for its rights, and may start now."""
        self.queue.add(job)

    def dequeue(self, job: Job) -> None:
        """It does not any more. One of a shard may only have lost its lease."""
        self._haunted.pop(job.id, None)
        self.scheduler.gate.forget(job)
        self.queue.discard(job.id)
        if not job.shard or job.shard in self._library.leases:
            self._leaves(job)

    def _leaves(self, job: Job) -> None:
        """A job that waited is not this region's any more: what was promised to it is over."""
        tier = self.standing.tiers.tier(job.shape.body.tier)
        for job_id in (job.id,) if job.array is None else self.arrays.begun(job):
            self.attainment.ended(job_id, job.tenant, tier, self._library.now)

    def _freed_within(self, shape: Shape, within_us: int) -> int:
        """How many jobs of this shape, running here one after another on everything there is, end in this time."""
        if not shape.total:
            return ACCEPT_AHEAD_MAX
        at_once = times_fitting(shape.total, self.capacity.capacity_total())
        return min(ACCEPT_AHEAD_MAX, at_once * within_us // max(1, self.wait.run_us(shape)))
