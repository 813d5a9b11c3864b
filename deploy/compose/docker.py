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
from typing import IO

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
# A daemon gives its containers, containerd and the storage driver 15 s.
_STOP_TIMEOUT_S = 30.0
_TOLD_LINES_MAX = 20


@dataclass(frozen=True, slots=True)
class Shell:
    """Runs commands with an environment; all that they say goes to a log."""

    environment: Mapping[str, str]
    log: Path

    async def run(self, *command: str) -> str:
        """Standard output, stripped. CommandError with the end of what it said, if it fails."""
        # Files, not pipes: whatever a command leaves behind may hold them open, and nobody waits for that.
        with tempfile.TemporaryFile() as told, tempfile.TemporaryFile() as complaint:
            # Not asyncio's: a cancellation while that starts a process loses what the process has started.
            process = subprocess.Popen(  # noqa: ASYNC220
                command,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=told,
                stderr=complaint,
                # So that all of it can be ended: scripts wait for what they run, and heed no signal meanwhile.
                start_new_session=True,
            )
            try:
                await asyncio.to_thread(process.wait)
            except asyncio.CancelledError:
                await asyncio.to_thread(_end, process, group=True)
                raise
            out, error = _text(told), _text(complaint)
        with self.log.open("a", encoding="utf-8") as log:
            log.write(f"$ {' '.join(command)}\n{out}{error}")
        if process.returncode:
            lines = (out + error).splitlines()[-_TOLD_LINES_MAX:]
            raise CommandError(
                "\n  ".join([f"{' '.join(command)} ended with {process.returncode}:", *lines]),
                hint=f"see {self.log}",
            )
        return out.strip()

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
    process = _start(home)
    try:
        await _wait_until_it_answers(own, process, home)
        say("Docker did not run; one was started for this test alone")
        yield own
    finally:
        await asyncio.to_thread(_end, process)
        shutil.rmtree(home)


def _start(home: Path) -> subprocess.Popen[bytes]:
    command = [
        "dockerd",
        f"--host=unix://{home}/docker.sock",
        f"--data-root={home}/data",
        f"--exec-root={home}/exec",
        f"--pidfile={home}/pid",
    ]
    with (home / "log").open("wb") as log:
        # An interrupt from the terminal is for the test, which then ends what it started in order.
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )


async def _wait_until_it_answers(shell: Shell, process: subprocess.Popen[bytes], home: Path) -> None:
    try:
        async with asyncio.timeout(_DAEMON_TIMEOUT_S):
            while process.poll() is None and not await _answers(shell):  # noqa: ASYNC110
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


def _end(process: subprocess.Popen[bytes], *, group: bool = False) -> None:
    """SIGTERM, to all of its process group if it leads one, and SIGKILL if that is not heeded."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is not None:
            return
        if group:
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
        try:
            process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            continue


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")
