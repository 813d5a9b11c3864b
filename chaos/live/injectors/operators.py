"""A wall clock that jumps, and a region that is drained."""

from __future__ import annotations

from chaos.live.faults import ClockJump, DrainRegion
from chaos.live.injectors.base import Injector


class ClockJumping(Injector):
    """The wall clock of a region's daemon and of what it launches (not of tasks, which keep the books)."""

    fault: ClockJump

    async def inject(self) -> None:
        """Off by `by_s` from now on."""
        self.stage.say(f"{self.fault.region}'s wall clock jumps by {self.fault.by_s:+d} s")
        self._write(self.fault.by_s)

    async def heal(self) -> None:
        """Right again: a jump the other way."""
        self._write(0)
        self.stage.say(f"{self.fault.region}'s wall clock jumps back")

    def _write(self, offset_s: int) -> None:
        path = self.stage.clock_file(self.fault.region)
        written = path.with_suffix(".new")
        written.write_text(f"{offset_s:+d}s\n", encoding="utf-8")
        written.replace(path)


class Draining(Injector):
    """Drain and undrain."""

    fault: DrainRegion

    async def inject(self) -> None:
        """Take no new work."""
        self.stage.say(f"{self.fault.region} is drained")
        async with self.stage.client(self.fault.region) as client:
            await client.drain(self.fault.region)

    async def heal(self) -> None:
        """Take work again."""
        async with self.stage.client(self.fault.region) as client:
            await client.undrain(self.fault.region)
        self.stage.say(f"{self.fault.region} is undrained")
