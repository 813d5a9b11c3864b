"""A plan as people see it: who would wait longer, what else would change, and how far to trust it."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType
from rich.text import Text

from hanse.cli.display import NONE, clock_text, duration_text
from hanse.cli.tables import Cell, Column, make_table
from hanse.client.messages import PlanPolicyResponse, PolicyPlan

# Tenants in the table; the rest is told in one line.
_TENANTS_MAX = 30
_DIGEST_SHOWN = 12
_ALIKE_MS = 1_000


def plan_parts(found: PlanPolicyResponse, file: str, width: int) -> list[RenderableType]:
    """The whole plan, from what matters most to what it rests on."""
    plan = found.plan
    if not plan.jobs:
        return [Text(f"{found.region}: there is no job to replay yet", style="yellow"), *_next(plan, file)]
    parts: list[RenderableType] = [_title(found, file), Text(), _verdict(plan), Text(), _tenants(plan, width)]
    for block in (_moves(plan, width), _refusals(plan), _worst(plan, width), _trust(plan), _next(plan, file)):
        if block:
            parts += [Text(), *block]
    return parts


def _title(found: PlanPolicyResponse, file: str) -> Text:
    plan = found.plan
    return Text.assemble(
        (found.region, "bold cyan"),
        f": {file} ({plan.digest[:_DIGEST_SHOWN]}) instead of policy {plan.version_in_force}, "
        f"over the last {plan.jobs:,} jobs",
        (f"\nsubmitted {clock_text(plan.begin)[:16]} to {clock_text(plan.end)[:16]}", "bright_black"),
    )


def _verdict(plan: PolicyPlan) -> Text:
    """The plan in one sentence."""
    every = plan.tenants[0]
    said = [
        (f"{every.longer:,} would wait longer", "bold red" if every.longer else "green"),
        (f"{every.shorter:,} shorter", "green" if every.shorter else "bright_black"),
    ]
    refused = every.refused_after - every.refused_before
    if refused:
        word = "more" if refused > 0 else "fewer"
        said.append((f"{abs(refused):,} {word} would be refused", "bold red" if refused > 0 else "green"))
    stuck = every.stuck_after - every.stuck_before
    if stuck:
        word = "more" if stuck > 0 else "fewer"
        said.append((f"{abs(stuck):,} {word} would never start", "bold red" if stuck > 0 else "green"))
    text = Text(f"of {plan.jobs:,} jobs ")
    for index, part in enumerate(said):
        text.append(", " if index else "").append(*part)
    text.append(f"; preemptions {plan.preemptions_before:,} → {plan.preemptions_after:,}", "bright_black")
    return text


def _tenants(plan: PolicyPlan, width: int) -> RenderableType:
    columns = (
        Column("TENANT"),
        Column("JOBS", justify="right"),
        Column("MEAN WAIT", justify="right"),
        Column("THEN", justify="right"),
        Column("CHANGE", justify="right"),
        Column("LONGEST", justify="right", drop=2),
        Column("THEN", justify="right", drop=2),
        Column("LONGER", justify="right", drop=1),
        Column("SHORTER", justify="right", drop=1),
        Column("REFUSED", justify="right", drop=3),
        Column("STUCK", justify="right", drop=4),
    )
    shown = plan.tenants[: 1 + _TENANTS_MAX]
    refused = any(each.refused_before or each.refused_after for each in shown)
    stuck = any(each.stuck_before or each.stuck_after for each in shown)
    rows: list[Sequence[Cell]] = [
        (
            Text(each.tenant, style="cyan") if each.tenant else Text("all", style="bold"),
            f"{each.jobs:,}",
            duration_text(each.wait_before_ms / 1000),
            duration_text(each.wait_after_ms / 1000),
            _change(each.wait_before_ms, each.wait_after_ms),
            duration_text(each.longest_before_ms / 1000),
            duration_text(each.longest_after_ms / 1000),
            _count(each.longer, "red"),
            _count(each.shorter, "green"),
            _pair(each.refused_before, each.refused_after) if refused else "",
            _pair(each.stuck_before, each.stuck_after) if stuck else "",
        )
        for each in shown
    ]
    return make_table(columns, rows, width)


def _change(before_ms: int, after_ms: int) -> Text:
    """How much the mean grows or shrinks, in words that need no table."""
    grown_ms = after_ms - before_ms
    if abs(grown_ms) < _ALIKE_MS:
        return Text("=", style="bright_black")
    arrow, style = ("▲", "red") if grown_ms > 0 else ("▼", "green")
    return Text(f"{arrow} {duration_text(abs(grown_ms) / 1000)}", style=style)


def _count(count: int, style: str) -> Text:
    return Text(f"{count:,}" if count else NONE, style=style if count else "bright_black")


def _pair(before: int, after: int) -> Text:
    style = "red" if after > before else "green" if after < before else "bright_black"
    return Text(f"{before:,} → {after:,}", style=style)


def _moves(plan: PolicyPlan, width: int) -> list[RenderableType]:
    if not plan.moves:
        return []
    columns = (
        Column("OTHER TIER OR QUEUE"),
        Column("JOBS", justify="right"),
        Column("TIER"),
        Column("QUEUE"),
    )
    rows = [
        (
            Text(move.tenant, style="cyan"),
            f"{move.jobs:,}",
            _turned(move.tier_before, move.tier_after),
            _turned(move.queue_before, move.queue_after),
        )
        for move in plan.moves
    ]
    return [make_table(columns, rows, width)]


def _turned(before: str, after: str) -> Text:
    if before == after:
        return Text(before or NONE, style="bright_black")
    return Text.assemble(before or NONE, (" → ", "bright_black"), (after or NONE, "bold"))


def _refusals(plan: PolicyPlan) -> list[RenderableType]:
    """Who would be turned away, and why."""
    if not plan.refusals:
        return []
    lines: list[RenderableType] = [Text("refused at submit", style="bold")]
    for each in plan.refusals:
        jobs = f"{each.jobs:,} job{'' if each.jobs == 1 else 's'} of "
        told = f": {each.refusal.field}: {each.refusal.message}"
        lines.append(
            Text.assemble(
                ("  = " if each.before else "  ✘ ", "bright_black" if each.before else "bold red"),
                jobs,
                (each.tenant, "cyan"),
                told,
                (" (as now)" if each.before else "", "bright_black"),
            )
        )
    return lines


def _worst(plan: PolicyPlan, width: int) -> list[RenderableType]:
    if not plan.worst:
        return []
    columns = (
        Column("WAITS MOST LONGER"),
        Column("TENANT", drop=2),
        Column("NAME", drop=1, flexible=True),
        Column("WAIT", justify="right"),
        Column("THEN", justify="right"),
        Column("CHANGE", justify="right"),
    )
    rows = [
        (
            job.job_id,
            Text(job.tenant, style="cyan"),
            job.name,
            duration_text(job.wait_before_ms / 1000),
            duration_text(job.wait_after_ms / 1000),
            _change(job.wait_before_ms, job.wait_after_ms),
        )
        for job in plan.worst[:5]
    ]
    return [make_table(columns, rows, width)]


def _trust(plan: PolicyPlan) -> list[RenderableType]:
    """What the numbers rest on."""
    measured, replayed = plan.measured_wait_ms / 1000, plan.replayed_wait_ms / 1000
    lines: list[RenderableType] = [
        Text("how far to trust it", style="bold"),
        Text(
            f"  Waits are those of a replay. Under the policy in force it has jobs wait {duration_text(replayed)} on "
            f"average; {duration_text(measured)} was measured."
        ),
    ]
    return lines + [Text(f"  {caveat}", style="bright_black") for caveat in plan.caveats]


def _next(plan: PolicyPlan, file: str) -> list[RenderableType]:
    command = f"hanse policy apply {file} --expect {plan.version_in_force} --why ..."
    return [Text.assemble(("apply it with: ", "bright_black"), command)]
