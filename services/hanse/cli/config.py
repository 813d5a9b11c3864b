"""`hanse config`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hanse.cli.exits import ExitCode
from hanse.cli.output import Printer

if TYPE_CHECKING:
    from hanse.core.model.regions import Member
    from hanse.daemon.config import DaemonConfig
    from hanse.daemon.settings import FederationTable

app = typer.Typer(add_completion=False, rich_markup_mode=None, help="Check region configurations.")


@app.callback()
def config() -> None:
    """Check region configurations."""


@app.command()
def check(
    ctx: typer.Context,
    files: Annotated[list[Path], typer.Argument(help="TOML files of regions.", metavar="FILE...")],
) -> int:
    """Judge configurations whole, without starting anything; exits with 2 if one cannot be right.

    Of several files of one cluster it is checked as well that they tell of the same federation.

    JSON keys: files[].{file, region, guardians[], valid, problems[].{file, key, reason}}.
    """
    loaded = [_loaded(file) for file in files]
    _find_same_region(loaded)
    _find_different_federations(loaded)
    printer = Printer.of(ctx)
    documents = [one.document() for one in loaded]
    if printer.is_table:
        for document in documents:
            _print_one(document)
    else:
        printer.document({"files": documents})
    return ExitCode.OK if all(document["valid"] for document in documents) else ExitCode.USAGE


@dataclass(slots=True)
class _Loaded:
    """One file: its configuration, if it can be right by itself, and what is wrong."""

    file: Path
    config: DaemonConfig | None
    problems: list[dict[str, str]]

    def complain(self, key: str, reason: str) -> None:
        self.problems.append({"file": str(self.file), "key": key, "reason": reason})

    def document(self) -> dict[str, Any]:
        region = self.config.region if self.config is not None else None
        name = region.name if region is not None else ""
        groups = region.groups if region is not None else ()
        return {
            "file": str(self.file),
            "region": name,
            "guardians": [each for group in groups if group.shard == name for each in group.members[1:]],
            "valid": not self.problems,
            "problems": self.problems,
        }


def _loaded(file: Path) -> _Loaded:
    from hanse.daemon.config import load_config
    from hanse.daemon.errors import ConfigError

    try:
        return _Loaded(file, load_config(file), [])
    except ConfigError as error:
        problems = [
            {"file": problem.file, "key": problem.key, "reason": problem.reason} for problem in error.problems
        ]
        return _Loaded(file, None, problems)


def _find_same_region(loaded: list[_Loaded]) -> None:
    """Two files for one region would be two owners of its name."""
    first: dict[str, Path] = {}
    for one in loaded:
        if one.config is not None:
            region = one.config.region.name
            if first.setdefault(region, one.file) != one.file:
                one.complain("region.name", f"{region!r} is configured by {first[region]} already")


def _find_different_federations(loaded: list[_Loaded]) -> None:
    """Regions that do not agree on the roster would not agree on who guards whom."""
    first: dict[tuple[str, int], _Loaded] = {}
    for one in loaded:
        if one.config is None:
            continue
        region = one.config.region
        other = first.setdefault((region.cluster_id, region.roster_epoch), one)
        assert other.config is not None
        ours, theirs = one.config, other.config
        if _by_name(ours) != _by_name(theirs):
            one.complain("members", f"not the same as in {other.file}, at the same region.roster_epoch")
        if _federation(ours) != _federation(theirs):
            one.complain("federation", f"not the same as in {other.file}")


def _federation(config: DaemonConfig) -> FederationTable:
    """What must be the same everywhere; where the roster's file lies need not."""
    import msgspec

    return msgspec.structs.replace(config.settings.federation, roster="")


def _by_name(config: DaemonConfig) -> list[Member]:
    return sorted(config.region.members, key=lambda member: member.name)


def _print_one(one: dict[str, Any]) -> None:
    if one["valid"]:
        guarded = f", guarded by {' and '.join(one['guardians'])}" if one["guardians"] else ""
        print(f"{one['file']}: ok (region {one['region']}{guarded})")
    for problem in one["problems"]:
        print(": ".join(part for part in (problem["file"], problem["key"], problem["reason"]) if part))
