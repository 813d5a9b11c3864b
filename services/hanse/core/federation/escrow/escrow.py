"""The door of global quotas: what a region does about rights in each step.

Once the events have been taken in:
1. the keeper burns what it owes;
2. what the keeper takes back, and what others' jobs have waited for much longer, is given;
3. jobs that waited here and can be served go back to the queue, first come first served;
and after the scheduling cycle, which takes what is needed here:
4. what is free and nobody here waits for is given to those that ask;
5. who still lacks rights asks for them.

A right that is free goes to whoever waits here first, since that costs nothing. What is left over although somebody
waits here (he needs more) goes to whoever has waited longest anywhere: so two regions that each have half of what their
first jobs need do not wait for each other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from hanse.core.effects import Effects
from hanse.core.events import ApplyQuotas
from hanse.core.federation.escrow.borrowing import Borrowing
from hanse.core.federation.escrow.chain import QuotaChain
from hanse.core.federation.escrow.documents import Documents
from hanse.core.federation.escrow.holders import Holder, Holders
from hanse.core.federation.escrow.keeping import Keeping
from hanse.core.federation.escrow.lending import Lending
from hanse.core.federation.escrow.needs import Needs
from hanse.core.federation.escrow.telling import balances_of, blocker_of, news_of, promised_to
from hanse.core.federation.escrow.waiting import WaitingRoom
from hanse.core.federation.escrow.wishes import Wish, Wishes
from hanse.core.federation.inventory import Inventory
from hanse.core.federation.roster.checks import Verifier
from hanse.core.federation.shards.shards import Shards
from hanse.core.library import Library
from hanse.core.messages import (
    QuotaMessage,
    QuotaNotice,
    QuotaRequest,
    RightsAsk,
    RightsCommit,
    RightsDecision,
)
from hanse.core.model.arrays import job_of_run
from hanse.core.model.deadlines import Alarms
from hanse.core.model.jobs import Job, Reason, Shape
from hanse.core.model.limits import RIGHTS_READMITTED_MAX
from hanse.core.model.quota import Rights, region_account, shard_account
from hanse.core.model.randomness import Randomness
from hanse.core.model.regions import QuotaNews, RegionConfig
from hanse.core.model.resources import Resources
from hanse.core.model.time import Now
from hanse.core.replies import Blocker, QuotaView
from hanse.core.rows import Snapshot


class Escrow:
    """See the module's docstring. It is also the gate of the scheduling cycle (scheduling/gate.py: StartGate).

    `keys` are operators' public keys by their ids, `current` those that count today; `free_total` is what the region
    has free of each kind, `readmit` puts a job back into the queue, `unheard` names the members that have not been
    heard in this life of the region, and `tiers` are those of the policy in force, from first served to last.
    """

    def __init__(
        self,
        config: RegionConfig,
        snapshot: Snapshot,
        keys: Mapping[str, str],
        current: Mapping[str, str],
        verifier: Verifier | None,
        library: Library,
        shards: Shards,
        inventory: Inventory,
        free_total: Callable[[], Resources],
        readmit: Callable[[Job], None],
        unheard: Callable[[], list[str]],
        tiers: tuple[str, ...],
        randomness: Randomness,
        now: Now,
    ) -> None:
        self._region = config.name
        self._timings = timings = config.timings
        self._readmit_job = readmit
        self.draining = False
        # Whether what is told in the record may have changed.
        self.news_changed = True
        self._needs = Needs()
        self.holders = Holders(config, library, shards, inventory, self._needs, randomness)
        self.chain = chain = QuotaChain(snapshot.quota_documents)
        self.documents = Documents(config, chain, library.own, inventory, keys, current, verifier)
        self.room = WaitingRoom(tiers)
        self.wishes = Wishes(timings.rights_retry_us)
        self.lending = Lending(self.holders, self.room, self.wishes, chain, timings, config.lost)
        self.borrowing = Borrowing(
            self.holders, self.room, self.wishes, chain, timings, free_total, randomness
        )
        self.keeping = Keeping(self.holders, self.documents, unheard, timings)
        self._documents_seen = -1
        self._given_seen = 0
        # Jobs that were let go because what they need is free, and have not started. It is kept for them: nobody else
        # in the room is let go for it. By job: its account, and its needs.
        self._promised: dict[str, tuple[str, Rights]] = {}
        # Accounts to be looked at in this step, whatever their versions.
        self._stirred: dict[str, None] = {}
        self.alarm = Alarms(
            self.lending.resend, self.lending.sweeping, self.borrowing.asking, self.holders.at_once
        )
        shards.send_rights = self.holders.route
        self._go_by_documents()
        if chain.number:
            self.lending.begin(now, self.holders.own)

    # --- the gate of the scheduling cycle ----------------------------------------------------------------------------

    def may_start(self, job: Job) -> bool:
        """Whether its account has what it needs, and nobody goes before it."""
        needs = self._needs.of(job)
        if not needs:
            return True
        account = self.holders.account_of(job)
        return account.may_use(needs) and not self.room.is_kept(account.name, job, needs)

    def take(self, job: Job) -> None:
        """It starts: its rights are in use until its processes are known to be dead."""
        needs = self._needs.of(job)
        if needs:
            self.holders.account_of(job).charge(job.id, needs)
        # An element starts by its own id, and its array was let go.
        self._promised.pop(job_of_run(job.id), None)

    def set_aside(self, job: Job) -> None:
        """It could be placed and has no rights: it waits here until it has."""
        needs = self._needs.of(job)
        hopeless = self._needs.are_hopeless(needs)
        self._promised.pop(job.id, None)
        self.room.add(self.holders.account_of(job).name, job, needs, hopeless=hopeless)

    def forget(self, job: Job) -> None:
        """It does not wait any more, and does not start: what was kept for it is for others."""
        was_promised = self._promised.pop(job.id, None) is not None
        if was_promised or job.id in self.room:
            self.room.discard(job.id)
            self._stirred[self.holders.account_of(job).name] = None

    def waits(self, job_id: str) -> bool:
        """Whether this queued job waits for rights."""
        return job_id in self.room

    def slots(self, tenant: str, shape: Shape, limit: int) -> int:
        """How many jobs of a peer could have their rights here: those that are free, and those that can be had soon, as
        far as gossip knows."""
        if not self._needs.limits:
            return limit
        name = shard_account(self._region) if shape.body.adoptable else region_account(self._region)
        for key, amount in self._needs.of_shape(tenant, shape):
            free = sum(holder.account.free(key) for holder in self.holders)
            told = [each for _, each in self.holders.news() if each is not None]
            free += sum(elsewhere for news in told for quota, elsewhere, _ in news.rights if quota == key)
            waiting = self.room.needed(name).get(key, 0)
            limit = min(limit, max(0, free - waiting) // amount)
        return limit

    def drain(self, *, draining: bool) -> None:
        """The region is to be emptied, or no more: what waits for rights here may wait for them elsewhere."""
        if draining and not self.draining:
            self._let_all_go()
        self.draining = draining

    # --- the step ----------------------------------------------------------------------------------------------------

    @property
    def looping(self) -> bool:
        """Whether there is something to do in the next step at once."""
        return bool(len(self.holders.at_once))

    def begin(self, now: Now, out: Effects) -> None:
        """Take in what this region's accounts have to say to each other."""
        for message in self.holders.looped():
            self.on_message(now, self._region, message, out)

    def settle(self, now: Now, out: Effects) -> None:
        """Before the cycle: burn, give what cannot wait, and let go who can be served."""
        if self._is_idle():
            return
        if self.looping:
            self.holders.at_once.clear()
        self._go_by_documents()
        self._follow(now)
        if not self.chain.number and not self._has_taken():
            return
        self.lending.send_again(now, out)
        wishes = self.wishes.standing(now) if len(self.wishes) else []
        for holder in self.holders.active():
            self._settle(now, holder, wishes, out)
        self._stirred = {}

    def _settle(self, now: Now, holder: Holder, wishes: list[Wish], out: Effects) -> None:
        account = holder.account
        if self.holders.open(holder):
            self.lending.begin(now, holder)
            self.news_changed = True
        if account.taken > self.chain.number:
            self.keeping.announce(holder)
        stirred = account.name in self._stirred or account.version != holder.seen_version
        if stirred:
            self.news_changed = True
            holder.seen_version = account.version
            account.pay_debts()
        if wishes:
            self.lending.serve(now, holder, wishes, out, urgent=True)
        if stirred and len(self.room):
            self._readmit(now, holder)

    def _readmit(self, now: Now, holder: Holder) -> None:
        account = holder.account
        free = {key: account.free(key) for key in account.balances}
        admitted = self.room.admit(account.name, free, RIGHTS_READMITTED_MAX)
        for job in admitted:
            self._promised[job.id] = (account.name, self._needs.of(job))
            self._readmit_job(job)
        if len(admitted) == RIGHTS_READMITTED_MAX:
            holder.seen_version = -1
            self.holders.at_once.set(account.name, now.mono_us)

    def finish(self, now: Now, out: Effects) -> None:
        """After the cycle: give what is left over, and ask for what is lacking."""
        if not self.chain.number:
            return
        wishes = self.wishes.standing(now) if len(self.wishes) else []
        for holder in self.holders.active():
            if wishes:
                self.lending.serve(now, holder, wishes, out, urgent=False)
            self.borrowing.ask(now, holder, out, draining=self.draining)
        if self._given_seen != self.lending.given:
            self._given_seen = self.lending.given
            self.news_changed = True

    def on_deadline(self, now: Now, out: Effects) -> None:
        """Give back what is not needed; who may ask again does so in `finish`, and what is to be sent again is in
        `settle`."""
        self.borrowing.asking.pop_due(now.mono_us)
        for name in self.lending.sweeping.pop_due(now.mono_us):
            holder = self.holders.get(name)
            if holder is not None:
                self.lending.give_back(now, holder, out, all_of_it=self.draining)
            if any(each.name == name for each in self.holders):
                self.lending.sweeping.set(name, now.mono_us + self._timings.rights_idle_us)

    def on_session(self, now: Now, peer: str, out: Effects) -> None:
        """A session began."""
        self.lending.on_session(now, peer, out)

    def on_records(self, now: Now, out: Effects) -> None:
        """Gossip brought records."""
        if self.documents.may_be_behind:
            self.documents.compare(now, self.holders.peers, out)

    def apply(self, now: Now, event: ApplyQuotas, out: Effects) -> None:
        """An operator's document."""
        self._follow(now)
        self.keeping.apply(event, out)

    def disk_was_old(self) -> None:
        """Quarantine is over: what the own account had is gone, but for what still runs."""
        own = self.holders.own
        self.holders.count(own)
        if own.account.id or own.account.balances or own.account.charges:
            own.account.begin_anew(self.holders.draw_id())

    def _is_idle(self) -> bool:
        """Whether there are no quotas, and no account that may know of some: asked in every step, mostly for good."""
        if self.chain.number or self._documents_seen != self.documents.version or self.holders.may_change:
            return False
        return not self.holders.own.account.taken and not self.looping

    def _has_taken(self) -> bool:
        """Whether an account that this region speaks for has taken a document, though the region has heard of none."""
        return any(holder.account.taken for holder in self.holders)

    def _follow(self, now: Now) -> None:
        for holder in self.holders.follow():
            self.holders.count(holder)
            self.lending.begin(now, holder)

    def _go_by_documents(self) -> None:
        """Other quotas apply: what runs is counted anew, and what waits is looked at anew."""
        if self._documents_seen == self.documents.version:
            return
        self._documents_seen = self.documents.version
        self._needs.go_by(self.chain.limits())
        self.news_changed = True
        for holder in self.holders:
            self.holders.count(holder)
        self._let_all_go()

    def go_by_tiers(self, tiers: tuple[str, ...]) -> None:
        """Another policy is in force: tiers are served in this order."""
        self._let_all_go()
        self.room.rank(tiers)

    def _let_all_go(self) -> None:
        """Whoever waits is looked at anew."""
        self._promised.clear()
        for job in self.room.drain():
            self._readmit_job(job)

    # --- messages ----------------------------------------------------------------------------------------------------

    def on_message(self, now: Now, peer: str, message: QuotaMessage, out: Effects) -> None:
        """One message of a peer, or between accounts of this region."""
        match message:
            case RightsAsk():
                if message.league == self.chain.league and self.holders.speaks_for(peer, message.account):
                    self.wishes.take(now, message)
            case RightsCommit():
                if not self.holders.speaks_for(peer, message.giver):
                    return
                if message.number > self.chain.number and self.chain.league in ("", message.league):
                    self.documents.ask(now, peer, out)
                else:
                    self._on_commit(message, out)
            case RightsDecision():
                if self.holders.speaks_for(peer, message.to):
                    self.lending.on_decision(message)
            case QuotaRequest():
                self.documents.on_request(peer, message, out)
            case QuotaNotice():
                self.documents.on_notice(peer, message.signed)

    def _on_commit(self, commit: RightsCommit, out: Effects) -> None:
        holder = self.holders.get(commit.to)
        if holder is None or not holder.account.id or not self.chain.league:
            return
        decision = holder.account.on_commit(commit, wanted=self._wants(commit))
        if decision is not None:
            self.holders.send(holder, commit.giver, decision, out)

    def _wants(self, commit: RightsCommit) -> bool:
        """Not those of other quotas; and a region that is being drained has no use for rights, unless it keeps them."""
        keeps = self.chain.head is not None and self.chain.head.keeper == commit.to
        return commit.league == self.chain.league and (keeps or not self.draining)

    # --- what is told ------------------------------------------------------------------------------------------------

    def news(self) -> QuotaNews | None:
        """For the region's record."""
        return news_of(self.chain, (holder.account for holder in self.holders.active()))

    def blockers(self, job: Job) -> tuple[Blocker, ...]:
        """What this job lacks, quota by quota; nothing: it does not wait for rights."""
        if job.id not in self.room:
            return ()
        return self.lacks(job) or (promised_to(self._kept_for_others(job), self._needs.of(job)),)

    def _kept_for_others(self, job: Job) -> list[str]:
        """The jobs that were let go for what this one needs too."""
        account = self.holders.account_of(job).name
        keys = {key for key, _ in self._needs.of(job)}
        return [
            job_id
            for job_id, (name, needs) in self._promised.items()
            if name == account and any(key in keys for key, _ in needs)
        ]

    def lacks(self, job: Job) -> tuple[Blocker, ...]:
        """The same of a job that would have to wait for rights, whether or not it does."""
        holder = None if self.may_start(job) else self.holders.get(self.holders.account_of(job).name)
        if holder is None:
            return ()
        needs = self._needs.of(job)
        return tuple(blocker_of(holder, self.chain, key, amount) for key, amount in needs)

    def impairments(self) -> list[Reason]:
        """What an operator must know."""
        return self.documents.impairments()

    def view(self) -> QuotaView:
        """The quotas as this region has them."""
        return QuotaView(
            region=self._region,
            league=self.chain.league,
            history=self.chain.after(0),
            known=self.documents.known(self.holders.peers),
            balances=tuple(each for holder in self.holders for each in balances_of(holder, self.room)),
            elsewhere=tuple((peer, news) for peer, news in self.holders.news() if news is not None),
            waiting=len(self.room),
        )
