"""Job specs in YAML or TOML, 1:1 with the protobuf JSON form of JobSpec.

A file holds one spec, a list of specs, or (YAML) several documents; a mapping whose only key is `jobs` is a list too,
since a TOML file cannot be one. Field names are those of proto/hanse/v1/jobs.proto in snake_case or camelCase, enums
are full or short names in any case (`kind: array`), durations are seconds ("90s"), times RFC 3339.

    name: train
    tenant: vision/detection
    groups:
      - count: 4
        requirements: {resources: {cpu: 4000, gpu: 1000}, constraints: ["model = a100"]}
        program: {command: [python, train.py]}

Mistakes are found all at once, each with its line, the path of its field, and the nearest name that would have been
right. Whether the values make sense is for the region to say.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path as FilePath
from typing import Any

from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from hanse.client.documents import Document, Path, UnreadableError, is_time, read_documents
from hanse.client.errors import InvalidSpecError, SpecProblem
from hanse.client.limits import SPEC_FILE_BYTES_MAX, SPEC_PROBLEMS_MAX
from hanse.client.messages import JobSpec
from hanse.client.plain import enum_prefix
from hanse.client.submit import check_spec_size

_INTEGERS = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
}
_DESCRIPTOR: Any = JobSpec.DESCRIPTOR


def load_specs(file: str | FilePath) -> list[JobSpec]:
    """The specs of a file. InvalidSpecError lists every mistake; OSError if it cannot be read."""
    path = FilePath(file)
    with path.open("rb") as opened:
        data = opened.read(SPEC_FILE_BYTES_MAX + 1)
    return parse_specs(data, str(file))


def parse_specs(text: str | bytes, file: str = "<spec>") -> list[JobSpec]:
    """The specs of a text. `file` names it in errors, and says by its ending whether it is TOML. See load_specs."""
    try:
        documents = read_documents(_decoded(text, file), file)
    except UnreadableError as unreadable:
        raise _invalid([unreadable.problem]) from unreadable
    problems: list[SpecProblem] = []
    specs: list[JobSpec] = []
    for document in documents:
        for value, path in _specs_of(document):
            spec = _Reader(document, file, path, problems).spec(value)
            if spec is not None:
                specs.append(spec)
            if len(problems) >= SPEC_PROBLEMS_MAX:
                raise _invalid(problems)
    if not specs and not problems:
        problems.append(SpecProblem(file, 0, "", "there is no job spec in it"))
    if problems:
        raise _invalid(problems)
    return specs


def _decoded(text: str | bytes, file: str) -> str:
    if len(text) > SPEC_FILE_BYTES_MAX:
        raise UnreadableError(
            SpecProblem(
                file, 0, "", f"larger than {SPEC_FILE_BYTES_MAX >> 20} MiB: split it into several files"
            )
        )
    if isinstance(text, str):
        return text
    try:
        return text.decode()
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        raise UnreadableError(SpecProblem(file, line, "", f"not UTF-8 at byte {error.start}")) from error


def _specs_of(document: Document) -> list[tuple[Any, Path]]:
    """The specs of a document with their paths in it."""
    value = document.value
    at: Path = ()
    if isinstance(value, Mapping) and list(value) == ["jobs"] and isinstance(value["jobs"], list):
        value, at = value["jobs"], ("jobs",)
    if isinstance(value, list):
        return [(item, (*at, index)) for index, item in enumerate(value)]
    return [(value, at)]


def _invalid(problems: Sequence[SpecProblem]) -> InvalidSpecError:
    first = problems[0]
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return InvalidSpecError(f"{first}{more}", field=first.field, problems=problems)


class MapKey(str):
    """A part of a path that the caller has named, rather than the contract."""

    __slots__ = ()


class _Reader:
    """One spec: checked value by value against the contract's descriptors, then handed to protobuf."""

    def __init__(self, document: Document, file: str, root: Path, problems: list[SpecProblem]) -> None:
        self._document = document
        self._file = file
        self._root = root
        self._problems = problems

    def spec(self, value: Any) -> JobSpec | None:
        """The message, or None if there were mistakes."""
        before = len(self._problems)
        checked = self._message(value, _DESCRIPTOR, self._root)
        if len(self._problems) > before:
            return None
        try:
            spec = json_format.ParseDict(checked or {}, JobSpec())
            check_spec_size(spec, "spec")
        except json_format.ParseError as error:
            self._wrong(self._root, str(error))
            return None
        except InvalidSpecError as error:
            below = error.field.removeprefix("spec").lstrip(".")
            self._problems.append(
                SpecProblem(self._file, self._document.line(self._root), below, error.message)
            )
            return None
        return spec

    def _wrong(self, path: Path, message: str) -> None:
        self._problems.append(
            SpecProblem(self._file, self._document.line(path), field_path(path[len(self._root) :]), message)
        )

    def _message(self, value: Any, descriptor: Descriptor, path: Path) -> dict[str, Any] | None:
        if not isinstance(value, Mapping):
            kind = "a spec" if path == self._root else f"a {descriptor.name}"
            self._wrong(
                path, f"expected {kind} with fields such as {_examples(descriptor)}, found {_kind(value)}"
            )
            return None
        fields = {name: field for field in descriptor.fields for name in (field.name, field.json_name)}
        checked = {}
        for key, item in value.items():
            field = fields.get(key)
            if field is None:
                self._wrong((*path, key), _unknown_field(str(key), descriptor))
            elif field.name in checked:
                self._wrong((*path, key), f"the same field as {field.name}, under its other name")
            elif item is not None:
                checked[field.name] = self._field(item, field, (*path, key))
        return checked

    def _field(self, value: Any, field: FieldDescriptor, path: Path) -> Any:
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            return self._map(value, field, path)
        if field.is_repeated:
            return self._list(value, field, path)
        return self._single(value, field, path)

    def _map(self, value: Any, field: FieldDescriptor, path: Path) -> dict[str, Any] | None:
        if not isinstance(value, Mapping):
            self._wrong(path, f"expected a mapping, found {_kind(value)}")
            return None
        entry = field.message_type
        assert entry is not None
        value_field = entry.fields_by_name["value"]
        return {
            str(key): self._single(item, value_field, (*path, MapKey(key))) for key, item in value.items()
        }

    def _list(self, value: Any, field: FieldDescriptor, path: Path) -> list[Any] | None:
        if not isinstance(value, list):
            self._wrong(path, f"expected a list, found {_kind(value)}")
            return None
        return [self._single(item, field, (*path, index)) for index, item in enumerate(value)]

    def _single(self, value: Any, field: FieldDescriptor, path: Path) -> Any:
        if field.message_type is not None and field.message_type.full_name == Duration.DESCRIPTOR.full_name:
            return self._duration(value, path)
        if field.message_type is not None and field.message_type.full_name == Timestamp.DESCRIPTOR.full_name:
            return self._timestamp(value, path)
        if field.message_type is not None:
            return self._message(value, field.message_type, path)
        if field.enum_type is not None:
            return self._enum(value, field.enum_type, path)
        if field.cpp_type in _INTEGERS:
            return self._integer(value, field, path)
        if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
            return self._bool(value, path)
        return self._text(value, path)

    def _text(self, value: Any, path: Path) -> Any:
        if isinstance(value, str):
            return value
        quoted = f': write "{_as_written(value)}" in quotes' if not isinstance(value, list | Mapping) else ""
        self._wrong(path, f"expected text, found {_kind(value)}{quoted}")
        return None

    def _bool(self, value: Any, path: Path) -> bool | None:
        if isinstance(value, bool):
            return value
        self._wrong(path, f"expected true or false, found {_as_written(value)!r}")
        return None

    def _integer(self, value: Any, field: FieldDescriptor, path: Path) -> int | None:
        low, high = _INTEGERS[field.cpp_type]
        number = _integral(value)
        if number is None:
            self._wrong(path, f"expected a whole number, found {_kind(value)}{_unit_hint(path)}")
        elif not low <= number <= high:
            self._wrong(path, f"{number} is not within {low} to {high}")
        return number

    def _enum(self, value: Any, enum: EnumDescriptor, path: Path) -> Any:
        prefix = enum_prefix(enum)
        names = [name.removeprefix(prefix) for name in enum.values_by_name]
        if isinstance(value, str) and value.upper().removeprefix(prefix) in names:
            return prefix + value.upper().removeprefix(prefix)
        if isinstance(value, int) and not isinstance(value, bool) and value in enum.values_by_number:
            return value
        choices = ", ".join(name for name in names if name != "UNSPECIFIED")
        self._wrong(path, f"{_as_written(value)!r} is none of {choices}{_did_you_mean(value, names)}")
        return None

    def _duration(self, value: Any, path: Path) -> Any:
        duration = Duration()
        try:
            duration.FromJsonString(value)
        except (ValueError, AttributeError, TypeError):
            self._wrong(path, f'expected seconds such as "600s" or "0.5s", found {_as_written(value)!r}')
            return None
        return value

    def _timestamp(self, value: Any, path: Path) -> Any:
        written = value.isoformat() if is_time(value) else value
        timestamp = Timestamp()
        try:
            timestamp.FromJsonString(written)
        except (ValueError, AttributeError, TypeError):
            self._wrong(
                path,
                f"expected a time with its zone such as 2026-11-30T12:00:00Z, found {_as_written(value)!r}",
            )
            return None
        return written


def field_path(path: Path) -> str:
    """As "groups[0].program.env[HOME]": the way regions name fields."""
    text = ""
    for part in path:
        if isinstance(part, int | MapKey):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text


def _unknown_field(key: str, descriptor: Descriptor) -> str:
    names = [field.name for field in descriptor.fields]
    suggestion = _did_you_mean(key, names)
    if not suggestion:
        suggestion = f"; there are {', '.join(names)}"
    return f"no such field in {descriptor.name}{suggestion}"


def _did_you_mean(value: object, names: Sequence[str]) -> str:
    lowered = {name.lower(): name for name in names}
    near = difflib.get_close_matches(str(value).lower(), lowered, n=1, cutoff=0.6)
    return f"; did you mean {lowered[near[0]]}?" if near else ""


def _unit_hint(path: Path) -> str:
    if "resources" not in path:
        return ""
    return " (cpu in millicores, memory in bytes, gpu and npu in thousandths of a device)"


def _integral(value: Any) -> int | None:
    """A whole number as protobuf's JSON form has it: 64-bit ones may be text."""
    if isinstance(value, bool):
        return None
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and value.removeprefix("-").isdecimal():
        return int(value)
    return value if isinstance(value, int) else None


def _examples(descriptor: Descriptor) -> str:
    return ", ".join(field.name for field in descriptor.fields[:3])


def _as_written(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _kind(value: object) -> str:
    match value:
        case None:
            return "nothing"
        case bool() | int() | float():
            return _as_written(value)
        case str():
            return f"the text {_as_written(value)!r}"
        case list():
            return "a list"
        case Mapping():
            return "a mapping"
        case _:
            return _as_written(value)
