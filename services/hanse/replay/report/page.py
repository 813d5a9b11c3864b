"""The page: figures first, then waiting over time, how waits are distributed, who was busy when, who helped whom."""

from __future__ import annotations

import html
from collections.abc import Sequence
from importlib import resources

from hanse.replay.outcome import Outcome, Result
from hanse.replay.report.svg import COLOURS, Axis, Series, bands, curves, distribution, duration, flows

_FIGURES = (
    ("jobs", "jobs"),
    ("mean wait", "mean_wait_s"),
    ("median", "median_wait_s"),
    ("95 %", "p95_wait_s"),
    ("longest", "max_wait_s"),
    ("mean time to completion", "mean_jct_s"),
    ("utilisation", "utilisation"),
    ("handed over", "handoffs"),
    ("declined", "declined"),
    ("preempted", "preemptions"),
    ("lost", "lost"),
    ("run twice", "run_twice"),
    ("messages", "messages"),
)


def page_of(results: Sequence[Result], title: str) -> str:
    """The whole page as text."""
    style = (resources.files("hanse.replay.report") / "page.css").read_text(encoding="utf-8")
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{html.escape(title)}</title><style>{style}</style></head><body><main>",
            f"<header><h1>{html.escape(title)}</h1>",
            '<p class="note">Jobs wait from their submission to their first start.</p></header>',
            *_figures(results),
            '<div class="columns">',
            *_card("Waiting over time", _waits(results), _legend(results)),
            *_card("How waits are distributed", _distribution(results), _legend(results)),
            "</div>",
            *_of_each(results),
            "</main></body></html>",
            "",
        ]
    )


def _card(title: str, *parts: str) -> list[str]:
    return [f'<section class="card"><h2>{html.escape(title)}</h2>', *parts, "</section>"]


def _legend(results: Sequence[Result]) -> str:
    names = (
        f'<span class="s{number % COLOURS}">{html.escape(each.name)}</span>'
        for number, each in enumerate(results)
    )
    return f'<div class="legend">{"".join(names)}</div>'


def _figures(results: Sequence[Result]) -> list[str]:
    head = "".join(f"<th>{html.escape(title)}</th>" for title, _ in _FIGURES)
    rows = [
        f"<tr><td>{html.escape(result.name)}</td>"
        + "".join(f"<td>{shown(result.outcome, field)}</td>" for _, field in _FIGURES)
        + "</tr>"
        for result in results
    ]
    return ['<section class="card"><table>', f"<tr><th></th>{head}</tr>", *rows, "</table></section>"]


def shown(outcome: Outcome, field: str) -> str:
    """A figure for people."""
    value = getattr(outcome, field)
    if field.endswith("_s"):
        return duration(value)
    return f"{value:.1%}" if field == "utilisation" else f"{value:,}"


def _waits(results: Sequence[Result]) -> str:
    points = [point for result in results for point in result.curves.waits]
    if not points:
        return '<p class="note">Nothing started.</p>'
    across = Axis(min(day for day, _ in points), max(day for day, _ in points), "day")
    up = Axis(0.0, max(1.0, *(wait for _, wait in points)), "mean wait by submission")
    return curves([Series(result.name, result.curves.waits) for result in results], across, up)


def _distribution(results: Sequence[Result]) -> str:
    return distribution([(result.name, result.curves.quantiles) for result in results])


def _of_each(results: Sequence[Result]) -> list[str]:
    parts: list[str] = []
    for result in results:
        parts += [
            '<div class="columns">',
            *_card(f"{result.name}: capacity in use", bands(dict(result.curves.busy), "in use")),
            *_card(f"{result.name}: from region to region", flows(result.curves.flows)),
            "</div>",
        ]
    return parts
