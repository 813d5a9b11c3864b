"""Whom to offer a job to: hints in, a guess out. Only the target's own admission is the truth.

Peers are drawn by power-of-two choices (Mitzenmacher 2001): two candidates at random, the better of them is asked.
Under views that are seconds old, asking the best one makes every region ask the same one. A candidate's worth is what
its record promised minus what this region itself has in flight to it.

Among peers that have room and are alike in all else, the one with the least room wins: what is filled up leaves whole
nodes elsewhere for the jobs that need whole nodes. Whoever spreads small jobs evenly has no place left for a gang.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from hanse.core.federation.inventory import Inventory
from hanse.core.federation.room import Rooms, could_ever_fit, slots_free
from hanse.core.model.deadlines import Deadlines, backoff_us
from hanse.core.model.jobs import Job, Reason, Shape
from hanse.core.model.limits import (
    HOPS_MAX,
    NEVER_FITS_MEMO_MAX,
    PATH_MAX,
    REFUSAL_PAUSE_US_MAX,
    REFUSALS_REMEMBERED_MAX,
)
from hanse.core.model.randomness import Randomness
from hanse.core.model.regions import RegionConfig, RegionRecord
from hanse.core.model.time import FOR_EVER_US, Now
from hanse.core.policy.model import Objective
from hanse.core.replies import Blocker, RegionExplanation

# Of how many acceptable peers the best is taken: of those that would let it wait, and of those with room, where a view
# that is out of date costs no more than a refusal, and the tightest of two is often not tight.
CHOICES = 2
ROOM_CHOICES = 4
# Room for more jobs than this is not told apart.
_SLOTS_COMPARED_MAX = 1 << 20
# A peer without a record yet may have anything: it is worth asking, but after those that are known to have room.
_UNKNOWN_WAIT_US = 1_000_000
# Price and power are thousandths of the neutral one.
_NEUTRAL = 1_000
_TENTH = 100
_MINUTE_US = 60 * 1_000_000


class Refusal(msgspec.Struct, frozen=True):
    """A peer's last "no" to a shape. It is not asked again until `until_us`; until `patient_us` as long as its record
    is the one with this `stamp`, which was wrong once. `repeats`: how often it had said no before, in a row."""

    reason: Reason
    at_us: int
    until_us: int
    patient_us: int = 0
    stamp: tuple[int, int] = (0, 0)
    repeats: int = 0

    def ends_us(self, record: RegionRecord | None) -> int:
        """When the peer may be asked again, with this record of it."""
        is_old = record is not None and record.stamp == self.stamp
        return self.patient_us if is_old else self.until_us


class Candidate(msgspec.Struct, frozen=True, order=True):
    """A peer that may take the job; smaller is better, compared field by field. `cost_us`: the policy's objective;
    `slots`: how many such jobs have room there."""

    cost_us: int
    wait_us: int
    preference: int
    missing_datasets: int
    price: int
    power: int
    slots: int
    name: str


class _Abroad(msgspec.Struct, frozen=True):
    """What the records say of a shape while no region's standing changes: which peers could run it if they were idle
    (or may, for all that is known), and why none can."""

    able: tuple[str, ...]
    never: str | None


class Router:
    """Chooses peers from records, refusals and what is in flight. `connected` says whether a message would arrive;
    `in_flight` how many jobs this region has under way to a peer."""

    def __init__(
        self,
        config: RegionConfig,
        inventory: Inventory,
        randomness: Randomness,
        connected: Callable[[str], bool],
        in_flight: Callable[[str], int],
        reachability: Callable[[], int],
    ) -> None:
        self._config = config
        self._inventory = inventory
        self._randomness = randomness
        self._connected = connected
        self._in_flight = in_flight
        self._reachability = reachability
        self._peers = tuple(member.name for member in config.members if member.name != config.name)
        self.objective = Objective()
        self._refusals: dict[tuple[str, bytes], Refusal] = {}
        self._abroad: dict[bytes, _Abroad] = {}
        # What records have room for; replaced by one that several regions with the same records share, in replays.
        self.rooms = Rooms()
        # Which standings these verdicts rest on.
        self._judged_at = -1

    def choose(
        self, now: Now, shape: Shape, path: tuple[str, ...], own_wait_us: int, exclude: list[str]
    ) -> str | None:
        """One peer that promises a real gain over waiting here; None: nobody does.

        That is one that has room by its record. What waits long here is for those with shorter queues, too, but only
        rebalancing asks for places in them; and what can't start here at all goes wherever it can wait.
        """
        worthwhile_us = own_wait_us - self._config.timings.hop_cost_us
        if worthwhile_us <= 0 or not may_go_on(path, own_wait_us):
            return None
        found: list[Candidate] = []
        choices = ROOM_CHOICES
        is_stuck = own_wait_us >= FOR_EVER_US
        for name in self._in_random_order(self._judge(shape).able):
            if name in exclude or not (is_stuck or self.may_have_room(name, shape)):
                continue
            candidate = self._candidate(now, name, shape)
            if candidate is not None and candidate.wait_us < worthwhile_us:
                found.append(candidate)
                if not candidate.slots:
                    choices = CHOICES
                if len(found) >= choices:
                    break
        return min(found).name if found else None

    def relief(self, shape: Shape, wait_us_max: int, exclude: Deadlines[str]) -> tuple[str, int] | None:
        """A peer with a queue in which a job of this shape would wait at most so long, by its record, and how long that
        is. What it has refused to start does not count: it is asked for a place in its queue."""
        found: list[tuple[int, int, str]] = []
        for name in self._in_random_order(self._judge(shape).able):
            record = self._inventory.get(name)
            if record is None or record.draining or name in exclude or not self._connected(name):
                continue
            if record.queued and record.predicted_wait_us <= wait_us_max:
                found.append((record.predicted_wait_us, _preference(shape, name), name))
                if len(found) == CHOICES:
                    break
        wait_us, _, name = min(found, default=(0, 0, ""))
        return (name, wait_us) if name else None

    def room_elsewhere(self, now: Now, shape: Shape, path: tuple[str, ...], shard: str, limit: int) -> int:
        """How many jobs of this shape that have come this way other regions could start now, by their records and
        minus what is under way to them; at most `limit`."""
        if not may_go_on(path, FOR_EVER_US):
            return 0
        room = 0
        for name in self._judge(shape).able:
            record = self._inventory.get(name)
            if name == shard or record is None or self._candidate(now, name, shape) is None:
                continue
            room += self._slots(record, shape, limit)
            if room >= limit:
                return limit
        return room

    def _in_random_order(self, names: tuple[str, ...]) -> Iterator[str]:
        """Drawn one by one (Fisher and Yates), because the first few usually do."""
        left = list(names)
        while left:
            drawn = self._randomness.randrange(len(left))
            left[drawn], left[-1] = left[-1], left[drawn]
            yield left.pop()

    def refused(self, now: Now, peer: str, shape: Shape, reason: Reason, retry_after_us: int) -> None:
        """The peer declined, burned or did not answer: leave it alone for a while, about this shape."""
        before = self._refusals.pop((peer, shape.key), None)
        if len(self._refusals) >= REFUSALS_REMEMBERED_MAX:
            del self._refusals[next(iter(self._refusals))]
        is_in_row = before is not None and now.mono_us < before.until_us + REFUSAL_PAUSE_US_MAX
        repeats = before.repeats + 1 if before is not None and is_in_row else 0
        first_us = max(retry_after_us, self._config.timings.hop_cost_us)
        pause_us = backoff_us(first_us, repeats, max(first_us, REFUSAL_PAUSE_US_MAX))
        jitter_us = self._randomness.randrange(pause_us // 4 + 1)
        record = self._inventory.get(peer)
        self._refusals[(peer, shape.key)] = Refusal(
            reason,
            now.mono_us,
            now.mono_us + pause_us + jitter_us,
            now.mono_us + max(pause_us, REFUSAL_PAUSE_US_MAX) + jitter_us,
            record.stamp if record is not None else (0, 0),
            repeats,
        )

    def accepted(self, peer: str, shape: Shape) -> None:
        """The peer took some: what it refused before says nothing any more."""
        self._refusals.pop((peer, shape.key), None)

    def invite(self, peer: str, shape_key: bytes) -> None:
        """The peer asked for work: its last refusal is out of date."""
        refusal = self._refusals.get((peer, shape_key))
        if refusal is not None:
            self._refusals[(peer, shape_key)] = Refusal(refusal.reason, refusal.at_us, 0)

    @property
    def reachability(self) -> int:
        """Grows whenever a peer can be reached or not any more."""
        return self._reachability()

    def may_have_room(self, name: str, shape: Shape) -> bool:
        """Whether a peer could start one more of these, by its record and beside what is under way to it; or may, for
        want of a record."""
        record = self._inventory.get(name)
        return record is None or self._slots(record, shape, 1) > 0

    def room_at(self, name: str, shape: Shape, limit: int) -> int:
        """How many of these a peer could start now by its record, beside what is under way to it; at most `limit`."""
        record = self._inventory.get(name)
        return 0 if record is None else self._slots(record, shape, limit)

    def shortest_queue_us(self) -> int:
        """The shortest wait that any peer with a queue predicts; FOR_EVER_US if none has one."""
        waits = [each.predicted_wait_us for each in self._inventory.waiting.values()]
        return min(waits, default=FOR_EVER_US)

    def look_again_us(self, now: Now, shape: Shape) -> int:
        """When a shape that nobody was found for is worth another look although there is no news: when the first of its
        refusals runs out, or with the next refresh of records."""
        hop_us = self._config.timings.hop_cost_us
        found_us = now.mono_us + self._config.timings.record_refresh_us
        for name in self._judge(shape).able:
            refusal = self._refusals.get((name, shape.key))
            ends_us = refusal.ends_us(self._inventory.get(name)) if refusal is not None else 0
            if ends_us > now.mono_us:
                found_us = min(found_us, max(ends_us, now.mono_us + hop_us))
        return found_us

    def never_fits_abroad(self, shape: Shape) -> str | None:
        """Why no other region can ever run it, if every region's record is known; None: one can, or may."""
        return self._judge(shape).never

    def explain(self, now: Now, job: Job) -> list[RegionExplanation]:
        """What stands in the way in every other region, as far as is known here."""
        return [self._explain_peer(now, name, job) for name in self._peers]

    def unblock_hints(self, now: Now, job: Job) -> list[str]:
        """Regions that the job does not allow, and that had room for it when they last told."""
        hints = []
        for name in self._peers:
            record = self._inventory.get(name)
            if record is None or record.draining or allowed(job.shape, name) or not self._connected(name):
                continue
            if could_ever_fit(record, job.shape) is None and slots_free(record, job.shape, 1):
                age_s = (
                    max(0, now.mono_us - (self._inventory.heard_mono_us(name) or now.mono_us)) // 1_000_000
                )
                hints.append(f"region {name}, which had room for it {age_s} s ago")
        return hints

    def candidates(self, now: Now, shape: Shape, path: tuple[str, ...], own_wait_us: int) -> list[Candidate]:
        """All that `choose` would draw from, the best first."""
        worthwhile_us = own_wait_us - self._config.timings.hop_cost_us
        if worthwhile_us <= 0 or not may_go_on(path, own_wait_us):
            return []
        found = (self._candidate(now, name, shape) for name in self._judge(shape).able)
        return sorted(each for each in found if each is not None and each.wait_us < worthwhile_us)

    # --- candidates -----------------------------------------------------------------------------------------------

    def _candidate(self, now: Now, name: str, shape: Shape) -> Candidate | None:
        refusal = self._refusals.get((name, shape.key))
        record = self._inventory.get(name)
        if refusal is not None and refusal.ends_us(record) > now.mono_us:
            return None
        if not self._connected(name):
            return None
        if record is None:
            return Candidate(self.objective.wait * _UNKNOWN_WAIT_US, _UNKNOWN_WAIT_US, 0, 0, 0, 0, 0, name)
        if record.draining:
            return None
        slots = self._slots(record, shape, _SLOTS_COMPARED_MAX)
        # At least a hop, where it would have to wait.
        wait_us = 0 if slots else max(record.predicted_wait_us, self._config.timings.hop_cost_us)
        missing = sum(1 for each in shape.body.datasets if each not in record.datasets)
        return Candidate(
            cost_us=cost_us(self.objective, wait_us, missing, record.price, record.power),
            wait_us=wait_us,
            preference=_preference(shape, name),
            missing_datasets=missing,
            price=record.price,
            power=record.power,
            slots=slots,
            name=name,
        )

    def _slots(self, record: RegionRecord, shape: Shape, limit: int) -> int:
        """How many of these could start there by its record, beside what is under way to it; at most `limit`."""
        room = self.rooms.of(record, shape)
        return min(limit, max(0, room - self._in_flight(record.region))) if room else 0

    def _judge(self, shape: Shape) -> _Abroad:
        if self._judged_at != self._inventory.standings:
            self._judged_at = self._inventory.standings
            self._abroad = {}
        abroad = self._abroad.get(shape.key)
        if abroad is None:
            if len(self._abroad) >= NEVER_FITS_MEMO_MAX:
                self._abroad = {}
            abroad = self._abroad[shape.key] = self._judge_anew(shape)
        return abroad

    def _judge_anew(self, shape: Shape) -> _Abroad:
        able, reasons = [], []
        for name in self._peers:
            if not allowed(shape, name):
                continue
            record = self._inventory.get(name)
            reason = could_ever_fit(record, shape) if record is not None else None
            if reason is None:
                able.append(name)
            else:
                reasons.append(f"{name}: {reason}")
        return _Abroad(tuple(able), None if able else "; ".join(reasons) or "no other region is allowed")

    # --- explanations ---------------------------------------------------------------------------------------------

    def _explain_peer(self, now: Now, name: str, job: Job) -> RegionExplanation:
        record = self._inventory.get(name)
        age_us = now.mono_us - (self._inventory.heard_mono_us(name) or now.mono_us)
        return RegionExplanation(
            region=name, blockers=tuple(self._peer_blockers(now, name, record, job)), age_us=max(0, age_us)
        )

    def _peer_blockers(self, now: Now, name: str, record: RegionRecord | None, job: Job) -> list[Blocker]:
        blockers: list[Blocker] = []
        if not allowed(job.shape, name):
            blockers.append(
                Blocker(code="REGION_NOT_ALLOWED", message=f"the job does not allow region {name}")
            )
        if name == job.shard:
            message = f"{name} gets it back with all of its adoptable jobs, when it leads them again"
            blockers.append(Blocker(code="RETURNING", message=message))
        if len(job.path) >= HOPS_MAX:
            blockers.append(
                Blocker(code="HOPS", message=f"the job has been handed on {len(job.path)} times: it stays")
            )
        if not self._connected(name):
            blockers.append(
                Blocker(code="UNREACHABLE", message=f"{name} can't be reached from {self._config.name}")
            )
        if record is None:
            blockers.append(Blocker(code="UNKNOWN", message=f"{name} has not told its capacity yet"))
        elif record.draining:
            blockers.append(Blocker(code="DRAINING", message=f"{name} is being drained"))
        elif (why := could_ever_fit(record, job.shape)) is not None:
            blockers.append(Blocker(code="CAPACITY", message=f"can never fit in {name}: {why}"))
        elif slots_free(record, job.shape, 1) == 0:
            blockers.append(
                Blocker(code="CAPACITY", message=f"nothing free for it in {name} when it last told")
            )
        refusal = self._refusals.get((name, job.shape.key))
        if refusal is not None:
            age_s = (now.mono_us - refusal.at_us) // 1_000_000
            message = f"{name} refused {age_s} s ago: {refusal.reason.detail or refusal.reason.code}"
            blockers.append(Blocker(code="REFUSED", message=message))
        return blockers


def may_go_on(path: tuple[str, ...], own_wait_us: int) -> bool:
    """Whether a job with this path may be handed on once more. It may come by where it was before: what it met there
    then may be over."""
    return len(path) < (PATH_MAX if own_wait_us >= FOR_EVER_US else HOPS_MAX)


def cost_us(objective: Objective, wait_us: int, missing_datasets: int, price: int, power: int) -> int:
    """What the policy's weights make of a region, in microseconds of wait (Objective says what weighs how much)."""
    dear = objective.price * (price - _NEUTRAL) + objective.power * (power - _NEUTRAL)
    return (
        objective.wait * wait_us
        + (objective.locality * missing_datasets * _TENTH + dear) * _MINUTE_US // _TENTH
    )


def allowed(shape: Shape, region: str) -> bool:
    """Whether the job's own wishes admit this region."""
    body = shape.body
    return region not in body.regions_deny and (not body.regions_allow or region in body.regions_allow)


def _preference(shape: Shape, region: str) -> int:
    """Position in the job's wishes; regions that it does not name come after those that it does."""
    prefer = shape.body.regions_prefer
    return prefer.index(region) if region in prefer else len(prefer)
