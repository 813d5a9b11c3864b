"""Callers of the regions: partner services that submit, repeat, cancel and ask, and operators that drain.

They behave as the client library does: a request is repeated to the same home, under the same keys, until it is
answered. Answers may be lost on their way, and regions may be down.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Protocol

from hanse.core.events import Ask, CancelJobs, Event, Question, SetDrain, Submit
from hanse.core.model.jobs import OnLoss, Submission
from hanse.core.model.regions import RunningJobs
from hanse.core.model.time import MILLISECOND_US, SECOND_US
from hanse.core.replies import Answer, CancelOutcome, Done, Explanation, Refused, SubmitOutcome, Submitted
from hanse.sim.faults import Faults
from hanse.sim.progress import Progress
from hanse.sim.record import (
    Acknowledged,
    CancelAsked,
    CancelTaken,
    Explained,
    FederatedAck,
    Record,
    SubmitRefused,
)
from hanse.sim.timeline import Timeline
from hanse.sim.workload import JobKind, submission

_TRAVEL_MAX_US = 5 * MILLISECOND_US
_ANSWER_TIMEOUT_US = 4 * SECOND_US
_RETRY_MAX_US = 2 * SECOND_US
_BATCH_MAX = 8
TENANTS = ("mills", "yards/docks", "yards/cranes")
# Shares of batches that are sent again although they were answered, and of keys that are misused for another job.
_REPEATED_SHARE = 0.1
_MISUSED_SHARE = 0.05
# Jobs that end only by a cancel: the test of cancels that nothing else can hide.
_ENDLESS_SHARE = 0.05
_CANCELLED_SHARE = 0.2
_EXPLAINED_SHARE = 0.2
# Of the batches of a run: how many are adoptable, and of those, how many refuse to be anything else.
_ADOPTABLE_SHARES = (0.0, 0.4, 0.8)
_ADOPT_SHARE = 0.7
# How often a caller asks a job's home first although somebody else leads its shard.
_ASKS_HOME_SHARE = 0.2
_CANCEL_WITHIN_US = 20 * SECOND_US
# 26 characters follow a region's name in a job's id, as with the real ones.
_JOB_NUMBER_WIDTH = 26


class Target(Protocol):
    """A region's public door."""

    @property
    def name(self) -> str: ...

    @property
    def up(self) -> bool: ...

    def post(self, event: Event) -> bool: ...

    def leads(self, shard: str) -> bool:
        """Whether it leads this shard, as far as it knows."""
        ...

    def has(self, job_id: str) -> bool:
        """Whether it has this `wait` job in its books."""
        ...


class Request:
    """One thing that somebody wants until it is answered."""

    __slots__ = ("answered", "done", "job_id", "make", "of_shard", "on_sent", "region")

    def __init__(
        self,
        region: str,
        make: Callable[[int], Event],
        answered: Callable[[Answer], bool],
        on_sent: Callable[[], None] | None = None,
        *,
        of_shard: bool = False,
        job_id: str = "",
    ) -> None:
        self.region = region
        # Of a cancel.
        self.job_id = job_id
        # Whether it concerns an adoptable job: then `region` is its home, and another region may lead that shard.
        self.of_shard = of_shard
        self.make = make
        # Returns whether the answer settles the request; otherwise it is repeated.
        self.answered = answered
        self.on_sent = on_sent
        self.done = False


class Batch:
    """Submissions of one call: (client key, kind), and what became of each key."""

    __slots__ = ("home", "items", "job_ids", "on_loss", "tenant")

    def __init__(
        self, home: str, tenant: str, items: list[tuple[str, JobKind]], on_loss: OnLoss = OnLoss.WAIT
    ) -> None:
        self.home = home
        self.on_loss = on_loss
        self.tenant = tenant
        self.items = items
        self.job_ids: dict[str, str] = {}


class Callers:
    """All of them. `open_requests` is how many wait for an answer now."""

    def __init__(
        self,
        timeline: Timeline,
        randomness: random.Random,
        faults: Faults,
        record: Record,
        progress: Progress,
        hosts: Mapping[str, Target],
        kinds: tuple[JobKind, ...],
        count: Callable[[str], None],
        has_guardians: bool = False,
    ) -> None:
        self.faults = faults
        # Of the acknowledged jobs: those that their caller soon wishes to end.
        self.cancelled_share = _CANCELLED_SHARE
        self._has_guardians = has_guardians
        self._adoptable_share = 0.0
        self.open_requests = 0
        self.planned_batches = 0
        self._timeline = timeline
        self._random = randomness
        self._record = record
        self._progress = progress
        self._hosts = hosts
        self._kinds = kinds
        self._count = count
        self._waiting: dict[int, tuple[Request, Batch | None]] = {}
        self._requests = 0
        self._keys = 0
        self._job_numbers = 0
        self._endless: dict[str, str] = {}
        self._of_shards: dict[str, None] = {}
        self._closing = False
        self._drain_wishes: dict[str, RunningJobs | None] = {}
        self._gone: dict[str, None] = {}

    @property
    def has_adoptable(self) -> bool:
        """Whether any of the jobs are adoptable."""
        return self._adoptable_share > 0

    @property
    def idle(self) -> bool:
        """Nobody waits, and nobody has yet to ask."""
        return self.open_requests == 0 and self.planned_batches == 0

    # --- plans ------------------------------------------------------------------------------------------------------

    def _draw_on_loss(self) -> OnLoss:
        if self._random.random() >= self._adoptable_share:
            return OnLoss.WAIT
        return OnLoss.ADOPT if self._random.random() < _ADOPT_SHARE else OnLoss.ADOPT_OR_WAIT

    def plan(self, jobs: int, within_us: int, adoptable_share: float | None = None) -> None:
        """So many jobs, in batches, at random instants; some regions are asked much more than others.
        `adoptable_share` of the batches are adoptable (None: drawn), as far as anybody guards them."""
        names = list(self._hosts)
        drawn = self._random.choice(_ADOPTABLE_SHARES) if self._has_guardians else 0.0
        self._adoptable_share = (
            drawn if adoptable_share is None or not self._has_guardians else adoptable_share
        )
        weights = [self._random.random() ** 2 + 0.05 for _ in names]
        while jobs > 0:
            size = min(jobs, self._random.randint(1, _BATCH_MAX))
            jobs -= size
            home = self._random.choices(names, weights)[0]
            items = []
            for _ in range(size):
                self._keys += 1
                items.append((f"key-{self._keys}", self._draw_kind()))
            batch = Batch(home, self._random.choice(TENANTS), items, self._draw_on_loss())
            if batch.on_loss is not OnLoss.WAIT:
                # Arrays can't be adopted.
                batch.items = [(key, kind.plain or kind) for key, kind in items]
            self.planned_batches += 1
            self._timeline.at(int(within_us * self._random.random()), self._submit_planned, batch)

    def _draw_kind(self) -> JobKind:
        endless = self._random.random() < _ENDLESS_SHARE
        return self._random.choice([kind for kind in self._kinds if kind.endless == endless])

    def _submit_planned(self, batch: Batch) -> None:
        self.planned_batches -= 1
        self.submit(batch)
        if self._random.random() < _REPEATED_SHARE:
            self.planned_batches += 1
            self._timeline.after(int(10 * SECOND_US * self._random.random()), self._repeat, batch)
        if self._random.random() < _MISUSED_SHARE:
            self.planned_batches += 1
            self._timeline.after(int(10 * SECOND_US * self._random.random()), self._misuse, batch)

    def _repeat(self, batch: Batch) -> None:
        self.planned_batches -= 1
        self.submit(batch)

    def _misuse(self, batch: Batch) -> None:
        """A key that is taken, for another job: must be refused, unless that one was never taken."""
        self.planned_batches -= 1
        key, kind = batch.items[0]
        if key in batch.job_ids:
            other = next(each for each in self._kinds if each is not kind)
            self.submit(Batch(batch.home, batch.tenant, [(key, other)], batch.on_loss))

    def cancel_endless(self) -> None:
        """What would not end by itself is ended, now and from now on."""
        self._closing = True
        for job_id, home in self._endless.items():
            # Where the home never comes back, whoever has the job is asked: anybody may.
            asked = (
                [home] if home not in self._gone else [name for name in self._hosts if name not in self._gone]
            )
            for region in asked:
                self.cancel(region, job_id)

    # --- requests ---------------------------------------------------------------------------------------------------

    def submit(self, batch: Batch) -> None:
        """Hand in what of the batch was not yet taken or refused for good."""

        def make(request_id: int) -> Event:
            submissions = tuple(self._submission(batch, key, kind) for key, kind in batch.items)
            home = "" if batch.on_loss is OnLoss.WAIT else batch.home
            return Submit(
                request_id=request_id, submissions=submissions, cause=f"call-{request_id}", home=home
            )

        of_shard = batch.on_loss is not OnLoss.WAIT
        request = Request(
            batch.home, make, lambda answer: self._on_submitted(batch, answer), of_shard=of_shard
        )
        self._ask(request, batch)

    def cancel(self, home: str, job_id: str) -> None:
        """Ask for the end of a job."""

        def make(request_id: int) -> Event:
            return CancelJobs(request_id=request_id, job_ids=(job_id,), cause=f"call-{request_id}")

        def sent() -> None:
            self._record.append(CancelAsked(self._timeline.now_us, home, job_id))

        of_shard = job_id in self._of_shards

        def answered(answer: Answer) -> bool:
            # A region that does not lead the shard does not know the job: that is no answer while the job is open.
            unknown = isinstance(answer, CancelOutcome) and any(
                isinstance(each, Refused) and each.code == "NOT_FOUND" for each in answer.results
            )
            return _is_settled(answer) and not (of_shard and unknown and self._progress.may_go_on(job_id))

        self._ask(Request(home, make, answered, sent, of_shard=of_shard, job_id=job_id))

    def drain(self, region: str, running: RunningJobs | None) -> None:
        """An operator's wish: what becomes of running jobs while the region is drained; None: it is not."""

        self._drain_wishes[region] = running

        def make(request_id: int) -> Event:
            # The newest wish, so that an older one which is repeated late doesn't undo it.
            wish = self._drain_wishes[region]
            return SetDrain(
                request_id=request_id,
                draining=wish is not None,
                running=wish or RunningJobs.FINISH,
                cause=f"call-{request_id}",
            )

        self._ask(Request(region, make, lambda answer: isinstance(answer, Done)))

    def explain(self, region: str, job_id: str) -> None:
        """Why is this job not running?"""

        def make(request_id: int) -> Event:
            return Ask(
                request_id=request_id, question=Question.EXPLAIN, job_id=job_id, cause=f"call-{request_id}"
            )

        self._ask(Request(region, make, lambda answer: isinstance(answer, Explanation | Refused)))

    def _submission(self, batch: Batch, key: str, kind: JobKind) -> Submission:
        self._job_numbers += 1
        job_id = f"{batch.home}-{self._job_numbers:0{_JOB_NUMBER_WIDTH}d}"
        if kind.endless:
            # Whether it is taken or not, and whether anybody hears of it.
            self._endless[job_id] = batch.home
            if batch.on_loss is not OnLoss.WAIT:
                self._of_shards[job_id] = None
        return submission(job_id, key, batch.tenant, kind, batch.on_loss)

    def give_up(self, region: str) -> None:
        """It never comes back: what only that region can answer is not asked any more."""
        self._gone[region] = None

    def _is_hopeless(self, request: Request, batch: Batch | None) -> bool:
        if request.region not in self._gone:
            return False
        if batch is not None:
            return batch.on_loss is not OnLoss.ADOPT
        if request.of_shard:
            return request.job_id not in self._progress.unfinished
        return not (request.job_id and self._progress.may_go_on(request.job_id))

    # --- there and back ---------------------------------------------------------------------------------------------

    def _ask(self, request: Request, batch: Batch | None = None) -> None:
        self.open_requests += 1
        self._travel(request, batch)

    def _travel(self, request: Request, batch: Batch | None) -> None:
        self._timeline.after(int(_TRAVEL_MAX_US * self._random.random()), self._arrive, request, batch)

    def _arrive(self, request: Request, batch: Batch | None) -> None:
        if self._is_hopeless(request, batch):
            self._settle(request)
            return
        host = self._hosts[self._whom(request)]
        self._requests += 1
        request_id = self._requests
        if not host.up:
            self._later(request, batch)
            return
        if request.on_sent is not None:
            request.on_sent()
        self._waiting[request_id] = (request, batch)
        self._timeline.after(_ANSWER_TIMEOUT_US, self._on_timeout, request_id)
        host.post(request.make(request_id))

    def _whom(self, request: Request) -> str:
        """What any region's front does: a job of a shard is asked of whoever leads it, as its home would tell."""
        is_gone = request.region in self._gone
        if is_gone and not request.of_shard:
            return self._random.choice(self._owners(request.job_id))
        if not request.of_shard or (not is_gone and self._random.random() < _ASKS_HOME_SHARE):
            return request.region
        leaders = [name for name, host in self._hosts.items() if host.leads(request.region)]
        if is_gone and not leaders:
            leaders = [name for name in self._hosts if name not in self._gone]
        return self._random.choice(leaders) if leaders else request.region

    def _owners(self, job_id: str) -> list[str]:
        """Who has a job whose home is gone; if nobody says so just now, whoever may."""
        present = [name for name in self._hosts if name not in self._gone]
        return [name for name in present if self._hosts[name].has(job_id)] or present

    def _later(self, request: Request, batch: Batch | None) -> None:
        self._timeline.after(int(_RETRY_MAX_US * self._random.random()), self._travel, request, batch)

    def _on_timeout(self, request_id: int) -> None:
        request, batch = self._waiting.pop(request_id, (None, None))
        if request is not None and not request.done:
            self._later(request, batch)

    def answered(self, region: str, request_id: int, answer: Answer) -> None:
        """An answer leaves the region; whether it arrives is another matter."""
        request, batch = self._waiting.get(request_id, (None, None))
        if batch is not None and isinstance(answer, SubmitOutcome):
            self._note_outcome(region, batch, answer)
        if isinstance(answer, Explanation):
            self._record.append(Explained(self._timeline.now_us, region, answer))
        if request is not None and isinstance(answer, CancelOutcome):
            self._note_cancel(region, request.job_id, answer)
        if request is None:
            return
        if self._random.random() < self.faults.reply_loss:
            self._count("reply_loss")
            return
        del self._waiting[request_id]
        self._timeline.after(
            int(_TRAVEL_MAX_US * self._random.random()), self._on_answer, request, batch, answer
        )

    def _note_cancel(self, region: str, job_id: str, outcome: CancelOutcome) -> None:
        if not isinstance(outcome.results[0], Refused):
            self._record.append(CancelTaken(self._timeline.now_us, region, job_id))

    def _note_outcome(self, region: str, batch: Batch, outcome: SubmitOutcome) -> None:
        now_us = self._timeline.now_us
        for (key, _), result in zip(batch.items, outcome.results, strict=True):
            if isinstance(result, Submitted):
                kind = FederatedAck if result.federated else Acknowledged
                self._record.append(
                    kind(now_us, batch.home, batch.tenant, key, result.job_id, result.existed)
                )
                self._progress.acknowledged(batch.home, result.job_id)
            else:
                self._record.append(SubmitRefused(now_us, region, key, result))

    def _on_answer(self, request: Request, batch: Batch | None, answer: Answer) -> None:
        if request.done:
            return
        if request.answered(answer):
            self._settle(request)
        else:
            self._later(request, batch)

    def _settle(self, request: Request) -> None:
        if not request.done:
            request.done = True
            self.open_requests -= 1

    def _on_submitted(self, batch: Batch, answer: Answer) -> bool:
        if not isinstance(answer, SubmitOutcome):
            return False
        again = False
        for (key, kind), result in zip(batch.items, answer.results, strict=True):
            if isinstance(result, Refused):
                again = again or result.retry_after_ms > 0
            elif batch.job_ids.get(key) != result.job_id:
                # The first answer, or the home's disk has forgotten the job of the first one.
                batch.job_ids[key] = result.job_id
                if result.federated:
                    self._of_shards[result.job_id] = None
                self._follow_up(batch.home, result.job_id, kind)
        return not again

    def _follow_up(self, home: str, job_id: str, kind: JobKind) -> None:
        if kind.endless and self._closing:
            self.cancel(home, job_id)
        if self._random.random() < self.cancelled_share:
            # Most within a second: while the job is on its way.
            delay_us = int(_CANCEL_WITHIN_US * self._random.random() ** 4)
            self._timeline.after(delay_us, self.cancel, home, job_id)
        if self._random.random() < _EXPLAINED_SHARE:
            self._timeline.after(int(_CANCEL_WITHIN_US * self._random.random()), self.explain, home, job_id)


def _is_settled(answer: Answer) -> bool:
    """Whether a cancel is answered for good: a region that may have forgotten the job says when to come back."""
    return isinstance(answer, CancelOutcome) and not any(
        isinstance(result, Refused) and result.retry_after_ms for result in answer.results
    )
