"""RegionRecord: what a region publishes of itself, protobuf <-> model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hanse.core.model import limits
from hanse.core.model.regions import CapacityClass, QueuedShape, RegionRecord
from hanse.core.model.rules import Taint, parse_taint
from hanse.wire.gen.hanse.v1 import regions_pb2
from hanse.wire.policies import decode_policy_news, encode_policy_news
from hanse.wire.quotas import decode_news, encode_news
from hanse.wire.shapes import MalformedMessage, quantities, word, words
from hanse.wire.times import timestamp, wall_us

# Key, value, and an effect.
_TAINT_LENGTH_MAX = limits.LABEL_PREFIX_LENGTH_MAX + 2 * limits.LABEL_LENGTH_MAX + 32


def encode_record(record: RegionRecord) -> regions_pb2.RegionRecord:
    """Waits are cut to milliseconds."""
    return regions_pb2.RegionRecord(
        region=record.region,
        incarnation=record.incarnation,
        version=record.version,
        observed_at=timestamp(record.observed_wall_us),
        classes=[_encode_class(item) for item in record.classes],
        draining=record.draining,
        protocol_min=record.protocol_min,
        protocol_max=record.protocol_max,
        datasets=record.datasets,
        queued=record.queued,
        predicted_wait_ms=record.predicted_wait_us // 1_000,
        peer_address=record.peer_address,
        public_address=record.public_address,
        queued_shapes=[encode_queued_shape(item) for item in record.queued_shapes],
        price=record.price,
        power=record.power,
        leads=[regions_pb2.Leadership(shard=shard, term=term) for shard, term in record.leads],
        quotas=None if record.quotas is None else encode_news(record.quotas),
        policy=None if record.policy is None else encode_policy_news(record.policy),
    )


def decode_record(message: regions_pb2.RegionRecord) -> RegionRecord:
    """Raises MalformedMessage if a bound is broken."""
    if len(message.classes) > limits.RECORD_CLASSES_MAX:
        raise MalformedMessage(f"a record of {len(message.classes)} classes")
    if len(message.queued_shapes) > limits.RECORD_SHAPES_MAX:
        raise MalformedMessage(f"a record of {len(message.queued_shapes)} queued shapes")
    return RegionRecord(
        region=word(message.region, limits.REGION_NAME_LENGTH_MAX),
        incarnation=message.incarnation,
        version=message.version,
        observed_wall_us=wall_us(message.observed_at),
        classes=tuple(_decode_class(item) for item in message.classes),
        draining=message.draining,
        protocol_min=message.protocol_min,
        protocol_max=message.protocol_max,
        datasets=words(message.datasets, limits.RECORD_DATASETS_MAX, limits.DATASET_LENGTH_MAX),
        queued=message.queued,
        predicted_wait_us=milliseconds_us(message.predicted_wait_ms),
        peer_address=word(message.peer_address),
        public_address=word(message.public_address),
        queued_shapes=tuple(decode_queued_shape(item) for item in message.queued_shapes),
        price=message.price,
        power=message.power,
        leads=_decode_leads(message.leads),
        quotas=decode_news(message.quotas) if message.HasField("quotas") else None,
        policy=decode_policy_news(message.policy) if message.HasField("policy") else None,
    )


def _decode_leads(messages: Sequence[regions_pb2.Leadership]) -> tuple[tuple[str, int], ...]:
    if len(messages) > limits.RECORD_LEADS_MAX:
        raise MalformedMessage(f"a record that leads {len(messages)} shards")
    return tuple((word(each.shard, limits.REGION_NAME_LENGTH_MAX), each.term) for each in messages)


def encode_queued_shape(shape: QueuedShape) -> regions_pb2.QueuedShape:
    """Waits are cut to milliseconds."""
    return regions_pb2.QueuedShape(
        shape_key=shape.shape_key,
        count=shape.count,
        resources=dict(shape.resources),
        oldest_wait_ms=shape.oldest_wait_us // 1_000,
    )


def decode_queued_shape(message: regions_pb2.QueuedShape) -> QueuedShape:
    """Raises MalformedMessage if a bound is broken."""
    if len(message.shape_key) > limits.PEER_WORD_LENGTH_MAX:
        raise MalformedMessage(f"a shape key of {len(message.shape_key)} bytes")
    return QueuedShape(
        shape_key=message.shape_key,
        count=message.count,
        resources=quantities(message.resources),
        oldest_wait_us=milliseconds_us(message.oldest_wait_ms),
    )


def milliseconds_us(milliseconds: int) -> int:
    """A peer's uint64 of milliseconds; beyond QUANTITY_MAX no sum with a clock would fit."""
    if milliseconds > limits.QUANTITY_MAX // 1_000:
        raise MalformedMessage(f"{milliseconds} ms")
    return milliseconds * 1_000


def _encode_class(item: CapacityClass) -> regions_pb2.CapacityClass:
    return regions_pb2.CapacityClass(
        node_class=item.node_class,
        nodes=item.nodes,
        node_capacity=dict(item.node_capacity),
        labels=dict(item.labels),
        free=dict(item.free),
        free_max=dict(item.free_max),
        taints=[str(taint) for taint in item.taints],
    )


def _decode_class(message: regions_pb2.CapacityClass) -> CapacityClass:
    if len(message.labels) > limits.LABELS_MAX:
        raise MalformedMessage(f"a class with {len(message.labels)} labels")
    return CapacityClass(
        node_class=word(message.node_class),
        nodes=message.nodes,
        node_capacity=quantities(message.node_capacity),
        labels=tuple(sorted((word(key), word(value)) for key, value in message.labels.items())),
        free=quantities(message.free),
        free_max=quantities(message.free_max),
        taints=_taints(message.taints),
    )


def _taints(texts: Iterable[str]) -> tuple[Taint, ...]:
    try:
        return tuple(parse_taint(text) for text in words(texts, limits.TAINTS_MAX, _TAINT_LENGTH_MAX))
    except ValueError as error:
        raise MalformedMessage(str(error)) from error
