"""Who is a majority of a group, also while the group changes (joint consensus: one of the old and one of the new).

Joint consensus is that of D. Ongaro, "Consensus: Bridging Theory and Practice", 2014, section 4.3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from hanse.core.model.regions import Group


def participants(group: Group) -> tuple[str, ...]:
    """Everybody who keeps a copy: the present members, then those that are joining."""
    if not group.joining:
        return group.members
    return group.members + tuple(each for each in group.joining if each not in group.members)


def is_majority(group: Group, regions: Iterable[str]) -> bool:
    """Whether these regions decide for the group."""
    found = set(regions)
    return all(
        2 * sum(member in found for member in members) > len(members) for members in _electorates(group)
    )


def reached_by_majority(group: Group, value_of: Callable[[str], int]) -> int:
    """The largest value that a majority has reached; `value_of` tells each member's."""
    return min(
        sorted((value_of(member) for member in members), reverse=True)[len(members) // 2]
        for members in _electorates(group)
    )


def next_own_term(group: Group, region: str, promised: int) -> int:
    """The smallest term above `promised` that belongs to this region."""
    rank = group.ranks.index(region)
    return promised + 1 + (rank - promised) % len(group.ranks)


def _electorates(group: Group) -> tuple[tuple[str, ...], ...]:
    return (group.members, group.joining) if group.joining else (group.members,)
