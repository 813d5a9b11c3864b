"""The values of one line, each within its bounds, or an error that names file, line and field."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import NoReturn

from hanse.core.model.limits import DEVICE_UNIT, GROUP_TASKS_MAX, QUANTITY_MAX
from hanse.core.model.resources import Resources, resources
from hanse.core.model.time import SECOND_US
from hanse.core.scheduling.devices import device_request_error
from hanse.replay import bounds
from hanse.replay.errors import TraceRefused

_NUMBER = re.compile(r"[0-9]{1,18}(\.[0-9]{1,18})?([eE][+-]?[0-9]{1,2})?")
_NOT_NAME = re.compile(r"[^A-Za-z0-9._-]+")
_MILLI = 1_000
_MEBIBYTE = 1 << 20
_WORD_LENGTH_MAX = 63
# Few sizes make up a trace: what their texts mean is worked out once.
_VECTORS_MAX = 65_536
_vectors: dict[tuple[str, str, str], Resources] = {}


class Fields:
    """One line's values by column name."""

    def __init__(self, file: str, line: int, values: Mapping[str, str]) -> None:
        self.file = file
        self.line = line
        self._values = values

    def refuse(self, field: str, message: str) -> NoReturn:
        """This value cannot be right."""
        raise TraceRefused(self.file, self.line, field, message)

    def text(self, field: str) -> str:
        """As it stands, without blanks around it; empty if the column is missing."""
        return self._values.get(field, "").strip()

    def number(self, field: str, most: float, default: float | None = None) -> float:
        """Not negative, and at most `most`. Empty: the default, if there is one."""
        text = self.text(field)
        if not text and default is not None:
            return default
        if not _NUMBER.fullmatch(text):
            self.refuse(field, f"{_shown(text)} is not a number from 0" if text else "required")
        value = float(text)
        if not value <= most:
            self.refuse(field, f"{text} is more than {most:g}")
        return value

    def instant_us(self, field: str) -> int:
        """Seconds since the trace began, in microseconds."""
        return round(self.number(field, bounds.INSTANT_S_MAX) * SECOND_US)

    def duration_us(self, field: str, default: float | None = None) -> int:
        """Seconds that something took, in microseconds."""
        return round(self.number(field, bounds.DURATION_S_MAX, default) * SECOND_US)

    def count(self, field: str, most: int = GROUP_TASKS_MAX, default: int | None = 1) -> int:
        """A whole number from 1."""
        value = self.number(field, most, default)
        if value < 1 or value != int(value):
            self.refuse(field, f"{value:g} is not a whole number from 1")
        return int(value)

    def devices(self, field: str) -> int:
        """Devices in thousandths: whole ones, or a share of one."""
        quantity = round(self.number(field, QUANTITY_MAX // DEVICE_UNIT, 0.0) * DEVICE_UNIT)
        error = device_request_error("gpu", quantity)
        if error is not None:
            self.refuse(field, error)
        return quantity

    def vector(self, gpus: str = "gpus", cpus: str = "cpus", memory: str = "mem_mib") -> Resources:
        """What one task wants, or one node has: devices, processors, mebibytes; empty: not said."""
        key = (self.text(gpus), self.text(cpus), self.text(memory))
        vector = _vectors.get(key)
        if vector is None:
            if len(_vectors) >= _VECTORS_MAX:
                _vectors.clear()
            vector = _vectors[key] = resources(
                {
                    "gpu": self.devices(gpus),
                    "cpu": round(self.number(cpus, QUANTITY_MAX // _MILLI, 0.0) * _MILLI),
                    "memory": round(self.number(memory, QUANTITY_MAX // _MEBIBYTE, 0.0) * _MEBIBYTE),
                }
            )
        return vector

    def word(self, field: str) -> str:
        """A name that a region, tenant or label value may have: other characters become "-"."""
        return name_of(self.text(field))


@functools.lru_cache(maxsize=65_536)
def name_of(text: str) -> str:
    """The nearest name: letters, digits and ._- between letters or digits; empty if there are none."""
    return _NOT_NAME.sub("-", text)[:_WORD_LENGTH_MAX].strip("-._")


def _shown(text: str) -> str:
    return repr(text if len(text) <= _WORD_LENGTH_MAX else f"{text[:_WORD_LENGTH_MAX]}...")
