"""Asking first: would a majority countersign? Nothing is written before it would, so that a roster which cannot come
into force leaves no countersignature behind.

A member that says yes says no to every other roster for a moment. So of two operators that propose at the same time one
is turned away (or both are, and try again), and members' votes are not split between them. Nothing that must be right
rests on this: what a trial was told may be forgotten, late or wrong.

    has         event                               sends
    no lock     a trial of a roster that is right   RosterVote: yes; locked for it for TRIAL_LOCK_US
    a lock      a trial of another roster           RosterVote: no, another one is being tried
    a trial     timer                               RosterProposal (trial) to who has not said yes
    a trial     yes of a majority                   what ballot.py does
    a trial     final refusals, or time             nothing: it is over
"""

from __future__ import annotations

import msgspec

from hanse.core.effects import Effects, ProposalView, Send
from hanse.core.messages import RosterProposal, RosterVote
from hanse.core.model.deadlines import NEVER_US, Deadlines, backoff_us
from hanse.core.model.limits import TRIAL_LOCK_US, TRIAL_US
from hanse.core.model.regions import Timings
from hanse.core.model.roster import Roster, SignedRoster, sha256_of
from hanse.core.model.time import Now


class Trial:
    """What this member would countersign, and what it asks the others. `signed` None: nothing is on trial here."""

    def __init__(self, region: str, previous: Roster, timings: Timings) -> None:
        self._region = region
        self._previous = previous
        self._timings = timings
        self.signed: SignedRoster | None = None
        self._sha256 = ""
        # (Whose roster, until when.)
        self._lock = ("", 0)
        self._until_us = 0
        self._would: dict[str, None] = {}
        self._refusals: dict[str, str] = {}
        self._final: dict[str, None] = {}
        self._asked: dict[str, int] = {}
        self._deadlines: Deadlines[str] = Deadlines()
        self._over: ProposalView | None = None

    def lock(self, now: Now, sha256: str) -> bool:
        """Whether this member would countersign this one rather than another; then no other one for a moment."""
        locked, until_us = self._lock
        if locked not in ("", sha256) and now.mono_us < until_us:
            return False
        self._lock = (sha256, now.mono_us + TRIAL_LOCK_US)
        return True

    def begin(self, now: Now, signed: SignedRoster) -> None:
        """Ask all. The same roster again goes on where it was."""
        sha256 = sha256_of(signed.roster)
        if self.signed is None or sha256 != self._sha256:
            self.signed, self._sha256 = signed, sha256
            self._would = {self._region: None}
            self._refusals, self._final, self._asked = {}, {}, {}
            for peer in self._previous.names:
                if peer != self._region:
                    self._deadlines.set(peer, now.mono_us)
        self._until_us = now.mono_us + TRIAL_US
        self._over = None

    def on_answer(self, peer: str, vote: RosterVote) -> None:
        """Yes or no."""
        if self.signed is None or vote.sha256 != self._sha256 or self._previous.member(peer) is None:
            return
        if vote.refusal:
            self._refusals[peer] = vote.refusal
            if vote.is_final:
                self._final[peer] = None
                self._deadlines.cancel(peer)
        else:
            self._would[peer] = None
            self._refusals.pop(peer, None)
            self._deadlines.cancel(peer)

    @property
    def has_majority(self) -> bool:
        """Whether enough would countersign it."""
        return self.signed is not None and len(self._would) >= self._previous.majority

    def end(self, *, failed: bool = False) -> None:
        """Nothing is on trial any more; a failed one is still shown."""
        view = self.view() if failed else None
        self._over = None if view is None else msgspec.structs.replace(view, has_failed=True)
        self.signed = None
        self._deadlines.clear()
        self._lock = ("", 0)

    def on_deadline(self, now: Now, out: Effects) -> None:
        """Ask again, or give up."""
        if self.signed is None:
            return
        hopeless = len(self._previous.members) - len(self._final) < self._previous.majority
        if hopeless or now.mono_us >= self._until_us:
            self.end(failed=True)
            return
        for peer in self._deadlines.pop_due(now.mono_us):
            out.sends.append(Send(peer, RosterProposal(self.signed, True)))
            asked = self._asked.get(peer, 0)
            self._asked[peer] = asked + 1
            delay_us = backoff_us(self._timings.report_retry_us, asked, TRIAL_LOCK_US // 2)
            self._deadlines.set(peer, now.mono_us + delay_us)

    @property
    def next_us(self) -> int:
        """When somebody is to be asked, or the time is up."""
        return NEVER_US if self.signed is None else min(self._deadlines.next_us, self._until_us)

    def view(self) -> ProposalView | None:
        """How far it is, or how the last one failed."""
        if self.signed is None:
            return self._over
        return ProposalView(
            signed=self.signed,
            is_trial=True,
            countersigned=(),
            missing=tuple(name for name in self._previous.names if name not in self._would),
            refusals=tuple(self._refusals.items()),
        )
