"""A league of real regions, driven by hand: every message, crash and second is the test's.

Between a region's step and what leaves it lies its disk (a SimLedger): rows become durable, then messages, launches and
answers go out, and a crash may fall between the two. After every step the region's own invariants are checked in full,
and after every write the protocol's: owners + undecided transfers + terminals = 1 for each job, and one region at most
has processes of it.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator, Sequence

import msgspec

from hanse.core import invariants
from hanse.core.effects import Effects
from hanse.core.events import (
    Ask,
    CancelJobs,
    Event,
    ExecutorRecovered,
    FoundTask,
    PeerMessages,
    Question,
    Submit,
    TaskEnded,
)
from hanse.core.messages import Message, Offer
from hanse.core.model.jobs import Job, RunId, Shape, Submission
from hanse.core.model.lifecycle import JobState
from hanse.core.model.regions import Member, Node, RegionConfig, Timings
from hanse.core.model.resources import resources
from hanse.core.model.roster import SignedRoster
from hanse.core.model.time import MILLISECOND_US, SECOND_US, Now
from hanse.core.region import Region
from hanse.core.replies import Answer, CancelOutcome, Refused, SubmitOutcome, Submitted
from hanse.core.rows import JobRow, JobStateRow
from hanse.sim.keys import SimKeys
from hanse.sim.ledger import looked_up
from hanse.sim.policies import policy_of
from tests.core.protocol import tokens
from tests.core.protocol.puppet import Puppet
from tests.core.protocol.station import (
    SIGTERM,
    SLOT,
    NoAnswerError,
    Parcel,
    Station,
    is_parcel,
    shape_of,
)
from tests.core.protocol.story import Story

START_US = 1_000 * SECOND_US
EPOCH_WALL_US = 1_700_000_000 * SECOND_US
# A quiet league falls silent within this many deliveries; more is a storm, and a failure.
DELIVERIES_MAX = 5_000


class League:
    """Regions by name, each with so many GPUs; `puppets` are members whose words the test writes itself. With a signed
    `roster`, that says who is a member."""

    def __init__(
        self,
        *,
        puppets: Sequence[str] = (),
        timings: Timings | None = None,
        seed: int = 0,
        connect: bool = True,
        queue_depth_max: int = 1_000_000,
        roster: tuple[SignedRoster, ...] = (),
        **gpus: int,
    ) -> None:
        self.now_us = START_US
        self.wire: list[Parcel] = []
        self.delivered: list[Parcel] = []
        self.sent: list[Parcel] = []
        self.story = Story()
        self._seed = seed
        self._requests = 0
        self._held: list[Callable[[Parcel], bool]] = []
        self._cuts: set[frozenset[str]] = set()
        names = (*gpus, *puppets)
        members = tuple(Member(name=name) for name in names)
        self.stations: dict[str, Station] = {}
        for name, count in gpus.items():
            node = Node(
                name=f"{name}-1",
                node_class="gpu",
                capacity=resources({"cpu": 64_000, "gpu": SLOT * count}),
            )
            config = RegionConfig(
                name=name,
                cluster_id="test",
                members=members,
                nodes=(node,),
                timings=timings or Timings(),
                queue_depth_max=queue_depth_max,
                roster=roster,
            )
            self.stations[name] = Station(config)
        base = next(iter(self.stations.values())).config
        self.puppets = {name: Puppet(name, base, self.now) for name in puppets}
        for name in self.stations:
            self.restart(name)
        if connect:
            self.connect()

    def __getitem__(self, name: str) -> Region:
        return self.stations[name].region

    @property
    def now(self) -> Now:
        """The instant; all clocks agree."""
        return Now(mono_us=self.now_us, wall_us=EPOCH_WALL_US + self.now_us)

    # --- callers and processes --------------------------------------------------------------------------------------

    def submit(
        self,
        home: str,
        job_id: str,
        shape: Shape | None = None,
        *,
        retries_max: int = 0,
        tenant: str = "team",
    ) -> Submitted | Refused:
        """A caller's job; one GPU unless a shape is given."""
        spec = f"spec of {job_id}".encode()
        submission = Submission(
            job_id=job_id,
            client_key=job_id,
            tenant=tenant,
            name=job_id,
            spec=spec,
            spec_sha256=hashlib.sha256(spec).digest(),
            shape=shape or shape_of(),
            grace_us=SECOND_US,
            retries_max=retries_max,
        )
        answer = self._ask(home, Submit(request_id=0, submissions=(submission,), cause="caller"))
        assert isinstance(answer, SubmitOutcome)
        return answer.results[0]

    def cancel(self, region: str, job_id: str) -> object:
        """A caller's wish to end a job."""
        self.story.note(f"a caller cancels {job_id} at {region}")
        answer = self._ask(region, CancelJobs(request_id=0, job_ids=(job_id,), cause=f"cancel-{job_id}"))
        assert isinstance(answer, CancelOutcome)
        return answer.results[0]

    def explain(self, region: str, job_id: str) -> Answer:
        """Why it waits."""
        return self._ask(region, Ask(request_id=0, question=Question.EXPLAIN, job_id=job_id))

    def end(self, region: str, job_id: str, exit_code: int = 0, task: int = 0) -> None:
        """A process ends by itself; its daemon is told if it is up."""
        self.story.note(f"{job_id} ends in {region} with {exit_code}")
        self._end(self.stations[region], self._live_run(region, job_id), task, exit_code)

    def _live_run(self, region: str, job_id: str) -> RunId:
        return next(
            run
            for run, tasks in self.stations[region].processes.items()
            if run.job_id == job_id and None in tasks.values()
        )

    def _end(self, station: Station, run: RunId, task: int, exit_code: int, signal: int = 0) -> None:
        event = TaskEnded(run=run, task=task, exit_code=exit_code, signal=signal, cause=f"end-{run}")
        station.processes[run][task] = event
        if station.core is not None:
            station.reports.append(event)

    def _ask(self, region: str, event: Submit | CancelJobs | Ask) -> Answer:
        self._requests += 1
        self.step(region, msgspec.structs.replace(event, request_id=self._requests))
        if self._requests not in self.stations[region].answers:
            raise NoAnswerError(f"{region} died before it could answer")
        return self.stations[region].answers[self._requests]

    # --- steps ------------------------------------------------------------------------------------------------------

    def step(self, name: str, *events: Event) -> None:
        """One step, its write, and what it lets go of."""
        station = self.stations[name]
        effects = station.region.step(self.now, events)
        invariants.check(station.region, full=True)
        wrote = effects.sequence > station.ledger.write_sequence
        assert wrote == bool(effects.writes), "a write moves the sequence"
        if station.leaks is not None:
            self._send(station, effects, station.leaks)
        if wrote:
            if self._dies(station, effects, before=True):
                return
            station.ledger.append(effects.sequence, effects.writes)
            station.ledger.sync(1)
            self.story.writes(name, effects.writes)
            self.check_tokens()
        if not self._dies(station, effects, before=False):
            self._release(station, effects)
            if effects.restart:
                self.crash(name, "of its own will: a new roster is in force")
                self.restart(name)

    def _dies(self, station: Station, effects: Effects, *, before: bool) -> bool:
        if station.crash_at is None or station.crash_at[0] != before:
            return False
        kind = station.crash_at[1]
        leaving = [*(each.message for each in effects.sends), *effects.launches, *effects.replies]
        if not any(isinstance(each, kind) for each in leaving):
            return False
        station.crash_at = None
        self.crash(station.name, "before its write" if before else f"before its {kind.__name__} leaves")
        return True

    def _release(self, station: Station, effects: Effects) -> None:
        for launch in effects.launches:
            station.launches.append(launch)
            assert launch.run not in station.processes, f"{launch.run} is launched twice"
            station.processes[launch.run] = dict.fromkeys(task for task, _ in launch.tasks)
            self.check_tokens()
        for stop in effects.stops:
            for task, ended in station.processes.get(stop.run, {}).items():
                if ended is None and station.obeys_stop:
                    self._end(station, stop.run, task, 128 + SIGTERM, SIGTERM)
        for reap in effects.reaps:
            tasks = station.processes.get(reap.run, {})
            if None not in tasks.values():
                station.processes.pop(reap.run, None)
        for lookup in effects.lookups:
            station.reports.append(looked_up(station.ledger, lookup))
        for reply in effects.replies:
            station.answers[reply.request_id] = reply.answer
        self._send(station, effects, object, without=station.leaks)

    def _send(self, station: Station, effects: Effects, kind: type, without: type | None = None) -> None:
        for send in effects.sends:
            if isinstance(send.message, kind) and not (without and isinstance(send.message, without)):
                envelope = station.region.envelope(send.to)
                self._post(Parcel(station.name, send.to, envelope, send.message))

    def _post(self, parcel: Parcel) -> None:
        self.wire.append(parcel)
        self.sent.append(parcel)

    # --- crashes ----------------------------------------------------------------------------------------------------

    def crash(self, name: str, how: str = "") -> None:
        """kill -9: what was not durable is gone, processes and messages under way are not."""
        self.story.note(f"{name} crashes {how}".rstrip())
        station = self.stations[name]
        station.core = None
        station.reports.clear()
        station.ledger.discard()

    def crash_before_write(self, name: str, kind: type) -> None:
        """The daemon dies in the first step that would send or launch this, before its rows are durable."""
        self.stations[name].crash_at = (True, kind)

    def crash_after_write(self, name: str, kind: type) -> None:
        """The daemon dies in the first step that would send or launch this, with its rows on disk."""
        self.stations[name].crash_at = (False, kind)

    def reboot(self, name: str) -> None:
        """The machine goes down and comes back: no process of it is left, nor any trace of how it ended."""
        if self.stations[name].core is not None:
            self.crash(name, "with its machine")
        self.stations[name].processes.clear()
        self.restart(name)

    def restart(self, name: str) -> None:
        """A new life from the disk; the executor tells what it finds."""
        station = self.stations[name]
        assert station.core is None
        snapshot = station.ledger.recover()
        if snapshot.incarnation > 1:
            self.story.note(f"{name} starts again")
        station.lives += 1
        randomness = random.Random(f"{self._seed}/{name}/{station.lives}")
        kept = snapshot.policy
        policy = policy_of(kept) if kept is not None and kept.document else None
        station.core = Region(station.config, snapshot, self.now, randomness, SimKeys(*station.keys), policy)
        found = tuple(
            FoundTask(run=run, task=task, ended=ended)
            for run, tasks in station.processes.items()
            for task, ended in tasks.items()
        )
        self.step(name, ExecutorRecovered(found=found, cause=f"boot-{snapshot.incarnation}"))

    # --- messages ---------------------------------------------------------------------------------------------------

    def hold(self, kind: type, *, sender: str = "", to: str = "") -> None:
        """Messages of this kind stay under way until they are delivered by name, or `let_go`."""
        self._held.append(lambda parcel: is_parcel(parcel, kind, sender, to))

    def hold_if(self, held: Callable[[Parcel], bool]) -> None:
        """Such parcels stay under way."""
        self._held.append(held)

    def let_go(self) -> None:
        """Nothing is held back any more."""
        self._held.clear()

    def cut(self, *names: str) -> None:
        """Nothing gets through between these regions."""
        self._cuts.update(frozenset((one, other)) for one in names for other in names if one < other)

    def heal(self) -> None:
        """Every link works again."""
        self._cuts.clear()

    def under_way(self, kind: type, *, sender: str = "", to: str = "") -> list[Parcel]:
        """Parcels of this kind, oldest first."""
        return [each for each in self.wire if is_parcel(each, kind, sender, to)]

    def take(self, kind: type, *, sender: str = "", to: str = "") -> Parcel:
        """Take the oldest such parcel off the wire: lost, unless the test delivers it later."""
        found = self.under_way(kind, sender=sender, to=to)
        assert found, (
            f"no {kind.__name__} is under way: {[type(each.message).__name__ for each in self.wire]}"
        )
        self.wire.remove(found[0])
        return found[0]

    def lose(self, kind: type, *, sender: str = "", to: str = "") -> Parcel:
        """The oldest such parcel never arrives."""
        parcel = self.take(kind, sender=sender, to=to)
        self.story.message(parcel.sender, parcel.to, parcel.message, "lost")
        return parcel

    def deliver(self, parcel: Parcel | type, tag: str = "", *, sender: str = "", to: str = "") -> Parcel:
        """This parcel, or the oldest of a kind, arrives now."""
        if not isinstance(parcel, Parcel):
            parcel = self.take(parcel, sender=sender, to=to)
        if frozenset((parcel.sender, parcel.to)) in self._cuts:
            self.story.message(parcel.sender, parcel.to, parcel.message, "cut off")
            return parcel
        self.now_us += MILLISECOND_US
        self.delivered.append(parcel)
        if parcel.to in self.puppets:
            self.story.message(parcel.sender, parcel.to, parcel.message, tag)
            self._perform(self.puppets[parcel.to], parcel)
        elif parcel.to not in self.stations or self.stations[parcel.to].core is None:
            self.story.message(parcel.sender, parcel.to, parcel.message, "nobody there")
        else:
            self.story.message(parcel.sender, parcel.to, parcel.message, tag)
            event = PeerMessages(envelope=parcel.envelope, messages=(parcel.message,), cause="peer")
            self.step(parcel.to, event)
        return parcel

    def messages(self, kind: type, *, sender: str = "", to: str = "") -> list[Message]:
        """Everything of this kind that was ever sent."""
        return [each.message for each in self.sent if is_parcel(each, kind, sender, to)]

    # --- puppets ----------------------------------------------------------------------------------------------------

    def say(self, puppet: str, to: str, message: Message) -> None:
        """A puppet sends this, within its session, and it arrives at once."""
        self.deliver(Parcel(puppet, to, self.puppets[puppet].sessions.envelope(to), message))

    def _perform(self, puppet: Puppet, parcel: Parcel) -> None:
        for send in puppet.receive(self.now, parcel.envelope, parcel.message):
            self._post(Parcel(puppet.name, send.to, puppet.sessions.envelope(send.to), send.message))

    # --- time -------------------------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Deliver all that is not held, and serve what is due, until nothing is left to do at this instant."""
        for _ in range(DELIVERIES_MAX):
            if not self._act():
                return
        raise AssertionError("the league does not fall silent")

    def _act(self) -> bool:
        for parcel in self.wire:
            if not any(held(parcel) for held in self._held):
                self.wire.remove(parcel)
                self.deliver(parcel)
                return True
        for station in self.up():
            if station.reports:
                self.step(station.name, station.reports.pop(0))
                return True
            deadline_us = station.region.next_deadline()
            if deadline_us is not None and deadline_us <= self.now_us:
                self.step(station.name)
                return True
        return False

    def up(self) -> Iterator[Station]:
        """Regions whose daemon runs, in order."""
        return (station for station in self.stations.values() if station.core is not None)

    def advance(self, duration_us: int) -> None:
        """Let time pass, and everything happen that happens by itself."""
        until_us = self.now_us + duration_us
        self.settle()
        while self.now_us < until_us:
            self._sleep(until_us)

    def run_until(self, condition: Callable[[], bool], within_us: int = 90 * SECOND_US) -> None:
        """Advance until it is so, looking after whatever happens."""
        until_us = self.now_us + within_us
        self.settle()
        while not condition():
            assert self.now_us < until_us, "not within the time given"
            self._sleep(until_us)

    def _sleep(self, until_us: int) -> None:
        """Until the next deadline of any region, and serve it."""
        deadlines = [station.region.next_deadline() for station in self.up()]
        self.now_us = min([until_us, *(each for each in deadlines if each is not None)])
        self.settle()

    def connect(self) -> None:
        """Sessions between all, and every record known to everybody."""
        names = [*self.stations, *self.puppets]
        self.run_until(
            lambda: all(
                station.region.sessions.established(peer)
                and (peer in self.puppets or station.region.inventory.get(peer) is not None)
                for station in self.up()
                for peer in names
                if peer != station.name and (peer in self.puppets or self.stations[peer].core is not None)
            )
        )

    # --- what is the case -------------------------------------------------------------------------------------------

    def job(self, region: str, job_id: str) -> Job:
        """A job in a region's memory."""
        return self[region].books.jobs[job_id]

    def row(self, region: str, job_id: str) -> JobRow | JobStateRow | None:
        """A job's durable row."""
        return self.stations[region].ledger.row(job_id)

    def state(self, region: str, job_id: str) -> JobState | None:
        """A job's durable state in a region; None: it has no row there."""
        row = self.row(region, job_id)
        return None if row is None else JobState(row.state)

    def states(self, job_id: str) -> dict[str, str]:
        """A job's durable state, region by region."""
        found = {name: self.state(name, job_id) for name in self.stations}
        return {name: state.name for name, state in found.items() if state is not None}

    def running(self, job_id: str) -> list[str]:
        """Regions that have processes of this job."""
        return [name for name, station in self.stations.items() if station.alive(job_id)]

    def check_tokens(self) -> None:
        """Raise TokenError unless each job has exactly one owner, by what is on the disks (tokens.py)."""
        tokens.check(self.stations, frozenset(self.puppets))

    # --- shortcuts into a state ---------------------------------------------------------------------------------------

    def hand_over(self, giver: str, job_id: str, to: str) -> None:
        """Give a queued job to this region whatever routing thinks of it: for ways that routing does not go."""
        local = self[giver].local
        cycle = local.cycle

        def give_then_cycle(now: Now, out: Effects) -> None:
            local.cycle = cycle  # type: ignore[method-assign]
            self[giver].desk.giver.give(now, self.job(giver, job_id), to, 0, out)
            cycle(now, out)

        local.cycle = give_then_cycle  # type: ignore[method-assign]
        self.step(giver)


def pass_through_south(league: League, job_id: str = "job-1") -> None:
    """A job of north's that waited in south and now runs in west, which has the only GPU that is free."""
    league.submit("south", "filler")
    league.hold(Offer, sender="north")
    league.submit("north", job_id)
    league.hand_over("north", job_id, "south")
    league.run_until(lambda: league.running(job_id) == ["west"])
    league.let_go()
    league.settle()
