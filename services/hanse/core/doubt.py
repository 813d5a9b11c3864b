"""Whether a Region's disk may be taken at its word.

At boot nobody knows whether the disk is the newest: it may have been restored from a copy, and others may have gone on
with what it says. So a region begins in doubt. It is over once every other member has been heard in this life, or, if
none of those that were heard contradicts, after a time of grace. If one does (or the executor knows a run that the
ledger does not), the disk is an old one: *quarantine*. Then all are asked what they know (federation/old_disk.py), and
it is over when all have told, all that should not run has ended, and what follows has been carried out. A region that
was declared lost is in doubt for ever.

While in doubt nothing is launched, and nothing that rests on what the disk says is sent, read or decided.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hanse.core.effects import Effects
from hanse.core.events import LookedUp, TrustDisk
from hanse.core.federation.overtaking import (
    UNREAD_IN_DOUBT,
    carry_out,
    decide_what_is_passed,
    stop_what_runs_on,
)
from hanse.core.messages import Inquest, Message
from hanse.core.model.deadlines import NEVER_US, Alarm
from hanse.core.model.time import Now
from hanse.core.replies import Answer, Refused, Trusted

if TYPE_CHECKING:
    from hanse.core.region import Region


class Doubt:
    """Of one Region. `grace`: when it has lasted long enough, unless the disk is known to be an old one."""

    def __init__(self, region: Region, now: Now) -> None:
        self._region = region
        self._old_disk = region.old_disk
        self._is_lost = region.config.is_lost
        # Until then the disk is in doubt, unless all peers have been heard: one of them may know that it is old.
        self._in_grace = bool(region.peers) and not self._old_disk.active
        self._grace_is_over = False
        self.grace = Alarm(now.mono_us + region.config.timings.boot_grace_us if self._in_grace else NEVER_US)

    @property
    def active(self) -> bool:
        """Whether there is any."""
        return self._old_disk.active or self._in_grace or self._is_lost

    @property
    def waits_for(self) -> str:
        """Who or what ends it, in words."""
        if self._is_lost:
            return "nobody: it was declared lost, and others have gone on with its jobs"
        if not self._region.local.runs.recovered:
            return "the executor, to tell what still runs"
        return ", ".join(self._silent()) or "what runs on to be stopped"

    def _silent(self) -> list[str]:
        """Members that it waits for."""
        return self._old_disk.missing() if self._old_disk.active else self.unheard()

    def unheard(self) -> list[str]:
        """Peers that may know more of this region than its disk does: those without a session that both ends hold."""
        return [peer for peer in self._region.sessions.unconfirmed if not self._old_disk.is_excused(peer)]

    # --- what may be done in doubt ------------------------------------------------------------------------------------

    def may_read(self, message: Message) -> bool:
        """In doubt most messages stay unread. An inquest is answered also by a region that holds one itself."""
        if isinstance(message, Inquest):
            return self._may_testify()
        return not (self.active and isinstance(message, UNREAD_IN_DOUBT))

    def _may_testify(self) -> bool:
        """In quarantine only once its lost life is over: no process of it lives, and nobody heeds its messages."""
        if not self.active:
            return True
        runs = self._region.local.runs
        return self._old_disk.active and runs.recovered and not runs.has_orphans and not self.unheard()

    def on_looked_up(self, now: Now, event: LookedUp, out: Effects) -> None:
        """What the ledger says of jobs that somebody's inquest asks about: another region's, or this one's own."""
        if event.peer == self._region.config.name:
            self._old_disk.on_looked_up(now, event)
        elif self._may_testify():
            ledger_id = self._region.sessions.seen(event.peer).ledger_id
            self._region.witness.on_looked_up(event, ledger_id, out, is_old=self._old_disk.active)

    def trust(self, event: TrustDisk) -> Answer:
        """An operator vouches for members that can't be asked."""
        unknown = [name for name in event.without if name not in self._region.peers]
        if unknown:
            return Refused("INVALID", "without", f"no member {unknown[0]!r}")
        if not self.active:
            return Refused("INVALID", "region", f"{self._region.config.name} does not wait for anybody")
        self._old_disk.excuse(event.without)
        return Trusted(tuple(self._silent()))

    # --- how it begins and ends ---------------------------------------------------------------------------------------

    def quarantine(self, now: Now, why: str) -> None:
        """The disk is an old one."""
        self._old_disk.enter(now, why)
        self._end_grace()

    def try_to_end(self, now: Now, out: Effects) -> bool:
        """Whether there is no more reason for it: from here on the disk is taken at its word."""
        if now.mono_us >= self.grace.next_us:
            self.grace.ring_at(NEVER_US)
            self._grace_is_over = True
        if not self._region.local.runs.recovered or self._is_lost:
            return False
        if self._old_disk.active:
            is_over = self._leave_quarantine(now, out)
        elif not self.unheard():
            self._old_disk.trust()
            is_over = True
        else:
            is_over = self._grace_is_over
        if is_over:
            self._end_grace()
        return is_over

    def _leave_quarantine(self, now: Now, out: Effects) -> bool:
        """Once all have told all that they know, and nothing runs that should not: carry out what follows."""
        region, old_disk, books = self._region, self._old_disk, self._region.books
        if not old_disk.is_complete(now, out) or not region.rosters.is_newest:
            return False
        rulings = old_disk.rulings()
        if not stop_what_runs_on(rulings, books, region.local, out) or region.local.runs.has_orphans:
            return False
        for peer in region.peers:
            books.skip_sequences(peer, old_disk.first_free_sequence(peer))
            # What is written now rests on what they said.
            books.remember_peer(region.sessions.seen(peer))
        for ruling in rulings:
            carry_out(ruling, books, region.local)
            decide_what_is_passed(ruling, books, lambda peer: region.sessions.seen(peer).ledger_id)
        old_disk.leave()
        region.escrow.disk_was_old()
        region.rosters.on_quarantine_left(region.incarnation)
        region.sessions.begin_incarnation(region.incarnation)
        return True

    def _end_grace(self) -> None:
        self._in_grace = False
        self.grace.ring_at(NEVER_US)
