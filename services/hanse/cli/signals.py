"""Commands that start daemons end them, whichever way they are told to stop themselves."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

# SIGINT is asyncio.run's own: it cancels the main task too, and leaves as KeyboardInterrupt.
_ENDING = (signal.SIGTERM, signal.SIGHUP)


def run_to_the_end(coroutine: Coroutine[Any, Any, T]) -> T:
    """The coroutine's result. SIGTERM and SIGHUP cancel it, so that it clears up; then SystemExit(128 + signal).

    Of several errors at once the first is raised, as itself.
    """
    try:
        return asyncio.run(_cancelled_by_signals(coroutine))
    except ExceptionGroup as failures:
        raise _first_of(failures) from failures


def _first_of(failures: ExceptionGroup[Exception]) -> Exception:
    first = failures.exceptions[0]
    return _first_of(first) if isinstance(first, ExceptionGroup) else first


async def _cancelled_by_signals(coroutine: Coroutine[Any, Any, T]) -> T:
    loop = asyncio.get_running_loop()
    task = loop.create_task(coroutine)
    received: list[signal.Signals] = []

    def on_signal(number: signal.Signals) -> None:
        received.append(number)
        task.cancel()

    for number in _ENDING:
        loop.add_signal_handler(number, on_signal, number)
    try:
        return await task
    except asyncio.CancelledError:
        if received:
            raise SystemExit(128 + received[0]) from None
        raise
    finally:
        for number in _ENDING:
            loop.remove_signal_handler(number)
