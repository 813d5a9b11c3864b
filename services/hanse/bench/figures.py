"""Percentiles, and how busy the machine is."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import psutil


def percentile(ordered: Sequence[float], share: float) -> float | None:
    """Of values in ascending order the smallest that at least `share` of them do not exceed; None without values."""
    if not ordered:
        return None
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def latencies(values_s: Iterable[float]) -> dict[str, float | None]:
    """p50_s, p95_s and p99_s, to the microsecond."""
    ordered = sorted(values_s)
    found = {f"p{share}_s": percentile(ordered, share / 100) for share in (50, 95, 99)}
    return {name: None if value is None else round(value, 6) for name, value in found.items()}


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU seconds used so far: by this process, by each daemon, by what launches each daemon's tasks, and by all that
    runs on the machine. (Supervisors and tasks belong to nobody once they are launched: only the last holds theirs.)"""

    client_s: float
    daemons_s: dict[str, float]
    launchers_s: dict[str, float]
    machine_s: float


def usage_now(daemons: dict[str, int]) -> Usage:
    """`daemons`: pids by region."""
    return Usage(
        client_s=time.process_time(),
        daemons_s={region: _own_s(psutil.Process(pid)) for region, pid in daemons.items()},
        launchers_s={region: _below_s(psutil.Process(pid)) for region, pid in daemons.items()},
        machine_s=machine_s(),
    )


def _own_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _below_s(daemon: psutil.Process) -> float:
    """The launcher, and the children that it has collected."""
    total = 0.0
    for child in daemon.children():
        times = child.cpu_times()
        total += times.user + times.system + times.children_user + times.children_system
    return total


def machine_s() -> float:
    """CPU seconds of all that runs on the machine: what was not idle. What guests used is in `user` already."""
    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system + times.irq + times.softirq)


def usage_document(before: Usage, after: Usage, jobs: int) -> dict[str, object]:
    """CPU by process between two moments, in seconds, and per job in milliseconds. `machine` includes whatever else
    runs on it."""

    def per_job(used_s: float) -> float:
        return round(used_s * 1000 / max(1, jobs), 4)

    client_s = after.client_s - before.client_s
    daemons_s = {name: after.daemons_s[name] - before.daemons_s[name] for name in after.daemons_s}
    launchers_s = {name: after.launchers_s[name] - before.launchers_s[name] for name in after.launchers_s}
    machine_s = after.machine_s - before.machine_s
    return {
        "cpu_s": {
            "client": round(client_s, 3),
            "daemons": {name: round(used, 3) for name, used in daemons_s.items()},
            "launchers": {name: round(used, 3) for name, used in launchers_s.items()},
            "machine": round(machine_s, 3),
        },
        "cpu_ms_per_job": {
            "client": per_job(client_s),
            "daemons": {name: per_job(used) for name, used in daemons_s.items()},
            "launchers": {name: per_job(used) for name, used in launchers_s.items()},
            "client_and_daemons": per_job(client_s + sum(daemons_s.values())),
            "machine": per_job(machine_s),
        },
    }


def load_1min() -> float:
    """Runnable processes, averaged over about a minute."""
    return round(os.getloadavg()[0], 2)
