"""Shortcuts of the roster: each ends in a fork, where two parts of a league go by different rosters of one epoch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from unittest import mock

from chaos.mutants.mutant import Mutant, replace
from chaos.mutants.profiles import ROSTERS
from hanse.core.effects import RosterRow
from hanse.core.federation.roster import checks
from hanse.core.federation.roster.ballot import Ballot
from hanse.core.federation.roster.checks import Verifier
from hanse.core.federation.roster.faults import FaultKind, RosterFault
from hanse.core.federation.roster.keeper import Rosters
from hanse.core.model.roster import Roster, SignedRoster
from hanse.core.model.time import Now
from hanse.sim.ledger import SimLedger


def _take_any(patches: ExitStack) -> None:
    """The ledger would refuse what these mutants do."""

    def shortcut(self: SimLedger, row: RosterRow) -> None:
        self.rosters[row.epoch] = row

    replace(patches, SimLedger, "_take_roster", shortcut)


def _countersign_all(patches: ExitStack) -> None:
    vote = Rosters._vote

    def shortcut(self: Rosters, now: Now, signed: SignedRoster, *, leads: bool) -> RosterFault | None:
        if self._ballot.signed is not None and not self._ballot.is_for(signed.roster):
            self._ballot = self._open_ballot(now)
        return vote(self, now, signed, leads=leads)

    replace(patches, Rosters, "_vote", shortcut)
    _take_any(patches)


def _forget_votes(patches: ExitStack) -> None:
    open_ballot = Rosters._open_ballot

    def shortcut(self: Rosters, now: Now, snapshot: object = None) -> Ballot:
        return open_ballot(self, now)

    replace(patches, Rosters, "_open_ballot", shortcut)
    _take_any(patches)


def _count_the_new(patches: ExitStack) -> None:
    def has_majority(self: Ballot) -> bool:
        assert self.signed is not None
        return len(self._found) >= self.signed.roster.majority

    def support_faults(previous: Roster, signed: SignedRoster, verifier: Verifier) -> Iterator[RosterFault]:
        if len(checks.countersigners(previous, signed, verifier)) < signed.roster.majority:
            yield RosterFault(FaultKind.UNSUPPORTED, "countersignatures", "too few")

    patches.enter_context(mock.patch.object(Ballot, "has_majority", property(has_majority)))
    patches.enter_context(mock.patch.object(checks, "_support_faults", support_faults))


def _count_who_is_there(patches: ExitStack) -> None:
    def has_majority(self: Ballot) -> bool:
        refused = [name for name, why in self._refusals.items() if "another roster" in why]
        there = len(self._found) + len(refused)
        return there > 1 and len(self._found) >= there // 2 + 1

    def support_faults(previous: Roster, signed: SignedRoster, verifier: Verifier) -> Iterator[RosterFault]:
        if len(checks.countersigners(previous, signed, verifier)) < min(2, len(previous.members)):
            yield RosterFault(FaultKind.UNSUPPORTED, "countersignatures", "too few")

    patches.enter_context(mock.patch.object(Ballot, "has_majority", property(has_majority)))
    patches.enter_context(mock.patch.object(checks, "_support_faults", support_faults))


MUTANTS = (
    Mutant(
        name="forked roster",
        shortcut="a member countersigns every successor of an epoch that an operator has signed",
        profile=ROSTERS,
        install=_countersign_all,
    ),
    Mutant(
        name="countersignatures are not read back",
        shortcut="a member that starts again does not know which successor it has countersigned",
        profile=ROSTERS,
        install=_forget_votes,
    ),
    Mutant(
        name="majority of the new",
        shortcut="a roster is in force with as many countersignatures as are a majority of its own members",
        profile=ROSTERS,
        install=_count_the_new,
    ),
    Mutant(
        name="majority of those who answer",
        shortcut="a roster is in force if most of the members that could be asked have countersigned it",
        profile=ROSTERS,
        install=_count_who_is_there,
    ),
)
