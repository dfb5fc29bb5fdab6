"""Values that the ledger's functions take and return: claims, entries, summaries of events, counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

LEASE_S = 60
"""Seconds a claim is valid without `extend_lease`."""


class LeaseLost(Exception):
    """Another process may own the batch now. Send nothing more; the spool decides the outcome of its readers."""


class ChangedSinceApproval(Exception):
    """The content of the issue differs from the content that was approved."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Readers of one batch, ascending, that only this worker may send to until `deadline`.

    `deadline` is in seconds of `routes.base.boottime`, not of the wall clock: setting the clock cannot prolong a claim,
    and time during which the host was suspended counts.
    """

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
    """The claimed readers whose mailbox provider has a domain limit: reader id to the name of the limit."""


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """The outcome of one reader's message."""

    subscription: int
    outcome: str
    code: str = ""
    detail: str = ""
    provider_id: str = ""
    message_id: str = ""


@dataclass(frozen=True, slots=True)
class StatusSummary:
    """All events of one delivery, summarized."""

    status: str
    delivered_at: datetime | None = None
    has_bounced: bool = False
    code: str = ""
    """Code of the bounce; `detail` is the bounce's as well."""
    detail: str = ""
    was_sent: bool = True
    """False if every event says that the provider itself rejected the message before sending it."""


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
        """Number of readers whose outcome is final."""
        return self.accepted + self.refused + self.skipped

    @property
    def is_consistent(self) -> bool:
        return self.audience == self.settled + self.deferred + self.uncertain + self.waiting and self.waiting >= 0
