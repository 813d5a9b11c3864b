"""`python -m chaos.digests MINUTES SEED...` prints the digest of each seed: equal code gives equal lines, anywhere."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from chaos.simulation import run_seed


def main(arguments: Sequence[str]) -> None:
    """Run the seeds one after the other."""
    minutes, *seeds = arguments
    for seed in map(int, seeds):
        report = run_seed(seed, minutes=float(minutes))
        sys.stdout.write(f"{seed} {report.digest} {report.steps} {report.virtual_us}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
