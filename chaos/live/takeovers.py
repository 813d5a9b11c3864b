"""How long a lost region's jobs stood still: from its loss to the next start of one of them, by the tasks' records."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

from chaos.live.stage import Loss
from hanse.demo.records import TaskRun

# What was killed may have lived so long after it last said so.
_BEAT_US = 1_000_000


class Takeover(NamedTuple):
    """Of one loss: until the first of the jobs that ran there began elsewhere, and until the last of them did."""

    loss: Loss
    first_s: float
    last_s: float


def takeovers(
    losses: Iterable[Loss], runs: Iterable[TaskRun], adoptable: Collection[str], within_us: int
) -> list[Takeover]:
    """One for each loss that led to any. `within_us`: what ran in the lost region was dead so soon after the loss, or
    it outlived it, and was not taken over."""
    by_task: dict[tuple[str, int], list[TaskRun]] = defaultdict(list)
    for run in runs:
        if run.job_id in adoptable:
            by_task[(run.job_id, run.task)].append(run)
    ordered = [sorted(of_task, key=lambda run: run.begin_us) for of_task in by_task.values()]
    found = []
    for loss in losses:
        waits_us = [wait for of_task in ordered for wait in _waits_us(loss, of_task, within_us)]
        if waits_us:
            found.append(Takeover(loss, min(waits_us) / 1e6, max(waits_us) / 1e6))
    return found


def _waits_us(loss: Loss, runs: Sequence[TaskRun], within_us: int) -> Iterable[int]:
    """Of a task that ran there when the region was lost, and died of it."""
    for former, latter in pairwise(runs):
        lived_until_us = former.end_us or former.beat_us or former.begin_us
        died_of_it = loss.at_us - _BEAT_US < lived_until_us <= loss.at_us + within_us
        if (
            former.begin_us < loss.at_us
            and former.region == loss.region
            and died_of_it
            and latter.begin_us > loss.at_us
        ):
            yield latter.begin_us - loss.at_us
