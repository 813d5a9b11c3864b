"""One pair of functions for each kind of peer message: model -> protobuf, and back with its bounds checked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import get_args

from hanse.core import messages as m
from hanse.core.model import limits
from hanse.core.model.jobs import Shape
from hanse.core.model.lifecycle import TERMINAL_STATES, JobState
from hanse.core.model.time import FOR_EVER_US
from hanse.wire.gen.hanse.v1 import peers_pb2 as pb
from hanse.wire.groups import GROUP_KINDS
from hanse.wire.joint import JOINT_KINDS
from hanse.wire.kinds import Kind, Readers, bounded, job_id_of, region_name, stored
from hanse.wire.policies import POLICY_KINDS
from hanse.wire.progress import decode_progress, encode_progress
from hanse.wire.quotas import QUOTA_KINDS
from hanse.wire.records import decode_queued_shape, decode_record, encode_queued_shape, encode_record
from hanse.wire.rosters import ROSTER_KINDS
from hanse.wire.shapes import (
    MalformedMessage,
    decode_reason,
    encode_reason,
    encode_shape,
    word,
    words,
)
from hanse.wire.times import milliseconds_32

_STATES: dict[int, JobState] = {state.value: state for state in JobState}
_STANDINGS = frozenset(standing.value for standing in m.Standing)
_SHA256_LENGTH = 32


def _path(regions: Iterable[str]) -> tuple[str, ...]:
    return words(regions, limits.PATH_REGIONS_MAX, limits.REGION_NAME_LENGTH_MAX)


def _state(number: int) -> JobState:
    state = _STATES.get(number)
    if state is None:
        raise MalformedMessage(f"{number} is no state of a job")
    return state


# --- one pair of functions for each kind whose fields aren't simply copied ------------------------------------------


def _encode_digest(message: m.GossipDigest) -> pb.GossipDigest:
    return pb.GossipDigest(
        entries=[
            pb.DigestEntry(region=region, incarnation=incarnation, version=version)
            for region, incarnation, version in message.entries
        ],
        wants_reply=message.wants_reply,
    )


def _decode_digest(_: Readers, message: pb.GossipDigest) -> m.GossipDigest:
    entries = bounded(message.entries, limits.DIGEST_ENTRIES_MAX)
    return m.GossipDigest(
        tuple((region_name(entry.region), entry.incarnation, entry.version) for entry in entries),
        message.wants_reply,
    )


def _encode_delta(message: m.GossipDelta) -> pb.GossipDelta:
    return pb.GossipDelta(records=[encode_record(record) for record in message.records])


def _decode_delta(_: Readers, message: pb.GossipDelta) -> m.GossipDelta:
    return m.GossipDelta(tuple(decode_record(r) for r in bounded(message.records, limits.RECORDS_MAX)))


def _encode_solicit(message: m.Solicit) -> pb.Solicit:
    return pb.Solicit(
        id=message.id,
        could_start=[encode_queued_shape(shape) for shape in message.could_start],
        hold_ttl_ms=milliseconds_32(message.hold_ttl_us),
    )


def _decode_solicit(_: Readers, message: pb.Solicit) -> m.Solicit:
    shapes = bounded(message.could_start, limits.RECORD_SHAPES_MAX)
    return m.Solicit(message.id, tuple(decode_queued_shape(s) for s in shapes), message.hold_ttl_ms * 1_000)


def _encode_offer(message: m.Offer) -> pb.Offer:
    return pb.Offer(
        id=message.id,
        shape=encode_shape(message.shape),
        count=message.count,
        path=message.path,
        tenant=message.tenant,
        solicit_id=message.solicit_id,
        own_wait_us=message.own_wait_us,
    )


def _decode_offer(readers: Readers, message: pb.Offer) -> m.Offer:
    return m.Offer(
        message.id,
        readers.shapes.decode(message.shape),
        message.count,
        _path(message.path),
        word(message.tenant),
        message.solicit_id,
        min(message.own_wait_us, FOR_EVER_US),
    )


def _encode_offer_answer(message: m.OfferAnswer) -> pb.OfferAnswer:
    return pb.OfferAnswer(
        offer_id=message.offer_id,
        slots=message.slots,
        hold_ttl_ms=milliseconds_32(message.hold_ttl_us),
        reason=None if message.reason is None else encode_reason(message.reason),
        retry_after_ms=milliseconds_32(message.retry_after_us),
    )


def _decode_offer_answer(_: Readers, message: pb.OfferAnswer) -> m.OfferAnswer:
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
        moves=message.moves,
        shape=_ruled_shape(message),
        progress=encode_progress(message.progress),
    )


def _ruled_shape(message: m.Commit) -> pb.Shape | None:
    """What the receiver could not derive from the spec."""
    shape = message.shape
    return encode_shape(shape) if shape is not None and shape.body.ruled is not None else None


def _decode_commit(readers: Readers, message: pb.Commit) -> m.Commit:
    if len(message.spec) > limits.SPEC_BYTES_MAX or len(message.spec_sha256) != _SHA256_LENGTH:
        raise MalformedMessage(f"a spec of {len(message.spec)} bytes, or no sha256")
    spec = readers.derive(message)
    shape = None if spec is None else spec.shape
    if shape is not None and message.HasField("shape"):
        shape = _as_ruled(shape, readers.shapes.decode(message.shape))
    return m.Commit(
        job_id=job_id_of(message.job_id),
        epoch=message.epoch,
        sequence=stored(message.sequence),
        home=region_name(message.home),
        tenant=word(message.tenant),
        spec=message.spec,
        spec_sha256=message.spec_sha256,
        path=_path(message.path),
        submitted_wall_us=message.submitted_wall_us,
        cancel_id=word(message.cancel_id),
        offer_id=message.offer_id,
        failures=message.failures,
        moves=message.moves,
        traceparent=word(message.traceparent),
        shape=shape,
        name="" if spec is None else spec.name,
        grace_us=0 if spec is None else spec.grace_us,
        retries_max=0 if spec is None else spec.retries_max,
        retry=None if spec is None else spec.terms.retry,
        array=None if spec is None else spec.array,
        progress=decode_progress(message.progress) if message.HasField("progress") else None,
    )


def _as_ruled(derived: Shape, ruled: Shape) -> Shape | None:
    """Rules change where and in which order a job runs, never what it is: else this region can't read it."""
    return ruled if ruled.body.groups == derived.body.groups else None


def _encode_decision(message: m.Decision) -> pb.Decision:
    return pb.Decision(
        job_id=message.job_id,
        epoch=message.epoch,
        ledger_id=message.ledger_id,
        sequence=message.sequence,
        verdict=message.verdict.value,  # type: ignore[arg-type]
        reason=encode_reason(message.reason),
    )


def _decode_decision(_: Readers, message: pb.Decision) -> m.Decision:
    if message.verdict not in (pb.VERDICT_COMMITTED, pb.VERDICT_BURNED):
        raise MalformedMessage(f"{message.verdict} is no verdict")
    return m.Decision(
        job_id_of(message.job_id),
        message.epoch,
        word(message.ledger_id),
        stored(message.sequence),
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


def _decode_status(_: Readers, message: pb.Status) -> m.Status:
    return m.Status(
        job_id=job_id_of(message.job_id),
        epoch=message.epoch,
        attempt=message.attempt,
        state=_state(message.state),
        region=region_name(message.region),
        reason=decode_reason(message.reason),
        sequence=stored(message.sequence),
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
        progress=encode_progress(message.progress),
    )


def _decode_terminal(_: Readers, message: pb.Terminal) -> m.Terminal:
    outcome = _state(message.outcome)
    if outcome not in TERMINAL_STATES:
        raise MalformedMessage(f"{outcome.name} is no outcome")
    return m.Terminal(
        job_id=job_id_of(message.job_id),
        epoch=message.epoch,
        attempt=message.attempt,
        outcome=outcome,
        reason=decode_reason(message.reason),
        exit_code=message.exit_code,
        started_wall_us=message.started_wall_us,
        ended_wall_us=message.ended_wall_us,
        region=region_name(message.region),
        progress=decode_progress(message.progress) if message.HasField("progress") else None,
    )


def _encode_testimony(testimony: m.Testimony) -> pb.Testimony:
    return pb.Testimony(
        job_id=testimony.job_id,
        epoch=testimony.epoch,
        standing=testimony.standing.value,  # type: ignore[arg-type]
        commit=None if testimony.commit is None else _encode_commit(testimony.commit),
        terminal=None if testimony.terminal is None else _encode_terminal(testimony.terminal),
        giver=testimony.giver,
        to=testimony.to,
        attempt=testimony.attempt,
        progress=encode_progress(testimony.progress),
        cancel_id=testimony.cancel_id,
        state=0 if testimony.state is None else testimony.state.value,  # type: ignore[arg-type]
    )


def _decode_testimony(readers: Readers, message: pb.Testimony) -> m.Testimony:
    if message.standing not in _STANDINGS:
        raise MalformedMessage(f"{message.standing} is no standing")
    return m.Testimony(
        job_id=job_id_of(message.job_id),
        epoch=message.epoch,
        standing=m.Standing(message.standing),
        commit=_decode_commit(readers, message.commit) if message.HasField("commit") else None,
        terminal=_decode_terminal(readers, message.terminal) if message.HasField("terminal") else None,
        giver=region_name(message.giver),
        to=region_name(message.to),
        attempt=message.attempt,
        cancel_id=word(message.cancel_id),
        state=_state(message.state) if message.state else None,
        progress=decode_progress(message.progress) if message.HasField("progress") else None,
    )


def _encode_inquest(message: m.Inquest) -> pb.Inquest:
    return pb.Inquest(
        id=message.id,
        part=message.part,
        parts=message.parts,
        job_ids=message.job_ids,
        wants_unnamed=message.wants_unnamed,
        after=message.after,
        of_lost=message.of_lost,
    )


def _decode_inquest(_: Readers, message: pb.Inquest) -> m.Inquest:
    job_ids = bounded(message.job_ids, limits.INQUEST_JOBS_MAX)
    return m.Inquest(
        id=message.id,
        part=message.part,
        parts=message.parts,
        job_ids=tuple(job_id_of(each) for each in job_ids),
        wants_unnamed=message.wants_unnamed,
        after=job_id_of(message.after),
        of_lost=message.of_lost,
    )


def _encode_inquest_answer(message: m.InquestAnswer) -> pb.InquestAnswer:
    return pb.InquestAnswer(
        id=message.id,
        of_part=message.of_part,
        part=message.part,
        parts=message.parts,
        testimonies=[_encode_testimony(each) for each in message.testimonies],
        seen_sequence=message.seen_sequence,
        stable_sequence=message.stable_sequence,
        more_after=message.more_after,
        is_old=message.is_old,
    )


def _decode_inquest_answer(readers: Readers, message: pb.InquestAnswer) -> m.InquestAnswer:
    testimonies = bounded(message.testimonies, limits.INQUEST_ANSWER_JOBS_MAX)
    return m.InquestAnswer(
        id=message.id,
        of_part=message.of_part,
        part=message.part,
        parts=message.parts,
        testimonies=tuple(_decode_testimony(readers, each) for each in testimonies),
        seen_sequence=stored(message.seen_sequence),
        stable_sequence=stored(message.stable_sequence),
        more_after=job_id_of(message.more_after),
        is_old=message.is_old,
    )


def _encode_located(message: m.Located) -> pb.Located:
    return pb.Located(
        job_id=message.job_id,
        id=message.id,
        state=0 if message.state is None else message.state.value,  # type: ignore[arg-type]
        epoch=message.epoch,
        next_hop=message.next_hop,
    )


def _decode_located(_: Readers, message: pb.Located) -> m.Located:
    state = _state(message.state) if message.state else None
    return m.Located(
        job_id_of(message.job_id), message.id, state, message.epoch, region_name(message.next_hop)
    )


# In the order in which they are read.
KINDS: tuple[Kind, ...] = (
    Kind(m.Hello, "hellos", lambda x: pb.Hello(nonce=x.nonce), lambda _, x: m.Hello(x.nonce)),
    Kind(
        m.HelloAck,
        "hello_acks",
        lambda x: pb.HelloAck(nonce=x.nonce, ack_nonce=x.ack_nonce),
        lambda _, x: m.HelloAck(x.nonce, x.ack_nonce),
    ),
    Kind(m.GossipDigest, "digests", _encode_digest, _decode_digest),
    Kind(m.GossipDelta, "deltas", _encode_delta, _decode_delta),
    Kind(m.Probe, "probes", lambda x: pb.Probe(id=x.id), lambda _, x: m.Probe(x.id)),
    Kind(m.ProbeAck, "probe_acks", lambda x: pb.ProbeAck(id=x.id), lambda _, x: m.ProbeAck(x.id)),
    Kind(
        m.ProbeRequest,
        "probe_requests",
        lambda x: pb.ProbeRequest(id=x.id, target=x.target),
        lambda _, x: m.ProbeRequest(x.id, region_name(x.target)),
    ),
    Kind(m.Solicit, "solicits", _encode_solicit, _decode_solicit),
    Kind(m.Offer, "offers", _encode_offer, _decode_offer),
    Kind(m.OfferAnswer, "offer_answers", _encode_offer_answer, _decode_offer_answer),
    Kind(
        m.Release, "releases", lambda x: pb.Release(offer_id=x.offer_id), lambda _, x: m.Release(x.offer_id)
    ),
    Kind(m.Commit, "commits", _encode_commit, _decode_commit),
    Kind(
        m.Withdraw,
        "withdraws",
        lambda x: pb.Withdraw(job_id=x.job_id, epoch=x.epoch, sequence=x.sequence),
        lambda _, x: m.Withdraw(job_id_of(x.job_id), x.epoch, stored(x.sequence)),
    ),
    Kind(m.Decision, "decisions", _encode_decision, _decode_decision),
    Kind(
        m.Stable,
        "stables",
        lambda x: pb.Stable(sequence=x.sequence),
        lambda _, x: m.Stable(stored(x.sequence)),
    ),
    Kind(m.Status, "statuses", _encode_status, _decode_status),
    Kind(
        m.Cancel,
        "cancels",
        lambda x: pb.Cancel(job_id=x.job_id, cancel_id=x.cancel_id),
        lambda _, x: m.Cancel(job_id_of(x.job_id), word(x.cancel_id)),
    ),
    Kind(
        m.CancelAck,
        "cancel_acks",
        lambda x: pb.CancelAck(job_id=x.job_id, cancel_id=x.cancel_id),
        lambda _, x: m.CancelAck(job_id_of(x.job_id), word(x.cancel_id)),
    ),
    Kind(m.Terminal, "terminals", _encode_terminal, _decode_terminal),
    Kind(
        m.TerminalAck,
        "terminal_acks",
        lambda x: pb.TerminalAck(job_id=x.job_id, epoch=x.epoch),
        lambda _, x: m.TerminalAck(job_id_of(x.job_id), x.epoch),
    ),
    Kind(
        m.Locate,
        "locates",
        lambda x: pb.Locate(job_id=x.job_id, id=x.id),
        lambda _, x: m.Locate(job_id_of(x.job_id), x.id),
    ),
    Kind(m.Located, "located", _encode_located, _decode_located),
    Kind(m.Inquest, "inquests", _encode_inquest, _decode_inquest),
    Kind(m.InquestAnswer, "inquest_answers", _encode_inquest_answer, _decode_inquest_answer),
    *GROUP_KINDS,
    *ROSTER_KINDS,
    *QUOTA_KINDS,
    *POLICY_KINDS,
    *JOINT_KINDS,
)
# Those that also travel between leaders of shards, in a ShardBatch, whose fields have the same names.
SHARD_KINDS = tuple(kind for kind in KINDS if kind.model in get_args(m.ShardMessage))
KIND_BY_MODEL: dict[type, Kind] = {kind.model: kind for kind in KINDS}
