"""Commands of the Compose test: what they say is kept, and nothing of them outlives an interrupt."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from deploy.compose.docker import Shell, install_missing
from hanse.cli.errors import CommandError, UsageOrConfigError


async def test_output_is_returned_and_logged(tmp_path: Path) -> None:
    shell = Shell(os.environ, tmp_path / "log").with_environment({"WORD": "moin"})
    assert await shell.run("sh", "-c", 'echo "$WORD"; echo aside >&2') == "moin"
    assert (tmp_path / "log").read_text(encoding="utf-8").endswith("moin\naside\n")


async def test_a_failure_says_what_the_command_said(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"ended with 3:\n  it is broken"):
        await Shell(os.environ, tmp_path / "log").run("sh", "-c", "echo it is broken >&2; exit 3")


async def test_an_interrupt_ends_the_whole_command(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    # The shell waits for its child, which holds the fifo open as long as it lives.
    script = f'sleep 60 >"{fifo}"; true'
    running = asyncio.ensure_future(  # noqa: TID251 - it is cancelled, and awaited, below
        Shell(os.environ, tmp_path / "log").run("sh", "-c", script)
    )
    with await asyncio.to_thread(fifo.open, "rb") as reader:
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert await asyncio.to_thread(reader.read) == b""


async def test_without_root_it_says_at_once_what_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr("shutil.which", lambda _: None)
    with pytest.raises(UsageOrConfigError, match=r"needs root.*, and debootstrap, docker-compose, docker.io"):
        await install_missing(Shell(os.environ, tmp_path / "log"), lambda _: None)
