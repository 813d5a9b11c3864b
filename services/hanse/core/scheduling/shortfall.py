"""What a shape lacks: why it can never run here, and what keeps it from running now."""

from __future__ import annotations

import msgspec
import numpy as np

from hanse.core.model.jobs import GroupShape, Shape
from hanse.core.model.limits import DEVICE_UNIT, EXPLAINED_NODES_MAX
from hanse.core.model.resources import Resources
from hanse.core.model.selectors import SelectorError
from hanse.core.replies import Blocker
from hanse.core.scheduling.devices import device_request_error
from hanse.core.scheduling.rule_shortfall import rule_shortfall, variants
from hanse.core.scheduling.table import NodeTable
from hanse.core.scheduling.trial import Trial

# Nodes that are tried one by one for "if the jobs on this node ended"; each try is one placement.
SINGLE_NODES_TRIED_MAX = 64

CONSTRAINT = "CONSTRAINT"
CAPACITY = "CAPACITY"
TAINT = "TAINT"
CORDONED = "CORDONED"
# Tolerates everything, so that only labels are asked.
ANY_TAINT = ("*",)


def never_fits(empty: NodeTable, shape: Shape) -> str | None:
    """Why nothing with this shape can run on these nodes, of which nothing is taken. None: it can."""
    if _starts(empty, shape):
        return None
    for number, group in enumerate(shape.body.groups):
        reasons = [_group_never_fits(empty, variant) for variant in variants(group)]
        if all(reason is not None for reason in reasons):
            others = f" (nor do its {len(reasons) - 1} alternatives fit)" if len(reasons) > 1 else ""
            return f"groups[{number}]: {reasons[0]}{others}"
    if shape.body.within is not None and shape.body.within.required:
        return f"its groups do not fit together into one {shape.body.within.level}, even if every node were empty"
    return "its groups fit one by one but not together, even if every node were empty"


def _starts(table: NodeTable, shape: Shape) -> bool:
    try:
        fit = table.fits_of(shape)[0] if _is_one_task(shape) else None
        if fit is not None and fit.plain and fit.mask.by_class:
            return table.ranking.count_open(fit, 1) > 0
        return Trial(table).place(shape) is not None
    except SelectorError:
        return False


def _is_one_task(shape: Shape) -> bool:
    """Whether that is all that is wanted, with no rules: then some node has room for it, or none."""
    groups, within = shape.body.groups, shape.body.within
    return len(groups) == 1 and groups[0].count == 1 and groups[0].rules is None and within is None


def _group_never_fits(empty: NodeTable, group: GroupShape) -> str | None:
    for kind, quantity in group.resources:
        error = device_request_error(kind, quantity)
        if error is not None:
            return error
    try:
        fit = empty.fit_of(group)
    except SelectorError as error:
        return f"constraint {error}"
    if not fit.mask.count:
        return (
            f"no node satisfies {' and '.join(group.constraints)}"
            if group.constraints
            else "there are no nodes"
        )
    nodes = _matching(empty, group)
    for kind, quantity in group.resources:
        most, name = empty.most_free(fit, kind, quantity < DEVICE_UNIT)
        if most < quantity:
            largest = f"the most that one has is {most} ({name})" if most else "none of them has any"
            return f"one task needs {kind}={quantity}; {nodes}, and {largest}"
    room = empty.tasks_fitting(fit)
    if not room:
        return f"one task needs {describe(group.resources)}; {nodes}, and none has all of it"
    if room < group.count_min:
        wanted = f"{group.count_min} x {describe(group.resources)}"
        return f"a gang of {wanted} needs room for {group.count_min} tasks; {nodes}, with room for {room} when empty"
    lacking = rule_shortfall(empty, group)
    return lacking[1] if lacking is not None else None


def blockers(table: NodeTable, shape: Shape, never: str | None) -> tuple[Blocker, ...]:
    """What keeps a shape that has no room now from starting; `never` is what `never_fits` says of it."""
    if never is not None:
        return (never_blocker(table, shape, never),)
    short = [_group_shortfall(table, number, group) for number, group in enumerate(shape.body.groups)]
    short += [_alternatives_tried(number, group) for number, group in enumerate(shape.body.groups)]
    because = tuple(blocker for blocker in short if blocker is not None)
    message = because[0].message if because else "its groups have room one by one, but not together"
    names, advice = _nodes_to_empty(table, shape)
    return (Blocker(code=CAPACITY, message=f"{message}; {advice}", nodes=names, because=because),)


def never_blocker(table: NodeTable, shape: Shape, never: str) -> Blocker:
    """That a shape can't run here whatever ends, and what its constraints leave."""
    unmatched = [
        group
        for group in shape.body.groups
        if group.constraints and not table.mask(group.constraints, ANY_TAINT).count
    ]
    because = tuple(blocker for group in unmatched for blocker in _constraint_counts(table, group))
    code = CONSTRAINT if unmatched else CAPACITY
    return Blocker(code=code, message=f"can never run in this region: {never}", because=because)


def _group_shortfall(table: NodeTable, number: int, group: GroupShape) -> Blocker | None:
    """What this group alone lacks now."""
    fit = table.fit_of(group)
    room = table.tasks_fitting(fit)
    if room >= group.count_min:
        lacking = rule_shortfall(table, group)
        if lacking is None:
            return None
        return Blocker(code=lacking[0], message=f"groups[{number}]: {lacking[1]}")
    nodes = _matching(table, group)
    if room:
        text = f"room for {room} of {group.count_min} tasks that each need {describe(group.resources)}"
    else:
        text = _scarcest(table, group)
    because = (*_constraint_counts(table, group), *_but_for_one_kind(table, group))
    return Blocker(code=CAPACITY, message=f"groups[{number}]: {nodes}, {text}", because=because)


def _but_for_one_kind(table: NodeTable, group: GroupShape) -> tuple[Blocker, ...]:
    """For each kind, the nodes that would take a task if it did not need that kind; those with most of it first."""
    if len(group.resources) < 2 or device_error_of(group) is not None:
        return ()
    mask = table.fit_of(group).mask.flags
    found = []
    for kind, quantity in group.resources:
        others = tuple(each for each in group.resources if each[0] != kind)
        flags = table.open_nodes(table.fit_of(msgspec.structs.replace(group, resources=others))) & mask
        column = table.layout.column.get(kind)
        indices = np.flatnonzero(flags).tolist()
        if not indices or column is None:
            continue
        free = table.matrix()[column]
        indices.sort(key=lambda index: (-int(free[index]), index))
        found.append(_fit_but_for(table, kind, quantity, indices, int(np.count_nonzero(mask))))
    return tuple(found)


def _fit_but_for(table: NodeTable, kind: str, quantity: int, indices: list[int], matching: int) -> Blocker:
    free = table.matrix()[table.layout.column[kind]]
    most = max(0, int(free[indices[0]]))
    return Blocker(
        code=CAPACITY,
        message=f"{len(indices)} of {matching} fit but for {kind}: a task needs {quantity}, the most free is {most}",
        nodes=_named(table, indices),
    )


def device_error_of(group: GroupShape) -> str | None:
    """Why nothing can have what the group asks of a kind of devices; None: something can."""
    errors = (device_request_error(kind, quantity) for kind, quantity in group.resources)
    return next((error for error in errors if error is not None), None)


def _scarcest(table: NodeTable, group: GroupShape) -> str:
    """The first kind that no matching node has enough of, or that no node has all kinds together."""
    fit = table.fit_of(group)
    for kind, quantity in group.resources:
        most, name = table.most_free(fit, kind, quantity < DEVICE_UNIT)
        if most < quantity:
            where = f"most free is {most} on {name}" if most else "none is free"
            return f"none has {quantity} {kind} free for one task: {where}"
    return f"none has {describe(group.resources)} free together"


def _constraint_counts(table: NodeTable, group: GroupShape) -> tuple[Blocker, ...]:
    """For each selector, how many nodes satisfy it."""
    total = len(table.states)
    found = [
        Blocker(
            code=CONSTRAINT, message=f"{table.mask((text,), ANY_TAINT).count} of {total} nodes satisfy {text}"
        )
        for text in group.constraints
    ]
    tolerations = group.rules.tolerations if group.rules is not None else ()
    cordoned = [
        index for index in np.flatnonzero(table.fit_of(group).mask.flags) if table.states[index].cordoned
    ]
    if cordoned:
        count = table.fit_of(group).mask.count
        found.append(
            Blocker(
                code=CORDONED,
                message=f"{len(cordoned)} of {count} matching nodes are cordoned",
                nodes=_named(table, [int(index) for index in cordoned]),
            )
        )
    untainted = table.mask((), tolerations).count
    if untainted < total:
        found.append(
            Blocker(
                code=TAINT,
                message=f"{total - untainted} of {total} nodes have taints that it does not tolerate",
            )
        )
    return tuple(found)


def _alternatives_tried(number: int, group: GroupShape) -> Blocker | None:
    """That what was said of the first choice is not all that was tried."""
    if group.rules is None or not group.rules.alternatives:
        return None
    count = len(group.rules.alternatives)
    return Blocker(code=CAPACITY, message=f"groups[{number}]: its {count} alternatives have no room either")


def _nodes_to_empty(table: NodeTable, shape: Shape) -> tuple[tuple[str, ...], str]:
    """Nodes whose jobs, if they ended, would leave room, and a sentence that says whether one or all of them."""
    flags = np.logical_or.reduce(
        [table.fit_of(variant).mask.flags for group in shape.body.groups for variant in variants(group)]
    )
    taken = [table.states[int(index)] for index in np.flatnonzero(flags)]
    taken = sorted((state for state in taken if state.jobs), key=lambda state: (-state.slack, state.index))
    order = [state.index for state in taken]
    singles = [index for index in order[:SINGLE_NODES_TRIED_MAX] if _starts_without(table, shape, [index])]
    if singles:
        return _named(table, singles), "it would start if the jobs on any one of the named nodes ended"
    needed = _fewest(table, shape, order)
    more = len(needed) - EXPLAINED_NODES_MAX
    others = f" and on {more} others" if more > 0 else ""
    return _named(table, needed), f"it would start if the jobs on all of the named nodes{others} ended"


def _fewest(table: NodeTable, shape: Shape, order: list[int]) -> list[int]:
    """A short list of nodes, from the front of `order`, that suffices if all of them are emptied; each is needed."""
    enough, lacking = len(order), 0
    while enough - lacking > 1:
        middle = (enough + lacking) // 2
        if _starts_without(table, shape, order[:middle]):
            enough = middle
        else:
            lacking = middle
    chosen = order[:enough]
    if len(chosen) > SINGLE_NODES_TRIED_MAX:
        return chosen
    for index in list(chosen):
        fewer = [other for other in chosen if other != index]
        if _starts_without(table, shape, fewer):
            chosen = fewer
    return chosen


def _starts_without(table: NodeTable, shape: Shape, indices: list[int]) -> bool:
    """Whether the shape has room once these nodes are empty."""
    trial = Trial(table)
    for index in indices:
        trial.empty(index)
    return trial.place(shape) is not None


def _named(table: NodeTable, indices: list[int]) -> tuple[str, ...]:
    return tuple(table.states[index].node.name for index in indices[:EXPLAINED_NODES_MAX])


def _matching(table: NodeTable, group: GroupShape) -> str:
    """How many nodes the constraints leave."""
    return f"{table.fit_of(group).mask.count} of {len(table.states)} nodes match"


def describe(wanted: Resources) -> str:
    """A vector for people."""
    return ", ".join(f"{kind}={quantity}" for kind, quantity in wanted) or "nothing"
