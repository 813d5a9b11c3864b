"""Whatever arrives, whenever: nothing breaks, every map stays within its bound, and the timer always moves on."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from hanse.core.federation.membership import Membership
from hanse.core.messages import (
    GossipDelta,
    GossipDigest,
    Message,
    Probe,
    ProbeAck,
    ProbeRequest,
)
from hanse.core.model.limits import (
    PROBE_RELAYS_MAX,
    PROBES_OUTSTANDING_MAX,
    PROBES_UNANSWERED_MAX,
)
from hanse.core.model.regions import Liveness, Timings
from hanse.core.model.time import SECOND_US, Now
from tests.core.federation.gossip_world import START_US, config_of, receive, record_of

NAMES = ["north", "a", "b", "c", "d"]

names = st.sampled_from([*NAMES, "mars"])
ids = st.integers(0, 30)
entries = st.tuples(names, st.integers(0, 3), st.integers(0, 3))
records = st.builds(
    lambda name, incarnation, version: record_of(name, incarnation=incarnation, version=version),
    names,
    st.integers(1, 3),
    st.integers(1, 3),
)
messages: st.SearchStrategy[Message] = st.one_of(
    st.builds(Probe, ids),
    st.builds(ProbeAck, ids),
    st.builds(ProbeRequest, ids, names),
    st.builds(GossipDigest, st.lists(entries, max_size=6).map(tuple), st.booleans()),
    st.builds(GossipDelta, st.lists(records, max_size=6).map(tuple)),
)
happenings = st.one_of(
    st.tuples(st.just("message"), names, messages),
    st.tuples(st.just("link failed"), names, st.none()),
    st.tuples(st.just("time"), st.integers(0, 20 * SECOND_US), st.none()),
)


def check(m: Membership) -> None:
    prober, peers = m._prober, m._peers
    assert len(prober._outstanding) <= min(PROBES_OUTSTANDING_MAX, len(NAMES) - 1)
    assert len(prober._unanswered) <= PROBES_UNANSWERED_MAX
    assert len(prober._relays) <= PROBE_RELAYS_MAX
    assert set(m.reachable_peers()) <= set(m.alive_peers()) <= set(NAMES[1:])
    for peer in peers.by_name.values():
        accused = peer.liveness in (Liveness.SUSPECT, Liveness.DEAD)
        assert not accused or peer.failed
        assert not peer.failed or peer.name in peers.lost
        assert peer.probe_id == 0 or prober._outstanding[peer.probe_id].peer is peer


@settings(max_examples=150, deadline=None)
@given(st.lists(happenings, max_size=60), st.integers(0, 3))
def test_whatever_arrives(story: list[tuple[str, object, Message | None]], seed: int) -> None:
    now = Now(mono_us=START_US, wall_us=0)
    m = Membership(config_of("north", NAMES, Timings()), now, random.Random(seed))
    m.inventory.publish(record_of("north", incarnation=2, version=1), now)
    for kind, subject, message in story:
        if isinstance(subject, int):
            now = Now(mono_us=now.mono_us + subject, wall_us=0)
        elif kind == "link failed":
            m.link_failed(now, str(subject))
        elif message is not None:
            sends = receive(m, now, str(subject), message)
            assert all(send.to in NAMES[1:] for send in sends)
        assert all(send.to in NAMES[1:] for send in m.on_deadline(now))
        assert m.alarm.next_us > now.mono_us
        check(m)
