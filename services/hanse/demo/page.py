"""report.html: one file that needs nothing else, in light and dark."""

from __future__ import annotations

import html
from importlib import resources
from itertools import pairwise
from typing import Any

from hanse.demo.report import wait_s
from hanse.demo.run import Performance
from hanse.demo.timeline import Timeline, legend

_WAIT_BUCKETS_S = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
_FINDINGS_SHOWN = 20


def page_text(performance: Performance, document: dict[str, Any]) -> str:
    """The page."""
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            "<title>Hanse: three regions at work</title>",
            f"<style>{_asset('page.css')}</style></head><body><main>",
            *_head(performance, document),
            *_tiles(document),
            *_timeline(performance),
            '<div class="columns">',
            *_regions(performance, document),
            *_waits(performance),
            "</div>",
            *_happenings(performance),
            *_definitions(document),
            f"<footer>{html.escape(document['attribution'])}</footer>",
            f'</main><div id="tip" role="tooltip"></div><script>{_asset("page.js")}</script></body></html>',
        ]
    )


def _asset(name: str) -> str:
    return (resources.files("hanse.demo") / name).read_text(encoding="utf-8")


def _head(performance: Performance, document: dict[str, Any]) -> list[str]:
    busiest = performance.regions[0]
    share = document["regions"][busiest]["submitted"] / max(1, document["jobs"])
    verdict = "good" if document["ok"] else "bad"
    told = "The books balance" if document["ok"] else "The books do not balance"
    return [
        "<header><div>",
        "<h1>Three regions at work</h1>",
        f"<p>{document['jobs']} jobs of a real trace ({document['tasks']} tasks), run as {document['runs']} processes "
        f"on one machine in {document['wall_s']:.0f} s. {share:.0%} of them were submitted to {html.escape(busiest)}, "
        "which has a third of the capacity.</p></div>",
        f'<p class="verdict {verdict}">{told}</p></header>',
        *_findings(document),
    ]


def _findings(document: dict[str, Any]) -> list[str]:
    found = document["findings"]
    rows = [
        f"<li><b>{kind.replace('_', ' ')}</b> {html.escape(each['job'])}: {html.escape(each['why'])}</li>"
        for kind in ("lost", "run_twice", "misjudged")
        for each in found[kind]
    ]
    rows += [
        f"<li><b>refused</b> {html.escape(key)}: {html.escape(why)}</li>"
        for key, why in found["refused"].items()
    ]
    return ['<ul class="findings">', *rows[:_FINDINGS_SHOWN], "</ul>"] if rows else []


def _tiles(document: dict[str, Any]) -> list[str]:
    tiles = (
        ("lost", document["lost"], "of all acknowledged jobs", "promise"),
        ("run twice", document["run_twice"], "by the tasks' own records", "promise"),
        ("succeeded", document["succeeded"], f"and {document['cancelled']} cancelled by the caller", ""),
        ("failed", document["failed"], f"{document['expected_failed']} were made to fail", ""),
        ("handed off", document["handed_off"], "ran in another region than their home", ""),
        ("readopted", document["readopted"], "tasks outlived their daemon's kill -9", ""),
        (
            "waited",
            _seconds(document["wait_s"]["p50"]),
            f"median; p95 {_seconds(document['wait_s']['p95'])}",
            "",
        ),
    )
    return [
        '<section class="tiles">',
        *(
            f'<div class="tile {kind}{" broken" if kind and value else ""}"><b>{value}</b><span>{label}</span>'
            f"<small>{html.escape(note)}</small></div>"
            for label, value, note, kind in tiles
        ),
        "</section>",
    ]


def _timeline(performance: Performance) -> list[str]:
    return [
        '<section class="card" id="timeline"><div class="bar"><h2>Every run, where it ran</h2>',
        '<div class="toggle" role="group" aria-label="Colour by">'
        '<button data-by="home" aria-pressed="true">by home</button>'
        '<button data-by="outcome" aria-pressed="false">by outcome</button></div></div>',
        '<p class="note">Above each region: its jobs that wait to begin, anywhere. Below: its nodes, a bar for each '
        "process. A bar in another region's colour was handed off; the arc comes from when it was submitted.</p>",
        f'<div class="legend">{legend(performance.regions)}</div>',
        f'<div class="scroll">{Timeline(performance).svg()}</div></section>',
    ]


def _regions(performance: Performance, document: dict[str, Any]) -> list[str]:
    columns = ("submitted", "given", "taken", "tasks_run", "failed", "cancelled", "readopted")
    head = "".join(f"<th>{name.replace('_', ' ')}</th>" for name in columns)
    rows = []
    for number, name in enumerate(performance.regions):
        region = document["regions"][name]
        cells = "".join(f"<td>{region[column]}</td>" for column in columns)
        rows.append(f'<tr><th><i class="swatch r{number}"></i>{html.escape(name)}</th>{cells}</tr>')
    return [
        '<section class="card"><h2>Regions</h2><div class="scroll"><table>',
        f"<thead><tr><th></th>{head}</tr></thead><tbody>",
        *rows,
        "</tbody></table></div></section>",
    ]


def _waits(performance: Performance) -> list[str]:
    """How long jobs waited for their first begin, as a table of bars."""
    values = list(wait_s(performance).values())
    bounds = (0.0, *_WAIT_BUCKETS_S, float("inf"))
    counts = [sum(1 for value in values if low <= value < high) for low, high in pairwise(bounds)]
    most = max([*counts, 1])
    labels = [f"below {_WAIT_BUCKETS_S[0]:g} s", *(f"to {high:g} s" for high in _WAIT_BUCKETS_S[1:])]
    labels.append(f"{_WAIT_BUCKETS_S[-1]:g} s and more")
    return [
        '<section class="card"><h2>Wait from submit to start</h2><dl class="bars">',
        *(
            f'<dt>{label}</dt><dd><i style="width:{100 * count / most:.1f}%"></i><span>{count}</span></dd>'
            for label, count in zip(labels, counts, strict=True)
        ),
        "</dl></section>",
    ]


def _happenings(performance: Performance) -> list[str]:
    return [
        '<section class="card"><h2>What happened</h2><ol class="log">',
        *(
            f'<li class="{html.escape(each.condition)}"><time>{each.at_s:.1f} s</time>{html.escape(each.text)}</li>'
            for each in performance.happenings
        ),
        "</ol></section>",
    ]


def _definitions(document: dict[str, Any]) -> list[str]:
    return [
        '<section class="card"><h2>How it is counted</h2>',
        '<p class="note">Every task appends its begin and its end to its own record and fsyncs it. The figures come '
        "from these records, not from what the scheduler says.</p><dl>",
        *(
            f"<dt>{name.replace('_s', '').replace('_', ' ')}</dt><dd>{html.escape(text)}</dd>"
            for name, text in document["definitions"].items()
        ),
        "</dl></section>",
    ]


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f} s"
