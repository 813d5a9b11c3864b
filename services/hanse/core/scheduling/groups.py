"""How the task groups of a job are placed together, all or nothing.

The method, for any number of groups: first every group's least number of tasks, then as many more as are wanted, each
group on nodes in order. Groups with the fewest nodes to choose from go first, then those with the largest tasks, since
what is hardest to place must not find its places taken. For one group without domains this finds a placement whenever
there is one; for several it may miss one, as every method does that must answer within milliseconds.

A group that wants to be within one domain gets the one with the least room that suffices, so that larger ones stay
whole; one that only prefers it gets the next wider level, and at last as few domains as will do. A group that wants to
be spread gets as many tasks in each domain as in any other, as far as there is room. Alternatives are tried in order
for the whole group.
"""

from __future__ import annotations

import heapq

import numpy as np
import numpy.typing as npt

from hanse.core.model.jobs import Allocation, GroupShape, Shape, TaskPlacement
from hanse.core.model.rules import NODE_LEVEL, Spread, Within
from hanse.core.scheduling.nodes import SLACK_UNIT, TaskNeed
from hanse.core.scheduling.table import NodeTable, TaskFit
from hanse.core.scheduling.topology import Domains
from hanse.core.scheduling.trial import Quotas, Trial

Bools = npt.NDArray[np.bool_]

# Domains tried one after another. The first nearly always does: only caps, and groups that share a domain, can make the
# count of what has room there wrong.
DOMAINS_TRIED_MAX = 8


def place_job(trial: Trial, shape: Shape) -> Allocation | None:
    """Book one job. After None the trial is spoilt."""
    within = shape.body.within
    if within is not None:
        for allowed in _domains_for_all(trial, shape, within):
            attempt = trial.copy()
            placed = _Placing(attempt, shape, allowed).place()
            if placed is not None:
                trial.adopt(attempt)
                return placed
        if within.required:
            return None
    return _Placing(trial, shape, None).place()


def _domains_for_all(trial: Trial, shape: Shape, within: Within) -> list[Bools]:
    """The domains that seem to have room for every group, those with the least room first."""
    domains = trial.table.topology.domains(within.level)
    if domains is None:
        return []
    count = len(domains.names)
    enough = np.ones(count, dtype=np.bool_)
    total = np.zeros(count, dtype=np.int64)
    for group in shape.body.groups:
        rooms = _most_rooms(trial, group, domains)
        enough &= rooms >= group.count_min
        total += np.minimum(rooms, group.count)
    # As many of the wanted tasks as can be, then the smallest domain, then by name.
    free = _free_by_domain(trial.table, domains)
    found = sorted((-int(total[at]), int(free[at]), int(at)) for at in np.flatnonzero(enough))
    return [domains.of_node == at for _, _, at in found[:DOMAINS_TRIED_MAX]]


def _most_rooms(trial: Trial, group: GroupShape, domains: Domains) -> npt.NDArray[np.int64]:
    """By domain, the room for the alternative that has most of it there."""
    count = len(domains.names)
    most = np.zeros(count, dtype=np.int64)
    for alternative in range(group.wish_count):
        fit = trial.table.fit_of(group, alternative)
        most = np.maximum(most, trial.rooms(fit, domains.of_node, count, None))
    return most


def _free_by_domain(table: NodeTable, domains: Domains) -> npt.NDArray[np.int64]:
    """How much is free in each domain, by the slack of its nodes."""
    free = np.zeros(len(domains.names) + 1, dtype=np.int64)
    np.add.at(free, domains.of_node, np.array([state.slack for state in table.states], dtype=np.int64))
    return free[:-1]


class _Placing:
    """One attempt at all groups of a job; `allowed`: on these nodes only."""

    def __init__(self, trial: Trial, shape: Shape, allowed: Bools | None) -> None:
        self._trial = trial
        self._shape = shape
        self._allowed = allowed
        groups = shape.body.groups
        self._tasks: list[list[TaskPlacement]] = [[] for _ in groups]
        # What was settled on for each group when its first tasks were placed.
        self._alternative = [0] * len(groups)
        self._where: list[Bools | None] = [allowed] * len(groups)

    def place(self) -> Allocation | None:
        table, groups = self._trial.table, self._shape.body.groups
        fits = table.fits_of(self._shape)
        order = list(range(len(groups)))
        if len(groups) > 1:
            order.sort(key=lambda number: (*_hardness(table, fits[number]), number))
        for number in order:
            if not self._place_least(number, groups[number]):
                return None
        for number in order:
            more = groups[number].count - len(self._tasks[number])
            if more > 0:
                self._tasks[number] += self._place_some(
                    self._trial, number, more, self._alternative[number], self._where[number]
                )
        return Allocation(tuple(placement for placed in self._tasks for placement in placed))

    def _place_least(self, number: int, group: GroupShape) -> bool:
        """As many tasks as the group needs to start."""
        rules = group.rules
        if rules is None or (rules.within is None and not rules.alternatives):
            self._tasks[number] = self._place_some(self._trial, number, group.count_min, 0, self._allowed)
            return len(self._tasks[number]) == group.count_min
        for alternative in range(group.wish_count):
            for where in self._places(group, alternative):
                attempt = self._trial.copy()
                placed = self._place_some(attempt, number, group.count_min, alternative, where)
                if len(placed) == group.count_min:
                    self._trial.adopt(attempt)
                    self._tasks[number] = placed
                    self._alternative[number], self._where[number] = alternative, where
                    return True
        return False

    def _places(self, group: GroupShape, alternative: int) -> list[Bools | None]:
        """The sets of nodes to try for a group, one after another."""
        within = group.rules.within if group.rules is not None else None
        if within is None:
            return [self._allowed]
        topology = self._trial.table.topology
        levels = topology.levels
        domains = topology.domains(within.level)
        if domains is None:
            return [] if within.required else [self._allowed]
        places = self._domains_for(group, alternative, domains)
        if within.required:
            return [*places]
        # The level that is preferred, then the next wider ones, then as few domains as will do, then anywhere.
        for level in reversed(levels[: levels.index(within.level)]):
            wider = topology.domains(level)
            assert wider is not None, "a level of the topology without its domains"
            places += self._domains_for(group, alternative, wider)
        return [*places, self._fewest_domains(group, alternative, domains), self._allowed]

    def _domains_for(self, group: GroupShape, alternative: int, domains: Domains) -> list[Bools]:
        """Domains with room for the whole group, else for its least, those with the least room first."""
        rooms = self._rooms(group, alternative, domains)
        whole = [(room, at) for at, room in enumerate(rooms) if room >= group.count]
        least = [(-room, at) for at, room in enumerate(rooms) if group.count_min <= room < group.count]
        chosen = [at for _, at in sorted(whole)] + [at for _, at in sorted(least)]
        return [self._also_allowed(domains.of_node == at) for at in chosen[:DOMAINS_TRIED_MAX]]

    def _fewest_domains(self, group: GroupShape, alternative: int, domains: Domains) -> Bools:
        """As few domains as have room together, the roomiest first."""
        rooms = self._rooms(group, alternative, domains)
        chosen: list[int] = []
        missing = group.count
        for room, at in sorted((-room, at) for at, room in enumerate(rooms)):
            if missing <= 0:
                break
            chosen.append(at)
            missing += room
        return self._also_allowed(np.isin(domains.of_node, chosen))

    def _rooms(self, group: GroupShape, alternative: int, domains: Domains) -> list[int]:
        fit = self._trial.table.fit_of(group, alternative)
        rooms = self._trial.rooms(fit, domains.of_node, len(domains.names), self._allowed)
        counted: list[int] = rooms.tolist()
        return counted

    def _also_allowed(self, flags: Bools) -> Bools:
        return flags if self._allowed is None else flags & self._allowed

    def _place_some(
        self, trial: Trial, number: int, count: int, alternative: int, where: Bools | None
    ) -> list[TaskPlacement]:
        group = self._shape.body.groups[number]
        fit = trial.table.fit_of(group, alternative)
        quotas = None
        if group.rules is not None and group.rules.spread is not None:
            quotas = self._quotas(trial, number, fit, count, where, group.rules.spread)
            if quotas is None:
                return []
        return trial.place_tasks(number, fit, count, alternative=alternative, allowed=where, quotas=quotas)

    def _quotas(
        self, trial: Trial, number: int, fit: TaskFit, count: int, where: Bools | None, spread: Spread
    ) -> Quotas | None:
        """How many of `count` more tasks each domain gets: always one for the domain that has fewest. None: the region
        has no such level."""
        table = trial.table
        domains = table.topology.domains(spread.level)
        if domains is None:
            if spread.tasks_max:
                return None
            domains = table.topology.domains(NODE_LEVEL)
            assert domains is not None, "every topology has nodes"
        rooms = trial.rooms(fit, domains.of_node, len(domains.names), where).tolist()
        have = [0] * len(rooms)
        for task in self._tasks[number]:
            have[int(domains.of_node[table.by_name[task.node].index])] += 1
        most = spread.tasks_max or count + len(self._tasks[number])
        heap = [(had, at) for at, had in enumerate(have) if rooms[at] and had < most]
        heapq.heapify(heap)
        left: dict[int, int] = {}
        for _ in range(count):
            if not heap:
                break
            had, at = heap[0]
            left[at] = left.get(at, 0) + 1
            if left[at] < rooms[at] and had + 1 < most:
                heapq.heapreplace(heap, (had + 1, at))
            else:
                heapq.heappop(heap)
        return Quotas(domains, left)


def _hardness(table: NodeTable, fit: TaskFit) -> tuple[int, int]:
    return fit.mask.count, -largest_share(table, fit.need)


def largest_share(table: NodeTable, need: TaskNeed) -> int:
    """The task's dominant share of the region's largest node, in 2^-20."""
    layout = table.layout
    shares = [
        quantity * SLACK_UNIT // layout.peaks[layout.column[kind]]
        for kind, quantity in need.resources
        if kind in layout.column and layout.peaks[layout.column[kind]]
    ]
    return max(shares, default=0)
