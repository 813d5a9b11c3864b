"""Watching jobs: one indexed fan-out for each commit, a bounded history for streams that broke, and slow watchers.

Theory of operation. Only durable changes come here, in commit order, and only those of jobs that this region answers
for: its own home's `wait` jobs, and those of the shards that it leads. A watch of the whole league is one stream to
each region. A watcher's changes wait in memory until its stream takes them.
When WATCH_PENDING_CHANGES_MAX wait, only the newest change of each job is kept; when WATCH_PENDING_JOBS_MAX jobs wait,
the watcher is dropped. A revision is a position in this history: (region, ledger id, commit sequence).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

import grpc
import msgspec

from hanse.core.effects import JobChange
from hanse.core.model import limits
from hanse.core.model.errors import HanseError
from hanse.core.model.lifecycle import JobState
from hanse.daemon.errors import DriverInterrupted, RequestRefused


class Told(msgspec.Struct):
    """A change with the sequence of its commit. `encoded`: the form that its streams send, made once."""

    sequence: int
    change: JobChange
    encoded: Any = None


class WatchFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Changes of jobs that satisfy every field that is set."""

    homes: frozenset[str] = frozenset()
    job_ids: frozenset[str] = frozenset()
    tenant: str = ""
    states: frozenset[JobState] = frozenset()
    name_prefix: str = ""

    def matches(self, change: JobChange) -> bool:
        """Whether the watcher wants to see it."""
        return (
            (not self.homes or change.home in self.homes)
            and (not self.job_ids or change.job_id in self.job_ids)
            and (not self.tenant or change.tenant == self.tenant)
            and (not self.states or change.state in self.states)
            and change.name.startswith(self.name_prefix)
        )


class WatchBatch(msgspec.Struct, frozen=True):
    """Changes, each with its commit, up to and including the commit `sequence`; `coalesced` were left out between
    them."""

    changes: tuple[Told, ...]
    sequence: int
    coalesced: int


class Watcher:
    """One stream's end. For one consumer."""

    def __init__(self, hub: WatchHub, wanted: WatchFilter, after: int = 0) -> None:
        self._hub = hub
        self.wanted = wanted
        # Changes up to this commit are known to the caller.
        self._after = after
        # Every change while they are few; then only the newest of each job, oldest first.
        self._changes: deque[Told] = deque()
        self._newest: dict[str, Told] = {}
        self._coalesced = 0
        self._ended: HanseError | None = None
        self._waker: asyncio.Future[None] | None = None

    def feed(self, changes: Iterable[Told]) -> None:
        """Take what matches. Whoever is too slow ends here."""
        if self._ended is not None:
            return
        for change in changes:
            if change.sequence > self._after and self.wanted.matches(change.change):
                self._add(change)
        if self._changes or self._newest:
            self._wake()

    def end(self, why: HanseError) -> None:
        """The consumer gets this error in place of what waits."""
        self._ended = why
        self._changes.clear()
        self._newest.clear()
        self._wake()

    async def next(self) -> WatchBatch:
        """What has come since the last call; waits for something. Raises the error with which the watch was ended."""
        while not (self._changes or self._newest or self._ended):
            self._waker = asyncio.get_running_loop().create_future()
            try:
                await self._waker
            finally:
                self._waker = None
        return self.taken()

    def taken(self) -> WatchBatch:
        """As `next`, without waiting: perhaps empty."""
        if self._ended is not None:
            raise self._ended
        changes = (*self._changes, *self._newest.values())
        coalesced, self._coalesced = self._coalesced, 0
        self._changes.clear()
        self._newest.clear()
        return WatchBatch(changes, self._hub.sequence, coalesced)

    def _add(self, change: Told) -> None:
        if self._newest or len(self._changes) >= limits.WATCH_PENDING_CHANGES_MAX:
            self._coalesce(change)
        else:
            self._changes.append(change)

    def _coalesce(self, change: Told) -> None:
        while self._changes:
            self._keep_newest(self._changes.popleft())
        self._keep_newest(change)
        if len(self._newest) > limits.WATCH_PENDING_JOBS_MAX:
            self.end(
                RequestRefused(
                    grpc.StatusCode.RESOURCE_EXHAUSTED,
                    f"too slow: changes of {len(self._newest)} jobs wait; list, then watch again",
                    retry_after_ms=limits.RETRY_AFTER_MS,
                )
            )

    def _keep_newest(self, change: Told) -> None:
        job_id = change.change.job_id
        if self._newest.pop(job_id, None) is not None:
            self._coalesced += 1
        self._newest[job_id] = change

    def _wake(self) -> None:
        if self._waker is not None and not self._waker.done():
            self._waker.set_result(None)


class WatchHub:
    """All watchers of this region's jobs."""

    def __init__(self, region: str, watchers_max: int = limits.WATCHERS_MAX) -> None:
        self._region = region
        self._watchers_max = watchers_max
        self._by_job: dict[str, dict[Watcher, None]] = {}
        self._by_tenant: dict[str, dict[Watcher, None]] = {}
        self._of_all: dict[Watcher, None] = {}
        self._history: deque[Told] = deque()
        # Everything up to this commit has left the history.
        self._compacted = 0
        self.ledger_id = ""
        self.sequence = 0
        self.watchers = 0

    def reset(self, ledger_id: str, sequence: int) -> None:
        """The region was (re)built from its disk, which may hold a commit that nobody was told of: watchers start
        anew, and revisions before this one are no longer kept."""
        self.end_all("the region was rebuilt from its disk; list, then watch again")
        self._history.clear()
        self.ledger_id = ledger_id
        self.sequence = self._compacted = sequence

    def end_all(self, why: str = "the region is shutting down") -> None:
        """Every stream ends with UNAVAILABLE."""
        for watcher in self._all_watchers():
            watcher.end(DriverInterrupted(why))
        self._by_job.clear()
        self._by_tenant.clear()
        self._of_all.clear()
        self.watchers = 0

    def publish(self, sequence: int, changes: Sequence[JobChange]) -> None:
        """Tell everybody who wants to know of a commit."""
        self.sequence = sequence
        ours = [Told(sequence, change) for change in changes if change.home == (change.shard or self._region)]
        if not ours:
            return
        self._remember(ours)
        for watcher in self._of_all:
            watcher.feed(ours)
        if self._by_job or self._by_tenant:
            self._publish_indexed(ours)

    def watch(self, wanted: WatchFilter, since: tuple[str, int] | None = None) -> Watcher:
        """Begin to watch; `since` is (ledger id, commit sequence) after which to go on. Raises RequestRefused."""
        if self.watchers >= self._watchers_max:
            raise RequestRefused(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                f"{self.watchers} watchers are connected",
                retry_after_ms=limits.RETRY_AFTER_MS,
            )
        if since is not None:
            watcher = Watcher(self, wanted, since[1])
            watcher.feed(self._changes_after(*since))
        else:
            watcher = Watcher(self, wanted)
        for index in self._indexes(wanted):
            index[watcher] = None
        self.watchers += 1
        return watcher

    def leave(self, watcher: Watcher) -> None:
        """The stream has ended. Leaving twice is harmless."""
        found = False
        for index in self._indexes(watcher.wanted):
            found = index.pop(watcher, False) is None or found
        self.watchers -= found
        for job_id in watcher.wanted.job_ids:
            if not self._by_job.get(job_id, True):
                del self._by_job[job_id]
        if not self._by_tenant.get(watcher.wanted.tenant, True):
            del self._by_tenant[watcher.wanted.tenant]

    def _indexes(self, wanted: WatchFilter) -> list[dict[Watcher, None]]:
        """Where a watcher stands: under its jobs, else under its tenant, else under all."""
        if wanted.job_ids:
            return [self._by_job.setdefault(job_id, {}) for job_id in wanted.job_ids]
        if wanted.tenant:
            return [self._by_tenant.setdefault(wanted.tenant, {})]
        return [self._of_all]

    def _publish_indexed(self, changes: list[Told]) -> None:
        fed: dict[Watcher, list[Told]] = {}
        for told in changes:
            change = told.change
            for index in (self._by_job.get(change.job_id), self._by_tenant.get(change.tenant)):
                for watcher in index or ():
                    fed.setdefault(watcher, []).append(told)
        for watcher, wanted in fed.items():
            watcher.feed(wanted)

    def _remember(self, changes: list[Told]) -> None:
        self._history.extend(changes)
        while len(self._history) > limits.WATCH_HISTORY_MAX:
            self._compacted = self._history.popleft().sequence

    def _changes_after(self, ledger_id: str, sequence: int) -> Iterable[Told]:
        # A list reads what is on the disk, and may be ahead of what was told by the commits that are on their way here.
        newest = self.sequence + limits.STEPS_IN_FLIGHT_MAX
        if ledger_id != self.ledger_id or not self._compacted <= sequence <= newest:
            raise RequestRefused(
                grpc.StatusCode.OUT_OF_RANGE,
                f"revision {sequence} of ledger {ledger_id!r} is not kept; kept are {self._compacted} to "
                f"{self.sequence} of {self.ledger_id!r}. List, then watch from the list's revision",
                field="since",
            )
        newer = 0
        for told in reversed(self._history):
            if told.sequence <= sequence:
                break
            newer += 1
        return islice(self._history, len(self._history) - newer, None)

    def _all_watchers(self) -> dict[Watcher, None]:
        indexed = [*self._by_job.values(), *self._by_tenant.values(), self._of_all]
        return {watcher: None for index in indexed for watcher in index}
