"""Consequences of an event for its reader: suppression and the end of a subscription."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction

from subscribers import consent, suppression
from subscribers.models import Subscription, SuppressionReason
from workers.models import Delivery, Event
from workers.provider_events.parsing import BOUNCED, COMPLAINED, DELIVERED, SOFT_BOUNCED, UNSUBSCRIBED, EventReport

SOFT_BOUNCES = 5
SOFT_PERIOD = timedelta(days=14)
SERIOUS_KINDS = (BOUNCED, COMPLAINED, UNSUBSCRIBED)
DUE_PREFIX = "due_"
"""Prefix of the kind of an event that an administrator has released, until it is applied."""
CHUNK_SIZE = 100


def apply(reports: Sequence[EventReport], *, now: datetime) -> None:
    """Apply events, inside the transaction that stored them."""
    serious = [report for report in reports if report.kind in (*SERIOUS_KINDS, SOFT_BOUNCED)]
    if not serious:
        return
    consent.lock_chain()  # before any reader's row: who unsubscribes locks in this order too
    readers = Subscription.objects.select_related("subscriber").in_bulk({report.subscription for report in serious})
    for report in serious:
        if subscription := readers.get(report.subscription):
            _apply_one(report.kind, subscription, report.issue, detail=report.code, now=now)


def _apply_one(kind: str, subscription: Subscription, issue: int, *, detail: str, now: datetime) -> None:
    email_key = subscription.subscriber.email_key
    if kind == BOUNCED or (kind == SOFT_BOUNCED and _is_bouncing_repeatedly(subscription.pk, issue)):
        suppression.suppress(email_key, reason=SuppressionReason.BOUNCED, detail=detail, now=now)
    if kind == COMPLAINED:
        suppression.suppress(email_key, reason=SuppressionReason.COMPLAINED, detail=detail, now=now)
    if kind in (COMPLAINED, UNSUBSCRIBED):
        consent.withdraw(subscription, now=now, issue_id=issue, actor="provider")


def _is_bouncing_repeatedly(subscription: int, issue: int) -> bool:
    """Five soft bounces over two weeks or more with nothing delivered between (S-32)."""
    issues = {issue, *Delivery.objects.filter(subscription=subscription).values_list("issue_id", flat=True)}
    events = Event.objects.filter(issue__in=issues, subscription=subscription, kind__in=(SOFT_BOUNCED, DELIVERED))
    moments: list[datetime] = []
    for kind, moment in events.order_by("-occurred_at").values_list("kind", "occurred_at"):
        if kind == DELIVERED:
            break
        moments.append(moment)
    return len(moments) >= SOFT_BOUNCES and moments[0] - moments[-1] >= SOFT_PERIOD


def apply_released(*, now: datetime, most_s: float = 5.0) -> int:
    """Let events take effect that a person has released, a piece at a time; returns how many did.

    What does not fit into `most_s` seconds is done by the next call, in any process.
    """
    until, done = time.monotonic() + most_s, 0
    while piece := _apply_chunk(now=now):
        done += piece
        if time.monotonic() >= until:
            break
    return done


def _apply_chunk(*, now: datetime) -> int:
    with transaction.atomic():
        due = Event.objects.filter(kind__in=[DUE_PREFIX + kind for kind in SERIOUS_KINDS]).order_by("pk")
        events = list(due.select_for_update(skip_locked=True)[:CHUNK_SIZE])
        reports = []
        for event in events:
            kind = event.kind.removeprefix(DUE_PREFIX)
            Event.objects.filter(pk=event.pk).update(kind=kind)
            reports.append(EventReport(event.issue, event.subscription, kind, event.occurred_at, "", event.code))
        apply(reports, now=now)
    return len(events)
