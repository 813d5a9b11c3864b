"""Links to the other regions: what leaves for a peer waits here, and goes out in as few envelopes as possible.

Theory of operation. One exchange per peer is in flight; what comes meanwhile waits and goes together. That is where
batching comes from, and it bounds what a slow peer costs. The queue is bounded: when it is full the oldest hints go
first, and everything that matters has a timer in the core that sends it again. So a failed exchange is not repeated
here: its messages are lost, the core is told that the link failed, and the link pauses for longer each time.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Sequence
from itertools import groupby
from typing import NamedTuple

import grpc
import structlog

from hanse.core import messages as m
from hanse.core.effects import Send
from hanse.core.events import PeerUnreachable
from hanse.core.model import limits
from hanse.daemon.clock import mono_us
from hanse.daemon.inbox import Inbox
from hanse.wire.peers import encode_exchange, size_hint
from hanse.wire.services import ExchangeRequest

log = structlog.get_logger()

# Returns whether the peer took the envelope in. Raises grpc.aio.AioRpcError.
SendEnvelope = Callable[[ExchangeRequest], Awaitable[bool]]

# What a full queue lets go of first: the newest of them says the same, or the core asks again within a second.
HINTS = (
    m.GossipDigest,
    m.GossipDelta,
    m.Probe,
    m.ProbeAck,
    m.ProbeRequest,
    m.Solicit,
    m.Offer,
    m.OfferAnswer,
    m.Release,
    m.Locate,
    m.Located,
    m.Status,
)


class _Waiting(NamedTuple):
    """A message with the envelope under which it was made, and when."""

    envelope: m.Envelope
    message: m.Message
    since_mono_us: int


class PeerLink:
    """The way to one peer. `counts` are messages: sent, lost (exchange failed), refused (inbox full), dropped (queue
    full), expired (waited too long)."""

    def __init__(self, peer: str, send: SendEnvelope, inbox: Inbox, jitter: random.Random) -> None:
        self.peer = peer
        self._send = send
        self._inbox = inbox
        self._jitter = jitter
        # Hints and the rest apart, so that a full queue finds the oldest hint at once.
        self._hints: deque[_Waiting] = deque()
        self._vital: deque[_Waiting] = deque()
        self._wanted = asyncio.Event()
        self._failures = 0
        self.counts: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._hints) + len(self._vital)

    @property
    def failing(self) -> bool:
        """Whether the last exchange failed: a hint for whoever would wait for this peer."""
        return self._failures > 0

    def post(self, envelope: m.Envelope, messages: Sequence[m.Message]) -> None:
        """Send when the link is free; never blocks."""
        now_us = mono_us()
        for message in messages:
            queue = self._hints if isinstance(message, HINTS) else self._vital
            queue.append(_Waiting(envelope, message, now_us))
        while len(self) > limits.LINK_MESSAGES_MAX:
            (self._hints or self._vital).popleft()
            self.counts["dropped"] += 1
        self._wanted.set()

    async def run(self) -> None:
        """Send what waits, for ever."""
        while True:
            await self._wanted.wait()
            batch = self._take()
            if not batch:
                self._wanted.clear()
                continue
            for envelope, messages in batch:
                if not await self._exchange(envelope, messages):
                    await asyncio.sleep(self._pause_s())

    # --- taking ---------------------------------------------------------------------------------------------------

    def _take(self) -> list[tuple[m.Envelope, list[m.Message]]]:
        """As much as one envelope may hold. More than one only where a new session began between two messages."""
        taken: list[_Waiting] = []
        bytes_left = limits.ENVELOPE_BYTES_MAX
        expired_us = mono_us() - limits.LINK_MESSAGE_AGE_US_MAX
        for queue in (self._vital, self._hints):
            while queue and len(taken) < limits.ENVELOPE_MESSAGES_MAX:
                if queue[0].since_mono_us < expired_us:
                    queue.popleft()
                    self.counts["expired"] += 1
                    continue
                bytes_left -= size_hint(queue[0].message)
                if bytes_left < 0 and taken:
                    break
                taken.append(queue.popleft())
        taken.sort(key=lambda waiting: waiting.since_mono_us)
        return [_merged(list(group)) for _, group in groupby(taken, _session)]

    # --- sending --------------------------------------------------------------------------------------------------

    async def _exchange(self, envelope: m.Envelope, messages: list[m.Message]) -> bool:
        request = encode_exchange(envelope, messages, limits.EXCHANGE_TIMEOUT_US // 1_000)
        try:
            taken = await self._send(request)
        except grpc.aio.AioRpcError as error:
            self._failed(error, len(messages))
            return False
        if not taken:
            # Its inbox is full: what is lost is sent again by the core, later.
            self.counts["refused"] += len(messages)
            self._failures += 1
            return False
        if self._failures:
            log.info("peer.reached", peer=self.peer, failures=self._failures)
        self._failures = 0
        self.counts["sent"] += len(messages)
        self.counts["envelopes"] += 1
        return True

    def _failed(self, error: grpc.aio.AioRpcError, messages: int) -> None:
        self.counts["lost"] += messages
        if not self._failures:
            log.warning("peer.unreachable", peer=self.peer, status=error.code().name, detail=error.details())
        self._failures += 1
        # A hint: a full inbox may do without it, the core notices the silence by itself.
        self._inbox.offer(PeerUnreachable(peer=self.peer, cause=f"link:{self.peer}"))

    def _pause_s(self) -> float:
        """Doubling from LINK_BACKOFF_US_MIN, and half of it random, so that peers don't come back in step."""
        doubled = limits.LINK_BACKOFF_US_MIN << min(self._failures - 1, 16)
        pause_us = min(doubled, limits.LINK_BACKOFF_US_MAX)
        return pause_us * (0.5 + self._jitter.random() / 2) / 1e6


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


def _session(waiting: _Waiting) -> tuple[int, int]:
    return waiting.envelope.sender_nonce, waiting.envelope.receiver_nonce


def _merged(waiting: list[_Waiting]) -> tuple[m.Envelope, list[m.Message]]:
    """The newest envelope stands for all of its session: it knows most of the receiver's position."""
    return waiting[-1].envelope, [each.message for each in waiting]
