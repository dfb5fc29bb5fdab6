"""By mail service: where an issue's readers have their mailboxes, and what became of their mails there. Reads only.

Unlike the sums that batches hold, this looks at each reader. So it is asked for apart, seldom, and of no issue with more
than `MOST_READERS`.
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
"""Of the smaller services so many stand by themselves, if they have this share of the readers."""
DOMAIN = Substr(F("subscriber__email"), StrIndex(F("subscriber__email"), Value("@")) + 1)


@dataclass
class MailboxProviderCounts:
    """A mail service with many of the readers, or all the others together."""

    name: str
    """A large service of `mailboxes`, a domain, or `mailboxes.OTHER`."""
    counts: Counter[str] = field(default_factory=Counter)
    """Readers by `Outcome` or `WAITING`: their sum is all of them."""
    reports: Counter[str] = field(default_factory=Counter)
    """Readers by `DeliveryStatus`: what their mail service told later."""
    recent: int = 0
    """Readers dealt with in the last minute."""
    lanes: set[str] = field(default_factory=set)
    held: dict[str, datetime] = field(default_factory=dict)
    """Lanes that have asked us to slow down: until when their readers wait at least."""

    @property
    def readers(self) -> int:
        return self.counts.total()


def is_countable(issue: Issue) -> bool:
    return issue.started_at is not None and issue.audience_count <= MAX_SUBSCRIBERS


def count_by_provider(issue: Issue, *, now: datetime) -> list[MailboxProviderCounts]:
    """The large services, then domains with a good share of the readers, then the others; empty while none is planned."""
    found: dict[str, MailboxProviderCounts] = {}
    for domain, outcome, status, readers, recent in _recorded(issue, now=now):
        service = _counts_for(found, domain)
        service.counts[outcome] += readers
        service.reports[status] += readers
        service.recent += recent
    for domain, readers in _waiting(issue):
        _counts_for(found, domain).counts[WAITING] += readers
    for lane, until in _held(issue, now=now).items():
        if lane in found:
            found[lane].held[lane] = until
    return _in_order(found)


def _counts_for(found: dict[str, MailboxProviderCounts], domain: str) -> MailboxProviderCounts:
    """By lane; readers who had everything about them erased are among the others."""
    lane = mailbox_providers.provider_key(f"@{domain}") or mailbox_providers.OTHER
    return found.setdefault(lane, MailboxProviderCounts(lane, lanes={lane} if domain else set()))


def _in_order(found: dict[str, MailboxProviderCounts]) -> list[MailboxProviderCounts]:
    large = [found[lane] for lane in mailbox_providers.NAMES if lane in found]
    least = MIN_SHARE * sum(service.readers for service in found.values())
    rest = sorted((one for one in found.values() if one not in large), key=lambda one: (-one.readers, one.name))
    apart = [one for one in rest[:MAX_SEPARATE] if one.readers >= least and one.lanes]
    others = [one for one in rest if one not in apart]
    return [*large, *apart, *(others if len(others) == 1 else [merge_counts(others)] if others else [])]


def merge_counts(services: Iterable[MailboxProviderCounts]) -> MailboxProviderCounts:
    """All of them as one."""
    whole = MailboxProviderCounts(mailbox_providers.OTHER)
    for service in services:
        whole.counts.update(service.counts)
        whole.reports.update(service.reports)
        whole.recent += service.recent
        whole.lanes |= service.lanes
        whole.held |= service.held
    return whole


def _recorded(issue: Issue, *, now: datetime) -> Iterator[tuple[str, str, str, int, int]]:
    """Domain, outcome, what was reported later; of how many, and of how many lately."""
    domain = Subscription.objects.filter(pk=OuterRef("subscription")).values(domain=DOMAIN)
    rows = Delivery.objects.filter(issue=issue).annotate(domain=Subquery(domain)).order_by()
    lately = Count("pk", filter=Q(sent_at__gt=now - RECENT))
    for found, *told in rows.values_list("domain", "outcome", "status").annotate(readers=Count("pk"), recent=lately):
        yield found or "", *told


def _waiting(issue: Issue) -> Iterator[tuple[str, int]]:
    """Domain, and of how many nothing is written down yet."""
    rows = Batch.objects.filter(issue=issue, is_retry=False).exclude(status=BatchStatus.DONE)
    waiting = {reader for raw in rows.values_list("reader_ids", flat=True) for reader in unpack(raw)}
    recorded = Delivery.objects.filter(issue=issue, subscription__in=audience.ids_subquery(waiting))
    waiting -= set(recorded.values_list("subscription", flat=True))
    domains = Subscription.objects.filter(pk__in=audience.ids_subquery(waiting)).annotate(domain=DOMAIN).order_by()
    found = dict(domains.values_list("domain").annotate(readers=Count("pk")))
    yield from found.items()
    if unknown := len(waiting) - sum(found.values()):
        yield "", unknown


def _held(issue: Issue, *, now: datetime) -> dict[str, datetime]:
    waits = Batch.objects.filter(issue=issue, status=BatchStatus.WAITING, due_at__gt=now).exclude(lane="")
    return dict(waits.order_by().values_list("lane").annotate(until=Min("due_at")))
