"""`python -m hanse.bench.scale AXIS N`: one size, measured in this process; a line of JSON for each work, and one for
the whole point at last. Started by points.py."""

from __future__ import annotations

import gc
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from hanse.bench.scale import jobs, nodes, regions
from hanse.bench.scale.axes import AxisName, Point, Work
from hanse.daemon.collector import GC_THRESHOLDS

MEASURES: dict[AxisName, Callable[[int], Iterator[Work]]] = {
    AxisName.REGIONS: regions.measure,
    AxisName.NODES: nodes.measure,
    AxisName.JOBS: jobs.measure,
}


def main(arguments: list[str]) -> None:
    """Measure what the command line says."""
    axis, n = AxisName(arguments[0]), int(arguments[1])
    gc.set_threshold(*GC_THRESHOLDS)
    base_bytes, begun_s = _resident_bytes("VmRSS"), time.monotonic()
    works = []
    for work in MEASURES[axis](n):
        works.append(work)
        _say(work)
    wall_s = round(time.monotonic() - begun_s, 3)
    _say(Point(n, tuple(works), base_bytes, _resident_bytes("VmHWM"), wall_s))


def _say(what: Work | Point) -> None:
    sys.stdout.write(msgspec.json.encode(what).decode() + "\n")
    sys.stdout.flush()


def _resident_bytes(field: str) -> int:
    """Now (VmRSS) or at most so far (VmHWM)."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    found = re.search(rf"^{field}:\s+(\d+) kB$", status, re.MULTILINE)
    assert found is not None, f"/proc/self/status has no {field}"
    return int(found[1]) * 1024


if __name__ == "__main__":
    main(sys.argv[1:])
