"""What the core wants of the executor, carried out in the order in which it was decided."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from typing import TypeVar

from hanse.core.effects import Effects, Launch, Reap, Stop
from hanse.core.model import limits
from hanse.core.model.errors import OurBug
from hanse.core.model.jobs import TaskPlacement
from hanse.executors.environment import task_environment
from hanse.executors.port import Executor, TaskLaunch, TaskLease
from hanse.wire.programs import JobProgram, ProgramReader

Order = Launch | Stop | Reap
Batched = TypeVar("Batched", Launch, Reap)


class Orders:
    """The queue between the commit loop and the executor, and the task that works it off."""

    def __init__(self, region: str, programs: ProgramReader, log_bytes_max: int, lease_us: int) -> None:
        self._region = region
        self._lease_us = lease_us
        self._programs = programs
        self._log_bytes_max = log_bytes_max
        self._orders: deque[Order] = deque()
        self._wanted = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    def __len__(self) -> int:
        return len(self._orders)

    def post(self, effects: Effects) -> None:
        """Take one step's orders; never blocks. The core launches no more than its nodes hold: a bound."""
        if not (effects.launches or effects.stops or effects.reaps):
            return
        self._orders.extend(effects.launches)
        self._orders.extend(effects.stops)
        self._orders.extend(effects.reaps)
        if len(self._orders) > limits.ORDERS_MAX:
            raise OurBug(f"{len(self._orders)} orders wait for the executor")
        self._idle.clear()
        self._wanted.set()

    def clear(self) -> None:
        """A new life begins: what an earlier one wanted is decided anew."""
        self._orders.clear()
        self._wanted.clear()
        self._idle.set()

    async def run(self, executor: Executor) -> None:
        """Carry out, for ever. What the executor raises ends this life of the region: nobody knows what runs."""
        while True:
            await self._wanted.wait()
            while self._orders:
                await self._carry_out(executor)
            self._wanted.clear()
            self._idle.set()

    async def drained(self) -> None:
        """Return once everything was carried out."""
        await self._idle.wait()

    async def _carry_out(self, executor: Executor) -> None:
        match self._orders[0]:
            case Launch():
                launches = self._leading(Launch)
                await executor.launch([task for launch in launches for task in self._tasks(launch)])
            case Stop(run=run, grace_us=grace_us):
                self._orders.popleft()
                await executor.stop(run, grace_us)
            case Reap():
                await executor.reap([reap.run for reap in self._leading(Reap)])

    def _leading(self, kind: type[Batched]) -> list[Batched]:
        """The orders of one kind at the head of the queue, up to LAUNCH_TASKS_MAX tasks or runs."""
        taken: list[Batched] = []
        tasks = 0
        while self._orders and isinstance(order := self._orders[0], kind):
            size = len(order.tasks) if isinstance(order, Launch) else 1
            if taken and tasks + size > limits.LAUNCH_TASKS_MAX:
                break
            tasks += size
            taken.append(order)
            self._orders.popleft()
        return taken

    def _tasks(self, launch: Launch) -> Iterator[TaskLaunch]:
        program = self._programs.decode_spec(launch.spec)
        for task, placement in launch.tasks:
            yield self._task(launch, program, task, placement)

    def _task(self, launch: Launch, program: JobProgram, task: int, placement: TaskPlacement) -> TaskLaunch:
        group = program.groups[placement.group]
        return TaskLaunch(
            run=launch.run,
            task=task,
            command=group.command,
            environment=task_environment(
                run=launch.run,
                task=task,
                task_count=program.task_count,
                group=placement.group,
                region=self._region,
                node=placement.node,
                devices=placement.devices,
                checkpoint=program.checkpoint,
                array_count=program.array_count,
                user=dict(group.environment),
            ),
            working_directory=group.working_directory,
            grace_us=launch.grace_us,
            node=placement.node,
            devices=placement.devices,
            log_bytes_max=self._log_bytes_max,
            lease=self._lease(launch),
            cause=launch.cause,
        )

    def _lease(self, launch: Launch) -> TaskLease | None:
        lease = launch.lease
        if lease is None:
            return None
        return TaskLease(shard=lease.shard, until_us=lease.until_mono_us, length_us=self._lease_us)
