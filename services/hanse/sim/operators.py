"""Operators of the roster: people with the league's key, who look at what a region has, and hand in what follows on it.

Now and then two of them do so at the same time and do not know of each other. With every change they name the ledgers
that regions have by then. When everything has healed they bring every region back; if a majority of members may not
vote any more, because their disks were lost, they found the league anew, as the handbook says.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence

import msgspec

from hanse.core.events import ProposeRoster
from hanse.core.federation.roster import drafts
from hanse.core.federation.shards.quorum import participants
from hanse.core.federation.shards.shard import Shard
from hanse.core.model.regions import Group, RegionConfig
from hanse.core.model.roster import GuardianSet, LostRegion, Roster, RosterMember, sha256_of
from hanse.core.model.time import SECOND_US
from hanse.sim.host import Host
from hanse.sim.keys import public_key_of, signed_by
from hanse.sim.timeline import Timeline

_OPERATOR = "operator"
# Regions that leave with one change; the smallest league that they leave behind; and how often two operators meet.
_LEAVE_MAX = 3
_MEMBERS_MIN = 2
# With fewer regions there is nobody who could take a lost guardian's place.
_GUARDED_MIN = 3
_RIVALS_SHARE = 0.5
# Leagues with guardians, of those whose roster changes.
GUARDED_SHARE = 0.7
_LOOK_EVERY_US = SECOND_US
# Of the changes in a league with guardians: how many exchange one.
_EXCHANGED_SHARE = 0.7
_TRY_AGAIN_US = 10 * SECOND_US
# With every region up and every link whole, whoever may not vote by then has lost its disk.
_LOST_AFTER_US = 120 * SECOND_US
# Above whatever could still come into force.
_EPOCHS_SKIPPED = 10


def with_rosters(
    configs: Sequence[RegionConfig], ledger_ids: Mapping[str, str], *, guarded: bool
) -> tuple[RegionConfig, ...]:
    """The same regions, in a league whose roster is signed. Where they have no guardians, regions may leave and come
    back. (A group must move before its home may leave.)"""
    groups = configs[0].groups if guarded else ()
    members = [_member(each.name, ledger_ids[each.name]) for each in configs]
    chain = (signed_by(_OPERATOR, _founding(configs[0].cluster_id, members, groups)),)
    return tuple(msgspec.structs.replace(each, roster=chain, groups=groups) for each in configs)


def _founding(
    cluster_id: str, members: Sequence[RosterMember], groups: Sequence[Group], epoch: int = 1
) -> Roster:
    key = public_key_of(_OPERATOR)
    roster = drafts.founding(
        cluster_id, members, key, guardians=0, issued_wall_us=0, domains="spread", epoch=epoch
    )
    sets = tuple(GuardianSet(home=each.shard, members=each.members, version=each.version) for each in groups)
    return msgspec.structs.replace(roster, guardian_sets=sets)


def _member(name: str, ledger_id: str) -> RosterMember:
    return RosterMember(
        name=name,
        peer_address=f"{name}:1",
        public_address=f"{name}:2",
        public_key=public_key_of(name),
        ledger_id=ledger_id,
        protocol_min=1,
        protocol_max=1,
    )


def lost_names(roster: Roster) -> set[str]:
    """Who was declared lost."""
    return {each.name for each in roster.lost_regions}


class Operators:
    """`change` hands in something; after `heal` they work until every region is a member again, and no other is."""

    def __init__(
        self,
        timeline: Timeline,
        randomness: random.Random,
        hosts: Sequence[Host],
        count: Callable[[str], None],
        *,
        may_remove: bool,
    ) -> None:
        self._timeline = timeline
        self._random = randomness
        self._hosts = hosts
        self._count = count
        self._groups = hosts[0].config.groups
        self._may_remove = may_remove and not self._groups
        self._issued = 0
        self._healed_us = 0
        # Regions that never come back, as somebody has found out.
        self._known_lost: dict[str, None] = {}

    @property
    def idle(self) -> bool:
        """Every region is a member and may vote, all have the same roster, and nobody has countersigned another one."""
        if not any(host.config.roster for host in self._hosts):
            return True
        rosters = [host.core.rosters for host in self._hosts if host.core is not None]
        heads = [each.head for each in rosters if each.head is not None]
        return (
            len(heads) == len(self._present_hosts)
            and len({sha256_of(head) for head in heads}) == 1
            and not self._absent(heads[0])
            and not self._dead(heads[0])
            and all(each.voting is not None and each.voting.idle for each in rosters)
            and not self._renamed(heads[0])
        )

    @property
    def are_guarded(self) -> bool:
        """Whether every shard's log is kept by the group that the roster wants."""
        heads = [host.core.rosters.head for host in self._hosts if host.core is not None]
        return all(
            self._is_guarded(each) for head in heads if head is not None for each in head.guardian_sets
        )

    def _is_guarded(self, wanted: GuardianSet) -> bool:
        """Whether the shard's log has the group that the roster wants, as far as whoever leads it knows."""
        return any(
            not shard.group.joining and sorted(shard.group.members) == sorted(wanted.members)
            for shard in self._led(wanted.home)
        )

    def _led(self, home: str) -> list[Shard]:
        """This home's shard, where somebody takes himself for its leader."""
        cores = [host.core for host in self._hosts if host.core is not None]
        return [core.shards.shards[home] for core in cores if core.shards.desk_for(home)]

    def change(self) -> None:
        """Somebody changes the roster; somebody else perhaps does, too."""
        self._propose(self._random.choice(self._hosts))
        if self._random.random() < _RIVALS_SHARE:
            self._count("rival_rosters")
            self._propose(self._random.choice(self._hosts))

    def replace(self, lost: str, until_us: int) -> None:
        """Somebody has others guard what this region guarded; he tries until it is so, or it is back."""
        host = self._random.choice([each for each in self._hosts if each.name != lost])
        head = self._head(host)
        if head is not None:
            sets = self._sets_without(head, lost)
            if sets == [each.members for each in head.guardian_sets]:
                return
            self._hand_in(host, self._successor(head, list(head.members), sets))
        if self._timeline.now_us < until_us:
            self._timeline.after(_TRY_AGAIN_US, self.replace, lost, until_us)

    def declare_lost(self, name: str) -> None:
        """Somebody has found out that this region never comes back; he tries until the roster says so."""
        self._known_lost[name] = None
        present = [each for each in self._present_hosts if each.core is not None]
        head = self._head(self._random.choice(present)) if present else None
        if head is not None and name not in lost_names(head) and name in self._dead(head):
            self._count("declared_lost")
            host = self._random.choice(present)
            rest = [each for each in head.members if each.name != name]
            self._hand_in(host, self._successor(head, rest, self._sets_of(head, [name])))
        if not self._healed_us and (head is None or name not in lost_names(head)):
            self._timeline.after(_TRY_AGAIN_US, self.declare_lost, name)

    def heal(self) -> None:
        """From now on every region is brought back."""
        self._healed_us = self._timeline.now_us
        self._restore()

    # --- one change -------------------------------------------------------------------------------------------------

    def _propose(self, host: Host) -> None:
        head = self._head(host)
        if head is not None:
            self._hand_in(host, self._draw(head))

    def _draw(self, head: Roster) -> Roster:
        absent = self._absent(head)
        draw = self._random.random()
        if absent and draw < 0.5:
            return self._successor(head, [*head.members, *map(self._present, absent)])
        leaving = min(self._random.randint(1, _LEAVE_MAX), len(head.members) - _MEMBERS_MIN)
        if self._may_remove and leaving > 0 and draw < 0.9:
            gone = self._random.sample(head.names, leaving)
            return self._successor(head, [each for each in head.members if each.name not in gone])
        if self._groups and draw < _EXCHANGED_SHARE:
            return self._successor(head, list(head.members), self._exchanged(head))
        moved = self._random.choice(head.members)
        elsewhere = msgspec.structs.replace(
            moved, public_address=f"{moved.name}:{self._random.randint(3, 99)}"
        )
        return self._successor(head, [elsewhere if each is moved else each for each in head.members])

    def _exchanged(self, head: Roster) -> list[tuple[str, ...]]:
        """One guardian of one region gives way to another, though nothing is wrong with it."""
        sets = [each.members for each in head.guardian_sets]
        chosen = self._random.randrange(len(sets))
        leaving = self._random.choice(sets[chosen][1:])
        sets[chosen] = self._instead_of(leaving, sets[chosen], head)
        return sets

    def _sets_without(self, head: Roster, lost: str) -> list[tuple[str, ...]]:
        return [
            self._instead_of(lost, each.members, head) if lost in each.members[1:] else each.members
            for each in head.guardian_sets
        ]

    def _instead_of(
        self, leaving: str, members: tuple[str, ...], head: Roster, dead: Sequence[str] = ()
    ) -> tuple[str, ...]:
        others = [name for name in head.names if name not in members and name not in dead]
        if not others:
            return members
        newcomer = self._random.choice(others)
        return tuple(newcomer if each == leaving else each for each in members)

    def _successor(
        self, head: Roster, members: list[RosterMember], sets: list[tuple[str, ...]] | None = None
    ) -> Roster:
        self._issued += 1
        sets = [each.members for each in head.guardian_sets] if sets is None else sets
        named = [msgspec.structs.replace(each, ledger_id=self._ledger_id(each)) for each in members]
        lost = self._newly_lost(head, members)
        return drafts.successor(head, issued_wall_us=self._issued, members=named, sets=sets, lost=lost)

    def _newly_lost(self, head: Roster, members: Sequence[RosterMember]) -> list[LostRegion]:
        """Whoever leaves and never comes back is declared lost."""
        named = {each.name for each in members} | lost_names(head)
        return [
            LostRegion(name=host.name, ledger_id=host.ledger.ledger_id)
            for host in self._hosts
            if host.gone and host.name not in named
        ]

    def _present(self, name: str) -> RosterMember:
        """A region as it is by now."""
        fresh = _member(name, "")
        return msgspec.structs.replace(fresh, ledger_id=self._ledger_id(fresh))

    def _ledger_id(self, member: RosterMember) -> str:
        """Of this region's ledger by now, as far as it can be asked."""
        host = next(each for each in self._hosts if each.name == member.name)
        if host.gone:
            return member.ledger_id
        voting = host.core.rosters.voting if host.core is not None else None
        return voting.ledger_id if voting is not None else member.ledger_id or host.ledger.ledger_id

    def _renamed(self, head: Roster) -> list[str]:
        """Members whose ledger is not the one that the roster names."""
        return [each.name for each in head.members if each.ledger_id != self._ledger_id(each)]

    def _hand_in(self, host: Host, roster: Roster) -> None:
        # Nobody waits for the answer: what becomes of it shows in the regions.
        signed = signed_by(_OPERATOR, roster)
        host.post(ProposeRoster(request_id=-1, signed=signed, cause="operator"))

    # --- everything back to what it was -----------------------------------------------------------------------------

    def _restore(self) -> None:
        """They look after it to the end: a disk may turn out to be an old one late."""
        newest = max(self._hosts, key=lambda host: getattr(self._head(host), "epoch", 0))
        head = self._head(newest)
        if head is not None and not (self.idle and self.are_guarded):
            self._go_on(newest, head)
        self._timeline.after(_LOOK_EVERY_US, self._restore)

    def _go_on(self, newest: Host, head: Roster) -> None:
        absent, renamed, dead = self._absent(head), self._renamed(head), self._dead(head)
        members = [host for host in self._present_hosts if head.member(host.name) is not None]
        voters = len(members) - len(renamed)
        if voters < head.majority and self._timeline.now_us - self._healed_us > _LOST_AFTER_US:
            self._found_anew(head)
        elif absent or renamed or dead:
            at = newest if newest in members and newest.name not in renamed else self._random.choice(members)
            rest = [each for each in head.members if each.name not in dead]
            named = [*rest, *map(self._present, absent)]
            self._hand_in(at, self._successor(head, named, self._sets_of(head, dead)))
        elif stuck := self._never_begun(head):
            self._count("guardian_never_began")
            home, name = stuck
            sets = [
                self._instead_of(name, each.members, head) if each.home == home else each.members
                for each in head.guardian_sets
            ]
            self._hand_in(newest, self._successor(head, list(head.members), sets))

    def _found_anew(self, head: Roster) -> None:
        self._count("founded_anew")
        self._healed_us = self._timeline.now_us
        members = [self._present(host.name) for host in self._present_hosts]
        groups = [Group(shard=each[0], members=each) for each in self._sets_of(head, self._dead(head))]
        anew = _founding(head.cluster_id, members, groups, head.epoch + _EPOCHS_SKIPPED)
        if lost := (*head.lost_regions, *self._newly_lost(head, members)):
            anew = msgspec.structs.replace(anew, lost=lost)
        for host in self._present_hosts:
            host.found_anew((signed_by(_OPERATOR, anew),))

    def _never_begun(self, head: Roster) -> tuple[str, str] | None:
        """A home, and a guardian of it that lost its disk before it kept that log: it is no newcomer, since it may have
        promised something, and no member, so that nobody waits for it. The handbook says to take another one."""
        for wanted in head.guardian_sets:
            for core in (host.core for host in self._present_hosts if host.name in wanted.members):
                shard = core.shards.shards.get(wanted.home) if core is not None else None
                if core is None or shard is None or not shard.blank or wanted.home in core.config.begins:
                    continue
                groups = [each.group for each in self._led(wanted.home)]
                if groups and all(core.config.name not in participants(group) for group in groups):
                    return wanted.home, core.config.name
        return None

    @property
    def _present_hosts(self) -> list[Host]:
        return [host for host in self._hosts if not host.gone]

    def _absent(self, head: Roster | None) -> list[str]:
        return [host.name for host in self._present_hosts if head is None or head.member(host.name) is None]

    def _dead(self, head: Roster) -> list[str]:
        """Members that never come back, and that the others can do without."""
        if self._groups and len(self._present_hosts) < _GUARDED_MIN:
            return []
        return [host.name for host in self._hosts if host.gone and head.member(host.name) is not None]

    def _sets_of(self, head: Roster, dead: list[str]) -> list[tuple[str, ...]]:
        """The guardian sets without these. What the log of a dead home holds stays where it is."""
        sets = [each.members for each in head.guardian_sets if each.home not in dead]
        for name in dead:
            sets = [self._without(name, each, head, dead) if name in each else each for each in sets]
        return sets

    def _without(
        self, name: str, members: tuple[str, ...], head: Roster, dead: Sequence[str]
    ) -> tuple[str, ...]:
        """Another one in its place; if there is none, the set is smaller, and of an odd size again."""
        replaced = self._instead_of(name, members, head, dead)
        if name not in replaced:
            return replaced
        rest = tuple(each for each in members if each not in dead)
        return rest if len(rest) % 2 else rest[:-1]

    @staticmethod
    def _head(host: Host) -> Roster | None:
        return host.core.rosters.head if host.core is not None else None
