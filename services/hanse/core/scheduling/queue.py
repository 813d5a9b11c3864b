"""The queue: who goes first, and what need not be looked at.

Order. Jobs that have waited longer than their tier lets them, oldest first; then by tier; queues that use less than
their own quota before those that use it all; tenants by what they have had (tenants.py); priority; age. Shares and
usage change with every start and every end, so an order is worked out for the heads of lanes only, when they are
looked at:

    lane     jobs of one tenant with one shape, by age
    stream   lanes of one tenant in one tier and one queue of the policy. Shares and usage move it as a whole
    class    what placement cannot tell apart: the same groups in the same regions. If one has no room, none has
    group    the lanes of one class whose queues share a tree of quotas. If the tree has nothing left for one, it has
             nothing for any

Each stream has a heap of its lanes, whose order among each other never changes, and one heap has the streams, by the
key that each had when it was put there. A key that has grown since (its tenant started something) is found when it
comes up, and put back. Keys that would become smaller (something ended, time passed) stay as they were shown until all
keys that this concerns are put right together: those of one tenant and its queue at once, all others when all keys are
worked out anew, at most once a second. So the jobs of one tenant never overtake each other because of when they were
looked at. Lanes whose first job is overdue are a stream of their own, before all others.

What is blocked is parked, as a whole class or group where that is known, so that finding work among 100,000 jobs of
ten classes costs ten placements and the starts, not 100,000 looks. A lane that comes up while its group is parked is
set aside with the group, so it comes up once.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator

from hanse.core.model.deadlines import NEVER_US
from hanse.core.model.jobs import Job, Shape, ShapeBody
from hanse.core.model.regions import QueuedShape
from hanse.core.model.time import SECOND_US, Now
from hanse.core.policy.model import Policy, Tier
from hanse.core.scheduling.cohorts import QuotaRoot
from hanse.core.scheduling.experience import Experience
from hanse.core.scheduling.lanes import (
    ClassKey,
    Group,
    Key,
    Lane,
    LaneEntry,
    PlacementClass,
    ShapeQueue,
    Stream,
    crowded,
)
from hanse.core.scheduling.quota import QuotaBook
from hanse.core.scheduling.tenants import Tenants
from hanse.core.scheduling.tiers import Tiers

# All keys are worked out anew this often at most, and so seldom that it takes no more than a twentieth of the time:
# a key costs some 3 us.
REORDER_US_MIN = SECOND_US
REORDER_US_PER_LANE = 60

# A tenant with more lanes than this is put right with all others: an end must not cost more than a fifth of a
# millisecond.
TENANT_LANES_MAX = 64

_START = Now(mono_us=0, wall_us=0)


def _class_key(body: ShapeBody) -> ClassKey:
    return (body.groups, body.within, body.regions_allow, body.regions_deny)


def _seeks(shape: Shape, job: Job) -> bool:
    """Whether jobs of this shape must be near such jobs."""
    affinities = (each for group in shape.body.groups if group.rules for each in group.rules.affinities)
    return any(
        each.tenant == job.tenant and each.name in ("", job.name)
        for each in affinities
        if not each.apart and not each.weight
    )


def _has_affinities(shape: Shape) -> bool:
    return any(group.rules is not None and group.rules.affinities for group in shape.body.groups)


def _rarity(queue: ShapeQueue) -> tuple[int, bytes]:
    return (-len(queue.jobs), queue.shape.key)


class JobQueue:
    """All queued jobs of a region, in the order of a policy, or of tiers that promise nothing, from first served to
    last. Unknown tiers come after them.

    `version` grows with every job that comes or goes.
    """

    def __init__(
        self,
        rules: Policy | tuple[str, ...],
        tenants: Tenants | None = None,
        quotas: QuotaBook | None = None,
        experience: Experience | None = None,
    ) -> None:
        self._experience = experience or Experience()
        policy = (
            rules if isinstance(rules, Policy) else Policy(tiers=tuple(Tier(name=name) for name in rules))
        )
        self._now = _START
        self._jobs: dict[str, Job] = {}
        self.version = 0
        # Grows whenever all keys were worked out anew.
        self.reorders = 0
        # As many as len(); every step asks.
        self.depth = 0
        self._adopt(policy, tenants or Tenants(policy), quotas or QuotaBook(policy))

    def _adopt(self, policy: Policy, tenants: Tenants, quotas: QuotaBook) -> None:
        self._tiers = Tiers(policy)
        self._share_order = policy.fair_share.order
        self._by_expected = self._share_order == "after_expected"
        # What had been learnt when all lanes were looked at for it.
        self._learnt = self._experience.version
        self._tenants = tenants
        self._quotas = quotas
        self._shapes: dict[bytes, ShapeQueue] = {}
        self._lanes: dict[tuple[str, bytes], Lane] = {}
        self._lanes_of: dict[str, dict[bytes, Lane]] = {}
        self._lanes_in: dict[str, dict[tuple[str, bytes], Lane]] = {}
        self._classes: dict[ClassKey, PlacementClass] = {}
        self._groups: dict[tuple[ClassKey, str], Group] = {}
        self._streams: dict[tuple[object, ...], Stream] = {}
        self._overdue = Stream((), None, None, 0, None)
        self._heap: list[tuple[Key, int, Stream]] = []
        self._entries = 0
        # Of these, those that care where other jobs are.
        self._neighbourly: dict[ClassKey, PlacementClass] = {}
        self._parked_classes: dict[ClassKey, PlacementClass] = {}
        # Parked because of what runs on the nodes, and (by the tree's name) because of what a tree of quotas has left.
        self._parked: dict[str, dict[tuple[object, ...], Group | Lane]] = {}
        self._reordered_us = self._now.mono_us
        # Whether shares count: not as long as all jobs are one tenant's.
        self._shared = False
        self._stale = False
        # When the first lane that is not overdue yet will be, or earlier.
        self._overdue_wall_us = NEVER_US

    def adopt(self, policy: Policy, tenants: Tenants, quotas: QuotaBook) -> None:
        """Put all jobs into the order of another policy."""
        jobs = list(self._jobs.values())
        self._jobs = {}
        self.depth = 0
        self._adopt(policy, tenants, quotas)
        for job in jobs:
            self.add(job)

    def __len__(self) -> int:
        return self.depth

    def __contains__(self, job_id: str) -> bool:
        return job_id in self._jobs

    def tick(self, now: Now) -> None:
        """It is now; to be told before `best`."""
        self._now = now
        pause_us = max(REORDER_US_MIN, REORDER_US_PER_LANE * len(self._lanes))
        if now.mono_us - self._reordered_us >= pause_us and self._may_have_changed():
            self._stale = True
        if self._stale:
            self._reorder()

    def _may_have_changed(self) -> bool:
        """Whether a lane may go before another without anything having happened to it: another tenant's share has
        shrunk, or it has waited for too long. Where all jobs belong to one tenant, that is rare."""
        is_shared = self._share_order != "off" and len(self._lanes_of) > 1
        if self._by_expected and self._learnt != self._experience.version:
            return True
        return is_shared or bool(self._lanes_in) or self._now.wall_us >= self._overdue_wall_us

    # -- jobs come and go

    def add(self, job: Job) -> None:
        """Queue a job. Its shape, tenant, `order_us` and id must not change until it leaves."""
        assert job.id not in self._jobs, f"{job.id} is queued already"
        self._jobs[job.id] = job
        self.depth += 1
        self.version += 1
        lane = self._lanes.get((job.tenant, job.shape.key))
        if lane is None:
            lane = self._open_lane(job)
        lane.jobs.add(job)
        if lane.of_shape.jobs is not lane.jobs:
            lane.of_shape.jobs.add(job)
        lane.group.placement.tally(job, 1)
        if lane.jobs.first is job:
            self._enter(lane)

    def discard(self, job_id: str) -> None:
        """Take a job out, if it is in."""
        job = self._jobs.pop(job_id, None)
        if job is None:
            return
        self.depth -= 1
        self.version += 1
        lane = self._lanes[(job.tenant, job.shape.key)]
        was_first = lane.jobs.first is job
        lane.jobs.remove(job)
        if lane.of_shape.jobs is not lane.jobs:
            lane.of_shape.jobs.remove(job)
        lane.group.placement.tally(job, -1)
        if not len(lane.jobs):
            self._close_lane(lane)
        elif was_first:
            self._enter(lane)

    def take_first(self, lane: Lane) -> Job:
        """Take the first job of a lane out."""
        jobs = lane.jobs
        job = jobs.take_first()
        del self._jobs[job.id]
        self.depth -= 1
        self.version += 1
        if lane.of_shape.jobs is not jobs:
            lane.of_shape.jobs.remove(job)
        lane.group.placement.tally(job, -1)
        if len(jobs):
            self._enter(lane)
        else:
            self._close_lane(lane)
        return job

    def took(self, job: Job) -> None:
        """It starts: take it out; but of an array an element does, and it stays while another one may."""
        if job.array is None or not job.array.may_start:
            self.discard(job.id)
            return
        self.version += 1
        placement = self._lanes[(job.tenant, job.shape.key)].group.placement
        placement.tally(job, -1)
        placement.tally(job, 1)

    def _open_lane(self, job: Job) -> Lane:
        shape = job.shape
        tier = self._tiers.tier(shape.body.tier)
        of_shape = self._shapes.get(shape.key)
        if of_shape is None:
            of_shape = self._shapes[shape.key] = ShapeQueue(shape, self._tiers.rank(tier.name))
        lane = Lane(
            of_shape,
            job.tenant,
            self._tenants.account(job.tenant),
            self._quotas.queue_of(job.tenant, job.shape),
            tier.wait_max_us,
            self._experience.runs(job.tenant, shape) if self._by_expected else None,
        )
        of_shape.admit(lane)
        key = _class_key(shape.body)
        placement = self._classes.get(key)
        if placement is None:
            placement = self._classes[key] = PlacementClass(key, shape)
            if _has_affinities(shape):
                self._neighbourly[key] = placement
        root = lane.quota.root.name if lane.quota is not None else ""
        group = self._groups.get((key, root))
        if group is None:
            group = self._groups[(key, root)] = placement.groups[root] = Group(placement, root)
        lane.group = group
        group.lanes[lane.name] = lane
        lane.home = lane.stream = self._stream_of(lane)
        lane.home.lanes += 1
        self._lanes[lane.name] = lane
        self._lanes_of.setdefault(job.tenant, {})[shape.key] = lane
        if lane.quota is not None:
            self._lanes_in.setdefault(lane.quota.name, {})[lane.name] = lane
        self._stale = self._stale or (
            not self._shared and self._share_order != "off" and len(self._lanes_of) > 1
        )
        return lane

    def _stream_of(self, lane: Lane) -> Stream:
        rank, urgency = lane.of_shape.level
        shared_urgency = urgency if self._share_order in ("after_priority", "after_expected") else None
        name = (lane.tenant, rank, shared_urgency, "" if lane.quota is None else lane.quota.name)
        stream = self._streams.get(name)
        if stream is None:
            stream = self._streams[name] = Stream(name, lane.account, lane.quota, rank, shared_urgency)
        return stream

    def _close_lane(self, lane: Lane) -> None:
        group = lane.group
        lane.entry = None
        self._place_in(lane, lane.home)
        lane.home.lanes -= 1
        if not lane.home.lanes:
            lane.home.entry = None
            del self._streams[lane.home.name]
        if lane.parked_by is not None:
            self._unpark(lane)
        del self._lanes[lane.name], group.lanes[lane.name]
        of_tenant = self._lanes_of[lane.tenant]
        del of_tenant[lane.of_shape.shape.key]
        if not of_tenant:
            del self._lanes_of[lane.tenant]
        if lane.quota is not None:
            del self._lanes_in[lane.quota.name][lane.name]
        if not lane.of_shape.dismiss(lane):
            del self._shapes[lane.of_shape.shape.key]
        if not group.lanes:
            self._close_group(group)

    def _close_group(self, group: Group) -> None:
        if group.parked_by is not None:
            self._unpark(group)
        placement = group.placement
        del self._groups[(placement.key, group.root)], placement.groups[group.root]
        if not placement.groups:
            del self._classes[placement.key]
            self._neighbourly.pop(placement.key, None)
            self._parked_classes.pop(placement.key, None)

    # -- keys and heaps

    def key(self, lane: Lane) -> Key:
        """Where the first job of this lane stands in the order now."""
        return self._key_of(lane.jobs.first)

    def goes_before(self, job: Job, other: Job) -> bool:
        """Whether a job goes before another one, as things are now. (Neither need be queued.)"""
        return self._key_of(job) < self._key_of(other)

    def _key_of(self, job: Job) -> Key:
        lane = self._lanes.get((job.tenant, job.shape.key)) or self._lane_for(job)
        if lane.job_overdue(job, self._now.wall_us):
            return (0, job.order_us, job.id)
        return (1, *self._prefix(lane), job.order_us + self._behind_us(lane), job.id)

    def _prefix(self, lane: Lane) -> Key:
        """What all jobs of a lane have in common."""
        rank, urgency = lane.of_shape.level
        full = 1 if lane.quota is not None and lane.quota.shown_full() else 0
        if self._by_expected:
            return (rank, full, urgency)
        levels = lane.account.levels(self._now.mono_us) if self._shared else ()
        if self._share_order == "after_priority":
            return (rank, full, urgency, levels)
        return (rank, full, levels, urgency)

    def _behind_us(self, lane: Lane) -> int:
        """How much younger than it is a job of this lane counts."""
        if not self._by_expected:
            return 0
        return lane.lead_us + (lane.account.handicap_us(self._now.mono_us) if self._shared else 0)

    def _key_in(self, stream: Stream, place: Key) -> Key:
        """Where a lane with this place in its stream stands in the order now."""
        if stream is self._overdue:
            return (0, *place)
        full = 1 if stream.quota is not None and stream.quota.shown_full() else 0
        if self._by_expected:
            due_us, job_id = place
            if self._shared and stream.account is not None:
                due_us += stream.account.handicap_us(self._now.mono_us)
            return (1, stream.rank, full, stream.urgency, due_us, job_id)
        levels: tuple[int, ...] = ()
        if self._shared and stream.account is not None:
            levels = stream.account.levels(self._now.mono_us)
        if stream.urgency is not None:
            return (1, stream.rank, full, stream.urgency, levels, *place)
        return (1, stream.rank, full, levels, *place)

    def _enter(self, lane: Lane) -> None:
        """The lane's first job is another one, or it is looked at again."""
        if lane.parked_by is not None:
            self._unpark(lane)
        first, home = lane.jobs.first, lane.home
        stream = home
        if lane.wait_max_us:
            overdue_us = first.order_us + lane.wait_max_us
            if overdue_us <= self._now.wall_us:
                stream = self._overdue
            elif overdue_us < self._overdue_wall_us:
                self._overdue_wall_us = overdue_us
        if lane.stream is not stream:
            self._place_in(lane, stream)
        place: Key = (first.order_us, first.id)
        if stream is home:
            if home.urgency is None:
                place = (lane.of_shape.level[1], *place)
            elif self._by_expected:
                place = (first.order_us + lane.lead_us, first.id)
        self._entries += 1
        former, lane.entry = lane.entry, (place, self._entries, lane)
        group = lane.group
        if not group.is_open:
            if not group.overtakes(self._key_in(lane.stream, place)):
                group.set_aside(lane.entry)
                return
            # It goes before what was found blocked: perhaps it may do what that may not.
            self._release(group)
        lane.stream.push(lane.entry, former)
        if lane.stream.entry is None or place < lane.stream.place:
            self._offer(lane.stream, place)

    def _place_in(self, lane: Lane, stream: Stream) -> None:
        if lane.stream is not stream:
            self._overdue.lanes += 1 if stream is self._overdue else -1
            lane.stream = stream

    def _offer(self, stream: Stream, place: Key) -> None:
        """One of the stream's lanes is to be looked at: let the stream stand in the heap no later than it."""
        key = self._key_in(stream, place)
        if stream.entry is not None and stream.entry[0] <= key:
            return
        self._entries += 1
        stream.entry, stream.place = (key, self._entries, stream), place
        if crowded(self._heap, len(self._streams)):
            live = [*self._streams.values(), self._overdue]
            self._heap = [each.entry for each in live if each.entry is not None]
            heapq.heapify(self._heap)
        else:
            heapq.heappush(self._heap, stream.entry)

    def _reorder(self) -> None:
        """Work out all keys anew."""
        self._stale = False
        self.reorders += 1
        self._reordered_us = self._now.mono_us
        self._shared = self._share_order != "off" and len(self._lanes_of) > 1
        if self._shared:
            self._tenants.show(self._now.mono_us)
        for queue in self._quotas.queues.values():
            queue.show()
        if self._by_expected and self._learnt != self._experience.version:
            self._learnt = self._experience.version
            for lane in self._lanes.values():
                self._relearn(lane)
        if self._now.wall_us >= self._overdue_wall_us:
            self._find_overdue()
        self._heap = []
        for stream in (*self._streams.values(), self._overdue):
            first = stream.first_open()
            stream.entry = None
            if first is not None:
                self._entries += 1
                stream.entry, stream.place = (self._key_in(stream, first[0]), self._entries, stream), first[0]
                self._heap.append(stream.entry)
        heapq.heapify(self._heap)

    def _relearn(self, lane: Lane) -> None:
        """More is known of how long its jobs will run: it may have another place in its stream."""
        if lane.learn() and lane.parked_by is None and lane.stream is lane.home:
            self._enter(lane)

    def _find_overdue(self) -> None:
        """Lanes whose first job has waited for too long since they were last looked at."""
        self._overdue_wall_us = NEVER_US
        for lane in self._lanes.values():
            if not lane.wait_max_us or lane.stream is self._overdue:
                continue
            due_us = lane.jobs.first.order_us + lane.wait_max_us
            if due_us > self._now.wall_us:
                self._overdue_wall_us = min(self._overdue_wall_us, due_us)
            elif lane.parked_by is None:
                self._enter(lane)

    def tenant_changed(self, tenant: str, shape: Shape | None = None) -> None:
        """Something of this tenant's (of this shape) has ended: it may go before others now."""
        lanes = {lane.name: lane for lane in self._lanes_of.get(tenant, {}).values()}
        queue = self._quotas.queue_of(tenant, shape)
        if queue is not None:
            lanes |= self._lanes_in.get(queue.name, {})
        if not lanes or len(lanes) > TENANT_LANES_MAX:
            return
        if self._by_expected:
            for lane in lanes.values():
                self._relearn(lane)
        if not (self._shared or queue):
            return
        self._tenants.account(tenant).show(self._now.mono_us)
        if queue is not None:
            queue.show()
        for lane in lanes.values():
            if lane.entry is None:
                continue
            if lane.group.is_open:
                self._offer(lane.stream, lane.entry[0])
            elif lane.group.overtakes(self._key_in(lane.stream, lane.entry[0])):
                self._release(lane.group)

    # -- the cycle's view

    def best(self) -> Job | None:
        """The first job in order that is not parked."""
        lane = self.best_lane()
        return None if lane is None else lane.jobs.first

    def best_lane(self) -> Lane | None:
        """The lane of the first job in order that is not parked. Its entry holds its key."""
        if self._stale:
            self._reorder()
        while self._heap:
            entry = self._heap[0]
            stream = entry[2]
            first = stream.first_open() if stream.entry is entry else None
            if first is None:
                heapq.heappop(self._heap)
                if stream.entry is entry:
                    stream.entry = None
                continue
            key = self._key_in(stream, first[0])
            if key <= entry[0]:
                return first[2]
            self._entries += 1
            stream.entry, stream.place = (key, self._entries, stream), first[0]
            heapq.heapreplace(self._heap, stream.entry)
        return None

    def park(self, lane: Lane) -> None:
        """Pass over everything that is placed like this lane's jobs, queued or still to come, until `reopen`."""
        placement = lane.group.placement
        if not placement.parked:
            placement.parked = True
            self._parked_classes[placement.key] = placement
            key = self.key(lane)
            for group in placement.groups.values():
                group.blocked_key = key
                group.settle()

    def park_group(self, lane: Lane, by: QuotaRoot | None) -> None:
        """Pass over the lane's whole group until `reopen` (by nothing) or `reopen_root` (by a tree of quotas)."""
        group = lane.group
        if group.parked_by is None:
            group.blocked_key = self.key(lane)
            self._note_parked(group, by)

    def park_lane(self, lane: Lane, by: QuotaRoot | None) -> None:
        """As `park_group`, for one lane."""
        if lane.parked_by is None:
            lane.entry = None
            self._note_parked(lane, by)

    def _note_parked(self, parked: Group | Lane, by: QuotaRoot | None) -> None:
        parked.parked_by = by.name if by is not None else ""
        self._parked.setdefault(parked.parked_by, {})[parked.place] = parked
        parked.settle()

    def _unpark(self, parked: Group | Lane) -> None:
        assert parked.parked_by is not None
        del self._parked[parked.parked_by][parked.place]
        parked.parked_by = None
        parked.settle()

    def _release(self, group: Group) -> None:
        """Look at a parked group again."""
        if group.parked_by is not None:
            self._unpark(group)
        if group.placement.parked:
            self._unpark_class(group.placement)
        else:
            self._bring_back(group)
        group.blocked_key = None

    def _bring_back(self, group: Group) -> None:
        """If the group is open now, what was set aside comes up again."""
        if group.is_open:
            for entry in group.bring_back():
                stream = entry[2].stream
                stream.push(entry)
                self._offer(stream, entry[0])

    def _unpark_class(self, placement: PlacementClass) -> None:
        placement.parked = placement.woken = False
        del self._parked_classes[placement.key]
        for group in placement.groups.values():
            group.settle()
            self._bring_back(group)

    def reopen(self, may_start: Callable[[Shape], bool] | None = None) -> None:
        """Something was released on the nodes: nothing is parked for want of them any more, but for classes that
        cannot gain from it (`may_start` says that of a shape of theirs)."""
        for placement in list(self._parked_classes.values()):
            if may_start is None or may_start(placement.shape):
                self._unpark_class(placement)
                placement.woken = may_start is not None
        self._reopen("")

    def neighbour_started(self, job: Job) -> None:
        """This job runs now: those that must be near it may have room there that had none."""
        if self._neighbourly and any(
            _seeks(placement.shape, job) for placement in self._neighbourly.values()
        ):
            self.reopen(lambda shape: _seeks(shape, job))

    @property
    def seeks_neighbours(self) -> bool:
        """Whether anybody in it cares where other jobs are."""
        return bool(self._neighbourly)

    def reopen_root(self, root: QuotaRoot) -> None:
        """Something was given back to this tree of quotas."""
        self._reopen(root.name)

    def _reopen(self, by: str) -> None:
        reopened = list(self._parked.pop(by, {}).values())
        for parked in reopened:
            parked.parked_by = None
            parked.settle()
        for parked in reopened:
            if isinstance(parked, Lane):
                self._enter(parked)
            else:
                self._bring_back(parked)

    def first_without_room(self) -> Lane | None:
        """The lane that goes first among those whose class is parked for want of nodes."""
        firsts: dict[int, LaneEntry] = {}
        for placement in self._parked_classes.values():
            for group in placement.groups.values():
                for lane in group.lanes.values():
                    entry = lane.entry
                    if entry is not None:
                        known = firsts.get(id(lane.stream))
                        if known is None or entry < known:
                            firsts[id(lane.stream)] = entry
        found = min(firsts.values(), key=lambda each: self._key_in(each[2].stream, each[0]), default=None)
        return None if found is None else found[2]

    # -- questions

    def get(self, job_id: str) -> Job | None:
        """The queued job with this id."""
        return self._jobs.get(job_id)

    def lanes_for(self, admits: Callable[[str], bool]) -> list[Lane]:
        """All lanes of the tenants that this admits."""
        tenants = [tenant for tenant in self._lanes_of if admits(tenant)]
        return [lane for tenant in tenants for lane in self._lanes_of[tenant].values()]

    def lane_of(self, job_id: str) -> Lane | None:
        """The lane in which this job waits."""
        job = self._jobs.get(job_id)
        return None if job is None else self._lanes[(job.tenant, job.shape.key)]

    def shapes(self) -> Iterable[ShapeQueue]:
        """Every shape that has jobs queued; not to be changed."""
        return self._shapes.values()

    def classes(self) -> Iterable[PlacementClass]:
        """Every placement class that has jobs queued; not to be changed."""
        return self._classes.values()

    def in_order(self, limit: int) -> list[Job]:
        """The first `limit` jobs, whatever is parked. Grows with the number of lanes."""
        if self._stale:
            self._reorder()
        heads: list[tuple[Key, Job]] = []
        for lane in heapq.nsmallest(limit, self._lanes.values(), key=self.key):
            prefix, behind_us = self._prefix(lane), self._behind_us(lane)
            for job in lane.jobs.head(limit):
                if lane.job_overdue(job, self._now.wall_us):
                    heads.append(((0, job.order_us, job.id), job))
                else:
                    heads.append(((1, *prefix, job.order_us + behind_us, job.id), job))
        heads.sort(key=lambda head: head[0])
        return [job for _, job in heads[:limit]]

    def position(self, job_id: str) -> int:
        """The job's place in the order, from 1; 0 if it is not queued. Grows with the number of lanes."""
        job = self._jobs.get(job_id)
        return self.place_of(job) if job is not None else 0

    def place_of(self, job: Job) -> int:
        """The place that a job has, or would have if it were queued now."""
        return 1 + sum(count for _, count in self.ahead_by_shape(job))

    def ahead_by_shape(self, job: Job) -> Iterator[tuple[Lane, int]]:
        """How many jobs of each lane go before this one (which need not be queued)."""
        own = self._lanes.get((job.tenant, job.shape.key)) or self._lane_for(job)
        wall_us = self._now.wall_us
        overdue = own.job_overdue(job, wall_us)
        prefix = self._prefix(own)
        due_us = job.order_us + self._behind_us(own)
        for lane in self._lanes.values():
            late = lane.overdue_count(wall_us)
            if overdue:
                count = min(late, lane.jobs.rank(job))
            else:
                other = self._prefix(lane)
                count = len(lane.jobs) if other < prefix else 0
                if other == prefix:
                    count = lane.jobs.rank_of((due_us - self._behind_us(lane), job.id))
                count = max(count, late)
            if count:
                yield lane, count

    def _lane_for(self, job: Job) -> Lane:
        """A lane such as this job would be in."""
        tier = self._tiers.tier(job.shape.body.tier)
        of_shape = ShapeQueue(job.shape, self._tiers.rank(tier.name))
        account = self._tenants.account(job.tenant)
        quota = self._quotas.queue_of(job.tenant, job.shape)
        runs = self._experience.runs(job.tenant, job.shape) if self._by_expected else None
        return Lane(of_shape, job.tenant, account, quota, tier.wait_max_us, runs)

    def ahead(self, job_id: str, limit: int) -> list[Job]:
        """The first `limit` jobs of the queue, as far as they go before this one."""
        job = self._jobs.get(job_id)
        return [] if job is None else self.before(job, limit)

    def before(self, job: Job, limit: int) -> list[Job]:
        """The same for a job that need not be queued."""
        first = self.in_order(limit)
        at = next((place for place, other in enumerate(first) if not self.goes_before(other, job)), None)
        return first[:at]

    def depth_of(self, shape_key: bytes) -> int:
        """How many jobs with this shape are queued."""
        queue = self._shapes.get(shape_key)
        return len(queue.jobs) if queue is not None else 0

    def first_of(self, shape_key: bytes, limit: int) -> list[Job]:
        """The first `limit` jobs with this shape, as far as shares don't decide."""
        queue = self._shapes.get(shape_key)
        return queue.first(limit) if queue is not None else []

    def spread_of(self, shape_key: bytes, from_us: int, until_us: int, count: int) -> list[Job]:
        """`count` jobs with this shape, in order and evenly spread over those that will have waited `from_us` when they
        start, if the last one will have waited `until_us`. (Where in the queue its other jobs are is not asked.)"""
        queue = self._shapes.get(shape_key)
        if queue is None:
            return []
        return queue.jobs.spread(len(queue.jobs) * from_us // max(1, until_us), count)

    def numerous_shapes(self, limit: int) -> list[Shape]:
        """The `limit` shapes with most jobs, most numerous first."""
        chosen = heapq.nsmallest(limit, self._shapes.values(), key=_rarity)
        return [queue.shape for queue in chosen]

    def first_shapes(self, limit: int) -> list[Shape]:
        """The first `limit` shapes in order, as far as shares and quotas don't decide."""
        return [
            queue.shape for queue in heapq.nsmallest(limit, self._shapes.values(), key=ShapeQueue.serving_key)
        ]

    def oldest(self) -> Job | None:
        """The job that has waited longest."""
        firsts = (queue.jobs.first for queue in self._shapes.values())
        return min(firsts, key=lambda job: (job.order_us, job.id), default=None)

    def waiting_shapes(self, limit: int, now_wall_us: int) -> tuple[QueuedShape, ...]:
        """The first `limit` shapes in order; waits are counted from `order_us`."""
        chosen = heapq.nsmallest(limit, self._shapes.values(), key=ShapeQueue.serving_key)
        return tuple(
            QueuedShape(
                shape_key=queue.shape.key,
                count=len(queue.jobs),
                resources=queue.shape.total,
                oldest_wait_us=max(0, now_wall_us - queue.jobs.first.order_us),
            )
            for queue in chosen
        )
