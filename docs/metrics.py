"""The table of all metrics, from the registry of a daemon that was never started."""

from __future__ import annotations

import inspect
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from docs.words import cell
from hanse.daemon.metrics import Metrics, _Live
from hanse.daemon.serve import Daemon

_MEANINGS = tomllib.loads((Path(__file__).parent / "meanings.toml").read_text(encoding="utf-8"))


class _Family(NamedTuple):
    name: str
    kind: str
    labels: tuple[str, ...]
    meaning: str


def metric_table() -> str:
    """By name. What a process of any kind has (process_*) is left out."""
    lines = ["| metric | type | labels | meaning |", "|---|---|---|---|"]
    for one in sorted([*_kept(), *_read_when_asked()]):
        labels = ", ".join(f"`{label}`" for label in one.labels)
        lines.append(f"| `{one.name}` | {one.kind} | {labels} | {cell(one.meaning)} |")
    return "\n".join(lines)


def _kept() -> Iterator[_Family]:
    for each in vars(Metrics("docs")).values():
        if hasattr(each, "_labelnames"):
            yield from (_family(family, each._labelnames) for family in each.collect())


def _read_when_asked() -> Iterator[_Family]:
    for family in _Live({}, list).collect():
        yield _family(family, vars(family)["_labelnames"])
    gauges = re.findall(r'"(\w+)": lambda', inspect.getsource(Daemon._watch_gauges))
    assert gauges, "the daemon's gauges are not where they were"
    for name in gauges:
        if name not in _MEANINGS["metrics"]:
            raise ValueError(f"docs/meanings.toml does not say what the metric hanse_{name} means")
        yield _Family(f"hanse_{name}", "gauge", (), _MEANINGS["metrics"][name])


def _family(family: Any, labels: tuple[str, ...]) -> _Family:
    name = f"{family.name}_total" if family.type == "counter" else family.name
    return _Family(name, family.type, labels, family.documentation)
