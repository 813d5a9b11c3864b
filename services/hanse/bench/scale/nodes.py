"""A region with n nodes of three kinds, on each of which something runs."""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import partial

from hanse.bench.machine import SEED, Machine
from hanse.bench.scale.axes import Work
from hanse.bench.scale.timing import each_s, once_s, sum_s
from hanse.core.events import Question
from hanse.core.model.jobs import GroupShape, Shape, ShapeBody, make_shape
from hanse.core.model.regions import Node
from hanse.core.model.resources import resources

_GIB = 1 << 30
_CPU = 1_000
_CLASSES = (
    ("cpu", {"cpu": 64 * _CPU, "memory": 256 * _GIB}),
    ("inference", {"cpu": 64 * _CPU, "memory": 256 * _GIB, "gpu": 2_000}),
    ("training", {"cpu": 96 * _CPU, "memory": 512 * _GIB, "gpu": 8_000}),
)
_PER_RACK, _PER_POD = 16, 256
# More than half of every node, so that each takes one.
_LARGE_CPU = 50 * _CPU
_GANG_TASKS = 100
_SHAPES = 40
_PLACED = 500
_WAITING = 1_000
_ENDED = 100
_ASKED = 10


def nodes(count: int) -> tuple[Node, ...]:
    """So many, of each kind a third, in racks and pods."""
    return tuple(
        Node(
            name=f"n{number}",
            node_class=_CLASSES[number % 3][0],
            capacity=resources(_CLASSES[number % 3][1]),
            labels=(
                ("model", _CLASSES[number % 3][0]),
                ("pod", f"p{number // _PER_POD}"),
                ("rack", f"r{number // _PER_RACK}"),
            ),
        )
        for number in range(count)
    )


def measure(n: int) -> Iterator[Work]:
    """Work by work, in an order in which each finds what it needs."""
    given = nodes(n)
    made: list[Machine] = []
    yield Work("start", "a region starts with n empty nodes", once_s(lambda: made.append(Machine(given))))
    machine, randomness = made[0], random.Random(SEED)
    gang, gangs = _gang(min(n, _GANG_TASKS)), max(1, n // _GANG_TASKS)
    filled = sum_s([partial(machine.submit, [gang])] * gangs)
    if n > gangs * _GANG_TASKS:
        machine.submit([_gang(n - gangs * _GANG_TASKS)])
    yield Work("gang", f"a gang of {_GANG_TASKS} comes and is placed, on as many nodes", filled / gangs)
    small = [_small(randomness) for _ in range(_SHAPES)]
    placed = each_s(_PLACED, lambda: machine.submit([randomness.choice(small)]))
    yield Work("place", "a job comes and is placed", placed)
    machine.submit([_large(number) for number in range(_WAITING)])
    machine.started.reverse()
    ended = each_s(_ENDED, lambda: machine.end(1))
    yield Work("end", f"a job ends while {_WAITING:,} wait that still have no room", ended)
    waiting = [job.id for shape in machine.region.local.queue.shapes() for job in shape.jobs]
    explained = each_s(
        _ASKED, lambda: machine.ask(Question.EXPLAIN, waiting[randomness.randrange(len(waiting))])
    )
    yield Work("explain", "a caller asks why a job waits", explained)


def _gang(tasks: int) -> Shape:
    return make_shape(ShapeBody(groups=(GroupShape(tasks, tasks, resources({"cpu": _LARGE_CPU})),)))


def _small(randomness: random.Random) -> Shape:
    wanted = {"cpu": randomness.randrange(250, 2_000, 250), "memory": randomness.randrange(1, 8) * _GIB}
    if randomness.random() < 0.4:
        wanted["gpu"] = randomness.choice((250, 500, 1_000))
    return make_shape(ShapeBody(groups=(GroupShape(1, 1, resources(wanted)),)))


def _large(number: int) -> Shape:
    """Each a little different from all others."""
    wanted = resources({"cpu": _LARGE_CPU, "memory": _GIB + 4_096 * number})
    return make_shape(ShapeBody(groups=(GroupShape(1, 1, wanted),)))
