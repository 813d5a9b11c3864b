"""What this member has said about the successor of the roster in force: the member's side of a round.

    has                              asked in round w             to countersign x in round w
    said nothing in w or later       writes w; tells what it      writes (x, w); its countersignature
                                     has countersigned, and when
    was asked in w                   the same again               writes (x, w); its countersignature
    countersigned x in w             nothing                      the same countersignature
    countersigned another in w       nothing                      refuses
    said something in a later round  refuses, and names it        refuses, and names it

So a member tells the truth about every earlier round to whoever gathers in a later one, and adds nothing to them any
more. Both are written down before they are said (chaos/models/roster.pml).
"""

from __future__ import annotations

from typing import Protocol

import msgspec

from hanse.core.federation.roster.checks import Verifier
from hanse.core.model.roster import (
    Countersignature,
    Roster,
    Round,
    SignedRoster,
    countersign_message,
    sha256_of,
)


class Authority(Verifier, Protocol):
    """The keys of this region. Private ones never enter the core."""

    def sign(self, public_key: str, message: bytes) -> str:
        """The signature by this key of the region's own; empty: it does not have that key."""

    def has(self, public_key: str) -> bool:
        """Whether it has that key."""


class Ballot:
    """`answered` is the newest round in which it said anything; `signed` what it has countersigned last, with that
    round and its own countersignature. Both are durable: who changes them writes them in the same step."""

    def __init__(self, region: str, previous: Roster, authority: Authority) -> None:
        self._region = region
        self._previous = previous
        self._authority = authority
        self.answered = Round()
        self.signed: SignedRoster | None = None

    @property
    def has_key(self) -> bool:
        """Whether this region has the key that the roster in force names for it."""
        own = self._previous.member(self._region)
        return own is not None and self._authority.has(own.public_key)

    def resume(self, answered: Round, signed: SignedRoster | None) -> None:
        """What it had said before a restart."""
        self.signed = signed
        self.answered = answered if signed is None else max(answered, signed.round)

    def may_answer(self, in_round: Round) -> bool:
        """Whether a question of this round is new, or was answered before and nothing was said since."""
        if in_round == self.answered:
            return self.signed is None or self.signed.round < in_round
        return in_round > self.answered

    def answer(self, in_round: Round) -> None:
        """From now on nothing is countersigned in an earlier round."""
        assert self.may_answer(in_round), "rounds are answered in their order"
        self.answered = in_round

    def may_sign(self, roster: Roster, in_round: Round) -> bool:
        """Whether this roster may be countersigned in this round: one in each, and none in a round that is closed."""
        if self.signed is not None and self.signed.round == in_round:
            return sha256_of(self.signed.roster) == sha256_of(roster)
        return in_round >= self.answered

    def sign(self, signed: SignedRoster, in_round: Round) -> Countersignature:
        """Countersign it; the key must be there."""
        assert self.may_sign(signed.roster, in_round), "one roster in each round"
        own = self._previous.member(self._region)
        assert own is not None
        signature = self._authority.sign(own.public_key, countersign_message(signed.roster, in_round))
        assert signature, "asked for the key before"
        mine = Countersignature(self._region, signature)
        self.answered = in_round
        self.signed = msgspec.structs.replace(signed, round=in_round, countersignatures=(mine,))
        return mine
