"""Command groups that are imported when they are used.

To add a command: a module `hanse.cli.<name>` with a `typer.Typer` called `app`, and a line in COMMANDS. A module whose
app has one command and no callback becomes that command itself (`hanse version`); otherwise it becomes a group (`hanse
job`). A line without a module is not shown.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterator, MutableMapping
from typing import Any

import typer
from typer.core import TyperGroup

from hanse.cli.settings import OutputOption, ServerOption

# Name: one line of help. The order is that of the help.
COMMANDS = {
    "job": "Submit, plan, list, show, explain, watch, follow, order and cancel jobs.",
    "region": "How a region fares, its nodes, draining it, its configuration, and copies of its ledger.",
    "node": "Take single nodes out of use, and back into it.",
    "policy": "Who gets a region's capacity: check, plan, apply and roll back its policy.",
    "reservation": "Capacity of a region that is set aside for a tenant, over windows of time.",
    "decision": "What a region decided: list it, and do it again from the recorded inputs.",
    "federation": "Members and capacity of the whole federation, and its signed roster.",
    "quota": "Global quotas: what a tenant may use in all regions together.",
    "dev": "Run a federation of local regions, for development.",
    "demo": "Show a federation at work: three regions, real jobs, faults.",
    "bench": "Measure this machine.",
    "sim": "Prove the promises: the real core under virtual time, with faults.",
    "replay": "Replay a trace through real regions: modes, policies, lost regions, capacity.",
    "serve": "Run a region's daemon.",
    "config": "Check region configurations.",
    "version": "Print the version.",
}


class LazyCommands(MutableMapping[str, Any]):
    """Commands by name; a module is imported when its command is asked for. One without a module isn't listed."""

    def __init__(self) -> None:
        self._loaded: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._loaded:
            if not _exists(name):
                raise KeyError(name)
            module = importlib.import_module(f"hanse.cli.{name}")
            command = typer.main.get_command(module.app)
            command.name = name
            self._loaded[name] = with_shared_options(command)
        return self._loaded[name]

    def __setitem__(self, name: str, command: Any) -> None:
        self._loaded[name] = command

    def __delitem__(self, name: str) -> None:
        del self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return (name for name in COMMANDS if _exists(name))

    def __len__(self) -> int:
        return sum(1 for _ in self)


class LazyGroup(TyperGroup):
    """The root: lists its commands from COMMANDS, without importing them."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**(attributes | {"commands": LazyCommands()}))

    def list_commands(self, ctx: Any) -> list[str]:
        """Names in the order of the help."""
        return list(self.commands)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """The section "Commands" of the help."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name]) for name in self.commands])


def with_shared_options(command: Any) -> Any:
    """Give a command, and all below it, the options that may stand anywhere: --output, --server."""
    taken = {option for parameter in command.params for option in parameter.opts}
    command.params.extend(option for option in _shared_options() if not taken.intersection(option.opts))
    if isinstance(command, TyperGroup) and not isinstance(command, LazyGroup):
        for below in command.commands.values():
            with_shared_options(below)
    return command


def _shared_options() -> list[Any]:
    prototype = typer.Typer(add_completion=False)

    @prototype.command()
    def shared(output: OutputOption = None, server: ServerOption = None) -> None:
        """Only its options are used."""

    return list(typer.main.get_command(prototype).params)


def _exists(name: str) -> bool:
    return importlib.util.find_spec(f"hanse.cli.{name}") is not None
