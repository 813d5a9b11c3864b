"""What goes wrong in a run, and how often. Every parameter is drawn from the seed (swarm testing: each kind is either
absent or present, so that kinds also meet alone; Groce et al., "Swarm Testing", ISSTA 2012)."""

from __future__ import annotations

import random

import msgspec

from hanse.core.model.time import MILLISECOND_US, SECOND_US

MINUTE_US = 60 * SECOND_US
# Half of the kinds are present in a swarm on average; most pairs of kinds meet within a few seeds.
_PRESENT_SHARE = 0.5
_ANCHOR_ELSEWHERE_SHARE = 0.4
_GONE_SHARE = 0.3


# The transfer itself most often: its rarest rows are the ones that a shortcut breaks.
VICTIMS = (
    "Commit",
    "Commit",
    "Commit",
    "Commit",
    "Decision",
    "Decision",
    "Withdraw",
    "Stable",
    "Status",
    "Terminal",
    "TerminalAck",
    "Cancel",
    "CancelAck",
    "Offer",
    "OfferAnswer",
    "Release",
    "Hello",
    "HelloAck",
)


# Which parameters make up a kind of fault: what `--faults NAME` leaves, and what `shrink` takes away.
KINDS: dict[str, tuple[str, ...]] = {
    "slow_network": ("delay_min_us", "delay_spread_us"),
    "slow_link": ("slow_link_every_us", "slow_link_max_us"),
    "loss": ("loss",),
    "duplicate": ("duplicate",),
    "split": ("split",),
    "late": ("late", "late_max_us"),
    "reply_loss": ("reply_loss",),
    "victim_loss": ("victim", "victim_loss"),
    "partition": ("partition_every_us", "partition_max_us"),
    "one_way_cut": ("cut_every_us", "cut_max_us"),
    "swizzle_clog": ("clog_every_us", "clog_max_us"),
    "crash": ("crash_every_us", "crash_at_commit", "downtime_max_us", "reboot_share", "torn_share"),
    "commit_failure": ("commit_failure",),
    "freeze": ("freeze_every_us", "freeze_max_us"),
    "slow_fsync": ("fsync_min_us", "fsync_spread_us", "slow_fsync", "slow_fsync_max_us"),
    "disk_full": ("full_every_us", "full_max_us"),
    "disk_nearly_full": ("pressure_every_us", "pressure_max_us"),
    "wall_jump": ("wall_offset_max_us", "wall_jump_every_us", "wall_jump_max_us"),
    "clock_rate": ("drift_ppm_max", "rate_every_us"),
    "launch_failure": ("launch_failure",),
    "late_report": ("late_report", "late_report_max_us"),
    "executor_death": ("executor_death_every_us",),
    "ignores_sigterm": ("ignores_sigterm",),
    "mixed_versions": ("mixed_versions",),
    "drain": ("drain_every_us", "drain_max_us", "drain_moves"),
    "old_disk": ("old_disk_every_us", "old_disk_reboot", "anchor_elsewhere"),
    "destroyed": ("destroyed_every_us", "destroyed_away_max_us", "destroyed_for_ever"),
    "roster_change": ("roster_every_us",),
    "region_lost": ("lost_every_us", "lost_max_us"),
    "policy_change": ("policy_every_us",),
    "quota_change": ("quota_every_us",),
    "orders": ("order_every_us",),
    "reservation_change": ("reservation_every_us",),
}


class Faults(msgspec.Struct, frozen=True, kw_only=True):
    """Probabilities are per message, commit or task; `*_every_us` are mean times between two such faults in the whole
    world (0: never); `*_max_us` bound how long one lasts. The defaults are a good day."""

    delay_min_us: int = 2 * MILLISECOND_US
    delay_spread_us: int = 8 * MILLISECOND_US
    fsync_min_us: int = 500
    fsync_spread_us: int = 2 * MILLISECOND_US
    drift_ppm_max: int = 20
    wall_offset_max_us: int = 20 * MILLISECOND_US

    loss: float = 0.0
    duplicate: float = 0.0
    split: float = 0.0
    late: float = 0.0
    late_max_us: int = 0
    reply_loss: float = 0.0
    # Messages of one kind have it harder: what is rare otherwise (a WITHDRAW before its COMMIT) is met so.
    victim: str = ""
    victim_loss: float = 0.0

    partition_every_us: int = 0
    partition_max_us: int = 0
    cut_every_us: int = 0
    cut_max_us: int = 0
    clog_every_us: int = 0
    clog_max_us: int = 0

    crash_every_us: int = 0
    crash_at_commit: float = 0.0
    downtime_max_us: int = 20 * SECOND_US
    reboot_share: float = 0.0
    commit_failure: float = 0.0
    freeze_every_us: int = 0
    freeze_max_us: int = 0

    slow_fsync: float = 0.0
    slow_fsync_max_us: int = 0
    pressure_every_us: int = 0
    pressure_max_us: int = 0

    wall_jump_every_us: int = 0
    wall_jump_max_us: int = 0

    launch_failure: float = 0.0
    ignores_sigterm: float = 0.0
    drain_every_us: int = 0
    drain_max_us: int = 0
    # Share of drains that move the running jobs.
    drain_moves: float = 0.0

    # One link takes this much longer for a while.
    slow_link_every_us: int = 0
    slow_link_max_us: int = 0
    # Of daemons that die while a commit is under way: how many find it on disk when they come back.
    torn_share: float = 0.0
    # The disk takes nothing any more: whoever commits then, dies.
    full_every_us: int = 0
    full_max_us: int = 0
    # A mono clock goes on at another rate, at most `drift_ppm_max` off.
    rate_every_us: int = 0
    # The engine tells of the end of a task only after a while.
    late_report: float = 0.0
    late_report_max_us: int = 0
    # All processes of a region die at once, the daemon and the machine do not.
    executor_death_every_us: int = 0
    # Share of starts at which a daemon has another version of the protocol than before.
    mixed_versions: float = 0.0
    # Images are taken of disks, and put back later: a restored backup, a mirror that had stopped. With this share of
    # them the machine goes down, too; else the processes of the lost life live on.
    old_disk_every_us: int = 0
    old_disk_reboot: float = 0.0
    # The anchor files are on other disks, which stay. (A disk is then put back only if its anchor shows it.) If they
    # are not, only peers can tell: then regions wait at every start until they have heard all of them.
    anchor_elsewhere: bool = False
    # A whole region goes, with its disk and everything that ran there. It is built again on an empty disk within this
    # time, or, with this probability, never: then it is the last that goes.
    destroyed_every_us: int = 0
    destroyed_away_max_us: int = 0
    destroyed_for_ever: float = 0.0
    # Operators remove regions, add them again, give them other addresses and exchange guardians, sometimes two
    # operators at the same time.
    roster_every_us: int = 0
    # A region is gone, so that an operator has its guardianships taken over by others; it comes back when nobody
    # expects it any more.
    lost_every_us: int = 0
    lost_max_us: int = 0
    # Somebody replaces a region's policy, now and then by one that is broken, or that follows on one that is not in
    # force any more.
    policy_every_us: int = 0
    # Some tenants have global quotas. Operators raise and lower them, and sign two successors of one document.
    quota_every_us: int = 0
    # People hold, release, requeue, reorder and move jobs, and take nodes out of use. Not in the swarm: it is a
    # profile of its own.
    order_every_us: int = 0
    # Operators set capacity of a region aside for a tenant, for some seconds, and cancel what they set aside.
    reservation_every_us: int = 0

    @staticmethod
    def none() -> Faults:
        """Nothing goes wrong; messages and disks still take their time."""
        return Faults()

    @staticmethod
    def swarm(seed: int) -> Faults:
        """A random subset of all kinds but orders, each with random strength."""
        return _Swarm(random.Random(f"faults/{seed}"), _PRESENT_SHARE).draw().without("orders")

    @staticmethod
    def only(seed: int, kind: str) -> Faults:
        """One kind (a key of KINDS), with random strength."""
        drawn = _Swarm(random.Random(f"faults/{seed}"), 1.0).draw()
        kept = {name: getattr(drawn, name) for name in KINDS[kind]}
        return msgspec.structs.replace(Faults.none(), **kept)

    def without(self, kind: str) -> Faults:
        """The same, but for this kind (a key of KINDS)."""
        none = Faults.none()
        return msgspec.structs.replace(self, **{name: getattr(none, name) for name in KINDS[kind]})

    def has(self, kind: str) -> bool:
        """Whether anything of this kind (a key of KINDS) is other than on a good day."""
        none = Faults.none()
        return any(getattr(self, name) != getattr(none, name) for name in KINDS[kind])


class _Swarm:
    """Draws always happen in the same order, whether a kind is present or not, so that adding one changes little."""

    def __init__(self, randomness: random.Random, present_share: float) -> None:
        self._random = randomness
        self._present_share = present_share

    def _share(self, top: float) -> float:
        strength, present = self._random.random() ** 2 * top, self._random.random() < self._present_share
        return strength if present else 0.0

    def _every(self, least_us: int, most_us: int) -> int:
        interval, present = (
            self._random.randint(least_us, most_us),
            self._random.random() < self._present_share,
        )
        return interval if present else 0

    def _up_to(self, top_us: int) -> int:
        return int(self._random.random() ** 2 * top_us) + MILLISECOND_US

    def draw(self) -> Faults:
        """One swarm."""
        drawn = self._draw()
        if not drawn.destroyed_every_us:
            drawn = drawn.without("destroyed")
        return drawn if drawn.old_disk_every_us else drawn.without("old_disk")

    def _draw(self) -> Faults:
        return Faults(
            delay_min_us=self._up_to(100 * MILLISECOND_US),
            delay_spread_us=self._up_to(400 * MILLISECOND_US),
            fsync_min_us=self._up_to(10 * MILLISECOND_US),
            fsync_spread_us=self._up_to(50 * MILLISECOND_US),
            drift_ppm_max=self._random.choice((20, 200, 5000)),
            wall_offset_max_us=self._random.choice((0, SECOND_US, 3600 * SECOND_US)),
            loss=self._share(0.3),
            duplicate=self._share(0.2),
            split=self._share(0.5),
            late=self._share(0.1),
            late_max_us=self._up_to(MINUTE_US),
            reply_loss=self._share(0.3),
            victim=self._random.choice(VICTIMS),
            victim_loss=self._share(0.9) ** 0.5,
            partition_every_us=self._every(30 * SECOND_US, 3 * MINUTE_US),
            partition_max_us=self._up_to(MINUTE_US),
            cut_every_us=self._every(20 * SECOND_US, 2 * MINUTE_US),
            cut_max_us=self._up_to(MINUTE_US),
            clog_every_us=self._every(20 * SECOND_US, 2 * MINUTE_US),
            clog_max_us=self._up_to(20 * SECOND_US),
            crash_every_us=self._every(20 * SECOND_US, 2 * MINUTE_US),
            crash_at_commit=self._share(0.05),
            downtime_max_us=self._up_to(MINUTE_US),
            reboot_share=self._share(0.7),
            commit_failure=self._share(0.01),
            freeze_every_us=self._every(20 * SECOND_US, 2 * MINUTE_US),
            freeze_max_us=self._up_to(40 * SECOND_US),
            slow_fsync=self._share(0.1),
            slow_fsync_max_us=self._up_to(3 * SECOND_US),
            pressure_every_us=self._every(10 * SECOND_US, 2 * MINUTE_US),
            pressure_max_us=self._up_to(MINUTE_US),
            wall_jump_every_us=self._every(20 * SECOND_US, 2 * MINUTE_US),
            wall_jump_max_us=self._up_to(2 * 3600 * SECOND_US),
            launch_failure=self._share(0.2),
            ignores_sigterm=self._share(0.5),
            drain_every_us=self._every(10 * SECOND_US, 2 * MINUTE_US),
            drain_max_us=self._up_to(MINUTE_US),
            slow_link_every_us=self._every(20 * SECOND_US, 2 * MINUTE_US),
            slow_link_max_us=self._up_to(3 * SECOND_US),
            torn_share=self._share(1.0),
            full_every_us=self._every(MINUTE_US, 4 * MINUTE_US),
            full_max_us=self._up_to(20 * SECOND_US),
            rate_every_us=self._every(30 * SECOND_US, 3 * MINUTE_US),
            late_report=self._share(0.3),
            late_report_max_us=self._up_to(20 * SECOND_US),
            executor_death_every_us=self._every(MINUTE_US, 4 * MINUTE_US),
            mixed_versions=self._share(1.0),
            old_disk_every_us=self._every(20 * SECOND_US, 2 * MINUTE_US),
            old_disk_reboot=self._random.random(),
            anchor_elsewhere=self._random.random() < _ANCHOR_ELSEWHERE_SHARE,
            destroyed_every_us=self._every(MINUTE_US, 4 * MINUTE_US),
            destroyed_away_max_us=self._up_to(MINUTE_US),
            destroyed_for_ever=_GONE_SHARE * self._random.random(),
            drain_moves=self._random.random(),
            roster_every_us=self._every(10 * SECOND_US, 2 * MINUTE_US),
            lost_every_us=self._every(MINUTE_US, 3 * MINUTE_US),
            lost_max_us=MINUTE_US + self._up_to(4 * MINUTE_US),
            policy_every_us=self._every(10 * SECOND_US, 2 * MINUTE_US),
            quota_every_us=self._every(10 * SECOND_US, 2 * MINUTE_US),
            order_every_us=self._every(2 * SECOND_US, 20 * SECOND_US),
            reservation_every_us=self._every(5 * SECOND_US, MINUTE_US),
        )


# After healing: a good day, with nothing of the swarm left.
HEALED = Faults.none()
