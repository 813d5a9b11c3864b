"""A document by its schema: every value of the wrong type, every unknown key and everything missing, at once."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, assert_never

from hanse.policies import schema, units
from hanse.policies.places import Path
from hanse.policies.problems import Findings, meant, nearest
from hanse.policies.schema import Field, Kind, Table


class _Bad:
    """What was read where nothing right could be read."""


BAD: Any = _Bad()


class Reader:
    """Reads values into what their kinds say; what is wrong goes to `findings`, and its value is BAD."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings

    def table(self, value: object, table: Table, path: Path) -> dict[str, Any]:
        """Every field of the table: as given, by default, or BAD."""
        if not isinstance(value, Mapping):
            self._findings.at_value(path, f"this is a table, not {_what(value)}", _table_hint(path))
            return dict.fromkeys(table.names, BAD)
        for key in value:
            if key not in table.names:
                self._unknown(key, table, (*path, key))
        return {field.name: self._field(value, field, path) for field in table.fields}

    def _unknown(self, key: str, table: Table, path: Path) -> None:
        hint = dict(table.elsewhere).get(key) or meant(key, table.names)
        self._findings.at_key(path, f"there is no field `{key}` here", hint)

    def _field(self, given: Mapping[str, object], field: Field, path: Path) -> Any:
        below = (*path, field.name)
        if field.name in given:
            return self._value(given[field.name], field.kind, below)
        if field.default is schema.REQUIRED:
            self._findings.at_key(
                path, f"`{field.name}` is missing", f"it says: {field.meaning[0].lower()}{field.meaning[1:]}"
            )
            return BAD
        if field.default is None and isinstance(field.kind, schema.TableOf):
            return self.table({}, field.kind.table, below)
        return field.default

    def _value(self, value: Any, kind: Kind, path: Path) -> Any:
        match kind:
            case schema.Text():
                return self._text(value, kind, path)
            case schema.Number():
                return self._number(value, kind, path)
            case schema.Flag():
                return value if isinstance(value, bool) else self._wrong(path, value, "true or false")
            case schema.Choice():
                return self._choice(value, kind, path)
            case schema.Duration():
                return self._duration(value, kind, path)
            case schema.Share():
                return self._share(value, path)
            case schema.Quantity():
                return self._quantity(value, path)
            case schema.Expression():
                return self._expression(value, path)
            case schema.ListOf():
                return self._list(value, kind, path)
            case schema.MapOf():
                return self._map(value, kind, path)
            case schema.TableOf():
                return self.table(value, kind.table, path)
            case schema.TablesOf():
                return self._tables(value, kind, path)
            case _:
                assert_never(kind)

    def _wrong(self, path: Path, value: object, wanted: str, hint: str = "") -> Any:
        self._findings.at_value(path, f"this must be {wanted}, not {_what(value)}", hint)
        return BAD

    def _text(self, value: object, kind: schema.Text, path: Path) -> Any:
        if not isinstance(value, str):
            return self._wrong(path, value, kind.what)
        problem = ""
        if len(value) > kind.length_max:
            problem = f"{len(value)} characters; at most {kind.length_max}"
        elif kind.syntax.fullmatch(value) is None:
            problem = f"this is not {kind.what}"
        elif kind.check is not None:
            problem = kind.check(value)
        if problem:
            self._findings.at_value(path, problem)
            return BAD
        return value

    def _number(self, value: object, kind: schema.Number, path: Path) -> Any:
        if not isinstance(value, int) or isinstance(value, bool):
            return self._wrong(path, value, "a whole number")
        if not kind.least <= value <= kind.most:
            self._findings.at_value(path, f"{value:,} is outside {kind.least:,} to {kind.most:,}")
            return BAD
        return value

    def _choice(self, value: object, kind: schema.Choice, path: Path) -> Any:
        if value in kind.words:
            return value
        listed = ", ".join(f'"{word}"' for word in kind.words)
        return self._wrong(path, value, f"one of {listed}", nearest(str(value), kind.words))

    def _duration(self, value: object, kind: schema.Duration, path: Path) -> Any:
        if isinstance(value, int) and not isinstance(value, bool):
            hint = f'write "{value}s" if you mean seconds'
            return self._wrong(path, value, 'a time with its unit, such as "15m"', hint)
        read = units.duration_us(value) if isinstance(value, str) else None
        if read is None:
            hint = 'days, hours, minutes, seconds: "2d", "1h30m", "15m", "0.5s"'
            return self._wrong(path, value, 'a time, such as "15m"', hint)
        if not kind.least_us <= read <= kind.most_us:
            least, most = units.duration_text(kind.least_us), units.duration_text(kind.most_us)
            self._findings.at_value(path, f"{value} is outside {least} to {most}")
            return BAD
        return read

    def _share(self, value: object, path: Path) -> Any:
        read = units.share_permille(value) if isinstance(value, str) else None
        if read is None:
            return self._wrong(path, value, 'a share, such as "95%"')
        if read > 1_000:
            self._findings.at_value(path, f"{value} is more than all of it")
            return BAD
        return read

    def _quantity(self, value: object, path: Path) -> Any:
        """As it is: what a text means depends on the kind, which mapping.py knows."""
        if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
            return value
        return self._wrong(path, value, "a whole number, or a text with a unit")

    def _expression(self, value: object, path: Path) -> Any:
        if isinstance(value, str):
            return value
        return self._wrong(path, value, "a CEL expression in quotes")

    def _list(self, value: object, kind: schema.ListOf, path: Path) -> Any:
        if not isinstance(value, list):
            hint = "put it into brackets" if isinstance(value, str) else ""
            return self._wrong(path, value, "a list", hint)
        if not self._short_enough(value, kind.length_max, path):
            return BAD
        items = [self._text(item, kind.item, (*path, index)) for index, item in enumerate(value)]
        return tuple(items)

    def _map(self, value: object, kind: schema.MapOf, path: Path) -> Any:
        if not isinstance(value, Mapping):
            return self._wrong(path, value, "a table")
        read: dict[str, Any] = {}
        for key, item in value.items():
            below = (*path, key)
            if kind.key.syntax.fullmatch(key) is None or len(key) > kind.key.length_max:
                self._findings.at_key(below, f"this is not {kind.key.what}")
            else:
                read[key] = self._quantity(item, below)
        return read

    def _tables(self, value: object, kind: schema.TablesOf, path: Path) -> Any:
        if not isinstance(value, list):
            self._findings.at_key(path, f"this is an array of tables, not {_what(value)}", _tables_hint(path))
            return BAD
        if not self._short_enough(value, kind.length_max, path):
            return BAD
        return tuple(self.table(item, kind.table, (*path, index)) for index, item in enumerate(value))

    def _short_enough(self, value: list[Any], most: int, path: Path) -> bool:
        if len(value) <= most:
            return True
        self._findings.at_key(path, f"{len(value):,} entries; at most {most:,}")
        return False


def _what(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int() | Decimal():
            return f"the number {value}"
        case str():
            return f'the text "{value}"' if len(value) <= 40 else "a text"
        case list():
            return "a list"
        case Mapping():
            return "a table"
        case _:
            return "a date or time"


def _table_hint(path: Path) -> str:
    return f"begin it with [{'.'.join(str(part) for part in path)}]" if len(path) == 1 else ""


def _tables_hint(path: Path) -> str:
    names = ".".join(str(part) for part in path if isinstance(part, str))
    return f"begin each entry with [[{names}]]"
