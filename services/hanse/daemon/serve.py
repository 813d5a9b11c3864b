"""`hanse serve`: the parts of a daemon, put together, from start to shutdown.

    config -> stubs, links -> runtime (inbox, lives of the Region) -> listeners (peers, public, http)

Start: the listeners open first and say NOT_SERVING; the region then comes to life from its disk. Shutdown (SIGTERM or
SIGINT): take no new calls, let those in flight end, let the core finish what it has taken in, close. Tasks go on under
their supervisors, and the next daemon finds them.
"""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
from http import HTTPStatus
from pathlib import Path

import structlog
from prometheus_client import CONTENT_TYPE_LATEST

from hanse.core.events import Ask, Question
from hanse.core.federation.handoff.target import KNOWN_FEATURES
from hanse.core.federation.roster.faults import RosterConflict
from hanse.core.model import limits
from hanse.core.model.errors import CallerFault, EnvironmentFault, HanseError
from hanse.core.model.regions import RegionConfig
from hanse.core.replies import StatusView
from hanse.daemon.collector import GC_THRESHOLDS
from hanse.daemon.config import DaemonConfig, load_config, loss_by_tier
from hanse.daemon.errors import ConfigError, leaves
from hanse.daemon.http import HttpListener, Page
from hanse.daemon.ids import JobIds
from hanse.daemon.inbox import Inbox
from hanse.daemon.listeners import Listener, peer_listener, public_listener
from hanse.daemon.logs import configure_logging
from hanse.daemon.metrics import Metrics
from hanse.daemon.orders import Orders
from hanse.daemon.peers import PeerLinks
from hanse.daemon.runtime import TASKS_DIRECTORY, Runtime
from hanse.daemon.servers.leaders import Leaders
from hanse.daemon.servers.local import LocalJobs
from hanse.daemon.servers.members import Members
from hanse.daemon.servers.peers import Envelopes
from hanse.daemon.tracing import Tracing, otlp_exporter
from hanse.daemon.watch import WatchHub
from hanse.executors.errors import ExecutorError
from hanse.executors.port import Executor
from hanse.wire.peers import PeerCodec
from hanse.wire.programs import ProgramReader
from hanse.wire.specs import SpecReader, SpecRules

log = structlog.get_logger()

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_CONFIG = 2


def run(config_path: Path) -> int:
    """Run a region's daemon until SIGTERM or SIGINT; the process's exit code.

    0: shut down as asked. 1: the disk, an address or the executor cannot be used. 2: the configuration is wrong.
    """
    try:
        config = load_config(config_path)
    except ConfigError as error:
        print(error, file=sys.stderr)  # noqa: T201 - the log is not configured yet
        return EXIT_CONFIG
    configure_logging(config.settings.telemetry.log_level, config.region.name)
    gc.set_threshold(*GC_THRESHOLDS)
    code = EXIT_OK
    try:
        asyncio.run(_run_until_signalled(config))
    except* RosterConflict as conflicts:
        code = EXIT_CONFIG
        for conflict in leaves(conflicts):
            log.error("roster.conflict", error=str(conflict))
    except* (HanseError, ExecutorError, OSError) as failures:
        code = EXIT_FAILED
        for failure in leaves(failures):
            log.error("daemon.failed", kind=type(failure).__name__, error=str(failure))
    return code


async def _run_until_signalled(config: DaemonConfig) -> None:
    daemon = Daemon(config)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, daemon.stop)
    loop.add_signal_handler(signal.SIGHUP, daemon.reload)
    await daemon.run()


class Daemon:
    """One region's daemon. Tests run several in one process, on ports that the system chooses."""

    def __init__(self, config: DaemonConfig) -> None:
        self.config = config
        region, settings = config.region, config.settings
        self.metrics = Metrics(region.name)
        self.tracing = Tracing(
            region.name,
            settings.telemetry.trace_sample_ratio,
            otlp_exporter(settings.telemetry.otlp_endpoint),
        )
        inbox = Inbox(settings.limits.inbox_items_max)
        self._links = PeerLinks(region.name, inbox)
        self._links.adopt(region)
        own, theirs = _spec_readers(config)
        orders = Orders(
            region.name, ProgramReader(), settings.executor.log_bytes_max, region.timings.lease_us
        )
        self.runtime = Runtime(
            config,
            lambda: make_executor(self.runtime.config),
            self._links,
            inbox,
            WatchHub(region.name, settings.limits.watchers_max),
            orders,
            self.metrics,
            self.tracing,
            lambda adopted: own.go_by(_spec_rules(self.runtime.config, adopted)),
        )
        self._watch_gauges(inbox, orders)
        ids = JobIds(region.name)
        members = Members(self._links)
        leaders = Leaders(self.runtime)
        local = LocalJobs(self.runtime, own, ids, leaders)
        self.public = public_listener(self.runtime, local, ids, members, leaders)
        envelopes = Envelopes(self.runtime, PeerCodec(theirs))
        self._links.hear = envelopes.hear
        self.peers = peer_listener(self.runtime, local, envelopes, ids)
        self.http = HttpListener({"/metrics": self._metrics, "/livez": self._livez, "/readyz": self._readyz})
        self._stopping = asyncio.Event()
        self._reloads: set[asyncio.Task[None]] = set()
        self.serving = asyncio.Event()

    def stop(self) -> None:
        """Shut down in good order; `run` returns when that is done."""
        for task in self._reloads:
            task.cancel()
        log.info("daemon.stopping")
        self._stopping.set()

    def reload(self) -> None:
        """Read the configuration again (SIGHUP)."""
        task = asyncio.get_running_loop().create_task(self._reload(), name="reload")
        self._reloads.add(task)
        task.add_done_callback(self._reloads.discard)

    async def _reload(self) -> None:
        try:
            await self.runtime.reload()
        except CallerFault as refused:
            log.error("config.not_reloaded", why=str(refused))

    async def run(self) -> None:
        """Serve until `stop`. Raises what makes serving impossible."""
        listen = self.config.settings.listen
        try:
            await self.peers.start(listen.peers)
            await self.public.start(listen.public)
            if listen.http is not None:
                await self.http.start(listen.http)
            log.info("daemon.listening", public=listen.public, peers=listen.peers, http=listen.http)
            await self._run_parts()
        finally:
            await self._close()

    async def _run_parts(self) -> None:
        async with asyncio.TaskGroup() as group:
            runtime = group.create_task(self.runtime.run(), name="runtime")
            others = [
                group.create_task(self._links.run(), name="links"),
                group.create_task(self._tell_health(), name="health"),
            ]
            stopping = group.create_task(self._stopping.wait(), name="stopping")
            await asyncio.wait({runtime, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not runtime.done():
                await self._shut_down(runtime)
            for task in (*others, stopping):
                task.cancel()

    async def _shut_down(self, runtime: asyncio.Task[None]) -> None:
        """Callers first, while the core still answers; then the core, while peers still hear it."""
        self.serving.clear()
        await self.public.close(limits.SHUTDOWN_TIMEOUT_S / 2)
        self.runtime.stop()
        await asyncio.wait({runtime}, timeout=limits.SHUTDOWN_TIMEOUT_S / 2)
        if not runtime.done():
            # What is on disk is safe; what is not was acknowledged to nobody.
            log.warning("daemon.shutdown_cut_short")
            runtime.cancel()

    async def _tell_health(self) -> None:
        while True:
            await self.runtime.alive.wait()
            await self._set_serving(serving=True)
            await self.runtime.dead.wait()
            await self._set_serving(serving=False)

    async def _set_serving(self, *, serving: bool) -> None:
        listeners: tuple[Listener, ...] = (self.public, self.peers)
        for listener in listeners:
            await listener.set_serving(serving=serving)
        if serving:
            self.serving.set()
        else:
            self.serving.clear()

    async def _close(self) -> None:
        await self.public.close(0)
        await self.peers.close(0)
        await self.http.close()
        await self._links.close()
        await asyncio.to_thread(self.tracing.close)
        log.info("daemon.stopped")

    # --- http -----------------------------------------------------------------------------------------------------

    async def _metrics(self) -> Page:
        try:
            async with asyncio.timeout(1):
                status = await self.runtime.ask(
                    StatusView, lambda number: Ask(request_id=number, question=Question.STATUS)
                )
            self.metrics.set_status(status)
        except (EnvironmentFault, TimeoutError) as error:
            # Everything else is still worth scraping, most of all when the core does not answer.
            log.debug("metrics.without_status", error=repr(error))
        return Page(HTTPStatus.OK, self.metrics.text(), CONTENT_TYPE_LATEST)

    async def _livez(self) -> Page:
        stalled_us = self.runtime.stalled_us
        if stalled_us > limits.STALLED_US_MAX:
            text = f"the driver has not stepped for {stalled_us / 1e6:.1f} s\n"
            return Page(HTTPStatus.SERVICE_UNAVAILABLE, text.encode())
        return Page(HTTPStatus.OK, b"ok\n")

    async def _readyz(self) -> Page:
        if not self.serving.is_set():
            return Page(HTTPStatus.SERVICE_UNAVAILABLE, b"the region is not serving\n")
        return Page(HTTPStatus.OK, b"ok\n")

    def _watch_gauges(self, inbox: Inbox, orders: Orders) -> None:
        runtime = self.runtime
        self.metrics.watch(
            {
                "inbox_items": lambda: inbox.items,
                "requests_in_flight": lambda: runtime.requests_in_flight,
                "watchers": lambda: runtime.hub.watchers,
                "executor_orders": lambda: len(orders),
                "driver_stalled_seconds": lambda: runtime.stalled_us / 1e6,
            },
            self._links.all,
        )


def make_executor(config: DaemonConfig) -> Executor:
    """The engine that [executor] names; imported only if it is used."""
    executor = config.settings.executor
    match executor.kind:
        case "local":
            from hanse.executors.local.executor import LocalExecutor

            return LocalExecutor(config.data_dir / TASKS_DIRECTORY)
        case "simulated":
            from hanse.executors.simulated import SimulatedExecutor

            return SimulatedExecutor(executor.duration_us / 1e6)


def _spec_readers(config: DaemonConfig) -> tuple[SpecReader, SpecReader]:
    """For submissions, by all rules of this region; for what peers hand over, by bounds alone."""
    return SpecReader(_spec_rules(config, config.region)), SpecReader(SpecRules())


def _spec_rules(config: DaemonConfig, region: RegionConfig) -> SpecRules:
    return SpecRules(
        resource_kinds=frozenset(region.resource_kinds),
        regions=tuple(member.name for member in region.members),
        features=frozenset(KNOWN_FEATURES),
        on_loss=loss_by_tier(config.settings),
    )
