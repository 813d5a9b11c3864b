"""Wire messages as plain data, for JSON and YAML: the form that programs may rely on.

Keys are the contract's field names in snake_case, and every field is there, so that a program need not ask: an absent
message or time is null, an empty list [], an empty map {}. Enums are their names without the prefix ("RUNNING"), 64-bit
integers are numbers, times RFC 3339 in UTC ("2026-11-30T12:00:00.5Z"), durations as in protobuf's JSON ("600s").
`parse_specs` takes a `spec` in this form back.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any

from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

_CONVERTERS: dict[str, Callable[[Any], str]] = {
    Timestamp.DESCRIPTOR.full_name: lambda value: str(value.ToJsonString()),
    Duration.DESCRIPTOR.full_name: lambda value: str(value.ToJsonString()),
}


def to_plain(message: Message) -> dict[str, Any]:
    """The message as dictionaries, lists, strings, numbers and booleans."""
    descriptor: Any = message.DESCRIPTOR
    return {field.name: _field(message, field) for field in descriptor.fields}


def _field(message: Message, field: FieldDescriptor) -> Any:
    value = getattr(message, field.name)
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        value_field = field.message_type.fields_by_name["value"]
        return _map(value, value_field)
    if field.is_repeated:
        return [_value(item, field) for item in value]
    if field.has_presence and not message.HasField(field.name):
        return None
    return _value(value, field)


def _map(values: Mapping[Any, Any], value_field: FieldDescriptor) -> dict[str, Any]:
    return {str(key): _value(values[key], value_field) for key in sorted(values)}


def _value(value: Any, field: FieldDescriptor) -> Any:
    if field.message_type is not None:
        convert = _CONVERTERS.get(field.message_type.full_name, to_plain)
        return convert(value)
    if field.enum_type is not None:
        return enum_name(field.enum_type, value)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return base64.b64encode(value).decode()
    return value


def enum_name(enum: EnumDescriptor, number: int) -> str:
    """Name of an enum's value without the enum's own name; a value that is not known yet is named by its number."""
    value = enum.values_by_number.get(number)
    return value.name.removeprefix(enum_prefix(enum)) if value is not None else str(number)


def enum_prefix(enum: EnumDescriptor) -> str:
    """What all names of an enum begin with: "JOB_STATE_" for JobState."""
    zero = enum.values_by_number[0].name
    return zero.removesuffix("UNSPECIFIED")
