"""Envelope and messages between regions <-> ExchangeRequest.

The messages of an envelope are grouped by kind, and are read in the order of `messages.KINDS`: hellos first, so that a
session stands before what needs it, and a transfer before what refers to it. The order in which a sender put different
kinds is not kept; the protocol does without it. What leaders of shards say to each other (ToShard) is read last, all of
one pair of shards together and by kind as well.

What a peer sends is held to bounds. A message that breaks one is dropped alone, as if it had been lost, and is counted
by its caller; an envelope with too many messages is refused whole (MalformedMessage).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from hanse.core import messages as m
from hanse.core.model import limits
from hanse.core.model.jobs import make_shape
from hanse.core.model.regions import Position, RegionRecord
from hanse.core.model.roster import SignedRoster
from hanse.wire.gen.hanse.v1 import peers_pb2 as pb
from hanse.wire.kinds import Kind, Readers, named, stored
from hanse.wire.messages import KIND_BY_MODEL, KINDS, SHARD_KINDS
from hanse.wire.shapes import MalformedMessage, word
from hanse.wire.specs import SpecReader


class Exchange(msgspec.Struct, frozen=True):
    """A decoded envelope. `dropped` names the kind and the reason of each message that was not taken."""

    envelope: m.Envelope
    messages: tuple[m.Message, ...]
    dropped: tuple[str, ...]


class PeerCodec:
    """Translates envelopes both ways. `specs` reads what COMMITs carry; rules of the receiving region apply."""

    def __init__(self, specs: SpecReader) -> None:
        self._readers = Readers(specs)

    def decode(self, request: pb.ExchangeRequest) -> Exchange:
        """Raises MalformedMessage if the envelope itself is out of bounds."""
        envelope = _decode_envelope(request)
        if _count(request) > limits.ENVELOPE_MESSAGES_MAX:
            raise MalformedMessage(f"more than {limits.ENVELOPE_MESSAGES_MAX} messages in an envelope")
        dropped: list[str] = []
        taken = self._taken(request, KINDS, dropped)
        for batch in request.shard_batches:
            taken.extend(self._of_shards(batch, dropped))
        return Exchange(envelope, tuple(taken), tuple(dropped))

    def _of_shards(self, batch: pb.ShardBatch, dropped: list[str]) -> list[m.Message]:
        try:
            source, shard = named(batch.source), named(batch.shard)
        except MalformedMessage as fault:
            dropped.extend([f"shard_batches: {fault}"] * _of_kinds(batch, SHARD_KINDS))
            return []
        return [
            m.ToShard(source, shard, _of_shard(each)) for each in self._taken(batch, SHARD_KINDS, dropped)
        ]

    def _taken(self, holder: Any, kinds: Sequence[Kind], dropped: list[str]) -> list[Any]:
        """The messages in the fields of these kinds; what is wrong with the others goes to `dropped`."""
        taken: list[Any] = []
        present = _present(holder)
        for kind in kinds:
            for message in present.get(kind.field, ()):
                try:
                    taken.append(kind.decode(self._readers, message))
                except MalformedMessage as fault:
                    dropped.append(f"{kind.field}: {fault}")
        return taken


def _of_shard(message: Any) -> Any:
    """What goes from shard to shard is adoptable, whatever its spec left to the home's defaults."""
    if not isinstance(message, m.Commit) or message.shape is None or message.shape.body.adoptable:
        return message
    shape = make_shape(msgspec.structs.replace(message.shape.body, adoptable=True))
    return msgspec.structs.replace(message, shape=shape)


def encode_exchange(
    envelope: m.Envelope, messages: Iterable[m.Message], deadline_ms: int = 0, answer_within_ms: int = 0
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
        answer_within_ms=answer_within_ms,
    )
    fields: dict[str, Any] = {}
    batches: dict[tuple[str, str], pb.ShardBatch] = {}
    for message in messages:
        if isinstance(message, m.ToShard):
            _add_to_batch(request, batches, message)
            continue
        kind = KIND_BY_MODEL[type(message)]
        field = fields.get(kind.field)
        if field is None:
            field = fields[kind.field] = getattr(request, kind.field)
        field.append(kind.encode(message))
    return request


def _add_to_batch(
    request: pb.ExchangeRequest, batches: dict[tuple[str, str], pb.ShardBatch], message: m.ToShard
) -> None:
    """All that goes from one shard to another names them once."""
    pair = (message.source, message.shard)
    if pair not in batches:
        batches[pair] = request.shard_batches.add(source=message.source, shard=message.shard)
    kind = KIND_BY_MODEL[type(message.message)]
    getattr(batches[pair], kind.field).append(kind.encode(message.message))


def size_hint(message: m.Message) -> int:
    """About how many bytes a message takes; exact enough to keep an envelope within the transport's bound."""
    match message:
        case m.Commit():
            return 512 + len(message.spec)
        case m.ToShard():
            return 32 + size_hint(message.message)
        case m.Append():
            return 128 + sum(32 + len(record.key) + len(record.value) for record in message.records)
        case m.AppendAck() | m.Fetch():
            return 128 + sum(8 + len(key) for key in message.keys)
        case m.GossipDelta():
            return 64 + sum(_record_size_hint(record) for record in message.records)
        case m.GossipDigest():
            return 64 + 48 * len(message.entries)
        case m.Offer() | m.Solicit():
            return 2_048
        case m.Inquest():
            return 64 + 64 * len(message.job_ids)
        case m.InquestAnswer():
            specs = sum(len(each.commit.spec) for each in message.testimonies if each.commit is not None)
            return 64 + 1_024 * len(message.testimonies) + specs
        case m.RosterDocument() | m.RosterProposal():
            return _roster_size_hint(message.signed)
        case m.PolicyNotice():
            return min(1_024 + 3 * len(message.signed.document.text), limits.SIGNED_POLICY_BYTES_MAX)
        case m.RosterVote():
            return 512 + (0 if message.has is None else _roster_size_hint(message.has))
        case _:
            return 256


def _roster_size_hint(signed: SignedRoster) -> int:
    return 512 + 768 * len(signed.roster.members) + 256 * len(signed.countersignatures)


def _record_size_hint(record: RegionRecord) -> int:
    return 256 + 512 * (len(record.classes) + len(record.queued_shapes)) + 80 * len(record.leads)


def _count(request: pb.ExchangeRequest) -> int:
    """Messages in an envelope; a batch without any counts as one."""
    in_batches = sum(max(1, _of_kinds(batch, SHARD_KINDS)) for batch in request.shard_batches)
    return _of_kinds(request, KINDS) + in_batches


def _of_kinds(holder: Any, kinds: Sequence[Kind]) -> int:
    present = _present(holder)
    return sum(len(present.get(kind.field, ())) for kind in kinds)


def _present(holder: Any) -> dict[str, Any]:
    """The fields that are set, by name. Of forty kinds of messages an envelope has one or two."""
    return {field.name: value for field, value in holder.ListFields()}


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
    return pb.Position(
        incarnation=position.incarnation, write_sequence=position.write_sequence, life=position.life
    )


def _decode_position(message: pb.Position) -> Position:
    return Position(stored(message.incarnation), stored(message.write_sequence), stored(message.life))
