"""The indexes of an array's elements, and sets of elements.

Elements are counted by *position*, 0 to count - 1, in the order in which the indexes were written; callers see indexes.
A set of elements is an integer whose bit n is the element at position n: 10,000 elements are 1,250 bytes, and to unite
two sets is one operation.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import msgspec

from hanse.core.model.limits import (
    ARRAY_ELEMENTS_MAX,
    ARRAY_INDEX_MAX,
    ARRAY_RANGES_MAX,
    INDEXES_TEXT_LENGTH_MAX,
    SET_RUNS_MAX,
)

_RANGE = re.compile(r"(\d{1,9})(?:-(\d{1,9})(?::(\d{1,9}))?)?")

# first, last (it is one of them), step
Range = tuple[int, int, int]
# A set as it is stored: a bitmap with the lowest positions in the first byte, or (what is left out, how many follow) in
# turn.
Packed = bytes | tuple[int, ...]


class Indexes(msgspec.Struct, frozen=True, array_like=True):
    """Which indexes there are, as ranges."""

    ranges: tuple[Range, ...]

    @property
    def count(self) -> int:
        """How many."""
        return sum(_length(each) for each in self.ranges)

    def at(self, position: int) -> int:
        """The index of the element at this position."""
        for first, last, step in self.ranges:
            length = (last - first) // step + 1
            if position < length:
                return first + position * step
            position -= length
        raise IndexError(position)

    def position(self, index: int) -> int | None:
        """The position of the element with this index; None: there is none."""
        before = 0
        for first, last, step in self.ranges:
            if first <= index <= last and (index - first) % step == 0:
                return before + (index - first) // step
            before += (last - first) // step + 1
        return None

    def of(self, elements: int) -> list[int]:
        """The indexes of a set of elements, in ascending order."""
        return sorted(self.at(position) for position in positions(elements))

    def text(self) -> str:
        """As callers write them."""
        return ",".join(_range_text(*each) for each in self.ranges)


def parse_indexes(text: str) -> Indexes:
    """Indexes out of "0-9999", "1-99:2" or "3,7-9", each at most once. ValueError says what is wrong with them."""
    words = text.split(",")
    if len(words) > ARRAY_RANGES_MAX:
        raise ValueError(f"{len(words)} ranges; at most {ARRAY_RANGES_MAX}")
    indexes = Indexes(tuple(_parse_range(word.strip()) for word in words))
    count = indexes.count
    if count > ARRAY_ELEMENTS_MAX:
        raise ValueError(f"{count} elements; at most {ARRAY_ELEMENTS_MAX}")
    distinct = {index for first, last, step in indexes.ranges for index in range(first, last + 1, step)}
    if len(distinct) != count:
        raise ValueError("an index comes twice")
    return indexes


def _parse_range(word: str) -> Range:
    match = _RANGE.fullmatch(word)
    if match is None:
        raise ValueError(f"{word[:32]!r} is no index such as 7, or range such as 0-99 or 0-98:2")
    first, step = int(match[1]), int(match[3] or 1)
    last = int(match[2] or first)
    if last > ARRAY_INDEX_MAX:
        raise ValueError(f"{last} is no index; they go to {ARRAY_INDEX_MAX}")
    if last < first or step < 1:
        raise ValueError(f"{word!r} is empty")
    return first, last - (last - first) % step, step


def _length(range_: Range) -> int:
    first, last, step = range_
    return (last - first) // step + 1


def _range_text(first: int, last: int, step: int) -> str:
    if first == last:
        return str(first)
    return f"{first}-{last}" if step == 1 else f"{first}-{last}:{step}"


def indexes_text(indexes: Iterable[int], length_max: int = INDEXES_TEXT_LENGTH_MAX) -> str:
    """Ascending indexes as ranges: "0-6,8,10-99". What is too long ends with how many more there are."""
    texts: list[str] = []
    length = shown = 0
    runs = list(_runs_of(indexes))
    total = sum(last - first + 1 for first, last in runs)
    for first, last in runs:
        text = _range_text(first, last, 1)
        if length + len(text) > length_max:
            return f"{','.join(texts)} and {total - shown:,} more"
        texts.append(text)
        length += len(text) + 1
        shown += last - first + 1
    return ",".join(texts)


def _runs_of(indexes: Iterable[int]) -> Iterator[tuple[int, int]]:
    run: tuple[int, int] | None = None
    for index in indexes:
        if run is not None and index == run[1] + 1:
            run = (run[0], index)
            continue
        if run is not None:
            yield run
        run = (index, index)
    if run is not None:
        yield run


# --- sets of elements


def all_of(count: int) -> int:
    """The set of so many elements."""
    return (1 << count) - 1


def positions(elements: int) -> Iterator[int]:
    """The positions in a set, in ascending order."""
    for first, length in _runs(elements):
        yield from range(first, first + length)


def lowest(elements: int) -> int:
    """The lowest position of a set that is not empty."""
    return (elements & -elements).bit_length() - 1


def pack(elements: int) -> Packed:
    """A set as it is stored: in the shorter of the two ways."""
    bitmap = elements.to_bytes((elements.bit_length() + 7) // 8, "little")
    found: list[int] = []
    end = 0
    for first, length in _runs(elements):
        found += (first - end, length)
        end = first + length
        # A number takes one byte as a rule, and seldom three.
        if len(found) > 2 * SET_RUNS_MAX or len(found) > len(bitmap):
            return bitmap
    return tuple(found)


def unpack(packed: Packed, count: int) -> int:
    """The set again, of elements below `count`; whatever else it names is left out."""
    if isinstance(packed, bytes):
        return int.from_bytes(packed, "little") & all_of(count)
    elements = end = 0
    for skipped, length in zip(packed[::2], packed[1::2], strict=False):
        first = min(count, end + max(0, skipped))
        end = min(count, first + max(0, length))
        elements |= all_of(end) & ~all_of(first)
    return elements


def _runs(elements: int) -> Iterator[tuple[int, int]]:
    """(position, length) of each run of neighbours."""
    at = 0
    while elements:
        skipped = lowest(elements)
        elements >>= skipped
        length = lowest(~elements)
        elements >>= length
        yield at + skipped, length
        at += skipped + length
