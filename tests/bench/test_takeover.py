"""One region of three is cut off for longer than its lease, and the bench counts what came of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from hanse.bench.adoptable import bench_adoptable
from hanse.bench.faults import Fault
from hanse.bench.takeover import bench_takeover
from tests.bench.test_benchmarks import KEYS, entries, left_behind, quiet

pytestmark = pytest.mark.timeout(180)


@pytest.mark.slow
async def test_a_region_that_is_cut_off(tmp_path: Path) -> None:
    document = await bench_takeover(tmp_path, 1, 3, [Fault.PARTITION], 1, quiet)
    assert (document["trials"], document["jobs"]) == (1, 6)
    assert (document["lost"], document["run_twice"], document["disturbed"]) == (0, 0, 0)
    assert document["before_lease_bound"] == 0
    (found,) = (document["by_fault"][Fault.PARTITION],)
    (taken_over_s,) = document["takeover_s"]
    # Its tasks ended before others began, and it was in order again soon after its return.
    assert found["ended_s"][0] < found["first_start_s"][0] <= taken_over_s < 30
    assert found["reconciled_s"][0] < 10
    assert left_behind(tmp_path) == []
    assert entries(tmp_path) == []


async def test_submitting_what_guardians_keep(tmp_path: Path) -> None:
    document = await bench_adoptable(tmp_path, 400, 50, 2, quiet, half_load_s=1.0)
    assert document.keys() >= KEYS
    assert (document["jobs"], document["lost"]) == (400, 0)
    assert document["share_of_wait"] > 0
    assert document["by_kind"]["adopt"]["half_load_jobs_per_s"] > 0
    assert left_behind(tmp_path) == []
