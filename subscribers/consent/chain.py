"""The chain of consent events: append, verify, blank personal fields, delete demo data (C-01, C-02).

The MAC of an event covers the seal of all events before it, the subscription's id, a keyed digest of each personal
field, a hash of the consent text and the other columns. Personal fields can therefore be blanked, and the chain still
verifies. `ConsentHead` holds the newest seal. No event contains that seal, so a person with access to the database but
without the key cannot restore an earlier end of the chain. Every function that appends an event locks the head row.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from django.db import connection, transaction

from newsletter.models import Newsletter
from subscribers import keys
from subscribers.consent import database_triggers
from subscribers.models import ConsentEvent, ConsentHead, ConsentText, Purpose, Subscription

# Key purposes are inputs of HKDF: if they change, no stored MAC verifies any more.
CHAIN = "consent chain"
PERSONAL = "consent personal fields"
PERSONAL_FIELDS = ("page_url", "ip", "user_agent")


@dataclass(frozen=True)
class ChainBreak:
    """The first row that does not verify. `event` is its id, or None if rows are missing at the end."""

    event: int | None
    reason: str


@dataclass(frozen=True)
class EventData:
    """The content of an event before `append_event` adds it to the chain."""

    subscription: Subscription
    action: str
    purpose: str = Purpose.NEWSLETTER
    text: ConsentText | None = None
    form_slug: str = ""
    page_url: str = ""
    ip: str | None = None
    user_agent: str = ""
    actor: str = "reader"
    evidence: dict[str, Any] = field(default_factory=dict)


def lock_chain() -> ConsentHead:
    """Lock the head of the chain until the transaction ends. Must run inside a transaction."""
    # Take this lock before any row of a subscription: all transitions do, and another order could deadlock.
    head, _made = ConsentHead.objects.select_for_update().get_or_create(pk=1, defaults={"mac": b""})
    return head


def append_event(step: EventData, *, now: datetime) -> ConsentEvent:
    """Append one event and store the new seal in the head. Must run inside a transaction."""
    head = lock_chain()
    event = ConsentEvent(
        subscription=step.subscription.pk,
        newsletter_id=step.subscription.newsletter_id,
        purpose=step.purpose,
        action=step.action,
        consent_text=step.text,
        form_slug=step.form_slug,
        language=step.subscription.language,
        page_url=step.page_url[:1000],
        ip=step.ip or None,
        user_agent=step.user_agent[:200],
        actor=step.actor,
        evidence=step.evidence,
        occurred_at=now,
        key_id=keys.current_key_id(),
    )
    event.personal_digest = _personal_digest(event, keys.current_key(PERSONAL))
    key = keys.current_key(CHAIN)
    event.mac = _mac(event, bytes(head.mac), key)
    event.save(force_insert=True)
    seal = _seal(head.count + 1, bytes(event.mac), key)
    ConsentHead.objects.filter(pk=1).update(count=head.count + 1, mac=seal, key_id=event.key_id)
    return event


def _occurred_at_text(event: ConsentEvent) -> str:
    """The time in UTC with microseconds, as the MACs contain it."""
    return event.occurred_at.astimezone(UTC).isoformat(timespec="microseconds")


def _personal_digest(event: ConsentEvent, key: bytes) -> bytes:
    """Return 32 bytes for each personal field.

    Subscription and time are part of the input, so equal values of two events have different digests.
    """
    return b"".join(
        keys.hmac_digest(
            key, f"{name}\0{event.subscription}\0{_occurred_at_text(event)}\0{getattr(event, name) or ''}".encode()
        )
        for name in PERSONAL_FIELDS
    )


def _mac(event: ConsentEvent, previous: bytes, key: bytes) -> bytes:
    # The order of these values is part of every stored MAC.
    content = [
        *(event.subscription, event.newsletter_id, event.purpose, event.action, event.consent_text_id),
        *(event.form_slug, event.language, event.actor, event.evidence, _occurred_at_text(event), event.key_id),
        *(bytes(event.personal_digest).hex(), _text_hash(event.consent_text)),
    ]
    return keys.hmac_digest(key, previous + json.dumps(content, sort_keys=True, separators=(",", ":")).encode())


def _text_hash(text: ConsentText | None) -> str:
    """Hash the text the subscriber agreed to. If it is altered later, the events that refer to it do not verify."""
    if text is None:
        return ""
    columns = [text.purpose, text.language, text.version, text.text, text.button, text.privacy_url, text.privacy_hash]
    return hashlib.sha256(json.dumps(columns).encode()).hexdigest()


def _seal(count: int, mac: bytes, key: bytes) -> bytes:
    return keys.hmac_digest(key, b"seal\0%d\0" % count + mac)


def verify_chain() -> ChainBreak | None:
    """Verify every event in order. Return the first break, or None if every row is as it was written."""
    head = ConsentHead.objects.filter(pk=1).first() or ConsentHead(pk=1, mac=b"")
    seal, count = b"", 0
    for event in ConsentEvent.objects.select_related("consent_text").order_by("pk").iterator(chunk_size=2000):
        try:
            key = _find_key(event, seal)
        except _InvalidEvent as error:
            return ChainBreak(event.pk, str(error))
        count += 1
        seal = _seal(count, bytes(event.mac), key)
        if count == head.count and not keys.constant_time_compare(seal, bytes(head.mac)):
            return ChainBreak(event.pk, "the end of the chain does not match")
    if count < head.count:
        return ChainBreak(None, f"{head.count - count} rows are missing at the end")
    # Race: events can be appended while this loop reads. The head counts those by now; it does not count forged rows.
    if count > head.count and not ConsentHead.objects.filter(pk=1, count__gte=count).exists():
        return ChainBreak(None, "the end of the chain does not match")
    return None


class _InvalidEvent(Exception):
    """One event does not verify. The message says why."""


def _find_key(event: ConsentEvent, seal: bytes) -> bytes:
    """Return the chain key that verifies the event after `seal`. Raises _InvalidEvent."""
    chain_keys = [key for key_id, key in keys.all_keys(CHAIN) if key_id == event.key_id]
    if not chain_keys:
        raise _InvalidEvent(f"its key {event.key_id} is unknown; put the former SECRET_KEY into SECRET_KEY_FALLBACKS")
    matching = [key for key in chain_keys if keys.constant_time_compare(_mac(event, seal, key), bytes(event.mac))]
    if not matching:
        raise _InvalidEvent("the event or its consent text was altered, or an earlier event was removed")
    personal_keys = [key for key_id, key in keys.all_keys(PERSONAL) if key_id == event.key_id]
    if not any(_personal_matches(event, key) for key in personal_keys):
        raise _InvalidEvent("a personal field was altered")
    return matching[0]


def _personal_matches(event: ConsentEvent, key: bytes) -> bool:
    """Whether each personal field is blank or as it was written."""
    stored, computed = bytes(event.personal_digest), _personal_digest(event, key)
    return len(stored) == len(computed) and all(
        not getattr(event, name) or stored[at : at + 32] == computed[at : at + 32]
        for name, at in zip(PERSONAL_FIELDS, range(0, 96, 32), strict=True)
    )


def delete_demo_consent(newsletters: Iterable[Newsletter]) -> int:
    """Delete events and texts of demo newsletters, and compute the chain of the remaining events again.

    Return the number of deleted events. No other function deletes events. Raises ValueError if the chain was broken
    before: a new chain would hide the break.
    """
    demo_ids = [newsletter.pk for newsletter in newsletters if newsletter.is_demo]
    with transaction.atomic():
        lock_chain()
        if verify_chain() is not None:
            raise ValueError("The consent chain is broken. Run verify_consent first.")
        # The triggers refuse any deletion. Both engines create and drop triggers inside the transaction, so a
        # failure leaves them in place.
        database_triggers.remove(connection)
        count, _kinds = ConsentEvent.objects.filter(newsletter__in=demo_ids).delete()
        ConsentText.objects.filter(newsletter__in=demo_ids).delete()
        _reseal_chain()
        database_triggers.install(connection)
    return count


def _reseal_chain() -> None:
    seal, count, key_id = b"", 0, 0
    for event in ConsentEvent.objects.select_related("consent_text").order_by("pk").iterator(chunk_size=2000):
        key = next(key for known, key in keys.all_keys(CHAIN) if known == event.key_id)
        mac = _mac(event, seal, key)
        ConsentEvent.objects.filter(pk=event.pk).update(mac=mac)
        count, key_id = count + 1, event.key_id
        seal = _seal(count, mac, key)
    ConsentHead.objects.filter(pk=1).update(count=count, mac=seal, key_id=key_id)


def blank_personal_fields(
    subscription_ids: Iterable[int], *, fields: Iterable[str] = PERSONAL_FIELDS, since: datetime | None = None
) -> int:
    """Blank personal fields of events. The rows stay, and the chain still verifies. Return the number of events."""
    events = ConsentEvent.objects.filter(subscription__in=list(subscription_ids))
    if since:
        events = events.filter(occurred_at__gte=since)
    return events.update(**{name: None if name == "ip" else "" for name in fields})
