from hanse.wire.gen.hanse.v1 import common_pb2 as _common_pb2
from hanse.wire.gen.hanse.v1 import placement_pb2 as _placement_pb2
from hanse.wire.gen.hanse.v1 import regions_pb2 as _regions_pb2
from hanse.wire.gen.hanse.v1 import reservations_pb2 as _reservations_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Verdict(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    VERDICT_UNSPECIFIED: _ClassVar[Verdict]
    VERDICT_COMMITTED: _ClassVar[Verdict]
    VERDICT_BURNED: _ClassVar[Verdict]

class Standing(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STANDING_UNSPECIFIED: _ClassVar[Standing]
    STANDING_HELD: _ClassVar[Standing]
    STANDING_BURNED: _ClassVar[Standing]
    STANDING_GAVE: _ClassVar[Standing]
    STANDING_IN_TRANSFER: _ClassVar[Standing]
    STANDING_CLOSED: _ClassVar[Standing]
    STANDING_PASSED: _ClassVar[Standing]
    STANDING_OVER: _ClassVar[Standing]

class RightsVerdict(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RIGHTS_VERDICT_UNSPECIFIED: _ClassVar[RightsVerdict]
    RIGHTS_VERDICT_TAKEN: _ClassVar[RightsVerdict]
    RIGHTS_VERDICT_BURNED: _ClassVar[RightsVerdict]
    RIGHTS_VERDICT_GONE: _ClassVar[RightsVerdict]
VERDICT_UNSPECIFIED: Verdict
VERDICT_COMMITTED: Verdict
VERDICT_BURNED: Verdict
STANDING_UNSPECIFIED: Standing
STANDING_HELD: Standing
STANDING_BURNED: Standing
STANDING_GAVE: Standing
STANDING_IN_TRANSFER: Standing
STANDING_CLOSED: Standing
STANDING_PASSED: Standing
STANDING_OVER: Standing
RIGHTS_VERDICT_UNSPECIFIED: RightsVerdict
RIGHTS_VERDICT_TAKEN: RightsVerdict
RIGHTS_VERDICT_BURNED: RightsVerdict
RIGHTS_VERDICT_GONE: RightsVerdict

class Position(_message.Message):
    __slots__ = ("incarnation", "write_sequence", "life")
    INCARNATION_FIELD_NUMBER: _ClassVar[int]
    WRITE_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    LIFE_FIELD_NUMBER: _ClassVar[int]
    incarnation: int
    write_sequence: int
    life: int
    def __init__(self, incarnation: _Optional[int] = ..., write_sequence: _Optional[int] = ..., life: _Optional[int] = ...) -> None: ...

class ExchangeRequest(_message.Message):
    __slots__ = ("cluster_id", "roster_epoch", "sender", "receiver", "sender_ledger_id", "sender_position", "sender_nonce", "receiver_nonce", "protocol_min", "protocol_max", "receiver_seen", "receiver_seen_ledger_id", "deadline_ms", "answer_within_ms", "hellos", "hello_acks", "digests", "deltas", "probes", "probe_acks", "probe_requests", "solicits", "offers", "offer_answers", "releases", "commits", "withdraws", "decisions", "stables", "statuses", "cancels", "cancel_acks", "terminals", "terminal_acks", "locates", "located", "inquests", "inquest_answers", "roster_announces", "roster_requests", "roster_documents", "roster_proposals", "roster_votes", "rights_asks", "rights_commits", "rights_decisions", "quota_requests", "quota_notices", "policy_requests", "policy_notices", "reservation_parts", "reservations_taken", "reservation_verdicts", "reservations_settled", "appends", "append_acks", "renews", "renew_acks", "prepares", "promises", "refuses", "fetches", "shard_batches")
    CLUSTER_ID_FIELD_NUMBER: _ClassVar[int]
    ROSTER_EPOCH_FIELD_NUMBER: _ClassVar[int]
    SENDER_FIELD_NUMBER: _ClassVar[int]
    RECEIVER_FIELD_NUMBER: _ClassVar[int]
    SENDER_LEDGER_ID_FIELD_NUMBER: _ClassVar[int]
    SENDER_POSITION_FIELD_NUMBER: _ClassVar[int]
    SENDER_NONCE_FIELD_NUMBER: _ClassVar[int]
    RECEIVER_NONCE_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_MIN_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_MAX_FIELD_NUMBER: _ClassVar[int]
    RECEIVER_SEEN_FIELD_NUMBER: _ClassVar[int]
    RECEIVER_SEEN_LEDGER_ID_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_MS_FIELD_NUMBER: _ClassVar[int]
    ANSWER_WITHIN_MS_FIELD_NUMBER: _ClassVar[int]
    HELLOS_FIELD_NUMBER: _ClassVar[int]
    HELLO_ACKS_FIELD_NUMBER: _ClassVar[int]
    DIGESTS_FIELD_NUMBER: _ClassVar[int]
    DELTAS_FIELD_NUMBER: _ClassVar[int]
    PROBES_FIELD_NUMBER: _ClassVar[int]
    PROBE_ACKS_FIELD_NUMBER: _ClassVar[int]
    PROBE_REQUESTS_FIELD_NUMBER: _ClassVar[int]
    SOLICITS_FIELD_NUMBER: _ClassVar[int]
    OFFERS_FIELD_NUMBER: _ClassVar[int]
    OFFER_ANSWERS_FIELD_NUMBER: _ClassVar[int]
    RELEASES_FIELD_NUMBER: _ClassVar[int]
    COMMITS_FIELD_NUMBER: _ClassVar[int]
    WITHDRAWS_FIELD_NUMBER: _ClassVar[int]
    DECISIONS_FIELD_NUMBER: _ClassVar[int]
    STABLES_FIELD_NUMBER: _ClassVar[int]
    STATUSES_FIELD_NUMBER: _ClassVar[int]
    CANCELS_FIELD_NUMBER: _ClassVar[int]
    CANCEL_ACKS_FIELD_NUMBER: _ClassVar[int]
    TERMINALS_FIELD_NUMBER: _ClassVar[int]
    TERMINAL_ACKS_FIELD_NUMBER: _ClassVar[int]
    LOCATES_FIELD_NUMBER: _ClassVar[int]
    LOCATED_FIELD_NUMBER: _ClassVar[int]
    INQUESTS_FIELD_NUMBER: _ClassVar[int]
    INQUEST_ANSWERS_FIELD_NUMBER: _ClassVar[int]
    ROSTER_ANNOUNCES_FIELD_NUMBER: _ClassVar[int]
    ROSTER_REQUESTS_FIELD_NUMBER: _ClassVar[int]
    ROSTER_DOCUMENTS_FIELD_NUMBER: _ClassVar[int]
    ROSTER_PROPOSALS_FIELD_NUMBER: _ClassVar[int]
    ROSTER_VOTES_FIELD_NUMBER: _ClassVar[int]
    RIGHTS_ASKS_FIELD_NUMBER: _ClassVar[int]
    RIGHTS_COMMITS_FIELD_NUMBER: _ClassVar[int]
    RIGHTS_DECISIONS_FIELD_NUMBER: _ClassVar[int]
    QUOTA_REQUESTS_FIELD_NUMBER: _ClassVar[int]
    QUOTA_NOTICES_FIELD_NUMBER: _ClassVar[int]
    POLICY_REQUESTS_FIELD_NUMBER: _ClassVar[int]
    POLICY_NOTICES_FIELD_NUMBER: _ClassVar[int]
    RESERVATION_PARTS_FIELD_NUMBER: _ClassVar[int]
    RESERVATIONS_TAKEN_FIELD_NUMBER: _ClassVar[int]
    RESERVATION_VERDICTS_FIELD_NUMBER: _ClassVar[int]
    RESERVATIONS_SETTLED_FIELD_NUMBER: _ClassVar[int]
    APPENDS_FIELD_NUMBER: _ClassVar[int]
    APPEND_ACKS_FIELD_NUMBER: _ClassVar[int]
    RENEWS_FIELD_NUMBER: _ClassVar[int]
    RENEW_ACKS_FIELD_NUMBER: _ClassVar[int]
    PREPARES_FIELD_NUMBER: _ClassVar[int]
    PROMISES_FIELD_NUMBER: _ClassVar[int]
    REFUSES_FIELD_NUMBER: _ClassVar[int]
    FETCHES_FIELD_NUMBER: _ClassVar[int]
    SHARD_BATCHES_FIELD_NUMBER: _ClassVar[int]
    cluster_id: str
    roster_epoch: int
    sender: str
    receiver: str
    sender_ledger_id: str
    sender_position: Position
    sender_nonce: int
    receiver_nonce: int
    protocol_min: int
    protocol_max: int
    receiver_seen: Position
    receiver_seen_ledger_id: str
    deadline_ms: int
    answer_within_ms: int
    hellos: _containers.RepeatedCompositeFieldContainer[Hello]
    hello_acks: _containers.RepeatedCompositeFieldContainer[HelloAck]
    digests: _containers.RepeatedCompositeFieldContainer[GossipDigest]
    deltas: _containers.RepeatedCompositeFieldContainer[GossipDelta]
    probes: _containers.RepeatedCompositeFieldContainer[Probe]
    probe_acks: _containers.RepeatedCompositeFieldContainer[ProbeAck]
    probe_requests: _containers.RepeatedCompositeFieldContainer[ProbeRequest]
    solicits: _containers.RepeatedCompositeFieldContainer[Solicit]
    offers: _containers.RepeatedCompositeFieldContainer[Offer]
    offer_answers: _containers.RepeatedCompositeFieldContainer[OfferAnswer]
    releases: _containers.RepeatedCompositeFieldContainer[Release]
    commits: _containers.RepeatedCompositeFieldContainer[Commit]
    withdraws: _containers.RepeatedCompositeFieldContainer[Withdraw]
    decisions: _containers.RepeatedCompositeFieldContainer[Decision]
    stables: _containers.RepeatedCompositeFieldContainer[Stable]
    statuses: _containers.RepeatedCompositeFieldContainer[Status]
    cancels: _containers.RepeatedCompositeFieldContainer[Cancel]
    cancel_acks: _containers.RepeatedCompositeFieldContainer[CancelAck]
    terminals: _containers.RepeatedCompositeFieldContainer[Terminal]
    terminal_acks: _containers.RepeatedCompositeFieldContainer[TerminalAck]
    locates: _containers.RepeatedCompositeFieldContainer[Locate]
    located: _containers.RepeatedCompositeFieldContainer[Located]
    inquests: _containers.RepeatedCompositeFieldContainer[Inquest]
    inquest_answers: _containers.RepeatedCompositeFieldContainer[InquestAnswer]
    roster_announces: _containers.RepeatedCompositeFieldContainer[RosterAnnounce]
    roster_requests: _containers.RepeatedCompositeFieldContainer[RosterRequest]
    roster_documents: _containers.RepeatedCompositeFieldContainer[RosterDocument]
    roster_proposals: _containers.RepeatedCompositeFieldContainer[RosterProposal]
    roster_votes: _containers.RepeatedCompositeFieldContainer[RosterVote]
    rights_asks: _containers.RepeatedCompositeFieldContainer[RightsAsk]
    rights_commits: _containers.RepeatedCompositeFieldContainer[RightsCommit]
    rights_decisions: _containers.RepeatedCompositeFieldContainer[RightsDecision]
    quota_requests: _containers.RepeatedCompositeFieldContainer[QuotaRequest]
    quota_notices: _containers.RepeatedCompositeFieldContainer[QuotaNotice]
    policy_requests: _containers.RepeatedCompositeFieldContainer[PolicyRequest]
    policy_notices: _containers.RepeatedCompositeFieldContainer[PolicyNotice]
    reservation_parts: _containers.RepeatedCompositeFieldContainer[ReservationPart]
    reservations_taken: _containers.RepeatedCompositeFieldContainer[ReservationTaken]
    reservation_verdicts: _containers.RepeatedCompositeFieldContainer[ReservationVerdict]
    reservations_settled: _containers.RepeatedCompositeFieldContainer[ReservationSettled]
    appends: _containers.RepeatedCompositeFieldContainer[Append]
    append_acks: _containers.RepeatedCompositeFieldContainer[AppendAck]
    renews: _containers.RepeatedCompositeFieldContainer[Renew]
    renew_acks: _containers.RepeatedCompositeFieldContainer[RenewAck]
    prepares: _containers.RepeatedCompositeFieldContainer[Prepare]
    promises: _containers.RepeatedCompositeFieldContainer[Promise]
    refuses: _containers.RepeatedCompositeFieldContainer[Refuse]
    fetches: _containers.RepeatedCompositeFieldContainer[Fetch]
    shard_batches: _containers.RepeatedCompositeFieldContainer[ShardBatch]
    def __init__(self, cluster_id: _Optional[str] = ..., roster_epoch: _Optional[int] = ..., sender: _Optional[str] = ..., receiver: _Optional[str] = ..., sender_ledger_id: _Optional[str] = ..., sender_position: _Optional[_Union[Position, _Mapping]] = ..., sender_nonce: _Optional[int] = ..., receiver_nonce: _Optional[int] = ..., protocol_min: _Optional[int] = ..., protocol_max: _Optional[int] = ..., receiver_seen: _Optional[_Union[Position, _Mapping]] = ..., receiver_seen_ledger_id: _Optional[str] = ..., deadline_ms: _Optional[int] = ..., answer_within_ms: _Optional[int] = ..., hellos: _Optional[_Iterable[_Union[Hello, _Mapping]]] = ..., hello_acks: _Optional[_Iterable[_Union[HelloAck, _Mapping]]] = ..., digests: _Optional[_Iterable[_Union[GossipDigest, _Mapping]]] = ..., deltas: _Optional[_Iterable[_Union[GossipDelta, _Mapping]]] = ..., probes: _Optional[_Iterable[_Union[Probe, _Mapping]]] = ..., probe_acks: _Optional[_Iterable[_Union[ProbeAck, _Mapping]]] = ..., probe_requests: _Optional[_Iterable[_Union[ProbeRequest, _Mapping]]] = ..., solicits: _Optional[_Iterable[_Union[Solicit, _Mapping]]] = ..., offers: _Optional[_Iterable[_Union[Offer, _Mapping]]] = ..., offer_answers: _Optional[_Iterable[_Union[OfferAnswer, _Mapping]]] = ..., releases: _Optional[_Iterable[_Union[Release, _Mapping]]] = ..., commits: _Optional[_Iterable[_Union[Commit, _Mapping]]] = ..., withdraws: _Optional[_Iterable[_Union[Withdraw, _Mapping]]] = ..., decisions: _Optional[_Iterable[_Union[Decision, _Mapping]]] = ..., stables: _Optional[_Iterable[_Union[Stable, _Mapping]]] = ..., statuses: _Optional[_Iterable[_Union[Status, _Mapping]]] = ..., cancels: _Optional[_Iterable[_Union[Cancel, _Mapping]]] = ..., cancel_acks: _Optional[_Iterable[_Union[CancelAck, _Mapping]]] = ..., terminals: _Optional[_Iterable[_Union[Terminal, _Mapping]]] = ..., terminal_acks: _Optional[_Iterable[_Union[TerminalAck, _Mapping]]] = ..., locates: _Optional[_Iterable[_Union[Locate, _Mapping]]] = ..., located: _Optional[_Iterable[_Union[Located, _Mapping]]] = ..., inquests: _Optional[_Iterable[_Union[Inquest, _Mapping]]] = ..., inquest_answers: _Optional[_Iterable[_Union[InquestAnswer, _Mapping]]] = ..., roster_announces: _Optional[_Iterable[_Union[RosterAnnounce, _Mapping]]] = ..., roster_requests: _Optional[_Iterable[_Union[RosterRequest, _Mapping]]] = ..., roster_documents: _Optional[_Iterable[_Union[RosterDocument, _Mapping]]] = ..., roster_proposals: _Optional[_Iterable[_Union[RosterProposal, _Mapping]]] = ..., roster_votes: _Optional[_Iterable[_Union[RosterVote, _Mapping]]] = ..., rights_asks: _Optional[_Iterable[_Union[RightsAsk, _Mapping]]] = ..., rights_commits: _Optional[_Iterable[_Union[RightsCommit, _Mapping]]] = ..., rights_decisions: _Optional[_Iterable[_Union[RightsDecision, _Mapping]]] = ..., quota_requests: _Optional[_Iterable[_Union[QuotaRequest, _Mapping]]] = ..., quota_notices: _Optional[_Iterable[_Union[QuotaNotice, _Mapping]]] = ..., policy_requests: _Optional[_Iterable[_Union[PolicyRequest, _Mapping]]] = ..., policy_notices: _Optional[_Iterable[_Union[PolicyNotice, _Mapping]]] = ..., reservation_parts: _Optional[_Iterable[_Union[ReservationPart, _Mapping]]] = ..., reservations_taken: _Optional[_Iterable[_Union[ReservationTaken, _Mapping]]] = ..., reservation_verdicts: _Optional[_Iterable[_Union[ReservationVerdict, _Mapping]]] = ..., reservations_settled: _Optional[_Iterable[_Union[ReservationSettled, _Mapping]]] = ..., appends: _Optional[_Iterable[_Union[Append, _Mapping]]] = ..., append_acks: _Optional[_Iterable[_Union[AppendAck, _Mapping]]] = ..., renews: _Optional[_Iterable[_Union[Renew, _Mapping]]] = ..., renew_acks: _Optional[_Iterable[_Union[RenewAck, _Mapping]]] = ..., prepares: _Optional[_Iterable[_Union[Prepare, _Mapping]]] = ..., promises: _Optional[_Iterable[_Union[Promise, _Mapping]]] = ..., refuses: _Optional[_Iterable[_Union[Refuse, _Mapping]]] = ..., fetches: _Optional[_Iterable[_Union[Fetch, _Mapping]]] = ..., shard_batches: _Optional[_Iterable[_Union[ShardBatch, _Mapping]]] = ...) -> None: ...

class ExchangeResponse(_message.Message):
    __slots__ = ("taken", "answer")
    TAKEN_FIELD_NUMBER: _ClassVar[int]
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    taken: bool
    answer: ExchangeRequest
    def __init__(self, taken: _Optional[bool] = ..., answer: _Optional[_Union[ExchangeRequest, _Mapping]] = ...) -> None: ...

class Hello(_message.Message):
    __slots__ = ("nonce",)
    NONCE_FIELD_NUMBER: _ClassVar[int]
    nonce: int
    def __init__(self, nonce: _Optional[int] = ...) -> None: ...

class HelloAck(_message.Message):
    __slots__ = ("nonce", "ack_nonce")
    NONCE_FIELD_NUMBER: _ClassVar[int]
    ACK_NONCE_FIELD_NUMBER: _ClassVar[int]
    nonce: int
    ack_nonce: int
    def __init__(self, nonce: _Optional[int] = ..., ack_nonce: _Optional[int] = ...) -> None: ...

class GossipDigest(_message.Message):
    __slots__ = ("entries", "wants_reply")
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    WANTS_REPLY_FIELD_NUMBER: _ClassVar[int]
    entries: _containers.RepeatedCompositeFieldContainer[DigestEntry]
    wants_reply: bool
    def __init__(self, entries: _Optional[_Iterable[_Union[DigestEntry, _Mapping]]] = ..., wants_reply: _Optional[bool] = ...) -> None: ...

class DigestEntry(_message.Message):
    __slots__ = ("region", "incarnation", "version")
    REGION_FIELD_NUMBER: _ClassVar[int]
    INCARNATION_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    region: str
    incarnation: int
    version: int
    def __init__(self, region: _Optional[str] = ..., incarnation: _Optional[int] = ..., version: _Optional[int] = ...) -> None: ...

class GossipDelta(_message.Message):
    __slots__ = ("records",)
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    records: _containers.RepeatedCompositeFieldContainer[_regions_pb2.RegionRecord]
    def __init__(self, records: _Optional[_Iterable[_Union[_regions_pb2.RegionRecord, _Mapping]]] = ...) -> None: ...

class Probe(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: int
    def __init__(self, id: _Optional[int] = ...) -> None: ...

class ProbeAck(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: int
    def __init__(self, id: _Optional[int] = ...) -> None: ...

class ProbeRequest(_message.Message):
    __slots__ = ("id", "target")
    ID_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    id: int
    target: str
    def __init__(self, id: _Optional[int] = ..., target: _Optional[str] = ...) -> None: ...

class Shape(_message.Message):
    __slots__ = ("groups", "tier", "priority", "regions_allow", "regions_deny", "regions_prefer", "datasets", "runtime_estimate_us", "required_features", "adoptable", "restartable", "within", "ruled")
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    TIER_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    REGIONS_ALLOW_FIELD_NUMBER: _ClassVar[int]
    REGIONS_DENY_FIELD_NUMBER: _ClassVar[int]
    REGIONS_PREFER_FIELD_NUMBER: _ClassVar[int]
    DATASETS_FIELD_NUMBER: _ClassVar[int]
    RUNTIME_ESTIMATE_US_FIELD_NUMBER: _ClassVar[int]
    REQUIRED_FEATURES_FIELD_NUMBER: _ClassVar[int]
    ADOPTABLE_FIELD_NUMBER: _ClassVar[int]
    RESTARTABLE_FIELD_NUMBER: _ClassVar[int]
    WITHIN_FIELD_NUMBER: _ClassVar[int]
    RULED_FIELD_NUMBER: _ClassVar[int]
    groups: _containers.RepeatedCompositeFieldContainer[ShapeGroup]
    tier: str
    priority: int
    regions_allow: _containers.RepeatedScalarFieldContainer[str]
    regions_deny: _containers.RepeatedScalarFieldContainer[str]
    regions_prefer: _containers.RepeatedScalarFieldContainer[str]
    datasets: _containers.RepeatedScalarFieldContainer[str]
    runtime_estimate_us: int
    required_features: _containers.RepeatedScalarFieldContainer[str]
    adoptable: bool
    restartable: bool
    within: _placement_pb2.Within
    ruled: Ruled
    def __init__(self, groups: _Optional[_Iterable[_Union[ShapeGroup, _Mapping]]] = ..., tier: _Optional[str] = ..., priority: _Optional[int] = ..., regions_allow: _Optional[_Iterable[str]] = ..., regions_deny: _Optional[_Iterable[str]] = ..., regions_prefer: _Optional[_Iterable[str]] = ..., datasets: _Optional[_Iterable[str]] = ..., runtime_estimate_us: _Optional[int] = ..., required_features: _Optional[_Iterable[str]] = ..., adoptable: _Optional[bool] = ..., restartable: _Optional[bool] = ..., within: _Optional[_Union[_placement_pb2.Within, _Mapping]] = ..., ruled: _Optional[_Union[Ruled, _Mapping]] = ...) -> None: ...

class Ruled(_message.Message):
    __slots__ = ("queue",)
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    queue: str
    def __init__(self, queue: _Optional[str] = ...) -> None: ...

class ShapeGroup(_message.Message):
    __slots__ = ("count", "count_min", "resources", "constraints", "placement", "affinity_tenant")
    class ResourcesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    COUNT_FIELD_NUMBER: _ClassVar[int]
    COUNT_MIN_FIELD_NUMBER: _ClassVar[int]
    RESOURCES_FIELD_NUMBER: _ClassVar[int]
    CONSTRAINTS_FIELD_NUMBER: _ClassVar[int]
    PLACEMENT_FIELD_NUMBER: _ClassVar[int]
    AFFINITY_TENANT_FIELD_NUMBER: _ClassVar[int]
    count: int
    count_min: int
    resources: _containers.ScalarMap[str, int]
    constraints: _containers.RepeatedScalarFieldContainer[str]
    placement: _placement_pb2.PlacementRules
    affinity_tenant: str
    def __init__(self, count: _Optional[int] = ..., count_min: _Optional[int] = ..., resources: _Optional[_Mapping[str, int]] = ..., constraints: _Optional[_Iterable[str]] = ..., placement: _Optional[_Union[_placement_pb2.PlacementRules, _Mapping]] = ..., affinity_tenant: _Optional[str] = ...) -> None: ...

class Solicit(_message.Message):
    __slots__ = ("id", "could_start", "hold_ttl_ms")
    ID_FIELD_NUMBER: _ClassVar[int]
    COULD_START_FIELD_NUMBER: _ClassVar[int]
    HOLD_TTL_MS_FIELD_NUMBER: _ClassVar[int]
    id: int
    could_start: _containers.RepeatedCompositeFieldContainer[_regions_pb2.QueuedShape]
    hold_ttl_ms: int
    def __init__(self, id: _Optional[int] = ..., could_start: _Optional[_Iterable[_Union[_regions_pb2.QueuedShape, _Mapping]]] = ..., hold_ttl_ms: _Optional[int] = ...) -> None: ...

class Offer(_message.Message):
    __slots__ = ("id", "shape", "count", "path", "tenant", "solicit_id", "own_wait_us")
    ID_FIELD_NUMBER: _ClassVar[int]
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    TENANT_FIELD_NUMBER: _ClassVar[int]
    SOLICIT_ID_FIELD_NUMBER: _ClassVar[int]
    OWN_WAIT_US_FIELD_NUMBER: _ClassVar[int]
    id: int
    shape: Shape
    count: int
    path: _containers.RepeatedScalarFieldContainer[str]
    tenant: str
    solicit_id: int
    own_wait_us: int
    def __init__(self, id: _Optional[int] = ..., shape: _Optional[_Union[Shape, _Mapping]] = ..., count: _Optional[int] = ..., path: _Optional[_Iterable[str]] = ..., tenant: _Optional[str] = ..., solicit_id: _Optional[int] = ..., own_wait_us: _Optional[int] = ...) -> None: ...

class OfferAnswer(_message.Message):
    __slots__ = ("offer_id", "slots", "hold_ttl_ms", "reason", "retry_after_ms")
    OFFER_ID_FIELD_NUMBER: _ClassVar[int]
    SLOTS_FIELD_NUMBER: _ClassVar[int]
    HOLD_TTL_MS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    RETRY_AFTER_MS_FIELD_NUMBER: _ClassVar[int]
    offer_id: int
    slots: int
    hold_ttl_ms: int
    reason: _common_pb2.Reason
    retry_after_ms: int
    def __init__(self, offer_id: _Optional[int] = ..., slots: _Optional[int] = ..., hold_ttl_ms: _Optional[int] = ..., reason: _Optional[_Union[_common_pb2.Reason, _Mapping]] = ..., retry_after_ms: _Optional[int] = ...) -> None: ...

class Release(_message.Message):
    __slots__ = ("offer_id",)
    OFFER_ID_FIELD_NUMBER: _ClassVar[int]
    offer_id: int
    def __init__(self, offer_id: _Optional[int] = ...) -> None: ...

class Commit(_message.Message):
    __slots__ = ("job_id", "epoch", "sequence", "home", "tenant", "spec", "spec_sha256", "path", "cancel_id", "submitted_wall_us", "offer_id", "failures", "traceparent", "moves", "progress", "shape")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    HOME_FIELD_NUMBER: _ClassVar[int]
    TENANT_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    SPEC_SHA256_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    CANCEL_ID_FIELD_NUMBER: _ClassVar[int]
    SUBMITTED_WALL_US_FIELD_NUMBER: _ClassVar[int]
    OFFER_ID_FIELD_NUMBER: _ClassVar[int]
    FAILURES_FIELD_NUMBER: _ClassVar[int]
    TRACEPARENT_FIELD_NUMBER: _ClassVar[int]
    MOVES_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    epoch: int
    sequence: int
    home: str
    tenant: str
    spec: bytes
    spec_sha256: bytes
    path: _containers.RepeatedScalarFieldContainer[str]
    cancel_id: str
    submitted_wall_us: int
    offer_id: int
    failures: int
    traceparent: str
    moves: int
    progress: ArrayProgress
    shape: Shape
    def __init__(self, job_id: _Optional[str] = ..., epoch: _Optional[int] = ..., sequence: _Optional[int] = ..., home: _Optional[str] = ..., tenant: _Optional[str] = ..., spec: _Optional[bytes] = ..., spec_sha256: _Optional[bytes] = ..., path: _Optional[_Iterable[str]] = ..., cancel_id: _Optional[str] = ..., submitted_wall_us: _Optional[int] = ..., offer_id: _Optional[int] = ..., failures: _Optional[int] = ..., traceparent: _Optional[str] = ..., moves: _Optional[int] = ..., progress: _Optional[_Union[ArrayProgress, _Mapping]] = ..., shape: _Optional[_Union[Shape, _Mapping]] = ...) -> None: ...

class ArrayProgress(_message.Message):
    __slots__ = ("succeeded", "cancelled", "failed", "tried")
    SUCCEEDED_FIELD_NUMBER: _ClassVar[int]
    CANCELLED_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    TRIED_FIELD_NUMBER: _ClassVar[int]
    succeeded: ElementSet
    cancelled: ElementSet
    failed: _containers.RepeatedCompositeFieldContainer[FailedElements]
    tried: _containers.RepeatedCompositeFieldContainer[TriedElements]
    def __init__(self, succeeded: _Optional[_Union[ElementSet, _Mapping]] = ..., cancelled: _Optional[_Union[ElementSet, _Mapping]] = ..., failed: _Optional[_Iterable[_Union[FailedElements, _Mapping]]] = ..., tried: _Optional[_Iterable[_Union[TriedElements, _Mapping]]] = ...) -> None: ...

class ElementSet(_message.Message):
    __slots__ = ("bitmap", "runs")
    BITMAP_FIELD_NUMBER: _ClassVar[int]
    RUNS_FIELD_NUMBER: _ClassVar[int]
    bitmap: bytes
    runs: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, bitmap: _Optional[bytes] = ..., runs: _Optional[_Iterable[int]] = ...) -> None: ...

class FailedElements(_message.Message):
    __slots__ = ("reason", "exit_code", "elements")
    REASON_FIELD_NUMBER: _ClassVar[int]
    EXIT_CODE_FIELD_NUMBER: _ClassVar[int]
    ELEMENTS_FIELD_NUMBER: _ClassVar[int]
    reason: str
    exit_code: int
    elements: ElementSet
    def __init__(self, reason: _Optional[str] = ..., exit_code: _Optional[int] = ..., elements: _Optional[_Union[ElementSet, _Mapping]] = ...) -> None: ...

class TriedElements(_message.Message):
    __slots__ = ("failures", "elements")
    FAILURES_FIELD_NUMBER: _ClassVar[int]
    ELEMENTS_FIELD_NUMBER: _ClassVar[int]
    failures: int
    elements: ElementSet
    def __init__(self, failures: _Optional[int] = ..., elements: _Optional[_Union[ElementSet, _Mapping]] = ...) -> None: ...

class Withdraw(_message.Message):
    __slots__ = ("job_id", "epoch", "sequence")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    epoch: int
    sequence: int
    def __init__(self, job_id: _Optional[str] = ..., epoch: _Optional[int] = ..., sequence: _Optional[int] = ...) -> None: ...

class Decision(_message.Message):
    __slots__ = ("job_id", "epoch", "ledger_id", "sequence", "verdict", "reason")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    LEDGER_ID_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    epoch: int
    ledger_id: str
    sequence: int
    verdict: Verdict
    reason: _common_pb2.Reason
    def __init__(self, job_id: _Optional[str] = ..., epoch: _Optional[int] = ..., ledger_id: _Optional[str] = ..., sequence: _Optional[int] = ..., verdict: _Optional[_Union[Verdict, str]] = ..., reason: _Optional[_Union[_common_pb2.Reason, _Mapping]] = ...) -> None: ...

class Stable(_message.Message):
    __slots__ = ("sequence",)
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    def __init__(self, sequence: _Optional[int] = ...) -> None: ...

class Status(_message.Message):
    __slots__ = ("job_id", "epoch", "attempt", "state", "region", "reason", "sequence", "at_wall_us", "settled")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    REGION_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    AT_WALL_US_FIELD_NUMBER: _ClassVar[int]
    SETTLED_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    epoch: int
    attempt: int
    state: _common_pb2.JobState
    region: str
    reason: _common_pb2.Reason
    sequence: int
    at_wall_us: int
    settled: bool
    def __init__(self, job_id: _Optional[str] = ..., epoch: _Optional[int] = ..., attempt: _Optional[int] = ..., state: _Optional[_Union[_common_pb2.JobState, str]] = ..., region: _Optional[str] = ..., reason: _Optional[_Union[_common_pb2.Reason, _Mapping]] = ..., sequence: _Optional[int] = ..., at_wall_us: _Optional[int] = ..., settled: _Optional[bool] = ...) -> None: ...

class Cancel(_message.Message):
    __slots__ = ("job_id", "cancel_id")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    CANCEL_ID_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    cancel_id: str
    def __init__(self, job_id: _Optional[str] = ..., cancel_id: _Optional[str] = ...) -> None: ...

class CancelAck(_message.Message):
    __slots__ = ("job_id", "cancel_id")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    CANCEL_ID_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    cancel_id: str
    def __init__(self, job_id: _Optional[str] = ..., cancel_id: _Optional[str] = ...) -> None: ...

class Terminal(_message.Message):
    __slots__ = ("job_id", "epoch", "attempt", "outcome", "reason", "exit_code", "started_wall_us", "ended_wall_us", "region", "progress")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    EXIT_CODE_FIELD_NUMBER: _ClassVar[int]
    STARTED_WALL_US_FIELD_NUMBER: _ClassVar[int]
    ENDED_WALL_US_FIELD_NUMBER: _ClassVar[int]
    REGION_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    epoch: int
    attempt: int
    outcome: _common_pb2.JobState
    reason: _common_pb2.Reason
    exit_code: int
    started_wall_us: int
    ended_wall_us: int
    region: str
    progress: ArrayProgress
    def __init__(self, job_id: _Optional[str] = ..., epoch: _Optional[int] = ..., attempt: _Optional[int] = ..., outcome: _Optional[_Union[_common_pb2.JobState, str]] = ..., reason: _Optional[_Union[_common_pb2.Reason, _Mapping]] = ..., exit_code: _Optional[int] = ..., started_wall_us: _Optional[int] = ..., ended_wall_us: _Optional[int] = ..., region: _Optional[str] = ..., progress: _Optional[_Union[ArrayProgress, _Mapping]] = ...) -> None: ...

class TerminalAck(_message.Message):
    __slots__ = ("job_id", "epoch")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    epoch: int
    def __init__(self, job_id: _Optional[str] = ..., epoch: _Optional[int] = ...) -> None: ...

class Locate(_message.Message):
    __slots__ = ("job_id", "id")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    id: int
    def __init__(self, job_id: _Optional[str] = ..., id: _Optional[int] = ...) -> None: ...

class Located(_message.Message):
    __slots__ = ("job_id", "id", "state", "epoch", "next_hop")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    NEXT_HOP_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    id: int
    state: _common_pb2.JobState
    epoch: int
    next_hop: str
    def __init__(self, job_id: _Optional[str] = ..., id: _Optional[int] = ..., state: _Optional[_Union[_common_pb2.JobState, str]] = ..., epoch: _Optional[int] = ..., next_hop: _Optional[str] = ...) -> None: ...

class Inquest(_message.Message):
    __slots__ = ("id", "part", "parts", "job_ids", "wants_unnamed", "after", "of_lost")
    ID_FIELD_NUMBER: _ClassVar[int]
    PART_FIELD_NUMBER: _ClassVar[int]
    PARTS_FIELD_NUMBER: _ClassVar[int]
    JOB_IDS_FIELD_NUMBER: _ClassVar[int]
    WANTS_UNNAMED_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    OF_LOST_FIELD_NUMBER: _ClassVar[int]
    id: int
    part: int
    parts: int
    job_ids: _containers.RepeatedScalarFieldContainer[str]
    wants_unnamed: bool
    after: str
    of_lost: bool
    def __init__(self, id: _Optional[int] = ..., part: _Optional[int] = ..., parts: _Optional[int] = ..., job_ids: _Optional[_Iterable[str]] = ..., wants_unnamed: _Optional[bool] = ..., after: _Optional[str] = ..., of_lost: _Optional[bool] = ...) -> None: ...

class InquestAnswer(_message.Message):
    __slots__ = ("id", "of_part", "part", "parts", "testimonies", "seen_sequence", "stable_sequence", "more_after", "is_old")
    ID_FIELD_NUMBER: _ClassVar[int]
    OF_PART_FIELD_NUMBER: _ClassVar[int]
    PART_FIELD_NUMBER: _ClassVar[int]
    PARTS_FIELD_NUMBER: _ClassVar[int]
    TESTIMONIES_FIELD_NUMBER: _ClassVar[int]
    SEEN_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    STABLE_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    MORE_AFTER_FIELD_NUMBER: _ClassVar[int]
    IS_OLD_FIELD_NUMBER: _ClassVar[int]
    id: int
    of_part: int
    part: int
    parts: int
    testimonies: _containers.RepeatedCompositeFieldContainer[Testimony]
    seen_sequence: int
    stable_sequence: int
    more_after: str
    is_old: bool
    def __init__(self, id: _Optional[int] = ..., of_part: _Optional[int] = ..., part: _Optional[int] = ..., parts: _Optional[int] = ..., testimonies: _Optional[_Iterable[_Union[Testimony, _Mapping]]] = ..., seen_sequence: _Optional[int] = ..., stable_sequence: _Optional[int] = ..., more_after: _Optional[str] = ..., is_old: _Optional[bool] = ...) -> None: ...

class Testimony(_message.Message):
    __slots__ = ("job_id", "epoch", "standing", "commit", "terminal", "giver", "attempt", "cancel_id", "state", "to", "progress")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    STANDING_FIELD_NUMBER: _ClassVar[int]
    COMMIT_FIELD_NUMBER: _ClassVar[int]
    TERMINAL_FIELD_NUMBER: _ClassVar[int]
    GIVER_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    CANCEL_ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    TO_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    epoch: int
    standing: Standing
    commit: Commit
    terminal: Terminal
    giver: str
    attempt: int
    cancel_id: str
    state: _common_pb2.JobState
    to: str
    progress: ArrayProgress
    def __init__(self, job_id: _Optional[str] = ..., epoch: _Optional[int] = ..., standing: _Optional[_Union[Standing, str]] = ..., commit: _Optional[_Union[Commit, _Mapping]] = ..., terminal: _Optional[_Union[Terminal, _Mapping]] = ..., giver: _Optional[str] = ..., attempt: _Optional[int] = ..., cancel_id: _Optional[str] = ..., state: _Optional[_Union[_common_pb2.JobState, str]] = ..., to: _Optional[str] = ..., progress: _Optional[_Union[ArrayProgress, _Mapping]] = ...) -> None: ...

class ShardBatch(_message.Message):
    __slots__ = ("source", "shard", "commits", "withdraws", "decisions", "stables", "statuses", "cancels", "cancel_acks", "terminals", "terminal_acks", "locates", "located")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    SHARD_FIELD_NUMBER: _ClassVar[int]
    COMMITS_FIELD_NUMBER: _ClassVar[int]
    WITHDRAWS_FIELD_NUMBER: _ClassVar[int]
    DECISIONS_FIELD_NUMBER: _ClassVar[int]
    STABLES_FIELD_NUMBER: _ClassVar[int]
    STATUSES_FIELD_NUMBER: _ClassVar[int]
    CANCELS_FIELD_NUMBER: _ClassVar[int]
    CANCEL_ACKS_FIELD_NUMBER: _ClassVar[int]
    TERMINALS_FIELD_NUMBER: _ClassVar[int]
    TERMINAL_ACKS_FIELD_NUMBER: _ClassVar[int]
    LOCATES_FIELD_NUMBER: _ClassVar[int]
    LOCATED_FIELD_NUMBER: _ClassVar[int]
    source: str
    shard: str
    commits: _containers.RepeatedCompositeFieldContainer[Commit]
    withdraws: _containers.RepeatedCompositeFieldContainer[Withdraw]
    decisions: _containers.RepeatedCompositeFieldContainer[Decision]
    stables: _containers.RepeatedCompositeFieldContainer[Stable]
    statuses: _containers.RepeatedCompositeFieldContainer[Status]
    cancels: _containers.RepeatedCompositeFieldContainer[Cancel]
    cancel_acks: _containers.RepeatedCompositeFieldContainer[CancelAck]
    terminals: _containers.RepeatedCompositeFieldContainer[Terminal]
    terminal_acks: _containers.RepeatedCompositeFieldContainer[TerminalAck]
    locates: _containers.RepeatedCompositeFieldContainer[Locate]
    located: _containers.RepeatedCompositeFieldContainer[Located]
    def __init__(self, source: _Optional[str] = ..., shard: _Optional[str] = ..., commits: _Optional[_Iterable[_Union[Commit, _Mapping]]] = ..., withdraws: _Optional[_Iterable[_Union[Withdraw, _Mapping]]] = ..., decisions: _Optional[_Iterable[_Union[Decision, _Mapping]]] = ..., stables: _Optional[_Iterable[_Union[Stable, _Mapping]]] = ..., statuses: _Optional[_Iterable[_Union[Status, _Mapping]]] = ..., cancels: _Optional[_Iterable[_Union[Cancel, _Mapping]]] = ..., cancel_acks: _Optional[_Iterable[_Union[CancelAck, _Mapping]]] = ..., terminals: _Optional[_Iterable[_Union[Terminal, _Mapping]]] = ..., terminal_acks: _Optional[_Iterable[_Union[TerminalAck, _Mapping]]] = ..., locates: _Optional[_Iterable[_Union[Locate, _Mapping]]] = ..., located: _Optional[_Iterable[_Union[Located, _Mapping]]] = ...) -> None: ...

class LogRecord(_message.Message):
    __slots__ = ("key", "term", "sequence", "value")
    KEY_FIELD_NUMBER: _ClassVar[int]
    TERM_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    key: str
    term: int
    sequence: int
    value: bytes
    def __init__(self, key: _Optional[str] = ..., term: _Optional[int] = ..., sequence: _Optional[int] = ..., value: _Optional[bytes] = ...) -> None: ...

class Append(_message.Message):
    __slots__ = ("shard", "term", "version", "previous_term", "previous_sequence", "sequence", "records", "committed", "everywhere", "cut", "part", "parts", "begins")
    SHARD_FIELD_NUMBER: _ClassVar[int]
    TERM_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_TERM_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    COMMITTED_FIELD_NUMBER: _ClassVar[int]
    EVERYWHERE_FIELD_NUMBER: _ClassVar[int]
    CUT_FIELD_NUMBER: _ClassVar[int]
    PART_FIELD_NUMBER: _ClassVar[int]
    PARTS_FIELD_NUMBER: _ClassVar[int]
    BEGINS_FIELD_NUMBER: _ClassVar[int]
    shard: str
    term: int
    version: int
    previous_term: int
    previous_sequence: int
    sequence: int
    records: _containers.RepeatedCompositeFieldContainer[LogRecord]
    committed: int
    everywhere: int
    cut: bool
    part: int
    parts: int
    begins: bool
    def __init__(self, shard: _Optional[str] = ..., term: _Optional[int] = ..., version: _Optional[int] = ..., previous_term: _Optional[int] = ..., previous_sequence: _Optional[int] = ..., sequence: _Optional[int] = ..., records: _Optional[_Iterable[_Union[LogRecord, _Mapping]]] = ..., committed: _Optional[int] = ..., everywhere: _Optional[int] = ..., cut: _Optional[bool] = ..., part: _Optional[int] = ..., parts: _Optional[int] = ..., begins: _Optional[bool] = ...) -> None: ...

class AppendAck(_message.Message):
    __slots__ = ("shard", "term", "sequence", "diverged", "committed", "keys")
    SHARD_FIELD_NUMBER: _ClassVar[int]
    TERM_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    DIVERGED_FIELD_NUMBER: _ClassVar[int]
    COMMITTED_FIELD_NUMBER: _ClassVar[int]
    KEYS_FIELD_NUMBER: _ClassVar[int]
    shard: str
    term: int
    sequence: int
    diverged: bool
    committed: int
    keys: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, shard: _Optional[str] = ..., term: _Optional[int] = ..., sequence: _Optional[int] = ..., diverged: _Optional[bool] = ..., committed: _Optional[int] = ..., keys: _Optional[_Iterable[str]] = ...) -> None: ...

class Renew(_message.Message):
    __slots__ = ("shard", "term", "version", "boot", "number", "sequence", "committed")
    SHARD_FIELD_NUMBER: _ClassVar[int]
    TERM_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    BOOT_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    COMMITTED_FIELD_NUMBER: _ClassVar[int]
    shard: str
    term: int
    version: int
    boot: int
    number: int
    sequence: int
    committed: int
    def __init__(self, shard: _Optional[str] = ..., term: _Optional[int] = ..., version: _Optional[int] = ..., boot: _Optional[int] = ..., number: _Optional[int] = ..., sequence: _Optional[int] = ..., committed: _Optional[int] = ...) -> None: ...

class RenewAck(_message.Message):
    __slots__ = ("shard", "term", "boot", "number")
    SHARD_FIELD_NUMBER: _ClassVar[int]
    TERM_FIELD_NUMBER: _ClassVar[int]
    BOOT_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    shard: str
    term: int
    boot: int
    number: int
    def __init__(self, shard: _Optional[str] = ..., term: _Optional[int] = ..., boot: _Optional[int] = ..., number: _Optional[int] = ...) -> None: ...

class Prepare(_message.Message):
    __slots__ = ("shard", "term", "version", "trial", "life")
    SHARD_FIELD_NUMBER: _ClassVar[int]
    TERM_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    TRIAL_FIELD_NUMBER: _ClassVar[int]
    LIFE_FIELD_NUMBER: _ClassVar[int]
    shard: str
    term: int
    version: int
    trial: bool
    life: int
    def __init__(self, shard: _Optional[str] = ..., term: _Optional[int] = ..., version: _Optional[int] = ..., trial: _Optional[bool] = ..., life: _Optional[int] = ...) -> None: ...

class Promise(_message.Message):
    __slots__ = ("shard", "term", "trial", "log_term", "log_sequence", "promised_term", "founded", "blank", "life", "group", "left")
    SHARD_FIELD_NUMBER: _ClassVar[int]
    TERM_FIELD_NUMBER: _ClassVar[int]
    TRIAL_FIELD_NUMBER: _ClassVar[int]
    LOG_TERM_FIELD_NUMBER: _ClassVar[int]
    LOG_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    PROMISED_TERM_FIELD_NUMBER: _ClassVar[int]
    FOUNDED_FIELD_NUMBER: _ClassVar[int]
    BLANK_FIELD_NUMBER: _ClassVar[int]
    LIFE_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    LEFT_FIELD_NUMBER: _ClassVar[int]
    shard: str
    term: int
    trial: bool
    log_term: int
    log_sequence: int
    promised_term: int
    founded: bool
    blank: bool
    life: int
    group: bytes
    left: bool
    def __init__(self, shard: _Optional[str] = ..., term: _Optional[int] = ..., trial: _Optional[bool] = ..., log_term: _Optional[int] = ..., log_sequence: _Optional[int] = ..., promised_term: _Optional[int] = ..., founded: _Optional[bool] = ..., blank: _Optional[bool] = ..., life: _Optional[int] = ..., group: _Optional[bytes] = ..., left: _Optional[bool] = ...) -> None: ...

class Refuse(_message.Message):
    __slots__ = ("shard", "term", "promised_term", "wait_us", "blank")
    SHARD_FIELD_NUMBER: _ClassVar[int]
    TERM_FIELD_NUMBER: _ClassVar[int]
    PROMISED_TERM_FIELD_NUMBER: _ClassVar[int]
    WAIT_US_FIELD_NUMBER: _ClassVar[int]
    BLANK_FIELD_NUMBER: _ClassVar[int]
    shard: str
    term: int
    promised_term: int
    wait_us: int
    blank: bool
    def __init__(self, shard: _Optional[str] = ..., term: _Optional[int] = ..., promised_term: _Optional[int] = ..., wait_us: _Optional[int] = ..., blank: _Optional[bool] = ...) -> None: ...

class Fetch(_message.Message):
    __slots__ = ("shard", "term", "committed", "keys")
    SHARD_FIELD_NUMBER: _ClassVar[int]
    TERM_FIELD_NUMBER: _ClassVar[int]
    COMMITTED_FIELD_NUMBER: _ClassVar[int]
    KEYS_FIELD_NUMBER: _ClassVar[int]
    shard: str
    term: int
    committed: int
    keys: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, shard: _Optional[str] = ..., term: _Optional[int] = ..., committed: _Optional[int] = ..., keys: _Optional[_Iterable[str]] = ...) -> None: ...

class RosterAnnounce(_message.Message):
    __slots__ = ("epoch", "sha256")
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    epoch: int
    sha256: str
    def __init__(self, epoch: _Optional[int] = ..., sha256: _Optional[str] = ...) -> None: ...

class RosterRequest(_message.Message):
    __slots__ = ("after_epoch",)
    AFTER_EPOCH_FIELD_NUMBER: _ClassVar[int]
    after_epoch: int
    def __init__(self, after_epoch: _Optional[int] = ...) -> None: ...

class RosterDocument(_message.Message):
    __slots__ = ("document",)
    DOCUMENT_FIELD_NUMBER: _ClassVar[int]
    document: bytes
    def __init__(self, document: _Optional[bytes] = ...) -> None: ...

class RosterRound(_message.Message):
    __slots__ = ("number", "region")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    REGION_FIELD_NUMBER: _ClassVar[int]
    number: int
    region: str
    def __init__(self, number: _Optional[int] = ..., region: _Optional[str] = ...) -> None: ...

class RosterProposal(_message.Message):
    __slots__ = ("document", "round", "asks")
    DOCUMENT_FIELD_NUMBER: _ClassVar[int]
    ROUND_FIELD_NUMBER: _ClassVar[int]
    ASKS_FIELD_NUMBER: _ClassVar[int]
    document: bytes
    round: RosterRound
    asks: bool
    def __init__(self, document: _Optional[bytes] = ..., round: _Optional[_Union[RosterRound, _Mapping]] = ..., asks: _Optional[bool] = ...) -> None: ...

class RosterVote(_message.Message):
    __slots__ = ("epoch", "sha256", "round", "answered", "asks", "signature", "has", "refusal", "is_final")
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    ROUND_FIELD_NUMBER: _ClassVar[int]
    ANSWERED_FIELD_NUMBER: _ClassVar[int]
    ASKS_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    HAS_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    IS_FINAL_FIELD_NUMBER: _ClassVar[int]
    epoch: int
    sha256: str
    round: RosterRound
    answered: RosterRound
    asks: bool
    signature: str
    has: bytes
    refusal: str
    is_final: bool
    def __init__(self, epoch: _Optional[int] = ..., sha256: _Optional[str] = ..., round: _Optional[_Union[RosterRound, _Mapping]] = ..., answered: _Optional[_Union[RosterRound, _Mapping]] = ..., asks: _Optional[bool] = ..., signature: _Optional[str] = ..., has: _Optional[bytes] = ..., refusal: _Optional[str] = ..., is_final: _Optional[bool] = ...) -> None: ...

class Countersignature(_message.Message):
    __slots__ = ("member", "signature")
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    member: str
    signature: str
    def __init__(self, member: _Optional[str] = ..., signature: _Optional[str] = ...) -> None: ...

class RightsAsk(_message.Message):
    __slots__ = ("league", "account", "account_id", "wants", "since_wall_us", "recall")
    LEAGUE_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    WANTS_FIELD_NUMBER: _ClassVar[int]
    SINCE_WALL_US_FIELD_NUMBER: _ClassVar[int]
    RECALL_FIELD_NUMBER: _ClassVar[int]
    league: str
    account: str
    account_id: int
    wants: _containers.RepeatedCompositeFieldContainer[_regions_pb2.QuotaAmount]
    since_wall_us: int
    recall: bool
    def __init__(self, league: _Optional[str] = ..., account: _Optional[str] = ..., account_id: _Optional[int] = ..., wants: _Optional[_Iterable[_Union[_regions_pb2.QuotaAmount, _Mapping]]] = ..., since_wall_us: _Optional[int] = ..., recall: _Optional[bool] = ...) -> None: ...

class RightsCommit(_message.Message):
    __slots__ = ("league", "giver", "giver_id", "to", "to_id", "sequence", "rights", "number")
    LEAGUE_FIELD_NUMBER: _ClassVar[int]
    GIVER_FIELD_NUMBER: _ClassVar[int]
    GIVER_ID_FIELD_NUMBER: _ClassVar[int]
    TO_FIELD_NUMBER: _ClassVar[int]
    TO_ID_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    RIGHTS_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    league: str
    giver: str
    giver_id: int
    to: str
    to_id: int
    sequence: int
    rights: _containers.RepeatedCompositeFieldContainer[_regions_pb2.QuotaAmount]
    number: int
    def __init__(self, league: _Optional[str] = ..., giver: _Optional[str] = ..., giver_id: _Optional[int] = ..., to: _Optional[str] = ..., to_id: _Optional[int] = ..., sequence: _Optional[int] = ..., rights: _Optional[_Iterable[_Union[_regions_pb2.QuotaAmount, _Mapping]]] = ..., number: _Optional[int] = ...) -> None: ...

class RightsDecision(_message.Message):
    __slots__ = ("giver", "giver_id", "to", "to_id", "sequence", "verdict")
    GIVER_FIELD_NUMBER: _ClassVar[int]
    GIVER_ID_FIELD_NUMBER: _ClassVar[int]
    TO_FIELD_NUMBER: _ClassVar[int]
    TO_ID_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    giver: str
    giver_id: int
    to: str
    to_id: int
    sequence: int
    verdict: RightsVerdict
    def __init__(self, giver: _Optional[str] = ..., giver_id: _Optional[int] = ..., to: _Optional[str] = ..., to_id: _Optional[int] = ..., sequence: _Optional[int] = ..., verdict: _Optional[_Union[RightsVerdict, str]] = ...) -> None: ...

class QuotaRequest(_message.Message):
    __slots__ = ("after_number",)
    AFTER_NUMBER_FIELD_NUMBER: _ClassVar[int]
    after_number: int
    def __init__(self, after_number: _Optional[int] = ...) -> None: ...

class QuotaNotice(_message.Message):
    __slots__ = ("document",)
    DOCUMENT_FIELD_NUMBER: _ClassVar[int]
    document: bytes
    def __init__(self, document: _Optional[bytes] = ...) -> None: ...

class PolicyRequest(_message.Message):
    __slots__ = ("number", "sha256")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    number: int
    sha256: str
    def __init__(self, number: _Optional[int] = ..., sha256: _Optional[str] = ...) -> None: ...

class PolicyNotice(_message.Message):
    __slots__ = ("document",)
    DOCUMENT_FIELD_NUMBER: _ClassVar[int]
    document: bytes
    def __init__(self, document: _Optional[bytes] = ...) -> None: ...

class ReservationPart(_message.Message):
    __slots__ = ("id", "wanted", "starts_wall_us", "binding")
    ID_FIELD_NUMBER: _ClassVar[int]
    WANTED_FIELD_NUMBER: _ClassVar[int]
    STARTS_WALL_US_FIELD_NUMBER: _ClassVar[int]
    BINDING_FIELD_NUMBER: _ClassVar[int]
    id: str
    wanted: _reservations_pb2.Reservation
    starts_wall_us: _containers.RepeatedScalarFieldContainer[int]
    binding: bool
    def __init__(self, id: _Optional[str] = ..., wanted: _Optional[_Union[_reservations_pb2.Reservation, _Mapping]] = ..., starts_wall_us: _Optional[_Iterable[int]] = ..., binding: _Optional[bool] = ...) -> None: ...

class ReservationTaken(_message.Message):
    __slots__ = ("id", "binding", "code", "reason")
    ID_FIELD_NUMBER: _ClassVar[int]
    BINDING_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    id: str
    binding: bool
    code: str
    reason: str
    def __init__(self, id: _Optional[str] = ..., binding: _Optional[bool] = ..., code: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class ReservationVerdict(_message.Message):
    __slots__ = ("id", "kept", "over_wall_us")
    ID_FIELD_NUMBER: _ClassVar[int]
    KEPT_FIELD_NUMBER: _ClassVar[int]
    OVER_WALL_US_FIELD_NUMBER: _ClassVar[int]
    id: str
    kept: bool
    over_wall_us: int
    def __init__(self, id: _Optional[str] = ..., kept: _Optional[bool] = ..., over_wall_us: _Optional[int] = ...) -> None: ...

class ReservationSettled(_message.Message):
    __slots__ = ("id", "kept")
    ID_FIELD_NUMBER: _ClassVar[int]
    KEPT_FIELD_NUMBER: _ClassVar[int]
    id: str
    kept: bool
    def __init__(self, id: _Optional[str] = ..., kept: _Optional[bool] = ...) -> None: ...
