"""How the group of a shard becomes the one that the roster wants: one guardian at a time, by joint consensus.

The roster says what the group should be, the log says what it is: the newest group record of a copy is the group that
counts for its holder, whether a majority holds that record or not (chaos/models/regroup.pml).

    the leader has                    and                                 does
    a stable group, not the wanted    START and that record are committed Listen: the newcomer is sent the log, and
                                                                          counts for nothing
    the same                          the newcomer holds the log          CHANGE: a joint group; a majority of each
                                                                          from now on
    a joint group                     CHANGE is committed, and a lease    FINAL: only the new group counts
                                      has passed since it was written, or
                                      no task of the shard lives here
    FINAL                             it is committed                     tells who has left; the next may follow

A lease has to pass because tasks may live by grants that counted in the old group alone: they were told of a deadline
before CHANGE, and the new group would not know of it. It begins again after a restart.

A leader never replaces itself: it lets another one lead first. Joint consensus is that of D. Ongaro, "Consensus:
Bridging Theory and Practice", 2014, section 4.3.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from hanse.core.model.regions import Group


class Listen(NamedTuple):
    """These are sent the log before they count."""

    newcomers: tuple[str, ...]


class Change(NamedTuple):
    """Write this joint group."""

    group: Group


class Final(NamedTuple):
    """Write this stable group; `left` are out of it."""

    group: Group
    left: tuple[str, ...]


class HandOver(NamedTuple):
    """Another one has to lead before the group can become what is wanted."""


Step = Listen | Change | Final | HandOver | None


class Situation(NamedTuple):
    """What a leader knows. `settled`: its START and its newest group record are committed. `holds`: who has as much of
    the log as a majority. `waited`: a lease has passed since CHANGE was written (and since this daemon started), or no
    task lives here."""

    region: str
    group: Group
    wanted: tuple[str, ...]
    settled: bool
    holds: tuple[str, ...]
    waited: bool


def next_step(situation: Situation) -> Step:
    """What is to be done now; None: nothing, or not yet."""
    group = situation.group
    if not situation.settled:
        return None
    if group.joining:
        return _final(group) if situation.waited else None
    target = next_members(group.members, situation.wanted, situation.region)
    if target is None:
        stays = not situation.wanted or situation.region in situation.wanted
        return None if stays else HandOver()
    newcomers = tuple(each for each in target if each not in group.members)
    if any(each not in situation.holds for each in newcomers):
        return Listen(newcomers)
    return Change(msgspec.structs.replace(group, joining=target, version=group.version + 1))


def next_members(present: tuple[str, ...], wanted: tuple[str, ...], leader: str) -> tuple[str, ...] | None:
    """The next group on the way: one member replaced by a newcomer at the same rank, never the leader; None: there is
    none. A group of another size is reached at once, if the leader stays in it."""
    newcomers = [each for each in wanted if each not in present]
    leaving = [each for each in present if each not in wanted and each != leader]
    if not wanted or (not newcomers and len(wanted) == len(present)):
        return None
    if len(wanted) != len(present):
        return wanted if leader in wanted else None
    if not leaving:
        return None
    return tuple(newcomers[0] if each == leaving[0] else each for each in present)


def listeners(group: Group, wanted: tuple[str, ...], leader: str) -> tuple[str, ...]:
    """Who is to be sent the log although it counts for nothing yet."""
    if group.joining:
        return ()
    target = next_members(group.members, wanted, leader) or ()
    return tuple(each for each in target if each not in group.members)


def _final(group: Group) -> Final:
    left = tuple(each for each in group.members if each not in group.joining)
    return Final(msgspec.structs.replace(group, members=group.joining, joining=()), left)
