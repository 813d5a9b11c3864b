"""Membership: which peers live, which of them we reach, and the gossip that tells everybody about everybody.

This is the door of gossip.py (records), liveness.py (how peers look), probing.py (asking them) and local_health.py
(doubting ourselves first). It owns their timers:

- a round every `gossip_interval_us`, with jitter: probes, judgement, gossip with a few peers (the one that is probed in
  turn is among them: question and digest go in one envelope, and so do the answers);
- a try of one lost peer every `dead_gossip_interval_us`, so that healed partitions meet again;
- the timeouts of probes.

All of it is advisory; a wrong view costs a declined offer, never a job.
"""

from __future__ import annotations

from hanse.core.effects import Send
from hanse.core.federation.gossip import Gossip
from hanse.core.federation.inventory import Inventory
from hanse.core.federation.liveness import LivenessChange, Peers, is_reachable, silence_limit_us
from hanse.core.federation.local_health import LocalHealth
from hanse.core.federation.probing import Prober
from hanse.core.messages import (
    GossipDelta,
    GossipDigest,
    Message,
    Probe,
    ProbeAck,
    ProbeRequest,
)
from hanse.core.model.deadlines import NEVER_US, Alarm
from hanse.core.model.randomness import Randomness
from hanse.core.model.regions import Liveness, Member, RegionConfig
from hanse.core.model.time import Now
from hanse.core.replies import MemberView

# Rounds are at most this much quicker than usual.
HASTE = 10


class Membership:
    """How this region sees the members of its roster, and what it says to keep that view fresh.

    Every instant comes in as `now`; on_deadline must be called once `alarm` is due. `inventory` holds the records; this
    region's own goes in through inventory.publish().
    """

    def __init__(self, config: RegionConfig, now: Now, randomness: Randomness) -> None:
        timings = config.timings
        peers = [member.name for member in config.members if member.name != config.name]
        self._config = config
        self._timings = timings
        self._randomness = randomness
        self._started_us = now.mono_us
        self._health = LocalHealth(timings.probe_timeout_us)
        self._peers = Peers(peers, now.mono_us)
        self._prober = Prober(timings, self._peers, self._health, randomness)
        self.inventory = Inventory(config.name, self._peers.by_name)
        self._gossip = Gossip(self.inventory, self._peers, randomness)
        self._silence_limit_us = silence_limit_us(timings, len(config.members))
        # Regions that start together spread out at once.
        self._round_us = now.mono_us + randomness.randrange(timings.gossip_interval_us)
        self._reunion_us = now.mono_us + randomness.randrange(timings.dead_gossip_interval_us)
        self._hints: dict[str, None] = {}
        # No rounds: whoever drives this region brings it the news.
        self._is_resting = False
        self.alarm = Alarm()
        # From when on this region counts as late; unlike the alarm, a hint doesn't move it.
        self._due_us = 0
        self._arm()

    def on_deadline(self, now: Now) -> list[Send]:
        """Do what is due."""
        if now.mono_us < self.alarm.next_us:
            return []
        self._notice_lateness(now)
        sends = self._prober.on_deadline(now)
        sends += self._follow_hints(now)
        if now.mono_us >= self._round_us:
            sends += self._run_round(now)
        if now.mono_us >= self._reunion_us:
            sends += self._try_reunion(now)
        self._arm()
        return sends

    def rest(self) -> None:
        """Hold no more rounds, until `stir` (Region.rest)."""
        self._is_resting = True
        self._round_us = self._reunion_us = NEVER_US
        self._arm()

    def stir(self, now: Now) -> None:
        """Hold rounds again, from now on."""
        if self._is_resting:
            self._is_resting = False
            self._round_us = self._reunion_us = now.mono_us
            self._arm()

    def heard(self, now: Now, peer: str) -> None:
        """Anything arrived from this peer itself: it is alive, and we can reach it."""
        state = self._peers.by_name.get(peer)
        if state is not None:
            if now.mono_us > self._due_us:
                self._notice_lateness(now)
            attentive_us = self._health.attentive_us(now.mono_us)
            came_up = self._peers.on_heard(state, now.mono_us, attentive_us)
            if came_up and self.inventory.get(peer) is None:
                self._hasten_round(now)

    def link_failed(self, now: Now, peer: str) -> None:
        """A hint that messages to this peer don't get through: it is probed at once, but once a round at most."""
        state = self._peers.by_name.get(peer)
        if state is None or state.probe_id:
            return
        if state.probed_us is None or now.mono_us - state.probed_us >= self._timings.gossip_interval_us:
            self._hints[peer] = None
            self.alarm.ring_by(now.mono_us)

    def on_message(self, now: Now, sender: str, message: Message) -> list[Send]:
        """Answer a message of gossip or probing of a sender that was heard()."""
        if sender not in self._peers.by_name:
            return []
        match message:
            case GossipDelta():
                self._on_delta(now, message)
                return []
            case GossipDigest():
                return self._gossip.on_digest(sender, message)
            case Probe():
                return self._prober.on_probe(sender, message)
            case ProbeAck():
                sends = self._prober.on_ack(now, sender, message)
                self._arm()
                return sends
            case ProbeRequest():
                return self._on_request(now, sender, message)
            case _:
                return []

    def liveness(self, peer: str) -> Liveness:
        """How this member looks; UNKNOWN for a stranger, ALIVE for this region itself."""
        if peer == self._config.name:
            return Liveness.ALIVE
        state = self._peers.by_name.get(peer)
        return state.liveness if state is not None else Liveness.UNKNOWN

    def reachable(self, peer: str) -> bool:
        """Whether this peer is alive and nothing says that we can't reach it ourselves."""
        state = self._peers.by_name.get(peer)
        return state is not None and is_reachable(state)

    @property
    def reachability(self) -> int:
        """Grows whenever a peer looks different."""
        return self._peers.version

    def alive_peers(self) -> tuple[str, ...]:
        """Peers of which there are signs of life, direct or through others, in roster order."""
        return self._peers.alive()

    def reachable_peers(self) -> tuple[str, ...]:
        """The alive peers that nothing says we can't reach ourselves, in roster order."""
        return self._peers.reachable()

    def view(self, now: Now) -> tuple[MemberView, ...]:
        """Every member, this region included, in roster order."""
        return tuple(self._view_of(member, now) for member in self._config.members)

    def take_changes(self) -> list[LivenessChange]:
        """How peers came to look different since the last call, in order; for traces."""
        changes = list(self._peers.changes)
        self._peers.changes.clear()
        return changes

    def counters(self) -> dict[str, int]:
        """What was done since the start, by name; for metrics."""
        gossip, probes = self._gossip.counters, self._prober.counters
        return {
            "gossip_rounds": gossip.rounds,
            "gossip_records_sent": gossip.records_sent,
            "gossip_records_advanced": gossip.records_advanced,
            "gossip_records_received": gossip.records_received,
            "gossip_records_of_strangers": self.inventory.strangers,
            "probes_started": probes.started,
            "probes_acked": probes.acked,
            "probes_missed": probes.missed,
            "probes_failed": probes.failed,
            "probes_relayed": probes.relayed,
            "probe_relays_refused": probes.relays_refused,
            "local_health_multiplier": self._health.multiplier,
        }

    def _run_round(self, now: Now) -> list[Send]:
        silence_us = self._silence_limit_us * self._health.multiplier
        dead_after_us = self._timings.dead_after_us * self._health.multiplier
        attentive_us = self._health.attentive_us(now.mono_us)
        for peer in self._peers.lost.values():
            self._peers.judge(peer, now.mono_us, attentive_us, silence_us, dead_after_us)
        self._round_us = now.mono_us + self._jittered(self._timings.gossip_interval_us)
        sends, probed = self._prober.start_round(now, silence_us)
        return sends + self._gossip.start_round(probed)

    def _hasten_round(self, now: Now) -> None:
        """Somebody is there of whom we know nothing: at a start, rounds follow each other quickly until we do."""
        if self._is_resting:
            return
        soon_us = now.mono_us + self._timings.gossip_interval_us // HASTE
        self._round_us = min(self._round_us, soon_us)
        self.alarm.ring_by(soon_us)

    def _try_reunion(self, now: Now) -> list[Send]:
        """The probe comes with it because a digest that differs in nothing has no answer."""
        self._reunion_us = now.mono_us + self._jittered(self._timings.dead_gossip_interval_us)
        peer = self._gossip.draw_lost()
        if peer is None:
            return []
        return [self._gossip.greeting(peer), *self._prober.start(now, peer)]

    def _follow_hints(self, now: Now) -> list[Send]:
        sends: list[Send] = []
        for name in self._hints:
            sends += self._prober.start(now, self._peers.by_name[name])
        self._hints.clear()
        return sends

    def _on_delta(self, now: Now, delta: GossipDelta) -> None:
        """A record that advances here was published by a living region, through whomever it came."""
        advanced = self._gossip.on_delta(now, delta)
        self._peers.on_news(advanced, now.mono_us, self._health.attentive_us(now.mono_us))

    def _on_request(self, now: Now, sender: str, request: ProbeRequest) -> list[Send]:
        if request.target == self._config.name:
            return [Send(sender, ProbeAck(request.id))]
        return self._prober.on_request(now, sender, request)

    def _notice_lateness(self, now: Now) -> None:
        """Called before anything is concluded: if our own deadline is long past, we were deaf, not the others dumb."""
        late_us = now.mono_us - self._due_us
        if late_us > self._timings.probe_timeout_us:
            self._health.on_late(late_us)
            self._prober.on_late(late_us)
            self._due_us = now.mono_us

    def _arm(self) -> None:
        self._due_us = min(self._round_us, self._reunion_us, self._prober.next_deadline())
        self.alarm.ring_at(self._due_us)

    def _jittered(self, interval_us: int) -> int:
        spread_us = interval_us * self._timings.gossip_jitter_permille // 1000
        return interval_us - spread_us + self._randomness.randrange(2 * spread_us + 1)

    def _view_of(self, member: Member, now: Now) -> MemberView:
        record = self.inventory.get(member.name)
        return MemberView(
            member=member,
            liveness=self.liveness(member.name),
            incarnation=record.incarnation if record else 0,
            heard_ago_us=self._heard_ago_us(member.name, now),
            draining=record.draining if record else False,
            protocol_min=record.protocol_min if record else 0,
            protocol_max=record.protocol_max if record else 0,
        )

    def _heard_ago_us(self, name: str, now: Now) -> int:
        """Since anything was heard from or of this member; since the start, if nothing was."""
        state = self._peers.by_name.get(name)
        if state is None:
            return 0
        news_us = self.inventory.heard_mono_us(name)
        return now.mono_us - max(
            self._started_us if instant is None else instant for instant in (state.heard_us, news_us)
        )
