"""Where the readers of an issue are."""

from __future__ import annotations

from django.db.models import QuerySet, Sum

from newsletter.models import Issue
from subscribers import audience
from subscribers.models import Subscription
from workers.ledger.entries import Equation
from workers.models import Batch, Delivery, Outcome


def equation(issue: Issue) -> Equation:
    """Where all planned readers are, from the batches' counts alone."""
    names = ("accepted", "refused", "deferred", "skipped", "uncertain")
    planned = Batch.objects.filter(issue=issue.pk, is_retry=False)
    sums = planned.aggregate(audience=Sum("size", default=0), **{name: Sum(name, default=0) for name in names})
    return Equation(**sums, waiting=sums["audience"] - sum(sums[name] for name in names))


def uncertain(issue: Issue) -> list[Delivery]:
    """The readers of whom nobody knows whether they got it, by id."""
    rows = Delivery.objects.filter(issue=issue.pk, outcome=Outcome.UNCERTAIN)
    return list(rows.order_by("subscription"))


def _got(readers: QuerySet[Subscription], issue_id: int) -> QuerySet[Subscription]:
    """Those who got an issue: a correction goes to exactly them."""
    rows = Delivery.objects.filter(issue=issue_id, outcome__in=[Outcome.ACCEPTED, Outcome.UNCERTAIN])
    return readers.filter(pk__in=rows.values("subscription"))


def _missed(readers: QuerySet[Subscription], issue_id: int) -> QuerySet[Subscription]:
    rows = Delivery.objects.filter(issue=issue_id, outcome__in=[Outcome.ACCEPTED, Outcome.UNCERTAIN])
    return readers.exclude(pk__in=rows.values("subscription"))


audience.register("got_issue", _got)
audience.register("missed_issue", _missed)
