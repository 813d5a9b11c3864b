"""The benchmarks of the project, the figures of each that count, and what the project wants them to be."""

from __future__ import annotations

import enum

import msgspec

# Stands for the image that a benchmark writes.
PLOT = "{plot}"


class Unit(enum.StrEnum):
    """How a figure is shown."""

    PER_SECOND = "/s"
    SECONDS = "s"
    BYTES = "bytes"
    COUNT = "count"
    SHARE = "share"
    PERCENT = "percent"
    TIMES = "times"
    POWER = "power"


class Better(enum.StrEnum):
    """Which way a figure should go."""

    MORE = "more"
    LESS = "less"


class Figure(msgspec.Struct, frozen=True):
    """`path`: where it is in the benchmark's document, keys joined by dots; a list counts by its length. `target`: at
    least so much, or at most, by which way is better; None: none is set."""

    path: str
    title: str
    unit: Unit
    better: Better
    target: float | None = None

    def is_met(self, value: float) -> bool:
        """Whether this value is what the project wants."""
        if self.target is None:
            return True
        return value >= self.target if self.better is Better.MORE else value <= self.target


class Benchmark(msgspec.Struct, frozen=True):
    """`arguments` of `hanse`, in which {name} stands for a file of that name in the directory of traces, and {plot} for
    one that it writes among the documentation's images; `limit_s`: after so long it has failed. `keeps`: a part of its
    document of which the documentation tells more than figures. Every document also has `peak_bytes`, of the process
    that prints it."""

    name: str
    what: str
    arguments: tuple[str, ...]
    figures: tuple[Figure, ...]
    limit_s: float = 600.0
    keeps: str = ""

    @property
    def files(self) -> list[str]:
        """Traces that it reads."""
        return [each[1:-1] for each in self.arguments if each.startswith("{") and each != PLOT]


def _more(path: str, title: str, unit: Unit, target: float | None = None) -> Figure:
    return Figure(path, title, unit, Better.MORE, target)


def _less(path: str, title: str, unit: Unit, target: float | None = None) -> Figure:
    return Figure(path, title, unit, Better.LESS, target)


_LOST = _less("lost", "lost", Unit.COUNT, 0)
_TWICE = _less("run_twice", "run twice", Unit.COUNT, 0)
_SAFE = (_LOST, _TWICE)
_OPENB = ("--trace", "{jobs_openb.csv.gz}", "--inventory", "{inv_openb.csv}")


def _replay(
    jobs: str, nodes: str, until_day: str, wall_s: float
) -> tuple[tuple[str, ...], tuple[Figure, ...]]:
    first = "5" if until_day == "40" else "1"
    arguments = (
        "--jobs",
        f"{{{jobs}}}",
        "--nodes",
        f"{{{nodes}}}",
        "--from-day",
        first,
        "--to-day",
        until_day,
    )
    figures = (
        _less("wall_s", "wall time", Unit.SECONDS, wall_s),
        _less("peak_bytes", "memory", Unit.BYTES, 1.5e9),
        _less("mean_wait_s", "mean wait", Unit.SECONDS),
        *_SAFE,
    )
    return ("replay", *arguments), figures


CATALOGUE = (
    Benchmark(
        "submit",
        "100,000 jobs into one region, durable",
        ("bench", "submit"),
        (
            _more("jobs_per_s", "jobs", Unit.PER_SECOND, 5_000),
            _less("p99_s", "a batch of 500, 99 %", Unit.SECONDS),
        ),
    ),
    Benchmark(
        "submit-adoptable",
        "the same beside jobs that guardians keep, three regions",
        ("bench", "submit", "--adoptable", "--jobs", "20000"),
        (
            _more("share_of_wait", "adoptable jobs a second, compared with others", Unit.SHARE, 0.4),
            _less("by_kind.adopt.p99_s", "one at half load, 99 %", Unit.SECONDS, 0.02),
            *_SAFE,
        ),
    ),
    Benchmark(
        "run-simulated",
        "30,000 jobs from submit to end over three regions, simulated engine",
        ("bench", "run", "--executor", "simulated"),
        (
            _more("jobs_per_s", "jobs", Unit.PER_SECOND, 2_000),
            _more("handed_off_share", "handed over", Unit.SHARE, 0.3),
            *_SAFE,
        ),
    ),
    Benchmark(
        "run-local",
        "3,000 jobs from submit to end over three regions, real processes",
        ("bench", "run", "--executor", "local"),
        (
            _more("jobs_per_s", "jobs", Unit.PER_SECOND, 150),
            _more("handed_off_share", "handed over", Unit.SHARE, 0.3),
            *_SAFE,
        ),
    ),
    Benchmark(
        "handoff",
        "from submit to the start on another region, home is full",
        ("bench", "handoff"),
        (
            _less("p50_s", "half of all", Unit.SECONDS, 0.05),
            _less("p99_s", "99 %", Unit.SECONDS, 0.25),
            *_SAFE,
        ),
    ),
    Benchmark(
        "memory",
        "a region with 100,000 jobs that wait",
        ("bench", "memory"),
        (
            _less("resident_bytes.full", "memory", Unit.BYTES, 500e6),
            _less("start_s", "start with them", Unit.SECONDS, 5),
        ),
    ),
    Benchmark(
        "kueue-baseline",
        "Kueue's baseline test, 15,000 jobs (Kueue: 351 s)",
        ("bench", "kueue-baseline"),
        (
            _less("wall_s", "wall time", Unit.SECONDS, 75),
            _less("admission_s.large", "large jobs wait on average", Unit.SECONDS, 5),
            _more("quota_use", "quota in use", Unit.SHARE, 0.85),
        ),
    ),
    Benchmark(
        "kueue-large",
        "Kueue's large test, 50,000 jobs (Kueue: 1,179 s)",
        ("bench", "kueue-large"),
        (_less("wall_s", "wall time", Unit.SECONDS, 60),),
    ),
    Benchmark(
        "placement",
        "30,000 nodes, all rules of the default policy, one core",
        ("bench", "placement", *_OPENB),
        (
            _more("placements_per_s", "placed", Unit.PER_SECOND, 10_000),
            _more("distinct_placements_per_s", "placed, each of another shape", Unit.PER_SECOND, 3_000),
            _less("p50_s", "one, half of all", Unit.SECONDS, 0.001),
            _less("preemption.p50_s", "one for which others are stopped, half of all", Unit.SECONDS, 0.003),
            _less("cycle_s", "a cycle over 10,000 without room", Unit.SECONDS, 2),
            _less("resident_bytes", "memory with 200,000 that run", Unit.BYTES, 1.5e9),
        ),
    ),
    Benchmark(
        "fragmentation",
        "GPUs that can be allocated at 130 % of demand",
        ("bench", "fragmentation", *_OPENB),
        (_more("allocated_percent.default.at_130", "allocated", Unit.PERCENT, 95),),
    ),
    Benchmark(
        "backfill-easy",
        "801 jobs under EASY, compared with another simulator",
        ("bench", "backfill", "{evalys_easy_jobs.csv}", "--mode", "easy"),
        (_less("differences", "other starts", Unit.COUNT), _less("cpu_s", "CPU time", Unit.SECONDS)),
    ),
    Benchmark(
        "backfill-conservative",
        "801 jobs under conservative backfill, compared with another simulator",
        ("bench", "backfill", "{evalys_conservative_jobs.csv}", "--mode", "conservative"),
        (_less("differences", "other starts", Unit.COUNT), _less("cpu_s", "CPU time", Unit.SECONDS)),
    ),
    Benchmark(
        "quota",
        "200 clients race for a global quota, regions are cut off in turn",
        ("bench", "quota"),
        (
            _less("exceeded", "quota exceeded (0: never)", Unit.COUNT, 0),
            _more("utilisation_healed", "of the quota in use, all whole", Unit.SHARE, 0.95),
        ),
    ),
    Benchmark(
        "takeover",
        "regions killed with their disks, frozen, cut off: until their jobs run elsewhere",
        ("bench", "takeover"),
        (
            _less("p99_s", "99 %", Unit.SECONDS, 12),
            _less("before_lease_bound", "before the lease was over", Unit.COUNT, 0),
            *_SAFE,
        ),
        limit_s=1_800.0,
    ),
    Benchmark(
        "scale",
        "how cost grows with regions, nodes and jobs",
        ("bench", "scale", "--svg", PLOT),
        (
            _less("faster_than_n_log_n", "works that grow faster than n log n", Unit.COUNT, 0),
            _less("undecided", "works of which that can't be told", Unit.COUNT),
            _less("missed", "sizes for which there was no time", Unit.COUNT, 0),
            _less("exponent_max", "largest exponent", Unit.POWER),
        ),
        limit_s=900.0,
        keeps="axes",
    ),
    Benchmark(
        "sim-5",
        "simulation under faults, 5 regions, every checker on",
        ("sim", "run", "--regions", "5", "--seeds", "0:20", "--processes", "1"),
        (
            _more("virtual_per_wall", "virtual seconds for one of wall time", Unit.TIMES, 200),
            _less("violations", "violations", Unit.COUNT, 0),
        ),
    ),
    Benchmark(
        "sim-100",
        "simulation under faults, 100 regions, every message by itself",
        ("sim", "run", "--regions", "100", "--seeds", "0:1", "--processes", "1"),
        (
            _more("virtual_per_wall", "virtual seconds for one of wall time", Unit.TIMES, 15),
            _less("violations", "violations", Unit.COUNT, 0),
        ),
        limit_s=900.0,
    ),
    Benchmark(
        "replay-philly",
        "55,480 jobs, 11 regions, federated",
        *_replay("jobs_philly_dev.csv.gz", "inv_philly_bal70.csv", "40", 120),
    ),
    Benchmark(
        "replay-lcg",
        "97,630 jobs, 14 regions, 170 sites, federated",
        *_replay("jobs_lcg_dev.csv.gz", "inv_lcg_90.csv", "6", 180),
    ),
)
BY_NAME = {benchmark.name: benchmark for benchmark in CATALOGUE}


def value_of(document: object, path: str) -> float | None:
    """A figure of a document; None: it has none there."""
    found = document
    for key in path.split("."):
        if not isinstance(found, dict) or key not in found:
            return None
        found = found[key]
    if isinstance(found, list):
        return float(len(found))
    return float(found) if isinstance(found, int | float) else None
