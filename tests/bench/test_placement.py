"""The benchmarks of placement on an excerpt of their trace, small: figures that add up."""

from __future__ import annotations

from pathlib import Path

import pytest

from hanse.bench.fragmentation import PUBLISHED, bench_fragmentation
from hanse.bench.openb import read_jobs, read_nodes
from hanse.bench.placement import bench_placement
from hanse.cli.errors import UsageOrConfigError

DATA = Path(__file__).parent / "data"
JOBS, NODES = DATA / "openb_jobs.csv", DATA / "openb_nodes.csv"


def quiet(text: str) -> None:
    """Nobody reads it."""


def test_placement() -> None:
    document = bench_placement(JOBS, NODES, 200, 400, 300, quiet)
    assert document["nodes"] == 200
    assert 0 < document["placements"] <= 400
    assert document["placements_per_s"] > 0
    assert document["distinct_placements"] > 0
    assert document["p50_s"] <= document["p99_s"]
    assert document["preemption"]["p50_s"] > 0
    assert document["cycle_pending_jobs"] > 0
    assert document["allocations"] >= 300


def test_fragmentation_is_no_worse_than_other_methods() -> None:
    document = bench_fragmentation(JOBS, NODES, 3, quiet)
    allocated = {name: figures["at_130"] for name, figures in document["allocated_percent"].items()}
    assert allocated.keys() == {"default", "best_fit", "dot_product"}
    assert allocated["default"] >= max(allocated.values()) - 0.5
    assert document["published_percent"] == PUBLISHED


def test_a_trace_is_what_its_columns_say() -> None:
    jobs, nodes = read_jobs(JOBS), read_nodes(NODES, 50)
    assert len(jobs) == 300
    assert sum(job.gpu for job in jobs) > 0
    assert len({node.name for node in nodes}) == 50
    assert all(dict(node.labels).keys() == {"model", "pod", "rack"} for node in nodes)


@pytest.mark.parametrize("content", ["", "a,b\n1,2\n", "gpus,cpus,mem_mib,gang\nx,1,1,1\n"])
def test_another_file_is_refused_by_name(tmp_path: Path, content: str) -> None:
    path = tmp_path / "jobs.csv"
    path.write_text(content)
    with pytest.raises(UsageOrConfigError, match=r"jobs\.csv"):
        read_jobs(path)
    with pytest.raises(UsageOrConfigError, match="none"):
        read_nodes(tmp_path / "none.csv")
