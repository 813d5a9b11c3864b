"""Filling: tasks of one kind that are booked side by side go where they would have gone one by one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hanse.core.model.jobs import Shape
from hanse.core.model.regions import Node
from hanse.core.scheduling.nodes import Devices
from hanse.core.scheduling.placement import Capacity, is_single
from hanse.core.scheduling.table import NodeTable, TaskFit
from tests.core.scheduling.test_placement_properties import HISTORY, play
from tests.core.scheduling.worlds import group, node, nodes_strategy, shape, shape_strategy

SINGLES = shape_strategy(groups_max=1, tasks_max=1)
ORDERS = st.lists(st.tuples(st.integers(0, 3), st.integers(1, 6)), min_size=1, max_size=8)


def one_by_one(table: NodeTable, fit: TaskFit, count: int) -> list[tuple[str, Devices]]:
    """What `fill` is defined by."""
    booked = []
    for _ in range(count):
        state = table.best(fit)
        if state is None:
            break
        devices = state.choose(fit.need)
        state.take(fit.need, devices)
        table.note_change(state)
        booked.append((state.node.name, devices))
    return booked


@given(nodes_strategy(8), HISTORY, st.lists(SINGLES, min_size=4, max_size=4), ORDERS)
def test_tasks_go_where_they_would_have_gone_one_by_one(
    nodes: tuple[Node, ...], history: list[Shape | None], kinds: list[Shape], orders: list[tuple[int, int]]
) -> None:
    filled, slow = Capacity(nodes), Capacity(nodes)
    play(filled, history)
    play(slow, history)
    for kind, count in orders:
        fit = filled.table.fits_of(kinds[kind])[0]
        found = [(state.node.name, devices) for state, devices in filled.table.fill(fit, count)]
        assert found == one_by_one(slow.table, slow.table.fits_of(kinds[kind])[0], count)
    for state, other in zip(filled.table.states, slow.table.states, strict=True):
        assert (state.columns, state.shares, state.slack) == (other.columns, other.shares, other.slack)
        assert filled.table.ranking.rank(state.index) == slow.table.ranking.rank(state.index)


@given(nodes_strategy(8), HISTORY, SINGLES, HISTORY)
def test_as_many_nodes_as_are_said_to_be_open_are(
    nodes: tuple[Node, ...], history: list[Shape | None], kind: Shape, then: list[Shape | None]
) -> None:
    """However much has happened since they were counted."""
    assert is_single(kind)
    capacity = Capacity(nodes)
    for past in (history, then):
        for job_id in capacity.holders():
            capacity.release(job_id)
        play(capacity, past)
        fit = capacity.table.fits_of(kind)[0]
        sure = capacity.table.open_for_sure(fit, 3)
        assert sure <= int(capacity.table.open_nodes(fit).sum())


def test_nodes_of_a_region_that_is_idle_are_open_for_sure() -> None:
    capacity = Capacity(tuple(node(f"n{at}", cpu=4, gpu=1000) for at in range(10)))
    kind = shape(group(cpu=1, gpu=500))
    assert capacity.table.open_for_sure(capacity.table.fits_of(kind)[0], 5) == 10
    assert capacity.table.open_for_sure(capacity.table.fits_of(shape(group(cpu=9)))[0], 5) == 0


def test_large_regions_are_filled_likewise() -> None:
    """With more nodes than a task chooses from."""
    nodes = tuple(
        node(f"n{at:03d}", cpu=8 + at % 5, memory=64 * (1 + at % 3), gpu=1000 * (at % 9)) for at in range(300)
    )
    filled, slow = Capacity(nodes), Capacity(nodes)
    wanted = [(1, 8, 1000), (2, 4, 300), (1, 2, 0), (3, 30, 2000), (1, 9, 450), (2, 1, 700), (9, 1, 4000)]
    for at in range(60):
        cpu, memory, gpu = wanted[at * 5 % len(wanted)]
        kind = shape(group(cpu=cpu, memory=memory, gpu=gpu))
        count = 1 + at * 7 % 11
        found = [
            (state.node.name, devices)
            for state, devices in filled.table.fill(filled.table.fits_of(kind)[0], count)
        ]
        assert found == one_by_one(slow.table, slow.table.fits_of(kind)[0], count)
