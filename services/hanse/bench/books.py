"""What really ran, from sources that the measured answers do not come from."""

from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple


class Run(NamedTuple):
    """One start of one job (of one task)."""

    job_id: str
    epoch: int
    attempt: int
    region: str


@dataclass(frozen=True, slots=True)
class Count:
    """Of acknowledged jobs. `lost`: did not succeed, or succeeded without a run. `run_twice`: more than one run: tasks
    of a benchmark never fail, so that there is no reason for a second one."""

    handed_off: int
    lost: int
    run_twice: int


def count(home: str, acknowledged: Iterable[str], succeeded: Iterable[str], runs: Iterable[Run]) -> Count:
    """Compare what was acknowledged and what was reported with what ran."""
    regions: dict[str, list[str]] = defaultdict(list)
    for run in runs:
        regions[run.job_id].append(run.region)
    ended = set(succeeded)
    jobs = list(acknowledged)
    return Count(
        handed_off=sum(1 for job in jobs if any(region != home for region in regions[job])),
        lost=sum(1 for job in jobs if job not in ended or not regions[job]),
        run_twice=sum(1 for job in jobs if len(regions[job]) > 1),
    )


# One line per run, appended by the task itself; a shell does it without starting another process.
RECORD_SCRIPT = 'echo "$HANSE_JOB_ID $HANSE_EPOCH $HANSE_ATTEMPT $HANSE_REGION" >>"$0/$HANSE_REGION"'


def recorded_runs(records: Path) -> list[Run]:
    """The runs that RECORD_SCRIPT has written."""
    runs = []
    for path in sorted(records.iterdir()):
        for line in path.read_text(encoding="utf-8").splitlines():
            job_id, epoch, attempt, region = line.split()
            runs.append(Run(job_id, int(epoch), int(attempt), region))
    return runs


def ledger_runs(ledgers: Mapping[str, Path]) -> list[Run]:
    """Every start in the timelines of all regions' ledgers (a job that passed through a region is in its books too).

    The daemons must have ended.
    """
    runs: list[Run] = []
    for region, path in ledgers.items():
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            rows = connection.execute("SELECT job_id, epoch, attempt FROM timeline WHERE what = 'RUNNING'")
            runs.extend(Run(job_id, epoch, attempt, region) for job_id, epoch, attempt in rows)
    return runs


def by_region(runs: Iterable[Run]) -> dict[str, int]:
    """How many runs each region had."""
    return dict(sorted(Counter(run.region for run in runs).items()))
