"""Label selectors: what each form matches, and where a mistake is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hanse.core.model.selectors import SelectorError, parse_selector

A = {"zone": "a", "model": "a100", "memory-gib": "80"}
SPOT = {"zone": "b", "spot": ""}


@pytest.mark.parametrize(
    ("text", "matches_a", "matches_spot"),
    [
        ("zone = a", True, False),
        ("zone=a", True, False),
        ("zone == a", True, False),
        ("zone != a", False, True),
        ("rack != r1", True, True),
        ("model in (a100, h100)", True, False),
        ("model notin (a100,h100)", False, True),
        ("spot", False, True),
        ("!spot", True, False),
        ("! spot", True, False),
        ("zone = b, spot", False, True),
        ("zone in (a),!spot,model", True, False),
        ("hanse.io/zone-1 notin (x_1)", True, True),
        # Words of the grammar are labels where a label is expected.
        ("in notin (in)", True, True),
        ("notin", False, False),
        # Numbers are compared as numbers, and only where there are some.
        ("memory-gib > 9", True, False),
        ("memory-gib >= 80", True, False),
        ("memory-gib > 80", False, False),
        ("memory-gib < 100, zone = a", True, False),
        ("memory-gib <= 80", True, False),
        ("zone > 1", False, False),
        ("zone = b || memory-gib >= 80", True, True),
        ("zone = a, spot || zone = b, spot", False, True),
    ],
)
def test_forms(text: str, matches_a: bool, matches_spot: bool) -> None:
    selector = parse_selector(text)
    assert (selector.matches(A), selector.matches(SPOT)) == (matches_a, matches_spot)


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("", 1, "expected a label, found the end"),
        ("   ", 1, "expected a label, found the end"),
        ("zone =", 7, "expected a value, found the end"),
        ("zone = = a", 8, "expected a value, found '='"),
        ("zone in a", 9, "expected '(', found 'a'"),
        ("zone in ()", 10, "expected a value, found ')'"),
        ("zone in (a", 11, "expected ',' or ')', found the end"),
        ("zone in (a b)", 12, "expected ',' or ')', found 'b'"),
        ("zone = a b", 10, "expected ',' or the end, found 'b'"),
        ("zone = a,", 10, "expected a label, found the end"),
        ("zone > b", 8, "expected a whole number, found 'b'"),
        ("zone || ", 8, "expected a label, found the end"),
        ("zone | a", 6, "unexpected character '|'"),
        ("zone = a&", 9, "unexpected character '&'"),
        ("-zone", 1, "unexpected character '-'"),
        ("!", 2, "expected a label, found the end"),
    ],
)
def test_mistakes_are_named_with_their_column(text: str, column: int, message: str) -> None:
    with pytest.raises(SelectorError) as caught:
        parse_selector(text)
    assert (caught.value.text, caught.value.column, caught.value.message) == (text, column, message)


def test_too_long_is_refused_without_repeating_it() -> None:
    with pytest.raises(SelectorError, match="longer than") as caught:
        parse_selector("a" * 100_000)
    assert len(str(caught.value)) < 200


@given(st.text(alphabet="ab=!(), in\tnot\u00e9><|7", max_size=30))
def test_any_text_is_parsed_or_refused_with_a_column_inside_it(text: str) -> None:
    column = 1
    try:
        parse_selector(text).matches(A)
    except SelectorError as error:
        column = error.column
    assert 1 <= column <= len(text) + 1
