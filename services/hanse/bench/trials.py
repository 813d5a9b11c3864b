"""One trial: a region with adoptable jobs, running and queued, is lost, and they go on elsewhere.

All slots of the federation are taken: in the victim by adoptable jobs, and by one that waits for its region;
elsewhere by fillers. So more adoptable jobs queue up at the victim. At the loss the fillers end, and there is room for
all that is taken over. Every task writes its own record, lives until it is told to end, and is all that is believed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from google.protobuf.duration_pb2 import Duration

from hanse.bench.faults import Fault
from hanse.bench.league import TENANT, League
from hanse.bench.losses import Losses
from hanse.cli.devnet.layout import LEASE_S
from hanse.cli.devnet.tasks import living_tasks
from hanse.cli.errors import CommandError
from hanse.client import AsyncClient, NotFoundError, WaitTimeoutError
from hanse.client.messages import (
    Job,
    JobFilter,
    JobSpec,
    JobState,
    OnRegionLoss,
    Program,
    RegionPreference,
    Requirements,
    TaskGroup,
    state_name,
)
from hanse.daemon.runtime import TASKS_DIRECTORY
from hanse.demo.audit import JobFact, why_lost, why_run_twice
from hanse.demo.records import TaskRun, read_record
from hanse.demo.task import command_until
from hanse.executors.local.records import RECORDS

# Tasks that a region runs at once. One of the victim's is not adoptable; as many as are queue up besides.
SLOTS = 4
RUNNING = SLOTS - 1
QUEUED = SLOTS - 1
# Whatever a trial waits for takes a few leases; this is for a machine that has other things to do.
_TIMEOUT_S = 24 * LEASE_S
_LOOK_INTERVAL_S = 0.05
_KILLED_STATUS = 137
_RUNTIME_ESTIMATE_S = 3_600


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one trial found. Seconds are from the loss, but for `reconciled_s`: from the region's return."""

    fault: Fault
    victim: str
    jobs: int
    # When the first and the last of the jobs began elsewhere, and when the last that ran in the victim had ended.
    first_start_s: float
    last_start_s: float
    ended_s: float
    # Until the victim had nothing left of what others had taken over, and told of it as they do.
    reconciled_s: float
    lost: Sequence[str]
    run_twice: Sequence[str]
    # What waited for its region, and was stopped, or ran anew.
    disturbed: Sequence[str]


class Trial:
    """See the module's docstring. `number` keeps the files of trials apart."""

    def __init__(
        self,
        running: League,
        losses: Losses,
        fault: Fault,
        victim: str,
        number: int,
        say: Callable[[str], None],
    ) -> None:
        self._running = running
        self._losses = losses
        self._fault = fault
        self._victim = victim
        self._say = say
        self._room = running.federation.directory / f"room-{number}"
        self._over = running.federation.directory / f"over-{number}"
        self._loss_us = 0
        self._adoptable: list[str] = []
        self._waiting = ""

    async def run(self) -> Outcome:
        """All of it. CommandError if something does not happen in time."""
        async with self._running.client_of(*self._others()) as client:
            await _until("every region is idle and leads its own jobs", self._unsettled)
            await self._fill()
            self._say(f"{self._fault} of {self._victim}")
            self._loss_us = await self._losses.lose(self._fault, self._victim)
            self._room.touch()
            try:
                await _until("all of them run elsewhere", self._standing)
            finally:
                await self._losses.give_back(self._fault, self._victim)
            returned_s = time.monotonic()
            await _until("the region that returned knows of it", self._unreconciled)
            reconciled_s = time.monotonic() - returned_s
            self._over.touch()
            jobs = await self._ended(client)
        return self._judge(jobs, reconciled_s)

    # --- before ---------------------------------------------------------------------------------------------------

    def _others(self) -> list[str]:
        return [region.name for region in self._running.federation.regions if region.name != self._victim]

    async def _unsettled(self) -> str:
        """Which region is not idle, or says that one does not lead its own jobs; empty: none."""
        names = [region.name for region in self._running.federation.regions]
        for name in names:
            async with self._running.client_of(name) as client:
                status = await client.status(name)
            leads = await self._running.who_leads(name)
            if leads != {(each, each) for each in names} or status.free != status.capacity:
                return f"{name} has {dict(status.free)} free, and hears who leads whom: {sorted(leads)}"
        return ""

    async def _fill(self) -> None:
        """Take every slot, and queue up more at the victim."""
        for name in self._others():
            await self._submit(name, SLOTS, _spec(self._command(self._room), stays_in=name))
        (self._waiting,) = await self._submit(
            self._victim, 1, _spec(self._command(self._over), stays_in=self._victim)
        )
        await _until("every slot but those for the adoptable jobs is taken", self._unfilled)
        self._adoptable = await self._submit(
            self._victim, RUNNING + QUEUED, _spec(self._command(self._over), stays_in="")
        )
        await _until("the adoptable jobs run", self._unstarted)

    def _command(self, told: Path) -> Sequence[str]:
        return command_until(self._running.records, told)

    async def _submit(self, home: str, count: int, spec: JobSpec) -> list[str]:
        async with self._running.client_of(home) as client:
            outcomes = await client.submit_many([spec] * count, home=home)
        return [outcome.raise_for_refusal().job_id for outcome in outcomes]

    async def _unfilled(self) -> str:
        for name in self._others():
            if await self._free(name):
                return f"{name} has room"
        return "" if self._runs([self._waiting]) else f"nothing runs in {self._victim}"

    async def _free(self, name: str) -> int:
        async with self._running.client_of(name) as client:
            return (await client.status(name)).free.get("cpu", 0)

    async def _unstarted(self) -> str:
        runs = len(self._runs(self._adoptable))
        return "" if runs == RUNNING else f"{runs} of {RUNNING} run"

    # --- afterwards -----------------------------------------------------------------------------------------------

    async def _standing(self) -> str:
        return ", ".join(job_id for job_id in self._adoptable if job_id not in self._starts_us())

    async def _unreconciled(self) -> str:
        """What the victim keeps of jobs that others have taken over, or does not know of them; empty: nothing."""
        tasks = self._running.federation.region(self._victim).data / TASKS_DIRECTORY
        stale = [path.name for path in (tasks / RECORDS).iterdir()] + list(living_tasks(tasks))
        for name in stale:
            if name.split("@")[0] in self._adoptable:
                return f"{self._victim} keeps {name}"
        async with self._running.client_of(self._victim) as client:
            for job_id in self._adoptable:
                job = await client.get(job_id)
                if job.state != JobState.JOB_STATE_RUNNING or job.region == self._victim:
                    return f"{self._victim} calls {job_id} {state_name(job.state)} in {job.region}"
        return ""

    async def _ended(self, client: AsyncClient) -> dict[str, Job]:
        """What became of the jobs, as regions tell that were not lost; those that do not end are told as they are."""
        ids = [*self._adoptable, *([self._waiting] if self._fault.keeps_disk else [])]
        try:
            return await client.wait(ids, timeout_s=_TIMEOUT_S)
        except (WaitTimeoutError, NotFoundError) as error:
            self._say(str(error))
            return {job.id: job async for job in client.list(JobFilter(tenant=TENANT, job_ids=ids))}

    # --- what the tasks say ---------------------------------------------------------------------------------------

    def _runs(self, job_ids: Iterable[str]) -> list[TaskRun]:
        paths = [self._running.records / f"{job_id}.0" for job_id in job_ids]
        return [self._with_end(run) for path in paths if path.exists() for run in read_record(path)]

    def _with_end(self, run: TaskRun) -> TaskRun:
        """What was killed together with its region could not write its end: it lived when it last said so."""
        killed = self._fault is Fault.KILL and run.region == self._victim and self._is_before(run)
        if run.end_us is not None or not killed or not self._loss_us:
            return run
        return replace(run, end_us=run.beat_us or run.begin_us, status=_KILLED_STATUS)

    def _is_before(self, run: TaskRun) -> bool:
        return run.begin_us <= self._loss_us

    def _starts_us(self) -> dict[str, int]:
        """When each adoptable job began elsewhere."""
        found: dict[str, int] = {}
        for run in self._runs(self._adoptable):
            if run.region != self._victim and not self._is_before(run):
                found[run.job_id] = min(run.begin_us, found.get(run.job_id, run.begin_us))
        return found

    def _judge(self, jobs: Mapping[str, Job], reconciled_s: float) -> Outcome:
        runs = {job_id: self._runs([job_id]) for job_id in self._adoptable}
        facts = [self._fact(job_id, jobs.get(job_id)) for job_id in self._adoptable]
        starts_us = self._starts_us().values()
        ends_us = [run.end_us or 0 for of_job in runs.values() for run in of_job if self._is_before(run)]
        return Outcome(
            fault=self._fault,
            victim=self._victim,
            jobs=len(facts),
            first_start_s=self._since_loss_s(min(starts_us)),
            last_start_s=self._since_loss_s(max(starts_us)),
            ended_s=self._since_loss_s(max(ends_us)),
            reconciled_s=round(reconciled_s, 3),
            lost=_found((fact.job_id, why_lost(fact, runs[fact.job_id])) for fact in facts),
            run_twice=_found(
                (fact.job_id, why_run_twice(1, runs[fact.job_id], fact.settled_with)) for fact in facts
            ),
            disturbed=self._disturbed(jobs.get(self._waiting)) if self._fault.keeps_disk else (),
        )

    def _fact(self, job_id: str, job: Job | None) -> JobFact:
        return JobFact(
            job_id=job_id,
            home=self._victim,
            tasks=1,
            expected_exit_code=0,
            state=state_name(job.state) if job is not None else "",
            region=job.region if job is not None else "",
            epoch=job.epoch if job is not None else 0,
            attempt=job.attempt if job is not None else 0,
            adoptable=True,
        )

    def _disturbed(self, job: Job | None) -> Sequence[str]:
        runs = self._runs([self._waiting])
        if job is None or job.state != JobState.JOB_STATE_SUCCEEDED:
            return [f"{self._waiting}: at the end {state_name(job.state) if job else 'unknown'}"]
        if [run.status for run in runs] != [0]:
            return [f"{self._waiting}: ran {len(runs)} times, and ended with {[run.status for run in runs]}"]
        return []

    def _since_loss_s(self, at_us: int) -> float:
        return round((at_us - self._loss_us) / 1e6, 3)


def _spec(command: Sequence[str], *, stays_in: str) -> JobSpec:
    """A job of one task: one that waits for the only region that may run it, or an adoptable one."""
    group = TaskGroup(requirements=Requirements(resources={"cpu": 1_000}), program=Program(command=command))
    loss = OnRegionLoss.ON_REGION_LOSS_WAIT if stays_in else OnRegionLoss.ON_REGION_LOSS_ADOPT
    return JobSpec(
        name="stays" if stays_in else "adoptable",
        tenant=TENANT,
        groups=[group],
        regions=RegionPreference(allow=[stays_in] if stays_in else []),
        # Nobody takes one more because another is thought to end soon.
        runtime_estimate=Duration(seconds=_RUNTIME_ESTIMATE_S),
        on_region_loss=loss,
    )


def _found(words: Iterable[tuple[str, str]]) -> list[str]:
    return [f"{job_id}: {why}" for job_id, why in words if why]


async def _until(what: str, missing: Callable[[], Awaitable[str]]) -> None:
    """Return once nothing is missing. CommandError if that takes too long."""
    why = ""
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            while why := await missing():  # noqa: ASYNC110 - in other processes
                await asyncio.sleep(_LOOK_INTERVAL_S)
    except TimeoutError as error:
        message = f"it does not come to it within {_TIMEOUT_S:g} s that {what}: {why}"
        raise CommandError(message, hint="see the regions' logs with --keep") from error
