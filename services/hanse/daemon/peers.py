"""Links to the other regions: what leaves for a peer waits here, and goes out in as few envelopes as possible.

Theory of operation. A link has two lanes, each with a connection of its own (lanes.py). Nearly everything takes the
ordinary one, with a few exchanges in flight. What leases and takeovers rest on (urgency.py) takes the urgent one: after
4 MiB of specs, or a call to a slow peer, a renewal would come too late, and tasks would die for it. The queues are
bounded: when one is full the oldest hints go first, and everything that matters has a timer in the core that sends it
again.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter, deque
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple

from hanse.core import messages as m
from hanse.core.effects import Send
from hanse.core.model import limits
from hanse.core.model.regions import RegionConfig
from hanse.daemon.inbox import Inbox
from hanse.daemon.lanes import Lane, LaneBounds, SendEnvelope, fits
from hanse.daemon.urgency import is_urgent
from hanse.wire.services import ExchangeRequest, Stubs

Said = asyncio.Future[tuple[m.Envelope, Sequence[m.Message]] | None]


class _Receipt(NamedTuple):
    """A receipt that waits for something to take along. `cause`: of the event that its envelope became; empty: what
    follows from it takes more than a step."""

    cause: str
    said: Said


def _say_nothing(said: Said) -> None:
    if not said.done():
        said.set_result(None)


class PeerLink:
    """The way to one peer. `counts` are messages: sent, answered (with a receipt of the peer's own exchange), lost
    (exchange failed), refused (inbox full), dropped (queue full), expired (waited too long)."""

    def __init__(
        self,
        peer: str,
        send: SendEnvelope,
        send_urgent: SendEnvelope,
        inbox: Inbox,
        jitter: random.Random,
    ) -> None:
        self.peer = peer
        self.counts: Counter[str] = Counter()
        ordinary = LaneBounds(
            messages_max=limits.LINK_MESSAGES_MAX,
            exchanges_max=limits.LINK_EXCHANGES_MAX,
            timeout_us=limits.EXCHANGE_TIMEOUT_US,
            backoff_us_max=limits.LINK_BACKOFF_US_MAX,
        )
        urgent = LaneBounds(
            messages_max=limits.LINK_URGENT_MESSAGES_MAX,
            exchanges_max=1,
            timeout_us=limits.URGENT_TIMEOUT_US,
            backoff_us_max=limits.URGENT_BACKOFF_US_MAX,
        )
        # Receipts that wait for something to take along, oldest first.
        self._receipts: deque[_Receipt] = deque()
        self._ordinary = Lane(peer, send, inbox, jitter, ordinary, self.counts)
        self._urgent = Lane(peer, send_urgent, inbox, jitter, urgent, self.counts)

    def __len__(self) -> int:
        return len(self._ordinary) + len(self._urgent)

    @property
    def failing(self) -> bool:
        """Whether the last exchange failed: a hint for whoever would wait for this peer."""
        return self._ordinary.failures > 0

    def post(self, envelope: m.Envelope, messages: Sequence[m.Message]) -> None:
        """Send with a receipt that waits for it, or else when the lane of each is free; never blocks."""
        self._forget_answered()
        if self._receipts and fits(messages):
            self._receipts.popleft().said.set_result((envelope, messages))
            self.counts["answered"] += len(messages)
            return
        urgent = [message for message in messages if is_urgent(message)]
        if urgent:
            self._urgent.post(envelope, urgent)
            messages = [message for message in messages if not is_urgent(message)]
        if messages:
            self._ordinary.post(envelope, messages)

    def answer(self, cause: str, within_s: float) -> Said:
        """What is posted next, if that is in time: the peer is told it with the receipt of an envelope of its own, and
        this region is spared an exchange. None: nothing was. `cause`: see `settle`. Whoever gives up cancels it. As
        many wait as there are calls, and LINK_EXCHANGES_MAX for each conversation."""
        loop = asyncio.get_running_loop()
        said: Said = loop.create_future()
        self._forget_answered()
        self._receipts.append(_Receipt(cause, said))
        loop.call_later(within_s, _say_nothing, said)
        return said

    def settle(self, causes: Collection[str]) -> None:
        """What the step says that took in these events has been posted: their receipts wait for nothing else, and those
        behind them in their conversation don't wait for them."""
        for receipt in self._receipts:
            if receipt.cause in causes:
                _say_nothing(receipt.said)

    def _forget_answered(self) -> None:
        """The oldest first. (Those behind one that still waits are gone when it is: all wait for about as long.)"""
        while self._receipts and self._receipts[0].said.done():
            self._receipts.popleft()

    async def run(self) -> None:
        """Send what waits, for ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._ordinary.run(), name=f"lane:{self.peer}")
            group.create_task(self._urgent.run(), name=f"lane:{self.peer}:urgent")


class Way(NamedTuple):
    """All that leads to one region: the link for messages, and stubs for calls that it must answer."""

    address: str
    link: PeerLink
    stubs: Stubs


class PeerLinks:
    """The ways to all other members, and to those that were members and are told so. They change with the roster."""

    def __init__(self, region: str, inbox: Inbox) -> None:
        self.region = region
        # All members, this region included.
        self.members: tuple[str, ...] = (region,)
        # Whoever takes in what comes back with receipts, and from whom it should be.
        self.hear: Callable[[str, ExchangeRequest], None] = lambda peer, answer: None
        self._inbox = inbox
        self._ways: dict[str, Way] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._group: asyncio.TaskGroup | None = None

    @property
    def links(self) -> dict[str, PeerLink]:
        """By region."""
        return {name: way.link for name, way in self._ways.items()}

    def all(self) -> list[PeerLink]:
        """Every link that there is now."""
        return [way.link for way in self._ways.values()]

    def knows(self, region: str) -> bool:
        """Whether it is or was a member: whether envelopes of it are worth reading."""
        return region in self._ways

    def stubs(self, region: str) -> Stubs | None:
        """For calls to another member; None: it is none."""
        way = self._ways.get(region) if region in self.members else None
        return None if way is None else way.stubs

    def adopt(self, config: RegionConfig) -> None:
        """Open and close ways, so that there is one to each region that this configuration knows, at its address."""
        self.members = tuple(sorted(member.name for member in config.members))
        wanted = {
            member.name: member.peer_address
            for member in (*config.members, *config.former)
            if member.name != self.region
        }
        for name in [name for name, way in self._ways.items() if wanted.get(name) != way.address]:
            self._close(name)
        for name, address in wanted.items():
            if name not in self._ways:
                self._open(name, address)

    def answer(self, region: str, cause: str, within_s: float) -> Said | None:
        """What this region has to say to another one in time (see PeerLink.answer); None: it is no member."""
        way = self._ways.get(region)
        return None if way is None else way.link.answer(cause, within_s)

    def settle(self, heard: Mapping[str, Collection[str]]) -> None:
        """All that follows from these events of peers has been sent (see PeerLink.settle)."""
        for peer, causes in heard.items():
            way = self._ways.get(peer)
            if way is not None:
                way.link.settle(causes)

    def send(self, sends: Sequence[Send], envelopes: dict[str, m.Envelope]) -> None:
        """Post one step's messages, each under the envelope of that step."""
        by_peer: dict[str, list[m.Message]] = {}
        for send in sends:
            by_peer.setdefault(send.to, []).append(send.message)
        for peer, messages in by_peer.items():
            self._ways[peer].link.post(envelopes[peer], messages)

    async def run(self) -> None:
        """Run every link until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                for name in self._ways:
                    self._start(name)
                # Links come and go; this goes on.
                await asyncio.Event().wait()
        finally:
            self._group = None
            self._running.clear()

    async def close(self) -> None:
        """Let go of all connections."""
        for way in self._ways.values():
            await way.stubs.close()

    def _open(self, name: str, address: str) -> None:
        stubs = Stubs(address, lambda answer: self.hear(name, answer))
        link = PeerLink(name, stubs.exchange, stubs.urgent.exchange, self._inbox, random.Random())
        self._ways[name] = Way(address, link, stubs)
        if self._group is not None:
            self._start(name)

    def _start(self, name: str) -> None:
        assert self._group is not None
        self._running[name] = self._group.create_task(self._ways[name].link.run(), name=f"link:{name}")

    def _close(self, name: str) -> None:
        way = self._ways.pop(name)
        running = self._running.pop(name, None)
        if running is not None:
            running.cancel()
        if self._group is not None:
            self._group.create_task(way.stubs.close(), name=f"close:{name}")
