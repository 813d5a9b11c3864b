"""report.json: the verdict and the figures of a test, in the form that all chaos reports have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from deploy.compose.books import TAKEOVER, takeover_s, with_deaths
from deploy.compose.campaign import Campaign
from hanse.demo.audit import LOST, RUN_TWICE, Audit, Finding, audit
from hanse.demo.records import TaskRun

_CAMPAIGN = "compose"


def balance(campaign: Campaign, written: Sequence[TaskRun]) -> Audit:
    """The books. `written`: the runs as the tasks wrote them."""
    return audit(campaign.facts, with_deaths(written, campaign.deaths), ())


def kept_all_promises(campaign: Campaign, found: Audit) -> bool:
    """Whether every planned job was taken, has ended, and ran as often as it should."""
    return len(campaign.book.acknowledged) == len(campaign.plan) and found.is_clean


def document(campaign: Campaign, written: Sequence[TaskRun], found: Audit, wall_s: float) -> dict[str, Any]:
    """The report."""
    facts = campaign.facts
    states = Counter(fact.state or "UNKNOWN" for fact in facts)
    faults = {"container_kill": len(campaign.deaths), "network_disconnect": len(campaign.cut_s)}
    longest_s = takeover_s(written, campaign.deaths)
    one = {
        "name": _CAMPAIGN,
        "ok": kept_all_promises(campaign, found),
        "faults": faults,
        "jobs": len(facts),
        "states": dict(sorted(states.items())),
        "tasks": sum(fact.tasks for fact in facts),
        "runs": len(written),
        "cut_short": sum(death.cut_short(run) for death in campaign.deaths for run in written),
        "handed_off": len(found.handed_off),
        "lost": len(found.lost),
        "run_twice": len(found.run_twice),
        "not_final": len(found.unfinished),
        "misjudged": len(found.misjudged),
        "unknown_runs": len(found.unknown_runs),
        "refused": len(campaign.book.refused),
        "down_s": _rounded(campaign.down_s),
        "cut_s": _rounded(campaign.cut_s),
        "healed_s": _rounded(campaign.healed_s),
        "wall_s": round(wall_s, 1),
        "findings": {
            "lost": _findings(found.lost),
            "run_twice": _findings(found.run_twice),
            "misjudged": _findings(found.misjudged),
            "not_final": list(found.unfinished),
            "unknown_runs": list(found.unknown_runs),
            "refused": campaign.book.refused,
        },
    }
    return {
        "campaigns": [one],
        "faults": faults,
        "jobs": len(facts),
        "lost": len(found.lost),
        "run_twice": len(found.run_twice),
        "longest_takeover_s": None if longest_s is None else round(longest_s, 3),
        "definitions": {"lost": LOST, "run_twice": RUN_TWICE, "longest_takeover_s": TAKEOVER},
    }


def _findings(findings: Sequence[Finding]) -> list[dict[str, str]]:
    return [{"job": each.job_id, "why": each.why} for each in findings]


def _rounded(seconds: Sequence[float]) -> list[float]:
    return [round(each, 1) for each in seconds]
