"""The tree of tenants, and what each has had of the region: who is served first among equals.

At each level of the tree the tenant that has had least for its weight goes first, then, below it, its own child, and
so on. What a tenant holds and what it held (the decayed average) count alike. All above a tenant are charged with it.
"""

from __future__ import annotations

import heapq

from hanse.core.model.limits import ACCOUNTS_MAX, ACCOUNTS_SAVED_MAX
from hanse.core.model.time import SECOND_US, Now
from hanse.core.policy.model import WEIGHT_UNIT, FairShare, Policy
from hanse.core.policy.problems import prefix_of
from hanse.core.scheduling.fairness import SHARE_UNIT, averaged, decayed, level, level_range, share_at

# Where shares count as time: who has had the whole region, at the usual weight, is so long behind those that have had
# nothing. Not more: at home everybody has had much, so guests would go before them whatever their jobs take.
REGION_HANDICAP_US = 900 * SECOND_US
# What tenants below another one have had counts so much less than what those beside it have: first come organisations,
# then their teams.
HANDICAP_LEVEL_PARTS = 4


class Account:
    """What one tenant has had. Shares in SHARE_UNIT, times mono microseconds."""

    __slots__ = (
        "_changes",
        "_half_life_us",
        "_handicap_seen",
        "_handicap_us",
        "_held_from",
        "_held_to",
        "_level",
        "_level_us",
        "_levels",
        "_levels_seen",
        "_shown",
        "at_us",
        "held",
        "history",
        "name",
        "parent",
        "weight",
    )

    def __init__(
        self, name: str, parent: Account | None, weight: int, half_life_us: int, changes: list[int]
    ) -> None:
        self.name = name
        self.parent = parent
        self.weight = weight
        self.held = 0
        self.history = 0
        self.at_us = 0
        self._half_life_us = half_life_us
        self._level = 0
        # When it was worked out; -1: it has to be. It holds while so much is held.
        self._level_us = -1
        self._held_from = 0
        self._held_to = 0
        self._shown = 0
        # Shared by all: grows when the level of any account may have changed.
        self._changes = changes
        self._levels: tuple[int, ...] = ()
        self._levels_seen = (-1, -1)
        # What these levels are worth as time.
        self._handicap_seen = (-1, -1)
        self._handicap_us = 0

    def take(self, share: int, now_us: int) -> None:
        """This share is held from now on (less than nothing: not any more), here and above."""
        account: Account | None = self
        while account is not None:
            if now_us > account.at_us:
                account.catch_up(now_us)
            account.held += share
            if account._level_us != now_us or not account._held_from <= account.held < account._held_to:
                # Its level is another one, or it is not known whether it is.
                account._level_us = -1
                account._changes[0] += 1
            account = account.parent

    def catch_up(self, now_us: int) -> None:
        """Bring the history up to now."""
        if now_us > self.at_us:
            self.history = averaged(self.history, self.held, now_us - self.at_us, self._half_life_us)
            self.at_us = now_us

    def level(self, now_us: int) -> int:
        """Its place among its siblings: smaller goes first."""
        if self._level_us != now_us:
            self.catch_up(now_us)
            share = (self.history + self.held) * WEIGHT_UNIT // (2 * self.weight)
            self._level, self._level_us = level(share), now_us
            # While it holds so much, its level stays what it is.
            least, beyond = level_range(share)
            self._held_from = -(-least * 2 * self.weight // WEIGHT_UNIT) - self.history
            self._held_to = -(-beyond * 2 * self.weight // WEIGHT_UNIT) - self.history
        return self._level

    def shown_level(self, now_us: int) -> int:
        """Its place as the queue's order has it: what has grown counts at once, what has shrunk when it is shown."""
        live = self.level(now_us)
        if live > self._shown:
            self._shown = live
        return self._shown

    def show(self, now_us: int) -> None:
        """From now on its place is what it is."""
        self._changes[0] += 1
        self._shown = self.level(now_us)

    def levels(self, now_us: int) -> tuple[int, ...]:
        """Its own place and those of all above it, from the first level down, as shown."""
        seen = (now_us, self._changes[0])
        if self._levels_seen != seen:
            own = self.shown_level(now_us)
            self._levels = (own,) if self.parent is None else (*self.parent.levels(now_us), own)
            self._levels_seen = seen
        return self._levels

    def handicap_us(self, now_us: int) -> int:
        """By how long its jobs count as younger for what it has had, and all above it, as shown."""
        seen = (now_us, self._changes[0])
        if self._handicap_seen != seen:
            levels = self.levels(now_us)
            self._handicap_seen = (now_us, self._changes[0])
            share = 0
            for each in reversed(levels):
                share = share_at(each) + share // HANDICAP_LEVEL_PARTS
            self._handicap_us = share * REGION_HANDICAP_US // SHARE_UNIT
        return self._handicap_us


class Tenants:
    """Accounts by path; made when they are first asked for."""

    def __init__(self, policy: Policy) -> None:
        self._rules: FairShare = policy.fair_share
        self._parents = {tenant.name: tenant.parent for tenant in policy.tenants if tenant.parent}
        self._weights = {tenant.name: tenant.weight for tenant in policy.tenants}
        self._accounts: dict[str, Account] = {}
        self._changes = [0]

    def account(self, tenant: str) -> Account:
        """The account of a tenant, which may be anywhere in the tree."""
        account = self._accounts.get(tenant)
        if account is None:
            if len(self._accounts) >= ACCOUNTS_MAX:
                self._forget_idle()
            above = self._parents.get(tenant, prefix_of(tenant))
            parent = self.account(above) if above else None
            weight = self._weights.get(tenant, WEIGHT_UNIT)
            account = Account(tenant, parent, weight, self._rules.half_life_us, self._changes)
            self._accounts[tenant] = account
        return account

    def accounts(self) -> dict[str, Account]:
        """All that are known; not to be changed."""
        return self._accounts

    def show(self, now_us: int) -> None:
        """From now on everybody's place is what it is."""
        for account in self._accounts.values():
            account.show(now_us)

    def saved(self, now: Now) -> str:
        """What is to outlive the daemon: the time, then a line for each of those that have had most."""
        for account in self._accounts.values():
            account.catch_up(now.mono_us)
        most = heapq.nsmallest(
            ACCOUNTS_SAVED_MAX, self._accounts.values(), key=lambda account: (-account.history, account.name)
        )
        lines = [f"{account.history} {account.name}" for account in most if account.history]
        return "\n".join([str(now.wall_us), *lines])

    def restore(self, saved: str, now: Now) -> None:
        """The histories that `saved` gave in an earlier life, as they have decayed since."""
        if not saved:
            return
        at_us, *lines = saved.split("\n")
        elapsed_us = max(0, now.wall_us - int(at_us))
        for line in lines:
            history, _, name = line.partition(" ")
            account = self.account(name)
            account.history = decayed(int(history), elapsed_us, self._rules.half_life_us)
            account.at_us, account._level_us = now.mono_us, -1

    def inherit(self, former: Tenants, now_us: int) -> None:
        """Under a new policy each tenant keeps its own history; what it holds is charged anew."""
        for name, old in former._accounts.items():
            old.catch_up(now_us)
            account = self.account(name)
            account.history, account.at_us, account._level_us = old.history, now_us, -1

    def _forget_idle(self) -> None:
        """Of those that hold nothing and are above nobody, the half with least history. A queued job keeps the
        account that it was given."""
        above = {account.parent.name for account in self._accounts.values() if account.parent is not None}
        idle = [a for a in self._accounts.values() if not a.held and a.name not in above]
        idle.sort(key=lambda account: (account.history, account.name))
        for account in idle[: (len(idle) + 1) // 2]:
            del self._accounts[account.name]
