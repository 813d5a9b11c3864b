"""The leader of a term: it begins the term, replicates, renews its lease, and changes the group.

has                      event                            does
promises of a majority   the best copy is here            START: the term's first record
START                    a majority holds it              LEADER: acts on all that a majority holds
any                      the log grew, or nobody answers  replication.py
jobs that have not ended a twentieth of a lease passed    RENEW to all; the lease counts from the sending
LEADER                   the roster wants another group   regroup.py says what is next
a newer term is seen                                      it leads no more (Seat.step_down)
"""

from __future__ import annotations

from typing import assert_never

import msgspec

from hanse.core.effects import Effects, Lease, Send
from hanse.core.federation.shards.lease import Renewals
from hanse.core.federation.shards.log import GROUP_KEY, START_KEY, Where
from hanse.core.federation.shards.regroup import Change, Final, HandOver, Listen, Situation, next_step
from hanse.core.federation.shards.replication import Replication
from hanse.core.federation.shards.seat import Role, Seat
from hanse.core.messages import AppendAck, Renew, RenewAck
from hanse.core.model.deadlines import NEVER_US
from hanse.core.model.regions import Group, pack_group
from hanse.core.model.time import Now


class Leadership:
    """What this member does while it leads. Whether it does is for the seat's role to say."""

    def __init__(self, seat: Seat) -> None:
        self._seat = seat
        self.renewals = Renewals(seat.region, seat.timings)
        self._replication: Replication | None = None
        self._start_sequence = 0
        # Who led until this region's term began, and wrote what runs; empty: nobody.
        self.leader_before = ""
        # In a joint group: until then tasks may live by grants that counted in the old group alone.
        self._changing_until_us = NEVER_US
        self._is_waited_out = False
        # Who was in the group before, and may not know that it is not any more.
        self._left: tuple[str, ...] = ()

    @property
    def replication(self) -> Replication | None:
        """The copies of the others; None: it does not lead."""
        return self._replication if self._seat.leading else None

    # --- a term begins ---

    def start(self, now: Now, inherited: Where) -> None:
        """The term begins with a record of its own: what a majority holds then includes all before it. It names where
        the log ended before."""
        seat = self._seat
        seat.role = Role.STARTING
        self.renewals = Renewals(seat.region, seat.timings)
        self.leader_before = seat.started_by
        start = (seat.promised, seat.region, inherited.term, inherited.sequence)
        seat.log.append(seat.promised, START_KEY, msgspec.msgpack.encode(start))
        if not seat.log.value(GROUP_KEY):
            seat.log.append(seat.promised, GROUP_KEY, seat.packed_group)
        self._start_sequence = seat.log.end.sequence
        self._replicate_from(now, inherited)

    def resume(self, now: Now) -> None:
        """After a restart in the middle of one's own term: it goes on, if it had begun."""
        seat = self._seat
        if seat.log.end.term != seat.promised:
            return
        seat.role = Role.STARTING
        self._start_sequence = seat.log.end.sequence
        self._replicate_from(now, Where(seat.promised, seat.log.committed))

    def _replicate_from(self, now: Now, inherited: Where) -> None:
        seat = self._seat
        self._replication = Replication(
            seat.region, seat.log, seat.group, seat.promised, inherited, seat.timings, now, seat.is_known
        )
        self.renewals.due_us = now.mono_us
        self._begin_wait(now)

    # --- the others' answers ---

    def on_append_ack(self, now: Now, peer: str, ack: AppendAck) -> bool:
        """A member holds more of the log. False: more than there is, so this disk is an old one."""
        seat, replication = self._seat, self.replication
        if replication is None or ack.term != seat.promised:
            return True
        if not replication.on_ack(now, peer, ack):
            return False
        if seat.role is Role.STARTING:
            self._go_on(replication)
        return True

    def _go_on(self, replication: Replication) -> None:
        """START is to be committed. In a new shard all members have to keep the log before a majority decides anything:
        from then on a blank disk is one that was lost. (Not those that the roster gives up.)"""
        seat = self._seat
        founders = [each for each in seat.others() if each in (seat.wanted or seat.group.members)]
        if not seat.log.founded:
            if all(replication.acked(each) >= self._start_sequence for each in founders):
                seat.log.found(seat.promised)
        elif seat.log.committed >= self._start_sequence:
            seat.role = Role.LEADER

    def on_renew_ack(self, peer: str, ack: RenewAck, out: Effects) -> None:
        """A member has begun its wait anew: the lease may be longer."""
        seat = self._seat
        if self.replication is None or ack.term != seat.promised or ack.boot != seat.boot:
            return
        if self.renewals.on_ack(seat.group, peer, ack.number) and seat.busy:
            out.leases.append(Lease(seat.name, self.renewals.until_us))

    def tell(self, peer: str, now: Now) -> None:
        """Somebody who is no member and does not know it is sent the log until he does."""
        if self.replication is not None:
            self.replication.tell(peer, now)

    def untell(self, peer: str, now: Now) -> None:
        """He knows."""
        if self.replication is not None:
            self.replication.forget(peer, now)

    # --- time ---

    def on_deadline(self, now: Now, out: Effects) -> None:
        """Renew, and send again what nobody has answered."""
        if self._changing_until_us <= now.mono_us:
            self._changing_until_us, self._is_waited_out = NEVER_US, True
        replication = self.replication
        if replication is not None:
            self._renew(now, out)
            replication.on_deadline(now, out)

    @property
    def due_us(self) -> int:
        """When `on_deadline` has something to do."""
        if self.replication is None:
            return NEVER_US
        renew_us = self.renewals.due_us if self._seat.busy else NEVER_US
        final_us = self._changing_until_us if self._seat.group.joining else NEVER_US
        return min(renew_us, final_us, self.replication.due_us)

    def flush(self, now: Now, out: Effects) -> None:
        """The end of a step: what the log gained goes to the others. (The step may have brought the first job of a
        quiet shard, or begun the term.)"""
        self._regroup(now)
        self.on_deadline(now, out)
        if self.replication is not None:
            self.replication.flush(now, out)

    def _renew(self, now: Now, out: Effects) -> None:
        seat = self._seat
        if not seat.busy or self.renewals.due_us > now.mono_us:
            return
        number = self.renewals.send(now.mono_us)
        renew = Renew(
            seat.name,
            seat.promised,
            seat.group.version,
            seat.boot,
            number,
            seat.log.end.sequence,
            seat.log.committed,
        )
        out.sends.extend(Send(member, renew) for member in seat.others())

    # --- the group ---

    def _regroup(self, now: Now) -> None:
        """One step towards the group that the roster wants."""
        replication = self.replication
        if replication is None or self._seat.role is not Role.LEADER or self._is_settled_as_wanted():
            return
        situation = self._situation(replication)
        if situation.settled and not situation.group.joining:
            for member in self._left:
                replication.tell(member, now)
            self._left = ()
        step = next_step(situation)
        match step:
            case Listen():
                replication.listen(step.newcomers, now)
            case Change():
                self._begin_wait(now)
                self._write_group(now, replication, step.group)
            case Final():
                self._write_group(now, replication, step.group)
                replication.count()
                self._left = step.left
            case HandOver() | None:
                pass  # shards.py hands over, when the shard is at rest here
            case _:
                assert_never(step)

    def _is_settled_as_wanted(self) -> bool:
        """Nearly always: nobody is to be replaced."""
        group = self._seat.group
        wanted = self._seat.wanted or group.members
        return not (group.joining or self._left) and sorted(group.members) == sorted(wanted)

    def _begin_wait(self, now: Now) -> None:
        self._changing_until_us, self._is_waited_out = now.mono_us + self._seat.timings.lease_us, False

    def _situation(self, replication: Replication) -> Situation:
        seat = self._seat
        return Situation(
            region=seat.region,
            group=seat.group,
            wanted=seat.wanted,
            settled=seat.log.sequence_of(GROUP_KEY) <= seat.log.committed,
            holds=replication.holds(),
            waited=self._is_waited_out or not seat.living(),
        )

    def _write_group(self, now: Now, replication: Replication, group: Group) -> None:
        self._seat.log.append(self._seat.promised, GROUP_KEY, pack_group(group))
        self._seat.take_group()
        replication.set_group(group, now)

    # --- who leads next ---

    def heirs(self) -> tuple[str, ...]:
        """Members that have all of the log and should lead rather than this one: the shard's home; or anybody who
        stays, if the roster wants another one in this leader's place."""
        seat, replication = self._seat, self.replication
        if replication is None:
            return ()
        stay = [
            each
            for each in seat.group.ranks
            if each != seat.region and each in (seat.wanted or seat.group.ranks)
        ]
        ready = tuple(each for each in stay if replication.acked(each) >= seat.log.end.sequence)
        if self._is_to_leave(replication):
            return ready
        return (seat.name,) if seat.name in ready else ()

    def _is_to_leave(self, replication: Replication) -> bool:
        seat = self._seat
        replaced = bool(seat.wanted) and seat.region not in seat.wanted and seat.role is Role.LEADER
        return replaced and isinstance(next_step(self._situation(replication)), HandOver)
