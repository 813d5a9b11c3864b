"""The policy in force, as the shell needs it: its document, and its rules ready to be evaluated.

The core decides which version is in force (events.py: PolicyChanged); the desk follows what it has written. Rules are
evaluated here, at the door, and their result is in the event: the core and every replay of it need no CEL (ADR 26).
"""

from __future__ import annotations

import structlog

from hanse.core.events import PolicyText
from hanse.core.model.errors import EnvironmentFault
from hanse.core.model.regions import RegionConfig
from hanse.core.policy.model import Policy
from hanse.core.rows import PolicyRow
from hanse.policies.document import Document, read_document
from hanse.policies.mapping import World
from hanse.policies.problems import DocumentRefused
from hanse.policies.rules import Here, Rulebook

log = structlog.get_logger()

FOUNDING_VERSION = 1
# Documents that are kept for calls on their way; one that is not kept is read again.
_EXPECTED_MAX = 4


class PolicyUnreadable(EnvironmentFault):
    """The ledger holds a policy that this version of Hanse cannot read; a person must look."""


class PolicyDesk:
    """`founding`: what the configuration gives, for a ledger that holds no policy yet."""

    def __init__(self, config: RegionConfig, founding: Document) -> None:
        self.adopt(config)
        self._founding = founding
        self.row = PolicyRow(
            FOUNDING_VERSION, founding.digest, founding.text, "", "what the region was started with", 0
        )
        self.rulebook = Rulebook(FOUNDING_VERSION, founding.rules, self.here)
        # Documents that were read for ApplyPolicy calls that are on their way, by digest: most are needed once more.
        self._read: dict[str, Document] = {}

    def adopt(self, config: RegionConfig) -> None:
        """What the region is from now on, and who belongs to the league: documents may name these regions."""
        self.here = Here(name=config.name, datasets=config.datasets, price=config.price, power=config.power)
        self.world = World(
            regions=tuple(sorted(member.name for member in config.members)),
            resource_kinds=frozenset(config.resource_kinds),
        )

    @property
    def founding_text(self) -> PolicyText:
        """To be kept with the first change."""
        return PolicyText(document=self._founding.text, digest=self._founding.digest, why=self.row.why)

    def begin(self, row: PolicyRow | None) -> Policy:
        """A life begins over a ledger whose newest policy this is. Raises PolicyUnreadable."""
        if row is None:
            return self._in_force(
                PolicyRow(FOUNDING_VERSION, self._founding.digest, self._founding.text, "", self.row.why, 0),
                self._founding,
            )
        if row.digest != self._founding.digest:
            log.info("policy.from_ledger", version=row.version, digest=row.digest[:12])
        try:
            document = read_document(row.document)
        except DocumentRefused as refused:
            raise PolicyUnreadable(f"version {row.version} of the policy: {refused}") from refused
        return self._in_force(row, document)

    def expect(self, document: Document) -> None:
        """This document may be adopted soon."""
        while len(self._read) >= _EXPECTED_MAX:
            del self._read[next(iter(self._read))]
        self._read[document.digest] = document

    def adopted(self, row: PolicyRow) -> None:
        """The core has put this version in force, and it is on disk."""
        if row.version <= self.row.version:
            return
        document = self._read.pop(row.digest, None) or read_document(row.document)
        self._in_force(row, document)
        log.warning(
            "policy.applied", version=row.version, digest=row.digest[:12], author=row.author, why=row.why
        )

    def _in_force(self, row: PolicyRow, document: Document) -> Policy:
        self.row = row
        self.rulebook = Rulebook(row.version, document.rules, self.here)
        return document.under(row.version)
