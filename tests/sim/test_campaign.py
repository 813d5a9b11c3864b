"""Orders, totals, and shrinking: what `hanse sim` is made of."""

from __future__ import annotations

import subprocess
import sys

import psutil
import pytest

from hanse.sim import shrink as shrinking
from hanse.sim.campaign import COUNTED, Failure, Order, Outcome, Totals, run_one, run_seeds
from hanse.sim.faults import KINDS, Faults
from hanse.sim.run import Report

SMALL = Order(regions=2, minutes=0.1, jobs=5, checked=False)


def failure(seed: int = 1, kind: str = "SafetyViolation", exit_code: int = 11) -> Failure:
    return Failure(seed=seed, kind=kind, exit_code=exit_code, message="x", job_id="", at_us=0)


def test_every_parameter_of_a_fault_belongs_to_one_kind() -> None:
    named = [name for names in KINDS.values() for name in names]
    assert sorted(named) == sorted(Faults.__struct_fields__)


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_alone_is_there_and_gone_without_it(kind: str) -> None:
    alone = [Faults.only(seed, kind) for seed in range(5)]
    assert any(faults.has(kind) for faults in alone)
    assert {other for faults in alone for other in KINDS if faults.has(other)} == {kind}
    assert all(faults.without(kind) == Faults.none() for faults in alone)


def test_workers_end_with_whoever_waits_for_them() -> None:
    """Also if it is killed, and has no time to tell them."""
    command = [sys.executable, "-m", "hanse.cli", "sim", "run", "--seeds", "0:500", "--processes", "2"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as campaign:
        assert campaign.stderr is not None
        campaign.stderr.readline()  # A first seed is over.
        workers = [
            each for each in psutil.Process(campaign.pid).children() if "spawn_main" in str(each.cmdline())
        ]
        campaign.kill()
    assert len(workers) == 2
    _, alive = psutil.wait_procs(workers, timeout=30)
    assert not alive


def test_one_process_and_several_do_the_same() -> None:
    digests = []
    for processes in (1, 2):
        totals = Totals()
        for outcome in run_seeds(SMALL, range(3), processes):
            totals.add(outcome)
        digests.append(totals.document(1.0)["digest"])
    assert digests[0] == digests[1]


def test_totals_add_up_and_name_every_kind() -> None:
    totals = Totals()
    for seed, crashes in ((1, 2), (2, 3)):
        report = Report(
            seed=seed, digest="d", virtual_us=3_600_000_000, jobs=10, handoffs=4, forgotten=1, steps=7,
            envelopes=9, entries=5, events=100, faults={"crash": crashes},
        )  # fmt: skip
        totals.add(Outcome(seed=seed, wall_s=10.0, report=report))
    document = totals.document(12.0)
    assert document | {"faults": None, "digest": ""} == {
        "seeds": 2,
        "violations": 0,
        "jobs": 20,
        "handoffs": 8,
        "crashes": 5,
        "forgotten": 2,
        "virtual_hours": 2.0,
        "wall_s": 12.0,
        "virtual_per_wall": 360.0,
        "events": 200,
        "faults": None,
        "digest": "",
    }
    assert document["faults"] == dict.fromkeys(sorted(COUNTED), 0) | {"crash": 5}


def test_the_gravest_failure_decides() -> None:
    totals = Totals()
    for kind, code in (("LivenessViolation", 12), ("Crash", 10), ("SafetyViolation", 11), ("Crash", 10)):
        totals.add(Outcome(seed=totals.seeds, wall_s=1.0, failure=failure(totals.seeds, kind, code)))
    worst = totals.worst()
    assert worst is not None
    assert worst.exit_code == 11


def test_convergence_is_measured_on_a_good_day() -> None:
    report = run_one(Order(regions=6, minutes=0.7, jobs=30, faults="none", checked=False), 1).report
    assert report is not None
    assert 0 < report.convergence_rounds_p99 < 7


def test_shrinking_keeps_what_a_failure_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(order: Order, seed: int) -> Outcome:
        needed = order.regions >= 2 and order.faults_of(seed).has("crash") and order.jobs >= 10
        return Outcome(seed=seed, wall_s=0.0, failure=failure(seed) if needed else None)

    monkeypatch.setattr(shrinking, "run_one", fails)
    seed = next(seed for seed in range(9) if Faults.swarm(seed).has("crash"))
    found = shrinking.shrink(Order(regions=40, minutes=10), failure(seed), lambda _: None)
    faults = found.order.faults_of(found.failure.seed)
    assert [kind for kind in KINDS if faults.has(kind)] == ["crash"]
    assert (found.order.regions, found.order.minutes) == (2, 0.3125)
    assert 10 <= found.order.jobs < 20
