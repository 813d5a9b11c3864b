"""Peer messages: what goes in comes out, for every kind; and a hostile envelope costs its sender the message."""

from __future__ import annotations

import hashlib
import typing

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from hanse.core import messages as m
from hanse.core.model import limits
from hanse.core.model.jobs import GroupShape, Reason, ReasonCode, Ruled, ShapeBody, make_shape
from hanse.core.model.league_policy import LeaguePolicy, LeagueStanding, SignedPolicy
from hanse.core.model.lifecycle import TERMINAL_STATES, JobState
from hanse.core.model.quota import Quota, QuotaDocument, SignedQuotas
from hanse.core.model.regions import (
    CapacityClass,
    Group,
    PolicyNews,
    Position,
    QueuedShape,
    QuotaNews,
    RegionRecord,
    pack_group,
)
from hanse.core.model.reservations import Before, WantedReservation
from hanse.core.model.resources import resources
from hanse.core.model.roster import Countersignature, GuardianSet, Roster, RosterMember, Round, SignedRoster
from hanse.core.model.time import FOR_EVER_US
from hanse.wire.gen.hanse.v1 import jobs_pb2, peers_pb2, regions_pb2
from hanse.wire.peers import PeerCodec, encode_exchange, size_hint
from hanse.wire.policies import decode_policy_news
from hanse.wire.shapes import MalformedMessage
from hanse.wire.specs import CheckedSpec, SpecReader, SpecRules

COUNT_32 = st.integers(0, 2**32 - 1)
COUNT_63 = st.integers(0, 2**63 - 1)
COUNT_64 = st.integers(0, 2**64 - 1)
WALL_US = st.integers(0, 2**52)
# The wire carries milliseconds.
DURATION_US = st.integers(0, 2**31).map(lambda ms: ms * 1_000)
WORD = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40)
REGION = st.from_regex(r"[a-z][a-z0-9-]{0,20}[a-z0-9]", fullmatch=True)
JOB_ID = REGION.map(lambda region: f"{region}-01k9z3v6q2w8x4m5n7p0r1s2t3")
REASON = st.builds(Reason, st.sampled_from([c for c in ReasonCode if c is not ReasonCode.UNKNOWN]), WORD)
QUANTITIES = st.dictionaries(
    st.sampled_from(["cpu", "memory", "gpu/a100", "licence"]), st.integers(1, 2**30), min_size=1
).map(resources)
LABELS = st.dictionaries(WORD, WORD, max_size=3).map(lambda labels: tuple(sorted(labels.items())))
REGIONS = st.lists(REGION, max_size=3).map(tuple)


@st.composite
def group_shapes(draw: st.DrawFn) -> GroupShape:
    count = draw(st.integers(1, 10_000))
    constraints = draw(st.lists(st.sampled_from(["zone = a", "!spot", "m in (a, b)"]), max_size=2).map(tuple))
    return GroupShape(count, draw(st.integers(1, count)), draw(QUANTITIES), constraints)


SHAPE = st.builds(
    ShapeBody,
    groups=st.lists(group_shapes(), min_size=1, max_size=3).map(tuple),
    tier=st.sampled_from(["premium", "standard"]),
    priority=st.integers(-1_000, 1_000),
    regions_allow=REGIONS,
    regions_deny=REGIONS,
    regions_prefer=REGIONS,
    datasets=REGIONS,
    runtime_estimate_us=st.integers(0, limits.RUNTIME_ESTIMATE_US_MAX),
    required_features=REGIONS,
    adoptable=st.booleans(),
    restartable=st.booleans(),
).map(make_shape)
QUEUED_SHAPE = st.builds(
    QueuedShape,
    shape_key=st.binary(max_size=16),
    count=COUNT_32,
    resources=QUANTITIES,
    oldest_wait_us=DURATION_US,
)
CAPACITY_CLASS = st.builds(
    CapacityClass,
    node_class=WORD,
    nodes=COUNT_32,
    node_capacity=QUANTITIES,
    labels=LABELS,
    free=QUANTITIES,
    free_max=QUANTITIES,
)
RECORD = st.builds(
    RegionRecord,
    region=REGION,
    incarnation=COUNT_63,
    version=COUNT_63,
    observed_wall_us=WALL_US,
    classes=st.lists(CAPACITY_CLASS, max_size=2).map(tuple),
    draining=st.booleans(),
    protocol_min=COUNT_32,
    protocol_max=COUNT_32,
    datasets=REGIONS,
    queued=COUNT_63,
    predicted_wait_us=DURATION_US,
    peer_address=WORD,
    public_address=WORD,
    queued_shapes=st.lists(QUEUED_SHAPE, max_size=2).map(tuple),
    price=COUNT_32,
    power=COUNT_32,
    leads=st.lists(st.tuples(REGION, COUNT_63), max_size=3).map(tuple),
    quotas=st.none()
    | st.builds(
        QuotaNews,
        league=WORD,
        number=COUNT_63,
        sha256=WORD,
        accounts=st.lists(st.tuples(st.text("@ab", min_size=1, max_size=6), COUNT_63), max_size=2).map(tuple),
        rights=st.lists(
            st.tuples(
                st.tuples(WORD, st.text("cpu/", max_size=6)),
                st.integers(0, limits.QUANTITY_MAX),
                st.integers(0, limits.QUANTITY_MAX),
            ),
            max_size=2,
        ).map(tuple),
    ),
    policy=st.none()
    | st.builds(
        PolicyNews,
        number=COUNT_63,
        sha256=WORD,
        standing=st.sampled_from(LeagueStanding),
        version=COUNT_63,
    ),
)
SPEC = jobs_pb2.JobSpec(
    name="train",
    tenant="org",
    groups=[
        jobs_pb2.TaskGroup(
            requirements=jobs_pb2.Requirements(resources={"cpu": 1}),
            program=jobs_pb2.Program(command=["true"]),
        )
    ],
    retry=jobs_pb2.RetryPolicy(retries_max=3),
).SerializeToString(deterministic=True)
SHA256 = hashlib.sha256(SPEC).digest()
CHECKED = SpecReader(SpecRules()).read_bytes(SPEC, SHA256)
assert isinstance(CHECKED, CheckedSpec)
RULED = make_shape(replace(CHECKED.shape.body, tier="night", regions_deny=("west",), ruled=Ruled("q")))

EPOCH = st.integers(0, 2**53 - 1)
COUNTERSIGNATURES = st.lists(st.builds(Countersignature, REGION, WORD), max_size=3).map(tuple)
ROSTER_MEMBER = st.builds(
    RosterMember,
    name=WORD,
    peer_address=WORD,
    public_key=WORD,
    ledger_id=WORD,
    protocol_min=st.integers(0, 2**31 - 1),
    protocol_max=st.integers(0, 2**31 - 1),
    public_address=WORD,
    labels=st.dictionaries(WORD, WORD, max_size=2),
)
ROSTER = st.builds(
    Roster,
    cluster_id=WORD,
    epoch=EPOCH,
    previous_sha256=WORD,
    operator_key=WORD,
    issuer=WORD,
    issued_wall_us=EPOCH,
    members=st.lists(ROSTER_MEMBER, max_size=3).map(tuple),
    guardian_sets=st.lists(st.builds(GuardianSet, home=WORD, members=REGIONS, version=EPOCH), max_size=2).map(
        tuple
    ),
    domains=st.sampled_from(["strict", "spread"]),
    guardians=EPOCH,
)
ROUND = st.builds(Round, EPOCH, REGION)
SIGNED_ROSTER = st.builds(
    SignedRoster, roster=ROSTER, operator_signature=WORD, round=ROUND, countersignatures=COUNTERSIGNATURES
)
ACCOUNT = st.text("@abc-", min_size=1, max_size=8)
QUOTA_KEY = st.tuples(st.text("ab/", max_size=6), st.text("cpu/", max_size=6))
RIGHTS = st.dictionaries(QUOTA_KEY, st.integers(1, limits.QUANTITY_MAX), max_size=3).map(
    lambda amounts: tuple(sorted(amounts.items()))
)
QUOTA_DOCUMENT = st.builds(
    QuotaDocument,
    cluster_id=WORD,
    number=EPOCH,
    previous_sha256=WORD,
    keeper=WORD,
    issuer=WORD,
    issued_wall_us=EPOCH,
    quotas=st.lists(
        st.builds(Quota, tenant=WORD, resource=WORD, limit=st.none() | EPOCH, written_off=EPOCH), max_size=2
    ).map(tuple),
    format=EPOCH,
)
WISHED = st.builds(
    WantedReservation,
    name=st.sampled_from(["night", "a b"]),
    tenant=st.just("org/team"),
    groups=st.lists(
        st.builds(
            GroupShape,
            count=st.shared(st.integers(1, 9), key="places"),
            count_min=st.shared(st.integers(1, 9), key="places"),
            resources=st.just((("cpu", 1_000), ("gpu", 2_000))),
            constraints=st.sampled_from([(), ("model = a100",)]),
        ),
        min_size=1,
        max_size=2,
    ).map(tuple),
    starts_wall_us=st.lists(st.integers(1 << 50, 1 << 51), min_size=1, max_size=3, unique=True).map(
        lambda found: tuple(sorted(found))
    ),
    duration_us=st.integers(1, 1 << 40),
    before=st.sampled_from(Before),
    idle_release_us=st.integers(0, 1 << 40),
    recurrence=st.sampled_from(["", "0 22 * * *"]),
    time_zone=st.sampled_from(["", "Europe/Berlin"]),
    until_wall_us=st.integers(1 << 50, 1 << 51),
    author=st.just("ada"),
    why=st.sampled_from(["", "models"]),
)
MESSAGES: dict[type, st.SearchStrategy[m.Message]] = {
    m.ReservationPart: st.builds(
        m.ReservationPart, id=JOB_ID.filter(bool), wanted=WISHED, binding=st.booleans()
    ),
    m.ReservationTaken: st.builds(
        m.ReservationTaken, id=JOB_ID.filter(bool), binding=st.booleans(), code=WORD, reason=WORD
    ),
    m.ReservationVerdict: st.builds(
        m.ReservationVerdict, id=JOB_ID.filter(bool), kept=st.booleans(), over_wall_us=COUNT_63
    ),
    m.ReservationSettled: st.builds(m.ReservationSettled, id=JOB_ID.filter(bool), kept=st.booleans()),
    m.RightsAsk: st.builds(
        m.RightsAsk,
        league=WORD,
        account=ACCOUNT,
        account_id=COUNT_63,
        wants=RIGHTS,
        since_wall_us=COUNT_63,
        recall=st.booleans(),
    ),
    m.RightsCommit: st.builds(
        m.RightsCommit,
        league=WORD,
        giver=ACCOUNT,
        giver_id=COUNT_63,
        to=ACCOUNT,
        to_id=COUNT_63,
        sequence=COUNT_63,
        rights=RIGHTS,
        number=COUNT_63,
    ),
    m.RightsDecision: st.builds(
        m.RightsDecision,
        giver=ACCOUNT,
        giver_id=COUNT_63,
        to=ACCOUNT,
        to_id=COUNT_63,
        sequence=COUNT_63,
        verdict=st.sampled_from(m.RightsVerdict),
    ),
    m.QuotaRequest: st.builds(m.QuotaRequest, COUNT_63),
    m.QuotaNotice: st.builds(
        m.QuotaNotice, st.builds(SignedQuotas, document=QUOTA_DOCUMENT, operator_signature=WORD)
    ),
    m.PolicyRequest: st.builds(m.PolicyRequest, COUNT_63, WORD),
    m.PolicyNotice: st.builds(
        m.PolicyNotice,
        st.builds(
            SignedPolicy,
            document=st.builds(
                LeaguePolicy,
                cluster_id=WORD,
                number=EPOCH,
                previous_sha256=WORD,
                issuer=WORD,
                issued_wall_us=EPOCH,
                text=st.text('a\n"é', max_size=20),
                author=WORD,
                why=WORD,
            ),
            operator_signature=WORD,
        ),
    ),
    m.RosterAnnounce: st.builds(m.RosterAnnounce, COUNT_63, WORD),
    m.RosterRequest: st.builds(m.RosterRequest, COUNT_63),
    m.RosterDocument: st.builds(m.RosterDocument, SIGNED_ROSTER),
    m.RosterProposal: st.builds(m.RosterProposal, SIGNED_ROSTER, ROUND, st.booleans()),
    m.RosterVote: st.builds(
        m.RosterVote,
        epoch=COUNT_63,
        sha256=WORD,
        round=ROUND,
        answered=ROUND,
        asks=st.booleans(),
        signature=WORD,
        has=st.none() | SIGNED_ROSTER,
        refusal=WORD,
        is_final=st.booleans(),
    ),
    m.Hello: st.builds(m.Hello, COUNT_64),
    m.HelloAck: st.builds(m.HelloAck, COUNT_64, COUNT_64),
    m.GossipDigest: st.builds(
        m.GossipDigest, st.lists(st.tuples(REGION, COUNT_64, COUNT_64), max_size=4).map(tuple), st.booleans()
    ),
    m.GossipDelta: st.builds(m.GossipDelta, st.lists(RECORD, max_size=2).map(tuple)),
    m.Probe: st.builds(m.Probe, COUNT_64),
    m.ProbeAck: st.builds(m.ProbeAck, COUNT_64),
    m.ProbeRequest: st.builds(m.ProbeRequest, COUNT_64, REGION),
    m.Solicit: st.builds(m.Solicit, COUNT_64, st.lists(QUEUED_SHAPE, max_size=3).map(tuple), DURATION_US),
    m.Offer: st.builds(
        m.Offer, COUNT_64, SHAPE, COUNT_32, REGIONS, WORD, COUNT_64, st.integers(0, FOR_EVER_US)
    ),
    m.OfferAnswer: st.builds(m.OfferAnswer, COUNT_64, COUNT_32, DURATION_US, st.none() | REASON, DURATION_US),
    m.Release: st.builds(m.Release, COUNT_64),
    m.Commit: st.builds(
        m.Commit,
        job_id=JOB_ID,
        epoch=COUNT_32,
        sequence=COUNT_63,
        home=REGION,
        tenant=WORD,
        spec=st.just(SPEC),
        spec_sha256=st.just(SHA256),
        path=REGIONS,
        submitted_wall_us=WALL_US,
        cancel_id=WORD,
        offer_id=COUNT_64,
        failures=COUNT_32,
        moves=COUNT_32,
        traceparent=WORD,
        shape=st.sampled_from([CHECKED.shape, RULED]),
        name=st.just("train"),
        grace_us=st.just(limits.GRACE_US_DEFAULT),
        retries_max=st.just(3),
    ),
    m.Withdraw: st.builds(m.Withdraw, JOB_ID, COUNT_32, COUNT_63),
    m.Decision: st.builds(m.Decision, JOB_ID, COUNT_32, WORD, COUNT_63, st.sampled_from(m.Verdict), REASON),
    m.Stable: st.builds(m.Stable, COUNT_63),
    m.Status: st.builds(
        m.Status,
        job_id=JOB_ID,
        epoch=COUNT_32,
        attempt=COUNT_32,
        state=st.sampled_from(JobState),
        region=REGION,
        reason=REASON,
        sequence=COUNT_63,
        at_wall_us=WALL_US,
        settled=st.booleans(),
    ),
    m.Cancel: st.builds(m.Cancel, JOB_ID, WORD),
    m.CancelAck: st.builds(m.CancelAck, JOB_ID, WORD),
    m.Terminal: st.builds(
        m.Terminal,
        job_id=JOB_ID,
        epoch=COUNT_32,
        attempt=COUNT_32,
        outcome=st.sampled_from(sorted(TERMINAL_STATES)),
        reason=REASON,
        exit_code=st.integers(0, 255),
        started_wall_us=WALL_US,
        ended_wall_us=WALL_US,
        region=REGION,
    ),
    m.TerminalAck: st.builds(m.TerminalAck, JOB_ID, COUNT_32),
    m.Locate: st.builds(m.Locate, JOB_ID, COUNT_64),
    m.Located: st.builds(
        m.Located, JOB_ID, COUNT_64, st.none() | st.sampled_from(JobState), COUNT_32, REGION | st.just("")
    ),
}
MESSAGES[m.Inquest] = st.builds(
    m.Inquest, COUNT_64, COUNT_32, COUNT_32, st.lists(JOB_ID, max_size=4).map(tuple)
)
MESSAGES[m.InquestAnswer] = st.builds(
    m.InquestAnswer,
    id=COUNT_64,
    of_part=COUNT_32,
    part=COUNT_32,
    parts=COUNT_32,
    testimonies=st.lists(
        st.builds(
            m.Testimony,
            job_id=JOB_ID,
            epoch=COUNT_32,
            standing=st.sampled_from(m.Standing),
            commit=st.none() | MESSAGES[m.Commit],
            terminal=st.none() | MESSAGES[m.Terminal],
        ),
        max_size=3,
    ).map(tuple),
    seen_sequence=COUNT_63,
    stable_sequence=COUNT_63,
)
LOG_RECORD = st.builds(m.LogRecord, WORD, COUNT_63, COUNT_63, st.binary(max_size=64))
LOG_KEYS = st.lists(WORD, max_size=4).map(tuple)
MESSAGES[m.Append] = st.integers(1, limits.APPEND_PARTS_MAX).flatmap(
    lambda parts: st.builds(
        m.Append,
        shard=REGION,
        term=COUNT_63,
        version=COUNT_63,
        previous_term=COUNT_63,
        previous_sequence=COUNT_63,
        sequence=COUNT_63,
        records=st.lists(LOG_RECORD, max_size=3).map(tuple),
        committed=COUNT_63,
        everywhere=COUNT_63,
        cut=st.booleans(),
        begins=st.booleans(),
        part=st.integers(0, parts - 1),
        parts=st.just(parts),
    )
)
MESSAGES[m.AppendAck] = st.builds(
    m.AppendAck,
    shard=REGION,
    term=COUNT_63,
    sequence=COUNT_63,
    diverged=st.booleans(),
    committed=COUNT_63,
    keys=LOG_KEYS,
)
MESSAGES[m.Renew] = st.builds(m.Renew, REGION, COUNT_63, COUNT_63, COUNT_64, COUNT_64, COUNT_63, COUNT_63)
MESSAGES[m.RenewAck] = st.builds(m.RenewAck, REGION, COUNT_63, COUNT_64, COUNT_64)
MESSAGES[m.Prepare] = st.builds(m.Prepare, REGION, COUNT_63, COUNT_63, st.booleans(), COUNT_63)
MESSAGES[m.Promise] = st.builds(
    m.Promise,
    shard=REGION,
    term=COUNT_63,
    trial=st.booleans(),
    log_term=COUNT_63,
    log_sequence=COUNT_63,
    promised_term=COUNT_63,
    founded=st.booleans(),
    blank=st.booleans(),
    life=COUNT_63,
    group=st.sampled_from([b"", pack_group(Group(shard="a", members=("a", "b"), joining=("a", "c")))]),
)
MESSAGES[m.Refuse] = st.builds(
    m.Refuse, shard=REGION, term=COUNT_63, promised_term=COUNT_63, wait_us=COUNT_63, blank=st.booleans()
)
MESSAGES[m.Fetch] = st.builds(m.Fetch, shard=REGION, term=COUNT_63, committed=COUNT_63, keys=LOG_KEYS)
BETWEEN_SHARDS = [MESSAGES[kind] for kind in typing.get_args(m.ShardMessage)]


def of_shard(message: m.ShardMessage) -> m.ShardMessage:
    """A job that goes from shard to shard is adoptable, whatever its spec says."""
    if not isinstance(message, m.Commit) or message.shape is None:
        return message
    body = msgspec.structs.replace(message.shape.body, adoptable=True)
    return msgspec.structs.replace(message, shape=make_shape(body))


MESSAGES[m.ToShard] = st.builds(m.ToShard, REGION, REGION, st.one_of(BETWEEN_SHARDS).map(of_shard))
POSITION = st.builds(Position, COUNT_63, COUNT_63, COUNT_63)
ENVELOPE = st.builds(
    m.Envelope,
    cluster_id=WORD,
    roster_epoch=COUNT_64,
    sender=REGION,
    receiver=REGION,
    sender_ledger_id=WORD,
    sender_position=POSITION,
    sender_nonce=COUNT_64,
    receiver_nonce=COUNT_64,
    protocol_min=COUNT_32,
    protocol_max=COUNT_32,
    receiver_seen=POSITION,
    receiver_seen_ledger_id=WORD,
)
AN_ENVELOPE = m.Envelope(
    cluster_id="c",
    roster_epoch=1,
    sender="north",
    receiver="east",
    sender_ledger_id="l",
    sender_position=Position(1, 2),
    sender_nonce=3,
    receiver_nonce=4,
    protocol_min=1,
    protocol_max=1,
)


def codec() -> PeerCodec:
    return PeerCodec(SpecReader(SpecRules()))


def there_and_back(
    envelope: m.Envelope, messages: tuple[m.Message, ...]
) -> tuple[m.Envelope, tuple[m.Message, ...]]:
    data = encode_exchange(envelope, messages).SerializeToString()
    exchange = codec().decode(peers_pb2.ExchangeRequest.FromString(data))
    assert exchange.dropped == ()
    return exchange.envelope, exchange.messages


def test_every_kind_of_message_has_its_property() -> None:
    assert set(MESSAGES) == set(typing.get_args(m.Message))


@pytest.mark.parametrize("kind", MESSAGES, ids=lambda kind: kind.__name__)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_a_message_comes_out_as_it_went_in(kind: type, data: st.DataObject) -> None:
    messages = tuple(data.draw(st.lists(MESSAGES[kind], min_size=1, max_size=2)))

    envelope, came = there_and_back(AN_ENVELOPE, messages)

    assert envelope == AN_ENVELOPE
    # Messages between shards are grouped.
    assert sorted(came, key=repr) == sorted(messages, key=repr) if kind is m.ToShard else came == messages
    assert all(size_hint(message) > 0 for message in messages)


def test_what_shards_say_to_each_other_is_grouped_by_pair_and_names_it_once() -> None:
    sent = (
        m.ToShard("north", "east", m.Stable(1)),
        m.ToShard("west", "east", m.Cancel("west-1", "c")),
        m.ToShard("north", "east", m.Withdraw("north-1", 2, 1)),
        m.ToShard("north", "east", m.Stable(2)),
        m.Stable(3),
    )

    request = encode_exchange(AN_ENVELOPE, sent)

    assert [(batch.source, batch.shard) for batch in request.shard_batches] == [
        ("north", "east"),
        ("west", "east"),
    ]
    # The messages of regions come first, and a transfer before what refers to it.
    assert codec().decode(request).messages == (sent[4], sent[2], sent[0], sent[3], sent[1])


def test_a_version_that_knows_no_shards_sees_nothing_of_what_they_say() -> None:
    """It would take a COMMIT to a shard for one to the region."""
    commit = peers_pb2.Commit(job_id="north-1", epoch=2, spec=SPEC, spec_sha256=SHA256, home="north")
    request = peers_pb2.ExchangeRequest(
        shard_batches=[peers_pb2.ShardBatch(source="north", shard="east", commits=[commit])]
    )

    assert not request.commits
    assert {field.number for field in peers_pb2.ShardBatch.DESCRIPTOR.fields if field.number > 2} == {
        field.number for field in peers_pb2.ExchangeRequest.DESCRIPTOR.fields if 34 <= field.number <= 44
    }


@settings(max_examples=50, deadline=None)
@given(envelope=ENVELOPE)
def test_an_envelope_comes_out_as_it_went_in(envelope: m.Envelope) -> None:
    assert there_and_back(envelope, ()) == (envelope, ())


def test_hellos_are_read_before_what_needs_the_session_and_commits_before_withdraws() -> None:
    sent = (m.Withdraw("north-1", 2, 1), m.Probe(1), m.Hello(7), m.Stable(1))

    assert there_and_back(AN_ENVELOPE, sent)[1] == (
        m.Hello(7),
        m.Probe(1),
        m.Withdraw("north-1", 2, 1),
        m.Stable(1),
    )


def test_a_reason_of_a_newer_version_keeps_its_words() -> None:
    request = encode_exchange(AN_ENVELOPE, [])
    request.statuses.add(job_id="north-1", state=1).reason.code = "TELEPORTED"

    (status,) = codec().decode(request).messages

    assert isinstance(status, m.Status)
    assert status.reason.code is ReasonCode.UNKNOWN
    assert "TELEPORTED" in status.reason.detail


def test_a_commit_whose_spec_cannot_be_read_reaches_the_core_without_a_shape() -> None:
    request = encode_exchange(AN_ENVELOPE, [])
    request.commits.add(job_id="north-1", epoch=2, spec=b"\xff", spec_sha256=hashlib.sha256(b"\xff").digest())
    request.commits.add(job_id="north-2", epoch=2, spec=SPEC, spec_sha256=b"\0" * 32)

    exchange = codec().decode(request)

    assert exchange.dropped == ()
    assert [message.shape for message in exchange.messages if isinstance(message, m.Commit)] == [None, None]


def test_rules_change_where_a_job_runs_and_never_what_it_is() -> None:
    request = encode_exchange(AN_ENVELOPE, [])
    request.commits.add(job_id="north-1", epoch=2, spec=SPEC, spec_sha256=SHA256)
    group = request.commits[0].shape.groups.add(count=2, count_min=2)
    group.resources["cpu"] = 1

    (commit,) = codec().decode(request).messages

    assert isinstance(commit, m.Commit)
    assert commit.shape is None


def test_what_breaks_a_bound_is_dropped_alone() -> None:
    request = encode_exchange(AN_ENVELOPE, [m.Probe(1)])
    request.cancels.add(job_id="n" * 1_000)
    request.statuses.add(job_id="north-1", state=2)
    request.statuses.add(job_id="north-1", state=99)
    request.terminals.add(job_id="north-1", outcome=1)
    request.decisions.add(job_id="north-1", verdict=0)
    request.stables.add(sequence=2**64 - 1)
    request.commits.add(job_id="north-1", spec=b"x" * (limits.SPEC_BYTES_MAX + 1), spec_sha256=b"\0" * 32)
    request.offers.add()
    hostile = request.offers.add()
    hostile.shape.groups.add(count=1, count_min=1, constraints=["zone in ("])
    request.deltas.add().records.add(region="east").queued_shapes.add(oldest_wait_ms=2**63)
    request.roster_documents.add(document=b'{"roster": 1}')
    request.roster_proposals.add(document=b" " * (limits.SIGNED_ROSTER_BYTES_MAX + 1))
    request.roster_votes.add(epoch=2**64 - 1)

    exchange = codec().decode(request)

    assert exchange.messages == (m.Probe(1),)
    assert len(exchange.dropped) == 13


def test_what_breaks_a_bound_of_quotas_is_dropped_alone() -> None:
    good = m.QuotaRequest(7)
    request = encode_exchange(AN_ENVELOPE, [good])
    request.rights_asks.add(account="")
    request.rights_asks.add(account="a").wants.add(tenant="t", resource="cpu", amount=-1)
    request.rights_commits.add(giver="a", to="b").rights.add(tenant="t", resource="cpu")
    twice = request.rights_commits.add(giver="a", to="b")
    for _ in range(2):
        twice.rights.add(tenant="t", resource="cpu", amount=1)
    request.rights_decisions.add(giver="a", to="b", verdict=0)
    request.quota_requests.add(after_number=2**64 - 1)
    request.quota_notices.add(document=b'{"document": 1}')
    request.quota_notices.add(document=b" " * (limits.SIGNED_QUOTAS_BYTES_MAX + 1))

    exchange = codec().decode(request)

    assert exchange.messages == (good,)
    assert len(exchange.dropped) == 8


def test_what_breaks_a_bound_of_the_leagues_policy_is_dropped_alone() -> None:
    good = m.PolicyRequest(7, "b" * 64)
    request = encode_exchange(AN_ENVELOPE, [good])
    request.policy_requests.add(number=2**63)
    request.policy_requests.add(number=1, sha256="a" * (limits.PEER_WORD_LENGTH_MAX + 1))
    request.policy_notices.add()
    request.policy_notices.add(document=b'{"document": 1}')
    request.policy_notices.add(document=b" " * (limits.SIGNED_POLICY_BYTES_MAX + 1))

    exchange = codec().decode(request)

    assert exchange.messages == (good,)
    assert len(exchange.dropped) == 5


def test_a_standing_that_only_later_versions_know_is_read_as_pending() -> None:
    news = regions_pb2.PolicyNews(number=1, sha256="b", version=3)
    news.standing = 77  # type: ignore[assignment]

    assert decode_policy_news(news).standing is LeagueStanding.PENDING


def test_the_largest_policy_of_the_league_fits_into_an_envelope() -> None:
    text = '"' * limits.POLICY_BYTES_MAX
    document = LeaguePolicy(
        cluster_id="c", number=1, previous_sha256="", issuer="i", issued_wall_us=1, text=text
    )
    notice = m.PolicyNotice(SignedPolicy(document=document, operator_signature="f" * 128))
    request = encode_exchange(AN_ENVELOPE, [notice])

    assert request.ByteSize() <= limits.SIGNED_POLICY_BYTES_MAX + 1_024
    assert size_hint(notice) <= limits.ENVELOPE_BYTES_MAX
    assert codec().decode(request).messages == (notice,)


def test_what_breaks_a_bound_of_the_shards_is_dropped_alone() -> None:
    good = m.Renew("north", 4, 1, 2**64 - 1, 1, 7, 6)
    request = encode_exchange(AN_ENVELOPE, [good])
    too_large = 2**63
    for fields in (
        {},
        {"part": 1, "parts": 1},
        {"parts": limits.APPEND_PARTS_MAX + 1},
        {"parts": 1, "term": too_large},
        {"parts": 1, "records": [peers_pb2.LogRecord(key="k" * 1_000)]},
        {"parts": 1, "records": [peers_pb2.LogRecord(key="k", sequence=too_large)]},
        {"parts": 1, "records": [peers_pb2.LogRecord(key="k", value=bytes(limits.LOG_VALUE_BYTES_MAX + 1))]},
        {"parts": 1, "records": [peers_pb2.LogRecord(value=bytes(limits.APPEND_BYTES_MAX // 2 + 1))] * 2},
        {"parts": 1, "records": [peers_pb2.LogRecord()] * (limits.APPEND_RECORDS_MAX + 1)},
    ):
        request.appends.add(shard="north", **fields)
    request.appends.add(parts=1)
    request.append_acks.add(shard="north", keys=["k"] * (limits.LOG_KEYS_MAX + 1))
    request.renews.add(shard="n" * 64, term=1)
    request.renew_acks.add(term=1)
    request.prepares.add(shard="north", term=too_large)
    request.promises.add(shard="north", log_sequence=too_large)
    request.refuses.add(shard="north", wait_us=too_large)
    request.fetches.add(shard="north", keys=["k" * 1_000])
    batch = request.shard_batches.add(source="north", shard="east")
    batch.cancels.add(job_id="n" * 1_000)
    batch.stables.add(sequence=5)
    request.shard_batches.add(shard="east").stables.add(sequence=5)
    leads = [regions_pb2.Leadership(shard="north", term=1)] * (limits.RECORD_LEADS_MAX + 1)
    request.deltas.add().records.add(region="east", leads=leads)

    exchange = codec().decode(request)

    assert exchange.messages == (good, m.ToShard("north", "east", m.Stable(5)))
    assert len(exchange.dropped) == 9 + 8 + 3, exchange.dropped


def test_a_record_larger_than_an_append_comes_alone() -> None:
    record = m.LogRecord("j/north-1", 1, 2, bytes(limits.APPEND_BYTES_MAX + 1))
    append = m.Append(
        shard="north",
        term=1,
        version=1,
        previous_term=1,
        previous_sequence=1,
        sequence=2,
        records=(record,),
        committed=1,
        everywhere=1,
    )

    assert there_and_back(AN_ENVELOPE, (append,))[1] == (append,)
    assert size_hint(append) >= len(encode_exchange(AN_ENVELOPE, [append]).SerializeToString()) - 256


def test_messages_between_shards_count_for_the_bound_of_an_envelope() -> None:
    half = limits.ENVELOPE_MESSAGES_MAX // 2
    sent = [m.ToShard("north", "east", m.Stable(1)), m.Probe(1)] * half
    assert len(codec().decode(encode_exchange(AN_ENVELOPE, sent)).messages) == limits.ENVELOPE_MESSAGES_MAX

    with pytest.raises(MalformedMessage):
        codec().decode(encode_exchange(AN_ENVELOPE, [*sent, m.ToShard("north", "east", m.Stable(1))]))
    empty = encode_exchange(AN_ENVELOPE, sent)
    empty.shard_batches.add()
    with pytest.raises(MalformedMessage):
        codec().decode(empty)


def test_an_envelope_of_too_many_messages_is_refused_whole() -> None:
    request = encode_exchange(AN_ENVELOPE, [m.Probe(i) for i in range(limits.ENVELOPE_MESSAGES_MAX + 1)])

    with pytest.raises(MalformedMessage):
        codec().decode(request)
