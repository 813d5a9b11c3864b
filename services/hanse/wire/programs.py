"""What the tasks of a job run: checked when the spec comes in, read again when they are launched."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import msgspec

from hanse.core.model import limits
from hanse.core.model.indexes import parse_indexes
from hanse.wire import checks
from hanse.wire.checks import FieldRefused, echo
from hanse.wire.gen.hanse.v1 import jobs_pb2
from hanse.wire.memo import Memo


class GroupProgram(msgspec.Struct, frozen=True):
    """One task group as an executor sees it. `count` is how many tasks are wanted."""

    name: str
    count: int
    command: tuple[str, ...]
    environment: tuple[tuple[str, str], ...]
    working_directory: str


class JobProgram(msgspec.Struct, frozen=True):
    """What a job runs, group by group. `checkpoint` is empty if it keeps none, `array_count` 0 if it is no array."""

    name: str
    groups: tuple[GroupProgram, ...]
    checkpoint: str
    array_count: int = 0

    @property
    def task_count(self) -> int:
        """Tasks wanted over all groups."""
        return sum(group.count for group in self.groups)


class ProgramReader:
    """Reads the programs out of stored specs. Bounded in memory."""

    def __init__(self) -> None:
        self._programs: Memo[bytes, JobProgram] = Memo(limits.PROGRAM_MEMO_ENTRIES_MAX)

    def decode_spec(self, spec: bytes) -> JobProgram:
        """The program of a spec that was checked when it entered this region."""
        if len(spec) > limits.PROGRAM_MEMO_SPEC_BYTES_MAX:
            return _program(spec)
        return self._programs.get_or_make(hashlib.sha256(spec).digest(), lambda: _program(spec))


def check_program(field: str, program: jobs_pb2.Program, *, plain: bool) -> None:
    """What Linux can execute, and no variable that Hanse sets itself.

    `plain`: the whole spec is shorter than one argument may be and has no zero byte, so that no text needs a look.
    """
    command = program.command
    count = len(command)
    if not count or not command[0]:
        raise FieldRefused(f"{field}.command", "required: the program and its arguments")
    if count > limits.ARGUMENTS_MAX:
        raise FieldRefused(f"{field}.command", f"{count} arguments; at most {limits.ARGUMENTS_MAX}")
    if program.env:
        _check_variables(f"{field}.env", program.env)
    directory = program.working_directory
    if directory and not directory.startswith("/"):
        raise FieldRefused(f"{field}.working_directory", f"{echo(directory)!r} is not an absolute path")
    checks.check_no_zero_byte(f"{field}.working_directory", directory, limits.PATH_LENGTH_MAX)
    if not plain:
        _check_texts(field, program)


def _check_variables(field: str, variables: Mapping[str, str]) -> None:
    checks.check_length(field, len(variables), limits.VARIABLES_MAX, "variables")
    for name in sorted(variables):
        checks.check_variable_name(field, name)


def _check_texts(field: str, program: jobs_pb2.Program) -> None:
    for index, argument in enumerate(program.command):
        checks.check_no_zero_byte(f"{field}.command[{index}]", argument, limits.ARGUMENT_BYTES_MAX)
    for name, value in sorted(program.env.items()):
        # The system passes "NAME=value".
        checks.check_no_zero_byte(
            f"{field}.env[{echo(name)}]", value, limits.ARGUMENT_BYTES_MAX - len(name) - 1
        )


def _program(spec: bytes) -> JobProgram:
    message = jobs_pb2.JobSpec.FromString(spec)
    return JobProgram(
        name=message.name,
        groups=tuple(
            GroupProgram(
                name=group.name or "main",
                count=group.count or 1,
                command=tuple(group.program.command),
                environment=tuple(sorted(group.program.env.items())),
                working_directory=group.program.working_directory,
            )
            for group in message.groups
        ),
        checkpoint=message.checkpoint,
        array_count=parse_indexes(message.array.indexes).count if message.HasField("array") else 0,
    )
