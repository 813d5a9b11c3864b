"""Which jobs may be forgotten.

The ledger only picks them: the core forgets them in a step, whose writes delete the rows, so that memory and disk never
disagree. `wait` jobs and those of shards are picked apart from each other: the latter go only once a majority of their
group has agreed, and a shard that has none just now must not keep `wait` jobs from going.

A ledger file does not shrink; deleted pages are used again, so it stays at its largest size so far. Incremental vacuum
would move pages about under load for space that the region will want again. A backup (VACUUM INTO) is compact.
"""

from __future__ import annotations

import sqlite3

import msgspec

from hanse.core.model.lifecycle import JobState

# Of each kind. Deleting 500 jobs takes about as long as committing 500: no single transaction holds up the others.
BATCH_MAX = 500
DAY_US = 24 * 60 * 60 * 1_000_000


class RetentionPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """Forget settled jobs that ended longer than `age_max_us` ago; and the oldest ones beyond `settled_jobs_max` of
    their kind (`wait` or adoptable), or while the ledger's pages in use (without the WAL) exceed `bytes_max`."""

    age_max_us: int = 30 * DAY_US
    settled_jobs_max: int = 1_000_000
    bytes_max: int = 8 * 1024**3


class Forgettable(msgspec.Struct, frozen=True):
    """A job to forget, and the client key that then may be used again; empty keys: the job's home is elsewhere.
    `runs` are the (epoch, attempt) pairs that ran in this region and may have left output. `shard` is empty for a
    `wait` job."""

    job_id: str
    tenant: str
    client_key: str
    runs: tuple[tuple[int, int], ...] = ()
    shard: str = ""
    # Then the runs are its elements', and only whoever keeps their output knows them.
    is_array: bool = False


# The expression and predicates of the two indexes, word for word. Settled jobs are final or have MOVED on with their
# outcome known at home: nobody will ask this region for them again.
_AGE = "max(ended_wall_us, submitted_wall_us)"
_WAIT = "jobs INDEXED BY jobs_settled WHERE settled = 1 AND shard = ''"
_ADOPTABLE = "jobs INDEXED BY jobs_settled_adoptable WHERE settled = 1 AND shard <> ''"


def pick(
    connection: sqlite3.Connection, policy: RetentionPolicy, now_wall_us: int, batch_max: int = BATCH_MAX
) -> tuple[Forgettable, ...]:
    """The oldest settled jobs that the policy lets go of, `wait` jobs first, at most `batch_max` of each kind; call
    again after they are forgotten.

    Empty means that there is nothing to do, also when the ledger is over its bytes and has no settled job left.
    """
    over_bytes = used_bytes(connection) > policy.bytes_max
    picked: list[Forgettable] = []
    for kind in (_WAIT, _ADOPTABLE):
        surplus = batch_max if over_bytes else _count(connection, kind) - policy.settled_jobs_max
        oldest = _oldest(connection, kind, min(surplus, batch_max)) if surplus > 0 else ()
        picked += oldest or _oldest(connection, kind, batch_max, now_wall_us - policy.age_max_us)
    return tuple(picked)


def settled_jobs(connection: sqlite3.Connection) -> int:
    """How many rows of settled jobs the ledger keeps, of both kinds."""
    return _count(connection, _WAIT) + _count(connection, _ADOPTABLE)


def _count(connection: sqlite3.Connection, kind: str) -> int:
    count: int = connection.execute(f"SELECT count(*) FROM {kind}").fetchone()[0]
    return count


def used_bytes(connection: sqlite3.Connection) -> int:
    """Size of the pages in use: the file without its free pages."""
    pages, free, size = (
        connection.execute(f"PRAGMA {pragma}").fetchone()[0]
        for pragma in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)


def _oldest(
    connection: sqlite3.Connection, kind: str, count: int, before_wall_us: int | None = None
) -> tuple[Forgettable, ...]:
    younger = "" if before_wall_us is None else f"AND {_AGE} < {int(before_wall_us)}"
    text = connection.execute(
        f"""
        SELECT json_group_array(json_array(id, tenant, client_key, json(runs), shard, is_array)) FROM (
          SELECT id, tenant, client_key, (
            SELECT json_group_array(json_array(epoch, attempt)) FROM timeline
            WHERE timeline.shard = jobs.shard AND job_id = jobs.id AND what = '{JobState.RUNNING.name}'
          ) AS runs, shard, array <> x'' AS is_array
          FROM {kind} {younger} ORDER BY {_AGE}, id LIMIT ?
        )
        """,
        (count,),
    ).fetchone()[0]
    return tuple(Forgettable(*each[:-1], is_array=bool(each[-1])) for each in _PICKED.decode(text))


_PICKED = msgspec.json.Decoder(list[tuple[str, str, str, tuple[tuple[int, int], ...], str, int]])
