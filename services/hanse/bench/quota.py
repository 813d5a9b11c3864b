"""Clients race for a global quota in three regions, while one after the other is cut off; then all is whole again.

Each client has one job at a time, at a region of its own, and submits the next one when that has ended: there is always
more demand than the quota allows. Every other client's jobs are adoptable. What is in use is counted from the lines
that the tasks write themselves, so it is a little less than what the rights are held for.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

from hanse.bench.faults import Fault
from hanse.bench.figures import load_1min
from hanse.bench.league import League, league, shape_of
from hanse.bench.losses import Losses, wall_us
from hanse.bench.proxy import Proxy
from hanse.bench.result import machine_load, versions
from hanse.cli.devnet.layout import OPERATOR_KEY
from hanse.cli.errors import CommandError
from hanse.client import AsyncClient
from hanse.client.errors import HanseError
from hanse.client.messages import JobSpec, OnRegionLoss, Program, Requirements, TaskGroup
from hanse.core.model.quota import (
    Quota,
    QuotaDocument,
    SignedQuotas,
    encode_quotas,
    quotas_message,
    shard_account,
)
from hanse.core.model.roster import key_id
from hanse.daemon.keys import load
from hanse.demo.records import TaskRun, read_runs
from hanse.demo.task import task_command

REGIONS = 3
TENANT = "race"
KIND = "cpu"
CORE = 1_000
# Longer and shorter than a lease of the development profile, in turn.
CUTS_S = (8.0, 3.0)
# Between two cuts, and before the healed phase is measured: rights have to find their way.
WHOLE_S = 5.0
_PAUSE_S = 0.2
_TIMEOUT_S = 60.0
_LOOK_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Race:
    """How it is run: `limit` and what one job needs are whole cores."""

    clients: int = 200
    limit: int = 16
    run_s: float = 4.0
    cuts: int = 3
    healed_s: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """What was in use between two instants of the wall clock."""

    utilisation: float
    most: int


async def bench_quota(
    directory: Path, race: Race, progress: Callable[[str], None], *, keep: bool = False
) -> dict[str, Any]:
    """Run the benchmark."""
    before = load_1min()
    shape = shape_of(race.limit, {"kind": "local"})
    async with Proxy() as proxy, league(directory, REGIONS, shape, keep=keep, proxy=proxy) as running:
        await _found(running, race.limit)
        progress("the quota is in force in all regions")
        over = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            racers = [group.create_task(_race(running, race, number, over)) for number in range(race.clients)]
            marks = await _phases(running, Losses(running, proxy), race, progress)
            over.set()
            for racer in racers:
                racer.cancel()
        balances = await _balances(running)
        runs = read_runs(running.records)
    return _document(race, marks, runs, balances, before)


# --- what happens
# ------------------------------------------------------------------------------------------------------


async def _found(running: League, limit: int) -> None:
    """Put the quota in force, kept by an account that outlives its region. It binds a region from when it has heard of
    it: nothing is submitted before."""
    key = load(running.federation.directory / OPERATOR_KEY)
    async with running.client() as client:
        document = QuotaDocument(
            cluster_id=(await client.status()).cluster_id,
            number=1,
            previous_sha256="",
            keeper=shard_account(running.home.name),
            issuer=key_id(key.public_key),
            issued_wall_us=wall_us(),
            quotas=(Quota(tenant=TENANT, resource=KIND, limit=limit * CORE),),
        )
        signed = SignedQuotas(document=document, operator_signature=key.sign(quotas_message(document)))
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                await _applied(client, encode_quotas(signed))
                while not await _all_know(running):  # noqa: ASYNC110 - in other processes
                    await asyncio.sleep(_LOOK_S)
        except TimeoutError as error:
            message = f"the quota is not in force in all regions within {_TIMEOUT_S:g} s"
            raise CommandError(message, hint="see the regions' logs with --keep") from error


async def _applied(client: AsyncClient, document: bytes) -> None:
    """Regions that have just started do not lead their shards yet."""
    while True:
        try:
            await client.apply_quotas(document)
        except HanseError:
            await asyncio.sleep(_PAUSE_S)
        else:
            return


async def _all_know(running: League) -> bool:
    async with running.client() as client:
        return all([(await client.quotas(region.name)).history for region in running.federation.regions])


async def _race(running: League, race: Race, number: int, over: asyncio.Event) -> None:
    """One client: a job, its end, the next job."""
    home = running.federation.regions[number % REGIONS].name
    spec = _spec(running, race.run_s, adoptable=number % 2 == 1)
    async with running.client_of(home) as client:
        while not over.is_set():
            try:
                submitted = await client.submit(spec, home=home)
                await client.wait([submitted.job_id])
            except HanseError:
                # Cut off: its region takes no adoptable job at present, or cannot tell how one fares.
                await asyncio.sleep(_PAUSE_S)


def _spec(running: League, run_s: float, *, adoptable: bool) -> JobSpec:
    program = Program(command=task_command(running.records, run_s, 0))
    loss = OnRegionLoss.ON_REGION_LOSS_ADOPT_OR_WAIT if adoptable else OnRegionLoss.ON_REGION_LOSS_WAIT
    group = TaskGroup(requirements=Requirements(resources={KIND: CORE}), program=program)
    return JobSpec(name="racer", tenant=TENANT, groups=[group], on_region_loss=loss)


async def _phases(
    running: League, losses: Losses, race: Race, progress: Callable[[str], None]
) -> dict[str, tuple[int, int]]:
    """Cut off region after region, then leave all in peace. Returns the instants of each phase."""
    victims, cuts = cycle(region.name for region in running.federation.regions), cycle(CUTS_S)
    await asyncio.sleep(race.run_s + WHOLE_S)
    begun_us = wall_us()
    for number in range(race.cuts):
        victim, cut_s = next(victims), next(cuts)
        progress(f"cut {number + 1} of {race.cuts}: {victim} for {cut_s:g} s")
        await losses.lose(Fault.PARTITION, victim)
        try:
            await asyncio.sleep(cut_s)
        finally:
            await losses.give_back(Fault.PARTITION, victim)
        await asyncio.sleep(WHOLE_S)
    healed_us = wall_us()
    progress(f"healed, for {race.healed_s:g} s")
    await asyncio.sleep(WHOLE_S)
    measured_us = wall_us()
    await asyncio.sleep(race.healed_s)
    return {"cut": (begun_us, healed_us), "healed": (measured_us, wall_us())}


async def _balances(running: League) -> list[dict[str, Any]]:
    """What every account holds."""
    found = []
    async with running.client() as client:
        for region in running.federation.regions:
            status = await client.quotas(region.name)
            found += [
                {
                    "region": region.name,
                    "account": each.account,
                    "held": each.held,
                    "used": each.used,
                    "in_transit": each.in_transit,
                    "debt": each.debt,
                    "lost": each.lost,
                }
                for each in status.balances
            ]
    return found


# --- what it comes to
# --------------------------------------------------------------------------------------------------


def phase_of(runs: Iterable[TaskRun], limit: int, begin_us: int, end_us: int, run_us: int) -> Phase:
    """What these runs used of so many cores. One that wrote no end was killed, or still runs: it counts for as long as
    it may have run."""
    changes: list[tuple[int, int]] = []
    for run in runs:
        ended_us = run.end_us if run.end_us is not None else run.begin_us + run_us
        # Of two at one instant the end comes first.
        changes += [(run.begin_us, 1), (ended_us, -1)]
    area = used = most = 0
    before_us = begin_us
    for at_us, change in [*sorted(changes), (end_us, 0)]:
        within_us = min(max(at_us, begin_us), end_us)
        area += used * (within_us - before_us)
        before_us = within_us
        used += change
        if begin_us <= at_us <= end_us:
            most = max(most, used)
    return Phase(utilisation=round(area / (limit * (end_us - begin_us)), 4), most=most)


def _document(
    race: Race,
    marks: dict[str, tuple[int, int]],
    runs: Sequence[TaskRun],
    balances: list[dict[str, Any]],
    before: float,
) -> dict[str, Any]:
    run_us = round(race.run_s * 1e6)
    phases = {name: phase_of(runs, race.limit, *instants, run_us) for name, instants in marks.items()}
    most = phase_of(runs, race.limit, 0, max(instants[1] for instants in marks.values()), run_us).most
    return {
        "benchmark": "quota",
        "clients": race.clients,
        "limit": race.limit,
        "most_in_use": most,
        "exceeded": most > race.limit,
        "utilisation_healed": phases["healed"].utilisation,
        "utilisation_cut": phases["cut"].utilisation,
        "runs": len(runs),
        "runs_by_region": {
            name: sum(run.region == name for run in runs) for name in sorted({r.region for r in runs})
        },
        "held": sum(each["held"] + each["in_transit"] for each in balances) // CORE,
        "balances": balances,
        "set_up": {
            "regions": REGIONS,
            "cuts": race.cuts,
            "cuts_s": list(CUTS_S),
            "run_s": race.run_s,
            "healed_s": race.healed_s,
            "adoptable_share": 0.5,
            "counted_from": "lines that the tasks append themselves",
            "cores": os.cpu_count() or 1,
        },
        "versions": versions(),
        "load": machine_load(before, load_1min(), {}),
    }
