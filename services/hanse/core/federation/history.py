"""The history that this region's disk holds: what a peer may have seen of it, and what shows that the disk is old.

Theory of operation. A region tells with each message how far it has come: (incarnation, write sequence, life). A life
is a number that is drawn at every boot, so that two lives that began from copies of one disk are told apart. The disk
keeps one line for each life since the last one that everybody was heard in: its incarnation, its number, and at which
write sequence it began. A position is in this history if its life is, and had come so far before the next one began.
"""

from __future__ import annotations

from itertools import pairwise

import msgspec

from hanse.core.books import Books
from hanse.core.model.limits import LIVES_REMEMBERED_MAX
from hanse.core.model.regions import Position
from hanse.core.rows import META_LIVES, META_TRUSTED_FROM, Snapshot


class Life(msgspec.Struct, frozen=True, array_like=True):
    """One boot of this region. `began_at` is the write sequence that it found, `newest_job_id` the largest id of a job
    of this home; ids grow with time."""

    incarnation: int
    number: int
    began_at: int
    newest_job_id: str


_LIVES = msgspec.json.Decoder(tuple[Life, ...])


class History:
    """See the module's docstring. `life` is the number of the present one."""

    def __init__(self, books: Books, snapshot: Snapshot, life: int) -> None:
        self._books = books
        newest_job_id = max((job_id for _, _, job_id, _ in snapshot.client_keys), default="")
        self._present = Life(snapshot.incarnation, life, snapshot.write_sequence, newest_job_id)
        lives = snapshot.meta.get(META_LIVES)
        self._was_trusted = META_TRUSTED_FROM in snapshot.meta
        # Positions of earlier incarnations are taken as they are: everybody was heard since, or nothing is known.
        self._trusted_from = int(snapshot.meta.get(META_TRUSTED_FROM, "0" if lives else snapshot.incarnation))
        self._before = _LIVES.decode(lives)[1 - LIVES_REMEMBERED_MAX :] if lives else ()
        if self._before:
            self._trusted_from = max(self._trusted_from, self._before[0].incarnation)
        self._write()

    def holds(self, seen: Position) -> bool:
        """Whether this region has been there, as far as its disk knows."""
        if seen.incarnation < self._trusted_from:
            return True
        for life, following in pairwise((*self._before, self._present)):
            if life.incarnation == seen.incarnation:
                return life.number == seen.life and seen.write_sequence <= following.began_at
        return self._present.incarnation == seen.incarnation and self._present.number == seen.life

    @property
    def newest_job_id(self) -> str:
        """Of this home, before anything can have been forgotten: jobs with larger ids may be missing here. That is what
        the first boot after the last life that was trusted has found; of a disk that never was, the first one."""
        lives = (*self._before, self._present)
        return (lives[:2][-1] if self._was_trusted else lives[0]).newest_job_id

    def trust(self, incarnation: int) -> None:
        """All that others have seen of this region is in this history, or is answered for; it begins anew here."""
        self._present = msgspec.structs.replace(self._present, incarnation=incarnation)
        self._before = ()
        self._was_trusted, self._trusted_from = True, incarnation
        self._books.set_meta(META_TRUSTED_FROM, str(incarnation))
        self._write()

    def _write(self) -> None:
        self._books.set_meta(META_LIVES, msgspec.json.encode((*self._before, self._present)).decode())
