"""The rosters that were in force, and the region's configuration that follows from the newest.

The configuration brings a chain (the file that an operator gave to this region), the ledger another one (what came in
later). One must continue the other; or the file has a founding roster with a higher epoch, by which an operator founds
the league anew.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from hanse.core.federation.roster.checks import Verifier, chain_faults, force_faults
from hanse.core.federation.roster.faults import FaultKind, RosterConflict, RosterFault
from hanse.core.model import limits
from hanse.core.model.regions import Group, Member, RegionConfig
from hanse.core.model.roster import (
    GuardianSet,
    Roster,
    RosterMember,
    SignedRoster,
    decode_signed,
    encode_signed,
    sha256_of,
)
from hanse.core.rows import RosterRow


class Chain:
    """Rosters in force, oldest first, without gaps; there is at least one. Bounded by ROSTER_CHAIN_MAX.

    `past`: those of the league before it was founded anew. They have no say, but whoever was in them is told.
    """

    def __init__(self, rosters: Sequence[SignedRoster], past: Sequence[SignedRoster] = ()) -> None:
        assert rosters, "a chain begins with a founding roster"
        self._rosters = list(rosters)
        self._past = tuple(past)
        self.sha256 = sha256_of(self.head)

    @property
    def signed(self) -> SignedRoster:
        """The newest, with its signatures."""
        return self._rosters[-1]

    @property
    def head(self) -> Roster:
        """The newest."""
        return self.signed.roster

    @property
    def is_full(self) -> bool:
        """Whether no roster may follow: the league must be founded anew."""
        return len(self._rosters) >= limits.ROSTER_CHAIN_MAX

    def at(self, epoch: int) -> SignedRoster | None:
        """The roster of this epoch."""
        index = epoch - self._rosters[0].roster.epoch
        return self._rosters[index] if 0 <= index < len(self._rosters) else None

    def after(self, epoch: int) -> tuple[SignedRoster, ...]:
        """What followed on this epoch, oldest first."""
        return tuple(self._rosters[max(0, epoch + 1 - self._rosters[0].roster.epoch) :])

    def ever(self) -> tuple[SignedRoster, ...]:
        """All of them, oldest first, also those of the league before it was founded anew."""
        return (*self._past, *self._rosters)

    def append(self, signed: SignedRoster) -> None:
        """A roster comes into force; whether it may is for checks.py."""
        assert signed.roster.epoch == self.head.epoch + 1, "epochs follow each other"
        self._rosters.append(signed)
        self.sha256 = sha256_of(signed.roster)

    def members_ever(self) -> dict[str, RosterMember]:
        """Every member of any of them by name, as the newest that has it says."""
        found: dict[str, RosterMember] = {}
        for signed in self.ever():
            for member in signed.roster.members:
                found.pop(member.name, None)
                found[member.name] = member
        return found


def row_of(signed: SignedRoster, *, in_force: bool) -> RosterRow:
    """As the ledger keeps it."""
    return RosterRow(
        epoch=signed.roster.epoch,
        sha256=sha256_of(signed.roster),
        document=encode_signed(signed),
        in_force=int(in_force),
        round_number=signed.round.number,
    )


def open_chain(
    configured: tuple[SignedRoster, ...], rows: Sequence[RosterRow], verifier: Verifier
) -> tuple[Chain, list[RosterRow]]:
    """The chain to go by, and the rows of it that the ledger lacks. Raises RosterConflict."""
    if faults := chain_faults(configured, verifier):
        raise RosterConflict(faults)
    past, stored = _lines([decode_signed(row.document) for row in rows if row.in_force])
    if not stored:
        chain = Chain(configured)
    elif configured[0].roster.epoch > stored[-1].roster.epoch:
        # Founded anew; what was before has no say any more.
        chain = Chain(configured, (*past, *stored))
    else:
        chain = _joined(Chain(stored, past), configured, verifier)
    known = {row.epoch for row in rows if row.in_force}
    lacking = [each for each in chain.after(0) if each.roster.epoch not in known]
    return chain, [row_of(each, in_force=True) for each in lacking]


def _lines(stored: list[SignedRoster]) -> tuple[list[SignedRoster], list[SignedRoster]]:
    """What came before the newest founding roster, and what came with it: the ledger of a region whose league was
    founded anew has both."""
    founded = max((at for at, signed in enumerate(stored) if signed.roster.is_founding), default=0)
    return stored[:founded], stored[founded:]


def _joined(chain: Chain, configured: tuple[SignedRoster, ...], verifier: Verifier) -> Chain:
    """The longer of the two, if they agree where they overlap."""
    for signed in configured:
        known = chain.at(signed.roster.epoch)
        if known is not None and sha256_of(known.roster) != sha256_of(signed.roster):
            raise RosterConflict([_two_rosters(signed.roster)])
        if signed.roster.epoch <= chain.head.epoch:
            continue
        if faults := force_faults(chain.head, signed, verifier):
            raise RosterConflict(faults)
        chain.append(signed)
    return chain


def _two_rosters(roster: Roster) -> RosterFault:
    return RosterFault(
        FaultKind.FORK,
        "epoch",
        f"the ledger has another roster of epoch {roster.epoch} than the file; give this region the roster of its own "
        "league (hanse federation show --save), or found the league anew with a higher epoch",
    )


# --- what follows for the region -------------------------------------------------------------------------------------


def config_in_force(config: RegionConfig, chain: Chain) -> RegionConfig:
    """The configuration with what the newest roster says of members and groups."""
    head = chain.head
    belongs = head.member(config.name) is not None
    ever = chain.members_ever()
    return msgspec.structs.replace(
        config,
        roster_epoch=head.epoch,
        members=tuple(map(member_of, head.members)) if belongs else (_alone(config.name, ever),),
        groups=_groups(chain) if belongs else (),
        groups_wanted=tuple(map(_group_of, head.guardian_sets)) if belongs else (),
        keepers=_keepers(config.name, chain) if belongs else (),
        former=_former(config.name, head, ever, belongs=belongs),
        removed=not belongs,
        lost=lost_ever(chain),
    )


def lost_ever(chain: Chain) -> tuple[str, ...]:
    """Regions that were ever declared lost, also before the league was founded anew."""
    return tuple(dict.fromkeys(each.name for signed in chain.ever() for each in signed.roster.lost_regions))


def begun_by(chain: Chain, region: str, ledger_id: str) -> tuple[str, ...]:
    """Shards whose logs this region may begin to keep from nothing: a roster made it a guardian while it had this
    ledger, so that it can't have forgotten a promise. Who was one from the beginning, or lost its disk since, is no
    newcomer."""
    homes = (each.home for each in chain.head.guardian_sets if region in each.members)
    return tuple(home for home in homes if _is_newcomer(chain, home, region, ledger_id))


def _is_newcomer(chain: Chain, home: str, region: str, ledger_id: str) -> bool:
    for signed in reversed(chain.ever()):
        guardians, own = signed.roster.guardians_of(home), signed.roster.member(region)
        if guardians is None:
            continue  # the home was not in the league then
        if region not in guardians.members:
            return True
        if own is None or own.ledger_id != ledger_id:
            return False
    return False


def member_of(member: RosterMember) -> Member:
    """As the rest of the core knows members."""
    return Member(
        name=member.name,
        peer_address=member.peer_address,
        public_address=member.public_address,
        labels=tuple(sorted(member.labels.items())),
        public_key=member.public_key,
    )


def _group_of(guardians: GuardianSet) -> Group:
    return Group(shard=guardians.home, members=guardians.members, version=guardians.version)


def _groups(chain: Chain) -> tuple[Group, ...]:
    """The groups with which the logs of all homes began: a roster alone never moves a log, only the group's own
    agreement. Also of homes that have left: what was accepted there is still run and answered for."""
    found: dict[str, GuardianSet] = {}
    before: dict[str, GuardianSet] = {}
    for signed in chain.after(0):
        now = {each.home: each for each in signed.roster.guardian_sets}
        # Who has come back begins anew, unless its log says otherwise.
        found |= {home: each for home, each in now.items() if home not in before}
        before = now
    return tuple(_group_of(each) for _, each in sorted(found.items()))


def _keepers(home: str, chain: Chain) -> tuple[str, ...]:
    """Every guardian that this home ever had. Of a league that was founded anew anybody may be one: what was before is
    not in the new roster's file."""
    if chain.ever()[0].roster.epoch > 1:
        return chain.head.names
    sets = [signed.roster.guardians_of(home) for signed in chain.ever()]
    return tuple(dict.fromkeys(name for each in sets if each is not None for name in each.members))


def _alone(region: str, ever: dict[str, RosterMember]) -> Member:
    known = ever.get(region)
    return Member(name=region) if known is None else member_of(known)


def _former(region: str, head: Roster, ever: dict[str, RosterMember], *, belongs: bool) -> tuple[Member, ...]:
    """Whom to tell that they are not members any more; for one who is none, those who may say that it is again."""
    others = [
        member
        for name, member in reversed(ever.items())
        if name != region and (not belongs or head.member(name) is None)
    ]
    taken = {member.peer_address for member in head.members} if belongs else set()
    free = [member for member in others if member.peer_address not in taken]
    return tuple(map(member_of, free[: limits.FORMER_MEMBERS_MAX]))
