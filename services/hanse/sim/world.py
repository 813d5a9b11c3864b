"""A league of regions under virtual time: a phase with faults, then a healed one in which everything must end.

The world only arranges; what the parts do is in their files (host, network, executor, callers, injector). It runs the
real core, and records what happened; whether that was right is for the checkers to say.
"""

from __future__ import annotations

import random

import msgspec

from hanse.core.events import JobsForgotten
from hanse.core.model.regions import RegionConfig, Timings
from hanse.core.model.time import FOR_EVER_US, MILLISECOND_US, SECOND_US
from hanse.core.policy.model import Policy
from hanse.core.replies import Answer
from hanse.sim.arrays import Trimmers, draw_share, with_arrays
from hanse.sim.callers import TENANTS, Callers
from hanse.sim.clock import RegionClock
from hanse.sim.convergence import Convergence
from hanse.sim.digest import Digest
from hanse.sim.executor import Behaviour, Checkpoints, SimExecutor
from hanse.sim.faults import HEALED, MINUTE_US, Faults
from hanse.sim.hands import Hands
from hanse.sim.host import Host, Surroundings, ledger_id_of
from hanse.sim.injector import Injector
from hanse.sim.league_policy import LeagueRulers
from hanse.sim.ledger import SimLedger
from hanse.sim.network import Codec, Network
from hanse.sim.operators import GUARDED_SHARE, Operators, with_rosters
from hanse.sim.policies import Office, Rulers, draw_policy
from hanse.sim.progress import Progress
from hanse.sim.quotas import QuotaOperators
from hanse.sim.record import Committed, Finished, Healed, Record, RegionJoined
from hanse.sim.reservations import Reservers
from hanse.sim.timeline import Timeline
from hanse.sim.workload import SpecWriter, draw_configs, draw_kinds, draw_timings, opaque_spec

# A machine has been up for a while when its daemon first starts.
_UPTIME_MAX_US = 30 * 24 * 60 * MINUTE_US
# Of leagues in which a region may go for ever, how many have a signed roster, so that it can be declared lost.
_SIGNED_SHARE = 0.7
# How long the healed phase may take: the longest retry of the protocol a few times over, and the work that is left.
# (All of it may be for the one region that has what it needs.)
HEALED_MAX_US = 30 * MINUTE_US
# Once everything has ended, the world goes on for a little, so that late duplicates meet closed books.
_AFTERGLOW_US = 2 * SECOND_US
# Settled rows are kept this long: longer than any caller repeats a request.
_RETENTION_US = 3 * MINUTE_US
_RETENTION_EVERY_US = 30 * SECOND_US
# Beside old and lost disks: images are younger. (An older one than this would bring back jobs that all have forgotten.)
_LONG_RETENTION_US = 60 * MINUTE_US
_CHUNK_US = 100 * MILLISECOND_US


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a run is made of. `check_every`: full invariants after every so many steps of a region (0: never);
    `calm_us`: for how long nothing is broken at the start; `timings`, the share of batches of jobs that are
    adoptable, and the policy that regions begin with: drawn from the seed, unless given."""

    seed: int
    faults: Faults
    regions: int = 3
    duration_us: int = 10 * MINUTE_US
    calm_us: int = 0
    jobs: int = 100
    kinds: int = 12
    runtime_max_us: int = 60 * SECOND_US
    # After the faults: how long all that was begun may take to end.
    healed_max_us: int = HEALED_MAX_US
    timings: Timings | None = None
    adoptable_share: float | None = None
    # Of the kinds of jobs: how many are arrays; None: drawn.
    arrays_share: float | None = None
    policy: Policy | None = None
    check_every: int = 64
    codec_share: float = 0.0
    watch_convergence: bool = False
    # Of a league whose roster changes, how likely it has guardians; in one that has, no region leaves.
    guarded_share: float = GUARDED_SHARE
    # (tenant, kind) -> limit: quotas that stay as they are. Otherwise drawn, if the faults change quotas at all.
    quotas: dict[tuple[str, str], int] | None = None


class World:
    """One run. `record` is what the checkers read."""

    def __init__(
        self,
        plan: Plan,
        write_spec: SpecWriter = opaque_spec,
        codec: Codec | None = None,
        configs: tuple[RegionConfig, ...] = (),
    ) -> None:
        """`configs` are the regions, if they are not to be drawn."""
        self.plan = plan
        self.timeline = Timeline()
        self.record: Record = []
        self.digest = Digest()
        self.progress = Progress()
        self._seed = str(plan.seed)
        draw = self._randomness("world")
        self.network = Network(
            self.timeline, self._randomness("network"), plan.faults, self.count, codec, plan.codec_share
        )
        self._around = Surroundings(
            self._seed,
            self.timeline,
            self.network,
            self.record,
            self.digest,
            self,
            plan.faults,
            plan.check_every,
        )
        arrays = self._randomness("arrays")
        share = draw_share(arrays) if plan.arrays_share is None else plan.arrays_share
        kinds = draw_kinds(draw, plan.kinds, plan.runtime_max_us, write_spec)
        self.kinds = with_arrays(kinds, arrays, share, write_spec) if share else kinds
        self._checkpoints: Checkpoints = {}
        self._behaviours = {kind.spec: kind.behaviour for kind in (*kinds, *self.kinds)}
        timings = plan.timings or draw_timings(draw)
        if plan.faults.old_disk_every_us and not plan.faults.anchor_elsewhere:
            # Whoever knows that a disk is old may be out of reach: nobody believes a disk before all were heard.
            timings = msgspec.structs.replace(timings, boot_grace_us=FOR_EVER_US)
        self.policy = plan.policy or draw_policy(self._randomness("policy"), TENANTS)
        self.hosts = tuple(
            self._make_host(index, config, draw)
            for index, config in enumerate(configs or self._draw_configs(draw, timings))
        )
        self.callers = Callers(
            self.timeline,
            self._randomness("callers"),
            plan.faults,
            self.record,
            self.progress,
            {host.name: host for host in self.hosts},
            self.kinds,
            self.count,
            any(host.config.groups for host in self.hosts),
        )
        self.operators = Operators(
            self.timeline,
            self._randomness("operators"),
            self.hosts,
            self.count,
            # What a region that is no member knows of a disk that was lost, nobody asks it for.
            may_remove=not (plan.faults.old_disk_every_us or plan.faults.destroyed_every_us),
        )
        self.quotas = self._quota_operators()
        self.reservers = Reservers(
            self.timeline,
            self._randomness("reservers"),
            self.hosts,
            TENANTS,
            self.count,
            # Whose owner is gone for ever and not declared lost, nobody can cancel.
            may_join=not plan.faults.destroyed_for_ever,
        )
        self.hands = Hands(
            self.timeline,
            self._randomness("hands"),
            plan.faults.order_every_us,
            self.hosts,
            self.count,
            may_move=not (
                plan.faults.destroyed_every_us or plan.faults.lost_every_us or plan.faults.roster_every_us
            ),
        )
        self.trimmers = Trimmers(self.timeline, self._randomness("trimmers"), self.hosts, self.count)
        self.league_rulers = LeagueRulers(
            self.timeline, self._randomness("league policy"), self.hosts, TENANTS, self.count
        )
        self.convergence = Convergence(self.timeline, self.hosts)
        self.injector = Injector(
            self.timeline,
            self._randomness("injector"),
            plan.faults,
            self.record,
            self.hosts,
            self.network,
            self.callers,
            self.operators,
            Rulers(
                self.timeline,
                self._randomness("rulers"),
                [Office(host.name, host.policy_version, host.change_policy) for host in self.hosts],
                TENANTS,
                self.count,
            ),
            self.league_rulers,
            self.reservers,
            self.quotas,
        )

    def _quota_operators(self) -> QuotaOperators | None:
        """None: this league has no quotas."""
        faults = self.plan.faults
        if not faults.quota_every_us and self.plan.quotas is None:
            return None
        return QuotaOperators(
            self.timeline,
            self._randomness("quotas"),
            self.hosts,
            self.count,
            loses_disks=bool(faults.old_disk_every_us or faults.destroyed_every_us),
            limits=self.plan.quotas,
        )

    def _draw_configs(self, draw: random.Random, timings: Timings) -> tuple[RegionConfig, ...]:
        configs = draw_configs(self.plan.regions, draw, timings)
        faults = self.plan.faults
        may_go = bool(faults.destroyed_for_ever) and self._randomness("signed").random() < _SIGNED_SHARE
        if not (faults.roster_every_us or faults.lost_every_us or may_go):
            return configs
        guarded = self._randomness("roster").random() < self.plan.guarded_share or bool(faults.lost_every_us)
        ledger_ids = {config.name: ledger_id_of(config.name, self._seed) for config in configs}
        return with_rosters(configs, ledger_ids, guarded=guarded)

    def _randomness(self, purpose: str) -> random.Random:
        return random.Random(f"{self._seed}/{purpose}")

    def _make_host(self, index: int, config: RegionConfig, draw: random.Random) -> Host:
        faults = self.plan.faults
        clock = RegionClock(
            mono_origin_us=draw.randrange(_UPTIME_MAX_US),
            drift_ppm=draw.randint(-faults.drift_ppm_max, faults.drift_ppm_max),
            wall_offset_us=draw.randint(-faults.wall_offset_max_us, faults.wall_offset_max_us),
        )
        host = Host(index, config, clock, self._around, self.policy)
        host.executor = SimExecutor(
            config.name,
            self.timeline,
            self._randomness(f"{config.name}/executor"),
            faults,
            self.record,
            self._behaviour,
            host,
            self.count,
            self._checkpoints,
        )
        self.network.join(config.name, host)
        self.record.append(RegionJoined(0, config.name, config.nodes))
        return host

    def note_behaviour(self, spec: bytes, behaviour: Behaviour) -> None:
        """What tasks of jobs with this spec do."""
        self._behaviours[spec] = behaviour

    def _behaviour(self, spec: bytes) -> Behaviour:
        return self._behaviours[spec]

    # --- the run ----------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """The phase with faults, the healed phase, the end."""
        self.begin()
        self.timeline.run(self.plan.duration_us)
        self.end()

    def begin(self) -> None:
        """Everything is planned; from here on the timeline may run."""
        plan = self.plan
        self.callers.plan(plan.jobs, plan.duration_us, plan.adoptable_share)
        for host in self.hosts:
            self.timeline.after(0, host.start)
        self.timeline.after(_RETENTION_EVERY_US, self._retain)
        if plan.watch_convergence:
            self.convergence.begin()
        if self.quotas is not None:
            self.timeline.after(0, self.quotas.begin)
        self.hands.begin()
        if any(kind.array is not None for kind in self.kinds):
            self.trimmers.begin()
        if plan.calm_us:
            self.timeline.after(plan.calm_us, self.injector.begin)
        else:
            self.injector.begin()

    def end(self) -> None:
        """No more faults: everything has to end."""
        deadline_us = self.timeline.now_us + self.plan.healed_max_us
        self.record.append(Healed(self.timeline.now_us, deadline_us))
        self._around.faults = HEALED
        self.injector.heal()
        self.hands.heal()
        self._run_until_quiet(deadline_us)
        if self.is_quiet:
            self.timeline.run(self.timeline.now_us + _AFTERGLOW_US)
            self._run_until_quiet(deadline_us)  # a caller may have asked just now
        self._check_all()
        self.record.append(Finished(self.timeline.now_us, self._waits_for()))

    @property
    def is_quiet(self) -> bool:
        """Nothing is open in any ledger, no caller waits, every daemon runs and trusts its disk: one in quarantine may
        still learn of jobs that it has forgotten."""
        return not self._waits_for()

    def _waits_for(self) -> str:
        """What is not over yet; empty: everything is."""
        if not self.callers.idle:
            return "a caller was not answered"
        if not self.progress.is_over:
            return "some ledger has an open job"
        if not self.operators.idle:
            return "some region does not have the newest roster"
        if not self.reservers.idle:
            return "some region still has a reservation"
        if self.quotas is not None and not self.quotas.idle:
            return "some region does not go by the newest quotas"
        if not self.league_rulers.idle:
            return "some region does not go by the newest policy of the league"
        if not all(host.trusts_its_disk or host.gone for host in self.hosts):
            return "some region does not trust its disk"
        # Without adoptable jobs several disks are lost at a time, and groups with them.
        if self.callers.has_adoptable and not self.operators.are_guarded:
            return "some shard does not have the group that is wanted"
        return "" if self._shards_are_led() else "some shard is not led, or some disk has to learn"

    def _shards_are_led(self) -> bool:
        """Whether callers can read of every adoptable job how it ended, and every lost disk has learnt again what it
        kept. (It has to hear all others for that.)"""
        if not self.callers.has_adoptable:
            return True
        if not any(host.gone for host in self.hosts) and not all(host.is_whole for host in self.hosts):
            return False
        led = {shard for host in self.hosts if host.core is not None for shard, _ in host.core.shards.led}
        gone = {host.name for host in self.hosts if host.gone}
        groups = [group for host in self.hosts for group in host.config.groups]
        return all(group.shard in led or group.shard in gone for group in groups)

    def _retain(self) -> None:
        """Every region forgets what has long been settled."""
        faults = self.plan.faults
        keeps_long = bool(faults.old_disk_every_us or faults.destroyed_every_us)
        before_us = self.timeline.now_us - (_LONG_RETENTION_US if keeps_long else _RETENTION_US)
        for host in self.hosts:
            picked = self.progress.settled_before(host.name, before_us) if host.up else ()
            if picked:
                host.post(_forgotten(host.ledger, picked))
        self.timeline.after(_RETENTION_EVERY_US, self._retain)

    def _run_until_quiet(self, deadline_us: int) -> None:
        while self.timeline.now_us < deadline_us and not self.is_quiet:
            self.timeline.run(min(deadline_us, self.timeline.now_us + _CHUNK_US))

    def _check_all(self) -> None:
        if self.plan.check_every:
            for host in self.hosts:
                host.check()

    # --- what hosts report (host.Observer) ---------------------------------------------------------------------

    def committed(self, host: Host, entry: Committed) -> None:
        """Rows became durable."""
        self.progress.committed(host.name, entry)

    def answered(self, host: Host, request_id: int, answer: Answer) -> None:
        """An answer left a region."""
        self.callers.answered(host.name, request_id, answer)

    def died(self, host: Host) -> None:
        """A daemon is down."""
        self.injector.died(host)

    def disk_replaced(self, host: Host) -> None:
        """A region's disk has become an older one."""
        self.progress.disk_replaced(host.name, host.ledger, for_ever=host.gone)

    def count(self, kind: str) -> None:
        """Something countable happened."""
        self.injector.count(kind)


def _forgotten(ledger: SimLedger, picked: tuple[tuple[str, str], ...]) -> JobsForgotten:
    keys = {each: _client_key(ledger, *each) for each in picked}
    return JobsForgotten(
        job_ids=tuple(job_id for shard, job_id in picked if not shard),
        client_keys=tuple(key for (shard, _), key in keys.items() if key is not None and not shard),
        shard_jobs=tuple((shard, job_id, key) for (shard, job_id), key in keys.items() if shard),
        cause="retention",
    )


def _client_key(ledger: SimLedger, shard: str, job_id: str) -> tuple[str, str] | None:
    row = ledger.job_tables[shard].rows.get(job_id)
    return (row.tenant, row.client_key) if row is not None and row.client_key else None
