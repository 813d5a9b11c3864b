"""A supervisor: starts a task, copies its output, stops it when told or when its lease ends, writes its record.

It is forked, never exec'd, by the zygote, and while it has a task it notices neither the zygote's death nor the
daemon's. It knows nothing of the daemon. The daemon reads the record. To stop the task it writes `control/<name>.stop`,
{"grace_us": n}, and sends SIGUSR1 (or, where a full disk holds no such file, SIGUSR2: the grace that the launch gave):
SIGTERM now, SIGKILL when the grace is over. It may be repeated; the shortest grace wins. A task whose first process
ended by itself ends as a whole: what it left behind is killed at once; after a stop what it left has the rest of the
grace, since it may be what writes the checkpoint.

The dead-man's switch: SIGTERM at most a tenth of the lease before its end, SIGKILL at its end, by a timer that goes on
counting while the machine is suspended. Before it does any of this the supervisor looks whether the shard's lease has
been renewed meanwhile (leases.py). Once the task was told that its lease ends no renewal counts: it is ending.

One task at a time. When every process of it is dead and its end is on disk, the supervisor may get another (pool.py
says when, and why nothing that was meant for the former task can reach the next).
"""

from __future__ import annotations

import errno
import json
import os
import resource
import select
import signal
import socket
import time
from types import FrameType
from typing import NamedTuple, NoReturn

from hanse.executors.local import kernel, leases, records, task
from hanse.executors.local.containment import Containment, hold, signal_all
from hanse.executors.local.orders import Order, receive_order
from hanse.executors.local.output import LOGS, STREAMS, CappedOutput
from hanse.executors.local.processes import ProcessId, parse_stat, read_small

CONTROL = "control"
STOPPED = "stopped"
LEASE_EXPIRED = "lease expired"
# SIGTERM comes this share of a lease before its end, or the grace before, whichever is less. Not more: a region that
# finds its guardians again after three quarters of a lease shall have lost nothing (shards/lease.py has the sum).
_TERM_SHARE = 10
# While killed processes are still there: look again this soon, then ever less often (a setuid program may take hours).
_SWEEP_FIRST_US = 10_000
_SWEEP_MAX_US = 1_000_000
# How long an end waits for room on a full disk before its supervisor gives up (the end then counts as lost).
_RECORD_TRIES_MAX = 600
_RECORD_RETRY_S = 1.0
_KIBIBYTE = 1024


class Lease(NamedTuple):
    """When the switch fires, in CLOCK_BOOTTIME microseconds."""

    term_us: int
    kill_us: int


def lease_of(until_us: int, length_us: int, grace_us: int) -> Lease | None:
    """The switch for a lease of this length that ends then, or None if there is none."""
    if length_us <= 0:
        return None
    return Lease(term_us=until_us - min(grace_us, length_us // _TERM_SHARE), kill_us=until_us)


# Signals that wake a supervisor, and those that a terminal or a service manager sends to all it finds: whoever wants
# a task to end stops the task.
_WAKING = (signal.SIGCHLD, signal.SIGUSR1, signal.SIGUSR2)
_PASSED_BY = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGXFSZ)


def prepare_signals() -> None:
    """What supervisors inherit from the zygote. Handlers, not SIG_IGN: exec takes them away from the task again, which
    so starts with every signal at its default (Python had ignored SIGPIPE) and none blocked."""
    for number in (*_WAKING, *_PASSED_BY):
        signal.signal(number, _note)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    kernel.default_thread_signals()
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _note(number: int, frame: FrameType | None) -> None:
    """That a signal came is all there is to it; see Wakeups."""


class Wakeups:
    """This process's signals as bytes in a pipe, so that one poll waits for everything."""

    def __init__(self) -> None:
        signal.signal(signal.SIGCHLD, _note)
        self.descriptor, sink = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(sink, warn_on_full_buffer=False)

    def taken(self) -> bytes:
        """The numbers of the signals that came since the last call."""
        try:
            return os.read(self.descriptor, 4096)
        except BlockingIOError:
            return b""


class Seat(NamedTuple):
    """What a supervisor has besides a task. `own` is its name outside of its namespace, where `host_proc` is from."""

    own: ProcessId
    containment: Containment
    host_proc: int
    wakeups: Wakeups


def serve(link: socket.socket, containment: Containment, host_proc: int) -> NoReturn:
    """The whole life of this process: one task after the other, until the launcher hangs up."""
    os.setsid()
    hold(containment)
    own = parse_stat(read_small("self/stat", host_proc)).id
    seat = Seat(own, containment, host_proc, Wakeups())
    while (given := receive_order(link)) is not None:
        order, record = given
        _supervise(order, record, seat)
        os.close(record)
    os._exit(0)


def _supervise(order: Order, record: int, seat: Seat) -> None:
    """Run one task from start to end. `record` is its claimed record. Whatever is wrong with this process, it won't be
    wrong for another task."""
    supervisor = Supervisor(order, record, seat)
    try:
        ended = supervisor.run()
    except Exception as error:
        # Whatever it was, the task must be dead and its end told.
        _write_end(record, supervisor.fail(error))
        raise
    _write_end(record, ended)


def _write_end(record: int, ended: records.Ended) -> None:
    """Make the end durable. Space was reserved; where that was impossible, wait for it."""
    for _ in range(_RECORD_TRIES_MAX):
        try:
            records.append_end(record, ended)
            return
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
        time.sleep(_RECORD_RETRY_S)
        records.mend(record)


class Supervisor:
    """The state of one supervision. All instants are CLOCK_BOOTTIME microseconds; 0: never."""

    def __init__(self, order: Order, record: int, seat: Seat) -> None:
        self._order = order
        self._record = record
        self._seat = seat
        self._lease = self._lease_until(order.lease_until_us)
        self._lease_ended = False
        # Told to end while its first process lived.
        self._stopped = False
        self._leader = 0
        self._status = 0
        self._leader_ended = False
        self._usage: resource.struct_rusage | None = None
        self._alone = True
        self._kill_us = 0
        self._sweep_us = 0
        self._sweep_interval_us = _SWEEP_FIRST_US
        self._terminated = False
        self._killing = False
        self._detail = ""
        self._timer: kernel.BoottimeTimer | None = None

    def run(self) -> records.Ended:
        """The whole life of the task, in six steps."""
        # 1. What came until now was for another.
        self._seat.wakeups.taken()
        # 2. Say who has it, before there is a task: from here on, a record without a holder means "kill what is left".
        records.append(self._record, records.Supervised(self._seat.own, self._seat.containment))
        # 3. A launch that comes when its time is over would only make a process to be killed.
        now_us = kernel.boottime_us()
        self._look_at_lease(now_us)
        if self._lease is not None and now_us >= self._lease.term_us:
            self._lease_ended = True
            return self.end(detail=LEASE_EXPIRED, launched=False)
        # 4. Start the task, and say so.
        outputs = self._open_outputs()
        try:
            self._start(*outputs)
        except task.CannotStart as refusal:
            for output in outputs:
                output.close()
            return self.end(detail=str(refusal), launched=False)
        # 5. Watch it until no process is left.
        self._watch(outputs)
        # 6. Take the last output, and tell the end.
        for output in outputs:
            output.drain()
            output.close()
        return self.end(detail=self._detail)

    def end(self, detail: str, launched: bool = True) -> records.Ended:
        """The record's last line, from what is known now."""
        if not launched:
            return records.unlaunched(detail)._replace(lease_ended=self._lease_ended)
        code = os.waitstatus_to_exitcode(self._status) if self._leader_ended else -signal.SIGKILL
        usage = self._usage
        return records.Ended(
            exit_code=code if code >= 0 else 128 - code,
            signal=-code if code < 0 else 0,
            launched=launched,
            detail=detail,
            wall_us=time.time_ns() // 1000,
            boottime_us=kernel.boottime_us(),
            user_us=round(usage.ru_utime * 1e6) if usage else 0,
            system_us=round(usage.ru_stime * 1e6) if usage else 0,
            memory_max_bytes=usage.ru_maxrss * _KIBIBYTE if usage else 0,
            lease_ended=self._lease_ended,
            stopped=self._stopped,
        )

    def fail(self, error: Exception) -> records.Ended:
        """The way out after a failure of our own: nothing of the task may live on."""
        lost = not self._leader_ended
        while not self._alone:
            self._kill_all()
            self._collect()
            time.sleep(_SWEEP_FIRST_US / 1e6)
        detail = f"supervisor failed: {error!r}"
        return self.end(detail, launched=self._leader != 0)._replace(lost=lost)

    # --- starting ---

    def _open_outputs(self) -> list[CappedOutput]:
        directory = f"{LOGS}/{self._order.run_name}"
        return [
            CappedOutput(directory, self._order.task, stream, self._order.log_bytes_max) for stream in STREAMS
        ]

    def _start(self, stdout: CappedOutput, stderr: CappedOutput) -> None:
        seat = self._seat
        try:
            started = task.start(self._order, seat.containment, seat.host_proc, stdout.sink, stderr.sink)
        finally:
            os.close(stdout.sink)
            os.close(stderr.sink)
        self._leader, self._alone = started.pid, False
        now = (time.time_ns() // 1000, kernel.boottime_us())
        records.append(self._record, records.Started(started.process, *now))
        records.announce(self._record)

    # --- watching ---

    def _watch(self, outputs: list[CappedOutput]) -> None:
        poll = select.poll()
        poll.register(self._seat.wakeups.descriptor, select.POLLIN)
        by_descriptor = {output.source: output for output in outputs}
        for descriptor in by_descriptor:
            poll.register(descriptor, select.POLLIN)
        self._arm(poll)
        while not self._alone:
            for descriptor, _ in poll.poll():
                output = by_descriptor.get(descriptor)
                if output is None:
                    self._on_wakeup()
                    continue
                output.copy()
                if not output.open:
                    poll.unregister(descriptor)
                    del by_descriptor[descriptor]
            self._arm(poll)
        if self._timer is not None:
            self._timer.close()

    def _on_wakeup(self) -> None:
        taken = self._seat.wakeups.taken()
        # First of all: a task that was done before it was told to end is done.
        self._collect()
        if self._alone:
            return
        if signal.SIGUSR1 in taken:
            self._read_control()
        if signal.SIGUSR2 in taken:
            self._terminate(STOPPED, kernel.boottime_us() + self._order.grace_us)
        self._on_time(kernel.boottime_us())
        # A task that ended by itself takes along what it left; after a stop that has the rest of the grace.
        if self._leader_ended and not self._alone and not self._terminated and not self._killing:
            self._kill_all()

    def _collect(self) -> None:
        """Bury the dead: the first process, and orphans that became ours. Without a child, nothing of it lives."""
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                self._alone = True
                return
            if pid == 0:
                return
            if pid == self._leader:
                self._leader_ended, self._status, self._usage = True, status, usage

    # --- ending ---

    def _read_control(self) -> None:
        stop = _read_json(f"{CONTROL}/{self._order.name}.stop")
        if stop is not None:
            self._terminate(STOPPED, kernel.boottime_us() + stop["grace_us"])

    def _lease_until(self, until_us: int) -> Lease | None:
        return lease_of(until_us, self._order.lease_us, self._order.grace_us)

    def _look_at_lease(self, now_us: int) -> None:
        """When something is due by the end that is known: whether there is a later one by now. What was stopped for
        another reason has all of its grace while the lease is renewed."""
        lease = self._lease
        if lease is None or self._lease_ended or now_us < self._lease_deadline(lease):
            return
        until_us = leases.until_us(self._order.lease_file)
        if until_us > lease.kill_us:
            self._lease = self._lease_until(until_us)

    def _lease_deadline(self, lease: Lease) -> int:
        return lease.kill_us if self._terminated else lease.term_us

    def _terminate(self, why: str, kill_us: int) -> None:
        self._kill_us = min(self._kill_us, kill_us) if self._kill_us else kill_us
        if self._terminated or self._killing:
            return
        self._terminated, self._stopped, self._detail = True, not self._leader_ended, why
        signal_all(self._seat.containment, self._leader, signal.SIGTERM)
        # A task that is stopped (SIGSTOP) could not hear it.
        signal_all(self._seat.containment, self._leader, signal.SIGCONT)

    def _kill_all(self) -> None:
        """SIGKILL, and again until nothing is left: what forks at the wrong moment may slip through one round."""
        self._killing = True
        signal_all(self._seat.containment, self._leader, signal.SIGKILL)
        self._sweep_us = kernel.boottime_us() + self._sweep_interval_us
        self._sweep_interval_us = min(2 * self._sweep_interval_us, _SWEEP_MAX_US)

    def _on_time(self, now_us: int) -> None:
        if self._killing:
            if now_us >= self._sweep_us:
                self._kill_all()
            return
        self._look_at_lease(now_us)
        lease = self._lease
        if lease is not None and now_us >= lease.term_us and not self._terminated:
            self._lease_ended = True
            self._terminate(LEASE_EXPIRED, lease.kill_us)
        out_of_lease = lease is not None and now_us >= lease.kill_us
        if out_of_lease or (self._kill_us and now_us >= self._kill_us):
            self._kill_all()

    def _arm(self, poll: select.poll) -> None:
        deadline_us = self._next_deadline()
        if self._timer is None:
            if deadline_us == 0:
                return
            self._timer = kernel.BoottimeTimer()
            poll.register(self._timer.fileno(), select.POLLIN)
        self._timer.arm(deadline_us)

    def _next_deadline(self) -> int:
        if self._killing:
            return self._sweep_us
        lease = self._lease
        instants = [self._kill_us]
        if lease is not None:
            instants.append(self._lease_deadline(lease))
        return min((instant for instant in instants if instant), default=0)


def _read_json(path: str) -> dict[str, int] | None:
    try:
        told: dict[str, int] = json.loads(read_small(path))
    except FileNotFoundError:
        return None
    return told
