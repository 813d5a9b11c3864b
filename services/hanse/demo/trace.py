"""The excerpt of the Philly trace that the demo replays (data/README.md says where it comes from)."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources

ATTRIBUTION = (
    "Workload: 450 jobs of the Philly traces by Microsoft (M. Jeon et al., USENIX ATC 2019), "
    "github.com/msr-fiddle/philly-traces, licensed CC BY 4.0; a window of six hours, times compressed."
)


@dataclass(frozen=True, slots=True)
class TraceJob:
    """One job as it really was. Times in seconds, from the beginning of the excerpt."""

    number: int
    virtual_cluster: str
    submit_s: int
    duration_s: int
    gang: int
    gpus_per_task: int


def load_trace() -> list[TraceJob]:
    """The whole excerpt, in the order of submission."""
    source = resources.files("hanse.demo") / "data" / "philly_excerpt.csv"
    with source.open(encoding="utf-8") as lines:
        return list(_jobs(csv.DictReader(lines)))


def _jobs(rows: Iterator[dict[str, str]] | csv.DictReader[str]) -> Iterator[TraceJob]:
    for row in rows:
        yield TraceJob(
            number=int(row["job"]),
            virtual_cluster=row["virtual_cluster"],
            submit_s=int(row["submit_s"]),
            duration_s=int(row["duration_s"]),
            gang=int(row["gang"]),
            gpus_per_task=int(row["gpus_per_task"]),
        )
