"""Policies and what is wrong with them, as people see them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from rich.text import Text

from hanse.cli.display import NONE, age_text, clock_text
from hanse.cli.tables import Column, make_table
from hanse.client.messages import (
    ApplyPolicyResponse,
    GetPolicyResponse,
    ListPoliciesResponse,
    PolicyProblem,
    PolicySeverity,
)
from hanse.policies.document import digest, read_document
from hanse.policies.problems import DocumentRefused, Problem, lines_of, summary

_DIGEST_SHOWN = 12
_STYLES = {"where": "bright_black", "gutter": "bright_black", "source": "", "hint": "cyan"}
_SEVERITY_STYLES = {"error": "bold red", "warning": "bold yellow"}
_WIRE_SEVERITIES = {
    "error": PolicySeverity.POLICY_SEVERITY_ERROR,
    "warning": PolicySeverity.POLICY_SEVERITY_WARNING,
}


def judged(text: str) -> tuple[bool, str, list[PolicyProblem]]:
    """Whether a document is right, its digest, and what is wrong with it: as a region would tell it."""
    try:
        problems: Sequence[Problem] = read_document(text).warnings
        valid = True
    except DocumentRefused as refused:
        problems, valid = refused.problems, False
    return valid, digest(text), [_message(problem) for problem in problems]


def _message(problem: Problem) -> PolicyProblem:
    return PolicyProblem(
        severity=_WIRE_SEVERITIES[problem.severity],
        path=problem.path,
        line=problem.line,
        column=problem.column,
        width=problem.width,
        message=problem.message,
        hint=problem.hint,
        source=problem.source,
    )


def _problem(message: PolicyProblem) -> Problem:
    return Problem(
        severity="error" if message.severity == PolicySeverity.POLICY_SEVERITY_ERROR else "warning",
        path=message.path,
        line=message.line,
        column=message.column,
        width=message.width,
        message=message.message,
        hint=message.hint,
        source=message.source,
    )


def problem_document(message: PolicyProblem) -> dict[str, Any]:
    """For programs; every key is always there."""
    problem = _problem(message)
    return {name: getattr(problem, name) for name in problem.__struct_fields__}


def problem_lines(problems: Iterable[PolicyProblem], file: str) -> list[Text]:
    """Each problem with its line, a mark under what is meant, and the hint; an empty line after each."""
    texts: list[Text] = []
    for message in problems:
        problem = _problem(message)
        for kind, line in lines_of(problem, file):
            texts.append(_styled(kind, line, problem))
        texts.append(Text())
    return texts


def _styled(kind: str, line: str, problem: Problem) -> Text:
    accent = _SEVERITY_STYLES[problem.severity]
    if kind == "severity":
        head, _, rest = line.partition(":")
        return Text.assemble((head, accent), (f":{rest}", "bold"))
    if kind == "mark":
        gutter, _, rest = line.partition("|")
        return Text.assemble((f"{gutter}|", "bright_black"), (rest, accent))
    if kind == "source":
        number, _, rest = line.partition("|")
        return Text.assemble((f"{number}|", "bright_black"), rest)
    return Text(line, style=_STYLES[kind])


def verdict(problems: Iterable[PolicyProblem], file: str, digest: str, *, valid: bool) -> Text:
    """The last line: what follows from it all."""
    found = summary([_problem(each) for each in problems])
    if not valid:
        return Text(f"✘ {file}: {found}; nothing was changed", style="bold red")
    told = f", {found}" if found else ""
    return Text(f"✔ {file}: right{told} (digest {digest[:_DIGEST_SHOWN]})", style="green")


def facts_line(found: GetPolicyResponse) -> str:
    """One line about a version."""
    policy = found.policy
    standing = (
        "in force" if policy.version == found.version_in_force else f"{found.version_in_force} is in force"
    )
    parts = [f"{found.region}: policy {policy.version} ({standing})"]
    if policy.HasField("applied_at"):
        parts.append(f"applied {clock_text(policy.applied_at)}")
    if policy.author:
        parts.append(f"by {policy.author}")
    if policy.why:
        parts.append(policy.why)
    return ", ".join([*parts, f"digest {policy.digest[:_DIGEST_SHOWN]}"])


def history_table(found: ListPoliciesResponse, width: int) -> Any:
    """A line for each version."""
    columns = (
        Column("VERSION", justify="right"),
        Column(""),
        Column("APPLIED"),
        Column("AGE", justify="right", drop=2),
        Column("BY", drop=1),
        Column("DIGEST", drop=3),
        Column("WHY", drop=4, flexible=True),
    )
    rows = [
        (
            str(policy.version),
            Text("● in force", style="green") if policy.version == found.version_in_force else "",
            clock_text(policy.applied_at)[:16] if policy.HasField("applied_at") else NONE,
            age_text(policy.applied_at) if policy.HasField("applied_at") else NONE,
            policy.author or NONE,
            policy.digest[:_DIGEST_SHOWN],
            policy.why,
        )
        for policy in found.policies
    ]
    return make_table(columns, rows, width)


def applied_lines(answer: ApplyPolicyResponse, replaced: int) -> list[Text]:
    """What came of an apply."""
    short = answer.digest[:_DIGEST_SHOWN]
    if answer.unchanged:
        return [Text(f"{answer.region}: this is policy {answer.version} already (digest {short})")]
    return [
        Text(f"✔ {answer.region}: policy {answer.version} is in force (digest {short})", style="green"),
        Text(
            f"  back to version {replaced} with: hanse policy rollback --to {replaced}", style="bright_black"
        ),
    ]
