"""What a record has room for, and that it is worked out once for each record."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from hanse.core.federation.room import Rooms, slots_free
from hanse.core.model.jobs import GroupShape, Shape, ShapeBody, make_shape
from hanse.core.model.limits import ROOMS_MEMO_MAX, ROOMS_RECORDS_MAX
from hanse.core.model.regions import CapacityClass, RegionRecord
from hanse.core.model.resources import resources


def record(region: str, version: int, *free: int) -> RegionRecord:
    """A region with a class of nodes for each of these, one node of which has it all."""
    classes = tuple(
        CapacityClass(
            node_class=f"class-{number}",
            nodes=4,
            node_capacity=resources({"cpu": 64}),
            labels=(),
            free=resources({"cpu": cpu}),
            free_max=resources({"cpu": cpu}),
        )
        for number, cpu in enumerate(free)
    )
    return RegionRecord(
        region=region,
        incarnation=1,
        version=version,
        observed_wall_us=0,
        classes=classes,
        draining=False,
        protocol_min=1,
        protocol_max=1,
    )


def shape(cpu: int, tasks: int = 1) -> Shape:
    return make_shape(ShapeBody(groups=(GroupShape(tasks, tasks, resources({"cpu": cpu})),)))


worlds = st.lists(
    st.tuples(
        st.sampled_from("abc"), st.integers(1, 4), st.integers(0, 9), st.integers(1, 9), st.integers(1, 3)
    ),
    max_size=30,
)


@given(worlds)
def test_rooms_are_what_the_record_says_whoever_was_asked_about_before(
    asked: list[tuple[str, int, int, int, int]],
) -> None:
    rooms = Rooms()
    for region, version, free, cpu, tasks in asked:
        told = record(region, version, free, 2 * free)
        assert min(5, rooms.of(told, shape(cpu, tasks))) == slots_free(told, shape(cpu, tasks), 5)


def test_a_new_record_is_a_new_answer() -> None:
    rooms, wanted = Rooms(), shape(2)
    former = record("east", 1, 8)
    assert rooms.of(former, wanted) == 4
    assert rooms.of(record("east", 2, 2), wanted) == 1
    assert rooms.of(former, wanted) == 4
    # Two lives that both say that they are the first: each is its own record.
    assert rooms.of(msgspec.structs.replace(former, classes=()), wanted) == 0


def test_what_is_remembered_is_bounded() -> None:
    rooms = Rooms()
    for version in range(ROOMS_RECORDS_MAX + 10):
        assert rooms.of(record("east", version, 4), shape(2)) == 2
    assert len(rooms._known) == ROOMS_RECORDS_MAX
    told = record("west", 1, 4)
    for cpu in range(1, ROOMS_MEMO_MAX + 10):
        rooms.of(told, shape(cpu))
    assert len(rooms._known[told.entry][1]) <= ROOMS_MEMO_MAX
