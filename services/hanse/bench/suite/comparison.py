"""Whether a figure has become worse, or only the machine busier.

A figure is judged only if the machine is the same and was about as busy with other things as the last time; else the
change is told, and what it may be due to. Nothing is ever a failure for being slower: single runs differ.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator

import msgspec

from hanse.bench.suite.catalogue import BY_NAME, Better, Figure
from hanse.bench.suite.records import Earlier, Run

# A run that is this much worse is worth a look: runs on a quiet machine differ by half of it.
WORSE_SHARE = 0.20
# Beyond so many cores' difference in other work two runs say nothing about each other.
LOAD_CORES = 0.25


class Change(enum.StrEnum):
    """What has become of a figure."""

    NEW = "new"
    BETTER = "better"
    SAME = "same"
    WORSE = "worse"
    BUSIER = "worse, but the machine was busier"
    QUIETER = "better, but the machine was quieter"
    ELSEWHERE = "another machine"


class Compared(msgspec.Struct, frozen=True):
    """`ratio`: this value by the last one; None: there was none, or it was 0."""

    figure: Figure
    value: float
    ratio: float | None
    change: Change
    is_met: bool


def compared(run: Run) -> Iterator[Compared]:
    """Each figure of a run that has not failed, in the order of the catalogue."""
    for figure in BY_NAME[run.benchmark].figures if run.benchmark in BY_NAME else ():
        value = run.figures.get(figure.path)
        if value is not None:
            earlier = run.earlier.get(figure.path)
            ratio = value / earlier.value if earlier is not None and earlier.value else None
            change = change_of(figure, value, earlier, run.load.others_cores)
            yield Compared(figure, value, ratio, change, figure.is_met(value))


def change_of(figure: Figure, value: float, earlier: Earlier | None, others_cores: float) -> Change:
    """Since the last time."""
    if earlier is None:
        return Change.NEW
    if not earlier.same_machine:
        return Change.ELSEWHERE
    busier_cores = others_cores - earlier.others_cores
    if is_worse(figure, value, earlier.value):
        return Change.BUSIER if busier_cores > LOAD_CORES else Change.WORSE
    if is_worse(figure, earlier.value, value):
        return Change.QUIETER if busier_cores < -LOAD_CORES else Change.BETTER
    return Change.SAME


def is_worse(figure: Figure, value: float, than: float) -> bool:
    """By more than runs differ anyway."""
    if figure.better is Better.MORE:
        return value < than * (1 - WORSE_SHARE)
    return value > than * (1 + WORSE_SHARE)
