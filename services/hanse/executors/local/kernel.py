"""System calls that Python 3.11 does not wrap, through ctypes. Errors are OSError, as from `os`."""

from __future__ import annotations

import ctypes
import os
import time

CLONE_NEWNS = 0x0002_0000
CLONE_NEWPID = 0x2000_0000

IN_MODIFY = 0x0000_0002
IN_ATTRIB = 0x0000_0004
IN_CLOSE_WRITE = 0x0000_0008
IN_Q_OVERFLOW = 0x0000_4000
IN_IGNORED = 0x0000_8000

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_MS_REC = 16384
_MS_SLAVE = 1 << 19
_MS_NOSUID_NODEV_NOEXEC = 2 | 4 | 8
_FALLOC_FL_KEEP_SIZE = 1
_TFD_TIMER_ABSTIME = 1
_SYS_CLONE3 = 435  # the same number on every architecture
_SIGCHLD = 17
_SYS_RT_SIGACTION = {"x86_64": 13, "aarch64": 134}
# What the C library keeps for its threads, and lets nobody set: GNU make starts its children with them ignored.
_THREAD_SIGNALS = (32, 33)
_KERNEL_SIGNAL_SET_BYTES = 8

# PyDLL keeps the interpreter lock: these calls are short, and clone3 must not return twice into its release.
_libc = ctypes.PyDLL(None, use_errno=True)
# Looked up here once: what a task's process did in the way of it, it would do in memory that is copied for it.
_syscall, _prctl, _mount, _unshare = _libc.syscall, _libc.prctl, _libc.mount, _libc.unshare


class _CloneArguments(ctypes.Structure):
    """struct clone_args of clone3(2)."""

    _fields_ = [
        (name, ctypes.c_uint64)
        for name in (
            "flags",
            "pidfd",
            "child_tid",
            "parent_tid",
            "exit_signal",
            "stack",
            "stack_size",
            "tls",
            "set_tid",
            "set_tid_size",
            "cgroup",
        )
    ]


class _TimerSpec(ctypes.Structure):
    """struct itimerspec with its two timespecs unrolled."""

    _fields_ = [(name, ctypes.c_long) for name in ("interval_s", "interval_ns", "value_s", "value_ns")]


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def die_with_parent(signal_number: int) -> None:
    """Ask for this signal when the parent's thread ends. The caller checks getppid afterwards: it may have ended."""
    _checked(_prctl(_PR_SET_PDEATHSIG, signal_number, 0, 0, 0))


def default_thread_signals() -> None:
    """Set the signals that the C library reserves to their default, past the library. On another architecture than
    those above they stay as they were inherited."""
    number = _SYS_RT_SIGACTION.get(os.uname().machine)
    if number is None:
        return
    # struct kernel_sigaction of handler 0 (SIG_DFL), no flags, no restorer, an empty mask.
    default = ctypes.create_string_buffer(32)
    for signal_number in _THREAD_SIGNALS:
        _checked(_syscall(number, signal_number, default, None, _KERNEL_SIGNAL_SET_BYTES))


def become_subreaper() -> None:
    """Orphans among this process's descendants become its children instead of init's."""
    _checked(_prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))


def unshare(flags: int) -> None:
    """Leave the namespaces that `flags` name for new ones; CLONE_NEWPID is for the children to come."""
    _checked(_unshare(flags))


def enter_namespace(descriptor: int, flag: int) -> None:
    """Join a namespace (setns); for a PID namespace again only the children to come."""
    _checked(_libc.setns(descriptor, flag))


def mount_own_proc() -> None:
    """Give this mount namespace a /proc that matches its PID namespace. The host's later mounts still come in."""
    _checked(_mount(b"none", b"/", None, _MS_REC | _MS_SLAVE, None))
    _checked(_mount(b"proc", b"/proc", b"proc", _MS_NOSUID_NODEV_NOEXEC, None))


def fork_with_pid(pid: int, levels: int) -> int:
    """fork(), with the child's pid chosen: `pid` in this PID namespace and in `levels - 1` above it.

    FileExistsError if it is taken. Python's after-fork hooks don't run, so the child should soon exec.
    """
    wanted = (ctypes.c_int32 * levels)(*([pid] * levels))
    arguments = _CloneArguments(exit_signal=_SIGCHLD, set_tid=ctypes.addressof(wanted), set_tid_size=levels)
    return _checked(_syscall(_SYS_CLONE3, ctypes.byref(arguments), ctypes.sizeof(arguments)))


def reserve(descriptor: int, size: int) -> None:
    """Set disk space aside for the first `size` bytes of a file without changing its length."""
    _checked(_libc.fallocate(descriptor, _FALLOC_FL_KEEP_SIZE, ctypes.c_long(0), ctypes.c_long(size)))


def boottime_us() -> int:
    """CLOCK_BOOTTIME: microseconds since boot, time spent suspended included."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000


class BoottimeTimer:
    """A descriptor that becomes readable at an instant of CLOCK_BOOTTIME, also when the machine slept through it."""

    def __init__(self) -> None:
        self._descriptor = _checked(_libc.timerfd_create(time.CLOCK_BOOTTIME, os.O_NONBLOCK | os.O_CLOEXEC))

    def fileno(self) -> int:
        """What to poll."""
        return self._descriptor

    def arm(self, deadline_us: int) -> None:
        """Fire at `deadline_us` (at once if that has passed), or never if it is 0. Forgets what fired before."""
        seconds, rest_us = divmod(deadline_us, 1_000_000)
        spec = _TimerSpec(value_s=seconds, value_ns=rest_us * 1000)
        _checked(_libc.timerfd_settime(self._descriptor, _TFD_TIMER_ABSTIME, ctypes.byref(spec), None))

    def close(self) -> None:
        """Let go of the descriptor."""
        os.close(self._descriptor)


def inotify_open() -> int:
    """A new non-blocking inotify descriptor."""
    return _checked(_libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))


def inotify_watch(descriptor: int, path: bytes, mask: int) -> int:
    """Watch a directory; returns the watch's number."""
    return _checked(_libc.inotify_add_watch(descriptor, path, ctypes.c_uint32(mask)))


def inotify_unwatch(descriptor: int, watch: int) -> None:
    """End a watch."""
    _checked(_libc.inotify_rm_watch(descriptor, watch))
