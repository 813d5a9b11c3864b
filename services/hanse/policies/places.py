"""Where in a TOML text each value stands.

The standard library's parser says what a document means, and not where; this says where, and nothing else. It runs
after that parser, so the text is known to be TOML, and no rule of the grammar is checked twice. A property test holds
the two against each other: they find the same paths.

A path is a tuple of keys and indices: `("rules", 2, "when")`. Offsets count characters from 0, lines and columns from
1.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator

import msgspec

Path = tuple[str | int, ...]

_BARE_ENDS = frozenset(",]}\n#")
_ESCAPES = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", '"': '"', "\\": "\\", "e": "\x1b"}
_BLANK = " \t"
_SPACE = " \t\n"


class Span(msgspec.Struct, frozen=True):
    """Part of a text, from `start` up to `end`."""

    start: int
    end: int


class Place(msgspec.Struct, frozen=True):
    """Where a value stands. `key`: its key, or the header of its table; an item of an array has its own span there.
    `offsets` (texts only): where each character of the text stands in the document, and the end."""

    key: Span
    value: Span
    offsets: tuple[int, ...] = ()


class Places:
    """The places of one document. `text` must be TOML, with newlines as the parser sees them (no carriage returns)."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._starts = [0, *(at + 1 for at, char in enumerate(text) if char == "\n")]
        self._found = _Locator(text).places()

    def __iter__(self) -> Iterator[Path]:
        return iter(self._found)

    def get(self, path: Path) -> Place | None:
        """The place of exactly this path."""
        return self._found.get(path)

    def nearest(self, path: Path) -> Place:
        """The place of this path, or of the nearest thing around it."""
        for length in range(len(path), 0, -1):
            place = self._found.get(path[:length])
            if place is not None:
                return place
        return Place(Span(0, 0), Span(0, 0))

    def line_and_column(self, offset: int) -> tuple[int, int]:
        """Both from 1."""
        line = bisect_right(self._starts, offset)
        return line, offset - self._starts[line - 1] + 1

    def line(self, number: int) -> str:
        """The text of a line, from 1, without its end."""
        if not 1 <= number <= len(self._starts):
            return ""
        start = self._starts[number - 1]
        return self.text[start:].split("\n", 1)[0] if number == len(self._starts) else self._until(number)

    def _until(self, number: int) -> str:
        return self.text[self._starts[number - 1] : self._starts[number] - 1]


class _Locator:
    """One pass over a text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._found: dict[Path, Place] = {}
        # How many tables an array of tables has so far.
        self._arrays: dict[Path, int] = {}

    def places(self) -> dict[Path, Place]:
        table: Path = ()
        while self._skip(_SPACE, comments=True):
            if self._text[self._at] == "[":
                table = self._header()
            else:
                self._pair(table)
        return self._found

    def _skip(self, blank: str, *, comments: bool = False) -> bool:
        """Over white space; whether anything is left."""
        text, at = self._text, self._at
        while at < len(text):
            if text[at] in blank:
                at += 1
            elif comments and text[at] == "#":
                end = text.find("\n", at)
                at = len(text) if end < 0 else end
            else:
                break
        self._at = at
        return at < len(text)

    def _header(self) -> Path:
        """[a.b] or [[a.b]]: the path of the table that begins."""
        array = self._text.startswith("[[", self._at)
        self._at += 2 if array else 1
        path: Path = ()
        keys = self._keys()
        for number, (key, span) in enumerate(keys, 1):
            path += (key,)
            if number == len(keys) and array:
                self._found.setdefault(path, Place(span, span))
                self._arrays[path] = self._arrays.get(path, 0) + 1
                path += (self._arrays[path] - 1,)
                self._found[path] = Place(span, span)
            else:
                self._found.setdefault(path, Place(span, span))
                if path in self._arrays:
                    path += (self._arrays[path] - 1,)
        self._at += 2 if array else 1
        return path

    def _keys(self) -> list[tuple[str, Span]]:
        """A dotted key; stops before what follows it."""
        keys: list[tuple[str, Span]] = []
        while True:
            self._skip(_BLANK)
            start = self._at
            if self._text[start] in "\"'":
                characters, _ = self._quoted(multiline=False)
                key = "".join(characters)
            else:
                while self._at < len(self._text) and self._text[self._at] not in " \t.=]\n":
                    self._at += 1
                key = self._text[start : self._at]
            keys.append((key, Span(start, self._at)))
            self._skip(_BLANK)
            if self._text[self._at] != ".":
                return keys
            self._at += 1

    def _pair(self, table: Path) -> None:
        """key = value"""
        path = table
        keys = self._keys()
        for key, span in keys:
            path += (key,)
            self._found.setdefault(path, Place(span, span))
        self._at += 1
        self._skip(_BLANK)
        self._value(path, keys[-1][1])

    def _value(self, path: Path, key: Span | None) -> None:
        start = self._at
        offsets: tuple[int, ...] = ()
        match self._text[start]:
            case '"' | "'":
                offsets = self._quoted(multiline=True)[1]
            case "[":
                self._array(path)
            case "{":
                self._inline_table(path)
            case _:
                self._bare()
        value = Span(start, self._at)
        self._found[path] = Place(key or value, value, offsets)

    def _bare(self) -> None:
        """A number, date or truth value."""
        start = self._at
        while self._at < len(self._text) and self._text[self._at] not in _BARE_ENDS:
            self._at += 1
        self._at = start + len(self._text[start : self._at].rstrip())

    def _array(self, path: Path) -> None:
        self._at += 1
        index = 0
        while self._skip(_SPACE, comments=True) and self._text[self._at] != "]":
            self._value((*path, index), None)
            index += 1
            self._skip(_SPACE, comments=True)
            if self._text[self._at] == ",":
                self._at += 1
        self._at += 1

    def _inline_table(self, path: Path) -> None:
        self._at += 1
        while self._skip(_SPACE, comments=True) and self._text[self._at] != "}":
            self._pair(path)
            self._skip(_SPACE, comments=True)
            if self._text[self._at] == ",":
                self._at += 1
        self._at += 1

    def _quoted(self, *, multiline: bool) -> tuple[list[str], tuple[int, ...]]:
        """A text from its first quote to past its last one: its characters, and where each stands."""
        text, quote = self._text, self._text[self._at]
        long = multiline and text.startswith(3 * quote, self._at)
        fence = 3 * quote if long else quote
        at = self._at + len(fence)
        if long and text.startswith("\n", at):
            at += 1
        characters: list[str] = []
        offsets: list[int] = []
        while not text.startswith(fence, at) or (long and text.startswith(quote, at + 3)):
            if quote == '"' and text[at] == "\\":
                character, after = self._escape(at)
            else:
                character, after = text[at], at + 1
            if character is not None:
                characters.append(character)
                offsets.append(at)
            at = after
        self._at = at + len(fence)
        return characters, (*offsets, at)

    def _escape(self, at: int) -> tuple[str | None, int]:
        """What an escape stands for (None: for nothing), and where it ends."""
        letter = self._text[at + 1]
        if letter in _ESCAPES:
            return _ESCAPES[letter], at + 2
        if letter in "uU":
            end = at + (6 if letter == "u" else 10)
            return chr(int(self._text[at + 2 : end], 16)), end
        # A backslash at the end of a line: the white space up to the next text is left out.
        end = at + 1
        while self._text[end] in _SPACE:
            end += 1
        return None, end
