"""The ways in which a trial loses a region, and gets it back."""

from __future__ import annotations

import asyncio
import shutil
import signal
import time
from typing import assert_never

from hanse.bench.faults import Fault
from hanse.bench.league import League
from hanse.bench.proxy import Proxy
from hanse.cli.devnet import processes
from hanse.cli.devnet.tasks import end_tasks
from hanse.daemon.runtime import TASKS_DIRECTORY
from hanse.executors.local.processes import send_signal


class Losses:
    """Loses regions of one league, whose links go through `proxy`."""

    def __init__(self, running: League, proxy: Proxy) -> None:
        self._running = running
        self._proxy = proxy

    async def lose(self, fault: Fault, victim: str) -> int:
        """The region is gone. Returns when that began: microseconds of the wall clock, as tasks write them."""
        at_us = wall_us()
        daemon = self._running.daemons[victim]
        match fault:
            case Fault.KILL:
                send_signal(daemon, signal.SIGKILL)
                await processes.wait_until_ended(daemon)
                data = self._running.federation.region(victim).data
                await asyncio.to_thread(end_tasks, data / TASKS_DIRECTORY)
                await asyncio.to_thread(shutil.rmtree, data)
            case Fault.FREEZE:
                send_signal(daemon, signal.SIGSTOP)
            case Fault.PARTITION:
                self._hold(victim, 1)
            case _:
                assert_never(fault)
        return at_us

    async def give_back(self, fault: Fault, victim: str) -> None:
        """The region is back: it is reachable, and where its daemon was gone, another one serves."""
        match fault:
            case Fault.KILL:
                await self._running.start(victim)
            case Fault.FREEZE:
                send_signal(self._running.daemons[victim], signal.SIGCONT)
            case Fault.PARTITION:
                self._hold(victim, -1)
            case _:
                assert_never(fault)

    def _hold(self, victim: str, by: int) -> None:
        for region in self._running.federation.regions:
            if region.name != victim:
                self._proxy.hold((victim, region.name), by)
                self._proxy.hold((region.name, victim), by)


def wall_us() -> int:
    """Microseconds of the wall clock, as the tasks write them."""
    return time.time_ns() // 1000
