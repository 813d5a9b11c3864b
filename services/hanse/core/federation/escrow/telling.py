"""What is told of rights: to the other regions in gossip, to callers whose jobs wait, and to operators."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from hanse.core.account import Account
from hanse.core.federation.escrow.chain import QuotaChain
from hanse.core.federation.escrow.holders import Holder
from hanse.core.federation.escrow.waiting import WaitingRoom
from hanse.core.model.limits import ACCOUNTS_NEWS_MAX, RIGHTS_NEWS_MAX
from hanse.core.model.quota import QuotaKey, Rights
from hanse.core.model.regions import QuotaNews
from hanse.core.replies import Blocker, QuotaBalance

QUOTA = "QUOTA"


def news_of(chain: QuotaChain, accounts: Iterable[Account]) -> QuotaNews | None:
    """For a region's record: what these accounts have, those quotas first of which most is free."""
    if not chain.number:
        return None
    accounts = list(accounts)
    totals: dict[QuotaKey, tuple[int, int]] = {}
    for account in accounts:
        for key in account.balances:
            free, held = totals.get(key, (0, 0))
            totals[key] = (free + account.free(key), held + account.held(key))
    told = sorted((-free, key, held) for key, (free, held) in totals.items() if held)
    return QuotaNews(
        league=chain.league,
        number=chain.number,
        sha256=chain.sha256,
        accounts=tuple((each.name, each.id) for each in accounts if each.id)[:ACCOUNTS_NEWS_MAX],
        rights=tuple((key, -negative, held) for negative, key, held in told[:RIGHTS_NEWS_MAX]),
    )


def blocker_of(holder: Holder, chain: QuotaChain, key: QuotaKey, needed: int) -> Blocker:
    """Why a job that needs so much of this quota has to wait."""
    account, head = holder.account, chain.head
    limit = chain.limits().get(key, 0)
    quota = f"quota {key[0]} {key[1]}"
    if needed > limit:
        return Blocker(code=QUOTA, message=f"{quota}: it needs {needed}, and the limit is {limit}")
    held, used, free = account.held(key), account.used.get(key, 0), account.free(key)
    borrowed = held if head is not None and head.keeper != account.name else 0
    wanted = {region: dict(rights).get(key, 0) for region, rights in holder.asked.items()}
    asked = ", ".join(f"{region} {amount}" for region, amount in wanted.items() if amount) or "nobody yet"
    return Blocker(
        code=QUOTA,
        message=f"{quota}: it needs {needed} of {limit}, and {free} are free in {account.name} "
        f"(held {held}, used {used}, borrowed {borrowed}; asked: {asked})",
    )


def promised_to(others: Sequence[str], needs: Rights) -> Blocker:
    """Why a job waits although what it needs is free: it is kept for others, which are about to start, or nobody has
    looked since it became free."""
    quotas = ", ".join(f"quota {tenant} {resource}" for (tenant, resource), _ in needs)
    if not others:
        return Blocker(code=QUOTA, message=f"{quotas}: what it needs has just become free")
    more = f" and {len(others) - 1} others" if len(others) > 1 else ""
    return Blocker(code=QUOTA, message=f"{quotas}: what is free is kept for {others[0]}{more}")


def balances_of(holder: Holder, room: WaitingRoom) -> Iterator[QuotaBalance]:
    """What an account has of each quota, for operators."""
    account = holder.account
    transit = _sums(rights for _, _, rights in account.undecided())
    asked = _sums(holder.asked.values())
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
            waiting=room.needed(account.name).get(key, 0),
        )


def _sums(all_rights: Iterable[Rights]) -> dict[QuotaKey, int]:
    sums: dict[QuotaKey, int] = {}
    for rights in all_rights:
        for key, amount in rights:
            sums[key] = sums.get(key, 0) + amount
    return sums
