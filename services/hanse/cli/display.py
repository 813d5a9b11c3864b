"""Values as people read them: states in colour, ages, durations, amounts of resources."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from rich.text import Text

if TYPE_CHECKING:
    from google.protobuf.timestamp_pb2 import Timestamp

NONE = "-"

# Symbol and style of each state.
_STATES: dict[str, tuple[str, str]] = {
    "QUEUED": ("◌", "yellow"),
    "OFFERED": ("◌", "yellow"),
    "RUNNING": ("●", "bold green"),
    "STOPPING": ("◐", "magenta"),
    "XFER": ("→", "cyan"),
    "MOVED": ("→", "cyan"),
    "SUCCEEDED": ("✔", "green"),
    "FAILED": ("✘", "bold red"),
    "CANCELLED": ("⊘", "bright_black"),
    "ALIVE": ("●", "green"),
    "SUSPECT": ("◐", "yellow"),
    "DEAD": ("✘", "bold red"),
    "UNKNOWN": ("◌", "bright_black"),
}
STATE_ORDER = tuple(_STATES)

_BINARY_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
_THOUSANDTHS = ("cpu", "gpu", "npu")


def state_text(name: str) -> Text:
    """A state with its symbol and colour; both say the same, for those who see only one of them."""
    symbol, style = _STATES.get(name, ("?", ""))
    return Text(f"{symbol} {name}", style=style)


def state_style(name: str) -> str:
    """The colour of a state."""
    return _STATES.get(name, ("", ""))[1]


def seconds_of(timestamp: Timestamp) -> float:
    """Seconds since 1970."""
    return float(timestamp.seconds) + timestamp.nanos / 1e9


def duration_text(seconds: float) -> str:
    """As "0.4s", "12s", "3m20s", "5h07m", "12d": two units at most, as wide as five or six characters."""
    if seconds < 0:
        return "0s"
    if seconds < 9.95:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    if whole < 120:
        return f"{whole}s"
    if whole < 2 * 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    if whole < 48 * 3600:
        return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
    return f"{whole // 86400}d"


def age_text(timestamp: Timestamp | None, now_s: float | None = None) -> str:
    """How long ago that was."""
    if timestamp is None:
        return NONE
    return duration_text((time.time() if now_s is None else now_s) - seconds_of(timestamp))


def clock_text(timestamp: Timestamp) -> str:
    """Local date and time to the millisecond."""
    seconds = seconds_of(timestamp)
    day = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
    return f"{day}.{timestamp.nanos // 1_000_000:03d}"


def amount_text(kind: str, amount: int) -> str:
    """An amount in the unit that people count in: cores, devices, GiB."""
    base = kind.split("/", 1)[0]
    if base in _THOUSANDTHS:
        return f"{amount / 1000:g}"
    if base == "memory":
        return bytes_text(amount)
    return f"{amount:,}"


def bytes_text(amount: int) -> str:
    """As "64 GiB", "1.5 GiB"."""
    power = _binary_power(amount)
    return f"{amount / 1024**power:.4g} {_BINARY_UNITS[power]}"


def _binary_power(amount: int) -> int:
    """Index of the largest unit of which the amount has at least one."""
    return min(max(0, (abs(amount).bit_length() - 1) // 10), len(_BINARY_UNITS) - 1)


def amounts_text(amounts: Mapping[str, int]) -> str:
    """As "cpu 4, gpu 1, memory 8 GiB"."""
    return ", ".join(f"{kind} {amount_text(kind, amounts[kind])}" for kind in sorted(amounts)) or NONE


def used_text(kind: str, free: int, capacity: int) -> Text:
    """As "3/8" in use, coloured by how full it is."""
    used = capacity - free
    share = used / capacity if capacity else 0.0
    style = "green" if share < 0.75 else "yellow" if share < 1 else "red"
    used_amount = amount_text(kind, used)
    if kind.split("/", 1)[0] == "memory":
        used_amount = f"{used / 1024 ** _binary_power(capacity):.3g}"
    return Text(f"{used_amount}/{amount_text(kind, capacity)}", style=style if used else "")


def bar_text(free: int, capacity: int, width: int = 20) -> Text:
    """A bar that is full where the capacity is used."""
    used = capacity - free
    filled = round(width * used / capacity) if capacity else 0
    share = used / capacity if capacity else 0.0
    style = "green" if share < 0.75 else "yellow" if share < 1 else "red"
    return Text.assemble(("━" * filled, style), ("━" * (width - filled), "bright_black"))
