"""Jobs in the Standard Workload Format of the Parallel Workloads Archive: 18 numbers a line, comments behind ";", -1
where nothing is known. (D. Feitelson, D. Tsafrir, D. Krakov: "Experience with using the Parallel Workloads Archive",
2014.)

A job is as many tasks of one processor each as were allocated, or else requested. It came to its partition: the region
`partition-N`, if there are several regions, else to the only one.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from hanse.replay.errors import TraceRefused
from hanse.replay.reading.fields import Fields
from hanse.replay.reading.lines import lines_of
from hanse.replay.trace import TracedJob

_COLUMNS = (
    "job",
    "submit",
    "wait",
    "run",
    "allocated",
    "cpu_time",
    "memory",
    "requested",
    "requested_time",
    "requested_memory",
    "status",
    "user",
    "group",
    "executable",
    "queue",
    "partition",
    "preceding",
    "think",
)
_COMMENT = ";"
_UNKNOWN = "-1"
_KIBIBYTE = 1024.0


def read_jobs(path: Path) -> Iterator[TracedJob]:
    """Jobs in the order of the file, without those that never ran. Raises TraceRefused."""
    for number, line in lines_of(path):
        values = line.split(_COMMENT, 1)[0].split()
        if not values:
            continue
        if len(values) != len(_COLUMNS):
            raise TraceRefused(path.name, number, "", f"{len(values)} numbers instead of {len(_COLUMNS)}")
        known = {
            name: "" if value == _UNKNOWN else value for name, value in zip(_COLUMNS, values, strict=True)
        }
        job = _job(Fields(path.name, number, known))
        if job is not None:
            yield job


def _job(fields: Fields) -> TracedJob | None:
    processors = fields.text("allocated") or fields.text("requested")
    if not processors or not fields.text("run"):
        return None  # It was cancelled before it ran: there is nothing to replay.
    per_task = {"gpus": "", "cpus": "1", "mem_mib": _mebibytes(fields)}
    group, user = fields.text("group") or "0", fields.text("user")
    return TracedJob(
        id=fields.word("job") or fields.refuse("job", "required"),
        home=f"partition-{fields.text('partition')}" if fields.text("partition") else "",
        tenant=f"group-{group}/user-{user}" if user else f"group-{group}",
        name=f"executable-{fields.text('executable') or 0}",
        submit_us=fields.instant_us("submit"),
        duration_us=fields.duration_us("run"),
        tasks=Fields(fields.file, fields.line, {"allocated": processors}).count("allocated"),
        wants=Fields(fields.file, fields.line, per_task).vector(),
        tier="standard",
        estimate_us=fields.duration_us("requested_time", 0.0),
    )


def _mebibytes(fields: Fields) -> str:
    """Of one processor; the format counts kibibytes."""
    kibibytes = fields.number("requested_memory", 1e15, 0.0)
    return f"{kibibytes / _KIBIBYTE:.0f}" if kibibytes else ""
