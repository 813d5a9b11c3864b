"""Links: what is sent arrives, late, twice, torn, or not at all, as the faults say and the seed draws."""

from __future__ import annotations

import random
from typing import Any

from hanse.core.events import PeerMessages
from hanse.core.messages import Envelope, Probe
from hanse.core.model.regions import Position
from hanse.sim.faults import Faults
from hanse.sim.network import Network
from hanse.sim.timeline import Timeline

ENVELOPE = Envelope(
    cluster_id="league",
    roster_epoch=1,
    sender="a",
    receiver="b",
    sender_ledger_id="ledger-a",
    sender_position=Position(),
    sender_nonce=1,
    receiver_nonce=2,
    protocol_min=1,
    protocol_max=1,
)
SECOND_US = 1_000_000


class Inbox:
    """An endpoint that remembers."""

    def __init__(self, timeline: Timeline, *, takes: bool = True) -> None:
        self.timeline = timeline
        self.takes = takes
        self.arrived: list[tuple[int, tuple[int, ...]]] = []
        self.hints: list[str] = []

    def receive(self, event: PeerMessages) -> bool:
        ids = tuple(message.id for message in event.messages if isinstance(message, Probe))
        self.arrived.append((self.timeline.now_us, ids))
        return self.takes

    def hint_unreachable(self, peer: str) -> None:
        self.hints.append(peer)


class Link:
    """Two regions, a and b, and what was counted between them."""

    def __init__(self, *, takes: bool = True, **faults: Any) -> None:
        self.timeline = Timeline()
        self.counted: list[str] = []
        self.network = Network(self.timeline, random.Random(1), Faults(**faults), self.counted.append)
        self.a, self.b = Inbox(self.timeline), Inbox(self.timeline, takes=takes)
        self.network.join("a", self.a)
        self.network.join("b", self.b)

    def send(self, *ids: int) -> None:
        self.network.send("a", "b", ENVELOPE, tuple(Probe(each) for each in ids))

    def pass_time(self, seconds: float = 100.0) -> None:
        self.timeline.run(self.timeline.now_us + int(seconds * SECOND_US))

    @property
    def ids(self) -> list[tuple[int, ...]]:
        return [ids for _, ids in self.b.arrived]


def test_one_steps_messages_travel_together() -> None:
    link = Link()
    link.send(1, 2, 3)
    link.pass_time()
    assert link.ids == [(1, 2, 3)]


def test_loss_duplication_and_tearing_are_drawn_and_counted() -> None:
    lost, twice, torn = Link(loss=1.0), Link(duplicate=1.0), Link(split=1.0)
    for link in (lost, twice, torn):
        link.send(1, 2)
        link.pass_time()
    assert lost.ids == []
    assert twice.ids == [(1, 2), (1, 2)]
    assert sorted(torn.ids) == [(1,), (2,)]
    assert [link.counted for link in (lost, twice, torn)] == [["loss"], ["duplicate"], ["split"]]


def test_late_messages_are_overtaken() -> None:
    link = Link(late=0.5, late_max_us=10 * SECOND_US)
    for number in range(50):
        link.send(number)
    link.pass_time()
    assert len(link.ids) == 50
    assert link.ids != sorted(link.ids)


def test_a_cut_is_one_way_heals_and_is_hinted_at_most_once_a_second() -> None:
    link = Link()
    link.network.cut((("a", "b"),), 5 * SECOND_US)
    link.send(1)
    link.send(2)
    link.network.send("b", "a", ENVELOPE, (Probe(3),))
    link.pass_time(6)
    assert link.ids == []
    assert [ids for _, ids in link.a.arrived] == [(3,)]
    assert link.a.hints == ["b"]
    link.send(4)
    link.pass_time()
    assert link.ids == [(4,)]


def test_overlapping_cuts_last_until_the_last_one_ends() -> None:
    link = Link()
    link.network.cut((("a", "b"),), 2 * SECOND_US)
    link.network.cut((("a", "b"),), 8 * SECOND_US)
    link.pass_time(4)
    link.send(1)
    link.pass_time(6)
    link.send(2)
    link.pass_time()
    assert link.ids == [(2,)]


def test_a_clogged_link_delivers_when_it_frees_itself() -> None:
    link = Link()
    link.network.clog("a", "b", 3 * SECOND_US)
    link.send(1)
    link.pass_time()
    assert link.b.arrived == [(3 * SECOND_US, (1,))]


def test_nobody_at_the_other_end_is_hinted() -> None:
    link = Link(takes=False)
    link.send(1)
    link.pass_time()
    assert link.a.hints == ["b"]


def test_healing_lifts_everything() -> None:
    link = Link(loss=1.0)
    link.network.cut((("a", "b"),), 100 * SECOND_US)
    link.network.heal(Faults.none())
    link.send(1)
    link.pass_time()
    assert link.ids == [(1,)]
