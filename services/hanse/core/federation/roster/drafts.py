"""Making rosters: the first one, and what follows on one. What comes out is unsigned, and still to be checked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import msgspec

from hanse.core.federation.guardians import choose_groups
from hanse.core.federation.roster.chain import member_of
from hanse.core.model.limits import GUARDIANS_MIN
from hanse.core.model.roster import GuardianSet, LostRegion, Roster, RosterMember, key_id, sha256_of


def founding(
    cluster_id: str,
    members: Sequence[RosterMember],
    operator_key: str,
    *,
    guardians: int,
    issued_wall_us: int,
    domains: Literal["strict", "spread"] = "strict",
    epoch: int = 1,
) -> Roster:
    """A roster that follows on nothing, with `guardians` regions in each set, where there are so many; 0: no sets."""
    sets = chosen_sets(members, set_size(guardians, len(members)))
    return Roster(
        cluster_id=cluster_id,
        epoch=epoch,
        previous_sha256="",
        operator_key=operator_key,
        issuer=key_id(operator_key),
        issued_wall_us=issued_wall_us,
        members=tuple(members),
        guardians=guardians,
        guardian_sets=_versioned(sets, {}, epoch),
        domains=domains,
    )


def successor(
    previous: Roster,
    *,
    issued_wall_us: int,
    members: Sequence[RosterMember] | None = None,
    operator_key: str = "",
    sets: Iterable[tuple[str, ...]] | None = None,
    lost: Iterable[LostRegion] = (),
) -> Roster:
    """The next epoch, with what is given changed. `sets` are guardian sets in rank order; None: those of `previous`,
    repaired where they name regions that are not members any more. `lost` are declared lost with this one."""
    all_lost = (*previous.lost_regions, *lost)
    epoch = previous.epoch + 1
    members = previous.members if members is None else tuple(members)
    known = {each.home: each for each in previous.guardian_sets}
    wanted = repaired_sets(previous, members) if sets is None else sets
    return msgspec.structs.replace(
        previous,
        epoch=epoch,
        previous_sha256=sha256_of(previous),
        issuer=key_id(previous.operator_key),
        operator_key=operator_key or previous.operator_key,
        issued_wall_us=issued_wall_us,
        members=tuple(members),
        guardian_sets=_versioned(wanted, known, epoch),
        lost=all_lost or msgspec.UNSET,
    )


def chosen_sets(members: Sequence[RosterMember], size: int) -> tuple[tuple[str, ...], ...]:
    """A set for each home, chosen over failure domains."""
    return tuple(group.members for group in choose_groups([member_of(each) for each in members], size))


def set_size(wanted: int, members: int) -> int:
    """How many regions a guardian set has, of so many: an odd number, at most what is wanted; 0: none can be had."""
    size = min(wanted, members)
    size -= 1 - size % 2
    return size if size >= GUARDIANS_MIN else 0


def repaired_sets(previous: Roster, members: Sequence[RosterMember]) -> tuple[tuple[str, ...], ...]:
    """The sets of `previous` with as few changes as the members demand: who is gone is replaced, at the same rank, by a
    region with which the rest has least in common; homes that are new get a set of their own."""
    size = set_size(previous.guardians, len(members))
    fresh = {each[0]: each for each in chosen_sets(members, size)}
    sets = []
    for home, ideal in fresh.items():
        before = previous.guardians_of(home)
        sets.append(ideal if before is None else _repaired(before.members, ideal, members, size))
    return tuple(sets)


def _repaired(
    before: tuple[str, ...], ideal: tuple[str, ...], members: Sequence[RosterMember], size: int
) -> tuple[str, ...]:
    by_name = {member.name: member for member in members}
    ranks = [name if name in by_name else "" for name in before]
    ranks = [*ranks, *[""] * (size - len(ranks))][:size]
    candidates = [name for name in (*ideal, *sorted(by_name)) if name not in ranks]
    for rank, name in enumerate(ranks):
        if not name:
            # The first of equals: what would be chosen anew has the first word.
            best = min(dict.fromkeys(candidates), key=lambda each: _common(by_name, ranks, each))
            candidates = [each for each in candidates if each != best]
            ranks[rank] = best
    return tuple(ranks)


def _common(by_name: Mapping[str, RosterMember], chosen: Sequence[str], name: str) -> int:
    labels = by_name[name].labels.items()
    return sum(len(labels & by_name[each].labels.items()) for each in chosen if each)


def _versioned(
    sets: Iterable[tuple[str, ...]], known: Mapping[str, GuardianSet], epoch: int
) -> tuple[GuardianSet, ...]:
    """A set that did not change keeps its version; a new one has this epoch's."""
    found = []
    for members in sets:
        before = known.get(members[0])
        same = before is not None and before.members == members
        version = before.version if before is not None and same else epoch
        found.append(GuardianSet(home=members[0], members=members, version=version))
    return tuple(found)
