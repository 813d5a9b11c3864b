"""The bounded inbox of the driver: all that is to enter the core waits here."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable

from hanse.core.events import CancelJobs, Event, PeerMessages, Submit
from hanse.core.messages import Append, Message
from hanse.core.model import limits


class Inbox:
    """First in, first out, but for urgent events, which go first; bounded by what the events carry (jobs, messages),
    not by their number. Urgent ones have a bound of their own: however much callers want, leases are renewed."""

    def __init__(self, items_max: int = limits.INBOX_ITEMS_MAX) -> None:
        self._events: deque[tuple[Event, int]] = deque()
        self._urgent: deque[tuple[Event, int]] = deque()
        self._urgent_items = 0
        self._items_max = items_max
        self._waker: asyncio.Future[None] | None = None
        self._holding: asyncio.Future[None] | None = None
        self._hurried = False
        # All of them.
        self.items = 0
        # How many of the events are submissions.
        self.submits = 0

    def offer(self, event: Event) -> bool:
        """Take the event unless the inbox is full. An event larger than all the room is taken by an empty inbox."""
        weight = weigh(event)
        ordinary = self.items - self._urgent_items
        if ordinary and ordinary + weight > self._items_max:
            return False
        self._put(event, weight)
        return True

    def offer_urgent(self, event: Event) -> bool:
        """As `offer`, ahead of everything that is not urgent."""
        weight = weigh(event)
        if self._urgent and self._urgent_items + weight > limits.INBOX_URGENT_ITEMS_MAX:
            return False
        self._put_urgent(event, weight)
        return True

    def put_first(self, event: Event) -> None:
        """Take what nothing that comes later may overtake."""
        self._put_urgent(event, weigh(event))

    def put(self, events: Iterable[Event]) -> None:
        """Take what must not be refused: reports of the executor, of which there are two for each running task."""
        for event in events:
            self._put(event, weigh(event))

    @property
    def has_urgent(self) -> bool:
        """Whether something waits that goes first."""
        return bool(self._urgent)

    @property
    def hurried(self) -> bool:
        """Whether something is to go into a step at once that is not urgent."""
        return self._hurried

    @property
    def only_submits(self) -> bool:
        """Whether nothing else waits behind what is urgent."""
        return len(self._events) == self.submits

    def take(self, items_max: int = limits.STEP_ITEMS_MAX, *, only_urgent: bool = False) -> list[Event]:
        """The urgent events and then the oldest, up to about `items_max` items; at least one, if there is any."""
        batch: list[Event] = []
        items = 0
        if not only_urgent:
            self._hurried = False
        for queue in (self._urgent,) if only_urgent else (self._urgent, self._events):
            while queue and (not batch or items + queue[0][1] <= items_max):
                event, weight = queue.popleft()
                batch.append(event)
                items += weight
                if queue is self._urgent:
                    self._urgent_items -= weight
                else:
                    self.submits -= isinstance(event, Submit)
        self.items -= items
        return batch

    def clear(self) -> None:
        """Forget everything: a Region that is rebuilt starts without the past's events."""
        self._events.clear()
        self._urgent.clear()
        self.items = self._urgent_items = self.submits = 0

    def __bool__(self) -> bool:
        return bool(self._events or self._urgent)

    async def wait(self, timeout_s: float) -> None:
        """Return once there is something to take, or after the timeout. For one waiter."""
        if self:
            return
        loop = asyncio.get_running_loop()
        self._waker = loop.create_future()
        timer = loop.call_later(timeout_s, self.wake)
        try:
            await self._waker
        finally:
            timer.cancel()
            self._waker = None

    async def hold(self, timeout_s: float) -> None:
        """Return once something comes that may end the wait of what is here already, when let go, or after the timeout.
        For one waiter."""
        loop = asyncio.get_running_loop()
        self._holding = loop.create_future()
        timer = loop.call_later(timeout_s, self.let_go)
        try:
            await self._holding
        finally:
            timer.cancel()
            self._holding = None

    def let_go(self) -> None:
        """Whoever holds back what is here may go on."""
        if self._holding is not None:
            _end(self._holding)

    def hurry(self) -> None:
        """Something that was taken is to go into a step at once."""
        self._hurried = True
        self.let_go()

    def wake(self) -> None:
        """Let the waiter look again."""
        if self._waker is not None:
            _end(self._waker)

    def _put(self, event: Event, weight: int) -> None:
        self._events.append((event, weight))
        self.items += weight
        if isinstance(event, Submit):
            self.submits += 1
        # One more submission changes nothing for those that gather, until they are enough.
        if not isinstance(event, Submit) or self.items >= limits.STEP_ITEMS_ENOUGH:
            self.let_go()
        self.wake()

    def _put_urgent(self, event: Event, weight: int) -> None:
        self._urgent.append((event, weight))
        self._urgent_items += weight
        self.items += weight
        self.let_go()
        self.wake()


def _end(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_result(None)


def weigh(event: Event) -> int:
    """How much an event costs the core, in jobs or messages."""
    match event:
        case Submit():
            return len(event.submissions)
        case CancelJobs():
            return len(event.job_ids)
        case PeerMessages():
            return max(1, sum(map(_weigh_message, event.messages)))
        case _:
            return 1


def _weigh_message(message: Message) -> int:
    """Each record of a log costs as much as a message."""
    return max(1, len(message.records)) if isinstance(message, Append) else 1
