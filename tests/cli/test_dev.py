"""`hanse dev` with real daemons."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hanse.cli.devnet import layout, processes
from hanse.executors.local.processes import ProcessId, is_alive
from tests.cli.conftest import Ran

JOB = """\
name: {name}
tenant: demo
groups:
- requirements: {{resources: {{cpu: 1000}}}}
  program: {{command: [sh, -c, "{command}"]}}
"""


@pytest.fixture
def dev(hanse: Callable[..., Ran], tmp_path: Path) -> Iterator[Callable[..., Ran]]:
    """The command, in a directory whose daemons end with the test."""
    yield hanse
    federation = layout.load(tmp_path)
    if federation is not None:
        hanse("dev", "down", "--purge")


def submit(hanse: Callable[..., Ran], tmp_path: Path, name: str, command: str, *options: str) -> Ran:
    (tmp_path / "job.yaml").write_text(JOB.format(name=name, command=command))
    return hanse("job", "submit", "job.yaml", "-o", "json", *options)


def pids(ran: Ran) -> dict[str, Any]:
    return {region["name"]: region["pid"] for region in ran.document["regions"]}


def wait_for_state(hanse: Callable[..., Ran], job_id: str, state: str) -> None:
    deadline_s = time.monotonic() + 10
    while (found := hanse("job", "show", job_id, "-o", "json").document["state"]) != state:
        assert time.monotonic() < deadline_s, f"{job_id} is still {found}"


def kill(pid: int) -> None:
    """kill -9, and wait until it is dead."""
    descriptor = os.pidfd_open(pid)
    signal.pidfd_send_signal(descriptor, signal.SIGKILL)
    select.select([descriptor], [], [], 10)
    os.close(descriptor)


@pytest.mark.slow
def test_up_work_crash_up_down_purge(dev: Callable[..., Ran], tmp_path: Path) -> None:
    first = dev("dev", "up", "2", "-o", "json")
    assert first.code == 0, first.err
    assert pids(dev("dev", "up", "-o", "json")) == pids(first)
    assert dev("dev", "up", "3").code == 2

    done = submit(dev, tmp_path, "quick", "echo done", "--wait", "--timeout", "30")
    assert (done.code, done.document["jobs"][0]["state"]) == (0, "SUCCEEDED")
    assert dev("job", "logs", done.document["jobs"][0]["id"]).out == "done\n"
    failed = submit(dev, tmp_path, "failing", "exit 7", "--wait", "--timeout", "30", "--home", "east")
    assert (failed.code, failed.document["jobs"][0]["exit_code"]) == (1, 7)

    long = submit(dev, tmp_path, "long", "echo $$; exec sleep 300").document["jobs"][0]["job_id"]
    wait_for_state(dev, long, "RUNNING")
    kill(pids(first)["north"])
    assert dev("dev", "status").code == 1
    again = dev("dev", "up", "-o", "json")
    assert again.code == 0, again.err
    assert pids(again)["east"] == pids(first)["east"]
    assert pids(again)["north"] != pids(first)["north"]
    wait_for_state(dev, long, "RUNNING")

    down = dev("dev", "down", "-o", "json").document
    assert (down["stopped"], down["tasks_running"]) == (["north", "east"], 1)
    assert dev("dev", "status").code == 1
    purged = dev("dev", "down", "--purge", "-o", "json").document
    assert (purged["tasks_ended"], purged["purged"]) == (1, True)
    assert not (tmp_path / ".hanse").exists()


@pytest.mark.slow
def test_a_stale_pid_file_does_not_keep_a_region_from_starting(
    dev: Callable[..., Ran], tmp_path: Path
) -> None:
    federation = layout.create(tmp_path, 1)
    region = federation.regions[0]
    region.pid_file.write_text('{"pid": 1, "start_ticks": 1, "boot_id": "x"}')
    started = dev("dev", "up", "-o", "json")
    assert started.code == 0, started.err
    process = processes.running(region)
    assert isinstance(process, ProcessId)
    assert pids(started) == {"north": process.pid}
    assert dev("dev", "down").code == 0
    assert not is_alive(process)
