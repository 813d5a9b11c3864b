"""Replays as people and programs see them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from rich.table import Table

from hanse.cli.tables import Column, make_table
from hanse.replay.outcome import Result, TenantOutcome
from hanse.replay.report.page import shown
from hanse.replay.report.svg import duration

_COLUMNS = (
    ("mean wait", "mean_wait_s", 0),
    ("median", "median_wait_s", 0),
    ("95 %", "p95_wait_s", 0),
    ("longest", "max_wait_s", 1),
    ("used", "utilisation", 0),
    ("handed over", "handoffs", 2),
    ("declined", "declined", 4),
    ("preempted", "preemptions", 3),
    ("lost", "lost", 0),
    ("run twice", "run_twice", 0),
    ("messages", "messages", 5),
)
_TENANTS_SHOWN = 20


def document_of(result: Result) -> dict[str, Any]:
    """For programs."""
    return {
        name: round(value, 3) if isinstance(value, float) else value
        for name, value in msgspec.structs.asdict(result.outcome).items()
    }


def figures(result: Result) -> Table:
    """One replay for people."""
    table = Table.grid(padding=(0, 3))
    for name in result.outcome.__struct_fields__:
        value = getattr(result.outcome, name)
        table.add_row(name, str(value) if isinstance(value, str) else shown(result.outcome, name))
    return table


def comparison(results: Sequence[Result], width: int) -> Table:
    """Several, side by side."""
    columns = [Column("run"), *(Column(title, drop, "right") for title, _, drop in _COLUMNS)]
    rows = [[result.name, *(shown(result.outcome, field) for _, field, _ in _COLUMNS)] for result in results]
    return make_table(columns, rows, width)


def difference(before: Result, after: Result) -> dict[str, Any]:
    """What changes, for programs."""
    return {
        "before": document_of(before),
        "after": document_of(after),
        "tenants": [
            _changed(first, second) for first, second in zip(before.tenants, after.tenants, strict=True)
        ],
        "regions": {
            region: {"before": round(share, 4), "after": round(after.regions.get(region, 0.0), 4)}
            for region, share in before.regions.items()
        },
    }


def _changed(before: TenantOutcome, after: TenantOutcome) -> dict[str, Any]:
    return {
        "tenant": before.tenant,
        "jobs": before.jobs,
        "mean_wait_before_s": round(before.mean_wait_s, 3),
        "mean_wait_after_s": round(after.mean_wait_s, 3),
        "p95_wait_before_s": round(before.p95_wait_s, 3),
        "p95_wait_after_s": round(after.p95_wait_s, 3),
        "in_time_before": before.in_time,
        "in_time_after": after.in_time,
    }


def tenants_table(results: Sequence[Result], width: int) -> Table:
    """The tenants that gain or lose most."""
    before, after = results
    pairs = sorted(
        zip(before.tenants, after.tenants, strict=True),
        key=lambda pair: -abs(pair[1].mean_wait_s - pair[0].mean_wait_s) * pair[0].jobs,
    )
    columns = [
        Column("tenant"),
        Column("jobs", 2, "right"),
        *(Column(title, 0, "right") for title in ("mean wait", "then", "in time", "then ")),
    ]
    rows = [
        [
            first.tenant,
            f"{first.jobs:,}",
            duration(first.mean_wait_s),
            duration(second.mean_wait_s),
            _share(first.in_time),
            _share(second.in_time),
        ]
        for first, second in pairs[:_TENANTS_SHOWN]
    ]
    return make_table(columns, rows, width)


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"
