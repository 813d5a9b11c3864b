from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PlacementRules(_message.Message):
    __slots__ = ("alternatives", "preferences", "tolerations", "affinities", "within", "spread", "island")
    ALTERNATIVES_FIELD_NUMBER: _ClassVar[int]
    PREFERENCES_FIELD_NUMBER: _ClassVar[int]
    TOLERATIONS_FIELD_NUMBER: _ClassVar[int]
    AFFINITIES_FIELD_NUMBER: _ClassVar[int]
    WITHIN_FIELD_NUMBER: _ClassVar[int]
    SPREAD_FIELD_NUMBER: _ClassVar[int]
    ISLAND_FIELD_NUMBER: _ClassVar[int]
    alternatives: _containers.RepeatedCompositeFieldContainer[Alternative]
    preferences: _containers.RepeatedCompositeFieldContainer[Preference]
    tolerations: _containers.RepeatedScalarFieldContainer[str]
    affinities: _containers.RepeatedCompositeFieldContainer[Affinity]
    within: Within
    spread: Spread
    island: Island
    def __init__(self, alternatives: _Optional[_Iterable[_Union[Alternative, _Mapping]]] = ..., preferences: _Optional[_Iterable[_Union[Preference, _Mapping]]] = ..., tolerations: _Optional[_Iterable[str]] = ..., affinities: _Optional[_Iterable[_Union[Affinity, _Mapping]]] = ..., within: _Optional[_Union[Within, _Mapping]] = ..., spread: _Optional[_Union[Spread, _Mapping]] = ..., island: _Optional[_Union[Island, _Mapping]] = ...) -> None: ...

class Alternative(_message.Message):
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

class Preference(_message.Message):
    __slots__ = ("selector", "weight")
    SELECTOR_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    selector: str
    weight: int
    def __init__(self, selector: _Optional[str] = ..., weight: _Optional[int] = ...) -> None: ...

class Affinity(_message.Message):
    __slots__ = ("job_name", "level", "apart", "weight")
    JOB_NAME_FIELD_NUMBER: _ClassVar[int]
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    APART_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    job_name: str
    level: str
    apart: bool
    weight: int
    def __init__(self, job_name: _Optional[str] = ..., level: _Optional[str] = ..., apart: _Optional[bool] = ..., weight: _Optional[int] = ...) -> None: ...

class Within(_message.Message):
    __slots__ = ("level", "required")
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    REQUIRED_FIELD_NUMBER: _ClassVar[int]
    level: str
    required: bool
    def __init__(self, level: _Optional[str] = ..., required: _Optional[bool] = ...) -> None: ...

class Spread(_message.Message):
    __slots__ = ("level", "tasks_max")
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    TASKS_MAX_FIELD_NUMBER: _ClassVar[int]
    level: str
    tasks_max: int
    def __init__(self, level: _Optional[str] = ..., tasks_max: _Optional[int] = ...) -> None: ...

class Island(_message.Message):
    __slots__ = ("level", "required")
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    REQUIRED_FIELD_NUMBER: _ClassVar[int]
    level: str
    required: bool
    def __init__(self, level: _Optional[str] = ..., required: _Optional[bool] = ...) -> None: ...
