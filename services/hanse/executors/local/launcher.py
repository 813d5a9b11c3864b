"""The daemon's end of the zygote: keeps one running and hands it batches of launches."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hanse.executors.errors import LauncherError
from hanse.executors.local.containment import Containment
from hanse.executors.local.orders import BATCH_TASKS_MAX, FrameReader, Order, encode_frame

LOG = "launcher.log"
# What supervisors print when they fail; only a bug fills it.
_LOG_BYTES_MAX = 1024 * 1024
# 8 batches of 32 are half a second of work for the zygote: enough to keep it busy, little to look through if it dies.
_BATCHES_MAX = 8
# A zygote that exits this often without a word won't do better the next time.
_STARTS_MAX = 3
# A zygote finishes the batch that it works on before it exits: some 50 ms, or longer on a slow disk.
_CLOSE_TIMEOUT_S = 5.0
# A start that follows an end takes its supervisor over, if it follows this soon.
_OVER_S = 0.25
_RECEIVE_BYTES = 64 * 1024

_PROGRAM = "import sys; sys.path.insert(0, sys.argv[1])\n" + (
    "from hanse.executors.local.zygote import main; main(int(sys.argv[2]), sys.argv[3])"
)

Answered = Callable[[Sequence[Order], dict[str, Any]], None]
InDoubt = Callable[[Sequence[Order], bool], None]
Failed = Callable[[Sequence[Order], str], None]


class Launcher:
    """One zygote after the other.

    `on_answered`: a batch was worked on. `on_in_doubt`: it is unknown how far these got; the zygote that had them is
    dead, of what it died (True) or only with it (False), and none will be given to a supervisor any more. `on_failed`:
    no zygote can be started for these.
    """

    def __init__(
        self,
        directory: Path,
        containment: Containment | None,
        on_answered: Answered,
        on_in_doubt: InDoubt,
        on_failed: Failed,
    ) -> None:
        self._directory = directory
        self._wanted_containment = containment
        self._on_answered, self._on_in_doubt, self._on_failed = on_answered, on_in_doubt, on_failed
        self._loop = asyncio.get_running_loop()
        self._zygote: _Zygote | None = None
        self._ready = False
        self._starts = 0
        self._next_batch = 0
        self._waiting: deque[Order] = deque()
        self._sent: dict[int, list[Order]] = {}
        # Of zygotes that died: the batches that they worked on, and those that they had not come to.
        self._suspects: list[Order] = []
        self._orphaned: list[Order] = []
        # Ended tasks that the zygote has not heard of.
        self._over: list[str] = []
        self._over_timer: asyncio.TimerHandle | None = None
        self._changed = asyncio.Event()
        self._closing = False
        self.containment: Containment | None = None

    @property
    def pid(self) -> int:
        """The zygote's, or 0."""
        return self._zygote.process.pid if self._zygote else 0

    async def start(self) -> None:
        """Start a zygote; returns when it has locked out all former ones. LauncherError if it can't be had."""
        self._ensure_zygote()
        while not self._ready:
            if self._zygote is None:
                raise LauncherError(f"the launcher does not start; see {self._directory / LOG}")
            await self._wait_for_change()

    def submit(self, orders: Sequence[Order]) -> None:
        """Start these, in order."""
        self._waiting.extend(orders)
        self._ensure_zygote()
        self._send_batches()

    def over(self, name: str) -> None:
        """The end of this task is known here: its supervisor is free. Told with the next batch, or soon."""
        self._over.append(name)
        if self._over_timer is None:
            self._over_timer = self._loop.call_later(_OVER_S, self._tell_over)

    def _tell_over(self) -> None:
        over = self._take_over()
        if over and self._ready and self._zygote and not self._closing:
            self._zygote.send({"over": over})

    def _take_over(self) -> list[str]:
        if self._over_timer is not None:
            self._over_timer.cancel()
            self._over_timer = None
        over, self._over = self._over, []
        return over

    async def room(self) -> None:
        """Wait until everything submitted was at least sent."""
        while self._waiting and not self._closing:
            await self._wait_for_change()

    async def close(self) -> None:
        """Let the zygote finish what it does and end."""
        self._closing = True
        self._announce()
        zygote = self._zygote
        if zygote is None:
            return
        zygote.hang_up()
        try:
            async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                while self._zygote is not None:
                    await self._wait_for_change()
        except TimeoutError:
            zygote.process.kill()
            while self._zygote is not None:
                await self._wait_for_change()

    async def _wait_for_change(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    def _announce(self) -> None:
        self._changed.set()

    # --- the zygote's life ---

    def _ensure_zygote(self) -> None:
        if self._zygote is not None or self._closing:
            return
        self._starts += 1
        self._zygote = _Zygote(self._directory, self._wanted_containment, self._on_message, self._on_exit)

    def _on_exit(self) -> None:
        """The zygote is gone. What it was given is in doubt until the next one has seen to it that it is alone."""
        self._zygote, self._ready = None, False
        self._take_over()
        at_work, *waiting = self._sent.values() or ([],)
        self._suspects += at_work
        for batch in waiting:
            self._orphaned += batch
        self._sent.clear()
        if not self._closing and (self._suspects or self._waiting or self._starts):
            if self._starts < _STARTS_MAX:
                self._ensure_zygote()
            else:
                self._give_up()
        self._announce()

    def _give_up(self) -> None:
        """Try again with the next launch. What is in doubt can't have been started by anybody but the dead."""
        self._starts = 0
        failed = [*self._suspects, *self._orphaned, *self._waiting]
        for orders in (self._suspects, self._orphaned, self._waiting):
            orders.clear()
        self._on_failed(failed, f"the launcher does not start; see {self._directory / LOG}")

    # --- messages ---

    def _on_message(self, message: dict[str, Any]) -> None:
        if "ready" in message:
            self._on_ready(Containment(message["containment"]))
        elif (orders := self._sent.pop(message["batch"], None)) is not None:
            self._on_answered(orders, message)
            self._send_batches()
        self._announce()

    def _on_ready(self, containment: Containment) -> None:
        self.containment, self._ready, self._starts = containment, True, 0
        suspects, self._suspects = self._suspects, []
        orphaned, self._orphaned = self._orphaned, []
        if suspects:
            self._on_in_doubt(suspects, True)
        if orphaned:
            self._on_in_doubt(orphaned, False)
        self._send_batches()

    def _send_batches(self) -> None:
        while self._ready and self._zygote and self._waiting and len(self._sent) < _BATCHES_MAX:
            size = min(len(self._waiting), BATCH_TASKS_MAX)
            orders = [self._waiting.popleft() for _ in range(size)]
            self._next_batch += 1
            self._sent[self._next_batch] = orders
            self._zygote.send({"batch": self._next_batch, "orders": orders, "over": self._take_over()})


class _Zygote:
    """One zygote process with its socket."""

    def __init__(
        self,
        directory: Path,
        containment: Containment | None,
        on_message: Callable[[dict[str, Any]], None],
        on_exit: Callable[[], None],
    ) -> None:
        self._on_message, self._on_exit = on_message, on_exit
        self._loop = asyncio.get_running_loop()
        self._frames = FrameReader()
        self._unsent = bytearray()
        self._link, theirs = socket.socketpair()
        with theirs:
            self.process = _spawn(directory, theirs, containment)
        self._link.setblocking(False)
        self._loop.add_reader(self._link, self._on_readable)
        self._exit = os.pidfd_open(self.process.pid)
        self._loop.add_reader(self._exit, self._on_exited)

    def send(self, message: dict[str, Any]) -> None:
        """Write as much as goes, and the rest when there is room."""
        idle = not self._unsent
        self._unsent += encode_frame(message)
        if idle:
            self._on_writable()

    def hang_up(self) -> None:
        """Nothing more to launch: the zygote ends by itself."""
        self._loop.remove_writer(self._link)
        self._link.shutdown(socket.SHUT_WR)

    def _on_writable(self) -> None:
        try:
            sent = self._link.send(self._unsent)
        except BlockingIOError:
            sent = 0
        except (BrokenPipeError, ConnectionResetError):
            self._loop.remove_writer(self._link)
            return  # it has died; _on_exited follows
        del self._unsent[:sent]
        if self._unsent:
            self._loop.add_writer(self._link, self._on_writable)
        else:
            self._loop.remove_writer(self._link)

    def _on_readable(self) -> None:
        if not self._read():
            self._loop.remove_reader(self._link)

    def _read(self) -> bool:
        """Handle what has arrived; False at the end of the stream, or if there is nothing just now."""
        try:
            data = self._link.recv(_RECEIVE_BYTES)
        except (BlockingIOError, ConnectionResetError):
            return False
        for message in self._frames.feed(data):
            self._on_message(message)
        return bool(data)

    def _on_exited(self) -> None:
        """Collect it, hear what it said last, and be done with it."""
        self._loop.remove_reader(self._exit)
        os.close(self._exit)
        self.process.wait()
        while self._read():
            continue
        self._loop.remove_reader(self._link)
        self._loop.remove_writer(self._link)
        self._link.close()
        self._on_exit()


def _spawn(directory: Path, link: socket.socket, containment: Containment | None) -> subprocess.Popen[bytes]:
    """A bare interpreter in a session of its own: no site, no PYTHON variables of the caller's, only our package."""
    packages = Path(__file__).parents[3]
    arguments = [str(packages), str(link.fileno()), containment or ""]
    log = directory / LOG
    if log.exists() and log.stat().st_size > _LOG_BYTES_MAX:
        log.unlink()
    with log.open("ab") as sink:
        return subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _PROGRAM, *arguments],
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            pass_fds=(link.fileno(),),
            start_new_session=True,
            # What is linked when it is first called would be linked anew in the process of every task.
            env={**os.environ, "LD_BIND_NOW": "1"},
        )
