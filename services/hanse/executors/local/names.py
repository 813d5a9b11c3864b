"""Names of files: what a run and a task are called on disk, and back."""

from __future__ import annotations

from urllib.parse import quote, unquote

from hanse.core.model.jobs import RunId

# A file name has at most 255 bytes; the numbers and a suffix need room too.
_JOB_BYTES_MAX = 180


def run_name(run: RunId) -> str:
    """The directory of a run's logs. ValueError if the job's id is too long for a file name."""
    job = quote(run.job_id, safe="")
    if not job or len(job) > _JOB_BYTES_MAX:
        raise ValueError(f"the job's id gives no file name of 1 to {_JOB_BYTES_MAX} bytes")
    return f"{job}@{run.epoch}.{run.attempt}"


def lease_name(shard: str) -> str:
    """The file that says until when tasks of a shard may live."""
    return quote(shard, safe="")


def record_name(run: RunId, task: int) -> str:
    """The record of one task of a run."""
    return f"{run_name(run)}.{task}"


def parse_run_name(name: str) -> RunId | None:
    """What `run_name` was given, or None if this is no such name."""
    parsed = parse_record_name(f"{name}.0")
    return None if parsed is None else parsed[0]


def parse_record_name(name: str) -> tuple[RunId, int] | None:
    """What `record_name` was given, or None if this is no such name."""
    job, at, numbers = name.rpartition("@")
    words = numbers.split(".")
    if not at or len(words) != 3 or not all(word.isdecimal() for word in words):
        return None
    epoch, attempt, task = map(int, words)
    return RunId(unquote(job), epoch, attempt), task
