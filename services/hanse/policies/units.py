"""Durations, shares and quantities as people write them. Everything ends as an integer."""

from __future__ import annotations

import re

from hanse.core.model.limits import QUANTITY_MAX

_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d{1,6})?)s)?(?:(\d+)ms)?")
_SHARE = re.compile(r"(\d{1,3})(?:\.(\d))?\s*%")
_AMOUNT = re.compile(r"(\d+)(?:\.(\d{1,3}))?\s*([A-Za-z]+)")
_SECOND_US = 1_000_000
_BYTES = {
    "B": 1,
    **{f"{prefix}B": 1000**power for power, prefix in enumerate("kMGTP", 1)},
    **{f"{prefix}iB": 1024**power for power, prefix in enumerate("KMGTP", 1)},
}
_CORES = {"core": 1000, "cores": 1000, "m": 1}
_DEVICES = {"device": 1000, "devices": 1000}
UNITS: dict[str, dict[str, int]] = {"cpu": _CORES, "memory": _BYTES, "gpu": _DEVICES, "npu": _DEVICES}
# What an integer means, for kinds that have a unit of their own.
PLAIN_UNITS = {
    "cpu": "thousandths of a core",
    "gpu": "thousandths of a device",
    "npu": "thousandths of a device",
    "memory": "bytes",
}


def duration_us(text: str) -> int | None:
    """Microseconds of "90s", "15m", "1h30m", "2d", "500ms"; None: it is none."""
    found = _DURATION.fullmatch(text.replace(" ", ""))
    if not text or found is None:
        return None
    days, hours, minutes, seconds, milliseconds = found.groups(default="0")
    whole, _, fraction = seconds.partition(".")
    total = ((int(days) * 24 + int(hours)) * 60 + int(minutes)) * 60 + int(whole)
    return total * _SECOND_US + int(fraction.ljust(6, "0") or 0) + int(milliseconds) * 1_000


def duration_text(duration_us: int) -> str:
    """The shortest text that `duration_us` reads as that."""
    seconds, below = divmod(duration_us, _SECOND_US)
    if below % 1_000 == 0 and not seconds and below:
        return f"{below // 1_000}ms"
    if below:
        return f"{seconds}.{below:06d}".rstrip("0") + "s"
    parts = []
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)):
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def share_permille(text: str) -> int | None:
    """Thousandths of "95%" or "97.5%"; None: it is none."""
    found = _SHARE.fullmatch(text)
    return None if found is None else int(found[1]) * 10 + int(found[2] or 0)


def quantity(kind: str, text: str) -> int | None:
    """A quantity of a kind with its unit, as "20 cores", "512GiB", "64 devices"; None: it is none, or not exact."""
    units = UNITS.get(kind.split("/", 1)[0], {})
    found = _AMOUNT.fullmatch(text.strip())
    if found is None or found[3] not in units:
        return None
    fraction = (found[2] or "").ljust(3, "0")
    thousandths = (int(found[1]) * 1000 + int(fraction)) * units[found[3]]
    return None if thousandths % 1000 else thousandths // 1000


def quantity_text(kind: str, amount: int) -> str:
    """As people read it: "20 cores", "512 GiB", "64 devices", "12"."""
    base = kind.split("/", 1)[0]
    if base in ("cpu", "gpu", "npu"):
        word = "core" if base == "cpu" else "device"
        return f"{amount / 1000:g} {word}{'' if amount == 1000 else 's'}"
    if base == "memory":
        power = min(5, max(0, (amount.bit_length() - 1) // 10))
        return f"{amount / 1024**power:.4g} {('B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB')[power]}"
    return f"{amount:,}"


def units_hint(kind: str) -> str:
    """How a quantity of this kind may be written."""
    base = kind.split("/", 1)[0]
    if base not in UNITS:
        return f"a whole number from 0 to {QUANTITY_MAX:,}, in the unit of {kind}"
    examples = {"cpu": '"20 cores"', "memory": '"512GiB"', "gpu": '"64 devices"', "npu": '"64 devices"'}
    return f"a whole number of {PLAIN_UNITS[base]}, or a text with a unit, such as {examples[base]}"
