"""The program of a task, as a real process."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from hanse.demo.records import TaskRun, read_record, read_runs
from hanse.demo.task import TERMINATED_STATUS, task_command

ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "HANSE_JOB_ID": "north-1",
    "HANSE_EPOCH": "2",
    "HANSE_ATTEMPT": "1",
    "HANSE_TASK": "0",
    "HANSE_REGION": "east",
    "HANSE_NODE": "east-3",
}
DEADLINE_S = 20.0


def start(records: Path, run_s: float, exit_code: int) -> subprocess.Popen[bytes]:
    command = task_command(records, run_s, exit_code)
    return subprocess.Popen(command, env=ENVIRONMENT, start_new_session=True)


def begun(records: Path) -> TaskRun:
    """The run, once its begin is on record."""
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        runs = read_runs(records)
        if runs:
            return runs[0]
        time.sleep(0.005)
    raise TimeoutError("no begin on record")


@pytest.mark.parametrize("exit_code", [0, 3])
def test_a_task_records_its_begin_and_its_end(tmp_path: Path, exit_code: int) -> None:
    process = start(tmp_path, 0.05, exit_code)
    assert process.wait(DEADLINE_S) == exit_code
    (run,) = read_runs(tmp_path)
    assert (run.job_id, run.task, run.epoch, run.attempt) == ("north-1", 0, 2, 1)
    assert (run.region, run.node, run.pid, run.status) == ("east", "east-3", process.pid, exit_code)
    assert run.end_us is not None
    assert run.end_us - run.begin_us >= 50_000
    assert abs(run.end_us - time.time() * 1e6) < DEADLINE_S * 1e6


def test_a_task_that_is_told_to_stop_says_so_even_if_all_its_processes_are_told(tmp_path: Path) -> None:
    process = start(tmp_path, 60, 0)
    begun(tmp_path)
    os.killpg(process.pid, signal.SIGTERM)
    assert process.wait(DEADLINE_S) == TERMINATED_STATUS
    (run,) = read_runs(tmp_path)
    assert run.status == TERMINATED_STATUS


def test_a_task_that_is_killed_has_no_end(tmp_path: Path) -> None:
    process = start(tmp_path, 60, 0)
    begun(tmp_path)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(DEADLINE_S)
    (run,) = read_runs(tmp_path)
    assert (run.end_us, run.status) == (None, None)


def test_a_second_run_is_added_to_the_record(tmp_path: Path) -> None:
    for _ in range(2):
        assert start(tmp_path, 0, 0).wait(DEADLINE_S) == 0
    first, second = read_record(tmp_path / "north-1.0")
    assert first.pid != second.pid
