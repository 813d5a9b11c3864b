"""One region of a replay: its core, the events that wait for it, and what runs on its nodes.

Nothing is written to a disk, unless the region may die in this replay: then its rows are kept as a simulated ledger
keeps them, and its next life begins from those.
"""

from __future__ import annotations

import random

import msgspec

from hanse.core.effects import Effects
from hanse.core.events import Event, ExecutorRecovered, TaskEnded
from hanse.core.federation.room import Rooms
from hanse.core.messages import Envelope
from hanse.core.model.deadlines import NEVER_US
from hanse.core.model.jobs import RunId
from hanse.core.model.regions import RegionConfig, RegionRecord
from hanse.core.model.time import Now
from hanse.core.policy.model import Policy
from hanse.core.region import Region
from hanse.core.rows import Snapshot
from hanse.replay.shapes import REGION_LABEL
from hanse.sim.ledger import SimLedger

# Virtual time 0 by the wall clock: 14 November 2023, 22:13:20 UTC.
EPOCH_US = 1_700_000_000_000_000
# Steps that may follow each other without time passing, each starting as much as a step may start.
_STEPS_AT_ONCE_MAX = 100_000


class Attempt(msgspec.Struct, gc=False):
    """An attempt that is alive. `ends_us`: when it will be over, as things are now."""

    run: RunId
    tasks: int
    began_us: int
    ends_us: int
    region: str
    is_stopped: bool = False


class Host:
    """See the module's docstring. `wake_us`: for when the core has asked to be stepped."""

    def __init__(self, config: RegionConfig, policy: Policy, seed: str, *, mortal: bool) -> None:
        self.name = config.name
        self.config = config
        self.inbox: list[Event] = []
        # Records that nobody here has use for yet, by region: read before anything else is.
        self.unread: dict[str, RegionRecord] = {}
        self.attempts: dict[str, Attempt] = {}
        self.wake_us = NEVER_US
        # The newest record of this region that its peers were sent.
        self.told: RegionRecord | None = None
        # What records have room for, as far as anybody has asked.
        self.rooms = Rooms()
        self.region_of = {node.name: dict(node.labels)[REGION_LABEL] for node in config.nodes}
        self.ledger = SimLedger(config.name, f"ledger-{config.name}-{seed}") if mortal else None
        self._policy = policy
        self._seed = seed
        self._lives = 0
        self.core: Region | None = None

    @property
    def up(self) -> bool:
        """Whether its daemon runs."""
        return self.core is not None

    def start(self, at_us: int) -> None:
        """A life begins: from nothing, or from what the last one left behind."""
        self._lives += 1
        randomness = random.Random(f"{self._seed}/{self.name}/{self._lives}")
        snapshot = self._snapshot()
        self.core = Region(self.config, snapshot, now_of(at_us), randomness, policy=self._policy)
        self.core.router.rooms = self.rooms
        self.inbox = [ExecutorRecovered(found=(), cause=f"boot-{snapshot.incarnation}")]
        self.unread = {}
        self.told = None
        self.wake_us = NEVER_US

    def _snapshot(self) -> Snapshot:
        if self.ledger is None:
            return Snapshot(ledger_id=f"ledger-{self.name}-{self._seed}", incarnation=1, write_sequence=0)
        return self.ledger.recover()

    def die(self) -> list[Attempt]:
        """The region is lost, with its machines: what was alive there, which is not any more."""
        assert self.ledger is not None, "who may die has a ledger"
        self.core = None
        self.inbox = []
        lost, self.attempts = list(self.attempts.values()), {}
        return lost

    def step(self, at_us: int) -> list[tuple[Effects, dict[str, Envelope]]]:
        """Take in what has come, and whatever has to follow at once."""
        core = self.core
        assert core is not None
        events, self.inbox = self.inbox, []
        done = [self._step(core, at_us, events)]
        while core.local.more:
            assert len(done) < _STEPS_AT_ONCE_MAX, f"{self.name} never rests"
            done.append(self._step(core, at_us, []))
        return done

    def _step(self, core: Region, at_us: int, events: list[Event]) -> tuple[Effects, dict[str, Envelope]]:
        effects = core.step(now_of(at_us), events)
        if self.ledger is not None and effects.writes:
            self.ledger.append(effects.sequence, effects.writes)
            self.ledger.sync(1)
        envelopes: dict[str, Envelope] = {}
        for send in effects.sends:
            if send.to not in envelopes:
                envelopes[send.to] = core.envelope(send.to)
        return effects, envelopes

    def ends(self, attempt: Attempt) -> None:
        """All tasks of this attempt are over, by themselves or because they were stopped."""
        del self.attempts[attempt.run.job_id]
        exit_code, signal = (143, 15) if attempt.is_stopped else (0, 0)
        self.inbox += [
            TaskEnded(run=attempt.run, task=task, exit_code=exit_code, signal=signal)
            for task in range(attempt.tasks)
        ]


def now_of(at_us: int) -> Now:
    """Mono and wall of an instant of the replay; all clocks are right here."""
    return Now(mono_us=at_us, wall_us=EPOCH_US + at_us)
