"""`python -m chaos.live [CAMPAIGN...]`: run campaigns, by name or path; all of chaos/campaigns if none is named.

Exit codes: 0 all promises kept; 1 a promise was broken, or a campaign could not be carried out as written; 2 a
campaign's file is wrong, or what it needs is missing; 130 interrupted.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from chaos.live.campaign import Campaign, load_campaign
from chaos.live.errors import HarnessError
from chaos.live.report import document, lines, store, write
from chaos.live.run import run_campaign
from chaos.live.tools import install_missing
from hanse.cli.signals import run_to_the_end
from hanse.daemon.errors import ConfigError

CAMPAIGNS = Path(__file__).parent.parent / "campaigns"
EXIT_OK, EXIT_FAILED, EXIT_USAGE = 0, 1, 2
EXIT_INTERRUPTED = 130


def main(arguments: Sequence[str]) -> int:
    """Run what the command line says; the exit code."""
    parsed = _parser().parse_args(arguments)
    root = os.geteuid() == 0 and not parsed.loopback
    try:
        campaigns = [load_campaign(path) for path in _paths(parsed.campaigns)]
        runnable = [one for one in campaigns if root or not one.needs_root]
        install_missing(runnable, _tell, root=root)
    except (ConfigError, HarnessError) as error:
        _tell(str(error))
        return EXIT_USAGE
    skipped = [one.name for one in campaigns if one not in runnable]
    try:
        return run_to_the_end(_run_all(runnable, skipped, parsed, root=root))
    except KeyboardInterrupt:
        _tell("interrupted; everything that was started is ended")
        return EXIT_INTERRUPTED


async def _run_all(
    campaigns: Sequence[Campaign], skipped: Sequence[str], parsed: argparse.Namespace, *, root: bool
) -> int:
    # With JSON on standard output, what a person reads goes to the other stream.
    shown = sys.stderr if parsed.output == "json" else sys.stdout
    begun_s = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - begun_s:7.1f}s  {text}", file=shown, flush=True)

    for name in skipped:
        say(f"skipped: {name} needs root")
    outcomes = []
    for number, campaign in enumerate(campaigns, start=1):
        say(f"[{number}/{len(campaigns)}] {campaign.name}: {campaign.about.title}")
        directory = parsed.directory.absolute() / "runs" / f"{campaign.name}-{os.getpid()}"
        outcomes.append(await run_campaign(campaign, directory, say, root=root))
        for line in lines(outcomes[-1]):
            say(line)
        # After each, so that whatever ends this leaves a report of what was done.
        report = document(outcomes, skipped)
        write(parsed.directory / "report.json", report)
        if parsed.store is not None:
            store(parsed.store, document(outcomes[-1:], []))
    if parsed.output == "json":
        sys.stdout.write(json.dumps(report, indent=2) + "\n")
    kinds = ", ".join(f"{kind} {count}" for kind, count in report["faults"].items())
    say(
        f"{len(outcomes)} campaigns, {report['jobs']} jobs, {len(report['faults'])} kinds of fault ({kinds}): "
        f"{report['lost']} lost, {report['run_twice']} run twice, report in {parsed.directory / 'report.json'}"
    )
    return EXIT_OK if all(outcome.ok for outcome in outcomes) else EXIT_FAILED


def _tell(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def _paths(named: Sequence[str]) -> list[Path]:
    if not named:
        return sorted(CAMPAIGNS.glob("*.toml"))
    return [Path(name) if name.endswith(".toml") else CAMPAIGNS / f"{name}.toml" for name in named]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m chaos.live", description=__doc__)
    parser.add_argument("campaigns", nargs="*", metavar="CAMPAIGN", help="a name, or the path of a TOML file")
    parser.add_argument("-o", "--output", choices=("text", "json"), default="text")
    parser.add_argument(
        "--directory", type=Path, default=Path("build/chaos"), help="for reports and evidence"
    )
    parser.add_argument(
        "--loopback", action="store_true", help="as without root: no namespaces, all links through the proxy"
    )
    parser.add_argument("--store", type=Path, help="also keep the results there, for the documentation")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
