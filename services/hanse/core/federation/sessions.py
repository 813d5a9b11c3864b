"""Sessions between two regions: which messages belong to the present lives of both ends.

Theory of operation. A session is a pair of nonces, one drawn by each side. HELLO proposes mine; HELLO_ACK answers with
the other's and repeats mine; whoever then sees a message that carries both nonces knows that the other side holds the
session, and takes it as its own. A late copy of an old HELLO can propose but never complete: nobody will confirm the
fresh nonce that it is answered with. Everything but hellos is dropped unless it carries the present session's pair, so
that messages from before a restart (or from an old disk) can't speak for the region that came after it.

A region also tells with each message how far it has seen the other's history (Position), which is how a region learns
that its disk is an old one.
"""

from __future__ import annotations

import msgspec

from hanse.core.effects import Send
from hanse.core.messages import Envelope, Hello, HelloAck, Message, RosterMessage
from hanse.core.model.deadlines import Alarm, Deadlines, backoff_us
from hanse.core.model.randomness import Randomness
from hanse.core.model.regions import Position, RegionConfig
from hanse.core.model.time import Now
from hanse.core.rows import PeerSeenRow


class _Link(msgspec.Struct):
    """One peer. Pairs are (peer's nonce, my nonce). `proposal` is my HELLO that waits for its answer; 0: none.
    `previous` is the session before the current one."""

    current: tuple[int, int] | None = None
    previous: tuple[int, int] | None = None
    pending: tuple[int, int] | None = None
    proposal: int = 0
    hellos: int = 0
    seen_ledger_id: str = ""
    seen: Position = Position()


class Sessions:
    """All sessions of this region. `ledger_id` and `incarnation` are its own."""

    def __init__(
        self,
        config: RegionConfig,
        ledger_id: str,
        position: Position,
        peers_seen: list[PeerSeenRow],
        randomness: Randomness,
        now: Now,
    ) -> None:
        self._config = config
        self._ledger_id = ledger_id
        # Of this life, as of its newest step: messages leave when what is written by then is durable, and not before.
        self._position = position
        self._randomness = randomness
        self._links = {member.name: _Link() for member in config.members if member.name != config.name}
        self._deadlines: Deadlines[str] = Deadlines()
        self.alarm: Alarm = self._deadlines
        for row in peers_seen:
            if row.peer in self._links:
                link = self._links[row.peer]
                link.seen_ledger_id = row.ledger_id
                link.seen = Position(row.incarnation, row.write_sequence, row.life)
        for peer in self._links:
            self._deadlines.set(peer, now.mono_us)
        # Peers that have not shown yet that they hold the present session, and so drop whatever belongs to another.
        self.unconfirmed = dict.fromkeys(self._links)
        # With a signed roster something may be owed to a region that has left.
        self._missing = len(self._links) + (1 if config.roster else 0)
        # Whether there is a session with everybody to whom anything is sent.
        self.complete = not self._missing
        self.dropped = 0
        # Sessions that have begun since the start.
        self.begun = 0

    def established(self, peer: str) -> bool:
        """Whether a message to this peer would be taken as of this session."""
        link = self._links.get(peer)
        return link is not None and link.current is not None

    def is_mutual(self, peer: str) -> bool:
        """Whether both ends hold the present session: nothing that was said before it counts at either end, and what
        the peer has seen of this region has come here."""
        return peer in self._links and peer not in self.unconfirmed

    def note_step(self, sequence: int) -> None:
        """A step brought the write sequence here: messages tell so from now on."""
        self._position = msgspec.structs.replace(self._position, write_sequence=sequence)

    def begin_incarnation(self, incarnation: int) -> None:
        """Positions count from a later incarnation: peers had seen this one in a life that the disk does not hold."""
        self._position = msgspec.structs.replace(self._position, incarnation=incarnation)

    def seen(self, peer: str) -> PeerSeenRow:
        """How far this peer's history was seen, for the ledger."""
        link = self._links[peer]
        return PeerSeenRow(
            peer, link.seen_ledger_id, link.seen.incarnation, link.seen.write_sequence, link.seen.life
        )

    def envelope(self, to: str) -> Envelope:
        """The envelope for the messages to this peer of the step that has just ended."""
        # Those who were members once are written to without a session.
        link = self._links.get(to) or _Link()
        peer_nonce, my_nonce = link.current or link.pending or (0, 0)
        return Envelope(
            cluster_id=self._config.cluster_id,
            roster_epoch=self._config.roster_epoch,
            sender=self._config.name,
            receiver=to,
            sender_ledger_id=self._ledger_id,
            sender_position=self._position,
            sender_nonce=my_nonce,
            receiver_nonce=peer_nonce,
            protocol_min=self._config.protocol_min,
            protocol_max=self._config.protocol_max,
            receiver_seen=link.seen,
            receiver_seen_ledger_id=link.seen_ledger_id,
        )

    def addressed_to_us(self, envelope: Envelope) -> bool:
        """Whether this envelope comes from a member, is meant for us, and speaks a protocol that we speak."""
        config = self._config
        return (
            envelope.cluster_id == config.cluster_id
            and envelope.receiver == config.name
            and envelope.sender in self._links
            and envelope.protocol_min <= config.protocol_max
            and envelope.protocol_max >= config.protocol_min
        )

    def confirm(self, now: Now, envelope: Envelope) -> list[Send]:
        """A message that carries the pair we proposed makes it the session, and is answered so that the other side
        knows. Returns that answer if a session began, else nothing."""
        link = self._links[envelope.sender]
        pair = (envelope.sender_nonce, envelope.receiver_nonce)
        if link.pending is None or pair != link.pending or pair == link.current:
            if pair == link.current:
                self.unconfirmed.pop(envelope.sender, None)
            return []
        self._begin(envelope.sender, pair, is_mutual=True)
        return [Send(envelope.sender, HelloAck(pair[1], pair[0]))]

    def accepts(self, now: Now, envelope: Envelope) -> bool:
        """Whether the envelope belongs to the present session; if not, a new one is proposed soon."""
        link = self._links[envelope.sender]
        if link.current == (envelope.sender_nonce, envelope.receiver_nonce):
            self._observe(link, envelope)
            return True
        self.dropped += 1
        # What the peer sent before it learnt of the new session says nothing against that session. (Else each new one
        # is taken for broken by the stragglers of the one before, for ever.)
        straggler = (envelope.sender_nonce, envelope.receiver_nonce) == link.previous
        if not straggler and envelope.sender not in self._deadlines:
            self._deadlines.set(envelope.sender, now.mono_us)
        return False

    def on_hello(self, peer: str, hello: Hello) -> list[Send]:
        """Answer a proposal: with the nonce of my own open proposal, so that crossing hellos meet, else a fresh one."""
        link = self._links[peer]
        if link.current is not None and link.current[0] == hello.nonce:
            return [Send(peer, HelloAck(link.current[1], hello.nonce))]
        if link.pending is None or link.pending[0] != hello.nonce:
            mine = link.proposal or self._nonce()
            link.pending = (hello.nonce, mine)
        return [Send(peer, HelloAck(link.pending[1], hello.nonce))]

    def on_hello_ack(self, peer: str, ack: HelloAck) -> tuple[list[Send], bool]:
        """The answer to my proposal: the session begins, and a message of it tells the other side so."""
        link = self._links[peer]
        if not link.proposal or ack.ack_nonce != link.proposal:
            return [], False
        pair = (ack.nonce, link.proposal)
        self._begin(peer, pair, is_mutual=False)
        return [Send(peer, HelloAck(pair[1], pair[0]))], True

    def on_deadline(self, now: Now) -> list[Send]:
        """Propose to every peer that is due, and again until it answers."""
        sends: list[Send] = []
        timings = self._config.timings
        for peer in self._deadlines.pop_due(now.mono_us):
            link = self._links[peer]
            link.proposal = link.proposal or self._nonce()
            sends.append(Send(peer, Hello(link.proposal)))
            delay = backoff_us(timings.hello_retry_us, link.hellos, timings.hello_retry_max_us)
            link.hellos += 1
            self._deadlines.set(peer, now.mono_us + delay + self._randomness.randrange(delay // 4 + 1))
        return sends

    def may_send(self, to: str, message: Message) -> bool:
        """Hellos and rosters always; anything else only within a session (what is dropped here is sent again by its
        timer)."""
        return self.established(to) or isinstance(message, Hello | HelloAck | RosterMessage)

    def _begin(self, peer: str, pair: tuple[int, int], *, is_mutual: bool) -> None:
        link = self._links[peer]
        self.begun += 1
        if link.current is None:
            self._missing -= 1
            self.complete = not self._missing
        if link.current != pair:
            link.previous = link.current
            self.unconfirmed[peer] = None
        if is_mutual:
            self.unconfirmed.pop(peer, None)
        link.current, link.pending, link.proposal, link.hellos = pair, None, 0, 0
        self._deadlines.cancel(peer)

    def _observe(self, link: _Link, envelope: Envelope) -> None:
        if link.seen_ledger_id != envelope.sender_ledger_id:
            link.seen_ledger_id, link.seen = envelope.sender_ledger_id, envelope.sender_position
        elif envelope.sender_position > link.seen:
            link.seen = envelope.sender_position

    def _nonce(self) -> int:
        """Never 0, which stands for none."""
        return self._randomness.getrandbits(63) + 1
