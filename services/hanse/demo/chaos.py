"""The two faults of the demo: a daemon is killed with SIGKILL and started again, another is stopped and continued.

Both wait for a moment that is worth it, judged by the tasks' own records: the kill must hit a region in the middle of
work that will still be running when the daemon is back.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from hanse.cli.devnet import processes
from hanse.cli.devnet.layout import LocalRegion
from hanse.cli.errors import CommandError
from hanse.demo.audit import Restart
from hanse.demo.plan import PlannedJob
from hanse.demo.records import read_runs
from hanse.demo.scene import Scene
from hanse.executors.local.processes import ProcessId, send_signal

# So many tasks should still run when the successor serves; a run that ends before is settled, but proves less.
_RUNS_TO_OUTLIVE = 2
# A restart takes as long as the first start did, which three daemons shared the machine for, and this much more.
_MARGIN_S = 1.0
# If no better moment comes, the kill happens all the same, and the report says what it hit.
_MOMENT_TIMEOUT_S = 35.0
_LOOK_INTERVAL_S = 0.1
# How long the dead stay dead: long enough for callers and peers to notice.
_DOWN_S = 0.5
FREEZE_S = 5.0


async def kill_and_restart(
    region: LocalRegion,
    records: Path,
    planned: Callable[[str], PlannedJob | None],
    start_s: float,
    scene: Scene,
) -> Restart:
    """SIGKILL the region's daemon in the middle of its work, and start another on the same disk.

    `start_s`: how long a daemon takes to start on this machine.
    """
    running = await _moment(region.name, records, planned, _DOWN_S + start_s + _MARGIN_S)
    process = _daemon(region)
    killed_us = _wall_us()
    send_signal(process, signal.SIGKILL)
    scene.happened(region.name, "killed", f"kill -9 of {region.name}'s daemon, while {running} tasks run on")
    await processes.wait_until_ended(process)
    await asyncio.sleep(_DOWN_S)
    scene.happened(region.name, "starting", f"{region.name} starts again from its disk")
    await processes.wait_until_ready(region, processes.start(region))
    serving_us = _wall_us()
    scene.happened(
        region.name, "serving", f"{region.name} serves again after {(serving_us - killed_us) / 1e6:.1f} s"
    )
    return Restart(region=region.name, killed_us=killed_us, serving_us=serving_us)


async def freeze(region: LocalRegion, seconds: float, scene: Scene) -> tuple[int, int]:
    """SIGSTOP the region's daemon for a while; its tasks run on. Returns when, in microseconds of the wall clock."""
    process = _daemon(region)
    begin_us = _wall_us()
    async with _stopped(process):
        scene.happened(region.name, "frozen", f"{region.name}'s daemon is frozen for {seconds:g} s (SIGSTOP)")
        await asyncio.sleep(seconds)
    scene.happened(region.name, "serving", f"{region.name} goes on")
    return begin_us, _wall_us()


@asynccontextmanager
async def _stopped(process: ProcessId) -> AsyncGenerator[None, None]:
    """However this is left, the process goes on: a stopped one would not even heed SIGTERM."""
    send_signal(process, signal.SIGSTOP)
    try:
        yield
    finally:
        send_signal(process, signal.SIGCONT)


async def _moment(
    region: str, records: Path, planned: Callable[[str], PlannedJob | None], outlived_s: float
) -> int:
    """Wait until enough tasks run in the region that will go on for longer than that; how many run."""
    deadline_s = time.monotonic() + _MOMENT_TIMEOUT_S
    while True:
        remaining_s = _remaining(region, records, planned)
        lasting = sum(1 for remaining in remaining_s if remaining > outlived_s)
        if lasting >= _RUNS_TO_OUTLIVE or time.monotonic() > deadline_s:
            return len(remaining_s)
        await asyncio.sleep(_LOOK_INTERVAL_S)


def _remaining(region: str, records: Path, planned: Callable[[str], PlannedJob | None]) -> list[float]:
    """For each task that runs in the region now, how long it will, in seconds."""
    now_us = _wall_us()
    running = [run for run in read_runs(records) if run.region == region and run.end_us is None]
    jobs = [(run, planned(run.job_id)) for run in running]
    return [job.run_s - (now_us - run.begin_us) / 1e6 for run, job in jobs if job is not None]


def _daemon(region: LocalRegion) -> ProcessId:
    process = processes.running(region)
    if process is None:
        raise CommandError(
            f"{region.name}'s daemon has ended by itself{processes.log_tail(region)}",
            hint=f"see {region.log}",
        )
    return process


def _wall_us() -> int:
    return time.time_ns() // 1000
