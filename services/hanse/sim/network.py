"""Links between regions: delay, loss, duplication, reordering, one-way cuts, partitions, clogged links.

Messages pass by reference: they are frozen. A sampled share goes through the real codec (`Codec`), so that what the
core says is also what the wire can carry.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Protocol

from hanse.core.events import PeerMessages
from hanse.core.messages import Envelope, Message
from hanse.core.model.time import SECOND_US
from hanse.sim.faults import Faults
from hanse.sim.timeline import Timeline

# A failed call says so at most once a second: gRPC backs off its connection attempts.
_HINT_INTERVAL_US = SECOND_US
_HINT_DELAY_MAX_US = SECOND_US // 5


class Endpoint(Protocol):
    """Where a link ends."""

    def receive(self, event: PeerMessages) -> bool:
        """Take an envelope in; False: nobody is there, or the inbox is full."""
        ...

    def hint_unreachable(self, peer: str) -> None:
        """The link to `peer` failed just now."""
        ...


class Codec(Protocol):
    """There and back again through the wire's format. What comes back without messages is not sent."""

    def __call__(
        self, envelope: Envelope, messages: tuple[Message, ...]
    ) -> tuple[Envelope, tuple[Message, ...]]: ...


class _Link:
    __slots__ = (
        "base_us",
        "clogged_until_us",
        "cuts",
        "deliver",
        "hinted_us",
        "newest_us",
        "slow_until_us",
        "slower_us",
        "source",
        "target",
    )

    def __init__(
        self, source: str, target: str, deliver: Callable[[PeerMessages], bool], base_us: int
    ) -> None:
        self.source = source
        self.target = target
        self.deliver = deliver
        self.base_us = base_us
        self.cuts = 0
        self.clogged_until_us = 0
        self.slow_until_us = 0
        self.slower_us = 0
        # When the last of what is under way arrives.
        self.newest_us = 0
        self.hinted_us = -_HINT_INTERVAL_US


class Network:
    """All links. `faults` change when they heal."""

    def __init__(
        self,
        timeline: Timeline,
        randomness: random.Random,
        faults: Faults,
        count: Callable[[str], None],
        codec: Codec | None = None,
        codec_share: float = 0.0,
    ) -> None:
        self.envelopes = 0
        self._timeline = timeline
        self._random = randomness
        self._count = count
        self._codec = codec
        self._codec_share = codec_share if codec is not None else 0.0
        self._endpoints: dict[str, Endpoint] = {}
        # By source, then by target.
        self._links: dict[str, dict[str, _Link]] = {}
        self._take(faults)

    def _take(self, faults: Faults) -> None:
        self._faults = faults
        # Asked of every message, so worked out once.
        self._is_rough = bool(
            self._codec_share or faults.split or faults.loss or faults.victim_loss or faults.duplicate
        )
        self._delay_spread_us = faults.delay_spread_us
        self._late = faults.late

    def join(self, name: str, endpoint: Endpoint) -> None:
        """A region is reachable from all others from now on."""
        self._links[name] = {}
        for other, far in self._endpoints.items():
            for source, target, end in ((name, other, far), (other, name, endpoint)):
                base_us = self._faults.delay_min_us // 2 + self._random.randint(0, self._faults.delay_min_us)
                self._links[source][target] = _Link(source, target, end.receive, base_us)
        self._endpoints[name] = endpoint

    def send(self, source: str, target: str, envelope: Envelope, messages: tuple[Message, ...]) -> None:
        """What one step had to say to one peer: usually one envelope, sometimes torn into several."""
        self.envelopes += 1
        link = self._links[source][target]
        if link.cuts:
            self._hint(link)
        elif self._is_rough:
            self._send_roughly(link, envelope, messages)
        else:
            self._post(link, envelope, messages)

    def _send_roughly(self, link: _Link, envelope: Envelope, messages: tuple[Message, ...]) -> None:
        if self._codec is not None and self._random.random() < self._codec_share:
            envelope, messages = self._codec(envelope, messages)
            if not messages:
                return
        split = self._faults.split
        if split and len(messages) > 1 and self._random.random() < split:
            self._count("split")
            for message in messages:
                self._post(link, envelope, (message,), self._draw_copies((message,)))
        else:
            self._post(link, envelope, messages, self._draw_copies(messages))

    def _post(self, link: _Link, envelope: Envelope, messages: tuple[Message, ...], copies: int = 1) -> None:
        event = PeerMessages(envelope=envelope, messages=messages, cause=f"{link.source}.{self.envelopes}")
        while copies:
            copies -= 1
            self._timeline.at(self._arrival_us(link), self._arrive, link, event)

    def _draw_copies(self, messages: tuple[Message, ...]) -> int:
        """How many of an envelope arrive."""
        faults, draw = self._faults, self._random.random
        if faults.loss and draw() < faults.loss:
            self._count("loss")
            return 0
        if faults.victim_loss and self._is_victim(messages) and draw() < faults.victim_loss:
            self._count("victim_loss")
            return 0
        if faults.duplicate and draw() < faults.duplicate:
            self._count("duplicate")
            return 2
        return 1

    def _is_victim(self, messages: tuple[Message, ...]) -> bool:
        victim = self._faults.victim
        return victim in [type(message).__name__ for message in messages]

    def _arrival_us(self, link: _Link) -> int:
        now_us, draw = self._timeline.now_us, self._random.random
        at_us = now_us + link.base_us + int(self._delay_spread_us * draw())
        if self._late and draw() < self._late:
            self._count("late")
            at_us += int(self._faults.late_max_us * draw())
        if now_us < link.slow_until_us:
            at_us += link.slower_us
        if at_us < link.clogged_until_us:
            at_us = link.clogged_until_us
        if at_us >= link.newest_us:
            link.newest_us = at_us
        elif self._late:
            self._count("reorder")
        return at_us

    def _arrive(self, link: _Link, event: PeerMessages) -> None:
        if not link.deliver(event):
            self._hint(link)

    def _hint(self, link: _Link) -> None:
        now_us = self._timeline.now_us
        if now_us - link.hinted_us >= _HINT_INTERVAL_US:
            link.hinted_us = now_us
            delay_us = int(_HINT_DELAY_MAX_US * self._random.random())
            self._timeline.after(delay_us, self._endpoints[link.source].hint_unreachable, link.target)

    # --- faults of links ------------------------------------------------------------------------------------------

    def cut(self, pairs: tuple[tuple[str, str], ...], duration_us: int) -> None:
        """Nothing that is sent on these (source, target) links arrives for a while. Cuts may overlap."""
        for source, target in pairs:
            self._links[source][target].cuts += 1
        self._timeline.after(duration_us, self._mend, pairs)

    def _mend(self, pairs: tuple[tuple[str, str], ...]) -> None:
        for source, target in pairs:
            link = self._links[source][target]
            link.cuts = max(0, link.cuts - 1)

    def clog(self, source: str, target: str, duration_us: int) -> None:
        """What is sent on this link is held back, and arrives all at once."""
        link = self._links[source][target]
        link.clogged_until_us = max(link.clogged_until_us, self._timeline.now_us + duration_us)

    def slow(self, source: str, target: str, by_us: int, duration_us: int) -> None:
        """What is sent on this link for a while takes so much longer."""
        link = self._links[source][target]
        link.slower_us = by_us
        link.slow_until_us = self._timeline.now_us + duration_us

    def heal(self, faults: Faults) -> None:
        """Every link works; what was already under way still arrives when it arrives."""
        self._take(faults)
        for links in self._links.values():
            for link in links.values():
                link.cuts = 0
                link.clogged_until_us = 0
                link.slow_until_us = 0
