import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from hanse.wire.gen.hanse.v1 import common_pb2 as _common_pb2
from hanse.wire.gen.hanse.v1 import peers_pb2 as _peers_pb2
from hanse.wire.gen.hanse.v1 import placement_pb2 as _placement_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class JobKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    JOB_KIND_UNSPECIFIED: _ClassVar[JobKind]
    JOB_KIND_BATCH: _ClassVar[JobKind]
    JOB_KIND_ARRAY: _ClassVar[JobKind]
    JOB_KIND_SERVICE: _ClassVar[JobKind]

class OnRegionLoss(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ON_REGION_LOSS_UNSPECIFIED: _ClassVar[OnRegionLoss]
    ON_REGION_LOSS_WAIT: _ClassVar[OnRegionLoss]
    ON_REGION_LOSS_ADOPT: _ClassVar[OnRegionLoss]
    ON_REGION_LOSS_ADOPT_OR_WAIT: _ClassVar[OnRegionLoss]

class After(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    AFTER_UNSPECIFIED: _ClassVar[After]
    AFTER_OK: _ClassVar[After]
    AFTER_ANY: _ClassVar[After]
    AFTER_FAILED: _ClassVar[After]

class PlanOutcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PLAN_OUTCOME_UNSPECIFIED: _ClassVar[PlanOutcome]
    PLAN_OUTCOME_START: _ClassVar[PlanOutcome]
    PLAN_OUTCOME_PREEMPT: _ClassVar[PlanOutcome]
    PLAN_OUTCOME_WAIT: _ClassVar[PlanOutcome]
    PLAN_OUTCOME_NEVER: _ClassVar[PlanOutcome]
    PLAN_OUTCOME_CLOSED: _ClassVar[PlanOutcome]

class LogStream(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LOG_STREAM_UNSPECIFIED: _ClassVar[LogStream]
    LOG_STREAM_STDOUT: _ClassVar[LogStream]
    LOG_STREAM_STDERR: _ClassVar[LogStream]
JOB_KIND_UNSPECIFIED: JobKind
JOB_KIND_BATCH: JobKind
JOB_KIND_ARRAY: JobKind
JOB_KIND_SERVICE: JobKind
ON_REGION_LOSS_UNSPECIFIED: OnRegionLoss
ON_REGION_LOSS_WAIT: OnRegionLoss
ON_REGION_LOSS_ADOPT: OnRegionLoss
ON_REGION_LOSS_ADOPT_OR_WAIT: OnRegionLoss
AFTER_UNSPECIFIED: After
AFTER_OK: After
AFTER_ANY: After
AFTER_FAILED: After
PLAN_OUTCOME_UNSPECIFIED: PlanOutcome
PLAN_OUTCOME_START: PlanOutcome
PLAN_OUTCOME_PREEMPT: PlanOutcome
PLAN_OUTCOME_WAIT: PlanOutcome
PLAN_OUTCOME_NEVER: PlanOutcome
PLAN_OUTCOME_CLOSED: PlanOutcome
LOG_STREAM_UNSPECIFIED: LogStream
LOG_STREAM_STDOUT: LogStream
LOG_STREAM_STDERR: LogStream

class JobSpec(_message.Message):
    __slots__ = ("name", "tenant", "labels", "kind", "groups", "tier", "priority", "regions", "datasets", "checkpoint", "grace", "deadline", "runtime_estimate", "retry", "on_region_loss", "required_features", "restartable", "within", "after", "array")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    TENANT_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    TIER_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    REGIONS_FIELD_NUMBER: _ClassVar[int]
    DATASETS_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    GRACE_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_FIELD_NUMBER: _ClassVar[int]
    RUNTIME_ESTIMATE_FIELD_NUMBER: _ClassVar[int]
    RETRY_FIELD_NUMBER: _ClassVar[int]
    ON_REGION_LOSS_FIELD_NUMBER: _ClassVar[int]
    REQUIRED_FEATURES_FIELD_NUMBER: _ClassVar[int]
    RESTARTABLE_FIELD_NUMBER: _ClassVar[int]
    WITHIN_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    ARRAY_FIELD_NUMBER: _ClassVar[int]
    name: str
    tenant: str
    labels: _containers.ScalarMap[str, str]
    kind: JobKind
    groups: _containers.RepeatedCompositeFieldContainer[TaskGroup]
    tier: str
    priority: int
    regions: RegionPreference
    datasets: _containers.RepeatedScalarFieldContainer[str]
    checkpoint: str
    grace: _duration_pb2.Duration
    deadline: _timestamp_pb2.Timestamp
    runtime_estimate: _duration_pb2.Duration
    retry: RetryPolicy
    on_region_loss: OnRegionLoss
    required_features: _containers.RepeatedScalarFieldContainer[str]
    restartable: bool
    within: _placement_pb2.Within
    after: _containers.RepeatedCompositeFieldContainer[JobDependency]
    array: ArraySpec
    def __init__(self, name: _Optional[str] = ..., tenant: _Optional[str] = ..., labels: _Optional[_Mapping[str, str]] = ..., kind: _Optional[_Union[JobKind, str]] = ..., groups: _Optional[_Iterable[_Union[TaskGroup, _Mapping]]] = ..., tier: _Optional[str] = ..., priority: _Optional[int] = ..., regions: _Optional[_Union[RegionPreference, _Mapping]] = ..., datasets: _Optional[_Iterable[str]] = ..., checkpoint: _Optional[str] = ..., grace: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., deadline: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., runtime_estimate: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., retry: _Optional[_Union[RetryPolicy, _Mapping]] = ..., on_region_loss: _Optional[_Union[OnRegionLoss, str]] = ..., required_features: _Optional[_Iterable[str]] = ..., restartable: _Optional[bool] = ..., within: _Optional[_Union[_placement_pb2.Within, _Mapping]] = ..., after: _Optional[_Iterable[_Union[JobDependency, _Mapping]]] = ..., array: _Optional[_Union[ArraySpec, _Mapping]] = ...) -> None: ...

class ArraySpec(_message.Message):
    __slots__ = ("indexes", "in_flight_max", "stop_at_failures")
    INDEXES_FIELD_NUMBER: _ClassVar[int]
    IN_FLIGHT_MAX_FIELD_NUMBER: _ClassVar[int]
    STOP_AT_FAILURES_FIELD_NUMBER: _ClassVar[int]
    indexes: str
    in_flight_max: int
    stop_at_failures: int
    def __init__(self, indexes: _Optional[str] = ..., in_flight_max: _Optional[int] = ..., stop_at_failures: _Optional[int] = ...) -> None: ...

class JobDependency(_message.Message):
    __slots__ = ("job_id", "when")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    WHEN_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    when: After
    def __init__(self, job_id: _Optional[str] = ..., when: _Optional[_Union[After, str]] = ...) -> None: ...

class TaskGroup(_message.Message):
    __slots__ = ("name", "count", "count_min", "requirements", "program", "placement")
    NAME_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    COUNT_MIN_FIELD_NUMBER: _ClassVar[int]
    REQUIREMENTS_FIELD_NUMBER: _ClassVar[int]
    PROGRAM_FIELD_NUMBER: _ClassVar[int]
    PLACEMENT_FIELD_NUMBER: _ClassVar[int]
    name: str
    count: int
    count_min: int
    requirements: Requirements
    program: Program
    placement: _placement_pb2.PlacementRules
    def __init__(self, name: _Optional[str] = ..., count: _Optional[int] = ..., count_min: _Optional[int] = ..., requirements: _Optional[_Union[Requirements, _Mapping]] = ..., program: _Optional[_Union[Program, _Mapping]] = ..., placement: _Optional[_Union[_placement_pb2.PlacementRules, _Mapping]] = ...) -> None: ...

class Requirements(_message.Message):
    __slots__ = ("resources", "constraints")
    class ResourcesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    RESOURCES_FIELD_NUMBER: _ClassVar[int]
    CONSTRAINTS_FIELD_NUMBER: _ClassVar[int]
    resources: _containers.ScalarMap[str, int]
    constraints: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, resources: _Optional[_Mapping[str, int]] = ..., constraints: _Optional[_Iterable[str]] = ...) -> None: ...

class Program(_message.Message):
    __slots__ = ("command", "env", "working_directory")
    class EnvEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    COMMAND_FIELD_NUMBER: _ClassVar[int]
    ENV_FIELD_NUMBER: _ClassVar[int]
    WORKING_DIRECTORY_FIELD_NUMBER: _ClassVar[int]
    command: _containers.RepeatedScalarFieldContainer[str]
    env: _containers.ScalarMap[str, str]
    working_directory: str
    def __init__(self, command: _Optional[_Iterable[str]] = ..., env: _Optional[_Mapping[str, str]] = ..., working_directory: _Optional[str] = ...) -> None: ...

class RegionPreference(_message.Message):
    __slots__ = ("prefer", "allow", "deny")
    PREFER_FIELD_NUMBER: _ClassVar[int]
    ALLOW_FIELD_NUMBER: _ClassVar[int]
    DENY_FIELD_NUMBER: _ClassVar[int]
    prefer: _containers.RepeatedScalarFieldContainer[str]
    allow: _containers.RepeatedScalarFieldContainer[str]
    deny: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, prefer: _Optional[_Iterable[str]] = ..., allow: _Optional[_Iterable[str]] = ..., deny: _Optional[_Iterable[str]] = ...) -> None: ...

class RetryPolicy(_message.Message):
    __slots__ = ("retries_max", "exit_codes", "final_exit_codes", "reasons")
    RETRIES_MAX_FIELD_NUMBER: _ClassVar[int]
    EXIT_CODES_FIELD_NUMBER: _ClassVar[int]
    FINAL_EXIT_CODES_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    retries_max: int
    exit_codes: _containers.RepeatedScalarFieldContainer[str]
    final_exit_codes: _containers.RepeatedScalarFieldContainer[str]
    reasons: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, retries_max: _Optional[int] = ..., exit_codes: _Optional[_Iterable[str]] = ..., final_exit_codes: _Optional[_Iterable[str]] = ..., reasons: _Optional[_Iterable[str]] = ...) -> None: ...

class JobSubmission(_message.Message):
    __slots__ = ("client_key", "spec", "check_index")
    CLIENT_KEY_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    CHECK_INDEX_FIELD_NUMBER: _ClassVar[int]
    client_key: str
    spec: JobSpec
    check_index: str
    def __init__(self, client_key: _Optional[str] = ..., spec: _Optional[_Union[JobSpec, _Mapping]] = ..., check_index: _Optional[str] = ...) -> None: ...

class SubmitJobsRequest(_message.Message):
    __slots__ = ("home", "jobs")
    HOME_FIELD_NUMBER: _ClassVar[int]
    JOBS_FIELD_NUMBER: _ClassVar[int]
    home: str
    jobs: _containers.RepeatedCompositeFieldContainer[JobSubmission]
    def __init__(self, home: _Optional[str] = ..., jobs: _Optional[_Iterable[_Union[JobSubmission, _Mapping]]] = ...) -> None: ...

class SubmitJobsResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[SubmitResult]
    def __init__(self, results: _Optional[_Iterable[_Union[SubmitResult, _Mapping]]] = ...) -> None: ...

class SubmitResult(_message.Message):
    __slots__ = ("job", "refusal")
    JOB_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    job: SubmittedJob
    refusal: _common_pb2.Refusal
    def __init__(self, job: _Optional[_Union[SubmittedJob, _Mapping]] = ..., refusal: _Optional[_Union[_common_pb2.Refusal, _Mapping]] = ...) -> None: ...

class SubmittedJob(_message.Message):
    __slots__ = ("job_id", "durability", "existed")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    DURABILITY_FIELD_NUMBER: _ClassVar[int]
    EXISTED_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    durability: _common_pb2.Durability
    existed: bool
    def __init__(self, job_id: _Optional[str] = ..., durability: _Optional[_Union[_common_pb2.Durability, str]] = ..., existed: _Optional[bool] = ...) -> None: ...

class Job(_message.Message):
    __slots__ = ("id", "home", "spec", "state", "region", "epoch", "attempt", "reason", "submitted_at", "started_at", "ended_at", "exit_code", "cancel_requested", "timeline", "nodes", "client_key", "observed_at", "observed_by", "durability", "answered_by", "as_of", "array")
    ID_FIELD_NUMBER: _ClassVar[int]
    HOME_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    REGION_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    SUBMITTED_AT_FIELD_NUMBER: _ClassVar[int]
    STARTED_AT_FIELD_NUMBER: _ClassVar[int]
    ENDED_AT_FIELD_NUMBER: _ClassVar[int]
    EXIT_CODE_FIELD_NUMBER: _ClassVar[int]
    CANCEL_REQUESTED_FIELD_NUMBER: _ClassVar[int]
    TIMELINE_FIELD_NUMBER: _ClassVar[int]
    NODES_FIELD_NUMBER: _ClassVar[int]
    CLIENT_KEY_FIELD_NUMBER: _ClassVar[int]
    OBSERVED_AT_FIELD_NUMBER: _ClassVar[int]
    OBSERVED_BY_FIELD_NUMBER: _ClassVar[int]
    DURABILITY_FIELD_NUMBER: _ClassVar[int]
    ANSWERED_BY_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    ARRAY_FIELD_NUMBER: _ClassVar[int]
    id: str
    home: str
    spec: JobSpec
    state: _common_pb2.JobState
    region: str
    epoch: int
    attempt: int
    reason: _common_pb2.Reason
    submitted_at: _timestamp_pb2.Timestamp
    started_at: _timestamp_pb2.Timestamp
    ended_at: _timestamp_pb2.Timestamp
    exit_code: int
    cancel_requested: bool
    timeline: _containers.RepeatedCompositeFieldContainer[_common_pb2.TimelineEntry]
    nodes: _containers.RepeatedScalarFieldContainer[str]
    client_key: str
    observed_at: _timestamp_pb2.Timestamp
    observed_by: str
    durability: _common_pb2.Durability
    answered_by: str
    as_of: _timestamp_pb2.Timestamp
    array: ArrayStatus
    def __init__(self, id: _Optional[str] = ..., home: _Optional[str] = ..., spec: _Optional[_Union[JobSpec, _Mapping]] = ..., state: _Optional[_Union[_common_pb2.JobState, str]] = ..., region: _Optional[str] = ..., epoch: _Optional[int] = ..., attempt: _Optional[int] = ..., reason: _Optional[_Union[_common_pb2.Reason, _Mapping]] = ..., submitted_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., started_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., ended_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., exit_code: _Optional[int] = ..., cancel_requested: _Optional[bool] = ..., timeline: _Optional[_Iterable[_Union[_common_pb2.TimelineEntry, _Mapping]]] = ..., nodes: _Optional[_Iterable[str]] = ..., client_key: _Optional[str] = ..., observed_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., observed_by: _Optional[str] = ..., durability: _Optional[_Union[_common_pb2.Durability, str]] = ..., answered_by: _Optional[str] = ..., as_of: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., array: _Optional[_Union[ArrayStatus, _Mapping]] = ...) -> None: ...

class ArrayStatus(_message.Message):
    __slots__ = ("count", "waiting", "in_flight", "succeeded", "failed", "cancelled", "indexes", "elements")
    COUNT_FIELD_NUMBER: _ClassVar[int]
    WAITING_FIELD_NUMBER: _ClassVar[int]
    IN_FLIGHT_FIELD_NUMBER: _ClassVar[int]
    SUCCEEDED_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    CANCELLED_FIELD_NUMBER: _ClassVar[int]
    INDEXES_FIELD_NUMBER: _ClassVar[int]
    ELEMENTS_FIELD_NUMBER: _ClassVar[int]
    count: int
    waiting: int
    in_flight: int
    succeeded: int
    failed: int
    cancelled: int
    indexes: _containers.RepeatedCompositeFieldContainer[ElementsInState]
    elements: _containers.RepeatedCompositeFieldContainer[ArrayElement]
    def __init__(self, count: _Optional[int] = ..., waiting: _Optional[int] = ..., in_flight: _Optional[int] = ..., succeeded: _Optional[int] = ..., failed: _Optional[int] = ..., cancelled: _Optional[int] = ..., indexes: _Optional[_Iterable[_Union[ElementsInState, _Mapping]]] = ..., elements: _Optional[_Iterable[_Union[ArrayElement, _Mapping]]] = ...) -> None: ...

class ElementsInState(_message.Message):
    __slots__ = ("state", "indexes", "reason", "exit_code", "count")
    STATE_FIELD_NUMBER: _ClassVar[int]
    INDEXES_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    EXIT_CODE_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    state: _common_pb2.JobState
    indexes: str
    reason: str
    exit_code: int
    count: int
    def __init__(self, state: _Optional[_Union[_common_pb2.JobState, str]] = ..., indexes: _Optional[str] = ..., reason: _Optional[str] = ..., exit_code: _Optional[int] = ..., count: _Optional[int] = ...) -> None: ...

class ArrayElement(_message.Message):
    __slots__ = ("index", "state", "epoch", "attempt", "reason", "exit_code", "started_at", "ended_at", "nodes")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    EXIT_CODE_FIELD_NUMBER: _ClassVar[int]
    STARTED_AT_FIELD_NUMBER: _ClassVar[int]
    ENDED_AT_FIELD_NUMBER: _ClassVar[int]
    NODES_FIELD_NUMBER: _ClassVar[int]
    index: int
    state: _common_pb2.JobState
    epoch: int
    attempt: int
    reason: _common_pb2.Reason
    exit_code: int
    started_at: _timestamp_pb2.Timestamp
    ended_at: _timestamp_pb2.Timestamp
    nodes: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, index: _Optional[int] = ..., state: _Optional[_Union[_common_pb2.JobState, str]] = ..., epoch: _Optional[int] = ..., attempt: _Optional[int] = ..., reason: _Optional[_Union[_common_pb2.Reason, _Mapping]] = ..., exit_code: _Optional[int] = ..., started_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., ended_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., nodes: _Optional[_Iterable[str]] = ...) -> None: ...

class GetJobRequest(_message.Message):
    __slots__ = ("job_id", "with_timeline", "elements")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    WITH_TIMELINE_FIELD_NUMBER: _ClassVar[int]
    ELEMENTS_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    with_timeline: bool
    elements: str
    def __init__(self, job_id: _Optional[str] = ..., with_timeline: _Optional[bool] = ..., elements: _Optional[str] = ...) -> None: ...

class GetJobResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: Job
    def __init__(self, job: _Optional[_Union[Job, _Mapping]] = ...) -> None: ...

class JobFilter(_message.Message):
    __slots__ = ("job_ids", "tenant", "states", "name_prefix", "homes")
    JOB_IDS_FIELD_NUMBER: _ClassVar[int]
    TENANT_FIELD_NUMBER: _ClassVar[int]
    STATES_FIELD_NUMBER: _ClassVar[int]
    NAME_PREFIX_FIELD_NUMBER: _ClassVar[int]
    HOMES_FIELD_NUMBER: _ClassVar[int]
    job_ids: _containers.RepeatedScalarFieldContainer[str]
    tenant: str
    states: _containers.RepeatedScalarFieldContainer[_common_pb2.JobState]
    name_prefix: str
    homes: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, job_ids: _Optional[_Iterable[str]] = ..., tenant: _Optional[str] = ..., states: _Optional[_Iterable[_Union[_common_pb2.JobState, str]]] = ..., name_prefix: _Optional[str] = ..., homes: _Optional[_Iterable[str]] = ...) -> None: ...

class ListJobsRequest(_message.Message):
    __slots__ = ("filter", "page_size", "page_token")
    FILTER_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    filter: JobFilter
    page_size: int
    page_token: str
    def __init__(self, filter: _Optional[_Union[JobFilter, _Mapping]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListJobsResponse(_message.Message):
    __slots__ = ("jobs", "next_page_token", "unreachable", "revisions")
    JOBS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    UNREACHABLE_FIELD_NUMBER: _ClassVar[int]
    REVISIONS_FIELD_NUMBER: _ClassVar[int]
    jobs: _containers.RepeatedCompositeFieldContainer[Job]
    next_page_token: str
    unreachable: _containers.RepeatedScalarFieldContainer[str]
    revisions: _containers.RepeatedCompositeFieldContainer[_common_pb2.Revision]
    def __init__(self, jobs: _Optional[_Iterable[_Union[Job, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., unreachable: _Optional[_Iterable[str]] = ..., revisions: _Optional[_Iterable[_Union[_common_pb2.Revision, _Mapping]]] = ...) -> None: ...

class WatchJobsRequest(_message.Message):
    __slots__ = ("filter", "since")
    FILTER_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    filter: JobFilter
    since: _containers.RepeatedCompositeFieldContainer[_common_pb2.Revision]
    def __init__(self, filter: _Optional[_Union[JobFilter, _Mapping]] = ..., since: _Optional[_Iterable[_Union[_common_pb2.Revision, _Mapping]]] = ...) -> None: ...

class WatchJobsResponse(_message.Message):
    __slots__ = ("changes", "revision", "coalesced")
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    COALESCED_FIELD_NUMBER: _ClassVar[int]
    changes: _containers.RepeatedCompositeFieldContainer[JobChange]
    revision: _common_pb2.Revision
    coalesced: int
    def __init__(self, changes: _Optional[_Iterable[_Union[JobChange, _Mapping]]] = ..., revision: _Optional[_Union[_common_pb2.Revision, _Mapping]] = ..., coalesced: _Optional[int] = ...) -> None: ...

class JobChange(_message.Message):
    __slots__ = ("job_id", "state", "region", "epoch", "attempt", "reason", "at", "exit_code")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    REGION_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    EXIT_CODE_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    state: _common_pb2.JobState
    region: str
    epoch: int
    attempt: int
    reason: _common_pb2.Reason
    at: _timestamp_pb2.Timestamp
    exit_code: int
    def __init__(self, job_id: _Optional[str] = ..., state: _Optional[_Union[_common_pb2.JobState, str]] = ..., region: _Optional[str] = ..., epoch: _Optional[int] = ..., attempt: _Optional[int] = ..., reason: _Optional[_Union[_common_pb2.Reason, _Mapping]] = ..., at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., exit_code: _Optional[int] = ...) -> None: ...

class CancelJobsRequest(_message.Message):
    __slots__ = ("job_ids",)
    JOB_IDS_FIELD_NUMBER: _ClassVar[int]
    job_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, job_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class CancelJobsResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[CancelResult]
    def __init__(self, results: _Optional[_Iterable[_Union[CancelResult, _Mapping]]] = ...) -> None: ...

class CancelResult(_message.Message):
    __slots__ = ("job_id", "refusal", "state")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    refusal: _common_pb2.Refusal
    state: _common_pb2.JobState
    def __init__(self, job_id: _Optional[str] = ..., refusal: _Optional[_Union[_common_pb2.Refusal, _Mapping]] = ..., state: _Optional[_Union[_common_pb2.JobState, str]] = ...) -> None: ...

class ControlJobsRequest(_message.Message):
    __slots__ = ("job_ids", "hold", "release", "requeue", "set_priority", "move", "cancel_elements", "why")
    JOB_IDS_FIELD_NUMBER: _ClassVar[int]
    HOLD_FIELD_NUMBER: _ClassVar[int]
    RELEASE_FIELD_NUMBER: _ClassVar[int]
    REQUEUE_FIELD_NUMBER: _ClassVar[int]
    SET_PRIORITY_FIELD_NUMBER: _ClassVar[int]
    MOVE_FIELD_NUMBER: _ClassVar[int]
    CANCEL_ELEMENTS_FIELD_NUMBER: _ClassVar[int]
    WHY_FIELD_NUMBER: _ClassVar[int]
    job_ids: _containers.RepeatedScalarFieldContainer[str]
    hold: HoldOrder
    release: ReleaseOrder
    requeue: RequeueOrder
    set_priority: PriorityOrder
    move: MoveOrder
    cancel_elements: CancelElementsOrder
    why: str
    def __init__(self, job_ids: _Optional[_Iterable[str]] = ..., hold: _Optional[_Union[HoldOrder, _Mapping]] = ..., release: _Optional[_Union[ReleaseOrder, _Mapping]] = ..., requeue: _Optional[_Union[RequeueOrder, _Mapping]] = ..., set_priority: _Optional[_Union[PriorityOrder, _Mapping]] = ..., move: _Optional[_Union[MoveOrder, _Mapping]] = ..., cancel_elements: _Optional[_Union[CancelElementsOrder, _Mapping]] = ..., why: _Optional[str] = ...) -> None: ...

class HoldOrder(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ReleaseOrder(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class RequeueOrder(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class PriorityOrder(_message.Message):
    __slots__ = ("priority",)
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    priority: int
    def __init__(self, priority: _Optional[int] = ...) -> None: ...

class MoveOrder(_message.Message):
    __slots__ = ("region",)
    REGION_FIELD_NUMBER: _ClassVar[int]
    region: str
    def __init__(self, region: _Optional[str] = ...) -> None: ...

class CancelElementsOrder(_message.Message):
    __slots__ = ("indexes",)
    INDEXES_FIELD_NUMBER: _ClassVar[int]
    indexes: str
    def __init__(self, indexes: _Optional[str] = ...) -> None: ...

class ControlJobsResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[ControlResult]
    def __init__(self, results: _Optional[_Iterable[_Union[ControlResult, _Mapping]]] = ...) -> None: ...

class ControlResult(_message.Message):
    __slots__ = ("job_id", "refusal", "state", "region")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    REGION_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    refusal: _common_pb2.Refusal
    state: _common_pb2.JobState
    region: str
    def __init__(self, job_id: _Optional[str] = ..., refusal: _Optional[_Union[_common_pb2.Refusal, _Mapping]] = ..., state: _Optional[_Union[_common_pb2.JobState, str]] = ..., region: _Optional[str] = ...) -> None: ...

class ExplainJobRequest(_message.Message):
    __slots__ = ("job_id",)
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    def __init__(self, job_id: _Optional[str] = ...) -> None: ...

class ExplainJobResponse(_message.Message):
    __slots__ = ("job_id", "state", "summary", "regions", "position", "predicted_start", "unblock", "predicted_earliest", "predicted_latest")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    REGIONS_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    PREDICTED_START_FIELD_NUMBER: _ClassVar[int]
    UNBLOCK_FIELD_NUMBER: _ClassVar[int]
    PREDICTED_EARLIEST_FIELD_NUMBER: _ClassVar[int]
    PREDICTED_LATEST_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    state: _common_pb2.JobState
    summary: str
    regions: _containers.RepeatedCompositeFieldContainer[RegionExplanation]
    position: int
    predicted_start: _timestamp_pb2.Timestamp
    unblock: _containers.RepeatedScalarFieldContainer[str]
    predicted_earliest: _timestamp_pb2.Timestamp
    predicted_latest: _timestamp_pb2.Timestamp
    def __init__(self, job_id: _Optional[str] = ..., state: _Optional[_Union[_common_pb2.JobState, str]] = ..., summary: _Optional[str] = ..., regions: _Optional[_Iterable[_Union[RegionExplanation, _Mapping]]] = ..., position: _Optional[int] = ..., predicted_start: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., unblock: _Optional[_Iterable[str]] = ..., predicted_earliest: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., predicted_latest: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class RegionExplanation(_message.Message):
    __slots__ = ("region", "blockers", "age_ms")
    REGION_FIELD_NUMBER: _ClassVar[int]
    BLOCKERS_FIELD_NUMBER: _ClassVar[int]
    AGE_MS_FIELD_NUMBER: _ClassVar[int]
    region: str
    blockers: _containers.RepeatedCompositeFieldContainer[Blocker]
    age_ms: int
    def __init__(self, region: _Optional[str] = ..., blockers: _Optional[_Iterable[_Union[Blocker, _Mapping]]] = ..., age_ms: _Optional[int] = ...) -> None: ...

class Blocker(_message.Message):
    __slots__ = ("code", "message", "nodes", "because")
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    NODES_FIELD_NUMBER: _ClassVar[int]
    BECAUSE_FIELD_NUMBER: _ClassVar[int]
    code: str
    message: str
    nodes: _containers.RepeatedScalarFieldContainer[str]
    because: _containers.RepeatedCompositeFieldContainer[Blocker]
    def __init__(self, code: _Optional[str] = ..., message: _Optional[str] = ..., nodes: _Optional[_Iterable[str]] = ..., because: _Optional[_Iterable[_Union[Blocker, _Mapping]]] = ...) -> None: ...

class PlanJobRequest(_message.Message):
    __slots__ = ("home", "spec", "shape")
    HOME_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    home: str
    spec: JobSpec
    shape: _peers_pb2.Shape
    def __init__(self, home: _Optional[str] = ..., spec: _Optional[_Union[JobSpec, _Mapping]] = ..., shape: _Optional[_Union[_peers_pb2.Shape, _Mapping]] = ...) -> None: ...

class PlanJobResponse(_message.Message):
    __slots__ = ("home", "chosen", "summary", "index", "regions", "takers", "policy_version", "unreachable", "shape")
    HOME_FIELD_NUMBER: _ClassVar[int]
    CHOSEN_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    REGIONS_FIELD_NUMBER: _ClassVar[int]
    TAKERS_FIELD_NUMBER: _ClassVar[int]
    POLICY_VERSION_FIELD_NUMBER: _ClassVar[int]
    UNREACHABLE_FIELD_NUMBER: _ClassVar[int]
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    home: str
    chosen: str
    summary: str
    index: str
    regions: _containers.RepeatedCompositeFieldContainer[RegionPlan]
    takers: _containers.RepeatedCompositeFieldContainer[PlannedTaker]
    policy_version: int
    unreachable: _containers.RepeatedScalarFieldContainer[str]
    shape: _peers_pb2.Shape
    def __init__(self, home: _Optional[str] = ..., chosen: _Optional[str] = ..., summary: _Optional[str] = ..., index: _Optional[str] = ..., regions: _Optional[_Iterable[_Union[RegionPlan, _Mapping]]] = ..., takers: _Optional[_Iterable[_Union[PlannedTaker, _Mapping]]] = ..., policy_version: _Optional[int] = ..., unreachable: _Optional[_Iterable[str]] = ..., shape: _Optional[_Union[_peers_pb2.Shape, _Mapping]] = ...) -> None: ...

class RegionPlan(_message.Message):
    __slots__ = ("region", "outcome", "nodes", "queue", "stops", "blockers", "position", "predicted_start", "predicted_earliest", "predicted_latest", "unblock", "price", "power", "age_ms", "elements_at_once")
    REGION_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    NODES_FIELD_NUMBER: _ClassVar[int]
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    STOPS_FIELD_NUMBER: _ClassVar[int]
    BLOCKERS_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    PREDICTED_START_FIELD_NUMBER: _ClassVar[int]
    PREDICTED_EARLIEST_FIELD_NUMBER: _ClassVar[int]
    PREDICTED_LATEST_FIELD_NUMBER: _ClassVar[int]
    UNBLOCK_FIELD_NUMBER: _ClassVar[int]
    PRICE_FIELD_NUMBER: _ClassVar[int]
    POWER_FIELD_NUMBER: _ClassVar[int]
    AGE_MS_FIELD_NUMBER: _ClassVar[int]
    ELEMENTS_AT_ONCE_FIELD_NUMBER: _ClassVar[int]
    region: str
    outcome: PlanOutcome
    nodes: _containers.RepeatedScalarFieldContainer[str]
    queue: str
    stops: _containers.RepeatedCompositeFieldContainer[PlannedStop]
    blockers: _containers.RepeatedCompositeFieldContainer[Blocker]
    position: int
    predicted_start: _timestamp_pb2.Timestamp
    predicted_earliest: _timestamp_pb2.Timestamp
    predicted_latest: _timestamp_pb2.Timestamp
    unblock: _containers.RepeatedScalarFieldContainer[str]
    price: int
    power: int
    age_ms: int
    elements_at_once: int
    def __init__(self, region: _Optional[str] = ..., outcome: _Optional[_Union[PlanOutcome, str]] = ..., nodes: _Optional[_Iterable[str]] = ..., queue: _Optional[str] = ..., stops: _Optional[_Iterable[_Union[PlannedStop, _Mapping]]] = ..., blockers: _Optional[_Iterable[_Union[Blocker, _Mapping]]] = ..., position: _Optional[int] = ..., predicted_start: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., predicted_earliest: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., predicted_latest: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., unblock: _Optional[_Iterable[str]] = ..., price: _Optional[int] = ..., power: _Optional[int] = ..., age_ms: _Optional[int] = ..., elements_at_once: _Optional[int] = ...) -> None: ...

class PlannedStop(_message.Message):
    __slots__ = ("job_id", "name", "tenant", "rule")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    TENANT_FIELD_NUMBER: _ClassVar[int]
    RULE_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    name: str
    tenant: str
    rule: str
    def __init__(self, job_id: _Optional[str] = ..., name: _Optional[str] = ..., tenant: _Optional[str] = ..., rule: _Optional[str] = ...) -> None: ...

class PlannedTaker(_message.Message):
    __slots__ = ("region", "wait_ms")
    REGION_FIELD_NUMBER: _ClassVar[int]
    WAIT_MS_FIELD_NUMBER: _ClassVar[int]
    region: str
    wait_ms: int
    def __init__(self, region: _Optional[str] = ..., wait_ms: _Optional[int] = ...) -> None: ...

class StreamLogsRequest(_message.Message):
    __slots__ = ("job_id", "task", "stream", "follow", "offset", "attempt", "index")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    FOLLOW_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    task: int
    stream: LogStream
    follow: bool
    offset: int
    attempt: int
    index: int
    def __init__(self, job_id: _Optional[str] = ..., task: _Optional[int] = ..., stream: _Optional[_Union[LogStream, str]] = ..., follow: _Optional[bool] = ..., offset: _Optional[int] = ..., attempt: _Optional[int] = ..., index: _Optional[int] = ...) -> None: ...

class StreamLogsResponse(_message.Message):
    __slots__ = ("data", "next_offset", "dropped")
    DATA_FIELD_NUMBER: _ClassVar[int]
    NEXT_OFFSET_FIELD_NUMBER: _ClassVar[int]
    DROPPED_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    next_offset: int
    dropped: int
    def __init__(self, data: _Optional[bytes] = ..., next_offset: _Optional[int] = ..., dropped: _Optional[int] = ...) -> None: ...
