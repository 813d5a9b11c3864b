"""What an account asks of others: the rights that its jobs wait for, and, of the keeper's, those that a lower limit
took away."""

from __future__ import annotations

from collections.abc import Callable

from hanse.core.account import Account
from hanse.core.effects import Effects, Send
from hanse.core.federation.escrow.chain import QuotaChain
from hanse.core.federation.escrow.holders import Holder, Holders
from hanse.core.federation.escrow.telling import news_of
from hanse.core.federation.escrow.waiting import WaitingRoom
from hanse.core.federation.escrow.wishes import Wishes, divide
from hanse.core.messages import RightsAsk
from hanse.core.model.deadlines import Deadlines
from hanse.core.model.limits import RIGHTS_ASKED_MAX
from hanse.core.model.quota import NO_RIGHTS, QuotaKey, Rights, applies, as_rights
from hanse.core.model.randomness import Randomness
from hanse.core.model.regions import Timings
from hanse.core.model.resources import Resources
from hanse.core.model.time import Now

# New asks of one account are this much apart at least: a tenth of the time after which they are repeated.
_ASKS_PER_RETRY = 10


class Borrowing:
    """`asking` says when an account may ask again. `free_total` is what the region has free of each kind."""

    def __init__(
        self,
        holders: Holders,
        room: WaitingRoom,
        wishes: Wishes,
        chain: QuotaChain,
        timings: Timings,
        free_total: Callable[[], Resources],
        randomness: Randomness,
    ) -> None:
        self._holders = holders
        self._room = room
        self._wishes = wishes
        self._chain = chain
        self._retry_us = timings.rights_retry_us
        self._free_total = free_total
        self._randomness = randomness
        self.asking: Deadlines[str] = Deadlines()

    def lacking(self, holder: Holder) -> Rights:
        """What the jobs that wait for this account need beyond what is free: no more than could run here at present,
        but at least what the first of them needs."""
        account = holder.account
        lacks: dict[QuotaKey, int] = {}
        for key, amount in self._room.needed(account.name).items():
            first = self._room.first(account.name, key)
            assert first is not None, "somebody waits for what is needed"
            useful = max(first[2], min(amount, self._could_use(key)))
            overdrawn = max(0, account.used.get(key, 0) - account.held(key))
            lacks[key] = useful + overdrawn - account.free(key)
        return as_rights(lacks)

    def _could_use(self, quota: QuotaKey) -> int:
        tenant, _ = quota
        return sum(quantity for kind, quantity in self._free_total() if applies(quota, tenant, kind))

    def ask(self, now: Now, holder: Holder, out: Effects, *, draining: bool) -> None:
        """Once its jobs lack something else than it has asked for, and now and then again."""
        if holder.name in self.asking:
            return
        debts = holder.account.debts() if holder.account.head is not None else NO_RIGHTS
        lacking = debts or (NO_RIGHTS if draining else self.lacking(holder))
        if not lacking and not holder.asked:
            return
        asked = self._divide(holder.account, lacking, recall=bool(debts)) if lacking else {}
        again_us = holder.asked_us + self._retry_us
        if asked == holder.asked and now.mono_us < again_us:
            self.asking.set(holder.name, again_us)
            return
        self._send(now, holder, asked, self._first_us(holder.name, lacking), out, recall=bool(debts))
        holder.asked, holder.asked_us = asked, now.mono_us
        self.asking.set(holder.name, now.mono_us + self._retry_us // _ASKS_PER_RETRY)

    def _divide(self, account: Account, lacking: Rights, *, recall: bool) -> dict[str, Rights]:
        """Whom to ask for what. Among them is this region itself, for its other accounts."""
        peers = self._holders.peers
        if len(peers) > RIGHTS_ASKED_MAX:
            start = self._randomness.randrange(len(peers))
            peers = (*peers[start:], *peers[:start])[:RIGHTS_ASKED_MAX]
        news = self._holders.news()
        if len(self._holders) == 1:
            return divide(lacking, news, peers, recall=recall)
        here = self._holders.region
        others = [holder.account for holder in self._holders.active() if holder.account is not account]
        return divide(lacking, [(here, news_of(self._chain, others)), *news], (here, *peers), recall=recall)

    def _first_us(self, name: str, lacking: Rights) -> int:
        """Since when the first of the jobs that wait has done so."""
        firsts = [self._room.first(name, key) for key, _ in lacking]
        return min((each[1].order_us for each in firsts if each is not None), default=0)

    def _send(
        self,
        now: Now,
        holder: Holder,
        asked: dict[str, Rights],
        since_wall_us: int,
        out: Effects,
        *,
        recall: bool,
    ) -> None:
        """To everybody who is asked for something; and who was, is told that it is not wanted any more."""
        for region in {**holder.asked, **asked}:
            ask = RightsAsk(
                league=self._chain.league,
                account=holder.name,
                account_id=holder.account.id,
                wants=asked.get(region, NO_RIGHTS),
                since_wall_us=since_wall_us,
                recall=recall,
            )
            if region != self._holders.region:
                out.sends.append(Send(region, ask))
            else:
                self._wishes.take(now, ask)
                self._holders.at_once.set(region, now.mono_us)
