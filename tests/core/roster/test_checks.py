"""A roster is refused for what is wrong with it, by the name of the field; nothing else is let through."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from hanse.core.federation.roster.checks import (
    chain_faults,
    document_faults,
    force_faults,
    founding_faults,
    proposal_faults,
)
from hanse.core.federation.roster.faults import FaultKind
from hanse.core.model.roster import Countersignature, GuardianSet, Roster, sha256_of
from hanse.sim.keys import SimKeys, public_key_of
from tests.core.roster.league import (
    chain,
    countersigned,
    following,
    founded,
    in_force,
    member,
    members,
    signed,
)

KEYS = SimKeys()
FIVE = founded("east", "north", "south", "west", "up")


def guardians(*names: str, home: str = "", version: int = 1) -> tuple[GuardianSet, ...]:
    return (GuardianSet(home=home or names[0], members=names, version=version),)


def test_a_founded_league_and_its_successors_are_right() -> None:
    first = founded("north", "south", "west")
    second = following(first, "north", "south", "west", "east")
    third = following(second, "north", "west", "east")

    assert chain_faults(chain(first, second, third), KEYS) == []
    assert [len(each.members) for each in third.guardian_sets] == [3, 3, 3]


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("format", {"format": 2}),
        ("cluster_id", {"cluster_id": "a b"}),
        ("epoch", {"epoch": 0}),
        ("previous_sha256", {"previous_sha256": "ab", "epoch": 2}),
        ("previous_sha256", {"previous_sha256": "ab" * 32}),
        ("operator_key", {"operator_key": "xyz"}),
        ("issuer", {"issuer": "somebody"}),
        ("members", {"members": ()}),
        ("members[0].name", {"members": members("North")}),
        ("members[0].peer_address", {"members": (member("north", peer_address="north"),)}),
        ("members[0].public_address", {"members": (member("north", public_address="north:0"),)}),
        ("members[0].public_key", {"members": (member("north", public_key="ab"),)}),
        ("members[0].protocol_min", {"members": (member("north", protocol_min=2),)}),
        ("members[0].labels", {"members": (member("north", labels={"a b": "c"}),)}),
        ("members[0].labels.zone", {"members": (member("north", labels={"zone": "a b"}),)}),
        ("members.name", {"members": (member("north"), member("north", peer_address="x:1"))}),
        ("members.peer_address", {"members": (member("north"), member("south", peer_address="north:1"))}),
        (
            "members.public_key",
            {"members": (member("north"), member("south", public_key=public_key_of("north")))},
        ),
        ("operator_key", {"members": (member("north", public_key=public_key_of("operator")),)}),
        (
            "members.protocol_min",
            {"members": (member("north"), member("south", protocol_min=2, protocol_max=3))},
        ),
    ],
)
def test_a_document_that_contradicts_itself_is_refused_by_field(field: str, changes: dict[str, Any]) -> None:
    document = founded("north", guardians=0, **changes)

    assert field in [fault.field for fault in document_faults(document)]


@pytest.mark.parametrize(
    ("field", "message", "sets"),
    [
        ("guardian_sets[0].members", "not among the members", guardians("north", "south", "moon")),
        ("guardian_sets[0].members[0]", "first rank", guardians("north", "south", "west", home="west")),
        ("guardian_sets[0].members", "odd number", guardians("north", "south")),
        ("guardian_sets[0].members", "odd number", guardians("north", "south", "west", "east")),
        ("guardian_sets[0].members", "names twice", guardians("north", "south", "south")),
        ("guardian_sets[0].version", "epoch", guardians("north", "south", "west", version=2)),
        (
            "guardian_sets[1].home",
            "2 guardian sets",
            guardians("north", "south", "west") + guardians("north", "east", "west"),
        ),
    ],
)
def test_a_guardian_set_that_cannot_be_is_refused_by_field(
    field: str, message: str, sets: tuple[GuardianSet, ...]
) -> None:
    document = msgspec.structs.replace(FIVE, guardian_sets=sets)

    assert any(fault.field == field and message in fault.message for fault in document_faults(document))


def zoned(domains: str, **zones: dict[str, str]) -> Roster:
    return msgspec.structs.replace(
        founded(*zones, guardians=0),
        members=tuple(member(name, labels=labels) for name, labels in zones.items()),
        guardian_sets=guardians(*zones),
        domains=domains,
    )


def test_a_guardian_set_that_overlaps_in_one_failure_domain_is_refused() -> None:
    zones = {"north": {"zone": "a"}, "south": {"zone": "b"}, "west": {"zone": "a"}}
    (fault,) = document_faults(zoned("strict", **zones))

    assert fault.field == "guardian_sets[0].members"
    assert fault.message == "north and west are in one failure domain: zone = a"
    assert not [*document_faults(zoned("spread", **zones))]


def test_a_guardian_of_unknown_domain_is_refused() -> None:
    (fault,) = document_faults(zoned("strict", north={"zone": "a"}, south={"zone": "b"}, west={}))

    assert "west guards and has no label 'zone'" in fault.message


# --- after its predecessor -------------------------------------------------------------------------------------------


def faults_after(previous: Roster, roster: Roster, owner: str = "operator") -> list[tuple[FaultKind, str]]:
    return [(each.kind, each.field) for each in proposal_faults(previous, signed(roster, owner), KEYS)]


def test_what_a_stranger_signed_is_refused_and_not_judged_further() -> None:
    roster = following(FIVE, cluster_id="test", members=members("north", "north"))

    assert faults_after(FIVE, roster, "stranger") == [(FaultKind.STRANGER, "operator_signature")]


def test_what_names_another_issuer_is_refused() -> None:
    assert faults_after(FIVE, following(FIVE, issuer="ab")) == [(FaultKind.STRANGER, "issuer")]


def test_an_unsigned_roster_is_refused() -> None:
    document = msgspec.structs.replace(signed(following(FIVE)), operator_signature="")
    (fault,) = proposal_faults(FIVE, document, KEYS)

    assert (fault.field, fault.message) == ("operator_signature", "missing")


def test_a_signature_of_another_document_is_refused() -> None:
    document = signed(following(FIVE))
    other = msgspec.structs.replace(document, roster=following(FIVE, issued_wall_us=3))

    assert [each.kind for each in proposal_faults(FIVE, other, KEYS)] == [FaultKind.STRANGER]


def test_older_gaps_forks_and_other_clusters_are_told_apart() -> None:
    second = following(FIVE, "east", "north", "south", "west")
    third = following(second, "east", "north", "south")

    assert faults_after(second, FIVE) == [(FaultKind.OLDER, "epoch")]
    assert faults_after(second, second) == [(FaultKind.OLDER, "epoch")]
    assert faults_after(FIVE, third) == [(FaultKind.GAP, "epoch")]
    assert faults_after(second, following(FIVE)) == [(FaultKind.FORK, "epoch")]
    assert faults_after(following(FIVE), third) == [(FaultKind.FORK, "previous_sha256")]
    assert faults_after(FIVE, following(FIVE, cluster_id="other")) == [(FaultKind.INVALID, "cluster_id")]


def with_set(previous: Roster, *names: str) -> Roster:
    """The successor in which north's guardian set is this one."""
    roster = following(previous)
    sets = [
        GuardianSet(home="north", members=names, version=roster.epoch) if each.home == "north" else each
        for each in roster.guardian_sets
    ]
    return msgspec.structs.replace(roster, guardian_sets=tuple(sets))


def test_one_guardian_may_change_and_a_majority_may_not() -> None:
    before = FIVE.guardians_of("north")
    assert before is not None
    others = [name for name in FIVE.names if name not in before.members]
    _, first, second = before.members

    assert faults_after(FIVE, with_set(FIVE, "north", first, others[0])) == []
    assert faults_after(FIVE, with_set(FIVE, "north", first, second, *others)) == []
    (fault,) = proposal_faults(FIVE, signed(with_set(FIVE, "north", *others)), KEYS)
    assert fault.kind is FaultKind.UNSAFE
    assert "at least 2 must" in fault.message


def test_a_home_keeps_its_guardians_while_there_are_enough_regions() -> None:
    rest = tuple(each for each in FIVE.guardian_sets if each.home != "north")

    assert faults_after(FIVE, following(FIVE, guardian_sets=rest)) == [(FaultKind.UNSAFE, "guardian_sets")]
    three = founded("north", "south", "west")
    assert faults_after(three, following(three, "north", "south", guardian_sets=())) == []


def test_versions_of_guardian_sets_follow_their_changes() -> None:
    changed = following(FIVE)
    first = msgspec.structs.replace(changed.guardian_sets[0], version=2)
    roster = msgspec.structs.replace(changed, guardian_sets=(first, *changed.guardian_sets[1:]))

    assert faults_after(FIVE, roster) == [(FaultKind.INVALID, "guardian_sets[0].version")]


# --- countersignatures -----------------------------------------------------------------------------------------------


def test_it_takes_a_majority_of_the_epoch_before() -> None:
    roster = following(FIVE, "east", "north", "south", "west")
    by_two = countersigned(signed(roster), FIVE.names[:2])

    assert [each.kind for each in force_faults(FIVE, by_two, KEYS)] == [FaultKind.UNSUPPORTED]
    assert force_faults(FIVE, countersigned(signed(roster), FIVE.names[:3]), KEYS) == []


def test_countersignatures_count_once_and_only_of_members_and_only_of_this_document() -> None:
    roster = following(FIVE)
    twice = countersigned(countersigned(signed(roster), ["east", "north"]), ["north"])
    strange = countersigned(countersigned(signed(roster), ["east", "north"]), ["moon"])
    foreign = countersigned(signed(following(FIVE, issued_wall_us=9)), FIVE.names).countersignatures
    bent = Countersignature("south", countersigned(signed(roster), ["west"]).countersignatures[0].signature)

    for document in (
        twice,
        strange,
        msgspec.structs.replace(signed(roster), countersignatures=foreign),
        msgspec.structs.replace(twice, countersignatures=(*twice.countersignatures, bent)),
    ):
        assert [each.kind for each in force_faults(FIVE, document, KEYS)] == [FaultKind.UNSUPPORTED]


def test_the_key_of_the_operator_rotates_by_a_roster() -> None:
    second = following(FIVE, operator_key=public_key_of("heir"))
    third = following(second)

    assert force_faults(FIVE, in_force(FIVE, second), KEYS) == []
    assert faults_after(second, third, "operator") == [(FaultKind.STRANGER, "operator_signature")]
    assert faults_after(second, third, "heir") == []


def test_a_founding_roster_is_signed_by_the_key_that_it_names() -> None:
    assert founding_faults(signed(FIVE), KEYS) == []
    assert [each.field for each in founding_faults(signed(FIVE, "stranger"), KEYS)] == ["operator_signature"]
    assert [each.field for each in founding_faults(signed(following(FIVE)), KEYS)] == ["previous_sha256"]


def test_a_document_has_one_hash_whatever_its_signatures() -> None:
    roster = following(FIVE)

    assert sha256_of(countersigned(signed(roster), ["north"]).roster) == sha256_of(roster)
    assert sha256_of(roster) != sha256_of(following(FIVE, issued_wall_us=9))
