"""One membership, message by message."""

from __future__ import annotations

import itertools
import random

import pytest

from hanse.core.effects import Send
from hanse.core.federation.membership import Membership
from hanse.core.messages import (
    GossipDelta,
    GossipDigest,
    Probe,
    ProbeAck,
    ProbeRequest,
    Stable,
)
from hanse.core.model.limits import PROBE_HELPERS_MAX, PROBE_RELAYS_MAX
from hanse.core.model.regions import Liveness, Timings
from hanse.core.model.time import MILLISECOND_US, SECOND_US, Now
from tests.core.federation.gossip_world import START_US, config_of, receive, record_of

NAMES = ["north", "a", "b", "c", "d", "e"]
TIMEOUT_US = Timings().probe_timeout_us


def at(offset_us: int) -> Now:
    return Now(mono_us=START_US + offset_us, wall_us=0)


def membership(names: list[str] | None = None) -> Membership:
    made = Membership(config_of("north", names or NAMES, Timings()), at(0), random.Random(1))
    made.inventory.publish(record_of("north", version=1), at(0))
    return made


def advance(m: Membership, until_us: int) -> list[Send]:
    """Serve every deadline in time until then."""
    sends: list[Send] = []
    while m.alarm.next_us <= START_US + until_us:
        sends += m.on_deadline(Now(mono_us=m.alarm.next_us, wall_us=0))
    return sends


def probe_id(send: Send) -> int:
    assert isinstance(send.message, Probe | ProbeRequest)
    return send.message.id


def of_kind(sends: list[Send], kind: type) -> list[Send]:
    return [send for send in sends if isinstance(send.message, kind)]


class TestRounds:
    def test_a_round_gossips_with_two_different_peers_and_probes_one(self) -> None:
        m = membership()
        sends = m.on_deadline(at(SECOND_US))
        assert len({send.to for send in of_kind(sends, GossipDigest)}) == 2
        assert len(of_kind(sends, Probe)) == 1

    def test_nothing_happens_before_the_deadline(self) -> None:
        m = membership()
        assert m.on_deadline(Now(mono_us=m.alarm.next_us - 1, wall_us=0)) == []

    def test_rounds_are_an_interval_apart_give_or_take_the_jitter(self) -> None:
        m = membership(["north"])
        instants: list[int] = []
        for _ in range(200):
            now_us = m.alarm.next_us
            m.on_deadline(Now(mono_us=now_us, wall_us=0))
            if m.counters()["gossip_rounds"] > len(instants):
                instants.append(now_us)
        gaps = [later - sooner for sooner, later in itertools.pairwise(instants)]
        assert 800 * MILLISECOND_US <= min(gaps) < max(gaps) <= 1_200 * MILLISECOND_US

    def test_all_peers_are_probed_in_turn_before_any_is_probed_again(self) -> None:
        m = membership()
        probed: list[str] = []
        while len(probed) < 10:
            now = Now(mono_us=m.alarm.next_us, wall_us=0)
            for name in NAMES[1:]:
                m.heard(now, name)  # none of them gives reason to be probed out of turn
            for send in of_kind(m.on_deadline(now), Probe):
                probed.append(send.to)
                receive(m, now, send.to, ProbeAck(probe_id(send)))
        assert sorted(probed[:5]) == sorted(probed[5:]) == NAMES[1:]

    def test_hearing_a_peer_without_a_record_hastens_the_next_round(self) -> None:
        m = membership()
        m.on_deadline(at(SECOND_US))  # the first round is over, the next is most of a second away
        m.heard(at(SECOND_US), "a")
        assert m.alarm.next_us <= START_US + SECOND_US + 100 * MILLISECOND_US
        sends = advance(m, SECOND_US + 100 * MILLISECOND_US)
        assert len(of_kind(sends, GossipDigest)) == 2

    def test_hearing_a_peer_whose_record_is_known_hastens_nothing(self) -> None:
        m = membership()
        m.on_deadline(at(SECOND_US))
        m.inventory.merge([record_of("a", version=1)], at(SECOND_US))
        before_us = m.alarm.next_us
        m.heard(at(SECOND_US), "a")
        assert m.alarm.next_us == before_us

    def test_a_region_alone_has_nobody_to_talk_to(self) -> None:
        m = membership(["north"])
        assert advance(m, 60 * SECOND_US) == []
        assert [v.liveness for v in m.view(at(0))] == [Liveness.ALIVE]


class TestExchange:
    def test_a_digest_is_answered_with_what_it_lacks_and_what_we_lack(self) -> None:
        m = membership()
        m.inventory.merge([record_of("b", version=3)], at(0))
        sends = receive(m, at(1), "a", GossipDigest((("b", 1, 2), ("c", 1, 1), ("north", 1, 1)), True))
        assert sends == [
            Send("a", GossipDelta((record_of("b", version=3),))),
            Send("a", GossipDigest((("c", 0, 0),), False)),
        ]

    def test_the_answering_digest_is_answered_with_those_records_only(self) -> None:
        m = membership()
        m.inventory.merge([record_of("b", version=3), record_of("c", version=1)], at(0))
        sends = receive(m, at(1), "a", GossipDigest((("b", 1, 2), ("c", 1, 1)), False))
        assert sends == [Send("a", GossipDelta((record_of("b", version=3),)))]

    def test_equal_inventories_have_nothing_to_say(self) -> None:
        m = membership()
        assert receive(m, at(1), "a", GossipDigest((("north", 1, 1),), True)) == []

    def test_a_delta_is_merged_and_a_sign_of_life_of_those_in_it(self) -> None:
        m = membership()
        assert receive(m, at(1), "a", GossipDelta((record_of("c", version=1),))) == []
        assert m.inventory.get("c") is not None
        assert (m.liveness("a"), m.liveness("c"), m.liveness("b")) == (
            Liveness.ALIVE,
            Liveness.ALIVE,
            Liveness.UNKNOWN,
        )

    def test_strangers_to_the_roster_are_neither_kept_nor_asked_for_nor_answered(self) -> None:
        m = membership()
        receive(m, at(1), "a", GossipDelta((record_of("mars", version=1),)))
        assert m.inventory.get("mars") is None
        assert m.counters()["gossip_records_of_strangers"] == 1
        assert receive(m, at(1), "a", GossipDigest((("mars", 1, 1), ("north", 1, 1)), True)) == []
        assert receive(m, at(1), "mars", Probe(1)) == []
        assert m.liveness("mars") is Liveness.UNKNOWN

    def test_a_record_of_ours_from_the_future_is_noticed_in_a_delta(self) -> None:
        m = membership()
        receive(m, at(1), "a", GossipDelta((record_of("north", incarnation=7, version=1),)))
        assert m.inventory.own_record_from_the_future == (7, 1)


class TestProbes:
    def test_a_probe_is_acknowledged(self) -> None:
        assert receive(membership(), at(1), "a", Probe(42)) == [Send("a", ProbeAck(42))]

    def test_a_request_about_ourselves_is_answered_at_once(self) -> None:
        assert receive(membership(), at(1), "a", ProbeRequest(9, "north")) == [Send("a", ProbeAck(9))]

    def test_a_request_is_relayed_and_the_ack_passed_on_once(self) -> None:
        m = membership()
        [send] = receive(m, at(1), "a", ProbeRequest(9, "b"))
        assert send.to == "b"
        ack = ProbeAck(probe_id(send))
        assert receive(m, at(2), "c", ack) == []
        assert receive(m, at(2), "b", ack) == [Send("a", ProbeAck(9))]
        assert receive(m, at(3), "b", ack) == []

    def test_relays_are_bounded_and_forgotten_in_time(self) -> None:
        m = membership()
        for id in range(PROBE_RELAYS_MAX):
            assert receive(m, at(1), "a", ProbeRequest(id, "b"))
        assert receive(m, at(1), "a", ProbeRequest(999, "b")) == []
        assert m.counters()["probe_relays_refused"] == 1
        later = at(100)
        m.heard(later, "a")
        advance(m, 8 * TIMEOUT_US + 1)
        assert receive(m, at(8 * TIMEOUT_US + 1), "a", ProbeRequest(1_000, "b"))

    def test_a_request_about_a_stranger_is_refused(self) -> None:
        m = membership()
        assert receive(m, at(1), "a", ProbeRequest(9, "mars")) == []
        assert m.counters()["probe_relays_refused"] == 1

    def test_a_missed_probe_is_repeated_and_others_are_asked_to_help(self) -> None:
        m = membership()
        for name in NAMES[1:]:
            m.heard(at(0), name)
        m.link_failed(at(1), "c")
        [probe] = of_kind(m.on_deadline(at(1)), Probe)
        sends = [s for s in advance(m, 1 + TIMEOUT_US) if getattr(s.message, "id", 0) == probe_id(probe)]
        assert [s.to for s in of_kind(sends, Probe)] == ["c"]
        helpers = [s.to for s in of_kind(sends, ProbeRequest)]
        assert len(helpers) == PROBE_HELPERS_MAX
        assert "c" not in helpers

    def test_an_ack_through_a_helper_says_alive_but_not_reachable(self) -> None:
        m = membership()
        for name in NAMES[1:]:
            m.heard(at(0), name)
        m.link_failed(at(1), "c")
        [probe] = of_kind(m.on_deadline(at(1)), Probe)
        advance(m, 1 + TIMEOUT_US)
        receive(m, at(2 + TIMEOUT_US), "a", ProbeAck(probe_id(probe)))
        advance(m, 2 + 5 * TIMEOUT_US)
        assert m.liveness("c") is Liveness.ALIVE
        assert not m.reachable("c")
        assert "c" in m.alive_peers()
        assert "c" not in m.reachable_peers()


class TestHints:
    def test_a_failed_link_is_probed_at_once(self) -> None:
        m = membership()
        m.link_failed(at(0), "d")
        assert m.alarm.next_us <= START_US
        assert [s.to for s in of_kind(m.on_deadline(at(0)), Probe)][:1] == ["d"]

    def test_hints_about_one_peer_cost_one_probe_a_round(self) -> None:
        m = membership()
        probes = 0
        for millisecond in range(400):
            m.link_failed(at(millisecond * MILLISECOND_US), "d")
            sends = m.on_deadline(at(millisecond * MILLISECOND_US))
            probes += sum(send.to == "d" for send in of_kind(sends, Probe))
        assert probes == 1

    def test_a_hint_about_a_stranger_or_oneself_is_nothing(self) -> None:
        m = membership()
        before = m.alarm.next_us
        m.link_failed(at(0), "mars")
        m.link_failed(at(0), "north")
        assert m.alarm.next_us == before


def test_any_message_counts_as_heard() -> None:
    m = membership()
    assert receive(m, at(1), "a", Stable(1)) == []
    assert m.reachable_peers() == ("a",)


def test_the_view_lists_the_roster_with_what_is_known() -> None:
    m = membership()
    m.heard(at(SECOND_US // 10), "b")
    receive(m, at(SECOND_US // 5), "b", GossipDelta((record_of("a", incarnation=4, draining=True),)))
    view = {v.member.name: v for v in m.view(at(SECOND_US))}
    assert list(view) == NAMES
    assert (view["a"].incarnation, view["a"].draining, view["a"].protocol_max) == (4, True, 1)
    assert view["a"].heard_ago_us == view["b"].heard_ago_us == 800 * MILLISECOND_US
    assert view["c"].liveness is Liveness.UNKNOWN
    assert (view["c"].incarnation, view["c"].heard_ago_us) == (0, SECOND_US)
    assert (view["north"].liveness, view["north"].heard_ago_us) == (Liveness.ALIVE, 0)


def test_changes_are_taken_once_and_in_order() -> None:
    m = membership()
    m.heard(at(1), "b")
    m.heard(at(2), "a")
    assert [(c.peer, c.after) for c in m.take_changes()] == [("b", Liveness.ALIVE), ("a", Liveness.ALIVE)]
    assert m.take_changes() == []


@pytest.mark.parametrize("late_us", [TIMEOUT_US + 1, 3_600 * SECOND_US])
def test_a_region_that_slept_does_not_blame_the_others(late_us: int) -> None:
    m = membership()
    for name in NAMES[1:]:
        m.heard(at(0), name)
    m.take_changes()
    advance(m, 2 * SECOND_US)
    wake_us = m.alarm.next_us + late_us
    m.on_deadline(Now(mono_us=wake_us, wall_us=0))
    assert m.counters()["local_health_multiplier"] > 1
    assert Liveness.SUSPECT not in [c.after for c in m.take_changes()]
