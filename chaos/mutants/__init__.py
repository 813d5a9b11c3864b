"""Mutants: the shortcuts that look reasonable, each as a patch of the real classes, each caught within a few seeds.

    giver    takes back, settles, reuses, keeps silent
    target   refuses or accepts without keeping it, and the fence of sessions
    shell    lets go before the write, goes on after a failed one
    owner    processes, capacity, outcomes
    moving   running jobs that leave a region that is being drained
    relief   queues that are evened out
    majority what a shard's leader lets go before a majority holds it
    votes    who leads a shard, and what its copies take in
    tenures  leases, and lost disks
    roster   forks: two rosters of one epoch
    regroup  a guardian is replaced without the old group, the log or the wait
    losses   what a region does with jobs that it gave to one that was declared lost
    reserving what is reserved twice, or not kept; parts of reservations over several regions
    quotas   rights that are doubled, given back or minted twice
    arrays   elements that are done twice, too many at a time, or summed up wrongly
    old_disk what a region with a disk from the past may do before and after it has asked the others

Random runs of a profile find most of them (profiles.py). Some need too many coincidences for that: for each of them a
schedule is built by hand (schedules.py, stage.py), in the same simulated world and under the same checkers.

`python -m chaos.mutants` hunts them all and writes found.json, from which docs/mutants.md is made.
"""

from __future__ import annotations

from chaos.mutants import (
    arrays,
    giver,
    league_policy,
    losses,
    majority,
    moving,
    old_disk,
    owner,
    quotas,
    regroup,
    relief,
    reserving,
    roster,
    shell,
    target,
    tenures,
    votes,
)
from chaos.mutants.mutant import Mutant, applied

ALL: tuple[Mutant, ...] = (
    *giver.MUTANTS,
    *target.MUTANTS,
    *shell.MUTANTS,
    *owner.MUTANTS,
    *moving.MUTANTS,
    *relief.MUTANTS,
    *arrays.MUTANTS,
    *roster.MUTANTS,
    *regroup.MUTANTS,
    *old_disk.MUTANTS,
    *losses.MUTANTS,
    *majority.MUTANTS,
    *votes.MUTANTS,
    *tenures.MUTANTS,
    *quotas.MUTANTS,
    *league_policy.MUTANTS,
    *reserving.MUTANTS,
)

__all__ = ["ALL", "Mutant", "applied"]
