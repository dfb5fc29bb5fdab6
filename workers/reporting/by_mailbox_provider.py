"""Counts by mailbox provider: an issue's readers, their outcomes and reports. Reads only.

Unlike the counters on batches, this reads every delivery. So pages request it separately and rarely, and not for issues
with more than MAX_SUBSCRIBERS readers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db.models import Count, F, Min, OuterRef, Q, Subquery, Value
from django.db.models.functions import StrIndex, Substr

from newsletter.models import Issue
from subscribers import audience
from subscribers.models import Subscription
from workers.ledger.ids import unpack
from workers.models import Batch, BatchStatus, Delivery
from workers.throttling import mailbox_providers

MAX_SUBSCRIBERS = 100_000
WAITING = "waiting"
RECENT = timedelta(seconds=60)
MAX_SEPARATE, MIN_SHARE = 5, 0.02
"""So many of the smaller providers are listed separately, if they have at least this share of the readers."""
DOMAIN = Substr(F("subscriber__email"), StrIndex(F("subscriber__email"), Value("@")) + 1)


@dataclass
class MailboxProviderCounts:
    """Counts of one mailbox provider, or of all others together."""

    name: str
    """A large provider of `mailbox_providers`, a domain, or `mailbox_providers.OTHER`."""
    counts: Counter[str] = field(default_factory=Counter)
    """Readers by `Outcome` or WAITING. The sum is the number of readers."""
    reports: Counter[str] = field(default_factory=Counter)
    """Readers by `DeliveryStatus`, which events report later."""
    recent: int = 0
    """Readers with an outcome in the last minute."""
    lanes: set[str] = field(default_factory=set)
    """Keys of the providers in these counts."""
    held: dict[str, datetime] = field(default_factory=dict)
    """Providers with a domain limit: the earliest time at which their readers are sent to."""

    @property
    def readers(self) -> int:
        return self.counts.total()


def is_countable(issue: Issue) -> bool:
    return issue.started_at is not None and issue.audience_count <= MAX_SUBSCRIBERS


def count_by_provider(issue: Issue, *, now: datetime) -> list[MailboxProviderCounts]:
    """Return the large providers, then domains with a sufficient share, then the others; [] before the plan."""
    by_key: dict[str, MailboxProviderCounts] = {}
    for domain, outcome, status, readers, recent in _recorded(issue, now=now):
        service = _counts_for(by_key, domain)
        service.counts[outcome] += readers
        service.reports[status] += readers
        service.recent += recent
    for domain, readers in _waiting(issue):
        _counts_for(by_key, domain).counts[WAITING] += readers
    for lane, until in _held(issue, now=now).items():
        if lane in by_key:
            by_key[lane].held[lane] = until
    return _in_order(by_key)


def _counts_for(by_key: dict[str, MailboxProviderCounts], domain: str) -> MailboxProviderCounts:
    """Return the entry of the domain's provider. Erased readers have no domain and count as OTHER."""
    lane = mailbox_providers.provider_key(f"@{domain}") or mailbox_providers.OTHER
    return by_key.setdefault(lane, MailboxProviderCounts(lane, lanes={lane} if domain else set()))


def _in_order(by_key: dict[str, MailboxProviderCounts]) -> list[MailboxProviderCounts]:
    large = [by_key[lane] for lane in mailbox_providers.NAMES if lane in by_key]
    least = MIN_SHARE * sum(service.readers for service in by_key.values())
    rest = sorted(
        (counts for counts in by_key.values() if counts not in large), key=lambda counts: (-counts.readers, counts.name)
    )
    separate = [counts for counts in rest[:MAX_SEPARATE] if counts.readers >= least and counts.lanes]
    others = [counts for counts in rest if counts not in separate]
    return [*large, *separate, *(others if len(others) == 1 else [merge_counts(others)] if others else [])]


def merge_counts(services: Iterable[MailboxProviderCounts]) -> MailboxProviderCounts:
    """Return the sum of all."""
    total = MailboxProviderCounts(mailbox_providers.OTHER)
    for service in services:
        total.counts.update(service.counts)
        total.reports.update(service.reports)
        total.recent += service.recent
        total.lanes |= service.lanes
        total.held |= service.held
    return total


def _recorded(issue: Issue, *, now: datetime) -> Iterator[tuple[str, str, str, int, int]]:
    """Yield (domain, outcome, status, number of readers, number in the last minute)."""
    domain = Subscription.objects.filter(pk=OuterRef("subscription")).values(domain=DOMAIN)
    rows = Delivery.objects.filter(issue=issue).annotate(domain=Subquery(domain)).order_by()
    lately = Count("pk", filter=Q(sent_at__gt=now - RECENT))
    for domain_name, *rest in rows.values_list("domain", "outcome", "status").annotate(
        readers=Count("pk"), recent=lately
    ):
        yield domain_name or "", *rest


def _waiting(issue: Issue) -> Iterator[tuple[str, int]]:
    """Yield (domain, number of planned readers without a delivery)."""
    rows = Batch.objects.filter(issue=issue, is_retry=False).exclude(status=BatchStatus.DONE)
    waiting = {reader for raw in rows.values_list("reader_ids", flat=True) for reader in unpack(raw)}
    recorded = Delivery.objects.filter(issue=issue, subscription__in=audience.ids_subquery(waiting))
    waiting -= set(recorded.values_list("subscription", flat=True))
    domains = Subscription.objects.filter(pk__in=audience.ids_subquery(waiting)).annotate(domain=DOMAIN).order_by()
    readers_by_domain = dict(domains.values_list("domain").annotate(readers=Count("pk")))
    yield from readers_by_domain.items()
    if unknown := len(waiting) - sum(readers_by_domain.values()):
        yield "", unknown


def _held(issue: Issue, *, now: datetime) -> dict[str, datetime]:
    """Return the earliest due time of the waiting batches, by domain limit."""
    waits = Batch.objects.filter(issue=issue, status=BatchStatus.WAITING, due_at__gt=now).exclude(lane="")
    return dict(waits.order_by().values_list("lane").annotate(until=Min("due_at")))
