"""Simulated messages through the real wire format: real specs, and envelopes that go there and back as bytes."""

from __future__ import annotations

from datetime import timedelta

from google.protobuf.duration_pb2 import Duration

from hanse.core.messages import (
    Append,
    AppendAck,
    Commit,
    Decision,
    Envelope,
    Fetch,
    Message,
    Prepare,
    Promise,
    Refuse,
    Renew,
    RenewAck,
    Stable,
    Terminal,
    TerminalAck,
    ToShard,
    Withdraw,
)
from hanse.core.model.arrays import ArrayRules
from hanse.core.model.jobs import GroupShape, ShapeBody
from hanse.sim.errors import Crash
from hanse.wire.gen.hanse.v1 import jobs_pb2, peers_pb2
from hanse.wire.peers import PeerCodec, encode_exchange
from hanse.wire.specs import SpecReader, SpecRules

_COMMAND = ("/bin/true",)


def write_spec(
    name: str, body: ShapeBody, grace_us: int, retries_max: int, array: ArrayRules | None = None
) -> bytes:
    """A JobSpec that reads back as this body."""
    spec = jobs_pb2.JobSpec(
        name=name,
        tenant="mills",
        groups=[_group(number, group) for number, group in enumerate(body.groups)],
        tier=body.tier,
        priority=body.priority,
        regions=jobs_pb2.RegionPreference(
            prefer=body.regions_prefer, allow=body.regions_allow, deny=body.regions_deny
        ),
        datasets=body.datasets,
        grace=_duration(grace_us),
        retry=jobs_pb2.RetryPolicy(retries_max=retries_max),
        required_features=body.required_features,
        restartable=body.restartable,
    )
    if array is not None:
        spec.kind = jobs_pb2.JOB_KIND_ARRAY
        spec.array.indexes = array.indexes.text()
        spec.array.in_flight_max = array.in_flight_max
        spec.array.stop_at_failures = array.stop_at_failures
    if body.runtime_estimate_us:
        spec.runtime_estimate.CopyFrom(_duration(body.runtime_estimate_us))
    return spec.SerializeToString(deterministic=True)


def _group(number: int, group: GroupShape) -> jobs_pb2.TaskGroup:
    return jobs_pb2.TaskGroup(
        name=f"group-{number}",
        count=group.count,
        count_min=group.count_min,
        requirements=jobs_pb2.Requirements(resources=dict(group.resources), constraints=group.constraints),
        program=jobs_pb2.Program(command=_COMMAND),
    )


def _duration(microseconds: int) -> Duration:
    duration = Duration()
    duration.FromTimedelta(timedelta(microseconds=microseconds))
    return duration


class WireCodec:
    """There and back again. What the wire drops or changes on the way is our bug, and a Crash."""

    def __init__(self) -> None:
        self.envelopes = 0
        self._codec = PeerCodec(SpecReader(SpecRules()))

    def __call__(
        self, envelope: Envelope, messages: tuple[Message, ...]
    ) -> tuple[Envelope, tuple[Message, ...]]:
        self.envelopes += 1
        sent = encode_exchange(envelope, messages).SerializeToString()
        there = self._codec.decode(peers_pb2.ExchangeRequest.FromString(sent))
        if there.dropped or len(there.messages) != len(messages):
            raise Crash(f"the wire dropped {there.dropped or messages}")
        if there.envelope != envelope:
            raise Crash(f"the wire made {there.envelope} of {envelope}")
        _compare(messages, there.messages)
        return there.envelope, there.messages


# What must come out to the letter. (Of the others some durations are cut to milliseconds.)
_EXACT = (
    Commit,
    Withdraw,
    Decision,
    Stable,
    Terminal,
    TerminalAck,
    ToShard,
    Append,
    AppendAck,
    Renew,
    RenewAck,
    Prepare,
    Promise,
    Refuse,
    Fetch,
)


def _compare(sent: tuple[Message, ...], got: tuple[Message, ...]) -> None:
    """Of one kind, or of one pair of shards and one kind, the order is kept."""
    for kind in _EXACT:
        went = sorted((each for each in sent if isinstance(each, kind)), key=_batch)
        came = sorted((each for each in got if isinstance(each, kind)), key=_batch)
        if went != came:
            raise Crash(f"the wire made {came} of {went}")


def _batch(message: Message) -> tuple[str, ...]:
    if isinstance(message, ToShard):
        return message.source, message.shard, type(message.message).__name__
    return ()
