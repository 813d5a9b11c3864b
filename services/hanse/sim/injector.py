"""Faults that happen by the clock: crashes, freezes, partitions, clock jumps, full disks, drains."""

from __future__ import annotations

import random
from collections.abc import Callable

import msgspec

from hanse.core.events import LedgerPressure
from hanse.core.model.regions import RunningJobs
from hanse.core.model.time import SECOND_US
from hanse.sim.callers import Callers
from hanse.sim.faults import HEALED, MINUTE_US, Faults
from hanse.sim.host import Host
from hanse.sim.league_policy import LeagueRulers
from hanse.sim.ledger import SimLedger
from hanse.sim.network import Network
from hanse.sim.operators import Operators
from hanse.sim.policies import Rulers
from hanse.sim.quotas import QuotaOperators
from hanse.sim.record import EMPTY_IMAGE, DiskReplaced, FaultInjected, ImageTaken, Record
from hanse.sim.reservations import Reservers
from hanse.sim.timeline import Timeline
from hanse.sim.workload import is_complete

_RESTART_AFTER_HEAL_MAX_US = SECOND_US
_SLOW_LINK_MAX_US = MINUTE_US
# Of the times that a region has an image: how often a new one is taken, rather than that one put back. An image that
# was put back may be put back again.
_NEW_IMAGE_SHARE = 0.4
# How often a second region's disk is put back at the same time.
_SECOND_DISK_SHARE = 0.2


class Image(msgspec.Struct, frozen=True):
    """A region's disk at some time."""

    number: int
    taken_us: int
    ledger: SimLedger


class Injector:
    """Draws when and where, until `heal`. `counts` has every kind that happened."""

    def __init__(
        self,
        timeline: Timeline,
        randomness: random.Random,
        faults: Faults,
        record: Record,
        hosts: tuple[Host, ...],
        network: Network,
        callers: Callers,
        operators: Operators,
        rulers: Rulers,
        league_rulers: LeagueRulers,
        reservers: Reservers,
        quotas: QuotaOperators | None = None,
    ) -> None:
        self.counts: dict[str, int] = {}
        self.faults = faults
        self._timeline = timeline
        self._random = randomness
        self._record = record
        self._hosts = hosts
        self._network = network
        self._callers = callers
        self._operators = operators
        self._rulers = rulers
        self._league_rulers = league_rulers
        self._reservers = reservers
        self._quotas = quotas
        self._pressed: dict[str, int] = {}
        self._draining: dict[str, RunningJobs] = {}
        # A region that is gone, and until when.
        self._lost = ("", 0)
        # The newest of each region.
        self._images: dict[str, Image] = {}
        self._images_taken = 0

    def begin(self) -> None:
        """Plan the first fault of every kind."""
        faults = self.faults
        for every_us, inject in (
            (faults.crash_every_us, self._crash),
            (faults.freeze_every_us, self._freeze),
            (faults.partition_every_us, self._partition),
            (faults.cut_every_us, self._cut),
            (faults.clog_every_us, self._clog),
            (faults.wall_jump_every_us, self._jump),
            (faults.pressure_every_us, self._press),
            (faults.drain_every_us, self._drain),
            (faults.slow_link_every_us, self._slow_link),
            (faults.full_every_us, self._fill),
            (faults.rate_every_us, self._change_rate),
            (faults.executor_death_every_us, self._kill_processes),
            (faults.old_disk_every_us, self._age_disk),
            (faults.destroyed_every_us, self._destroy),
            (faults.roster_every_us, self._change_roster),
            (faults.lost_every_us, self._lose),
            (faults.policy_every_us, self._change_policy),
            (faults.quota_every_us, self._change_quotas),
            (faults.reservation_every_us, self._change_reservations),
        ):
            if every_us:
                self._plan(every_us, inject)

    def count(self, kind: str) -> None:
        """One more of this kind."""
        self.counts[kind] = self.counts.get(kind, 0) + 1

    def died(self, host: Host) -> None:
        """Somebody starts it again, after a while."""
        top_us = self.faults.downtime_max_us if self.faults is not HEALED else _RESTART_AFTER_HEAL_MAX_US
        down_us = int(top_us * self._random.random())
        name, until_us = self._lost
        if host.name == name:
            down_us = max(down_us, until_us - self._timeline.now_us)
        self._timeline.after(down_us, self._restart, host, host.life)

    def heal(self) -> None:
        """No more faults; what is down comes up, what is frozen thaws, what is drained is opened again."""
        self.faults = HEALED
        self._lost = ("", 0)
        self._network.heal(HEALED)
        for host in self._hosts:
            host.executor.faults = HEALED
            if host.gone:
                continue
            if not host.up:
                self.died(host)
            else:
                host.thaw()
                self._release(host)
            host.fill_disk(0)
        self._callers.faults = HEALED
        for region in self._draining:
            self._callers.drain(region, None)
        self._callers.cancel_endless()
        self._operators.heal()
        self._reservers.heal()
        if self._quotas is not None:
            self._quotas.heal()

    # --- when -------------------------------------------------------------------------------------------------------

    def _plan(self, every_us: int, inject: Callable[[], None]) -> None:
        self._timeline.after(int(self._random.expovariate(1.0) * every_us), self._fire, every_us, inject)

    def _fire(self, every_us: int, inject: Callable[[], None]) -> None:
        if self.faults is HEALED:
            return
        inject()
        self._plan(every_us, inject)

    def _note(self, kind: str, detail: str) -> None:
        self.count(kind)
        self._record.append(FaultInjected(self._timeline.now_us, kind, detail))

    def _lasting(self, top_us: int) -> int:
        return int(top_us * self._random.random()) + 1

    # --- what -------------------------------------------------------------------------------------------------------

    def _crash(self) -> None:
        host = self._random.choice(self._hosts)
        if host.up:
            host.crash("killed", reboot=host.draw_reboot())

    def _restart(self, host: Host, life: int) -> None:
        if host.up or host.gone or host.life != life:
            return
        host.start()
        if self._pressed.get(host.name, 0) > self._timeline.now_us:
            host.post(LedgerPressure(nearly_full=True))

    def _freeze(self) -> None:
        host = self._random.choice(self._hosts)
        if host.up:
            duration_us = self._lasting(self.faults.freeze_max_us)
            self._note("freeze", f"{host.name} for {duration_us} us")
            host.freeze(duration_us)

    def _partition(self) -> None:
        names = [host.name for host in self._hosts]
        if len(names) < 2:
            return
        self._random.shuffle(names)
        middle = self._random.randrange(1, len(names))
        left, right = names[:middle], names[middle:]
        duration_us = self._lasting(self.faults.partition_max_us)
        self._note("partition", f"{'+'.join(left)} | {'+'.join(right)} for {duration_us} us")
        pairs = tuple((a, b) for a in left for b in right)
        self._network.cut(pairs + tuple((b, a) for a, b in pairs), duration_us)

    def _draw_link(self) -> tuple[str, str]:
        source, target = self._random.sample([host.name for host in self._hosts], 2)
        return source, target

    def _cut(self) -> None:
        if len(self._hosts) > 1:
            link = self._draw_link()
            duration_us = self._lasting(self.faults.cut_max_us)
            self._note("one_way_cut", f"{link[0]} > {link[1]} for {duration_us} us")
            self._network.cut((link,), duration_us)

    def _clog(self) -> None:
        """All links of one region are clogged, and free themselves one after the other (swizzle-clogging)."""
        names = [host.name for host in self._hosts]
        self._random.shuffle(names)
        victim, others = names[0], names[1:]
        self._note("swizzle_clog", victim)
        for other in others:
            for source, target in ((victim, other), (other, victim)):
                self._network.clog(source, target, self._lasting(self.faults.clog_max_us))

    def _slow_link(self) -> None:
        if len(self._hosts) > 1:
            source, target = self._draw_link()
            by_us = self._lasting(self.faults.slow_link_max_us)
            self._note("slow_link", f"{source} > {target} by {by_us} us")
            self._network.slow(source, target, by_us, self._lasting(_SLOW_LINK_MAX_US))

    def _fill(self) -> None:
        host = self._random.choice(self._hosts)
        duration_us = self._lasting(self.faults.full_max_us)
        self._note("disk_full", f"{host.name} for {duration_us} us")
        host.fill_disk(self._timeline.now_us + duration_us)

    def _change_rate(self) -> None:
        host = self._random.choice(self._hosts)
        drift_ppm = self._random.randint(-self.faults.drift_ppm_max, self.faults.drift_ppm_max)
        self._note("clock_rate", f"{host.name} off by {drift_ppm} ppm")
        host.clock.set_rate(self._timeline.now_us, drift_ppm)

    def _kill_processes(self) -> None:
        host = self._random.choice(self._hosts)
        self._note("executor_death", host.name)
        host.executor.processes_died()

    def _age_disk(self) -> None:
        """Take an image of a region's disk, or put one back that was taken before."""
        host = self._random.choice(self._hosts)
        image = self._images.get(host.name)
        if image is None or self._random.random() < _NEW_IMAGE_SHARE:
            self._take_image(host)
            return
        self._put_back(host, image)
        if self._random.random() < _SECOND_DISK_SHARE:
            others = [each for each in self._hosts if each is not host and each.name in self._images]
            for other in others[:1]:
                self._put_back(other, self._images[other.name])

    def _take_image(self, host: Host) -> None:
        self._images_taken += 1
        now_us = self._timeline.now_us
        self._images[host.name] = Image(self._images_taken, now_us, host.ledger.copy())
        self._record.append(ImageTaken(now_us, host.name, self._images_taken))

    def _may_lose_a_disk(self) -> bool:
        """Adoptable jobs survive the loss of one disk at a time: the next one only when all are whole again."""
        if any(host.gone for host in self._hosts):
            return False
        return not self._callers.has_adoptable or all(host.is_whole for host in self._hosts)

    def _put_back(self, host: Host, image: Image) -> None:
        if not self._may_lose_a_disk():
            return
        if self.faults.anchor_elsewhere and host.anchor <= image.ledger.position:
            return
        reboot = self._random.random() < self.faults.old_disk_reboot
        self._note("old_disk", f"{host.name} as of {image.taken_us} us")
        host.replace_disk(image.ledger.copy(), reboot=reboot)
        self._record.append(
            DiskReplaced(self._timeline.now_us, host.name, image.number, reboot, self.faults.anchor_elsewhere)
        )
        # What an operator had wished goes back with the disk, too.
        self._callers.drain(host.name, self._draining.get(host.name))

    def _destroy(self) -> None:
        """One region, while all the others have all that they ever had."""
        host = self._random.choice(self._hosts)
        for_ever = self._random.random() < self.faults.destroyed_for_ever
        away_us = self._lasting(self.faults.destroyed_away_max_us)
        if len(self._hosts) < 2 or not all(each.is_whole for each in self._hosts):
            return
        for_ever = for_ever and self._can_do_without(host)
        self._note("destroyed", f"{host.name} {'for ever' if for_ever else f'for {away_us} us'}")
        host.destroy(for_ever=for_ever)
        self._record.append(
            DiskReplaced(self._timeline.now_us, host.name, EMPTY_IMAGE, True, False, for_ever)
        )
        self._images.pop(host.name, None)
        if for_ever:
            self.count("gone")
            self._callers.give_up(host.name)
            found_out_us = self._lasting(self.faults.destroyed_away_max_us)
            self._timeline.after(found_out_us, self._operators.declare_lost, host.name)
            return
        self._callers.drain(host.name, self._draining.get(host.name))
        self._timeline.after(away_us, self._restart, host, host.life)

    def _can_do_without(self, host: Host) -> bool:
        """Whether what is left can run every job. And where only peers can tell that a disk is old, they are waited
        for, all of them."""
        others = [each for each in self._hosts if each is not host]
        peers_tell = bool(self.faults.old_disk_every_us) and not self.faults.anchor_elsewhere
        keeps_quotas = self._quotas is not None and self._quotas.keeper == host.name
        return not (peers_tell or keeps_quotas) and any(is_complete(each.config.nodes) for each in others)

    def _change_roster(self) -> None:
        self._note("roster_change", "")
        self._operators.change()

    def _change_policy(self) -> None:
        self._note("policy_change", self._rulers.change())
        self._league_rulers.change()

    def _change_reservations(self) -> None:
        self._note("reservation_change", self._reservers.change())

    def _change_quotas(self) -> None:
        if self._quotas is not None:
            self._note("quota_change", "")
            self._quotas.change()

    def _lose(self) -> None:
        """One region at a time: with a second one gone a group of three can only wait."""
        host = self._random.choice(self._hosts)
        if self._timeline.now_us < self._lost[1] or not host.up:
            return
        duration_us = self.faults.lost_max_us // 2 + self._lasting(self.faults.lost_max_us // 2)
        self._note("region_lost", f"{host.name} for {duration_us} us")
        self._lost = (host.name, self._timeline.now_us + duration_us)
        host.crash("gone for long", reboot=host.draw_reboot())
        self._operators.replace(host.name, self._lost[1])

    def _jump(self) -> None:
        host = self._random.choice(self._hosts)
        by_us = self._lasting(self.faults.wall_jump_max_us) * self._random.choice((1, -1))
        self._note("wall_jump", f"{host.name} by {by_us} us")
        host.clock.jump_wall(by_us)

    def _press(self) -> None:
        host = self._random.choice(self._hosts)
        duration_us = self._lasting(self.faults.pressure_max_us)
        self._note("disk_nearly_full", f"{host.name} for {duration_us} us")
        self._pressed[host.name] = self._timeline.now_us + duration_us
        host.post(LedgerPressure(nearly_full=True))
        self._timeline.after(duration_us, self._release, host)

    def _release(self, host: Host) -> None:
        is_over = self._pressed.get(host.name, 0) <= self._timeline.now_us or self.faults is HEALED
        if is_over and self._pressed.pop(host.name, None) is not None:
            host.post(LedgerPressure(nearly_full=False))

    def _drain(self) -> None:
        host = self._random.choice(self._hosts)
        if host.name in self._draining:
            return
        duration_us = self._lasting(self.faults.drain_max_us)
        moves = self._random.random() < self.faults.drain_moves
        running = RunningJobs.MOVE if moves else RunningJobs.FINISH
        self._note("drain_move" if moves else "drain", f"{host.name} for {duration_us} us")
        self._draining[host.name] = running
        self._callers.drain(host.name, running)
        self._timeline.after(duration_us, self._undrain, host.name)

    def _undrain(self, region: str) -> None:
        if self._draining.pop(region, None) is not None:
            self._callers.drain(region, None)
