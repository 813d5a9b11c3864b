"""One region's daemon under virtual time: the driver loop, the commit pipeline, and every point where it can die.

It does what the real shell does, in the same order: events wait in a bounded inbox, one step takes them all, a group
commit makes the steps' rows durable, and only then do launches, messages and answers leave, step by step.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import NamedTuple, Protocol

import msgspec

from hanse.core import invariants
from hanse.core.effects import Effects, Lookup, Send
from hanse.core.events import (
    Event,
    ExecutorRecovered,
    PeerMessages,
    PeerUnreachable,
    PolicyChanged,
    TaskEnded,
    TaskStarted,
)
from hanse.core.messages import (
    Cancel,
    CancelAck,
    Commit,
    Decision,
    Envelope,
    Message,
    Offer,
    PolicyNotice,
    RosterProposal,
    RosterVote,
    Stable,
    Terminal,
    TerminalAck,
    ToShard,
    Withdraw,
)
from hanse.core.model.league_policy import SignedPolicy
from hanse.core.model.regions import PROTOCOL_MAX, Position, RegionConfig
from hanse.core.model.roster import SignedRoster
from hanse.core.model.time import FOR_EVER_US, SECOND_US
from hanse.core.policy.model import DEFAULT_POLICY, Policy
from hanse.core.region import Region
from hanse.core.replies import Answer
from hanse.core.rows import META_QUARANTINE, META_TRUSTED_FROM, NO_WRITES
from hanse.sim.clock import RegionClock
from hanse.sim.digest import Digest
from hanse.sim.errors import Crash
from hanse.sim.executor import SimExecutor
from hanse.sim.faults import Faults
from hanse.sim.keys import SimKeys
from hanse.sim.ledger import SimLedger, looked_up
from hanse.sim.network import Network
from hanse.sim.policies import document_of, judged, policy_of
from hanse.sim.record import Committed, Died, Record, Sent, Started
from hanse.sim.timeline import Timeline

# What a step costs: events that come meanwhile wait and are taken together.
_STEP_US = 100
# A query of the ledger, which sees what is durable when it is done.
_LOOKUP_US = 1_000
# Reading a policy document.
_JUDGING_US = 20_000
# The real inbox is bounded, too; peers are told to wait, callers are refused.
_INBOX_MAX = 4096
# As the ledger's ANCHOR_PERIOD_S.
_ANCHOR_PERIOD_US = 5 * SECOND_US
# A core that asks to be woken for what it has already handled would spin for ever.
_IDLE_WAKES_MAX = 200
# Steps that may wait for a commit before the driver waits, too.
_PIPELINE_MAX = 256
# More steps than any run has.
_NEVER = 1 << 62
# Where a daemon dies around a commit: before it, or after so many of the effects that it lets go.
_BEFORE_COMMIT = -1
_CRASH_POINTS = (_BEFORE_COMMIT, _BEFORE_COMMIT, 0, 0, 1, 2, 4, 8)

RECORDED: frozenset[type] = frozenset(
    (
        Commit,
        Withdraw,
        Decision,
        Stable,
        Cancel,
        CancelAck,
        Terminal,
        TerminalAck,
        RosterProposal,
        RosterVote,
        PolicyNotice,
    )
)


class Step(NamedTuple):
    """A step on its way out. The envelopes are of the moment in which its messages were made, as in the daemon."""

    effects: Effects
    wrote: bool
    envelopes: dict[str, Envelope]


class Observer(Protocol):
    """Who wants to know what a host does."""

    def committed(self, host: Host, entry: Committed) -> None:
        """Rows became durable."""
        ...

    def answered(self, host: Host, request_id: int, answer: Answer) -> None:
        """An answer left the region."""
        ...

    def died(self, host: Host) -> None:
        """The daemon is down, and somebody has to start it again."""
        ...

    def disk_replaced(self, host: Host) -> None:
        """What the region's ledger holds is older than it was."""
        ...

    def count(self, kind: str) -> None:
        """Something that reports count has happened."""
        ...


class Surroundings:
    """What all hosts of a world share. `faults` is replaced when it heals; `check_every`: full invariants after every
    so many steps of a region (0: never)."""

    def __init__(
        self,
        seed: str,
        timeline: Timeline,
        network: Network,
        record: Record,
        digest: Digest,
        observer: Observer,
        faults: Faults,
        check_every: int,
    ) -> None:
        self.seed = seed
        self.timeline = timeline
        self.network = network
        self.record = record
        self.digest = digest
        self.observer = observer
        self.faults = faults
        self.check_every = check_every


def ledger_id_of(region: str, seed: str) -> str:
    """Of the disk that a region begins with."""
    return f"ledger-{region}-{seed}"


class Host:
    """A region's daemon, disk, engine and clock. `life` grows with every death: what an earlier life had planned is
    void."""

    def __init__(
        self,
        index: int,
        config: RegionConfig,
        clock: RegionClock,
        around: Surroundings,
        policy: Policy = DEFAULT_POLICY,
    ) -> None:
        self.index = index
        # In force while the ledger has none.
        self._founding = policy
        self.name = config.name
        self.config = config
        self.clock = clock
        self.ledger = SimLedger(config.name, ledger_id_of(config.name, around.seed))
        # What the anchor file says, on a disk of its own.
        self.anchor = Position()
        self._has_anchor = around.faults.anchor_elsewhere
        self._anchor_written_us = 0
        self.executor: SimExecutor
        self.core: Region | None = None
        self.life = 0
        # Destroyed, and never built again.
        self.gone = False
        self._times_destroyed = 0
        self.steps = 0
        self._around = around
        self._timeline = around.timeline
        self._network = around.network
        self._digest = around.digest
        self._check_every = around.check_every or _NEVER
        self._record = around.record
        self._observer = around.observer
        self._random = random.Random(f"{around.seed}/{config.name}/host")
        self._inbox: list[Event] = []
        # Steps that wait for a commit, theirs or an earlier one.
        self._pending: deque[Step] = deque()
        # How many of `pending` the commit under way will make durable; 0: none is under way.
        self._committing = 0
        self._is_synced = False
        # The disk is full until then.
        self._full_until_us = 0
        self._busy_until_us = 0
        self._frozen_until_us = 0
        self._wake_planned = False
        self._stalled = False
        self._timer_us: int | None = None
        # The deadline of the core that the timer stands for.
        self._armed_us: int | None = None
        self._idle_wakes = 0
        # A step has put a new roster in force: the last one of this life.
        self._renewing = False
        self._sequence = 0

    # --- life and death ---------------------------------------------------------------------------------------------

    @property
    def up(self) -> bool:
        """Whether the daemon runs (frozen counts)."""
        return self.core is not None

    @property
    def trusts_its_disk(self) -> bool:
        """Whether the daemon runs, and is not in quarantine."""
        return self.core is not None and not self.core.in_doubt

    @property
    def is_whole(self) -> bool:
        """Whether the daemon runs, trusts its disk, and has its part of every shard."""
        core = self.core
        return (
            core is not None
            and self.trusts_its_disk
            and not any(shard.is_missing for shard in core.shards.shards.values())
        )

    def leads(self, shard: str) -> bool:
        """Whether the daemon leads this shard, as far as it knows."""
        return self.core is not None and self.core.shards.desk_for(shard) is not None

    def has(self, job_id: str) -> bool:
        """Whether the daemon has this `wait` job in its books."""
        return self.core is not None and job_id in self.core.books.jobs

    def start(self) -> None:
        """Boot: recover from the ledger, then tell the core what the engine found."""
        assert self.core is None
        self._draw_version()
        snapshot = self.ledger.recover(self.anchor if self._has_anchor else None)
        if not snapshot.disk_is_old:
            self._write_anchor()
        policy = self._founding if snapshot.policy is None else policy_of(snapshot.policy)
        self._record.append(Started(self._timeline.now_us, self.name, snapshot.incarnation, policy))
        # Not by incarnation: two lives that begin from one image have the same.
        randomness = random.Random(f"{self._around.seed}/{self.name}/{self.life}")
        now = self.clock.now(self._timeline.now_us)
        try:
            keys = SimKeys(self.name)
            self.core = Region(self._config_at_start(), snapshot, now, randomness, keys, policy)
        except Exception as error:
            raise self._crash_of(error) from error
        self._sequence = snapshot.write_sequence
        self._busy_until_us = self._timeline.now_us
        self.post(ExecutorRecovered(found=self.executor.recover(), cause=f"boot-{snapshot.incarnation}"))

    def _draw_version(self) -> None:
        """Rolling upgrades, and downgrades: some daemons come back with another version of the protocol."""
        share = self._around.faults.mixed_versions
        if share and self._random.random() < share:
            self._observer.count("mixed_versions")
            newest = PROTOCOL_MAX if self.config.protocol_max > PROTOCOL_MAX else PROTOCOL_MAX + 1
            self.config = msgspec.structs.replace(self.config, protocol_max=newest)

    def crash(self, how: str, *, reboot: bool = False) -> None:
        """The process is gone, and with it all that was not synced; `reboot`: the whole machine went."""
        assert self.core is not None
        self._record.append(Died(self._timeline.now_us, self.name, how))
        self._observer.count("crash")
        self._tear()
        self._forget_process()
        if reboot:
            self._reboot()
        else:
            self.executor.daemon_died()
        self._observer.died(self)

    def _reboot(self) -> None:
        self._observer.count("reboot")
        self.executor.machine_died()
        self.clock.reboot(self._timeline.now_us, self._random.randrange(1_000_000, 60_000_000))

    def _tear(self) -> None:
        """The commit under way may have reached the disk although nobody lived to see it: all of it, or nothing."""
        share = self._around.faults.torn_share
        if self._committing and not self._is_synced and share and self._random.random() < share:
            self._observer.count("torn")
            self._make_durable()

    def rebuild(self) -> None:
        """A transaction failed: the Region is discarded and read anew from the disk; the process lives on."""
        self._record.append(Died(self._timeline.now_us, self.name, "commit failed"))
        self._observer.count("commit_failure")
        self._forget_process()
        self.executor.daemon_died()
        self.start()

    def _renew(self) -> None:
        """A new roster is in force: the Region is read anew from the disk; the process lives on."""
        self._record.append(Died(self._timeline.now_us, self.name, "a new roster is in force"))
        self._observer.count("roster_in_force")
        self._forget_process()
        self.executor.daemon_died()
        self.start()

    def found_anew(self, roster: tuple[SignedRoster, ...]) -> None:
        """An operator gives this region another roster's file, and starts it again."""
        if self.core is not None:
            self.crash("restarted with another roster")
        self.config = msgspec.structs.replace(self.config, roster=roster)

    def policy_version(self) -> int | None:
        """Which version of the policy is in force, as far as anybody is told; None: nobody answers."""
        return None if self.core is None else self.core.local.standing.policy.version

    def change_policy(self, policy: Policy, expected_version: int) -> None:
        """An operator hands in another policy. What becomes of it shows in the ledger."""
        self.post(
            PolicyChanged(
                request_id=-1,
                policy=policy,
                cause="operator",
                expected_version=expected_version,
                text=document_of(policy),
                former=document_of(self._founding),
            )
        )

    def freeze(self, duration_us: int) -> None:
        """SIGSTOP for a while. The engine's processes go on."""
        self._frozen_until_us = max(self._frozen_until_us, self._timeline.now_us + duration_us)
        self._busy_until_us = max(self._busy_until_us, self._frozen_until_us)

    def fill_disk(self, until_us: int) -> None:
        """Commits fail until then, and with them the daemon."""
        self._full_until_us = until_us

    def replace_disk(self, image: SimLedger, *, reboot: bool) -> None:
        """The daemon dies, with its machine or without, and comes back with this disk."""
        if self.core is not None:
            self.crash("and its disk is replaced by an older one", reboot=reboot)
        elif reboot:
            self._reboot()
        self.ledger = image
        self._observer.disk_replaced(self)

    def destroy(self, *, for_ever: bool) -> None:
        """Everything is gone: processes, what the engine kept, the disk and the anchor file. What is built in its place
        begins with an empty ledger, unless it is `for_ever`."""
        if self.core is not None:
            self.crash("and with it all of its region", reboot=True)
        else:
            self._reboot()
        # Whoever was to start the daemon has none to start.
        self.life += 1
        self.gone = for_ever
        self._times_destroyed += 1
        self.executor.disk_lost()
        ledger_id = f"ledger-{self.name}-{self._around.seed}-{self._times_destroyed}"
        self.ledger = SimLedger(self.name, ledger_id)
        self.anchor = Position()
        self._observer.disk_replaced(self)

    def _config_at_start(self) -> RegionConfig:
        """Whoever builds a region again lets it wait until it has heard all others."""
        if not self._times_destroyed or META_TRUSTED_FROM in self.ledger.meta:
            return self.config
        timings = msgspec.structs.replace(self.config.timings, boot_grace_us=FOR_EVER_US)
        return msgspec.structs.replace(self.config, timings=timings)

    def _write_anchor(self) -> None:
        self.anchor = self.ledger.position
        self._anchor_written_us = self._timeline.now_us

    def thaw(self) -> None:
        """SIGCONT."""
        self._frozen_until_us = self._timeline.now_us
        self._busy_until_us = self._timeline.now_us
        if self._inbox:
            self._wake_at(self._timeline.now_us)

    def _forget_process(self) -> None:
        self.core = None
        self.life += 1
        self.ledger.discard()
        self._inbox = []
        self._pending.clear()
        self._committing = 0
        self._is_synced = False
        self._frozen_until_us = 0
        self._wake_planned = False
        self._stalled = False
        self._timer_us = self._armed_us = None
        self._idle_wakes = 0
        self._renewing = False

    # --- what comes in ----------------------------------------------------------------------------------------------

    def post(self, event: Event) -> bool:
        """Into the inbox; False: nobody there."""
        if self.core is None:
            return False
        self._inbox.append(event)
        self._step_or_wait()
        return True

    def receive(self, event: PeerMessages) -> bool:
        """An envelope from the network; False: nobody there, or the inbox is full."""
        if self.core is None:
            return False
        if len(self._inbox) >= _INBOX_MAX:
            self._observer.count("inbox_full")
            return False
        self._inbox.append(event)
        self._step_or_wait()
        return True

    def hint_unreachable(self, peer: str) -> None:
        """The network's hint."""
        self.post(PeerUnreachable(peer=peer))

    def report(self, event: TaskStarted | TaskEnded) -> None:
        """The engine's news."""
        self.post(event)

    def wall_us(self) -> int:
        """The machine's wall clock."""
        return self.clock.wall_us(self._timeline.now_us)

    def mono_us(self) -> int:
        """The machine's CLOCK_BOOTTIME."""
        return self.clock.now(self._timeline.now_us).mono_us

    def world_us(self, mono_us: int) -> int:
        """When that shows so much."""
        return self.clock.world_us(mono_us)

    def _step_or_wait(self) -> None:
        if self._renewing:
            return
        if self._timeline.now_us < self._busy_until_us:
            self._wake_at(self._busy_until_us)
        elif len(self._pending) >= _PIPELINE_MAX:
            self._stalled = True  # the commit under way wakes us
        else:
            self._step()

    def _wake_at(self, at_us: int) -> None:
        if not self._wake_planned:
            self._wake_planned = True
            self._timeline.at(max(at_us, self._timeline.now_us), self._on_wake, self.life)

    def _on_wake(self, life: int) -> None:
        if life != self.life:
            return
        self._wake_planned = False
        if self._inbox or self._is_due():
            self._step_or_wait()

    def _on_timer(self, life: int, at_us: int) -> None:
        if life != self.life or at_us != self._timer_us:
            return
        self._timer_us = self._armed_us = None
        if self._is_due():
            self._step_or_wait()

    def _is_due(self) -> bool:
        """Whether the core wants to be called; if not, the timer is set to when it will."""
        assert self.core is not None
        deadline_us = self.core.next_deadline()
        due = deadline_us <= self.clock.now(self._timeline.now_us).mono_us
        if not due:
            self._arm(deadline_us)
        return due

    # --- one step ---------------------------------------------------------------------------------------------------

    def _step(self) -> None:
        core, now_us = self.core, self._timeline.now_us
        assert core is not None
        events, self._inbox = self._inbox, []
        now = self.clock.now(now_us)
        try:
            effects = core.step(now, events)
            self.steps += 1
            if self.steps % self._check_every == 0:
                self._check_step(core, effects)
            deadline_us = core.next_deadline()
        except Exception as error:
            raise self._crash_of(error) from error
        self._busy_until_us = now_us + _STEP_US
        self._renewing = effects.restart
        only_sends = _only_sends(effects)
        self._digest.add(self.index, now_us, effects, only_sends=only_sends)
        if deadline_us > now.mono_us or events or effects.sends:
            self._idle_wakes = 0
        else:
            self._watch_idle(deadline_us)
        if only_sends and not self._pending:
            self._send_all(effects.sends)
        else:
            self._queue(effects)
        if deadline_us != self._armed_us and self.core is core:
            self._arm(deadline_us)

    def _check_step(self, core: Region, effects: Effects) -> None:
        invariants.check(core, full=True)
        assert bool(effects.writes) == (effects.sequence > self._sequence), "a write moves the sequence"

    def check(self) -> None:
        """Full invariants, now."""
        if self.core is not None:
            try:
                invariants.check(self.core, full=True)
            except AssertionError as error:
                raise self._crash_of(error) from error

    def _crash_of(self, error: Exception) -> Crash:
        return Crash(f"{self.name}: {type(error).__name__}: {error}", at_us=self._timeline.now_us)

    def _watch_idle(self, deadline_us: int) -> None:
        """The core wants to be called again at once, although this step had nothing to do."""
        self._idle_wakes += 1
        if self._idle_wakes > _IDLE_WAKES_MAX:
            raise Crash(
                f"{self.name}: next_deadline() stays at {deadline_us}, in the past",
                at_us=self._timeline.now_us,
            )

    def _arm(self, deadline_us: int) -> None:
        """One timer; it only ever moves up, and finds out when it rings whether it still had to."""
        self._armed_us = deadline_us
        at_us = max(self.clock.world_us(deadline_us), self._busy_until_us)
        if self._timer_us is None or at_us < self._timer_us:
            self._timer_us = at_us
            self._timeline.at(at_us, self._on_timer, self.life, at_us)

    # --- commit, then release ---------------------------------------------------------------------------------------

    def _queue(self, effects: Effects) -> None:
        wrote = effects.sequence > self._sequence
        if wrote:
            self._sequence = effects.sequence
            self.ledger.append(effects.sequence, effects.writes)
        assert self.core is not None
        step = Step(effects, wrote, {send.to: self.core.envelope(send.to) for send in effects.sends})
        self._answer_settled(step)
        if wrote or self._pending:
            self._pending.append(step)
            if not self._committing:
                self._begin_commit()
        else:
            self._release(step)

    def _answer_settled(self, step: Step) -> None:
        """Some replies of this step may rest on nothing but what is on disk."""
        if step.effects.rests_on > self.ledger.write_sequence:
            return
        for reply in step.effects.take_settled():
            self._observer.answered(self, reply.request_id, reply.answer)

    def _begin_commit(self) -> None:
        """Group commit: every waiting step, but nothing after one that deletes."""
        count = 0
        for step in self._pending:
            count += 1
            if step.wrote and step.effects.writes.deletes:
                break
        self._committing = count
        self._is_synced = False
        faults = self._around.faults
        duration_us = faults.fsync_min_us + int(faults.fsync_spread_us * self._random.random())
        if faults.slow_fsync and self._random.random() < faults.slow_fsync:
            self._observer.count("slow_fsync")
            duration_us += int(faults.slow_fsync_max_us * self._random.random())
        self._timeline.after(duration_us, self._on_synced, self.life)

    def _on_synced(self, life: int) -> None:
        if life != self.life:
            return
        faults, draw = self._around.faults, self._random.random
        if self._timeline.now_us < self._full_until_us:
            self.crash("the disk is full")
            return
        if faults.commit_failure and draw() < faults.commit_failure:
            self.rebuild()
            return
        point = self._draw_crash_point()
        if point == _BEFORE_COMMIT:
            self.crash("before the commit", reboot=self.draw_reboot())
            return
        self._sync()
        self._release_synced(life, point)

    def _sync(self) -> None:
        self._is_synced = True
        self._make_durable()
        # Not while the anchor is evidence (ledger/ledger.py).
        is_due = self._timeline.now_us - self._anchor_written_us >= _ANCHOR_PERIOD_US
        if is_due and self.ledger.meta.get(META_QUARANTINE) != "1":
            self._write_anchor()

    def _make_durable(self) -> None:
        writing = sum(1 for position in range(self._committing) if self._pending[position].wrote)
        try:
            synced = self.ledger.sync(writing)
        except AssertionError as error:
            raise self._crash_of(error) from error
        entry = Committed(self._timeline.now_us, self.name, self.ledger.write_sequence, synced)
        self._record.append(entry)
        self._observer.committed(self, entry)

    def _release_synced(self, life: int, crash_point: int | None) -> None:
        """What waited for the commit leaves; a frozen daemon does it when it thaws."""
        if life != self.life:
            return
        if self._timeline.now_us < self._frozen_until_us:
            self._timeline.at(self._frozen_until_us, self._release_synced, life, crash_point)
            return
        steps = [self._pending.popleft() for _ in range(self._committing)]
        if crash_point is not None:
            self._release_and_die(steps, crash_point)
            return
        self._committing = 0
        for step in steps:
            self._release(step)
        if steps[-1].effects.restart:
            self._renew()
            return
        while self._pending and not self._pending[0].wrote:
            self._release(self._pending.popleft())
        if self._pending:
            self._answer_settled(self._pending[0])
            self._begin_commit()
        if self._inbox or self._stalled:
            self._stalled = False
            self._wake_at(self._busy_until_us)

    def _draw_crash_point(self) -> int | None:
        """None: no crash. _BEFORE_COMMIT, or how many effects leave before the daemon dies."""
        share = self._around.faults.crash_at_commit
        if not share or self._random.random() >= share:
            return None
        return self._random.choice(_CRASH_POINTS)

    def draw_reboot(self) -> bool:
        """Whether a death of the daemon is one of its machine."""
        return self._random.random() < self._around.faults.reboot_share

    def _release_and_die(self, steps: list[Step], after: int) -> None:
        parts = [part for step in steps for part in self._parts(step)]
        for part in parts[:after]:
            part()
        left = min(after, len(parts))
        self.crash(
            f"after the commit, when {left} of {len(parts)} effects had left", reboot=self.draw_reboot()
        )

    def _release(self, step: Step) -> None:
        """Let one step's effects go, in order."""
        for part in self._parts(step):
            part()

    def _parts(self, step: Step) -> list[Callable[[], None]]:
        effects = step.effects
        parts: list[Callable[[], None]] = [partial(self.executor.extend, lease) for lease in effects.leases]
        for launch in effects.launches:
            parts.append(partial(self.executor.launch, launch))
        for stop in effects.stops:
            parts.append(partial(self.executor.stop, stop.run, stop.grace_us))
        for reap in effects.reaps:
            parts.append(partial(self.executor.reap, reap.run))
        for lookup in effects.lookups:
            parts.append(partial(self._look_up, lookup))
        if effects.judge is not None:
            parts.append(partial(self._judge, effects.judge))
        for peer, messages in _by_peer(effects.sends).items():
            parts.append(partial(self._send, peer, step.envelopes[peer], tuple(messages)))
        for reply in effects.replies:
            parts.append(partial(self._observer.answered, self, reply.request_id, reply.answer))
        return parts

    def _look_up(self, lookup: Lookup) -> None:
        self._timeline.after(_LOOKUP_US, self._on_looked_up, self.life, lookup)

    def _on_looked_up(self, life: int, lookup: Lookup) -> None:
        if life == self.life:
            self.post(looked_up(self.ledger, lookup))

    def _judge(self, signed: SignedPolicy) -> None:
        self._timeline.after(_JUDGING_US, self._on_judged, self.life, signed)

    def _on_judged(self, life: int, signed: SignedPolicy) -> None:
        if life == self.life:
            self.post(judged(signed, self._founding))

    def _send_all(self, sends: list[Send]) -> None:
        assert self.core is not None
        if len(sends) == 1:
            to = sends[0].to
            self._send(to, self.core.envelope(to), (sends[0].message,))
        elif sends:
            for peer, messages in _by_peer(sends).items():
                self._send(peer, self.core.envelope(peer), tuple(messages))

    def _send(self, peer: str, envelope: Envelope, messages: tuple[Message, ...]) -> None:
        for message in messages:
            told = message.message if type(message) is ToShard else message
            if type(told) in RECORDED or (type(told) is Offer and told.is_relief):
                self._record.append(Sent(self._timeline.now_us, self.name, peer, message))
        self._network.send(self.name, peer, envelope, messages)


def _only_sends(effects: Effects) -> bool:
    """Whether the step wants nothing but messages sent, as nearly all do."""
    return effects.writes is NO_WRITES and not (
        effects.leases
        or effects.launches
        or effects.stops
        or effects.reaps
        or effects.lookups
        or effects.judge is not None
        or effects.replies
        or effects.changes
    )


def _by_peer(sends: list[Send]) -> dict[str, list[Message]]:
    by_peer: dict[str, list[Message]] = {}
    for send in sends:
        by_peer.setdefault(send.to, []).append(send.message)
    return by_peer
