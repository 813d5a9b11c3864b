"""Who leads the shard of a region, as far as gossip has told: whom to ask for adoptable jobs whose home is gone.

A hint, as all of gossip: the region that is asked knows whether it leads, and whoever reads of two regions that say so
believes the larger term.
"""

from __future__ import annotations

import msgspec

from hanse.core.events import Ask, Question
from hanse.core.model import limits
from hanse.core.model.errors import EnvironmentFault
from hanse.core.model.regions import RegionRecord
from hanse.daemon.clock import mono_us
from hanse.daemon.runtime import Runtime


class _Claim(msgspec.Struct, frozen=True, order=True):
    """A region says that it leads a shard in this term."""

    term: int
    region: str


class Leaders:
    """See the module's docstring. What was read stands for a moment, so that many calls ask the core once."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._claims: dict[str, _Claim] = {}
        self._read_mono_us: int | None = None

    @property
    def exist(self) -> bool:
        """Whether there are shards at all in this federation."""
        return bool(self._runtime.region.groups)

    async def of(self, home: str) -> str:
        """The region that leads the shard of this home; empty: none is known."""
        if not self.exist:
            return ""
        await self._read()
        claim = self._claims.get(home)
        return claim.region if claim is not None else ""

    def is_lost(self, home: str) -> bool:
        """Whether this region was declared lost: whoever has a `wait` job of it answers for that job."""
        return home in self._runtime.region.lost

    def keep(self, home: str) -> bool:
        """Whether anybody keeps this home's adoptable jobs; perhaps it is not in the roster any more."""
        return any(group.shard == home for group in self._runtime.region.groups)

    async def homes(self) -> tuple[str, ...]:
        """Those whose shards are led."""
        if not self.exist:
            return ()
        await self._read()
        return tuple(self._claims)

    async def other_than(self, home: str) -> str:
        """As `of`, but empty while the home leads its own shard."""
        leader = await self.of(home)
        return leader if leader != home else ""

    async def leads_itself(self, home: str) -> bool:
        """Whether the home has all of its jobs: it leads its shard, or there is none. A home that has lost its disk
        leads nothing for a while, and knows no job of what it had."""
        return not self.guardians(home) or await self.of(home) == home

    def guardians(self, home: str) -> tuple[str, ...]:
        """Who has copies of the shard of this home, besides the home, in rank order."""
        groups = self._runtime.region.groups
        group = next((group for group in groups if group.shard == home), None)
        return group.members[1:] if group is not None else ()

    async def _read(self) -> None:
        now_us = mono_us()
        if self._read_mono_us is not None and now_us - self._read_mono_us < limits.LEADERS_AGE_US_MAX:
            return
        try:
            records = await self._runtime.ask(
                tuple, lambda number: Ask(request_id=number, question=Question.INVENTORY)
            )
        except EnvironmentFault:
            # The region is being rebuilt, or has too much to do: what was known before is the best there is.
            return
        self._read_mono_us = now_us
        self._claims = claims(records)


def claims(records: tuple[RegionRecord, ...]) -> dict[str, _Claim]:
    """For each shard that anybody leads, the claim with the largest term."""
    found: dict[str, _Claim] = {}
    for record in records:
        for shard, term in record.leads:
            claim = _Claim(term, record.region)
            found[shard] = max(found.get(shard, claim), claim)
    return found
