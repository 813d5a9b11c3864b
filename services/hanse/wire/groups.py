"""Messages of the groups that keep the shards' logs: model -> protobuf, and back with its bounds checked."""

from __future__ import annotations

import msgspec

from hanse.core import messages as m
from hanse.core.federation.shards.log import GROUP_KEY
from hanse.core.model import limits
from hanse.core.model.regions import unpack_group
from hanse.wire.gen.hanse.v1 import peers_pb2 as pb
from hanse.wire.kinds import Kind, Readers, bounded, named, stored
from hanse.wire.shapes import MalformedMessage, word, words


def _encode_record(record: m.LogRecord) -> pb.LogRecord:
    return pb.LogRecord(key=record.key, term=record.term, sequence=record.sequence, value=record.value)


def _decode_record(message: pb.LogRecord) -> m.LogRecord:
    if len(message.value) > limits.LOG_VALUE_BYTES_MAX:
        raise MalformedMessage(f"a record of {len(message.value)} bytes")
    if message.key == GROUP_KEY and message.value:
        _group(message.value)
    return m.LogRecord(word(message.key), stored(message.term), stored(message.sequence), message.value)


def _group(value: bytes) -> bytes:
    """Which regions keep a log. Raises MalformedMessage if that is not what it says."""
    try:
        group = unpack_group(value)
    except msgspec.DecodeError as error:
        raise MalformedMessage(f"no group: {error}") from error
    for members in (group.members, group.joining):
        for name in bounded(members, limits.GUARDIANS_MAX):
            named(name)
    if not group.members:
        raise MalformedMessage("a group of nobody")
    return value


def _encode_append(message: m.Append) -> pb.Append:
    return pb.Append(
        shard=message.shard,
        term=message.term,
        version=message.version,
        previous_term=message.previous_term,
        previous_sequence=message.previous_sequence,
        sequence=message.sequence,
        records=[_encode_record(record) for record in message.records],
        committed=message.committed,
        everywhere=message.everywhere,
        cut=message.cut,
        begins=message.begins,
        part=message.part,
        parts=message.parts,
    )


def _decode_append(_: Readers, message: pb.Append) -> m.Append:
    if not message.part < message.parts <= limits.APPEND_PARTS_MAX:
        raise MalformedMessage(f"part {message.part} of {message.parts}")
    records = tuple(_decode_record(each) for each in bounded(message.records, limits.APPEND_RECORDS_MAX))
    # What is larger than a whole message may be comes alone.
    size = sum(len(record.key) + len(record.value) for record in records)
    if size > limits.APPEND_BYTES_MAX and len(records) > 1:
        raise MalformedMessage(f"{len(records)} records of {size} bytes")
    return m.Append(
        shard=named(message.shard),
        term=stored(message.term),
        version=stored(message.version),
        previous_term=stored(message.previous_term),
        previous_sequence=stored(message.previous_sequence),
        sequence=stored(message.sequence),
        records=records,
        committed=stored(message.committed),
        everywhere=stored(message.everywhere),
        cut=message.cut,
        begins=message.begins,
        part=message.part,
        parts=message.parts,
    )


def _encode_append_ack(message: m.AppendAck) -> pb.AppendAck:
    return pb.AppendAck(
        shard=message.shard,
        term=message.term,
        sequence=message.sequence,
        diverged=message.diverged,
        committed=message.committed,
        keys=message.keys,
    )


def _decode_append_ack(_: Readers, message: pb.AppendAck) -> m.AppendAck:
    return m.AppendAck(
        shard=named(message.shard),
        term=stored(message.term),
        sequence=stored(message.sequence),
        diverged=message.diverged,
        committed=stored(message.committed),
        keys=words(message.keys, limits.LOG_KEYS_MAX),
    )


def _encode_renew(message: m.Renew) -> pb.Renew:
    return pb.Renew(
        shard=message.shard,
        term=message.term,
        version=message.version,
        boot=message.boot,
        number=message.number,
        sequence=message.sequence,
        committed=message.committed,
    )


def _decode_renew(_: Readers, message: pb.Renew) -> m.Renew:
    return m.Renew(
        shard=named(message.shard),
        term=stored(message.term),
        version=stored(message.version),
        boot=message.boot,
        number=message.number,
        sequence=stored(message.sequence),
        committed=stored(message.committed),
    )


def _encode_promise(message: m.Promise) -> pb.Promise:
    return pb.Promise(
        shard=message.shard,
        term=message.term,
        trial=message.trial,
        log_term=message.log_term,
        log_sequence=message.log_sequence,
        promised_term=message.promised_term,
        founded=message.founded,
        blank=message.blank,
        life=message.life,
        group=message.group,
        left=message.left,
    )


def _decode_promise(_: Readers, message: pb.Promise) -> m.Promise:
    return m.Promise(
        shard=named(message.shard),
        term=stored(message.term),
        trial=message.trial,
        log_term=stored(message.log_term),
        log_sequence=stored(message.log_sequence),
        promised_term=stored(message.promised_term),
        founded=message.founded,
        blank=message.blank,
        life=message.life,
        group=_group(message.group) if message.group else b"",
        left=message.left,
    )


def _encode_refuse(message: m.Refuse) -> pb.Refuse:
    return pb.Refuse(
        shard=message.shard,
        term=message.term,
        promised_term=message.promised_term,
        wait_us=message.wait_us,
        blank=message.blank,
    )


def _decode_refuse(_: Readers, message: pb.Refuse) -> m.Refuse:
    return m.Refuse(
        shard=named(message.shard),
        term=stored(message.term),
        promised_term=stored(message.promised_term),
        wait_us=stored(message.wait_us),
        blank=message.blank,
    )


def _decode_fetch(_: Readers, message: pb.Fetch) -> m.Fetch:
    return m.Fetch(
        shard=named(message.shard),
        term=stored(message.term),
        committed=stored(message.committed),
        keys=words(message.keys, limits.LOG_KEYS_MAX),
    )


# After the records that they speak of, whatever acknowledges or counts on them.
GROUP_KINDS: tuple[Kind, ...] = (
    Kind(m.Append, "appends", _encode_append, _decode_append),
    Kind(m.AppendAck, "append_acks", _encode_append_ack, _decode_append_ack),
    Kind(m.Renew, "renews", _encode_renew, _decode_renew),
    Kind(
        m.RenewAck,
        "renew_acks",
        lambda x: pb.RenewAck(shard=x.shard, term=x.term, boot=x.boot, number=x.number),
        lambda _, x: m.RenewAck(named(x.shard), stored(x.term), x.boot, x.number),
    ),
    Kind(
        m.Prepare,
        "prepares",
        lambda x: pb.Prepare(shard=x.shard, term=x.term, version=x.version, trial=x.trial, life=x.life),
        lambda _, x: m.Prepare(named(x.shard), stored(x.term), stored(x.version), x.trial, x.life),
    ),
    Kind(m.Promise, "promises", _encode_promise, _decode_promise),
    Kind(m.Refuse, "refuses", _encode_refuse, _decode_refuse),
    Kind(
        m.Fetch,
        "fetches",
        lambda x: pb.Fetch(shard=x.shard, term=x.term, committed=x.committed, keys=x.keys),
        _decode_fetch,
    ),
)
