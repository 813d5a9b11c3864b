"""Jobs as Slurm's accounting prints them: `sacct --allocations --parsable2 --format=...`, columns between "|" in any
order, named in the first line.

Needed: JobID, Submit, NNodes (or AllocNodes), and ElapsedRaw or Elapsed. Used where present: Cluster, Partition,
Account, User, JobName, TimelimitRaw or Timelimit, AllocTRES or ReqTRES, AllocCPUS or NCPUS or ReqCPUS, QOS, Priority.
A job is one task for each of its nodes. Its home is its cluster; or its partition, where that is a region.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from hanse.core.model.time import SECOND_US
from hanse.replay import bounds
from hanse.replay.errors import TraceRefused
from hanse.replay.reading.fields import Fields
from hanse.replay.reading.lines import lines_of
from hanse.replay.trace import TracedJob

SEPARATOR = "|"
_REQUIRED = ("JobID", "Submit")
_CLOCK = re.compile(
    r"(?:(?P<days>\d{1,5})-)?(?P<hours>\d{1,3}):(?P<minutes>\d{2}):(?P<seconds>\d{2})(?:\.\d+)?"
)
_SIZE = re.compile(r"(?P<number>\d{1,15}(?:\.\d{1,6})?)(?P<unit>[KMGTP]?)")
_MEBIBYTES = {"": 1 / (1 << 20), "K": 1 / 1024, "M": 1.0, "G": 1024.0, "T": 1048576.0, "P": 1073741824.0}
_MINUTE_S = 60


def read_jobs(path: Path, regions: frozenset[str]) -> Iterator[TracedJob]:
    """Jobs, timed from the first submission of the file; steps, and jobs that never ran, are left out. Raises
    TraceRefused."""
    header: list[str] | None = None
    begun_us: int | None = None
    for number, line in lines_of(path):
        values = line.split(SEPARATOR)
        if len(values) > bounds.FIELDS_MAX:
            raise TraceRefused(path.name, number, "", f"more than {bounds.FIELDS_MAX} fields")
        if header is None:
            header = _header(path.name, number, values)
            continue
        if not line.strip():
            continue
        if len(values) != len(header):
            raise TraceRefused(path.name, number, "", f"{len(values)} fields under {len(header)} columns")
        job = _job(Fields(path.name, number, dict(zip(header, values, strict=True))), regions)
        if job is not None:
            begun_us = job.submit_us if begun_us is None else begun_us
            yield msgspec.structs.replace(job, submit_us=_since(job, begun_us, path.name, number))
    if header is None:
        raise TraceRefused(path.name, 0, "", "is empty")


def _since(job: TracedJob, begun_us: int, file: str, line: int) -> int:
    """Exports are ordered by job, so a few submissions may lie before the first."""
    since_us = max(0, job.submit_us - begun_us)
    if since_us > bounds.INSTANT_S_MAX * SECOND_US:
        raise TraceRefused(file, line, "Submit", "more than ten years after the first")
    return since_us


def _header(file: str, line: int, values: list[str]) -> list[str]:
    header = [value.strip() for value in values]
    for name in _REQUIRED:
        if name not in header:
            raise TraceRefused(file, line, name, "there is no such column")
    return header


def _job(fields: Fields, regions: frozenset[str]) -> TracedJob | None:
    job_id = fields.text("JobID")
    elapsed_us = _elapsed_us(fields)
    if "." in job_id or elapsed_us == 0:
        return None
    tres = _tres(fields)
    nodes = Fields(fields.file, fields.line, {"NNodes": _nodes(fields, tres)}).count("NNodes")
    partition, cluster = fields.word("Partition"), fields.word("Cluster")
    user, account = fields.word("User"), fields.word("Account") or "nobody"
    return TracedJob(
        id=job_id,
        home=partition if partition in regions else cluster,
        tenant=f"{account}/{user}" if user else account,
        name=fields.word("JobName"),
        submit_us=_instant_us(fields, "Submit"),
        duration_us=elapsed_us,
        tasks=nodes,
        wants=Fields(fields.file, fields.line, _per_node(fields, tres, nodes)).vector(),
        tier="standard",
        estimate_us=_limit_us(fields),
    )


def _instant_us(fields: Fields, field: str) -> int:
    """sacct writes the site's local time without a zone; only differences count here."""
    text = fields.text(field)
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        fields.refuse(field, f"{text[:40]!r} is not a date and time, such as 2026-03-01T12:00:00")
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return int(at.timestamp()) * SECOND_US


def _elapsed_us(fields: Fields) -> int:
    if fields.text("ElapsedRaw"):
        return fields.duration_us("ElapsedRaw")
    if not fields.text("Elapsed"):
        fields.refuse("Elapsed", "required, here or as ElapsedRaw")
    return _clock_us(fields, "Elapsed")


def _limit_us(fields: Fields) -> int:
    """The user's limit is the best estimate that accounting has; 0: none."""
    minutes = fields.text("TimelimitRaw")
    if minutes.isdecimal():
        return int(min(float(minutes) * _MINUTE_S, bounds.DURATION_S_MAX)) * SECOND_US
    return _clock_us(fields, "Timelimit") if _CLOCK.fullmatch(fields.text("Timelimit")) else 0


def _clock_us(fields: Fields, field: str) -> int:
    found = _CLOCK.fullmatch(fields.text(field))
    if found is None:
        fields.refuse(field, f"{fields.text(field)[:40]!r} is not [days-]hours:minutes:seconds")
    days, hours, minutes, seconds = (
        int(found[name] or 0) for name in ("days", "hours", "minutes", "seconds")
    )
    total_s = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    return min(total_s, bounds.DURATION_S_MAX) * SECOND_US


def _tres(fields: Fields) -> dict[str, str]:
    """ "cpu=4,mem=16G,node=1,gres/gpu=2" by name."""
    text = fields.text("AllocTRES") or fields.text("ReqTRES")
    return dict(part.split("=", 1) for part in text.split(",") if "=" in part)


def _nodes(fields: Fields, tres: dict[str, str]) -> str:
    found = fields.text("NNodes") or fields.text("AllocNodes") or tres.get("node", "1")
    return "1" if found in ("", "0") else found


def _per_node(fields: Fields, tres: dict[str, str], nodes: int) -> dict[str, str]:
    cpus = tres.get("cpu") or next(
        (fields.text(name) for name in ("AllocCPUS", "NCPUS", "ReqCPUS") if fields.text(name)), "0"
    )
    devices = tres.get("gres/gpu", "0")
    if not cpus.isdecimal() or not devices.isdecimal():
        fields.refuse("AllocTRES", "cpu and gres/gpu are whole numbers")
    return {
        "cpus": str(-(-int(cpus) // nodes)),
        "gpus": str(-(-int(devices) // nodes)),
        "mem_mib": _memory_mib(fields, tres.get("mem", ""), nodes),
    }


def _memory_mib(fields: Fields, text: str, nodes: int) -> str:
    if not text:
        return ""
    found = _SIZE.fullmatch(text)
    if found is None:
        fields.refuse("AllocTRES", f"mem={text[:40]!r} is not a size")
    return f"{float(found['number']) * _MEBIBYTES[found['unit']] / nodes:.0f}"
