"""The syntax tree of a compiled CEL expression, as far as its cost and what it reads are concerned.

The library gives the checked tree only in its serialised form, which is stable: cel.expr.CheckedExpr of the CEL
specification, in an Any. A few fields of it are read here.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

# Field numbers of cel/expr/checked.proto and syntax.proto.
_ANY_VALUE = 2
_CHECKED_REFERENCES, _CHECKED_EXPR = 2, 4
_ENTRY_KEY, _ENTRY_VALUE = 1, 2
_REFERENCE_NAME, _REFERENCE_OVERLOAD = 1, 3
_ID = 2
_FIXED64 = 1
_STRING_CONSTANT = 6


class Ident(msgspec.Struct, frozen=True):
    """A variable by its whole name, or one that a macro binds."""

    name: str


class Constant(msgspec.Struct, frozen=True):
    """A literal; `text` None: not a text."""

    text: str | None


class Select(msgspec.Struct, frozen=True):
    """operand.field, or has(operand.field)."""

    operand: Node
    field: str
    tests: bool


class Call(msgspec.Struct, frozen=True):
    """A function or operator; the target of a method is its first argument."""

    function: str
    arguments: tuple[Node, ...]


class Items(msgspec.Struct, frozen=True):
    """A list, or the keys and values of a map, written out; `count` entries."""

    parts: tuple[Node, ...]
    count: int


class Comprehension(msgspec.Struct, frozen=True):
    """What all, exists, exists_one, filter and map are: a loop over `over`, `step` for each of its items."""

    over: Node
    start: Node
    condition: Node
    step: Node
    result: Node


Node = Ident | Constant | Select | Call | Items | Comprehension


def parse(serialised: bytes) -> Node:
    """The tree of a serialised checked expression."""
    checked = _one(serialised, _ANY_VALUE)
    names: dict[int, str] = {}
    for number, entry in _fields(checked):
        if number == _CHECKED_REFERENCES:
            assert isinstance(entry, bytes)
            reference = _one(entry, _ENTRY_VALUE)
            name = _text(reference, _REFERENCE_NAME)
            if name and not _has(reference, _REFERENCE_OVERLOAD):
                names[_integer(entry, _ENTRY_KEY)] = name
    return _Parser(names).node(_one(checked, _CHECKED_EXPR))


class _Parser:
    def __init__(self, names: dict[int, str]) -> None:
        self._names = names

    def node(self, data: bytes) -> Node:
        name = self._names.get(_integer(data, _ID))
        if name is not None:
            return Ident(name)
        for number, value in _fields(data):
            if isinstance(value, bytes) and number > _ID:
                return self._of(number, value)
        return Constant(None)

    def _of(self, number: int, value: bytes) -> Node:
        match number:
            case 3:
                return Constant(_text(value, _STRING_CONSTANT) if _has(value, _STRING_CONSTANT) else None)
            case 4:
                return Ident(_text(value, 1))
            case 5:
                return Select(self.node(_one(value, 1)), _text(value, 2), bool(_integer(value, 3)))
            case 6:
                operands = [each for field, each in _fields(value) if field in (1, 3)]
                return Call(_text(value, 2), self._nodes(operands))
            case 7:
                parts = self._nodes([each for field, each in _fields(value) if field == 1])
                return Items(parts, len(parts))
            case 8:
                entries = [each for field, each in _fields(value) if field == 2]
                below = [part for entry in entries for field, part in _fields(_sub(entry)) if field in (3, 4)]
                return Items(self._nodes(below), len(entries))
            case _:
                over, start, condition, step, result = (
                    self.node(_one(value, part)) for part in (2, 4, 5, 6, 7)
                )
                return Comprehension(over, start, condition, step, result)

    def _nodes(self, parts: list[int | bytes]) -> tuple[Node, ...]:
        return tuple(self.node(_sub(part)) for part in parts)


def children(node: Node) -> tuple[Node, ...]:
    """The nodes directly below."""
    match node:
        case Select():
            return (node.operand,)
        case Call():
            return node.arguments
        case Items():
            return node.parts
        case Comprehension():
            return (node.over, node.start, node.condition, node.step, node.result)
        case _:
            return ()


def walk(node: Node) -> Iterator[Node]:
    """This node and all below."""
    yield node
    for child in children(node):
        yield from walk(child)


# --- the wire format of protobuf, read-only ---------------------------------------------------------------------------


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        match tag & 7:
            case 0:
                value, at = _varint(data, at)
                yield tag >> 3, value
            case 2:
                length, at = _varint(data, at)
                yield tag >> 3, data[at : at + length]
                at += length
            case wire:
                # Doubles: a constant of which only the presence counts.
                size = 8 if wire == _FIXED64 else 4
                yield tag >> 3, int.from_bytes(data[at : at + size], "little")
                at += size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return value, at
        shift += 7


def _has(data: bytes, number: int) -> bool:
    return any(field == number for field, _ in _fields(data))


def _one(data: bytes, number: int) -> bytes:
    return next((_sub(value) for field, value in _fields(data) if field == number), b"")


def _sub(value: int | bytes) -> bytes:
    assert isinstance(value, bytes)
    return value


def _text(data: bytes, number: int) -> str:
    return _one(data, number).decode()


def _integer(data: bytes, number: int) -> int:
    return next((value for field, value in _fields(data) if field == number and isinstance(value, int)), 0)
