"""The summary that ends a demo on the terminal."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from hanse.cli.connect import DEV_DIRECTORY
from hanse.demo.run import Performance

_LABEL_STYLE = "bright_black"
_FINDINGS_SHOWN = 10


def summary(performance: Performance, document: dict[str, Any], page: Path) -> RenderableType:
    """What happened, the verdict, and where to read more."""
    return Group(
        Text(),
        _outcomes(document),
        Text(),
        _regions(performance, document),
        Text(),
        _verdict(document),
        *_findings(document),
        *_remarks(performance, document),
        Text.assemble(("report  ", _LABEL_STYLE), os.path.relpath(page)),
    )


def _outcomes(document: dict[str, Any]) -> Table:
    wait = document["wait_s"]
    rows = (
        ("jobs", f"{document['jobs']} ({document['tasks']} tasks, {document['runs']} processes on record)"),
        ("succeeded", str(document["succeeded"])),
        ("failed", f"{document['failed']} (made to fail: {document['expected_failed']})"),
        (
            "cancelled",
            f"{document['cancelled']} ({document['cancels']['too_late']} more were asked too late)",
        ),
        ("handed off", str(document["handed_off"])),
        ("readopted", f"{document['readopted']} tasks by the daemon that followed the killed one"),
        ("waited", f"p50 {_seconds(wait['p50'])}, p95 {_seconds(wait['p95'])}"),
        ("took", f"{document['wall_s']:.0f} s"),
    )
    table = Table.grid(padding=(0, 2))
    for label, value in rows:
        table.add_row(Text(label, style=_LABEL_STYLE), value)
    return table


def _regions(performance: Performance, document: dict[str, Any]) -> Table:
    table = Table(box=None, padding=(0, 3, 0, 0), pad_edge=False, header_style=_LABEL_STYLE)
    table.add_column("region")
    columns = ("submitted", "given", "taken", "tasks_run", "readopted")
    for name in columns:
        table.add_column(name.replace("_", " "), justify="right")
    for name in performance.regions:
        region = document["regions"][name]
        table.add_row(Text(name, style="bold"), *(str(region[column]) for column in columns))
    return table


def _verdict(document: dict[str, Any]) -> Text:
    told = f"{document['lost']} lost, {document['run_twice']} run twice, {document['not_final']} not ended"
    if document["ok"]:
        return Text.assemble(("✔ the books balance  ", "bold green"), told)
    return Text.assemble(("✘ the books do not balance  ", "bold red"), told)


def _findings(document: dict[str, Any]) -> list[Text]:
    found = document["findings"]
    named = [
        (kind, each["job"], each["why"])
        for kind in ("lost", "run_twice", "misjudged")
        for each in found[kind]
    ]
    named += [("refused", key, why) for key, why in found["refused"].items()]
    named += [("unknown run", job, "no such job was acknowledged") for job in found["unknown_runs"]]
    return [Text(f"  {kind}: {job}: {why}", style="red") for kind, job, why in named[:_FINDINGS_SHOWN]]


def _remarks(performance: Performance, document: dict[str, Any]) -> list[Text]:
    """What the demo was meant to show and did not, and where to look if something went wrong."""
    remarks = []
    if not document["handed_off"]:
        remarks.append("no job was handed off: every region had room for its own")
    if not document["readopted"]:
        remarks.append("no task was readopted: all had ended before the killed daemon's successor served")
    if not document["ok"]:
        kept = os.path.relpath(performance.options.directory / DEV_DIRECTORY)
        remarks.append(f"logs and ledgers of the regions are kept in {kept}")
    return [Text.assemble(("note    ", _LABEL_STYLE), remark) for remark in remarks]


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f} s"
