"""The region as the rest of the daemon sees it: one life of the Region after another, over the same ledger.

Theory of operation. A life begins by opening the ledger, rebuilding the Region from it, and asking the executor what
still runs; it ends with shutdown, when a transaction or the executor fails, or when a new roster is in force. Then all
that is in memory is thrown away and the next life begins from the disk: recovery is the ordinary path. Callers that
waited are told that the outcome is unknown, and retry by their client keys. A disk that can't even be opened again is
tried again after a while. REBUILDS_MAX failures within REBUILD_WINDOW_US end the daemon.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, suppress
from typing import Concatenate, ParamSpec, TypeVar

import structlog

from hanse.core.effects import Lease
from hanse.core.events import Event, ExecutorRecovered, PeerMessages, ShowRows
from hanse.core.model import limits
from hanse.core.model.regions import RegionConfig
from hanse.core.region import Region
from hanse.core.replies import Done, Reply
from hanse.core.rows import META_QUARANTINE, META_QUARANTINE_WHY
from hanse.daemon.clock import Clock, mono_us, system_now, wall_us
from hanse.daemon.config import DaemonConfig, disk_policy, load_config, retention_policy
from hanse.daemon.desk import PolicyDesk
from hanse.daemon.driver import Driver, RegionPort, Step
from hanse.daemon.errors import DriverInterrupted, DriverOverloaded, ReloadRefused, leaves
from hanse.daemon.housekeeping import Housekeeping
from hanse.daemon.inbox import Inbox
from hanse.daemon.journal import JOURNAL_DIRECTORY, Journal
from hanse.daemon.judge import PolicyJudge
from hanse.daemon.keys import Keyring, region_keys, take_next
from hanse.daemon.ledger_ids import LEDGER_FILE, read_prepared, use_up
from hanse.daemon.lookups import Lookups
from hanse.daemon.metrics import Metrics
from hanse.daemon.orders import Orders
from hanse.daemon.peers import PeerLinks, Said
from hanse.daemon.planning import Planner
from hanse.daemon.reload import changes
from hanse.daemon.requests import Requests
from hanse.daemon.tracing import Tracing
from hanse.daemon.urgency import is_urgent, is_waited_for
from hanse.daemon.watch import WatchHub
from hanse.executors.errors import ExecutorError
from hanse.executors.port import Executor, TaskReport
from hanse.ledger.disk import DiskWatch
from hanse.ledger.errors import FailedKind, LedgerFailed, LedgerRefused, LedgerViolated, RefusedKind
from hanse.ledger.ledger import Ledger

log = structlog.get_logger()

A = TypeVar("A")
P = ParamSpec("P")
T = TypeVar("T")

ANCHOR_FILE = "anchor"
TASKS_DIRECTORY = "tasks"
# Why a ledger can't be opened again that could be opened before, without anything being wrong with it.
_MAY_PASS = (RefusedKind.FULL, RefusedKind.IO)


class Runtime:
    """Owns inbox, ledger, executor and Region. `make_executor` is called once for each life, and so is `adopt`, with
    the configuration that it goes by."""

    def __init__(
        self,
        config: DaemonConfig,
        make_executor: Callable[[], Executor],
        links: PeerLinks,
        inbox: Inbox,
        hub: WatchHub,
        orders: Orders,
        metrics: Metrics,
        tracing: Tracing,
        adopt: Callable[[RegionConfig], None] = lambda _: None,
        clock: Clock = system_now,
    ) -> None:
        self.config = config
        self.name = config.region.name
        # With what the newest roster says; another one in each life.
        self.region = config.region
        self._adopt = adopt
        self.hub = hub
        self.metrics = metrics
        self.tracing = tracing
        self.inbox = inbox
        self.started_wall_us = wall_us()
        self.desk = PolicyDesk(config.region, config.policy)
        self.planner = Planner()
        self._requests = Requests(inbox)
        self._lookups = Lookups(inbox)
        self._judge = PolicyJudge(inbox, self.desk)
        self._make_executor = make_executor
        self._links = links
        self._orders = orders
        self._clock = clock
        self._journal = _journal(config, metrics)
        self._disk = DiskWatch(config.data_dir / LEDGER_FILE, disk_policy(config.settings))
        self._driver: Driver | None = None
        self._ledger: Ledger | None = None
        self._patient_reads = asyncio.Semaphore(limits.PATIENT_READS_MAX)
        self._executor: Executor | None = None
        self._stopping = asyncio.Event()
        self._failed_mono_us: deque[int] = deque(maxlen=limits.REBUILDS_MAX)
        # When this daemon last wrote into its copy of a shard's log. One entry for each shard that it keeps.
        self._copied_wall_us: dict[str, int] = {}
        # Callers have been told of something that the rows of shards do not say yet; and the newest step of this life
        # of which they were told before it was released.
        self._owes_rows = False
        self._told = 0
        # When a majority last renewed the lease of a shard that this region leads.
        self._renewed_wall_us: dict[str, int] = {}
        # Set while a life is under way and the executor's past is known.
        self.alive = asyncio.Event()
        self.dead = asyncio.Event()
        self.dead.set()

    # --- for the servers ------------------------------------------------------------------------------------------

    async def ask(self, kind: type[A], make: Callable[[int], Event]) -> A:
        """Post an event and wait for its answer. Raises DriverOverloaded, DriverInterrupted."""
        return await self._requests.ask(kind, make)

    def knows(self, region: str) -> bool:
        """Whether this is another region that is or was a member."""
        return self._links.knows(region)

    def post(self, event: PeerMessages) -> bool:
        """Take an envelope of a peer in; False if the inbox is full, or the region is not there."""
        if not self.alive.is_set():
            return False
        # The order of envelopes means nothing: on the way here each may overtake another.
        urgent = bool(event.messages) and all(map(is_urgent, event.messages))
        taken = self.inbox.offer_urgent(event) if urgent else self.inbox.offer(event)
        if taken and not urgent and any(map(is_waited_for, event.messages)):
            self.inbox.hurry()
        return taken

    def answer(self, region: str, cause: str, within_s: float) -> Said | None:
        """What the region has to say to another one in time, to go back with the receipt of an envelope: what this
        event leads to, or, without a cause, whatever is said next."""
        return self._links.answer(region, cause, within_s)

    async def read(
        self, function: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run a query of the ledger. Raises DriverOverloaded, DriverInterrupted."""
        while self._owes_rows:
            # Whoever was told of it is to find it.
            await self.ask(Done, lambda number: ShowRows(request_id=number, cause="read"))
        ledger = self._ledger
        if ledger is None:
            raise DriverInterrupted("the region is being rebuilt from its disk")
        try:
            return await ledger.read(function, *args, **kwargs)
        except LedgerFailed as error:
            if error.kind is FailedKind.BUSY:
                raise DriverOverloaded(str(error)) from error
            raise DriverInterrupted(str(error)) from error

    async def read_patiently(
        self, function: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """As `read`, for streams: a thousand that begin together wait for each other instead of being turned away."""
        async with self._patient_reads:
            return await self.read(function, *args, **kwargs)

    def copied_wall_us(self, shard: str) -> int:
        """When something last came for this region's copy of a shard's log; 0: not since this daemon started."""
        return self._copied_wall_us.get(shard, 0)

    def renewed_wall_us(self, shard: str) -> int:
        """When a majority last renewed this region's lease of a shard; 0: not since this daemon started."""
        return self._renewed_wall_us.get(shard, 0)

    @property
    def executor(self) -> Executor:
        """The engine of the present life. Raises DriverInterrupted between two lives."""
        if self._executor is None:
            raise DriverInterrupted("the region is being rebuilt from its disk")
        return self._executor

    @property
    def requests_in_flight(self) -> int:
        """Callers that wait for the core."""
        return len(self._requests)

    @property
    def stalled_us(self) -> int:
        """Since the driver last stepped; 0 between two lives."""
        return mono_us() - self._driver.stepped_mono_us if self._driver is not None else 0

    # --- lives ----------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """One life after another until `stop`. Raises LedgerRefused, or what failed too often."""
        while not self._stopping.is_set():
            try:
                await self._live()
            except* (LedgerFailed, LedgerViolated, LedgerRefused, ExecutorError) as failures:
                await self._note_failure(failures)
            finally:
                self.alive.clear()
                self.dead.set()
                self._requests.close("the region is being rebuilt from its disk")
                self.inbox.clear()
        if self._journal is not None:
            await asyncio.to_thread(self._journal.close)

    def stop(self) -> None:
        """Let the present life finish what it has taken in, and begin no other."""
        self._stopping.set()
        self._requests.close("the region is shutting down")
        if self._driver is not None:
            self._driver.drain()

    async def reload(self) -> tuple[str, ...]:
        """Read the configuration's file again, and go on by it: another life begins if anything has changed. Returns
        the keys that have. Raises ConfigError, ReloadRefused: then nothing is changed."""
        config = await asyncio.to_thread(load_config, self.config.path)
        found = changes(self.config.settings, config.settings)
        if found.fixed:
            raise ReloadRefused(found.fixed)
        driver = self._driver
        if not found.live or driver is None:
            return ()
        log.warning("config.reloaded", keys=found.live)
        self.config = config
        driver.end()
        await self.dead.wait()
        await self.alive.wait()
        return found.live

    async def _live(self) -> None:
        async with AsyncExitStack() as resources:
            # 1. What is on the disk.
            ledger = await self._open_ledger(resources)
            snapshot = await ledger.load_snapshot()
            keys = region_keys(self.config.data_dir) if self.config.region.roster else Keyring()
            policy = self.desk.begin(snapshot.policy)
            region = Region(self.config.region, snapshot, self._clock(), random.Random(), keys, policy)
            self._take_config(region.config)
            # 2. What still runs.
            executor = self._make_executor()
            await self._recover(executor)
            resources.push_async_callback(executor.close)
            # 3. From here on the servers see it.
            followed: RegionPort = region
            if self._journal is not None:
                followed = self._journal.follow(region, keys)
                resources.callback(self._journal.leave)
            driver = Driver(
                followed,
                self.inbox,
                ledger.commit,
                self._release,
                self._answer,
                lambda: len(self._requests),
                self._clock,
                self.metrics,
            )
            self._ledger, self._executor, self._driver = ledger, executor, driver
            self._told = 0
            resources.callback(self._withdraw)
            self.hub.reset(snapshot.ledger_id, snapshot.write_sequence)
            log.info(
                "region.alive",
                incarnation=snapshot.incarnation,
                write_sequence=snapshot.write_sequence,
                jobs=len(snapshot.jobs),
                anchor=ledger.opened.anchor.name,
            )
            await self._drive(driver, executor, ledger)

    def _take_config(self, config: RegionConfig) -> None:
        """Who belongs to the league, as of this life."""
        self.region = config
        self._links.adopt(config)
        self.desk.adopt(config)
        self._adopt(config)
        if config.roster:
            own = config.member(self.name)
            log.info(
                "roster.in_force",
                epoch=config.roster_epoch,
                members=[member.name for member in config.members],
                removed=config.removed,
            )
            assert own is not None
            take_next(self.config.data_dir, own.public_key)

    async def _open_ledger(self, resources: AsyncExitStack) -> Ledger:
        data = self.config.data_dir
        if not data.exists():
            # Perhaps a disk that is not mounted: worth a line. The anchor, if it is elsewhere, tells for certain.
            log.warning("data_dir.created", path=str(data))
            data.mkdir(parents=True, mode=0o700)
        ledger = await Ledger.open(
            data / LEDGER_FILE,
            region=self.name,
            anchor_path=self.config.anchor_dir / ANCHOR_FILE,
            new_ledger_id=read_prepared(data),
        )
        resources.push_async_callback(self._close_ledger, ledger)
        use_up(data)
        return ledger

    async def _close_ledger(self, ledger: Ledger) -> None:
        failure = ledger.failure
        if isinstance(failure, LedgerFailed) and failure.kind is FailedKind.FULL:
            # Before the next life opens it: that needs room as well.
            self._disk.release()
        await ledger.close()

    def _withdraw(self) -> None:
        self._driver = self._ledger = self._executor = None

    async def _recover(self, executor: Executor) -> None:
        """The executor's whole knowledge is the first event of a life; its news follows."""
        reports = _Reports(self.inbox)
        found = await executor.recover(reports.take)
        self._orders.clear()
        self._judge.clear()
        self.inbox.clear()
        self.inbox.put_first(ExecutorRecovered(found=found, cause="boot"))
        reports.pass_on()

    async def _drive(self, driver: Driver, executor: Executor, ledger: Ledger) -> None:
        settings = self.config.settings
        housekeeping = Housekeeping(
            ledger,
            executor,
            self.inbox,
            self._disk,
            retention_policy(settings),
            self.metrics,
            settings.retention.interval_s,
        )
        async with asyncio.TaskGroup() as group:
            chores = [
                group.create_task(self._orders.run(executor), name="orders"),
                group.create_task(housekeeping.run(), name="housekeeping"),
                group.create_task(self._lookups.run(ledger), name="lookups"),
                group.create_task(self._judge.run(), name="judge"),
            ]
            self._requests.open()
            self.dead.clear()
            self.alive.set()
            if self._stopping.is_set():
                driver.drain()
            await driver.run()
            await self._orders.drained()
            for chore in chores:
                chore.cancel()

    def _release(self, step: Step) -> None:
        """Everything that a step decided, now that it is on disk. Never blocks."""
        effects = step.effects
        # First of all: the tasks of a shard live by this, and what is launched below is to find it.
        for lease in effects.leases:
            self._extend(lease)
            self._renewed_wall_us[lease.shard] = wall_us()
        for state in effects.writes.shard_states:
            self._copied_wall_us[state.shard] = wall_us()
        for name, value in effects.writes.meta:
            _tell_of_quarantine(name, value)
        for row in effects.writes.policies:
            self.desk.adopted(row)
        self._orders.post(effects)
        if effects.lookups:
            self._lookups.post(effects.lookups)
        if effects.judge is not None:
            self._judge.post(effects.judge)
        if effects.sends:
            self._links.send(effects.sends, step.envelopes)
        if step.heard:
            self._links.settle(step.heard)
        self._owes_rows = effects.owes_rows or step.number < self._told
        if effects.replies:
            self._resolve(effects.replies)
        if effects.changes:
            self.metrics.changed(effects.changes)
            for change in effects.changes:
                self.tracing.job_changed(change)
        self.hub.publish(effects.sequence, effects.changes)

    def _answer(self, replies: Sequence[Reply], step: int) -> None:
        """These rest on what is on disk already. The rows in which callers read what they are told here may not be,
        until this step is."""
        self._owes_rows, self._told = True, step
        self._resolve(replies)

    def _resolve(self, replies: Sequence[Reply]) -> None:
        self._requests.resolve(replies)
        # Submissions may have gathered because these were unanswered.
        self.inbox.let_go()

    def _extend(self, lease: Lease) -> None:
        try:
            self.executor.extend(lease.shard, lease.until_mono_us)
        except ExecutorError as error:
            # The next renewal may be told in time; if none is, the tasks end with the lease that they know, as they
            # do when no guardian answers.
            log.error("lease.not_told", shard=lease.shard, error=str(error))

    async def _note_failure(self, failures: BaseExceptionGroup[Exception]) -> None:
        """Begin another life, unless too many have failed in a short time, or a person must look first."""
        now_us = mono_us()
        causes = leaves(failures)
        refused = [error for error in causes if isinstance(error, LedgerRefused)]
        if any(error.kind not in _MAY_PASS for error in refused) or (refused and not self._failed_mono_us):
            raise failures
        for error in causes:
            log.error("region.failed", error=str(error), kind=type(error).__name__)
        self.metrics.rebuilds.inc()
        recent = [at for at in self._failed_mono_us if now_us - at < limits.REBUILD_WINDOW_US]
        if len(recent) >= limits.REBUILDS_MAX:
            raise failures
        self._failed_mono_us.append(now_us)
        if refused:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), limits.REOPEN_PAUSE_US / 1e6)


def _journal(config: DaemonConfig, metrics: Metrics) -> Journal | None:
    """The decision log, if there is to be one."""
    table = config.settings.decisions
    if not table.enabled:
        return None
    interval_us = round(table.image_interval_s * 1e6)
    return Journal(config.data_dir / JOURNAL_DIRECTORY, table.bytes_max, interval_us, metrics)


def _tell_of_quarantine(name: str, value: str) -> None:
    if name == META_QUARANTINE_WHY:
        log.warning("region.quarantined", why=value)
    elif name == META_QUARANTINE and value == "0":
        log.warning("region.trusts_its_disk_again")


class _Reports:
    """The sink of one life: holds back what comes before the executor's past is known."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._early: list[TaskReport] | None = []

    def take(self, reports: Sequence[TaskReport]) -> None:
        """As ReportSink."""
        if self._early is None:
            self._inbox.put(reports)
        else:
            self._early.extend(reports)

    def pass_on(self) -> None:
        """The past is in the inbox: the news may follow."""
        early, self._early = self._early, None
        self._inbox.put(early or ())
