"""Traces: a span for each sampled call, and one for each phase of a sampled job in the region where it passed.

A job carries its traceparent (W3C) in its row and in every COMMIT, so that one trace follows it through handoffs. Only
sampled traces are carried: a job without a traceparent costs nothing here.
"""

from __future__ import annotations

import random
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

import msgspec
from opentelemetry import trace
from opentelemetry.propagate import extract
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, ParentBased

from hanse import __version__
from hanse.core.effects import JobChange
from hanse.core.model import limits
from hanse.core.model.lifecycle import TERMINAL_STATES, JobState

TRACEPARENT = "traceparent"
# Of the call that is being answered; empty: not sampled.
current_traceparent: ContextVar[str] = ContextVar("current_traceparent", default="")


class _Phase(msgspec.Struct, frozen=True):
    state: JobState
    since_wall_us: int


class Tracing:
    """One daemon's tracer. `exporter` None: traces are handed on, and not exported."""

    def __init__(self, region: str, sample_ratio: float, exporter: SpanExporter | None = None) -> None:
        resource = Resource.create(
            {"service.name": "hanse", "service.version": __version__, "service.instance.id": region}
        )
        # Sampling is decided before a span is made; what reaches the provider is recorded.
        self._provider = TracerProvider(
            sampler=ParentBased(ALWAYS_ON), resource=resource, shutdown_on_exit=False
        )
        if exporter is not None:
            self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("hanse", __version__)
        self._region = region
        self._sample_ratio = sample_ratio
        self._random = random.Random()
        self._phases: OrderedDict[str, _Phase] = OrderedDict()

    @contextmanager
    def call(self, method: str, caller: Mapping[str, str]) -> Iterator[None]:
        """A span around one call, if it is sampled; `current_traceparent` is then what to pass on.

        The caller's decision stands; without one, a share of `sample_ratio` is sampled here.
        """
        theirs = caller.get(TRACEPARENT, "")
        if not (is_sampled(theirs) if theirs else self._random.random() < self._sample_ratio):
            yield
            return
        context = extract({TRACEPARENT: theirs}) if theirs else None
        with self._tracer.start_as_current_span(
            method, context, trace.SpanKind.SERVER, {"hanse.region": self._region}
        ) as span:
            token = current_traceparent.set(traceparent_of(span))
            try:
                yield
            finally:
                current_traceparent.reset(token)

    def job_changed(self, change: JobChange) -> None:
        """A phase of a job ends, and perhaps another begins. Only what happens here is told here."""
        if not is_sampled(change.traceparent):
            return
        if change.region == self._region or change.state in (JobState.XFER, JobState.MOVED):
            self._end_phase(change)
        if change.state in TERMINAL_STATES or change.region != self._region:
            return
        self._phases[change.job_id] = _Phase(change.state, change.at_wall_us)
        if len(self._phases) > limits.TRACED_JOBS_MAX:
            self._phases.popitem(last=False)

    def close(self) -> None:
        """Export what waits."""
        self._provider.shutdown()

    def _end_phase(self, change: JobChange) -> None:
        phase = self._phases.pop(change.job_id, None)
        if phase is None:
            return
        span = self._tracer.start_span(
            f"job {phase.state.name.lower()}",
            extract({TRACEPARENT: change.traceparent}),
            attributes={
                "hanse.region": self._region,
                "hanse.job.id": change.job_id,
                "hanse.job.epoch": change.epoch,
                "hanse.job.attempt": change.attempt,
                "hanse.job.next_state": change.state.name,
                "hanse.cause": change.cause,
            },
            start_time=phase.since_wall_us * 1_000,
        )
        span.end(max(change.at_wall_us, phase.since_wall_us) * 1_000)


def is_sampled(traceparent: str) -> bool:
    """Whether the last flag says so: "00-<trace>-<span>-01"."""
    return traceparent.endswith("1") and len(traceparent) == 55


def traceparent_of(span: trace.Span) -> str:
    """The W3C header of a recording span."""
    context = span.get_span_context()
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def otlp_exporter(endpoint: str) -> SpanExporter | None:
    """Where traces go; None for an empty endpoint. Imported late: it takes a third of a second."""
    if not endpoint:
        return None
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter(endpoint=endpoint, insecure=endpoint.startswith("http://"))
