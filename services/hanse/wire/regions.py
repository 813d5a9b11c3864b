"""Answers of the core about the region and its league -> protobuf."""

from __future__ import annotations

from collections.abc import Sequence

from hanse.core.model.regions import RegionRecord, RunningJobs
from hanse.core.replies import (
    ChannelView,
    DrainView,
    MemberView,
    NodeView,
    QuarantineView,
    ShardView,
    StatusView,
)
from hanse.wire.gen.hanse.v1 import common_pb2, regions_pb2
from hanse.wire.records import encode_record
from hanse.wire.shapes import encode_reason
from hanse.wire.times import timestamp


def encode_status(
    status: StatusView, cluster_id: str, version: str, started_wall_us: int
) -> regions_pb2.GetStatusResponse:
    """How a region fares. `started_wall_us` is when its daemon started."""
    return regions_pb2.GetStatusResponse(
        region=status.region,
        cluster_id=cluster_id,
        ledger_id=status.ledger_id,
        incarnation=status.incarnation,
        revision=common_pb2.Revision(
            region=status.region, ledger_id=status.ledger_id, sequence=status.write_sequence
        ),
        version=version,
        started_at=timestamp(started_wall_us),
        draining=status.draining,
        impairments=[encode_reason(reason) for reason in status.impairments],
        jobs_by_state=dict(status.jobs_by_state),
        capacity=dict(status.capacity),
        free=dict(status.free),
        channels=[_channel(channel) for channel in status.channels],
        shards=[_shard(shard) for shard in status.shards],
        orphans=status.orphans,
        orphans_ended=status.orphans_ended,
        jobs_taken_over=status.jobs_taken_over,
        jobs_let_go=status.jobs_let_go,
        quarantine=None if status.quarantine is None else _quarantine(status.quarantine),
        drain=None if status.drain is None else _drain(status.drain),
    )


def encode_nodes(nodes: Sequence[NodeView]) -> regions_pb2.ListNodesResponse:
    """Every node with what is free on it."""
    return regions_pb2.ListNodesResponse(
        nodes=[
            regions_pb2.Node(
                name=view.node.name,
                node_class=view.node.node_class,
                labels=dict(view.node.labels),
                capacity=dict(view.node.capacity),
                free=dict(view.free),
                jobs=view.jobs,
                taints=[str(taint) for taint in view.node.taints],
                cordoned=view.cordoned is not None,
                cordoned_why=view.cordoned or "",
            )
            for view in nodes
        ]
    )


def encode_members(
    region: str, roster_epoch: int, members: Sequence[MemberView]
) -> regions_pb2.ListMembersResponse:
    """The roster as `region` sees it."""
    return regions_pb2.ListMembersResponse(
        region=region, roster_epoch=roster_epoch, members=[_member(member) for member in members]
    )


def encode_inventory(region: str, records: Sequence[RegionRecord]) -> regions_pb2.GetInventoryResponse:
    """The newest record of every region, as `region` has them."""
    return regions_pb2.GetInventoryResponse(
        region=region, records=[encode_record(record) for record in records]
    )


def _channel(channel: ChannelView) -> regions_pb2.ChannelStatus:
    return regions_pb2.ChannelStatus(
        peer=channel.peer,
        undecided=channel.undecided,
        given=channel.given,
        taken=channel.taken,
        burned=channel.burned,
        session=channel.session,
    )


def _quarantine(view: QuarantineView) -> regions_pb2.Quarantine:
    return regions_pb2.Quarantine(
        since=timestamp(view.since_wall_us),
        why=view.why,
        missing=view.missing,
        without=view.excused,
        suspects=view.suspects,
    )


_RUNNING_JOBS = {
    RunningJobs.FINISH: regions_pb2.RUNNING_JOBS_FINISH,
    RunningJobs.MOVE: regions_pb2.RUNNING_JOBS_MOVE,
}


def decode_running_jobs(running: int) -> RunningJobs | None:
    """What a drain does with running jobs; unspecified: they finish. None: the number means nothing."""
    if running == regions_pb2.RUNNING_JOBS_UNSPECIFIED:
        return RunningJobs.FINISH
    return next((each for each, number in _RUNNING_JOBS.items() if number == running), None)


def encode_running_jobs(running: RunningJobs) -> regions_pb2.RunningJobs:
    """As it is."""
    return _RUNNING_JOBS[running]


def _drain(view: DrainView) -> regions_pb2.DrainStatus:
    return regions_pb2.DrainStatus(
        running=_RUNNING_JOBS[view.running],
        queued=view.queued,
        leaving=view.leaving,
        stopping=view.stopping,
        stopped=view.stopped,
        running_on=dict(view.running_on),
    )


# Liveness counts UNKNOWN as 0, which protobuf reserves for "unspecified".
_LIVENESS = {
    0: regions_pb2.LIVENESS_UNKNOWN,
    1: regions_pb2.LIVENESS_ALIVE,
    2: regions_pb2.LIVENESS_SUSPECT,
    3: regions_pb2.LIVENESS_DEAD,
}


def _member(view: MemberView) -> regions_pb2.Member:
    return regions_pb2.Member(
        name=view.member.name,
        peer_address=view.member.peer_address,
        public_address=view.member.public_address,
        liveness=_LIVENESS[view.liveness],
        incarnation=view.incarnation,
        heard_ago_ms=view.heard_ago_us // 1_000,
        draining=view.draining,
        protocol_min=view.protocol_min,
        protocol_max=view.protocol_max,
    )


def _shard(shard: ShardView) -> regions_pb2.ShardStatus:
    encoded = regions_pb2.ShardStatus(
        shard=shard.shard,
        role=shard.role,
        term=shard.term,
        leader=shard.leader,
        open_jobs=shard.open_jobs,
        sequence=shard.sequence,
        committed=shard.committed,
    )
    if shard.lease_left_us is not None:
        encoded.lease_left.FromMicroseconds(shard.lease_left_us)
    return encoded
