"""Running a bounded number of coroutines at once, and raising one plain error rather than a group of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from hanse.client.errors import HanseError

Item = TypeVar("Item")
Result = TypeVar("Result")


async def mapped(
    function: Callable[[Item], Awaitable[Result]], items: Iterable[Item], at_once_max: int
) -> list[Result]:
    """`function` of each item, in order, at most `at_once_max` at a time. The first HanseError cancels the others."""
    source = iter(enumerate(items))
    results: dict[int, Result] = {}

    async def work() -> None:
        for index, item in source:
            results[index] = await function(item)

    try:
        async with asyncio.TaskGroup() as workers:
            for _ in range(at_once_max):
                workers.create_task(work())
    except* HanseError as failed:
        raise _first(failed) from None
    return [results[index] for index in sorted(results)]


def _first(group: BaseExceptionGroup[HanseError]) -> HanseError:
    first = group.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first
