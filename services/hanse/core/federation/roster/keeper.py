"""What members tell each other of rosters, and when a new one comes into force here.

    event                                       does
    an envelope of an older epoch               RosterAnnounce, and nothing else of it is heard
    an envelope or RosterAnnounce of a newer    RosterRequest
    RosterRequest                               RosterDocument for each that followed, as many as one answer holds
    RosterDocument, the next epoch, in force    written; then the Region is rebuilt with it
    RosterDocument, anything else               nothing
    RosterProposal, RosterVote                  voting.py
    countersigned by a majority of a round      written; RosterAnnounce to all; then the Region is rebuilt with it

None of these messages needs a session: rosters prove themselves, and requests cost a bounded answer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_never

import msgspec

from hanse.core.books import Books
from hanse.core.effects import Effects, Send
from hanse.core.events import AskRoster, PeerMessages, ProposeRoster
from hanse.core.federation.roster.ballot import Authority
from hanse.core.federation.roster.chain import Chain, begun_by, config_in_force, open_chain, row_of
from hanse.core.federation.roster.checks import force_faults
from hanse.core.federation.roster.faults import FaultKind, RosterFault, refused
from hanse.core.federation.roster.voting import Voting
from hanse.core.messages import (
    Envelope,
    Message,
    RosterAnnounce,
    RosterDocument,
    RosterMessage,
    RosterProposal,
    RosterRequest,
    RosterVote,
)
from hanse.core.model import limits
from hanse.core.model.deadlines import NEVER_US, Alarm
from hanse.core.model.jobs import Reason, ReasonCode
from hanse.core.model.regions import RegionConfig
from hanse.core.model.roster import Roster, SignedRoster, encode_signed, sha256_of
from hanse.core.model.time import Now
from hanse.core.replies import Refused, RosterView
from hanse.core.rows import Snapshot

_STATIC = RosterFault(
    FaultKind.UNABLE,
    "",
    "this region's roster is static (its [[members]]): found a league with hanse federation init",
)
_RESTARTING = RosterFault(FaultKind.EARLY, "", "a new roster has just come into force")


class Rosters:
    """The Region's view of rosters. `config` is its configuration with what the newest roster says.

    `hesitates` says why the region may have forgotten a vote, if it may; empty: it may countersign.
    """

    def __init__(
        self,
        config: RegionConfig,
        snapshot: Snapshot,
        authority: Authority | None,
        books: Books,
        now: Now,
        hesitates: Callable[[], str] = str,
    ) -> None:
        self.config = config
        self.restart = False
        self.refused = 0
        self.alarm = Alarm()
        self._books = books
        self._hesitates = hesitates
        self._chain: Chain | None = None
        if not config.roster:
            return
        assert authority is not None, "a signed roster needs keys"
        self._authority = authority
        self._chain, lacking = open_chain(config.roster, snapshot.rosters, authority)
        for row in lacking:
            books.remember_roster(row)
        self.config = config_in_force(config, self._chain)
        # What each region last said that its epoch is, and the largest that anybody said.
        self._heard: dict[str, int] = {}
        self._newest_heard = self._chain.head.epoch
        self._conflicts: dict[str, str] = {}
        # When each may be told or asked again.
        self._quiet_until_us: dict[tuple[str, type], int] = {}
        self._known = {member.name for member in (*self.config.members, *self.config.former)}
        self._known.discard(config.name)
        self._voting = Voting(self.config, self._chain, snapshot, authority, books, now, hesitates)
        begins = begun_by(self._chain, config.name, self._voting.ledger_id)
        self.config = msgspec.structs.replace(self.config, begins=begins)
        self._arm()

    # --- what the Region and its observers ask ---------------------------------------------------------------------

    @property
    def head(self) -> Roster | None:
        """The roster in force; None: it is static."""
        return None if self._chain is None else self._chain.head

    def operator_keys(self) -> tuple[str, ...]:
        """Public keys of operators, of all rosters that were ever in force, oldest first."""
        if self._chain is None:
            return ()
        return tuple(dict.fromkeys(signed.roster.operator_key for signed in self._chain.ever()))

    @property
    def voting(self) -> Voting | None:
        """This member's part in the next roster; None: it is static."""
        return None if self._chain is None else self._voting

    @property
    def is_newest(self) -> bool:
        """Whether nobody has said that there is a newer one."""
        return self._chain is None or self._newest_heard <= self._chain.head.epoch

    def impairments(self) -> list[Reason]:
        """What an operator must know of this region's roster."""
        if self._chain is None:
            return []
        found = []
        if self.config.removed:
            epoch = self._chain.head.epoch
            why = f"the roster of epoch {epoch} does not name this region: the others do not hear it"
            if self.config.is_lost:
                why = (
                    f"declared lost by an operator: the others do not hear it (epoch {epoch}), and have gone on with "
                    "its jobs. Nothing is started here any more. A region in its place needs a name of its own"
                )
            found.append(Reason(ReasonCode.REMOVED, why))
        for peer, why in self._conflicts.items():
            found.append(Reason(ReasonCode.ROSTER_CONFLICT, f"{peer}: {why}"))
        return found

    def on_deadline(self, now: Now, out: Effects) -> None:
        """Ask whoever is due."""
        if self._chain is not None and not self.restart:
            self._voting.on_deadline(now, out)
            self._conclude(now, out)
            self._arm()

    def _arm(self) -> None:
        at_us = NEVER_US if self.restart else self._voting.next_us
        if at_us != self.alarm.next_us:
            self.alarm.ring_at(at_us)

    def on_session(self, peer: str, out: Effects) -> None:
        """A session began: say what is in force here."""
        if self._chain is not None:
            out.sends.append(Send(peer, self._announcement()))

    def on_quarantine_left(self, incarnation: int) -> None:
        """What the old disk had forgotten to have countersigned is not known."""
        if self._chain is not None:
            self._voting.on_quarantine_left(incarnation)

    # --- envelopes --------------------------------------------------------------------------------------------------

    def on_envelope(self, now: Now, event: PeerMessages, out: Effects) -> tuple[Message, ...]:
        """Take in what an envelope says of rosters; what is left of it for others to hear."""
        if self._chain is None:
            return event.messages
        sender, epoch = event.envelope.sender, event.envelope.roster_epoch
        if not self._is_for_us(event.envelope):
            return ()
        self._heard[sender] = epoch
        self._newest_heard = max(self._newest_heard, epoch)
        rest = []
        for message in event.messages:
            if isinstance(message, RosterMessage):
                self._on_message(now, sender, message, out)
            else:
                rest.append(message)
        head = self._chain.head.epoch
        if epoch > head:
            self._request(now, sender, out)
        elif epoch < head:
            self._tell(now, sender, out)
            return ()
        return tuple(rest)

    def _is_for_us(self, envelope: Envelope) -> bool:
        config = self.config
        return (
            envelope.cluster_id == config.cluster_id
            and envelope.receiver == config.name
            and envelope.sender in self._known
        )

    def _on_message(self, now: Now, peer: str, message: RosterMessage, out: Effects) -> None:
        match message:
            case RosterAnnounce():
                self._on_announce(now, peer, message, out)
            case RosterRequest():
                self._on_request(peer, message, out)
            case RosterDocument():
                self._on_document(now, peer, message.signed, out)
            case RosterProposal():
                self._on_proposal(now, peer, message, out)
            case RosterVote():
                self._on_vote(now, peer, message, out)
            case _:
                assert_never(message)
        self._arm()

    # --- who has which ----------------------------------------------------------------------------------------------

    def _on_announce(self, now: Now, peer: str, announce: RosterAnnounce, out: Effects) -> None:
        assert self._chain is not None
        ours = self._chain.at(announce.epoch)
        if ours is not None and sha256_of(ours.roster) != announce.sha256:
            self._conflict(peer, announce.epoch, announce.sha256)
        elif announce.epoch > self._chain.head.epoch:
            self._newest_heard = max(self._newest_heard, announce.epoch)
            self._request(now, peer, out)
        else:
            self._conflicts.pop(peer, None)

    def _on_request(self, peer: str, request: RosterRequest, out: Effects) -> None:
        out.sends.extend(
            Send(peer, RosterDocument(signed)) for signed in self._following(request.after_epoch)
        )

    def _on_document(self, now: Now, peer: str, signed: SignedRoster, out: Effects) -> None:
        assert self._chain is not None
        if signed.roster.is_founding and signed.roster.epoch > self._chain.head.epoch:
            self._conflict(peer, signed.roster.epoch, sha256_of(signed.roster))
        if signed.roster.epoch != self._chain.head.epoch + 1:
            return
        faults = force_faults(self._chain.head, signed, self._authority)
        if not faults and not self._chain.is_full:
            self._put_in_force(now, signed, out)
            return
        self.refused += 1
        if any(fault.kind is FaultKind.FORK for fault in faults):
            self._conflict(peer, signed.roster.epoch, sha256_of(signed.roster))

    def _conflict(self, peer: str, epoch: int, sha256: str) -> None:
        self._conflicts[peer] = (
            f"its roster of epoch {epoch} ({sha256[:16]}) is of another league, or of one that was founded anew"
        )

    def _following(self, epoch: int) -> tuple[SignedRoster, ...]:
        """What followed on this epoch, as far as one answer goes."""
        assert self._chain is not None
        found: list[SignedRoster] = []
        left = limits.ROSTERS_PER_ANSWER_BYTES_MAX
        for signed in self._chain.after(epoch)[: limits.ROSTERS_PER_ANSWER_MAX]:
            left -= len(encode_signed(signed))
            if left < 0 and found:
                break
            found.append(signed)
        return tuple(found)

    def _request(self, now: Now, peer: str, out: Effects) -> None:
        assert self._chain is not None
        if self._may_repeat(now, peer, RosterRequest):
            out.sends.append(Send(peer, RosterRequest(self._chain.head.epoch)))

    def _tell(self, now: Now, peer: str, out: Effects) -> None:
        if self._may_repeat(now, peer, RosterAnnounce):
            out.sends.append(Send(peer, self._announcement()))

    def _may_repeat(self, now: Now, peer: str, kind: type) -> bool:
        """Whatever a peer sends, it is told and asked once in a while only."""
        if now.mono_us < self._quiet_until_us.get((peer, kind), 0):
            return False
        self._quiet_until_us[(peer, kind)] = now.mono_us + self.config.timings.report_retry_us
        return True

    def _announcement(self) -> RosterAnnounce:
        assert self._chain is not None
        return RosterAnnounce(self._chain.head.epoch, self._chain.sha256)

    # --- the next one -----------------------------------------------------------------------------------------------

    def propose(self, now: Now, event: ProposeRoster, out: Effects) -> RosterView | Refused:
        """An operator hands in a successor: gather a majority for it."""
        if self._chain is None:
            return refused(_STATIC)
        signed = event.signed
        if sha256_of(signed.roster) != self._chain.sha256:
            fault = _RESTARTING if self.restart else self._voting.propose(now, signed)
            if fault is not None:
                return refused(fault)
            self._conclude(now, out)
            self._arm()
        return self._view(signed.roster.epoch)

    def _on_proposal(self, now: Now, peer: str, proposal: RosterProposal, out: Effects) -> None:
        assert self._chain is not None
        if proposal.signed.roster.epoch <= self._chain.head.epoch:
            self._tell(now, peer, out)
        elif not self.restart:
            self._voting.on_proposal(now, peer, proposal, out)
            self._conclude(now, out)

    def _on_vote(self, now: Now, peer: str, vote: RosterVote, out: Effects) -> None:
        if not self.restart:
            self._voting.on_vote(now, peer, vote)
            self._conclude(now, out)

    def _conclude(self, now: Now, out: Effects) -> None:
        decided = self._voting.decided
        if decided is not None and not self.restart:
            self._put_in_force(now, decided, out)

    def _put_in_force(self, now: Now, signed: SignedRoster, out: Effects) -> None:
        """Written in this step; whoever is linked hears of it, and the rest from the Region that is built of it. Who
        has another address by it gets it at once: from now on nobody answers at the present one."""
        assert self._chain is not None
        moved = _moved(self._chain.head, signed.roster)
        self._chain.append(signed)
        self._books.remember_roster(row_of(signed, in_force=True))
        self.restart = True
        for peer in sorted(self._known):
            out.sends.append(Send(peer, RosterDocument(signed) if peer in moved else self._announcement()))

    # --- answers ----------------------------------------------------------------------------------------------------

    def answer(self, ask: AskRoster) -> RosterView:
        """What is in force, and how far its successor is."""
        return self._view(ask.after_epoch)

    def _view(self, after_epoch: int) -> RosterView:
        if self._chain is None:
            return RosterView(region=self.config.name, head=None)
        inability = _RESTARTING if self.restart else self._voting.unable()
        return RosterView(
            region=self.config.name,
            head=self._chain.signed,
            removed=self.config.removed,
            following=self._following(after_epoch),
            known=tuple(sorted(self._heard.items())),
            proposal=None if self.restart else self._voting.view(),
            conflicts=tuple(self._conflicts.items()),
            unable="" if inability is None else inability.message,
            ledger_id=self._voting.ledger_id,
        )


def _moved(before: Roster, after: Roster) -> list[str]:
    """Members that are to be reached at another address."""
    known = {member.name: member.peer_address for member in before.members}
    return [
        each.name for each in after.members if known.get(each.name, each.peer_address) != each.peer_address
    ]
