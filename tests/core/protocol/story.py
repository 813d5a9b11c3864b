"""A league's story in words: one line for each message that arrives, each row that is written, each crash.

Gossip, probes and greetings are left out unless asked for: nothing rests on them.
"""

from __future__ import annotations

from hanse.core.messages import (
    Cancel,
    CancelAck,
    Commit,
    Decision,
    GossipDelta,
    GossipDigest,
    Hello,
    HelloAck,
    Located,
    Message,
    Offer,
    OfferAnswer,
    Probe,
    ProbeAck,
    ProbeRequest,
    Release,
    Solicit,
    Stable,
    Status,
    Terminal,
    TerminalAck,
    Verdict,
    Withdraw,
)
from hanse.core.rows import Writes

BACKGROUND = (GossipDigest, GossipDelta, Probe, ProbeAck, ProbeRequest)
GREETINGS = (Hello, HelloAck)


class Story:
    """Lines since the last `begin`."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._greetings = False
        self._nonces: dict[int, str] = {}

    def begin(self, *, greetings: bool = False) -> None:
        """What came before is not worth telling."""
        self.lines = []
        self._greetings = greetings

    @property
    def text(self) -> str:
        """The story, one line each."""
        return "".join(f"{line}\n" for line in self.lines)

    def note(self, text: str) -> None:
        """Something that the test or the world did."""
        self.lines.append(f"-- {text}")

    def message(self, sender: str, to: str, message: Message, tag: str = "") -> None:
        """A message arrives, or does not."""
        if isinstance(message, BACKGROUND) or (isinstance(message, GREETINGS) and not self._greetings):
            return
        words = self._greeting(message) if isinstance(message, GREETINGS) else words_of(message)
        self.lines.append(f"{sender} -> {to}  {words}{f'  [{tag}]' if tag else ''}")

    def writes(self, region: str, writes: Writes) -> None:
        """Rows became durable in one transaction."""
        for row in writes.timeline:
            reason = f"{row.reason} {row.detail}".rstrip()
            self.lines.append(f"   {region}: {row.job_id} {row.what} at {row.epoch}.{row.attempt} ({reason})")
        for decision in writes.decisions:
            verdict = Verdict(decision.verdict).name
            self.lines.append(
                f"   {region}: decides {decision.giver}'s transfer {decision.sequence}: {verdict}"
            )
        for intent in writes.intents:
            self.lines.append(f"   {region}: remembers to cancel {intent.job_id}")
        for channel in writes.channels:
            self.lines.append(
                f"   {region}: forgets {channel.giver}'s transfers below {channel.stable_sequence}"
            )
        for job_id in writes.specs_delete:
            self.lines.append(f"   {region}: lets go of {job_id}'s spec")

    def _greeting(self, greeting: Message) -> str:
        match greeting:
            case Hello():
                return f"HELLO {self._nonce(greeting.nonce)}"
            case HelloAck():
                return f"HELLO_ACK {self._nonce(greeting.nonce)} to {self._nonce(greeting.ack_nonce)}"
            case _:
                raise AssertionError(greeting)

    def _nonce(self, nonce: int) -> str:
        """Nonces are random: they are called by letters, in the order in which they appear."""
        return self._nonces.setdefault(nonce, chr(ord("a") + len(self._nonces)))


def words_of(message: Message) -> str:
    """A message in one line."""
    match message:
        case Solicit():
            return f"SOLICIT {sum(each.count for each in message.could_start)} of what waits"
        case Offer():
            path = f" by way of {', '.join(message.path)}" if message.path else ""
            return f"OFFER {message.id}: {message.count} jobs{path}"
        case OfferAnswer():
            if message.slots:
                return f"ACCEPT {message.offer_id}: {message.slots} slots"
            assert message.reason is not None
            return f"DECLINE {message.offer_id}: {message.reason.detail}"
        case Release():
            return f"RELEASE {message.offer_id}"
        case Commit():
            cancel = ", to be cancelled" if message.cancel_id else ""
            path = ", ".join(message.path)
            return f"COMMIT {message.job_id} epoch {message.epoch} as transfer {message.sequence}, path {path}{cancel}"
        case Withdraw():
            return f"WITHDRAW {message.job_id} epoch {message.epoch}, transfer {message.sequence}"
        case Decision():
            return (
                f"{message.verdict.name} {message.job_id} epoch {message.epoch}, transfer {message.sequence}"
                f" ({message.reason.code})"
            )
        case Stable():
            return f"STABLE below {message.sequence}"
        case Status():
            settled = ", settled" if message.settled else ""
            return (
                f"STATUS {message.job_id} {message.state.name} at {message.epoch}.{message.attempt}{settled}"
            )
        case Cancel():
            return f"CANCEL {message.job_id}"
        case CancelAck():
            return f"ACK of the cancel of {message.job_id}"
        case Terminal():
            return f"TERMINAL {message.job_id} {message.outcome.name} at {message.epoch}.{message.attempt}"
        case TerminalAck():
            return f"ACK of the outcome of {message.job_id}"
        case Located():
            where = message.next_hop or "here"
            return f"LOCATED {message.job_id}: {message.state.name if message.state else 'unknown'}, {where}"
        case _:
            return f"{type(message).__name__.upper()} {message}"
