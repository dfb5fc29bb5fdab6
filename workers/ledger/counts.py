"""Where the readers of an issue are."""

from __future__ import annotations

from typing import Any

from django.db.models import F, Q, QuerySet, Sum

from newsletter.models import Issue, Tracking
from subscribers import audience
from subscribers.models import Subscription
from workers.ledger.entries import DeliveryCounts
from workers.models import AgentClass, Batch, Delivery, Event, Outcome


def count_deliveries(issue: Issue) -> DeliveryCounts:
    """Where all planned readers are, from the batches' counts alone."""
    names = ("accepted", "refused", "deferred", "skipped", "uncertain")
    planned = Batch.objects.filter(issue=issue.pk, is_retry=False)
    sums = planned.aggregate(audience=Sum("size", default=0), **{name: Sum(name, default=0) for name in names})
    return DeliveryCounts(**sums, waiting=sums["audience"] - sum(sums[name] for name in names))


def uncertain_deliveries(issue: Issue, *, most: int | None = None) -> list[Delivery]:
    """The readers of whom nobody knows whether they got it, by id; those who are being repeated come last."""
    rows = Delivery.objects.filter(issue=issue.pk, outcome=Outcome.UNCERTAIN)
    return list(rows.order_by(F("due_at").asc(nulls_first=True), "subscription")[:most])


RECEIVED_OUTCOMES = (Outcome.ACCEPTED, Outcome.UNCERTAIN)
"""Who has an issue, as far as we know: an uncertain reader may have it."""
LIKELY_HUMAN = (AgentClass.HUMAN, AgentClass.UNKNOWN)


def _got(readers: QuerySet[Subscription], issue_id: int) -> QuerySet[Subscription]:
    """Those who got an issue: a correction goes to exactly them."""
    rows = Delivery.objects.filter(issue=issue_id, outcome__in=RECEIVED_OUTCOMES)
    return readers.filter(pk__in=rows.values("subscription"))


def _missed(readers: QuerySet[Subscription], issue_id: int) -> QuerySet[Subscription]:
    rows = Delivery.objects.filter(issue=issue_id, outcome__in=RECEIVED_OUTCOMES)
    return readers.exclude(pk__in=rows.values("subscription"))


def _got_edition(readers: QuerySet[Subscription], asked: dict[str, Any]) -> QuerySet[Subscription]:
    """Those who got an issue in one of `languages`, whichever they read by now."""
    rows = Delivery.objects.filter(
        issue=asked["issue"], outcome__in=RECEIVED_OUTCOMES, batch__edition__language__in=asked["languages"]
    )
    return readers.filter(pk__in=rows.values("subscription"))


def _clicked(readers: QuerySet[Subscription], asked: dict[str, Any]) -> QuerySet[Subscription]:
    """Those who followed one of `links` of an issue; only readers who agreed to be measured, and still do."""
    clicks = Event.objects.filter(
        issue=asked["issue"], kind="clicked", link__in=asked["links"], agent_class__in=LIKELY_HUMAN, subscription__gt=0
    )
    measured = Q(may_track=True) | Q(newsletter__tracking_needs_consent=False)
    return readers.filter(measured, newsletter__tracking=Tracking.INDIVIDUAL, pk__in=clicks.values("subscription"))


audience.register_filter("got_issue", _got)
audience.register_filter("missed_issue", _missed)
audience.register_filter("got_edition", _got_edition)
audience.register_filter("clicked_link", _clicked)
