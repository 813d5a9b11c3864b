"""The door of global quotas: all accounts of a region, the jobs that wait for rights, and what others ask for.

In each step, once the events have been taken in:
1. the keeper burns what it owes;
2. what the keeper takes back, and what others' jobs have waited for much longer, is given;
3. jobs that waited here and can be served go back to the queue, first come first served;
and after the scheduling cycle, which takes what is needed here:
4. what is free and nobody here waits for is given to those that ask;
5. who still lacks rights asks for them.

A rule of thumb with a proof behind it: a right that is free goes to whoever waits here first, since it costs nothing;
what is left over although somebody waits here (he needs more) goes to whoever has waited longest anywhere. So two
regions that each have half of what their first jobs need don't wait for each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import msgspec

from hanse.core.account import Account, Party
from hanse.core.books import Books
from hanse.core.effects import (
    Blocker,
    Done,
    Effects,
    QuotaBalance,
    QuotaView,
    Refused,
    Reply,
    Send,
    Snapshot,
)
from hanse.core.events import ApplyQuotas
from hanse.core.federation.escrow.chain import QuotaChain
from hanse.core.federation.escrow.documents import Documents
from hanse.core.federation.escrow.waiting import WaitingRoom
from hanse.core.federation.escrow.wishes import Wish, Wishes, divide
from hanse.core.federation.inventory import Inventory
from hanse.core.federation.roster.checks import Verifier
from hanse.core.federation.roster.faults import FaultKind, RosterFault, refused
from hanse.core.federation.shards.leading import Leading
from hanse.core.federation.shards.shards import Shards
from hanse.core.library import Library
from hanse.core.messages import (
    QuotaMessage,
    QuotaNotice,
    QuotaRequest,
    RightsAsk,
    RightsCommit,
    RightsDecision,
    RightsMessage,
    RightsVerdict,
)
from hanse.core.model.deadlines import Alarms, Deadlines, backoff_us
from hanse.core.model.jobs import Job, Reason, Shape
from hanse.core.model.lifecycle import ALLOCATED_STATES
from hanse.core.model.limits import (
    ACCOUNTS_NEWS_MAX,
    RIGHTS_ASKED_MAX,
    RIGHTS_NEEDS_MEMO_MAX,
    RIGHTS_NEWS_MAX,
    RIGHTS_READMITTED_MAX,
)
from hanse.core.model.quota import (
    NO_RIGHTS,
    QuotaKey,
    Rights,
    SignedQuotas,
    applies,
    as_rights,
    quotas_sha256,
    region_account,
    rights_needed,
    shard_account,
    shard_of_account,
)
from hanse.core.model.randomness import Randomness
from hanse.core.model.regions import QuotaNews, RegionConfig
from hanse.core.model.resources import Resources
from hanse.core.model.time import Now

_AT_ONCE_US = -1
# New asks of one account are this much apart at least: a tenth of the time after which they are repeated.
_ASKS_PER_RETRY = 10


class _Holder(msgspec.Struct):
    """An account that this region speaks for. `leading` None: its own. `asked` is what it has asked of each region,
    `announced` the newest document that was said to be taken."""

    account: Account
    books: Books
    leading: Leading | None
    seen_version: int = -1
    asked: dict[str, Rights] = {}
    asked_us: int = 0
    announced: int = 0


class Escrow:
    """See the module's docstring. It is also the gate of the scheduling cycle (scheduling/gate.py: StartGate)."""

    def __init__(
        self,
        config: RegionConfig,
        snapshot: Snapshot,
        keys: Mapping[str, str],
        verifier: Verifier | None,
        library: Library,
        shards: Shards,
        inventory: Inventory,
        free_total: Callable[[], Resources],
        readmit: Callable[[Job], None],
        unheard: Callable[[], list[str]],
        randomness: Randomness,
        now: Now,
    ) -> None:
        self._config = config
        self._timings = config.timings
        self._library = library
        self._shards = shards
        self._inventory = inventory
        self._free_total = free_total
        self._readmit_job = readmit
        self._unheard = unheard
        self._randomness = randomness
        self._peers = tuple(member.name for member in config.members if member.name != config.name)
        chain = QuotaChain(snapshot.quota_documents)
        self.documents = Documents(config, chain, library.own, inventory, keys, verifier)
        self.room = WaitingRoom(config.tiers)
        self.wishes = Wishes(self._timings.rights_retry_us)
        self.lost_transfers = 0
        self.draining = False
        # Whether what is told in the record may have changed.
        self.news_changed = True
        self._limits: dict[QuotaKey, int] = {}
        self._needs: dict[tuple[str, bytes], Rights] = {}
        self._documents_seen = -1
        own = library.own
        self._own = _Holder(own.account, own, None)
        self._holders: dict[str, _Holder] = {own.account.name: self._own}
        # Messages between accounts of this region, for the next step.
        self._loopback: list[QuotaMessage] = []
        # Accounts to be looked at in this step, whatever their versions.
        self._stirred: dict[str, None] = {}
        # (giver, taker): when to send a COMMIT again, and how often that was done.
        self._resend: Deadlines[tuple[str, Party]] = Deadlines()
        self._resent: dict[tuple[str, Party], int] = {}
        self._asking: Deadlines[str] = Deadlines()
        self._sweeping: Deadlines[str] = Deadlines()
        # One key, when something is to be done in the next step.
        self._at_once: Deadlines[str] = Deadlines()
        self.alarm = Alarms(self._resend, self._asking, self._sweeping, self._at_once)
        shards.send_rights = self.route
        self._begin(self._own, now)
        self._take_in_documents()

    # --- the gate of the scheduling cycle ----------------------------------------------------------------------------

    def needs(self, job: Job) -> Rights:
        """What this job needs of the quotas that apply to it."""
        return self.needs_of(job.tenant, job.shape) if self._limits else NO_RIGHTS

    def needs_of(self, tenant: str, shape: Shape) -> Rights:
        """What a job of this tenant and shape needs."""
        found = self._needs.get((tenant, shape.key))
        if found is None:
            if len(self._needs) >= RIGHTS_NEEDS_MEMO_MAX:
                self._needs = {}
            found = rights_needed(self._limits, tenant, shape.total)
            self._needs[(tenant, shape.key)] = found
        return found

    def may_start(self, job: Job) -> bool:
        """Whether its account has what it needs, and nobody goes before it."""
        needs = self.needs(job)
        if not needs:
            return True
        account = self._library.of(job).account
        return account.may_use(needs) and not self.room.is_kept(account.name, job, needs)

    def take(self, job: Job) -> None:
        """It starts: its rights are in use until its processes are known to be dead."""
        needs = self.needs(job)
        if needs:
            self._library.of(job).account.charge(job.id, needs)

    def set_aside(self, job: Job) -> None:
        """It could be placed and has no rights: it waits here until it has."""
        needs = self.needs(job)
        account = self._library.of(job).account
        hopeless = any(amount > self._limits[key] for key, amount in needs)
        self.room.add(account.name, job, needs, hopeless=hopeless)

    def forget(self, job: Job) -> None:
        """It does not wait any more."""
        if job.id in self.room:
            self.room.discard(job.id)
            self._stir(self._library.of(job).account.name)

    def waits(self, job_id: str) -> bool:
        """Whether this queued job waits for rights."""
        return job_id in self.room

    def slots(self, tenant: str, shape: Shape, limit: int) -> int:
        """How many jobs of a peer could have their rights here: those that are free, and those that can be had soon, as
        far as gossip knows."""
        if not self._limits:
            return limit
        name = shard_account(self._config.name) if shape.body.adoptable else region_account(self._config.name)
        holder = self._holders.get(name)
        for key, amount in self.needs_of(tenant, shape):
            here = 0 if holder is None else holder.account.free(key)
            limit = min(limit, (here + self._free_elsewhere(name, key)) // amount)
        return limit

    def _free_elsewhere(self, name: str, key: QuotaKey) -> int:
        others = sum(each.account.free(key) for each in self._holders.values() if each.account.name != name)
        for _, news in self._news():
            if news is not None:
                others += sum(free for told, free, _ in news.rights if told == key)
        return others

    def _news(self) -> list[tuple[str, QuotaNews | None]]:
        records = ((peer, self._inventory.get(peer)) for peer in self._peers)
        return [(peer, None if record is None else record.quotas) for peer, record in records]

    # --- the step ----------------------------------------------------------------------------------------------------

    @property
    def looping(self) -> bool:
        """Whether there is something to do in the next step at once."""
        return bool(len(self._at_once))

    def begin(self, now: Now, out: Effects) -> None:
        """Take in what this region's accounts have to say to each other."""
        if self._loopback:
            looped, self._loopback = self._loopback, []
            for message in looped:
                self.on_message(now, self._config.name, message, out)

    def settle(self, now: Now, out: Effects) -> None:
        """Before the cycle: burn, give what cannot wait, and let go who can be served."""
        self._at_once.clear()
        self._follow_leading(now)
        self._send_again(now, out)
        self._take_in_documents()
        if not self.documents.chain.number:
            return
        for holder in list(self._holders.values()):
            if self._is_active(holder):
                self._open(holder)
                self._announce(holder, out)
        wishes = self.wishes.standing(now) if len(self.wishes) else []
        for holder in list(self._holders.values()):
            account = holder.account
            if not self._is_active(holder):
                continue
            stirred = account.name in self._stirred or account.version != holder.seen_version
            if stirred:
                self.news_changed = True
                holder.seen_version = account.version
                account.pay_debts()
            if wishes:
                self._serve(now, holder, wishes, out, urgent=True)
            if stirred and len(self.room):
                self._readmit(now, holder)
        self._stirred = {}

    def _readmit(self, now: Now, holder: _Holder) -> None:
        account = holder.account
        free = {key: account.free(key) for key in account.balances}
        admitted = self.room.admit(account.name, free, RIGHTS_READMITTED_MAX)
        for job in admitted:
            self._readmit_job(job)
        if len(admitted) == RIGHTS_READMITTED_MAX:
            self._stir(account.name)
            self._at_once.set(account.name, now.mono_us)

    def borrow(self, now: Now, out: Effects) -> None:
        """After the cycle: give what is left over, and ask for what is lacking."""
        if not self.documents.chain.number:
            return
        wishes = self.wishes.standing(now) if len(self.wishes) else []
        for holder in self._holders.values() if wishes else ():
            if self._is_active(holder):
                self._serve(now, holder, wishes, out, urgent=False)
        for holder in self._holders.values():
            if self._is_active(holder) and holder.account.name not in self._asking:
                self._ask(now, holder, out)

    def on_deadline(self, now: Now, out: Effects) -> None:
        """Ask again, and give back what is not needed."""
        self._at_once.clear()
        self._asking.pop_due(now.mono_us)  # `borrow` asks whoever is not in it
        for name in self._sweeping.pop_due(now.mono_us):
            holder = self._holders.get(name)
            if holder is not None:
                self._sweeping.set(name, now.mono_us + self._timings.rights_idle_us)
                if self._is_active(holder):
                    self._give_back(now, holder, out)

    def on_session(self, now: Now, peer: str, out: Effects) -> None:
        """A session began: ask at once about what is undecided."""
        for holder in self._holders.values():
            for to, _, _ in holder.account.undecided():
                if self._region_of(to[0]) == peer:
                    self._resent.pop((holder.account.name, to), None)
                    self._send_commit(now, holder, to, out)

    def on_records(self, now: Now, out: Effects) -> None:
        """Gossip brought records."""
        self.documents.compare(now, self._peers, out)

    # --- accounts ------------------------------------------------------------------------------------------------------

    def accounts(self) -> Iterator[Account]:
        """Those that this region speaks for."""
        for holder in self._holders.values():
            yield holder.account

    def disk_was_old(self) -> None:
        """Quarantine is over: what the own account had is gone, but for what still runs."""
        account = self._own.account
        account.charge_anew(self._charges(self._own))
        if account.id or account.balances or account.charges:
            account.begin_anew(self._draw_id())

    def _follow_leading(self, now: Now) -> None:
        """Accounts come and go with the shards that are led here."""
        for name in [name for name, holder in self._holders.items() if not self._is_kept(holder)]:
            del self._holders[name]
            self._sweeping.cancel(name)
            self._asking.cancel(name)
        for shard, leading in self._shards.leading.items():
            if shard_account(shard) not in self._holders:
                holder = _Holder(leading.books.account, leading.books, leading)
                self._holders[holder.account.name] = holder
                self._begin(holder, now)

    def _is_kept(self, holder: _Holder) -> bool:
        leading = holder.leading
        return leading is None or self._shards.leading.get(leading.shard.name) is leading

    @staticmethod
    def _is_active(holder: _Holder) -> bool:
        """Whether this region may speak for the account now."""
        return holder.leading is None or holder.leading.shard.leads

    def _begin(self, holder: _Holder, now: Now) -> None:
        account = holder.account
        account.charge_anew(self._charges(holder))
        for to, _, _ in account.undecided():
            self._resend.set((account.name, to), now.mono_us)
        self._sweeping.set(account.name, now.mono_us + self._timings.rights_idle_us)

    def _open(self, holder: _Holder) -> None:
        if not holder.account.id:
            holder.account.open(self._draw_id())
            self.news_changed = True

    def _draw_id(self) -> int:
        return self._randomness.getrandbits(62) + 1

    def _charges(self, holder: _Holder) -> dict[str, Rights]:
        running = [job for job in holder.books.jobs.values() if job.state in ALLOCATED_STATES]
        return {job.id: needs for job in running if (needs := self.needs(job))}

    def _stir(self, name: str) -> None:
        self._stirred[name] = None

    def _take_in_documents(self) -> None:
        """Other quotas apply: what runs is counted anew, and what waits is looked at anew."""
        if self._documents_seen == self.documents.version:
            return
        self._documents_seen = self.documents.version
        self._limits = self.documents.chain.limits()
        self._needs = {}
        self.news_changed = True
        for holder in self._holders.values():
            holder.account.charge_anew(self._charges(holder))
        for job in self.room.drain():
            self._readmit_job(job)

    # --- giving ----------------------------------------------------------------------------------------------------------

    def _serve(self, now: Now, holder: _Holder, wishes: list[Wish], out: Effects, *, urgent: bool) -> None:
        account = holder.account
        for wish in wishes:
            if wish.party[0] == account.name or account.is_sending(wish.party):
                continue
            spare = {
                key: min(amount, self._spare(account, key, wish, urgent=urgent))
                for key, amount in wish.wants.items()
            }
            self._give(now, holder, wish.party, as_rights(spare), out)
            self.wishes.served(wish, as_rights(spare))

    def _spare(self, account: Account, key: QuotaKey, wish: Wish, *, urgent: bool) -> int:
        """How much of a quota this account can do without, before (`urgent`) or after its own jobs were served."""
        free = account.free(key)
        if not free or wish.recall:
            return free
        first = self.room.first(account.name, key)
        if first is None:
            return 0 if urgent else free
        _, job, amount = first
        if urgent:
            return free if wish.since_wall_us + self._timings.rights_patience_us < job.order_us else 0
        if (wish.since_wall_us, wish.party[0]) < (job.order_us, account.name):
            return free
        return max(0, free - amount)

    def _give(self, now: Now, holder: _Holder, to: Party, rights: Rights, out: Effects) -> None:
        if rights:
            holder.account.give(to, rights)
            self.news_changed = True
            self._resent.pop((holder.account.name, to), None)
            self._send_commit(now, holder, to, out)

    def _send_commit(self, now: Now, holder: _Holder, to: Party, out: Effects) -> None:
        key = (holder.account.name, to)
        attempt = self._resent.get(key, 0)
        self._resent[key] = attempt + 1
        retry_us = backoff_us(self._timings.commit_retry_us, attempt, self._timings.commit_retry_max_us)
        self._resend.set(key, now.mono_us + retry_us)
        if self._is_active(holder):
            self._send(holder, to[0], holder.account.commit_to(self.documents.chain.league, to), out)

    def _send_again(self, now: Now, out: Effects) -> None:
        """What was not answered in time."""
        for name, to in self._resend.pop_due(now.mono_us):
            holder = self._holders.get(name)
            if holder is not None and holder.account.is_sending(to):
                self._send_commit(now, holder, to, out)

    def _give_back(self, now: Now, holder: _Holder, out: Effects) -> None:
        """To the keeper, what was not needed for a while; all that is free, if the region is being drained."""
        account = holder.account
        unneeded = account.sweep()
        if self.draining:
            unneeded = as_rights({key: account.free(key) for key in account.balances})
        head = self.documents.chain.head
        to = self._party(head.keeper) if head is not None and head.keeper != account.name else None
        if to is not None and unneeded and not account.is_sending(to):
            self._give(now, holder, to, unneeded, out)

    def _party(self, name: str) -> Party | None:
        """An account with its id, as far as is known."""
        holder = self._holders.get(name)
        if holder is not None:
            return (name, holder.account.id) if holder.account.id else None
        for _, news in self._news():
            for account, account_id in news.accounts if news is not None else ():
                if account == name:
                    return (account, account_id)
        return None

    # --- asking ----------------------------------------------------------------------------------------------------------

    def lacking(self, holder: _Holder) -> Rights:
        """What the jobs that wait for this account need beyond what is free: no more than could run here at present, but
        at least what the first of them needs."""
        account, room = holder.account, self.room
        needed = room.needed(account.name)
        lacks: dict[QuotaKey, int] = {}
        for key, amount in needed.items():
            first = room.first(account.name, key)
            assert first is not None, "somebody waits for what is needed"
            useful = max(first[2], min(amount, self._could_use(key)))
            overdrawn = max(0, account.used.get(key, 0) - account.held(key))
            lacks[key] = useful + overdrawn - account.free(key)
        return as_rights(lacks)

    def _could_use(self, key: QuotaKey) -> int:
        return sum(
            quantity for kind, quantity in self._free_total() if applies((key[0], key[1]), key[0], kind)
        )

    def _ask(self, now: Now, holder: _Holder, out: Effects) -> None:
        account = holder.account
        debts = account.debts()
        lacking = debts or (NO_RIGHTS if self.draining else self.lacking(holder))
        if not lacking and not holder.asked:
            return
        asked = self._divide(account, lacking, recall=bool(debts)) if lacking else {}
        is_due = now.mono_us >= holder.asked_us + self._timings.rights_retry_us
        if asked == holder.asked and not is_due:
            # Looked at again when it would be repeated, or when something has changed.
            self._asking.set(account.name, holder.asked_us + self._timings.rights_retry_us)
            return
        first = self._first_waiting(account.name, lacking)
        for region in {**holder.asked, **asked}:
            ask = RightsAsk(
                league=self.documents.chain.league,
                account=account.name,
                account_id=account.id,
                wants=asked.get(region, NO_RIGHTS),
                since_wall_us=first,
                recall=bool(debts),
            )
            self._send_ask(now, region, ask, out)
        holder.asked, holder.asked_us = asked, now.mono_us
        self._asking.set(account.name, now.mono_us + self._timings.rights_retry_us // _ASKS_PER_RETRY)

    def _divide(self, account: Account, lacking: Rights, *, recall: bool) -> dict[str, Rights]:
        others = [self._config.name] if len(self._holders) > 1 else []
        if len(self._peers) > RIGHTS_ASKED_MAX:
            start = self._randomness.randrange(len(self._peers))
            peers = (*self._peers[start:], *self._peers[:start])[:RIGHTS_ASKED_MAX]
        else:
            peers = self._peers
        news = self._news()
        if others:
            news = [(self._config.name, self.news(besides=account)), *news]
        return divide(lacking, news, [*others, *peers], recall=recall)

    def _first_waiting(self, name: str, lacking: Rights) -> int:
        firsts = [self.room.first(name, key) for key, _ in lacking]
        return min((each[1].order_us for each in firsts if each is not None), default=0)

    def _send_ask(self, now: Now, region: str, ask: RightsAsk, out: Effects) -> None:
        if region != self._config.name:
            out.sends.append(Send(region, ask))
            return
        self.wishes.take(now, ask)
        self._at_once.set(region, now.mono_us)

    # --- messages --------------------------------------------------------------------------------------------------------

    def on_message(self, now: Now, peer: str, message: QuotaMessage, out: Effects) -> None:
        """One message of a peer, or between accounts of this region."""
        match message:
            case RightsAsk():
                if message.league == self.documents.chain.league:
                    self.wishes.take(now, message)
            case RightsCommit():
                self._on_commit(message, out)
            case RightsDecision():
                self._on_decision(message)
            case QuotaRequest():
                self.documents.on_request(peer, message, out)
            case QuotaNotice():
                self.documents.on_notice(now, peer, message.signed)

    def _on_commit(self, commit: RightsCommit, out: Effects) -> None:
        holder = self._holders.get(commit.to)
        chain = self.documents.chain
        if holder is None or not self._is_active(holder) or not holder.account.id or not chain.league:
            return
        decision = holder.account.on_commit(commit, wanted=self._wants(commit))
        if decision is not None:
            self._send(holder, commit.giver, decision, out)

    def _wants(self, commit: RightsCommit) -> bool:
        """Not those of other quotas; and a region that is being drained has no use for rights, unless it keeps them."""
        chain = self.documents.chain
        keeps = chain.head is not None and chain.head.keeper == commit.to
        return commit.league == chain.league and (keeps or not self.draining)

    def _on_decision(self, decision: RightsDecision) -> None:
        holder = self._holders.get(decision.giver)
        if holder is None or not self._is_active(holder) or not holder.account.on_decision(decision):
            return
        key = (decision.giver, (decision.to, decision.to_id))
        self._resend.cancel(key)
        self._resent.pop(key, None)
        if decision.verdict is RightsVerdict.GONE:
            self.lost_transfers += 1

    def _send(self, holder: _Holder, to: str, message: RightsMessage, out: Effects) -> None:
        """In the name of an account: a shard's waits until a majority holds what it rests on."""
        if holder.leading is None:
            self.route(Send(to, message), out)
        else:
            holder.leading.out.sends.append(Send(to, message))

    def route(self, send: Send, out: Effects) -> None:
        """To whoever speaks for the account that this is for."""
        assert isinstance(send.message, QuotaMessage)
        region = self._region_of(send.to)
        if region == self._config.name:
            self._loopback.append(send.message)
            self._at_once.set(region, _AT_ONCE_US)
        elif region:
            out.sends.append(Send(region, send.message))

    def _region_of(self, account: str) -> str:
        shard = shard_of_account(account)
        return self._shards.leader_of(shard) if shard else account

    # --- the keeper ------------------------------------------------------------------------------------------------------

    def apply(self, event: ApplyQuotas, out: Effects) -> None:
        """An operator's document: taken if this region keeps the quotas, answered when that is durable."""
        outcome = self._take_document(event.signed, out)
        holder = self._keeper(event.signed.document.keeper)
        reply = Reply(event.request_id, outcome or Done())
        if isinstance(outcome, Refused) or holder is None or holder.leading is None:
            out.replies.append(reply)
        else:
            holder.leading.out.replies.append(reply)

    def _take_document(self, signed: SignedQuotas, out: Effects) -> Refused | None:
        document, chain = signed.document, self.documents.chain
        if quotas_sha256(document) == chain.sha256:
            return None
        holder = self._keeper(document.keeper)
        taken = holder.account.head if holder is not None else None
        if taken is not None and taken.document.number > chain.number:
            if taken == signed:
                return None
            return refused(RosterFault(FaultKind.EARLY, "", "another document is just coming into force"))
        faults = self.documents.faults(signed, chain.head, chain.sha256)
        if faults:
            return refused(faults[0])
        if holder is None:
            return self._not_keeper(document.keeper)
        if not chain.number and (fault := self._founding_fault()) is not None:
            return refused(fault)
        self._open(holder)
        holder.account.take_document(signed, chain.head)
        if holder.leading is None:
            self.documents.put_in_force(signed)
            self._take_in_documents()
        else:
            self._announce(holder, out)
        return None

    def _keeper(self, name: str) -> _Holder | None:
        holder = self._holders.get(name)
        return holder if holder is not None and self._is_active(holder) else None

    def _not_keeper(self, keeper: str) -> Refused:
        region = self._region_of(keeper)
        known = region if region != self._config.name else ""
        message = f"{keeper} keeps the quotas, and {self._config.name} does not speak for it at present"
        message += f"; ask {known}" if known else ""
        return Refused("NOT_LEADER", "keeper", message, self._timings.rights_retry_us // 1000, known)

    def _founding_fault(self) -> RosterFault | None:
        """Quotas are founded once: by a region that has heard of all others that they have none."""
        unheard, founded = self.documents.strangers_to_quotas(self._peers)
        missing = sorted({*unheard, *self._unheard()})
        if founded:
            return RosterFault(
                FaultKind.FORK, "number", f"{', '.join(founded)}: quotas are in force there already"
            )
        if missing:
            why = f"the first quotas wait until {', '.join(missing)} can be heard, who may have some"
            return RosterFault(FaultKind.EARLY, "", why)
        return None

    def _announce(self, holder: _Holder, out: Effects) -> None:
        """What the keeper's account in a shard has taken is told once a majority holds it; and again by whoever leads
        the shard next."""
        head, chain = holder.account.head, self.documents.chain
        if head is None or head.document.number <= max(chain.number, holder.announced):
            return
        if holder.leading is not None:
            holder.announced = head.document.number
            holder.leading.out.sends.append(Send(region_account(self._config.name), QuotaNotice(head)))

    # --- what is told ------------------------------------------------------------------------------------------------------

    def news(self, besides: Account | None = None) -> QuotaNews | None:
        """For the region's record: of all accounts that it speaks for, but for one."""
        chain = self.documents.chain
        if not chain.number:
            return None
        speaking = [holder.account for holder in self._holders.values() if self._is_active(holder)]
        active = [account for account in speaking if account is not besides]
        totals: dict[QuotaKey, tuple[int, int]] = {}
        for account in active:
            for key in account.balances:
                free, held = totals.get(key, (0, 0))
                totals[key] = (free + account.free(key), held + account.held(key))
        told = sorted(
            ((key, *total) for key, total in totals.items() if total[1]), key=lambda each: (-each[1], each[0])
        )
        return QuotaNews(
            league=chain.league,
            number=chain.number,
            sha256=chain.sha256,
            accounts=tuple((each.name, each.id) for each in active if each.id)[:ACCOUNTS_NEWS_MAX],
            rights=tuple(told[:RIGHTS_NEWS_MAX]),
        )

    def blockers(self, job: Job) -> tuple[Blocker, ...]:
        """What this job lacks, quota by quota; nothing: it does not wait for rights."""
        if job.id not in self.room:
            return ()
        holder = self._holders.get(self._library.of(job).account.name)
        if holder is None:
            return ()
        return tuple(self._blocker(holder, key, amount) for key, amount in self.needs(job))

    def _blocker(self, holder: _Holder, key: QuotaKey, amount: int) -> Blocker:
        account, limit = holder.account, self._limits.get(key, 0)
        held, used, free = account.held(key), account.used.get(key, 0), account.free(key)
        asked = {region: dict(rights).get(key, 0) for region, rights in holder.asked.items()}
        named = ", ".join(f"{region} {wanted}" for region, wanted in asked.items() if wanted) or "nobody yet"
        head = self.documents.chain.head
        borrowed = held if head is not None and head.keeper != account.name else 0
        message = (
            f"quota {key[0]} {key[1]}: it needs {amount} of {limit}, and {free} are free in {account.name}"
            f" (held {held}, used {used}, borrowed {borrowed}; asked: {named})"
        )
        if amount > limit:
            message = f"quota {key[0]} {key[1]}: it needs {amount}, and the limit is {limit}"
        return Blocker(code="QUOTA", message=message)

    def impairments(self) -> list[Reason]:
        """What an operator must know."""
        return self.documents.impairments()

    def view(self) -> QuotaView:
        """The quotas as this region has them."""
        chain = self.documents.chain
        return QuotaView(
            region=self._config.name,
            league=chain.league,
            history=chain.after(0),
            known=self.documents.known(self._peers),
            balances=tuple(each for holder in self._holders.values() for each in self._balances(holder)),
            elsewhere=tuple((peer, news) for peer, news in self._news() if news is not None),
            waiting=len(self.room),
        )

    def _balances(self, holder: _Holder) -> Iterator[QuotaBalance]:
        account = holder.account
        transit: dict[QuotaKey, int] = {}
        for _, _, rights in account.undecided():
            for key, amount in rights:
                transit[key] = transit.get(key, 0) + amount
        asked: dict[QuotaKey, int] = {}
        for rights in holder.asked.values():
            for key, amount in rights:
                asked[key] = asked.get(key, 0) + amount
        for key in sorted({*account.balances, *account.used}):
            balance = account.balances.get(key)
            yield QuotaBalance(
                account=account.name,
                tenant=key[0],
                resource=key[1],
                held=account.held(key),
                used=account.used.get(key, 0),
                in_transit=transit.get(key, 0),
                debt=0 if balance is None else balance.debt,
                lost=0 if balance is None else balance.lost,
                asked=asked.get(key, 0),
                waiting=self.room.needed(account.name).get(key, 0),
            )
