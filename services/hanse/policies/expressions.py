"""CEL expressions: compiled, typed and bounded when a policy is loaded; evaluated when a job is submitted."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

import msgspec
from cel_expr_python import cel

from hanse.core.model import limits
from hanse.policies import syntax
from hanse.policies.costs import conversion_cost, cost
from hanse.policies.problems import meant
from hanse.policies.syntax import Call, Comprehension, Constant, Ident, Node, Select
from hanse.policies.vocabulary import FUNCTIONS, INT, LABELS, QUANTITIES, STRING, TEXTS, VARIABLES

_ERROR = re.compile(r"ERROR: <input>:(\d+):(\d+): (.*)")
_UNDECLARED = re.compile(r"undeclared reference to '([^']+)'")
_OVERLOAD = re.compile(r"found no matching overload for '([^']+)' applied to '\((.*)\)'")
_TOO_DEEP = re.compile(r"recursion (?:depth|limit)", re.IGNORECASE)
_OPERATOR = re.compile(r"_?([^_a-z]+)_?")
_DOTTED = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")
_TYPES: dict[str, Any] = {
    STRING: cel.Type.STRING,
    INT: cel.Type.INT,
    TEXTS: cel.Type.List(cel.Type.STRING),
    LABELS: cel.Type.Map(cel.Type.STRING, cel.Type.STRING),
    QUANTITIES: cel.Type.Map(cel.Type.STRING, cel.Type.INT),
}


class Mistake(msgspec.Struct, frozen=True):
    """What is wrong with an expression: `width` characters of it from `start`."""

    start: int
    width: int
    message: str
    hint: str = ""


class ExpressionError(Exception):
    """An expression that cannot be used."""

    def __init__(self, mistakes: list[Mistake]) -> None:
        super().__init__("; ".join(mistake.message for mistake in mistakes))
        self.mistakes = mistakes


class NotEvaluated(msgspec.Struct, frozen=True):
    """An expression that has no value for this job, and why."""

    why: str


class Expression:
    """A compiled expression that is true or false. `reads`: the variables in it; `cost`: see costs.py."""

    def __init__(self, text: str, compiled: Any, tree: Node) -> None:
        self.text = text
        self._compiled = compiled
        self.tree = tree
        self.reads = tuple(
            sorted({n.name for n in syntax.walk(tree) if isinstance(n, Ident) and n.name in _NAMES})
        )
        # Without what its variables cost, which all rules share.
        self.own_cost = cost(tree)
        self.cost = self.own_cost + conversion_cost(self.reads)

    def evaluate(self, values: Any) -> bool | NotEvaluated:
        """Whether it is true of these values (see `activation`). It has no value if, say, a label that it reads is
        not there."""
        try:
            result = self._compiled.eval(values)
        except RuntimeError as error:
            return NotEvaluated(_plain(str(error)))
        value = result.value()
        return value if isinstance(value, bool) else NotEvaluated(_plain(str(value)))


_NAMES = frozenset(variable.name for variable in VARIABLES)


@cache
def _environment() -> Any:
    return cel.NewEnv(variables={variable.name: _TYPES[variable.type] for variable in VARIABLES})


def activation(values: Mapping[str, object]) -> Any:
    """Values of variables, for any number of expressions."""
    return _environment().Activation(values)


def compiled(text: str) -> Expression:
    """The expression of a text. Raises ExpressionError with all that is wrong."""
    if len(text) > limits.EXPRESSION_LENGTH_MAX:
        message = f"{len(text):,} characters; at most {limits.EXPRESSION_LENGTH_MAX:,}"
        raise ExpressionError([Mistake(0, len(text), message)])
    if not text.strip():
        raise ExpressionError([Mistake(0, 1, "an empty expression", 'write "true" for all jobs')])
    try:
        found = _environment().compile(text)
    except RuntimeError as error:
        raise ExpressionError(_mistakes(text, str(error))) from error
    kind = found.return_type()
    if kind != cel.Type.BOOL:
        message = f"this must be true or false; it is {kind.name().lower()}"
        raise ExpressionError([Mistake(0, len(text), message, _boolean_hint(text))])
    expression = Expression(text, found, syntax.parse(found.serialize()))
    wrong = _pattern_mistakes(expression)
    if expression.cost > limits.EXPRESSION_COST_MAX:
        message = (
            f"evaluating this may cost {expression.cost:,} units; at most {limits.EXPRESSION_COST_MAX:,}"
        )
        wrong.append(Mistake(0, len(text), message, _cost_hint(expression.tree)))
    if wrong:
        raise ExpressionError(wrong)
    return expression


def unguarded_labels(expression: Expression) -> list[str]:
    """Labels that it reads without asking first whether the job has them."""
    read: dict[str, None] = {}
    asked: set[str] = set()
    for node in syntax.walk(expression.tree):
        match node:
            case Select(operand=Ident(name="job.labels"), field=field, tests=tests):
                if tests:
                    asked.add(field)
                else:
                    read[field] = None
            case Call(function="_[_]", arguments=(Ident(name="job.labels"), Constant(text=str(key)))):
                read[key] = None
            case Call(function="@in", arguments=(Constant(text=str(key)), Ident(name="job.labels"))):
                asked.add(key)
            case _:
                pass
    return [label for label in read if label not in asked]


# --- what is wrong, in plain words ------------------------------------------------------------------------------------


def _mistakes(text: str, error: str) -> list[Mistake]:
    starts = [0, *(at + 1 for at, char in enumerate(text) if char == "\n")]
    mistakes = [
        _mistake(text, min(len(text), starts[int(line) - 1] + int(column) - 1), message)
        for line, column, message in _ERROR.findall(error)
    ]
    if _TOO_DEEP.search(error):
        return [Mistake(0, len(text), "nested too deeply", "at most 32 levels; && and || don't count")]
    return mistakes or [Mistake(0, len(text), _plain(error))]


def _mistake(text: str, at: int, message: str) -> Mistake:
    undeclared = _UNDECLARED.search(message)
    if undeclared:
        return _undeclared(text, at, undeclared[1])
    overload = _OVERLOAD.search(message)
    if overload:
        return _mismatch(at, overload[1], overload[2])
    if message.startswith("Syntax error:"):
        return _syntax_error(text, at, message)
    return Mistake(at, 1, _plain(message))


def _undeclared(text: str, at: int, name: str) -> Mistake:
    """The library points at the last dot of a variable, and at the bracket of a function."""
    is_function = text[at : at + 1] == "("
    word = name.rpartition(".")[2] if is_function else name
    start = text.rfind(word, 0, at + len(word))
    if start < 0:
        start, word = at, text[at : at + 1]
    if is_function:
        return Mistake(start, len(word), f"there is no function `{word}`", meant(word, FUNCTIONS))
    near = [each for each in _NAMES if each.startswith(f"{name}.")]
    hint = f"there are {', '.join(sorted(near))}" if near else meant(name, [each.name for each in VARIABLES])
    return Mistake(start, len(word), f"there is no variable `{name}`", hint)


def _mismatch(at: int, function: str, types: str) -> Mistake:
    operator = _OPERATOR.fullmatch(function)
    given = types.split(", ") if "(" not in types else [types]
    if function == "_?_:_":
        return Mistake(at, 1, f"the parts of ?: don't go together: {', '.join(given)}")
    name = operator[1] if operator else function.removeprefix("@")
    hint = ""
    if operator and len(given) == 2 and given[0] != given[1]:
        hint = "both sides must have the same type"
        if set(given) == {"string", "int"}:
            hint += ": put quotes around the number, or convert with int() or string()"
    between = " and ".join(given)
    return Mistake(at, len(name), f"`{name}` does not go with {between}", hint)


def _syntax_error(text: str, at: int, message: str) -> Mistake:
    if "input '<EOF>'" in message:
        return Mistake(len(text.rstrip()), 1, "the expression ends too early", "a part of it is missing here")
    word = _DOTTED.match(text, at)
    told = message.removeprefix("Syntax error:").split(" expecting ")[0].strip()
    hint = "and is `&&`, or is `||`, not is `!`, equal is `==`"
    return Mistake(at, len(word[0]) if word else 1, f"this is not CEL: {told}", hint)


def _pattern_mistakes(expression: Expression) -> list[Mistake]:
    """Regular expressions must be written out, so that they can be checked before they are needed."""
    found: list[Mistake] = []
    text = expression.text
    for node in syntax.walk(expression.tree):
        if not (isinstance(node, Call) and node.function == "matches"):
            continue
        pattern = node.arguments[-1]
        if not (isinstance(pattern, Constant) and pattern.text is not None):
            start = max(0, text.find("matches"))
            found.append(
                Mistake(start, len("matches"), "the pattern of `matches` must be written out as a text")
            )
            continue
        trial = _environment().compile(f'"".matches({msgspec.json.encode(pattern.text).decode()})').eval()
        if not isinstance(trial.value(), bool):
            start = max(0, text.find(pattern.text))
            found.append(Mistake(start, len(pattern.text), _plain(str(trial.value()))))
    return found


def _boolean_hint(text: str) -> str:
    return f'compare it, as in `{text} == "..."`' if _DOTTED.fullmatch(text.strip()) else ""


def _cost_hint(tree: Node) -> str:
    nested = any(
        isinstance(below, Comprehension)
        for node in syntax.walk(tree)
        if isinstance(node, Comprehension)
        for below in syntax.walk(node.step)
    )
    return (
        "a loop within a loop goes over every pair: do without one of them" if nested else "make it shorter"
    )


def _plain(text: str) -> str:
    """Without the library's codes."""
    text = re.sub(r"^(?:[A-Z_]+: )+", "", text.split("\n", 1)[0])
    text = re.sub(r"\s*\[[A-Z_]+\]$", "", text)
    return text.replace("Key not found in map : ", "there is no key ")
