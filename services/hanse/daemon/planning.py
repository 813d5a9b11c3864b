"""Plans are worked out by another process: a replay takes seconds of CPU, and the region has something better to do.

The process reads the ledger by itself, through a connection that can neither write nor checkpoint. It gets its task on
standard input and answers on standard output; it ends by itself when it has used up its time, also without a daemon.
"""

from __future__ import annotations

import asyncio
import sys

import msgspec
import structlog

from hanse.core.model import limits
from hanse.daemon.errors import PlanBusy, PlanFailed
from hanse.daemon.plan_task import PlanTask
from hanse.policies.comparison import Plan

log = structlog.get_logger()

_ERROR_BYTES_MAX = 4_096


_PLAN = msgspec.msgpack.Decoder(Plan)


class Planner:
    """One process at a time."""

    def __init__(self) -> None:
        self._busy = False

    async def plan(self, task: PlanTask) -> Plan:
        """Raises PlanBusy, PlanFailed."""
        if self._busy:
            raise PlanBusy("another plan is being worked out; try again when it is done")
        self._busy = True
        try:
            return await self._worked_out(task)
        finally:
            self._busy = False

    async def _worked_out(self, task: PlanTask) -> Plan:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "hanse.daemon.planner",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(limits.PLAN_TIMEOUT_S):
                out, errors = await process.communicate(msgspec.msgpack.encode(task))
        except TimeoutError as error:
            message = f"the plan took more than {limits.PLAN_TIMEOUT_S:g} s: replay fewer jobs"
            raise PlanFailed(message) from error
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode:
            told = errors[-_ERROR_BYTES_MAX:].decode(errors="replace")
            log.error("plan.failed", code=process.returncode, error=told)
            raise PlanFailed(f"the plan failed: {told.strip().rsplit(chr(10), 1)[-1]}")
        return _PLAN.decode(out)
