"""What a region counts, for Prometheus. Names and labels are a contract with dashboards and alerts."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Callable, Iterable, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from hanse.core.effects import JobChange
from hanse.core.replies import StatusView
from hanse.daemon.peers import PeerLink

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_COUNTS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000)


class Metrics:
    """One daemon's metrics, in a registry of its own: tests run several daemons in one process."""

    def __init__(self, region: str) -> None:
        self.registry = CollectorRegistry()
        self._region = region
        ProcessCollector(registry=self.registry)
        self._rpcs = self._counter("rpcs_total", "Calls by outcome", "method", "code")
        self._rpc_seconds = self._histogram("rpc_seconds", "Duration of unary calls", _SECONDS, "method")
        self._steps = self._histogram("step_seconds", "Duration of Region.step", _SECONDS)
        self._step_events = self._histogram("step_events", "Events taken into one step", _COUNTS)
        self._commits = self._histogram("commit_seconds", "Duration of a ledger transaction", _SECONDS)
        self._commit_steps = self._histogram("commit_steps", "Steps in one transaction", _COUNTS)
        self._changes = self._counter("job_changes_total", "Changes of jobs by new state", "state")
        self._refusals = self._counter("refusals_total", "Submissions refused, by code", "code")
        self.malformed = self._counter("peer_malformed_total", "Messages of peers that broke a bound", "peer")
        self.rebuilds = self._counter("rebuilds_total", "Times that the region was rebuilt from its disk")
        self.disk_free = self._gauge("disk_free_bytes", "Free space on the ledger's filesystem")
        self._jobs = self._gauge("jobs", "Jobs in memory by state", "state")
        self._roster_epoch = self._gauge("roster_epoch", "Epoch of the roster in force")
        self._capacity = self._gauge("capacity", "Capacity by resource kind", "kind")
        self._free = self._gauge("free", "Free capacity by resource kind", "kind")
        self._orphans = self._gauge("orphans", "Runs here that are nobody's any more and have to end")
        self._orphans_ended = self._counter("orphans_ended_total", "Such runs that have ended")
        self._jobs_taken_over = self._counter(
            "jobs_taken_over_total", "Open jobs of shards that this region began to lead"
        )
        self._jobs_let_go = self._counter(
            "jobs_let_go_total", "Open jobs of shards that this region had to stop leading"
        )
        self._jobs_relieved = self._counter(
            "jobs_relieved_total", "Queued jobs given to a region with a much shorter queue"
        )
        self._elements = self._gauge("array_elements_in_flight", "Elements of arrays that hold capacity")
        ended = self._counter(
            "array_elements_ended_total", "Elements of arrays that ended, by state", "state"
        )
        # The core counts each life of the region from 0.
        self._counted = {
            "elements_succeeded": ended.labels("SUCCEEDED"),
            "elements_failed": ended.labels("FAILED"),
            "elements_cancelled": ended.labels("CANCELLED"),
            "orphans_ended": self._orphans_ended,
            "jobs_taken_over": self._jobs_taken_over,
            "jobs_let_go": self._jobs_let_go,
            "jobs_relieved": self._jobs_relieved,
        }
        self._counted_so_far = dict.fromkeys(self._counted, 0)
        self._leads = self._gauge("shard_leads", "Whether this region leads the shard", "shard")
        self._terms = self._gauge("shard_term", "Term of the shard in which this region is", "shard")
        self._open_jobs = self._gauge("shard_open_jobs", "Jobs of the shard that have not ended", "shard")
        self._policy = self._gauge("policy_version", "Version of the policy in force")
        self._promises = self._gauge(
            "sla_jobs",
            "Jobs since the start, by tier and whether a promise was kept",
            "tier",
            "promise",
            "kept",
        )
        self._journal_steps = self._counter("decision_steps_total", "Steps recorded in the decision log")
        self._journal_bytes = self._counter("decision_bytes_total", "Bytes written to the decision log")
        self._journal_gaps = self._counter(
            "decision_gaps_total", "Times that the decision log was interrupted"
        )
        self._journal_images = self._counter(
            "decision_images_total", "Images of the region by outcome", "outcome"
        )
        self._journal_active = self._gauge("decision_log_active", "Whether steps are being recorded")
        self._quarantine = self._gauge("quarantine", "1 while the region's disk is known to be an old one")
        self._suspects = self._gauge(
            "suspect_jobs", "Jobs that wait because an old disk may have forgotten them"
        )

    def watch(self, gauges: dict[str, Callable[[], float]], links: Callable[[], Iterable[PeerLink]]) -> None:
        """Read these whenever somebody asks, rather than keep them up to date."""
        self.registry.register(_Live(gauges, links))

    def stepped(self, events: int, seconds: float) -> None:
        """As DriverMeter."""
        self._steps.observe(seconds)
        self._step_events.observe(events)

    def committed(self, steps: int, seconds: float) -> None:
        """As DriverMeter."""
        self._commits.observe(seconds)
        self._commit_steps.observe(steps)

    def called(self, method: str, code: str, seconds: float | None) -> None:
        """A call to "/package.Service/Method" has ended; streams have no duration worth comparing."""
        self._rpcs.labels(method, code).inc()
        if seconds is not None:
            self._rpc_seconds.labels(method).observe(seconds)

    def journal_wrote(self, steps: int, size: int) -> None:
        """As JournalMeter."""
        self._journal_steps.inc(steps)
        self._journal_bytes.inc(size)

    def journal_failed(self, why: str) -> None:
        """As JournalMeter."""
        self._journal_gaps.inc()

    def journal_image(self, outcome: str) -> None:
        """As JournalMeter."""
        self._journal_images.labels(outcome).inc()

    def journal_active(self, active: bool) -> None:
        """As JournalMeter."""
        self._journal_active.set(active)

    def changed(self, changes: Sequence[JobChange]) -> None:
        """Durable changes of jobs."""
        for state, count in Tally(change.state.name for change in changes).items():
            self._changes.labels(state).inc(count)

    def refused(self, code: str) -> None:
        """A submission was refused."""
        self._refusals.labels(code).inc()

    def set_status(self, status: StatusView) -> None:
        """What only the core knows."""
        self._roster_epoch.set(status.roster_epoch)
        self._jobs.clear()
        for state, count in status.jobs_by_state:
            self._jobs.labels(state).set(count)
        for kind, quantity in status.capacity:
            self._capacity.labels(kind).set(quantity)
        free = dict(status.free)
        for kind, _ in status.capacity:
            self._free.labels(kind).set(free.get(kind, 0))
        self._policy.set(status.policy_version)
        self._set_promises(status)
        for shard in status.shards:
            self._leads.labels(shard.shard).set(shard.role == "LEADER")
            self._terms.labels(shard.shard).set(shard.term)
            self._open_jobs.labels(shard.shard).set(shard.open_jobs)
        self._orphans.set(status.orphans)
        self._elements.set(status.elements_in_flight)
        for name, counter in self._counted.items():
            count, before = getattr(status, name), self._counted_so_far[name]
            counter.inc(count - before if count >= before else count)
            self._counted_so_far[name] = count
        self._quarantine.set(status.quarantine is not None)
        self._suspects.set(status.quarantine.suspects if status.quarantine is not None else 0)

    def _set_promises(self, status: StatusView) -> None:
        """By tier: tenants are too many for labels."""
        counts: Tally[tuple[str, str, str]] = Tally()
        for each in status.attainment:
            counts[each.tier, "wait", "yes"] += each.wait_kept
            counts[each.tier, "wait", "no"] += each.wait_broken
            counts[each.tier, "share", "yes"] += each.share_kept
            counts[each.tier, "share", "no"] += each.share_broken
        for labels, count in counts.items():
            self._promises.labels(*labels).set(count)

    def text(self) -> bytes:
        """The exposition format."""
        return generate_latest(self.registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"hanse_{name}", text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"hanse_{name}", text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: Sequence[float], *labels: str) -> Histogram:
        return Histogram(f"hanse_{name}", text, labels, buckets=buckets, registry=self.registry)


class _Live(Collector):
    """Values that are read when they are asked for."""

    def __init__(
        self, gauges: dict[str, Callable[[], float]], links: Callable[[], Iterable[PeerLink]]
    ) -> None:
        self._gauges = gauges
        self._links = links

    def collect(self) -> Iterable[Metric]:
        for name, read in self._gauges.items():
            yield GaugeMetricFamily(f"hanse_{name}", name.replace("_", " "), value=read())
        messages = CounterMetricFamily(
            "hanse_peer_messages", "Messages to peers by outcome", labels=["peer", "outcome"]
        )
        queue = GaugeMetricFamily("hanse_peer_queue", "Messages that wait for a peer", labels=["peer"])
        for link in self._links():
            queue.add_metric([link.peer], len(link))
            for outcome, count in sorted(link.counts.items()):
                messages.add_metric([link.peer, outcome], count)
        yield messages
        yield queue
