"""Who guards whose shard: computed from the roster alone, so that every region that has the same roster agrees.

Theory of operation. Labels of a member name its failure domains, such as {zone = "a", power = "p1"}; two members with
an equal label may be lost together. For each shard, in an order that its name alone decides, the guardians are taken
that have as few labels as possible in common with the home and with each other. Among sets that are equal in that, the
regions that guard less than their share go first, and among those the largest hash of (shard, region) decides
("rendezvous hashing", D. Thaler and C. Ravishankar, 1998): when a member is added, most shards keep their guardians.
The order of a set is its rank order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from itertools import combinations

import msgspec

from hanse.core.model.regions import Group, Member

# Sets looked at for one shard before the best one that is reached step by step is taken. Only label schemes in which
# nearly every member has labels of its own, and which leave no set without common ones, come to it; there are none
# below some 100 regions.
_SETS_TRIED_MAX = 5_000


class SharedDomain(msgspec.Struct, frozen=True, kw_only=True):
    """Two of those who keep a shard's log may be lost together, because both have this label."""

    shard: str
    first: str
    second: str
    label: str
    value: str

    def __str__(self) -> str:
        return (
            f"{self.shard}: no guardians can be had of which no two share a failure domain; "
            f"{self.first} and {self.second} both have {self.label} = {self.value}"
        )


def choose_groups(members: Sequence[Member], size: int, version: int = 1) -> tuple[Group, ...]:
    """One group of `size` (odd) for each member's shard, by name; none if there are fewer members than that.

    The order of `members` does not matter.
    """
    if size == 0 or len(members) < size:
        return ()
    guarded = {member.name: 0 for member in members}
    common = range(_common_at_least(members, size), _common_at_most(members, size) + 1)
    groups: list[Group] = []
    for home in sorted(members, key=lambda member: _hash(member.name, "")):
        candidates = _in_order(home, members, size - 1, guarded)
        guardians = _guardians(home, candidates, size - 1, common)
        for guardian in guardians:
            guarded[guardian.name] += 1
        names = (home.name, *(guardian.name for guardian in guardians))
        groups.append(Group(shard=home.name, members=names, version=version))
    return tuple(sorted(groups, key=lambda group: group.shard))


def shared_domains(groups: Sequence[Group], members: Sequence[Member]) -> tuple[SharedDomain, ...]:
    """The first two of each group that have a label in common, for the groups where there are such."""
    labels = {member.name: dict(member.labels) for member in members}
    found: list[SharedDomain] = []
    for group in groups:
        for first, second in combinations(group.members, 2):
            common = labels[first].items() & labels[second].items()
            if common:
                label, value = min(common)
                found.append(
                    SharedDomain(shard=group.shard, first=first, second=second, label=label, value=value)
                )
                break
    return tuple(found)


def _in_order(home: Member, members: Sequence[Member], share: int, guarded: dict[str, int]) -> list[Member]:
    """The other members, those that guard less than their share first, and then by their hashes."""
    return sorted(
        (member for member in members if member.name != home.name),
        key=lambda member: (max(0, guarded[member.name] - share + 1), -_hash(home.name, member.name)),
    )


def _guardians(home: Member, candidates: Sequence[Member], count: int, common: range) -> tuple[Member, ...]:
    """The best set, in rank order. `common`: how many labels a set may have in common, least first."""
    search = _Search()
    for common_max in common:
        found = search.within(common_max, (home,), candidates, count)
        if found is not None:
            return found
    return _step_by_step(home, candidates, count)


class _Search:
    """Looks for the first set, in the order of the candidates, with at most so many common labels."""

    def __init__(self) -> None:
        self._tried = 0

    def within(
        self, common_max: int, chosen: tuple[Member, ...], candidates: Sequence[Member], count: int
    ) -> tuple[Member, ...] | None:
        """`count` of the candidates to go with those that were `chosen`; None: there are none, or it takes too long."""
        if count == 0:
            return ()
        # Who has the same labels as one that led to nothing leads to nothing.
        failed: dict[tuple[tuple[str, str], ...], None] = {}
        for index, candidate in enumerate(candidates):
            if candidate.labels in failed or self._tried > _SETS_TRIED_MAX:
                continue
            self._tried += 1
            common = _common_with(candidate, chosen)
            if common <= common_max:
                rest = self.within(
                    common_max - common, (*chosen, candidate), candidates[index + 1 :], count - 1
                )
                if rest is not None:
                    return (candidate, *rest)
            failed[candidate.labels] = None
        return None


def _step_by_step(home: Member, candidates: Sequence[Member], count: int) -> tuple[Member, ...]:
    """Each time the one that has least in common with those before."""
    chosen: tuple[Member, ...] = (home,)
    for _ in range(count):
        left = [candidate for candidate in candidates if candidate not in chosen]
        chosen = (*chosen, min(left, key=lambda candidate: _common_with(candidate, chosen)))
    return chosen[1:]


def _common_with(member: Member, others: Sequence[Member]) -> int:
    """Labels that it has in common with each of the others, summed up."""
    labels = frozenset(member.labels)
    return sum(len(labels.intersection(other.labels)) for other in others)


def _common_at_least(members: Sequence[Member], size: int) -> int:
    """Common labels that no set of this size can do without, because a label has too few values."""
    least = 0
    for label in sorted({label for member in members for label, _ in member.labels}):
        values = [value for member in members for name, value in member.labels if name == label]
        if len(values) == len(members):
            rest, more = divmod(size, len(set(values)))
            least += more * _pairs(rest + 1) + (len(set(values)) - more) * _pairs(rest)
    return least


def _common_at_most(members: Sequence[Member], size: int) -> int:
    return _pairs(size) * max(len(member.labels) for member in members)


def _pairs(count: int) -> int:
    return count * (count - 1) // 2


def _hash(shard: str, region: str) -> int:
    """The same in every process and on every machine."""
    digest = hashlib.blake2b(f"{shard}\0{region}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big")
