"""Liveness and link are two facts; signs of life take accusations back."""

from __future__ import annotations

import itertools

import pytest

from hanse.core.federation.liveness import TRANSITIONS, Evidence, Link, Peer, Peers, fanout, silence_limit_us
from hanse.core.model.regions import Liveness, Timings

SILENCE_US = 100
DEAD_AFTER_US = 1_000


def one() -> tuple[Peers, Peer]:
    peers = Peers(["east", "west"], 0)
    return peers, peers.by_name["east"]


def judged(peers: Peers, peer: Peer, at_us: int) -> Liveness:
    peers.judge(peer, at_us, at_us, SILENCE_US, DEAD_AFTER_US)
    return peer.liveness


def fail(peers: Peers, peer: Peer, at_us: int) -> None:
    peers.on_unreached(peer, at_us)
    peers.on_failed(peer)


@pytest.mark.parametrize("liveness", list(Liveness))
def test_every_state_but_the_last_has_a_way_on_and_every_state_a_way_back(liveness: Liveness) -> None:
    assert TRANSITIONS[liveness, Evidence.SIGN] is Liveness.ALIVE
    onward = [e for e in (Evidence.ACCUSED, Evidence.EXPIRED) if (liveness, e) in TRANSITIONS]
    assert len(onward) == (0 if liveness is Liveness.DEAD else 1)


def test_nobody_is_dead_without_having_been_suspected() -> None:
    before = [b for (b, e), after in TRANSITIONS.items() if after is Liveness.DEAD]
    assert before == [Liveness.SUSPECT]
    assert all(e in Evidence and b in Liveness for b, e in itertools.chain(TRANSITIONS))


def test_a_peer_goes_from_alive_over_suspect_to_dead_and_back() -> None:
    peers, peer = one()
    peers.on_heard(peer, 10, 10)
    fail(peers, peer, 50)
    assert judged(peers, peer, 109) is Liveness.ALIVE
    assert judged(peers, peer, 110) is Liveness.SUSPECT
    assert judged(peers, peer, 1_109) is Liveness.SUSPECT
    assert judged(peers, peer, 1_110) is Liveness.DEAD
    peers.on_heard(peer, 2_000, 2_000)
    assert (peer.liveness, peer.link, peer.failed) == (Liveness.ALIVE, Link.UP, False)
    assert [(c.before, c.after) for c in peers.changes if c.before is not c.after] == [
        (Liveness.UNKNOWN, Liveness.ALIVE),
        (Liveness.ALIVE, Liveness.SUSPECT),
        (Liveness.SUSPECT, Liveness.DEAD),
        (Liveness.DEAD, Liveness.ALIVE),
    ]


def test_silence_alone_accuses_nobody() -> None:
    peers, peer = one()
    peers.on_heard(peer, 10, 10)
    assert judged(peers, peer, 1_000_000) is Liveness.ALIVE


def test_news_through_others_refutes_a_suspicion_but_not_a_broken_link() -> None:
    peers, peer = one()
    peers.on_heard(peer, 10, 10)
    fail(peers, peer, 50)
    assert judged(peers, peer, 200) is Liveness.SUSPECT
    peers.on_news([peer.name], 210, 210)
    assert peer.liveness is Liveness.ALIVE
    assert (peers.alive(), peers.reachable(), list(peers.lost)) == (("east",), (), ["east"])
    peers.on_heard(peer, 220, 220)
    assert (peers.reachable(), list(peers.lost)) == (("east",), [])


def test_a_peer_known_through_others_only_counts_as_reachable_until_a_probe_says_otherwise() -> None:
    peers, peer = one()
    peers.on_news([peer.name], 10, 10)
    assert peers.reachable() == ("east",)
    peers.on_unreached(peer, 20)
    assert (peers.alive(), peers.reachable()) == (("east",), ())


def test_a_peer_that_never_speaks_is_suspected_and_dead_in_the_end() -> None:
    peers, peer = one()
    fail(peers, peer, 50)
    assert judged(peers, peer, 99) is Liveness.UNKNOWN
    assert judged(peers, peer, 100) is Liveness.SUSPECT
    assert judged(peers, peer, 1_100) is Liveness.DEAD


def test_gossip_goes_to_all_but_the_lost() -> None:
    peers, peer = one()
    assert peers.partners() == ("east", "west")
    peers.on_unreached(peer, 10)
    assert peers.partners() == ("west",)
    peers.on_heard(peer, 20, 20)
    assert peers.partners() == ("east", "west")


def test_changes_that_nobody_takes_are_bounded() -> None:
    peers, peer = one()
    for at_us in range(10_000):
        peers.on_heard(peer, at_us, at_us)
        peers.on_unreached(peer, at_us)
    assert len(peers.changes) == peers.changes.maxlen


@pytest.mark.parametrize(("members", "expected"), [(2, 2), (300, 2), (301, 3), (1_000, 3)])
def test_fanout(members: int, expected: int) -> None:
    assert fanout(members) == expected


@pytest.mark.parametrize(
    ("members", "expected_s"),
    [(1, 3), (2, 4), (3, 4), (5, 4), (6, 5), (10, 6), (21, 8), (100, 8), (1_000, 8)],
)
def test_silence_limit(members: int, expected_s: int) -> None:
    assert silence_limit_us(Timings(), members) == expected_s * 1_000_000
