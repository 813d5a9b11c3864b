"""The table of all benchmarks, as Markdown. Everything in it is from the runs and the catalogue."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hanse.bench.suite.catalogue import BY_NAME, CATALOGUE, Better, Figure, Unit
from hanse.bench.suite.comparison import Change, Compared, compared
from hanse.bench.suite.records import Book, Run

_HEAD = (
    "| benchmark | figure | value | target | | compared with the last time | other work meanwhile |",
    "|---|---|---|---|---|---|---|",
)
_SAID = {Change.SAME: "", Change.NEW: "first time", Change.BETTER: "", Change.WORSE: "**worse**"}


def table(book: Book) -> str:
    """All benchmarks of the catalogue, in its order; then where and with what they ran."""
    lines = list(_HEAD)
    for benchmark in CATALOGUE:
        run = book.get(benchmark.name)
        lines += ["| {} |".format(" | ".join(row)) for row in rows(benchmark.name, run)]
    return "\n".join([*lines, "", *_grounds(book)])


def rows(name: str, run: Run | None) -> Iterator[list[str]]:
    """Cells of one benchmark, a row for each of its figures."""
    title = f"**{name}**: {BY_NAME[name].what}"
    if run is None:
        yield [title, "", "not run", "", "", "", ""]
        return
    load = f"{run.load.others_cores:.1f} of {run.machine.cores} cores"
    if run.failure:
        yield [title, "", f"**failed**: {_cell(run.failure)}", "", "", "", load]
        return
    if run.set_up:
        title += f" ({run.set_up})"
    for each in compared(run):
        yield [title, each.figure.title, *_value_cells(each), load]
        title = load = ""


def _value_cells(each: Compared) -> list[str]:
    wanted = target_text(each.figure)
    verdict = "" if each.figure.target is None else "met" if each.is_met else "**short**"
    said = _SAID.get(each.change, each.change.value)
    ratio = "" if each.ratio is None else f"x {each.ratio:.2f}"
    return [value_text(each.figure.unit, each.value), wanted, verdict, " ".join(filter(None, (ratio, said)))]


def value_text(unit: Unit, value: float) -> str:
    """For people."""
    match unit:
        case Unit.PER_SECOND:
            return f"{value:,.0f}/s"
        case Unit.SECONDS:
            return _seconds_text(value)
        case Unit.BYTES:
            return f"{value / 1e9:.2f} GB" if value >= 1e9 else f"{value / 1e6:,.0f} MB"
        case Unit.COUNT:
            return f"{value:,.0f}"
        case Unit.SHARE:
            return f"{value:.1%}"
        case Unit.PERCENT:
            return f"{value:.1f} %"
        case Unit.TIMES:
            return f"{value:,.1f}"
        case Unit.POWER:
            return f"{value:.2f}"


def _seconds_text(value: float) -> str:
    for size, name, digits in ((1.0, "s", 1 if value >= 10 else 2), (1e-3, "ms", 1)):
        if value >= size:
            return f"{value / size:,.{digits}f} {name}"
    return f"{value / 1e-6:.0f} us"


def target_text(figure: Figure) -> str:
    """What the project wants; empty: it has not said."""
    if figure.target is None:
        return ""
    bound = "at least" if figure.better is Better.MORE else "at most"
    return f"{bound} {value_text(figure.unit, figure.target)}" if figure.target else "0"


def _grounds(book: Book) -> Iterator[str]:
    """Each machine with its versions once, and which benchmarks ran there when."""
    found: dict[str, list[str]] = {}
    for benchmark in CATALOGUE:
        run = book.get(benchmark.name)
        if run is not None:
            found.setdefault(_ground(run), []).append(benchmark.name)
    for ground, names in found.items():
        which = "All" if len(found) == 1 else _listed(names)
        yield f"- {which}: {ground}"


def _ground(run: Run) -> str:
    machine = run.machine
    versions = ", ".join(f"{name} {version}" for name, version in run.versions.items() if name != "kernel")
    return (
        f"{run.day}, {run.source}; {machine.processor}, {machine.cores} cores, {machine.memory_bytes / 1e9:.0f} GB, "
        f"Linux {machine.kernel}; {versions}"
    )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
