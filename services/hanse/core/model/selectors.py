"""Label selectors, in the set-based grammar that Kubernetes made common, with comparisons and alternatives.

    selector    := all ("||" all)*
    all         := requirement ("," requirement)*
    requirement := key | "!" key | key ("=" | "==" | "!=") value | key ("in" | "notin") "(" value ("," value)* ")"
                 | key (">" | ">=" | "<" | "<=") whole number

`!=` and `notin` also hold where the label is absent; comparisons only where it is a whole number. Unlike in Kubernetes,
an empty value must not be left out silently: "zone =" is refused, because it is nearly always a mistake.
"""

from __future__ import annotations

import enum
import functools
import re
from collections.abc import Mapping

import msgspec

from hanse.core.model.errors import CallerFault
from hanse.core.model.limits import CONSTRAINT_LENGTH_MAX

# Enough for one region's distinct constraints; a selector is about 1 KiB parsed, so this stays near 4 MiB.
PARSED_SELECTORS_MAX = 4096

_TOKEN = re.compile(
    r"\s*(?:(?P<operator>\|\||==|!=|>=|<=|=|>|<|!|\(|\)|,)|(?P<word>[A-Za-z0-9](?:[A-Za-z0-9._/-]*[A-Za-z0-9])?))"
)

# Labels are texts; those that are compared are numbers that a machine could count.
_NUMBER = re.compile(r"[0-9]{1,18}")


class SelectorError(CallerFault):
    """A selector that cannot be parsed. `column` counts from 1."""

    def __init__(self, text: str, column: int, message: str) -> None:
        super().__init__(f"{text!r}, column {column}: {message}")
        self.text = text
        self.column = column
        self.message = message


class Operator(enum.Enum):
    """What a requirement asks of a label. Equality is membership in a set of one."""

    IN = "in"
    NOT_IN = "notin"
    EXISTS = "exists"
    ABSENT = "absent"
    ABOVE = ">"
    AT_LEAST = ">="
    BELOW = "<"
    AT_MOST = "<="


_COMPARISONS = (Operator.ABOVE, Operator.AT_LEAST, Operator.BELOW, Operator.AT_MOST)


class Requirement(msgspec.Struct, frozen=True):
    """One condition on one label; `values` are sorted, and empty but for IN and NOT_IN. Comparisons use `number`."""

    key: str
    operator: Operator
    values: tuple[str, ...] = ()
    number: int = 0

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether these labels satisfy it."""
        match self.operator:
            case Operator.IN:
                return labels.get(self.key) in self.values
            case Operator.NOT_IN:
                return labels.get(self.key) not in self.values
            case Operator.EXISTS:
                return self.key in labels
            case Operator.ABSENT:
                return self.key not in labels
            case Operator.ABOVE | Operator.AT_LEAST | Operator.BELOW | Operator.AT_MOST:
                return self._compares(labels.get(self.key, ""))

    def _compares(self, value: str) -> bool:
        if _NUMBER.fullmatch(value) is None:
            return False
        found = int(value)
        if found == self.number:
            return self.operator in (Operator.AT_LEAST, Operator.AT_MOST)
        return (found > self.number) == (self.operator in (Operator.ABOVE, Operator.AT_LEAST))


class Selector(msgspec.Struct, frozen=True):
    """Alternatives, of which one must hold with all its requirements."""

    text: str
    alternatives: tuple[tuple[Requirement, ...], ...]

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether these labels satisfy every requirement of one alternative."""
        return any(
            all(requirement.matches(labels) for requirement in requirements)
            for requirements in self.alternatives
        )


@functools.lru_cache(maxsize=PARSED_SELECTORS_MAX)
def parse_selector(text: str) -> Selector:
    """The selector that `text` spells. Raises SelectorError with the column of the first mistake."""
    if len(text) > CONSTRAINT_LENGTH_MAX:
        raise SelectorError(
            text[:40] + "...", CONSTRAINT_LENGTH_MAX + 1, f"longer than {CONSTRAINT_LENGTH_MAX} characters"
        )
    return _Parser(text).selector()


class _Token(msgspec.Struct, frozen=True):
    """A word, an operator, or the end (both empty)."""

    word: str
    operator: str
    column: int

    def __str__(self) -> str:
        return repr(self.word or self.operator) if self.word or self.operator else "the end"


class _Parser:
    """Recursive descent over the tokens of one text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = _tokens(text)
        self._next = 0

    def selector(self) -> Selector:
        """The whole text."""
        alternatives = [self._all()]
        while self._accept("||"):
            alternatives.append(self._all())
        if self._peek().word or self._peek().operator:
            raise self._expected("',' or the end")
        return Selector(self._text, tuple(alternatives))

    def _all(self) -> tuple[Requirement, ...]:
        requirements = [self._requirement()]
        while self._accept(","):
            requirements.append(self._requirement())
        return tuple(requirements)

    def _requirement(self) -> Requirement:
        if self._accept("!"):
            return Requirement(self._word("a label"), Operator.ABSENT)
        key = self._word("a label")
        if self._accept("=") or self._accept("=="):
            return Requirement(key, Operator.IN, (self._word("a value"),))
        if self._accept("!="):
            return Requirement(key, Operator.NOT_IN, (self._word("a value"),))
        for operator in _COMPARISONS:
            if self._accept(operator.value):
                return Requirement(key, operator, (), self._number())
        for operator in (Operator.IN, Operator.NOT_IN):
            if self._peek().word == operator.value:
                self._next += 1
                return Requirement(key, operator, self._values())
        return Requirement(key, Operator.EXISTS)

    def _values(self) -> tuple[str, ...]:
        if not self._accept("("):
            raise self._expected("'('")
        values = [self._word("a value")]
        while self._accept(","):
            values.append(self._word("a value"))
        if not self._accept(")"):
            raise self._expected("',' or ')'")
        return tuple(sorted(dict.fromkeys(values)))

    def _number(self) -> int:
        if _NUMBER.fullmatch(self._peek().word) is None:
            raise self._expected("a whole number")
        return int(self._word("a whole number"))

    def _word(self, what: str) -> str:
        token = self._peek()
        if not token.word:
            raise self._expected(what)
        self._next += 1
        return token.word

    def _accept(self, operator: str) -> bool:
        if self._peek().operator != operator:
            return False
        self._next += 1
        return True

    def _peek(self) -> _Token:
        return self._tokens[self._next]

    def _expected(self, what: str) -> SelectorError:
        token = self._peek()
        return SelectorError(self._text, token.column, f"expected {what}, found {token}")


def _tokens(text: str) -> list[_Token]:
    """The tokens of `text`, closed by an end token."""
    tokens: list[_Token] = []
    at = 0
    end = len(text.rstrip())
    while at < end:
        found = _TOKEN.match(text, at)
        if found is None:
            column = at + len(text[at:]) - len(text[at:].lstrip()) + 1
            raise SelectorError(text, column, f"unexpected character {text[column - 1]!r}")
        kind = found.lastgroup or ""
        tokens.append(_Token(found["word"] or "", found["operator"] or "", found.start(kind) + 1))
        at = found.end()
    tokens.append(_Token("", "", end + 1))
    return tokens
