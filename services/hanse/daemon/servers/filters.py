"""JobFilter -> what the ledger and the watch hub understand."""

from __future__ import annotations

from hanse.core.model import limits
from hanse.core.model.lifecycle import JobState
from hanse.daemon.errors import invalid
from hanse.daemon.ids import home_of
from hanse.daemon.watch import WatchFilter
from hanse.ledger import queries
from hanse.wire.gen.hanse.v1 import jobs_pb2
from hanse.wire.jobs import decode_states


def check_filter(message: jobs_pb2.JobFilter) -> None:
    """Raises RequestRefused naming the field that can't be right."""
    if len(message.job_ids) > limits.FILTER_JOB_IDS_MAX:
        raise invalid("filter.job_ids", f"{len(message.job_ids)} ids; at most {limits.FILTER_JOB_IDS_MAX}")
    for index, job_id in enumerate(message.job_ids):
        if home_of(job_id) is None:
            raise invalid(f"filter.job_ids[{index}]", f"{job_id[: limits.ECHO_LENGTH_MAX]!r} is no job id")
    if len(message.name_prefix) > limits.NAME_LENGTH_MAX:
        raise invalid("filter.name_prefix", f"more than {limits.NAME_LENGTH_MAX} characters")
    _states(message)


def checked_page_size(request: jobs_pb2.ListJobsRequest) -> int:
    """How many jobs a page may have. Raises RequestRefused."""
    if request.page_size > limits.PAGE_SIZE_MAX:
        raise invalid("page_size", f"{request.page_size}; at most {limits.PAGE_SIZE_MAX}")
    return request.page_size or limits.PAGE_SIZE_DEFAULT


def decode_filter(message: jobs_pb2.JobFilter, homes: tuple[str, ...]) -> queries.JobFilter:
    """For the ledger. `homes` empty: all for which it answers."""
    return queries.JobFilter(
        homes=homes,
        ids=tuple(message.job_ids),
        tenant=message.tenant,
        states=_states(message),
        name_prefix=message.name_prefix,
    )


def watch_filter(message: jobs_pb2.JobFilter) -> WatchFilter:
    """For the watch hub."""
    return WatchFilter(
        homes=frozenset(message.homes),
        job_ids=frozenset(message.job_ids),
        tenant=message.tenant,
        states=frozenset(_states(message)),
        name_prefix=message.name_prefix,
    )


def _states(message: jobs_pb2.JobFilter) -> tuple[JobState, ...]:
    try:
        return decode_states(message.states)
    except ValueError as error:
        raise invalid("filter.states", str(error)) from error
