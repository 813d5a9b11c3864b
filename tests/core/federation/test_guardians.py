"""Guardians are as far from each other as the roster allows, evenly chosen, and stay who they are."""

from __future__ import annotations

import random
import subprocess
import sys
from collections import Counter
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hanse.core.federation.guardians import SharedDomain, choose_groups, shared_domains
from hanse.core.model.regions import Group, Member


def member(name: str, **labels: str) -> Member:
    return Member(name=name, labels=tuple(sorted(labels.items())))


def plain(count: int) -> list[Member]:
    return [member(f"r{number}") for number in range(count)]


def guarded(groups: tuple[Group, ...]) -> Counter[str]:
    return Counter(guardian for group in groups for guardian in group.members[1:])


def in_common(group: Group, members: list[Member]) -> int:
    labels = {each.name: set(each.labels) for each in members}
    return sum(len(labels[first] & labels[second]) for first, second in combinations(group.members, 2))


@st.composite
def rosters(draw: st.DrawFn) -> list[Member]:
    values = st.sampled_from("abc")
    labels = st.dictionaries(st.sampled_from(["zone", "power"]), values, max_size=2)
    return [member(f"r{number}", **draw(labels)) for number in range(draw(st.integers(0, 9)))]


@settings(deadline=None)
@given(members=rosters(), size=st.sampled_from([3, 5]), randomness=st.randoms(use_true_random=False))
def test_every_shard_has_the_best_group_that_there_is_or_none_has_one(
    members: list[Member], size: int, randomness: random.Random
) -> None:
    groups = choose_groups(members, size, version=7)

    if len(members) < size:
        assert groups == ()
        return
    assert [group.shard for group in groups] == sorted(each.name for each in members)
    for group in groups:
        assert group.members[0] == group.shard == group.owner(1)
        assert len(set(group.members)) == size
        assert group.version == 7
        others = [each.name for each in members if each.name != group.shard]
        best = min(
            in_common(Group(shard=group.shard, members=(group.shard, *others)), members)
            for others in combinations(others, size - 1)
        )
        assert in_common(group, members) == best
    shuffled = list(members)
    randomness.shuffle(shuffled)
    assert choose_groups(shuffled, size, version=7) == groups


@pytest.mark.parametrize(("regions", "size"), [(3, 3), (5, 3), (10, 3), (50, 3), (5, 5), (30, 5)])
def test_each_region_guards_about_the_same_number_of_shards(regions: int, size: int) -> None:
    counts = guarded(choose_groups(plain(regions), size))

    share = size - 1
    assert max(counts.values()) <= share + 1
    assert (
        sum(counts[f"r{number}"] in (share - 1, share, share + 1) for number in range(regions)) >= regions - 1
    )


@pytest.mark.parametrize("regions", [4, 10, 30])
def test_a_new_member_changes_few_groups(regions: int) -> None:
    """Its own guardians and the shards that it guards are four; a few others make room."""
    changed = []
    for number in range(regions, regions + 5):
        after = {group.shard: set(group.members) for group in choose_groups(plain(number + 1), 3)}
        before = choose_groups(plain(number), 3)
        changed.append(sum(set(group.members) != after[group.shard] for group in before))

    assert sum(changed) / len(changed) <= max(4, regions / 4)


def test_zones_of_home_and_guardians_all_differ() -> None:
    members = [member(f"{zone}{number}", zone=zone) for zone in "abcd" for number in range(5)]

    groups = choose_groups(members, 3)

    assert all(len({name[0] for name in group.members}) == 3 for group in groups)
    assert shared_domains(groups, members) == ()
    assert set(guarded(groups).values()) <= {1, 2, 3}


def test_a_set_is_found_that_step_by_step_would_be_missed() -> None:
    """Whoever takes the nearest stranger first (x) is left with y and z, each of which shares something with it."""
    members = [
        member("home", zone="a", power="1"),
        member("x", zone="b", power="2"),
        member("y", zone="b", power="3"),
        member("z", zone="c", power="2"),
    ]

    (group,) = (group for group in choose_groups(members, 3) if group.shard == "home")

    assert set(group.members) == {"home", "y", "z"}


def test_what_must_overlap_is_told_with_names() -> None:
    members = [member("north", zone="a"), member("east", zone="b"), member("west", zone="b")]

    found = shared_domains(choose_groups(members, 3), members)

    assert {each.shard for each in found} == {"north", "east", "west"}
    north = next(each for each in found if each.shard == "north")
    assert north == SharedDomain(
        shard="north", first=north.first, second=north.second, label="zone", value="b"
    )
    assert {north.first, north.second} == {"east", "west"}
    assert "zone = b" in str(north)


def test_members_without_labels_share_nothing() -> None:
    assert shared_domains(choose_groups(plain(3), 3), plain(3)) == ()


def test_many_regions_with_labels_of_their_own_are_not_a_search_without_end() -> None:
    members = [member(f"r{n}", zone="ab"[n % 2], power=str(n), fibre=str(n // 2)) for n in range(120)]

    groups = choose_groups(members, 5)

    assert len(groups) == 120


def test_another_process_chooses_the_same() -> None:
    """Strings hash differently in each process; nothing here may rest on that."""
    code = (
        "from hanse.core.federation.guardians import choose_groups; from hanse.core.model.regions import Member;"
        "print([g.members for g in choose_groups([Member(name=f'r{n}') for n in range(20)], 3)])"
    )
    told = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONPATH": ":".join(sys.path), "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout
        for seed in ("1", "2")
    ]

    assert told[0] == told[1] == f"{[group.members for group in choose_groups(plain(20), 3)]}\n"
