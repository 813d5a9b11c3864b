import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from hanse.wire.gen.hanse.v1 import common_pb2 as _common_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class NodeOrder(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    NODE_ORDER_UNSPECIFIED: _ClassVar[NodeOrder]
    NODE_ORDER_CORDON: _ClassVar[NodeOrder]
    NODE_ORDER_UNCORDON: _ClassVar[NodeOrder]
    NODE_ORDER_DRAIN: _ClassVar[NodeOrder]

class Liveness(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LIVENESS_UNSPECIFIED: _ClassVar[Liveness]
    LIVENESS_ALIVE: _ClassVar[Liveness]
    LIVENESS_SUSPECT: _ClassVar[Liveness]
    LIVENESS_DEAD: _ClassVar[Liveness]
    LIVENESS_UNKNOWN: _ClassVar[Liveness]

class PolicyStanding(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    POLICY_STANDING_UNSPECIFIED: _ClassVar[PolicyStanding]
    POLICY_STANDING_PENDING: _ClassVar[PolicyStanding]
    POLICY_STANDING_IN_FORCE: _ClassVar[PolicyStanding]
    POLICY_STANDING_UNFIT: _ClassVar[PolicyStanding]
    POLICY_STANDING_DEVIATES: _ClassVar[PolicyStanding]

class RunningJobs(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RUNNING_JOBS_UNSPECIFIED: _ClassVar[RunningJobs]
    RUNNING_JOBS_FINISH: _ClassVar[RunningJobs]
    RUNNING_JOBS_MOVE: _ClassVar[RunningJobs]
NODE_ORDER_UNSPECIFIED: NodeOrder
NODE_ORDER_CORDON: NodeOrder
NODE_ORDER_UNCORDON: NodeOrder
NODE_ORDER_DRAIN: NodeOrder
LIVENESS_UNSPECIFIED: Liveness
LIVENESS_ALIVE: Liveness
LIVENESS_SUSPECT: Liveness
LIVENESS_DEAD: Liveness
LIVENESS_UNKNOWN: Liveness
POLICY_STANDING_UNSPECIFIED: PolicyStanding
POLICY_STANDING_PENDING: PolicyStanding
POLICY_STANDING_IN_FORCE: PolicyStanding
POLICY_STANDING_UNFIT: PolicyStanding
POLICY_STANDING_DEVIATES: PolicyStanding
RUNNING_JOBS_UNSPECIFIED: RunningJobs
RUNNING_JOBS_FINISH: RunningJobs
RUNNING_JOBS_MOVE: RunningJobs

class GetStatusRequest(_message.Message):
    __slots__ = ("region",)
    REGION_FIELD_NUMBER: _ClassVar[int]
    region: str
    def __init__(self, region: _Optional[str] = ...) -> None: ...

class GetStatusResponse(_message.Message):
    __slots__ = ("region", "cluster_id", "ledger_id", "incarnation", "revision", "version", "started_at", "draining", "impairments", "jobs_by_state", "capacity", "free", "channels", "quarantine", "shards", "orphans", "orphans_ended", "jobs_taken_over", "jobs_let_go", "drain")
    class JobsByStateEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    class CapacityEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    class FreeEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    REGION_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_ID_FIELD_NUMBER: _ClassVar[int]
    LEDGER_ID_FIELD_NUMBER: _ClassVar[int]
    INCARNATION_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    STARTED_AT_FIELD_NUMBER: _ClassVar[int]
    DRAINING_FIELD_NUMBER: _ClassVar[int]
    IMPAIRMENTS_FIELD_NUMBER: _ClassVar[int]
    JOBS_BY_STATE_FIELD_NUMBER: _ClassVar[int]
    CAPACITY_FIELD_NUMBER: _ClassVar[int]
    FREE_FIELD_NUMBER: _ClassVar[int]
    CHANNELS_FIELD_NUMBER: _ClassVar[int]
    QUARANTINE_FIELD_NUMBER: _ClassVar[int]
    SHARDS_FIELD_NUMBER: _ClassVar[int]
    ORPHANS_FIELD_NUMBER: _ClassVar[int]
    ORPHANS_ENDED_FIELD_NUMBER: _ClassVar[int]
    JOBS_TAKEN_OVER_FIELD_NUMBER: _ClassVar[int]
    JOBS_LET_GO_FIELD_NUMBER: _ClassVar[int]
    DRAIN_FIELD_NUMBER: _ClassVar[int]
    region: str
    cluster_id: str
    ledger_id: str
    incarnation: int
    revision: _common_pb2.Revision
    version: str
    started_at: _timestamp_pb2.Timestamp
    draining: bool
    impairments: _containers.RepeatedCompositeFieldContainer[_common_pb2.Reason]
    jobs_by_state: _containers.ScalarMap[str, int]
    capacity: _containers.ScalarMap[str, int]
    free: _containers.ScalarMap[str, int]
    channels: _containers.RepeatedCompositeFieldContainer[ChannelStatus]
    quarantine: Quarantine
    shards: _containers.RepeatedCompositeFieldContainer[ShardStatus]
    orphans: int
    orphans_ended: int
    jobs_taken_over: int
    jobs_let_go: int
    drain: DrainStatus
    def __init__(self, region: _Optional[str] = ..., cluster_id: _Optional[str] = ..., ledger_id: _Optional[str] = ..., incarnation: _Optional[int] = ..., revision: _Optional[_Union[_common_pb2.Revision, _Mapping]] = ..., version: _Optional[str] = ..., started_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., draining: _Optional[bool] = ..., impairments: _Optional[_Iterable[_Union[_common_pb2.Reason, _Mapping]]] = ..., jobs_by_state: _Optional[_Mapping[str, int]] = ..., capacity: _Optional[_Mapping[str, int]] = ..., free: _Optional[_Mapping[str, int]] = ..., channels: _Optional[_Iterable[_Union[ChannelStatus, _Mapping]]] = ..., quarantine: _Optional[_Union[Quarantine, _Mapping]] = ..., shards: _Optional[_Iterable[_Union[ShardStatus, _Mapping]]] = ..., orphans: _Optional[int] = ..., orphans_ended: _Optional[int] = ..., jobs_taken_over: _Optional[int] = ..., jobs_let_go: _Optional[int] = ..., drain: _Optional[_Union[DrainStatus, _Mapping]] = ...) -> None: ...

class Quarantine(_message.Message):
    __slots__ = ("since", "why", "missing", "without", "suspects")
    SINCE_FIELD_NUMBER: _ClassVar[int]
    WHY_FIELD_NUMBER: _ClassVar[int]
    MISSING_FIELD_NUMBER: _ClassVar[int]
    WITHOUT_FIELD_NUMBER: _ClassVar[int]
    SUSPECTS_FIELD_NUMBER: _ClassVar[int]
    since: _timestamp_pb2.Timestamp
    why: str
    missing: _containers.RepeatedScalarFieldContainer[str]
    without: _containers.RepeatedScalarFieldContainer[str]
    suspects: int
    def __init__(self, since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., why: _Optional[str] = ..., missing: _Optional[_Iterable[str]] = ..., without: _Optional[_Iterable[str]] = ..., suspects: _Optional[int] = ...) -> None: ...

class ShardStatus(_message.Message):
    __slots__ = ("shard", "role", "term", "leader", "open_jobs", "sequence", "committed", "lease_left")
    SHARD_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    TERM_FIELD_NUMBER: _ClassVar[int]
    LEADER_FIELD_NUMBER: _ClassVar[int]
    OPEN_JOBS_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    COMMITTED_FIELD_NUMBER: _ClassVar[int]
    LEASE_LEFT_FIELD_NUMBER: _ClassVar[int]
    shard: str
    role: str
    term: int
    leader: str
    open_jobs: int
    sequence: int
    committed: int
    lease_left: _duration_pb2.Duration
    def __init__(self, shard: _Optional[str] = ..., role: _Optional[str] = ..., term: _Optional[int] = ..., leader: _Optional[str] = ..., open_jobs: _Optional[int] = ..., sequence: _Optional[int] = ..., committed: _Optional[int] = ..., lease_left: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class ChannelStatus(_message.Message):
    __slots__ = ("peer", "undecided", "given", "taken", "burned", "session")
    PEER_FIELD_NUMBER: _ClassVar[int]
    UNDECIDED_FIELD_NUMBER: _ClassVar[int]
    GIVEN_FIELD_NUMBER: _ClassVar[int]
    TAKEN_FIELD_NUMBER: _ClassVar[int]
    BURNED_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    peer: str
    undecided: int
    given: int
    taken: int
    burned: int
    session: bool
    def __init__(self, peer: _Optional[str] = ..., undecided: _Optional[int] = ..., given: _Optional[int] = ..., taken: _Optional[int] = ..., burned: _Optional[int] = ..., session: _Optional[bool] = ...) -> None: ...

class ListNodesRequest(_message.Message):
    __slots__ = ("region",)
    REGION_FIELD_NUMBER: _ClassVar[int]
    region: str
    def __init__(self, region: _Optional[str] = ...) -> None: ...

class ListNodesResponse(_message.Message):
    __slots__ = ("nodes",)
    NODES_FIELD_NUMBER: _ClassVar[int]
    nodes: _containers.RepeatedCompositeFieldContainer[Node]
    def __init__(self, nodes: _Optional[_Iterable[_Union[Node, _Mapping]]] = ...) -> None: ...

class Node(_message.Message):
    __slots__ = ("name", "node_class", "labels", "capacity", "free", "jobs", "taints", "cordoned", "cordoned_why")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class CapacityEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    class FreeEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    NODE_CLASS_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    CAPACITY_FIELD_NUMBER: _ClassVar[int]
    FREE_FIELD_NUMBER: _ClassVar[int]
    JOBS_FIELD_NUMBER: _ClassVar[int]
    TAINTS_FIELD_NUMBER: _ClassVar[int]
    CORDONED_FIELD_NUMBER: _ClassVar[int]
    CORDONED_WHY_FIELD_NUMBER: _ClassVar[int]
    name: str
    node_class: str
    labels: _containers.ScalarMap[str, str]
    capacity: _containers.ScalarMap[str, int]
    free: _containers.ScalarMap[str, int]
    jobs: _containers.RepeatedScalarFieldContainer[str]
    taints: _containers.RepeatedScalarFieldContainer[str]
    cordoned: bool
    cordoned_why: str
    def __init__(self, name: _Optional[str] = ..., node_class: _Optional[str] = ..., labels: _Optional[_Mapping[str, str]] = ..., capacity: _Optional[_Mapping[str, int]] = ..., free: _Optional[_Mapping[str, int]] = ..., jobs: _Optional[_Iterable[str]] = ..., taints: _Optional[_Iterable[str]] = ..., cordoned: _Optional[bool] = ..., cordoned_why: _Optional[str] = ...) -> None: ...

class ControlNodesRequest(_message.Message):
    __slots__ = ("region", "nodes", "order", "why")
    REGION_FIELD_NUMBER: _ClassVar[int]
    NODES_FIELD_NUMBER: _ClassVar[int]
    ORDER_FIELD_NUMBER: _ClassVar[int]
    WHY_FIELD_NUMBER: _ClassVar[int]
    region: str
    nodes: _containers.RepeatedScalarFieldContainer[str]
    order: NodeOrder
    why: str
    def __init__(self, region: _Optional[str] = ..., nodes: _Optional[_Iterable[str]] = ..., order: _Optional[_Union[NodeOrder, str]] = ..., why: _Optional[str] = ...) -> None: ...

class ControlNodesResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ReloadConfigRequest(_message.Message):
    __slots__ = ("region",)
    REGION_FIELD_NUMBER: _ClassVar[int]
    region: str
    def __init__(self, region: _Optional[str] = ...) -> None: ...

class ReloadConfigResponse(_message.Message):
    __slots__ = ("changed",)
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    changed: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, changed: _Optional[_Iterable[str]] = ...) -> None: ...

class ListMembersRequest(_message.Message):
    __slots__ = ("region",)
    REGION_FIELD_NUMBER: _ClassVar[int]
    region: str
    def __init__(self, region: _Optional[str] = ...) -> None: ...

class ListMembersResponse(_message.Message):
    __slots__ = ("region", "roster_epoch", "members")
    REGION_FIELD_NUMBER: _ClassVar[int]
    ROSTER_EPOCH_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    region: str
    roster_epoch: int
    members: _containers.RepeatedCompositeFieldContainer[Member]
    def __init__(self, region: _Optional[str] = ..., roster_epoch: _Optional[int] = ..., members: _Optional[_Iterable[_Union[Member, _Mapping]]] = ...) -> None: ...

class Member(_message.Message):
    __slots__ = ("name", "peer_address", "public_address", "liveness", "incarnation", "heard_ago_ms", "draining", "protocol_min", "protocol_max")
    NAME_FIELD_NUMBER: _ClassVar[int]
    PEER_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    PUBLIC_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    LIVENESS_FIELD_NUMBER: _ClassVar[int]
    INCARNATION_FIELD_NUMBER: _ClassVar[int]
    HEARD_AGO_MS_FIELD_NUMBER: _ClassVar[int]
    DRAINING_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_MIN_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_MAX_FIELD_NUMBER: _ClassVar[int]
    name: str
    peer_address: str
    public_address: str
    liveness: Liveness
    incarnation: int
    heard_ago_ms: int
    draining: bool
    protocol_min: int
    protocol_max: int
    def __init__(self, name: _Optional[str] = ..., peer_address: _Optional[str] = ..., public_address: _Optional[str] = ..., liveness: _Optional[_Union[Liveness, str]] = ..., incarnation: _Optional[int] = ..., heard_ago_ms: _Optional[int] = ..., draining: _Optional[bool] = ..., protocol_min: _Optional[int] = ..., protocol_max: _Optional[int] = ...) -> None: ...

class GetInventoryRequest(_message.Message):
    __slots__ = ("region",)
    REGION_FIELD_NUMBER: _ClassVar[int]
    region: str
    def __init__(self, region: _Optional[str] = ...) -> None: ...

class GetInventoryResponse(_message.Message):
    __slots__ = ("region", "records")
    REGION_FIELD_NUMBER: _ClassVar[int]
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    region: str
    records: _containers.RepeatedCompositeFieldContainer[RegionRecord]
    def __init__(self, region: _Optional[str] = ..., records: _Optional[_Iterable[_Union[RegionRecord, _Mapping]]] = ...) -> None: ...

class RegionRecord(_message.Message):
    __slots__ = ("region", "incarnation", "version", "observed_at", "classes", "draining", "protocol_min", "protocol_max", "datasets", "queued", "predicted_wait_ms", "peer_address", "public_address", "queued_shapes", "price", "power", "leads", "quotas", "policy")
    REGION_FIELD_NUMBER: _ClassVar[int]
    INCARNATION_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    OBSERVED_AT_FIELD_NUMBER: _ClassVar[int]
    CLASSES_FIELD_NUMBER: _ClassVar[int]
    DRAINING_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_MIN_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_MAX_FIELD_NUMBER: _ClassVar[int]
    DATASETS_FIELD_NUMBER: _ClassVar[int]
    QUEUED_FIELD_NUMBER: _ClassVar[int]
    PREDICTED_WAIT_MS_FIELD_NUMBER: _ClassVar[int]
    PEER_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    PUBLIC_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    QUEUED_SHAPES_FIELD_NUMBER: _ClassVar[int]
    PRICE_FIELD_NUMBER: _ClassVar[int]
    POWER_FIELD_NUMBER: _ClassVar[int]
    LEADS_FIELD_NUMBER: _ClassVar[int]
    QUOTAS_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    region: str
    incarnation: int
    version: int
    observed_at: _timestamp_pb2.Timestamp
    classes: _containers.RepeatedCompositeFieldContainer[CapacityClass]
    draining: bool
    protocol_min: int
    protocol_max: int
    datasets: _containers.RepeatedScalarFieldContainer[str]
    queued: int
    predicted_wait_ms: int
    peer_address: str
    public_address: str
    queued_shapes: _containers.RepeatedCompositeFieldContainer[QueuedShape]
    price: int
    power: int
    leads: _containers.RepeatedCompositeFieldContainer[Leadership]
    quotas: QuotaNews
    policy: PolicyNews
    def __init__(self, region: _Optional[str] = ..., incarnation: _Optional[int] = ..., version: _Optional[int] = ..., observed_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., classes: _Optional[_Iterable[_Union[CapacityClass, _Mapping]]] = ..., draining: _Optional[bool] = ..., protocol_min: _Optional[int] = ..., protocol_max: _Optional[int] = ..., datasets: _Optional[_Iterable[str]] = ..., queued: _Optional[int] = ..., predicted_wait_ms: _Optional[int] = ..., peer_address: _Optional[str] = ..., public_address: _Optional[str] = ..., queued_shapes: _Optional[_Iterable[_Union[QueuedShape, _Mapping]]] = ..., price: _Optional[int] = ..., power: _Optional[int] = ..., leads: _Optional[_Iterable[_Union[Leadership, _Mapping]]] = ..., quotas: _Optional[_Union[QuotaNews, _Mapping]] = ..., policy: _Optional[_Union[PolicyNews, _Mapping]] = ...) -> None: ...

class PolicyNews(_message.Message):
    __slots__ = ("number", "sha256", "standing", "version")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    STANDING_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    number: int
    sha256: str
    standing: PolicyStanding
    version: int
    def __init__(self, number: _Optional[int] = ..., sha256: _Optional[str] = ..., standing: _Optional[_Union[PolicyStanding, str]] = ..., version: _Optional[int] = ...) -> None: ...

class QuotaNews(_message.Message):
    __slots__ = ("league", "number", "sha256", "accounts", "rights")
    LEAGUE_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    ACCOUNTS_FIELD_NUMBER: _ClassVar[int]
    RIGHTS_FIELD_NUMBER: _ClassVar[int]
    league: str
    number: int
    sha256: str
    accounts: _containers.RepeatedCompositeFieldContainer[QuotaAccount]
    rights: _containers.RepeatedCompositeFieldContainer[QuotaRights]
    def __init__(self, league: _Optional[str] = ..., number: _Optional[int] = ..., sha256: _Optional[str] = ..., accounts: _Optional[_Iterable[_Union[QuotaAccount, _Mapping]]] = ..., rights: _Optional[_Iterable[_Union[QuotaRights, _Mapping]]] = ...) -> None: ...

class QuotaAccount(_message.Message):
    __slots__ = ("name", "id")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    name: str
    id: int
    def __init__(self, name: _Optional[str] = ..., id: _Optional[int] = ...) -> None: ...

class QuotaRights(_message.Message):
    __slots__ = ("tenant", "resource", "free", "held")
    TENANT_FIELD_NUMBER: _ClassVar[int]
    RESOURCE_FIELD_NUMBER: _ClassVar[int]
    FREE_FIELD_NUMBER: _ClassVar[int]
    HELD_FIELD_NUMBER: _ClassVar[int]
    tenant: str
    resource: str
    free: int
    held: int
    def __init__(self, tenant: _Optional[str] = ..., resource: _Optional[str] = ..., free: _Optional[int] = ..., held: _Optional[int] = ...) -> None: ...

class QuotaAmount(_message.Message):
    __slots__ = ("tenant", "resource", "amount")
    TENANT_FIELD_NUMBER: _ClassVar[int]
    RESOURCE_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    tenant: str
    resource: str
    amount: int
    def __init__(self, tenant: _Optional[str] = ..., resource: _Optional[str] = ..., amount: _Optional[int] = ...) -> None: ...

class Leadership(_message.Message):
    __slots__ = ("shard", "term")
    SHARD_FIELD_NUMBER: _ClassVar[int]
    TERM_FIELD_NUMBER: _ClassVar[int]
    shard: str
    term: int
    def __init__(self, shard: _Optional[str] = ..., term: _Optional[int] = ...) -> None: ...

class CapacityClass(_message.Message):
    __slots__ = ("node_class", "nodes", "node_capacity", "labels", "free", "free_max", "taints")
    class NodeCapacityEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class FreeEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    class FreeMaxEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    NODE_CLASS_FIELD_NUMBER: _ClassVar[int]
    NODES_FIELD_NUMBER: _ClassVar[int]
    NODE_CAPACITY_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    FREE_FIELD_NUMBER: _ClassVar[int]
    FREE_MAX_FIELD_NUMBER: _ClassVar[int]
    TAINTS_FIELD_NUMBER: _ClassVar[int]
    node_class: str
    nodes: int
    node_capacity: _containers.ScalarMap[str, int]
    labels: _containers.ScalarMap[str, str]
    free: _containers.ScalarMap[str, int]
    free_max: _containers.ScalarMap[str, int]
    taints: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, node_class: _Optional[str] = ..., nodes: _Optional[int] = ..., node_capacity: _Optional[_Mapping[str, int]] = ..., labels: _Optional[_Mapping[str, str]] = ..., free: _Optional[_Mapping[str, int]] = ..., free_max: _Optional[_Mapping[str, int]] = ..., taints: _Optional[_Iterable[str]] = ...) -> None: ...

class QueuedShape(_message.Message):
    __slots__ = ("shape_key", "count", "resources", "oldest_wait_ms")
    class ResourcesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    SHAPE_KEY_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    RESOURCES_FIELD_NUMBER: _ClassVar[int]
    OLDEST_WAIT_MS_FIELD_NUMBER: _ClassVar[int]
    shape_key: bytes
    count: int
    resources: _containers.ScalarMap[str, int]
    oldest_wait_ms: int
    def __init__(self, shape_key: _Optional[bytes] = ..., count: _Optional[int] = ..., resources: _Optional[_Mapping[str, int]] = ..., oldest_wait_ms: _Optional[int] = ...) -> None: ...

class DrainStatus(_message.Message):
    __slots__ = ("running", "queued", "leaving", "stopping", "stopped", "running_on")
    class RunningOnEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    RUNNING_FIELD_NUMBER: _ClassVar[int]
    QUEUED_FIELD_NUMBER: _ClassVar[int]
    LEAVING_FIELD_NUMBER: _ClassVar[int]
    STOPPING_FIELD_NUMBER: _ClassVar[int]
    STOPPED_FIELD_NUMBER: _ClassVar[int]
    RUNNING_ON_FIELD_NUMBER: _ClassVar[int]
    running: RunningJobs
    queued: int
    leaving: int
    stopping: int
    stopped: int
    running_on: _containers.ScalarMap[str, int]
    def __init__(self, running: _Optional[_Union[RunningJobs, str]] = ..., queued: _Optional[int] = ..., leaving: _Optional[int] = ..., stopping: _Optional[int] = ..., stopped: _Optional[int] = ..., running_on: _Optional[_Mapping[str, int]] = ...) -> None: ...

class DrainRequest(_message.Message):
    __slots__ = ("region", "running")
    REGION_FIELD_NUMBER: _ClassVar[int]
    RUNNING_FIELD_NUMBER: _ClassVar[int]
    region: str
    running: RunningJobs
    def __init__(self, region: _Optional[str] = ..., running: _Optional[_Union[RunningJobs, str]] = ...) -> None: ...

class DrainResponse(_message.Message):
    __slots__ = ("draining", "running")
    DRAINING_FIELD_NUMBER: _ClassVar[int]
    RUNNING_FIELD_NUMBER: _ClassVar[int]
    draining: bool
    running: RunningJobs
    def __init__(self, draining: _Optional[bool] = ..., running: _Optional[_Union[RunningJobs, str]] = ...) -> None: ...

class UndrainRequest(_message.Message):
    __slots__ = ("region",)
    REGION_FIELD_NUMBER: _ClassVar[int]
    region: str
    def __init__(self, region: _Optional[str] = ...) -> None: ...

class UndrainResponse(_message.Message):
    __slots__ = ("draining",)
    DRAINING_FIELD_NUMBER: _ClassVar[int]
    draining: bool
    def __init__(self, draining: _Optional[bool] = ...) -> None: ...

class GetRosterRequest(_message.Message):
    __slots__ = ("region", "after_epoch")
    REGION_FIELD_NUMBER: _ClassVar[int]
    AFTER_EPOCH_FIELD_NUMBER: _ClassVar[int]
    region: str
    after_epoch: int
    def __init__(self, region: _Optional[str] = ..., after_epoch: _Optional[int] = ...) -> None: ...

class GetRosterResponse(_message.Message):
    __slots__ = ("roster",)
    ROSTER_FIELD_NUMBER: _ClassVar[int]
    roster: RosterStatus
    def __init__(self, roster: _Optional[_Union[RosterStatus, _Mapping]] = ...) -> None: ...

class RosterStatus(_message.Message):
    __slots__ = ("region", "document", "epoch", "sha256", "removed", "following", "known", "proposal", "conflicts", "unable", "ledger_id")
    REGION_FIELD_NUMBER: _ClassVar[int]
    DOCUMENT_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    REMOVED_FIELD_NUMBER: _ClassVar[int]
    FOLLOWING_FIELD_NUMBER: _ClassVar[int]
    KNOWN_FIELD_NUMBER: _ClassVar[int]
    PROPOSAL_FIELD_NUMBER: _ClassVar[int]
    CONFLICTS_FIELD_NUMBER: _ClassVar[int]
    UNABLE_FIELD_NUMBER: _ClassVar[int]
    LEDGER_ID_FIELD_NUMBER: _ClassVar[int]
    region: str
    document: bytes
    epoch: int
    sha256: str
    removed: bool
    following: _containers.RepeatedScalarFieldContainer[bytes]
    known: _containers.RepeatedCompositeFieldContainer[KnownRoster]
    proposal: RosterProgress
    conflicts: _containers.RepeatedCompositeFieldContainer[RosterConflict]
    unable: str
    ledger_id: str
    def __init__(self, region: _Optional[str] = ..., document: _Optional[bytes] = ..., epoch: _Optional[int] = ..., sha256: _Optional[str] = ..., removed: _Optional[bool] = ..., following: _Optional[_Iterable[bytes]] = ..., known: _Optional[_Iterable[_Union[KnownRoster, _Mapping]]] = ..., proposal: _Optional[_Union[RosterProgress, _Mapping]] = ..., conflicts: _Optional[_Iterable[_Union[RosterConflict, _Mapping]]] = ..., unable: _Optional[str] = ..., ledger_id: _Optional[str] = ...) -> None: ...

class KnownRoster(_message.Message):
    __slots__ = ("region", "epoch")
    REGION_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    region: str
    epoch: int
    def __init__(self, region: _Optional[str] = ..., epoch: _Optional[int] = ...) -> None: ...

class RosterConflict(_message.Message):
    __slots__ = ("region", "reason")
    REGION_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    region: str
    reason: str
    def __init__(self, region: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class RosterProgress(_message.Message):
    __slots__ = ("document", "epoch", "sha256", "countersigned", "missing", "refusals", "is_asking", "has_failed")
    DOCUMENT_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    COUNTERSIGNED_FIELD_NUMBER: _ClassVar[int]
    MISSING_FIELD_NUMBER: _ClassVar[int]
    REFUSALS_FIELD_NUMBER: _ClassVar[int]
    IS_ASKING_FIELD_NUMBER: _ClassVar[int]
    HAS_FAILED_FIELD_NUMBER: _ClassVar[int]
    document: bytes
    epoch: int
    sha256: str
    countersigned: _containers.RepeatedScalarFieldContainer[str]
    missing: _containers.RepeatedScalarFieldContainer[str]
    refusals: _containers.RepeatedCompositeFieldContainer[RosterRefusal]
    is_asking: bool
    has_failed: bool
    def __init__(self, document: _Optional[bytes] = ..., epoch: _Optional[int] = ..., sha256: _Optional[str] = ..., countersigned: _Optional[_Iterable[str]] = ..., missing: _Optional[_Iterable[str]] = ..., refusals: _Optional[_Iterable[_Union[RosterRefusal, _Mapping]]] = ..., is_asking: _Optional[bool] = ..., has_failed: _Optional[bool] = ...) -> None: ...

class RosterRefusal(_message.Message):
    __slots__ = ("region", "reason")
    REGION_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    region: str
    reason: str
    def __init__(self, region: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class ProposeRosterRequest(_message.Message):
    __slots__ = ("region", "document")
    REGION_FIELD_NUMBER: _ClassVar[int]
    DOCUMENT_FIELD_NUMBER: _ClassVar[int]
    region: str
    document: bytes
    def __init__(self, region: _Optional[str] = ..., document: _Optional[bytes] = ...) -> None: ...

class ProposeRosterResponse(_message.Message):
    __slots__ = ("roster",)
    ROSTER_FIELD_NUMBER: _ClassVar[int]
    roster: RosterStatus
    def __init__(self, roster: _Optional[_Union[RosterStatus, _Mapping]] = ...) -> None: ...

class TrustDiskRequest(_message.Message):
    __slots__ = ("region", "without")
    REGION_FIELD_NUMBER: _ClassVar[int]
    WITHOUT_FIELD_NUMBER: _ClassVar[int]
    region: str
    without: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, region: _Optional[str] = ..., without: _Optional[_Iterable[str]] = ...) -> None: ...

class TrustDiskResponse(_message.Message):
    __slots__ = ("missing",)
    MISSING_FIELD_NUMBER: _ClassVar[int]
    missing: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, missing: _Optional[_Iterable[str]] = ...) -> None: ...

class GetQuotasRequest(_message.Message):
    __slots__ = ("region",)
    REGION_FIELD_NUMBER: _ClassVar[int]
    region: str
    def __init__(self, region: _Optional[str] = ...) -> None: ...

class GetQuotasResponse(_message.Message):
    __slots__ = ("quotas",)
    QUOTAS_FIELD_NUMBER: _ClassVar[int]
    quotas: QuotaStatus
    def __init__(self, quotas: _Optional[_Union[QuotaStatus, _Mapping]] = ...) -> None: ...

class QuotaStatus(_message.Message):
    __slots__ = ("region", "league", "history", "known", "balances", "elsewhere", "waiting")
    REGION_FIELD_NUMBER: _ClassVar[int]
    LEAGUE_FIELD_NUMBER: _ClassVar[int]
    HISTORY_FIELD_NUMBER: _ClassVar[int]
    KNOWN_FIELD_NUMBER: _ClassVar[int]
    BALANCES_FIELD_NUMBER: _ClassVar[int]
    ELSEWHERE_FIELD_NUMBER: _ClassVar[int]
    WAITING_FIELD_NUMBER: _ClassVar[int]
    region: str
    league: str
    history: _containers.RepeatedScalarFieldContainer[bytes]
    known: _containers.RepeatedCompositeFieldContainer[KnownQuotas]
    balances: _containers.RepeatedCompositeFieldContainer[QuotaBalance]
    elsewhere: _containers.RepeatedCompositeFieldContainer[QuotaElsewhere]
    waiting: int
    def __init__(self, region: _Optional[str] = ..., league: _Optional[str] = ..., history: _Optional[_Iterable[bytes]] = ..., known: _Optional[_Iterable[_Union[KnownQuotas, _Mapping]]] = ..., balances: _Optional[_Iterable[_Union[QuotaBalance, _Mapping]]] = ..., elsewhere: _Optional[_Iterable[_Union[QuotaElsewhere, _Mapping]]] = ..., waiting: _Optional[int] = ...) -> None: ...

class KnownQuotas(_message.Message):
    __slots__ = ("region", "number")
    REGION_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    region: str
    number: int
    def __init__(self, region: _Optional[str] = ..., number: _Optional[int] = ...) -> None: ...

class QuotaBalance(_message.Message):
    __slots__ = ("account", "tenant", "resource", "held", "used", "in_transit", "debt", "lost", "asked", "waiting")
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    TENANT_FIELD_NUMBER: _ClassVar[int]
    RESOURCE_FIELD_NUMBER: _ClassVar[int]
    HELD_FIELD_NUMBER: _ClassVar[int]
    USED_FIELD_NUMBER: _ClassVar[int]
    IN_TRANSIT_FIELD_NUMBER: _ClassVar[int]
    DEBT_FIELD_NUMBER: _ClassVar[int]
    LOST_FIELD_NUMBER: _ClassVar[int]
    ASKED_FIELD_NUMBER: _ClassVar[int]
    WAITING_FIELD_NUMBER: _ClassVar[int]
    account: str
    tenant: str
    resource: str
    held: int
    used: int
    in_transit: int
    debt: int
    lost: int
    asked: int
    waiting: int
    def __init__(self, account: _Optional[str] = ..., tenant: _Optional[str] = ..., resource: _Optional[str] = ..., held: _Optional[int] = ..., used: _Optional[int] = ..., in_transit: _Optional[int] = ..., debt: _Optional[int] = ..., lost: _Optional[int] = ..., asked: _Optional[int] = ..., waiting: _Optional[int] = ...) -> None: ...

class QuotaElsewhere(_message.Message):
    __slots__ = ("region", "news")
    REGION_FIELD_NUMBER: _ClassVar[int]
    NEWS_FIELD_NUMBER: _ClassVar[int]
    region: str
    news: QuotaNews
    def __init__(self, region: _Optional[str] = ..., news: _Optional[_Union[QuotaNews, _Mapping]] = ...) -> None: ...

class ApplyQuotasRequest(_message.Message):
    __slots__ = ("region", "document")
    REGION_FIELD_NUMBER: _ClassVar[int]
    DOCUMENT_FIELD_NUMBER: _ClassVar[int]
    region: str
    document: bytes
    def __init__(self, region: _Optional[str] = ..., document: _Optional[bytes] = ...) -> None: ...

class ApplyQuotasResponse(_message.Message):
    __slots__ = ("region",)
    REGION_FIELD_NUMBER: _ClassVar[int]
    region: str
    def __init__(self, region: _Optional[str] = ...) -> None: ...
