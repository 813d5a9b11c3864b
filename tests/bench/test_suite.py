"""All benchmarks: what is taken from their documents, how runs are compared, the table, and what fails."""

from __future__ import annotations

import subprocess
from pathlib import Path

import msgspec
import pytest

from hanse.bench.suite.__main__ import _names, committed_book, files_of, main
from hanse.bench.suite.catalogue import BY_NAME, CATALOGUE, Benchmark, Better, Figure, Unit, value_of
from hanse.bench.suite.comparison import Change, change_of, compared
from hanse.bench.suite.records import (
    Earlier,
    Load,
    Machine,
    Run,
    packed_book,
    read_book,
    read_file,
    with_earlier,
)
from hanse.bench.suite.running import Ended, document_of
from hanse.bench.suite.table import rows, table, target_text, value_text

RATE = Figure("jobs_per_s", "jobs", Unit.PER_SECOND, Better.MORE, 5_000)
WAIT = Figure("p99_s", "99 %", Unit.SECONDS, Better.LESS, 0.25)


def a_run(name: str = "submit", *, others: float = 0.1, cores: int = 2, **changes: object) -> Run:
    """A run of a benchmark that reached its targets."""
    run = Run(
        benchmark=name,
        day="2024-05-01",
        source="abc1234",
        versions={"hanse": "0.1.0", "python": "3.11.7", "kernel": "6.1"},
        machine=Machine(processor="a processor", cores=cores, memory_bytes=16 * 10**9, kernel="6.1"),
        load=Load(before_1min=0.5, after_1min=1.5, others_cores=others),
        wall_s=12.3,
        figures={"jobs_per_s": 10_000.0, "p99_s": 0.2},
    )
    return msgspec.structs.replace(run, **changes)


# --- documents ------------------------------------------------------------------------------------------------------


def test_figures_are_found_by_their_path() -> None:
    document = {"a": {"b": 3}, "names": ["x", "y"], "yes": True, "no": None, "text": "7"}
    assert value_of(document, "a.b") == 3.0
    assert value_of(document, "names") == 2.0
    assert value_of(document, "yes") == 1.0
    assert [value_of(document, path) for path in ("a", "no", "text", "a.b.c", "z")] == [None] * 5


@pytest.mark.parametrize(
    ("ended", "failure"),
    [
        (Ended('{"jobs": 1}', 0, 1.0, 1, False), ""),
        (Ended('{"jobs": 1}', 3, 1.0, 1, False), "exit code 3"),
        (Ended("", 0, 1.0, 1, True), "not over after 60 s"),
        (Ended("oops", 0, 1.0, 1, False), "what it printed is no JSON"),
        (Ended("[1]", 0, 1.0, 1, False), "what it printed is no document"),
    ],
)
def test_what_is_no_result_is_a_failure(ended: Ended, failure: str) -> None:
    assert document_of(ended, 60.0)[1] == failure


def test_the_catalogue_is_of_one_piece() -> None:
    assert len(BY_NAME) == len(CATALOGUE)
    for benchmark in CATALOGUE:
        paths = [figure.path for figure in benchmark.figures]
        assert len(set(paths)) == len(paths)
        assert all("{" not in each.strip("{}") for each in benchmark.arguments)


# --- comparison -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("figure", "value", "before", "others", "change"),
    [
        (RATE, 100, 100, 0.1, Change.SAME),
        (RATE, 81, 100, 0.1, Change.SAME),
        (RATE, 79, 100, 0.1, Change.WORSE),
        (RATE, 79, 100, 1.1, Change.BUSIER),
        (RATE, 130, 100, 0.1, Change.BETTER),
        (RATE, 130, 100, 1.1, Change.BETTER),
        (WAIT, 0.119, 0.1, 0.1, Change.SAME),
        (WAIT, 0.121, 0.1, 0.1, Change.WORSE),
        (WAIT, 0.121, 0.1, 1.1, Change.BUSIER),
        (WAIT, 0.05, 0.1, 0.1, Change.BETTER),
        # What never happened must not happen at all.
        (WAIT, 1, 0, 0.1, Change.WORSE),
        (WAIT, 0, 0, 0.1, Change.SAME),
    ],
)
def test_a_change_counts_if_the_machine_was_as_busy(
    figure: Figure, value: float, before: float, others: float, change: Change
) -> None:
    assert change_of(figure, value, Earlier(before, 0.1, True), others) is change


def test_a_change_says_nothing_about_another_machine_or_a_busier_past() -> None:
    assert change_of(RATE, 10, Earlier(100, 0.1, False), 0.1) is Change.ELSEWHERE
    assert change_of(RATE, 130, Earlier(100, 1.1, True), 0.1) is Change.QUIETER
    assert change_of(RATE, 100, None, 0.1) is Change.NEW


def test_runs_know_what_they_are_compared_with() -> None:
    before = a_run(others=0.4)
    run = with_earlier(a_run(figures={"jobs_per_s": 7_000.0, "p99_s": 0.2}), before)
    rate, wait = compared(run)
    assert (rate.ratio, rate.change, rate.is_met) == (pytest.approx(0.7), Change.WORSE, True)
    assert (wait.ratio, wait.change) == (1.0, Change.SAME)
    assert with_earlier(a_run(), None).earlier == {}
    assert with_earlier(a_run(), a_run(failure="exit code 1")).earlier == {}
    assert with_earlier(a_run(set_up="other.csv"), before).earlier == {}
    assert with_earlier(a_run(cores=8), before).earlier["p99_s"].same_machine is False


# --- the table ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("unit", "value", "text"),
    [
        (Unit.PER_SECOND, 13_100.4, "13,100/s"),
        (Unit.SECONDS, 83.26, "83.3 s"),
        (Unit.SECONDS, 1.234, "1.23 s"),
        (Unit.SECONDS, 0.0351, "35.1 ms"),
        (Unit.SECONDS, 0.00029, "290 us"),
        (Unit.BYTES, 291_600_000, "292 MB"),
        (Unit.BYTES, 1_500_000_000, "1.50 GB"),
        (Unit.SHARE, 0.956, "95.6%"),
        (Unit.PERCENT, 97.25, "97.2 %"),
        (Unit.COUNT, 0, "0"),
        (Unit.TIMES, 17.62, "17.6"),
        (Unit.POWER, 1.078, "1.08"),
    ],
)
def test_values_are_shown_for_people(unit: Unit, value: float, text: str) -> None:
    assert value_text(unit, value) == text


def test_targets_are_shown_beside_the_figures() -> None:
    assert target_text(RATE) == "at least 5,000/s"
    assert target_text(WAIT) == "at most 250.0 ms"
    assert target_text(BY_NAME["handoff"].figures[2]) == "0"
    assert target_text(Figure("x", "x", Unit.COUNT, Better.LESS)) == ""


def test_rows_say_what_is_short_what_is_worse_and_how_busy_it_was() -> None:
    run = with_earlier(a_run(figures={"jobs_per_s": 4_000.0, "p99_s": 0.2}), a_run())
    first, second = rows("submit", run)
    assert first[1:] == [
        "jobs",
        "4,000/s",
        "at least 5,000/s",
        "**short**",
        "x 0.40 **worse**",
        "0.1 of 2 cores",
    ]
    assert (second[0], second[2], second[-1]) == ("", "200.0 ms", "")
    ((_, _, verdict, *_, load),) = rows("submit", a_run(failure="exit code 1 | no"))
    assert (verdict, load) == ("**failed**: exit code 1 \\| no", "0.1 of 2 cores")
    ((_, _, verdict, *_),) = rows("submit", None)
    assert verdict == "not run"


def test_the_table_has_every_benchmark_and_where_it_ran() -> None:
    text = table({"submit": a_run(), "handoff": a_run("handoff", cores=8)})
    assert all(f"**{benchmark.name}**" in text for benchmark in CATALOGUE)
    assert "- submit: 2024-05-01, abc1234; a processor, 2 cores, 16 GB, Linux 6.1; hanse 0.1.0" in text
    assert "- handoff: 2024-05-01, abc1234; a processor, 8 cores" in text
    assert "- All: " in table({"submit": a_run()})


def test_a_book_reads_back(tmp_path: Path) -> None:
    book = {"submit": with_earlier(a_run(), a_run(others=1.0))}
    assert read_book(packed_book(book)) == book
    assert read_file(tmp_path / "none.json") == {}


# --- the command ----------------------------------------------------------------------------------------------------

QUICK = Benchmark(
    "quick", "the version", ("version",), (Figure("peak_bytes", "memory", Unit.BYTES, Better.LESS),)
)
BROKEN = Benchmark("broken", "a mistake", ("bench", "no-such-benchmark"), (WAIT,))
READER = Benchmark("reader", "a file", ("version", "{none.csv}"), ())


@pytest.fixture
def catalogue(monkeypatch: pytest.MonkeyPatch) -> None:
    """Benchmarks that take no time."""
    few = (QUICK, BROKEN, READER)
    monkeypatch.setattr("hanse.bench.suite.__main__.CATALOGUE", few)
    for benchmark in few:
        monkeypatch.setitem(BY_NAME, benchmark.name, benchmark)


@pytest.mark.usefixtures("catalogue")
def test_a_failed_benchmark_is_kept_as_failed_and_tells_by_the_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    book = tmp_path / "benchmarks.json"
    arguments = ["--out", str(tmp_path / "out"), "--book", str(book)]
    assert main([*arguments, "--only", "quick"]) == 0
    assert main(arguments) == 1
    runs = read_file(book)
    assert (runs["quick"].failure, runs["broken"].failure) == ("", "exit code 2")
    assert runs["quick"].figures["peak_bytes"] > 1e6
    told = capsys.readouterr().out
    assert "reader: left out, because there is no none.csv" in told
    assert "FAILED: broken" in told
    document = msgspec.json.decode((tmp_path / "out" / "quick.json").read_bytes())
    assert document.keys() >= {"machine", "versions", "load", "peak_bytes"}


@pytest.mark.usefixtures("catalogue")
def test_runs_are_compared_with_the_last_commit(tmp_path: Path) -> None:
    def git(*arguments: str) -> None:
        subprocess.run(["git", *arguments], cwd=tmp_path, check=True, capture_output=True)

    book = tmp_path / "benchmarks.json"
    assert committed_book(book) == {}
    arguments = ["--out", str(tmp_path / "out"), "--book", str(book), "--only", "quick"]
    assert main(arguments) == 0
    git("init", "--quiet")
    git("add", "benchmarks.json")
    git("-c", "user.name=n", "-c", "user.email=e", "commit", "--quiet", "-m", "figures")
    assert committed_book(book).keys() == {"quick"}
    assert main(arguments) == 0
    (only,) = compared(read_file(book)["quick"])
    assert only.ratio == pytest.approx(1.0, abs=0.3)


def test_names_are_checked() -> None:
    assert _names("handoff, scale") == ["handoff", "scale"]
    with pytest.raises(Exception, match="no nonsense; there are submit"):
        _names("nonsense")


def test_excerpts_stand_in_for_traces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parents[2])
    found = files_of(BY_NAME["placement"], None)
    assert {path.name for path in found.values()} == {"openb_jobs.csv", "openb_nodes.csv"}
    (tmp_path / "inv_openb.csv").write_text("", encoding="utf-8")
    assert files_of(BY_NAME["placement"], tmp_path)["inv_openb.csv"].parent == tmp_path
    assert files_of(BY_NAME["replay-lcg"], None) == {}
