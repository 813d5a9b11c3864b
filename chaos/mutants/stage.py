"""A league of three under virtual time in which nothing goes wrong but what a schedule says.

It is the simulated world of the random runs (real regions, disks that take their time, tasks that live by leases), and
the same checkers judge its record. A seed draws how long messages and disks take. The schedule is about the shard of
one region: `home` leads it in terms 1, 4, ...; `first` in 2, 5, ...; `second` in 3, 6, ...
"""

from __future__ import annotations

from collections.abc import Callable

from hanse.core.events import Submit
from hanse.core.federation.shards.leading import Leading
from hanse.core.federation.shards.seat import Role, Seat
from hanse.core.messages import Envelope, Message
from hanse.core.model.jobs import OnLoss
from hanse.core.model.lifecycle import JobState
from hanse.core.model.regions import Timings
from hanse.core.model.time import MILLISECOND_US, SECOND_US
from hanse.sim.callers import Batch
from hanse.sim.faults import Faults
from hanse.sim.host import Host
from hanse.sim.record import EMPTY_IMAGE, DiskReplaced
from hanse.sim.workload import JobKind, submission
from hanse.sim.world import Plan, World

# What is sent from one region to another is lost if this says so.
Loses = Callable[[str, str, Message], bool]

# A lease is long enough for somebody else to be elected in the meantime, if nobody waits for it.
TIMINGS = Timings(
    lease_us=5 * SECOND_US,
    kill_us=100 * MILLISECOND_US,
    election_spread_us=200 * MILLISECOND_US,
    append_retry_us=100 * MILLISECOND_US,
    append_retry_max_us=SECOND_US // 2,
    hello_retry_max_us=SECOND_US,
)
# No task heeds SIGTERM: each lives until its grace, or its lease, is over.
_FAULTS = Faults(ignores_sigterm=1.0)
_REGIONS = 3
_TENANT = "mills"
# Longer than any schedule.
_FOR_LONG_US = 600 * SECOND_US
# Shorter than any message takes.
_LOOK_US = MILLISECOND_US // 2
_BOOT_US = 30 * MILLISECOND_US
# A task that was launched lives by then.
_LAUNCH_US = 50 * MILLISECOND_US


class ScheduleError(Exception):
    """What a schedule waits for does not come: it is about another core than this one."""


def nothing(sender: str, to: str, message: Message) -> bool:
    """No message is lost."""
    return False


def cut(one: str, *others: str) -> Loses:
    """No message gets through between this region and those."""
    return lambda sender, to, _: (sender == one and to in others) or (to == one and sender in others)


class Stage:
    """See the module's docstring."""

    def __init__(self, seed: int) -> None:
        plan = Plan(
            seed=seed,
            faults=_FAULTS,
            regions=_REGIONS,
            jobs=0,
            timings=TIMINGS,
            adoptable_share=1.0,
            check_every=0,
            codec_share=1.0,
        )
        self.world = World(plan, codec=self._let_through)
        # Nobody wishes anything but what the schedule says either (seeds 11 and 28).
        self.world.callers.cancelled_share = 0.0
        self._loses: tuple[Loses, ...] = ()
        self._keys = 0
        self.shard = self.world.hosts[0].name
        self.home, self.first, self.second = self._host(self.shard).config.groups[0].members
        self.world.begin()
        self.run(0)

    def _let_through(
        self, envelope: Envelope, messages: tuple[Message, ...]
    ) -> tuple[Envelope, tuple[Message, ...]]:
        link = envelope.sender, envelope.receiver
        return envelope, tuple(
            each for each in messages if not any(loses(*link, each) for loses in self._loses)
        )

    def _host(self, name: str) -> Host:
        return next(host for host in self.world.hosts if host.name == name)

    # --- how it stands ---

    def seat(self, name: str) -> Seat:
        """What this region has of the shard."""
        core = self._host(name).core
        assert core is not None, f"{name} is down"
        return core.shards.shards[self.shard].seat

    def leads(self, name: str) -> bool:
        """Whether this region leads, and acts."""
        return self.seat(name).role is Role.LEADER

    def stands_in_us(self, name: str) -> int:
        """How long this region's patience lasts; negative: it has none, or stands already."""
        seat = self.seat(name)
        if seat.elect_us is None or seat.role is not Role.MEMBER:
            return -1
        return seat.elect_us - self._host(name).mono_us()

    def runs(self, name: str) -> int:
        """How many jobs of the shard this region runs, as it has written."""
        desk = self._desk(name)
        return 0 if desk is None else desk.books.counts[JobState.RUNNING]

    def _desk(self, name: str) -> Leading | None:
        core = self._host(name).core
        return None if core is None else core.shards.leading.get(self.shard)

    # --- time ---

    def run(self, us: int) -> None:
        """Let so much time pass."""
        self.world.timeline.run(self.world.timeline.now_us + us)

    def run_until(self, condition: Callable[[], bool], within_us: int = 30 * SECOND_US) -> None:
        """Let time pass until it is so."""
        if not self.wait(condition, within_us):
            raise ScheduleError(f"not within {within_us} us")

    def wait(self, condition: Callable[[], bool], at_most_us: int) -> bool:
        """Let time pass until it is so, or so much is over. Returns whether it is so."""
        deadline_us = self.world.timeline.now_us + at_most_us
        while not condition():
            if self.world.timeline.now_us >= deadline_us:
                return False
            self.run(_LOOK_US)
        return True

    # --- what happens ---

    def lose(self, *loses: Loses) -> None:
        """From now on these messages are lost, and no others."""
        self._loses = loses

    def slow(self, sender: str, to: str, by_us: int) -> None:
        """From now on whatever goes from the one to the other takes so much longer."""
        self.world.network.slow(sender, to, by_us, _FOR_LONG_US)

    def submit(self, *, endless: bool = True) -> Batch:
        """A caller hands in an adoptable job; an endless one runs anywhere, until somebody ends it."""
        self._keys += 1
        batch = Batch(self.shard, _TENANT, [(f"key-{self._keys}", self._kind(endless))], OnLoss.ADOPT)
        self.world.callers.submit(batch)
        return batch

    def _kind(self, endless: bool) -> JobKind:
        return self.world.kinds[-1] if endless else self.world.kinds[0]

    def write_at(self, name: str, jobs: int) -> None:
        """A caller who does not ask again hands in adoptable jobs to whoever this region is."""
        kind = self._kind(endless=False)
        submissions = []
        for _ in range(jobs):
            self._keys += 1
            job_id = f"{self.shard}-once-{self._keys:021}"
            submissions.append(submission(job_id, f"key-{self._keys}", _TENANT, kind, OnLoss.ADOPT))
        # Beyond the numbers of requests that somebody waits for.
        request_id = (1 << 40) + self._keys
        self._host(name).post(
            Submit(request_id=request_id, submissions=tuple(submissions), cause="once", home=self.shard)
        )

    def cancel(self, batch: Batch) -> None:
        """A caller wishes these jobs to end."""
        for job_id in batch.job_ids.values():
            self.world.callers.cancel(self.shard, job_id)

    def open(self) -> Batch:
        """The shard is founded, its home leads, and runs a job that all members know of."""
        self.run_until(lambda: self.leads(self.home))
        batch = self.submit()
        self.run_until(lambda: bool(self.runs(self.home)) and bool(batch.job_ids))
        self.run_until(
            lambda: all(
                self.seat(each).log.end == self.seat(self.home).log.end for each in (self.first, self.second)
            )
        )
        self.run(_LAUNCH_US)
        return batch

    def run_until_it_runs(self, name: str, jobs: int = 1) -> None:
        """So many tasks of the shard live in this region."""
        self.run_until(lambda: self.runs(name) >= jobs)
        self.run(_LAUNCH_US)

    def crash(self, name: str) -> None:
        """The daemon dies, and is back within moments; its tasks live on."""
        self.stop(name)
        self.run(_BOOT_US)
        self.start(name)

    def stop(self, name: str) -> None:
        """The daemon dies; its tasks live on."""
        host = self._host(name)
        host.crash("killed")
        # Whoever starts daemons again is not to start this one.
        host.life += 1

    def start(self, name: str) -> None:
        """It is back."""
        self._host(name).start()

    def destroy(self, name: str) -> None:
        """The region is lost with its disk and its tasks, and built again on an empty disk within moments."""
        host = self._host(name)
        host.destroy(for_ever=False)
        self.world.record.append(
            DiskReplaced(self.world.timeline.now_us, name, EMPTY_IMAGE, True, False, False)
        )
        self.run(_BOOT_US)
        self.start(name)

    def end(self) -> None:
        """Everything heals, and has to end."""
        self.lose()
        self.world.end()
