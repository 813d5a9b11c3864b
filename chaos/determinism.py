"""`python -m chaos.determinism` runs seeds in two processes that order hashes differently: digests must be equal.

Iterating a set, a dictionary keyed by identity, or an unseeded generator shows here before it costs anyone a replay.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]
_SEEDS = range(20)
_MINUTES = "0.3"
_HASH_SEEDS = ("1", "2")


def main() -> int:
    """0: equal, 1: not (with the seeds that differ)."""
    runs = [_start(hash_seed) for hash_seed in _HASH_SEEDS]
    told = [run.communicate()[0].splitlines() for run in runs]
    if any(run.returncode for run in runs):
        return 1
    different = [first.split()[0] for first, second in zip(*told, strict=True) if first != second]
    if different:
        sys.stderr.write(f"not the same in two processes: seeds {', '.join(different)}\n")
    return 1 if different else 0


def _start(hash_seed: str) -> subprocess.Popen[str]:
    paths = f"{_ROOT / 'services'}{os.pathsep}{_ROOT}"
    return subprocess.Popen(
        [sys.executable, "-m", "chaos.digests", _MINUTES, *map(str, _SEEDS)],
        env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": paths},
        stdout=subprocess.PIPE,
        text=True,
    )


if __name__ == "__main__":
    sys.exit(main())
