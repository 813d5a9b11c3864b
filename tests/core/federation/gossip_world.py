"""A small deterministic world of memberships: virtual time, one heap of what is to happen, a seeded network.

Only membership and publishing run here (no sessions, no jobs); the simulator proper runs whole regions.
"""

from __future__ import annotations

import heapq
import random
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from hanse.core.effects import Send
from hanse.core.federation.membership import Membership
from hanse.core.federation.publisher import Publisher
from hanse.core.messages import Message
from hanse.core.model.regions import CapacityClass, Liveness, Member, RegionConfig, RegionRecord, Timings
from hanse.core.model.resources import resources
from hanse.core.model.time import MILLISECOND_US, SECOND_US, Now

START_US = 1_000 * SECOND_US
NODE = resources({"cpu": 64_000, "gpu": 8_000, "memory": 512 << 30})


def region_name(index: int) -> str:
    return f"r{index:04}"


def config_of(name: str, names: list[str], timings: Timings) -> RegionConfig:
    members = tuple(Member(name=n) for n in names)
    return RegionConfig(name=name, cluster_id="test", members=members, nodes=(), timings=timings)


def record_of(name: str, *, incarnation: int = 1, version: int = 0, **changes: Any) -> RegionRecord:
    capacity = CapacityClass(
        node_class="a100", nodes=4, node_capacity=NODE, labels=(), free=NODE, free_max=NODE
    )
    fields: dict[str, Any] = {"classes": (capacity,), "observed_wall_us": 0} | changes
    return RegionRecord(region=name, incarnation=incarnation, version=version, **fields)


def receive(membership: Membership, now: Now, sender: str, message: Message) -> list[Send]:
    """What a region does with a message of an envelope."""
    membership.heard(now, sender)
    return membership.on_message(now, sender, message)


class Node:
    """One region. While `frozen` it neither serves timers nor reads messages: both wait for it.

    `reading_us` is how long a message waits in its inbox (a region whose loop is starved of messages, not of timers).
    """

    def __init__(self, name: str, names: list[str], timings: Timings, seed: int, now: Now) -> None:
        self.name = name
        self.body = record_of(name)
        self.membership = Membership(config_of(name, names, timings), now, random.Random(f"{seed}:{name}"))
        self.publisher = Publisher(timings, len(names))
        self.running = True
        self.frozen = False
        self.reading_us = 0
        self.armed_us = -1
        self.backlog: list[tuple[str, Message]] = []
        self.accusations: list[tuple[int, str, Liveness]] = []

    def liveness_of(self, peer: str) -> Liveness:
        return self.membership.liveness(peer)


class World:
    """`size` regions that start together. `loss` is a probability per message; delays are uniform in `delay_us`."""

    def __init__(
        self,
        seed: int,
        size: int,
        *,
        loss: float = 0.0,
        delay_us: tuple[int, int] = (1 * MILLISECOND_US, 50 * MILLISECOND_US),
        timings: Timings | None = None,
    ) -> None:
        self.now_us = START_US
        self.loss = loss
        self.delay_us = delay_us
        self.random = random.Random(seed)
        self.names = [region_name(index) for index in range(size)]
        self.nodes = {
            name: Node(name, self.names, timings or Timings(), seed, self._now()) for name in self.names
        }
        self.separated: Callable[[str, str], bool] = lambda sender, receiver: False
        self.messages: dict[str, int] = defaultdict(int)
        self.bytes_of_deltas = 0
        self.core_seconds = 0.0
        self.steps = 0
        # When a version was published; how many have it; how long it took until all had it.
        self.published: dict[tuple[str, int], int] = {}
        self.holders: dict[tuple[str, int], int] = defaultdict(int)
        self.spread_us: dict[tuple[str, int], int] = {}
        self._heap: list[tuple[int, int, str, str, Message | None]] = []
        self._sequence = 0
        for node in self.nodes.values():
            self._watch_merges(node)
            self._settle(node, [])

    def run(self, duration_us: int) -> None:
        """Let this much virtual time pass."""
        until_us = self.now_us + duration_us
        while self._heap and self._heap[0][0] <= until_us:
            self.now_us, _, receiver, sender, message = heapq.heappop(self._heap)
            node = self.nodes[receiver]
            if not node.running:
                continue
            if node.frozen:
                if message is not None:
                    node.backlog.append((sender, message))
            elif message is not None:
                self._deliver(node, sender, message)
            elif self.now_us == node.armed_us:
                self._settle(node, [])
        self.now_us = until_us

    def run_until(self, condition: Callable[[], bool], limit_us: int, step_us: int = 100_000) -> int:
        """Virtual time until the condition holds, looked at every `step_us`; fails at the limit."""
        begin_us = self.now_us
        while not condition():
            assert self.now_us - begin_us < limit_us, f"not within {limit_us / SECOND_US} s"
            self.run(step_us)
        return self.now_us - begin_us

    def kill(self, name: str) -> None:
        self.nodes[name].running = False

    def freeze(self, name: str) -> None:
        self.nodes[name].frozen = True

    def thaw(self, name: str) -> None:
        """It wakes up as a daemon does: the overdue timer and all that has arrived meanwhile are there at once."""
        node = self.nodes[name]
        node.frozen = False
        for sender, message in node.backlog:
            self._deliver(node, sender, message)
        node.backlog.clear()
        self._settle(node, [])

    def separate(self, group: list[str]) -> None:
        """Nothing passes between this group and the others."""
        members = dict.fromkeys(group)
        self.separated = lambda sender, receiver: (sender in members) != (receiver in members)

    def heal(self) -> None:
        self.separated = lambda sender, receiver: False

    def everybody_reaches_everybody(self) -> bool:
        expected = len(self.names) - 1
        return all(len(node.membership.reachable_peers()) == expected for node in self.nodes.values())

    def views_of(self, name: str) -> list[Liveness]:
        """How this region looks from every other one that runs."""
        return [n.liveness_of(name) for n in self.nodes.values() if n.name != name and n.running]

    def accusations(self, liveness: Liveness) -> list[tuple[str, str]]:
        """(accuser, accused) for each time that a region came to look like this."""
        return [
            (node.name, peer)
            for node in self.nodes.values()
            for _, peer, after in node.accusations
            if after is liveness
        ]

    def spread_rounds(self, since_us: int) -> list[float]:
        """For each version published since, in order: gossip rounds until everybody had it."""
        interval_us = Timings().gossip_interval_us
        return sorted(
            took / interval_us for key, took in self.spread_us.items() if self.published[key] >= since_us
        )

    def _now(self) -> Now:
        return Now(mono_us=self.now_us, wall_us=self.now_us)

    def _deliver(self, node: Node, sender: str, message: Message) -> None:
        begin = time.perf_counter()
        sends = receive(node.membership, self._now(), sender, message)
        self.core_seconds += time.perf_counter() - begin
        self.steps += 1
        self._settle(node, sends)

    def _settle(self, node: Node, sends: list[Send]) -> None:
        """What a step does after its events: what is due, then arm the timer."""
        now = self._now()
        begin = time.perf_counter()
        if now.mono_us >= node.membership.alarm.next_us:
            sends = sends + node.membership.on_deadline(now)
        self.core_seconds += time.perf_counter() - begin
        if now.mono_us >= node.publisher.alarm.next_us:
            self.publish(node)
        for change in node.membership.take_changes():
            if change.after is not change.before:
                node.accusations.append((change.mono_us, change.peer, change.after))
        for send in sends:
            self._transmit(node.name, send)
        deadline_us = min(node.membership.alarm.next_us, node.publisher.alarm.next_us)
        if deadline_us != node.armed_us:
            node.armed_us = deadline_us
            self._push(max(deadline_us, self.now_us), node.name, "", None)

    def publish(self, node: Node) -> None:
        record = node.publisher.maybe_publish(self._now(), node.body)
        if record is not None:
            node.membership.inventory.publish(record, self._now())
            self.published[node.name, record.version] = self.now_us

    def _transmit(self, sender: str, send: Send) -> None:
        self.messages[type(send.message).__name__] += 1
        if self.separated(sender, send.to) or self.random.random() < self.loss:
            return
        delay_us = self.random.randrange(*self.delay_us) + self.nodes[send.to].reading_us
        self._push(self.now_us + delay_us, send.to, sender, send.message)

    def _push(self, at_us: int, receiver: str, sender: str, message: Message | None) -> None:
        self._sequence += 1
        heapq.heappush(self._heap, (at_us, self._sequence, receiver, sender, message))

    def _watch_merges(self, node: Node) -> None:
        """Note when the last region learns of each version (or of a newer one)."""
        inventory = node.membership.inventory
        merge = inventory.merge

        def watched(records: tuple[RegionRecord, ...], now: Now) -> list[str]:
            before = {record.region: inventory.get(record.region) for record in records}
            advanced = merge(records, now)
            for region in advanced:
                held, record = before[region], inventory.get(region)
                assert record is not None
                for version in range((held.version if held else 0) + 1, record.version + 1):
                    self._count_holder((region, version))
            return advanced

        inventory.merge = watched  # type: ignore[assignment]

    def _count_holder(self, key: tuple[str, int]) -> None:
        self.holders[key] += 1
        if self.holders[key] == len(self.nodes) - 1:
            self.spread_us[key] = self.now_us - self.published[key]
