"""Small leagues in a hurry: what goes wrong in them is drawn from the seed, how often is not.

A shortcut does harm in a few schedules among very many. Each profile crowds the runs with one sort of them; the core
without a shortcut comes through all of it.
"""

from __future__ import annotations

import msgspec

from hanse.core.model.regions import Timings
from hanse.core.model.time import MILLISECOND_US, SECOND_US
from hanse.sim.faults import Faults
from hanse.sim.operators import GUARDED_SHARE
from hanse.sim.run import Checker, run_plan
from hanse.sim.world import Plan

# Short, so that the rows of the tables that wait for something are met within seconds.
_HASTY = Timings(
    offer_deadline_us=500 * MILLISECOND_US,
    hold_ttl_us=SECOND_US,
    commit_retry_max_us=SECOND_US,
    withdraw_after_us=2 * SECOND_US,
    report_retry_max_us=SECOND_US,
    hello_retry_max_us=SECOND_US,
)

# Some four times as long as the core takes to settle all of it (2.1 minutes at most). A core with a shortcut that does
# something over and over again works for all of this time.
_HEALED_MAX_US = 8 * 60 * SECOND_US


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """A sort of runs. `faults` are the same for every seed."""

    name: str
    faults: Faults
    timings: Timings = _HASTY
    regions: int = 3
    duration_us: int = 20 * SECOND_US
    calm_us: int = 0
    jobs: int = 80
    runtime_max_us: int = 20 * SECOND_US
    # Of the batches of jobs: those of guardians have nothing else, the others none.
    adoptable_share: float = 0.0
    # Of the kinds of jobs: how many are arrays.
    arrays_share: float = 0.0
    guarded_share: float = GUARDED_SHARE

    def plan(self, seed: int) -> Plan:
        """The run of this seed. The core's own invariants are not looked at: the checkers must do without."""
        return Plan(
            seed=seed,
            arrays_share=self.arrays_share,
            faults=self.faults,
            regions=self.regions,
            duration_us=self.duration_us,
            calm_us=self.calm_us,
            jobs=self.jobs,
            runtime_max_us=self.runtime_max_us,
            healed_max_us=_HEALED_MAX_US,
            timings=self.timings,
            adoptable_share=self.adoptable_share,
            check_every=0,
            guarded_share=self.guarded_share,
        )

    def run(self, seed: int, checker: Checker) -> None:
        """Run this seed, and judge it."""
        run_plan(self.plan(seed), checker)


CRASHES = Profile(
    name="crashes",
    faults=Faults(
        crash_every_us=4 * SECOND_US,
        crash_at_commit=0.1,
        downtime_max_us=SECOND_US,
        loss=0.05,
        duplicate=0.1,
    ),
)
"""Regions die around their commits and are back within a second; few messages are lost."""

LOST_ANSWERS = Profile(
    name="lost answers",
    faults=Faults(victim="Decision", victim_loss=0.8, duplicate=0.1, crash_every_us=10 * SECOND_US),
)
"""Most decisions never arrive: givers stay in doubt while the job goes on."""

LATE_COPIES = Profile(
    name="late copies",
    faults=Faults(
        duplicate=0.3,
        late=0.3,
        late_max_us=8 * SECOND_US,
        crash_every_us=SECOND_US,
        crash_at_commit=0.02,
        downtime_max_us=SECOND_US // 5,
        pressure_every_us=SECOND_US // 2,
        pressure_max_us=SECOND_US,
        victim="Stable",
        victim_loss=0.95,
    ),
    duration_us=30 * SECOND_US,
    jobs=160,
)
"""Copies of messages arrive seconds later, at regions that have started anew; refusals are common, and marks rarely
say that nothing will come of them any more."""

LOST_TRANSFERS = Profile(
    name="lost transfers",
    faults=Faults(victim="Commit", victim_loss=0.8, duplicate=0.1, crash_every_us=10 * SECOND_US),
)
"""Most COMMITs never arrive: transfers are withdrawn and burned."""

LOST_OUTCOMES = Profile(
    name="lost outcomes",
    faults=Faults(victim="Terminal", victim_loss=0.7, loss=0.05, crash_every_us=8 * SECOND_US),
)
"""Most TERMINALs never arrive."""

BAD_DISKS = Profile(
    name="bad disks",
    faults=Faults(commit_failure=0.05, slow_fsync=0.2, slow_fsync_max_us=SECOND_US, loss=0.05),
)
"""Transactions fail, and others take their time."""

STUBBORN = Profile(
    name="stubborn tasks",
    faults=Faults(ignores_sigterm=0.8, loss=0.05, crash_every_us=10 * SECOND_US, launch_failure=0.1),
    jobs=120,
)
"""Tasks that do not heed SIGTERM, on machines that are full."""

DRAINED = Profile(
    name="drained regions",
    faults=Faults(
        drain_every_us=SECOND_US,
        drain_max_us=4 * SECOND_US,
        drain_moves=1.0,
        ignores_sigterm=0.3,
        late_report=0.3,
        late_report_max_us=2 * SECOND_US,
        loss=0.05,
        crash_every_us=10 * SECOND_US,
        downtime_max_us=SECOND_US,
    ),
    duration_us=60 * SECOND_US,
    jobs=60,
)
"""Regions are drained again and again, their running jobs moved, and news of ends come late."""

UNEVEN = Profile(
    name="uneven queues",
    faults=Faults(
        drain_every_us=10 * SECOND_US,
        drain_max_us=10 * SECOND_US,
        partition_every_us=15 * SECOND_US,
        partition_max_us=10 * SECOND_US,
        crash_every_us=20 * SECOND_US,
        downtime_max_us=SECOND_US,
    ),
    timings=msgspec.structs.replace(_HASTY, hop_cost_us=5 * MILLISECOND_US),
    regions=5,
    duration_us=90 * SECOND_US,
    jobs=600,
)
"""Much more work than there is room for, queues that grow apart, and that a small difference is worth a hop for."""

ARRAYS = Profile(
    name="arrays",
    faults=Faults(
        drain_every_us=4 * SECOND_US,
        drain_max_us=4 * SECOND_US,
        crash_every_us=8 * SECOND_US,
        crash_at_commit=0.02,
        downtime_max_us=SECOND_US,
        executor_death_every_us=15 * SECOND_US,
        loss=0.05,
    ),
    duration_us=40 * SECOND_US,
    arrays_share=0.8,
)
"""Most jobs are arrays; regions are drained, die, and lose all their processes."""

ROSTERS = Profile(
    name="rosters",
    faults=Faults(
        roster_every_us=2 * SECOND_US,
        loss=0.1,
        duplicate=0.1,
        late=0.4,
        late_max_us=6 * SECOND_US,
        crash_every_us=4 * SECOND_US,
        downtime_max_us=SECOND_US // 2,
        partition_every_us=5 * SECOND_US,
        partition_max_us=4 * SECOND_US,
    ),
    regions=3,
    duration_us=120 * SECOND_US,
    jobs=10,
    guarded_share=0.0,
)
"""Operators change the roster all the time, and often two of them at once; the league is in parts, and what somebody
said may arrive after he has started anew."""

ROSTERS_OF_FIVE = msgspec.structs.replace(ROSTERS, name="rosters of five", regions=5)
"""The same, where so many regions may leave that the rest is a majority of nothing."""

ROSTER_DISKS = Profile(
    name="rosters and disks",
    faults=Faults(
        roster_every_us=3 * SECOND_US,
        loss=0.2,
        late=0.4,
        late_max_us=6 * SECOND_US,
        old_disk_every_us=8 * SECOND_US,
        anchor_elsewhere=True,
        partition_every_us=6 * SECOND_US,
        partition_max_us=4 * SECOND_US,
    ),
    regions=3,
    duration_us=120 * SECOND_US,
    jobs=10,
    guarded_share=0.0,
)
"""Operators change the roster all the time, and disks are replaced by older ones that do not know who was
countersigned."""

EXCHANGED_GUARDIANS = Profile(
    name="exchanged guardians",
    timings=msgspec.structs.replace(
        _HASTY,
        lease_us=SECOND_US,
        kill_us=SECOND_US // 4,
        election_spread_us=200 * MILLISECOND_US,
        append_retry_max_us=SECOND_US // 2,
    ),
    faults=Faults(
        roster_every_us=SECOND_US,
        victim="Append",
        victim_loss=0.5,
        crash_every_us=1_500 * MILLISECOND_US,
        downtime_max_us=6 * SECOND_US,
        partition_every_us=6 * SECOND_US,
        partition_max_us=4 * SECOND_US,
    ),
    regions=5,
    duration_us=60 * SECOND_US,
    jobs=240,
    runtime_max_us=5 * SECOND_US,
    adoptable_share=1.0,
    guarded_share=1.0,
)
"""Guardians give way to others all the time, while regions are killed, frozen and cut off for longer than a lease."""

OLD_DISKS = Profile(
    name="old disks",
    faults=Faults(
        old_disk_every_us=SECOND_US,
        old_disk_reboot=0.5,
        downtime_max_us=SECOND_US,
        loss=0.05,
        late=0.2,
        late_max_us=6 * SECOND_US,
        duplicate=0.1,
        cut_every_us=4 * SECOND_US,
        cut_max_us=3 * SECOND_US,
    ),
    regions=4,
    duration_us=40 * SECOND_US,
    jobs=140,
)
"""Every two seconds or so a region comes back with a disk from some seconds ago; only its peers can tell, and some of
them cannot be heard at once."""

LONG_INQUESTS = Profile(
    name="long inquests",
    faults=Faults(
        old_disk_every_us=SECOND_US,
        old_disk_reboot=0.5,
        downtime_max_us=SECOND_US,
        loss=0.05,
        partition_every_us=4 * SECOND_US,
        partition_max_us=10 * SECOND_US,
    ),
    regions=4,
    duration_us=60 * SECOND_US,
    jobs=600,
)
"""The same, and the league is cut in two for so long that a region waits long for the others' word."""

FORGOTTEN_ANSWERS = Profile(
    name="forgotten answers",
    faults=Faults(
        old_disk_every_us=SECOND_US,
        old_disk_reboot=0.5,
        downtime_max_us=SECOND_US,
        victim="Decision",
        victim_loss=0.8,
    ),
    duration_us=40 * SECOND_US,
    jobs=140,
)
"""The same, and most decisions never arrive: what an old disk has accepted is asked for again."""

LATE_ANSWERS = Profile(
    name="late answers",
    faults=msgspec.structs.replace(
        FORGOTTEN_ANSWERS.faults, late=0.3, late_max_us=4 * SECOND_US, duplicate=0.2
    ),
    duration_us=40 * SECOND_US,
    jobs=140,
)
"""The same, and what the lost life said, or was told, arrives in the next one."""

ANCHORED = Profile(
    name="anchored disks",
    faults=Faults(
        old_disk_every_us=SECOND_US,
        old_disk_reboot=1.0,
        anchor_elsewhere=True,
        downtime_max_us=SECOND_US // 2,
        partition_every_us=4 * SECOND_US,
        partition_max_us=6 * SECOND_US,
    ),
    timings=msgspec.structs.replace(_HASTY, boot_grace_us=SECOND_US // 2),
    duration_us=60 * SECOND_US,
    jobs=140,
)
"""Disks are replaced while their regions are cut off: only the anchor file tells."""

# Leases so short that shards change hands several times in a run.
_SHORT_LEASES = msgspec.structs.replace(
    _HASTY,
    lease_us=2 * SECOND_US,
    kill_us=100 * MILLISECOND_US,
    election_spread_us=200 * MILLISECOND_US,
    append_retry_us=100 * MILLISECOND_US,
    append_retry_max_us=SECOND_US,
    return_patience_us=5 * SECOND_US,
    boot_grace_us=500 * MILLISECOND_US,
)

# A new shard begins when all of its members keep it.
_FOUNDING_US = 3 * SECOND_US

LOST_LEADERS = Profile(
    name="lost leaders",
    faults=Faults(
        crash_every_us=3 * SECOND_US,
        crash_at_commit=0.02,
        downtime_max_us=8 * SECOND_US,
        loss=0.05,
        duplicate=0.1,
    ),
    timings=_SHORT_LEASES,
    duration_us=40 * SECOND_US,
    calm_us=_FOUNDING_US,
    adoptable_share=1.0,
)
"""Regions are away for longer than a lease, and find others leading when they come back."""

LEADERS_BACK_AT_ONCE = Profile(
    name="leaders back at once",
    faults=Faults(
        crash_every_us=SECOND_US,
        crash_at_commit=0.02,
        downtime_max_us=SECOND_US // 2,
        loss=0.05,
        duplicate=0.1,
        ignores_sigterm=0.8,
    ),
    timings=_SHORT_LEASES,
    duration_us=40 * SECOND_US,
    calm_us=_FOUNDING_US,
    adoptable_share=1.0,
)
"""Regions are away for less than a lease, and their tasks, many of which do not heed SIGTERM, have lived on."""

CUT_LEADERS = Profile(
    name="cut-off leaders",
    faults=Faults(
        cut_every_us=2 * SECOND_US,
        cut_max_us=6 * SECOND_US,
        partition_every_us=3 * SECOND_US,
        partition_max_us=5 * SECOND_US,
        freeze_every_us=8 * SECOND_US,
        freeze_max_us=4 * SECOND_US,
        crash_every_us=10 * SECOND_US,
        downtime_max_us=SECOND_US,
        ignores_sigterm=0.5,
    ),
    timings=_SHORT_LEASES,
    duration_us=40 * SECOND_US,
    calm_us=_FOUNDING_US,
    adoptable_share=1.0,
)
"""Leaders live on while nobody hears them, their tasks with them, and some of these do not heed SIGTERM."""

UNEVEN_CLOCKS = Profile(
    name="uneven clocks",
    faults=Faults(drift_ppm_max=200_000, partition_every_us=3 * SECOND_US, partition_max_us=8 * SECOND_US),
    timings=msgspec.structs.replace(_SHORT_LEASES, lease_us=4 * SECOND_US, drift_ppm=200_000),
    duration_us=60 * SECOND_US,
    calm_us=_FOUNDING_US,
    adoptable_share=1.0,
)
"""The slowest clock goes at two thirds of the fastest one's rate, and leaders are cut off."""

LOST_RENEWALS = Profile(
    name="lost renewals",
    faults=Faults(
        victim="Renew",
        victim_loss=0.8,
        cut_every_us=2 * SECOND_US,
        cut_max_us=3 * SECOND_US,
        crash_every_us=2 * SECOND_US,
        crash_at_commit=0.02,
        downtime_max_us=SECOND_US,
        slow_fsync=0.2,
        slow_fsync_max_us=SECOND_US // 2,
        delay_min_us=50 * MILLISECOND_US,
        delay_spread_us=200 * MILLISECOND_US,
        ignores_sigterm=0.8,
    ),
    timings=_SHORT_LEASES,
    duration_us=40 * SECOND_US,
    jobs=160,
    calm_us=_FOUNDING_US,
    adoptable_share=1.0,
)
"""Leaders are thought lost although they live, and go on writing until somebody tells them."""

LATE_RENEWALS = Profile(
    name="late renewals",
    faults=Faults(
        late=0.4,
        late_max_us=3 * SECOND_US,
        duplicate=0.3,
        partition_every_us=2 * SECOND_US,
        partition_max_us=6 * SECOND_US,
    ),
    timings=_SHORT_LEASES,
    duration_us=40 * SECOND_US,
    calm_us=_FOUNDING_US,
    adoptable_share=1.0,
)
"""Messages, and copies of them, come when the lease that they speak of is nearly over."""

FORGETFUL_GUARDIANS = Profile(
    name="forgetful guardians",
    faults=Faults(
        old_disk_every_us=SECOND_US,
        old_disk_reboot=0.5,
        downtime_max_us=SECOND_US,
        loss=0.05,
        late=0.1,
        late_max_us=4 * SECOND_US,
        cut_every_us=4 * SECOND_US,
        cut_max_us=3 * SECOND_US,
        crash_every_us=8 * SECOND_US,
    ),
    timings=_SHORT_LEASES,
    duration_us=60 * SECOND_US,
    calm_us=_FOUNDING_US,
    adoptable_share=1.0,
)
"""Members of groups come back with disks from some seconds ago."""

DESTROYED = Profile(
    name="destroyed regions",
    faults=Faults(
        destroyed_every_us=2 * SECOND_US,
        destroyed_away_max_us=SECOND_US // 2,
        crash_every_us=SECOND_US,
        downtime_max_us=SECOND_US // 4,
        partition_every_us=3 * SECOND_US,
        partition_max_us=4 * SECOND_US,
    ),
    duration_us=40 * SECOND_US,
    jobs=140,
)
"""Whole regions go, and are built again on empty disks; and often fail once more before they have heard everybody."""

LOST_REGIONS = Profile(
    name="lost regions",
    faults=Faults(
        destroyed_every_us=8 * SECOND_US,
        destroyed_away_max_us=8 * SECOND_US,
        destroyed_for_ever=1.0,
        roster_every_us=20 * SECOND_US,
        drain_every_us=SECOND_US,
        drain_max_us=3 * SECOND_US,
        loss=0.05,
        late=0.2,
        late_max_us=2 * SECOND_US,
    ),
    regions=5,
    duration_us=60 * SECOND_US,
    jobs=300,
    guarded_share=0.0,
)
"""One region is destroyed for ever while jobs go back and forth between all of them, because others are drained, and
is declared lost some seconds later."""

_QUICK_RIGHTS = msgspec.structs.replace(
    _HASTY,
    rights_retry_us=500 * MILLISECOND_US,
    rights_idle_us=3 * SECOND_US,
    rights_patience_us=3 * SECOND_US,
)

RESERVATIONS = Profile(
    name="reservations",
    faults=Faults(
        reservation_every_us=SECOND_US // 2,
        crash_every_us=8 * SECOND_US,
        crash_at_commit=0.05,
        downtime_max_us=SECOND_US,
        commit_failure=0.01,
        wall_jump_every_us=40 * SECOND_US,
        wall_jump_max_us=40 * SECOND_US,
        policy_every_us=20 * SECOND_US,
    ),
    duration_us=60 * SECOND_US,
    jobs=240,
    runtime_max_us=5 * SECOND_US,
)
"""Operators set capacity aside and cancel it all the time, of two or three regions; these die around their commits, and
now and then somebody sets the clock of one."""

JOINT_RESERVATIONS = Profile(
    name="joint reservations",
    faults=Faults(
        reservation_every_us=SECOND_US // 4,
        crash_every_us=6 * SECOND_US,
        crash_at_commit=0.1,
        downtime_max_us=SECOND_US,
        loss=0.2,
        duplicate=0.1,
        late=0.1,
        late_max_us=5 * SECOND_US,
        partition_every_us=5 * SECOND_US,
        partition_max_us=8 * SECOND_US,
    ),
    regions=4,
    duration_us=40 * SECOND_US,
    jobs=40,
    runtime_max_us=2 * SECOND_US,
)
"""There is room for most of them, so that reservations over several regions are kept, cancelled, and cut off in the
middle."""

QUOTAS = Profile(
    name="quotas",
    faults=Faults(
        quota_every_us=2 * SECOND_US,
        loss=0.1,
        duplicate=0.2,
        late=0.2,
        late_max_us=4 * SECOND_US,
        crash_every_us=2 * SECOND_US,
        crash_at_commit=0.05,
        downtime_max_us=SECOND_US // 2,
        partition_every_us=6 * SECOND_US,
        partition_max_us=4 * SECOND_US,
        drain_every_us=5 * SECOND_US,
        drain_max_us=3 * SECOND_US,
    ),
    timings=_QUICK_RIGHTS,
    duration_us=40 * SECOND_US,
    jobs=240,
    runtime_max_us=5 * SECOND_US,
)
"""Tenants want more than their quotas, which change all the time; regions die around their commits, are drained and cut
off, and what they said of rights comes again seconds later."""

ADOPTABLE_QUOTAS = msgspec.structs.replace(
    QUOTAS,
    name="quotas of adoptable jobs",
    timings=msgspec.structs.replace(
        _SHORT_LEASES, rights_retry_us=500 * MILLISECOND_US, rights_idle_us=3 * SECOND_US
    ),
    calm_us=_FOUNDING_US,
    adoptable_share=0.7,
)
"""The same, and most rights are in the logs of shards, which change hands."""

QUOTAS_AND_DISKS = Profile(
    name="quotas and disks",
    faults=Faults(
        quota_every_us=4 * SECOND_US,
        loss=0.05,
        duplicate=0.1,
        late=0.1,
        late_max_us=4 * SECOND_US,
        victim="RightsDecision",
        victim_loss=0.8,
        old_disk_every_us=2 * SECOND_US,
        old_disk_reboot=0.5,
        downtime_max_us=SECOND_US,
    ),
    timings=_QUICK_RIGHTS,
    duration_us=40 * SECOND_US,
    jobs=240,
    runtime_max_us=5 * SECOND_US,
)
"""The same, and regions come back with disks from some seconds ago, on which rights lie that they have given away."""

LOST_RIGHTS = Profile(
    name="rights of lost regions",
    faults=msgspec.structs.replace(
        LOST_REGIONS.faults, quota_every_us=4 * SECOND_US, victim="RightsDecision", victim_loss=0.8
    ),
    timings=_QUICK_RIGHTS,
    regions=5,
    duration_us=40 * SECOND_US,
    jobs=240,
    runtime_max_us=5 * SECOND_US,
    guarded_share=0.0,
)
"""A region that is destroyed for ever has taken rights, and passed some of them on; that it had, its givers seldom
heard."""

LEAGUE_POLICIES = Profile(
    name="policies of the league",
    faults=Faults(
        policy_every_us=SECOND_US,
        crash_every_us=8 * SECOND_US,
        crash_at_commit=0.1,
        downtime_max_us=4 * SECOND_US,
        commit_failure=0.02,
        loss=0.1,
        duplicate=0.1,
        cut_every_us=10 * SECOND_US,
        cut_max_us=5 * SECOND_US,
        slow_fsync=0.1,
        slow_fsync_max_us=SECOND_US,
    ),
    duration_us=40 * SECOND_US,
)
"""Operators sign policies for all regions all the time, two of them at once, and strangers do; regions die and are cut
off meanwhile."""

PROFILES = (
    CRASHES,
    LOST_ANSWERS,
    LATE_COPIES,
    LOST_TRANSFERS,
    LOST_OUTCOMES,
    BAD_DISKS,
    STUBBORN,
    DRAINED,
    UNEVEN,
    ARRAYS,
    ROSTERS,
    ROSTERS_OF_FIVE,
    ROSTER_DISKS,
    EXCHANGED_GUARDIANS,
    OLD_DISKS,
    LONG_INQUESTS,
    FORGOTTEN_ANSWERS,
    LATE_ANSWERS,
    ANCHORED,
    LOST_LEADERS,
    LEADERS_BACK_AT_ONCE,
    CUT_LEADERS,
    UNEVEN_CLOCKS,
    LOST_RENEWALS,
    LATE_RENEWALS,
    FORGETFUL_GUARDIANS,
    DESTROYED,
    LOST_REGIONS,
    RESERVATIONS,
    JOINT_RESERVATIONS,
    QUOTAS,
    ADOPTABLE_QUOTAS,
    QUOTAS_AND_DISKS,
    LOST_RIGHTS,
    LEAGUE_POLICIES,
)
