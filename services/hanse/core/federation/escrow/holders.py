"""The accounts that a region speaks for: its own, and those in the logs of the shards that it leads; and the way of
their messages to whoever speaks for another account."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from hanse.core.account import Account, Party
from hanse.core.books import Books
from hanse.core.effects import Effects, Send
from hanse.core.federation.escrow.needs import Needs
from hanse.core.federation.inventory import Inventory
from hanse.core.federation.shards.leading import Leading
from hanse.core.federation.shards.shards import Shards
from hanse.core.library import Library
from hanse.core.messages import QuotaMessage
from hanse.core.model.deadlines import Deadlines
from hanse.core.model.jobs import Job
from hanse.core.model.quota import Rights, shard_account, shard_of_account
from hanse.core.model.randomness import Randomness
from hanse.core.model.regions import QuotaNews, RegionConfig

_AT_ONCE_US = -1


class Holder(msgspec.Struct):
    """An account that this region speaks for. `leading` None: its own. `asked` is what it has asked of each region,
    and when; `announced` the newest document that it was said to have taken."""

    account: Account
    books: Books
    leading: Leading | None
    seen_version: int = -1
    asked: dict[str, Rights] = {}
    asked_us: int = 0
    announced: int = 0

    @property
    def name(self) -> str:
        """The account's."""
        return self.account.name

    @property
    def is_active(self) -> bool:
        """Whether this region may speak for the account now."""
        return self.leading is None or self.leading.shard.leads


class Holders:
    """See the module's docstring. `at_once` has an entry while something is to be done in the next step."""

    def __init__(
        self,
        config: RegionConfig,
        library: Library,
        shards: Shards,
        inventory: Inventory,
        needs: Needs,
        randomness: Randomness,
    ) -> None:
        self.region = config.name
        self.peers = tuple(member.name for member in config.members if member.name != config.name)
        self.at_once: Deadlines[str] = Deadlines()
        self._library = library
        self._shards = shards
        self._inventory = inventory
        self._needs = needs
        self._randomness = randomness
        own = library.own
        self.own = Holder(own.account, own, None)
        self._by_name: dict[str, Holder] = {self.own.name: self.own}
        # Messages between accounts of this region, for the next step.
        self._loopback: list[QuotaMessage] = []

    def __iter__(self) -> Iterator[Holder]:
        return iter(self._by_name.values())

    def __len__(self) -> int:
        return len(self._by_name)

    def active(self) -> list[Holder]:
        """Those that this region may speak for now."""
        return [holder for holder in self._by_name.values() if holder.is_active]

    def get(self, name: str) -> Holder | None:
        """The account of this name, if this region may speak for it now."""
        holder = self._by_name.get(name)
        return holder if holder is not None and holder.is_active else None

    def account_of(self, job: Job) -> Account:
        """The account that this job's rights are in."""
        return self._library.of(job).account

    # --- they come and go --------------------------------------------------------------------------------------------

    @property
    def may_change(self) -> bool:
        """Whether there are accounts in the logs of shards, or may be some now."""
        return len(self._by_name) > 1 or bool(self._shards.leading)

    def follow(self) -> list[Holder]:
        """Accounts come and go with the shards that are led here. Returns those that have come."""
        leading = self._shards.leading
        if len(self._by_name) > 1:
            gone = [name for name, holder in self._by_name.items() if not self._is_kept(holder)]
            for name in gone:
                del self._by_name[name]
        if len(self._by_name) == 1 + len(leading):
            return []
        new = [
            Holder(each.books.account, each.books, each)
            for shard, each in leading.items()
            if shard_account(shard) not in self._by_name
        ]
        self._by_name.update((holder.name, holder) for holder in new)
        return new

    def _is_kept(self, holder: Holder) -> bool:
        leading = holder.leading
        return leading is None or self._shards.leading.get(leading.shard.name) is leading

    def open(self, holder: Holder) -> bool:
        """It begins, unless it has. Returns whether it did so now."""
        if holder.account.id:
            return False
        holder.account.open(self.draw_id())
        return True

    def draw_id(self) -> int:
        """For a new life of an account."""
        return self._randomness.getrandbits(62) + 1

    def count(self, holder: Holder) -> None:
        """Count anew what its jobs use."""
        running = holder.books.attempts()
        holder.account.charge_anew({job.id: needs for job in running if (needs := self._needs.of(job))})

    # --- what others told --------------------------------------------------------------------------------------------

    def news(self) -> list[tuple[str, QuotaNews | None]]:
        """What each peer last told of quotas."""
        records = ((peer, self._inventory.get(peer)) for peer in self.peers)
        return [(peer, None if record is None else record.quotas) for peer, record in records]

    def party(self, name: str) -> Party | None:
        """An account with its id, as far as is known."""
        holder = self._by_name.get(name)
        if holder is not None:
            return (name, holder.account.id) if holder.account.id else None
        for _, news in self.news():
            for account, account_id in news.accounts if news is not None else ():
                if account == name:
                    return (account, account_id)
        return None

    def region_of(self, account: str) -> str:
        """Who speaks for an account, as far as is known; empty: nobody."""
        shard = shard_of_account(account)
        return self._shards.leader_of(shard) if shard else account

    # --- messages ----------------------------------------------------------------------------------------------------

    def send(self, holder: Holder, to: str, message: QuotaMessage, out: Effects) -> None:
        """In the name of an account: a shard's waits until a majority holds what it rests on."""
        if holder.leading is None:
            self.route(Send(to, message), out)
        else:
            holder.leading.out.sends.append(Send(to, message))

    def route(self, send: Send, out: Effects) -> None:
        """To whoever speaks for the account that this is for."""
        assert isinstance(send.message, QuotaMessage)
        region = self.region_of(send.to)
        if region == self.region:
            self._loopback.append(send.message)
            self.at_once.set(region, _AT_ONCE_US)
        elif region:
            out.sends.append(Send(region, send.message))

    def looped(self) -> list[QuotaMessage]:
        """What this region's accounts have said to each other."""
        looped, self._loopback = self._loopback, []
        return looped

    @staticmethod
    def speaks_for(peer: str, account: str) -> bool:
        """Whether a message of this account may come from this region."""
        return account == peer or bool(shard_of_account(account))
