import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from hanse.wire.gen.hanse.v1 import common_pb2 as _common_pb2
from hanse.wire.gen.hanse.v1 import regions_pb2 as _regions_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PolicySeverity(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    POLICY_SEVERITY_UNSPECIFIED: _ClassVar[PolicySeverity]
    POLICY_SEVERITY_ERROR: _ClassVar[PolicySeverity]
    POLICY_SEVERITY_WARNING: _ClassVar[PolicySeverity]
POLICY_SEVERITY_UNSPECIFIED: PolicySeverity
POLICY_SEVERITY_ERROR: PolicySeverity
POLICY_SEVERITY_WARNING: PolicySeverity

class Policy(_message.Message):
    __slots__ = ("version", "digest", "document", "author", "why", "applied_at")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    DOCUMENT_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    WHY_FIELD_NUMBER: _ClassVar[int]
    APPLIED_AT_FIELD_NUMBER: _ClassVar[int]
    version: int
    digest: str
    document: str
    author: str
    why: str
    applied_at: _timestamp_pb2.Timestamp
    def __init__(self, version: _Optional[int] = ..., digest: _Optional[str] = ..., document: _Optional[str] = ..., author: _Optional[str] = ..., why: _Optional[str] = ..., applied_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class PolicyProblem(_message.Message):
    __slots__ = ("severity", "path", "line", "column", "width", "message", "hint", "source")
    SEVERITY_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    LINE_FIELD_NUMBER: _ClassVar[int]
    COLUMN_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    HINT_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    severity: PolicySeverity
    path: str
    line: int
    column: int
    width: int
    message: str
    hint: str
    source: str
    def __init__(self, severity: _Optional[_Union[PolicySeverity, str]] = ..., path: _Optional[str] = ..., line: _Optional[int] = ..., column: _Optional[int] = ..., width: _Optional[int] = ..., message: _Optional[str] = ..., hint: _Optional[str] = ..., source: _Optional[str] = ...) -> None: ...

class GetPolicyRequest(_message.Message):
    __slots__ = ("region", "version")
    REGION_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    region: str
    version: int
    def __init__(self, region: _Optional[str] = ..., version: _Optional[int] = ...) -> None: ...

class GetPolicyResponse(_message.Message):
    __slots__ = ("region", "policy", "version_in_force")
    REGION_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    VERSION_IN_FORCE_FIELD_NUMBER: _ClassVar[int]
    region: str
    policy: Policy
    version_in_force: int
    def __init__(self, region: _Optional[str] = ..., policy: _Optional[_Union[Policy, _Mapping]] = ..., version_in_force: _Optional[int] = ...) -> None: ...

class ListPoliciesRequest(_message.Message):
    __slots__ = ("region", "before_version", "page_size")
    REGION_FIELD_NUMBER: _ClassVar[int]
    BEFORE_VERSION_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    region: str
    before_version: int
    page_size: int
    def __init__(self, region: _Optional[str] = ..., before_version: _Optional[int] = ..., page_size: _Optional[int] = ...) -> None: ...

class ListPoliciesResponse(_message.Message):
    __slots__ = ("region", "policies", "version_in_force")
    REGION_FIELD_NUMBER: _ClassVar[int]
    POLICIES_FIELD_NUMBER: _ClassVar[int]
    VERSION_IN_FORCE_FIELD_NUMBER: _ClassVar[int]
    region: str
    policies: _containers.RepeatedCompositeFieldContainer[Policy]
    version_in_force: int
    def __init__(self, region: _Optional[str] = ..., policies: _Optional[_Iterable[_Union[Policy, _Mapping]]] = ..., version_in_force: _Optional[int] = ...) -> None: ...

class ValidatePolicyRequest(_message.Message):
    __slots__ = ("region", "document")
    REGION_FIELD_NUMBER: _ClassVar[int]
    DOCUMENT_FIELD_NUMBER: _ClassVar[int]
    region: str
    document: str
    def __init__(self, region: _Optional[str] = ..., document: _Optional[str] = ...) -> None: ...

class ValidatePolicyResponse(_message.Message):
    __slots__ = ("region", "valid", "problems", "digest")
    REGION_FIELD_NUMBER: _ClassVar[int]
    VALID_FIELD_NUMBER: _ClassVar[int]
    PROBLEMS_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    region: str
    valid: bool
    problems: _containers.RepeatedCompositeFieldContainer[PolicyProblem]
    digest: str
    def __init__(self, region: _Optional[str] = ..., valid: _Optional[bool] = ..., problems: _Optional[_Iterable[_Union[PolicyProblem, _Mapping]]] = ..., digest: _Optional[str] = ...) -> None: ...

class PlanPolicyRequest(_message.Message):
    __slots__ = ("region", "document", "jobs_max")
    REGION_FIELD_NUMBER: _ClassVar[int]
    DOCUMENT_FIELD_NUMBER: _ClassVar[int]
    JOBS_MAX_FIELD_NUMBER: _ClassVar[int]
    region: str
    document: str
    jobs_max: int
    def __init__(self, region: _Optional[str] = ..., document: _Optional[str] = ..., jobs_max: _Optional[int] = ...) -> None: ...

class PlanPolicyResponse(_message.Message):
    __slots__ = ("region", "problems", "plan")
    REGION_FIELD_NUMBER: _ClassVar[int]
    PROBLEMS_FIELD_NUMBER: _ClassVar[int]
    PLAN_FIELD_NUMBER: _ClassVar[int]
    region: str
    problems: _containers.RepeatedCompositeFieldContainer[PolicyProblem]
    plan: PolicyPlan
    def __init__(self, region: _Optional[str] = ..., problems: _Optional[_Iterable[_Union[PolicyProblem, _Mapping]]] = ..., plan: _Optional[_Union[PolicyPlan, _Mapping]] = ...) -> None: ...

class PolicyPlan(_message.Message):
    __slots__ = ("version_in_force", "digest", "begin", "end", "jobs", "measured_wait_ms", "replayed_wait_ms", "tenants", "moves", "refusals", "worst", "preemptions_before", "preemptions_after", "caveats")
    VERSION_IN_FORCE_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    BEGIN_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    JOBS_FIELD_NUMBER: _ClassVar[int]
    MEASURED_WAIT_MS_FIELD_NUMBER: _ClassVar[int]
    REPLAYED_WAIT_MS_FIELD_NUMBER: _ClassVar[int]
    TENANTS_FIELD_NUMBER: _ClassVar[int]
    MOVES_FIELD_NUMBER: _ClassVar[int]
    REFUSALS_FIELD_NUMBER: _ClassVar[int]
    WORST_FIELD_NUMBER: _ClassVar[int]
    PREEMPTIONS_BEFORE_FIELD_NUMBER: _ClassVar[int]
    PREEMPTIONS_AFTER_FIELD_NUMBER: _ClassVar[int]
    CAVEATS_FIELD_NUMBER: _ClassVar[int]
    version_in_force: int
    digest: str
    begin: _timestamp_pb2.Timestamp
    end: _timestamp_pb2.Timestamp
    jobs: int
    measured_wait_ms: int
    replayed_wait_ms: int
    tenants: _containers.RepeatedCompositeFieldContainer[TenantPlan]
    moves: _containers.RepeatedCompositeFieldContainer[PlanMove]
    refusals: _containers.RepeatedCompositeFieldContainer[PlanRefusal]
    worst: _containers.RepeatedCompositeFieldContainer[PlanJob]
    preemptions_before: int
    preemptions_after: int
    caveats: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, version_in_force: _Optional[int] = ..., digest: _Optional[str] = ..., begin: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., jobs: _Optional[int] = ..., measured_wait_ms: _Optional[int] = ..., replayed_wait_ms: _Optional[int] = ..., tenants: _Optional[_Iterable[_Union[TenantPlan, _Mapping]]] = ..., moves: _Optional[_Iterable[_Union[PlanMove, _Mapping]]] = ..., refusals: _Optional[_Iterable[_Union[PlanRefusal, _Mapping]]] = ..., worst: _Optional[_Iterable[_Union[PlanJob, _Mapping]]] = ..., preemptions_before: _Optional[int] = ..., preemptions_after: _Optional[int] = ..., caveats: _Optional[_Iterable[str]] = ...) -> None: ...

class TenantPlan(_message.Message):
    __slots__ = ("tenant", "jobs", "wait_before_ms", "wait_after_ms", "longest_before_ms", "longest_after_ms", "longer", "shorter", "refused_before", "refused_after", "stuck_before", "stuck_after")
    TENANT_FIELD_NUMBER: _ClassVar[int]
    JOBS_FIELD_NUMBER: _ClassVar[int]
    WAIT_BEFORE_MS_FIELD_NUMBER: _ClassVar[int]
    WAIT_AFTER_MS_FIELD_NUMBER: _ClassVar[int]
    LONGEST_BEFORE_MS_FIELD_NUMBER: _ClassVar[int]
    LONGEST_AFTER_MS_FIELD_NUMBER: _ClassVar[int]
    LONGER_FIELD_NUMBER: _ClassVar[int]
    SHORTER_FIELD_NUMBER: _ClassVar[int]
    REFUSED_BEFORE_FIELD_NUMBER: _ClassVar[int]
    REFUSED_AFTER_FIELD_NUMBER: _ClassVar[int]
    STUCK_BEFORE_FIELD_NUMBER: _ClassVar[int]
    STUCK_AFTER_FIELD_NUMBER: _ClassVar[int]
    tenant: str
    jobs: int
    wait_before_ms: int
    wait_after_ms: int
    longest_before_ms: int
    longest_after_ms: int
    longer: int
    shorter: int
    refused_before: int
    refused_after: int
    stuck_before: int
    stuck_after: int
    def __init__(self, tenant: _Optional[str] = ..., jobs: _Optional[int] = ..., wait_before_ms: _Optional[int] = ..., wait_after_ms: _Optional[int] = ..., longest_before_ms: _Optional[int] = ..., longest_after_ms: _Optional[int] = ..., longer: _Optional[int] = ..., shorter: _Optional[int] = ..., refused_before: _Optional[int] = ..., refused_after: _Optional[int] = ..., stuck_before: _Optional[int] = ..., stuck_after: _Optional[int] = ...) -> None: ...

class PlanMove(_message.Message):
    __slots__ = ("tenant", "jobs", "tier_before", "tier_after", "queue_before", "queue_after")
    TENANT_FIELD_NUMBER: _ClassVar[int]
    JOBS_FIELD_NUMBER: _ClassVar[int]
    TIER_BEFORE_FIELD_NUMBER: _ClassVar[int]
    TIER_AFTER_FIELD_NUMBER: _ClassVar[int]
    QUEUE_BEFORE_FIELD_NUMBER: _ClassVar[int]
    QUEUE_AFTER_FIELD_NUMBER: _ClassVar[int]
    tenant: str
    jobs: int
    tier_before: str
    tier_after: str
    queue_before: str
    queue_after: str
    def __init__(self, tenant: _Optional[str] = ..., jobs: _Optional[int] = ..., tier_before: _Optional[str] = ..., tier_after: _Optional[str] = ..., queue_before: _Optional[str] = ..., queue_after: _Optional[str] = ...) -> None: ...

class PlanRefusal(_message.Message):
    __slots__ = ("tenant", "jobs", "refusal", "before")
    TENANT_FIELD_NUMBER: _ClassVar[int]
    JOBS_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    tenant: str
    jobs: int
    refusal: _common_pb2.Refusal
    before: bool
    def __init__(self, tenant: _Optional[str] = ..., jobs: _Optional[int] = ..., refusal: _Optional[_Union[_common_pb2.Refusal, _Mapping]] = ..., before: _Optional[bool] = ...) -> None: ...

class PlanJob(_message.Message):
    __slots__ = ("job_id", "tenant", "name", "wait_before_ms", "wait_after_ms")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    TENANT_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    WAIT_BEFORE_MS_FIELD_NUMBER: _ClassVar[int]
    WAIT_AFTER_MS_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    tenant: str
    name: str
    wait_before_ms: int
    wait_after_ms: int
    def __init__(self, job_id: _Optional[str] = ..., tenant: _Optional[str] = ..., name: _Optional[str] = ..., wait_before_ms: _Optional[int] = ..., wait_after_ms: _Optional[int] = ...) -> None: ...

class ApplyPolicyRequest(_message.Message):
    __slots__ = ("region", "document", "expected_version", "author", "why")
    REGION_FIELD_NUMBER: _ClassVar[int]
    DOCUMENT_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_VERSION_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    WHY_FIELD_NUMBER: _ClassVar[int]
    region: str
    document: str
    expected_version: int
    author: str
    why: str
    def __init__(self, region: _Optional[str] = ..., document: _Optional[str] = ..., expected_version: _Optional[int] = ..., author: _Optional[str] = ..., why: _Optional[str] = ...) -> None: ...

class ApplyPolicyResponse(_message.Message):
    __slots__ = ("region", "version", "problems", "digest", "unchanged")
    REGION_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    PROBLEMS_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    UNCHANGED_FIELD_NUMBER: _ClassVar[int]
    region: str
    version: int
    problems: _containers.RepeatedCompositeFieldContainer[PolicyProblem]
    digest: str
    unchanged: bool
    def __init__(self, region: _Optional[str] = ..., version: _Optional[int] = ..., problems: _Optional[_Iterable[_Union[PolicyProblem, _Mapping]]] = ..., digest: _Optional[str] = ..., unchanged: _Optional[bool] = ...) -> None: ...

class GetLeaguePolicyRequest(_message.Message):
    __slots__ = ("region",)
    REGION_FIELD_NUMBER: _ClassVar[int]
    region: str
    def __init__(self, region: _Optional[str] = ...) -> None: ...

class GetLeaguePolicyResponse(_message.Message):
    __slots__ = ("status",)
    STATUS_FIELD_NUMBER: _ClassVar[int]
    status: LeaguePolicyStatus
    def __init__(self, status: _Optional[_Union[LeaguePolicyStatus, _Mapping]] = ...) -> None: ...

class LeaguePolicyStatus(_message.Message):
    __slots__ = ("region", "document", "news", "version", "unfit", "known")
    REGION_FIELD_NUMBER: _ClassVar[int]
    DOCUMENT_FIELD_NUMBER: _ClassVar[int]
    NEWS_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    UNFIT_FIELD_NUMBER: _ClassVar[int]
    KNOWN_FIELD_NUMBER: _ClassVar[int]
    region: str
    document: bytes
    news: _regions_pb2.PolicyNews
    version: int
    unfit: str
    known: _containers.RepeatedCompositeFieldContainer[KnownPolicy]
    def __init__(self, region: _Optional[str] = ..., document: _Optional[bytes] = ..., news: _Optional[_Union[_regions_pb2.PolicyNews, _Mapping]] = ..., version: _Optional[int] = ..., unfit: _Optional[str] = ..., known: _Optional[_Iterable[_Union[KnownPolicy, _Mapping]]] = ...) -> None: ...

class KnownPolicy(_message.Message):
    __slots__ = ("region", "news")
    REGION_FIELD_NUMBER: _ClassVar[int]
    NEWS_FIELD_NUMBER: _ClassVar[int]
    region: str
    news: _regions_pb2.PolicyNews
    def __init__(self, region: _Optional[str] = ..., news: _Optional[_Union[_regions_pb2.PolicyNews, _Mapping]] = ...) -> None: ...

class ApplyLeaguePolicyRequest(_message.Message):
    __slots__ = ("region", "document")
    REGION_FIELD_NUMBER: _ClassVar[int]
    DOCUMENT_FIELD_NUMBER: _ClassVar[int]
    region: str
    document: bytes
    def __init__(self, region: _Optional[str] = ..., document: _Optional[bytes] = ...) -> None: ...

class ApplyLeaguePolicyResponse(_message.Message):
    __slots__ = ("region", "number", "problems")
    REGION_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    PROBLEMS_FIELD_NUMBER: _ClassVar[int]
    region: str
    number: int
    problems: _containers.RepeatedCompositeFieldContainer[PolicyProblem]
    def __init__(self, region: _Optional[str] = ..., number: _Optional[int] = ..., problems: _Optional[_Iterable[_Union[PolicyProblem, _Mapping]]] = ...) -> None: ...
