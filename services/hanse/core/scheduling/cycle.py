"""The scheduling cycle: from queued jobs to allocations, and to those that are stopped for them.

    0  wake       what was blocked is looked at again if something that blocked it was released
    1  claims     jobs for which others were stopped start as soon as these are gone; then, in open windows of
                  reservations, jobs of those that they are for (reserved.py); who is in the way of a window has to
                  leave (evictions.py)
    2  order      the first job that is not parked (queue.py)
    3  admit      in one way after another (ways.py): quota (quota.py)
    4  place      nodes, by all rules of the job (placement.py)
    5  backfill   not what would be in the way of a window (crossings.py), or delay a job that is before it and blocked
                  (backfill.py)
    6  preempt    for the first that is blocked, if it is entitled and would wait long otherwise (preemption.py)
    7  start      if it has its rights of global quotas (gate.py); without them it leaves the queue, and waits for them

While nobody is blocked, 2 to 4 and 7 are done for many jobs at once (rounds.py).

A shape that was blocked stays parked until capacity is released: nothing else can give it room, but for jobs that want
to be near others, which a start may help. So an arrival behind a blocked shape costs next to nothing, and a cycle costs
one placement for each job that starts and each shape that does not.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Sequence

import msgspec

from hanse.core.model.deadlines import NEVER_US, Alarm
from hanse.core.model.jobs import Allocation, Job, Shape
from hanse.core.model.limits import (
    BACKFILL_DENIALS_MAX,
    BACKFILL_TRIES_MAX,
    CLAIMS_MAX,
    EVICTIONS_LOOK_US,
    FORESEEN_AGAIN_US,
    RESERVATION_STARTS_TRIED_MAX,
)
from hanse.core.model.time import Now
from hanse.core.scheduling.admission import refused_here
from hanse.core.scheduling.backfill import Candidate, Outlook, Reservation, beside
from hanse.core.scheduling.claims import Claims
from hanse.core.scheduling.cohorts import QuotaRoot
from hanse.core.scheduling.conservative import Plan
from hanse.core.scheduling.crossings import Crossings
from hanse.core.scheduling.evictions import Evicted, Evictions
from hanse.core.scheduling.gate import OPEN_GATE, StartGate
from hanse.core.scheduling.lanes import Group, Lane
from hanse.core.scheduling.placement import Capacity
from hanse.core.scheduling.preemption import Claim, Preemption, Victim
from hanse.core.scheduling.queue import JobQueue
from hanse.core.scheduling.quota import held_by
from hanse.core.scheduling.reservation_grounds import ReservationGrounds
from hanse.core.scheduling.reserved import ReservedRoom
from hanse.core.scheduling.rounds import Rounds
from hanse.core.scheduling.standing import Standing
from hanse.core.scheduling.trial import Trial
from hanse.core.scheduling.unfolding import WHOLE_JOBS, Unfolding
from hanse.core.scheduling.wakeups import NODES_MAX, may_have_room
from hanse.core.scheduling.ways import Way
from hanse.core.scheduling.windows import Window, Windows


class Preempted(msgspec.Struct, frozen=True):
    """A running job that is to be stopped for a waiting one."""

    victim: Victim
    waiting: Job


class _Verdict(enum.Enum):
    STARTED = enum.auto()
    NO_RIGHTS = enum.auto()
    NOT_HERE = enum.auto()
    NO_QUOTA = enum.auto()
    NO_ROOM = enum.auto()
    WOULD_DELAY = enum.auto()


class _Head(msgspec.Struct):
    """The first job that is blocked by the nodes, or by one tree of quotas. The reservation is made when it is first
    asked for; `hopeless`: there is none within what can be seen."""

    job: Job
    root: QuotaRoot | None
    reservation: Reservation | None = None
    hopeless: bool = False


class Scheduler:
    """Decides what starts in this region. The caller records every start that `run` returns, stops what `preempted`
    and `evicted` name, and tells its standing and the windows (`ended`, `settle`) when a job holds nothing any more."""

    def __init__(
        self,
        queue: JobQueue,
        capacity: Capacity,
        region: str,
        standing: Standing | None = None,
        windows: Windows | None = None,
    ) -> None:
        self._queue = queue
        self._capacity = capacity
        self._region = region
        # Global quotas (federation/escrow): who may not start for want of rights waits outside the queue.
        self.gate: StartGate = OPEN_GATE
        # What of a job starts: of an array an element, while its entry stays in the queue.
        self.unfolding: Unfolding = WHOLE_JOBS
        self._seen_version = capacity.version
        self._seen_reorders = 0
        # The nodes of each job that has ended since the last cycle.
        self._ended: list[tuple[str, ...]] = []
        # On which nodes classes that were woken may have room; None: on any.
        self._fresh: dict[str, None] | None = None
        self._cut_short = False
        # Whether the last cycle stopped at its limit, so that another one should follow at once.
        self.more = False
        # When something that was foreseen should have come true.
        self.alarm = Alarm()
        self.preempted: list[Preempted] = []
        self.evicted: list[Evicted] = []
        # When somebody has to leave for a window next, and until when nobody is looked for.
        self._next_eviction_us = NEVER_US
        self._evictions_seen = (-1, 0)
        # Jobs that left the queue in this cycle to wait for their rights.
        self._set_aside = 0
        # By job that was started in the last cycle: by which part of the policy, if it is not simply its turn.
        self.why: dict[str, str] = {}
        self._now = Now(mono_us=0, wall_us=0)
        standing = standing or Standing.plain(capacity)
        self.windows = Windows(capacity, standing.running) if windows is None else windows
        self.crossings = Crossings(self.windows)
        self.reserved = ReservedRoom(self.windows, queue)
        self._seen_windows = self.windows.version
        self._adopt(standing)

    def _adopt(self, standing: Standing) -> None:
        self._standing = standing
        self._mode = standing.policy.backfill.mode
        self._heads: dict[str, _Head] = {}
        self._claims = Claims(self._capacity, standing)
        self._tries: dict[tuple[object, ...], int] = {}
        # Whether the next head was looked for in this cycle, since the last one started.
        self._sought = False
        # By what a job was found blocked in this cycle: the nodes (""), or trees of quotas. Those after it are later.
        self._found_blocked: dict[str, None] = {}
        claims, windows, crossings = self._claims, self.windows, self.crossings
        self._outlook = Outlook(
            self._capacity, standing, claims.world, claims.used, self._is_counted, crossings
        )
        self._preemption = Preemption(self._capacity, standing, claims.world, claims.used, crossings)
        self._evictions = Evictions(windows, crossings, standing)
        self.reservation_grounds = ReservationGrounds(windows, crossings, standing)
        # The state of nodes and queue that the plan was made for.
        self._planned = (-1, -1)
        self._plan = Plan(self._capacity, standing, claims.world, claims.used, crossings)
        self._rounds = Rounds(self._queue, self._capacity, standing, self._region)

    def adopt(self, standing: Standing) -> None:
        """Go on under another policy. Claims are given up: their victims' capacity goes to whoever is first now."""
        self._adopt(standing)
        self.alarm.ring_at(NEVER_US)

    def _is_counted(self) -> bool:
        """Whether counting what is free tells what has room: nothing is claimed, and no windows are ahead."""
        return not self._claims and not self.windows

    @property
    def standing(self) -> Standing:
        """The policy in force, with its books."""
        return self._standing

    @property
    def claims(self) -> int:
        """For how many jobs others are being stopped."""
        return len(self._claims)

    def claimed(self, job_id: str) -> bool:
        """Whether others are being stopped for this job."""
        return job_id in self._claims

    def at(self, now: Now) -> None:
        """It is now; to be told before questions."""
        self._now = now

    @property
    def now_us(self) -> int:
        """When the last cycle or question was."""
        return self._now.mono_us

    def delayed_by(self, job: Job) -> Reservation | None:
        """For whom room is kept that this queued job could have now; None: that is not why it waits."""
        if job.id not in self._queue:
            return None
        for way in self._standing.ways_of(job):
            allocation = way.place(self._capacity)
            if allocation is None:
                continue
            candidate = self._candidate(job, way)
            for reservation in self.in_the_way(candidate):
                if not reservation.admits(candidate, allocation):
                    return reservation
        return None

    @property
    def has_spare(self) -> bool:
        """Whether all that waits here has been looked at and has no room, so that what is free may be others'."""
        return not (self.more or self._cut_short or self._claims) and self._mode in ("none", "easy")

    def spare(self, tenant: str, shape: Shape, run_us: int, limit: int) -> int:
        """How many jobs of this shape that are not here yet could start now, beside all that waits here and has no
        room, without delaying the first of it; at most `limit`. Each is expected to run for so long."""
        if not self.has_spare:
            return 0
        starts: list[Reservation] = []
        if self._mode == "easy":
            found = [self._reservation_of(head) for head in self._heads.values()]
            starts = [each for each in found if each is not None]
        end_us = self._now.mono_us + run_us
        binding = [each for each in starts if end_us > each.starts_us]
        return self._fitting_beside(tenant, shape, end_us, limit, binding)

    def fitting(self, tenant: str, shape: Shape, run_us: int, limit: int) -> int:
        """The same where nothing waits here."""
        return self._fitting_beside(tenant, shape, self._now.mono_us + run_us, limit, [])

    def _fitting_beside(
        self, tenant: str, shape: Shape, end_us: int, limit: int, binding: list[Reservation]
    ) -> int:
        """One at most if there is anything to keep clear of: then the next one is asked about when it comes."""
        now_us = self._now.mono_us
        if not binding and not self.crossings.crossed(tenant, now_us, end_us):
            return self._capacity.fitting(shape, limit)
        trial = Trial(self._capacity.table)
        self.crossings.heed(trial, tenant, now_us, end_us)
        ways = self._standing.ways.of(self._standing.quotas.queue_of(tenant, shape), shape)
        return min(limit, sum(1 for way in ways[:1] if beside(trial, way, binding)))

    def in_the_way(self, candidate: Candidate, besides: str = "") -> list[Reservation]:
        """What a candidate would have to heed now, for those that ask: nobody is looked for. `besides`: not what is
        kept for this job."""
        claims = self._claims.binding(candidate.job)
        heads = self._of_heads(candidate, besides)
        return [*(each for each in claims if each.job.id != besides), *(each for each, _ in heads)]

    def would_start(self, job: Job, way: Way, besides: str = "") -> Allocation | None:
        """Where this job would start now in this way, delaying nobody, as if the job `besides` were not there."""
        if not self.gate.may_start(job) or not way.has_quota():
            return None
        reserved = self._reserved_room(job, way)
        if reserved is not None:
            return reserved
        if self._mode == "conservative":
            return self._plan.starts_now(job, way, self._now.mono_us, besides)
        allocation = way.place(self._capacity) or self.reserved.beside(job, way)
        if allocation is None:
            return None
        candidate = self._candidate(job, way)
        allocation = self._clear_of_windows(candidate, allocation)
        if allocation is None:
            return None
        reservations = self.in_the_way(candidate, besides)
        if not all(each.quota_admits(candidate) for each in reservations):
            return None
        if all(each.admits(candidate, allocation) for each in reservations):
            return allocation
        return self._beside(candidate, reservations)

    def _reserved_room(self, job: Job, way: Way) -> Allocation | None:
        """Room within what is set aside for the job's tenant now."""
        for window in self.windows.open() if self.windows else ():
            if window.holds and window.reservation.is_for(job.tenant):
                found = self.reserved.place(window, job, (way,))
                if (
                    found is not None
                    and self._clear_of_windows(self._candidate(job, way), found[1]) == found[1]
                ):
                    return found[1]
        return None

    def _beside(self, candidate: Candidate, reservations: list[Reservation]) -> Allocation | None:
        """Where it has room now away from all that is reserved, and from the windows that it would cross."""
        trial = Trial(self._capacity.table)
        self.crossings.heed(trial, candidate.job.tenant, self._now.mono_us, candidate.end_us)
        return beside(trial, candidate.way, reservations)

    def would_stop(self, job: Job, besides: str = "") -> tuple[Victim, ...]:
        """Whom the cycle would stop for this job, if it could not start now: it has to be the first that is blocked."""
        if self._mode == "conservative" or len(self._claims) >= CLAIMS_MAX:
            return ()
        if not self._preemption.entitled(job) or not self.gate.may_start(job):
            return ()
        affordable = [way for way in self._standing.ways_of(job) if way.has_quota()]
        if any(way.place(self._capacity) is not None for way in affordable):
            return ()  # It has room, which is kept for others.
        lacks_quota = not affordable
        queue = self._standing.quotas.queue_of(job.tenant, job.shape)
        root = queue.root if lacks_quota and queue is not None else None
        head = self._heads.get(root.name if root is not None else "")
        if head is not None and head.job.id != besides and not self._queue.goes_before(job, head.job):
            return ()
        if head is None and root is None and self._parked_before(job, besides) is not None:
            return ()
        if self._starts_soon(_Head(job, root)):
            return ()
        claim = self._preemption.find(job, self._now.mono_us)
        return () if claim is None else claim.victims

    def planned_before(self, job: Job) -> list[Job]:
        """Jobs with places in the plan that this one would delay if it started now; in no order that matters."""
        return self._plan.in_the_way(job, self._now.mono_us)

    def stopping_for(self, job_id: str) -> Claim | None:
        """Who is being stopped for this job; None: nobody."""
        return self._claims.of(job_id)

    def reserved_start_us(self, job: Job) -> int | None:
        """When room is kept for this job, or planned (mono); None: none is."""
        starts = [each.starts_us for each in self.reservations() if each.job is job]
        planned = self._plan.starts_us(job.id)
        return min([*starts, *([] if planned is None else [planned])], default=None)

    def foreseen_us(self, job: Job) -> int | None:
        """When the job will have room by what is predicted, windows of reservations included (mono), if nobody else
        took it; None: not within what can be seen."""
        found = self._outlook.reserve(job, self._now.mono_us, nodes=True)
        return None if found is None else found.starts_us

    def reservations(self) -> list[Reservation]:
        """All that is reserved at present, for those that explain and check."""
        heads = [head.reservation for head in self._heads.values() if head.reservation is not None]
        return [*heads, *(claim.reservation for claim in self._claims)]

    def rest(self) -> None:
        """Nothing may be started at present."""
        self.more = False
        self.alarm.ring_at(NEVER_US)

    def run(self, now: Now, limit: int) -> list[tuple[Job, Allocation]]:
        """One cycle: at most `limit` jobs, in the order in which they were decided. They have left the queue and hold
        their allocation; there is no way back but `Capacity.release`."""
        self._now = now
        self._set_aside = 0
        self.preempted = []
        self.why = {}
        self._queue.tick(now)
        self.windows.tick(now)
        started: list[tuple[Job, Allocation]] = []
        self._wake()
        self._honour_claims(started)
        self._evict()
        self.more = False
        self._use_reserved(started, limit)
        if self._mode == "conservative":
            self._run_plan(started, limit)
        else:
            self._run_in_order(started, limit)
            if not self.more:
                self._use_reserved(started, limit, beside=True)
        self._set_alarm()
        return started

    def _run_in_order(self, started: list[tuple[Job, Allocation]], limit: int) -> None:
        self._tries = {}
        self._found_blocked = {}
        self._sought = False
        delayers = 0
        self._cut_short = True
        while (lane := self._queue.best_lane()) is not None:
            if len(started) + self._set_aside >= limit:
                self.more = True
                return
            if self._mode == "strict" and self._is_behind(lane):
                return
            if self._run_round(started, limit):
                continue
            verdict, root = self._try(lane, started)
            match verdict:
                case _Verdict.STARTED | _Verdict.NO_RIGHTS:
                    pass
                case _Verdict.NOT_HERE:
                    self._queue.park(lane)
                case _Verdict.NO_QUOTA:
                    self._blocked(lane, root)
                    self._park_for_quota(lane, root)
                case _Verdict.NO_ROOM:
                    self._blocked(lane, None)
                    self._park_for_nodes(lane)
                case _Verdict.WOULD_DELAY:
                    self._park_delayer(lane, root)
                    delayers += 1
                    if delayers >= BACKFILL_DENIALS_MAX:
                        return  # Those after them are looked at in the next cycle.
        self._cut_short = False
        self._seek_head()

    def _run_round(self, started: list[tuple[Job, Allocation]], limit: int) -> bool:
        """Start all that can be started without looking at each by itself; whether there was anybody. Not while
        somebody is blocked, or nodes are reserved: then a start may be in the way of others."""
        if self._heads or self._claims or self.windows:
            return False
        left = limit - len(started) - self._set_aside
        found = self._rounds.run(self._now, left, self.gate, self.why)
        started += found
        return bool(found)

    def _is_behind(self, lane: Lane) -> bool:
        """Whether somebody goes before this lane's first job and is blocked, by the nodes or by the same quotas."""
        self._seek_head()
        names = ("",) if lane.quota is None else ("", lane.quota.root.name)
        heads = [self._heads[name] for name in names if name in self._heads]
        return any(self._queue.goes_before(head.job, lane.jobs.first) for head in heads)

    # -- 0. wake

    def _wake(self) -> None:
        now_us = self._now.mono_us
        self._standing.running.correct(now_us)
        self._wake_for_windows()
        self._wake_for_nodes()
        for root in self._standing.take_released():
            self._heads.pop(root.name, None)
            self._queue.reopen_root(root)
        for name, head in list(self._heads.items()):
            gone = self._queue.get(head.job.id) is not head.job
            due = head.reservation is not None and head.reservation.starts_us <= now_us
            if gone or due:
                del self._heads[name]
                self._reopen(head.root)

    def _wake_for_windows(self) -> None:
        """Windows have opened or ended: who may have room where is another question."""
        if self.windows.version != self._seen_windows:
            self._seen_windows = self.windows.version
            self._fresh = None
            self._heads.pop("", None)
            self._queue.reopen()
            self._planned = (-1, -1)

    def _wake_for_nodes(self) -> None:
        """Look again at what may have room now. The first that is blocked is worth a look in any case once the order
        is another one."""
        version, self._seen_version = self._seen_version, self._capacity.version
        ended, self._ended = self._ended, []
        reordered, self._seen_reorders = self._queue.reorders != self._seen_reorders, self._queue.reorders
        if version == self._capacity.version:
            return
        nodes = dict.fromkeys(node for each in ended for node in each)
        if self._cut_short:
            # Not all that was woken for earlier ends has been looked at.
            self._fresh = None if self._fresh is None else self._fresh | nodes
        else:
            self._fresh = nodes
        if reordered or len(ended) != self._capacity.version - version or len(nodes) > NODES_MAX:
            self._fresh = None
            self._heads.pop("", None)
            self._queue.reopen()
            return
        table = self._capacity.table
        head = self._heads.get("")
        if head is not None:
            if may_have_room(table, head.job.shape, nodes):
                del self._heads[""]
            else:
                # What ended may have brought it nearer.
                head.reservation, head.hopeless = None, False
        self._queue.reopen(lambda shape: may_have_room(table, shape, nodes))

    def note_end(self, nodes: Iterable[str]) -> None:
        """A job has just given back what it held on these nodes."""
        self._ended.append(tuple(nodes))

    def _reopen(self, root: QuotaRoot | None) -> None:
        if root is None:
            self._queue.reopen()
        else:
            self._queue.reopen_root(root)

    def _set_alarm(self) -> None:
        now_us = self._now.mono_us
        due = [head.reservation.starts_us for head in self._heads.values() if head.reservation is not None]
        # Who should have started in this very cycle and did not is not asked for at once again.
        due = [starts_us if starts_us > now_us else now_us + FORESEEN_AGAIN_US for starts_us in due]
        if self._mode == "conservative":
            due.append(self._plan.next_us())
        if self.windows:
            due += [self.windows.next_us, self._next_eviction_us]
        self.alarm.ring_at(max(now_us + 1, min(due, default=NEVER_US)))

    # -- 1. claims

    def _honour_claims(self, started: list[tuple[Job, Allocation]]) -> None:
        if not self._claims:
            return
        for claim in list(self._claims):
            if self._queue.get(claim.reservation.job.id) is not claim.reservation.job:
                self._drop(claim)
        for claim in self._claims.vacated():
            self._drop(claim)
            job, way = claim.reservation.job, claim.reservation.way
            allocation = self._room_for(claim.reservation)
            if allocation is not None:
                allocation = self._clear_of_windows(self._candidate(job, way), allocation)
            if allocation is not None and self._has_rights(job):
                self._start(self._candidate(job, way), allocation, started)
                rule, version = claim.victims[0].rule, self._standing.policy.version
                self.why[job.id] = f"{len(claim.victims)} jobs were stopped for it: {rule}, policy {version}"

    def _room_for(self, reservation: Reservation) -> Allocation | None:
        """The nodes that were foreseen, or others if these have gone meanwhile."""
        way, foreseen = reservation.way, reservation.allocation
        if not way.has_quota():
            return None
        job = reservation.job
        if foreseen is not None and self._capacity.admits(job.shape, foreseen):
            return foreseen
        return way.place(self._capacity) or self.reserved.beside(job, way)

    def _drop(self, claim: Claim) -> None:
        self._claims.drop(claim)
        self._queue.reopen()
        if claim.reservation.way.queue is not None:
            self._queue.reopen_root(claim.reservation.way.queue.root)

    def _clear_of_windows(self, candidate: Candidate, allocation: Allocation) -> Allocation | None:
        return self.crossings.clear_of(candidate, allocation, self._now.mono_us)

    # -- windows of reservations

    def _evict(self) -> None:
        """Who is in the way of a window has to leave, in time for it."""
        self.evicted = []
        now_us = self._now.mono_us
        version, until_us = self._evictions_seen
        if not self.windows or (self.windows.version == version and now_us < until_us):
            return
        self.evicted, self._next_eviction_us = self._evictions.due(now_us)
        self._evictions_seen = (
            self.windows.version,
            min(self._next_eviction_us, now_us + EVICTIONS_LOOK_US),
        )
        for each in self.evicted:
            self._standing.running.leave(each.job.id, self._now.mono_us + each.job.grace_us)

    def _use_reserved(
        self, started: list[tuple[Job, Allocation]], limit: int, *, beside: bool = False
    ) -> None:
        """Jobs of a window's tenant start in what is set aside for it, whoever else waits; `beside`: and in what all
        others have left beside it."""
        for window in self.reserved.windows(beside=beside) if self.windows else ():
            if not self._offer(
                window, started, limit, self._start_beside if beside else self._start_reserved
            ):
                return
            self.reserved.in_vain(window, beside=beside)

    def _offer(
        self,
        window: Window,
        started: list[tuple[Job, Allocation]],
        limit: int,
        start: Callable[[Window, Lane, list[tuple[Job, Allocation]]], bool],
    ) -> bool:
        """Whether all lanes were looked at, or as many as may be."""
        tried = 0
        for lane in self.reserved.lanes(window):
            while len(lane.jobs):
                if len(started) + self._set_aside >= limit:
                    self.more = True
                    return False
                if tried >= RESERVATION_STARTS_TRIED_MAX:
                    return True
                tried += 1
                if not start(window, lane, started):
                    break
        return True

    def _start_reserved(self, window: Window, lane: Lane, started: list[tuple[Job, Allocation]]) -> bool:
        """Whether the first job of the lane has left the queue."""
        job = lane.jobs.first
        if refused_here(self._region, job.shape.body) is not None:
            return False
        found = self.reserved.place(window, job, self._ways(lane))
        if found is None:
            return False
        way, allocation = found
        candidate = self._candidate(job, way)
        if self._clear_of_windows(candidate, allocation) != allocation:
            return False
        self._start_in(window, candidate, allocation, started)
        return True

    def _start_beside(self, window: Window, lane: Lane, started: list[tuple[Job, Allocation]]) -> bool:
        """Whether the first job of the lane has left the queue, delaying nobody."""
        job = lane.jobs.first
        if refused_here(self._region, job.shape.body) is not None:
            return False
        if self._mode == "strict" and self._is_behind(lane):
            return False
        for way in self._ways(lane):
            if way.queue is not None and way.bound(way.queue.root.usage) is not None:
                continue
            allocation = self.reserved.beside(job, way)
            if allocation is None:
                continue
            candidate = self._candidate(job, way)
            if self._undelaying(candidate, allocation)[0] == allocation:
                self._start_in(window, candidate, allocation, started)
                return True
        return False

    def _start_in(
        self,
        window: Window,
        candidate: Candidate,
        allocation: Allocation,
        started: list[tuple[Job, Allocation]],
    ) -> None:
        if self._has_rights(candidate.job):
            self._start(candidate, allocation, started)
            version = self._standing.policy.version
            self.why[candidate.job.id] = f"in reservation {window.reservation.name}, policy {version}"

    # -- 3. admit, 4. place, 5. backfill

    def _try(self, lane: Lane, started: list[tuple[Job, Allocation]]) -> tuple[_Verdict, QuotaRoot | None]:
        """Start the first job of a lane if it may; else why not, and (if it is quota) whose."""
        job = lane.jobs.first
        if refused_here(self._region, job.shape.body) is not None:
            return _Verdict.NOT_HERE, None
        root = lane.quota.root if lane.quota is not None else None
        verdict = _Verdict.NO_QUOTA
        for way in self._ways(lane):
            if not way.has_quota():
                continue
            allocation = None if self._used_up(lane) else way.place(self._capacity)
            if allocation is None:
                verdict = _Verdict.NO_ROOM if verdict is _Verdict.NO_QUOTA else verdict
                continue
            candidate = self._candidate(job, way)
            allocation, delayed = self._undelaying(candidate, allocation)
            if allocation is not None and not self._has_rights(job):
                return _Verdict.NO_RIGHTS, None
            if allocation is not None:
                self._start(candidate, allocation, started)
                return _Verdict.STARTED, None
            verdict = _Verdict.WOULD_DELAY
            root = delayed
        return verdict, root

    def _ways(self, lane: Lane) -> tuple[Way, ...]:
        if lane.ways is None:
            lane.ways = self._standing.ways.of(lane.quota, lane.shape)
        return lane.ways

    def _used_up(self, lane: Lane) -> bool:
        """Whether what ended since the lane's class was blocked has gone to others already."""
        placement = lane.group.placement
        if self._fresh is None or not placement.woken:
            return False
        return not may_have_room(self._capacity.table, lane.shape, self._fresh)

    def _candidate(self, job: Job, way: Way) -> Candidate:
        return Candidate(job, way, self._now.mono_us + self._standing.predictor.predict_us(job))

    def _undelaying(
        self, candidate: Candidate, allocation: Allocation
    ) -> tuple[Allocation | None, QuotaRoot | None]:
        """Where the candidate may start so that nobody is delayed. None: nowhere, and whom it would delay: somebody
        in this tree of quotas, or (None) on the nodes."""
        clear = self._clear_of_windows(candidate, allocation)
        if clear is None or (not self._heads and not self._claims):
            return clear, None
        allocation = clear
        bindings = self._bindings(candidate)
        for reservation, root in bindings:
            if not reservation.quota_admits(candidate):
                return None, root
        reservations = [reservation for reservation, _ in bindings]
        if all(each.admits(candidate, allocation) for each in reservations):
            return allocation, None
        return self._beside(candidate, reservations), None

    def _bindings(self, candidate: Candidate) -> list[tuple[Reservation, QuotaRoot | None]]:
        """The reservations that this candidate has to heed, and by whose release they change."""
        found: list[tuple[Reservation, QuotaRoot | None]] = [
            (reservation, None) for reservation in self._claims.binding(candidate.job)
        ]
        if self._mode == "none":
            return found
        self._seek_head()
        return found + self._of_heads(candidate, besides=candidate.job.id)

    def _of_heads(
        self, candidate: Candidate, besides: str = ""
    ) -> list[tuple[Reservation, QuotaRoot | None]]:
        """The reservations of heads that go before the candidate; not that of the job `besides`."""
        found: list[tuple[Reservation, QuotaRoot | None]] = []
        queue = candidate.way.queue
        names = ("",) if queue is None else ("", queue.root.name)
        for name in names:
            head = self._heads.get(name)
            if head is None or head.job.id == besides or self._queue.goes_before(candidate.job, head.job):
                continue
            reservation = self._reservation_of(head)
            if reservation is not None and candidate.end_us > reservation.starts_us:
                found.append((reservation, head.root))
        return found

    def _reservation_of(self, head: _Head) -> Reservation | None:
        if head.reservation is None and not head.hopeless:
            head.reservation = self._outlook.reserve(head.job, self._now.mono_us, nodes=head.root is None)
            head.hopeless = head.reservation is None
        return head.reservation

    def _has_rights(self, job: Job) -> bool:
        """Whether global quotas let it start now. If they don't, it has left the queue."""
        if self.gate.may_start(job):
            return True
        self._leave_queue(job)
        self.gate.set_aside(job)
        self._set_aside += 1
        return False

    def _leave_queue(self, job: Job) -> None:
        """It starts, or waits elsewhere."""
        self._let_go(job)
        self._queue.discard(job.id)

    def _let_go(self, job: Job) -> None:
        """Nothing is kept for it any more."""
        claim = self._claims.of(job.id)
        if claim is not None:
            # What its victims leave is for whoever is first then.
            self._drop(claim)
        self._forget_head(job)

    def _start(
        self, candidate: Candidate, allocation: Allocation, started: list[tuple[Job, Allocation]]
    ) -> None:
        self._let_go(candidate.job)
        job = self.unfolding.next_of(candidate.job)
        self._queue.took(candidate.job)
        for reservation in self.reservations():
            reservation.note_start(candidate, allocation)
        self.gate.take(job)
        nodes = [task.node for task in allocation.tasks] if self.windows else []
        if self.windows.are_for(job.tenant):
            self.windows.make_way(nodes)
        self._capacity.take(job.id, job.shape, allocation)
        held = held_by(job.shape, allocation)
        self._standing.started(job, candidate.way, held, candidate.end_us, self._now)
        self.windows.settle(nodes, self._now.mono_us)
        self._queue.neighbour_started(job)
        self._explain_start(job, candidate)
        started.append((job, allocation))

    def _explain_start(self, job: Job, candidate: Candidate) -> None:
        grounds, queue = [], candidate.way.queue
        if queue is not None:
            flavour = f", flavour {candidate.way.flavour}" if candidate.way.flavour else ""
            grounds.append(f"queue {queue.name}{flavour}")
        head = self._heads.get("") or self._heads.get(queue.root.name if queue else "")
        if head is not None and head.reservation is not None:
            grounds.append(f"does not delay {head.job.id}")
        if grounds:
            self.why[job.id] = f"{', '.join(grounds)}, policy {self._standing.policy.version}"

    # -- what is blocked

    def _blocked(self, lane: Lane, root: QuotaRoot | None) -> None:
        """6. Preempt, or else keep its place: the first that is blocked is the head of what blocks it."""
        job = lane.jobs.first
        if job.id in self._claims:
            return
        name = root.name if root is not None else ""
        if name in self._found_blocked:
            return
        self._found_blocked[name] = None
        head = self._heads.get(name)
        if head is None and root is None:
            job = self._first_blocked_by_nodes(lane).jobs.first
        if head is not None and not self._queue.goes_before(job, head.job):
            return
        head = _Head(job, root)
        if self._preempt(head):
            # The next one that is blocked may do the same, or be the head.
            del self._found_blocked[name]
            return
        if self._mode in ("easy", "strict"):
            self._heads[name] = head

    def _first_blocked_by_nodes(self, lane: Lane) -> Lane:
        """This one, unless somebody goes before it who was blocked in an earlier cycle and is not looked at again."""
        return self._parked_before(lane.jobs.first) or lane

    def _parked_before(self, job: Job, besides: str = "") -> Lane | None:
        """The first lane that had no room when it was looked at last, if its first job goes before this one. Not that
        of the job `besides`."""
        parked = self._queue.first_without_room()
        if parked is None or refused_here(self._region, parked.shape.body) is not None:
            return None
        first = parked.jobs.first
        is_before = first.id not in self._claims and self._queue.goes_before(first, job)
        return parked if is_before and first.id != besides else None

    def _seek_head(self) -> None:
        """If the first that was blocked by the nodes has started or gone, the next one is among those that were not
        looked at again."""
        if "" in self._heads or self._sought:
            return
        self._sought = True
        lane = self._queue.first_without_room()
        if lane is not None and refused_here(self._region, lane.shape.body) is None:
            self._found_blocked.pop("", None)
            self._blocked(lane, None)

    def _preempt(self, head: _Head) -> bool:
        job = head.job
        if len(self._claims) >= CLAIMS_MAX:
            return False
        if not self._preemption.entitled(job) or not self.gate.may_start(job):
            return False
        if self._starts_soon(head):
            return False
        claim = self._preemption.find(job, self._now.mono_us)
        if claim is None:
            return False
        self._claims.add(claim)
        self.preempted += [Preempted(victim, job) for victim in claim.victims]
        return True

    # -- gangs that others make room for (federation/making_room.py)

    def blocked_gang(self) -> Job | None:
        """The first job that is blocked by the nodes, if it is a gang for which running jobs may be moved."""
        head = self._heads.get("")
        rules = self._standing.policy.preemption
        if (
            head is None
            or not (rules.enabled and rules.move_for_gangs)
            or self._queue.get(head.job.id) is not head.job
        ):
            return None
        is_gang = (head.job.shape.task_count or 0) > 1 and head.job.array is None
        return (
            head.job if is_gang and len(self._claims) < CLAIMS_MAX and self.gate.may_start(head.job) else None
        )

    def find_movable(self, gang: Job, movable: Sequence[Job], most: int) -> Claim | None:
        """Which of these running jobs, at most so many, would have to leave so that the blocked gang starts; None:
        that would not help, or it starts soon by itself."""
        head = self._heads.get("")
        if head is None or head.job is not gang or self._starts_soon(head):
            return None
        return self._preemption.find_among(gang, movable, most, self._now.mono_us)

    def keep_for(self, claim: Claim) -> None:
        """They are being stopped: what they leave is the gang's."""
        self._claims.add(claim)
        self._forget_head(claim.reservation.job)

    def _forget_head(self, job: Job) -> None:
        for name in [name for name, head in self._heads.items() if head.job is job]:
            del self._heads[name]
            self._sought = False

    def _starts_soon(self, head: _Head) -> bool:
        """Whether it will start by itself before others should be stopped for it."""
        soon_us = self._now.mono_us + self._standing.policy.preemption.patience_us
        next_end_us = next(iter(self._standing.running.ends), (NEVER_US, ""))[0]
        if next_end_us > soon_us:
            return False  # Nothing ends until then, so nothing is worked out.
        reservation = self._reservation_of(head)
        return reservation is not None and reservation.starts_us <= soon_us

    def _park_for_quota(self, lane: Lane, root: QuotaRoot | None) -> None:
        """Its whole group if the tree has too little for anybody, else only the lane: others have quota of their
        own, or may borrow more."""
        assert root is not None
        assert lane.quota is not None
        ways = self._ways(lane)
        bound = ways[0].bound(root.usage)
        if root.uniform and len(ways) == 1 and bound is not None and bound.node == root.name:
            self._queue.park_group(lane, root)
        else:
            self._queue.park_lane(lane, root)

    def _park_for_nodes(self, lane: Lane) -> None:
        """All that is placed alike, unless its queue makes a difference to where it may be placed."""
        if all(way.placed is lane.shape for way in self._ways(lane)):
            self._queue.park(lane)
        else:
            self._queue.park_lane(lane, None)

    def _park_delayer(self, lane: Lane, root: QuotaRoot | None) -> None:
        """Others of its group may be shorter; a few are tried."""
        group: Group = lane.group
        tries = self._tries[group.place] = self._tries.get(group.place, 0) + 1
        if tries < BACKFILL_TRIES_MAX:
            self._queue.park_lane(lane, root)
        else:
            self._queue.park_group(lane, root)

    # -- conservative backfill

    def _run_plan(self, started: list[tuple[Job, Allocation]], limit: int) -> None:
        """Each of the first jobs has a place in the plan, and whose place is now starts."""
        state = (self._capacity.version, self._queue.version)
        if state == self._planned and self._plan.next_us() > self._now.mono_us:
            return
        depth = self._standing.policy.backfill.depth
        jobs = self._queue.in_order(depth)
        # The places of those that have gone are free.
        self._plan.keep_only(jobs)
        for job in jobs:
            if len(started) + self._set_aside >= limit:
                self.more = True
                return
            if refused_here(self._region, job.shape.body) is not None:
                continue
            self._start_due(job, started, limit)
        if len(jobs) == depth and self._queue.version != state[1]:
            # Some have left, so that others have come within the depth.
            self.more = True
            return
        self._planned = (self._capacity.version, self._queue.version)

    def _start_due(self, job: Job, started: list[tuple[Job, Allocation]], limit: int) -> None:
        """Start it if its place is now; of an array as many elements. (The plan has a place for the next one only.)"""
        while (due := self._plan.book(job, self._now.mono_us)) is not None and self._has_rights(job):
            self._start(self._candidate(job, due.way), due.allocation, started)
            if job.id not in self._queue:
                return
            if len(started) + self._set_aside >= limit:
                self.more = True
                return
