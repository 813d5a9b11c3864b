"""report.json: the figures of a demo and the verdict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from hanse.bench.figures import percentile
from hanse.demo.audit import LOST, READOPTED, RUN_TWICE, Audit, Finding
from hanse.demo.plan import COMPRESSION
from hanse.demo.run import Performance
from hanse.demo.trace import ATTRIBUTION

WAIT = (
    "Seconds from the moment in which the client sent the job to the first begin that one of its tasks wrote."
)


def report_document(performance: Performance) -> dict[str, Any]:
    """The report. `ok`: nothing lost, nothing run twice, failures as expected, every job in a final state."""
    found = performance.audit()
    facts = performance.facts
    states = Counter(fact.state for fact in facts)
    waits_s = sorted(wait_s(performance).values())
    return {
        "ok": performance.ok,
        "jobs": len(facts),
        "tasks": sum(fact.tasks for fact in facts),
        "succeeded": states["SUCCEEDED"],
        "failed": states["FAILED"],
        "expected_failed": sum(1 for fact in facts if fact.expected_exit_code),
        "cancelled": states["CANCELLED"],
        "cancels": {
            "asked": sum(1 for job in performance.plan if job.cancel_s is not None),
            "taken": len(performance.book.cancels_taken),
            "too_late": len(performance.book.cancels_late),
        },
        "not_final": len(found.unfinished),
        "refused": len(performance.book.refused),
        "handed_off": len(found.handed_off),
        "lost": len(found.lost),
        "run_twice": len(found.run_twice),
        "readopted": len(found.readopted),
        "runs": len(performance.runs),
        "unknown_runs": len(found.unknown_runs),
        "tasks_left_over": performance.tasks_left_over,
        "wait_s": {"p50": _rounded(percentile(waits_s, 0.50)), "p95": _rounded(percentile(waits_s, 0.95))},
        "regions": {name: _region(name, performance, found) for name in performance.regions},
        "faults": _faults(performance),
        "wall_s": round(performance.wall_s, 2),
        "seed": performance.options.seed,
        "compression": COMPRESSION,
        "definitions": {"lost": LOST, "run_twice": RUN_TWICE, "readopted": READOPTED, "wait_s": WAIT},
        "findings": {
            "lost": _findings(found.lost),
            "run_twice": _findings(found.run_twice),
            "misjudged": _findings(found.misjudged),
            "not_final": list(found.unfinished),
            "unknown_runs": list(found.unknown_runs),
            "refused": performance.book.refused,
        },
        "attribution": ATTRIBUTION,
    }


def wait_s(performance: Performance) -> dict[str, float]:
    """Seconds from sending to the first begin, for each job that ran at all."""
    sent_us = {each.job_id: each.sent_us for each in performance.book.acknowledged.values()}
    first_us: dict[str, int] = {}
    for run in performance.runs:
        first_us.setdefault(run.job_id, run.begin_us)
    return {job: (begin - sent_us[job]) / 1e6 for job, begin in first_us.items() if job in sent_us}


def _region(name: str, performance: Performance, found: Audit) -> dict[str, int]:
    facts = performance.facts
    homes = {fact.job_id: fact.home for fact in facts}
    here = {run.job_id for run in performance.runs if run.region == name}
    return {
        "submitted": sum(1 for fact in facts if fact.home == name),
        "jobs_run": len(here),
        "tasks_run": sum(1 for run in performance.runs if run.region == name),
        "given": sum(1 for job in found.handed_off if homes[job] == name),
        "taken": sum(1 for job in here if homes.get(job, name) != name),
        "succeeded": sum(1 for fact in facts if fact.region == name and fact.state == "SUCCEEDED"),
        "failed": sum(1 for fact in facts if fact.region == name and fact.state == "FAILED"),
        "cancelled": sum(1 for fact in facts if fact.region == name and fact.state == "CANCELLED"),
        "readopted": sum(1 for run in found.readopted if run.region == name),
    }


def _faults(performance: Performance) -> list[dict[str, Any]]:
    begun_us = performance.begun_us
    kills = [
        {
            "what": "SIGKILL",
            "region": each.region,
            "at_s": _seconds(each.killed_us - begun_us),
            "serving_again_s": _seconds(each.serving_us - begun_us),
        }
        for each in performance.restarts
    ]
    freezes = [
        {
            "what": "SIGSTOP",
            "region": name,
            "at_s": _seconds(begin - begun_us),
            "continued_s": _seconds(end - begun_us),
        }
        for name, begin, end in performance.freezes
    ]
    return kills + freezes


def _findings(findings: Sequence[Finding]) -> list[dict[str, str]]:
    return [{"job": each.job_id, "why": each.why} for each in findings]


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 4)


def _seconds(microseconds: int) -> float:
    return round(microseconds / 1e6, 3)
