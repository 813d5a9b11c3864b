"""One size after the other, each in a process of its own, so that none finds what another left in memory.

All sizes of an axis share its time. They are measured from the smallest on, the quick ones several times, which tells
noise from growth. One that is not ready when the time is up is given up, and so are those after it. What time is left
in the end goes to sizes that took a little more.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Sequence

import msgspec

from hanse.bench.scale.axes import Axis, Point, Work
from hanse.cli.errors import CommandError

# How often a size is measured at most.
ROUNDS_MAX = 3
# Again at once only if that takes at most such a part of the axis's time; and at last, if there is time.
QUICK_SHARE = 0.015
AGAIN_SHARE = 0.1

Told = Callable[[str, float], None]
_POINT = msgspec.json.Decoder(Point)
_WORK = msgspec.json.Decoder(Work)


async def measured(
    axis: Axis, sizes: Sequence[int], limit_s: float, told: Told
) -> tuple[dict[int, list[Point]], list[int]]:
    """Each size with all its measurements, and the sizes for which there was no time. `told` hears what is being done,
    and which part of the time is over."""
    begun_s = time.monotonic()

    async def point(n: int, what: str) -> Point | None:
        def tell(detail: str) -> None:
            told(f"{axis.name}: {n:,}{what}{detail}", min(1.0, (time.monotonic() - begun_s) / limit_s))

        tell("")
        return await one(axis, n, limit_s - (time.monotonic() - begun_s), tell)

    async def again(n: int, points: list[Point], share: float) -> None:
        left_s = limit_s - (time.monotonic() - begun_s)
        wall_s = max(each.wall_s for each in points)
        if len(points) < ROUNDS_MAX and wall_s <= share * limit_s and 2 * wall_s + 1 < left_s:
            more = await point(n, f", time {len(points) + 1}")
            points += [] if more is None else [more]

    found: dict[int, list[Point]] = {}
    for n in sizes:
        first = await point(n, "")
        if first is None:
            break
        found[n] = [first]
        for _ in range(1, ROUNDS_MAX):
            await again(n, found[n], QUICK_SHARE)
    for _ in range(1, ROUNDS_MAX):
        for n, points in found.items():
            await again(n, points, AGAIN_SHARE)
    return found, [n for n in sizes if n not in found]


async def one(axis: Axis, n: int, limit_s: float, told: Callable[[str], None]) -> Point | None:
    """One size. None: it was not ready within the time. Raises CommandError if it failed."""
    if limit_s <= 0:
        return None
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "hanse.bench.scale", axis.name, str(n)), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    lines: list[bytes] = []
    try:
        async with asyncio.timeout(limit_s):
            async for line in process.stdout:
                lines.append(line)
                told(_name(line))
            code = await process.wait()
    except TimeoutError:
        return None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if code:
        raise CommandError(f"{n:,} {axis.what}: the measurement failed with exit code {code}")
    return _POINT.decode(lines[-1])


def _name(line: bytes) -> str:
    try:
        return f", {_WORK.decode(line).what}"
    except msgspec.ValidationError:
        return ""  # The whole point: nothing follows.
