"""How many gossip rounds it takes until every region holds a record that one of them published."""

from __future__ import annotations

from collections.abc import Sequence

from hanse.core.model.time import MILLISECOND_US, SECOND_US
from hanse.sim.host import Host
from hanse.sim.timeline import Timeline

# How exactly is measured: a tenth of a round, with the usual interval.
_LOOK_EVERY_US = 100 * MILLISECOND_US
# At its start a league knows nothing; what is measured is how news spreads in one that knows each other.
_WARM_UP_US = 15 * SECOND_US
_FOLLOWED_MAX = 32


class Convergence:
    """Follows some of the records that are published. `rounds`: how long each took, in gossip intervals; one that is
    overtaken by a newer one counts when that is, or it, has arrived everywhere."""

    def __init__(self, timeline: Timeline, hosts: Sequence[Host]) -> None:
        self.rounds: list[float] = []
        self._timeline = timeline
        self._hosts = hosts
        self._interval_us = hosts[0].config.timings.gossip_interval_us
        self._seen: dict[str, tuple[int, int]] = {}
        # region -> (stamp, when it was published, regions that lack it)
        self._followed: dict[str, tuple[tuple[int, int], int, list[Host]]] = {}

    def begin(self) -> None:
        """Watch from now on."""
        self._timeline.after(_WARM_UP_US, self._look)

    def percentile(self, share: float) -> float:
        """In rounds; 0.0: nothing was measured."""
        ordered = sorted(self.rounds)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0

    def _look(self) -> None:
        now_us = self._timeline.now_us
        for region, (stamp, since_us, lacking) in list(self._followed.items()):
            lacking = [host for host in lacking if not _holds(host, region, stamp)]
            if lacking:
                self._followed[region] = (stamp, since_us, lacking)
            else:
                del self._followed[region]
                self.rounds.append((now_us - since_us) / self._interval_us)
        for host in self._hosts:
            self._follow(host)
        self._timeline.after(_LOOK_EVERY_US, self._look)

    def _follow(self, host: Host) -> None:
        if host.core is None:
            return
        inventory = host.core.inventory
        record = inventory.get(host.name)
        if record is None or record.stamp == self._seen.get(host.name):
            return
        is_new = host.name in self._seen
        self._seen[host.name] = record.stamp
        if is_new and host.name not in self._followed and len(self._followed) < _FOLLOWED_MAX:
            mono_us = inventory.heard_mono_us(host.name)
            assert mono_us is not None
            self._followed[host.name] = (record.stamp, host.clock.world_us(mono_us), list(self._hosts))


def _holds(host: Host, region: str, stamp: tuple[int, int]) -> bool:
    record = host.core.inventory.get(region) if host.core is not None else None
    return record is not None and record.stamp >= stamp
