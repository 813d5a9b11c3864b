"""What a race for a quota comes to, and a small one."""

from __future__ import annotations

from pathlib import Path

import pytest

from hanse.bench.quota import Race, bench_quota, phase_of
from hanse.demo.records import TaskRun
from tests.bench.test_benchmarks import left_behind, quiet


def _run(begin_us: int, end_us: int | None) -> TaskRun:
    return TaskRun(
        job_id="j",
        task=0,
        epoch=1,
        attempt=1,
        region="north",
        node="n",
        pid=1,
        begin_us=begin_us,
        end_us=end_us,
        status=0,
    )


@pytest.mark.parametrize(
    ("runs", "utilisation", "most"),
    [
        ([], 0.0, 0),
        ([(0, 100)], 0.5, 1),
        ([(0, 100), (0, 50), (50, 100)], 1.0, 2),
        ([(20, 60)], 0.2, 1),
        ([(-50, 50), (90, 200)], 0.3, 1),
        # One that wrote no end may have run for 40.
        ([(10, None)], 0.2, 1),
    ],
)
def test_use_is_counted_between_two_instants(
    runs: list[tuple[int, int | None]], utilisation: float, most: int
) -> None:
    phase = phase_of([_run(*each) for each in runs], 2, 0, 100, 40)
    assert (phase.utilisation, phase.most) == (utilisation, most)


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_a_small_race(tmp_path: Path) -> None:
    race = Race(clients=12, limit=4, run_s=1.0, cuts=1, healed_s=6.0)
    document = await bench_quota(tmp_path, race, quiet)
    assert not document["exceeded"]
    assert document["most_in_use"] == 4
    assert document["held"] == 4
    assert document["utilisation_healed"] > 0.5
    assert left_behind(tmp_path) == []
