"""Merging is a join; two inventories that exchange differences end up equal."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hanse.core.federation.inventory import Difference, Inventory
from hanse.core.model import limits
from hanse.core.model.regions import QueuedShape, RegionRecord
from hanse.core.model.time import Now
from tests.core.federation.gossip_world import record_of

REGIONS = ("east", "north", "south", "west")


def at(mono_us: int) -> Now:
    return Now(mono_us=mono_us, wall_us=0)


def inventory_of(*records: RegionRecord, own: str = "north") -> Inventory:
    inventory = Inventory(own)
    inventory.merge(records, at(1))
    return inventory


def stamps_of(inventory: Inventory) -> dict[str, tuple[int, int]]:
    return {record.region: record.stamp for record in inventory.records()}


stamp = st.tuples(st.integers(1, 3), st.integers(1, 4))
batch = st.lists(
    st.builds(
        lambda region, stamp: record_of(region, incarnation=stamp[0], version=stamp[1]),
        st.sampled_from(("east", "south", "west")),
        stamp,
    ),
    max_size=8,
)


@given(batch, batch)
def test_merge_is_commutative(left: list[RegionRecord], right: list[RegionRecord]) -> None:
    assert stamps_of(inventory_of(*left, *right)) == stamps_of(inventory_of(*right, *left))


@given(batch, batch, batch)
def test_merge_is_associative(a: list[RegionRecord], b: list[RegionRecord], c: list[RegionRecord]) -> None:
    left_first = inventory_of(*inventory_of(*a, *b).records(), *c)
    right_first = inventory_of(*a, *inventory_of(*b, *c).records())
    assert stamps_of(left_first) == stamps_of(right_first)


@given(batch)
def test_merge_is_idempotent(records: list[RegionRecord]) -> None:
    inventory = inventory_of(*records)
    before = inventory.records()
    assert inventory.merge(records, at(2)) == []
    assert inventory.records() == before


@given(batch, batch, st.integers(1, 2_000))
def test_two_inventories_that_exchange_deltas_become_equal(
    left: list[RegionRecord], right: list[RegionRecord], bytes_max: int
) -> None:
    north, up = inventory_of(*left), inventory_of(*right, own="up")
    rounds = 0
    while north.digest() != up.digest():
        up.merge(north.delta_for(up.digest(), bytes_max), at(rounds))
        north.merge(up.newer_than(tuple(north.compare(up.digest()).behind), bytes_max), at(rounds))
        rounds += 1
        assert rounds <= len(REGIONS), "each exchange brings at least one record"
    assert north.records() == up.records()


@given(batch, batch)
def test_a_difference_names_exactly_what_is_newer_on_either_side(
    left: list[RegionRecord], right: list[RegionRecord]
) -> None:
    north, up = inventory_of(*left), inventory_of(*right, own="up")
    ours, theirs = stamps_of(north), stamps_of(up)
    difference = north.compare(up.digest())
    assert difference.ahead == [r for r in REGIONS if ours.get(r, (0, 0)) > theirs.get(r, (0, 0))]
    assert difference.behind == [
        (r, *ours.get(r, (0, 0))) for r in REGIONS if theirs.get(r, (0, 0)) > ours.get(r, (0, 0))
    ]


@pytest.mark.parametrize("order", list(itertools.permutations(("south", "east", "west"))))
def test_records_and_digest_are_in_order_of_name(order: tuple[str, ...]) -> None:
    inventory = inventory_of(*(record_of(region, version=1) for region in order))
    assert [record.region for record in inventory.records()] == ["east", "south", "west"]
    assert inventory.digest() == (("east", 1, 1), ("south", 1, 1), ("west", 1, 1))


def test_merge_names_the_regions_that_advanced_and_remembers_when() -> None:
    inventory = inventory_of(record_of("east", version=1), record_of("west", version=5))
    advanced = inventory.merge([record_of("east", version=2), record_of("west", version=4)], at(7))
    assert advanced == ["east"]
    assert (inventory.heard_mono_us("east"), inventory.heard_mono_us("west")) == (7, 1)
    assert inventory.heard_mono_us("south") is None


def test_a_later_incarnation_wins_over_any_version() -> None:
    inventory = inventory_of(record_of("east", incarnation=1, version=99))
    inventory.merge([record_of("east", incarnation=2, version=1)], at(2))
    assert stamps_of(inventory) == {"east": (2, 1)}


def test_the_digest_is_the_same_object_until_a_record_advances() -> None:
    inventory = inventory_of(record_of("east", version=1))
    digest = inventory.digest()
    inventory.merge([record_of("east", version=1)], at(2))
    assert inventory.digest() is digest
    inventory.merge([record_of("east", version=2)], at(2))
    assert inventory.digest() == (("east", 1, 2),)


def test_digests_of_as_many_but_other_regions_are_joined_by_name() -> None:
    inventory = inventory_of(record_of("east", version=1), record_of("west", version=1))
    difference = inventory.compare((("east", 1, 1), ("south", 1, 3)))
    assert difference == Difference(["west"], [("south", 0, 0)])


class TestOwnRecord:
    def test_a_foreign_copy_of_our_own_record_is_never_taken(self) -> None:
        inventory = Inventory("north")
        mine = record_of("north", incarnation=3, version=2)
        inventory.publish(mine, at(1))
        for theirs in (mine, record_of("north", incarnation=3, version=1), record_of("north", incarnation=9)):
            assert inventory.merge([theirs], at(2)) == []
        assert inventory.get("north") is mine

    def test_an_older_copy_abroad_is_no_news(self) -> None:
        inventory = Inventory("north")
        inventory.publish(record_of("north", incarnation=3, version=2), at(1))
        inventory.merge([record_of("north", incarnation=2, version=50)], at(2))
        inventory.compare((("north", 3, 1),))
        assert inventory.own_record_from_the_future is None

    @pytest.mark.parametrize("abroad", [(4, 1), (3, 3)])
    def test_a_record_that_we_cannot_have_published_is_surfaced(self, abroad: tuple[int, int]) -> None:
        by_record, by_digest = Inventory("north"), Inventory("north")
        for inventory in (by_record, by_digest):
            inventory.publish(record_of("north", incarnation=3, version=2), at(1))
        by_record.merge([record_of("north", incarnation=abroad[0], version=abroad[1])], at(2))
        assert by_digest.compare((("north", *abroad),)).behind == []
        assert by_record.own_record_from_the_future == abroad
        assert by_digest.own_record_from_the_future == abroad

    def test_what_was_heard_before_the_first_publication_is_judged_by_it(self) -> None:
        inventory = Inventory("north")
        inventory.merge([record_of("north", incarnation=5, version=9)], at(1))
        assert inventory.own_record_from_the_future is None
        inventory.publish(record_of("north", incarnation=6, version=1), at(2))
        assert inventory.own_record_from_the_future is None
        stale = Inventory("north")
        stale.merge([record_of("north", incarnation=5, version=9)], at(1))
        stale.publish(record_of("north", incarnation=5, version=1), at(2))
        assert stale.own_record_from_the_future == (5, 9)


class TestBounds:
    def test_a_delta_has_the_latest_news_first_and_stays_within_its_bytes(self) -> None:
        inventory = Inventory("north")
        for index in range(10):
            inventory.merge([record_of(f"r{index}", version=1)], at(index))
        one = record_of("r0", version=1).bytes_estimate
        packed = inventory.delta_for((), bytes_max=3 * one)
        assert [record.region for record in packed] == ["r9", "r8", "r7"]

    def test_a_record_larger_than_the_bound_goes_alone(self) -> None:
        shape = QueuedShape(shape_key=b"k", count=1, resources=())
        large = record_of("east", version=1, queued_shapes=(shape,) * 32)
        inventory = inventory_of(large, record_of("west", version=1))
        assert len(inventory.delta_for((("west", 1, 1),), bytes_max=10)) == 1

    def test_a_delta_has_no_more_records_than_the_wire_takes(self) -> None:
        names = [f"r{index}" for index in range(limits.RECORDS_MAX + 5)]
        inventory = inventory_of(*(record_of(name, version=1, classes=()) for name in names))
        assert len(inventory.delta_for((), bytes_max=1 << 30)) == limits.RECORDS_MAX

    def test_records_beyond_the_bound_are_refused_and_counted(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("hanse.core.federation.inventory.INVENTORY_RECORDS_MAX", 2)
        inventory = inventory_of(*(record_of(region, version=1) for region in ("a", "b", "c")))
        assert (list(stamps_of(inventory)), inventory.refused) == (["a", "b"], 1)
        assert inventory.merge([record_of("a", version=2)], at(2)) == ["a"]
