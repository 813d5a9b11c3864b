"""A region that is full, and n jobs of seven tenants that wait: of a hundred jobs one has a shape of its own."""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import partial

from hanse.bench.machine import BATCH_JOBS, SEED, Machine, batches
from hanse.bench.scale.axes import Work
from hanse.bench.scale.nodes import nodes
from hanse.bench.scale.timing import each_s, once_s, sum_s
from hanse.core.events import Question
from hanse.core.model.jobs import GroupShape, Shape, ShapeBody, make_shape
from hanse.core.model.resources import resources

_NODES = 200
_CPU = 8_000
# More than these nodes have room for.
_OCCUPANTS = 3_000
_ALIKE = 100
_ENDED = 200
_CANCELLED = 500
_ASKED = 10


def measure(n: int) -> Iterator[Work]:
    """Work by work, in an order in which each finds what it needs."""
    machine, randomness = Machine(nodes(_NODES)), random.Random(SEED)
    for batch in batches((_shape(0) for _ in range(_OCCUPANTS)), BATCH_JOBS):
        machine.submit(batch)
    machine.cancel_queued()
    shapes = [_shape(number) for number in range(max(1, n // _ALIKE))]
    wanted = (randomness.choice(shapes) for _ in range(n))
    queued = sum_s(partial(machine.submit, batch) for batch in batches(wanted, BATCH_JOBS))
    yield Work("queue", "n jobs come and have no room", queued)
    yield Work(
        "turn", "a job ends and the next one starts", each_s(min(_ENDED, n // 4), lambda: machine.end(1))
    )
    waiting = [job.id for shape in machine.region.local.queue.shapes() for job in shape.jobs]
    randomness.shuffle(waiting)
    cancelled = each_s(min(_CANCELLED, n // 4), lambda: machine.cancel([waiting.pop()]))
    yield Work("cancel", "a job that waits is cancelled", cancelled)
    explained = each_s(
        _ASKED, lambda: machine.ask(Question.EXPLAIN, waiting[randomness.randrange(len(waiting))])
    )
    yield Work("explain", "a caller asks why a job waits", explained)
    made: list[Machine] = []
    again = once_s(lambda: made.append(Machine(machine.config.nodes, machine)))
    yield Work("restart", "a region starts again with n jobs that wait", again)


def _shape(number: int) -> Shape:
    wanted = resources({"cpu": _CPU, "memory": 4_096 * (number + 1)})
    return make_shape(ShapeBody(groups=(GroupShape(1, 1, wanted),)))
