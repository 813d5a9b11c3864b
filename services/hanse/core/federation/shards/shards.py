"""All shards that this region is a member of, and the way to those that it is not.

own group's messages     to the shard that they name
ToShard                  to the desk of the shard, if this region leads it; else somebody wants a leader
what a desk says         to whoever leads the shard that it is meant for, by the records that gossip brings
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast, get_args

from hanse.core.effects import Effects, JobChange, Lease, Send
from hanse.core.events import JobsForgotten
from hanse.core.federation.handoff.intake import Intake
from hanse.core.federation.inventory import Inventory
from hanse.core.federation.ports import LocalWork
from hanse.core.federation.routing import Router
from hanse.core.federation.shards.kept import open_shards
from hanse.core.federation.shards.leading import Leading, channel_of
from hanse.core.federation.shards.routes import Route, Routes
from hanse.core.federation.shards.seat import Role
from hanse.core.federation.shards.shard import GroupMessage, Shard
from hanse.core.library import Library
from hanse.core.messages import Prepare, Promise, QuotaMessage, ShardMessage, ToShard
from hanse.core.model.deadlines import NEVER_US, Alarm
from hanse.core.model.jobs import Job, Reason, ReasonCode
from hanse.core.model.limits import ROWS_DELAY_US
from hanse.core.model.randomness import Randomness
from hanse.core.model.regions import RegionConfig
from hanse.core.model.time import Now
from hanse.core.rows import NO_WRITES, Snapshot, Writes

_AT_ONCE_US = -1
_OF_QUOTAS: tuple[type, ...] = get_args(QuotaMessage)
GROUP_MESSAGES: tuple[type, ...] = get_args(GroupMessage)


class Shards:
    """See the module's docstring. `reachable` tells whether a region answers at present (a hint)."""

    def __init__(
        self,
        config: RegionConfig,
        snapshot: Snapshot,
        library: Library,
        local: LocalWork,
        intake: Intake,
        router: Router,
        inventory: Inventory,
        reachable: Callable[[str], bool],
        boot: int,
        randomness: Randomness,
        now: Now,
        *,
        disk_is_old: bool,
    ) -> None:
        self._config = config
        self._library = library
        self._local = local
        self._intake = intake
        self._router = router
        self._reachable = reachable
        # Shards that this region leads, with their terms.
        self.led: tuple[tuple[str, int], ...] = ()
        # How the shards stood when the desks were last looked through.
        self._roles: list[tuple[Role, int]] = []
        # Whether this step's events were about none of them.
        self._calm = False
        self._loopback: list[ToShard] = []
        # (shard, job id) of rows that callers could read, and that retention picked in this step.
        self._forgotten: list[tuple[str, str]] = []
        self.leading: dict[str, Leading] = {}
        # Shards whose rows callers may not read any more: at the start, all that are not led on.
        self._hidden: list[str] = []
        # Jobs that had not ended when this region began to lead their shard, and when it had to stop leading it.
        self.jobs_taken_over = 0
        self.jobs_let_go = 0
        # While the disk may be an old one nothing is written or sent: what it would add to a log might stand where the
        # others hold other records of the same term.
        self.in_doubt = False
        self.shards = open_shards(config, snapshot, boot, local, randomness, now)
        self._inventory = inventory
        self._routes = Routes(config, inventory, reachable, self.shards)
        # What the ways to all shards rested on when they were last looked through.
        self._ways_seen: tuple[object, ...] = ()
        if disk_is_old:
            self.forget_disk(now)
        for shard in self.shards.values():
            if shard.starting:
                self._open(shard, now, resumed=True)
            else:
                self._hidden.append(shard.name)
        # What watchers are still to be told of shards that are not led any more.
        self._parting_changes: list[JobChange] = []
        # When rows that callers read are to be written, if nothing else is written before.
        self._rows_due_us = NEVER_US
        # Takes what accounts of rights in the logs of shards say to others (escrow/escrow.py: route).
        self.send_rights: Callable[[Send, Effects], None] | None = None
        # When `on_deadline` has something to do.
        self.alarm = Alarm()
        self._wind()

    # --- what others ask ---

    @property
    def own(self) -> Leading | None:
        """The desk of this region's own shard, if this region leads it and may act."""
        leading = self.leading.get(self._config.name)
        return leading if leading is not None and leading.shard.leads else None

    def desk_for(self, home: str) -> Leading | None:
        """The desk that takes adoptable jobs of this home; None: it is not here."""
        leading = self.leading.get(home)
        return leading if leading is not None and leading.shard.leads else None

    def has_key(self, home: str, key: tuple[str, str]) -> bool:
        """Whether a job of this home with this client key (tenant, key) is known here as adoptable."""
        leading = self.leading.get(home)
        return leading is not None and key in leading.books.keys

    def leading_of(self, job: Job) -> Leading | None:
        """Where a job of a shard is dealt with."""
        return self.leading.get(job.shard)

    def has_group(self, name: str) -> bool:
        """Whether anybody keeps, or has kept, this region's adoptable jobs."""
        return name in self._routes.groups

    def takes(self, name: str) -> bool:
        """Whether this region may have new adoptable jobs: it has guardians, and they are to stay."""
        return self.has_group(name) and (self._routes.is_wanted(name) or not self._config.roster)

    @property
    def owes_rows(self) -> bool:
        """Whether this step has changed what any shard or desk holds: then whoever caused it is remembered with it."""
        for shard in self.shards.values():
            if shard.stirred and shard.owes_rows:
                return True
        for leading in self.leading.values():  # noqa: SIM110 - asked for every message
            if leading.books.owes_rows:
                return True
        return False

    @property
    def looping(self) -> bool:
        """Whether another step is wanted at once: this region's desks have something to say to each other, or owe rows
        that did not go into the transaction of this one."""
        return bool(self._loopback) or self._rows_due_us == _AT_ONCE_US

    def demand(self, now: Now, shard: str) -> None:
        """Somebody needs a leader of this shard."""
        if shard in self.shards:
            self.shards[shard].demand(now)

    def leader_of(self, name: str) -> str:
        """Who leads a shard, as far as is known here; this region only if it does. Empty: nobody else could."""
        return self._route_to(name)[0]

    def _route_to(self, name: str) -> Route:
        leading = self.leading.get(name)
        if leading is not None:
            return self._config.name, leading.term if leading.shard.leads else 0
        return self._routes.leader_elsewhere(name)

    def why_not_adopting(self) -> Reason | None:
        """Why no adoptable job is taken from peers; None: they are."""
        if self.own is None:
            return Reason(ReasonCode.BURNED_NO_ROOM, "its shard is not led here at present")
        if self.own.full:
            return Reason(ReasonCode.BURNED_NO_ROOM, "its guardians can't keep up")
        return None

    # --- messages ---

    def on_group_message(self, now: Now, peer: str, message: GroupMessage, out: Effects) -> None:
        """A member of a group speaks of its shard."""
        shard = self.shards.get(message.shard)
        if shard is not None:
            shard.on_message(now, peer, message, out)
        elif isinstance(message, Prepare) and not message.term and not self.in_doubt:
            out.sends.append(Send(peer, _knows_nothing(message)))

    def on_to_shard(self, now: Now, via: str, message: ToShard) -> None:
        """A message of another shard's leader."""
        leading = self.leading.get(message.shard)
        if leading is None:
            self.demand(now, message.shard)
        elif leading.shard.leads:
            leading.desk.on_message(
                now, message.source, channel_of(message.source), message.message, leading.out, via
            )

    def on_records(self, now: Now) -> None:
        """Gossip brought records, or this region leads others than before: a shard's new leader is told at once what
        the old one did not answer, or whoever was taken for it."""
        if self.in_doubt or not self._ways_may_differ():
            return
        for name in self._routes.names():
            if not self._routes.take(name, self._route_to(name)):
                continue
            for leading in self.leading.values():
                leading.desk.on_session(now, name, leading.out)

    def _ways_may_differ(self) -> bool:
        """Whether anything that the ways to shards follow from has changed since this was last asked: there are as many
        shards as regions, and gossip comes all the time."""
        rest_on = (
            self._inventory.lead_changes,
            self._router.reachability,
            [(leading.shard.name, leading.term, leading.shard.leads) for leading in self.leading.values()],
            [(name, shard.group) for name, shard in self.shards.items()],
        )
        seen, self._ways_seen = self._ways_seen, rest_on
        return seen != rest_on

    def forget(self, event: JobsForgotten) -> None:
        """Retention picked these final jobs of shards. In doubt they stay, and are picked again; so do those of a shard
        of which callers' rows are older than the log."""
        if self.in_doubt:
            return
        for shard, job_id, key in event.shard_jobs:
            leading = self.leading.get(shard)
            if leading is not None and leading.shows_inherited:
                continue
            if leading is not None:
                leading.forget(job_id, key)
            self._forgotten.append((shard, job_id))

    # --- the step ---

    def begin(self, now: Now) -> None:
        """Take in what this region's desks have to say to each other."""
        if not self._loopback:
            return
        looped, self._loopback = self._loopback, []
        for message in looped:
            self.on_to_shard(now, self._config.name, message)

    def _is_calm(self, now: Now) -> bool:
        """Whether this step has been about none of the shards so far. Most are not, and cost them next to nothing."""
        if now.mono_us >= self.alarm.next_us or self._rows_due_us < self.alarm.next_us:
            return False
        for shard in self.shards.values():
            if shard.stirred:
                return False
        for leading in self.leading.values():  # noqa: SIM110 - asked in every step, and spelt out is twice as fast
            if not leading.idle:
                return False
        return True

    def wind(self, now: Now) -> None:
        """Set the alarm anew: the events of a step, and what it wrote, may be due at once."""
        if not self.shards:
            return
        self._calm = self._is_calm(now)
        if not self._calm:
            self._wind()

    def _wind(self) -> None:
        due_us = _AT_ONCE_US if self._loopback else self._rows_due_us
        for shard in self.shards.values():
            if shard.stirred:
                shard.wind()
            due_us = min(due_us, shard.due_us)
        for leading in self.leading.values():
            due_us = min(due_us, leading.wind(self._config.timings.lease_us))
        if due_us != self.alarm.next_us:
            self.alarm.ring_at(due_us)

    def on_deadline(self, now: Now, out: Effects) -> None:
        """Renewals, elections, replication; then the desks' own timers."""
        for shard in self.shards.values():
            if shard.due_us <= now.mono_us:
                shard.on_deadline(now, out)
        for leading in self.leading.values():
            if leading.desk.alarm.next_us <= now.mono_us:
                leading.desk.on_deadline(now, leading.out)

    def reconcile(self, now: Now, out: Effects) -> None:
        """Open a desk for what this region began to lead, close those of shards that it does not lead any more, and
        let start what has a lease."""
        if not self.shards or (self._calm and not self._has_guests):
            return
        roles = [(shard.role, shard.term) for shard in self.shards.values()]
        if roles != self._roles:
            self._roles = roles
            self._open_and_close(now, out)
        for leading in self.leading.values():
            shard = leading.shard
            returns = self._returns(now, leading)
            startable = shard.leads and not returns and shard.renewals.holds(now.mono_us)
            if startable:
                self._lease(shard)
            else:
                self._library.leases.pop(shard.name, None)
            leading.set_startable(now, startable)
            leading.enqueue_held()

    def _lease(self, shard: Shard) -> None:
        lease = self._library.leases.get(shard.name)
        if lease is None or lease.until_mono_us != shard.renewals.until_us:
            self._library.leases[shard.name] = Lease(shard.name, shard.renewals.until_us)

    def _open_and_close(self, now: Now, out: Effects) -> None:
        for name in [name for name, leading in self.leading.items() if not _is_led(leading)]:
            self._close(now, name, out)
        for shard in self.shards.values():
            if shard.starting and shard.name not in self.leading:
                self._open(shard, now, resumed=False)
        led = tuple(
            (name, leading.term) for name, leading in sorted(self.leading.items()) if leading.shard.leads
        )
        if self.led != led:
            self.led = led
            self.on_records(now)
            for leading in self.leading.values():
                leading.desk.on_deadline(now, leading.out)

    def _returns(self, now: Now, leading: Leading) -> bool:
        """Whether a shard is on its way to another region (its home that is back, or whoever stays when this one is
        replaced): then nothing is started any more, and when the last task has ended the other may lead. What runs for
        long goes on: after a while all is as before."""
        shard = leading.shard
        if not any(self._reachable(heir) for heir in shard.heirs):
            leading.heir_since_us, leading.waited_for_heir = None, False
            return False
        if leading.heir_since_us is None:
            leading.heir_since_us = now.mono_us
        here_us = now.mono_us - leading.heir_since_us
        leading.waited_for_heir = here_us >= self._config.timings.lease_us
        if leading.waited_for_heir and leading.is_at_rest:
            shard.hand_back(now)
            return True
        return leading.waited_for_heir and here_us < self._config.timings.return_patience_us

    def forget_disk(self, now: Now) -> None:
        """The disk is an old one."""
        for shard in self.shards.values():
            shard.forget(now)

    def report(self, now: Now) -> None:
        """Homes hear of what changed."""
        for leading in self.leading.values():
            if not leading.idle:
                leading.desk.report(now, leading.out)

    def collect(self, now: Now, out: Effects, written_at: int) -> None:
        """The end of a step: logs grow, members are told, and what a majority holds is let go. `written_at`: the write
        sequence of all that this step writes."""
        if not self.shards and not self._forgotten:
            return
        calm = self._is_calm(now)
        if self.in_doubt:
            self._hold_reaps(out)
        elif not calm:
            self._collect_leading(out, written_at)
            self._collect_shards(now, out)
        if calm and not self._owes_callers:
            return
        out.changes.extend(self._parting_changes)
        self._parting_changes = []
        self._show_rows(now, out)
        if self._hidden:
            _writable(out).shards_delete.extend(self._hidden)
            self._hidden = []
        if self._forgotten:
            _writable(out).shard_jobs_delete.extend(self._forgotten)
            self._forgotten = []
        self._wind()

    @property
    def _has_guests(self) -> bool:
        """Whether this region leads for others, whose return it looks out for."""
        return len(self.leading) > (self._config.name in self.leading)

    @property
    def _owes_callers(self) -> bool:
        """Whether rows that callers read, or news for watchers, are to go with the next writes."""
        return bool(
            self._hidden
            or self._forgotten
            or self._parting_changes
            or any(leading.rows for leading in self.leading.values())
        )

    def _hold_reaps(self, out: Effects) -> None:
        """What the engine knows of a task goes only when the log has how it ended."""
        reaps, out.reaps = out.reaps, []
        for reap in reaps:
            leading = next(
                (each for each in self.leading.values() if reap.run.job_id in each.books.jobs), None
            )
            (out if leading is None else leading.out).reaps.append(reap)

    def _collect_leading(self, out: Effects, written_at: int) -> None:
        for leading in self.leading.values():
            # What is done to tasks waits for nobody: a task without its record ends with the lease.
            out.launches.extend(leading.out.launches)
            out.stops.extend(leading.out.stops)
            out.reaps.extend(leading.out.reaps)
            leading.collect(written_at)
            self._release(leading, out)

    def _collect_shards(self, now: Now, out: Effects) -> None:
        for shard in self.shards.values():
            if not shard.stirred:
                continue
            shard.flush(now, out)
            shard.wind()
            state, rows, gone = shard.collect()
            if state is not None or rows or gone:
                writes = _writable(out)
                writes.shard_rows.extend(rows)
                writes.shard_rows_delete.extend(gone)
                if state is not None:
                    writes.shard_states.append(state)

    def _release(self, leading: Leading, out: Effects) -> None:
        freed = leading.release()
        for send in freed.sends:
            self._address(leading.shard.name, send, out)
        out.replies.extend(freed.replies)
        out.settle(freed.settled, freed.rests_on)

    def show_soon(self) -> None:
        """Somebody is about to read: what is owed is written in this step."""
        self._rows_due_us = _AT_ONCE_US

    def _show_rows(self, now: Now, out: Effects) -> None:
        """Write the rows that callers read: with what this step writes anyway, when they are asked for, or when they
        have waited long enough. They cost no sync of their own while there is work; nobody's answer waits for them."""
        owing = [leading.rows for leading in self.leading.values() if leading.rows]
        if not owing:
            self._rows_due_us = NEVER_US
        elif out.writes or self._rows_due_us <= now.mono_us:
            for rows in owing:
                out.changes.extend(rows.move_to(_writable(out)))
            out.owes_rows = any(owing)
            self._rows_due_us = _AT_ONCE_US if out.owes_rows else NEVER_US
        else:
            self._rows_due_us = min(self._rows_due_us, now.mono_us + ROWS_DELAY_US)
            out.owes_rows = True

    def _address(self, source: str, send: Send, out: Effects) -> None:
        """From one shard to another, wherever they are led."""
        if isinstance(send.message, _OF_QUOTAS):
            assert self.send_rights is not None
            self.send_rights(send, out)
            return
        message = ToShard(source, send.to, cast("ShardMessage", send.message))
        route = self._route_to(send.to)
        self._routes.take(send.to, route)
        if send.to in self.leading:
            self._loopback.append(message)
        elif route[0]:
            out.sends.append(Send(route[0], message))

    def _open(self, shard: Shard, now: Now, *, resumed: bool) -> None:
        leading = Leading(self._config, shard, self._local, self._intake, self._router, now, resumed=resumed)
        self.leading[shard.name] = leading
        if not resumed:
            self.jobs_taken_over += leading.open_jobs
        self._library.add(leading.books)
        self._local.open_books(now, leading.books)
        # The deadlines of this step are over, and what it inherits is due at once.
        leading.desk.on_deadline(now, leading.out)

    def _close(self, now: Now, name: str, out: Effects) -> None:
        """Another region leads, or will: what runs here under the old term has to end, and is nobody's any more."""
        leading = self.leading.pop(name)
        self._library.leases.pop(name, None)
        # What a majority held is news still; the rows go.
        self._parting_changes.extend(leading.rows.changes)
        leading.set_startable(now, False)
        self.jobs_let_go += leading.open_jobs
        # What has ended and was not written: the next leader starts it again.
        out.reaps.extend(leading.out.reaps)
        self._local.abandon(now, leading.books, out)
        self._library.remove(name)
        self._hidden.append(name)


def _is_led(leading: Leading) -> bool:
    shard = leading.shard
    return shard.starting and shard.term == leading.term


def _knows_nothing(asked: Prepare) -> Promise:
    """Of somebody who has never kept this shard's log."""
    return Promise(
        shard=asked.shard, term=0, trial=True, log_term=0, log_sequence=0, blank=True, life=asked.life
    )


def _writable(out: Effects) -> Writes:
    if out.writes is NO_WRITES:
        out.writes = Writes()
    return out.writes
