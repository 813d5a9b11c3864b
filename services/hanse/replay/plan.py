"""What a replay is asked for, and the regions that follow from it."""

from __future__ import annotations

import enum
import re

import msgspec

from hanse.core.model.limits import NODES_MAX
from hanse.core.model.regions import Member, RegionConfig, Timings, Topology
from hanse.core.model.time import SECOND_US
from hanse.core.policy.model import DEFAULT_POLICY, Policy
from hanse.replay.errors import ReplayRefused
from hanse.replay.faults import Fault
from hanse.replay.shapes import REGION_LABEL, nodes_of, scaled
from hanse.replay.trace import NodePool, Trace

DAY_US = 86_400 * SECOND_US
# Before the first job comes, regions have this long to find each other.
WARM_UP_US = 60 * SECOND_US
GOSSIP_US_DEFAULT = 30 * SECOND_US
# One way between two regions on one continent.
LINK_US_DEFAULT = 25_000
# In `pooled` mode, the one region that has everything.
POOL = "pool"
# Nothing is renewed that has not changed.
_NO_REFRESH_US = 100 * 366 * DAY_US


class Mode(enum.StrEnum):
    """Who works with whom."""

    FEDERATED = "federated"
    ISOLATED = "isolated"
    POOLED = "pooled"


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """One replay. Instants count from the trace's beginning; statistics are over jobs submitted from `from_us` to
    before `until_us` (none: to the end)."""

    trace: Trace
    name: str = ""
    mode: Mode = Mode.FEDERATED
    policy: Policy = DEFAULT_POLICY
    scale: float = 1.0
    from_us: int = 0
    until_us: int | None = None
    gossip_us: int = GOSSIP_US_DEFAULT
    link_us: int = LINK_US_DEFAULT
    seed: int = 0
    oracle: bool = False
    # Every probe and round of gossip, at thousands of times the cost: to check what quiet gossip leaves out.
    full_gossip: bool = False
    faults: tuple[Fault, ...] = ()

    @property
    def pools(self) -> tuple[NodePool, ...]:
        """All nodes, after scaling."""
        return self.trace.pools if self.scale == 1.0 else scaled(self.trace.pools, self.scale)

    @property
    def end_us(self) -> int:
        """When the window ends."""
        last_us = self.trace.jobs[-1].submit_us + 1 if self.trace.jobs else 1
        return last_us if self.until_us is None else min(self.until_us, last_us)

    def configs(self) -> tuple[RegionConfig, ...]:
        """Of every region that takes part."""
        pools = self.pools
        names = tuple(dict.fromkeys(pool.region for pool in pools))
        if self.mode is Mode.POOLED:
            return (self._config(POOL, (POOL,), pools),)
        together = names if self.mode is Mode.FEDERATED else ()
        return tuple(
            self._config(name, together or (name,), tuple(pool for pool in pools if pool.region == name))
            for name in names
        )

    def _config(self, name: str, members: tuple[str, ...], pools: tuple[NodePool, ...]) -> RegionConfig:
        return RegionConfig(
            name=name,
            cluster_id="replay",
            members=tuple(Member(name=member) for member in members),
            nodes=nodes_of(pools),
            topology=Topology(levels=(REGION_LABEL,)),
            tiers=self.policy.tier_names,
            timings=Timings() if self.full_gossip else Timings(record_refresh_us=_NO_REFRESH_US),
        )


def with_nodes(trace: Trace, changes: str) -> Trace:
    """The trace with more nodes (or fewer: a negative number) of the first pool of these regions: "REGION=N,...".
    Raises ReplayRefused."""
    pools = list(trace.pools)
    for part in filter(None, (each.strip() for each in changes.split(","))):
        region, _, number = part.partition("=")
        at = next((index for index, pool in enumerate(pools) if pool.region == region), None)
        if at is None:
            raise ReplayRefused(f"{part!r}: no region {region!r}; there are {', '.join(trace.regions)}")
        if not re.fullmatch(r"[+-]?[0-9]{1,6}", number):
            raise ReplayRefused(f"{part!r}: write REGION=N, such as eu-west=4 or eu-west=-2")
        count = pools[at].count + int(number)
        if not 1 <= count <= NODES_MAX:
            raise ReplayRefused(f"{part!r}: {region} would have {count} nodes of its first class")
        pools[at] = msgspec.structs.replace(pools[at], count=count)
    return msgspec.structs.replace(trace, pools=tuple(pools))
