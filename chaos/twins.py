"""P8 under faults: each simulated core has a twin, made from its image now and then, that is given what the core is
given, as a journal would keep it. Both must do the same, bit for bit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from hanse.core.effects import Effects
from hanse.core.events import Event
from hanse.core.federation.roster.ballot import Authority
from hanse.core.model.time import Now
from hanse.core.region import Region
from hanse.decisions.codec import decode_event, encode_event
from hanse.decisions.image import dump, load
from hanse.decisions.records import digest_of
from hanse.sim import host


class Twinned:
    """A Region with a twin. Everything but `step` is the Region's own."""

    # How often any of them was compared.
    compared = 0

    def __init__(self, region: Region, authority: Authority, every: int) -> None:
        self._region = region
        self._authority = authority
        self._every = every
        self._steps = 0
        self._twin: Region | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._region, name)

    def step(self, now: Now, events: Sequence[Event]) -> Effects:
        """One step of both."""
        if self._steps % self._every == 0:
            self._twin = load(dump(self._region, self._authority), self._authority)
        self._steps += 1
        again = [decode_event(encode_event(event)) for event in events]
        assert again == list(events), "what is recorded is what came in"
        effects = self._region.step(now, events)
        if self._twin is not None:
            repeated = self._twin.step(now, again)
            assert digest_of(repeated) == digest_of(effects), _difference(effects, repeated)
            Twinned.compared += 1
        return effects


@contextmanager
def twinned(every: int) -> Iterator[None]:
    """Every core that a simulated host makes has a twin, a new one after so many steps."""
    made: Any = vars(host)["Region"]

    def make(*arguments: Any) -> Any:
        return Twinned(made(*arguments), arguments[4], every)

    vars(host)["Region"] = make
    try:
        yield
    finally:
        vars(host)["Region"] = made


def _difference(effects: Effects, repeated: Effects) -> str:
    for name in Effects.__struct_fields__:
        if getattr(effects, name) != getattr(repeated, name):
            return f"{name}: {getattr(effects, name)!r} and {getattr(repeated, name)!r}"
    return "only their bytes differ"
