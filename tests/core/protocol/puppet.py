"""A member of the league whose words the test writes itself: it keeps sessions and answers probes, no more."""

from __future__ import annotations

import random

import msgspec

from hanse.core.effects import Send
from hanse.core.federation.sessions import Sessions
from hanse.core.messages import Envelope, Hello, HelloAck, Message, Probe, ProbeAck
from hanse.core.model.regions import Position, RegionConfig
from hanse.core.model.time import Now


class Puppet:
    """`received` is what it was told within its sessions, but for probes."""

    def __init__(self, name: str, like: RegionConfig, now: Now) -> None:
        self.name = name
        self.ledger_id = f"ledger-{name}"
        config = msgspec.structs.replace(like, name=name)
        self.sessions = Sessions(config, self.ledger_id, Position(1), [], random.Random(name), now)
        self.received: list[Message] = []

    def receive(self, now: Now, envelope: Envelope, message: Message) -> list[Send]:
        """Take a message in; returns what good manners demand."""
        peer = envelope.sender
        greeting_back = self.sessions.confirm(now, envelope)
        match message:
            case Hello():
                return [*greeting_back, *self.sessions.on_hello(peer, message)]
            case HelloAck():
                return [*greeting_back, *self.sessions.on_hello_ack(peer, message)[0]]
            case Probe():
                return [*greeting_back, Send(peer, ProbeAck(message.id))]
            case _:
                if self.sessions.accepts(now, envelope):
                    self.received.append(message)
                return greeting_back

    def heard(self, kind: type) -> list[Message]:
        """What it was told of this kind."""
        return [each for each in self.received if isinstance(each, kind)]
