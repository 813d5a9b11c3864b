"""Who is charged for what runs: tenants to queues, jobs to flavours, and what keeps a queue from starting more.

A tenant's queue is the one that names the longest part of its path; without one, nothing limits it. A job is charged
to one flavour, the first that has quota left and nodes with room (ways.py): for what its allocation holds, of those
kinds of which the queue has a quota in that flavour.
"""

from __future__ import annotations

from hanse.core.model.jobs import Allocation, Shape
from hanse.core.model.limits import QUOTA_MEMO_MAX
from hanse.core.model.resources import Resources, resources
from hanse.core.policy.model import ANY_NODE, Cohort, Policy, Queue, Quota
from hanse.core.policy.problems import prefix_of
from hanse.core.scheduling.cohorts import Bound, Cell, QuotaNode, QuotaRoot, Usage

# What counts of some resources, and where.
Cells = tuple[tuple[Cell, int], ...]
# What is remembered by each queue; some 500 bytes each.
QUEUE_MEMO_MAX = 256


class QuotaQueue:
    """A queue of the policy, in its tree. `flavours` in order of preference, with the kinds that each limits."""

    __slots__ = ("_charges", "_shown_full", "flavours", "has_grown", "node", "queue", "root")

    def __init__(self, queue: Queue, node: QuotaNode, root: QuotaRoot) -> None:
        self.queue = queue
        self.node = node
        self.root = root
        self._shown_full = False
        # Whether anything was charged to it since that was looked at.
        self.has_grown = True
        self._charges: dict[tuple[str, Resources], Charge] = {}
        self.flavours: dict[str, tuple[str, ...]] = {}
        for quota in queue.quotas:
            self.flavours[quota.flavour] = (*self.flavours.get(quota.flavour, ()), quota.kind)
        if not self.flavours:
            self.flavours[ANY_NODE] = ()

    @property
    def name(self) -> str:
        """As in the policy."""
        return self.queue.name

    def shown_full(self) -> bool:
        """Whether it uses all of its own, as the queue's order has it (as Account.shown_level)."""
        if self.has_grown:
            self.has_grown = False
            self._shown_full = self._shown_full or self.node.is_full(self.root.usage)
        return self._shown_full

    def show(self) -> None:
        """From now on as it is."""
        self._shown_full = self.node.is_full(self.root.usage)

    def cells(self, flavour: str, wanted: Resources) -> Cells:
        """What of these resources counts, and where."""
        return self.charged(flavour, wanted).cells

    def charged(self, flavour: str, wanted: Resources) -> Charge:
        """What a job is charged that takes these resources."""
        known = self._charges.get((flavour, wanted))
        if known is None:
            if len(self._charges) >= QUEUE_MEMO_MAX:
                self._charges.clear()
            limited = self.flavours.get(flavour, ())
            cells = tuple(((flavour, kind), quantity) for kind, quantity in wanted if kind in limited)
            known = self._charges[flavour, wanted] = Charge(self, cells)
        return known

    def bound(self, cells: Cells, usage: Usage) -> Bound | None:
        """What keeps the queue from using so much more; None: nothing does."""
        for cell, quantity in cells:
            found = self.node.bound(cell, quantity, usage)
            if found is not None:
                return found
        return None

    def within_nominal(self, flavour: str, wanted: Resources, usage: Usage) -> bool:
        """Whether with so much more it would still use no more than its own."""
        return all(
            usage.get((self.node.number, cell), 0) + quantity <= self.node.nominal.get(cell, 0)
            for cell, quantity in self.cells(flavour, wanted)
        )


class Charge:
    """What jobs are charged that take the same in one queue: of what each holds, what counts. Shared by all of them."""

    __slots__ = ("_counted", "_limits", "cells", "queue")

    def __init__(self, queue: QuotaQueue, cells: Cells) -> None:
        self.queue = queue
        self.cells = cells
        # Where all of it counts all the way up, and only the root bounds it: how much of what may be used there, and
        # what is counted. None: it has to be worked out each time.
        self._limits: list[tuple[tuple[int, Cell], int]] | None = []
        self._counted: list[tuple[tuple[int, Cell], int]] = []
        for cell, quantity in cells:
            chain = queue.node.open_chain(cell)
            if chain is None or quantity < 0:
                self._limits = None
                break
            self._limits.append((chain[-1].key, chain[-1].quota - quantity))
            self._counted += [(link.key, quantity) for link in chain if quantity]

    def fits(self, usage: Usage) -> bool:
        """Whether the queue may use so much more."""
        if self._limits is None:
            return self.queue.bound(self.cells, usage) is None
        # Half as long as all() with a generator takes, and asked for every job.
        for key, most in self._limits:  # noqa: SIM110
            if usage.get(key, 0) > most:
                return False
        return True

    def count(self, sign: int, usage: Usage) -> None:
        """Count it as taken (1) or given back (-1)."""
        if self._limits is None:
            for cell, quantity in self.cells:
                self.queue.node.add(cell, sign * quantity, usage)
            return
        if sign > 0:
            for key, quantity in self._counted:
                usage[key] = usage.get(key, 0) + quantity
            return
        for key, quantity in self._counted:
            usage[key] = usage.get(key, 0) - quantity
            if not usage[key]:
                del usage[key]


class QuotaBook:
    """All queues of a policy and what is charged to them."""

    def __init__(self, policy: Policy) -> None:
        self.roots: list[QuotaRoot] = []
        self.queues: dict[str, QuotaQueue] = {}
        self._by_tenant: dict[str, QuotaQueue] = {}
        self._charges: dict[str, Charge] = {}
        self._tenants: dict[str, QuotaQueue | None] = {}
        self._build(policy)

    def _build(self, policy: Policy) -> None:
        cohorts = {queue.cohort: Cohort(name=queue.cohort) for queue in policy.queues if queue.cohort}
        cohorts |= {cohort.name: cohort for cohort in policy.cohorts}
        below: dict[str, list[Cohort]] = {}
        for cohort in cohorts.values():
            below.setdefault(cohort.parent, []).append(cohort)
        members: dict[str, list[Queue]] = {}
        for queue in policy.queues:
            members.setdefault(queue.cohort, []).append(queue)
        for cohort in below.get("", []):
            nodes: dict[str, QuotaNode] = {}
            _plant(cohort.name, cohort.quotas, None, nodes)
            pending = [cohort]
            while pending:
                above = pending.pop()
                for each in below.get(above.name, []):
                    _plant(each.name, each.quotas, nodes[above.name], nodes)
                    pending.append(each)
                for queue in members.get(above.name, []):
                    _plant(queue.name, queue.quotas, nodes[above.name], nodes)
            self._root(nodes, [queue for queue in policy.queues if queue.name in nodes])
        for queue in members.get("", []):
            alone: dict[str, QuotaNode] = {}
            _plant(queue.name, queue.quotas, None, alone)
            self._root(alone, [queue])

    def _root(self, nodes: dict[str, QuotaNode], queues: list[Queue]) -> None:
        next(iter(nodes.values())).settle()
        root = QuotaRoot(nodes)
        self.roots.append(root)
        for queue in queues:
            self.queues[queue.name] = member = QuotaQueue(queue, nodes[queue.name], root)
            for tenant in queue.tenants:
                self._by_tenant[tenant] = member

    # -- who

    def queue_of(self, tenant: str, shape: Shape | None = None) -> QuotaQueue | None:
        """The queue in which this tenant's jobs (of this shape) wait; None: no quota limits them. One that rules gave
        the job counts, if this policy has it."""
        ruled = None if shape is None else shape.body.ruled
        if ruled is not None and ruled.queue in self.queues:
            return self.queues[ruled.queue]
        if not self._by_tenant:
            return None
        if tenant not in self._tenants:
            if len(self._tenants) >= QUOTA_MEMO_MAX:
                self._tenants.clear()
            name = tenant
            while name and name not in self._by_tenant:
                name = prefix_of(name)
            self._tenants[tenant] = self._by_tenant.get(name)
        return self._tenants[tenant]

    # -- how much

    def charge(self, job_id: str, charge: Charge, *, resumed: bool = False) -> None:
        """The job holds this from now on. Only what ran before this policy may be more than the quota (`resumed`)."""
        assert job_id not in self._charges, f"{job_id} is charged already"
        self._charges[job_id] = charge
        usage = charge.queue.root.usage
        assert resumed or charge.fits(usage), f"{job_id} exceeds the quota of {charge.queue.name}"
        charge.count(1, usage)
        charge.queue.has_grown = True

    def release(self, job_id: str) -> Charge | None:
        """It holds nothing any more."""
        charge = self._charges.pop(job_id, None)
        if charge is not None:
            charge.count(-1, charge.queue.root.usage)
            charge.queue.root.version += 1
        return charge

    def charges(self) -> dict[str, Charge]:
        """All, by job; not to be changed."""
        return self._charges

    def charge_of(self, job_id: str) -> Charge | None:
        """What a running job is charged."""
        return self._charges.get(job_id)


def _plant(
    name: str, quotas: tuple[Quota, ...], parent: QuotaNode | None, nodes: dict[str, QuotaNode]
) -> None:
    nodes[name] = QuotaNode(name, len(nodes), parent, quotas)


def held_by(shape: Shape, allocation: Allocation) -> Resources:
    """What an allocation takes: all that the shape wants, unless it has fewer tasks, or some that make do with an
    alternative."""
    tasks, groups = allocation.tasks, shape.body.groups
    if len(tasks) == shape.task_count and not any(task.alternative for task in tasks):
        return shape.total
    held: dict[str, int] = {}
    for task in tasks:
        for kind, quantity in groups[task.group].resources_of(task.alternative):
            held[kind] = held.get(kind, 0) + quantity
    return resources(held)
