"""Sessions: which messages belong to the present lives of both ends, whatever happened to the greetings."""

from __future__ import annotations

import itertools
import random

import msgspec
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hanse.core.effects import Send
from hanse.core.federation.sessions import Sessions
from hanse.core.messages import Envelope, Hello, HelloAck, Message, Probe
from hanse.core.model.regions import Member, Position, RegionConfig, Timings
from hanse.core.model.time import MILLISECOND_US, SECOND_US, Now
from hanse.core.rows import PeerSeenRow

MEMBERS = (Member(name="a"), Member(name="b"))
NONCES_PER_LIFE = 1_000_000


class CountingRandomness(random.Random):
    """Nonces that say in which life they were drawn."""

    def __init__(self, name: str, life: int) -> None:
        super().__init__(f"{name}/{life}")
        self._nonces = itertools.count(life * NONCES_PER_LIFE + (500_000 if name == "b" else 0))

    def getrandbits(self, k: int, /) -> int:
        return next(self._nonces) if k == 63 else super().getrandbits(k)


class Mail(msgspec.Struct, frozen=True):
    """One message under way."""

    to: str
    envelope: Envelope
    message: Message


class End:
    """One of the two regions, through all its lives."""

    def __init__(self, name: str, other: str, now: Now) -> None:
        self.name = name
        self.other = other
        self.life = 0
        self.sessions: Sessions
        self.accepted: list[Envelope] = []
        self.began = 0
        self.start(now)

    def start(self, now: Now) -> None:
        """A new life; the old one's memory is gone."""
        self.life += 1
        config = RegionConfig(name=self.name, cluster_id="test", members=MEMBERS, nodes=())
        randomness = CountingRandomness(self.name, self.life)
        self.sessions = Sessions(config, f"ledger-{self.name}", Position(self.life), [], randomness, now)

    def take(self, now: Now, mail: Mail) -> list[Send]:
        """What Region does with a message, as far as sessions go."""
        sends = self.sessions.confirm(now, mail.envelope)
        self.began += bool(sends)
        match mail.message:
            case Hello():
                return sends + self.sessions.on_hello(self.other, mail.message)
            case HelloAck():
                answers, began = self.sessions.on_hello_ack(self.other, mail.message)
                self.began += began
                return sends + answers
            case _:
                if self.sessions.accepts(now, mail.envelope):
                    self._check(mail.envelope)
                    self.accepted.append(mail.envelope)
        return sends

    def _check(self, envelope: Envelope) -> None:
        assert envelope.receiver_nonce // NONCES_PER_LIFE == self.life, "it was meant for an earlier life"
        lives = [each.sender_position.incarnation for each in self.accepted]
        assert envelope.sender_position.incarnation >= max(lives, default=0), "an earlier life spoke again"


class Pair:
    """Regions a and b and the mail between them; nothing arrives unless it is delivered."""

    def __init__(self) -> None:
        self.now_us = SECOND_US
        self.ends = {"a": End("a", "b", self.now), "b": End("b", "a", self.now)}
        self.mail: list[Mail] = []

    @property
    def now(self) -> Now:
        """The instant."""
        return Now(mono_us=self.now_us, wall_us=self.now_us)

    def post(self, name: str, sends: list[Send]) -> None:
        """These leave, under the envelope of this moment."""
        sessions = self.ends[name].sessions
        for send in sends:
            self.mail.append(Mail(send.to, sessions.envelope(send.to), send.message))

    def wake(self, name: str) -> None:
        """Serve what is due."""
        self.post(name, self.ends[name].sessions.on_deadline(self.now))

    def talk(self, name: str) -> None:
        """An ordinary message, if there is a session for it."""
        end = self.ends[name]
        message = Send(end.other, Probe(1))
        if end.sessions.may_send(message.to, message.message):
            self.post(name, [message])

    def deliver(self, at: int = 0, *, keep: bool = False) -> Mail:
        """The mail at this place of the pile arrives; `keep`: and will again."""
        mail = self.mail[at] if keep else self.mail.pop(at)
        self.post(mail.to, self.ends[mail.to].take(self.now, mail))
        return mail

    def deliver_all(self) -> None:
        """Everything arrives, in order."""
        for _ in range(200):
            if not self.mail:
                return
            self.deliver()
        raise AssertionError("they never stop greeting each other")

    def connect(self) -> None:
        """From nothing to a session, without faults."""
        self.wake("a")
        self.wake("b")
        self.deliver_all()
        assert self.agree()

    def calm(self, seconds: int) -> None:
        """Time in which everything arrives, and both say something every second as regions do."""
        until_us = self.now_us + seconds * SECOND_US
        talk_us = {"a": self.now_us, "b": self.now_us + 300 * MILLISECOND_US}
        while self.now_us < until_us:
            self.now_us += 50 * MILLISECOND_US
            for name, at_us in talk_us.items():
                self.wake(name)
                if at_us <= self.now_us:
                    self.talk(name)
                    talk_us[name] = at_us + SECOND_US
            self.deliver_all()

    def agree(self) -> bool:
        """Whether both hold the same session."""
        one, other = (self.ends[name].sessions.envelope(self.ends[name].other) for name in "ab")
        return all(self.ends[name].sessions.established(self.ends[name].other) for name in "ab") and (
            one.sender_nonce,
            one.receiver_nonce,
        ) == (other.receiver_nonce, other.sender_nonce)


def test_one_hello_is_enough_for_both() -> None:
    pair = Pair()
    pair.wake("a")
    pair.deliver_all()
    assert pair.agree()
    assert pair.ends["a"].began == pair.ends["b"].began == 1


def test_crossing_hellos_meet_in_one_session() -> None:
    pair = Pair()
    pair.wake("a")
    pair.wake("b")
    assert [type(each.message) for each in pair.mail] == [Hello, Hello]
    pair.deliver_all()
    assert pair.agree()
    assert pair.ends["a"].began == pair.ends["b"].began == 1


def test_crossing_hellos_meet_although_one_side_still_has_a_session() -> None:
    pair = Pair()
    pair.connect()
    pair.ends["b"].start(pair.now)
    stray = msgspec.structs.replace(pair.ends["b"].sessions.envelope("a"), sender_nonce=5, receiver_nonce=6)
    pair.mail.append(Mail("a", stray, Probe(1)))
    pair.deliver()
    pair.wake("a")
    pair.wake("b")
    assert [type(each.message) for each in pair.mail] == [Hello, Hello]
    pair.deliver_all()
    assert pair.agree()


def test_crossing_hellos_meet_although_both_sides_have_a_session() -> None:
    pair = Pair()
    pair.connect()
    for name, end in pair.ends.items():
        stray = msgspec.structs.replace(end.sessions.envelope(end.other), sender_nonce=5, receiver_nonce=6)
        pair.mail.append(Mail(end.other, stray, Probe(1)))
        pair.deliver()
        assert name in "ab"
    pair.wake("a")
    pair.wake("b")
    assert [type(each.message) for each in pair.mail] == [Hello, Hello]
    pair.deliver_all()
    assert pair.agree()


def test_a_lost_hello_is_proposed_again_and_less_and_less_often() -> None:
    pair = Pair()
    times: list[int] = []
    while len(times) < 9:
        at_us = pair.ends["a"].sessions.alarm.next_us
        pair.now_us = at_us
        pair.wake("a")
        times.append(at_us)
    assert len({mail.message for mail in pair.mail}) == 1, "one proposal, repeated"
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    timings = Timings()
    assert timings.hello_retry_us <= gaps[0] <= 1.25 * timings.hello_retry_us
    assert timings.hello_retry_max_us <= gaps[-1] <= 1.25 * timings.hello_retry_max_us


def test_a_lost_ack_is_answered_again_with_the_same_nonce() -> None:
    pair = Pair()
    pair.wake("a")
    pair.deliver(keep=True)
    (first,) = (mail for mail in pair.mail if mail.to == "a")
    pair.mail.remove(first)
    pair.deliver()
    (second,) = (mail for mail in pair.mail if mail.to == "a")
    assert first.message == second.message
    pair.deliver_all()
    assert pair.agree()


def test_a_lost_confirmation_is_made_up_for_by_the_next_message() -> None:
    pair = Pair()
    pair.wake("a")
    pair.deliver()
    pair.deliver()
    assert [type(each.message) for each in pair.mail] == [HelloAck]
    pair.mail.clear()
    assert not pair.ends["b"].sessions.established("a")
    pair.talk("a")
    pair.deliver_all()
    assert pair.agree()
    assert len(pair.ends["b"].accepted) == 1, "the message that confirmed was taken, too"


def test_a_late_duplicate_of_a_hello_does_not_bring_its_session_back() -> None:
    pair = Pair()
    pair.wake("b")
    old = pair.mail[0]
    pair.deliver_all()
    pair.talk("b")
    old_talk = pair.mail.pop()
    pair.ends["b"].start(pair.now)
    pair.wake("b")
    pair.deliver_all()
    assert pair.agree()
    session = pair.ends["a"].sessions.envelope("b")
    pair.mail = [old, old_talk]
    pair.deliver_all()
    assert pair.ends["a"].accepted == []
    assert (session.sender_nonce, session.receiver_nonce) == (
        pair.ends["a"].sessions.envelope("b").sender_nonce,
        pair.ends["a"].sessions.envelope("b").receiver_nonce,
    )
    pair.calm(3)
    assert pair.agree()


def test_a_late_duplicate_of_an_ack_changes_nothing() -> None:
    pair = Pair()
    pair.wake("a")
    pair.deliver()
    pair.deliver(keep=True)
    session = pair.ends["a"].sessions.envelope("b")
    pair.deliver_all()
    assert pair.ends["a"].sessions.envelope("b") == session
    assert pair.agree()


def test_both_sides_restarted() -> None:
    pair = Pair()
    pair.connect()
    pair.talk("a")
    pair.talk("b")
    before = list(pair.mail)
    for end in pair.ends.values():
        end.start(pair.now)
    pair.deliver_all()
    assert [end.accepted for end in pair.ends.values()] == [[], []]
    pair.connect()
    pair.mail = before
    pair.deliver_all()
    assert [end.accepted for end in pair.ends.values()] == [[], []]


def test_the_restarted_side_is_believed_by_the_one_that_did_not_notice() -> None:
    pair = Pair()
    pair.connect()
    pair.ends["b"].start(pair.now)
    pair.talk("a")
    pair.deliver_all()
    assert pair.ends["b"].accepted == [], "a speaks in a session that b has forgotten"
    pair.calm(1)
    assert pair.agree()
    pair.talk("a")
    pair.deliver_all()
    assert pair.ends["b"].accepted


def test_nothing_but_greetings_is_sent_without_a_session() -> None:
    sessions = Pair().ends["a"].sessions
    assert sessions.may_send("b", Hello(1))
    assert sessions.may_send("b", HelloAck(1, 2))
    assert not sessions.may_send("b", Probe(1))


def test_the_newest_position_of_a_peer_is_remembered_and_told_to_it() -> None:
    pair = Pair()
    pair.connect()
    for sequence in (7, 5):
        pair.ends["a"].sessions.note_step(sequence)
        pair.talk("a")
        pair.deliver_all()
    told = pair.ends["b"].sessions.envelope("a")
    assert told.receiver_seen == Position(1, 7)
    assert told.receiver_seen_ledger_id == "ledger-a"


def test_positions_seen_by_an_earlier_life_are_told_by_the_next() -> None:
    config = RegionConfig(name="a", cluster_id="test", members=MEMBERS, nodes=())
    seen = [PeerSeenRow("b", "ledger-b", 3, 9, 7), PeerSeenRow("gone", "ledger-gone", 1, 1, 1)]
    sessions = Sessions(config, "ledger-a", Position(2), seen, random.Random(0), Now(mono_us=0, wall_us=0))
    assert sessions.envelope("b").receiver_seen == Position(3, 9, 7)


ACTIONS = st.one_of(
    st.tuples(st.sampled_from(["wake", "talk", "restart"]), st.sampled_from("ab"), st.integers(0, 0)),
    st.tuples(st.sampled_from(["deliver", "duplicate", "lose"]), st.just(""), st.integers(0, 7)),
    st.tuples(st.just("pass"), st.just(""), st.sampled_from([1, 600, 2_000])),
)


def act(pair: Pair, action: str, name: str, number: int) -> None:
    """One thing that happens between them."""
    match action:
        case "wake":
            pair.wake(name)
        case "talk":
            pair.talk(name)
        case "restart":
            pair.ends[name].start(pair.now)
        case "pass":
            pair.now_us += number * MILLISECOND_US
        case _:
            transmit(pair, action, number)


def transmit(pair: Pair, action: str, number: int) -> None:
    """One of the messages under way arrives, arrives and will again, or never does."""
    if not pair.mail:
        return
    at = number % len(pair.mail)
    if action == "lose":
        pair.mail.pop(at)
    else:
        pair.deliver(at, keep=action == "duplicate")


@given(st.lists(ACTIONS, max_size=60))
@example([("wake", "a", 0), ("wake", "b", 0), ("duplicate", "", 0), ("restart", "b", 0), ("wake", "b", 0)])
@settings(max_examples=300, deadline=None)
def test_after_any_loss_duplication_and_reorder_a_calm_time_makes_one_common_session(
    actions: list[tuple[str, str, int]],
) -> None:
    pair = Pair()
    for action, name, number in actions:
        act(pair, action, name, number)
    pair.calm(20)
    assert pair.agree()
    before = {name: len(end.accepted) for name, end in pair.ends.items()}
    for name in "ab":
        pair.talk(name)
    pair.deliver_all()
    assert all(len(end.accepted) == before[name] + 1 for name, end in pair.ends.items())
