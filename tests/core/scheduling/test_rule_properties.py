"""What placement promises with rules, racks and caps, over generated regions and histories; and that what is remembered
answers like what is asked afresh, node by node."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hanse.core.model.jobs import Allocation, GroupShape, Shape, ShapeBody, make_shape
from hanse.core.model.regions import Node
from hanse.core.model.resources import EMPTY, Resources, added, fits, resources, scaled
from hanse.core.scheduling import forms, fragmentation
from hanse.core.scheduling.forms import CANDIDATES_MAX
from hanse.core.scheduling.placement import Capacity
from hanse.core.scheduling.table import NodeTable, TaskFit
from tests.core.scheduling.rule_worlds import RACKS, RULED_SHAPES, TENANT, racked, racked_nodes

STEPS = st.lists(st.one_of(RULED_SHAPES, RULED_SHAPES, st.none()), max_size=14)
History = list[Shape | None]
Held = dict[str, tuple[Shape, Allocation]]


def owner_of(job_id: str) -> tuple[str, str]:
    return TENANT, "web" if int(job_id) % 2 else "db"


def region(nodes: tuple[Node, ...]) -> Capacity:
    return Capacity(nodes, RACKS, owner_of)


def play(capacity: Capacity, history: History) -> tuple[Held, list[Allocation | None]]:
    """What is held after this history, and every answer on the way."""
    held: Held = {}
    answers: list[Allocation | None] = []
    for at, wanted in enumerate(history):
        if wanted is None:
            if held:
                job_id = next(iter(held))
                capacity.release(job_id)
                del held[job_id]
            continue
        allocation = capacity.place(wanted)
        answers.append(allocation)
        if allocation is not None:
            capacity.take(str(at), wanted, allocation)
            held[str(at)] = (wanted, allocation)
    return held, answers


@pytest.fixture(autouse=True, scope="module")
def _typical_tasks_change_often() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fragmentation, "OBSERVATIONS_MIN", 3)
        yield


def asking_every_node(table: NodeTable, fit: TaskFit) -> int | None:
    """Where one task goes, by the definition: no forms, nothing remembered."""
    besides, costs = table.besides(fit), table.costs(fit)
    found = [state for state in table.states if table.has_room(fit, state)]
    found = [state for state in found if besides is None or besides[state.index]]
    if costs is not None and found:
        least = min(costs[state.index] for state in found)
        found = [state for state in found if costs[state.index] == least]
    found.sort(key=table.ranking.rank_of)
    if found and not found[0].shares:
        return found[0].index
    workload = table.workload
    losses = [
        workload.usable(state) - workload.usable_after(state.columns, state.shares, fit.need)
        for state in found[:CANDIDATES_MAX]
    ]
    return found[losses.index(min(losses))].index if found else None


def tasks_of(held: Held) -> Iterator[tuple[Resources, str, tuple[tuple[str, int], ...]]]:
    for wanted, allocation in held.values():
        for task in allocation.tasks:
            yield wanted.body.groups[task.group].resources_of(task.alternative), task.node, task.devices


@given(racked_nodes(), STEPS)
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_neither_nodes_nor_devices_nor_caps_are_oversold(nodes: tuple[Node, ...], history: History) -> None:
    held, _ = play(region(nodes), history)
    used: dict[str, Resources] = {}
    devices: dict[tuple[str, int], int] = {}
    for taken, name, chosen in tasks_of(held):
        used[name] = added(used.get(name, EMPTY), taken)
        for _, index in chosen:
            share = min(1000, dict(taken)["gpu"])
            devices[name, index] = devices.get((name, index), 0) + share
    for node in nodes:
        assert fits(used.get(node.name, EMPTY), node.capacity)
    assert all(quantity <= 1000 for quantity in devices.values())
    rack_a = [node.name for node in nodes if ("rack", "a") in node.labels]
    assert sum(dict(used.get(name, EMPTY)).get("power", 0) for name in rack_a) <= 7


@given(racked_nodes(), STEPS, RULED_SHAPES)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_required_rules_hold(nodes: tuple[Node, ...], history: History, wanted: Shape) -> None:
    capacity = region(nodes)
    play(capacity, history)
    by_name = {node.name: node for node in nodes}
    allocation = capacity.place(wanted)
    if allocation is None:
        return

    def domain(level: str, name: str) -> str:
        labels = dict(by_name[name].labels)
        return {"node": name, "rack": labels["rack"], "pod": labels["pod"]}[level]

    if wanted.body.within is not None and wanted.body.within.required:
        assert len({domain(wanted.body.within.level, task.node) for task in allocation.tasks}) == 1
    for number, group in enumerate(wanted.body.groups):
        tasks = [task for task in allocation.tasks if task.group == number]
        assert group.count_min <= len(tasks) <= group.count
        assert len({task.alternative for task in tasks}) == 1
        if group.rules is None:
            continue
        for task in tasks:
            for taint in by_name[task.node].taints:
                assert taint.effect.value == "prefer-no-start" or taint.tolerated(group.rules.tolerations)
            if group.rules.island is not None and group.rules.island.required and len(task.devices) > 1:
                assert len({index // 2 for _, index in task.devices}) == 1
        if group.rules.within is not None and group.rules.within.required:
            assert len({domain(group.rules.within.level, task.node) for task in tasks}) == 1
        if group.rules.spread is not None and group.rules.spread.tasks_max:
            spread = group.rules.spread
            counts: dict[str, int] = {}
            for task in tasks:
                where = domain(spread.level, task.node)
                counts[where] = counts.get(where, 0) + 1
            assert max(counts.values()) <= spread.tasks_max


@given(racked_nodes(), STEPS, RULED_SHAPES)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_what_is_remembered_answers_like_what_is_asked_afresh(
    nodes: tuple[Node, ...], history: History, wanted: Shape
) -> None:
    """Including which tasks are typical: they are part of what was lived through."""
    lived = region(nodes)
    for asked in history:
        if asked is not None:
            lived.place(asked)
    held, _ = play(lived, history)
    lived.place(wanted)
    # Which tasks are typical is looked at when nodes are, which a job that fits nowhere may never come to.
    lived.table.ranking.rank(0)
    fresh = region(nodes)
    for job_id, (shape, allocation) in held.items():
        assert fresh.take(job_id, shape, allocation, recovering=True) == ()
    fresh.table.workload.adopt(lived.table.workload.tasks)
    answer = lived.place(wanted)
    assert fresh.place(wanted) == answer
    for group in wanted.body.groups:
        ours, theirs = lived.table.fit_of(group), fresh.table.fit_of(group)
        assert list(lived.table.ranking.in_order(ours)) == list(fresh.table.ranking.in_order(theirs))
        assert (
            sorted(lived.table.ranking.in_order(ours))
            == np.flatnonzero(lived.table.open_nodes(ours)).tolist()
        )


@pytest.mark.parametrize("few_forms", [0, 4])
@given(racked_nodes(), STEPS, RULED_SHAPES)
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_one_task_goes_where_asking_every_node_says(
    few_forms: int, nodes: tuple[Node, ...], history: History, wanted: Shape
) -> None:
    """At every moment of a history, for all kinds of tasks that are in it: what is remembered of forms is right."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(forms, "FEW_FORMS", few_forms)
        capacity = region(nodes)
        table = capacity.table
        kinds = [table.fit_of(group) for shape in history if shape for group in shape.body.groups]
        kinds += [table.fit_of(group) for group in wanted.body.groups]
        held: Held = {}
        for at, shape in enumerate(history):
            allocation = capacity.place(shape) if shape is not None else None
            if shape is None and held:
                capacity.release(held.popitem()[0])
            elif shape is not None and allocation is not None:
                capacity.take(str(at), shape, allocation)
                held[str(at)] = (shape, allocation)
            for fit in kinds:
                found = table.best(fit)
                assert (None if found is None else found.index) == asking_every_node(table, fit)


def test_a_node_that_comes_to_have_the_form_of_others_is_found() -> None:
    """Nodes of one form are in several racks; the task may be in one of them only."""
    capacity = region((racked("n1", "a", cpu=2), racked("n2", "b", cpu=2), racked("n3", "a", cpu=2)))
    here = make_shape(ShapeBody(groups=(GroupShape(1, 1, resources({"cpu": 2}), ("rack = b",)),)))
    first = capacity.place(here)
    assert first is not None
    capacity.take("1", here, first)
    assert capacity.place(here) is None
    capacity.release("1")
    assert capacity.place(here) == first


@given(racked_nodes(), STEPS, RULED_SHAPES)
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_the_nodes_of_a_blocker_are_what_it_takes(
    nodes: tuple[Node, ...], history: History, wanted: Shape
) -> None:
    """Once every job on the named nodes has ended, it starts."""
    capacity = region(nodes)
    held, _ = play(capacity, history)
    blockers = capacity.blockers(wanted)
    assert bool(blockers) == (capacity.place(wanted) is None)
    if not blockers or capacity.never_fits(wanted) is not None:
        return
    (blocker,) = blockers
    assert blocker.nodes
    for job_id, (_, allocation) in held.items():
        if any(task.node in blocker.nodes for task in allocation.tasks):
            capacity.release(job_id)
    assert capacity.place(wanted) is not None


@given(racked_nodes(), STEPS)
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_everything_is_given_back(nodes: tuple[Node, ...], history: History) -> None:
    capacity = region(nodes)
    held, _ = play(capacity, history)
    for job_id in held:
        capacity.release(job_id)
    assert capacity.nodes() == region(nodes).nodes()
    assert capacity.table.caps()[0].free == dict(resources({"power": 7}))
    assert scaled(capacity.free_total(), 1) == capacity.capacity_total()
