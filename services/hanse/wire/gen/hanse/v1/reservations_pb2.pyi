import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class BeforeWindow(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    BEFORE_WINDOW_UNSPECIFIED: _ClassVar[BeforeWindow]
    BEFORE_WINDOW_FINISH: _ClassVar[BeforeWindow]
    BEFORE_WINDOW_CHECKPOINT: _ClassVar[BeforeWindow]
    BEFORE_WINDOW_PREEMPT: _ClassVar[BeforeWindow]

class WindowState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    WINDOW_STATE_UNSPECIFIED: _ClassVar[WindowState]
    WINDOW_STATE_AHEAD: _ClassVar[WindowState]
    WINDOW_STATE_OPEN: _ClassVar[WindowState]
    WINDOW_STATE_RELEASED: _ClassVar[WindowState]
    WINDOW_STATE_OVER: _ClassVar[WindowState]
BEFORE_WINDOW_UNSPECIFIED: BeforeWindow
BEFORE_WINDOW_FINISH: BeforeWindow
BEFORE_WINDOW_CHECKPOINT: BeforeWindow
BEFORE_WINDOW_PREEMPT: BeforeWindow
WINDOW_STATE_UNSPECIFIED: WindowState
WINDOW_STATE_AHEAD: WindowState
WINDOW_STATE_OPEN: WindowState
WINDOW_STATE_RELEASED: WindowState
WINDOW_STATE_OVER: WindowState

class ReservedGroup(_message.Message):
    __slots__ = ("count", "resources", "constraints", "region")
    class ResourcesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    COUNT_FIELD_NUMBER: _ClassVar[int]
    RESOURCES_FIELD_NUMBER: _ClassVar[int]
    CONSTRAINTS_FIELD_NUMBER: _ClassVar[int]
    REGION_FIELD_NUMBER: _ClassVar[int]
    count: int
    resources: _containers.ScalarMap[str, int]
    constraints: _containers.RepeatedScalarFieldContainer[str]
    region: str
    def __init__(self, count: _Optional[int] = ..., resources: _Optional[_Mapping[str, int]] = ..., constraints: _Optional[_Iterable[str]] = ..., region: _Optional[str] = ...) -> None: ...

class Reservation(_message.Message):
    __slots__ = ("name", "tenant", "groups", "start", "duration", "recurrence", "time_zone", "until", "before", "idle_release", "author", "why")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TENANT_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    DURATION_FIELD_NUMBER: _ClassVar[int]
    RECURRENCE_FIELD_NUMBER: _ClassVar[int]
    TIME_ZONE_FIELD_NUMBER: _ClassVar[int]
    UNTIL_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    IDLE_RELEASE_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    WHY_FIELD_NUMBER: _ClassVar[int]
    name: str
    tenant: str
    groups: _containers.RepeatedCompositeFieldContainer[ReservedGroup]
    start: _timestamp_pb2.Timestamp
    duration: _duration_pb2.Duration
    recurrence: str
    time_zone: str
    until: _timestamp_pb2.Timestamp
    before: BeforeWindow
    idle_release: _duration_pb2.Duration
    author: str
    why: str
    def __init__(self, name: _Optional[str] = ..., tenant: _Optional[str] = ..., groups: _Optional[_Iterable[_Union[ReservedGroup, _Mapping]]] = ..., start: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., recurrence: _Optional[str] = ..., time_zone: _Optional[str] = ..., until: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., before: _Optional[_Union[BeforeWindow, str]] = ..., idle_release: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., author: _Optional[str] = ..., why: _Optional[str] = ...) -> None: ...

class ReservationStatus(_message.Message):
    __slots__ = ("reservation", "id", "created_at", "nodes", "state", "window_start", "window_end", "windows", "windows_left", "used", "held", "missing", "share")
    class UsedEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    class HeldEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    class MissingEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    RESERVATION_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    NODES_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    WINDOW_START_FIELD_NUMBER: _ClassVar[int]
    WINDOW_END_FIELD_NUMBER: _ClassVar[int]
    WINDOWS_FIELD_NUMBER: _ClassVar[int]
    WINDOWS_LEFT_FIELD_NUMBER: _ClassVar[int]
    USED_FIELD_NUMBER: _ClassVar[int]
    HELD_FIELD_NUMBER: _ClassVar[int]
    MISSING_FIELD_NUMBER: _ClassVar[int]
    SHARE_FIELD_NUMBER: _ClassVar[int]
    reservation: Reservation
    id: str
    created_at: _timestamp_pb2.Timestamp
    nodes: _containers.RepeatedScalarFieldContainer[str]
    state: WindowState
    window_start: _timestamp_pb2.Timestamp
    window_end: _timestamp_pb2.Timestamp
    windows: int
    windows_left: int
    used: _containers.ScalarMap[str, int]
    held: _containers.ScalarMap[str, int]
    missing: _containers.ScalarMap[str, int]
    share: ReservationShare
    def __init__(self, reservation: _Optional[_Union[Reservation, _Mapping]] = ..., id: _Optional[str] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., nodes: _Optional[_Iterable[str]] = ..., state: _Optional[_Union[WindowState, str]] = ..., window_start: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., window_end: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., windows: _Optional[int] = ..., windows_left: _Optional[int] = ..., used: _Optional[_Mapping[str, int]] = ..., held: _Optional[_Mapping[str, int]] = ..., missing: _Optional[_Mapping[str, int]] = ..., share: _Optional[_Union[ReservationShare, _Mapping]] = ...) -> None: ...

class ReservationShare(_message.Message):
    __slots__ = ("owner", "confirmed", "elsewhere")
    OWNER_FIELD_NUMBER: _ClassVar[int]
    CONFIRMED_FIELD_NUMBER: _ClassVar[int]
    ELSEWHERE_FIELD_NUMBER: _ClassVar[int]
    owner: str
    confirmed: bool
    elsewhere: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, owner: _Optional[str] = ..., confirmed: _Optional[bool] = ..., elsewhere: _Optional[_Iterable[str]] = ...) -> None: ...

class CreateReservationRequest(_message.Message):
    __slots__ = ("region", "reservation")
    REGION_FIELD_NUMBER: _ClassVar[int]
    RESERVATION_FIELD_NUMBER: _ClassVar[int]
    region: str
    reservation: Reservation
    def __init__(self, region: _Optional[str] = ..., reservation: _Optional[_Union[Reservation, _Mapping]] = ...) -> None: ...

class CreateReservationResponse(_message.Message):
    __slots__ = ("region", "reservation", "existed")
    REGION_FIELD_NUMBER: _ClassVar[int]
    RESERVATION_FIELD_NUMBER: _ClassVar[int]
    EXISTED_FIELD_NUMBER: _ClassVar[int]
    region: str
    reservation: ReservationStatus
    existed: bool
    def __init__(self, region: _Optional[str] = ..., reservation: _Optional[_Union[ReservationStatus, _Mapping]] = ..., existed: _Optional[bool] = ...) -> None: ...

class CancelReservationRequest(_message.Message):
    __slots__ = ("region", "name")
    REGION_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    region: str
    name: str
    def __init__(self, region: _Optional[str] = ..., name: _Optional[str] = ...) -> None: ...

class CancelReservationResponse(_message.Message):
    __slots__ = ("region",)
    REGION_FIELD_NUMBER: _ClassVar[int]
    region: str
    def __init__(self, region: _Optional[str] = ...) -> None: ...

class ListReservationsRequest(_message.Message):
    __slots__ = ("region",)
    REGION_FIELD_NUMBER: _ClassVar[int]
    region: str
    def __init__(self, region: _Optional[str] = ...) -> None: ...

class ListReservationsResponse(_message.Message):
    __slots__ = ("region", "reservations")
    REGION_FIELD_NUMBER: _ClassVar[int]
    RESERVATIONS_FIELD_NUMBER: _ClassVar[int]
    region: str
    reservations: _containers.RepeatedCompositeFieldContainer[ReservationStatus]
    def __init__(self, region: _Optional[str] = ..., reservations: _Optional[_Iterable[_Union[ReservationStatus, _Mapping]]] = ...) -> None: ...
