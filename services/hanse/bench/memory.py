"""A long queue: how much memory it takes, and how long a daemon needs to start with it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from hanse.bench.figures import load_1min
from hanse.bench.league import league
from hanse.bench.result import machine_load, versions
from hanse.bench.submit import Progress, queue_up, waiting_shape


async def bench_memory(
    directory: Path, jobs: int, progress: Progress, *, keep: bool = False
) -> dict[str, Any]:
    """Run the benchmark. `start_s`: from starting the process to the first caller served."""
    before = load_1min()
    async with league(directory, 1, waiting_shape(), keep=keep) as running:
        filesystem, home = running.filesystem, running.home.name
        empty = running.resident_bytes(home)
        begun_s = time.monotonic()
        await queue_up(running, jobs, progress)
        seconds = time.monotonic() - begun_s
        full = running.resident_bytes(home)
        ledger_bytes = running.ledger(home).stat().st_size
        progress("starting anew from this ledger")
        await running.stop()
        start_s = await running.start(home)
        restarted = running.resident_bytes(home)
        async with running.client() as client:
            states = dict((await client.status()).jobs_by_state)
    return {
        "benchmark": "memory",
        "jobs": jobs,
        "seconds": round(seconds, 3),
        "jobs_per_s": round(jobs / seconds, 1),
        "resident_bytes": {"empty": empty, "full": full, "after_restart": restarted},
        "bytes_per_job": round((full - empty) / jobs),
        "start_s": round(start_s, 3),
        "ledger_bytes": ledger_bytes,
        "jobs_by_state_after_restart": states,
        "set_up": {"regions": 1, "executor": "simulated", "filesystem": filesystem},
        "versions": versions(),
        "load": machine_load(before, load_1min(), {}),
    }
