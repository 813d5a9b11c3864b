"""What the queue is made of: shapes, classes, lanes, streams and groups. queue.py says what they are for."""

from __future__ import annotations

import heapq
from typing import Any

from hanse.core.model.jobs import GroupShape, Job, Shape
from hanse.core.model.rules import Within
from hanse.core.model.time import SECOND_US
from hanse.core.scheduling.experience import Runs
from hanse.core.scheduling.quota import QuotaQueue
from hanse.core.scheduling.sorted_jobs import SortedJobs
from hanse.core.scheduling.table import TaskFit
from hanse.core.scheduling.tenants import Account
from hanse.core.scheduling.ways import Way

# Entries that are out of date are swept from a heap when they outnumber those that count by this factor.
STALE_ENTRIES_FACTOR = 2
# Below this, sweeping is not worth a thought.
STALE_ENTRIES_MIN = 64

# Compared from the left; the parts are those of the order that the policy chose, the job's id last.
Key = tuple[Any, ...]
# The lane's place among the lanes of its stream, a number that tells equals apart, the lane.
LaneEntry = tuple[Key, int, "Lane"]
ClassKey = tuple[tuple[GroupShape, ...], Within | None, tuple[str, ...], tuple[str, ...]]


# Lanes of one shape that are merged by their leads when somebody asks for its first jobs.
LANES_MERGED_MAX = 64
# Where expected run times count: a job goes before all that came later by more than so many times its own...
LEAD_RUNS = 3
# ... or than this, unless its tier's promise is shorter: so nobody starves, however long it will run.
LEAD_US_MAX = 24 * 3_600 * SECOND_US
# Who needs room for several tasks at once has to collect it, and is first in line long before all of it is there.
GANG_LEAD_US_MAX = LEAD_US_MAX // 4


def lead_us(runs: Runs | None, shape: Shape, wait_max_us: int) -> int:
    """How long those that come later may go before a job of this shape if they take no time at all."""
    if runs is None:
        return 0
    lead_us_max = GANG_LEAD_US_MAX if _is_gang(shape) else LEAD_US_MAX
    if wait_max_us:
        lead_us_max = min(lead_us_max, wait_max_us)
    return min(LEAD_RUNS * runs.expected_us(shape.body.runtime_estimate_us), lead_us_max)


def _is_gang(shape: Shape) -> bool:
    groups = shape.body.groups
    return len(groups) > 1 or groups[0].count_min > 1


def crowded(heap: list[Any], current: int) -> bool:
    """Whether most entries of a heap are out of date."""
    return len(heap) > STALE_ENTRIES_MIN + STALE_ENTRIES_FACTOR * current


class ShapeQueue:
    """Queued jobs with one shape, of all tenants."""

    __slots__ = ("jobs", "lanes", "level", "shape")

    def __init__(self, shape: Shape, tier_rank: int) -> None:
        self.shape = shape
        # Tier and priority belong to the shape.
        self.level = (tier_rank, -shape.body.priority)
        self.jobs = SortedJobs()
        self.lanes: dict[str, Lane] = {}

    def admit(self, lane: Lane) -> None:
        """Another tenant has jobs of this shape. As long as there is one only, its jobs are all jobs."""
        if len(self.lanes) == 1:
            self.jobs = self.jobs.copy()
        elif not self.lanes:
            self.jobs = lane.jobs
        self.lanes[lane.tenant] = lane

    def dismiss(self, lane: Lane) -> bool:
        """This tenant has none any more; whether others have."""
        del self.lanes[lane.tenant]
        if len(self.lanes) == 1:
            self.jobs = next(iter(self.lanes.values())).jobs
        return bool(self.lanes)

    def serving_key(self) -> tuple[int, int, int, str]:
        """Its place among shapes, by its oldest job, and whatever each tenant has had."""
        first = self.jobs.first
        return (*self.level, first.order_us + self.lanes[first.tenant].lead_us, first.id)

    def first(self, limit: int) -> list[Job]:
        """The first `limit` of its jobs, whatever each tenant has had; by age alone if that many tenants have some."""
        lanes = self.lanes.values()
        leads = {lane.lead_us for lane in lanes} if len(lanes) <= LANES_MERGED_MAX else ()
        if len(leads) <= 1:
            return self.jobs.head(limit)
        heads = [
            (job.order_us + lane.lead_us, job.id, job) for lane in lanes for job in lane.jobs.head(limit)
        ]
        heads.sort(key=lambda head: head[:2])
        return [job for _, _, job in heads[:limit]]


class Lane:
    """Queued jobs of one tenant with one shape. `home` is its stream unless its first job is overdue; `stream`: where
    it stands now. `parked_by`: "" the nodes, else the name of a tree of quotas. `runs`: by which its jobs' run time is
    expected, where that counts; `lead_us`: how much younger they count for it."""

    __slots__ = (
        "account",
        "entry",
        "group",
        "home",
        "is_asked",
        "jobs",
        "lead_us",
        "name",
        "of_shape",
        "parked_by",
        "plain",
        "quota",
        "runs",
        "stream",
        "tenant",
        "wait_max_us",
        "ways",
    )

    group: Group
    home: Stream
    stream: Stream

    def __init__(
        self,
        of_shape: ShapeQueue,
        tenant: str,
        account: Account,
        quota: QuotaQueue | None,
        wait_max_us: int,
        runs: Runs | None = None,
    ) -> None:
        self.of_shape = of_shape
        self.tenant = tenant
        self.name = (tenant, of_shape.shape.key)
        self.account = account
        self.quota = quota
        self.wait_max_us = wait_max_us
        self.runs = runs
        self.lead_us = lead_us(runs, of_shape.shape, wait_max_us)
        # In which its jobs may be placed and charged, once somebody has asked (ways.py).
        self.ways: tuple[Way, ...] | None = None
        # The kind of its jobs' only tasks, if they may start in rounds (rounds.py); not known until somebody has asked.
        self.plain: TaskFit | None = None
        self.is_asked = False
        self.jobs = SortedJobs()
        # The one entry that stands for it, in its stream's heap or aside with its group; None while it is parked.
        self.entry: LaneEntry | None = None
        self.parked_by: str | None = None

    @property
    def shape(self) -> Shape:
        """That of all its jobs."""
        return self.of_shape.shape

    @property
    def place(self) -> tuple[object, ...]:
        """Its name among all that can be parked."""
        return self.name

    def settle(self) -> None:
        """It was parked or unparked, which its entry says."""

    def is_overdue(self, wall_us: int) -> bool:
        """Whether its first job has waited longer than its tier lets it."""
        return bool(self.wait_max_us) and wall_us - self.jobs.first.order_us >= self.wait_max_us

    def learn(self) -> bool:
        """Whether its jobs have another lead by what has been learnt."""
        before, self.lead_us = self.lead_us, lead_us(self.runs, self.of_shape.shape, self.wait_max_us)
        return self.lead_us != before

    def job_overdue(self, job: Job, wall_us: int) -> bool:
        """The same, for any job such as hers."""
        return bool(self.wait_max_us) and wall_us - job.order_us >= self.wait_max_us

    def overdue_count(self, wall_us: int) -> int:
        """How many of its jobs are."""
        if not self.is_overdue(wall_us):
            return 0
        return self.jobs.count_until(wall_us - self.wait_max_us)


class Stream:
    """Lanes that rise and fall together: one tenant's, in one tier and queue. Their order among each other never
    changes, so when the tenant's share does, one entry of the queue's heap is put right and not one for each lane."""

    __slots__ = ("account", "entry", "heap", "lanes", "name", "place", "quota", "rank", "urgency")

    def __init__(
        self,
        name: tuple[object, ...],
        account: Account | None,
        quota: QuotaQueue | None,
        rank: int,
        urgency: int | None,
    ) -> None:
        self.name = name
        self.account = account
        self.quota = quota
        self.rank = rank
        # Where priority goes before shares: that of all its lanes.
        self.urgency = urgency
        self.lanes = 0
        self.heap: list[LaneEntry] = []
        # The one entry of the queue's heap that stands for it: no later than its first open lane. `place`: of the lane
        # that it was made for.
        self.entry: tuple[Key, int, Stream] | None = None
        self.place: Key = ()

    def push(self, entry: LaneEntry, former: LaneEntry | None = None) -> None:
        """One of its lanes has a new entry instead of its `former`, which mostly stands first."""
        if self.heap and self.heap[0] is former:
            heapq.heapreplace(self.heap, entry)
            return
        if crowded(self.heap, self.lanes):
            self.heap = [each for each in self.heap if each[2].entry is each]
            heapq.heapify(self.heap)
        heapq.heappush(self.heap, entry)

    def first_open(self) -> LaneEntry | None:
        """The entry of its first lane that is to be looked at. Those before it, whose groups are parked, are set aside
        until their groups are not."""
        heap = self.heap
        while heap:
            entry = heap[0]
            lane = entry[2]
            if lane.entry is entry:
                if lane.group.is_open:
                    return entry
                lane.group.set_aside(entry)
            heapq.heappop(heap)
        return None


class PlacementClass:
    """The shapes that placement cannot tell apart, and the sums that predictions need of their jobs."""

    __slots__ = ("count", "estimates_us", "groups", "key", "parked", "shape", "total", "unestimated", "woken")

    def __init__(self, key: ClassKey, shape: Shape) -> None:
        self.key = key
        # One of its shapes: to placement it stands for all.
        self.shape = shape
        self.total = shape.total
        self.groups: dict[str, Group] = {}
        self.parked = False
        # Whether it was parked, and is not any more because of what ended on a few nodes.
        self.woken = False
        self.count = 0
        self.estimates_us = 0
        self.unestimated = 0

    def tally(self, job: Job, sign: int) -> None:
        """Count a job that comes (1) or goes (-1): an array as all its elements that wait now."""
        jobs = 1
        if job.array is not None:
            # It goes as what it came, whatever has become of its elements meanwhile.
            jobs = job.array.tallied = job.array.waiting.bit_count() if sign > 0 else job.array.tallied
        self.count += sign * jobs
        estimate_us = job.shape.body.runtime_estimate_us
        self.estimates_us += sign * jobs * estimate_us
        if not estimate_us:
            self.unestimated += sign * jobs


class Group:
    """The lanes of one class whose queues are in one tree of quotas ("": in none)."""

    __slots__ = ("aside", "blocked_key", "is_open", "lanes", "parked_by", "placement", "root")

    def __init__(self, placement: PlacementClass, root: str) -> None:
        self.placement = placement
        self.root = root
        self.lanes: dict[tuple[str, bytes], Lane] = {}
        # Entries of its lanes that came up while it was parked.
        self.aside: list[LaneEntry] = []
        self.parked_by: str | None = None
        # Whether its jobs are to be looked at: neither it nor its class is parked.
        self.is_open = not placement.parked
        # While it is parked: the key of the job that was found blocked.
        self.blocked_key: Key | None = None

    @property
    def place(self) -> tuple[object, ...]:
        """Its name among all that can be parked."""
        return (self.placement.key, self.root)

    def settle(self) -> None:
        """It was parked or unparked, or its class was."""
        self.is_open = self.parked_by is None and not self.placement.parked

    def overtakes(self, key: Key) -> bool:
        """Whether a job with this key would go before the one that was found blocked."""
        return self.blocked_key is not None and not self.is_open and key < self.blocked_key

    def set_aside(self, entry: LaneEntry) -> None:
        """One of its lanes came up, or changed, while it is parked."""
        if crowded(self.aside, len(self.lanes)):
            self.aside = self.bring_back()
        self.aside.append(entry)

    def bring_back(self) -> list[LaneEntry]:
        """What was set aside, and is still to be looked at."""
        aside, self.aside = self.aside, []
        return [entry for entry in aside if entry[2].entry is entry]
