"""The document of a benchmark: figures, the machine, and the versions that they hold for."""

from __future__ import annotations

import os
import platform
import sqlite3
from importlib.metadata import version
from typing import Any

from hanse import __version__


def result(
    name: str,
    *,
    jobs: int,
    seconds: float,
    counts: dict[str, int],
    latency: dict[str, float | None],
    latency_of: str,
    set_up: dict[str, Any],
    load: dict[str, Any],
    more: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Keys: benchmark, jobs, seconds, jobs_per_s, handed_off, lost, run_twice, p50_s, p95_s, p99_s, latency_of, set_up,
    versions, load, and what the benchmark adds."""
    return {
        "benchmark": name,
        "jobs": jobs,
        "seconds": round(seconds, 3),
        "jobs_per_s": round(jobs / seconds, 1) if seconds else None,
        **counts,
        **latency,
        "latency_of": latency_of,
        **(more or {}),
        "set_up": set_up,
        "versions": versions(),
        "load": load,
    }


def versions() -> dict[str, str]:
    """Of everything that the figures depend on."""
    return {
        "hanse": __version__,
        "python": platform.python_version(),
        "grpcio": version("grpcio"),
        "protobuf": version("protobuf"),
        "sqlite": sqlite3.sqlite_version,
        "kernel": platform.release(),
    }


def machine_load(before: float, after: float, usage: dict[str, Any]) -> dict[str, Any]:
    """Load averages over a minute before and after, cores, and CPU used."""
    return {"before_1min": before, "after_1min": after, "cores": os.cpu_count() or 1, **usage}
