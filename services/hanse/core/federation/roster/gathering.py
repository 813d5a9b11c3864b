"""A region gathers a majority for a successor of the roster in force: the operator's side of a round.

    stage     event                               does
    none      an operator's roster, or nobody     ASKING in a round above all that are known
              ends what was countersigned here
    ASKING    a majority has answered             SIGNING: what was countersigned in the latest round that any of them
                                                  told of; its own roster only if none of them has countersigned any
    SIGNING   a majority has countersigned        in force (keeper.py)
    any       timer                               asks again whoever has not answered
    any       a member was asked in a later       begins again after a while, in a round above that one
              round
    ASKING    too many refuse for good, or time   over, without a trace: it has failed

A roster that a majority of some round has countersigned may be in force somewhere. Whoever asks a majority hears of it,
and proposes nothing else; so no epoch has two successors, and no votes are ever split for good.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable

import msgspec

from hanse.core.effects import Effects, Send
from hanse.core.messages import RosterProposal
from hanse.core.model.deadlines import NEVER_US, Deadlines, backoff_us
from hanse.core.model.limits import GATHERERS_MAX, ROSTER_ASKING_US
from hanse.core.model.regions import Timings
from hanse.core.model.roster import Countersignature, Roster, Round, SignedRoster, sha256_of
from hanse.core.model.time import Now
from hanse.core.replies import ProposalView


class Stage(enum.Enum):
    """How far a round has come."""

    NONE = enum.auto()
    ASKING = enum.auto()
    SIGNING = enum.auto()


class Gathering:
    """One region's attempts. `signed` is what it works for: an operator's roster, until another one turns out to have
    been countersigned before."""

    def __init__(self, region: str, previous: Roster, timings: Timings) -> None:
        self._region = region
        self._previous = previous
        self._timings = timings
        self._rank = previous.names.index(region) if region in previous.names else 0
        self.stage = Stage.NONE
        self.round = Round()
        self.signed: SignedRoster | None = None
        # The newest round that anybody has named.
        self._seen = Round()
        # Who has answered, and the countersignatures, of this round.
        self._answers: dict[str, SignedRoster | None] = {}
        self._found: dict[str, Countersignature] = {}
        self._refusals: dict[str, str] = {}
        self._final: dict[str, None] = {}
        self._asked: dict[str, int] = {}
        self._attempts = 0
        self._deadlines: Deadlines[str] = Deadlines()
        # When the next round begins; when asking is given up.
        self._again_us = NEVER_US
        self._until_us = NEVER_US
        self._over: ProposalView | None = None

    # --- its course ---------------------------------------------------------------------------------------------------

    @property
    def active(self) -> bool:
        """Whether anything is under way, or about to begin again."""
        return self.stage is not Stage.NONE or self._again_us < NEVER_US

    def is_for(self, roster: Roster) -> bool:
        """Whether this is what it works for."""
        return self.signed is not None and sha256_of(self.signed.roster) == sha256_of(roster)

    def next_round(self, answered: Round) -> Round:
        """Above all that are known here."""
        return Round(max(self._seen.number, answered.number) + 1, self._region)

    def ask(self, now: Now, signed: SignedRoster, in_round: Round, *, patient: bool) -> None:
        """Begin a round, for this roster. `patient`: it does not give up, since it may be in force somewhere."""
        if not self.active:
            self._until_us = NEVER_US if patient else now.mono_us + ROSTER_ASKING_US
            self._attempts = 0
        self._over = None
        self.signed, self.round, self.stage = signed, in_round, Stage.ASKING
        self._seen = max(self._seen, in_round)
        self._again_us = NEVER_US
        self._begin_stage(now)
        self._answers, self._final = {}, {}

    def insist(self, now: Now) -> None:
        """The operator waits for it: more time, and everybody is asked at once."""
        if self._until_us < NEVER_US:
            self._until_us = now.mono_us + ROSTER_ASKING_US
        for peer in self._missing() if self.stage is not Stage.NONE else ():
            if peer != self._region:
                self._asked[peer] = 0
                self._deadlines.set(peer, now.mono_us)

    def sign(self, now: Now, chosen: SignedRoster, mine: Countersignature) -> None:
        """A majority has answered: now this one is to be countersigned. Nothing gives it up any more."""
        self.stage, self._until_us = Stage.SIGNING, NEVER_US
        self.signed = msgspec.structs.replace(chosen, round=self.round, countersignatures=())
        self._begin_stage(now)
        self._found = {self._region: mine}

    def yield_to(self, now: Now, other: Round) -> None:
        """Somebody gathers in a later round: let him, for a while. Regions wait for different times."""
        self._seen = max(self._seen, other)
        if self.stage is Stage.NONE or other <= self.round:
            return
        self.stage = Stage.NONE
        self._deadlines.clear()
        timings = self._timings
        first_us = timings.report_retry_us * (2 + self._rank % GATHERERS_MAX)
        wait_us = backoff_us(first_us, self._attempts, timings.report_retry_max_us)
        self._attempts += 1
        self._again_us = now.mono_us + wait_us

    def end(self, *, failed: bool = False) -> None:
        """Nothing is under way any more; what failed is still shown."""
        view = self.view() if failed else None
        self._over = None if view is None else msgspec.structs.replace(view, has_failed=True)
        self.stage, self.signed, self._until_us = Stage.NONE, None, NEVER_US
        self._deadlines.clear()
        self._again_us = NEVER_US

    def _begin_stage(self, now: Now) -> None:
        self._refusals, self._asked, self._found = {}, {}, {}
        for peer in self._previous.names:
            if peer != self._region:
                self._deadlines.set(peer, now.mono_us)

    # --- what members say ---------------------------------------------------------------------------------------------

    def on_answer(self, member: str, in_round: Round, has: SignedRoster | None) -> None:
        """A member was asked, and says what it has countersigned last."""
        if self.stage is Stage.ASKING and in_round == self.round:
            self._answers[member] = has
            self._heard(member)

    def on_signature(self, in_round: Round, found: Iterable[Countersignature]) -> None:
        """Countersignatures that were found to fit."""
        if self.stage is Stage.SIGNING and in_round == self.round:
            for each in found:
                self._found[each.member] = each
                self._heard(each.member)

    def on_refusal(self, member: str, in_round: Round, why: str, *, is_final: bool) -> None:
        """A member says no; unless that is final, it is asked again."""
        if self.stage is Stage.NONE or in_round != self.round or self._previous.member(member) is None:
            return
        self._refusals[member] = why
        if is_final and self.stage is Stage.ASKING:
            self._final[member] = None
            self._deadlines.cancel(member)

    def _heard(self, member: str) -> None:
        self._refusals.pop(member, None)
        self._final.pop(member, None)
        self._deadlines.cancel(member)

    @property
    def may_choose(self) -> bool:
        """Whether a majority has answered."""
        return self.stage is Stage.ASKING and len(self._answers) >= self._previous.majority

    def choose(self) -> SignedRoster:
        """What to propose: what was countersigned in the latest round that anybody told of, or its own."""
        assert self.signed is not None
        told = [has for has in self._answers.values() if has is not None]
        return max(told, key=lambda has: has.round, default=self.signed)

    @property
    def has_majority(self) -> bool:
        """Whether it is in force."""
        return self.stage is Stage.SIGNING and len(self._found) >= self._previous.majority

    def document(self) -> SignedRoster:
        """With the countersignatures that were found."""
        assert self.signed is not None
        found = tuple(self._found[name] for name in sorted(self._found))
        return msgspec.structs.replace(self.signed, countersignatures=found)

    # --- time ---------------------------------------------------------------------------------------------------------

    def on_deadline(self, now: Now, out: Effects) -> bool:
        """Ask again, or give up. Returns whether the next round is to begin."""
        hopeless = len(self._previous.members) - len(self._final) < self._previous.majority
        if self._until_us < NEVER_US and (hopeless or now.mono_us >= self._until_us):
            self.end(failed=True)
            return False
        timings = self._timings
        for peer in self._deadlines.pop_due(now.mono_us):
            assert self.signed is not None
            out.sends.append(Send(peer, RosterProposal(self.signed, self.round, self.stage is Stage.ASKING)))
            asked = self._asked.get(peer, 0)
            self._asked[peer] = asked + 1
            delay_us = backoff_us(timings.report_retry_us, asked, timings.report_retry_max_us)
            self._deadlines.set(peer, now.mono_us + delay_us)
        return now.mono_us >= self._again_us

    @property
    def next_us(self) -> int:
        """When `on_deadline` has something to do."""
        return min(self._deadlines.next_us, self._again_us, self._until_us)

    def view(self) -> ProposalView | None:
        """How far it is, or how the last one failed."""
        if self.signed is None or not self.active:
            return self._over
        return ProposalView(
            signed=self.signed,
            is_asking=self.stage is not Stage.SIGNING,
            countersigned=tuple(name for name in self._previous.names if name in self._found),
            missing=tuple(self._missing()),
            refusals=tuple(self._refusals.items()),
        )

    def _missing(self) -> list[str]:
        have = self._found if self.stage is Stage.SIGNING else self._answers
        return [name for name in self._previous.names if name not in have]
