"""Inputs of a step <-> bytes: msgspec, with the name of each event's and message's type before it.

Types are told apart by name, so that a type may be added, or a field with a default, and what was recorded before can
still be read.
"""

from __future__ import annotations

from typing import Any, cast, get_args

import msgspec

from hanse.core import events, messages
from hanse.core.events import Event, PeerMessages
from hanse.core.messages import Envelope, Message, ShardMessage, ToShard
from hanse.core.model.arrays import Array, unpacked_array
from hanse.core.model.errors import EnvironmentFault


def _packed(value: object) -> bytes:
    """Of settled jobs in the answer to an inquest: what became of an array's elements."""
    if isinstance(value, Array):
        return value.packed()
    raise NotImplementedError(f"{type(value).__name__} is no part of an input")


def _unpacked(kind: type, value: object) -> object:
    if kind is Array and isinstance(value, bytes):
        return unpacked_array(value)
    raise NotImplementedError(f"{kind.__name__} is no part of an input")


_encode = msgspec.msgpack.Encoder(enc_hook=_packed).encode
_EVENTS: dict[str, msgspec.msgpack.Decoder[Any]] = {
    kind.__name__: msgspec.msgpack.Decoder(kind, dec_hook=_unpacked)
    for kind in get_args(events.Event)
    if kind is not PeerMessages
}
_MESSAGES: dict[str, msgspec.msgpack.Decoder[Any]] = {
    kind.__name__: msgspec.msgpack.Decoder(kind) for kind in get_args(messages.Message) if kind is not ToShard
}

Named = tuple[str, msgspec.Raw]


class Unreadable(EnvironmentFault):
    """What a journal holds is of a type that this version does not know, or is damaged."""


class _Exchange(msgspec.Struct, frozen=True):
    """PeerMessages, with its messages named."""

    envelope: Envelope
    messages: list[Named]
    cause: str


class _Addressed(msgspec.Struct, frozen=True):
    """ToShard, with its message named."""

    source: str
    shard: str
    name: str
    message: msgspec.Raw


_EXCHANGE = msgspec.msgpack.Decoder(_Exchange)
_ADDRESSED = msgspec.msgpack.Decoder(_Addressed)


def encode_event(event: Event) -> Named:
    """The name of its type, and its fields."""
    if not isinstance(event, PeerMessages):
        return type(event).__name__, msgspec.Raw(_encode(event))
    exchange = _Exchange(event.envelope, [_encode_message(each) for each in event.messages], event.cause)
    return "PeerMessages", msgspec.Raw(_encode(exchange))


def decode_event(named: Named) -> Event:
    """Raises Unreadable."""
    name, raw = named
    try:
        if name == "PeerMessages":
            exchange = _EXCHANGE.decode(raw)
            read = tuple(_decode_message(each) for each in exchange.messages)
            return PeerMessages(envelope=exchange.envelope, messages=read, cause=exchange.cause)
        return cast("Event", _decoder(_EVENTS, name).decode(raw))
    except msgspec.DecodeError as error:
        raise Unreadable(f"an event {name}: {error}") from error


def _encode_message(message: Message) -> Named:
    if not isinstance(message, ToShard):
        return type(message).__name__, msgspec.Raw(_encode(message))
    inner = message.message
    addressed = _Addressed(message.source, message.shard, type(inner).__name__, msgspec.Raw(_encode(inner)))
    return "ToShard", msgspec.Raw(_encode(addressed))


def _decode_message(named: Named) -> Message:
    name, raw = named
    if name != "ToShard":
        return cast("Message", _decoder(_MESSAGES, name).decode(raw))
    addressed = _ADDRESSED.decode(raw)
    inner = cast("ShardMessage", _decoder(_MESSAGES, addressed.name).decode(addressed.message))
    return ToShard(addressed.source, addressed.shard, inner)


def _decoder(known: dict[str, msgspec.msgpack.Decoder[Any]], name: str) -> msgspec.msgpack.Decoder[Any]:
    decoder = known.get(name)
    if decoder is None:
        raise Unreadable(f"this version knows no {name!r}")
    return decoder
