"""Explanations: by example, and that each blocker and each hint is true, by doing what it says."""

from __future__ import annotations

import re

import msgspec
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hanse.core.model.jobs import GroupShape, Shape, ShapeBody, make_shape
from hanse.core.model.limits import EXPLAINED_NODES_MAX
from hanse.core.model.regions import Node
from hanse.core.model.resources import resources
from hanse.core.scheduling.cycle import Scheduler
from hanse.core.scheduling.explain import Explainer, LocalExplanation
from hanse.core.scheduling.hints import unblock_hints
from hanse.core.scheduling.placement import Capacity
from hanse.core.scheduling.queue import JobQueue
from hanse.core.scheduling.wait import WaitPredictor
from tests.core.scheduling.worlds import NOW, TIERS, group, job, node, nodes_strategy, shape, shape_strategy


class World:
    """A region whose cycle has nothing left to start."""

    def __init__(self, nodes: tuple[Node, ...], shapes: list[Shape]) -> None:
        self.nodes = nodes
        self.queue = JobQueue(TIERS)
        self.capacity = Capacity(nodes)
        self.scheduler = Scheduler(self.queue, self.capacity, "north")
        self.waits = WaitPredictor(self.queue, self.capacity)
        for at, wanted in enumerate(shapes):
            self.queue.add(job(f"j{at}", wanted, at))
        self.started = [one.id for one, _ in self.scheduler.run(NOW, 1000)]

    def explain(self, job_id: str) -> LocalExplanation:
        queued = self.queue.get(job_id)
        assert queued is not None
        return Explainer(self.scheduler, self.queue, self.capacity, self.waits, "north").explain(queued, NOW)


def test_capacity_and_priority_with_hints() -> None:
    world = World(
        (node("n1", gpu=8000), node("n2", gpu=8000)),
        [shape(group(gpu=6000)), shape(group(gpu=5000)), *[shape(group(gpu=8000))] * 6],
    )
    told = world.explain("j7")
    capacity, priority = told.region.blockers
    assert capacity.code == "CAPACITY"
    assert (
        "2 of 2 nodes match, none has 8000 gpu free for one task: most free is 3000 on n2" in capacity.message
    )
    assert "any one of the named nodes" in capacity.message
    assert capacity.nodes == ("n2", "n1")
    assert priority.code == "PRIORITY"
    assert priority.message == (
        "5 jobs go first, by tier, priority and age: j2 (name-j2), j3 (name-j3), j4 (name-j4) and 2 more"
    )
    assert told.position == 6
    assert told.unblock == (
        "5000 gpu fewer per task (3000 instead of 8000)",
        "1 more node with gpu=8000 free",
        "after 22:16:10 UTC, as predicted",
    )
    assert told.start.likely_us > NOW.wall_us


def test_a_gang_is_told_how_many_tasks_and_nodes_it_lacks() -> None:
    world = World((node("a", {"zone": "a"}, cpu=4), node("b", {"zone": "b"}, cpu=4)), [])
    told = unblock_hints(world.capacity, shape(group(3, cpu=4, where=("zone = a",))))
    assert told == (
        "2 tasks fewer (1 instead of 3)",
        "2 more nodes with cpu=4 free and labels that satisfy zone = a",
    )
    told = unblock_hints(world.capacity, shape(group(2, cpu=4, where=("zone = a",))))
    assert "without the constraint 'zone = a'" in told


def test_a_region_that_is_not_allowed_is_all_there_is_to_say() -> None:
    wanted = make_shape(ShapeBody(groups=(group(cpu=1),), regions_allow=("west",)))
    told = World((node("a", cpu=1),), [wanted]).explain("j0")
    assert [blocker.code for blocker in told.region.blockers] == ["REGION_NOT_ALLOWED"]
    assert (told.position, told.unblock, told.start.likely_us) == (1, (), 0)


def test_a_job_about_to_start_has_no_blocker() -> None:
    world = World((node("a", cpu=1),), [])
    world.queue.add(job("new", shape(group(cpu=1))))
    told = world.explain("new")
    assert (told.region.blockers, told.unblock, told.start.likely_us) == ((), (), NOW.wall_us)


def test_of_many_nodes_ten_are_named_and_the_rest_is_counted() -> None:
    nodes = tuple(node(f"n{at:02d}", cpu=1) for at in range(30))
    world = World(nodes, [*[shape(group(cpu=1))] * 30, shape(group(25, cpu=1))])
    (blocker, *_) = world.explain("j30").region.blockers
    assert len(blocker.nodes) == EXPLAINED_NODES_MAX
    assert "all of the named nodes and on 15 others ended" in blocker.message


@given(nodes_strategy(), st.lists(shape_strategy(), min_size=2, max_size=12), st.integers(0, 20))
@settings(max_examples=150)
def test_a_job_starts_once_everything_its_blockers_name_is_gone(
    nodes: tuple[Node, ...], shapes: list[Shape], pick: int
) -> None:
    world = World(nodes, shapes)
    queued = [f"j{at}" for at in range(len(shapes)) if f"j{at}" in world.queue]
    assume(queued)
    job_id = queued[pick % len(queued)]
    told = world.explain(job_id)
    assert told.region.blockers
    if told.start.likely_us == 0:
        assert "can never run" in told.region.blockers[0].message
        return
    for blocker in told.region.blockers:
        for view in world.capacity.nodes():
            if view.node.name in blocker.nodes:
                for holder in view.jobs:
                    world.capacity.release(holder) if world.capacity.holds(holder) else None
        if blocker.code == "PRIORITY":
            for other in world.queue.ahead(job_id, told.position):
                world.queue.discard(other.id)
    assert [one.id for one, _ in world.scheduler.run(NOW, 1)] == [job_id]


@given(nodes_strategy(), st.lists(shape_strategy(groups_max=1), min_size=2, max_size=12), st.integers(0, 20))
@settings(max_examples=150)
def test_every_hint_lets_the_job_start(nodes: tuple[Node, ...], shapes: list[Shape], pick: int) -> None:
    world = World(nodes, shapes)
    queued = [f"j{at}" for at in range(len(shapes)) if f"j{at}" in world.queue]
    assume(queued)
    wanted = shapes[int(queued[pick % len(queued)][1:])]
    hints = unblock_hints(world.capacity, wanted)
    assert any("more node" in hint for hint in hints)
    for hint in hints:
        assert follow(world, wanted, hint), hint


def follow(world: World, wanted: Shape, hint: str) -> bool:
    """Do what the hint says to the only group, or to the region; whether the job then has room."""
    one = wanted.body.groups[0]
    if found := re.fullmatch(r"(\d+) (\S+) fewer per task \((\d+) instead of (\d+)\)", hint):
        kind, less = found[2], int(found[4]) - int(found[1])
        assert less == int(found[3])
        changed = msgspec.structs.replace(one, resources=resources({**dict(one.resources), kind: less}))
        return placed(world, wanted, changed)
    if found := re.fullmatch(r"\d+ tasks? fewer \((\d+) instead of \d+\)", hint):
        return placed(
            world, wanted, msgspec.structs.replace(one, count=int(found[1]), count_min=int(found[1]))
        )
    if found := re.fullmatch(r"without the constraint '(.*)'", hint):
        others = tuple(text for text in one.constraints if text != found[1])
        return placed(world, wanted, msgspec.structs.replace(one, constraints=others))
    found = re.match(r"(\d+) more nodes? with ", hint)
    assert found is not None, hint
    return with_more_nodes(world, wanted, int(found[1])).place(wanted) is not None


def placed(world: World, wanted: Shape, changed: GroupShape) -> bool:
    body = msgspec.structs.replace(wanted.body, groups=(changed,))
    return world.capacity.place(make_shape(body)) is not None


def with_more_nodes(world: World, wanted: Shape, count: int) -> Capacity:
    """The same region, with empty nodes that have just what a task needs (whole devices, of course)."""
    have = {
        kind: -(-quantity // 1000) * 1000 if kind.startswith("gpu") else quantity
        for kind, quantity in wanted.body.groups[0].resources
    }
    more = tuple(
        Node(name=f"x{at}", node_class="any", capacity=resources(have), labels=(("zone", "a"),))
        for at in range(count)
    )
    capacity = Capacity(world.nodes + more)
    for job_id, (shape_held, allocation) in world.capacity._held.items():
        capacity.take(job_id, shape_held, allocation)
    return capacity
