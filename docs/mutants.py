"""The table of mutants, from what the last hunt has found."""

from __future__ import annotations

from chaos.mutants.found import Found, read
from chaos.mutants.hunt import SEEDS_MAX, Finding
from docs.words import cell

# A message that lists every open job says it all in its first words.
MESSAGE_CHARACTERS_MAX = 160


def mutant_table() -> str:
    """One line for each mutant that does harm, one for each that does none, with the reason."""
    found = read()
    lines = [
        "| shortcut | faults | seeds needed | caught by | what it says | by harm alone |",
        "|---|---|---|---|---|---|",
    ]
    lines += [_line(each) for each in found if not each.harmless]
    lines += ["", f"Without harm to any job in {SEEDS_MAX} seeds, and why:", ""]
    lines += [
        f"- **{each.name}** ({each.shortcut}). {each.harmless}{_rule(each)}"
        for each in found
        if each.harmless
    ]
    return "\n".join(lines)


def _line(found: Found) -> str:
    caught = found.caught
    assert caught is not None, f"{found.name} was not found"
    return (
        f"| **{found.name}**: {cell(found.shortcut)} | {found.profile} | {caught.seed + 1} | `{caught.checker}` "
        f"| {cell(_short(caught.message))} | {_harm(found.harm)} |"
    )


def _harm(harm: Finding | None) -> str:
    return f"not in {SEEDS_MAX}" if harm is None else f"{harm.seed + 1}: `{harm.checker}`"


def _rule(found: Found) -> str:
    if found.caught is None:
        return ""
    return f" (`{found.caught.checker}`, which judges the rule itself, notices at seed {found.caught.seed}.)"


def _short(message: str) -> str:
    return message if len(message) <= MESSAGE_CHARACTERS_MAX else f"{message[:MESSAGE_CHARACTERS_MAX]} ..."
