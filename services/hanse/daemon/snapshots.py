"""Images of the Region, written by a child process while the region goes on.

An image is megabytes of memory that must not change while it is written. `fork` gives the child a copy of it for the
price of a page table; the kernel copies what the parent changes meanwhile. The child is this process with one thread
and none of its files: it writes the image and ends without cleaning up. It dies with its parent, and on its own clock.
"""

from __future__ import annotations

import gc
import os
import signal
import traceback
from pathlib import Path

from hanse.core.federation.roster.ballot import Authority
from hanse.core.model import limits
from hanse.core.region import Region
from hanse.decisions.files import UNFINISHED
from hanse.decisions.image import dump
from hanse.decisions.records import Kind, frame
from hanse.executors.local.kernel import die_with_parent

_NICENESS = 10
_FIRST_FILE = 3
_FILES_MAX = 1 << 20
_FAILED = 1


def write_image(region: Region, authority: Authority | None, path: Path) -> int:
    """Start a child that writes it; its process id. Raises OSError if there can be none."""
    parent = os.getpid()
    # A collection would touch every object in the child, and so copy every page; and it might let go of something of
    # gRPC's whose threads are not there. So there is none from the very first moment: the hooks of others run in the
    # child before anything here does.
    collects = gc.isenabled()
    gc.disable()
    try:
        pid = os.fork()
    finally:
        if collects and os.getpid() == parent:
            gc.enable()
    if pid:
        return pid
    code = _FAILED
    try:
        _become_a_child(parent)
        _write(region, authority, path)
        code = 0
    except BaseException:  # noqa: BLE001 - this process ends here; its parent hears the code
        traceback.print_exc()
    finally:
        # Nothing of the parent's is flushed, closed or told a second time.
        os._exit(code)


def _become_a_child(parent: int) -> None:
    die_with_parent(signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(_FAILED)
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM):
        signal.signal(number, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, limits.IMAGE_TIMEOUT_S)
    # Sockets that it held would outlive the parent's listeners, and locks its death.
    os.closerange(_FIRST_FILE, _FILES_MAX)
    os.nice(_NICENESS)


def _write(region: Region, authority: Authority | None, path: Path) -> None:
    unfinished = path.with_suffix(path.suffix + UNFINISHED)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(frame(Kind.IMAGE, dump(region, authority)))
    unfinished.rename(path)


class Child:
    """A child that writes an image. `done` None: it still does."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._code: int | None = None

    def poll(self) -> int | None:
        """Its exit code, once it has one; negative: a signal."""
        if self._code is None:
            pid, status = os.waitpid(self._pid, os.WNOHANG)
            if pid:
                self._code = os.waitstatus_to_exitcode(status)
        return self._code

    def end(self) -> None:
        """It is not needed any more."""
        if self.poll() is None:
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
            self._code = -signal.SIGKILL
