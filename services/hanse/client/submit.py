"""Submitting many jobs, none of them twice.

A submission is known by (home, tenant, client key). The client draws a key for each job that has none and repeats a
batch that was not answered with the same keys and the same home, through whichever address answers. Sending a key to
another home would make another job of it: if the first home took the batch and its answer was lost, both would run. So
the home is fixed before the first try and stays; only `force_home` changes it, and warns.
"""

from __future__ import annotations

import asyncio
import re
import uuid
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from google.protobuf.message import Message

from hanse.client.calls import Calls
from hanse.client.concurrently import mapped
from hanse.client.errors import (
    DuplicationWarning,
    HanseError,
    InvalidArgumentError,
    InvalidSpecError,
    RequestError,
    ServerError,
    ServiceError,
    SubmitIncompleteError,
)
from hanse.client.limits import (
    BATCH_BYTES_MAX,
    BATCH_JOBS,
    BATCH_JOBS_MAX,
    BATCHES_IN_FLIGHT,
    SPEC_BYTES_MAX,
)
from hanse.client.messages import Durability, JobSpec
from hanse.client.retry import Attempts
from hanse.client.status import RETRIABLE, refusal_error
from hanse.wire.gen.hanse.v1 import jobs_pb2, regions_pb2

_BATCH_INDEX = re.compile(r"^jobs\[\d+\]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted:
    """What became of one submission.

    `job_id` is empty if it was refused (`error` says why, typed as when raised). `durability`: "REGIONAL" or
    "FEDERATED". `existed`: this key had been submitted before.
    """

    client_key: str
    home: str
    job_id: str = ""
    durability: str = ""
    existed: bool = False
    error: HanseError | None = None
    # The call failed, rather than this job being refused: whether the region has taken it is unknown.
    undecided: bool = False

    def raise_for_refusal(self) -> Submitted:
        """Itself if the job was taken; raises `error` otherwise."""
        if self.error is not None:
            raise self.error
        return self


@dataclass(frozen=True, slots=True)
class _Entry:
    index: int
    submission: jobs_pb2.JobSubmission


class Home:
    """The region that all submissions of a client go to: given, or learnt once from the first region that answers."""

    def __init__(self, calls: Calls, name: str) -> None:
        self._calls = calls
        self._name = name
        self._lock = asyncio.Lock()

    async def pinned(self, wanted: str, *, force: bool) -> str:
        """The home to use. The first one pins it; a different one afterwards must be forced."""
        async with self._lock:
            if not self._name:
                self._name = wanted or await self._asked()
            if not wanted or wanted == self._name:
                return self._name
            if not force:
                raise InvalidArgumentError(
                    f"submissions of this client go to {self._name!r}; to submit to {wanted!r} as well use another "
                    "client, or force_home if the same jobs may exist twice",
                    field="home",
                )
        warnings.warn(
            f"submitting to {wanted!r} although {self._name!r} is the home: a job that {self._name!r} had taken "
            "would exist twice",
            DuplicationWarning,
            stacklevel=4,
        )
        return wanted

    async def _asked(self) -> str:
        request = regions_pb2.GetStatusRequest()
        status: regions_pb2.GetStatusResponse = await self._calls.unary(
            lambda link: link.regions.GetStatus, request
        )
        return status.region


async def submit_many(
    calls: Calls,
    home: str,
    specs: Sequence[JobSpec],
    client_keys: Sequence[str] | None,
    *,
    check_index: str = "",
    batch_jobs: int = BATCH_JOBS,
    batches_in_flight: int = BATCHES_IN_FLIGHT,
) -> list[Submitted]:
    """One outcome per spec, in order. See AsyncClient.submit_many."""
    if not 1 <= batch_jobs <= BATCH_JOBS_MAX:
        raise InvalidArgumentError(f"must be from 1 to {BATCH_JOBS_MAX}", field="batch_jobs")
    keys = client_keys if client_keys is not None else [uuid.uuid4().hex for _ in specs]
    if len(keys) != len(specs):
        raise InvalidArgumentError(f"{len(keys)} client keys for {len(specs)} specs", field="client_keys")
    outcomes = _refused_here(home, specs, keys)
    entries = _entries(specs, keys, frozenset(outcomes), check_index)
    batches = batched(entries, batch_jobs, BATCH_BYTES_MAX)

    async def send(batch: list[_Entry]) -> None:
        outcomes.update(await _Batch(calls, home, batch).sent())

    await mapped(send, batches, batches_in_flight)
    ordered = [outcomes[index] for index in range(len(specs))]
    _raise_if_undecided(ordered)
    return ordered


def check_spec_size(spec: JobSpec, field: str) -> None:
    """InvalidSpecError if no region would take a spec of this size; it names the largest field."""
    size = spec.ByteSize()
    if size <= SPEC_BYTES_MAX:
        return
    heaviest = heaviest_field(spec)
    raise InvalidSpecError(
        f"the spec has {size:,} bytes, at most {SPEC_BYTES_MAX:,} are allowed; most of them are in "
        f"{heaviest or 'many fields'}: put large inputs into a file or data set and name it",
        field=f"{field}.{heaviest}" if heaviest else field,
    )


def heaviest_field(message: Message) -> str:
    """Path of the largest field, as deep as one part holds most of its parent's bytes."""
    parts = {name: _weight(value) for name, value in _parts(message)}
    if not parts:
        return ""
    name = max(parts, key=lambda part: parts[part])
    if parts[name] * 2 < sum(parts.values()):
        return ""
    below = next(value for part, value in _parts(message) if part == name)
    inner = heaviest_field(below) if isinstance(below, Message) else ""
    return f"{name}.{inner}" if inner else name


def batched(entries: Iterable[_Entry], jobs_max: int, bytes_max: int) -> Iterator[list[_Entry]]:
    """Groups of at most `jobs_max` submissions and, but for a single larger one, `bytes_max` bytes."""
    batch: list[_Entry] = []
    size = 0
    for entry in entries:
        entry_size = entry.submission.ByteSize()
        if batch and (len(batch) == jobs_max or size + entry_size > bytes_max):
            yield batch
            batch, size = [], 0
        batch.append(entry)
        size += entry_size
    if batch:
        yield batch


class _Batch:
    """One batch until each of its jobs is taken, refused for good, or undecided when the time is up."""

    def __init__(self, calls: Calls, home: str, entries: Sequence[_Entry]) -> None:
        self._calls = calls
        self._home = home
        self._open = list(entries)
        self._outcomes: dict[int, Submitted] = {}

    async def sent(self) -> dict[int, Submitted]:
        """Outcomes by index."""
        attempts = Attempts(self._calls.policy)
        while True:
            open_before = len(self._open)
            retry_after_s = await self._try_once()
            if not self._open:
                return self._outcomes
            if len(self._open) < open_before:
                attempts.succeeded()
            wait_s = attempts.next_wait_s(retry_after_s)
            if wait_s is None:
                return self._outcomes
            await asyncio.sleep(wait_s)

    async def _try_once(self) -> float | None:
        """Send what is open and keep open what may be taken later; returns the longest retry hint."""
        outcomes = await self._asked()
        for entry, outcome in outcomes:
            self._outcomes[entry.index] = outcome
        # A call that failed as a whole has been retried already.
        self._open = [entry for entry, outcome in outcomes if _may_be_taken_later(outcome)]
        hints_s = (outcome.error.retry_after_s or 0.0 for _, outcome in outcomes if outcome.error is not None)
        return max(hints_s, default=None)

    async def _asked(self) -> list[tuple[_Entry, Submitted]]:
        request = jobs_pb2.SubmitJobsRequest(home=self._home, jobs=[entry.submission for entry in self._open])
        try:
            response = await self._calls.unary(lambda link: link.jobs.SubmitJobs, request)
            results = _results(response, len(self._open))
            return [
                (entry, _outcome(entry, self._home, result))
                for entry, result in zip(self._open, results, strict=True)
            ]
        except HanseError as error:
            return [(entry, _undecided(entry, self._home, error)) for entry in self._open]


def _results(response: jobs_pb2.SubmitJobsResponse, expected: int) -> Sequence[jobs_pb2.SubmitResult]:
    if len(response.results) != expected:
        raise ServerError(f"{len(response.results)} results for {expected} submissions")
    return response.results


def _outcome(entry: _Entry, home: str, result: jobs_pb2.SubmitResult) -> Submitted:
    key = entry.submission.client_key
    match result.WhichOneof("result"):
        case "job":
            return Submitted(
                client_key=key,
                home=home,
                job_id=result.job.job_id,
                durability=Durability.Name(result.job.durability).removeprefix("DURABILITY_"),
                existed=result.job.existed,
            )
        case "refusal":
            # The region counts within the batch; the caller within all that was submitted.
            result.refusal.field = _BATCH_INDEX.sub(f"jobs[{entry.index}]", result.refusal.field)
            return Submitted(client_key=key, home=home, error=refusal_error(result.refusal))
        case _:
            raise ServerError(f"neither a job nor a refusal for {key!r} from {home!r}")


def _undecided(entry: _Entry, home: str, error: HanseError) -> Submitted:
    return Submitted(
        client_key=entry.submission.client_key,
        home=home,
        error=error,
        undecided=not isinstance(error, RequestError),
    )


def _may_be_taken_later(outcome: Submitted) -> bool:
    return isinstance(outcome.error, RETRIABLE) and not outcome.undecided


def _raise_if_undecided(outcomes: Sequence[Submitted]) -> None:
    undecided = [outcome for outcome in outcomes if isinstance(outcome.error, (ServiceError, ServerError))]
    if not undecided:
        return
    cause = undecided[0].error
    assert cause is not None
    raise SubmitIncompleteError(
        f"{len(undecided)} of {len(outcomes)} jobs are undecided: {cause.message}. Submit them again with the same "
        "client keys and home",
        outcomes=outcomes,
        cause=cause,
    ) from cause


def _refused_here(home: str, specs: Sequence[JobSpec], keys: Sequence[str]) -> dict[int, Submitted]:
    """Outcomes of the specs that no region would take, so that they are not sent."""
    refused = {}
    for index, spec in enumerate(specs):
        try:
            check_spec_size(spec, f"jobs[{index}].spec")
        except InvalidSpecError as error:
            refused[index] = Submitted(client_key=keys[index], home=home, error=error)
    return refused


def _entries(
    specs: Sequence[JobSpec], keys: Sequence[str], refused: frozenset[int], check_index: str
) -> Iterator[_Entry]:
    """Built one by one as batches are sent, so that a large submit is not held twice."""
    indices = (index for index in range(len(specs)) if index not in refused)
    return (
        _Entry(
            index,
            jobs_pb2.JobSubmission(client_key=keys[index], spec=specs[index], check_index=check_index),
        )
        for index in indices
    )


def _parts(message: Message) -> Iterator[tuple[str, object]]:
    """Fields of a message as (path, value), each element of a list of messages on its own."""
    for field, value in message.ListFields():
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            yield from ((f"{field.name}[{key}]", value[key]) for key in value)
        elif field.is_repeated:
            yield from ((f"{field.name}[{index}]", item) for index, item in enumerate(value))
        else:
            yield field.name, value


def _weight(value: object) -> int:
    match value:
        case Message():
            return value.ByteSize()
        case str() | bytes():
            return len(value)
        case _:
            return 8
