"""`python -m hanse.daemon.planner`: works out one plan (planning.py)."""

from __future__ import annotations

import gc
import os
import resource
import sys
from contextlib import closing
from pathlib import Path

import msgspec

from hanse.core.model import limits
from hanse.core.model.jobs import Job, Shape
from hanse.core.policy.model import Policy
from hanse.daemon.plan_task import PlanTask
from hanse.ledger.connection import connect_read_only
from hanse.ledger.queries import recent_jobs
from hanse.policies.comparison import Plan
from hanse.policies.document import Document, read_document
from hanse.policies.replay import compared, history_of
from hanse.policies.rules import Facts, Rulebook
from hanse.wire.checks import FieldRefused
from hanse.wire.specs import SpecReader, SpecRules

_NICENESS = 10


def worked_out(task: PlanTask) -> Plan:
    """The plan of a task."""
    with closing(connect_read_only(Path(task.ledger))) as connection:
        connection.execute("BEGIN")
        jobs = recent_jobs(connection, task.jobs_max)
    jobs = tuple(sorted(jobs, key=lambda job: job.submitted_wall_us)[-task.jobs_max :])
    reader = SpecReader(SpecRules())
    facts = {job.id: _facts(reader, job) for job in jobs}
    history = history_of(jobs, facts, task.config.name, task.now_wall_us)
    before, after = read_document(task.document_before), read_document(task.document_after)
    return compared(
        task.config, history, _judged(task, before, task.version), _judged(task, after, task.version + 1)
    )


def _judged(task: PlanTask, document: Document, version: int) -> tuple[Policy, Rulebook]:
    return document.under(version), Rulebook(version, document.rules, task.here)


def _facts(reader: SpecReader, job: Job) -> tuple[Facts, Shape | None]:
    """What rules read of the job's spec, and its shape before any rule; none of a spec that cannot be read."""
    checked = reader.read_bytes(job.spec, job.spec_sha256)
    if isinstance(checked, FieldRefused):
        return Facts(), None
    about = checked.about
    return Facts(labels=about.labels, kind=about.kind, tier=about.tier), checked.shape


def main() -> int:
    """Read the task, answer with the plan."""
    os.nice(_NICENESS)
    seconds = int(limits.PLAN_TIMEOUT_S)
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    # Everything lives until the end.
    gc.disable()
    task = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=PlanTask)
    sys.stdout.buffer.write(msgspec.msgpack.encode(worked_out(task)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
