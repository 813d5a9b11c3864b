"""The door: files in, a whole trace out."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

from hanse.replay import bounds
from hanse.replay.errors import ReplayRefused, TraceRefused
from hanse.replay.reading import native, sacct, swf
from hanse.replay.reading.lines import lines_of
from hanse.replay.trace import NodePool, Trace, TracedJob

_SWF_LINE = re.compile(r"\s*(;.*|(-?[0-9.]+\s+){17}-?[0-9.]+\s*(;.*)?)")


class Format(enum.StrEnum):
    """How a file tells of jobs."""

    AUTO = "auto"
    CSV = "csv"
    SWF = "swf"
    SACCT = "sacct"


def read_trace(jobs: Path, nodes: Path, form: Format = Format.AUTO) -> Trace:
    """The trace of these files. Raises TraceRefused, or ReplayRefused if they do not go together."""
    pools = _pools(nodes)
    regions = frozenset(pool.region for pool in pools)
    found: list[TracedJob] = []
    for job in _jobs(jobs, form, regions):
        if len(found) >= bounds.JOBS_MAX:
            raise TraceRefused(jobs.name, 0, "", f"more than {bounds.JOBS_MAX} jobs")
        found.append(job)
    homed = _homed(found, tuple(dict.fromkeys(pool.region for pool in pools)), jobs.name)
    homed.sort(key=lambda job: job.submit_us)
    _check_ids(homed, jobs.name)
    return Trace(jobs=tuple(homed), pools=tuple(pools), source=jobs.name)


def format_of(path: Path) -> Format:
    """By its first line that says something. Raises TraceRefused."""
    for _, line in lines_of(path):
        if not line.strip():
            continue
        if _SWF_LINE.fullmatch(line):
            return Format.SWF
        if sacct.SEPARATOR in line and "JobID" in line:
            return Format.SACCT
        if native.JOB_COLUMNS[0] in line:
            return Format.CSV
        raise TraceRefused(
            path.name, 1, "", "neither CSV with a column job_id, nor SWF, nor sacct --parsable2"
        )
    raise TraceRefused(path.name, 0, "", "is empty")


def _jobs(path: Path, form: Format, regions: frozenset[str]) -> Iterator[TracedJob]:
    match format_of(path) if form is Format.AUTO else form:
        case Format.SWF:
            return swf.read_jobs(path)
        case Format.SACCT:
            return sacct.read_jobs(path, regions)
        case _:
            return native.read_jobs(path)


def _pools(path: Path) -> list[NodePool]:
    pools: list[NodePool] = []
    for pool in native.read_pools(path):
        if len(pools) >= bounds.POOLS_MAX:
            raise TraceRefused(path.name, 0, "", f"more than {bounds.POOLS_MAX} pools")
        pools.append(pool)
    if not pools:
        raise TraceRefused(path.name, 0, "", "no nodes")
    if len({pool.region for pool in pools}) > bounds.REGIONS_MAX:
        raise TraceRefused(path.name, 0, "region", f"more than {bounds.REGIONS_MAX} regions")
    return pools


def _homed(jobs: list[TracedJob], regions: tuple[str, ...], file: str) -> list[TracedJob]:
    """Jobs of a trace that names no regions go to all of them in turn, or to the only one."""
    known = frozenset(regions)
    homed = []
    for number, job in enumerate(jobs):
        if job.home in known:
            homed.append(job)
        elif not job.home or len(regions) == 1:
            homed.append(msgspec.structs.replace(job, home=regions[number % len(regions)]))
        else:
            raise ReplayRefused(f"{file}: job {job.id} came to {job.home!r}, which has no nodes")
    return homed


def _check_ids(jobs: list[TracedJob], file: str) -> None:
    seen: set[str] = set()
    for job in jobs:
        if job.id in seen:
            raise ReplayRefused(f"{file}: there are two jobs {job.id!r}")
        seen.add(job.id)
