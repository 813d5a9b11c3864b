"""How regions hear of each other's capacity while nothing goes wrong.

Gossip without news is left out. A record that a region publishes reaches all others `gossip_us` later, each as it was
when it was published; what is published within one round comes together, as a round of gossip would bring it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from hanse.core.events import PeerMessages
from hanse.core.federation.room import Rooms
from hanse.core.messages import GossipDelta
from hanse.core.model.limits import OFFER_SHAPES_PER_STEP_MAX
from hanse.core.model.regions import RegionRecord
from hanse.core.model.resources import fits
from hanse.core.model.time import SECOND_US
from hanse.core.region import Region
from hanse.replay.host import Host

# News of this long travel together.
ROUND_US = SECOND_US
PlanCall = Callable[[int, Callable[[], Iterable[Host]]], None]


def _has_use(core: Region, records: list[RegionRecord], rooms: Rooms) -> bool:
    """Whether this region has something for which there is room elsewhere by one of these records, or room for
    something that waits there."""
    local = core.local
    if local.queue.depth:
        shapes = local.waiting_shapes(OFFER_SHAPES_PER_STEP_MAX)
        if any(rooms.of(record, shape) for record in records for shape in shapes):
            return True
    waiting = [queued for record in records for queued in record.queued_shapes]
    if not waiting or not local.may_have_spare:
        return False
    free = local.capacity.free_total()
    return any(fits(queued.resources, free) for queued in waiting)


class News:
    """Carries records between these regions."""

    def __init__(self, hosts: dict[str, Host], gossip_us: int, plan: PlanCall, rooms: Rooms) -> None:
        self._hosts = hosts
        self._gossip_us = gossip_us
        self._plan = plan
        self._rounds: dict[int, dict[str, RegionRecord]] = {}
        self._rooms = rooms
        self.is_on = False
        self.deltas = 0

    def begin(self) -> None:
        """From here on records travel this way. What regions hold of each other is what gossip has brought."""
        self.is_on = len(self._hosts) > 1

    def end(self) -> None:
        """Regions gossip by themselves again."""
        self.is_on = False

    def look(self, host: Host, now_us: int) -> None:
        """The region has taken a step: if it has published something, that is on its way."""
        if not self.is_on:
            return
        assert host.core is not None
        record = host.core.inventory.get(host.name)
        if record is None or record is host.told:
            return
        host.told = record
        arrives_us = -(-(now_us + self._gossip_us) // ROUND_US) * ROUND_US
        news = self._rounds.get(arrives_us)
        if news is None:
            news = self._rounds[arrives_us] = {}
            self._plan(arrives_us, lambda: self._arrive(arrives_us))
        news[host.name] = record

    def _arrive(self, at_us: int) -> list[Host]:
        """To all regions that are up. What a region can make no use of waits until it takes a step anyway."""
        news = self._rounds.pop(at_us)
        touched = []
        for host in self._hosts.values():
            if host.core is None:
                continue
            of_others = {name: record for name, record in news.items() if name != host.name}
            host.unread.update(of_others)
            if of_others and _has_use(host.core, list(of_others.values()), self._rooms):
                touched.append(host)
        return touched

    def read(self, host: Host) -> None:
        """The region is about to take a step: it has heard all that has come."""
        if not host.unread:
            return
        assert host.core is not None
        records, host.unread = host.unread, {}
        teller = self._teller(host, records)
        if teller is None or teller.core is None:
            return
        self.deltas += 1
        envelope = teller.core.envelope(host.name)
        message = GossipDelta(tuple(records.values()))
        host.inbox.insert(0, PeerMessages(envelope=envelope, messages=(message,), cause=teller.name))

    def _teller(self, host: Host, records: dict[str, RegionRecord]) -> Host | None:
        """Anybody may pass records on; their authors are nearest."""
        for name in (*records, *self._hosts):
            peer = self._hosts[name]
            if peer is not host and peer.core is not None:
                return peer
        return None
