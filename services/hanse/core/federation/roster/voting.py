"""This member's part in putting the next roster in force: it answers, countersigns, and gathers where it is asked to.

    event                                      does
    an operator hands in a successor           gathers for it (gathering.py)
    RosterProposal that asks                   writes the round; RosterVote (ballot.py)
    RosterProposal                             writes the countersignature; RosterVote
    RosterVote                                 counts it
    what it has countersigned is not in force  gathers for that one itself: whoever began may be gone
    after a while

A region that has just started, or whose disk is an old one, may have said what it does not remember. So it says nothing
until its boot's grace is over (as it launches nothing), nor in quarantine. And it says nothing unless the roster in
force names the ledger that it has: a ledger that was lost, or found to be an old one, has another id from then on
(`ledger_id`), and a roster that names it was made after the loss.
"""

from __future__ import annotations

from collections.abc import Callable

from hanse.core.books import Books
from hanse.core.effects import Effects, Send
from hanse.core.federation.roster.ballot import Authority, Ballot
from hanse.core.federation.roster.chain import Chain, row_of
from hanse.core.federation.roster.checks import countersigners, proposal_faults
from hanse.core.federation.roster.faults import FaultKind, RosterFault
from hanse.core.federation.roster.gathering import Gathering
from hanse.core.messages import RosterProposal, RosterVote
from hanse.core.model import limits
from hanse.core.model.deadlines import NEVER_US
from hanse.core.model.regions import RegionConfig
from hanse.core.model.roster import (
    Countersignature,
    Roster,
    Round,
    SignedRoster,
    decode_signed,
    sha256_of,
)
from hanse.core.model.time import Now
from hanse.core.replies import ProposalView
from hanse.core.rows import Snapshot

_ROUND = "roster_round"
_LEDGER_ID = "roster_ledger_id"

_FINAL = tuple(kind for kind in FaultKind if kind not in (FaultKind.EARLY, FaultKind.GAP))


class Voting:
    """For the successor of the newest roster of `chain`. `hesitates` says why the region may have forgotten what it
    said, if it may; empty: it remembers."""

    def __init__(
        self,
        config: RegionConfig,
        chain: Chain,
        snapshot: Snapshot,
        authority: Authority,
        books: Books,
        now: Now,
        hesitates: Callable[[], str],
    ) -> None:
        self._config = config
        self._chain = chain
        self._authority = authority
        self._books = books
        self._hesitates = hesitates
        self._disk_id = snapshot.ledger_id
        self.ledger_id = snapshot.meta.get(_LEDGER_ID, snapshot.ledger_id)
        self.refused = 0
        head = chain.head
        self.ballot = Ballot(config.name, head, authority)
        self._gathering = Gathering(config.name, head, config.timings)
        self._take_over_us = NEVER_US
        if head.member(config.name) is not None:
            self._resume(now, snapshot)

    def _resume(self, now: Now, snapshot: Snapshot) -> None:
        epoch, number, region = snapshot.meta.get(_ROUND, "0 0 ").split(" ")
        following = self._chain.head.epoch + 1
        answered = Round(int(number), region) if int(epoch) == following else Round()
        rows = [row for row in snapshot.rosters if row.epoch == following and not row.in_force]
        self.ballot.resume(answered, decode_signed(rows[0].document) if rows else None)
        self._wait_for_others(now)

    # --- what others ask ----------------------------------------------------------------------------------------------

    @property
    def decided(self) -> SignedRoster | None:
        """The successor that a majority has countersigned."""
        return self._gathering.document() if self._gathering.has_majority else None

    @property
    def idle(self) -> bool:
        """Whether nothing is under way here, nor was countersigned."""
        return self.ballot.signed is None and not self._gathering.active

    def view(self) -> ProposalView | None:
        """How far the successor is, as far as this region gathers for it."""
        return self._gathering.view()

    def unable(self) -> RosterFault | None:
        """Why this region may not countersign anything; None: it may."""
        name = self._config.name
        why = self._obstacle()
        if why:
            return RosterFault(FaultKind.UNABLE, "", f"{name} may not countersign: {why}")
        why = self._hesitates()
        return RosterFault(FaultKind.EARLY, "", f"{name} may not countersign yet: {why}") if why else None

    def _obstacle(self) -> str:
        head, name = self._chain.head, self._config.name
        own = head.member(name)
        if own is None:
            return "it is not a member"
        if self._chain.is_full:
            return f"{limits.ROSTER_CHAIN_MAX} rosters have followed each other: found the league anew"
        if not self.ballot.has_key:
            return "it lacks the private key to the public one that the roster names for it"
        if own.ledger_id != self.ledger_id:
            return (
                f"its disk was lost or is an old one, so it may have forgotten a countersignature; it votes again when "
                f"the roster names its present ledger: hanse federation rotate {name} --ledger-id {self.ledger_id}"
            )
        return ""

    def on_quarantine_left(self, incarnation: int) -> None:
        """The disk was an old one. What it had said in the life that was lost is not known: it is another ledger."""
        self.ledger_id = f"{self._disk_id}.{incarnation}"
        self._books.set_meta(_LEDGER_ID, self.ledger_id)

    # --- an operator --------------------------------------------------------------------------------------------------

    def propose(self, now: Now, signed: SignedRoster) -> RosterFault | None:
        """Gather for it; or why not."""
        fault = self._reason_against(signed)
        if fault is not None:
            return fault
        if self._gathering.active and self._gathering.is_for(signed.roster):
            self._gathering.insist(now)
        elif self._gathering.active:
            why = f"{self._config.name} gathers for another roster of epoch {signed.roster.epoch}"
            return RosterFault(FaultKind.EARLY, "", why)
        else:
            self._begin(now, signed, patient=False)
        return None

    def _reason_against(self, signed: SignedRoster) -> RosterFault | None:
        faults = proposal_faults(self._chain.head, signed, self._authority)
        if faults:
            self.refused += 1
            return faults[0]
        return self.unable()

    def _begin(self, now: Now, signed: SignedRoster, *, patient: bool) -> None:
        in_round = self._gathering.next_round(self.ballot.answered)
        self._answer(in_round)
        self._gathering.ask(now, signed, in_round, patient=patient)
        self._gathering.on_answer(self._config.name, in_round, self.ballot.signed)
        self._take_over_us = NEVER_US
        self._go_on(now)

    def _go_on(self, now: Now) -> None:
        """A majority has answered: countersign what is to be proposed, then ask the others to."""
        if self._gathering.may_choose:
            chosen = self._gathering.choose()
            mine = self._sign(chosen, self._gathering.round)
            self._gathering.sign(now, chosen, mine)

    # --- the others ---------------------------------------------------------------------------------------------------

    def on_proposal(self, now: Now, peer: str, proposal: RosterProposal, out: Effects) -> None:
        """A member gathers: answer, or countersign, or say why not."""
        signed, in_round = proposal.signed, proposal.round
        fault = self._reason_against(signed)
        if fault is None and self._chain.head.member(peer) is None:
            fault = RosterFault(FaultKind.UNABLE, "", f"{peer} is not a member, and may not gather")
        if fault is None and in_round.region != peer:
            fault = RosterFault(
                FaultKind.UNABLE, "round", f"{in_round.region}'s round, and {peer} gathers in it"
            )
        signature, has = "", None
        if fault is None and proposal.asks and self.ballot.may_answer(in_round):
            has = self.ballot.signed
            self._answer(in_round)
        elif fault is None and not proposal.asks and self.ballot.may_sign(signed.roster, in_round):
            signature = self._sign(signed, in_round).signature
        elif fault is None:
            fault = RosterFault(FaultKind.EARLY, "round", f"{self._config.name} was asked in a later round")
        self._gathering.yield_to(now, self.ballot.answered)
        if fault is None:
            self._wait_for_others(now)
        vote = RosterVote(
            epoch=signed.roster.epoch,
            sha256=sha256_of(signed.roster),
            round=in_round,
            answered=self.ballot.answered,
            asks=proposal.asks,
            signature=signature,
            has=has,
            refusal="" if fault is None else str(fault),
            is_final=fault is not None and fault.kind in _FINAL,
        )
        out.sends.append(Send(peer, vote))

    def on_vote(self, now: Now, peer: str, vote: RosterVote) -> None:
        """A member has answered, countersigned, or refused."""
        head, gathering = self._chain.head, self._gathering
        if vote.epoch != head.epoch + 1 or head.member(peer) is None:
            return
        if vote.refusal:
            gathering.on_refusal(peer, vote.round, vote.refusal, is_final=vote.is_final)
        elif vote.asks and self._is_true(peer, vote.has):
            gathering.on_answer(peer, vote.round, vote.has)
        elif (
            not vote.asks
            and gathering.signed is not None
            and sha256_of(gathering.signed.roster) == vote.sha256
        ):
            self._count(peer, vote)
        gathering.yield_to(now, vote.answered)
        self._go_on(now)

    def _is_true(self, peer: str, has: SignedRoster | None) -> bool:
        """Whether that member has countersigned this one, as it says, and it could be in force."""
        if has is None:
            return True
        head = self._chain.head
        return peer in countersigners(head, has, self._authority) and not proposal_faults(
            head, has, self._authority
        )

    def _count(self, peer: str, vote: RosterVote) -> None:
        gathered = self._gathering.document()
        found = Countersignature(peer, vote.signature)
        if vote.round == gathered.round and _fits(self._chain.head, gathered, found, self._authority):
            self._gathering.on_signature(vote.round, (found,))

    # --- time ---------------------------------------------------------------------------------------------------------

    def _wait_for_others(self, now: Now) -> None:
        """Somebody gathers for what is countersigned here. Should he be gone, one of the others is the first to."""
        if self.ballot.signed is not None and not self._gathering.active:
            rank = self._chain.head.names.index(self._config.name)
            delay_us = limits.GATHER_ALONE_US + rank * self._config.timings.report_retry_us
            self._take_over_us = now.mono_us + delay_us

    def on_deadline(self, now: Now, out: Effects) -> None:
        """Ask again, begin again, or take over."""
        again = self._gathering.on_deadline(now, out)
        due = now.mono_us >= self._take_over_us and not self._gathering.active
        signed = self._gathering.signed if again else self.ballot.signed
        if (again or due) and signed is not None:
            if self.unable() is None:
                self._begin(now, signed, patient=due)
                self._gathering.on_deadline(now, out)
            else:
                self._gathering.end()
                self._wait_for_others(now)
        elif not self._gathering.active and self._take_over_us == NEVER_US:
            self._wait_for_others(now)

    @property
    def next_us(self) -> int:
        """When `on_deadline` has something to do."""
        return min(self._gathering.next_us, self._take_over_us)

    # --- what is written ----------------------------------------------------------------------------------------------

    def _answer(self, in_round: Round) -> None:
        if in_round != self.ballot.answered:
            self.ballot.answer(in_round)
            epoch = self._chain.head.epoch + 1
            self._books.set_meta(_ROUND, f"{epoch} {in_round.number} {in_round.region}")

    def _sign(self, signed: SignedRoster, in_round: Round) -> Countersignature:
        mine = self.ballot.sign(signed, in_round)
        assert self.ballot.signed is not None
        self._books.remember_roster(row_of(self.ballot.signed, in_force=False))
        return mine


def _fits(previous: Roster, signed: SignedRoster, found: Countersignature, authority: Authority) -> bool:
    alone = SignedRoster(roster=signed.roster, round=signed.round, countersignatures=(found,))
    return bool(countersigners(previous, alone, authority))
