"""The kinds of faults: what a campaign's TOML may say of each, and what each of them means to whoever operates.

The three sentences of a kind go into docs/failure-matrix.md, beside what the campaigns measured.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import msgspec
from msgspec import Meta

# A campaign is a matter of minutes, and so is everything in it.
Seconds = Annotated[float, Meta(ge=0, le=600)]
Share = Annotated[float, Meta(gt=0, lt=1)]
Count = Annotated[int, Meta(ge=1, le=100)]
Links = Literal["direct", "proxy"]
BOTH: tuple[Links, ...] = ("direct", "proxy")


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One [[faults]] table. It begins `at_s` after the first submission, lasts `for_s`, and comes `times` times, each
    `every_s` after the one before."""

    what: ClassVar[str]
    works: ClassVar[str]
    waits: ClassVar[str]
    operator: ClassVar[str]
    needs_root: ClassVar[bool] = False
    links: ClassVar[tuple[Links, ...]] = BOTH

    at_s: Seconds
    for_s: Seconds = 0.0
    times: Count = 1
    every_s: Seconds = 0.0

    @property
    def ends_s(self) -> float:
        """When the last of them is undone."""
        return self.at_s + (self.times - 1) * self.every_s + self.for_s

    def regions_named(self) -> tuple[str, ...]:
        """Every region that the table names."""
        return ()


class OnRegion(Fault, frozen=True, kw_only=True):
    """A fault of one region."""

    region: str

    def regions_named(self) -> tuple[str, ...]:
        """The victim."""
        return (self.region,)


class OnPair(Fault, frozen=True, kw_only=True):
    """A fault of the link between two regions."""

    between: tuple[str, str]

    def regions_named(self) -> tuple[str, ...]:
        """Both ends."""
        return self.between


class KillDaemon(OnRegion, frozen=True, kw_only=True):
    """kill -9, and started again on the same disk after `for_s`."""

    what = "`kill -9` of a daemon, restart on its disk"
    works = "Its tasks run on under their supervisors. All other regions accept, run and answer."
    waits = "Its queued jobs, submissions to it (the client repeats them with the same key), outcomes of its jobs."
    operator = "Nothing, if a service manager restarts it. Tasks that run are taken over, not started again."


class FreezeDaemon(OnRegion, frozen=True, kw_only=True):
    """SIGSTOP, and SIGCONT after `for_s`."""

    what = "a daemon is frozen (SIGSTOP, SIGCONT)"
    works = "Its tasks run on and end; all other regions. Peers call it SUSPECT, then DEAD, and move nothing for that."
    waits = "Whatever asks it: its queue, submissions to it, transfers that it has not answered."
    operator = "Nothing when it goes on. `/livez` tells a process that is stuck; killing it is safe."


class Partition(Fault, frozen=True, kw_only=True):
    """No packets between the groups, either way."""

    what = "a partition: every packet between groups of regions is dropped"
    works = "Every region accepts, schedules and runs its own jobs, and answers for itself; so do regions of one group."
    waits = (
        "Transfers in doubt stay XFER, outcomes wait for their home, cancels for the region that has the job."
    )
    operator = "Repair the network. Nothing has to be told or cleaned up afterwards, and nothing runs twice."

    groups: tuple[tuple[str, ...], ...]

    def regions_named(self) -> tuple[str, ...]:
        """All of them."""
        return tuple(name for group in self.groups for name in group)


class CutOneWay(Fault, frozen=True, kw_only=True):
    """`sender` can say nothing to `receiver`, but hears it."""

    what = "one direction of a link is cut"
    works = "As in a partition; the third region hears both."
    waits = "As in a partition: what arrives cannot be answered, so nothing is decided over that link."
    operator = (
        "`hanse federation members` differs on both ends: look for asymmetric routes or firewall rules."
    )

    sender: str
    receiver: str

    def regions_named(self) -> tuple[str, ...]:
        """Both ends."""
        return (self.sender, self.receiver)


class DropPackets(OnPair, frozen=True, kw_only=True):
    """A share of the packets between two regions is lost, at random."""

    what = "packets are dropped at random between two regions"
    works = "Everything, more slowly between the two: TCP repeats what is lost, and Hanse what times out."
    waits = "Handoff between the two may take longer than running at home; nothing else."
    operator = "Look at the link."
    links = ("direct",)
    needs_root = True

    share: Share


class DelayLink(OnPair, frozen=True, kw_only=True):
    """Everything between two regions arrives later, in order."""

    what = "a slow link: everything arrives late"
    works = "Everything. Offers that take longer than their deadline are lost, and made again."
    waits = "Handoff over that link, as long as the delay is above the offer's deadline."
    operator = "Nothing."
    links = ("proxy",)

    delay_ms: Annotated[int, Meta(ge=1, le=60_000)]


class HalfOpen(OnPair, frozen=True, kw_only=True):
    """Connections stay open and swallow everything, as when a middlebox forgets them."""

    what = "half-open connections: the far end is gone and nobody says so"
    works = "All regions by themselves; calls between the two run into their deadlines and are repeated."
    waits = "What the two owe each other, until connections are made anew."
    operator = "Nothing; if it comes often, look for a firewall that forgets idle connections."
    links = ("proxy",)


class FillDisk(OnRegion, frozen=True, kw_only=True):
    """The filesystem of its data is filled up to `leave_kib`, and freed after `for_s`."""

    what = "the disk of a region fills up"
    works = (
        "Tasks that run there run on and end; room for their outcomes is kept back. All other regions. If even "
        "that is taken, the daemon ends with exit code 1, nothing is lost, and it starts again once there is room."
    )
    waits = (
        "Submissions to it are refused as EXHAUSTED with a hint when to come again; peers give it nothing."
    )
    operator = (
        "Make room (log: `disk.pressure`). It takes work again by itself from `disk.clear_bytes` on; a daemon that has "
        "ended is for the service manager to start again."
    )
    needs_root = True

    leave_kib: Annotated[int, Meta(ge=0, le=1 << 20)] = 0


class ClockJump(OnRegion, frozen=True, kw_only=True):
    """The wall clock of its daemon jumps by `by_s`, and back after `for_s`. Monotonic clocks are left alone."""

    what = "the wall clock of a region jumps, and jumps back"
    works = "Everything: no decision about safety or order rests on the wall clock."
    waits = "Nothing. Times shown for that region are wrong by the jump."
    operator = "Correct the clock; no restart is needed."

    by_s: Annotated[int, Meta(ge=-10_000_000, le=10_000_000)]


class KillSupervisor(OnRegion, frozen=True, kw_only=True):
    """kill -9 of the supervisors of running tasks."""

    what = "`kill -9` of a task's supervisor"
    works = "The task dies with its supervisor; everything else runs on."
    waits = "The job: it is queued again, and keeps its retries. (A job to which it happens again and again fails.)"
    operator = "Nothing."

    count: Count = 1


class KillTask(OnRegion, frozen=True, kw_only=True):
    """kill -9 of the first processes of running tasks."""

    what = "`kill -9` of a task's process"
    works = "Everything else. The supervisor records the end and ends what the task left behind."
    waits = "Nothing. The job counts as failed with exit code 137 unless it has retries left."
    operator = "Nothing (often: the kernel's OOM killer; see its log)."

    count: Count = 1


class KillZygote(OnRegion, frozen=True, kw_only=True):
    """kill -9 of the process that launches supervisors."""

    what = "`kill -9` of the launcher (zygote)"
    works = "All running tasks: supervisors do not depend on it."
    waits = "Launches, for the moment in which the daemon starts another."
    operator = "Nothing. If it does not start at all, `tasks/launcher.log` says why."


class CorruptLedger(OnRegion, frozen=True, kw_only=True):
    """The daemon is killed and its ledger damaged: it must refuse to start. `restore` says what is put back.

    A backup is an old ledger, and safe only if nothing happened since: the campaign waits until every job has ended.
    """

    what = "a damaged ledger at a restart"
    works = "All other regions. Tasks that run go on. The daemon refuses to start, and changes nothing."
    waits = "Everything of that region."
    operator = "Keep the files, look at the disk, restore; read [Backup and restore](operations.md#backup-and-restore)."

    restore: Literal["original", "backup"] = "original"


class DrainRegion(OnRegion, frozen=True, kw_only=True):
    """Drained, and undrained after `for_s`."""

    what = "a region is drained under load, and undrained"
    works = "What runs there runs on; it accepts submissions and hands them on. All other regions."
    waits = "Jobs that may run nowhere else."
    operator = "This is the operator: `hanse region drain`, `hanse region undrain`."


KINDS: dict[str, type[Fault]] = {
    "kill_daemon": KillDaemon,
    "freeze_daemon": FreezeDaemon,
    "partition": Partition,
    "cut_one_way": CutOneWay,
    "drop_packets": DropPackets,
    "delay_link": DelayLink,
    "half_open": HalfOpen,
    "fill_disk": FillDisk,
    "clock_jump": ClockJump,
    "kill_supervisor": KillSupervisor,
    "kill_task": KillTask,
    "kill_zygote": KillZygote,
    "corrupt_ledger": CorruptLedger,
    "drain_region": DrainRegion,
}
_NAMES = {kind: name for name, kind in KINDS.items()}


def kind_of(fault: Fault) -> str:
    """Under which name it is counted."""
    return _NAMES[type(fault)]
