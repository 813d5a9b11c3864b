"""Envelope and messages between regions <-> ExchangeRequest.

The messages of an envelope are grouped by kind, and are read in the order of `_KINDS`: hellos first, so that a session
stands before what needs it, and a transfer before what refers to it. The order in which a sender put different kinds
is not kept; the protocol does without it.

What a peer sends is held to bounds. A message that breaks one is dropped alone, as if it had been lost, and is counted
by its caller; an envelope with too many messages is refused whole (MalformedMessage).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import msgspec

from hanse.core import messages as m
from hanse.core.model import limits
from hanse.core.model.lifecycle import TERMINAL_STATES, JobState
from hanse.core.model.regions import Position
from hanse.wire.gen.hanse.v1 import peers_pb2 as pb
from hanse.wire.records import decode_queued_shape, decode_record, encode_queued_shape, encode_record
from hanse.wire.shapes import (
    MalformedMessage,
    ShapeReader,
    decode_reason,
    encode_reason,
    encode_shape,
    word,
    words,
)
from hanse.wire.specs import CheckedSpec, SpecReader
from hanse.wire.times import milliseconds_32

_STATES: dict[int, JobState] = {state.value: state for state in JobState}
_SHA256_LENGTH = 32
# What SQLite can store of a number that a peer counts.
_INT64_MAX = 2**63 - 1


class Exchange(msgspec.Struct, frozen=True):
    """A decoded envelope. `dropped` names the kind and the reason of each message that was not taken."""

    envelope: m.Envelope
    messages: tuple[m.Message, ...]
    dropped: tuple[str, ...]


class _Kind(NamedTuple):
    """One kind of message: its model type, its field in the envelope, and the way there and back."""

    model: type
    field: str
    encode: Callable[[Any], Any]
    decode: Callable[[PeerCodec, Any], m.Message]


class PeerCodec:
    """Translates envelopes both ways. `specs` reads what COMMITs carry; rules of the receiving region apply."""

    def __init__(self, specs: SpecReader) -> None:
        self._specs = specs
        self.shapes = ShapeReader()

    def decode(self, request: pb.ExchangeRequest) -> Exchange:
        """Raises MalformedMessage if the envelope itself is out of bounds."""
        envelope = _decode_envelope(request)
        if sum(len(getattr(request, kind.field)) for kind in _KINDS) > limits.ENVELOPE_MESSAGES_MAX:
            raise MalformedMessage(f"more than {limits.ENVELOPE_MESSAGES_MAX} messages in an envelope")
        taken: list[m.Message] = []
        dropped: list[str] = []
        for kind in _KINDS:
            for message in getattr(request, kind.field):
                try:
                    taken.append(kind.decode(self, message))
                except MalformedMessage as fault:
                    dropped.append(f"{kind.field}: {fault}")
        return Exchange(envelope, tuple(taken), tuple(dropped))

    def derive(self, message: pb.Commit) -> CheckedSpec | None:
        """The spec of a COMMIT as the core reads it; None if this region can't."""
        checked = self._specs.read_bytes(message.spec, message.spec_sha256)
        return checked if isinstance(checked, CheckedSpec) else None


def encode_exchange(
    envelope: m.Envelope, messages: Iterable[m.Message], deadline_ms: int = 0
) -> pb.ExchangeRequest:
    """One envelope for any number of messages."""
    request = pb.ExchangeRequest(
        cluster_id=envelope.cluster_id,
        roster_epoch=envelope.roster_epoch,
        sender=envelope.sender,
        receiver=envelope.receiver,
        sender_ledger_id=envelope.sender_ledger_id,
        sender_position=_encode_position(envelope.sender_position),
        sender_nonce=envelope.sender_nonce,
        receiver_nonce=envelope.receiver_nonce,
        protocol_min=envelope.protocol_min,
        protocol_max=envelope.protocol_max,
        receiver_seen=_encode_position(envelope.receiver_seen),
        receiver_seen_ledger_id=envelope.receiver_seen_ledger_id,
        deadline_ms=deadline_ms,
    )
    fields: dict[str, Any] = {}
    for message in messages:
        kind = _KIND_BY_MODEL[type(message)]
        field = fields.get(kind.field)
        if field is None:
            field = fields[kind.field] = getattr(request, kind.field)
        field.append(kind.encode(message))
    return request


def size_hint(message: m.Message) -> int:
    """About how many bytes a message takes; exact enough to keep an envelope within the transport's bound."""
    match message:
        case m.Commit():
            return 512 + len(message.spec)
        case m.GossipDelta():
            return 64 + sum(256 + 512 * (len(r.classes) + len(r.queued_shapes)) for r in message.records)
        case m.GossipDigest():
            return 64 + 48 * len(message.entries)
        case m.Offer() | m.Solicit():
            return 2_048
        case _:
            return 256


def _decode_envelope(request: pb.ExchangeRequest) -> m.Envelope:
    return m.Envelope(
        cluster_id=word(request.cluster_id),
        roster_epoch=request.roster_epoch,
        sender=word(request.sender, limits.REGION_NAME_LENGTH_MAX),
        receiver=word(request.receiver, limits.REGION_NAME_LENGTH_MAX),
        sender_ledger_id=word(request.sender_ledger_id),
        sender_position=_decode_position(request.sender_position),
        sender_nonce=request.sender_nonce,
        receiver_nonce=request.receiver_nonce,
        protocol_min=request.protocol_min,
        protocol_max=request.protocol_max,
        receiver_seen=_decode_position(request.receiver_seen),
        receiver_seen_ledger_id=word(request.receiver_seen_ledger_id),
    )


def _encode_position(position: Position) -> pb.Position:
    return pb.Position(incarnation=position.incarnation, write_sequence=position.write_sequence)


def _decode_position(message: pb.Position) -> Position:
    return Position(_stored(message.incarnation), _stored(message.write_sequence))


def _stored(number: int) -> int:
    if number > _INT64_MAX:
        raise MalformedMessage(f"{number} cannot be stored")
    return number


def _job_id(text: str) -> str:
    return word(text, limits.JOB_ID_LENGTH_MAX)


def _region(text: str) -> str:
    return word(text, limits.REGION_NAME_LENGTH_MAX)


def _path(regions: Iterable[str]) -> tuple[str, ...]:
    return words(regions, limits.PATH_REGIONS_MAX, limits.REGION_NAME_LENGTH_MAX)


def _state(number: int) -> JobState:
    state = _STATES.get(number)
    if state is None:
        raise MalformedMessage(f"{number} is no state of a job")
    return state


def _bounded(items: Sequence[Any], count_max: int) -> Sequence[Any]:
    if len(items) > count_max:
        raise MalformedMessage(f"{len(items)} entries; at most {count_max}")
    return items


# --- one pair of functions for each kind whose fields aren't simply copied ------------------------------------------


def _encode_digest(message: m.GossipDigest) -> pb.GossipDigest:
    return pb.GossipDigest(
        entries=[
            pb.DigestEntry(region=region, incarnation=incarnation, version=version)
            for region, incarnation, version in message.entries
        ],
        wants_reply=message.wants_reply,
    )


def _decode_digest(_: PeerCodec, message: pb.GossipDigest) -> m.GossipDigest:
    entries = _bounded(message.entries, limits.DIGEST_ENTRIES_MAX)
    return m.GossipDigest(
        tuple((_region(entry.region), entry.incarnation, entry.version) for entry in entries),
        message.wants_reply,
    )


def _encode_delta(message: m.GossipDelta) -> pb.GossipDelta:
    return pb.GossipDelta(records=[encode_record(record) for record in message.records])


def _decode_delta(_: PeerCodec, message: pb.GossipDelta) -> m.GossipDelta:
    return m.GossipDelta(tuple(decode_record(r) for r in _bounded(message.records, limits.RECORDS_MAX)))


def _encode_solicit(message: m.Solicit) -> pb.Solicit:
    return pb.Solicit(
        id=message.id,
        could_start=[encode_queued_shape(shape) for shape in message.could_start],
        hold_ttl_ms=milliseconds_32(message.hold_ttl_us),
    )


def _decode_solicit(_: PeerCodec, message: pb.Solicit) -> m.Solicit:
    shapes = _bounded(message.could_start, limits.RECORD_SHAPES_MAX)
    return m.Solicit(message.id, tuple(decode_queued_shape(s) for s in shapes), message.hold_ttl_ms * 1_000)


def _encode_offer(message: m.Offer) -> pb.Offer:
    return pb.Offer(
        id=message.id,
        shape=encode_shape(message.shape),
        count=message.count,
        path=message.path,
        tenant=message.tenant,
        solicit_id=message.solicit_id,
    )


def _decode_offer(codec: PeerCodec, message: pb.Offer) -> m.Offer:
    return m.Offer(
        message.id,
        codec.shapes.decode(message.shape),
        message.count,
        _path(message.path),
        word(message.tenant),
        message.solicit_id,
    )


def _encode_offer_answer(message: m.OfferAnswer) -> pb.OfferAnswer:
    return pb.OfferAnswer(
        offer_id=message.offer_id,
        slots=message.slots,
        hold_ttl_ms=milliseconds_32(message.hold_ttl_us),
        reason=None if message.reason is None else encode_reason(message.reason),
        retry_after_ms=milliseconds_32(message.retry_after_us),
    )


def _decode_offer_answer(_: PeerCodec, message: pb.OfferAnswer) -> m.OfferAnswer:
    return m.OfferAnswer(
        message.offer_id,
        message.slots,
        message.hold_ttl_ms * 1_000,
        decode_reason(message.reason) if message.HasField("reason") else None,
        message.retry_after_ms * 1_000,
    )


def _encode_commit(message: m.Commit) -> pb.Commit:
    return pb.Commit(
        job_id=message.job_id,
        epoch=message.epoch,
        sequence=message.sequence,
        home=message.home,
        tenant=message.tenant,
        spec=message.spec,
        spec_sha256=message.spec_sha256,
        path=message.path,
        cancel_id=message.cancel_id,
        submitted_wall_us=message.submitted_wall_us,
        offer_id=message.offer_id,
        failures=message.failures,
        traceparent=message.traceparent,
    )


def _decode_commit(codec: PeerCodec, message: pb.Commit) -> m.Commit:
    if len(message.spec) > limits.SPEC_BYTES_MAX or len(message.spec_sha256) != _SHA256_LENGTH:
        raise MalformedMessage(f"a spec of {len(message.spec)} bytes, or no sha256")
    spec = codec.derive(message)
    return m.Commit(
        job_id=_job_id(message.job_id),
        epoch=message.epoch,
        sequence=_stored(message.sequence),
        home=_region(message.home),
        tenant=word(message.tenant),
        spec=message.spec,
        spec_sha256=message.spec_sha256,
        path=_path(message.path),
        submitted_wall_us=message.submitted_wall_us,
        cancel_id=word(message.cancel_id),
        offer_id=message.offer_id,
        failures=message.failures,
        traceparent=word(message.traceparent),
        shape=None if spec is None else spec.shape,
        name="" if spec is None else spec.name,
        grace_us=0 if spec is None else spec.grace_us,
        retries_max=0 if spec is None else spec.retries_max,
    )


def _encode_decision(message: m.Decision) -> pb.Decision:
    return pb.Decision(
        job_id=message.job_id,
        epoch=message.epoch,
        ledger_id=message.ledger_id,
        sequence=message.sequence,
        verdict=message.verdict.value,  # type: ignore[arg-type]
        reason=encode_reason(message.reason),
    )


def _decode_decision(_: PeerCodec, message: pb.Decision) -> m.Decision:
    if message.verdict not in (pb.VERDICT_COMMITTED, pb.VERDICT_BURNED):
        raise MalformedMessage(f"{message.verdict} is no verdict")
    return m.Decision(
        _job_id(message.job_id),
        message.epoch,
        word(message.ledger_id),
        _stored(message.sequence),
        m.Verdict(message.verdict),
        decode_reason(message.reason),
    )


def _encode_status(message: m.Status) -> pb.Status:
    return pb.Status(
        job_id=message.job_id,
        epoch=message.epoch,
        attempt=message.attempt,
        state=message.state.value,  # type: ignore[arg-type]
        region=message.region,
        reason=encode_reason(message.reason),
        sequence=message.sequence,
        at_wall_us=message.at_wall_us,
        settled=message.settled,
    )


def _decode_status(_: PeerCodec, message: pb.Status) -> m.Status:
    return m.Status(
        job_id=_job_id(message.job_id),
        epoch=message.epoch,
        attempt=message.attempt,
        state=_state(message.state),
        region=_region(message.region),
        reason=decode_reason(message.reason),
        sequence=_stored(message.sequence),
        at_wall_us=message.at_wall_us,
        settled=message.settled,
    )


def _encode_terminal(message: m.Terminal) -> pb.Terminal:
    return pb.Terminal(
        job_id=message.job_id,
        epoch=message.epoch,
        attempt=message.attempt,
        outcome=message.outcome.value,  # type: ignore[arg-type]
        reason=encode_reason(message.reason),
        exit_code=message.exit_code,
        started_wall_us=message.started_wall_us,
        ended_wall_us=message.ended_wall_us,
        region=message.region,
    )


def _decode_terminal(_: PeerCodec, message: pb.Terminal) -> m.Terminal:
    outcome = _state(message.outcome)
    if outcome not in TERMINAL_STATES:
        raise MalformedMessage(f"{outcome.name} is no outcome")
    return m.Terminal(
        job_id=_job_id(message.job_id),
        epoch=message.epoch,
        attempt=message.attempt,
        outcome=outcome,
        reason=decode_reason(message.reason),
        exit_code=message.exit_code,
        started_wall_us=message.started_wall_us,
        ended_wall_us=message.ended_wall_us,
        region=_region(message.region),
    )


def _encode_located(message: m.Located) -> pb.Located:
    return pb.Located(
        job_id=message.job_id,
        id=message.id,
        state=0 if message.state is None else message.state.value,  # type: ignore[arg-type]
        epoch=message.epoch,
        next_hop=message.next_hop,
    )


def _decode_located(_: PeerCodec, message: pb.Located) -> m.Located:
    state = _state(message.state) if message.state else None
    return m.Located(_job_id(message.job_id), message.id, state, message.epoch, _region(message.next_hop))


_KINDS: tuple[_Kind, ...] = (
    _Kind(m.Hello, "hellos", lambda x: pb.Hello(nonce=x.nonce), lambda _, x: m.Hello(x.nonce)),
    _Kind(
        m.HelloAck,
        "hello_acks",
        lambda x: pb.HelloAck(nonce=x.nonce, ack_nonce=x.ack_nonce),
        lambda _, x: m.HelloAck(x.nonce, x.ack_nonce),
    ),
    _Kind(m.GossipDigest, "digests", _encode_digest, _decode_digest),
    _Kind(m.GossipDelta, "deltas", _encode_delta, _decode_delta),
    _Kind(m.Probe, "probes", lambda x: pb.Probe(id=x.id), lambda _, x: m.Probe(x.id)),
    _Kind(m.ProbeAck, "probe_acks", lambda x: pb.ProbeAck(id=x.id), lambda _, x: m.ProbeAck(x.id)),
    _Kind(
        m.ProbeRequest,
        "probe_requests",
        lambda x: pb.ProbeRequest(id=x.id, target=x.target),
        lambda _, x: m.ProbeRequest(x.id, _region(x.target)),
    ),
    _Kind(m.Solicit, "solicits", _encode_solicit, _decode_solicit),
    _Kind(m.Offer, "offers", _encode_offer, _decode_offer),
    _Kind(m.OfferAnswer, "offer_answers", _encode_offer_answer, _decode_offer_answer),
    _Kind(
        m.Release, "releases", lambda x: pb.Release(offer_id=x.offer_id), lambda _, x: m.Release(x.offer_id)
    ),
    _Kind(m.Commit, "commits", _encode_commit, _decode_commit),
    _Kind(
        m.Withdraw,
        "withdraws",
        lambda x: pb.Withdraw(job_id=x.job_id, epoch=x.epoch, sequence=x.sequence),
        lambda _, x: m.Withdraw(_job_id(x.job_id), x.epoch, _stored(x.sequence)),
    ),
    _Kind(m.Decision, "decisions", _encode_decision, _decode_decision),
    _Kind(
        m.Stable,
        "stables",
        lambda x: pb.Stable(sequence=x.sequence),
        lambda _, x: m.Stable(_stored(x.sequence)),
    ),
    _Kind(m.Status, "statuses", _encode_status, _decode_status),
    _Kind(
        m.Cancel,
        "cancels",
        lambda x: pb.Cancel(job_id=x.job_id, cancel_id=x.cancel_id),
        lambda _, x: m.Cancel(_job_id(x.job_id), word(x.cancel_id)),
    ),
    _Kind(
        m.CancelAck,
        "cancel_acks",
        lambda x: pb.CancelAck(job_id=x.job_id, cancel_id=x.cancel_id),
        lambda _, x: m.CancelAck(_job_id(x.job_id), word(x.cancel_id)),
    ),
    _Kind(m.Terminal, "terminals", _encode_terminal, _decode_terminal),
    _Kind(
        m.TerminalAck,
        "terminal_acks",
        lambda x: pb.TerminalAck(job_id=x.job_id, epoch=x.epoch),
        lambda _, x: m.TerminalAck(_job_id(x.job_id), x.epoch),
    ),
    _Kind(
        m.Locate,
        "locates",
        lambda x: pb.Locate(job_id=x.job_id, id=x.id),
        lambda _, x: m.Locate(_job_id(x.job_id), x.id),
    ),
    _Kind(m.Located, "located", _encode_located, _decode_located),
)
_KIND_BY_MODEL: dict[type, _Kind] = {kind.model: kind for kind in _KINDS}
