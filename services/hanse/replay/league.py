"""All regions of a replay under one virtual clock, event by event.

Each instant at which anything is due is one turn: everything due goes into the inboxes, then each region that was
touched takes one step, in order of name, and what it wants done is planned for later instants. Nothing happens between
instants, so days without events cost nothing.

Messages arrive after `link_us`, each by itself. Records travel apart (news.py).
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Sequence
from typing import assert_never

import msgspec

from hanse.core.effects import Effects, Launch, Send, Stop
from hanse.core.events import PeerMessages, PeerUnreachable, Submit
from hanse.core.federation.room import Rooms
from hanse.core.messages import Envelope, Message, Offer, OfferAnswer, Solicit
from hanse.core.model.jobs import ReasonCode
from hanse.core.model.lifecycle import TERMINAL_STATES, JobState
from hanse.core.model.time import SECOND_US
from hanse.core.replies import Refused, SubmitOutcome
from hanse.replay.agenda import Agenda
from hanse.replay.busy import Busy
from hanse.replay.host import Attempt, Host, now_of
from hanse.replay.news import News
from hanse.replay.shapes import Translator
from hanse.replay.story import Counts, Digest, Flows, Story
from hanse.replay.trace import TracedJob

# Of so many envelopes one is encoded, to tell how many bytes all of them are.
SIZED_EVERY = 64
# After this long callers take a region for lost that does not answer.
NOTICED_US = 600 * SECOND_US
Sizer = Callable[[Envelope, tuple[Message, ...]], int]


class Wake(msgspec.Struct, frozen=True, gc=False):
    """A region's core has asked for a step at this instant."""

    host: Host
    at_us: int


class Arrival(msgspec.Struct, frozen=True, gc=False):
    """A caller hands in a job."""

    story: Story


class Delivery(msgspec.Struct, frozen=True, gc=False):
    """An envelope reaches a region."""

    host: Host
    event: PeerMessages


class End(msgspec.Struct, frozen=True, gc=False):
    """An attempt is over, unless that was put off or brought forward meanwhile."""

    host: Host
    attempt: Attempt
    at_us: int


class Call(msgspec.Struct, frozen=True, gc=False):
    """Something that is none of the above, and rare."""

    action: Callable[[], Iterable[Host]]


Item = Wake | Arrival | Delivery | End | Call


class League:
    """See the module's docstring. `home_of` says which region a job is handed in at; `size` (none: nothing is sized)
    tells the bytes of an envelope."""

    def __init__(
        self,
        hosts: Sequence[Host],
        stories: Sequence[Story],
        translator: Translator,
        busy: Busy,
        home_of: Callable[[TracedJob], str],
        *,
        link_us: int,
        gossip_us: int,
        size: Sizer | None = None,
    ) -> None:
        self.hosts = {host.name: host for host in sorted(hosts, key=lambda host: host.name)}
        self.stories = {story.job.id: story for story in stories}
        self.counts = Counts()
        self.flows = Flows()
        self.digest = Digest()
        self.busy = busy
        self.agenda: Agenda[Item] = Agenda()
        # Jobs of the window whose outcome is not known yet.
        self.awaited = 0
        self._translator = translator
        self._home_of = home_of
        self._link_us = link_us
        self._size = size
        self._envelopes = 0
        self._requests = 0
        self._asked: dict[int, Story] = {}
        # Records travel by reference: what is worked out of one serves all regions.
        rooms = Rooms()
        for host in self.hosts.values():
            host.rooms = rooms
        self._news = News(self.hosts, gossip_us, self.plan_call, rooms)
        # Arrivals that wait until their home is back.
        self._waiting: dict[str, list[Story]] = {}
        # Regions that never come back.
        self._gone: dict[str, None] = {}

    # --- the run ----------------------------------------------------------------------------------------------------

    def begin(self, at_us: int = 0) -> None:
        """All regions start."""
        for host in self.hosts.values():
            host.start(at_us)
        self.agenda.plan(at_us, Call(self.hosts.values))

    def submit(self, story: Story, at_us: int) -> None:
        """This job comes at that instant."""
        self.awaited += story.is_awaited
        self.agenda.plan(at_us, Arrival(story))

    def plan_call(self, at_us: int, action: Callable[[], Iterable[Host]]) -> None:
        """Do this then; the regions that it returns take a step."""
        self.agenda.plan(at_us, Call(action))

    def rest(self) -> Iterable[Host]:
        """Nothing has gone wrong for a while: no more probes, rounds of gossip and questions; records travel when they
        change."""
        for host in self.hosts.values():
            if host.core is not None:
                host.core.rest()
        self._news.begin()
        return self.hosts.values()

    def stir(self) -> Iterable[Host]:
        """Something goes wrong: regions find that out as they do in reality."""
        self._news.end()
        for host in self.hosts.values():
            if host.core is not None:
                host.core.stir(now_of(self.agenda.now_us))
        return self.hosts.values()

    def turn(self) -> None:
        """Go to the next instant at which something is due, and do it all."""
        touched: dict[str, Host] = {}
        for item in self.agenda.take():
            for host in self._due(item):
                touched[host.name] = host
        names = sorted(touched) if len(touched) > 1 else touched
        for name in names:
            if touched[name].core is not None:
                self._step(touched[name])

    def _due(self, item: Item) -> Iterable[Host]:
        """Put what is due where it belongs. Returns the regions that have to take a step."""
        match item:
            case Delivery():
                return self._deliver(item.host, item.event)
            case Wake():
                return (item.host,) if item.host.wake_us == item.at_us else ()
            case End():
                return self._end(item)
            case Arrival():
                return self._arrive(item.story)
            case Call():
                return item.action()
            case _:
                assert_never(item)

    def _step(self, host: Host) -> None:
        now_us = self.agenda.now_us
        self._news.read(host)
        for effects, envelopes in host.step(now_us):
            self.counts.steps += 1
            self._release(host, effects, envelopes)
        assert host.core is not None
        self._news.look(host, now_us)
        next_us = host.core.next_deadline()
        if next_us <= now_us:
            next_us = now_us + 1
        if next_us != host.wake_us:
            host.wake_us = next_us
            self.agenda.plan(next_us, Wake(host, next_us))

    def close(self) -> None:
        """The replay is over: what still runs has used its capacity, too."""
        for host in self.hosts.values():
            for attempt in host.attempts.values():
                job = self.stories[attempt.run.job_id].job
                self.busy.held(attempt.region, job.wants, job.tasks, attempt.began_us, self.agenda.now_us)

    # --- what comes in ----------------------------------------------------------------------------------------------

    def _arrive(self, story: Story) -> Iterable[Host]:
        """Callers repeat until their home answers: it waits for a region that is down."""
        home = self._home(story)
        host = self.hosts[home]
        if not host.up:
            self._waiting.setdefault(home, []).append(story)
            return ()
        self._requests += 1
        self._asked[self._requests] = story
        submission = self._translator.submission(story.job, self._job_id(story))
        host.inbox.append(Submit(request_id=self._requests, submissions=(submission,), cause="trace"))
        return (host,)

    def admit_waiting(self, home: str) -> Iterable[Host]:
        """The region is back: callers that repeated their calls get through."""
        for story in self._waiting.pop(home, []):
            self._arrive(story)
        return (self.hosts[home],)

    def _deliver(self, host: Host, event: PeerMessages) -> Iterable[Host]:
        if host.core is None:
            sender = self.hosts[event.envelope.sender]
            if sender.core is None:
                return ()
            sender.inbox.append(PeerUnreachable(peer=host.name))
            return (sender,)
        host.inbox.append(event)
        return (host,)

    def _end(self, end: End) -> Iterable[Host]:
        attempt, host = end.attempt, end.host
        if host.attempts.get(attempt.run.job_id) is not attempt or attempt.ends_us != end.at_us:
            return ()
        host.ends(attempt)
        self._over(attempt)
        return (host,)

    def _over(self, attempt: Attempt) -> None:
        """Nothing of this attempt is alive any more."""
        now_us = self.agenda.now_us
        story = self.stories[attempt.run.job_id]
        job = story.job
        story.living = None
        self.busy.held(attempt.region, job.wants, job.tasks, attempt.began_us, now_us)
        if not attempt.is_stopped:
            story.ended_us, story.ran_in = now_us, attempt.region
            if job.home in self._gone:
                self._told(story)  # Callers ask the region where it ran.
            self.digest.add(now_us, b"E", job.id, attempt.region)

    def lose(self, name: str, *, for_ever: bool) -> Iterable[Host]:
        """A region and its machines are gone: for the time being, or with its disk."""
        host = self.hosts[name]
        orphans = self._orphans(host) if for_ever else []
        for attempt in host.die():
            attempt.is_stopped = True
            self._over(attempt)
        self.digest.add(self.agenda.now_us, b"X", "", name)
        if for_ever:
            self._gone[name] = None
            for story in orphans:
                self._hand_in_again(story)
        return ()

    def restore(self, name: str) -> Iterable[Host]:
        """It is back, with its disk."""
        self.hosts[name].start(self.agenda.now_us)
        self.digest.add(self.agenda.now_us, b"B", "", name)
        return self.admit_waiting(name)

    # --- a region is lost for good ------------------------------------------------------------------------------------

    def _orphans(self, host: Host) -> list[Story]:
        """Jobs that end with this region: those that it has. Those that it has handed on are where they are, and those
        on their way are wherever they have come by now."""
        assert host.core is not None
        kept = (JobState.QUEUED, JobState.RUNNING, JobState.STOPPING)
        lost = [job.id for job in host.core.books.jobs.values() if job.state in kept]
        lost += [
            job.id
            for job in host.core.books.jobs.values()
            if job.state is JobState.XFER and not self._has(job.transfer_to, job.id)
        ]
        return [self.stories[job_id] for job_id in lost]

    def _has(self, region: str, job_id: str) -> bool:
        core = self.hosts[region].core
        return core is not None and core.library.find(job_id) is not None

    def _hand_in_again(self, story: Story) -> None:
        """Callers notice, and hand the job in under another key: at its home, or if that is gone, elsewhere."""
        self.counts.handed_in_again += 1
        story.times += 1
        self.stories[self._job_id(story)] = story
        self.agenda.plan(self.agenda.now_us + NOTICED_US, Arrival(story))

    def _job_id(self, story: Story) -> str:
        return story.job.id if story.times == 1 else f"{story.job.id}.{story.times}"

    def _home(self, story: Story) -> str:
        """Where it is handed in: callers of a region that is gone spread over the others."""
        home = self._home_of(story.job)
        if home not in self._gone:
            return home
        left = [name for name in self.hosts if name not in self._gone]
        return left[zlib.crc32(story.job.id.encode()) % len(left)] if left else home

    # --- what goes out ----------------------------------------------------------------------------------------------

    def _release(self, host: Host, effects: Effects, envelopes: dict[str, Envelope]) -> None:
        for launch in effects.launches:
            self._launch(host, launch)
        for stop in effects.stops:
            self._stop(host, stop)
        if effects.sends:
            self._send(host, effects.sends, envelopes)
        for reply in effects.replies:
            if isinstance(reply.answer, SubmitOutcome):
                self._answered(reply.request_id, reply.answer)
        for change in effects.changes:
            story = self.stories[change.job_id]
            if change.state is JobState.MOVED:
                self._moved(story, host.name, change.region)
            elif change.state in TERMINAL_STATES and change.home == host.name:
                self._told(story)
            elif change.reason.code is ReasonCode.PREEMPTED and change.state is JobState.STOPPING:
                story.preemptions += 1
                self.counts.preemptions += 1

    def _told(self, story: Story) -> None:
        """The outcome is known where callers ask for it."""
        if story.told_us < 0:
            story.told_us = self.agenda.now_us
            self._settle(story)

    def _settle(self, story: Story) -> None:
        self.awaited -= story.is_awaited
        story.is_awaited = False

    def _launch(self, host: Host, launch: Launch) -> None:
        now_us = self.agenda.now_us
        story = self.stories[launch.run.job_id]
        if story.living is not None or story.ended_us >= 0:
            self.counts.run_twice += 1
        region = host.region_of[launch.tasks[0][1].node]
        ends_us = now_us + max(1, story.job.duration_us)
        attempt = Attempt(launch.run, len(launch.tasks), now_us, ends_us, region)
        host.attempts[launch.run.job_id] = attempt
        story.living = launch.run
        story.starts += 1
        if story.started_us < 0:
            story.started_us = now_us
        self.digest.add(now_us, b"S", story.job.id, region)
        self.agenda.plan(ends_us, End(host, attempt, ends_us))

    def _stop(self, host: Host, stop: Stop) -> None:
        attempt = host.attempts.get(stop.run.job_id)
        if attempt is None or attempt.run != stop.run or attempt.is_stopped:
            return
        attempt.is_stopped = True
        attempt.ends_us = min(attempt.ends_us, self.agenda.now_us + max(1, stop.grace_us))
        self.agenda.plan(attempt.ends_us, End(host, attempt, attempt.ends_us))

    def _send(self, host: Host, sends: list[Send], envelopes: dict[str, Envelope]) -> None:
        by_peer: dict[str, list[Message]] = {}
        for send in sends:
            by_peer.setdefault(send.to, []).append(send.message)
        at_us = self.agenda.now_us + self._link_us
        for peer, messages in by_peer.items():
            told = tuple(messages)
            self._count(envelopes[peer], told)
            event = PeerMessages(envelope=envelopes[peer], messages=told, cause=host.name)
            self.agenda.plan(at_us, Delivery(self.hosts[peer], event))

    def _count(self, envelope: Envelope, messages: tuple[Message, ...]) -> None:
        counts = self.counts
        counts.messages += len(messages)
        for message in messages:
            kind = type(message)
            if kind is Offer:
                counts.offers += 1
            elif kind is Solicit:
                counts.solicits += 1
            elif isinstance(message, OfferAnswer) and not message.slots:
                counts.declined += 1
        self._envelopes += 1
        if self._size is not None and self._envelopes % SIZED_EVERY == 0:
            counts.bytes += SIZED_EVERY * self._size(envelope, messages)

    def _answered(self, request_id: int, outcome: SubmitOutcome) -> None:
        story = self._asked.pop(request_id)
        refused = outcome.results[0]
        if isinstance(refused, Refused):
            story.refused = refused.message
            self._settle(story)
            self.digest.add(self.agenda.now_us, b"R", story.job.id, "")

    def _moved(self, story: Story, giver: str, taker: str) -> None:
        story.handoffs += 1
        self.counts.handoffs += 1
        self.flows.add(giver, taker)
        self.digest.add(self.agenda.now_us, b"M", story.job.id, taker)
