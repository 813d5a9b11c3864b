"""One benchmark: `hanse ... -o json` in a process of its own, and what the machine did besides."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import psutil

from hanse.bench.figures import load_1min, machine_s
from hanse.bench.result import versions
from hanse.bench.suite.catalogue import Benchmark, value_of
from hanse.bench.suite.records import Load, Machine, Run

# For a benchmark that was told to end, to end its daemons.
_GRACE_S = 30.0


class Ended(msgspec.Struct, frozen=True):
    """A process that is over: what it printed, its exit code, CPU seconds of it and all that it waited for, and its
    most resident memory."""

    printed: str
    code: int
    cpu_s: float
    peak_bytes: int
    timed_out: bool


def run_benchmark(benchmark: Benchmark, files: Mapping[str, Path], directory: Path, source: str) -> Run:
    """Run it, write its document below `directory`, and return its figures, or why there are none."""
    before, begun_s, busy_s = load_1min(), time.monotonic(), machine_s()
    arguments = [str(files[each[1:-1]]) if each.startswith("{") else each for each in benchmark.arguments]
    ended = _ended([sys.executable, "-m", "hanse.cli", "-o", "json", *arguments], benchmark.limit_s)
    wall_s = time.monotonic() - begun_s
    others = max(0.0, machine_s() - busy_s - ended.cpu_s) / wall_s
    load = Load(before_1min=before, after_1min=load_1min(), others_cores=round(others, 2))
    document, failure = document_of(ended, benchmark.limit_s)
    failure = failure or _missing(benchmark, document)
    whole = {
        **document,
        "peak_bytes": ended.peak_bytes,
        "machine": msgspec.to_builtins(machine()),
        "versions": versions(),
        "load": {**document.get("load", {}), **msgspec.to_builtins(load)},
        "failure": failure,
    }
    directory.mkdir(parents=True, exist_ok=True)
    (directory / f"{benchmark.name}.json").write_text(json.dumps(whole, indent=2) + "\n", encoding="utf-8")
    values = {each.path: value_of(whole, each.path) for each in benchmark.figures}
    return Run(
        benchmark=benchmark.name,
        day=datetime.now(UTC).date().isoformat(),
        source=source,
        versions=versions(),
        machine=machine(),
        load=load,
        wall_s=round(wall_s, 1),
        set_up=", ".join(files[name].name for name in benchmark.files),
        failure=failure,
        kept=document.get(benchmark.keeps),
        figures={} if failure else {path: value for path, value in values.items() if value is not None},
    )


def document_of(ended: Ended, limit_s: float) -> tuple[dict[str, Any], str]:
    """What it printed, and why that is no result; empty: it is one."""
    if ended.timed_out:
        return {}, f"not over after {limit_s:g} s"
    if ended.code:
        return {}, f"exit code {ended.code}"
    try:
        document = json.loads(ended.printed)
    except ValueError:
        return {}, "what it printed is no JSON"
    return (document, "") if isinstance(document, dict) else ({}, "what it printed is no document")


def _missing(benchmark: Benchmark, document: dict[str, Any]) -> str:
    paths = [each.path for each in benchmark.figures if each.path != "peak_bytes"]
    missing = [path for path in paths if value_of(document, path) is None]
    return f"no {', '.join(missing)} in what it printed" if missing else ""


def _ended(command: list[str], limit_s: float) -> Ended:
    """Run it; progress stays on standard error."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    late = threading.Event()

    def end() -> None:
        late.set()
        process.terminate()

    timers = [threading.Timer(limit_s, end), threading.Timer(limit_s + _GRACE_S, process.kill)]
    for timer in timers:
        timer.daemon = True
        timer.start()
    try:
        assert process.stdout is not None
        with process.stdout:
            printed = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    except BaseException:
        process.terminate()
        process.wait()
        raise
    finally:
        for timer in timers:
            timer.cancel()
    used_s = usage.ru_utime + usage.ru_stime
    return Ended(printed, process.returncode, used_s, usage.ru_maxrss * 1024, late.is_set())


def machine() -> Machine:
    """This one."""
    return Machine(
        processor=_processor(),
        cores=os.cpu_count() or 1,
        memory_bytes=int(psutil.virtual_memory().total),
        kernel=platform.release(),
    )


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
