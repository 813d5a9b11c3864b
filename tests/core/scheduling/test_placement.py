"""Placement by example: best fit, devices, gangs, recovery onto changed nodes, and what is said when nothing fits."""

from __future__ import annotations

import pytest

from hanse.core.model.jobs import Allocation, Shape, TaskPlacement
from hanse.core.model.regions import Node
from hanse.core.model.resources import resources
from hanse.core.model.selectors import SelectorError
from hanse.core.scheduling.nodes import NodeError
from hanse.core.scheduling.placement import Capacity
from tests.core.scheduling.worlds import group, node, shape


def start(capacity: Capacity, job_id: str, wanted: Shape) -> Allocation:
    allocation = capacity.place(wanted)
    assert allocation is not None
    capacity.take(job_id, wanted, allocation)
    return allocation


def where(allocation: Allocation | None) -> list[str] | None:
    return None if allocation is None else [task.node for task in allocation.tasks]


def test_the_fullest_node_that_fits_is_taken_then_the_first_by_name() -> None:
    capacity = Capacity((node("c", cpu=8), node("b", cpu=4), node("a", cpu=8)))
    assert where(start(capacity, "1", shape(group(cpu=3)))) == ["b"]
    assert where(start(capacity, "2", shape(group(cpu=2)))) == ["a"]
    assert where(start(capacity, "3", shape(group(cpu=2)))) == ["a"]
    assert where(start(capacity, "4", shape(group(cpu=8)))) == ["c"]
    assert capacity.place(shape(group(cpu=5))) is None


def test_tasks_without_devices_leave_nodes_with_devices_alone_while_they_can() -> None:
    capacity = Capacity((node("gpus", cpu=4, gpu=1000), node("plain", cpu=64)))
    assert where(capacity.place(shape(group(cpu=4)))) == ["plain"]
    start(capacity, "all", shape(group(cpu=64)))
    assert where(capacity.place(shape(group(cpu=4)))) == ["gpus"]


def test_devices_are_handed_out_by_index_and_shares_share() -> None:
    capacity = Capacity((node("n", cpu=100, gpu=3000, gpu_a100=1000),))
    half, pair = shape(group(cpu=1, gpu=500)), shape(group(cpu=1, gpu=2000))
    assert start(capacity, "h1", half).tasks[0].devices == (("gpu", 0),)
    assert start(capacity, "h2", half).tasks[0].devices == (("gpu", 0),)
    assert start(capacity, "p", pair).tasks[0].devices == (("gpu", 1), ("gpu", 2))
    # The refined kind is another pool, and its indices go on where the plain one's end.
    assert start(capacity, "a", shape(group(gpu_a100=1000))).tasks[0].devices == (("gpu/a100", 3),)
    assert capacity.place(half) is None
    capacity.release("h1")
    assert capacity.place(shape(group(gpu=1000))) is None
    assert start(capacity, "h3", half).tasks[0].devices == (("gpu", 0),)


def test_a_gang_is_placed_whole_or_not_at_all() -> None:
    capacity = Capacity((node("a", cpu=2), node("b", cpu=3)))
    assert where(capacity.place(shape(group(2, cpu=2)))) == ["a", "b"]
    assert capacity.place(shape(group(3, cpu=2))) is None
    assert capacity.place(shape(group(1, cpu=2), group(1, cpu=4))) is None


def test_an_elastic_group_gets_as_many_tasks_as_fit() -> None:
    capacity = Capacity((node("a", cpu=2), node("b", cpu=3)))
    assert where(capacity.place(shape(group(9, 2, cpu=1)))) == ["a", "a", "b", "b", "b"]
    # No group takes what another one cannot do without.
    assert where(capacity.place(shape(group(9, 1, cpu=1), group(2, cpu=2)))) == ["b", "a", "b"]


def test_groups_with_fewer_places_to_go_go_first() -> None:
    capacity = Capacity((node("a", {"zone": "a"}, cpu=2), node("b", {"zone": "b"}, cpu=4)))
    wanted = shape(group(cpu=2), group(cpu=2, where=("zone = a",)))
    assert where(capacity.place(wanted)) == ["b", "a"]


def test_place_changes_nothing_and_release_gives_everything_back() -> None:
    capacity = Capacity((node("a", cpu=4, gpu=2000), node("b", cpu=4)))
    before = (capacity.nodes(), capacity.classes(), capacity.free_total())
    wanted = shape(group(2, cpu=2, gpu=500), group(2, cpu=1))
    capacity.place(wanted)
    assert (capacity.nodes(), capacity.classes(), capacity.free_total()) == before
    start(capacity, "j", wanted)
    assert capacity.holds("j")
    assert capacity.free_total() == resources({"cpu": 2, "gpu": 1000})
    version = capacity.version
    capacity.release("j")
    assert capacity.version > version
    assert (capacity.nodes(), capacity.classes(), capacity.free_total()) == before


def test_taking_what_is_not_free_is_our_bug() -> None:
    capacity = Capacity((node("a", cpu=1),))
    wanted = shape(group(cpu=1))
    allocation = start(capacity, "1", wanted)
    with pytest.raises(AssertionError, match="does not fit"):
        capacity.take("2", wanted, allocation)
    with pytest.raises(AssertionError, match="already"):
        capacity.take("1", wanted, allocation)


def test_recovery_onto_a_smaller_node_keeps_the_node_closed_until_it_fits() -> None:
    wanted = shape(group(cpu=1, gpu=2000))
    old = Capacity((node("a", cpu=9, gpu=4000),))
    first, second = start(old, "1", wanted), start(old, "2", wanted)
    capacity = Capacity((node("a", cpu=9, gpu=3000),))
    assert capacity.take("2", wanted, second, recovering=True) == ("a",)
    assert capacity.take("1", wanted, first, recovering=True) == ()
    assert capacity.overcommitted() == ("a",)
    assert capacity.place(shape(group(cpu=1))) is None
    assert capacity.free_total() == ()
    capacity.release("1")
    # Device 3 is gone for good: only the end of its job opens the node.
    assert capacity.overcommitted() == ("a",)
    capacity.release("2")
    assert capacity.overcommitted() == ()
    assert capacity.free_total() == resources({"cpu": 9, "gpu": 3000})


def test_recovery_seats_what_was_stranded_once_there_is_room() -> None:
    wanted = shape(group(cpu=2))
    allocation = Allocation((TaskPlacement(0, "a"),))
    capacity = Capacity((node("a", cpu=3),))
    for job_id in ("1", "2"):
        capacity.take(job_id, wanted, allocation, recovering=True)
    assert capacity.overcommitted() == ("a",)
    capacity.release("1")
    assert capacity.overcommitted() == ()
    assert capacity.free_total() == resources({"cpu": 1})
    assert capacity.nodes()[0].jobs == ("2",)


def test_recovery_onto_a_node_that_is_gone_is_tracked() -> None:
    wanted = shape(group(2, cpu=2))
    allocation = Allocation((TaskPlacement(0, "gone"), TaskPlacement(0, "a")))
    capacity = Capacity((node("a", cpu=3),))
    assert capacity.take("1", wanted, allocation, recovering=True) == ("gone",)
    assert [(view.node.name, view.jobs) for view in capacity.nodes()] == [("a", ("1",)), ("gone", ("1",))]
    capacity.release("1")
    assert capacity.overcommitted() == ()
    assert [view.node.name for view in capacity.nodes()] == ["a"]


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        (shape(group(cpu=4)), None),
        (shape(group(cpu=5)), "one task needs cpu=5; 3 of 3 nodes match, and the most that one has is 4 (a)"),
        (shape(group(tpu=1)), "tpu=1; 3 of 3 nodes match, and none of them has any"),
        (shape(group(gpu=1500)), "gpu=1500 is neither whole devices"),
        (shape(group(cpu=4, gpu=1000)), "needs cpu=4, gpu=1000; 3 of 3 nodes match, and none has all of it"),
        (shape(group(cpu=1, where=("zone = c",))), "no node satisfies zone = c"),
        (shape(group(cpu=1, where=("zone = ",))), "expected a value"),
        (shape(group(5, cpu=2)), None),
        (
            shape(group(6, cpu=2)),
            "a gang of 6 x cpu=2 needs room for 6 tasks; 3 of 3 nodes match, with room for 5",
        ),
        (shape(group(9, 5, cpu=2)), None),
        (shape(group(cpu=1), group(cpu=9)), "groups[1]: one task needs cpu=9"),
        (shape(group(3, cpu=2), group(2, cpu=4)), "one by one but not together"),
    ],
)
def test_never_fits_names_group_and_kind(wanted: Shape, says: str | None) -> None:
    zone = {"zone": "a"}
    capacity = Capacity((node("a", zone, cpu=4), node("b", zone, cpu=4), node("c", zone, cpu=2, gpu=2000)))
    for _ in range(2):
        answer = capacity.never_fits(wanted)
        assert (answer is None) if says is None else (answer is not None and says in answer)


def test_never_fits_does_not_depend_on_what_runs() -> None:
    capacity = Capacity((node("a", cpu=4),))
    start(capacity, "1", shape(group(cpu=4)))
    assert capacity.never_fits(shape(group(cpu=4))) is None
    assert capacity.blockers(shape(group(cpu=4)))[0].nodes == ("a",)


def test_blockers_say_how_many_nodes_match_and_what_is_most_free() -> None:
    zone = {"zone": "a"}
    capacity = Capacity((node("n1", zone, gpu=8000), node("n2", zone, gpu=8000), node("n3", gpu=8000)))
    for count, job_id in ((5, "1"), (4, "2"), (8, "3")):
        start(capacity, job_id, shape(group(gpu=count * 1000)))
    (blocker,) = capacity.blockers(shape(group(gpu=8000, where=("zone = a",))))
    assert blocker.code == "CAPACITY"
    assert (
        "2 of 3 nodes match, none has 8000 gpu free for one task: most free is 4000 on n1" in blocker.message
    )
    assert blocker.nodes == ("n1", "n2")
    assert blocker.because[0].because[0].message == "2 of 3 nodes satisfy zone = a"


def test_blockers_of_a_gang_name_only_the_nodes_it_needs() -> None:
    capacity = Capacity(tuple(node(f"n{at}", gpu=8000) for at in range(4)))
    for at in range(3):
        start(capacity, f"j{at}", shape(group(gpu=8000)))
    (blocker,) = capacity.blockers(shape(group(3, gpu=8000)))
    assert "room for 1 of 3 tasks" in blocker.message
    assert "all of the named nodes ended" in blocker.message
    assert len(blocker.nodes) == 2


def test_blockers_of_what_can_never_run() -> None:
    capacity = Capacity((node("a", cpu=4),))
    (blocker,) = capacity.blockers(shape(group(cpu=1, where=("zone = a",))))
    assert (blocker.code, blocker.nodes) == ("CONSTRAINT", ())
    assert "can never run in this region" in blocker.message


def test_classes_sum_up_nodes_that_are_alike() -> None:
    capacity = Capacity(
        (node("a", cpu=4, gpu=2000), node("b", cpu=4, gpu=2000), node("c", {"spot": ""}, cpu=4))
    )
    for at in range(3):
        start(capacity, f"j{at}", shape(group(cpu=1, gpu=600)))
    plain, spot = capacity.classes() if not capacity.classes()[0].labels else reversed(capacity.classes())
    assert (plain.nodes, plain.free) == (2, resources({"cpu": 5, "gpu": 2200}))
    # A task can get one whole device of b, and no more than 400 thousandths of a's.
    assert plain.free_max == resources({"cpu": 3, "gpu": 1000})
    assert (spot.nodes, spot.free, spot.free_max) == (1, resources({"cpu": 4}), resources({"cpu": 4}))


@pytest.mark.parametrize(
    ("wanted", "limit", "count"),
    [
        (shape(group(cpu=2)), 100, 5),
        (shape(group(cpu=2)), 3, 3),
        (shape(group(cpu=2)), 0, 0),
        (shape(group(cpu=1, gpu=400)), 100, 4),
        (shape(group(2, cpu=2)), 100, 2),
        (shape(group(9, 1, cpu=1)), 100, 2),
        (shape(group(cpu=9)), 100, 0),
    ],
)
def test_fitting_counts_jobs_that_can_start_together(wanted: Shape, limit: int, count: int) -> None:
    capacity = Capacity((node("a", cpu=4), node("b", cpu=7, gpu=2000)))
    assert capacity.fitting(wanted, limit) == count


@pytest.mark.parametrize(
    ("nodes", "says"),
    [
        ((node("a", cpu=1), node("a", cpu=2)), "same name"),
        ((node("a", gpu=500),), "whole number of devices"),
        ((node("a", cpu=-1),), "negative"),
        ((node("a", cpu=1 << 61), node("b", cpu=1 << 61)), "together"),
    ],
)
def test_impossible_nodes_are_refused(nodes: tuple[Node, ...], says: str) -> None:
    with pytest.raises(NodeError, match=says):
        Capacity(nodes)


def test_a_region_without_nodes_is_a_region() -> None:
    capacity = Capacity(())
    assert capacity.place(shape(group(cpu=1))) is None
    assert capacity.never_fits(shape(group(cpu=1))) == "groups[0]: there are no nodes"
    assert (capacity.classes(), capacity.free_total(), capacity.nodes()) == ((), (), ())


def test_a_constraint_that_cannot_be_parsed_is_the_callers_error() -> None:
    with pytest.raises(SelectorError):
        Capacity((node("a", cpu=1),)).place(shape(group(cpu=1, where=("zone = ",))))
