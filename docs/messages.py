"""Fields of the messages between regions, from their structs."""

from __future__ import annotations

import inspect
from typing import Any, get_args

import msgspec

from docs.words import cell, describe_type
from hanse.core import messages

MESSAGES: tuple[type[msgspec.Struct], ...] = get_args(messages.Message)


def message_fields() -> str:
    """One row for each message, in the order of `messages.Message`."""
    lines = ["| message | what it says | fields |", "|---|---|---|"]
    for message in MESSAGES:
        lines.append(f"| `{message.__name__}` | {_says(message)} | {_fields(message)} |")
    return "\n".join(lines)


def envelope_fields() -> str:
    """The envelope's fields."""
    lines = ["| field | type |", "|---|---|"]
    for field in msgspec.structs.fields(messages.Envelope):
        lines.append(f"| `{field.name}` | {cell(describe_type(field.type))} |")
    return "\n".join(lines)


def _says(message: type) -> str:
    return cell(inspect.getdoc(message) or "")


def _fields(message: Any) -> str:
    return ", ".join(
        f"`{field.name}`: {cell(describe_type(field.type))}" for field in msgspec.structs.fields(message)
    )
