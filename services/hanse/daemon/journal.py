"""The decision log of a daemon: everything that enters its Regions, and what they decide (hanse/decisions).

Theory of operation. The Region that the driver steps is wrapped: after each step its inputs, the digest of its effects
and the changes of jobs are encoded and handed to a writer, a thread of its own, which puts them into blocks and those
into files. Nobody waits for it, and nothing that leaves the daemon depends on it. A new life begins a segment with an
image of the Region; so does every `image_interval_s`, and every third of all that is kept, so that what is kept can
be replayed.

Whatever fails (no room, a bad disk, a writer that can't keep up) ends the segment: the journal has a gap then, counts
it, says so, and begins anew after a pause. Scheduling goes on. While the ledger's disk is nearly full the journal
pauses: what room there is is the ledger's.
"""

from __future__ import annotations

import queue
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Protocol

import msgspec
import structlog

from hanse import __version__
from hanse.core.effects import Effects
from hanse.core.events import Event, LedgerPressure
from hanse.core.federation.roster.ballot import Authority
from hanse.core.messages import Envelope
from hanse.core.model import limits
from hanse.core.model.time import Now
from hanse.core.region import Region
from hanse.daemon.clock import mono_us, wall_us
from hanse.daemon.snapshots import Child, write_image
from hanse.decisions.files import JournalFiles
from hanse.decisions.image import code_digest, prepare
from hanse.decisions.records import FORMAT, Header, block_frame, encode_step, record_of

log = structlog.get_logger()

JOURNAL_DIRECTORY = "decisions"


class JournalMeter(Protocol):
    """What the journal tells its observers."""

    def journal_wrote(self, steps: int, size: int) -> None:
        """So many steps are in a file, with so many bytes."""

    def journal_failed(self, why: str) -> None:
        """There is a gap."""

    def journal_image(self, outcome: str) -> None:
        """An image was written ("written"), or not ("failed")."""

    def journal_active(self, active: bool) -> None:
        """Whether steps are being recorded."""


class _Begin(msgspec.Struct, frozen=True):
    """A new segment, and the child that writes its image; None: it has none."""

    number: int
    header: Header
    child: Child | None


class _End(msgspec.Struct, frozen=True):
    """The segment is complete; `last`: and so is the journal."""

    last: bool


class _Steps(msgspec.Struct, frozen=True):
    """Steps that have gathered."""

    records: list[bytes]
    size: int


_Order = _Begin | _End | _Steps


class Journal:
    """One daemon's. Its lives follow each other; so do their segments."""

    def __init__(
        self,
        directory: Path,
        bytes_max: int,
        image_interval_us: int,
        meter: JournalMeter,
        wall: Callable[[], int] = wall_us,
    ) -> None:
        self._files = JournalFiles(directory, bytes_max)
        self._image_interval_us = image_interval_us
        self._segment_bytes_max = max(1, bytes_max // limits.JOURNAL_SEGMENTS)
        self._image_bytes_max = max(1, bytes_max // limits.JOURNAL_IMAGES)
        self._meter = meter
        self._wall = wall
        self._writer = _Writer(self._files, meter)
        self._region: Region | None = None
        self._authority: Authority | None = None
        self._header: Header | None = None
        # Whether steps go into a segment at present; if not, since when, or because the disk is nearly full.
        self._recording = False
        self._paused = False
        self._retry_mono_us = 0
        self._step = 0
        self._segment_bytes = 0
        self._since_image_bytes = 0
        self._imaged_mono_us = 0

    def follow(self, region: Region, authority: Authority | None) -> Followed:
        """A life begins with this Region."""
        prepare()
        self._region, self._authority = region, authority
        self._step, self._paused = 0, False
        self._header = Header(
            format=FORMAT,
            region=region.config.name,
            version=__version__,
            code=code_digest(),
            incarnation=region.incarnation,
            life=uuid.uuid4().hex,
            first=1,
            begun_wall_us=self._wall(),
        )
        self._begin(with_image=True)
        return Followed(region, self)

    def leave(self) -> None:
        """The life is over."""
        if self._region is not None:
            self._region = None
            self._end()

    def close(self) -> None:
        """Everything is in files when this returns."""
        self.leave()
        self._writer.close()

    # --- steps

    def note(self, now: Now, events: Sequence[Event], effects: Effects | None) -> None:
        """A step was made. Never raises, never waits."""
        self._step += 1
        for event in events:
            if isinstance(event, LedgerPressure):
                self._pause(event.nearly_full)
        if not self._recording:
            if not self._paused and mono_us() >= self._retry_mono_us:
                self._begin(with_image=True)
            return
        try:
            record = encode_step(record_of(self._step, now, list(events), effects))
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not reach the driver
            self._fail(f"a step can't be recorded: {error!r}")
            return
        if self._writer.failed or not self._writer.gather(record):
            self._fail(self._writer.failed or "the writer can't keep up")
            return
        self._segment_bytes += len(record)
        self._since_image_bytes += len(record)
        self._turn_over()

    def _turn_over(self) -> None:
        """Begin another segment if this one is long enough, or an image is due."""
        due = mono_us() - self._imaged_mono_us >= self._image_interval_us
        if due or self._since_image_bytes >= self._image_bytes_max * limits.JOURNAL_DEFLATES_TO:
            self._begin(with_image=True)
        elif self._segment_bytes >= self._segment_bytes_max * limits.JOURNAL_DEFLATES_TO:
            self._begin(with_image=False)

    def _begin(self, *, with_image: bool) -> None:
        """The next segment; its first step is the next one."""
        assert self._header is not None
        try:
            number = self._files.next_number()
            child = self._imaged(number) if with_image else None
        except OSError as error:
            self._fail(f"no segment can be begun: {error}")
            return
        header = msgspec.structs.replace(self._header, first=self._step + 1, begun_wall_us=self._wall())
        if self._writer.failed:
            self._writer.forgive()
        self._writer.put(_Begin(number, header, child))
        self._segment_bytes = 0
        if not self._recording:
            self._recording = True
            self._meter.journal_active(True)

    def _imaged(self, number: int) -> Child:
        assert self._region is not None
        self._imaged_mono_us, self._since_image_bytes = mono_us(), 0
        return Child(write_image(self._region, self._authority, self._files.image_path(number)))

    # --- gaps

    def _pause(self, nearly_full: bool) -> None:
        if nearly_full and not self._paused:
            log.warning("decisions.paused", why="the disk is nearly full")
            self._paused = True
            self._end()
        elif not nearly_full and self._paused:
            self._paused, self._retry_mono_us = False, 0

    def _fail(self, why: str) -> None:
        """There is a gap from here on."""
        log.warning("decisions.gap", why=why, again_in_s=limits.JOURNAL_RETRY_US / 1e6)
        self._meter.journal_failed(why)
        self._retry_mono_us = mono_us() + limits.JOURNAL_RETRY_US
        self._end()

    def _end(self) -> None:
        if self._recording:
            self._recording = False
            self._meter.journal_active(False)
            self._writer.put(_End(last=False))


class Followed:
    """A Region whose steps are noted. As driver.RegionPort."""

    def __init__(self, region: Region, journal: Journal) -> None:
        self._region = region
        self._journal = journal

    def step(self, now: Now, events: Sequence[Event]) -> Effects:
        """As the Region's. A step that raises is noted, too: what it was given is what one wants to see."""
        try:
            effects = self._region.step(now, events)
        except BaseException:
            self._journal.note(now, events, None)
            raise
        self._journal.note(now, events, effects)
        return effects

    def next_deadline(self) -> int | None:
        """As the Region's."""
        return self._region.next_deadline()

    def envelope(self, to: str) -> Envelope:
        """As the Region's."""
        return self._region.envelope(to)


class _Writer:
    """The thread that owns the files. Steps gather until they are a block, or for a second: a thread that is woken for
    each would take the interpreter from the driver as often. What waits for it is bounded."""

    def __init__(self, files: JournalFiles, meter: JournalMeter) -> None:
        self._files = files
        self._meter = meter
        # Steps that have gathered come after all orders that wait. Both, and the counts, belong to the lock.
        self._lock = threading.Lock()
        self._orders: queue.SimpleQueue[_Order] = queue.SimpleQueue()
        self._gathered: list[bytes] = []
        self._gathered_bytes = 0
        self._waiting_bytes = 0
        self._thread: threading.Thread | None = None
        self._children: list[Child] = []
        # Why nothing is written any more; empty: it is.
        self.failed = ""

    def gather(self, record: bytes) -> bool:
        """Take a step; False: it has too much to do."""
        with self._lock:
            if self._waiting_bytes > limits.JOURNAL_WAITING_BYTES_MAX:
                return False
            self._waiting_bytes += len(record)
            self._gathered.append(record)
            self._gathered_bytes += len(record)
            if self._gathered_bytes >= limits.JOURNAL_BLOCK_BYTES:
                self._orders.put(self._take())
        return True

    def put(self, order: _Begin | _End) -> None:
        """Have this done after all that was taken before."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="decisions", daemon=True)
            self._thread.start()
        with self._lock:
            if self._gathered:
                self._orders.put(self._take())
            self._orders.put(order)

    def _take(self) -> _Steps:
        """What has gathered."""
        taken = _Steps(self._gathered, self._gathered_bytes)
        self._gathered, self._gathered_bytes = [], 0
        return taken

    def forgive(self) -> None:
        """Try again with the next segment."""
        self.failed = ""

    def close(self) -> None:
        """Write what waits, and end."""
        if self._thread is not None:
            self.put(_End(last=True))
            self._thread.join()
            self._thread = None

    # --- in the thread

    def _run(self) -> None:
        flush_s = limits.JOURNAL_FLUSH_US / 1e6
        due_s = time.monotonic() + flush_s
        while True:
            try:
                order = self._orders.get(timeout=max(0.0, due_s - time.monotonic()))
            except queue.Empty:
                self._guarded(self._flush)
                self._look_at_children()
                due_s = time.monotonic() + flush_s
                continue
            if isinstance(order, _End) and order.last:
                self._files.close()
                for child in self._children:
                    child.end()
                return
            self._guarded(partial(self._carry_out, order))

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except OSError as error:
            self.failed = str(error)
            self._files.close()

    def _carry_out(self, order: _Order) -> None:
        match order:
            case _Steps():
                self._write(order)
            case _Begin():
                if order.child is not None:
                    self._children.append(order.child)
                self._files.open(order.number, order.header)
            case _End():
                self._files.close()

    def _flush(self) -> None:
        """Write what has gathered, unless something else was to be done first and has come just now."""
        with self._lock:
            steps = self._take() if self._gathered and self._orders.empty() else None
        if steps is not None:
            self._write(steps)

    def _write(self, steps: _Steps) -> None:
        with self._lock:
            self._waiting_bytes -= steps.size
        if self.failed:
            return
        block = block_frame(steps.records)
        self._files.write(block)
        self._meter.journal_wrote(len(steps.records), len(block))
        self._files.make_room()

    def _look_at_children(self) -> None:
        for child in list(self._children):
            code = child.poll()
            if code is not None:
                self._children.remove(child)
                self._meter.journal_image("failed" if code else "written")
                if code:
                    log.warning("decisions.no_image", code=code)
