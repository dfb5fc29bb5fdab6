"""What the ledger's functions give and take: a claim, an entry, an event's word, the equation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

LEASE_S = 60


class LeaseLost(Exception):
    """The batch is not ours any more; the spool decides what became of its readers."""


class ChangedSinceApproval(Exception):
    """What was approved is not what would be sent."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Readers of one batch that this worker alone may send to, in ascending order, until `deadline` (in ticks)."""

    issue: int
    batch: int
    edition: int
    attempt: int
    worker: str
    route: str
    ids: tuple[int, ...]
    deadline: float
    lease_s: float = LEASE_S
    interval_s: float = 0.0
    is_probe: bool = False
    limited: Mapping[int, str] = field(default_factory=dict)
    """Readers whose mail service goes slower, with their lane."""


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """What became of one reader's copy."""

    subscription: int
    outcome: str
    code: str = ""
    detail: str = ""
    provider_id: str = ""
    message_id: str = ""


@dataclass(frozen=True, slots=True)
class StatusSummary:
    """What all events say about a delivery."""

    status: str
    delivered_at: datetime | None = None
    has_bounced: bool = False
    code: str = ""
    """The bounce's, as is `detail`."""
    detail: str = ""
    was_sent: bool = True
    """Not if all that is told is that the provider itself did not send it."""


@dataclass(frozen=True, slots=True)
class DeliveryCounts:
    """audience = accepted + refused + deferred + skipped + uncertain + waiting."""

    audience: int = 0
    accepted: int = 0
    refused: int = 0
    deferred: int = 0
    skipped: int = 0
    uncertain: int = 0
    waiting: int = 0

    @property
    def settled(self) -> int:
        """Readers whose outcome is known for good."""
        return self.accepted + self.refused + self.skipped

    @property
    def is_consistent(self) -> bool:
        return self.audience == self.settled + self.deferred + self.uncertain + self.waiting and self.waiting >= 0
