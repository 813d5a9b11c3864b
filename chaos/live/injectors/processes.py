"""Daemons, supervisors, tasks and launchers: killed, frozen."""

from __future__ import annotations

import asyncio
import os
import signal
from abc import abstractmethod

from chaos.live.errors import HarnessError
from chaos.live.faults import FreezeDaemon, KillDaemon, KillSupervisor, KillTask, KillZygote
from chaos.live.injectors.base import Injector
from chaos.live.stage import wall_us
from hanse.cli.devnet import processes
from hanse.daemon.runtime import TASKS_DIRECTORY
from hanse.executors.local import records
from hanse.executors.local.names import parse_record_name
from hanse.executors.local.processes import ProcessId, all_processes, is_alive, send_signal
from hanse.executors.local.records import Record

# Until somebody to kill is there: a queue that is empty just then fills again with the next submissions.
_VICTIM_TIMEOUT_S = 20.0
_LOOK_INTERVAL_S = 0.05
# What a program of ours that is isolated (-I) and without site (-S) can only be: see launcher.py.
_ZYGOTE_ARGUMENTS = (b"-I", b"-S", b"-c")


class DaemonKiller(Injector):
    """kill -9 of a daemon."""

    fault: KillDaemon
    _killed_us = 0

    async def inject(self) -> None:
        """Kill it."""
        self.stage.say(f"kill -9 of {self.fault.region}'s daemon")
        self._killed_us = await self.stage.kill(self.fault.region)

    async def heal(self) -> None:
        """Start another on its disk."""
        if self._killed_us:
            await self.stage.restart(self.fault.region, self._killed_us)
            self.stage.say(
                f"{self.fault.region} serves again, {self.stage.takeovers_s[-1]:.1f} s after its start"
            )


class DaemonFreezer(Injector):
    """SIGSTOP of a daemon."""

    fault: FreezeDaemon
    _process: ProcessId | None = None

    async def inject(self) -> None:
        """Stop it where it is."""
        self._process = self.stage.daemon(self.fault.region)
        self.stage.say(f"{self.fault.region}'s daemon is frozen")
        send_signal(self._process, signal.SIGSTOP)

    async def heal(self) -> None:
        """Let it go on."""
        if self._process is not None:
            send_signal(self._process, signal.SIGCONT)
            self.stage.say(f"{self.fault.region}'s daemon goes on")


class _TaskInjector(Injector):
    """Kills something of running tasks, and notes when each task was dead: it could not write that itself."""

    fault: KillSupervisor | KillTask

    @abstractmethod
    def victim(self, record: Record) -> ProcessId:
        """What of the task is killed."""

    async def inject(self) -> None:
        """Kill up to `count`; at least one."""
        killed = 0
        try:
            async with asyncio.timeout(_VICTIM_TIMEOUT_S):
                while not killed:
                    for name, record in _running(self._directory())[: self.fault.count]:
                        killed += await self._kill(name, record)
                    await asyncio.sleep(_LOOK_INTERVAL_S)
        except TimeoutError as error:
            raise HarnessError(f"no task ran in {self.fault.region} for {_VICTIM_TIMEOUT_S:g} s") from error

    async def heal(self) -> None:
        """The dead stay dead."""

    def _directory(self) -> str:
        return str(self.stage.region(self.fault.region).data / TASKS_DIRECTORY / records.RECORDS)

    async def _kill(self, name: str, record: Record) -> bool:
        named = parse_record_name(name)
        assert named is not None, "only such are looked for"
        assert record.started is not None, "only such are looked for"
        # A supervisor may have another task by now. Stopped, it has the one that its record says, or is let go.
        victim = self.victim(record)
        if not send_signal(victim, signal.SIGSTOP):
            return False
        if not is_alive(record.started.process):
            send_signal(victim, signal.SIGCONT)
            return False
        # A run that ends in between has written its own end, which counts more.
        send_signal(victim, signal.SIGKILL)
        await processes.wait_until_ended(record.started.process)
        self.stage.forced_ends[named] = wall_us()
        self.stage.say(f"kill -9 in {self.fault.region}: {type(self.fault).__name__} of {name}")
        return True


class SupervisorKiller(_TaskInjector):
    """kill -9 of supervisors."""

    def victim(self, record: Record) -> ProcessId:
        """The supervisor; its task dies by that."""
        assert record.supervised is not None, "nothing starts without a supervisor"
        return record.supervised.supervisor


class TaskKiller(_TaskInjector):
    """kill -9 of tasks."""

    def victim(self, record: Record) -> ProcessId:
        """Its first process."""
        assert record.started is not None, "only such are looked for"
        return record.started.process


class ZygoteKiller(Injector):
    """kill -9 of the launcher."""

    fault: KillZygote

    async def inject(self) -> None:
        """Kill it, and wait until the daemon has another."""
        daemon = self.stage.daemon(self.fault.region)
        former = _zygote_of(daemon)
        if former is None:
            raise HarnessError(f"{self.fault.region}'s daemon has no launcher")
        self.stage.say(f"kill -9 of {self.fault.region}'s launcher")
        send_signal(former, signal.SIGKILL)
        try:
            async with asyncio.timeout(_VICTIM_TIMEOUT_S):
                while _zygote_of(daemon) in (None, former):  # noqa: ASYNC110 - in another process
                    await asyncio.sleep(_LOOK_INTERVAL_S)
        except TimeoutError as error:
            raise HarnessError(f"{self.fault.region}'s daemon starts no other launcher") from error

    async def heal(self) -> None:
        """The daemon has done it."""


def _running(directory: str) -> list[tuple[str, Record]]:
    """Tasks that were started and have not ended, in the order of their names."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        names = sorted(name for name in os.listdir(descriptor) if parse_record_name(name))  # noqa: PTH208
        found = [(name, records.read_record(descriptor, name)) for name in names]
    finally:
        os.close(descriptor)
    return [
        (name, record)
        for name, record in found
        if record is not None
        and record.started is not None
        and record.ended is None
        and is_alive(record.started.process)
    ]


def _zygote_of(daemon: ProcessId) -> ProcessId | None:
    """The one child of the daemon that runs isolated Python."""
    for stat in all_processes():
        if stat.parent == daemon.pid and not stat.dead:
            try:
                with open(f"/proc/{stat.id.pid}/cmdline", "rb") as file:  # noqa: PTH123 - /proc
                    arguments = tuple(file.read().split(b"\0")[1:4])
            except (FileNotFoundError, ProcessLookupError):
                continue
            if arguments == _ZYGOTE_ARGUMENTS:
                return stat.id
    return None
