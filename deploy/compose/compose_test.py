"""`make compose-test`: three regions in containers, a real workload, a kill, a partition; then the books are balanced.

docker.py    Docker on this machine: what is missing, a daemon if none runs, its commands
league.py    the three containers: up, down, killed, cut off, and read
campaign.py  the jobs and the faults
books.py     what a container's death means for the tasks' records
report.py    build/compose/report.json

Exits with 0 only if every job was acknowledged and has ended, none was lost, and none was run twice. Everything that
was started is ended, and what it left is removed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from rich.console import Console

from deploy.compose import campaign
from deploy.compose.docker import Say, Shell, daemon, install_missing
from deploy.compose.league import REGIONS, league
from deploy.compose.report import balance, document
from hanse.cli.errors import CommandError, UsageOrConfigError
from hanse.cli.exits import ExitCode
from hanse.cli.signals import run_to_the_end

_ROOT = Path(__file__).parents[2]
_OUT = _ROOT / "build" / "compose"
_BASE = "hanse-base:bookworm"
_JOBS = 240
_SEED = 2017
_FINDINGS_TOLD = 10


async def test(options: argparse.Namespace, shell: Shell, say: Say) -> dict[str, Any]:
    """The report of one test."""
    begun_s = time.monotonic()
    await install_missing(shell, say)
    planned = campaign.plan(options.jobs, options.seed)
    async with daemon(shell, say) as own:
        base = await _prepare(own, options.base, say)
        # Its own name for each test: two of them, or one and a deployment, don't touch each other.
        async with league(own, base, f"hanse-test-{os.getpid()}", _OUT / "volumes", say) as regions:
            known_s = await regions.wait_until_all_know_all()
            await regions.wait_until_healthy()
            say(f"{', '.join(REGIONS)} are up, healthy, and know each other ({known_s:.1f} s)")
            say(
                f"{len(planned)} jobs of a real trace are submitted over {planned[-1].submit_s:.0f} s, from outside"
            )
            played = await campaign.run(regions, planned, say)
            say("every job has ended; the tasks' own records are read from the volumes")
            written = await regions.runs()
            found = balance(played, written)
        say("containers, volumes, networks and image are removed")
    return document(played, written, found, time.monotonic() - begun_s)


async def _prepare(shell: Shell, base: str, say: Say) -> str:
    """What the image is built from: wheels, and a base if none is given. Returns the base's name."""

    async def made_by(script: str, *arguments: str) -> None:
        say(await shell.run(str(_ROOT / "deploy/docker" / script), *arguments))

    async with asyncio.TaskGroup() as group:
        group.create_task(made_by("wheels"))
        if not base:
            say(f"{_BASE} is made of Debian's packages, if it is not there")
            group.create_task(made_by("base-image", _BASE))
    return base or _BASE


def _verdict(report: dict[str, Any], path: Path) -> list[str]:
    (one,) = report["campaigns"]
    takeover_s = report["longest_takeover_s"]
    findings = [
        f"  {kind}: {each['job']}: {each['why']}"
        for kind in ("lost", "run_twice", "misjudged")
        for each in one["findings"][kind]
    ]
    return [
        "",
        f"jobs       {one['jobs']} ({one['tasks']} tasks, {one['runs']} runs on record), "
        + ", ".join(f"{count} {state.lower()}" for state, count in one["states"].items()),
        f"handed off {one['handed_off']}",
        f"cut short  {one['cut_short']} runs by the kill; the last of their jobs ran again "
        + ("-" if takeover_s is None else f"{takeover_s:.1f} s later"),
        f"books      {one['lost']} lost, {one['run_twice']} run twice, {one['not_final']} not ended, "
        f"{one['refused']} refused",
        *findings[:_FINDINGS_TOLD],
        f"took       {one['wall_s']:.0f} s",
        f"report     {os.path.relpath(path)}",
        "compose-test: passed" if one["ok"] else "compose-test: FAILED",
    ]


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(
        prog="compose-test", description="Needs root. Everything is removed in the end."
    )
    parser.add_argument(
        "--jobs", type=int, default=_JOBS, help="jobs of the trace, 40 to 450 (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=_SEED, help="which jobs are taken, and which fail")
    parser.add_argument(
        "--base", default="", help="base image; default: one that is made here of Debian's packages"
    )
    options = parser.parse_args()
    console = Console(highlight=False, markup=False, soft_wrap=True)
    begun_s = time.monotonic()

    def say(text: str) -> None:
        console.print(f"{time.monotonic() - begun_s:6.1f}s  {text}")

    _OUT.mkdir(parents=True, exist_ok=True)
    log = _OUT / "commands.log"
    log.write_bytes(b"")
    try:
        report = run_to_the_end(test(options, Shell(os.environ, log), say))
    except (CommandError, UsageOrConfigError) as error:
        console.print(f"compose-test: {error}" + (f"\n  next: {error.hint}" if error.hint else ""))
        return ExitCode.USAGE if isinstance(error, UsageOrConfigError) else ExitCode.FAILURE
    path = _OUT / "report.json"
    path.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    for line in _verdict(report, path):
        console.print(line)
    return ExitCode.OK if report["campaigns"][0]["ok"] else ExitCode.FAILURE


if __name__ == "__main__":
    sys.exit(main())
