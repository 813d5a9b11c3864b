"""What would let a job start now. Every hint was tried on the changed job: none is a guess.

Each hint is enough by itself. They are found by asking, so they cost some dozens of placements; only `explain` does.
Who only has nodes asks them (`Capacity.place`); who has the whole cycle asks that (whatif.py), and then quotas, what is
kept for others, and the order count, too.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import msgspec
import numpy as np

from hanse.core.model.jobs import GroupShape, Shape, make_shape
from hanse.core.model.resources import resources
from hanse.core.model.rules import Rules
from hanse.core.model.selectors import SelectorError
from hanse.core.scheduling.devices import device_request_error
from hanse.core.scheduling.placement import Capacity
from hanse.core.scheduling.shortfall import describe
from hanse.core.scheduling.table import NodeTable

# More than this is no answer any more.
HINTS_MAX = 8

# Whether a job with this shape would start now.
Starts = Callable[[Shape], bool]


def unblock_hints(
    capacity: Capacity,
    shape: Shape,
    starts: Starts | None = None,
    quota_left: Callable[[str], list[int]] = lambda _: [],
) -> tuple[str, ...]:
    """Changes to the job or to the region, each of which would let a job with this shape start now. `quota_left`: how
    much of a kind the job's quota leaves, way by way."""
    starts = starts or (lambda changed: capacity.place(changed) is not None)
    try:
        capacity.table.fits_of(shape)
    except SelectorError:
        return ()
    hints: list[str] = []
    for number, group in enumerate(shape.body.groups):
        hints += _fewer_resources(capacity, shape, number, starts, quota_left)
        hints += _fewer_tasks(shape, number, group, starts)
        hints += _without_constraint(shape, number, group, starts)
        hints += _without_rule(capacity, shape, number, group, starts)
    if capacity.place(shape) is None:
        hints += _more_nodes(capacity, shape)
    return tuple(hints[:HINTS_MAX])


def _fewer_resources(
    capacity: Capacity, shape: Shape, number: int, starts: Starts, quota_left: Callable[[str], list[int]]
) -> list[str]:
    hints = []
    group = shape.body.groups[number]
    for kind, quantity in group.resources:
        of_nodes = _quantities_below(capacity.table, group, kind, quantity)
        of_quota = (left // group.count for left in quota_left(kind))
        candidates = sorted({*of_nodes, *(each for each in of_quota if 0 < each < quantity)})
        enough = _last_true(candidates, functools.partial(_starts_with, shape, number, starts, kind))
        if enough is not None:
            where = _where(shape, number)
            hints.append(f"{quantity - enough} {kind} fewer per task{where} ({enough} instead of {quantity})")
    return hints


def _fewer_tasks(shape: Shape, number: int, group: GroupShape, starts: Starts) -> list[str]:
    def starts_with(count: int) -> bool:
        fewer = msgspec.structs.replace(group, count=count, count_min=count)
        return starts(_with(shape, number, fewer))

    enough = _last_true(range(1, group.count_min), starts_with)
    if enough is None:
        return []
    fewer = group.count_min - enough
    return [f"{_counted(fewer, 'task')} fewer{_where(shape, number)} ({enough} instead of {group.count_min})"]


def _without_constraint(shape: Shape, number: int, group: GroupShape, starts: Starts) -> list[str]:
    hints = []
    for position, text in enumerate(group.constraints):
        others = group.constraints[:position] + group.constraints[position + 1 :]
        if starts(_with(shape, number, msgspec.structs.replace(group, constraints=others))):
            hints.append(f"without the constraint {text!r}{_where(shape, number)}")
    return hints


def _without_rule(
    capacity: Capacity, shape: Shape, number: int, group: GroupShape, starts: Starts
) -> list[str]:
    rules = group.rules or Rules()
    less: dict[str, Rules] = {}
    for name in ("within", "spread", "island"):
        if getattr(rules, name) is not None:
            less[f"without placement.{name}"] = msgspec.structs.replace(rules, **{name: None})
    for at in range(len(rules.affinities)):
        others = rules.affinities[:at] + rules.affinities[at + 1 :]
        less[f"without placement.affinities[{at}]"] = msgspec.structs.replace(rules, affinities=others)
    if capacity.table.mask((), rules.tolerations).count < len(capacity.table.states):
        less["tolerating every taint"] = msgspec.structs.replace(rules, tolerations=("*",))
    return [
        f"{text}{_where(shape, number)}"
        for text, fewer in less.items()
        if starts(_with(shape, number, msgspec.structs.replace(group, rules=fewer)))
    ]


def _more_nodes(capacity: Capacity, shape: Shape) -> list[str]:
    """How many empty nodes of just the task's size are missing. With several groups that is not known: what one group
    leaves of a node may be what another needs."""
    if len(shape.body.groups) != 1:
        return []
    group = shape.body.groups[0]
    if group.rules is not None or shape.body.within is not None:
        return []
    if any(device_request_error(kind, quantity) for kind, quantity in group.resources):
        return []
    missing = group.count_min - capacity.table.tasks_fitting(capacity.table.fit_of(group))
    if missing <= 0:
        return []
    labels = f" and labels that satisfy {', '.join(group.constraints)}" if group.constraints else ""
    return [f"{_counted(missing, 'more node')} with {describe(group.resources)} free{labels}"]


def _with(shape: Shape, number: int, group: GroupShape) -> Shape:
    """The job as it would be if this group were like that."""
    groups = (*shape.body.groups[:number], group, *shape.body.groups[number + 1 :])
    return make_shape(msgspec.structs.replace(shape.body, groups=groups))


def _starts_with(shape: Shape, number: int, starts: Starts, kind: str, quantity: int) -> bool:
    """Whether the job would start now if a task of this group wanted only so much of this kind."""
    group = shape.body.groups[number]
    less = resources({**dict(group.resources), kind: quantity})
    return starts(_with(shape, number, msgspec.structs.replace(group, resources=less)))


def _quantities_below(table: NodeTable, group: GroupShape, kind: str, quantity: int) -> list[int]:
    """What the matching nodes have free of this kind, as far as it is less than the quantity; ascending."""
    column = table.layout.column.get(kind)
    if column is None:
        return []
    rows = [column]
    if kind in table.layout.whole_column:
        rows = [table.layout.share_column[kind], table.layout.whole_column[kind]]
    values = np.unique(table.matrix()[rows][:, table.fit_of(group).mask.flags])
    return [int(value) for value in values if 0 < value < quantity]


def _last_true(values: list[int] | range, holds: Callable[[int], bool]) -> int | None:
    """The last of these ascending values for which `holds`, found by bisection; it holds for what is returned."""
    known: int | None = None
    low, high = 0, len(values)
    while low < high:
        middle = (low + high) // 2
        if holds(values[middle]):
            known = values[middle]
            low = middle + 1
        else:
            high = middle
    return known


def _where(shape: Shape, number: int) -> str:
    """Which group is meant, where there are several."""
    return f" in groups[{number}]" if len(shape.body.groups) > 1 else ""


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
