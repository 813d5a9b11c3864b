"""What the API reads. Every function takes a connection that is in a read transaction: pass it to `Ledger.read`.

Rows are fetched as one JSON text, in one step of one statement: see statements.py for what a step costs while the event
loop is busy. (A page of 100 jobs row by row: 0.5 s; so: 10 ms.)
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import msgspec

from hanse.core.effects import JobRow, TimelineRow
from hanse.core.model.jobs import Allocation, Job, Reason, RemoteView
from hanse.core.model.lifecycle import JobState
from hanse.ledger.recovery import decoded_allocation, decoded_jobs, decoded_reason, decoded_remote

PAGE_SIZE_MAX = 1000
# Specs in one page: 1,000 of the largest would take a gigabyte in hexadecimal.
PAGE_BYTES_MAX = 8 * 1024 * 1024
# How many rows a filter may look at for one page. At 5 us a row that is 50 ms; then the page is returned as it is, and
# the caller goes on from where it ended.
ROWS_EXAMINED_MAX = 10_000
# States in which the home knows from others how the job fares.
_AWAY = (JobState.XFER, JobState.MOVED)


class Revision(msgspec.Struct, frozen=True):
    """A position in the commits of one ledger: everything up to it is in what was read with it."""

    ledger_id: str
    write_sequence: int


class JobRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A job as this region's books show it. Times are wall-clock microseconds, 0: not yet."""

    id: str
    home: str
    tenant: str
    name: str
    client_key: str
    spec: bytes
    submitted_wall_us: int
    traceparent: str
    path: tuple[str, ...]
    state: JobState
    reason: Reason
    epoch: int
    attempt: int
    failures: int
    allocation: Allocation | None
    started_wall_us: int
    ended_wall_us: int
    exit_code: int
    transfer_to: str
    transfer_epoch: int
    cancel_id: str
    settled: bool
    remote: RemoteView | None
    timeline_length: int

    @property
    def observed_state(self) -> JobState:
        """The state as far as is known here: another region's word once the job has left."""
        return self.remote.state if self.remote is not None and self.state in _AWAY else self.state


class JobFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Jobs of this home that satisfy every field that is set. `states` are observed states."""

    ids: tuple[str, ...] = ()
    tenant: str = ""
    states: tuple[JobState, ...] = ()
    name_prefix: str = ""


class JobPage(msgspec.Struct, frozen=True, kw_only=True):
    """Jobs by id. `next_after` is where the next page starts, empty on the last one. A page may be short, even empty,
    before the last one."""

    jobs: tuple[JobRecord, ...]
    next_after: str
    revision: Revision


class JobDetail(msgspec.Struct, frozen=True, kw_only=True):
    """One job with its timeline, oldest entry first."""

    job: JobRecord
    timeline: tuple[TimelineRow, ...]
    revision: Revision


class _Candidates(msgspec.Struct, frozen=True):
    """Ids that match as far as SQL can tell, and up to which id it looked; `more`: there may be others after that."""

    ids: list[str]
    examined_to: str
    more: bool


# A row as JSON carries it: blobs in hexadecimal.
_BLOBS = {"spec", "spec_sha256", "shape_key", "allocation", "remote"}
_JSON_COLUMNS = ", ".join(f"hex({each})" if each in _BLOBS else each for each in JobRow.__struct_fields__)
_BLOB_INDICES = tuple(index for index, each in enumerate(JobRow.__struct_fields__) if each in _BLOBS)
_ROWS = msgspec.json.Decoder(list[list[str | int]])
_TIMELINE = msgspec.json.Decoder(list[TimelineRow])
_IDS = msgspec.json.Decoder(list[str])
_LENGTHS = msgspec.json.Decoder(list[tuple[str, int]])


def revision(connection: sqlite3.Connection) -> Revision:
    """Where the ledger is in this read transaction."""
    return Revision(*connection.execute("SELECT ledger_id, write_sequence FROM ledger").fetchone())


def get_job(connection: sqlite3.Connection, job_id: str, *, with_timeline: bool = False) -> JobDetail | None:
    """A job of any home that this region has a row of; None: it has none."""
    found = _records(connection, [job_id])
    if not found:
        return None
    entries = timeline(connection, job_id) if with_timeline else ()
    return JobDetail(job=found[0], timeline=entries, revision=revision(connection))


def timeline(connection: sqlite3.Connection, job_id: str) -> tuple[TimelineRow, ...]:
    """What happened to this job in this region, oldest first."""
    columns = ", ".join(TimelineRow.__struct_fields__)
    text = connection.execute(
        f"SELECT json_group_array(json_array({columns})) FROM timeline WHERE job_id = ?", (job_id,)
    ).fetchone()[0]
    return tuple(sorted(_TIMELINE.decode(text), key=lambda entry: entry.sequence))


def list_jobs(
    connection: sqlite3.Connection, wanted: JobFilter, *, after: str = "", page_size: int = 100
) -> JobPage:
    """The next jobs of this home, by id, whose id is greater than `after`; at most `page_size` (1 to 1,000)."""
    assert 1 <= page_size <= PAGE_SIZE_MAX, f"page size {page_size}"
    candidates = _within_bytes(connection, _candidates(connection, wanted, after, page_size))
    jobs = _records(connection, candidates.ids)
    if wanted.states:
        jobs = [job for job in jobs if job.observed_state in wanted.states]
    return JobPage(
        jobs=tuple(jobs),
        next_after=candidates.examined_to if candidates.more else "",
        revision=revision(connection),
    )


def settled_jobs(connection: sqlite3.Connection, job_ids: Sequence[str]) -> tuple[Job, ...]:
    """Of these jobs, by id, those whose rows are settled: what memory let go of, for an inquest."""
    rows = [row for row in _rows(connection, list(job_ids)) if row.settled]
    return tuple(decoded_jobs(connection, rows))


def settled_jobs_of(connection: sqlite3.Connection, home: str, after: str, limit: int) -> tuple[Job, ...]:
    """By id, settled jobs of another region's home whose id is greater than `after`; at most `limit`."""
    text = connection.execute(
        """
        SELECT json_group_array(id) FROM (
          SELECT id FROM jobs WHERE id > max(?1, ?2 || '-') AND id < ?2 || '.' AND home = ?2 AND settled = 1
          ORDER BY id LIMIT ?3
        )
        """,
        (after, home, limit),
    ).fetchone()[0]
    return settled_jobs(connection, _IDS.decode(text))


def _candidates(connection: sqlite3.Connection, wanted: JobFilter, after: str, page_size: int) -> _Candidates:
    """Two nested bounds: rows looked at (by id), and of these the rows that match."""
    # The plus keeps SQLite from an index that would have it read and sort every job of this home.
    scope = [f"{'' if wanted.tenant else '+'}home = (SELECT region FROM ledger)", "id > :after"]
    match = ["TRUE"]
    if wanted.ids:
        scope.append("id IN (SELECT value FROM json_each(:ids))")
    if wanted.tenant:
        scope.append("tenant = :tenant")
    if wanted.name_prefix:
        match.append("substr(name, 1, length(:prefix)) = :prefix")
    if wanted.states:
        match.append("state IN (SELECT value FROM json_each(:states))")
    examined_max = ROWS_EXAMINED_MAX if len(match) > 1 else page_size + 1
    text, examined, examined_to = connection.execute(
        f"""
        WITH examined AS MATERIALIZED (
          SELECT id, name, state FROM jobs WHERE {" AND ".join(scope)} ORDER BY id LIMIT :examined_max
        ), matching AS (
          SELECT id FROM examined WHERE {" AND ".join(match)} LIMIT :page_size + 1
        )
        SELECT (SELECT json_group_array(id) FROM matching), count(*), max(id) FROM examined
        """,
        {
            "after": after,
            "ids": _json(wanted.ids),
            "tenant": wanted.tenant,
            "prefix": wanted.name_prefix,
            "states": _json(sorted({*wanted.states, *_AWAY})),
            "page_size": page_size,
            "examined_max": examined_max,
        },
    ).fetchone()
    ids = sorted(_IDS.decode(text))
    if len(ids) > page_size:
        return _Candidates(ids[:page_size], ids[page_size - 1], more=True)
    return _Candidates(ids, examined_to or "", more=examined == examined_max)


def _within_bytes(connection: sqlite3.Connection, candidates: _Candidates) -> _Candidates:
    """As many of them as PAGE_BYTES_MAX of specs allow, at least one: the page ends early where they are large."""
    text = connection.execute(
        "SELECT json_group_array(json_array(id, length(spec))) FROM jobs "
        "WHERE id IN (SELECT value FROM json_each(?))",
        (_json(candidates.ids),),
    ).fetchone()[0]
    lengths = dict(_LENGTHS.decode(text))
    left = PAGE_BYTES_MAX
    for index, job_id in enumerate(candidates.ids):
        left -= lengths[job_id]
        if left < 0 and index > 0:
            return _Candidates(candidates.ids[:index], candidates.ids[index - 1], more=True)
    return candidates


def _records(connection: sqlite3.Connection, ids: list[str]) -> list[JobRecord]:
    """The jobs of these ids that have a row, by id."""
    return [_record(row) for row in _rows(connection, ids)]


def _rows(connection: sqlite3.Connection, ids: list[str]) -> list[JobRow]:
    """The rows of these ids, by id."""
    text = connection.execute(
        f"SELECT json_group_array(json_array({_JSON_COLUMNS})) FROM jobs "
        "WHERE id IN (SELECT value FROM json_each(?))",
        (_json(ids),),
    ).fetchone()[0]
    return sorted((_row(values) for values in _ROWS.decode(text)), key=lambda row: row.id)


def _row(values: list[str | int]) -> JobRow:
    unpacked: list[str | int | bytes] = list(values)
    for index in _BLOB_INDICES:
        unpacked[index] = bytes.fromhex(str(values[index]))
    return msgspec.convert(unpacked, JobRow, builtin_types=(bytes,))


def _record(row: JobRow) -> JobRecord:
    return JobRecord(
        id=row.id,
        home=row.home,
        tenant=row.tenant,
        name=row.name,
        client_key=row.client_key,
        spec=row.spec,
        submitted_wall_us=row.submitted_wall_us,
        traceparent=row.traceparent,
        path=tuple(row.path.split(",")) if row.path else (),
        state=JobState(row.state),
        reason=decoded_reason(row.reason, row.reason_detail),
        epoch=row.epoch,
        attempt=row.attempt,
        failures=row.failures,
        allocation=decoded_allocation(row.allocation),
        started_wall_us=row.started_wall_us,
        ended_wall_us=row.ended_wall_us,
        exit_code=row.exit_code,
        transfer_to=row.transfer_to,
        transfer_epoch=row.transfer_epoch,
        cancel_id=row.cancel_id,
        settled=bool(row.settled),
        remote=decoded_remote(row.remote),
        timeline_length=row.timeline_length,
    )


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
