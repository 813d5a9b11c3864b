"""ListJobs over the whole league: home by home, by id within a home.

A page token is opaque to callers: base64 of the home and the last id that was returned. Homes come by name, so that a
token means the same to every region.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from hanse.core.model import limits
from hanse.daemon.errors import RegionUnreachable, invalid
from hanse.daemon.ids import home_of
from hanse.daemon.servers.filters import checked_page_size
from hanse.wire.gen.hanse.v1 import jobs_pb2

# Asks one home for a page.
AskHome = Callable[[str, jobs_pb2.ListJobsRequest], Awaitable[jobs_pb2.ListJobsResponse]]


class PageToken(msgspec.Struct, frozen=True, array_like=True):
    """Go on with `home`, after `after_id` (empty: from its first job)."""

    home: str
    after_id: str = ""

    def encode(self) -> str:
        """As callers see it."""
        return base64.urlsafe_b64encode(msgspec.msgpack.encode(self)).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str) -> PageToken | None:
        """None for an empty text. Raises RequestRefused."""
        if not text:
            return None
        try:
            if len(text) > limits.PAGE_TOKEN_LENGTH_MAX:
                raise ValueError
            padded = text + "=" * (-len(text) % 4)
            return msgspec.msgpack.decode(base64.b64decode(padded, altchars=b"-_", validate=True), type=cls)
        except (ValueError, binascii.Error, msgspec.DecodeError):
            raise invalid("page_token", "not a token of this service") from None


def homes_of(wanted: jobs_pb2.JobFilter, members: Sequence[str]) -> list[str]:
    """The homes that may have jobs which match, by name. Raises RequestRefused for one that is not in the roster."""
    for index, home in enumerate(wanted.homes):
        if home not in members:
            raise invalid(f"filter.homes[{index}]", f"no region {home!r} in the roster")
    homes = set(wanted.homes or members)
    if wanted.job_ids:
        homes &= {home_of(job_id) or "" for job_id in wanted.job_ids}
    return sorted(homes)


async def list_league(
    request: jobs_pb2.ListJobsRequest, members: Sequence[str], ask: AskHome
) -> jobs_pb2.ListJobsResponse:
    """One page, from as many homes as it takes. Homes that don't answer are named and left out."""
    page_size = checked_page_size(request)
    token = PageToken.decode(request.page_token)
    homes = homes_of(request.filter, members)
    if token is not None:
        homes = [home for home in homes if home >= token.home]
    response = jobs_pb2.ListJobsResponse()
    # Most pages are filled by one home; only when that was not enough are the others asked, several at once.
    starts = [0, *range(1, len(homes), limits.FAN_OUT_MAX)]
    for start, end in zip(starts, [*starts[1:], len(homes)], strict=True):
        group = homes[start:end]
        asked = [_request_for(home, request, page_size - len(response.jobs), token) for home in group]
        answers = await asyncio.gather(
            *(_answer(ask, home, each) for home, each in zip(group, asked, strict=True))
        )
        for index, (home, answer) in enumerate(zip(group, answers, strict=True)):
            following = next(iter(homes[start + index + 1 :]), "")
            if not _add(response, home, answer, page_size, following):
                return response
    return response


def _add(
    response: jobs_pb2.ListJobsResponse,
    home: str,
    answer: jobs_pb2.ListJobsResponse | None,
    page_size: int,
    following: str,
) -> bool:
    """Add one home's answer; whether the page may go on with the next home."""
    if answer is None:
        response.unreachable.append(home)
        return True
    response.unreachable.extend(answer.unreachable)
    _add_revisions(response, answer)
    room = page_size - len(response.jobs)
    response.jobs.extend(answer.jobs[:room])
    if len(answer.jobs) > room:
        response.next_page_token = PageToken(home, answer.jobs[room - 1].id if room else "").encode()
    elif answer.next_page_token:
        response.next_page_token = PageToken(home, answer.next_page_token).encode()
    elif len(response.jobs) >= page_size and following:
        response.next_page_token = PageToken(following).encode()
    return not response.next_page_token


def _add_revisions(response: jobs_pb2.ListJobsResponse, answer: jobs_pb2.ListJobsResponse) -> None:
    """One for each region, the oldest: it may have been asked for its own jobs and for those of a shard."""
    known = {revision.region: revision for revision in response.revisions}
    for revision in answer.revisions:
        earlier = known.get(revision.region)
        if earlier is None:
            response.revisions.append(revision)
        elif revision.sequence < earlier.sequence:
            earlier.CopyFrom(revision)


def _request_for(
    home: str, request: jobs_pb2.ListJobsRequest, page_size: int, token: PageToken | None
) -> jobs_pb2.ListJobsRequest:
    after = token.after_id if token is not None and token.home == home else ""
    asked = jobs_pb2.ListJobsRequest(filter=request.filter, page_size=page_size, page_token=after)
    asked.filter.homes[:] = [home]
    return asked


def merged(pages: Sequence[jobs_pb2.ListJobsResponse]) -> jobs_pb2.ListJobsResponse:
    """Pages of one home from several regions as one: by id, and only as far as all of them go. A job that is on more
    than one is taken from the last."""
    ends = [page.next_page_token for page in pages if page.next_page_token]
    end = min(ends, default="")
    jobs = {job.id: job for page in pages for job in page.jobs if not end or job.id <= end}
    return jobs_pb2.ListJobsResponse(
        jobs=[jobs[job_id] for job_id in sorted(jobs)],
        next_page_token=end,
        revisions=[revision for page in pages for revision in page.revisions],
    )


async def _answer(
    ask: AskHome, home: str, request: jobs_pb2.ListJobsRequest
) -> jobs_pb2.ListJobsResponse | None:
    try:
        return await ask(home, request)
    except RegionUnreachable:
        return None
