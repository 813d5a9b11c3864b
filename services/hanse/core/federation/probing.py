"""Probes: asking a peer directly, and through others, whether it is there.

Theory of operation (SWIM, with Lifeguard's prolonged timeouts). A probe has two stages:

1. ASKED: one direct probe.
2. HELPED, if no ack came within the timeout: a second direct probe, and up to three peers are asked to probe for us;
   twice the timeout, as the way through a helper is twice as long. At its end a peer that was not heard itself is
   unreached, and one of which there was no sign of life at all has failed.

A peer that turns out to live after we missed its ack, be it by an ack that comes later still, counts against our own
health.

Each round probes one peer in turn, round robin over a shuffled list, and out of turn those that give reason for it:
a link that failed, unusual silence, a lost peer that may be back.
"""

from __future__ import annotations

import enum
from itertools import islice

import msgspec

from hanse.core.effects import Send
from hanse.core.federation.liveness import Link, Peer, Peers
from hanse.core.federation.local_health import LocalHealth
from hanse.core.messages import Probe, ProbeAck, ProbeRequest
from hanse.core.model.deadlines import NEVER_US
from hanse.core.model.limits import (
    LOCAL_HEALTH_MULTIPLIER_MAX,
    PROBE_HELPERS_MAX,
    PROBE_RELAYS_MAX,
    PROBES_OUTSTANDING_MAX,
    PROBES_UNANSWERED_MAX,
    PROBES_URGENT_PER_ROUND_MAX,
)
from hanse.core.model.randomness import Randomness
from hanse.core.model.regions import Liveness, Timings
from hanse.core.model.time import Now


class _Stage(enum.Enum):
    ASKED = 1
    HELPED = 2


class _Outstanding(msgspec.Struct):
    """A probe of ours. `started_us` and `until_us` are mono, `attentive_us` is the start on the attentive clock.
    `missed`: no ack came in time from a peer that was not lost until then."""

    id: int
    peer: Peer
    started_us: int
    attentive_us: int
    until_us: int
    stage: _Stage = _Stage.ASKED
    missed: bool = False


class _Relay(msgspec.Struct, frozen=True):
    """A probe that we make for another region, which called it `id`."""

    target: str
    requester: str
    id: int
    until_us: int


class ProbeCounters(msgspec.Struct):
    """Counted since the start."""

    started: int = 0
    acked: int = 0
    missed: int = 0
    failed: int = 0
    relayed: int = 0
    relays_refused: int = 0


class Prober:
    """Starts probes, answers those of others, and tells `peers` and `health` how ours ended."""

    def __init__(self, timings: Timings, peers: Peers, health: LocalHealth, randomness: Randomness) -> None:
        self._timings = timings
        self._peers = peers
        self._health = health
        self._randomness = randomness
        self._last_id = 0
        self._outstanding: dict[int, _Outstanding] = {}
        # Targets of probes that ended without an ack: one that comes later tells something about us.
        self._unanswered: dict[int, str] = {}
        self._relays: dict[int, _Relay] = {}
        self._turn: list[str] = []
        self.counters = ProbeCounters()

    def next_deadline(self) -> int:
        """When the next stage of a probe ends, in mono microseconds; NEVER_US if none is under way."""
        return min([probe.until_us for probe in self._outstanding.values()], default=NEVER_US)

    def start(self, now: Now, peer: Peer) -> list[Send]:
        """Probe this peer, unless a probe of it is under way or too many are."""
        if peer.probe_id or len(self._outstanding) >= PROBES_OUTSTANDING_MAX:
            return []
        id = peer.probe_id = self._next_id()
        peer.probed_us = now.mono_us
        attentive_us = self._health.attentive_us(now.mono_us)
        until_us = now.mono_us + self._timeout_us()
        self._outstanding[id] = _Outstanding(id, peer, now.mono_us, attentive_us, until_us)
        self.counters.started += 1
        return [Send(peer.name, Probe(id))]

    def start_round(self, now: Now, silence_us: int) -> tuple[list[Send], Peer | None]:
        """One peer in turn, which is returned too, and those that give reason to be probed out of turn."""
        sends: list[Send] = []
        for peer in islice(self._suspicious(now, silence_us), PROBES_URGENT_PER_ROUND_MAX):
            sends += self.start(now, peer)
        peer_in_turn = self._next_in_turn()
        if peer_in_turn is not None:
            sends += self.start(now, peer_in_turn)
        return sends, peer_in_turn

    def on_probe(self, sender: str, probe: Probe) -> list[Send]:
        """We are here."""
        return [Send(sender, ProbeAck(probe.id))]

    def on_request(self, now: Now, sender: str, request: ProbeRequest) -> list[Send]:
        """Probe the target on the sender's behalf, if it is a peer of ours and we don't do too much of this already."""
        self._forget_relays(now)
        if request.target not in self._peers.by_name or len(self._relays) >= PROBE_RELAYS_MAX:
            self.counters.relays_refused += 1
            return []
        until_us = now.mono_us + self._timings.probe_timeout_us * LOCAL_HEALTH_MULTIPLIER_MAX
        id = self._next_id()
        self._relays[id] = _Relay(request.target, sender, request.id, until_us)
        self.counters.relayed += 1
        return [Send(request.target, Probe(id))]

    def on_ack(self, now: Now, sender: str, ack: ProbeAck) -> list[Send]:
        """An answer to our probe, from the peer itself or through a helper, or to one that we made for another."""
        relay = self._relays.get(ack.id)
        if relay is not None and relay.target == sender:
            del self._relays[ack.id]
            return [Send(relay.requester, ProbeAck(relay.id))]
        probe = self._outstanding.get(ack.id)
        if probe is not None:
            self._on_own_ack(now, sender, probe)
        elif self._unanswered.get(ack.id) == sender:
            del self._unanswered[ack.id]
            self._health.on_missed_ack()
        return []

    def on_deadline(self, now: Now) -> list[Send]:
        """Every probe whose stage has ended goes on to the next, or comes to its conclusion."""
        sends: list[Send] = []
        for probe in [p for p in self._outstanding.values() if p.until_us <= now.mono_us]:
            match probe.stage:
                case _Stage.ASKED:
                    sends += self._on_missed(now, probe)
                case _Stage.HELPED:
                    self._on_unanswered(now, probe)
        return sends

    def on_late(self, late_us: int) -> None:
        """We were deaf for so long: probes under way get that time back."""
        for probe in self._outstanding.values():
            probe.until_us += late_us

    def _on_own_ack(self, now: Now, sender: str, probe: _Outstanding) -> None:
        if probe.stage is _Stage.HELPED:
            self._doubt_ourselves(probe)
        if probe.peer.name == sender:
            self._end(probe)
            self.counters.acked += 1
            if probe.stage is _Stage.ASKED:
                self._health.on_timely_ack()
        elif probe.stage is _Stage.HELPED:
            self._peers.on_news((probe.peer.name,), now.mono_us, self._health.attentive_us(now.mono_us))

    def _doubt_ourselves(self, probe: _Outstanding) -> None:
        """The peer lives, and its ack was missed: counted once a probe."""
        if probe.missed:
            probe.missed = False
            self._health.on_missed_ack()

    def _on_missed(self, now: Now, probe: _Outstanding) -> list[Send]:
        self.counters.missed += 1
        probe.missed = probe.peer.link is not Link.DOWN
        if self._heard_since(probe):
            self._doubt_ourselves(probe)
            self._end(probe)
            return []
        probe.stage = _Stage.HELPED
        probe.until_us = now.mono_us + 2 * self._timeout_us()
        target = probe.peer.name
        helpers = [name for name in self._helpers() if name != target][:PROBE_HELPERS_MAX]
        return [
            Send(target, Probe(probe.id)),
            *(Send(helper, ProbeRequest(probe.id, target)) for helper in helpers),
        ]

    def _on_unanswered(self, now: Now, probe: _Outstanding) -> None:
        self._end(probe)
        if self._heard_since(probe):
            self._doubt_ourselves(probe)
            return
        if probe.missed:
            self._remember_unanswered(probe)
            if self._peers.last_heard_us <= probe.started_us:
                self._health.on_nobody_heard()
        self._peers.on_unreached(probe.peer, now.mono_us)
        if probe.peer.sign_us <= probe.attentive_us:
            self.counters.failed += 1
            self._peers.on_failed(probe.peer)

    def _remember_unanswered(self, probe: _Outstanding) -> None:
        self._unanswered[probe.id] = probe.peer.name
        if len(self._unanswered) > PROBES_UNANSWERED_MAX:
            del self._unanswered[next(iter(self._unanswered))]

    def _end(self, probe: _Outstanding) -> None:
        del self._outstanding[probe.id]
        probe.peer.probe_id = 0

    def _heard_since(self, probe: _Outstanding) -> bool:
        return probe.peer.heard_us is not None and probe.peer.heard_us > probe.started_us

    def _helpers(self) -> list[str]:
        """One more than needed, as the target may be among them."""
        reachable = self._peers.reachable()
        return self._randomness.sample(reachable, min(PROBE_HELPERS_MAX + 1, len(reachable)))

    def _suspicious(self, now: Now, silence_us: int) -> list[Peer]:
        """Peers to probe out of turn: the silent ones, and lost ones that may be back. The dead have their own time."""
        silent_since_us = self._health.attentive_us(now.mono_us) - silence_us
        again_us = now.mono_us - self._timings.suspect_after_us
        silent = [
            p for p in self._peers.silent_since(silent_since_us) if p.link is not Link.DOWN and not p.probe_id
        ]
        lost = [
            p
            for p in self._peers.lost.values()
            if p.liveness is not Liveness.DEAD
            and not p.probe_id
            and (p.probed_us is None or p.probed_us <= again_us)
        ]
        return silent + lost

    def _next_in_turn(self) -> Peer | None:
        """The next of the shuffled list that is neither dead nor just being probed; None: there is none left."""
        for _ in range(2):
            while self._turn:
                peer = self._peers.by_name[self._turn.pop()]
                if peer.liveness is not Liveness.DEAD and not peer.probe_id:
                    return peer
            self._turn = list(self._peers.by_name)
            self._randomness.shuffle(self._turn)
        return None

    def _timeout_us(self) -> int:
        return self._timings.probe_timeout_us * self._health.multiplier

    def _forget_relays(self, now: Now) -> None:
        """The oldest come first, and all have the same lifetime."""
        while self._relays:
            id, relay = next(iter(self._relays.items()))
            if relay.until_us > now.mono_us:
                return
            del self._relays[id]

    def _next_id(self) -> int:
        self._last_id += 1
        return self._last_id
