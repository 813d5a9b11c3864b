"""Jobs and nodes as CSV with named columns, in any order; further columns are left alone.

Jobs:   job_id, region, site, tenant, user, submit_s, duration_s, gang, gpus, cpus, mem_mib, gpu_type (alternatives
        between "|"), qos (guaranteed, standard, besteffort), priority, est_s, deadline_s
Nodes:  region, node_class, count, gpus, gpu_type, cpus, mem_mib
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from hanse.core.model.limits import ALTERNATIVES_MAX, NODES_MAX, PRIORITY_MAX
from hanse.replay import bounds
from hanse.replay.errors import TraceRefused
from hanse.replay.reading.fields import Fields, name_of
from hanse.replay.reading.lines import lines_of
from hanse.replay.trace import NodePool, TracedJob

JOB_COLUMNS = ("job_id", "submit_s", "duration_s")
_NODE_COLUMNS = ("region", "count")
_TIERS = {"": "standard", "guaranteed": "premium", "standard": "standard", "besteffort": "basic"}


def read_jobs(path: Path) -> Iterator[TracedJob]:
    """Jobs in the order of the file. Raises TraceRefused."""
    for fields in _rows(path, JOB_COLUMNS):
        yield _job(fields)


def read_pools(path: Path) -> Iterator[NodePool]:
    """Pools in the order of the file. Raises TraceRefused."""
    for fields in _rows(path, _NODE_COLUMNS):
        region = fields.word("region") or fields.refuse("region", "required")
        capacity = fields.vector()
        if not capacity:
            fields.refuse("gpus", "a node without anything: give gpus, cpus or mem_mib")
        yield NodePool(
            region=region,
            node_class=fields.word("node_class") or "node",
            count=fields.count("count", NODES_MAX, None),
            capacity=capacity,
            device_model=fields.word("gpu_type"),
        )


def _rows(path: Path, required: tuple[str, ...]) -> Iterator[Fields]:
    numbered = lines_of(path)
    header: list[str] | None = None
    for number, line in numbered:
        try:
            values = next(csv.reader([line], strict=True), [])
        except csv.Error as error:
            raise TraceRefused(path.name, number, "", f"not CSV: {error}") from error
        if len(values) > bounds.FIELDS_MAX:
            raise TraceRefused(path.name, number, "", f"more than {bounds.FIELDS_MAX} fields")
        if header is None:
            header = _header(path.name, number, values, required)
        elif values:
            if len(values) != len(header):
                raise TraceRefused(path.name, number, "", f"{len(values)} fields under {len(header)} columns")
            yield Fields(path.name, number, dict(zip(header, values, strict=True)))
    if header is None:
        raise TraceRefused(path.name, 0, "", "is empty")


def _header(file: str, line: int, values: list[str], required: tuple[str, ...]) -> list[str]:
    header = [value.strip() for value in values]
    for name in required:
        if name not in header:
            raise TraceRefused(file, line, name, "there is no such column")
    if len(set(header)) != len(header):
        raise TraceRefused(file, line, "", "a column stands here twice")
    return header


def _job(fields: Fields) -> TracedJob:
    tier = _TIERS.get(fields.text("qos"))
    if tier is None:
        fields.refuse("qos", f"one of {', '.join(name for name in _TIERS if name)}")
    priority = fields.number("priority", PRIORITY_MAX, 0)
    models = tuple(filter(None, map(name_of, fields.text("gpu_type").split("|"))))
    if len(models) > ALTERNATIVES_MAX:
        fields.refuse("gpu_type", f"more than {ALTERNATIVES_MAX} alternatives")
    user = fields.word("user")
    tenant = fields.word("tenant") or "nobody"
    return TracedJob(
        id=fields.word("job_id") or fields.refuse("job_id", "required"),
        home=fields.word("region"),
        tenant=f"{tenant}/{user}" if user else tenant,
        name=fields.word("site"),
        submit_us=fields.instant_us("submit_s"),
        duration_us=fields.duration_us("duration_s"),
        tasks=fields.count("gang"),
        wants=fields.vector(),
        tier=tier,
        device_models=models,
        priority=int(priority),
        estimate_us=fields.duration_us("est_s", 0.0),
        deadline_us=fields.duration_us("deadline_s", 0.0),
    )
