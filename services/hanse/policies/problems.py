"""What is wrong with a policy document, and how it is shown."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

from hanse.core.model.errors import CallerFault
from hanse.policies.places import Path, Places, Span

Severity = Literal["error", "warning"]
# How near a name must be to one that was meant.
_LIKENESS = 0.6
# Names that a hint lists when none of them is near.
_NAMES_LISTED_MAX = 12


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong. `path`: of the field, as "rules[2].when". Line and column count from 1, 0: the whole
    document; `width` characters are meant. `source`: the line itself. `hint`: what would be right, or empty."""

    severity: Severity = "error"
    path: str
    line: int
    column: int
    width: int
    message: str
    hint: str = ""
    source: str = ""


class DocumentRefused(CallerFault):
    """A document that cannot be put in force, with everything that is wrong with it."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(f"line {each.line}: {each.path}: {each.message}" for each in problems))
        self.problems = tuple(problems)


class Findings:
    """Collects the problems of one document."""

    def __init__(self, places: Places) -> None:
        self.places = places
        self._problems: list[Problem] = []

    def at_value(self, path: Path, message: str, hint: str = "", *, severity: Severity = "error") -> None:
        """The value is wrong."""
        self.add(path, self.places.nearest(path).value, message, hint, severity=severity)

    def at_key(self, path: Path, message: str, hint: str = "", *, severity: Severity = "error") -> None:
        """The key is wrong, or something is missing in the table that it names."""
        self.add(path, self.places.nearest(path).key, message, hint, severity=severity)

    def add(
        self, path: Path, span: Span, message: str, hint: str = "", *, severity: Severity = "error"
    ) -> None:
        """Something is wrong in this part of the text."""
        line, column = self.places.line_and_column(span.start)
        source = self.places.line(line)
        # What goes over the end of the line is marked up to there.
        width = max(1, min(span.end - span.start, len(source) - column + 1))
        self._problems.append(
            Problem(
                severity=severity,
                path=path_text(path),
                line=line,
                column=column,
                width=width,
                message=message,
                hint=hint,
                source=source,
            )
        )

    def seen(self, path: Path) -> bool:
        """Whether something at this path, or below it, was found wrong already."""
        text = path_text(path)
        return any(
            each.severity == "error" and (each.path == text or each.path.startswith((f"{text}.", f"{text}[")))
            for each in self._problems
        )

    @property
    def refused(self) -> bool:
        """Whether there is an error among them."""
        return any(each.severity == "error" for each in self._problems)

    def sorted(self) -> tuple[Problem, ...]:
        """In the order of the document."""
        return tuple(sorted(self._problems, key=lambda each: (each.line, each.column)))


def path_text(path: Path) -> str:
    """As "rules[2].then.tier"."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text


def path_of(text: str) -> Path:
    """The path that `path_text` wrote, if no key of it has a dot or bracket."""
    parts: list[str | int] = []
    for word in text.replace("[", ".[").split("."):
        if word.startswith("["):
            parts.append(int(word[1:-1]))
        elif word:
            parts.append(word)
    return tuple(parts)


def nearest(word: str, names: Iterable[str]) -> str:
    """A hint for a word that is nearly one of these; empty: it is not."""
    near = difflib.get_close_matches(word, list(names), n=1, cutoff=_LIKENESS)
    return f"did you mean `{near[0]}`?" if near else ""


def meant(word: str, names: Iterable[str], what: str = "") -> str:
    """A hint for a word that is none of `names`."""
    known = list(names)
    near = nearest(word, known)
    if near:
        return near
    if not known:
        return f"there are no {what}" if what else ""
    more = ", ..." if len(known) > _NAMES_LISTED_MAX else ""
    return f"there are {', '.join(known[:_NAMES_LISTED_MAX])}{more}"


def lines_of(problem: Problem, file: str) -> list[tuple[str, str]]:
    """The problem as (style, text) pairs of lines, for a terminal or plain: what is wrong, where, the line with a mark
    under what is meant, and the hint."""
    lines = [("severity", f"{problem.severity}: {problem.message}")]
    if not problem.line:
        lines.append(("where", f"  --> {file}"))
    else:
        number = str(problem.line)
        gutter = " " * len(number)
        # Tabs stay tabs, so that the mark stands under what it marks however wide they are shown.
        before = "".join("\t" if char == "\t" else " " for char in problem.source[: problem.column - 1])
        lines += [
            ("where", f"{gutter} --> {file}:{problem.line}:{problem.column}"),
            ("gutter", f"{gutter} |"),
            ("source", f"{number} | {problem.source}"),
            ("mark", f"{gutter} | {before}{'^' * problem.width} {problem.path}"),
        ]
        if problem.hint:
            lines.append(("hint", f"{gutter} = {problem.hint}"))
        return lines
    if problem.hint:
        lines.append(("hint", f"  = {problem.hint}"))
    return lines


def summary(problems: Sequence[Problem]) -> str:
    """As "2 errors, 1 warning"."""
    errors = sum(1 for each in problems if each.severity == "error")
    counts = [(errors, "error"), (len(problems) - errors, "warning")]
    return ", ".join(f"{count} {word}{'s' if count != 1 else ''}" for count, word in counts if count)
