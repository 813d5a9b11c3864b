"""Daemons of a local federation: started detached, known by pid and start time, stopped gracefully.

A pid file outlives its process, and pids are used again. So a daemon is named by pid, start time and boot, signals go
through a pidfd that was checked after it was opened, and the end of a process is waited for on that pidfd.
"""

from __future__ import annotations

import asyncio
import json
import os
import select
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from hanse.cli.devnet.layout import LocalRegion
from hanse.cli.errors import CommandError
from hanse.cli.exits import ExitCode
from hanse.executors.local.processes import ProcessId, boot_id, open_process, stat_of

# A ledger of 100,000 jobs is up in under 5 s; a loaded machine needs several times that.
READY_TIMEOUT_S = 60.0
# What a daemon may take to hand over its work and close its ledger.
STOP_GRACE_S = 20.0
_LOG_LINES_SHOWN = 5
_LOG_BYTES_READ = 16 * 1024


def running(region: LocalRegion) -> ProcessId | None:
    """The region's daemon, if it runs; whatever else has its pid now is not it."""
    try:
        noted = json.loads(region.pid_file.read_text(encoding="utf-8"))
        process = ProcessId(int(noted["pid"]), int(noted["start_ticks"]))
        same_boot = noted["boot_id"] == boot_id()
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
    descriptor = open_process(process) if same_boot else None
    if descriptor is None:
        return None
    os.close(descriptor)
    return process


def start(
    region: LocalRegion, *, prefix: Sequence[str] = (), environment: Mapping[str, str] | None = None
) -> ProcessId:
    """Start the region's daemon, detached from this terminal; it is not ready yet.

    `prefix`: a command, by its path, that becomes the daemon by exec, such as one that enters a network namespace.
    `environment`: variables beyond those of this process.
    """
    daemon = [sys.executable, "-m", "hanse.cli", "serve", "--config", str(region.config)]
    arguments = [*prefix, *daemon]
    log_flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    pid = os.posix_spawn(
        arguments[0],
        arguments,
        {**os.environ, **(environment or {})},
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(region.log), log_flags, 0o644),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )
    stat = stat_of(pid)
    assert stat is not None, "a child that nobody has waited for is there, if only as a zombie"
    noted = {"pid": pid, "start_ticks": stat.id.start_ticks, "boot_id": boot_id()}
    region.pid_file.write_text(json.dumps(noted) + "\n", encoding="utf-8")
    return stat.id


async def wait_until_ready(
    region: LocalRegion, process: ProcessId, timeout_s: float = READY_TIMEOUT_S
) -> None:
    """Return when the region answers callers. CommandError with the end of its log if it ends or takes too long."""
    try:
        async with asyncio.timeout(timeout_s):
            await _serving_or_ended(region, process)
    except TimeoutError as error:
        raise CommandError(
            f"{region.name} is not ready after {timeout_s:g} s{log_tail(region)}",
            hint=f"see {short(region.log)}, then `hanse dev down`",
            exit_code=ExitCode.TIMEOUT,
        ) from error


async def _serving_or_ended(region: LocalRegion, process: ProcessId) -> None:
    from hanse.client.health import wait_until_serving

    try:
        async with asyncio.TaskGroup() as tasks:
            ended = tasks.create_task(_raise_when_ended(region, process))
            await wait_until_serving(region.public_address)
            ended.cancel()
    except* CommandError as failed:
        raise failed.exceptions[0] from None


async def wait_until_ended(process: ProcessId) -> None:
    """Return when the process is gone, however it ended."""
    descriptor = open_process(process)
    if descriptor is not None:
        try:
            await _readable(descriptor)
        finally:
            os.close(descriptor)
    _collect(process)


async def _raise_when_ended(region: LocalRegion, process: ProcessId) -> None:
    await wait_until_ended(process)
    raise CommandError(
        f"{region.name} ended while it started{log_tail(region)}", hint=f"see {short(region.log)}"
    )


async def _readable(descriptor: int) -> None:
    loop = asyncio.get_running_loop()
    happened = asyncio.Event()
    loop.add_reader(descriptor, happened.set)
    try:
        await happened.wait()
    finally:
        loop.remove_reader(descriptor)


def stop(region: LocalRegion, grace_s: float = STOP_GRACE_S) -> bool:
    """End the region's daemon: SIGTERM, and SIGKILL after the grace. False if none was running."""
    return bool(stop_all([region], grace_s))


def stop_all(regions: Sequence[LocalRegion], grace_s: float = STOP_GRACE_S) -> list[LocalRegion]:
    """End all daemons and return those that ran. They are told at once, so that their graces run side by side."""
    with ExitStack() as opened:
        daemons: list[tuple[LocalRegion, ProcessId, int]] = []
        for region in regions:
            process = running(region)
            descriptor = open_process(process) if process is not None else None
            if process is not None and descriptor is not None:
                opened.callback(os.close, descriptor)
                daemons.append((region, process, descriptor))
        for _, _, descriptor in daemons:
            _signalled(descriptor, signal.SIGTERM, 0)
        deadline_s = time.monotonic() + grace_s
        for _, process, descriptor in daemons:
            if not _ended(descriptor, max(0.0, deadline_s - time.monotonic())):
                _signalled(descriptor, signal.SIGKILL, STOP_GRACE_S)
            _collect(process)
    for region in regions:
        region.pid_file.unlink(missing_ok=True)
    return [region for region, _, _ in daemons]


def _signalled(descriptor: int, number: signal.Signals, wait_s: float) -> bool:
    """Signal a process and wait for its end; whether it has ended."""
    try:
        signal.pidfd_send_signal(descriptor, number)
    except ProcessLookupError:
        return True
    return _ended(descriptor, wait_s)


def _ended(descriptor: int, wait_s: float) -> bool:
    """Whether the process ends within that time."""
    # Not select: it fails for descriptors from 1,024 on.
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(wait_s * 1000))


def _collect(process: ProcessId) -> None:
    """Take the exit status if it is a child of ours, so that no zombie stays behind."""
    try:
        os.waitpid(process.pid, os.WNOHANG)
    except ChildProcessError:
        return


def log_tail(region: LocalRegion) -> str:
    """The last lines of the region's log, to go below a message; empty if there are none."""
    try:
        with region.log.open("rb") as log:
            log.seek(max(0, region.log.stat().st_size - _LOG_BYTES_READ))
            lines = log.read().decode(errors="replace").splitlines()
    except FileNotFoundError:
        return ""
    return "".join(f"\n  | {line}" for line in lines[-_LOG_LINES_SHOWN:])


def short(path: Path) -> str:
    """The path as a person would type it from here."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
