"""How values, types and texts of the code look in a Markdown table."""

from __future__ import annotations

import enum
import types
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec

_WORDS: dict[type, str] = {str: "text", int: "integer", float: "number", bool: "boolean", bytes: "bytes"}


def cell(text: str) -> str:
    """Text on one line that no pipe tears apart."""
    return " ".join(text.split()).replace("|", "\\|")


def number(value: int | float) -> str:
    """1048576 is 1,048,576."""
    return f"{value:,}"


def default(value: Any) -> str:
    """A value as it would stand in a TOML file."""
    match value:
        case bool():
            return f"`{str(value).lower()}`"
        case int() | float():
            return f"`{value:_}`"
        case str():
            return f'`"{value}"`'
        case tuple():
            return "`[" + ", ".join(default(each).strip("`") for each in value) + "]`"
        case dict():
            return "`{}`"
        case None:
            return "none"
        case _:
            raise TypeError(f"no form for a default of {value!r}")


def describe_type(kind: Any) -> str:
    """A type in words: "integer, 0 to 5", "list of text", the name of a struct."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _annotated(arguments[0], arguments[1])
    if origin is Literal:
        return " or ".join(f'"{each}"' if isinstance(each, str) else str(each) for each in arguments)
    if origin is tuple and arguments[-1] is ...:
        return f"list of {describe_type(arguments[0])}"
    if origin is tuple:
        return "(" + ", ".join(describe_type(each) for each in arguments) + ")"
    if origin is dict:
        return f"table of {describe_type(arguments[1])}"
    if origin in (Union, types.UnionType):
        some = [describe_type(each) for each in arguments if each is not types.NoneType]
        return " or ".join(some) + (", or none" if types.NoneType in arguments else "")
    return _named(kind)


def _annotated(kind: Any, meta: msgspec.Meta) -> str:
    words = describe_type(kind)
    if meta.ge is not None and meta.le is not None:
        return f"{words}, {number(meta.ge)} to {number(meta.le)}"
    if meta.ge is not None:
        return f"{words}, at least {number(meta.ge)}"
    if meta.max_length is not None:
        return f"{words}, at most {meta.max_length} characters"
    return words


def _named(kind: Any) -> str:
    if kind is Path:
        return "path"
    if isinstance(kind, type) and issubclass(kind, enum.Enum | msgspec.Struct):
        return kind.__name__
    return _WORDS.get(kind, str(kind))
