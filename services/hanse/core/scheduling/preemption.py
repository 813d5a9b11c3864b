"""Preemption: which running jobs are stopped so that a waiting one starts, if any.

Who may take whose capacity:
    tier      jobs of a tier that the victim's tier names in `preemptible_by`
    queue     jobs of the same queue, as its `within_queue` says
    reclaim   a queue that stays within its nominal quota, from queues of its cohort that borrow
    borrow    a queue that borrows itself, from others that do, if its `borrow_within_cohort` says so

Method. Candidates are put in order of what stopping them costs: tiers that are served last first, then other queues'
borrowers, low priority, much slack (how far the job is above what its tier promises), little lost work. In that order
they are taken away, on a snapshot of nodes and quotas, until the waiting job has room; then each of them that is not
needed after all is given back, dearest first (Kueue does the same). For a job of one task, where quota is not short,
each node is looked at by itself, and the cheapest set counts. If the job still has no room with all of them gone,
nobody is stopped.

What keeps it quiet: a job that would start soon by itself does not preempt (`patience_us`); a job that waits because
it was preempted does not preempt, so there are no cascades; a job that has just started, that was started often
enough already, or that has less than its tier promises is no victim; and what victims leave is kept for the job that
they were stopped for (a *claim*).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from operator import attrgetter

import msgspec

from hanse.core.model.jobs import ATTEMPTS_PER_TERM, Allocation, Job, ReasonCode
from hanse.core.model.lifecycle import JobState
from hanse.core.model.limits import VICTIM_CANDIDATES_MAX
from hanse.core.policy.model import Tier
from hanse.core.scheduling.backfill import Reservation, WindowsAhead
from hanse.core.scheduling.cohorts import Usage
from hanse.core.scheduling.nodes import NodeState
from hanse.core.scheduling.placement import Capacity
from hanse.core.scheduling.quota import QuotaQueue
from hanse.core.scheduling.standing import Standing
from hanse.core.scheduling.table import TaskFit
from hanse.core.scheduling.trial import Trial
from hanse.core.scheduling.ways import Way

# Slack within a tenth is alike: lost work decides.
_SLACK_STEP_PERMILLE = 100
# Nodes that are looked at for a job of one task, those of the cheapest candidates first; some 50 us each.
_NODES_TRIED_MAX = 16
_FROM_COHORT = ("reclaim", "borrow")


_COST = attrgetter("cost")


class Victim(msgspec.Struct, frozen=True, gc=False):
    """A job that may be stopped, by which rule, and what that costs: compared from the left."""

    job: Job
    rule: str
    cost: tuple[int, int, int, int, int, str]
    lost: int


class Claim(msgspec.Struct, frozen=True):
    """Room that victims are leaving, for the job of the reservation."""

    reservation: Reservation
    victims: tuple[Victim, ...]


class _Found(msgspec.Struct, frozen=True):
    allocation: Allocation
    nodes: Trial
    usage: Usage | None


_Choice = tuple[list[Victim] | None, _Found | None]


class Preemption:
    """Finds victims. `world`, `used` and `windows` as for backfill.Outlook."""

    def __init__(
        self,
        capacity: Capacity,
        standing: Standing,
        world: Callable[[], Trial],
        used: Callable[[QuotaQueue], Usage],
        windows: WindowsAhead,
    ) -> None:
        self._rules = standing.policy.preemption
        self._tiers = standing.tiers
        self._capacity = capacity
        self._standing = standing
        self._quotas = standing.quotas
        self._running = standing.running
        # Asked for each candidate.
        self._began_us, self._leaving = standing.running.ends.began_us, standing.running.leaving
        self._attainment = standing.attainment
        self._world = world
        self._used = used
        self._windows = windows
        # Of the job in question: when it is asked for, and how long it is predicted to run.
        self._now_us = self._run_us = 0

    def entitled(self, job: Job) -> bool:
        """Whether there is anybody whose capacity the job might take."""
        if not self._rules.enabled or job.reason.code is ReasonCode.PREEMPTED:
            return False
        if any(self._running.in_tier(tier) for tier in self._tiers.victims_of(job.shape.body.tier)):
            return True
        queue = self._quotas.queue_of(job.tenant, job.shape)
        if queue is None:
            return False
        rules = queue.queue
        own = rules.within_queue != "never" and self._running.in_queue(queue.name)
        return own or rules.reclaim_within_cohort != "never" or rules.borrow_within_cohort != "never"

    def find(self, job: Job, now_us: int) -> Claim | None:
        """The cheapest victims in the first way in which there are any. None: nothing is to be gained."""
        self._now_us, self._run_us = now_us, self._standing.predictor.predict_us(job)
        for way in self._standing.ways_of(job):
            candidates = self._candidates(job, way, now_us)
            chosen, found = self._cheapest(job, way, candidates) if candidates else (None, None)
            if chosen is not None and 0 < len(chosen) <= self._rules.victims_max:
                return self._claim(job, way, chosen, found)
        return None

    def find_among(self, job: Job, movable: Sequence[Job], most: int, now_us: int) -> Claim | None:
        """The same of these running jobs, at most so many, whatever the rules say of who may take whose capacity: they
        do not lose theirs, but go where there is room for them (federation/making_room.py)."""
        self._now_us, self._run_us = now_us, self._standing.predictor.predict_us(job)
        priced = [
            self._priced(each, "move", 0, self._tiers.tier(tier), self._tiers.rank(tier), now_us)
            for each in movable[:VICTIM_CANDIDATES_MAX]
            if self._may_be_moved_for(job, tier := each.shape.body.tier)
        ]
        candidates = sorted([each for each in priced if each is not None], key=_COST)
        for way in self._standing.ways_of(job) if candidates else ():
            chosen = self._needed(job, way, candidates)
            if chosen is not None and 0 < len(chosen) <= min(most, self._rules.victims_max):
                return self._claim(job, way, chosen)
        return None

    def _may_be_moved_for(self, job: Job, tier: str) -> bool:
        """Who is of a better tier stays, and so does whom nobody may preempt."""
        return bool(self._tiers.tier(tier).preemptible_by) and self._tiers.rank(tier) >= self._tiers.rank(
            job.shape.body.tier
        )

    def _claim(self, job: Job, way: Way, chosen: list[Victim], found: _Found | None = None) -> Claim:
        """The room that these leave; `found`: where the job fits without them, if that is known already."""
        found = found or self._fits_without(job, way, chosen)
        assert found is not None, f"{job.id}: the victims that were found are not enough"
        grace_us = max(victim.job.grace_us for victim in chosen)
        reservation = Reservation(
            job,
            self._now_us + grace_us + 1,
            way,
            usage=found.usage,
            allocation=found.allocation,
            nodes=found.nodes,
        )
        return Claim(reservation, tuple(chosen))

    # -- whose

    def _candidates(self, job: Job, way: Way, now_us: int) -> list[Victim]:
        """Each of those that are permitted, at the first rule that permits it."""
        found: list[Victim] = []
        seen: dict[str, None] = {}
        tiers: dict[str, tuple[Tier, int]] = {}
        left = VICTIM_CANDIDATES_MAX
        for permitted, rule in self._permitted(job, way):
            own_queue = 1 if rule.startswith("within queue") else 0
            for victim in islice(permitted, left):
                left -= 1
                if victim.id in seen:
                    continue
                seen[victim.id] = None
                name = victim.shape.body.tier
                if name not in tiers:
                    tiers[name] = (self._tiers.tier(name), self._tiers.rank(name))
                priced = self._priced(victim, rule, own_queue, *tiers[name], now_us)
                if priced is not None:
                    found.append(priced)
        found.sort(key=_COST)
        return found

    def _permitted(self, job: Job, way: Way) -> Iterator[tuple[Iterator[Job], str]]:
        """Newest first, as the rules permit; with the rule."""
        running, queue = self._running, way.queue
        if queue is not None:
            yield from self._from_cohort(job, way, queue)
            yield from self._from_own_queue(job, queue)
        for tier in self._tiers.victims_of(job.shape.body.tier):
            yield running.newest_of_tier(tier, job), f"tier {job.shape.body.tier} before {tier}"

    def _from_own_queue(self, job: Job, queue: QuotaQueue) -> Iterator[tuple[Iterator[Job], str]]:
        rule, own = queue.queue.within_queue, job.shape.body.priority
        if rule == "never":
            return
        named = f"within queue {queue.name} ({rule})"
        yield self._running.newest_of_queue(queue.name, job, own - 1), named
        if rule == "lower_or_newer_equal_priority":
            newer = (
                victim
                for victim in self._running.newest_of_queue(queue.name, job, own)
                if victim.shape.body.priority == own and victim.order_us > job.order_us
            )
            yield newer, named

    def _from_cohort(self, job: Job, way: Way, queue: QuotaQueue) -> Iterator[tuple[Iterator[Job], str]]:
        rules, usage = queue.queue, queue.root.usage
        if queue.within_nominal(way.flavour, way.wanted, usage):
            rule, name, most = rules.reclaim_within_cohort, "reclaim", None
        else:
            rule, name, most = rules.borrow_within_cohort, "borrow", rules.borrow_priority_max
        if rule == "never":
            return
        if rule == "lower_priority":
            below = job.shape.body.priority - 1
            most = below if most is None else min(below, most)
        named = f"{name} within cohort {queue.root.name} ({rule})"
        for other in self._running.queues():
            member = self._quotas.queues.get(other)
            if other == queue.name or member is None or member.root is not queue.root:
                continue
            if not member.node.borrows(usage):
                continue
            yield self._running.newest_of_queue(other, job, most), named

    def _priced(
        self, victim: Job, rule: str, own_queue: int, tier: Tier, rank: int, now_us: int
    ) -> Victim | None:
        """What it costs to stop a job of this tier; None: it must not be stopped. `own_queue`: 1 if it is charged to
        the queue of the job that it would be stopped for."""
        job_id = victim.id
        if victim.state is not JobState.RUNNING or job_id in self._leaving:
            return None
        ran_us = now_us - self._began_us(job_id)
        # Attempts begun before this one that it was not to blame for.
        restarts = (victim.attempt - 1) % ATTEMPTS_PER_TERM - victim.failures
        if ran_us < self._rules.run_min_us or restarts >= self._rules.restarts_max:
            return None
        slack = self._attainment.slack_permille(job_id, tier, now_us)
        if slack <= 0:
            return None
        shape = victim.shape
        lost = ran_us * (shape.task_count or 1)
        above = slack // _SLACK_STEP_PERMILLE
        return Victim(victim, rule, (-rank, own_queue, shape.body.priority, -above, lost, job_id), lost)

    # -- how many

    def _cheapest(self, job: Job, way: Way, candidates: list[Victim]) -> _Choice:
        """The victims, and where the job fits without them if that is known already."""
        candidates = self._while_they_borrow(way.queue, candidates)
        if job.shape.task_count == 1 and (way.queue is None or way.bound(self._used(way.queue)) is None):
            found = self._cheapest_node(job, way, candidates)
            if found[0] is not None:
                return found
        return self._needed(job, way, candidates), None

    def _cheapest_node(self, job: Job, way: Way, candidates: list[Victim]) -> _Choice:
        """Where quota is not short, one task needs room on one node only: each is looked at by itself."""
        table, world = self._capacity.table, self._world()
        group = way.placed.body.groups[0]
        places = {victim.job.id: place for place, victim in enumerate(candidates)}
        sets = []
        for node in self._first_nodes(candidates):
            state = table.by_name.get(node)
            here = sorted(places[job_id] for job_id in (state.jobs if state else ()) if job_id in places)
            victims = [candidates[place] for place in here]
            for alternative in range(group.wish_count):
                enough = self._enough_on(world, node, table.fit_of(group, alternative), victims)
                if enough:
                    sets.append(enough)
                    break
        for chosen in sorted(sets, key=_price):
            found = self._fits_without(job, way, chosen)
            if found is not None:
                return chosen, found
        return None, None

    def _first_nodes(self, candidates: list[Victim]) -> Iterable[str]:
        """Where the first candidates are: as many nodes as are tried."""
        nodes: dict[str, None] = {}
        for victim in candidates:
            nodes.update(dict.fromkeys(self._nodes_of(victim)))
            if len(nodes) >= _NODES_TRIED_MAX:
                break
        return islice(nodes, _NODES_TRIED_MAX)

    def _enough_on(self, world: Trial, node: str, fit: TaskFit, victims: list[Victim]) -> list[Victim]:
        """The first of these that leave a task room on this node, without those that are not needed; none: they are
        not enough."""
        chosen: list[Victim] = []
        state = world.state(node)
        for victim in victims:
            if state is None or self._capacity.table.has_room(fit, state):
                break
            self._take_away(victim, state, 1)
            chosen.append(victim)
        if state is None or not self._capacity.table.has_room(fit, state):
            return []
        for victim in reversed(chosen[:-1]):
            self._take_away(victim, state, -1)
            if self._capacity.table.has_room(fit, state):
                chosen.remove(victim)
            else:
                self._take_away(victim, state, 1)
        return chosen

    def _take_away(self, victim: Victim, state: NodeState, sign: int) -> None:
        """Give back what a victim has on this node (1), or take it again (-1)."""
        shape, allocation = self._capacity.held(victim.job.id)
        for task in allocation.tasks:
            if task.node == state.node.name:
                need = self._capacity.table.fit_of_task(shape, task).need
                state.suppose(need, task.devices, sign)

    def _while_they_borrow(self, queue: QuotaQueue | None, candidates: list[Victim]) -> list[Victim]:
        """Without those whose queue would be back within its own quota when their turn comes."""
        if queue is None or not any(victim.rule.startswith(_FROM_COHORT) for victim in candidates):
            return candidates
        usage = self._used(queue)
        kept: list[Victim] = []
        for victim in candidates:
            charge = self._quotas.charge_of(victim.job.id)
            from_cohort = victim.rule.startswith(_FROM_COHORT)
            if charge is not None and from_cohort and not charge.queue.node.borrows(usage):
                continue
            if charge is not None and charge.queue.root is queue.root:
                charge.count(-1, usage)
            kept.append(victim)
        return kept

    def _needed(self, job: Job, way: Way, candidates: list[Victim]) -> list[Victim] | None:
        """The first of the candidates that are enough, without those among them that are not needed."""
        few, enough = 0, 1
        found = self._fits_without(job, way, candidates[:enough])
        while found is None and enough < len(candidates):
            few, enough = enough, min(len(candidates), 2 * enough)
            found = self._fits_without(job, way, candidates[:enough])
        if found is None:
            return None
        while enough - few > 1:
            middle = (enough + few) // 2
            nearer = self._fits_without(job, way, candidates[:middle])
            if nearer is None:
                few = middle
            else:
                enough, found = middle, nearer
        return self._without_needless(job, way, candidates[:enough], found)

    def _without_needless(self, job: Job, way: Way, chosen: list[Victim], found: _Found) -> list[Victim]:
        """Give back, dearest first, whom the job can start without: at once all that are elsewhere, if that does."""
        nodes = {task.node: None for task in found.allocation.tasks}
        near = [each for each in chosen if any(node in nodes for node in self._nodes_of(each))]
        if len(near) < len(chosen) and self._fits_without(job, way, near) is not None:
            chosen = near
        for victim in reversed(chosen):
            fewer = [each for each in chosen if each is not victim]
            if self._fits_without(job, way, fewer) is not None:
                chosen = fewer
        return chosen

    def _nodes_of(self, victim: Victim) -> Iterable[str]:
        """Each once, in the order of its tasks."""
        tasks = self._capacity.held(victim.job.id)[1].tasks
        return (tasks[0].node,) if len(tasks) == 1 else dict.fromkeys([task.node for task in tasks])

    def _fits_without(self, job: Job, way: Way, victims: list[Victim]) -> _Found | None:
        """Whether the job has room once these are gone, and where."""
        usage, queue = None, way.queue
        if queue is not None:
            usage = self._used(queue)
            for victim in victims:
                charge = self._quotas.charge_of(victim.job.id)
                if charge is not None and charge.queue.root is queue.root:
                    charge.count(-1, usage)
            if way.bound(usage) is not None:
                return None
        nodes = self._world()
        for victim in victims:
            nodes.release(victim.job.id, *self._capacity.held(victim.job.id))
        gone_us = self._now_us + max((victim.job.grace_us for victim in victims), default=0)
        # Nobody is stopped for what a window would have then.
        gone = [victim.job.id for victim in victims]
        self._windows.heed(nodes, job.tenant, self._now_us, gone_us + self._run_us, gone)
        allocation = way.place(nodes)
        return None if allocation is None else _Found(allocation, nodes, usage)


def _price(victims: list[Victim]) -> tuple[tuple[int, ...], int, int, tuple[str, ...]]:
    """What a set costs: first whom it hits worst (tier, queue, priority, slack), then lost work, then how many."""
    return (
        max(victim.cost[:4] for victim in victims),
        sum(victim.lost for victim in victims),
        len(victims),
        tuple(sorted(victim.job.id for victim in victims)),
    )
