"""Reports add up, and what the documentation keeps is of the campaigns as they are."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from chaos.live.__main__ import CAMPAIGNS
from chaos.live.books import Books
from chaos.live.campaign import Campaign, load_campaign
from chaos.live.report import document, lines, store
from chaos.live.run import Outcome
from docs.failures import RESULTS, stored_campaigns
from hanse.demo.audit import Finding


@pytest.fixture
def campaign() -> Campaign:
    return load_campaign(CAMPAIGNS / "kill-daemons.toml")


def books(*, lost: int = 0) -> Books:
    return Books(
        jobs=10,
        runs=12,
        handed_off=3,
        readopted=2,
        outcomes={"SUCCEEDED": 10 - lost},
        lost=[Finding(f"job-{number}", "gone") for number in range(lost)],
        run_twice=[],
        misjudged=[],
        unknown_runs=[],
        oversold=[],
        disturbed=[],
    )


def outcome(campaign: Campaign, made: Books | None, **other: object) -> Outcome:
    faults = Counter(kill_daemon=2)
    return Outcome(campaign=campaign, links="direct", faults=faults, books=made, takeovers_s=[1.5], **other)  # type: ignore[arg-type]


def test_the_report_adds_up(campaign: Campaign) -> None:
    report = document([outcome(campaign, books()), outcome(campaign, books(lost=1))], ["full-disk"])
    assert report["faults"] == {"kill_daemon": 4}
    assert (report["jobs"], report["lost"], report["run_twice"]) == (20, 1, 0)
    assert report["longest_takeover_s"] == 1.5
    assert report["skipped"] == ["full-disk"]
    assert [one["ok"] for one in report["campaigns"]] == [True, False]
    assert report["campaigns"][1]["violations"] == {"P1": ["job-0: gone"]}


def test_what_was_not_carried_out_as_written_is_not_ok(campaign: Campaign) -> None:
    assert not outcome(campaign, None).ok
    assert not outcome(campaign, books(), problems=["no task ran"]).ok


def test_a_person_reads_what_was_broken_and_where_the_evidence_is(campaign: Campaign) -> None:
    broken = outcome(campaign, books(lost=1), evidence=Path("build/chaos/runs/x"))
    first, *rest = lines(broken)
    assert first.startswith("FAILED kill-daemons: 10 jobs, 12 runs")
    taken_over, *broken_promises = rest
    assert taken_over == "  taken over by other regions after 1.5 s"
    assert broken_promises == ["  P1 broken: job-0: gone", "  evidence: build/chaos/runs/x"]


def test_stored_results_are_replaced_campaign_by_campaign(campaign: Campaign, tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    store(path, document([outcome(campaign, books(lost=1))], []))
    store(path, document([outcome(campaign, books())], []))
    (kept,) = json.loads(path.read_text(encoding="utf-8"))["campaigns"]
    assert (kept["name"], kept["lost"], kept["ok"]) == ("kill-daemons", 0, True)


def test_the_documentation_holds_the_results_of_the_campaigns_as_they_are() -> None:
    campaigns = [load_campaign(path) for path in sorted(CAMPAIGNS.glob("*.toml"))]
    stored = {one["name"]: one["digest"] for one in stored_campaigns()}
    assert stored == {one.name: one.digest for one in campaigns}, (
        f"run the campaigns that differ with --store {RESULTS.name}, then `make docs`"
    )


def test_the_documentation_holds_no_broken_promise() -> None:
    assert all(one["ok"] and not one["lost"] and not one["run_twice"] for one in stored_campaigns())
