"""One lane of a link: what waits for a peer, in order, and the few exchanges that are in flight.

While as many are in flight as may be, what comes waits and goes together: that bounds what a slow peer costs. A failed
exchange is not repeated here: its messages are lost, the core is told that the link failed, and the lane pauses for
longer each time.

A peer that will have something to say at once (is_answered) may say it with its receipt, which waits some milliseconds
for that. It spares it an exchange of its own, and both of them most of what a call costs.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Sequence
from itertools import groupby
from typing import NamedTuple

import grpc
import msgspec
import structlog

from hanse.core import messages as m
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


# What follows from these is awaited with the receipt.
_ANSWERED = (m.Offer, m.Commit, m.Withdraw, m.Append, m.Renew, m.Prepare)


class LaneBounds(msgspec.Struct, frozen=True, kw_only=True):
    """Of one lane: messages that wait, exchanges in flight, how long one may take, and the longest pause after failed
    ones."""

    messages_max: int
    exchanges_max: int
    timeout_us: int
    backoff_us_max: int


class _Waiting(NamedTuple):
    """A message with the envelope under which it was made, and when."""

    envelope: m.Envelope
    message: m.Message
    since_mono_us: int


class Lane:
    """See the module's docstring. `counts` are messages by outcome, shared by the lanes of a link."""

    def __init__(
        self,
        peer: str,
        send: SendEnvelope,
        inbox: Inbox,
        jitter: random.Random,
        bounds: LaneBounds,
        counts: Counter[str],
    ) -> None:
        self.peer = peer
        self.failures = 0
        self._send = send
        self._inbox = inbox
        self._jitter = jitter
        self._bounds = bounds
        self._counts = counts
        # Hints and the rest apart, so that a full queue finds the oldest hint at once.
        self._hints: deque[_Waiting] = deque()
        self._vital: deque[_Waiting] = deque()
        self._wanted = asyncio.Event()
        self._free = asyncio.Semaphore(bounds.exchanges_max)
        # After a failure nothing is sent until then; what is in flight at that time may fail for the same cause.
        self._pause_until_s = 0.0

    def __len__(self) -> int:
        return len(self._hints) + len(self._vital)

    def post(self, envelope: m.Envelope, messages: Sequence[m.Message]) -> None:
        """Send when the lane is free; never blocks."""
        now_us = mono_us()
        for message in messages:
            queue = self._hints if is_hint(message) else self._vital
            queue.append(_Waiting(envelope, message, now_us))
        while len(self) > self._bounds.messages_max:
            (self._hints or self._vital).popleft()
            self._counts["dropped"] += 1
        self._wanted.set()

    async def run(self) -> None:
        """Send what waits, for ever."""
        async with asyncio.TaskGroup() as group:
            while True:
                await self._wanted.wait()
                # What comes until there is room goes along.
                await self._wait_for_room()
                self._free.release()
                batch = self.take()
                if not batch:
                    self._wanted.clear()
                for envelope, messages in batch:
                    await self._wait_for_room()
                    group.create_task(self._carry(envelope, messages), name=f"exchange:{self.peer}")

    async def _wait_for_room(self) -> None:
        """Until another exchange may begin, which takes one of the places."""
        await self._free.acquire()
        pause_s = self._pause_until_s - _now_s()
        if pause_s > 0:
            await asyncio.sleep(pause_s)

    @property
    def is_pausing(self) -> bool:
        """Whether the lane leaves its peer alone for a while."""
        return _now_s() < self._pause_until_s

    async def _carry(self, envelope: m.Envelope, messages: list[m.Message]) -> None:
        try:
            await self._exchange(envelope, messages)
        finally:
            self._free.release()

    # --- taking ---------------------------------------------------------------------------------------------------

    def take(self) -> list[tuple[m.Envelope, list[m.Message]]]:
        """As much as one envelope may hold. More than one only where a new session began between two messages."""
        taken: list[_Waiting] = []
        bytes_left = limits.ENVELOPE_BYTES_MAX
        expired_us = mono_us() - limits.LINK_MESSAGE_AGE_US_MAX
        for queue in (self._vital, self._hints):
            while queue and len(taken) < limits.ENVELOPE_MESSAGES_MAX:
                if queue[0].since_mono_us < expired_us:
                    queue.popleft()
                    self._counts["expired"] += 1
                    continue
                bytes_left -= size_hint(queue[0].message)
                if bytes_left < 0 and taken:
                    break
                taken.append(queue.popleft())
        taken.sort(key=lambda waiting: waiting.since_mono_us)
        return [_merged(list(group)) for _, group in groupby(taken, _session)]

    # --- sending --------------------------------------------------------------------------------------------------

    async def _exchange(self, envelope: m.Envelope, messages: list[m.Message]) -> None:
        wait_us = limits.ANSWER_WAIT_US if any(map(is_answered, messages)) else 0
        request = encode_exchange(envelope, messages, self._bounds.timeout_us // 1_000, wait_us // 1_000)
        try:
            taken = await self._send(request)
        except grpc.aio.AioRpcError as error:
            self._failed(error, len(messages))
            return
        if not taken:
            # Its inbox is full: what is lost is sent again by the core, later.
            self._counts["refused"] += len(messages)
            self._pause()
            return
        if self.failures:
            log.info("peer.reached", peer=self.peer, failures=self.failures)
        self.failures = 0
        self._counts["sent"] += len(messages)
        self._counts["envelopes"] += 1

    def _failed(self, error: grpc.aio.AioRpcError, messages: int) -> None:
        self._counts["lost"] += messages
        if self.is_pausing:
            return
        if not self.failures:
            log.warning("peer.unreachable", peer=self.peer, status=error.code().name, detail=error.details())
        self._pause()
        # A hint: a full inbox may do without it, the core notices the silence by itself.
        self._inbox.offer(PeerUnreachable(peer=self.peer, cause=f"link:{self.peer}"))

    def _pause(self) -> None:
        """What failed together counts once."""
        if not self.is_pausing:
            self.failures += 1
            self._pause_until_s = _now_s() + self.pause_s()

    def pause_s(self) -> float:
        """Doubling from LINK_BACKOFF_US_MIN, and half of it random, so that peers don't come back in step."""
        doubled = limits.LINK_BACKOFF_US_MIN << min(self.failures - 1, 16)
        pause_us = min(doubled, self._bounds.backoff_us_max)
        return pause_us * (0.5 + self._jitter.random() / 2) / 1e6


def is_hint(message: m.Message) -> bool:
    """Also where it goes from shard to shard."""
    return isinstance(message.message if isinstance(message, m.ToShard) else message, HINTS)


def is_answered(message: m.Message) -> bool:
    """Whether the peer has something to say to it at once, but for a commit."""
    return isinstance(message.message if isinstance(message, m.ToShard) else message, _ANSWERED)


def _session(waiting: _Waiting) -> tuple[int, int]:
    return waiting.envelope.sender_nonce, waiting.envelope.receiver_nonce


def _now_s() -> float:
    return asyncio.get_running_loop().time()


def fits(messages: Sequence[m.Message]) -> bool:
    """Whether one envelope may hold all of it."""
    if len(messages) > limits.ENVELOPE_MESSAGES_MAX:
        return False
    return sum(map(size_hint, messages)) <= limits.ENVELOPE_BYTES_MAX


def _merged(waiting: list[_Waiting]) -> tuple[m.Envelope, list[m.Message]]:
    """The newest envelope stands for all of its session: it knows most of the receiver's position."""
    return waiting[-1].envelope, [each.message for each in waiting]
