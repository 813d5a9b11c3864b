"""What an account gives to others: rights that they wish for, and those that it has not needed for a while."""

from __future__ import annotations

from collections.abc import Sequence

from hanse.core.account import Account, Party
from hanse.core.effects import Effects
from hanse.core.federation.escrow.chain import QuotaChain
from hanse.core.federation.escrow.holders import Holder, Holders
from hanse.core.federation.escrow.waiting import WaitingRoom
from hanse.core.federation.escrow.wishes import Wish, Wishes
from hanse.core.messages import RightsDecision, RightsVerdict
from hanse.core.model.deadlines import Deadlines, backoff_us
from hanse.core.model.quota import QuotaKey, Rights, as_rights
from hanse.core.model.regions import Timings
from hanse.core.model.time import Now


class Lending:
    """`given` grows with every transfer, `lost` with those that went to an account whose disk was lost."""

    def __init__(
        self,
        holders: Holders,
        room: WaitingRoom,
        wishes: Wishes,
        chain: QuotaChain,
        timings: Timings,
        lost_regions: tuple[str, ...] = (),
    ) -> None:
        self.given = 0
        self.lost = 0
        self._holders = holders
        self._room = room
        self._wishes = wishes
        self._chain = chain
        self._timings = timings
        self._lost_regions = frozenset(lost_regions)
        # (giver, taker): when to send a COMMIT again, and how often that was done.
        self.resend: Deadlines[tuple[str, Party]] = Deadlines()
        self.resent: dict[tuple[str, Party], int] = {}
        self.sweeping: Deadlines[str] = Deadlines()

    def begin(self, now: Now, holder: Holder) -> None:
        """This region speaks for it from now on: what is undecided is asked about at once."""
        for to, _, _ in holder.account.undecided():
            self.resend.set((holder.name, to), now.mono_us)
        if holder.account.id:
            self.sweeping.set(holder.name, now.mono_us + self._timings.rights_idle_us)

    # --- giving ------------------------------------------------------------------------------------------------------

    def serve(self, now: Now, holder: Holder, wishes: Sequence[Wish], out: Effects, *, urgent: bool) -> None:
        """Give what others wish for and this account can do without, before (`urgent`) or after its own jobs."""
        account = holder.account
        for wish in wishes:
            if wish.party[0] == account.name or account.is_sending(wish.party):
                continue
            spare = {
                key: min(amount, self._spare(account, key, wish, urgent=urgent))
                for key, amount in wish.wants.items()
            }
            rights = as_rights(spare)
            if rights:
                self.give(now, holder, wish.party, rights, out)
                self._wishes.served(wish, rights)

    def _spare(self, account: Account, key: QuotaKey, wish: Wish, *, urgent: bool) -> int:
        free = account.free(key)
        if not free or wish.recall:
            return free
        first = self._room.first(account.name, key)
        if first is None:
            return 0 if urgent else free
        _, job, amount = first
        if urgent:
            return free if wish.since_wall_us + self._timings.rights_patience_us < job.order_us else 0
        if (wish.since_wall_us, wish.party[0]) < (job.order_us, account.name):
            return free
        return max(0, free - amount)

    def give(self, now: Now, holder: Holder, to: Party, rights: Rights, out: Effects) -> None:
        """Written in this step; the COMMIT follows."""
        holder.account.give(to, rights)
        self.given += 1
        self.resent.pop((holder.name, to), None)
        self.send_commit(now, holder, to, out)

    def give_back(self, now: Now, holder: Holder, out: Effects, *, all_of_it: bool) -> None:
        """To the keeper, what was not needed for a while; or all that is free, if the region is being drained."""
        account, head = holder.account, self._chain.head
        unneeded = account.sweep()
        if all_of_it:
            unneeded = as_rights({key: account.free(key) for key in account.balances})
        if head is None or head.keeper == account.name or not unneeded:
            return
        to = self._holders.party(head.keeper)
        if to is not None and not account.is_sending(to):
            self.give(now, holder, to, unneeded, out)

    # --- until it is answered ----------------------------------------------------------------------------------------

    def send_commit(self, now: Now, holder: Holder, to: Party, out: Effects) -> None:
        """Once more."""
        if to[0] in self._lost_regions and holder.is_active:
            self._give_up(holder, to)
            return
        key = (holder.name, to)
        attempt = self.resent.get(key, 0)
        self.resent[key] = attempt + 1
        retry_us = backoff_us(self._timings.commit_retry_us, attempt, self._timings.commit_retry_max_us)
        self.resend.set(key, now.mono_us + retry_us)
        if holder.is_active:
            commit = holder.account.commit_to(self._chain.league, to, self._chain.number)
            self._holders.send(holder, to[0], commit, out)

    def _give_up(self, holder: Holder, to: Party) -> None:
        """The taker is in the ledger of a region that was declared lost: it may have taken the rights, and passed them
        on. So they are nobody's."""
        holder.account.give_up(to)
        self.resent.pop((holder.name, to), None)
        self.lost += 1

    def send_again(self, now: Now, out: Effects) -> None:
        """What was not answered in time."""
        for name, to in self.resend.pop_due(now.mono_us):
            for holder in self._holders:
                if holder.name == name and holder.account.is_sending(to):
                    self.send_commit(now, holder, to, out)

    def on_session(self, now: Now, peer: str, out: Effects) -> None:
        """A session began: ask at once about what is undecided."""
        for holder in self._holders:
            for to, _, _ in holder.account.undecided():
                if self._holders.region_of(to[0]) == peer:
                    self.resent.pop((holder.name, to), None)
                    self.send_commit(now, holder, to, out)

    def on_decision(self, decision: RightsDecision) -> None:
        """A taker's answer."""
        holder = self._holders.get(decision.giver)
        if holder is None or not holder.account.on_decision(decision):
            return
        key = (decision.giver, (decision.to, decision.to_id))
        self.resend.cancel(key)
        self.resent.pop(key, None)
        if decision.verdict is RightsVerdict.GONE:
            self.lost += 1
