"""`python -m hanse.bench.suite`: run the benchmarks of a source tree, compare, and keep the figures for the docs.

Writes a document for each into --out, and its figures into --book, from which the documentation's table is made. They
are compared with what --book was at the last commit. Exit code 1: a benchmark failed. That one is slower than it was,
or short of its target, is told, and is no failure.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from hanse.bench.suite.catalogue import BY_NAME, CATALOGUE, PLOT, Benchmark
from hanse.bench.suite.comparison import Change, compared
from hanse.bench.suite.records import Book, Run, packed_book, read_book, read_file, with_earlier
from hanse.bench.suite.running import run_benchmark
from hanse.bench.suite.table import target_text, value_text

_BAR_WIDTH = 30
_ALTERNATIVES = {"jobs_openb.csv.gz": "openb_jobs.csv", "inv_openb.csv": "openb_nodes.csv"}
_EXCERPTS = Path("tests/bench/data")


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code."""
    options = _options(arguments)
    wanted = [BY_NAME[name] for name in options.only] if options.only else list(CATALOGUE)
    committed, book = committed_book(options.book), read_file(options.book)
    failed = []
    for number, benchmark in enumerate(wanted):
        filled = _BAR_WIDTH * number // len(wanted)
        head = f"[{'#' * filled}{'.' * (_BAR_WIDTH - filled)}] {benchmark.name}"
        files = files_of(benchmark, options.traces)
        missing = [name for name in benchmark.files if name not in files]
        if missing:
            _say(f"{head}: left out, because there is no {', '.join(missing)} (TRACES=DIRECTORY)")
            continue
        _say(f"{head}: {benchmark.what}")
        run = run_benchmark(benchmark, files | plot_of(benchmark, options.book), options.out, _source())
        book[benchmark.name] = with_earlier(run, committed.get(benchmark.name))
        options.book.write_bytes(packed_book(book))
        _tell(book[benchmark.name])
        failed += [benchmark.name] if run.failure else []
    if failed:
        _say(f"FAILED: {', '.join(failed)}")
    return 1 if failed else 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m hanse.bench.suite", description=__doc__)
    parser.add_argument("--only", type=_names, default=[], help="names, separated by commas or blanks")
    parser.add_argument("--out", type=Path, default=Path("build/bench"), help="directory for the documents")
    parser.add_argument("--book", type=Path, default=Path("docs/benchmarks.json"), help="file of all figures")
    parser.add_argument(
        "--traces", type=Path, default=None, help="directory with traces that are not in the tree"
    )
    return parser.parse_args(arguments)


def _names(text: str) -> list[str]:
    names = text.replace(",", " ").split()
    unknown = [name for name in names if name not in BY_NAME]
    if unknown:
        raise argparse.ArgumentTypeError(f"no {', '.join(unknown)}; there are {', '.join(BY_NAME)}")
    return names


def files_of(benchmark: Benchmark, traces: Path | None) -> dict[str, Path]:
    """The traces that it reads, as far as they are there; excerpts of some are part of the tree."""
    found = {}
    for name in benchmark.files:
        given = traces / name if traces is not None else None
        excerpt = _EXCERPTS / _ALTERNATIVES.get(name, name)
        path = next((each for each in (given, excerpt) if each is not None and each.is_file()), None)
        if path is not None:
            found[name] = path.absolute()
    return found


def plot_of(benchmark: Benchmark, book: Path) -> dict[str, Path]:
    """Where its image goes: beside the documentation, if that is where the figures go."""
    return {PLOT[1:-1]: book.absolute().parent / "images" / f"{benchmark.name}.svg"}


def committed_book(path: Path) -> Book:
    """As it was at the last commit; nothing, if it was not there or this is no repository."""
    asked = subprocess.run(
        ["git", "show", f"HEAD:./{path.name}"], cwd=path.absolute().parent, capture_output=True, check=False
    )
    return {} if asked.returncode else read_book(asked.stdout)


def _source() -> str:
    """The commit, with a + if the tree has changed since."""
    asked = subprocess.run(
        ["git", "describe", "--always", "--dirty=+", "--exclude=*"],
        capture_output=True,
        text=True,
        check=False,
    )
    return asked.stdout.strip() if not asked.returncode else "no commit"


def _tell(run: Run) -> None:
    if run.failure:
        _say(f"  FAILED: {run.failure}")
        return
    for each in compared(run):
        wanted = target_text(each.figure)
        verdict = "" if not wanted else f" ({wanted}: {'met' if each.is_met else 'SHORT'})"
        ratio = "" if each.ratio is None else f", x {each.ratio:.2f}"
        change = "" if each.change in (Change.SAME, Change.NEW) else f", {each.change.value}"
        _say(f"  {each.figure.title}: {value_text(each.figure.unit, each.value)}{verdict}{ratio}{change}")
    _say(
        f"  {run.wall_s:g} s; other work meanwhile: {run.load.others_cores:.1f} of {run.machine.cores} cores"
    )


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
