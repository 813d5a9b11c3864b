"""Links to the other regions: what leaves for a peer waits here, and goes out in as few envelopes as possible.

Theory of operation. A link has two lanes, each with one exchange in flight and a connection of its own (lanes.py).
Nearly everything takes the ordinary one. What leases and takeovers rest on (urgency.py) takes the urgent one: behind
4 MiB of specs, or a call to a slow peer, a renewal would come too late, and tasks would die for it. The queues are
bounded: when one is full the oldest hints go first, and everything that matters has a timer in the core that sends it
again.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Sequence

from hanse.core import messages as m
from hanse.core.effects import Send
from hanse.core.model import limits
from hanse.daemon.inbox import Inbox
from hanse.daemon.lanes import Lane, LaneBounds, SendEnvelope
from hanse.daemon.urgency import is_urgent


class PeerLink:
    """The way to one peer. `counts` are messages: sent, lost (exchange failed), refused (inbox full), dropped (queue
    full), expired (waited too long)."""

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
            timeout_us=limits.EXCHANGE_TIMEOUT_US,
            backoff_us_max=limits.LINK_BACKOFF_US_MAX,
        )
        urgent = LaneBounds(
            messages_max=limits.LINK_URGENT_MESSAGES_MAX,
            timeout_us=limits.URGENT_TIMEOUT_US,
            backoff_us_max=limits.URGENT_BACKOFF_US_MAX,
        )
        self._ordinary = Lane(peer, send, inbox, jitter, ordinary, self.counts)
        self._urgent = Lane(peer, send_urgent, inbox, jitter, urgent, self.counts)

    def __len__(self) -> int:
        return len(self._ordinary) + len(self._urgent)

    @property
    def failing(self) -> bool:
        """Whether the last exchange failed: a hint for whoever would wait for this peer."""
        return self._ordinary.failures > 0

    def post(self, envelope: m.Envelope, messages: Sequence[m.Message]) -> None:
        """Send when the lane of each is free; never blocks."""
        urgent = [message for message in messages if is_urgent(message)]
        if urgent:
            self._urgent.post(envelope, urgent)
            messages = [message for message in messages if not is_urgent(message)]
        if messages:
            self._ordinary.post(envelope, messages)

    async def run(self) -> None:
        """Send what waits, for ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._ordinary.run(), name=f"lane:{self.peer}")
            group.create_task(self._urgent.run(), name=f"lane:{self.peer}:urgent")


class PeerLinks:
    """The links to all other members."""

    def __init__(self, links: dict[str, PeerLink]) -> None:
        self.links = links

    def send(self, sends: Sequence[Send], envelopes: dict[str, m.Envelope]) -> None:
        """Post one step's messages, each under the envelope of that step."""
        by_peer: dict[str, list[m.Message]] = {}
        for send in sends:
            by_peer.setdefault(send.to, []).append(send.message)
        for peer, messages in by_peer.items():
            self.links[peer].post(envelopes[peer], messages)

    async def run(self) -> None:
        """Run every link until cancelled."""
        async with asyncio.TaskGroup() as group:
            for peer, link in self.links.items():
                group.create_task(link.run(), name=f"link:{peer}")
