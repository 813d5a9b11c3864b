import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class JobState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    JOB_STATE_UNSPECIFIED: _ClassVar[JobState]
    JOB_STATE_QUEUED: _ClassVar[JobState]
    JOB_STATE_OFFERED: _ClassVar[JobState]
    JOB_STATE_RUNNING: _ClassVar[JobState]
    JOB_STATE_STOPPING: _ClassVar[JobState]
    JOB_STATE_XFER: _ClassVar[JobState]
    JOB_STATE_MOVED: _ClassVar[JobState]
    JOB_STATE_SUCCEEDED: _ClassVar[JobState]
    JOB_STATE_FAILED: _ClassVar[JobState]
    JOB_STATE_CANCELLED: _ClassVar[JobState]

class Durability(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DURABILITY_UNSPECIFIED: _ClassVar[Durability]
    DURABILITY_REGIONAL: _ClassVar[Durability]
    DURABILITY_FEDERATED: _ClassVar[Durability]

class RefusalCode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REFUSAL_CODE_UNSPECIFIED: _ClassVar[RefusalCode]
    REFUSAL_CODE_INVALID: _ClassVar[RefusalCode]
    REFUSAL_CODE_KEY_CONFLICT: _ClassVar[RefusalCode]
    REFUSAL_CODE_NEVER_FITS: _ClassVar[RefusalCode]
    REFUSAL_CODE_UNIMPLEMENTED: _ClassVar[RefusalCode]
    REFUSAL_CODE_EXHAUSTED: _ClassVar[RefusalCode]
    REFUSAL_CODE_NOT_FOUND: _ClassVar[RefusalCode]
    REFUSAL_CODE_TERMINAL: _ClassVar[RefusalCode]
    REFUSAL_CODE_UNREACHABLE: _ClassVar[RefusalCode]
    REFUSAL_CODE_NOT_LEADER: _ClassVar[RefusalCode]
    REFUSAL_CODE_PLAN_CHANGED: _ClassVar[RefusalCode]
    REFUSAL_CODE_NOT_NOW: _ClassVar[RefusalCode]
JOB_STATE_UNSPECIFIED: JobState
JOB_STATE_QUEUED: JobState
JOB_STATE_OFFERED: JobState
JOB_STATE_RUNNING: JobState
JOB_STATE_STOPPING: JobState
JOB_STATE_XFER: JobState
JOB_STATE_MOVED: JobState
JOB_STATE_SUCCEEDED: JobState
JOB_STATE_FAILED: JobState
JOB_STATE_CANCELLED: JobState
DURABILITY_UNSPECIFIED: Durability
DURABILITY_REGIONAL: Durability
DURABILITY_FEDERATED: Durability
REFUSAL_CODE_UNSPECIFIED: RefusalCode
REFUSAL_CODE_INVALID: RefusalCode
REFUSAL_CODE_KEY_CONFLICT: RefusalCode
REFUSAL_CODE_NEVER_FITS: RefusalCode
REFUSAL_CODE_UNIMPLEMENTED: RefusalCode
REFUSAL_CODE_EXHAUSTED: RefusalCode
REFUSAL_CODE_NOT_FOUND: RefusalCode
REFUSAL_CODE_TERMINAL: RefusalCode
REFUSAL_CODE_UNREACHABLE: RefusalCode
REFUSAL_CODE_NOT_LEADER: RefusalCode
REFUSAL_CODE_PLAN_CHANGED: RefusalCode
REFUSAL_CODE_NOT_NOW: RefusalCode

class Refusal(_message.Message):
    __slots__ = ("code", "field", "message", "retry_after_ms", "leader")
    CODE_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    RETRY_AFTER_MS_FIELD_NUMBER: _ClassVar[int]
    LEADER_FIELD_NUMBER: _ClassVar[int]
    code: RefusalCode
    field: str
    message: str
    retry_after_ms: int
    leader: str
    def __init__(self, code: _Optional[_Union[RefusalCode, str]] = ..., field: _Optional[str] = ..., message: _Optional[str] = ..., retry_after_ms: _Optional[int] = ..., leader: _Optional[str] = ...) -> None: ...

class Reason(_message.Message):
    __slots__ = ("code", "detail")
    CODE_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    code: str
    detail: str
    def __init__(self, code: _Optional[str] = ..., detail: _Optional[str] = ...) -> None: ...

class Revision(_message.Message):
    __slots__ = ("region", "ledger_id", "sequence")
    REGION_FIELD_NUMBER: _ClassVar[int]
    LEDGER_ID_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    region: str
    ledger_id: str
    sequence: int
    def __init__(self, region: _Optional[str] = ..., ledger_id: _Optional[str] = ..., sequence: _Optional[int] = ...) -> None: ...

class TimelineEntry(_message.Message):
    __slots__ = ("at", "region", "what", "reason", "epoch", "attempt", "cause")
    AT_FIELD_NUMBER: _ClassVar[int]
    REGION_FIELD_NUMBER: _ClassVar[int]
    WHAT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    CAUSE_FIELD_NUMBER: _ClassVar[int]
    at: _timestamp_pb2.Timestamp
    region: str
    what: str
    reason: Reason
    epoch: int
    attempt: int
    cause: str
    def __init__(self, at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., region: _Optional[str] = ..., what: _Optional[str] = ..., reason: _Optional[_Union[Reason, _Mapping]] = ..., epoch: _Optional[int] = ..., attempt: _Optional[int] = ..., cause: _Optional[str] = ...) -> None: ...
