"""The reference of the command line, from the commands themselves."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

import typer

from docs.words import cell
from hanse.cli.exits import ExitCode
from hanse.cli.lazy import COMMANDS
from hanse.cli.main import app

# Given to every command, and described once.
SHARED = ("--output", "--server")


def every_command() -> Iterator[tuple[str, Any]]:
    """("job submit", command), in the order of the help."""
    root: Any = typer.main.get_command(app)
    for name in root.commands:
        command = root.commands[name]
        below = getattr(command, "commands", None)
        if below is None:
            yield name, command
        else:
            yield from ((f"{name} {each}", below[each]) for each in below)


def command_reference() -> str:
    """A heading for each group, and below it each command with its arguments and options."""
    lines: list[str] = []
    group = ""
    for path, command in every_command():
        if path.split()[0] != group:
            group = path.split()[0]
            lines += ["", f"## hanse {group}", "", COMMANDS[group]]
        lines += ["", *_command(path, command)]
    return "\n".join(lines[1:])


def exit_codes() -> str:
    """Code, name, and the comment above it."""
    lines = ["| code | name | meaning |", "|---:|---|---|", "| 0 | OK | What was asked for was done. |"]
    found = re.findall(r"((?:    # .+\n)*)    ([A-Z_]+) = (\d+)", inspect.getsource(ExitCode))
    for comment, name, code in found:
        text = " ".join(line.strip().removeprefix("# ") for line in comment.splitlines())
        if int(code):
            lines.append(f"| {code} | {name} | {cell(text or _MEANINGS[name])} |")
    return "\n".join(lines)


# Where the name says it all in the code.
_MEANINGS = {
    "UNAUTHORISED": "The region refused the caller's credentials. (Regions do not ask for any yet.)",
    "TIMEOUT": "A `--timeout` ran out; what was waited for goes on.",
    "INTERRUPTED": "Ctrl-C.",
}


def _command(path: str, command: Any) -> list[str]:
    about, *more = [" ".join(each.split()) for each in inspect.cleandoc(command.help or "").split("\n\n")]
    heading = [f"### hanse {path}"] if " " in path else []
    lines = [*heading, "", f"    hanse {path}{_usage(command)}", ""]
    lines += [] if about == COMMANDS.get(path) else [about, ""]
    for paragraph in more:
        lines += [f"*{paragraph}*" if paragraph.startswith("JSON") else paragraph, ""]
    own = [one for one in command.params if not set(SHARED) & set(one.opts) and one.name != "help"]
    if own:
        lines += ["| | |", "|---|---|", *(f"| `{_name(one)}` | {_about(one)} |" for one in own), ""]
    return lines[:-1] if heading else lines[1:-1]


def _usage(command: Any) -> str:
    own = [one for one in command.params if not set(SHARED) & set(one.opts)]
    options = " [OPTIONS]" if any(one.param_type_name == "option" for one in own) else ""
    return options + "".join(f" {one.metavar}" for one in own if one.param_type_name == "argument")


def _name(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return str(parameter.metavar)
    names = ", ".join([*parameter.opts, *parameter.secondary_opts])
    if parameter.is_flag:
        return names
    return f"{names} {parameter.metavar or _value(parameter.type_descriptor.annotation)}"


def _value(annotation: Any) -> str:
    return "N" if annotation in (int, float) else "TEXT"


def _about(parameter: Any) -> str:
    help_text = cell(parameter.help or "")
    value = parameter.default
    shown = isinstance(value, str | int | float) and not isinstance(value, bool) and value not in ("", None)
    required = " Required." if parameter.required and parameter.param_type_name == "option" else ""
    return f"{help_text}{f' Default: {value}.' if shown else ''}{required}"
