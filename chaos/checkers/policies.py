"""P5, of what operators allow: a start or a preemption cites the policy that was in force when it was decided, and no
start takes more than its quotas leave.

Quotas are counted here by what they mean at least, not as the core counts them: what the jobs of a queue's tenants hold
together is within its nominal quota and what it may borrow, and what all queues of one tree of cohorts hold is within
what is in that tree. Jobs that ran when a policy came may hold more than it allows; then nothing that wants more of it
may start. The rows of an adoptable job are shown when a majority holds them, which may be after another policy has
come: so these are counted while their processes live, and must cite a policy that was in force before.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from chaos.checkers.base import Checker, Handlers, violated
from chaos.checkers.disks import Disks
from chaos.checkers.rows import Row
from hanse.core.model.arrays import element_id
from hanse.core.model.jobs import Allocation, ReasonCode, RunId, ShapeBody
from hanse.core.model.lifecycle import JobState
from hanse.core.policy.model import Policy, Queue
from hanse.core.rows import ElementRow, TimelineRow, Writes
from hanse.sim.policies import policy_of
from hanse.sim.record import Committed, DiskReplaced, ImageTaken, Launched, Started, TaskBegan, TaskFinished

_HOLDING = frozenset((JobState.RUNNING, JobState.STOPPING))
_CITED = re.compile(r"policy (\d+)$")
_ALLOCATION = msgspec.msgpack.Decoder(Allocation)
_SHAPE = msgspec.msgpack.Decoder(ShapeBody)
# A flavour and a kind of resource.
_Cell = tuple[str, str]
_Held = dict[_Cell, int]


class _Region:
    """What one region has put in force, what its `wait` jobs hold by their rows, and which processes of adoptable jobs
    live there."""

    def __init__(self) -> None:
        self.policy: Policy | None = None
        self.held: dict[str, _Held] = {}
        self.living: dict[tuple[RunId, int], TaskBegan] = {}


class Policies(Checker):
    """Follows the rows of each region, step by step. `images`: the policy that was on a disk when it was copied."""

    def __init__(self, disks: Disks) -> None:
        super().__init__(disks)
        self._regions: dict[str, _Region] = {}
        self._durable: dict[str, Policy | None] = {}
        self._images: dict[int, Policy | None] = {}
        self._tenants: dict[str, str] = {}
        self._shape_of: dict[str, bytes] = {}
        self._shapes: dict[bytes, ShapeBody] = {}
        self._adoptable: set[str] = set()

    def handlers(self) -> Handlers:
        return {
            Started: self._on_started,
            Committed: self._on_committed,
            ImageTaken: self._on_image,
            DiskReplaced: self._on_replaced,
            Launched: self._on_launched,
            TaskBegan: self._on_began,
            TaskFinished: self._on_finished,
        }

    # --- what is in force -------------------------------------------------------------------------------------------

    def _on_started(self, entry: Started) -> None:
        region = self._regions.setdefault(entry.region, _Region())
        durable = self._durable.get(entry.region)
        if durable is not None and entry.policy != durable:
            message = (
                f"{entry.region} starts under policy {entry.policy.version}; {durable.version} is on its disk"
            )
            raise violated(message, entry.at_us)
        region.policy = entry.policy

    def _on_image(self, entry: ImageTaken) -> None:
        self._images[entry.image] = self._durable.get(entry.region)

    def _on_replaced(self, entry: DiskReplaced) -> None:
        self._durable[entry.region] = self._images.get(entry.image)
        # Its rows are those of the image; it starts nothing before it has heard what became of them.
        self._regions.setdefault(entry.region, _Region()).held = {}

    def _adopt(self, entry: Committed, writes: Writes) -> None:
        for row in writes.policies:
            former, policy = self._durable.get(entry.region), policy_of(row)
            if former is not None and policy.version != former.version + 1:
                message = f"{entry.region}: policy {policy.version} follows on {former.version}"
                raise violated(message, entry.at_us)
            self._durable[entry.region] = self._regions.setdefault(entry.region, _Region()).policy = policy

    # --- what is decided under it -----------------------------------------------------------------------------------

    def _on_committed(self, entry: Committed) -> None:
        region = self._regions.setdefault(entry.region, _Region())
        for writes in entry.writes:
            self._adopt(entry, writes)
            self._note(region, writes)
            if region.policy is None:
                continue
            for row in writes.timeline:
                self._judge(entry, region, region.policy, row)
            for element in writes.elements:
                self._judge_element(entry, region, region.policy, element)

    def _note(self, region: _Region, writes: Writes) -> None:
        for shape in writes.shapes:
            self._shapes[shape.key] = _SHAPE.decode(shape.body)
        for job in writes.jobs:
            self._tenants[job.id], self._shape_of[job.id] = job.tenant, job.shape_key
        rows: list[Row] = [*writes.jobs, *writes.job_states]
        for row in rows:
            if not row.shard:
                region.held.pop(row.id, None)
                if row.state in _HOLDING and row.allocation:
                    region.held[row.id] = self._holds(row.allocation, self._shape_of[row.id])
        for element in writes.elements:
            self._note_element(region, element)
        for _, job_id, index in writes.elements_delete:
            region.held.pop(element_id(job_id, index), None)

    def _note_element(self, region: _Region, row: ElementRow) -> None:
        """Of an array it is elements that hold something."""
        name = element_id(row.job_id, row.element)
        self._tenants[name] = self._tenants.get(row.job_id, "")
        region.held.pop(name, None)
        if row.state in _HOLDING:
            region.held[name] = self._holds(row.allocation, self._shape_of[row.job_id])

    def _on_launched(self, entry: Launched) -> None:
        if entry.shard:
            self._adoptable.add(entry.run.job_id)

    def _on_began(self, entry: TaskBegan) -> None:
        if entry.run.job_id in self._adoptable:
            self._regions.setdefault(entry.region, _Region()).living[entry.run, entry.task] = entry

    def _on_finished(self, entry: TaskFinished) -> None:
        self._regions.setdefault(entry.region, _Region()).living.pop((entry.run, entry.task), None)

    def _holds(self, packed: bytes, shape_key: bytes) -> _Held:
        shape = self._shapes.get(shape_key)
        held: _Held = {}
        if shape is None:
            return held
        allocation = _ALLOCATION.decode(packed)
        for task in allocation.tasks:
            for kind, quantity in shape.groups[task.group].resources_of(task.alternative):
                cell = (allocation.flavour, kind)
                held[cell] = held.get(cell, 0) + quantity
        return held

    def _judge(self, entry: Committed, region: _Region, policy: Policy, row: TimelineRow) -> None:
        """An entry of a job's timeline that says that it starts, or is stopped for another one."""
        starts = row.what == JobState.RUNNING.name and row.reason == ReasonCode.STARTED.value
        if not starts and not (
            row.what == JobState.STOPPING.name and row.reason == ReasonCode.PREEMPTED.value
        ):
            return
        queue = _queue_of(policy, self._tenants.get(row.job_id, ""))
        cited = _CITED.search(row.detail)
        if cited is None and (not starts or queue is not None):
            raise violated(f"{entry.region}: no policy is cited for {row.detail!r}", entry.at_us, row.job_id)
        version = policy.version if cited is None else int(cited[1])
        if version > policy.version or (version < policy.version and not row.shard):
            message = f"{entry.region}: {row.detail!r} under policy {policy.version}"
            raise violated(message, entry.at_us, row.job_id)
        held = {} if row.shard else region.held.get(row.job_id, {})
        if starts and queue is not None and held:
            self._weigh(entry, region, policy, queue, row.job_id, held)

    def _judge_element(self, entry: Committed, region: _Region, policy: Policy, row: ElementRow) -> None:
        name = element_id(row.job_id, row.element)
        queue = _queue_of(policy, self._tenants.get(name, ""))
        held = region.held.get(name, {})
        if row.state == JobState.RUNNING and queue is not None and held:
            self._weigh(entry, region, policy, queue, name, held)

    def _weigh(
        self, entry: Committed, region: _Region, policy: Policy, queue: Queue, job_id: str, wanted: _Held
    ) -> None:
        """Whether what holds something now is within the quotas that the new job is charged to."""
        tree = _tree_of(policy, queue)
        for cell in wanted:
            own = _limit_of(queue, cell)
            if own is None:
                continue
            by_queue = self._used(region, policy, cell)
            used = by_queue.get(queue.name, 0)
            if used > own[0] + own[1]:
                message = f"{entry.region}: queue {queue.name} uses {used} {cell[1]} of {own[0]} + {own[1]}"
                raise violated(message, entry.at_us, job_id)
            together = sum(
                by_queue.get(each.name, 0) for each in policy.queues if _tree_of(policy, each) == tree
            )
            has = _nominal_of(policy, tree, cell)
            if tree and together > has:
                message = f"{entry.region}: cohort {tree} uses {together} {cell[1]} of {has}"
                raise violated(message, entry.at_us, job_id)

    def _used(self, region: _Region, policy: Policy, cell: _Cell) -> dict[str, int]:
        """What the jobs of each queue hold of this, at least."""
        by_queue: dict[str, int] = {}
        for job_id, quantity in _holders(region, cell):
            queue = _queue_of(policy, self._tenants.get(job_id, ""))
            if queue is not None and _limit_of(queue, cell) is not None:
                by_queue[queue.name] = by_queue.get(queue.name, 0) + quantity
        return by_queue


def _holders(region: _Region, cell: _Cell) -> Iterator[tuple[str, int]]:
    """Jobs, and what they hold of this. (No simulated policy has flavours, so that processes are of none.)"""
    for job_id, held in region.held.items():
        yield job_id, held.get(cell, 0)
    flavour, kind = cell
    for task in region.living.values():
        if not flavour:
            yield task.run.job_id, dict(task.resources).get(kind, 0)


_WITHOUT_LIMIT = 1 << 62


def _queue_of(policy: Policy, tenant: str) -> Queue | None:
    """The queue that names the longest part of the tenant's path."""
    by_tenant = {each: queue for queue in policy.queues for each in queue.tenants}
    name = tenant
    while name and name not in by_tenant:
        name = name.rpartition("/")[0]
    return by_tenant.get(name)


def _limit_of(queue: Queue, cell: _Cell) -> tuple[int, int] | None:
    """Its own, and what it may borrow; None: it is not limited."""
    for quota in queue.quotas:
        if (quota.flavour, quota.kind) == cell:
            if not queue.cohort:
                return quota.nominal, 0
            return quota.nominal, _WITHOUT_LIMIT if quota.borrowing_limit is None else quota.borrowing_limit
    return None


def _tree_of(policy: Policy, queue: Queue) -> str:
    """The cohort that is above all; empty: it is in none."""
    parents = {cohort.name: cohort.parent for cohort in policy.cohorts}
    name = queue.cohort
    while parents.get(name):
        name = parents[name]
    return name


def _nominal_of(policy: Policy, tree: str, cell: _Cell) -> int:
    """All that is in this tree of cohorts."""
    parents = {cohort.name: cohort.parent for cohort in policy.cohorts}

    def belongs(name: str) -> bool:
        while parents.get(name):
            name = parents[name]
        return name == tree

    quotas = [quota for cohort in policy.cohorts if belongs(cohort.name) for quota in cohort.quotas]
    quotas += [quota for queue in policy.queues if _tree_of(policy, queue) == tree for quota in queue.quotas]
    return sum(quota.nominal for quota in quotas if (quota.flavour, quota.kind) == cell)
