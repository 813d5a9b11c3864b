"""The table of mutants, from what the last hunt has found."""

from __future__ import annotations

from chaos.mutants import Mutant, quotas, regroup, roster
from chaos.mutants.found import Found, read
from chaos.mutants.hunt import SEEDS_MAX, Finding
from chaos.mutants.schedules import SCHEDULES
from docs.words import cell

# A message that lists every open job says it all in its first words.
MESSAGE_CHARACTERS_MAX = 160

# Shortcuts whose schedules drive one part of the core alone, and the tests that do it.
SCHEDULED: tuple[tuple[str, tuple[Mutant, ...]], ...] = (
    ("tests/core/shards/test_shortcuts.py", regroup.SCHEDULED),
    ("tests/core/roster/test_shortcuts.py", roster.SCHEDULED),
    ("tests/core/federation/escrow/test_shortcuts.py", quotas.SCHEDULED),
)


def mutant_table() -> str:
    """One line for each mutant that does harm, by how it is found; one for each that does none, with the reason."""
    found = read()
    lines = [
        "| shortcut | faults | seeds needed | caught by | what it says | by harm alone |",
        "|---|---|---|---|---|---|",
    ]
    lines += [_line(each) for each in found if not each.harmless and not each.by_hand]
    lines += ["", "By a schedule that is built by hand, not by chance:", ""]
    lines += ["| shortcut | schedule | caught by | what it says | by harm alone |", "|---|---|---|---|---|"]
    lines += [_line_by_hand(each) for each in found if not each.harmless and each.by_hand]
    lines += [
        "",
        "By a schedule of its own in a test, which drives the part of the core that it is about:",
        "",
    ]
    lines += [
        f"- **{each.name}**: {each.shortcut} ([test](../{path}))" for path, all_ in SCHEDULED for each in all_
    ]
    lines += ["", f"Without harm to any job in {SEEDS_MAX} seeds, and why:", ""]
    lines += [
        f"- **{each.name}** ({each.shortcut}). {each.harmless}{_rule(each)}"
        for each in found
        if each.harmless
    ]
    return "\n".join(lines)


def _line(found: Found) -> str:
    caught = _caught(found)
    return (
        f"| **{found.name}**: {cell(found.shortcut)} | {found.profile} | {caught.seed + 1} | `{caught.checker}` "
        f"| {cell(_short(caught.message))} | {_harm(found.harm)} |"
    )


def _line_by_hand(found: Found) -> str:
    caught = _caught(found)
    story = next(each.story for each in SCHEDULES if each.name == found.profile)
    harm = "no" if found.harm is None else f"`{found.harm.checker}`"
    return (
        f"| **{found.name}**: {cell(found.shortcut)} | {cell(story)} | `{caught.checker}` "
        f"| {cell(_short(caught.message))} | {harm} |"
    )


def _caught(found: Found) -> Finding:
    assert found.caught is not None, f"{found.name} was not found"
    return found.caught


def _harm(harm: Finding | None) -> str:
    return f"not in {SEEDS_MAX}" if harm is None else f"{harm.seed + 1}: `{harm.checker}`"


def _rule(found: Found) -> str:
    if found.caught is None:
        return ""
    return f" (`{found.caught.checker}`, which judges the rule itself, notices at seed {found.caught.seed}.)"


def _short(message: str) -> str:
    return message if len(message) <= MESSAGE_CHARACTERS_MAX else f"{message[:MESSAGE_CHARACTERS_MAX]} ..."
