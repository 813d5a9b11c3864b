"""How many bytes an envelope has on the wire: by encoding it, as a daemon would."""

from __future__ import annotations

from hanse.core.messages import Envelope, Message
from hanse.wire.peers import encode_exchange


def encoded_bytes(envelope: Envelope, messages: tuple[Message, ...]) -> int:
    """Of the request that carries these messages, without what the transport adds."""
    return encode_exchange(envelope, messages).ByteSize()
