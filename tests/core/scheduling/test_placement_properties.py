"""What placement promises, over generated regions, jobs and histories."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from hanse.core.model.jobs import Allocation, Shape
from hanse.core.model.regions import Node
from hanse.core.model.resources import EMPTY, Resources, added, fits, resources, subtracted
from hanse.core.model.selectors import parse_selector
from hanse.core.scheduling.placement import Capacity
from tests.core.scheduling.worlds import nodes_strategy, shape_strategy

# Each step starts a job with this shape, or (None) ends the oldest.
HISTORY = st.lists(st.one_of(shape_strategy(), shape_strategy(), st.none()), max_size=12)
Held = dict[str, tuple[Shape, Allocation]]


def play(capacity: Capacity, history: list[Shape | None]) -> Held:
    """What is held after this history."""
    held: Held = {}
    for at, wanted in enumerate(history):
        if wanted is None:
            if held:
                job_id = next(iter(held))
                capacity.release(job_id)
                del held[job_id]
            continue
        allocation = capacity.place(wanted)
        if allocation is not None:
            capacity.take(f"j{at}", wanted, allocation)
            held[f"j{at}"] = (wanted, allocation)
    return held


def used_on(name: str, held: Held) -> Resources:
    """What these jobs use on one node, counted from their allocations alone."""
    used = EMPTY
    for wanted, allocation in held.values():
        for task in allocation.tasks:
            if task.node == name:
                used = added(used, wanted.body.groups[task.group].resources)
    return used


@given(nodes_strategy(), HISTORY)
def test_a_node_is_never_oversold(nodes: tuple[Node, ...], history: list[Shape | None]) -> None:
    capacity = Capacity(nodes)
    held = play(capacity, history)
    for view in capacity.nodes():
        used = used_on(view.node.name, held)
        assert fits(used, view.node.capacity)
        assert view.free == subtracted(view.node.capacity, used)


@given(nodes_strategy(), HISTORY)
def test_a_device_is_never_oversold_and_a_task_gets_what_it_asked_for(
    nodes: tuple[Node, ...], history: list[Shape | None]
) -> None:
    capacity = Capacity(nodes)
    used: dict[tuple[str, str, int], int] = {}
    for wanted, allocation in play(capacity, history).values():
        for task in allocation.tasks:
            asked = dict(wanted.body.groups[task.group].resources)
            for kind, index in task.devices:
                place = (task.node, kind.split("/")[0], index)
                used[place] = used.get(place, 0) + min(asked[kind], 1000)
            for kind in ("gpu", "gpu/a100"):
                got = sum(1 for other, _ in task.devices if other == kind)
                assert got == -(-asked.get(kind, 0) // 1000)
    assert all(quantity <= 1000 for quantity in used.values())


@given(nodes_strategy(), HISTORY, shape_strategy())
def test_a_gang_is_whole_and_every_task_matches_its_constraints(
    nodes: tuple[Node, ...], history: list[Shape | None], wanted: Shape
) -> None:
    capacity = Capacity(nodes)
    play(capacity, history)
    allocation = capacity.place(wanted)
    if allocation is None:
        return
    labels = {node.name: dict(node.labels) for node in nodes}
    for number, group in enumerate(wanted.body.groups):
        tasks = [task for task in allocation.tasks if task.group == number]
        assert group.count_min <= len(tasks) <= group.count
        for task in tasks:
            assert all(parse_selector(text).matches(labels[task.node]) for text in group.constraints)
    assert [task.group for task in allocation.tasks] == sorted(task.group for task in allocation.tasks)


@given(nodes_strategy(), HISTORY, shape_strategy(), st.randoms(use_true_random=False))
def test_place_depends_only_on_nodes_and_holders(
    nodes: tuple[Node, ...], history: list[Shape | None], wanted: Shape, shuffle: random.Random
) -> None:
    """Neither on the order of configuration, nor on what was asked before, nor on how it came to be so."""
    lived = Capacity(nodes)
    lived.place(wanted)
    held = play(lived, history)
    reordered = list(nodes)
    shuffle.shuffle(reordered)
    rebuilt = Capacity(tuple(reordered))
    for job_id, (shape, allocation) in held.items():
        assert rebuilt.take(job_id, shape, allocation, recovering=True) == ()
    assert rebuilt.place(wanted) == lived.place(wanted)
    assert rebuilt.nodes() == lived.nodes()
    assert rebuilt.classes() == lived.classes()
    assert rebuilt.free_total() == lived.free_total()


@given(nodes_strategy(), HISTORY, shape_strategy(groups_max=1))
def test_one_group_is_placed_whenever_there_is_room(
    nodes: tuple[Node, ...], history: list[Shape | None], wanted: Shape
) -> None:
    """Identical tasks: how many one node holds does not depend on the others."""
    capacity = Capacity(nodes)
    play(capacity, history)
    group = wanted.body.groups[0]
    room = 0
    for view in capacity.nodes():
        state = capacity.table.by_name[view.node.name].copy()
        need = capacity.table.fit_of(group).need
        while capacity.table.mask(group.constraints).allowed[state.index] and state.fits(need):
            state.take(need, state.choose(need))
            room += 1
    assert capacity.table.tasks_fitting(capacity.table.fit_of(group)) == room
    assert (capacity.place(wanted) is not None) == (room >= group.count_min)


@given(nodes_strategy(), HISTORY, shape_strategy(), st.integers(0, 6))
def test_fitting_is_how_many_can_be_started_one_after_another(
    nodes: tuple[Node, ...], history: list[Shape | None], wanted: Shape, limit: int
) -> None:
    capacity = Capacity(nodes)
    play(capacity, history)
    promised = capacity.fitting(wanted, limit)
    started = 0
    while started < limit and (allocation := capacity.place(wanted)) is not None:
        capacity.take(f"new{started}", wanted, allocation)
        started += 1
    assert promised == started


@given(nodes_strategy(), HISTORY)
def test_release_gives_everything_back(nodes: tuple[Node, ...], history: list[Shape | None]) -> None:
    capacity = Capacity(nodes)
    for job_id in play(capacity, history):
        capacity.release(job_id)
    assert capacity.nodes() == Capacity(nodes).nodes()
    assert capacity.free_total() == capacity.capacity_total()


@given(nodes_strategy(), shape_strategy())
def test_never_fits_is_what_an_empty_region_cannot_place(nodes: tuple[Node, ...], wanted: Shape) -> None:
    assert (Capacity(nodes).never_fits(wanted) is None) == (Capacity(nodes).place(wanted) is not None)


@given(nodes_strategy(), nodes_strategy(), HISTORY)
@settings(max_examples=200)
def test_recovery_onto_other_nodes_never_places_on_what_is_overcommitted(
    before: tuple[Node, ...], after: tuple[Node, ...], history: list[Shape | None]
) -> None:
    held = play(Capacity(before), history)
    capacity = Capacity(after)
    closed: dict[str, None] = {}
    for job_id, (wanted, allocation) in held.items():
        closed.update(dict.fromkeys(capacity.take(job_id, wanted, allocation, recovering=True)))
    assert capacity.overcommitted() == tuple(sorted(closed))
    for wanted, _ in held.values():
        placed = capacity.place(wanted)
        assert placed is None or not any(task.node in closed for task in placed.tasks)
    for job_id in held:
        capacity.release(job_id)
    assert capacity.overcommitted() == ()
    assert capacity.nodes() == Capacity(after).nodes()
    assert resources(capacity.free_total()) == capacity.capacity_total()
