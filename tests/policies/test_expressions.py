"""Expressions: what they read, what they may cost, and that the bound holds."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hanse.core.model import limits
from hanse.policies.expressions import (
    ExpressionError,
    NotEvaluated,
    activation,
    compiled,
    unguarded_labels,
)
from hanse.policies.vocabulary import VARIABLES

VALUES = {
    "job.name": "train",
    "job.labels": {"team": "x"},
    "job.gpus": 8,
    "job.datasets": ["a", "b"],
    "job.resources": {"gpu": 8000},
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("job.gpus > 4 && job.name.startsWith('tr')", True),
        ("'team' in job.labels && job.labels.team == 'x'", True),
        ("has(job.labels.none) || 'none' in job.labels", False),
        ("job.datasets.exists(d, d == 'b')", True),
        ("job.labels.all(k, size(k) > 10)", False),
        ("'gpu' in job.resources && job.resources['gpu'] == 8000", True),
        ("job.name.matches('^t.*n$')", True),
        ("true", True),
    ],
)
def test_they_are_true_or_false(text: str, value: bool) -> None:
    assert compiled(text).evaluate(activation(VALUES)) is value


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("job.labels.none == 'x'", 'there is no key "none"'),
        ("job.gpus / (job.gpus - 8) > 1", "divide by zero"),
        ("int(job.name) > 1", ""),
    ],
)
def test_without_a_value_they_say_why(text: str, why: str) -> None:
    result = compiled(text).evaluate(activation(VALUES))
    assert isinstance(result, NotEvaluated)
    assert why in result.why


def test_they_tell_what_they_read() -> None:
    expression = compiled("job.gpus > 4 || (now.hour < 6 && job.labels.exists(k, k == region.name))")
    assert expression.reads == ("job.gpus", "job.labels", "now.hour", "region.name")
    assert unguarded_labels(compiled("job.labels.a == job.labels['b'] && has(job.labels.a)")) == ["b"]


def test_every_variable_can_be_read() -> None:
    for variable in VARIABLES:
        shape = variable.type.partition("(")[0]
        text = f"{variable.name} == 0" if shape == "int" else f"size({variable.name}) == 0"
        assert compiled(text).reads == (variable.name,)


@pytest.mark.parametrize(
    "text", ["1+" * 60 + "1 > 0", "(" * 60 + "true" + ")" * 60, "size(" + "[" * 60 + "]" * 60 + ") == 0"]
)
def test_depth_has_a_bound(text: str) -> None:
    with pytest.raises(ExpressionError, match="nested too deeply"):
        compiled(text)


PIECES = st.sampled_from(
    ["job.", "name", "labels", "gpus", " == ", "'a'", "1", "(", ")", "[", "]", "&&", "||", "!", ".", "map", ",", "k",
     "exists(", "matches(", '"', "\\", "\n", " ", "?", ":", "in", "{", "}", "-", "true", "ä", "\U0001f600"]
)  # fmt: skip


@settings(deadline=None, max_examples=200)
@given(st.lists(PIECES, max_size=12).map("".join))
def test_any_text_is_compiled_or_refused_with_a_place_in_it(text: str) -> None:
    try:
        expression = compiled(text)
    except ExpressionError as error:
        mistakes = error.mistakes
    else:
        mistakes = []
        assert expression.cost <= limits.EXPRESSION_COST_MAX
        assert isinstance(expression.evaluate(activation(VALUES)), bool | NotEvaluated)
    for mistake in mistakes:
        assert 0 <= mistake.start <= len(text)
        assert mistake.width >= 0
        assert mistake.message


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [
        ("true", 1, 1),
        ("job.gpus > 8", 3, 3),
        ("job.labels.exists(k, k == 'a')", 64, 1_000),
        ("job.labels.exists(k, job.labels[k] == 'a')", 64, 1_500),
        ("[1, 2, 3].exists(k, k == job.gpus)", 10, 60),
    ],
)
def test_costs(text: str, least: int, most: int) -> None:
    assert least <= compiled(text).cost <= most


@pytest.mark.parametrize(
    "text",
    [
        "job.labels.all(k, job.labels.exists(l, k == l))",
        "job.datasets.all(a, job.regions.all(b, a != b))",
        "job.labels.map(k, job.labels.map(l, k + l)).size() > 3",
        "region.datasets.exists(d, d.matches('a+b'))",
        "job.datasets.map(d, [d, d, d, d].map(e, [e, e, e, e].map(f, [f, f, f].map(g, g)))).size() > 1",
    ],
)
def test_what_could_take_long_is_refused(text: str) -> None:
    with pytest.raises(ExpressionError, match="units; at most"):
        compiled(text)


def test_what_is_taken_is_over_soon_for_the_largest_job() -> None:
    """The bound on cost is worth something: a unit is 0.1 us or less (0.3 us here, for busy machines)."""
    worst = {
        **{v.name: 0 for v in VARIABLES if v.type == "int"},
        **{v.name: "a" * v.size_max for v in VARIABLES if v.type == "string"},
        **{v.name: ["a" * limits.DATASET_LENGTH_MAX] * v.size_max for v in VARIABLES if "list" in v.type},
        "job.labels": {f"{n:063d}": "a" * 63 for n in range(limits.LABELS_MAX)},
        "job.resources": {f"{n:063d}": n for n in range(512)},
    }
    texts = [
        "job.datasets.all(d, d.matches('(.*a.*b.*)+c$') == false)",
        "job.labels.all(k, k + job.labels[k] + k != 'a' && k.startsWith('0') && k.contains('0'))",
        "job.datasets.map(d, d + d + d).filter(d, d.matches('(a+)+$')).size() > 99",
        "job.datasets.all(d, d.matches('(a|aa)+$'))",
        "job.resources.exists(k, job.resources[k] == 999)",
    ]
    values = activation(worst)
    for text in texts:
        try:
            expression = compiled(text)
        except ExpressionError:
            continue
        expression.evaluate(values)
        begun = time.process_time()
        for _ in range(20):
            expression.evaluate(values)
        assert (time.process_time() - begun) / 20 < 0.3e-6 * expression.cost + 20e-6, text
