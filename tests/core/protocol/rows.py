"""The protocol's tables as one literal list: every row that concerns jobs that wait, and who tests it.

Old disks, guardians and rosters have tables and tests of their own (docs/guardians.py ties these together).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

Test = TypeVar("Test", bound=Callable[..., object])

ROWS: frozenset[tuple[str, str, str]] = frozenset(
    {
        ("giver", "QUEUED", "cannot start soon"),
        ("giver", "QUEUED", "solicited"),
        ("giver", "QUEUED", "ACCEPT, and still queued"),
        ("giver", "QUEUED", "ACCEPT, and not queued any more"),
        ("giver", "QUEUED", "a local slot"),
        ("giver", "XFER", "timer"),
        ("giver", "XFER", "COMMITTED"),
        ("giver", "XFER", "a COMMIT with a higher epoch"),
        ("giver", "XFER", "BURNED"),
        ("giver", "XFER", "30 s in doubt"),
        ("giver", "XFER", "cancel"),
        ("giver", "XFER", "time alone"),
        ("giver", "MOVED", "cancel"),
        ("giver", "MOVED", "the outcome is stable at home"),
        ("giver", "any", "at most 256 undecided transfers per peer"),
        ("giver", "any", "COMMITs are resent in order, only after HELLO"),
        ("target", "nothing", "OFFER"),
        ("target", "undecided", "COMMIT that it admits"),
        ("target", "undecided", "COMMIT: no room and no queueing"),
        ("target", "undecided", "COMMIT: bad spec"),
        ("target", "undecided", "COMMIT: unknown required feature"),
        ("target", "undecided", "WITHDRAW"),
        ("target", "accepted", "COMMIT again"),
        ("target", "accepted", "WITHDRAW"),
        ("target", "accepted", "whatever happened since"),
        ("target", "burned", "again"),
        ("target", "below the STABLE mark", "anything"),
        ("target", "a hold that expired", "COMMIT"),
        ("owner", "RUNNING", "the workload ended"),
        ("owner", "RUNNING", "cancel"),
        ("owner", "QUEUED", "cancel"),
        ("owner", "unknown job", "CANCEL"),
        ("owner", "RUNNING", "a retry touches only the attempt"),
        ("message", "SOLICIT", "OFFER or nothing"),
        ("message", "OFFER", "ACCEPT or DECLINE"),
        ("message", "RELEASE", "frees the hold"),
        ("message", "COMMIT", "COMMITTED or BURNED, with the same name"),
        ("message", "WITHDRAW", "COMMITTED or BURNED"),
        ("message", "STABLE", "none"),
        ("message", "STATUS", "coalesced, the latest wins"),
        ("message", "CANCEL", "ACK"),
        ("message", "TERMINAL", "ACK"),
        ("message", "LOCATE", "state, epoch, next hop"),
        ("message", "HELLO", "a new session"),
        ("recovery", "QUEUED", "schedule again"),
        ("recovery", "XFER", "COMMIT again"),
        ("recovery", "RUNNING", "adopt the process"),
        ("recovery", "RUNNING", "the process is gone: attempt + 1"),
        ("recovery", "RUNNING", "it ended meanwhile"),
        ("recovery", "DONE", "TERMINAL again"),
        ("recovery", "CANCELLED", "TERMINAL again"),
        ("recovery", "MOVED", "STABLE again"),
        ("chains", "hops", "at most 4"),
        ("chains", "path", "may return"),
        ("chains", "gain", "a hop must promise one"),
        ("chains", "LOCATE", "follows MOVED"),
        ("chains", "home", "is told"),
        ("chains", "peers", "power of two choices"),
        ("chains", "peers", "minus one's own offers in flight"),
        ("chains", "peers", "memory of declines, jittered"),
        ("chains", "admission", "the target's own is the truth"),
        ("envelope", "cluster id", "another one is dropped"),
        ("envelope", "receiver", "another one is dropped"),
        ("envelope", "sender", "a stranger is dropped"),
        ("envelope", "session", "a wrong one is dropped"),
        ("envelope", "protocol", "an incompatible one is dropped"),
        ("envelope", "roster epoch", "an older one is told, not heard"),
    }
)


def row(table: str, has: str, event: str) -> Callable[[Test], Test]:
    """This test covers that row."""
    cells = (table, has, event)
    assert cells in ROWS, f"no such row: {cells}"

    def mark(test: Test) -> Test:
        covered: tuple[tuple[str, str, str], ...] = getattr(test, "rows", ())
        test.rows = (*covered, cells)  # type: ignore[attr-defined]
        return test

    return mark
