"""YAML and TOML files as plain values, each with the line it stands on."""

from __future__ import annotations

import datetime
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from hanse.client.errors import SpecProblem
from hanse.client.limits import SPEC_FILE_ALIASED_VALUES_MAX

Path = tuple[str | int, ...]

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TOML_LINE = re.compile(r"\(at line (\d+)")


@dataclass(slots=True)
class Document:
    """One document of a file. `lines`: where the value at a path stands, from 1; TOML does not tell."""

    value: Any
    lines: dict[Path, int] = field(default_factory=dict)

    def line(self, path: Path) -> int:
        """Line of the value at `path`, or of the nearest value around it; 0 if unknown."""
        for length in range(len(path), -1, -1):
            line = self.lines.get(path[:length])
            if line is not None:
                return line
        return 0


class UnreadableError(Exception):
    """The text is not YAML or TOML at all; carries what to tell."""

    def __init__(self, problem: SpecProblem) -> None:
        super().__init__(str(problem))
        self.problem = problem


def read_documents(text: str, file: str) -> list[Document]:
    """All documents of a text; TOML by the name of its file, else YAML (and so JSON). Raises UnreadableError."""
    if file.endswith(".toml"):
        return [_toml(text, file)]
    try:
        loader = _LOADER(text)
        try:
            return list(_yaml(loader, file, len(text) + SPEC_FILE_ALIASED_VALUES_MAX))
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        detail = " ".join(part for part in (error.problem, error.context) if part)
        raise UnreadableError(SpecProblem(file, line, "", f"not YAML: {detail}")) from error
    except yaml.YAMLError as error:
        raise UnreadableError(SpecProblem(file, 0, "", f"not YAML: {error}")) from error
    except RecursionError as error:
        raise UnreadableError(SpecProblem(file, 0, "", "not a spec: nested too deeply")) from error


def _toml(text: str, file: str) -> Document:
    try:
        return Document(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        found = _TOML_LINE.search(str(error))
        # "at end of document" is all that it says otherwise.
        line = int(found.group(1)) if found else text.count("\n") + 1
        raise UnreadableError(SpecProblem(file, line, "", f"not TOML: {error}")) from error


def _yaml(loader: Any, file: str, values_max: int) -> Iterator[Document]:
    while loader.check_node():
        builder = _Builder(loader, file, values_max)
        value = builder.build(loader.get_node(), ())
        if value is not None:
            yield Document(value, builder.lines)


class _Builder:
    """Values from YAML nodes. PyYAML's own constructor forgets lines and takes the last of two equal keys."""

    def __init__(self, loader: Any, file: str, values_max: int) -> None:
        self._loader = loader
        self._file = file
        self._values_max = values_max
        self._values = 0
        self.lines: dict[Path, int] = {}

    def build(self, node: Node, path: Path) -> Any:
        """The value of a node; its line and those of all below are noted."""
        self._values += 1
        if self._values > self._values_max:
            raise self._unreadable(node, f"more than {self._values_max:,} values (aliases count each time)")
        self.lines[path] = node.start_mark.line + 1
        match node:
            case MappingNode():
                return self._mapping(node, path)
            case SequenceNode():
                return [self.build(item, (*path, index)) for index, item in enumerate(node.value)]
            case ScalarNode():
                return self._scalar(node)
            case _:
                raise self._unreadable(node, "not a value")

    def _mapping(self, node: MappingNode, path: Path) -> dict[str, Any]:
        own = [self._key(key) for key, _ in node.value]
        for index, key in enumerate(own):
            if key in own[:index] and key != "<<":
                raise self._unreadable(node.value[index][0], f"{key!r} stands here twice")
        self._loader.flatten_mapping(node)
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = self._key(key_node)
            values[key] = self.build(value_node, (*path, key))
            # A key's line is what a person looks for, not that of its value.
            self.lines[(*path, key)] = key_node.start_mark.line + 1
        return values

    def _key(self, node: Node) -> str:
        if not isinstance(node, ScalarNode):
            raise self._unreadable(node, "a key must be text")
        return str(node.value)

    def _scalar(self, node: ScalarNode) -> Any:
        try:
            return self._loader.construct_object(node)
        except ValueError as error:
            raise self._unreadable(node, f"not YAML: {error}") from error

    def _unreadable(self, node: Node, message: str) -> UnreadableError:
        return UnreadableError(SpecProblem(self._file, node.start_mark.line + 1, "", message))


def is_time(value: object) -> bool:
    """Whether YAML or TOML read a date or time here."""
    return isinstance(value, datetime.date | datetime.time)
