"""A policy as a document: what is in force where nobody ever wrote one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from hanse.core.policy.model import Cohort, Policy, Queue
from hanse.policies.units import duration_text

_ENTRIES = ("tiers", "tenants", "flavours", "cohorts", "queues")
_TABLES = ("fair_share", "backfill", "preemption", "objective")


def document_of(policy: Policy) -> str:
    """A document that reads as this policy (but for its version, which no document has)."""
    lines: list[str] = []
    for name in _ENTRIES:
        for entry in getattr(policy, name):
            lines += [f"[[{name}]]", *_fields(entry), ""]
            if isinstance(entry, Cohort | Queue):
                for quota in entry.quotas:
                    lines += [f"[[{name}.quotas]]", *_fields(quota), ""]
    for name in _TABLES:
        lines += [f"[{name}]", *_fields(getattr(policy, name)), ""]
    return "\n".join(lines[:-1]) + "\n"


def _fields(entry: msgspec.Struct) -> Iterator[str]:
    for field in msgspec.structs.fields(type(entry)):
        value = getattr(entry, field.name)
        if field.name == "quotas" or value is None or value in ("", ()):
            continue
        if field.name.endswith("_us"):
            yield f'{field.name.removesuffix("_us")} = "{duration_text(value)}"'
        elif field.name.endswith("_permille"):
            yield f'{field.name.removesuffix("_permille")} = "{value / 10:g}%"'
        else:
            yield f"{field.name} = {_value(value)}"


def _value(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case str():
            return msgspec.json.encode(value).decode()
        case _:
            assert isinstance(value, Iterable), value
            return f"[{', '.join(_value(each) for each in value)}]"
