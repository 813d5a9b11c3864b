"""What Hanse promises, over generated worlds: every checker on, a handful of seeds; the soak runs thousands."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from chaos.checkers import check
from chaos.codec import WireCodec, write_spec
from chaos.simulation import run_seed
from hanse.core.model.time import SECOND_US
from hanse.sim.faults import MINUTE_US, Faults
from hanse.sim.run import run_plan
from hanse.sim.world import Plan, World

ROOT = Path(__file__).parents[2]
# 87 and 107 lose most COMMITs, so that transfers are withdrawn and burned.
SEEDS = (0, 1, 2, 3, 87, 107)
DETERMINISM_SEEDS = ("3", "5")


def regressions() -> list[Plan]:
    """The runs of chaos/regressions.txt."""
    lines = (ROOT / "chaos" / "regressions.txt").read_text(encoding="utf-8").splitlines()
    return [_plan(*map(float, line.split("#")[0].split())) for line in lines if line.split("#")[0].strip()]


def _plan(seed: float, regions: float, minutes: float, jobs: float, runtime_s: float) -> Plan:
    return Plan(
        seed=int(seed),
        faults=Faults.swarm(int(seed)),
        regions=int(regions),
        duration_us=int(minutes * MINUTE_US),
        jobs=int(jobs),
        runtime_max_us=int(runtime_s * SECOND_US),
    )


def test_on_a_good_day_everything_ends_and_much_is_handed_over() -> None:
    report = run_seed(0, minutes=2, faults=Faults.none(), check_every=16)
    assert report.handoffs > 10
    assert not report.faults


@pytest.mark.parametrize("seed", SEEDS)
def test_promises_hold_under_a_swarm_of_faults(seed: int) -> None:
    report = run_seed(seed, minutes=2)
    assert report.jobs > 80


def test_a_region_alone_needs_nobody() -> None:
    assert run_seed(1, regions=1, minutes=1, jobs=40).handoffs == 0


@pytest.mark.parametrize("plan", regressions(), ids=lambda plan: f"seed {plan.seed}")
def test_what_was_found_once_stays_fixed(plan: Plan) -> None:
    run_plan(plan, check)


def digests(hash_seed: str) -> str:
    """What another process finds these seeds to do."""
    environment = {
        **os.environ,
        "PYTHONHASHSEED": hash_seed,
        "PYTHONPATH": f"{ROOT / 'services'}{os.pathsep}{ROOT}",
    }
    done = subprocess.run(
        [sys.executable, "-m", "chaos.digests", "1", *DETERMINISM_SEEDS],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_equal_seeds_give_equal_runs_whatever_the_order_of_hashes() -> None:
    first = digests("1")
    assert len(first.splitlines()) == len(DETERMINISM_SEEDS)
    assert first == digests("2")


def test_promises_hold_when_every_message_goes_through_the_wire_format() -> None:
    codec = WireCodec()
    plan = Plan(seed=0, faults=Faults.swarm(0), duration_us=MINUTE_US, jobs=100, codec_share=1.0)
    world = World(plan, write_spec, codec)
    world.run()
    check(world.record)
    assert codec.envelopes > 500
    assert world.progress.handoffs > 5
