"""A recorded workload under virtual time."""

from __future__ import annotations

from pathlib import Path

from hanse.sim.replay import TracedJob, read_jobs, read_nodes, replay

JOBS = """job_id,region,submit_s,duration_s,gang,gpus
a-1,a,100,600,1,8
a-2,a,160,600,1,4
b-1,b,90,600,2,1
c-1,c,200,600,1,1
a-3,a,990,600,1,1
"""
NODES = "region,count,gpus\na,1,8\nb,1,8\n"


def job(number: int, submit_s: float, duration_s: float, gpus: int, region: str = "a") -> TracedJob:
    return TracedJob(
        job_id=f"{region}-{number}",
        region=region,
        submit_s=submit_s,
        duration_s=duration_s,
        gang=1,
        gpus=gpus,
    )


def test_jobs_of_a_window_begin_at_its_start(tmp_path: Path) -> None:
    (tmp_path / "jobs.csv").write_text(JOBS)
    (tmp_path / "nodes.csv").write_text(NODES)
    jobs = read_jobs(tmp_path / "jobs.csv", ("a", "b"), 95, 500)
    assert [(each.job_id, each.submit_s) for each in jobs] == [("a-1", 5.0), ("a-2", 65.0)]
    assert read_nodes(tmp_path / "nodes.csv") == {"a": (1, 8), "b": (1, 8)}


def test_what_has_room_nowhere_waits_and_what_has_elsewhere_is_handed_on_once() -> None:
    jobs = [job(1, 600, 3600, 8), job(2, 660, 3600, 8), job(3, 720, 3600, 8)]
    outcome = replay(jobs, {"a": (1, 8), "b": (1, 8)}, speedup=60, until_s=20_000)
    assert (outcome.jobs, outcome.started, outcome.handoffs_max) == (3, 3, 1)
    # The third starts where the first of the two has ended.
    assert 600 + 3600 - 720 <= outcome.wait_mean_s * 3 < 600 + 3600 - 720 + 120
    assert outcome.wait_p50_s < 60


def test_the_same_workload_is_the_same_run() -> None:
    jobs = [job(number, 60.0 * number, 900, 4) for number in range(1, 12)]
    nodes = {"a": (1, 8), "b": (1, 8)}
    assert replay(jobs, nodes, speedup=60, until_s=9000) == replay(jobs, nodes, speedup=60, until_s=9000)
