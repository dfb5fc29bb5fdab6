"""What need not be kept goes (C-09). Run nightly; each rule is one function, and running it twice changes nothing."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any

from django.contrib.sessions.models import Session
from django.db.models import QuerySet

from newsletter.models import AuditEntry
from subscribers import consent
from subscribers.models import ConsentEvent, Notice, Subscription, SubscriptionStatus
from workers.models import Event, SpoolFile
from workers.tracking import loader

logger = logging.getLogger(__name__)

HITS = timedelta(days=30)
DELIVERY_EVENTS = timedelta(days=396)
"""13 months."""
NOTICES = timedelta(days=30)
CONSENT_NETWORK = timedelta(days=3 * 365)
CONSENT_PROOF = timedelta(days=3 * 365)
AUDIT = timedelta(days=2 * 365)
SPOOL_NOTES = timedelta(days=30)
PIECE = 5_000


def run(*, now: datetime) -> int:
    """Apply every rule; returns how many rows went or were blanked."""
    done = {
        "pending": consent.expire_pending(now=now),
        "hits": forget_hits(now=now),
        "delivery_events": forget_delivery_events(now=now),
        "notices": forget_notices(now=now),
        "consent_networks": blank_networks(now=now),
        "ended": blank_ended(now=now),
        "audit": forget_audit(now=now),
        "sessions": forget_in_pieces(Session.objects.filter(expire_date__lt=now)),
        "spool_notes": forget_in_pieces(SpoolFile.objects.filter(loaded_at__lt=now - SPOOL_NOTES)),
    }
    logger.info("retention applied", extra={name: count for name, count in done.items() if count})
    return sum(done.values())


def forget_hits(*, now: datetime) -> int:
    """Single opens and clicks; what was counted stays in `Tally`."""
    kinds = (loader.OPENED, loader.CLICKED)
    return forget_in_pieces(Event.objects.filter(kind__in=kinds, occurred_at__lt=now - HITS))


def forget_delivery_events(*, now: datetime) -> int:
    return forget_in_pieces(Event.objects.filter(occurred_at__lt=now - DELIVERY_EVENTS))


def forget_notices(*, now: datetime) -> int:
    settled = Notice.objects.filter(created_at__lt=now - NOTICES)
    return forget_in_pieces(settled.exclude(sent_at__isnull=True, failed_at__isnull=True))


def blank_networks(*, now: datetime) -> int:
    """Where a consent came from; the chain verifies without it."""
    old = ConsentEvent.objects.filter(occurred_at__lt=now - CONSENT_NETWORK, ip__isnull=False)
    return old.update(ip=None)


def blank_ended(*, now: datetime) -> int:
    """The personal fields of the proof, once nobody can have a claim from a mail any more."""
    ended = Subscription.objects.filter(
        status=SubscriptionStatus.UNSUBSCRIBED, ended_at__lt=now - CONSENT_PROOF
    ).values_list("pk", flat=True)
    unblanked = ConsentEvent.objects.filter(subscription__in=ended).exclude(page_url="", ip__isnull=True, user_agent="")
    ids = list(unblanked.values_list("subscription", flat=True).distinct()[:PIECE])
    return consent.blank(ids) if ids else 0


def forget_audit(*, now: datetime) -> int:
    return forget_in_pieces(AuditEntry.objects.filter(occurred_at__lt=now - AUDIT))


def forget_in_pieces(rows: QuerySet[Any]) -> int:
    """Delete in short transactions, so that nobody waits for a million rows."""
    total = 0
    while ids := list(rows.order_by("pk").values_list("pk", flat=True)[:PIECE]):
        rows.model._default_manager.filter(pk__in=ids).delete()
        total += len(ids)
    return total
