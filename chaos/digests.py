"""`python -m chaos.digests MINUTES SEED...` prints the digest of each seed: equal code gives equal lines, anywhere."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from chaos.checkers import check
from hanse.core.model.time import SECOND_US
from hanse.sim.faults import MINUTE_US, Faults
from hanse.sim.run import run_plan
from hanse.sim.world import Plan

# Few and short, so that many seeds are quick: what is looked for shows in any of them.
_JOBS = 40
_RUNTIME_MAX_US = 10 * SECOND_US


def main(arguments: Sequence[str]) -> None:
    """Run the seeds one after the other."""
    minutes, *seeds = arguments
    for seed in map(int, seeds):
        plan = Plan(
            seed=seed,
            faults=Faults.swarm(seed),
            duration_us=int(float(minutes) * MINUTE_US),
            jobs=_JOBS,
            runtime_max_us=_RUNTIME_MAX_US,
        )
        report = run_plan(plan, check)
        sys.stdout.write(f"{seed} {report.digest} {report.steps} {report.virtual_us}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
