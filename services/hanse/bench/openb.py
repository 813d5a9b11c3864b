"""The Alibaba GPU trace of 2023 (openb), as a region and jobs: what placement is measured with.

Two CSV files. Jobs: columns gpus (a fraction is a share of one), cpus, mem_mib, gang. Inventory: count, gpus, gpu_type,
cpus, mem_mib, node_class. They are not part of this project: github.com/alibaba/clusterdata has the trace
(cluster-trace-gpu-v2023), for any use in research or study.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

from hanse.cli.errors import UsageOrConfigError
from hanse.core.model.jobs import GroupShape, Shape, ShapeBody, make_shape
from hanse.core.model.limits import DEVICE_UNIT
from hanse.core.model.regions import Node
from hanse.core.model.resources import Resources, resources

MIB = 1 << 20
NODES_PER_RACK = 40
RACKS_PER_POD = 16


@dataclass(frozen=True, slots=True)
class TraceJob:
    """What one task of a job takes, and how many start together."""

    wanted: Resources
    tasks: int

    @property
    def gpu(self) -> int:
        """Thousandths of devices over all tasks."""
        return self.tasks * dict(self.wanted).get("gpu", 0)


def read_jobs(path: Path) -> list[TraceJob]:
    """In the order of the file. UsageOrConfigError if it cannot be read as such."""
    jobs = []
    for line, row in enumerate(_rows(path, ("gpus", "cpus", "mem_mib", "gang")), start=2):
        try:
            jobs.append(TraceJob(_capacity(row, float(row["gpus"] or 0)), int(row["gang"] or 1)))
        except ValueError as error:
            raise UsageOrConfigError(f"{path}, line {line}: {error}") from error
    return jobs


def _capacity(row: dict[str, str], gpus: float) -> Resources:
    return resources(
        {
            "cpu": round(float(row["cpus"]) * 1000),
            "memory": round(float(row["mem_mib"])) * MIB,
            "gpu": round(gpus * DEVICE_UNIT),
        }
    )


def read_nodes(path: Path, count: int = 0) -> tuple[Node, ...]:
    """The nodes of an inventory, labelled by model, rack and pod; repeated, or cut off, to be `count` of them."""
    columns = ("count", "gpus", "gpu_type", "cpus", "mem_mib", "node_class")
    try:
        rows = [row for row in _rows(path, columns) for _ in range(int(row["count"]))]
        if not rows:
            raise UsageOrConfigError(f"{path}: no nodes")
        chosen = islice(cycle(rows), count or len(rows))
        return tuple(_node(number, row) for number, row in enumerate(chosen))
    except ValueError as error:
        raise UsageOrConfigError(f"{path}: {error}") from error


def _node(number: int, row: dict[str, str]) -> Node:
    rack = number // NODES_PER_RACK
    return Node(
        name=f"n{number:05d}",
        node_class=row["node_class"] or "any",
        capacity=_capacity(row, int(row["gpus"])),
        labels=(
            ("model", row["gpu_type"] or "none"),
            ("pod", f"p{rack // RACKS_PER_POD}"),
            ("rack", f"r{rack}"),
        ),
    )


def shape_of(job: TraceJob, constraints: tuple[str, ...] = ()) -> Shape:
    """The job as a region sees it."""
    group = GroupShape(job.tasks, job.tasks, job.wanted, constraints)
    return make_shape(ShapeBody(groups=(group,)))


def _rows(path: Path, columns: tuple[str, ...]) -> Iterator[dict[str, str]]:
    try:
        with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as opened:
            reader = csv.DictReader(opened)
            missing = [column for column in columns if column not in (reader.fieldnames or ())]
            if missing:
                raise UsageOrConfigError(f"{path}: no column {', '.join(missing)}")
            yield from reader
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise UsageOrConfigError(f"{path}: {error}") from error
