"""Reservations over several regions: all of their parts are kept, or none.

Theory of operation. The region that is asked has a part itself, and is the *owner*: its row of its own part says what
becomes of the whole. First it asks the other regions whether they have room, which binds nobody, so that what can't be
honoured is refused before anything is written. If all have, it writes its part as HELD, and tells each of the others to
take theirs, until each has answered: taken (its part is HELD on its disk) or not. When all have taken theirs, the owner
writes KEPT and says so until all have acknowledged it. If one has not, if it takes too long, or if an operator cancels,
now or later, the owner writes DROPPED, and says that. So whoever decides is one row on one disk, and nobody else may:
a region that holds a part and hears nothing holds it on. Windows open in KEPT parts only, so nobody is stopped, and
nothing stands idle, for half a reservation.

A region remembers what it dropped until its last window would be long over: a late COMMIT must find that. An owner
forgets what it dropped when all have acknowledged it. When a session begins, each tells the other once more, and an
owner that knows nothing of what it is told answers "dropped": it never was kept, or its disk is an older one.

chaos/models/joint.pml checks it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import msgspec

from hanse.core.books import Books
from hanse.core.effects import Effects, Send
from hanse.core.events import CancelReservation, Reserve
from hanse.core.federation.ports import Calendar
from hanse.core.messages import (
    JointMessage,
    ReservationPart,
    ReservationSettled,
    ReservationTaken,
    ReservationVerdict,
)
from hanse.core.model.deadlines import Alarms, Deadlines, backoff_us
from hanse.core.model.jobs import Allocation
from hanse.core.model.limits import (
    JOINT_ASK_US,
    JOINT_DROPPED_MAX,
    JOINT_TAKE_US,
    RESERVATIONS_MAX,
)
from hanse.core.model.parts import in_state, never_heard_of, part_of, trace_of, wish_of
from hanse.core.model.regions import RegionConfig
from hanse.core.model.reservations import (
    CapacityReservation,
    Part,
    PartState,
    reservation_of,
    same_wish,
)
from hanse.core.model.time import Now
from hanse.core.replies import Answer, Done, Refused, Reply, Reserved


class _Asked(msgspec.Struct):
    """An owner asks whether there is room. `waits_for`: regions that have not answered."""

    event: Reserve
    waits_for: dict[str, None]


class JointReservations:
    """The owner's side and the others' side of one region. `connected` says whether a peer can be reached now."""

    def __init__(
        self,
        config: RegionConfig,
        books: Books,
        calendar: Calendar,
        dropped: Iterable[CapacityReservation],
        connected: Callable[[str], bool],
        now: Now,
    ) -> None:
        self._region = config.name
        self._timings = config.timings
        self._peers = {
            member.name: None for member in config.members if member.name not in (config.name, *config.lost)
        }
        self._books = books
        self._calendar = calendar
        self._connected = connected
        # What was dropped here and must not come back; of an owner: what it still has to tell.
        self._dropped = {each.id: each for each in dropped}
        # By id, of an owner: what it asks about, who waits for its answer, who has taken or acknowledged it.
        self._asked: dict[str, _Asked] = {}
        self._callers: dict[str, int] = {}
        self._agreed: dict[str, dict[str, None]] = {}
        # Room that was promised to an owner, for as long as it may take to use the promise.
        self._promised: dict[str, CapacityReservation] = {}
        self._promises: Deadlines[str] = Deadlines()
        self._patience: Deadlines[str] = Deadlines()
        # (id, region): what to say again, and how often that was done.
        self._resend: Deadlines[tuple[str, str]] = Deadlines()
        self._resent: dict[tuple[str, str], int] = {}
        self.alarm = Alarms(self._promises, self._patience, self._resend)
        for own in list(self._owned()):
            self._go_on(own, now)
        for held in self._of_others():
            self._resend.set((held.id, part_of(held).owner), now.mono_us)
        for stuck in (*self._held_for_lost(), *self._dropped_with_lost()):
            self._patience.set(stuck.id, now.mono_us)

    # --- what there is ----------------------------------------------------------------------------------------------

    def _rows(self) -> Iterator[CapacityReservation]:
        yield from self._calendar.parts()
        yield from self._dropped.values()

    def _row(self, reservation_id: str) -> CapacityReservation | None:
        return next((each for each in self._rows() if each.id == reservation_id), None)

    def _owned(self) -> Iterator[CapacityReservation]:
        """Those that this region decides about."""
        return (each for each in self._rows() if part_of(each).owner == self._region)

    def _of_others(self) -> Iterator[CapacityReservation]:
        """Parts here of what others decide about, as long as it may be kept."""
        for each in self._rows():
            if part_of(each).owner in self._peers and part_of(each).state is not PartState.DROPPED:
                yield each

    def _held_for_lost(self) -> Iterator[CapacityReservation]:
        """Parts of which nobody will ever say what becomes of the whole."""
        for each in self._rows():
            part = part_of(each)
            if part.state is PartState.HELD and part.owner not in (self._region, *self._peers):
                yield each

    def _dropped_with_lost(self) -> Iterator[CapacityReservation]:
        """Those of which nobody is left to be told."""
        return (each for each in self._owned() if each.is_dropped and not self._elsewhere(each))

    @property
    def idle(self) -> bool:
        """Whether nothing is under way that this region has begun."""
        return not self._asked and not any(
            part_of(each).state is not PartState.KEPT for each in self._owned()
        )

    def _elsewhere(self, reservation: CapacityReservation) -> list[str]:
        """The other regions that have parts of it, without those that are lost: their parts are, too."""
        return [each.region for each in part_of(reservation).elsewhere if each.region in self._peers]

    def _all_know(self, own: CapacityReservation) -> bool:
        """Whether all others have acknowledged what was decided."""
        return all(region in self._agreed[own.id] for region in self._elsewhere(own))

    # --- the owner: asking ------------------------------------------------------------------------------------------

    def reserve(self, now: Now, event: Reserve, out: Effects) -> None:
        """Answered when all parts are kept, or refused when none is."""
        known = self._calendar.known(event.wanted.name)
        answer = self._refusal(now, event) if known is None else _again(event, known)
        if answer is not None:
            out.replies.append(Reply(event.request_id, answer))
            return
        regions = [each.region for each in event.elsewhere]
        self._asked[event.id] = _Asked(event, dict.fromkeys(regions))
        self._patience.set(event.id, now.mono_us + JOINT_ASK_US)
        for region in regions:
            message = ReservationPart(id=event.id, wanted=event.wanted_in(region), binding=False)
            out.sends.append(Send(region, message))

    def _refusal(self, now: Now, event: Reserve) -> Refused | None:
        if any(each.event.wanted.name == event.wanted.name for each in self._asked.values()):
            return Refused("UNREACHABLE", "name", f"{event.wanted.name!r} is being asked for", _AGAIN_MS)
        if len(self._asked) >= RESERVATIONS_MAX:
            return Refused("EXHAUSTED", "", f"{len(self._asked)} reservations are being asked for")
        regions = [each.region for each in event.elsewhere]
        for number, region in enumerate(regions):
            if region not in self._peers or region in regions[:number]:
                return Refused("INVALID", "groups", f"{region!r} is no other region, or named twice")
            if not self._connected(region):
                return Refused("UNREACHABLE", "groups", f"region {region} is out of reach", _AGAIN_MS)
        judged = self._calendar.judge(now, event.wanted, self._promised.values())
        return judged if isinstance(judged, Refused) else None

    def _on_room(self, now: Now, peer: str, message: ReservationTaken, out: Effects) -> None:
        """A region has room for its part, or has none."""
        asked = self._asked.get(message.id)
        if asked is None or peer not in asked.waits_for:
            return
        del asked.waits_for[peer]
        if message.code:
            self._refuse(message.id, _of_region(peer, message), out)
        elif not asked.waits_for:
            self._prepare(now, message.id, out)

    def _refuse(self, reservation_id: str, refused: Refused, out: Effects) -> None:
        """Nothing was written."""
        asked = self._asked.pop(reservation_id)
        self._patience.cancel(reservation_id)
        out.replies.append(Reply(asked.event.request_id, refused))

    # --- the owner: deciding ----------------------------------------------------------------------------------------

    def _prepare(self, now: Now, reservation_id: str, out: Effects) -> None:
        """All have room: take the own part, and have the others take theirs."""
        event = self._asked[reservation_id].event
        known = self._calendar.known(event.wanted.name)
        allocation: Allocation | Refused = Refused("KEY_CONFLICT", "name", "there is another one by now")
        if known is None:
            allocation = self._calendar.judge(now, event.wanted, self._promised.values())
        if isinstance(allocation, Refused):
            self._refuse(reservation_id, allocation, out)
            return
        del self._asked[reservation_id]
        # Those that are long over are nobody's any more.
        self._agreed = {each.id: self._agreed[each.id] for each in self._owned()}
        self._callers[reservation_id] = event.request_id
        part = Part(self._region, PartState.HELD, event.elsewhere)
        reservation = reservation_of(event.wanted, reservation_id, allocation, now, part)
        self._calendar.put(reservation)
        self._go_on(reservation, now)

    def _go_on(self, own: CapacityReservation, now: Now) -> None:
        """Say how it stands to all that have parts, until they have answered."""
        self._agreed[own.id] = {}
        if part_of(own).state is PartState.HELD:
            self._patience.set(own.id, now.mono_us + JOINT_TAKE_US)
        else:
            self._patience.cancel(own.id)
        for region in self._elsewhere(own):
            self._resent.pop((own.id, region), None)
            self._resend.set((own.id, region), now.mono_us)

    def _on_taken(self, now: Now, peer: str, message: ReservationTaken, out: Effects) -> None:
        """A region has taken its part, or has not, or tells that it has one."""
        own = self._row(message.id)
        if own is None or part_of(own).owner != self._region or peer not in self._elsewhere(own):
            if not message.code:
                verdict = ReservationVerdict(id=message.id, kept=False, over_wall_us=now.wall_us)
                out.sends.append(Send(peer, verdict))
            return
        if message.code and part_of(own).state is not PartState.DROPPED:
            self._cancel(now, own, _of_region(peer, message), out)
        elif part_of(own).state is not PartState.HELD:
            self._say(now, own, peer, out)
        else:
            self._agree(own, peer)
            if self._all_have_taken(own):
                self._keep(now, own, out)

    def _all_have_taken(self, own: CapacityReservation) -> bool:
        """Those that are lost since have not."""
        agreed = self._agreed[own.id]
        return all(each.region in agreed for each in part_of(own).elsewhere)

    def _agree(self, own: CapacityReservation, peer: str) -> None:
        self._agreed[own.id][peer] = None
        self._resend.cancel((own.id, peer))
        self._resent.pop((own.id, peer), None)

    def _keep(self, now: Now, own: CapacityReservation, out: Effects) -> None:
        kept = in_state(own, PartState.KEPT)
        self._calendar.put(kept)
        self._go_on(kept, now)
        self._answer(own.id, Reserved(kept, existed=False), out)

    def _cancel(self, now: Now, own: CapacityReservation, refused: Refused, out: Effects) -> None:
        dropped = self._drop(own, refused.message)
        self._go_on(dropped, now)
        self._answer(own.id, refused, out)

    def _answer(self, reservation_id: str, answer: Answer, out: Effects) -> None:
        """To the caller who asked for it, if that was in this life of the region."""
        request_id = self._callers.pop(reservation_id, None)
        if request_id is not None:
            out.replies.append(Reply(request_id, answer))

    def _on_settled(self, peer: str, message: ReservationSettled) -> None:
        """A region has acknowledged what was decided."""
        own = self._row(message.id)
        if own is None or part_of(own).owner != self._region or peer not in self._elsewhere(own):
            return
        if part_of(own).state is not (PartState.KEPT if message.kept else PartState.DROPPED):
            return
        self._agree(own, peer)
        if not message.kept and self._all_know(own):
            self._forget(own)

    def _say(self, now: Now, own: CapacityReservation, peer: str, out: Effects) -> None:
        """How it stands, now and again until that is answered."""
        state = part_of(own).state
        self._say_again(now, own.id, peer)
        message: JointMessage = ReservationVerdict(
            id=own.id, kept=state is PartState.KEPT, over_wall_us=own.over_wall_us
        )
        if state is PartState.HELD:
            groups = next(each.groups for each in part_of(own).elsewhere if each.region == peer)
            message = ReservationPart(id=own.id, wanted=wish_of(own, groups), binding=True)
        out.sends.append(Send(peer, message))

    def _say_again(self, now: Now, reservation_id: str, peer: str) -> None:
        key = (reservation_id, peer)
        attempt = self._resent.get(key, 0)
        self._resent[key] = attempt + 1
        retry_us = backoff_us(self._timings.commit_retry_us, attempt, self._timings.commit_retry_max_us)
        self._resend.set(key, now.mono_us + retry_us)

    # --- a region with a part ---------------------------------------------------------------------------------------

    def _on_part(self, now: Now, peer: str, message: ReservationPart, out: Effects) -> None:
        """An owner asks whether there is room, or tells this region to take its part."""
        known = self._row(message.id)
        if known is not None:
            if part_of(known).owner == peer:
                self._tell(known, out, binding=message.binding)
            return
        if message.binding and self._is_full():
            return  # What becomes of it could not be remembered: the owner will not wait for ever.
        judged = self._judge(now, message)
        code, reason = (judged.code, judged.message) if isinstance(judged, Refused) else ("", "")
        if message.binding:
            allocation = Allocation(()) if isinstance(judged, Refused) else judged
            state = PartState.DROPPED if code else PartState.HELD
            taken = reservation_of(message.wanted, message.id, allocation, now, Part(peer, state, why=reason))
            self._take(taken)
        elif not isinstance(judged, Refused):
            self._promised[message.id] = reservation_of(message.wanted, message.id, judged, now)
            self._promises.set(message.id, now.mono_us + JOINT_ASK_US + JOINT_TAKE_US)
        answer = ReservationTaken(id=message.id, binding=message.binding, code=code, reason=reason)
        out.sends.append(Send(peer, answer))

    def _judge(self, now: Now, message: ReservationPart) -> Allocation | Refused:
        self._promised.pop(message.id, None)
        if self._calendar.known(message.wanted.name) is not None:
            return Refused("KEY_CONFLICT", "name", f"there is another reservation {message.wanted.name!r}")
        if len(self._promised) >= RESERVATIONS_MAX:
            return Refused("EXHAUSTED", "", f"{len(self._promised)} reservations are being asked for")
        return self._calendar.judge(now, message.wanted, self._promised.values())

    def _take(self, taken: CapacityReservation) -> None:
        self._promises.cancel(taken.id)
        if part_of(taken).state is PartState.HELD:
            self._calendar.put(taken)
        else:
            self._remember(trace_of(taken))

    def _tell(self, known: CapacityReservation, out: Effects, *, binding: bool) -> None:
        """What is on the disk."""
        part = part_of(known)
        code = "CONFLICT" if part.state is PartState.DROPPED else ""
        reason = part.why or "it was dropped here"
        answer = ReservationTaken(id=known.id, binding=binding, code=code, reason=reason if code else "")
        out.sends.append(Send(part.owner, answer))

    def _on_verdict(self, now: Now, peer: str, message: ReservationVerdict, out: Effects) -> None:
        """The owner has decided."""
        known = self._row(message.id)
        if known is not None and part_of(known).owner != peer:
            return
        self._resend.cancel((message.id, peer))
        self._resent.pop((message.id, peer), None)
        if message.kept:
            if known is None or part_of(known).state is PartState.DROPPED:
                lost = ReservationTaken(
                    id=message.id, binding=True, code="CONFLICT", reason="its part is gone"
                )
                out.sends.append(Send(peer, lost))
                return
            if part_of(known).state is PartState.HELD:
                self._calendar.put(in_state(known, PartState.KEPT))
        elif known is None:
            if self._is_full():
                return  # A late copy of its part must find that it is dropped: not acknowledged before that is sure.
            self._remember(never_heard_of(message.id, message.over_wall_us, peer, now))
        elif part_of(known).state is not PartState.DROPPED:
            self._drop(known, f"region {peer} has dropped it")
        out.sends.append(Send(peer, ReservationSettled(id=message.id, kept=message.kept)))

    # --- dropping and remembering -----------------------------------------------------------------------------------

    def _drop(self, known: CapacityReservation, why: str) -> CapacityReservation:
        dropped = trace_of(in_state(known, PartState.DROPPED, why))
        self._calendar.remove(known.id, dropped)
        self._dropped[known.id] = dropped
        return dropped

    def _remember(self, dropped: CapacityReservation) -> None:
        self._dropped[dropped.id] = dropped
        self._books.keep_reservation(dropped)

    def _forget(self, dropped: CapacityReservation) -> None:
        del self._dropped[dropped.id]
        self._agreed.pop(dropped.id, None)
        self._books.drop_reservation(dropped.id)

    def _is_full(self) -> bool:
        """Whether nothing more can be remembered, also once what would be over for long is forgotten."""
        if len(self._dropped) >= JOINT_DROPPED_MAX:
            for each in list(self._dropped.values()):
                if part_of(each).owner != self._region and self._calendar.is_long_over(each):
                    self._forget(each)
        return len(self._dropped) >= JOINT_DROPPED_MAX

    # --- doors ------------------------------------------------------------------------------------------------------

    def cancel(self, now: Now, event: CancelReservation, out: Effects) -> Answer | None:
        """End one at once; None: it is not one over several regions."""
        known = self._calendar.known(event.name)
        if known is None or known.part is None:
            return None
        owner = known.part.owner
        if owner == self._region:
            self._cancel(now, known, Refused("CONFLICT", "", f"{event.name} was cancelled"), out)
        elif owner in self._peers:
            return Refused(
                "CONFLICT", "name", f"{event.name} is a part of one of region {owner}: cancel it there"
            )
        else:
            self._drop(known, "cancelled")
        return Done()

    def on_message(self, now: Now, peer: str, message: JointMessage, out: Effects) -> None:
        """From an owner, or to one."""
        if peer not in self._peers:
            return
        match message:
            case ReservationPart():
                self._on_part(now, peer, message, out)
            case ReservationTaken():
                (self._on_taken if message.binding else self._on_room)(now, peer, message, out)
            case ReservationVerdict():
                self._on_verdict(now, peer, message, out)
            case ReservationSettled():
                self._on_settled(peer, message)

    def on_session(self, now: Now, peer: str) -> None:
        """A session began: each tells the other how it stands, until that is answered: what was said may not have
        come."""
        for known in list(self._rows()):
            part = part_of(known)
            if part.owner == self._region and peer in self._elsewhere(known):
                self._agreed[known.id].pop(peer, None)
                self._resend.set((known.id, peer), now.mono_us)
            elif part.owner == peer and part.state is not PartState.DROPPED:
                self._resend.set((known.id, peer), now.mono_us)

    def on_deadline(self, now: Now, out: Effects) -> None:
        """Promises end, patience ends, and what was not answered is said again."""
        for reservation_id in self._promises.pop_due(now.mono_us):
            self._promised.pop(reservation_id, None)
        for reservation_id in self._patience.pop_due(now.mono_us):
            self._on_patience_over(now, reservation_id, out)
        for reservation_id, peer in self._resend.pop_due(now.mono_us):
            known = self._row(reservation_id)
            if known is not None and part_of(known).owner == self._region:
                self._say(now, known, peer, out)
            elif known is not None:
                self._say_again(now, known.id, peer)
                self._tell(known, out, binding=True)

    def _on_patience_over(self, now: Now, reservation_id: str, out: Effects) -> None:
        asked = self._asked.get(reservation_id)
        if asked is not None:
            silent = ", ".join(asked.waits_for)
            self._refuse(
                reservation_id, Refused("UNREACHABLE", "groups", f"no answer of {silent}", _AGAIN_MS), out
            )
            return
        own = self._row(reservation_id)
        if own is not None and own.is_dropped and part_of(own).owner == self._region:
            self._forget(own)
        if own is None or part_of(own).state is not PartState.HELD:
            return
        if part_of(own).owner != self._region:
            self._drop(own, f"region {part_of(own).owner} is lost")
        else:
            agreed = self._agreed[own.id]
            silent = ", ".join(each.region for each in part_of(own).elsewhere if each.region not in agreed)
            self._cancel(now, own, Refused("UNREACHABLE", "groups", f"no answer of {silent}", _AGAIN_MS), out)


# When a caller may ask again for what others did not answer to, in milliseconds.
_AGAIN_MS = 1_000


def _again(event: Reserve, known: CapacityReservation) -> Answer:
    """To a caller who asks for a name that is taken."""
    name, part = event.wanted.name, known.part
    if part is None or part.elsewhere != event.elsewhere or not same_wish(event.wanted, known):
        return Refused("KEY_CONFLICT", "name", f"there is another reservation {name!r}")
    if part.state is PartState.KEPT:
        return Reserved(known, existed=True)
    return Refused("UNREACHABLE", "name", f"other regions are taking their parts of {name!r}", _AGAIN_MS)


def _of_region(peer: str, message: ReservationTaken) -> Refused:
    """Why a region has not taken its part."""
    return Refused(message.code, "groups", f"region {peer}: {message.reason}")
