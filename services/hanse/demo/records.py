"""What really ran: the tasks' own records, read back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any


class DamagedRecordError(Exception):
    """A record holds what no task writes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRun:
    """One process of one task. Microseconds of the wall clock; `end_us` and `status` None: no end was written.
    `beat_us`: when it last said that it lived; None: it is of a kind that does not."""

    job_id: str
    task: int
    epoch: int
    attempt: int
    region: str
    node: str
    pid: int
    begin_us: int
    end_us: int | None = None
    status: int | None = None
    beat_us: int | None = None


def read_runs(directory: Path) -> list[TaskRun]:
    """Every run on record, in the order in which they began. DamagedRecordError names the file and line."""
    runs = [run for path in sorted(directory.iterdir()) for run in read_record(path)]
    return sorted(runs, key=lambda run: (run.begin_us, run.job_id, run.task))


def read_record(path: Path) -> Iterator[TaskRun]:
    """The runs of one task. A begin and an end belong together if they are of one process in one attempt. A last line
    without its end is being written, or its writer was killed over it: it does not count."""
    open_runs: dict[tuple[int, int, int], TaskRun] = {}
    whole, _, _ = path.read_text(encoding="utf-8").rpartition("\n")
    for number, text in enumerate(whole.splitlines(), start=1):
        try:
            line = json.loads(text)
            key = (line["epoch"], line["attempt"], line["pid"])
            if line["what"] == "begin":
                open_runs[key] = _begun(line)
            elif line["what"] == "beat":
                open_runs[key] = replace(open_runs[key], beat_us=line["at_us"])
            else:
                # A task that is told to stop before it has begun writes only its end.
                begun = open_runs.pop(key, None) or _begun(line)
                yield replace(begun, end_us=line["at_us"], status=line["status"])
        except (ValueError, KeyError, TypeError) as error:
            raise DamagedRecordError(f"{path}:{number}: {error!r} in {text!r}") from error
    yield from open_runs.values()


def _begun(line: dict[str, Any]) -> TaskRun:
    return TaskRun(
        job_id=line["job"],
        task=line["task"],
        epoch=line["epoch"],
        attempt=line["attempt"],
        region=line["region"],
        node=line["node"],
        pid=line["pid"],
        begin_us=line["at_us"],
    )
