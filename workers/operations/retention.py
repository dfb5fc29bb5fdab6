"""Retention: deletes data after its period (C-09). Runs nightly. Each rule is a function and is safe to repeat."""

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

KEEP_HITS = timedelta(days=30)
KEEP_DELIVERY_EVENTS = timedelta(days=396)
"""13 months."""
KEEP_NOTICES = timedelta(days=30)
KEEP_CONSENT_NETWORK = timedelta(days=3 * 365)
KEEP_CONSENT_PROOF = timedelta(days=3 * 365)
KEEP_AUDIT = timedelta(days=2 * 365)
KEEP_SPOOL_FILES = timedelta(days=30)
CHUNK_SIZE = 5_000


def apply_rules(*, now: datetime) -> int:
    """Apply every rule. Return how many rows were deleted or blanked."""
    done = {
        "pending": consent.expire_pending(now=now),
        "hits": delete_hits(now=now),
        "delivery_events": delete_delivery_events(now=now),
        "notices": delete_notices(now=now),
        "consent_networks": blank_consent_networks(now=now),
        "ended": blank_ended_subscriptions(now=now),
        "audit": delete_audit_entries(now=now),
        "sessions": delete_in_chunks(Session.objects.filter(expire_date__lt=now)),
        "spool_notes": delete_in_chunks(SpoolFile.objects.filter(loaded_at__lt=now - KEEP_SPOOL_FILES)),
    }
    logger.info("retention applied", extra={name: count for name, count in done.items() if count})
    return sum(done.values())


def delete_hits(*, now: datetime) -> int:
    """Delete single opens and clicks. Their counts stay in `Tally`."""
    kinds = (loader.OPENED, loader.CLICKED)
    return delete_in_chunks(Event.objects.filter(kind__in=kinds, occurred_at__lt=now - KEEP_HITS))


def delete_delivery_events(*, now: datetime) -> int:
    return delete_in_chunks(Event.objects.filter(occurred_at__lt=now - KEEP_DELIVERY_EVENTS))


def delete_notices(*, now: datetime) -> int:
    settled = Notice.objects.filter(created_at__lt=now - KEEP_NOTICES)
    return delete_in_chunks(settled.exclude(sent_at__isnull=True, failed_at__isnull=True))


def blank_consent_networks(*, now: datetime) -> int:
    """Blank the IP addresses of old consent events. The hash chain verifies without them."""
    old = ConsentEvent.objects.filter(occurred_at__lt=now - KEEP_CONSENT_NETWORK, ip__isnull=False)
    return old.update(ip=None)


def blank_ended_subscriptions(*, now: datetime) -> int:
    """Blank the personal fields of the consent proof after KEEP_CONSENT_PROOF, when claims have expired.

    At most CHUNK_SIZE subscriptions a run.
    """
    ended = Subscription.objects.filter(
        status=SubscriptionStatus.UNSUBSCRIBED, ended_at__lt=now - KEEP_CONSENT_PROOF
    ).values_list("pk", flat=True)
    unblanked = ConsentEvent.objects.filter(subscription__in=ended).exclude(page_url="", ip__isnull=True, user_agent="")
    ids = list(unblanked.values_list("subscription", flat=True).distinct()[:CHUNK_SIZE])
    return consent.blank_personal_fields(ids) if ids else 0


def delete_audit_entries(*, now: datetime) -> int:
    return delete_in_chunks(AuditEntry.objects.filter(occurred_at__lt=now - KEEP_AUDIT))


def delete_in_chunks(rows: QuerySet[Any]) -> int:
    """Delete CHUNK_SIZE rows a transaction, so that no other transaction waits long. Return how many."""
    total = 0
    while ids := list(rows.order_by("pk").values_list("pk", flat=True)[:CHUNK_SIZE]):
        rows.model._default_manager.filter(pk__in=ids).delete()
        total += len(ids)
    return total
