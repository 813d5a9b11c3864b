"""What decides where a job can run, and reasons: protobuf <-> model, for all messages that carry them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from hanse.core.model import limits
from hanse.core.model.errors import PeerFault
from hanse.core.model.jobs import (
    DEFAULT_TIER,
    GroupShape,
    Reason,
    ReasonCode,
    Ruled,
    Shape,
    ShapeBody,
    make_shape,
)
from hanse.core.model.resources import Resources, resources
from hanse.core.model.rules import Rules, Within
from hanse.core.model.selectors import SelectorError, parse_selector
from hanse.wire.checks import FieldRefused
from hanse.wire.gen.hanse.v1 import common_pb2, peers_pb2
from hanse.wire.memo import Memo
from hanse.wire.placement import decode_rules, decode_within, encode_rules, encode_within

_REASONS = {code.value: code for code in ReasonCode}


class MalformedMessage(PeerFault):
    """A message of a peer breaks a bound or carries a value that means nothing. It is dropped, as if it were lost."""


def word(text: str, length_max: int = limits.PEER_WORD_LENGTH_MAX) -> str:
    """`text`, if it is no longer than anything that a peer may say."""
    if len(text) > length_max:
        raise MalformedMessage(f"a word of {len(text)} characters; at most {length_max}")
    return text


def words(
    texts: Iterable[str], count_max: int, length_max: int = limits.PEER_WORD_LENGTH_MAX
) -> tuple[str, ...]:
    """As `word`, for at most `count_max` of them."""
    items = tuple(texts)
    if len(items) > count_max:
        raise MalformedMessage(f"{len(items)} words; at most {count_max}")
    return tuple(word(item, length_max) for item in items)


def quantities(pairs: Mapping[str, int]) -> Resources:
    """A resource vector of a peer: bounded kinds, quantities from 0 to QUANTITY_MAX."""
    if len(pairs) > limits.RESOURCE_KINDS_PER_TASK_MAX * limits.GROUPS_MAX:
        raise MalformedMessage(f"{len(pairs)} kinds of resources")
    for kind, quantity in pairs.items():
        word(kind, limits.RESOURCE_KIND_LENGTH_MAX)
        if not 0 <= quantity <= limits.QUANTITY_MAX:
            raise MalformedMessage(f"{quantity} {kind}")
    return resources(pairs)


def encode_reason(reason: Reason) -> common_pb2.Reason:
    """As it is."""
    return common_pb2.Reason(code=reason.code, detail=reason.detail[: limits.REASON_DETAIL_LENGTH_MAX])


def decode_reason(message: common_pb2.Reason) -> Reason:
    """A code that this version lacks becomes UNKNOWN, with the code in the detail."""
    detail = word(message.detail, limits.REASON_DETAIL_LENGTH_MAX)
    code = _REASONS.get(message.code)
    if code is None:
        return Reason(
            ReasonCode.UNKNOWN, f"{word(message.code)}: {detail}"[: limits.REASON_DETAIL_LENGTH_MAX]
        )
    return Reason(code, detail)


def encode_shape(shape: Shape) -> peers_pb2.Shape:
    """The body; the receiver makes the key."""
    body = shape.body
    return peers_pb2.Shape(
        groups=[_encode_group(group) for group in body.groups],
        tier=body.tier,
        priority=body.priority,
        regions_allow=body.regions_allow,
        regions_deny=body.regions_deny,
        regions_prefer=body.regions_prefer,
        datasets=body.datasets,
        runtime_estimate_us=body.runtime_estimate_us,
        required_features=body.required_features,
        adoptable=body.adoptable,
        within=encode_within(body.within) if body.within is not None else None,
        ruled=None if body.ruled is None else peers_pb2.Ruled(queue=body.ruled.queue),
        restartable=body.restartable,
    )


def _encode_group(group: GroupShape) -> peers_pb2.ShapeGroup:
    message = peers_pb2.ShapeGroup(
        count=group.count,
        count_min=group.count_min,
        resources=dict(group.resources),
        constraints=group.constraints,
    )
    if group.rules is not None:
        message.placement.CopyFrom(encode_rules(group.rules))
        message.affinity_tenant = next((each.tenant for each in group.rules.affinities), "")
    return message


class ShapeReader:
    """Shapes of offers, memoised: a peer offers the same few again and again."""

    def __init__(self) -> None:
        self._shapes: Memo[bytes, Shape] = Memo(limits.SHAPE_MEMO_ENTRIES_MAX)

    def decode(self, message: peers_pb2.Shape) -> Shape:
        """The shape, held to the same bounds as a spec."""
        size = message.ByteSize()
        if size > limits.SPEC_BYTES_MAX:
            raise MalformedMessage(f"a shape of {size} bytes")
        key = message.SerializeToString(deterministic=True)
        return self._shapes.get_or_make(key, lambda: _shape(message))


def _shape(message: peers_pb2.Shape) -> Shape:
    if not 1 <= len(message.groups) <= limits.GROUPS_MAX:
        raise MalformedMessage(f"a shape of {len(message.groups)} groups")
    names = limits.REGION_PREFERENCES_MAX
    region_length = limits.REGION_NAME_LENGTH_MAX
    shape = make_shape(
        ShapeBody(
            groups=tuple(_group(group) for group in message.groups),
            tier=word(message.tier) or DEFAULT_TIER,
            priority=_within(message.priority, -limits.PRIORITY_MAX, limits.PRIORITY_MAX),
            regions_allow=words(message.regions_allow, names, region_length),
            regions_deny=words(message.regions_deny, names, region_length),
            regions_prefer=words(message.regions_prefer, names, region_length),
            datasets=words(message.datasets, limits.DATASETS_MAX, limits.DATASET_LENGTH_MAX),
            runtime_estimate_us=_within(message.runtime_estimate_us, 0, limits.RUNTIME_ESTIMATE_US_MAX),
            required_features=words(
                message.required_features, limits.FEATURES_MAX, limits.FEATURE_LENGTH_MAX
            ),
            adoptable=message.adoptable,
            within=_within_domain(message) if message.HasField("within") else None,
            ruled=Ruled(word(message.ruled.queue, limits.NAME_LENGTH_MAX))
            if message.HasField("ruled")
            else None,
            restartable=message.restartable,
        )
    )
    for _, quantity in shape.total:
        _within(quantity, 0, limits.QUANTITY_MAX)
    return shape


def _group(message: peers_pb2.ShapeGroup) -> GroupShape:
    count = _within(message.count, 1, limits.GROUP_TASKS_MAX)
    return GroupShape(
        count,
        _within(message.count_min, 1, count),
        quantities(message.resources),
        _constraints(message.constraints),
        _rules(message) if message.HasField("placement") else None,
    )


def _rules(message: peers_pb2.ShapeGroup) -> Rules | None:
    try:
        return decode_rules("placement", message.placement, word(message.affinity_tenant))
    except FieldRefused as refusal:
        raise MalformedMessage(str(refusal)) from refusal


def _within_domain(message: peers_pb2.Shape) -> Within:
    try:
        return decode_within("within", message.within)
    except FieldRefused as refusal:
        raise MalformedMessage(str(refusal)) from refusal


def _constraints(texts: Iterable[str]) -> tuple[str, ...]:
    constraints = words(texts, limits.CONSTRAINTS_MAX, limits.CONSTRAINT_LENGTH_MAX)
    for constraint in constraints:
        try:
            parse_selector(constraint)
        except SelectorError as error:
            raise MalformedMessage(f"a constraint: column {error.column}: {error.message}") from error
    return constraints


def _within(value: int, least: int, most: int) -> int:
    if not least <= value <= most:
        raise MalformedMessage(f"{value} is outside {least} to {most}")
    return value
