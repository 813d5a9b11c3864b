"""What is written about campaigns: the report for whoever ran them, and the results that the documentation keeps."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from chaos.live.run import Outcome


def document(outcomes: Sequence[Outcome], skipped: Sequence[str]) -> dict[str, Any]:
    """The report as JSON. `longest_takeover_s`: from the loss of a region to the next start of one of the jobs that ran
    there, by the tasks' records; None if none was taken over. `longest_restart_s`: from the start of a killed daemon's
    successor until it serves, having taken over its predecessor's tasks."""
    faults = sum((outcome.faults for outcome in outcomes), Counter[str]())
    campaigns = [campaign(outcome) for outcome in outcomes]
    return {
        "campaigns": campaigns,
        "faults": dict(sorted(faults.items())),
        "jobs": sum(one["jobs"] for one in campaigns),
        "lost": sum(one["lost"] for one in campaigns),
        "run_twice": sum(one["run_twice"] for one in campaigns),
        "longest_takeover_s": _longest(seconds for outcome in outcomes for seconds in outcome.takeovers_s),
        "longest_restart_s": _longest(seconds for outcome in outcomes for seconds in outcome.restarts_s),
        "skipped": list(skipped),
        "wall_s": round(sum(outcome.wall_s for outcome in outcomes), 1),
    }


def _longest(seconds: Iterable[float]) -> float | None:
    longest_s = max(seconds, default=None)
    return None if longest_s is None else round(longest_s, 3)


def campaign(outcome: Outcome) -> dict[str, Any]:
    """One campaign as JSON."""
    books, probes = outcome.books, outcome.probes
    return {
        "name": outcome.campaign.name,
        "title": outcome.campaign.about.title,
        "digest": outcome.campaign.digest,
        "ok": outcome.ok,
        "links": outcome.links,
        "wall_s": round(outcome.wall_s, 1),
        "faults": dict(sorted(outcome.faults.items())),
        "promises": list(outcome.campaign.about.promises),
        "violations": outcome.violations,
        "problems": outcome.problems,
        "jobs": books.jobs if books else 0,
        "runs": books.runs if books else 0,
        "outcomes": dict(books.outcomes) if books else {},
        "handed_off": books.handed_off if books else 0,
        "readopted": books.readopted if books else 0,
        "lost": len(books.lost) if books else 0,
        "run_twice": len(books.run_twice) if books else 0,
        "explained": probes.explained,
        "autonomous": probes.autonomous,
        "takeovers_s": [round(seconds, 3) for seconds in outcome.takeovers_s],
        "longest_takeover_s": _longest(outcome.takeovers_s),
        "longest_restart_s": _longest(outcome.restarts_s),
        "evidence": str(outcome.evidence) if outcome.evidence else "",
    }


def store(path: Path, report: dict[str, Any]) -> None:
    """Keep, for the documentation, what campaigns found: each run replaces the former result of its campaigns."""
    former = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    kept = {one["name"]: one for one in former.get("campaigns", [])}
    kept |= {one["name"]: _lasting(one) for one in report["campaigns"]}
    write(path, {"campaigns": [kept[name] for name in sorted(kept)]})


def _lasting(one: dict[str, Any]) -> dict[str, Any]:
    lasting = (
        "name",
        "title",
        "digest",
        "ok",
        "links",
        "faults",
        "promises",
        "jobs",
        "handed_off",
        "readopted",
    )
    more = (
        "lost",
        "run_twice",
        "explained",
        "autonomous",
        "longest_takeover_s",
        "longest_restart_s",
        "wall_s",
    )
    return {key: one[key] for key in (*lasting, *more)}


def write(path: Path, report: dict[str, Any]) -> None:
    """All at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    written = path.with_suffix(".new")
    written.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    written.replace(path)


def lines(outcome: Outcome) -> Iterable[str]:
    """What a person reads of a campaign at its end."""
    one = campaign(outcome)
    counts = ", ".join(f"{kind} {count}" for kind, count in one["faults"].items())
    yield (
        f"{'ok    ' if outcome.ok else 'FAILED'} {one['name']}: {one['jobs']} jobs, {one['runs']} runs, "
        f"{one['handed_off']} handed off, {one['readopted']} taken over by a restarted daemon; "
        f"{one['lost']} lost, {one['run_twice']} run twice; {counts}; {one['wall_s']:g} s"
    )
    if outcome.takeovers_s:
        yield "  taken over by other regions after " + ", ".join(
            f"{each:.1f} s" for each in outcome.takeovers_s
        )
    for promise, found in outcome.violations.items():
        yield from (f"  {promise} broken: {what}" for what in found)
    yield from (f"  problem: {what}" for what in outcome.problems)
    if outcome.evidence:
        yield f"  evidence: {outcome.evidence}"
