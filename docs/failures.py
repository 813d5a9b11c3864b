"""The failure matrix: what each kind of fault means, beside what the last stored campaigns found."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from chaos.live.faults import KINDS

RESULTS = Path(__file__).parent / "failure-matrix.json"


def failure_matrix() -> str:
    """Fault by fault."""
    campaigns = stored_campaigns()
    lines = [
        "| fault | what keeps working | what waits | what an operator does | seen |",
        "|---|---|---|---|---|",
    ]
    for name, kind in KINDS.items():
        lines.append(
            f"| {kind.what} | {kind.works} | {kind.waits} | {kind.operator} | {_seen(name, campaigns)} |"
        )
    return "\n".join(lines)


def campaign_results() -> str:
    """Campaign by campaign."""
    lines = [
        "| campaign | what happens | faults | jobs | handed off | readopted | lost | run twice |",
        "|---|---|---|---:|---:|---:|---:|---:|",
        *_campaign_rows(stored_campaigns()),
    ]
    return "\n".join(lines)


def stored_campaigns() -> list[dict[str, Any]]:
    """What the runner stored, by name."""
    found: list[dict[str, Any]] = json.loads(RESULTS.read_text(encoding="utf-8"))["campaigns"]
    return found


def _campaign_rows(campaigns: list[dict[str, Any]]) -> Iterator[str]:
    for one in campaigns:
        link = f"[{one['name']}](../chaos/campaigns/{one['name']}.toml)"
        faults = ", ".join(f"{kind} {count}" for kind, count in one["faults"].items())
        counts = (one["jobs"], one["handed_off"], one["readopted"], one["lost"], one["run_twice"])
        yield f"| {link} | {one['title']} | {faults} | " + " | ".join(f"{count:,}" for count in counts) + " |"
    totals = [
        sum(one[key] for one in campaigns) for key in ("jobs", "handed_off", "readopted", "lost", "run_twice")
    ]
    injected = sum(sum(one["faults"].values()) for one in campaigns)
    yield f"| all | | {injected} | " + " | ".join(f"{total:,}" for total in totals) + " |"


def _seen(kind: str, campaigns: list[dict[str, Any]]) -> str:
    among = [one for one in campaigns if kind in one["faults"]]
    times = sum(one["faults"][kind] for one in among)
    jobs, lost, twice = (sum(one[key] for one in among) for key in ("jobs", "lost", "run_twice"))
    names = ", ".join(one["name"] for one in among)
    return f"{times} × in {names}: {jobs:,} jobs, {lost} lost, {twice} run twice"
