"""The locator finds exactly the values that the standard library's parser finds, and where they stand."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hanse.policies.places import Path, Places

KEYS = st.sampled_from(["a", "b-1", "c_d", "7", "with space", 'quo"te', "ä", "a.b", ""])
SCALARS = st.one_of(
    st.integers(-(2**40), 2**40),
    st.booleans(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\r\x7f"), max_size=12),
)
BLANK = st.sampled_from(["", " ", "\t ", "  "])
LINES = st.sampled_from(["", "# a comment = [1]\n", "\n", "  # {\n\n"])


@st.composite
def texts(draw: st.DrawFn, value: str) -> str:
    """One of the ways of writing a text."""
    plain = all(char >= " " for char in value)
    if draw(st.booleans()) and plain and "'" not in value:
        return f"'{value}'"
    if (
        draw(st.booleans())
        and "'''" not in value
        and not value.endswith("'")
        and all(char >= " " or char in "\n\t" for char in value)
    ):
        return f"'''\n{value}'''"
    quoted = json.dumps(value, ensure_ascii=draw(st.booleans()) and value.isascii())
    quoted = quoted.replace("\x7f", "\\u007f")
    return f'""{quoted}""' if draw(st.booleans()) and not value.endswith('"') else quoted


@st.composite
def values(draw: st.DrawFn, depth: int = 2) -> str:
    if depth and draw(st.integers(0, 3)) == 0:
        inner = draw(st.lists(values(depth - 1), max_size=3))
        gap = draw(st.sampled_from([" ", "\n  ", " # no ]\n "]))
        return f"[{gap}{f',{gap}'.join(inner)}{',' if inner and draw(st.booleans()) else ''}{gap}]"
    if depth and draw(st.integers(0, 3)) == 0:
        names = draw(st.lists(KEYS, max_size=3, unique=True))
        pairs = [f"{_key(name)}{draw(BLANK)}={draw(BLANK)}{draw(values(depth - 1))}" for name in names]
        return "{" + ", ".join(pairs) + "}" if "\n" not in "".join(pairs) else "0"
    scalar = draw(SCALARS)
    if isinstance(scalar, str):
        return draw(texts(scalar))
    return json.dumps(scalar) if not isinstance(scalar, float) else f"{scalar:.6f}"


def _key(name: str) -> str:
    bare = name and all(char.isascii() and (char.isalnum() or char in "-_") for char in name)
    return name if bare else json.dumps(name, ensure_ascii=False)


@st.composite
def documents(draw: st.DrawFn) -> str:
    lines: list[str] = []
    for name in draw(st.lists(KEYS, max_size=3, unique=True)):
        lines.append(f"{draw(LINES)}{draw(BLANK)}{_key(name)} = {draw(values())}{draw(BLANK)}# x\n")
    for number in range(draw(st.integers(0, 3))):
        head = f"t{number}"
        for _ in range(draw(st.integers(1, 2))) if draw(st.booleans()) else [None]:
            many = _ is not None
            lines.append(f"[[{head}]]\n" if many else f"[ {head}.'x y' ]\n")
            for name in draw(st.lists(KEYS, max_size=2, unique=True)):
                lines.append(f"{draw(LINES)}{_key(name)}.deep = {draw(values())}\n")
    return "".join(lines)


def leaves(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from leaves(item, (*path, index))
    else:
        yield path, value


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(documents())
def test_it_finds_what_the_parser_finds(text: str) -> None:
    parsed = dict(leaves(tomllib.loads(text)))
    places = Places(text)
    for path, value in parsed.items():
        place = places.get(path)
        assert place is not None, path
        source = text[place.value.start : place.value.end]
        assert tomllib.loads(f"x = {source}")["x"] == value
        if isinstance(value, str):
            assert len(place.offsets) == len(value) + 1
            plain = [text[at] == char for at, char in zip(place.offsets, value, strict=False)]
            assert all(plain) or "\\" in source


@pytest.mark.parametrize(
    ("text", "path", "line", "column", "source"),
    [
        ('a = "x"', ("a",), 1, 5, '"x"'),
        ("[t]\n  b   =  12 # n", ("t", "b"), 2, 10, "12"),
        ("[[q]]\n[[q]]\nn = 'z'", ("q", 1, "n"), 3, 5, "'z'"),
        ("[[q]]\n[[q.r]]\nk = 1\n[[q.r]]\nk = 2", ("q", 0, "r", 1, "k"), 5, 5, "2"),
        ("[[q]]\n[q.then]\ntier = 'a'", ("q", 0, "then", "tier"), 3, 8, "'a'"),
        ("x = { a = [ 1,\n 2 ], b = true }", ("x", "a", 1), 2, 2, "2"),
        ('"k.1".z = 3', ("k.1", "z"), 1, 11, "3"),
        ("t = '''\nfirst\nsecond'''", ("t",), 1, 5, "'''\nfirst\nsecond'''"),
        ('t = """a""""', ("t",), 1, 5, '"""a""""'),
        ("d = 1979-05-27 07:32:00", ("d",), 1, 5, "1979-05-27 07:32:00"),
    ],
)
def test_where_things_stand(text: str, path: Path, line: int, column: int, source: str) -> None:
    places = Places(text)
    place = places.get(path)
    assert place is not None
    assert places.line_and_column(place.value.start) == (line, column)
    assert text[place.value.start : place.value.end] == source


def test_each_character_of_a_text_has_its_place() -> None:
    text = 't = """\\\n   a\\u0062\\\n\n  c\\td"""'
    assert tomllib.loads(text)["t"] == "abc\td"
    place = Places(text).get(("t",))
    assert place is not None
    assert [text[at] for at in place.offsets] == ["a", "\\", "c", "\\", "d", '"']


def test_what_is_not_there_is_nearest_to_what_is_around_it() -> None:
    places = Places("[[queues]]\nname = 'q'\n")
    assert places.nearest(("queues", 0, "cohort")) == places.get(("queues", 0))
    assert places.nearest(("nothing", "at", "all")).value.start == 0
    assert places.line(2) == "name = 'q'"
    assert places.line(9) == ""
