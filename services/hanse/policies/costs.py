"""What evaluating an expression may cost at most, from its syntax tree alone: the same in every region and on every
machine, whatever a job says of itself.

CEL has no loops but macros over lists and maps, so a bound is a sum and product over the tree. One unit is about what
reading a variable takes: on an ordinary machine at most 0.1 us, and often a fifth of that.
"""

from __future__ import annotations

from collections.abc import Iterable

from hanse.core.model import limits
from hanse.policies.syntax import Call, Comprehension, Constant, Ident, Items, Node, Select, children
from hanse.policies.vocabulary import BY_NAME

# Characters of a text that take a unit: to be looked at by a regular expression, and to be compared or copied.
_MATCHED_PER_UNIT = 2
_CHARACTERS_PER_UNIT = 256
_MATCH_UNITS = 60
# Entries of what nothing is known of: what an operation on lists or maps makes.
_SIZE_UNKNOWN = 1_000
_LOOP_UNITS = 4
# Items that are compared in a unit.
_ITEMS_PER_UNIT = 8
_GO_OVER_ITEMS = frozenset(("@in", "_==_", "_!=_", "_+_"))
_CONDITIONAL = "_?_:_"
_ADD = "_+_"


def cost(node: Node) -> int:
    """Units at most."""
    match node:
        case Comprehension():
            rounds = size_max(node.over)
            each = cost(node.condition) + cost(node.step) + _LOOP_UNITS
            return cost(node.over) + cost(node.start) + cost(node.result) + rounds * each
        case Call(function="matches"):
            text, pattern = (size_max(each) for each in (*node.arguments, node)[:2])
            return 1 + sum(map(cost, node.arguments)) + _MATCH_UNITS + (text + pattern) // _MATCHED_PER_UNIT
        case Call():
            work = max((size_max(each) for each in node.arguments), default=0) // _CHARACTERS_PER_UNIT
            if node.function in _GO_OVER_ITEMS:
                work += max((_items_max(each) for each in node.arguments), default=0) // _ITEMS_PER_UNIT
            return 1 + sum(map(cost, node.arguments)) + work
        case _:
            return 1 + sum(map(cost, children(node)))


def conversion_cost(names: Iterable[str]) -> int:
    """Units for handing these variables to the library, which takes lists and maps item by item."""
    return sum(_items_max(Ident(name)) for name in names)


def _items_max(node: Node) -> int:
    """Items of a list or map that an operator may go over; maps are looked up, but compared item by item."""
    match node:
        case Ident():
            variable = BY_NAME.get(node.name)
            return variable.size_max if variable is not None and "(" in variable.type else 0
        case Items() | Comprehension():
            return size_max(node)
        case Call(function=function) if function == _ADD:
            return sum(map(_items_max, node.arguments))
        case _:
            return 0


def size_max(node: Node) -> int:
    """Entries that a list or map can have, or characters of a text; numbers count as nothing."""
    match node:
        case Ident():
            variable = BY_NAME.get(node.name)
            if variable is not None:
                return variable.size_max
            # What a macro binds is an item of something: a label, the name of a data set or region. Its own result
            # grows in place.
            return 0 if node.name.startswith("@") else limits.DATASET_LENGTH_MAX
        case Constant():
            return len(node.text or "")
        case Items():
            return node.count
        case Select():
            return 0 if node.tests else limits.LABEL_LENGTH_MAX
        case Comprehension():
            return size_max(node.over)
        case Call(function=function) if function == _ADD:
            return sum(size_max(each) for each in node.arguments)
        case Call(function=function) if function == _CONDITIONAL:
            return max(size_max(each) for each in node.arguments[1:])
        case Call(function="_[_]"):
            return limits.DATASET_LENGTH_MAX
        case Call(function=function) if not function[0].isalpha() or function in _YIELD_NUMBERS:
            return 0
        case _:
            return _SIZE_UNKNOWN


_YIELD_NUMBERS = frozenset(
    ("size", "contains", "startsWith", "endsWith", "matches", "int", "uint", "double", "bool")
)
