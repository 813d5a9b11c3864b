"""The reference of a region's TOML file: types and defaults from the structs, meanings from meanings.toml."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, get_args, get_origin

import msgspec

from docs.words import cell, default, describe_type
from hanse.core.model.regions import Timings
from hanse.daemon.settings import TIMINGS_OF_FEDERATION, Settings

_MEANINGS = tomllib.loads((Path(__file__).parent / "meanings.toml").read_text(encoding="utf-8"))


def configuration_tables() -> str:
    """One table for each TOML table. ValueError: a key without a meaning, or a meaning without its key."""
    lines: list[str] = []
    described: set[str] = set()
    for table in msgspec.structs.fields(Settings):
        struct, heading = _struct_of(table.type, table.encode_name)
        about = _MEANINGS["tables"][table.encode_name]
        lines += [
            "",
            f"## {heading}",
            "",
            about,
            "",
            "| key | type | default | meaning |",
            "|---|---|---|---|",
        ]
        for field in msgspec.structs.fields(struct):
            if struct is Timings and field.encode_name in TIMINGS_OF_FEDERATION:
                continue
            key = f"{table.encode_name}.{field.encode_name}"
            described.add(key)
            kind, meaning = (
                cell(describe_type(field.type)),
                cell(_meaning(table.encode_name, field.encode_name)),
            )
            lines.append(f"| `{field.encode_name}` | {kind} | {_default(field)} | {meaning} |")
    _refuse_leftovers(described)
    return "\n".join(lines[1:])


def _meaning(table: str, key: str) -> str:
    meaning: str | None = _MEANINGS["keys"][table].get(key)
    if meaning is None:
        raise ValueError(f"docs/meanings.toml does not say what {table}.{key} means")
    return meaning


def _struct_of(kind: Any, name: str) -> tuple[type[msgspec.Struct], str]:
    """The struct of a table, or of each of several, and how the file writes it."""
    if get_origin(kind) is tuple:
        return get_args(kind)[0], f"[[{name}]]"
    if get_origin(kind) is dict:
        return get_args(kind)[1], f"[{name}.NAME]"
    return kind, f"[{name}]"


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "required"
    if field.default is not msgspec.NODEFAULT:
        return default(field.default)
    return default(field.default_factory())


def _refuse_leftovers(described: set[str]) -> None:
    named = {f"{table}.{key}" for table, keys in _MEANINGS["keys"].items() for key in keys}
    if named - described:
        raise ValueError(
            f"docs/meanings.toml describes what does not exist: {', '.join(sorted(named - described))}"
        )
