"""Docker on this machine: what of it is missing, a daemon if none runs, and its commands."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from hanse.cli.errors import CommandError, UsageOrConfigError

Say = Callable[[str], None]

# What each command comes from on Debian.
_PACKAGES = {
    "docker": "docker.io",
    "dockerd": "docker.io",
    "docker-compose": "docker-compose",
    "debootstrap": "debootstrap",
}
_DAEMON_TIMEOUT_S = 60.0
_DAEMON_INTERVAL_S = 0.2
# containerd and the storage driver are given up with the daemon; the shutdown of an idle one takes a second.
_DAEMON_STOP_TIMEOUT_S = 30.0
_TOLD_LINES_MAX = 20


@dataclass(frozen=True, slots=True)
class Shell:
    """Runs commands with an environment; all that they say goes to a log."""

    environment: Mapping[str, str]
    log: Path

    async def run(self, *command: str) -> str:
        """Standard output, stripped. CommandError with the end of what it said, if it fails."""
        with self.log.open("ab") as log:
            log.write(f"$ {' '.join(command)}\n".encode())
            process = await asyncio.create_subprocess_exec(
                *command,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                # So that all of it can be ended: scripts wait for what they run, and heed no signal meanwhile.
                start_new_session=True,
            )
            try:
                told, complaint = await process.communicate()
            except asyncio.CancelledError:
                if process.returncode is None:
                    os.killpg(process.pid, signal.SIGTERM)
                await _end(process)
                raise
            log.write(told + complaint)
        if process.returncode:
            lines = (told + complaint).decode(errors="replace").splitlines()[-_TOLD_LINES_MAX:]
            raise CommandError(
                "\n  ".join([f"{' '.join(command)} ended with {process.returncode}:", *lines]),
                hint=f"see {self.log}",
            )
        return told.decode(errors="replace").strip()

    def with_environment(self, more: Mapping[str, str]) -> Shell:
        """As this one, with more variables."""
        return Shell({**self.environment, **more}, self.log)


async def install_missing(shell: Shell, say: Say) -> None:
    """Install what is missing, if this is root on a Debian machine; else UsageOrConfigError says what is needed."""
    missing = sorted({package for command, package in _PACKAGES.items() if shutil.which(command) is None})
    if os.geteuid() != 0:
        also = f", and {', '.join(missing)} (apt-get install)" if missing else ""
        raise UsageOrConfigError(
            f"needs root: to make the base image, and to start Docker if none runs{also}"
        )
    if not missing:
        return
    if shutil.which("apt-get") is None:
        raise UsageOrConfigError(
            f"needs {', '.join(missing)}, which apt-get would install, and there is none"
        )
    say(f"installing {', '.join(missing)}")
    apt = shell.with_environment({"DEBIAN_FRONTEND": "noninteractive"})
    await apt.run("apt-get", "update", "-qq")
    # Not "recommended" ones, and iptables by name: without it Docker makes no networks.
    await apt.run("apt-get", "install", "-qq", "-y", "--no-install-recommends", "iptables", *missing)


@asynccontextmanager
async def daemon(shell: Shell, say: Say) -> AsyncGenerator[Shell, None]:
    """A shell whose Docker commands reach a daemon: the one that runs, or one for this test alone, ended with it."""
    if await _answers(shell):
        say("Docker runs here already; it is used, and left as it was")
        yield shell
        return
    home = Path(tempfile.mkdtemp(prefix="hanse-docker-", dir="/var/tmp"))
    own = shell.with_environment({"DOCKER_HOST": f"unix://{home}/docker.sock"})
    process = await _start(home)
    try:
        await _wait_until_it_answers(own, process, home)
        say("Docker did not run; one was started for this test alone")
        yield own
    finally:
        await _end(process)
        shutil.rmtree(home)


async def _start(home: Path) -> asyncio.subprocess.Process:
    with (home / "log").open("wb") as log:
        return await asyncio.create_subprocess_exec(
            "dockerd",
            f"--host=unix://{home}/docker.sock",
            f"--data-root={home}/data",
            f"--exec-root={home}/exec",
            f"--pidfile={home}/pid",
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            # An interrupt from the terminal is for the test, which then ends what it started in order.
            start_new_session=True,
        )


async def _wait_until_it_answers(shell: Shell, process: asyncio.subprocess.Process, home: Path) -> None:
    try:
        async with asyncio.timeout(_DAEMON_TIMEOUT_S):
            while process.returncode is None and not await _answers(shell):  # noqa: ASYNC110
                await asyncio.sleep(_DAEMON_INTERVAL_S)
    except TimeoutError:
        pass  # told below, with the reason that the daemon gives
    if process.returncode is not None or not await _answers(shell):
        log = (home / "log").read_text(encoding="utf-8", errors="replace").splitlines()
        raise CommandError("\n  ".join(["dockerd does not come up:", *log[-_TOLD_LINES_MAX:]]))


async def _answers(shell: Shell) -> bool:
    process = await asyncio.create_subprocess_exec(
        "docker",
        "version",
        env=shell.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return await process.wait() == 0


async def _end(process: asyncio.subprocess.Process) -> None:
    """SIGTERM, and SIGKILL for what does not heed it."""
    if process.returncode is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(_DAEMON_STOP_TIMEOUT_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
