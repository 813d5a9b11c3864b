"""One campaign, from the first daemon's start to its books."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from chaos.live import watch
from chaos.live.books import Books, balance
from chaos.live.campaign import Campaign
from chaos.live.errors import HarnessError
from chaos.live.faults import Fault, FillDisk, Partition, kind_of
from chaos.live.injectors import injector
from chaos.live.stage import Stage, staged, wait_until_acquainted
from chaos.live.takeovers import takeovers
from chaos.live.watch import Probes
from chaos.live.workload import submit_waves
from hanse.cli.devnet import processes
from hanse.cli.devnet.layout import LEASE_S
from hanse.client import HanseError, NotFoundError, WaitTimeoutError
from hanse.client.messages import Job, JobFilter
from hanse.daemon.ledger_ids import LEDGER_FILE
from hanse.demo.records import read_runs
from hanse.demo.workload import TENANT


@dataclass(kw_only=True)
class Outcome:
    """A campaign's. `problems`: what kept it from being carried out as written."""

    campaign: Campaign
    links: str
    faults: Counter[str] = field(default_factory=Counter)
    probes: Probes = field(default_factory=Probes)
    books: Books | None = None
    takeovers_s: list[float] = field(default_factory=list)
    restarts_s: list[float] = field(default_factory=list)
    disagreements: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    wall_s: float = 0.0
    evidence: Path | None = None

    @property
    def violations(self) -> dict[str, list[str]]:
        """By promise that the campaign checks; only those that were broken."""
        found = self.books.findings if self.books else {}
        found["P4"] = [*found.get("P4", []), *self.disagreements]
        found |= {"P6": self.probes.unexplained, "P7": self.probes.not_autonomous}
        return {promise: found[promise] for promise in self.campaign.about.promises if found.get(promise)}

    @property
    def ok(self) -> bool:
        """Whether everything was done, and every promise kept."""
        return self.books is not None and not self.violations and not self.problems


async def run_campaign(
    campaign: Campaign, directory: Path, say: Callable[[str], None], *, root: bool
) -> Outcome:
    """Run it in `directory`, which is deleted if all went well, and is the evidence otherwise."""
    outcome = Outcome(campaign=campaign, links=campaign.links(root=root))
    begun_s = time.monotonic()
    await asyncio.to_thread(_make_anew, directory)
    try:
        async with asyncio.timeout(campaign.about.budget_s):
            async with staged(campaign, directory, say, root=root) as stage:
                await _perform(stage, outcome)
    except* TimeoutError:
        outcome.problems.append(f"not done within its budget of {campaign.about.budget_s:g} s")
    except* (HarnessError, HanseError) as failures:
        outcome.problems += [str(failure) for failure in _leaves(failures)]
    outcome.wall_s = time.monotonic() - begun_s
    if outcome.ok:
        shutil.rmtree(directory)
    else:
        outcome.evidence = directory
    return outcome


def _make_anew(directory: Path) -> None:
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)


async def _perform(stage: Stage, outcome: Outcome) -> None:
    """Workload, faults and probes at once; then everything is healed, and must end."""
    begin_s = time.monotonic()
    async with asyncio.TaskGroup() as group:
        probing = [
            group.create_task(watch.tell_books(stage)),
            group.create_task(watch.sample_explanations(stage, outcome.probes)),
        ]
        async with asyncio.TaskGroup() as acts:
            acts.create_task(submit_waves(stage, begin_s))
            for fault in stage.campaign.faults:
                acts.create_task(_inject_all(stage, fault, begin_s, outcome))
        stage.say("all is submitted and healed; the queues drain")
        gone = stage.ended_by_themselves()
        outcome.problems += [f"{name}'s daemon ended by itself" for name in gone]
        jobs = await _outcomes(stage)
        for probe in probing:
            probe.cancel()
    if not gone:
        await wait_until_acquainted(stage)
        outcome.disagreements = [*stage.stale, *await watch.disagreements(stage, jobs)]
    await asyncio.to_thread(processes.stop_all, stage.federation.regions)
    _close_books(stage, jobs, outcome)


async def _inject_all(stage: Stage, fault: Fault, begin_s: float, outcome: Outcome) -> None:
    """Each time when it is due; healed whatever happens."""
    for number in range(fault.times):
        await asyncio.sleep(max(0.0, begin_s + fault.at_s + number * fault.every_s - time.monotonic()))
        deed = injector(fault, stage)
        try:
            async with asyncio.TaskGroup() as probing:
                await deed.inject()
                outcome.faults[kind_of(fault)] += 1
                if isinstance(fault, Partition) and "P7" in stage.campaign.about.promises:
                    for name in fault.regions_named():
                        cut = f"{kind_of(fault)}-{number}"
                        probing.create_task(
                            watch.probe_autonomy(stage, name, cut, fault.for_s, outcome.probes)
                        )
                await asyncio.sleep(fault.for_s)
        finally:
            await deed.heal()


async def _outcomes(stage: Stage) -> dict[str, Job]:
    """What became of every acknowledged job; those that do not end in time are told as they are."""
    ids = [each.job_id for each in stage.book.acknowledged.values()]
    async with stage.client() as client:
        try:
            return await client.wait(ids, timeout_s=stage.campaign.about.settle_s)
        except (WaitTimeoutError, NotFoundError) as error:
            stage.say(str(error))
            return {job.id: job async for job in client.list(JobFilter(tenant=TENANT))}


def _close_books(stage: Stage, jobs: dict[str, Job], outcome: Outcome) -> None:
    runs = read_runs(stage.records)
    adoptable = {each.job_id for each in stage.book.acknowledged.values() if each.planned.adopts}
    within_us = int(LEASE_S * 1.5e6)
    outcome.takeovers_s = [each.first_s for each in takeovers(stage.losses, runs, adoptable, within_us)]
    outcome.restarts_s = stage.restarts_s
    outcome.books = balance(
        stage.book,
        jobs,
        runs,
        stage.restarts,
        stage.forced_ends,
        stage.campaign.topology.slots,
    )
    outcome.problems += [f"{key} was refused: {why}" for key, why in stage.book.refused.items()]
    if not outcome.ok:
        _keep_mounted(stage)


def _keep_mounted(stage: Stage) -> None:
    """Ledgers on a tmpfs would go with it."""
    for fault in stage.campaign.faults:
        if isinstance(fault, FillDisk):
            region = stage.region(fault.region)
            for path in region.data.glob(f"{LEDGER_FILE}*"):
                shutil.copy(path, region.directory)


def _leaves(group: BaseExceptionGroup[Exception]) -> list[Exception]:
    """The errors themselves, out of all groups."""
    return [
        leaf
        for error in group.exceptions
        for leaf in (_leaves(error) if isinstance(error, BaseExceptionGroup) else [error])
    ]
