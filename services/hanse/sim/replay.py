"""A recorded workload under virtual time: how long its jobs wait, and how often they are handed on.

Jobs are rows (region, submit_s, duration_s, gang, gpus), regions are made of like nodes. Time is compressed, so that
days take minutes; the protocol's own waits are not, so that handing over costs more here than it would.
"""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import msgspec

from hanse.core.events import Submit
from hanse.core.model.jobs import GroupShape, ShapeBody, Submission, make_shape
from hanse.core.model.regions import Member, Node, RegionConfig, Timings
from hanse.core.model.resources import resources
from hanse.core.model.time import SECOND_US
from hanse.sim.executor import Behaviour
from hanse.sim.faults import Faults
from hanse.sim.host import Host
from hanse.sim.record import Launched
from hanse.sim.world import Plan, World

_DEVICE = 1000
_CHUNK_US = 10 * SECOND_US


class TracedJob(msgspec.Struct, frozen=True, kw_only=True):
    """One job of a trace: `gang` tasks of `gpus` whole devices each, in seconds of the trace."""

    job_id: str
    region: str
    submit_s: float
    duration_s: float
    gang: int
    gpus: int


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """Waits in seconds of the trace, over jobs that have started; handoffs are accepted transfers for each job."""

    jobs: int
    started: int
    wait_mean_s: float
    wait_p50_s: float
    wait_p95_s: float
    handoffs_per_job: float
    handoffs_max: int
    envelopes: int


def read_jobs(path: Path, regions: Sequence[str], from_s: float, until_s: float) -> list[TracedJob]:
    """The jobs of these regions that were submitted in this window, which then begins at 0."""
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return [
        TracedJob(
            job_id=row["job_id"],
            region=row["region"],
            submit_s=float(row["submit_s"]) - from_s,
            duration_s=max(1.0, float(row["duration_s"])),
            gang=int(row["gang"] or 1),
            gpus=max(1, int(float(row["gpus"] or 1))),
        )
        for row in csv.DictReader(io.StringIO(data.decode()))
        if row["region"] in regions and from_s <= float(row["submit_s"]) < until_s
    ]


def read_nodes(path: Path) -> dict[str, tuple[int, int]]:
    """Region -> nodes, GPUs of each."""
    with path.open(encoding="utf-8") as file:
        return {row["region"]: (int(row["count"]), int(row["gpus"])) for row in csv.DictReader(file)}


def replay(
    jobs: Sequence[TracedJob],
    nodes: Mapping[str, tuple[int, int]],
    *,
    speedup: int,
    until_s: float,
    seed: int = 0,
) -> Outcome:
    """Run them; what has not started by `until_s` is not counted as waiting."""
    plan = Plan(seed=seed, faults=Faults.none(), regions=len(nodes), jobs=0, check_every=0)
    world = World(plan, configs=_configs(nodes))
    for host in world.hosts:
        world.timeline.after(0, host.start)
    for number, job in enumerate(jobs):
        _plan_submit(world, number, job, speedup)
    end_us = int(until_s * SECOND_US / speedup)
    while world.timeline.now_us < end_us:
        world.timeline.run(min(end_us, world.timeline.now_us + _CHUNK_US))
    return _outcome(world, jobs, speedup)


def _configs(nodes: Mapping[str, tuple[int, int]]) -> tuple[RegionConfig, ...]:
    members = tuple(Member(name=name) for name in nodes)
    return tuple(
        RegionConfig(
            name=name,
            cluster_id="replay",
            members=members,
            nodes=tuple(
                Node(
                    name=f"{name}-{number}",
                    node_class="gpu",
                    capacity=resources({"cpu": _DEVICE, "gpu": gpus * _DEVICE}),
                )
                for number in range(count)
            ),
            timings=Timings(),
        )
        for name, (count, gpus) in nodes.items()
    )


def _plan_submit(world: World, number: int, job: TracedJob, speedup: int) -> None:
    wants = resources({"gpu": job.gpus * _DEVICE})
    body = ShapeBody(groups=(GroupShape(job.gang, job.gang, wants),))
    runtime_us = int(job.duration_s * SECOND_US / speedup)
    spec = f"{job.gang} {job.gpus} {runtime_us}".encode()
    world.note_behaviour(spec, Behaviour(runtime_us, 0.0, (wants,), varies=False))
    submission = Submission(
        job_id=job.job_id,
        client_key=job.job_id,
        tenant=job.region,
        name=job.job_id,
        spec=spec,
        spec_sha256=b"",
        shape=make_shape(body),
        grace_us=0,
        retries_max=0,
    )
    host = next(each for each in world.hosts if each.name == job.region)
    event = Submit(request_id=number, submissions=(submission,), cause="trace")
    world.timeline.at(int(job.submit_s * SECOND_US / speedup), _hand_in, host, event)


def _hand_in(host: Host, event: Submit) -> None:
    assert host.post(event), "a trace fills no inbox"


def _outcome(world: World, jobs: Sequence[TracedJob], speedup: int) -> Outcome:
    first: dict[str, Launched] = {}
    for entry in world.record:
        if isinstance(entry, Launched):
            first.setdefault(entry.run.job_id, entry)
    waits = sorted(
        first[job.job_id].at_us * speedup / SECOND_US - job.submit_s for job in jobs if job.job_id in first
    )
    hops = [entry.run.epoch - 1 for entry in first.values()]
    return Outcome(
        jobs=len(jobs),
        started=len(waits),
        wait_mean_s=_mean(waits),
        wait_p50_s=waits[len(waits) // 2] if waits else 0.0,
        wait_p95_s=waits[len(waits) * 95 // 100] if waits else 0.0,
        handoffs_per_job=_mean(hops),
        handoffs_max=max(hops, default=0),
        envelopes=world.network.envelopes,
    )


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return sum(found) / len(found) if found else 0.0
