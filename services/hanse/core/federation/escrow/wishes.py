"""Who lacks rights, and who might have some to give. Hints: nothing that must be safe reads them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from hanse.core.account import Party
from hanse.core.messages import RightsAsk
from hanse.core.model.limits import RIGHTS_ASKED_MAX, RIGHTS_WISHES_MAX
from hanse.core.model.quota import QuotaKey, Rights, as_rights
from hanse.core.model.regions import QuotaNews
from hanse.core.model.time import Now

# A wish that is not repeated is remembered for so many times the time after which it would be.
_REMEMBERED_RETRIES = 3


class Wish(msgspec.Struct):
    """What an account asked for, less what it was given since. `since_wall_us`: for how long its first job
    has waited."""

    party: Party
    wants: dict[QuotaKey, int]
    since_wall_us: int
    recall: bool
    until_us: int

    @property
    def order(self) -> tuple[bool, int, str]:
        """Who is served first: what the keeper takes back, then who has waited longest."""
        return (not self.recall, self.since_wall_us, self.party[0])


class Wishes:
    """The newest ask of every account, as long as it stands."""

    def __init__(self, retry_us: int) -> None:
        self._stands_us = _REMEMBERED_RETRIES * retry_us
        self._wishes: dict[str, Wish] = {}

    def __len__(self) -> int:
        return len(self._wishes)

    def take(self, now: Now, ask: RightsAsk) -> None:
        """An account asks."""
        self._wishes.pop(ask.account, None)
        wants = {key: amount for key, amount in ask.wants if amount > 0}
        if wants and len(self._wishes) < RIGHTS_WISHES_MAX:
            until_us = now.mono_us + self._stands_us
            party = (ask.account, ask.account_id)
            self._wishes[ask.account] = Wish(party, wants, ask.since_wall_us, ask.recall, until_us)

    def standing(self, now: Now) -> list[Wish]:
        """In the order in which they are to be served."""
        for name in [name for name, wish in self._wishes.items() if wish.until_us < now.mono_us]:
            del self._wishes[name]
        return sorted(self._wishes.values(), key=lambda wish: wish.order)

    def served(self, wish: Wish, rights: Rights) -> None:
        """So much was given."""
        for key, amount in rights:
            wish.wants[key] -= amount
            if wish.wants[key] <= 0:
                del wish.wants[key]
        if not wish.wants:
            self._wishes.pop(wish.party[0], None)

    def wanted_of(self, key: QuotaKey) -> int:
        """How much of a quota others want."""
        return sum(wish.wants.get(key, 0) for wish in self._wishes.values())


def divide(
    lacking: Rights,
    news: Sequence[tuple[str, QuotaNews | None]],
    others: Sequence[str],
    *,
    recall: bool = False,
) -> dict[str, Rights]:
    """Whom to ask for what: regions that are said to have it free, for no more than that; the rest of everybody in
    `others`, as they have to be asked to know. A recall asks for a share of what they hold."""
    asked: dict[str, dict[QuotaKey, int]] = {}
    for key, amount in lacking:
        told = [(region, *_told(each, key)) for region, each in news]
        left = _ask_holders(asked, key, amount, told, recall=recall)
        for region in others if left > 0 else ():
            wants = asked.setdefault(region, {})
            wants[key] = max(wants.get(key, 0), left)
    return {region: as_rights(wants) for region, wants in asked.items()}


def _ask_holders(
    asked: dict[str, dict[QuotaKey, int]],
    key: QuotaKey,
    amount: int,
    told: Iterable[tuple[str, int, int]],
    *,
    recall: bool,
) -> int:
    """Returns how much is still to be asked for."""
    ranked = sorted(told, key=lambda each: (-(each[2] if recall else each[1]), each[0]))
    for region, free, held in ranked[:RIGHTS_ASKED_MAX]:
        part = min(amount, held if recall else free)
        if part <= 0:
            break
        asked.setdefault(region, {})[key] = part
        amount -= part
    return amount


def _told(news: QuotaNews | None, key: QuotaKey) -> tuple[int, int]:
    """(free, held) of a quota, as this region last said."""
    if news is None:
        return 0, 0
    return next(((free, held) for each, free, held in news.rights if each == key), (0, 0))
