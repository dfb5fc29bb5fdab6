"""Counts of an issue's deliveries, and the audience filters that read deliveries and clicks."""

from __future__ import annotations

from typing import Any

from django.db.models import F, Q, QuerySet, Sum

from newsletter.models import Issue, Tracking
from subscribers import audience
from subscribers.models import Subscription
from workers.ledger.entries import DeliveryCounts
from workers.models import AgentClass, Batch, Delivery, Event, Outcome


def count_deliveries(issue: Issue) -> DeliveryCounts:
    """Return the counts of all planned readers. Reads the batches' counters only, no delivery."""
    names = ("accepted", "refused", "deferred", "skipped", "uncertain")
    planned = Batch.objects.filter(issue=issue.pk, is_retry=False)
    sums = planned.aggregate(audience=Sum("size", default=0), **{name: Sum(name, default=0) for name in names})
    return DeliveryCounts(**sums, waiting=sums["audience"] - sum(sums[name] for name in names))


def uncertain_deliveries(issue: Issue, *, most: int | None = None) -> list[Delivery]:
    """Return uncertain deliveries by subscription id; those with a resend under way come last."""
    rows = Delivery.objects.filter(issue=issue.pk, outcome=Outcome.UNCERTAIN)
    return list(rows.order_by(F("due_at").asc(nulls_first=True), "subscription")[:most])


RECEIVED_OUTCOMES = (Outcome.ACCEPTED, Outcome.UNCERTAIN)
"""Outcomes of readers who have the issue or may have it: an uncertain message may have arrived."""
LIKELY_HUMAN = (AgentClass.HUMAN, AgentClass.UNKNOWN)


def _received(readers: QuerySet[Subscription], issue_id: int) -> QuerySet[Subscription]:
    """Readers who received the issue or may have: the audience of a correction."""
    rows = Delivery.objects.filter(issue=issue_id, outcome__in=RECEIVED_OUTCOMES)
    return readers.filter(pk__in=rows.values("subscription"))


def _missed(readers: QuerySet[Subscription], issue_id: int) -> QuerySet[Subscription]:
    rows = Delivery.objects.filter(issue=issue_id, outcome__in=RECEIVED_OUTCOMES)
    return readers.exclude(pk__in=rows.values("subscription"))


def _got_edition(readers: QuerySet[Subscription], condition: dict[str, Any]) -> QuerySet[Subscription]:
    """Readers who received the issue in one of `languages`. Their present language does not matter."""
    rows = Delivery.objects.filter(
        issue=condition["issue"], outcome__in=RECEIVED_OUTCOMES, batch__edition__language__in=condition["languages"]
    )
    return readers.filter(pk__in=rows.values("subscription"))


def _clicked(readers: QuerySet[Subscription], condition: dict[str, Any]) -> QuerySet[Subscription]:
    """Readers who clicked one of `links` of an issue and whose consent to measurement is still valid."""
    clicks = Event.objects.filter(
        issue=condition["issue"],
        kind="clicked",
        link__in=condition["links"],
        agent_class__in=LIKELY_HUMAN,
        subscription__gt=0,
    )
    measured = Q(may_track=True) | Q(newsletter__tracking_needs_consent=False)
    return readers.filter(measured, newsletter__tracking=Tracking.INDIVIDUAL, pk__in=clicks.values("subscription"))


audience.register_filter("got_issue", _received)
audience.register_filter("missed_issue", _missed)
audience.register_filter("got_edition", _got_edition)
audience.register_filter("clicked_link", _clicked)
