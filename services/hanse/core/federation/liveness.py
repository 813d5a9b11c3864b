"""How peers look from here. Advisory: nothing that must be safe reads it.

Theory of operation. Two facts about each peer are kept apart:

- Liveness: is it alive at all? Anything heard from it says so, and so does news of it that came through others.
- Link: can *we* reach it? Only its own voice says so. Routing wants to know this one.

A peer is accused (SUSPECT) if every way to probe it failed and nothing was heard of it for the silence limit; it is
DEAD after `dead_after_us` more of silence. Any sign of life takes all of that back at once.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Iterable

import msgspec

from hanse.core.model.limits import (
    GOSSIP_FANOUT,
    GOSSIP_FANOUT_LARGE,
    GOSSIP_LARGE_MEMBERS,
    LIVENESS_CHANGES_MAX,
)
from hanse.core.model.regions import Liveness, Timings


class Evidence(enum.Enum):
    """What changes a peer's liveness."""

    SIGN = "something was heard from it, or news of it through others"
    ACCUSED = "all probes failed, and it was silent for the silence limit"
    EXPIRED = "suspected for dead_after, and still silent"


# Absent: can't happen.
TRANSITIONS = {
    (Liveness.UNKNOWN, Evidence.SIGN): Liveness.ALIVE,
    (Liveness.UNKNOWN, Evidence.ACCUSED): Liveness.SUSPECT,
    (Liveness.ALIVE, Evidence.SIGN): Liveness.ALIVE,
    (Liveness.ALIVE, Evidence.ACCUSED): Liveness.SUSPECT,
    (Liveness.SUSPECT, Evidence.SIGN): Liveness.ALIVE,
    (Liveness.SUSPECT, Evidence.EXPIRED): Liveness.DEAD,
    (Liveness.DEAD, Evidence.SIGN): Liveness.ALIVE,
}


class Link(enum.Enum):
    """Whether this region can reach a peer directly."""

    UNTRIED = "nothing was heard from it yet, and no probe of it failed"
    UP = "heard from it, and no probe of it failed since"
    DOWN = "it did not answer two probes in a row"


class LivenessChange(msgspec.Struct, frozen=True, kw_only=True):
    """A peer looks different from here, since `mono_us`."""

    peer: str
    before: Liveness
    after: Liveness
    link: Link
    mono_us: int


class Peer:
    """What is known of one peer. `sign_us` and `suspected_us` are on the attentive clock, the others on mono."""

    __slots__ = (
        "failed",
        "heard_us",
        "link",
        "liveness",
        "name",
        "probe_id",
        "probed_us",
        "sign_us",
        "suspected_us",
    )

    def __init__(self, name: str, attentive_us: int) -> None:
        self.name = name
        self.liveness = Liveness.UNKNOWN
        self.link = Link.UNTRIED
        # Newest direct message; None: none yet.
        self.heard_us: int | None = None
        # Newest sign of life of any kind; at first the start, so that a peer that never speaks is silent from then on.
        self.sign_us = attentive_us
        self.suspected_us = 0
        # All ways to probe it failed, and there was no sign since.
        self.failed = False
        # The probe under way; 0: none.
        self.probe_id = 0
        self.probed_us: int | None = None


class Peers:
    """All peers of the roster with what is known of them. Lists are in the order of `names` and made once a change."""

    def __init__(self, names: Iterable[str], attentive_us: int) -> None:
        self.by_name = {name: Peer(name, attentive_us) for name in names}
        # The same, those of which there was no sign of life for longest come first.
        self.by_silence = dict(self.by_name)
        # Those whose link is DOWN; SUSPECT and DEAD peers are always among them.
        self.lost: dict[str, Peer] = {}
        # When any of them was heard last, in mono microseconds.
        self.last_heard_us = 0
        # Grows with every change of a peer's liveness or link.
        self.version = 0
        self.changes: deque[LivenessChange] = deque(maxlen=LIVENESS_CHANGES_MAX)
        self._alive: tuple[str, ...] | None = None
        self._reachable: tuple[str, ...] | None = None
        self._partners: tuple[str, ...] | None = None

    def alive(self) -> tuple[str, ...]:
        """Peers of which there are signs of life, direct or through others."""
        if self._alive is None:
            self._alive = tuple(p.name for p in self.by_name.values() if p.liveness is Liveness.ALIVE)
        return self._alive

    def reachable(self) -> tuple[str, ...]:
        """Peers that are alive and that nothing says we can't reach."""
        if self._reachable is None:
            self._reachable = tuple(p.name for p in self.by_name.values() if is_reachable(p))
        return self._reachable

    def partners(self) -> tuple[str, ...]:
        """Peers to gossip with: all but the lost, so that those never heard of yet are tried as well."""
        if self._partners is None:
            self._partners = tuple(p.name for p in self.by_name.values() if p.link is not Link.DOWN)
        return self._partners

    def on_heard(self, peer: Peer, mono_us: int, attentive_us: int) -> bool:
        """A message of this peer itself arrived: it lives, and we can reach it. Returns whether the link came up."""
        peer.heard_us = self.last_heard_us = mono_us
        peer.sign_us = attentive_us
        self.by_silence[peer.name] = self.by_silence.pop(peer.name)
        came_up = peer.link is not Link.UP
        if came_up:
            if self.lost.pop(peer.name, None) is not None:
                self._partners = None
            peer.failed = False
            peer.link = Link.UP
            self._change(peer, TRANSITIONS[peer.liveness, Evidence.SIGN], mono_us)
        return came_up

    def on_news(self, names: Iterable[str], mono_us: int, attentive_us: int) -> None:
        """Signs of life came through others: these peers live, which says nothing about our links to them."""
        by_silence = self.by_silence
        for name in names:
            peer = by_silence[name] = by_silence.pop(name)
            peer.sign_us = attentive_us
            peer.failed = False
            if peer.liveness is not Liveness.ALIVE:
                self._change(peer, TRANSITIONS[peer.liveness, Evidence.SIGN], mono_us)

    def on_unreached(self, peer: Peer, mono_us: int) -> None:
        """It did not answer us, twice."""
        if peer.link is not Link.DOWN:
            peer.link = Link.DOWN
            self.lost[peer.name] = peer
            self._partners = None
            self._change(peer, peer.liveness, mono_us)

    def on_failed(self, peer: Peer) -> None:
        """It answered nobody who was asked to probe it, and there was no other sign of it meanwhile."""
        assert peer.link is Link.DOWN
        peer.failed = True

    def judge(self, peer: Peer, mono_us: int, attentive_us: int, silence_us: int, dead_after_us: int) -> None:
        """Accuse a peer that failed its probes and was silent for `silence_us`; dead after `dead_after_us` more."""
        if not peer.failed:
            return
        match peer.liveness:
            case Liveness.UNKNOWN | Liveness.ALIVE:
                if attentive_us - peer.sign_us >= silence_us:
                    peer.suspected_us = attentive_us
                    self._change(peer, TRANSITIONS[peer.liveness, Evidence.ACCUSED], mono_us)
            case Liveness.SUSPECT:
                if attentive_us - peer.suspected_us >= dead_after_us:
                    self._change(peer, TRANSITIONS[peer.liveness, Evidence.EXPIRED], mono_us)
            case Liveness.DEAD:
                pass

    def silent_since(self, attentive_us: int) -> list[Peer]:
        """Peers of which there was no sign of life since then."""
        silent = []
        for peer in self.by_silence.values():
            if peer.sign_us > attentive_us:
                break
            silent.append(peer)
        return silent

    def _change(self, peer: Peer, after: Liveness, mono_us: int) -> None:
        change = LivenessChange(
            peer=peer.name, before=peer.liveness, after=after, link=peer.link, mono_us=mono_us
        )
        self.changes.append(change)
        self.version += 1
        peer.liveness = after
        self._alive = self._reachable = None


def is_reachable(peer: Peer) -> bool:
    """Alive, and nothing says that our own link to it is broken."""
    return peer.liveness is Liveness.ALIVE and peer.link is not Link.DOWN


def fanout(members: int) -> int:
    """How many peers to gossip with in each round."""
    return GOSSIP_FANOUT if members <= GOSSIP_LARGE_MEMBERS else GOSSIP_FANOUT_LARGE


def silence_limit_us(timings: Timings, members: int) -> int:
    """How long a living peer may be silent before it is worth a probe: `suspect_after_us` more than is usual.

    Usual is the time in which gossip, both ways, touches each pair once, or the one in which each record is renewed.
    """
    pairwise_us = timings.gossip_interval_us * -(-(members - 1) // (2 * fanout(members)))
    return timings.suspect_after_us + min(pairwise_us, timings.record_refresh_us)
