"""A member whose disk was lost, or never written: it learns what it may do from all the others.

    knows                                          does
    less than all members of the group             asks them (PREPARE of term 0), and whoever the roster wants
    all, and one of them holds the log             takes the longest copy and the largest term: REJOINED
    that nobody has ever held it, and is the home  begins the log: term 1

It has forgotten what it promised and granted. So until then it does neither; afterwards it waits in full, and never
leads in a term up to the one that it has learnt (chaos/models/rejoin.pml). Who is a member is for the others' copies to
say, too. A home begins its log only when everybody who may ever have kept it has said that he holds nothing: who kept
it and was replaced says so, and knows by whom.
"""

from __future__ import annotations

from collections.abc import Mapping

from hanse.core.effects import Effects, Send
from hanse.core.federation.shards.leadership import Leadership
from hanse.core.federation.shards.log import Where
from hanse.core.federation.shards.quorum import participants
from hanse.core.federation.shards.seat import Seat, Standing
from hanse.core.messages import Append, AppendAck, Fetch, Prepare, Promise
from hanse.core.model.deadlines import NEVER_US
from hanse.core.model.regions import Group, unpack_group
from hanse.core.model.time import Now

# How often it asks, in repetitions of an Append.
_ASK_RETRIES = 5


class Rejoining:
    """What the others have told a blank member."""

    def __init__(self, seat: Seat, leadership: Leadership, now: Now) -> None:
        self._seat = seat
        self._leadership = leadership
        self._told: dict[str, Promise] = {}
        self._ask_us = now.mono_us
        # Whose copy was asked for, and the largest term that anybody had told of then.
        self._learning_from = ""
        self._learnt_term = 0

    def begin(self, now: Now) -> None:
        """The disk has just turned out to be an old one."""
        self._told = {}
        self._ask_us = now.mono_us

    def on_told(self, peer: str, promise: Promise) -> None:
        """One of the others says how far it is."""
        if self._seat.blank and promise.life == self._seat.boot:
            self._told[peer] = promise

    # --- time ---

    @property
    def due_us(self) -> int:
        """When `on_deadline` has something to do."""
        return self._ask_us if self.asks else NEVER_US

    @property
    def asks(self) -> bool:
        """Whether this region is to keep a copy, as far as it knows, and has none."""
        seat = self._seat
        return seat.blank and (seat.region in participants(self._group()) or seat.region in seat.wanted)

    def on_deadline(self, now: Now, out: Effects) -> None:
        """Ask all others how far they are; once all have told, take the longest copy of theirs."""
        if not self.asks or self._ask_us > now.mono_us:
            return
        seat, group = self._seat, self._group()
        self._ask_us = now.mono_us + seat.timings.append_retry_us * _ASK_RETRIES
        others = [member for member in participants(group) if member != seat.region]
        known = {member: self._told[member] for member in others if member in self._told}
        is_complete = seat.region in participants(group) and len(known) == len(others)
        if is_complete and all(each.blank for each in known.values()):
            if self._may_found():
                self._found(now)
                return
        elif is_complete and not seat.living() and _may_learn(known, seat.name):
            self._fetch_longest(known, out)
            return
        self._ask(out)

    def _ask(self, out: Effects) -> None:
        seat = self._seat
        prepare = Prepare(seat.name, 0, seat.group.version, trial=True, life=seat.boot)
        out.sends.extend(Send(member, prepare) for member in self._may_know())

    def _group(self) -> Group:
        """The group of the longest copy that others have told of: all of its members must have told."""
        holders = [each for each in self._told.values() if each.group and not each.blank]
        best = max(holders, key=_where_of, default=None)
        return self._seat.group if best is None else unpack_group(best.group)

    def _may_know(self) -> list[str]:
        """Everybody who may know of the log: members of any group that anybody knows, and whom any roster has named."""
        seat = self._seat
        groups = [seat.group, *(unpack_group(each.group) for each in self._told.values() if each.group)]
        keepers = dict.fromkeys(member for group in groups for member in participants(group))
        if seat.name == seat.region:
            keepers |= dict.fromkeys(seat.config.keepers)
        keepers |= dict.fromkeys(seat.wanted)
        return [each for each in keepers if each != seat.region and seat.is_known(each)]

    # --- it is a member again ---

    def _may_found(self) -> bool:
        """Whether this is the home, and nobody holds the log or has ever left it to others."""
        if self._seat.name != self._seat.region:
            return False
        told = [self._told.get(member) for member in self._may_know()]
        return all(each is not None and each.blank and not each.left for each in told)

    def _found(self, now: Now) -> None:
        """The home of a shard of which nobody has heard begins it."""
        seat = self._seat
        seat.standing = Standing.WHOLE
        seat.promised = seat.seen_term = 1
        seat.promised_to = seat.region
        # An old disk may have what an earlier life began with: nobody else has it.
        seat.log.begin_anew([], Where())
        self._leadership.start(now, Where())

    def _fetch_longest(self, known: Mapping[str, Promise], out: Effects) -> None:
        """All the others have told; they are asked again next time, since their answers grow old."""
        holders = [member for member in known if not known[member].blank]
        best = max(holders, key=lambda member: (_where_of(known[member]), member))
        self._learning_from = best
        self._learnt_term = max(each.promised_term for each in known.values())
        self._told = {}
        out.sends.append(Send(best, Fetch(shard=self._seat.name, term=0, committed=0, keys=())))

    def on_append(self, peer: str, append: Append, out: Effects) -> None:
        """The whole copy of another member replaces whatever this disk held."""
        if peer != self._learning_from or not append.cut or append.previous_sequence:
            return
        seat = self._seat
        records = seat.batches.add(append)
        if records is None:
            return
        seat.log.begin_anew(records, Where(append.previous_term, append.sequence))
        seat.log.note_committed(append.committed)
        seat.promised_to, seat.promised_life = "", 0
        seat.promised = max(self._learnt_term, append.term, append.previous_term)
        seat.seen_term = max(seat.seen_term, seat.promised)
        fresh = seat.promised <= 1 and not seat.log.founded
        seat.standing = Standing.WHOLE if fresh else Standing.REJOINED
        seat.take_group()
        self._learning_from = ""
        leader = seat.started_by
        if leader != seat.region and seat.log.end.term == seat.promised:
            # The leader of a new shard waits for that.
            ack = AppendAck(shard=seat.name, term=seat.promised, sequence=seat.log.end.sequence)
            out.sends.append(Send(leader, ack))


def _may_learn(known: Mapping[str, Promise], home: str) -> bool:
    """Whether all of them hold a copy; or nothing was ever committed: the shard is new, and whoever is blank has
    forgotten nothing."""
    is_new = not any(each.founded for each in known.values())
    return is_new or _has_just_begun(known.get(home)) or not any(each.blank for each in known.values())


def _has_just_begun(home: Promise | None) -> bool:
    """Whether the home leads the first term, and not all keep the log yet. In that term it is the first to know that
    they do: what a lost disk says of it is of a log that was lost altogether, and began again."""
    return home is not None and not (home.blank or home.founded) and home.promised_term <= 1


def _where_of(promise: Promise) -> Where:
    return Where(promise.log_term, promise.log_sequence)
