"""The messages of the wire contract, for callers of the client. proto/hanse/v1 documents each field."""

from __future__ import annotations

from typing import cast

from hanse.wire.gen.hanse.v1.common_pb2 import (
    Durability,
    JobState,
    Reason,
    Refusal,
    RefusalCode,
    Revision,
    TimelineEntry,
)
from hanse.wire.gen.hanse.v1.jobs_pb2 import (
    ArrayElement,
    ArraySpec,
    ArrayStatus,
    Blocker,
    CancelResult,
    ControlJobsRequest,
    ControlResult,
    ExplainJobResponse,
    Job,
    JobChange,
    JobFilter,
    JobKind,
    JobSpec,
    LogStream,
    OnRegionLoss,
    PlanJobResponse,
    PlannedStop,
    PlanOutcome,
    Program,
    RegionExplanation,
    RegionPlan,
    RegionPreference,
    Requirements,
    RetryPolicy,
    StreamLogsResponse,
    TaskGroup,
)
from hanse.wire.gen.hanse.v1.policies_pb2 import (
    ApplyLeaguePolicyResponse,
    ApplyPolicyResponse,
    GetPolicyResponse,
    LeaguePolicyStatus,
    ListPoliciesResponse,
    PlanPolicyResponse,
    Policy,
    PolicyPlan,
    PolicyProblem,
    PolicySeverity,
    TenantPlan,
    ValidatePolicyResponse,
)
from hanse.wire.gen.hanse.v1.regions_pb2 import (
    CapacityClass,
    ChannelStatus,
    DrainStatus,
    GetInventoryResponse,
    GetStatusResponse,
    ListMembersResponse,
    ListNodesResponse,
    Liveness,
    Member,
    Node,
    NodeOrder,
    PolicyNews,
    PolicyStanding,
    Quarantine,
    QuotaBalance,
    QuotaStatus,
    RegionRecord,
    RosterProgress,
    RosterStatus,
    RunningJobs,
    ShardStatus,
)
from hanse.wire.gen.hanse.v1.reservations_pb2 import (
    BeforeWindow,
    CancelReservationResponse,
    CreateReservationResponse,
    ListReservationsResponse,
    Reservation,
    ReservationStatus,
    ReservedGroup,
    WindowState,
)

__all__ = [
    "FINAL_STATES",
    "ApplyLeaguePolicyResponse",
    "ApplyPolicyResponse",
    "ArrayElement",
    "ArraySpec",
    "ArrayStatus",
    "BeforeWindow",
    "Blocker",
    "CancelReservationResponse",
    "CancelResult",
    "CapacityClass",
    "ChannelStatus",
    "ControlJobsRequest",
    "ControlResult",
    "CreateReservationResponse",
    "DrainStatus",
    "Durability",
    "ExplainJobResponse",
    "GetInventoryResponse",
    "GetPolicyResponse",
    "GetStatusResponse",
    "Job",
    "JobChange",
    "JobFilter",
    "JobKind",
    "JobSpec",
    "JobState",
    "LeaguePolicyStatus",
    "ListMembersResponse",
    "ListNodesResponse",
    "ListPoliciesResponse",
    "ListReservationsResponse",
    "Liveness",
    "LogStream",
    "Member",
    "Node",
    "NodeOrder",
    "OnRegionLoss",
    "PlanJobResponse",
    "PlanOutcome",
    "PlanPolicyResponse",
    "PlannedStop",
    "Policy",
    "PolicyNews",
    "PolicyPlan",
    "PolicyProblem",
    "PolicySeverity",
    "PolicyStanding",
    "Program",
    "Quarantine",
    "QuotaBalance",
    "QuotaStatus",
    "Reason",
    "Refusal",
    "RefusalCode",
    "RegionExplanation",
    "RegionPlan",
    "RegionPreference",
    "RegionRecord",
    "Requirements",
    "Reservation",
    "ReservationStatus",
    "ReservedGroup",
    "RetryPolicy",
    "Revision",
    "RosterProgress",
    "RosterStatus",
    "RunningJobs",
    "ShardStatus",
    "StreamLogsResponse",
    "TaskGroup",
    "TenantPlan",
    "TimelineEntry",
    "ValidatePolicyResponse",
    "WindowState",
    "is_final",
    "state_name",
    "state_of",
]

FINAL_STATES = frozenset(
    {JobState.JOB_STATE_SUCCEEDED, JobState.JOB_STATE_FAILED, JobState.JOB_STATE_CANCELLED}
)

_STATE_PREFIX = "JOB_STATE_"


def is_final(state: JobState) -> bool:
    """Whether a job in this state has ended for good."""
    return state in FINAL_STATES


def state_name(state: JobState) -> str:
    """As "RUNNING" for JOB_STATE_RUNNING. A state that this client does not know yet is named by its number."""
    if state not in JobState.values():
        return f"STATE_{int(state)}"
    return JobState.Name(state).removeprefix(_STATE_PREFIX)


def state_of(name: str) -> JobState:
    """The state of this name, in any case and with or without its prefix. ValueError if there is none."""
    return cast("JobState", JobState.Value(_STATE_PREFIX + name.upper().removeprefix(_STATE_PREFIX)))
