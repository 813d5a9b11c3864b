"""Job ids: "<home>-<26 characters>", a ULID: 48 bits of milliseconds, then 80 random bits, in Crockford's base 32.

Lower case, because ids become parts of file and host names. Ids of one process grow also within a millisecond and when
the wall clock goes back (github.com/ulid/spec, "monotonicity"), so that pages by id are pages by age.
"""

from __future__ import annotations

import random
import re

from hanse.daemon.clock import wall_us

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
# Two characters at once: half the divisions.
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]
_CHARACTERS = 26
_RANDOM_BITS = 80
_JOB_ID = re.compile(r"(?P<home>[a-z0-9]([a-z0-9-]*[a-z0-9])?)-[0-9a-hjkmnp-tv-z]{26}")


class JobIds:
    """Draws ids: those of one home, and of others for which its region stands in."""

    def __init__(self, home: str, randomness: random.Random | None = None) -> None:
        self._home = home
        self._random = randomness or random.SystemRandom()
        self._last = 0

    def draw(self, count: int, home: str = "") -> list[str]:
        """`count` new ids of this home, or another; each larger than all of that home that were drawn here before."""
        fresh = (wall_us() // 1_000 << _RANDOM_BITS) | self._random.getrandbits(_RANDOM_BITS)
        first = max(fresh, self._last + 1)
        self._last = first + count - 1
        prefix = f"{home or self._home}-"
        return [prefix + _encoded(number) for number in range(first, first + count)]


def home_of(job_id: str) -> str | None:
    """The region that took the submit; None if this is no job id."""
    match = _JOB_ID.fullmatch(job_id)
    return match["home"] if match else None


def _encoded(number: int) -> str:
    pairs: list[str] = []
    for _ in range(_CHARACTERS // 2):
        number, pair = divmod(number, 1024)
        pairs.append(_PAIRS[pair])
    return "".join(reversed(pairs))
