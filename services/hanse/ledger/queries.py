"""What the API reads. Every function takes a connection that is in a read transaction: pass it to `Ledger.read`.

Rows are fetched as one JSON text, in one step of one statement: see statements.py for what a step costs while the event
loop is busy. (A page of 100 jobs row by row: 0.5 s; so: 10 ms.)
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from heapq import merge
from itertools import groupby

import msgspec

from hanse.core.model.arrays import Array, unpacked_array
from hanse.core.model.jobs import Allocation, Job, Reason, RemoteView
from hanse.core.model.lifecycle import JobState
from hanse.core.rows import JobRow, PolicyRow, TimelineRow
from hanse.ledger.recovery import (
    OPEN_JOBS,
    POLICY_COLUMNS,
    decoded_allocation,
    decoded_jobs,
    decoded_reason,
    decoded_remote,
    newest_policy,
)

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
    # Empty: a `wait` job.
    shard: str
    # None: it is no array. Its elements in flight are among those that wait here: their rows tell (elements.py).
    array: Array | None = None

    @property
    def observed_state(self) -> JobState:
        """The state as far as is known here: another region's word once the job has left."""
        return self.remote.state if self.remote is not None and self.state in _AWAY else self.state


class JobFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Jobs that this ledger answers for and that satisfy every field that is set. `states` are observed states.

    It answers for the jobs of its home, and for those of shards that its region leads.
    """

    homes: tuple[str, ...] = ()
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
    """One job with its timeline, oldest entry first.

    `job` answers for it. `owner` is another of its rows only if this region leads both the shard of its home, which
    answers, and the one that has it now: that row knows of runs and allocations.
    """

    job: JobRecord
    owner: JobRecord
    timeline: tuple[TimelineRow, ...]
    revision: Revision


class _Candidates(msgspec.Struct, frozen=True):
    """Ids that match as far as SQL can tell, and up to which id it looked; `more`: there may be others after that."""

    ids: list[str]
    examined_to: str
    more: bool


# A row as JSON carries it: blobs in hexadecimal.
_BLOBS = {"spec", "spec_sha256", "shape_key", "allocation", "remote", "terms", "array"}
_JSON_COLUMNS = ", ".join(f"hex({each})" if each in _BLOBS else each for each in JobRow.__struct_fields__)
_BLOB_INDICES = tuple(index for index, each in enumerate(JobRow.__struct_fields__) if each in _BLOBS)
_ROWS = msgspec.json.Decoder(list[list[str | int]])
_TIMELINE = msgspec.json.Decoder(list[TimelineRow])
_IDS = msgspec.json.Decoder(list[str])
_LENGTHS = msgspec.json.Decoder(list[tuple[str, int]])

# Every row of the jobs in :ids, each kind by its own index.
_OF_IDS = """rowid IN (
  SELECT rowid FROM jobs WHERE shard = '' AND id IN (SELECT value FROM json_each(:ids))
  UNION ALL
  SELECT rowid FROM jobs WHERE shard <> '' AND id IN (SELECT value FROM json_each(:ids))
)"""
# What lists leave out: rows of a job that has a better one in another shard. `_answers` says which that is.
_ANSWERS = """NOT EXISTS (
  SELECT 1 FROM jobs AS other WHERE other.shard <> '' AND other.id = jobs.id
  AND (other.shard = other.home, other.epoch, other.shard) > (jobs.shard = jobs.home, jobs.epoch, jobs.shard)
)"""


def revision(connection: sqlite3.Connection) -> Revision:
    """Where the ledger is in this read transaction."""
    return Revision(*connection.execute("SELECT ledger_id, write_sequence FROM ledger").fetchone())


def get_job(connection: sqlite3.Connection, job_id: str, *, with_timeline: bool = False) -> JobDetail | None:
    """A job of any home that this region has a row of; None: it has none."""
    found = _all_records(connection, [job_id])
    if not found:
        return None
    entries = timeline(connection, job_id) if with_timeline else ()
    return JobDetail(
        job=max(found, key=_answers),
        owner=max(found, key=_owns),
        timeline=entries,
        revision=revision(connection),
    )


def timeline(connection: sqlite3.Connection, job_id: str) -> tuple[TimelineRow, ...]:
    """What happened to this job in this region, oldest first: in all shards, each in its own order."""
    columns = ", ".join(TimelineRow.__struct_fields__)
    text = connection.execute(
        f"""
        WITH {shards_of("timeline")}
        SELECT json_group_array(json_array({columns}))
        FROM shards CROSS JOIN timeline ON timeline.shard = shards.name AND job_id = ?
        """,
        (job_id,),
    ).fetchone()[0]
    entries = sorted(_TIMELINE.decode(text), key=lambda entry: (entry.shard, entry.sequence))
    parts = [list(part) for _, part in groupby(entries, key=lambda entry: entry.shard)]
    return tuple(merge(*parts, key=lambda entry: entry.at_wall_us))


def shards_of(table: str) -> str:
    """A common table `shards` of the names that `table` has in its first key column: one look into the key for each,
    however many rows it has."""
    return f"""RECURSIVE shards(name) AS (
      SELECT min(shard) FROM {table}
      UNION ALL
      SELECT (SELECT min(shard) FROM {table} WHERE shard > shards.name) FROM shards WHERE shards.name IS NOT NULL
    )"""


def list_jobs(
    connection: sqlite3.Connection, wanted: JobFilter, *, after: str = "", page_size: int = 100
) -> JobPage:
    """The next jobs that this ledger answers for, by id, whose id is greater than `after`; at most `page_size` (1 to
    1,000)."""
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
    """Of these `wait` jobs, by id, those whose rows are settled: what memory let go of, for an inquest. What became of
    adoptable jobs is for the leader of their shard to say."""
    rows = [row for row in _rows(connection, list(job_ids)) if row.settled and not row.shard]
    return tuple(decoded_jobs(connection, rows))


def settled_jobs_of(connection: sqlite3.Connection, home: str, after: str, limit: int) -> tuple[Job, ...]:
    """By id, settled `wait` jobs of another region's home whose id is greater than `after`; at most `limit`."""
    text = connection.execute(
        """
        SELECT json_group_array(id) FROM (
          SELECT id FROM jobs
          WHERE shard = '' AND id > max(?1, ?2 || '-') AND id < ?2 || '.' AND +home = ?2 AND settled = 1
          ORDER BY id LIMIT ?3
        )
        """,
        (after, home, limit),
    ).fetchone()[0]
    return settled_jobs(connection, _IDS.decode(text))


def region_of(connection: sqlite3.Connection) -> str:
    """Whose ledger this is."""
    name: str = connection.execute("SELECT region FROM ledger").fetchone()[0]
    return name


def policies(connection: sqlite3.Connection, before: int, limit: int) -> tuple[PolicyRow, ...]:
    """Versions of the policy below `before` (0: all), newest first, at most `limit`; without their documents."""
    found = connection.execute(
        "SELECT version, digest, '', author, why, at_wall_us FROM policies WHERE version < ?1 OR ?1 = 0 "
        "ORDER BY version DESC LIMIT ?2",
        (before, limit),
    )
    return tuple(PolicyRow(*values) for values in found)


def policy(connection: sqlite3.Connection, version: int) -> PolicyRow | None:
    """One version of the policy (0: the newest) with its document; None: it is not kept here."""
    if version == 0:
        return newest_policy(connection)
    found = connection.execute(
        f"SELECT {POLICY_COLUMNS} FROM policies WHERE version = ?", (version,)
    ).fetchone()
    return None if found is None else PolicyRow(*found)


def recent_jobs(connection: sqlite3.Connection, limit: int) -> tuple[Job, ...]:
    """The last jobs that ended and those that have not, of all that this region has a row of, at most `limit` of each;
    oldest submission first."""
    # Each by its own index, where there is one: a ledger may hold a million jobs.
    ended = "SELECT id, max(ended_wall_us, submitted_wall_us) AS at FROM jobs WHERE settled = 1"
    newest = "ORDER BY max(ended_wall_us, submitted_wall_us) DESC, id DESC LIMIT ?1"
    text = connection.execute(
        f"""
        SELECT json_group_array(id) FROM (
          SELECT id FROM (
            SELECT * FROM (
              {ended} AND shard = '' {newest}
            ) UNION ALL SELECT * FROM (
              {ended} AND shard <> '' {newest}
            ) ORDER BY at DESC, id DESC LIMIT ?1
          ) UNION SELECT id FROM (
            SELECT * FROM (SELECT id FROM jobs WHERE {OPEN_JOBS} ORDER BY id LIMIT ?1)
            UNION SELECT * FROM (SELECT id FROM jobs WHERE settled = 0 AND shard <> '' ORDER BY id LIMIT ?1)
            ORDER BY id LIMIT ?1
          )
        )
        """,
        (limit,),
    ).fetchone()[0]
    ids = _IDS.decode(text)
    jobs: list[Job] = []
    for start in range(0, len(ids), PAGE_SIZE_MAX):
        rows = sorted(
            _rows(connection, ids[start : start + PAGE_SIZE_MAX]), key=lambda row: (row.epoch, row.shard)
        )
        # Of a job with several rows, that of its owner comes last, and stays.
        jobs += decoded_jobs(connection, {row.id: row for row in rows}.values())
    return tuple(sorted(jobs, key=lambda job: (job.submitted_wall_us, job.id)))


def _candidates(connection: sqlite3.Connection, wanted: JobFilter, after: str, page_size: int) -> _Candidates:
    """Two nested bounds: jobs looked at (by id), and of these the jobs that match."""
    region = region_of(connection)
    homes = [each for each in _homes(connection, region) if not wanted.homes or each in wanted.homes]
    if not homes:
        return _Candidates([], "", more=False)
    match = ["TRUE"]
    if wanted.name_prefix:
        match.append("substr(name, 1, length(:prefix)) = :prefix")
    if wanted.states:
        match.append("state IN (SELECT value FROM json_each(:states))")
    examined_max = ROWS_EXAMINED_MAX if len(match) > 1 else page_size + 1
    scopes = [_in_scope(wanted, f":home{number}", own=home == region) for number, home in enumerate(homes)]
    text, examined, examined_to = connection.execute(
        f"""
        WITH examined AS MATERIALIZED (
          {" UNION ALL ".join(scopes)} ORDER BY id LIMIT :examined_max
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
            **{f"home{number}": home for number, home in enumerate(homes)},
        },
    ).fetchone()
    ids = sorted(_IDS.decode(text))
    if len(ids) > page_size:
        return _Candidates(ids[:page_size], ids[page_size - 1], more=True)
    return _Candidates(ids, examined_to or "", more=examined == examined_max)


def _homes(connection: sqlite3.Connection, region: str) -> list[str]:
    """Whose jobs this ledger answers for: this region's, and those of the shards that it leads."""
    text = connection.execute(
        f"WITH {shards_of('jobs')} SELECT json_group_array(name) FROM shards WHERE name <> ''"
    ).fetchone()[0]
    return sorted({region, *_IDS.decode(text)})


def _in_scope(wanted: JobFilter, home: str, *, own: bool) -> str:
    """One row for each job of a home, in the order of ids that an index gives: one for a tenant's jobs, else one for
    `wait` jobs and one for the others, merged. Of another home there are only those of its shard."""
    # The plus keeps SQLite from an index that would have it read and sort every job of this home.
    scope = [f"{'' if wanted.tenant else '+'}home = {home}", "id > :after"]
    if wanted.ids:
        scope.append("id IN (SELECT value FROM json_each(:ids))")
    if wanted.tenant:
        scope.append("tenant = :tenant")
    if not own:
        kinds = [f"shard = {home}"]
    elif wanted.tenant:
        kinds = [f"(shard = '' OR {_ANSWERS})"]
    else:
        kinds = ["shard = ''", f"shard <> '' AND {_ANSWERS}"]
    return " UNION ALL ".join(
        f"SELECT id, name, state FROM jobs WHERE {' AND '.join([*scope, kind])}" for kind in kinds
    )


def _within_bytes(connection: sqlite3.Connection, candidates: _Candidates) -> _Candidates:
    """As many of them as PAGE_BYTES_MAX of specs allow, at least one: the page ends early where they are large."""
    text = connection.execute(
        f"SELECT json_group_array(json_array(id, length(spec))) FROM jobs WHERE {_OF_IDS}",
        {"ids": _json(candidates.ids)},
    ).fetchone()[0]
    lengths = dict(_LENGTHS.decode(text))
    left = PAGE_BYTES_MAX
    for index, job_id in enumerate(candidates.ids):
        left -= lengths[job_id]
        if left < 0 and index > 0:
            return _Candidates(candidates.ids[:index], candidates.ids[index - 1], more=True)
    return candidates


def _records(connection: sqlite3.Connection, ids: list[str]) -> list[JobRecord]:
    """The jobs of these ids that have a row, by id: of each the row that answers for it."""
    # The one that answers comes last, and stays.
    found = sorted(_all_records(connection, ids), key=lambda job: (job.id, _answers(job)))
    return list({job.id: job for job in found}.values())


def _all_records(connection: sqlite3.Connection, ids: list[str]) -> list[JobRecord]:
    return [record_of(row) for row in _rows(connection, ids)]


def _rows(connection: sqlite3.Connection, ids: list[str]) -> list[JobRow]:
    """The rows of these ids, by id."""
    text = connection.execute(
        f"SELECT json_group_array(json_array({_JSON_COLUMNS})) FROM jobs WHERE {_OF_IDS}", {"ids": _json(ids)}
    ).fetchone()[0]
    return sorted((_row(values) for values in _ROWS.decode(text)), key=lambda row: row.id)


def _answers(job: JobRecord) -> tuple[bool, bool, int, str]:
    """The larger, the better it answers for a job: that of its home's shard, to which all report; else the newest."""
    return (not job.shard, job.shard == job.home, job.epoch, job.shard)


def _owns(job: JobRecord) -> tuple[int, str]:
    """The largest is the job's owner, as far as this ledger goes: each hop has a higher epoch than all before it."""
    return (job.epoch, job.shard)


def _row(values: list[str | int]) -> JobRow:
    unpacked: list[str | int | bytes] = list(values)
    for index in _BLOB_INDICES:
        unpacked[index] = bytes.fromhex(str(values[index]))
    return msgspec.convert(unpacked, JobRow, builtin_types=(bytes,))


def record_of(row: JobRow) -> JobRecord:
    """What the API shows of a row."""
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
        shard=row.shard,
        array=unpacked_array(row.array),
    )


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
