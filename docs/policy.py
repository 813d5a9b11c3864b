"""The reference of policy documents: tables and fields from the schema, variables and functions from the vocabulary."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import assert_never

from docs.words import cell, default
from hanse.policies import schema
from hanse.policies.units import duration_text
from hanse.policies.vocabulary import FUNCTIONS, VARIABLES

ROOT = Path(__file__).parent.parent
SAMPLE = ROOT / "deploy" / "policy" / "example.toml"


def policy_fields() -> str:
    """A table for each table of a document."""
    return "\n".join(_tables(schema.DOCUMENT, "", many=False)).strip()


def policy_variables() -> str:
    """What expressions may read."""
    lines = ["| variable | type | meaning |", "|---|---|---|"]
    lines += [f"| `{each.name}` | {each.type} | {cell(each.meaning)} |" for each in VARIABLES]
    listed = ", ".join(f"`{name}`" for name in FUNCTIONS)
    return "\n".join([*lines, "", f"Functions and macros, besides CEL's operators: {listed}."])


def sample_policy() -> str:
    """The example, as it is."""
    return f"```text\n{SAMPLE.read_text(encoding='utf-8').strip()}\n```"


def _tables(table: schema.Table, name: str, *, many: bool) -> Iterator[str]:
    if name:
        yield from ("", f"### {f'[[{name}]]' if many else f'[{name}]'}", "", table.what, "")
        yield from ("| field | type | default | meaning |", "|---|---|---|---|")
        for field in table.fields:
            row = (f"`{field.name}`", _type(field.kind), _default(field), cell(field.meaning))
            yield f"| {' | '.join(row)} |"
    for field in table.fields:
        below = f"{name}.{field.name}" if name else field.name
        match field.kind:
            case schema.TableOf(table=inner):
                yield from _tables(inner, below, many=False)
            case schema.TablesOf(table=inner) if below != "cohorts.quotas":
                yield from _tables(inner, below, many=True)
            case _:
                pass


def _default(field: schema.Field) -> str:
    match field.default, field.kind:
        case schema.Required(), _:
            return "required"
        case None | "" | (), _:
            return "none"
        case int(amount), schema.Duration():
            return f'`"{duration_text(amount)}"`'
        case int(amount), schema.Share():
            return f'`"{amount / 10:g}%"`'
        case value, _:
            return default(value)


def _type(kind: schema.Kind) -> str:
    match kind:
        case schema.Text():
            return cell(kind.what)
        case schema.Number():
            return f"{kind.least:,} to {kind.most:,}"
        case schema.Flag():
            return "true, false"
        case schema.Choice():
            return ", ".join(f'`"{word}"`' for word in kind.words)
        case schema.Duration():
            return 'a time, as `"15m"`'
        case schema.Share():
            return 'a share, as `"95%"`'
        case schema.Quantity():
            return "a quantity"
        case schema.Expression():
            return "a CEL expression"
        case schema.ListOf():
            return f"list of: {cell(kind.item.what)}"
        case schema.MapOf():
            return "quantities by kind"
        case schema.TableOf():
            return "a table"
        case schema.TablesOf():
            return "tables"
        case _:
            assert_never(kind)
