"""Indexes and sets of elements."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hanse.core.model.arrays import Array, ArrayRules, element_id, job_of_run, parse_element_id
from hanse.core.model.indexes import all_of, indexes_text, lowest, pack, parse_indexes, positions, unpack
from hanse.core.model.limits import ARRAY_ELEMENTS_MAX

SETS = st.one_of(
    st.integers(0, all_of(300)),
    st.lists(st.integers(0, ARRAY_ELEMENTS_MAX - 1), max_size=40).map(
        lambda found: sum(1 << position for position in set(found))
    ),
    st.tuples(st.integers(0, 5_000), st.integers(0, 5_000)).map(lambda ends: all_of(ends[1]) << ends[0]),
)


@pytest.mark.parametrize(
    ("text", "count", "first", "last"),
    [
        ("7", 1, 7, 7),
        ("0-9999", 10_000, 0, 9_999),
        ("1-99:2", 50, 1, 99),
        ("0-10:4,3", 4, 0, 3),
        (" 1 , 2 ", 2, 1, 2),
    ],
)
def test_indexes_are_read_as_they_are_written(text: str, count: int, first: int, last: int) -> None:
    indexes = parse_indexes(text)
    assert (indexes.count, indexes.at(0), indexes.at(count - 1)) == (count, first, last)
    assert parse_indexes(indexes.text()) == indexes


@pytest.mark.parametrize(
    "text", ["", "a", "-1", "3-1", "0-9:0", "0-10000", "1,1", "0-8:2,4", "1-", "1.5", "9999999999", "0-9,"]
)
def test_what_makes_no_indexes_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        parse_indexes(text)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 20), st.integers(1, 7)), min_size=1, max_size=8))
def test_every_position_has_its_index_and_back(parts: list[tuple[int, int, int]]) -> None:
    at, texts = 0, []
    for gap, length, step in parts:
        first = at + gap
        last = first + (length - 1) * step
        texts.append(f"{first}-{last}:{step}")
        at = last + 1
    indexes = parse_indexes(",".join(texts))
    found = [indexes.at(position) for position in range(indexes.count)]
    assert len(set(found)) == indexes.count
    assert [indexes.position(index) for index in found] == list(range(indexes.count))
    assert indexes.position(at + 1) is None


@given(SETS)
def test_a_set_comes_back_as_it_was_stored_and_is_never_large(elements: int) -> None:
    packed = pack(elements)
    assert unpack(packed, ARRAY_ELEMENTS_MAX) == elements & all_of(ARRAY_ELEMENTS_MAX)
    assert len(packed) <= ARRAY_ELEMENTS_MAX // 8


@given(SETS)
def test_positions_are_those_of_the_bits(elements: int) -> None:
    found = list(positions(elements))
    assert found == [position for position in range(elements.bit_length()) if elements >> position & 1]
    assert not found or lowest(elements) == found[0]


@given(st.one_of(st.binary(max_size=50), st.lists(st.integers(0, 1 << 40), max_size=20).map(tuple)))
def test_whatever_a_peer_sends_as_a_set_is_within_the_array(packed: bytes | tuple[int, ...]) -> None:
    assert unpack(packed, 100) & ~all_of(100) == 0


def test_texts_are_short_and_say_how_many_they_leave_out() -> None:
    assert indexes_text([0, 1, 2, 5, 8, 9]) == "0-2,5,8-9"
    assert indexes_text([]) == ""
    text = indexes_text(range(0, 2_000, 2), 30)
    assert text == "0,2,4,6,8,10,12,14,16,18,20,22 and 988 more"


def test_an_element_is_named_after_its_job() -> None:
    assert parse_element_id(element_id("north-01", 7)) == ("north-01", 7)
    assert (parse_element_id("north-01"), parse_element_id("x[y]"), parse_element_id("[1]")) == (
        None,
        None,
        None,
    )
    assert (job_of_run("north-01[12]"), job_of_run("north-01")) == ("north-01", "north-01")


@given(
    st.lists(st.tuples(st.integers(0, 9), st.sampled_from(["fail", "end", "count", "cancel"])), max_size=30)
)
def test_each_element_is_in_one_set_whatever_happens(steps: list[tuple[int, str]]) -> None:
    array = Array(ArrayRules(parse_indexes("0-9")))
    for position, what in steps:
        if array.is_over(position):
            continue
        match what:
            case "fail":
                array.fail(position, "EXIT_CODE", position % 3)
            case "end":
                array.end(position)
                array.succeeded |= 1 << position
            case "count":
                array.count_failure(position)
            case _:
                array.cancel_waiting(1 << position)
        counts = array.counts()
        assert counts.waiting + counts.ended == 10
        again = Array(array.rules, array.progress())
        assert again.counts() == counts
        assert [again.failures_of(each) for each in range(10)] == [
            array.failures_of(each) for each in range(10)
        ]
