"""A league with a known content, served by a process of its own: what the command line is tested against.

Submitted jobs end by their names: "ok" and "fail" at once, "bad" is refused, "full" never gets in, "secret" is not
allowed, anything else stays queued.
"""

from __future__ import annotations

import asyncio
import sys

import grpc

from hanse.client.messages import Refusal, RefusalCode
from hanse.core.model.quota import Quota, QuotaDocument, SignedQuotas, encode_quotas
from hanse.wire.gen.hanse.v1 import jobs_pb2, policies_pb2_grpc, reservations_pb2_grpc
from tests.cli.canned_policies import Policies
from tests.cli.canned_reservations import Reservations
from tests.client import league as leagues
from tests.client.league import FIRST_S, League, served

OUTPUT = b"line one\nline \xff two\n"
_BAD = Refusal(
    code=RefusalCode.REFUSAL_CODE_INVALID,
    field="jobs[0].spec.groups[0].requirements.resources[gpuu]",
    message="no resource kind 'gpuu'; there are cpu, memory, gpu",
)


class Canned(leagues.Jobs):
    """Decides by the name of a job what becomes of it."""

    async def SubmitJobs(
        self, request: jobs_pb2.SubmitJobsRequest, context: grpc.aio.ServicerContext
    ) -> jobs_pb2.SubmitJobsResponse:
        names = [submission.spec.name for submission in request.jobs]
        if "secret" in names:
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, "not yours")
        for name in names:
            self.league.refusals[name] = [_BAD] if name == "bad" else []
        response = await super().SubmitJobs(request, context)
        for name, result in zip(names, response.results, strict=True):
            outcome = {"ok": "SUCCEEDED", "fail": "FAILED"}.get(name)
            if outcome and result.HasField("job"):
                await self.league.change(result.job.job_id, outcome, exit_code=int(name == "fail"))
        return response


def canned_league() -> League:
    """One job in each of the states that matter."""
    league = League(regions=("north",))
    queued = league.add("north", "queued")
    running = league.add("north", "running", "RUNNING")
    ended = league.add("north", "ended")
    league.record(ended, "RUNNING")
    league.record(ended, "FAILED", exit_code=3)
    job = league.jobs[ended]
    job.spec.groups.add(name="main", count=2).requirements.resources.update({"cpu": 1000, "memory": 1 << 30})
    job.spec.groups[0].requirements.constraints.append("zone = a")
    job.spec.groups[0].program.command.extend(["sh", "-c", "exit 3"])
    job.spec.groups[0].program.env["SEED"] = "1"
    job.spec.labels["team"] = "x"
    job.nodes.extend(["n1", "n2"])
    for second, what in enumerate(("QUEUED", "STARTED", "FAILED")):
        entry = job.timeline.add(region="north", what=what, epoch=1, attempt=min(second, 1), cause="c1")
        entry.at.seconds = FIRST_S + second
        entry.reason.code = what
    league.quotas.append(encode_quotas(SignedQuotas(document=QUOTAS)))
    league.output = OUTPUT
    league.output_ended = True
    assert (queued, running, ended) == QUEUED_RUNNING_ENDED
    return league


QUOTAS = QuotaDocument(
    cluster_id="test",
    number=1,
    previous_sha256="",
    keeper="@north",
    issuer="0" * 32,
    issued_wall_us=FIRST_S * 1_000_000,
    quotas=(
        Quota(tenant="lab", resource="gpu", limit=8000),
        Quota(tenant="lab", resource="cpu", limit=None, written_off=5),
    ),
)
QUEUED_RUNNING_ENDED = ("north-00000000", "north-00000001", "north-00000002")


def register(server: grpc.aio.Server) -> None:
    """What the league itself has not."""
    policies_pb2_grpc.add_PolicyServiceServicer_to_server(Policies(), server)
    reservations_pb2_grpc.add_ReservationServiceServicer_to_server(Reservations(), server)


async def main() -> None:
    """Serve until killed; the first line of output is the address."""
    leagues.Jobs = Canned  # type: ignore[misc]
    async with served(canned_league(), register) as addresses:
        sys.stdout.write(f"{addresses[0]}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
