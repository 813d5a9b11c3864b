"""The one successor of the roster in force that this member has countersigned, and the gathering of a majority for it.

    has                       event                                   writes      sends
    no vote                   a proposal that may be countersigned    the vote    RosterVote: my signature
    a vote for this roster    the proposal again                      nothing     RosterVote: all that I know
    a vote for another        a proposal                              nothing     RosterVote: refused
    a vote                    timer                                   nothing     RosterProposal to who is missing
    a vote                    countersignatures of a majority         in force    RosterAnnounce

A vote is never taken back, also when its roster can't win any more: then another one has won, or (members are gone, and
operators proposed at the same time) none can, and the league is founded anew.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import msgspec

from hanse.core.effects import Effects, ProposalView, Send
from hanse.core.federation.roster.checks import Verifier
from hanse.core.messages import RosterProposal, RosterVote
from hanse.core.model.deadlines import Deadlines, backoff_us
from hanse.core.model.limits import GATHER_ALONE_US
from hanse.core.model.regions import Timings
from hanse.core.model.roster import (
    Countersignature,
    Roster,
    SignedRoster,
    countersign_message,
    sha256_of,
)
from hanse.core.model.time import Now


class Authority(Verifier, Protocol):
    """The keys of this region. Private ones never enter the core."""

    def sign(self, public_key: str, message: bytes) -> str:
        """The signature by this key of the region's own; empty: it does not have that key."""

    def has(self, public_key: str) -> bool:
        """Whether it has that key."""


class Ballot:
    """`signed` is what this member has countersigned, with all countersignatures that are known; None: nothing yet."""

    def __init__(self, region: str, previous: Roster, authority: Authority, timings: Timings) -> None:
        self._region = region
        self._previous = previous
        self._authority = authority
        self._timings = timings
        self.signed: SignedRoster | None = None
        self.sha256 = ""
        self._found: dict[str, Countersignature] = {}
        self._refusals: dict[str, str] = {}
        self._asked: dict[str, int] = {}
        self._deadlines: Deadlines[str] = Deadlines()

    # --- voting -----------------------------------------------------------------------------------------------------

    @property
    def has_key(self) -> bool:
        """Whether this region has the key that the roster in force names for it."""
        own = self._previous.member(self._region)
        return own is not None and self._authority.has(own.public_key)

    def cast(self, now: Now, signed: SignedRoster, *, leads: bool) -> None:
        """Countersign it; the key must be there. `leads`: gather at once."""
        assert self.signed is None, "a member countersigns one successor"
        own = self._previous.member(self._region)
        assert own is not None
        signature = self._authority.sign(own.public_key, countersign_message(signed.roster))
        assert signature, "asked for the key before"
        mine = Countersignature(self._region, signature)
        self.resume(now, msgspec.structs.replace(signed, countersignatures=()), leads=leads)
        self._found[self._region] = mine
        self._keep()
        self.take(signed.countersignatures)

    def resume(self, now: Now, signed: SignedRoster, *, leads: bool = False) -> None:
        """What this member had countersigned before a restart."""
        self.signed, self.sha256 = signed, sha256_of(signed.roster)
        self._found = {each.member: each for each in signed.countersignatures}
        # The region that proposes is quickest; of the others one is first, so that they do not all ask all.
        own_rank = self._previous.names.index(self._region)
        delay_us = 0 if leads else GATHER_ALONE_US + own_rank * self._timings.report_retry_us
        for peer in self._previous.names:
            if peer != self._region:
                self._deadlines.set(peer, now.mono_us + delay_us)

    def is_for(self, roster: Roster) -> bool:
        """Whether this is the roster that was countersigned."""
        return self.signed is not None and self.sha256 == sha256_of(roster)

    # --- gathering --------------------------------------------------------------------------------------------------

    def lead(self, now: Now) -> None:
        """Ask all that are missing, at once."""
        for peer in self._missing():
            if peer != self._region:
                self._asked[peer] = 0
                self._deadlines.set(peer, now.mono_us)

    def take(self, countersignatures: Iterable[Countersignature]) -> None:
        """Countersignatures of others: those that fit are kept."""
        assert self.signed is not None
        message = countersign_message(self.signed.roster)
        for each in countersignatures:
            member = self._previous.member(each.member)
            if member is None or each.member in self._found:
                continue
            if self._authority.verify(member.public_key, message, each.signature):
                self._found[each.member] = each
                self._refusals.pop(each.member, None)
                self._deadlines.cancel(each.member)
        self._keep()

    def on_refusal(self, peer: str, why: str) -> None:
        """A member does not countersign, now or ever; it is asked again."""
        if peer not in self._found:
            self._refusals[peer] = why

    @property
    def has_majority(self) -> bool:
        """Whether the roster is in force."""
        return len(self._found) >= self._previous.majority

    def on_deadline(self, now: Now, out: Effects) -> None:
        """Ask whoever is due, and again later."""
        assert self.signed is not None or not self._deadlines
        timings = self._timings
        for peer in self._deadlines.pop_due(now.mono_us):
            assert self.signed is not None
            out.sends.append(Send(peer, RosterProposal(self.signed)))
            asked = self._asked.get(peer, 0)
            self._asked[peer] = asked + 1
            delay_us = backoff_us(timings.report_retry_us, asked, timings.report_retry_max_us)
            self._deadlines.set(peer, now.mono_us + delay_us)

    @property
    def next_us(self) -> int:
        """When somebody is to be asked."""
        return self._deadlines.next_us

    def answer(self) -> RosterVote:
        """What this member says of the roster that it has countersigned."""
        assert self.signed is not None
        return RosterVote(
            epoch=self.signed.roster.epoch,
            sha256=self.sha256,
            countersignatures=self.signed.countersignatures,
        )

    def view(self) -> ProposalView | None:
        """How far it is."""
        if self.signed is None:
            return None
        return ProposalView(
            signed=self.signed,
            countersigned=tuple(name for name in self._previous.names if name in self._found),
            missing=tuple(self._missing()),
            refusals=tuple(self._refusals.items()),
        )

    def _missing(self) -> list[str]:
        return [name for name in self._previous.names if name not in self._found]

    def _keep(self) -> None:
        assert self.signed is not None
        found = tuple(self._found[name] for name in sorted(self._found))
        self.signed = msgspec.structs.replace(self.signed, countersignatures=found)
