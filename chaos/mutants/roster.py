"""Shortcuts of the roster: each ends in a fork, where two parts of a league go by different rosters of one epoch.

SCHEDULED are those that tests/core/roster/test_shortcuts.py builds by hand: some need a crash while a countersignature
is on its way, and for those in the order of epochs simulated operators make no document."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from unittest import mock

from chaos.mutants.mutant import Mutant, replace
from chaos.mutants.profiles import ROSTER_DISKS, ROSTERS, ROSTERS_OF_FIVE
from hanse.core.effects import Effects
from hanse.core.federation.roster import checks
from hanse.core.federation.roster.checks import Verifier
from hanse.core.federation.roster.faults import FaultKind, RosterFault
from hanse.core.federation.roster.gathering import Gathering, Stage
from hanse.core.federation.roster.voting import Voting
from hanse.core.messages import RosterProposal
from hanse.core.model.roster import Roster, Round, SignedRoster
from hanse.core.model.time import Now
from hanse.core.rows import RosterRow, Snapshot
from hanse.sim.ledger import SimLedger


def _take_any(patches: ExitStack) -> None:
    """The ledger would refuse what these mutants do."""

    def shortcut(self: SimLedger, row: RosterRow) -> None:
        self.rosters[row.epoch] = row

    replace(patches, SimLedger, "_take_roster", shortcut)


def _countersign_all(patches: ExitStack) -> None:
    on_proposal = Voting.on_proposal

    def shortcut(self: Voting, now: Now, peer: str, proposal: RosterProposal, out: Effects) -> None:
        self.ballot.answered, self.ballot.signed = Round(), None
        on_proposal(self, now, peer, proposal, out)

    replace(patches, Voting, "on_proposal", shortcut)
    _take_any(patches)


def _forget(patches: ExitStack) -> None:
    def shortcut(self: Voting, now: Now, snapshot: Snapshot) -> None:
        pass

    replace(patches, Voting, "_resume", shortcut)
    _take_any(patches)


def _count_the_new(patches: ExitStack) -> None:
    def has_majority(self: Gathering) -> bool:
        if self.stage is not Stage.SIGNING or self.signed is None:
            return False
        return len(self._found) >= self.signed.roster.majority

    def may_choose(self: Gathering) -> bool:
        if self.stage is not Stage.ASKING or self.signed is None:
            return False
        return len(self._answers) >= self.signed.roster.majority

    def support_faults(previous: Roster, signed: SignedRoster, verifier: Verifier) -> Iterator[RosterFault]:
        if len(checks.countersigners(previous, signed, verifier)) < signed.roster.majority:
            yield RosterFault(FaultKind.UNSUPPORTED, "countersignatures", "too few")

    patches.enter_context(mock.patch.object(Gathering, "has_majority", property(has_majority)))
    patches.enter_context(mock.patch.object(Gathering, "may_choose", property(may_choose)))
    patches.enter_context(mock.patch.object(checks, "_support_faults", support_faults))


def _do_not_ask(patches: ExitStack) -> None:
    def may_choose(self: Gathering) -> bool:
        return self.stage is Stage.ASKING

    patches.enter_context(mock.patch.object(Gathering, "may_choose", property(may_choose)))


def _insist_on_its_own(patches: ExitStack) -> None:
    def choose(self: Gathering) -> SignedRoster:
        assert self.signed is not None
        return self.signed

    replace(patches, Gathering, "choose", choose)


def _vote_with_any_ledger(patches: ExitStack) -> None:
    obstacle = Voting._obstacle

    def shortcut(self: Voting) -> str:
        why = obstacle(self)
        return "" if "its disk was lost" in why else why

    replace(patches, Voting, "_obstacle", shortcut)


def _overlook(*kinds: str) -> Callable[[ExitStack], None]:
    """Faults in the order of rosters, by the fields that they are about, are none."""

    def install(patches: ExitStack) -> None:
        order_fault = checks._order_fault

        def shortcut(previous: Roster, roster: Roster) -> RosterFault | None:
            fault = order_fault(previous, roster)
            told = "" if fault is None else f"{fault.kind.name} {fault.field}"
            return None if told in kinds else fault

        patches.enter_context(mock.patch.object(checks, "_order_fault", shortcut))

    return install


MUTANTS = (
    Mutant(
        name="forked roster",
        shortcut="a member countersigns every successor that it is asked to, and does not tell of any other",
        profile=ROSTERS,
        install=_countersign_all,
    ),
    Mutant(
        name="majority of the new",
        shortcut="a roster is in force with as many countersignatures as are a majority of its own members",
        profile=ROSTERS_OF_FIVE,
        install=_count_the_new,
    ),
    Mutant(
        name="own roster all the same",
        shortcut="whoever gathers asks, and proposes its own roster whatever the answers say",
        profile=ROSTERS,
        install=_insist_on_its_own,
    ),
    Mutant(
        name="votes after a lost disk",
        shortcut="a region whose disk was an old one countersigns although no roster names its new ledger",
        profile=ROSTER_DISKS,
        install=_vote_with_any_ledger,
    ),
)

SCHEDULED = (
    Mutant(
        name="countersignatures are not read back",
        shortcut="a member that starts again does not know which successor it has countersigned",
        profile=ROSTERS,
        install=_forget,
    ),
    Mutant(
        name="a round without asking",
        shortcut="whoever gathers proposes at once, and does not ask a majority what it has countersigned",
        profile=ROSTERS,
        install=_do_not_ask,
    ),
    Mutant(
        name="no predecessor's hash",
        shortcut="a roster says which epoch it is, and not what it follows on",
        profile=ROSTERS,
        install=_overlook("FORK previous_sha256"),
    ),
    Mutant(
        name="jumps over an epoch",
        shortcut="a member takes a later roster that a majority of its own roster's members has countersigned",
        profile=ROSTERS,
        install=_overlook("GAP epoch", "FORK previous_sha256"),
    ),
    Mutant(
        name="goes back",
        shortcut="a member takes any roster that is right in itself, also an older one",
        profile=ROSTERS,
        install=_overlook("OLDER epoch", "FORK epoch", "FORK previous_sha256"),
    ),
)
