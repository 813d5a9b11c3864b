"""Push-pull gossip: regions tell each other which records they hold, and pass on what the other lacks.

Theory of operation (scuttlebutt; van Renesse et al., "Efficient Reconciliation and Flow Control for Anti-Entropy
Protocols", 2008). One exchange, of which any message may be lost:

    A -> B   digest, wants_reply: the stamps of all that A holds
    B -> A   delta: records that A lacks; and a digest of only those that B lacks, at B's stamps
    A -> B   delta: those records

A message that would be empty isn't sent. Deltas start with the latest news and stay within a size.
"""

from __future__ import annotations

import msgspec

from hanse.core.effects import Send
from hanse.core.federation.inventory import Inventory
from hanse.core.federation.liveness import Link, Peer, Peers, fanout
from hanse.core.messages import GossipDelta, GossipDigest
from hanse.core.model.randomness import Randomness
from hanse.core.model.regions import RegionRecord
from hanse.core.model.time import Now


class GossipCounters(msgspec.Struct):
    """Counted since the start."""

    rounds: int = 0
    records_sent: int = 0
    records_advanced: int = 0
    records_received: int = 0


class Gossip:
    """The exchanges of this region with its peers."""

    def __init__(self, inventory: Inventory, peers: Peers, randomness: Randomness) -> None:
        self._inventory = inventory
        self._peers = peers
        self._randomness = randomness
        self._fanout = fanout(1 + len(peers.by_name))
        self.counters = GossipCounters()

    def start_round(self, probed: Peer | None) -> list[Send]:
        """A digest to a few peers: to the one that is probed, unless it is lost, and to others, drawn in each round."""
        partners = self._peers.partners()
        drawn = self._randomness.sample(partners, min(self._fanout, len(partners)))
        if probed is not None and probed.link is not Link.DOWN:
            others = [name for name in drawn if name != probed.name]
            drawn = [probed.name, *others[: self._fanout - 1]]
        digest = GossipDigest(self._inventory.digest(), True)
        self.counters.rounds += 1
        return [Send(name, digest) for name in drawn]

    def draw_lost(self) -> Peer | None:
        """One of the lost peers, to try whether it is back."""
        lost = self._peers.lost
        return list(lost.values())[self._randomness.randrange(len(lost))] if lost else None

    def greeting(self, peer: Peer) -> Send:
        """A digest for this peer, which makes it an exchange."""
        return Send(peer.name, GossipDigest(self._inventory.digest(), True))

    def on_digest(self, sender: str, digest: GossipDigest) -> list[Send]:
        """Answer with what the other lacks and, if it opened the exchange, ask for what we lack."""
        if not digest.wants_reply:
            return self._delta(sender, self._inventory.newer_than(digest.entries))
        difference = self._inventory.compare(digest.entries)
        sends = self._delta(sender, self._inventory.pack(difference.ahead))
        members = self._peers.by_name
        wanted = [entry for entry in difference.behind if entry[0] in members]
        if wanted:
            sends.append(Send(sender, GossipDigest(tuple(wanted), False)))
        return sends

    def on_delta(self, now: Now, delta: GossipDelta) -> list[str]:
        """Take in what is newer; records of strangers to the roster are dropped. Returns the regions that advanced."""
        advanced = self._inventory.merge(delta.records, now)
        self.counters.records_received += len(delta.records)
        self.counters.records_advanced += len(advanced)
        return advanced

    def _delta(self, to: str, records: tuple[RegionRecord, ...]) -> list[Send]:
        if not records:
            return []
        self.counters.records_sent += len(records)
        return [Send(to, GossipDelta(records))]
