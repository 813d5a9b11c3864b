"""What the protocol's tests have to show: which covers which row of the tables, and a whole conversation."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from docs.words import cell

ROOT = Path(__file__).parent.parent
TESTS = ROOT / "tests" / "core" / "protocol"
Row = tuple[str, str, str]


def tested_rows() -> str:
    """One line for each row, in the order in which the tests name them."""
    lines = ["| table | has | event | tests |", "|---|---|---|---|"]
    for (table, has, event), names in tests_of_rows().items():
        lines.append(f"| {table} | {cell(has)} | {cell(event)} | {'<br>'.join(names)} |")
    return "\n".join(lines)


def tests_of_rows() -> dict[Row, list[str]]:
    """Links to the tests that say which row they cover."""
    tests: dict[Row, list[str]] = {}
    for path in sorted(TESTS.glob("test_*.py")):
        for row, name in _marks(path):
            tests.setdefault(row, []).append(
                f"[{name.removeprefix('test_')}](../tests/core/protocol/{path.name})"
            )
    return tests


def plain_handoff() -> str:
    """The recorded conversation of a handoff in which nothing goes wrong."""
    text = (ROOT / "tests" / "transcripts" / "plain_handoff.txt").read_text(encoding="utf-8")
    return f"```text\n{text.strip()}\n```"


def _marks(path: Path) -> Iterator[tuple[Row, str]]:
    """(row, test) for every `@row(...)` above a test of this file."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for mark in node.decorator_list:
                if isinstance(mark, ast.Call) and isinstance(mark.func, ast.Name) and mark.func.id == "row":
                    table, has, event = (str(ast.literal_eval(argument)) for argument in mark.args)
                    yield (table, has, event), node.name
