"""`hanse config`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from hanse.cli.exits import ExitCode
from hanse.cli.output import Printer

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

    JSON keys: files[].{file, region, valid, problems[].{file, key, reason}}.
    """
    checked = [_checked(file) for file in files]
    _find_same_region(checked)
    printer = Printer.of(ctx)
    if printer.is_table:
        for one in checked:
            _print_one(one)
    else:
        printer.document({"files": checked})
    return ExitCode.OK if all(one["valid"] for one in checked) else ExitCode.USAGE


def _checked(file: Path) -> dict[str, Any]:
    from hanse.daemon.config import load_config
    from hanse.daemon.errors import ConfigError

    try:
        loaded = load_config(file)
    except ConfigError as error:
        problems = [
            {"file": problem.file, "key": problem.key, "reason": problem.reason} for problem in error.problems
        ]
        return {"file": str(file), "region": "", "valid": False, "problems": problems}
    return {"file": str(file), "region": loaded.region.name, "valid": True, "problems": []}


def _find_same_region(checked: list[dict[str, Any]]) -> None:
    """Two files for one region would be two owners of its name."""
    first: dict[str, str] = {}
    for one in checked:
        region = one["region"]
        if region and first.setdefault(region, one["file"]) != one["file"]:
            reason = f"{region!r} is configured by {first[region]} already"
            one["problems"].append({"file": one["file"], "key": "region.name", "reason": reason})
            one["valid"] = False


def _print_one(one: dict[str, Any]) -> None:
    if one["valid"]:
        print(f"{one['file']}: ok (region {one['region']})")
    for problem in one["problems"]:
        print(": ".join(part for part in (problem["file"], problem["key"], problem["reason"]) if part))
