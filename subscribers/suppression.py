"""Addresses that must not receive mail. They are stored as keyed hashes, which stay when a reader is erased (S-75, C-08).

`Subscriber.suppressed_at` and `suppressed_for` are copies for queries over many rows. Only this module writes them.
"""

from __future__ import annotations

import logging
from datetime import datetime

from django.db import IntegrityError, transaction

from subscribers import keys
from subscribers.models import Subscriber, Suppression, SuppressionReason

logger = logging.getLogger(__name__)

KEY_PURPOSE = "suppression"


class OnlySubscriberMayLift(Exception):
    """The reader complained. Only the reader may allow mail again."""


def email_hashes(email_key: str) -> list[bytes]:
    """The hashes of the address under SECRET_KEY and every fallback. The current one comes first."""
    return [keys.hmac_digest(key, email_key.encode()) for _key_id, key in keys.all_keys(KEY_PURPOSE)]


def is_suppressed(email_key: str) -> bool:
    return Suppression.objects.filter(email_hash__in=email_hashes(email_key), lifted_at__isnull=True).exists()


def suppress(email_key: str, *, reason: str, detail: str = "", now: datetime) -> bool:
    """Suppress an address. Return False if it was suppressed already. `detail` must not contain an address."""
    with transaction.atomic():
        added = _add_suppression(email_key, reason=reason, detail=detail[:200], now=now)
        _sync_subscriber(email_key)
    if added:
        logger.info("address suppressed", extra={"reason": reason})
    return added


def _add_suppression(email_key: str, *, reason: str, detail: str, now: datetime) -> bool:
    live = Suppression.objects.filter(email_hash__in=email_hashes(email_key), lifted_at__isnull=True)
    if live.exists():
        # A complaint replaces any other reason: afterwards only the reader may lift the suppression.
        if reason == SuppressionReason.COMPLAINED:
            live.exclude(reason=reason).update(reason=reason, detail=detail)
        return False
    try:
        with transaction.atomic():
            Suppression.objects.create(
                email_hash=email_hashes(email_key)[0],
                key_id=keys.current_key_id(),
                reason=reason,
                detail=detail,
                created_at=now,
            )
    except IntegrityError:
        # Race: another event for the same address was inserted first. The unique constraint decides.
        return False
    return True


def lift(email_key: str, *, by_reader: bool = False, now: datetime) -> bool:
    """Lift the suppression. Return False if there was none. Raises OnlySubscriberMayLift after a complaint."""
    with transaction.atomic():
        live = Suppression.objects.filter(email_hash__in=email_hashes(email_key), lifted_at__isnull=True)
        if not by_reader and live.filter(reason=SuppressionReason.COMPLAINED).exists():
            raise OnlySubscriberMayLift("This reader complained; only the reader may ask for mail again.")
        lifted = live.update(lifted_at=now)
        _sync_subscriber(email_key)
    return bool(lifted)


def _sync_subscriber(email_key: str) -> None:
    """Copy the suppression to the subscriber, if there is one."""
    live = Suppression.objects.filter(email_hash__in=email_hashes(email_key), lifted_at__isnull=True).first()
    Subscriber.objects.filter(email_key=email_key).update(
        suppressed_at=live.created_at if live else None, suppressed_for=live.reason if live else ""
    )


def sync_new_subscriber(subscriber: Subscriber) -> Subscriber:
    """Copy an existing suppression to a subscriber that was just created, for example by an import."""
    _sync_subscriber(subscriber.email_key)
    subscriber.refresh_from_db(fields=["suppressed_at", "suppressed_for"])
    return subscriber
