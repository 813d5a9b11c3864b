"""Callers that wait for the core: each request gets a number, and its answer comes back under that number."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar

from hanse.core.events import Event
from hanse.core.replies import Answer, Reply
from hanse.daemon.errors import DriverInterrupted, DriverOverloaded
from hanse.daemon.inbox import Inbox

A = TypeVar("A")


class Requests:
    """The requests in flight. Bounded by the inbox, and by the calls that the servers let in."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._waiting: dict[int, asyncio.Future[Answer]] = {}
        self._last_id = 0
        self._closed = "the region is starting"

    def __len__(self) -> int:
        return len(self._waiting)

    def open(self) -> None:
        """The core answers from now on."""
        self._closed = ""

    def close(self, why: str) -> None:
        """Nobody will answer: every request in flight fails, and so do new ones until the next `open`."""
        self._closed = why
        waiting, self._waiting = self._waiting, {}
        for future in waiting.values():
            if not future.done():
                future.set_exception(DriverInterrupted(why))

    async def ask(self, kind: type[A], make: Callable[[int], Event]) -> A:
        """Post the event that `make` builds for a request number, and wait for its answer, which is a `kind`.

        Raises DriverOverloaded if the inbox is full (nothing was taken in), and DriverInterrupted if the answer will
        not come; then what was asked may have happened.
        """
        if self._closed:
            raise DriverInterrupted(self._closed)
        self._last_id += 1
        request_id = self._last_id
        if not self._inbox.offer(make(request_id)):
            raise DriverOverloaded("the region has too much to do; try again")
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting[request_id] = future
        try:
            answer = await future
        finally:
            self._waiting.pop(request_id, None)
        assert isinstance(answer, kind), f"request {request_id} was answered with {type(answer).__name__}"
        return answer

    def resolve(self, replies: Sequence[Reply]) -> None:
        """Answer. A caller that has left meanwhile gets none."""
        for reply in replies:
            future = self._waiting.pop(reply.request_id, None)
            if future is not None and not future.done():
                future.set_result(reply.answer)
