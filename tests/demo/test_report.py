"""Both reports, and the summary, of a performance that is known."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import pytest
from rich.console import Console

from hanse.client.messages import JobState
from hanse.demo.report import report_document
from hanse.demo.run import Performance
from hanse.demo.save import save
from hanse.demo.summary import summary

KEYS = {
    "jobs",
    "succeeded",
    "failed",
    "expected_failed",
    "handed_off",
    "lost",
    "run_twice",
    "readopted",
    "wait_s",
    "regions",
    "wall_s",
}


def test_the_figures_of_a_demo_that_went_well(performance: Performance) -> None:
    document = report_document(performance)
    assert document.keys() >= KEYS
    assert document["ok"]
    assert (document["jobs"], document["lost"], document["run_twice"]) == (60, 0, 0)
    assert document["failed"] == document["expected_failed"] == 10
    assert document["succeeded"] + document["failed"] + document["cancelled"] == 60
    assert document["handed_off"] == sum(region["given"] for region in document["regions"].values()) > 0
    assert document["readopted"] >= 1
    assert document["wait_s"] == {"p50": 0.04, "p95": 0.04}


def test_one_lost_job_spoils_it(performance: Performance) -> None:
    job_id = performance.runs[0].job_id
    performance.runs = [run for run in performance.runs if run.job_id != job_id]
    performance.jobs[job_id].state = JobState.JOB_STATE_SUCCEEDED
    document = report_document(performance)
    assert not document["ok"]
    assert [each["job"] for each in document["findings"]["lost"]] == [job_id]


def test_a_refused_job_spoils_it(performance: Performance) -> None:
    performance.book.refused["philly-0"] = "no room"
    performance.book.acknowledged.popitem()
    assert not report_document(performance)["ok"]


class _Page(HTMLParser):
    """Tags that must be closed are, in order; nothing is fetched from elsewhere."""

    _VOID = ("meta", "br", "line", "rect", "circle", "path", "polygon")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loads: list[str] = []
        self.runs = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self.loads += [str(attributes[name]) for name in ("src", "href") if name in attributes]
        self.runs += (attributes.get("class") or "").startswith("run ")
        if tag not in self._VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        return

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_stands_alone_and_shows_every_run(performance: Performance) -> None:
    path = save(performance.options.directory, performance, report_document(performance))
    text = path.read_text(encoding="utf-8")
    page = _Page()
    page.feed(text)
    page.close()
    assert page.open == []
    assert page.loads == []
    assert not re.search(r"url\((?!#)|@import", text)
    assert page.runs == len(performance.runs)
    assert "&lt;begin&gt;" in text
    assert "CC BY 4.0" in text
    assert json.loads((path.parent / "report.json").read_text(encoding="utf-8"))["jobs"] == 60


@pytest.mark.parametrize("broken", [False, True])
def test_the_summary_says_whether_the_books_balance(performance: Performance, broken: bool) -> None:
    if broken:
        performance.jobs[performance.runs[0].job_id].state = JobState.JOB_STATE_QUEUED
    console = Console(width=120, record=True, file=None, quiet=False, force_terminal=False)
    with console.capture() as captured:
        console.print(summary(performance, report_document(performance), performance.options.directory / "x"))
    assert ("do not balance" in captured.get()) is broken
    assert ("are kept in" in captured.get()) is broken
