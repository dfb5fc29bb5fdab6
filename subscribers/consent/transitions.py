"""Every arrow of a Subscription, each leaving a ConsentEvent at the end of one chain (C-01, C-02).

    (new) | unsubscribed -request-> pending -confirm-> subscribed -withdraw-> unsubscribed
    unsubscribed -undo_withdrawal (for a day)-> subscribed      pending -expire_pending (30 days)-> gone

The chain: each event's MAC covers the seal of all before, the pseudonym, keyed digests of the personal fields, the words
agreed to and the rest, so that personal fields can be blanked and it still verifies. The head row holds the newest seal,
which stands in no event and so cannot be set back to an earlier one by whoever has the database but no key; it is locked
while an event is added.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.utils import translation
from django.utils.translation import gettext as _

from newsletter.models import Newsletter, Tracking
from subscribers import keys
from subscribers.consent import database_triggers
from subscribers.models import (
    ConsentAction,
    ConsentEvent,
    ConsentHead,
    ConsentText,
    Notice,
    NoticeKind,
    Purpose,
    SignupRequest,
    Subscriber,
    Subscription,
    SubscriptionStatus,
)

logger = logging.getLogger(__name__)

CHAIN = "consent chain"
PERSONAL = "consent personal fields"
PERSONAL_FIELDS = ("page_url", "ip", "user_agent")
LINK_LIFETIME = timedelta(days=7)
PENDING_LIFETIME = timedelta(days=30)
UNDO_LIFETIME = timedelta(days=1)
UNSUBSCRIBE_REASONS = ("too_often", "not_needed", "never_signed_up", "other")
ACTIVE_STATUSES = (SubscriptionStatus.SUBSCRIBED, SubscriptionStatus.PAUSED)


class AlreadyConfirmed(Exception):
    """The link was used, or there is nothing left to confirm."""


class CannotUndo(Exception):
    """Nothing to undo, too long ago, or the address may not be mailed any more."""


@dataclass(frozen=True)
class ChainBreak:
    """The first row of the chain that is not what was written; `event` is None if rows are missing at the end."""

    event: int | None
    reason: str


@dataclass(frozen=True)
class EventData:
    """What one event says, before it is chained."""

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


# --- the chain -------------------------------------------------------------------------------------------------------


def lock_chain() -> ConsentHead:
    """The end of the chain, ours until the transaction ends."""
    head, _made = ConsentHead.objects.select_for_update().get_or_create(pk=1, defaults={"mac": b""})
    return head


def append_event(step: EventData, *, now: datetime) -> ConsentEvent:
    """Add one event; must run inside a transaction."""
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


def _moment(event: ConsentEvent) -> str:
    return event.occurred_at.astimezone(UTC).isoformat(timespec="microseconds")


def _personal_digest(event: ConsentEvent, key: bytes) -> bytes:
    """32 bytes per personal field. Event and moment are part of it: equal values cannot be told from their digests."""
    return b"".join(
        keys.hmac_digest(key, f"{name}\0{event.subscription}\0{_moment(event)}\0{getattr(event, name) or ''}".encode())
        for name in PERSONAL_FIELDS
    )


def _mac(event: ConsentEvent, previous: bytes, key: bytes) -> bytes:
    content = [
        *(event.subscription, event.newsletter_id, event.purpose, event.action, event.consent_text_id),
        *(event.form_slug, event.language, event.actor, event.evidence, _moment(event), event.key_id),
        *(bytes(event.personal_digest).hex(), _text_hash(event.consent_text)),
    ]
    return keys.hmac_digest(key, previous + json.dumps(content, sort_keys=True, separators=(",", ":")).encode())


def _text_hash(text: ConsentText | None) -> str:
    """Of what the reader saw, so that words altered later show in the events that rest on them."""
    if text is None:
        return ""
    shown = [text.purpose, text.language, text.version, text.text, text.button, text.privacy_url, text.privacy_hash]
    return hashlib.sha256(json.dumps(shown).encode()).hexdigest()


def _seal(count: int, mac: bytes, key: bytes) -> bytes:
    return keys.hmac_digest(key, b"seal\0%d\0" % count + mac)


def verify_chain() -> ChainBreak | None:
    """Walk the whole chain; None if every row is as it was written."""
    head = ConsentHead.objects.filter(pk=1).first() or ConsentHead(pk=1, mac=b"")
    seal, count = b"", 0
    for event in ConsentEvent.objects.select_related("consent_text").order_by("pk").iterator(chunk_size=2000):
        try:
            key = _find_key(event, seal)
        except _InvalidEvent as wrong:
            return ChainBreak(event.pk, str(wrong))
        count += 1
        seal = _seal(count, bytes(event.mac), key)
        if count == head.count and not keys.constant_time_compare(seal, bytes(head.mac)):
            return ChainBreak(event.pk, "the end of the chain does not match")
    if count < head.count:
        return ChainBreak(None, f"{head.count - count} rows are missing at the end")
    # Events added while we walked are known to the head by now; others never were.
    if count > head.count and not ConsentHead.objects.filter(pk=1, count__gte=count).exists():
        return ChainBreak(None, "the end of the chain does not match")
    return None


class _InvalidEvent(Exception):
    """What is wrong with one row, in words."""


def _find_key(event: ConsentEvent, seal: bytes) -> bytes:
    """The key that proves the row, with `seal` over all before it. Raises _Wrong."""
    chain_keys = [key for key_id, key in keys.all_keys(CHAIN) if key_id == event.key_id]
    if not chain_keys:
        raise _InvalidEvent(f"its key {event.key_id} is unknown; put the former SECRET_KEY into SECRET_KEY_FALLBACKS")
    proven = [key for key in chain_keys if keys.constant_time_compare(_mac(event, seal, key), bytes(event.mac))]
    if not proven:
        raise _InvalidEvent("it was altered, or its words were, or a row before it was removed")
    personal_keys = [key for key_id, key in keys.all_keys(PERSONAL) if key_id == event.key_id]
    if not any(_personal_matches(event, key) for key in personal_keys):
        raise _InvalidEvent("a personal field was altered")
    return proven[0]


def _personal_matches(event: ConsentEvent, key: bytes) -> bool:
    """Each personal field is blank or as it was written."""
    stored, computed = bytes(event.personal_digest), _personal_digest(event, key)
    return len(stored) == len(computed) and all(
        not getattr(event, name) or stored[at : at + 32] == computed[at : at + 32]
        for name, at in zip(PERSONAL_FIELDS, range(0, 96, 32), strict=True)
    )


def delete_demo_consent(newsletters: Iterable[Newsletter]) -> int:
    """Delete all consent to newsletters that never had a real reader (demo data), and seal what remains anew.

    Returns how many events went. The one place where events are deleted; raises ValueError if the chain was broken
    before, since sealing it anew would hide that.
    """
    gone = [newsletter.pk for newsletter in newsletters if newsletter.is_demo]
    with transaction.atomic():
        lock_chain()
        if verify_chain() is not None:
            raise ValueError("The consent chain is broken. Run verify_consent first.")
        database_triggers.remove(connection)
        count, _kinds = ConsentEvent.objects.filter(newsletter__in=gone).delete()
        ConsentText.objects.filter(newsletter__in=gone).delete()
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
    """Forget personal fields of events; the rows stay and the chain still verifies."""
    events = ConsentEvent.objects.filter(subscription__in=list(subscription_ids))
    if since:
        events = events.filter(occurred_at__gte=since)
    return events.update(**{name: None if name == "ip" else "" for name in fields})


# --- the words -------------------------------------------------------------------------------------------------------


def current_text(newsletter: Newsletter, purpose: str, language: str) -> ConsentText | None:
    texts = ConsentText.objects.filter(newsletter=newsletter, purpose=purpose, language=language)
    return texts.order_by("-version").first()


def publish_text(
    newsletter: Newsletter, purpose: str, language: str, *, text: str, button: str = "", now: datetime
) -> ConsentText:
    """Make `text` the wording from now on: a new version, unless it is the current one."""
    with transaction.atomic():
        lock_chain()
        last = current_text(newsletter, purpose, language)
        button = button or (last.button if last else default_button(language))
        if last and (last.text, last.button) == (text, button):
            return last
        return ConsentText.objects.create(
            newsletter=newsletter,
            purpose=purpose,
            language=language,
            version=last.version + 1 if last else 1,
            text=text,
            button=button,
            privacy_url=privacy_url(newsletter),
            privacy_hash=privacy_hash(newsletter),
            valid_from=now,
        )


def ensure_texts(newsletter: Newsletter, *, now: datetime) -> list[ConsentText]:
    """The current texts in every language of the newsletter; those that are missing get the usual words."""
    return [
        current_text(newsletter, purpose, language)
        or publish_text(
            newsletter, purpose, language, text=default_text(newsletter, purpose, language), button="", now=now
        )
        for language in newsletter.languages
        for purpose in required_purposes(newsletter)
    ]


def required_purposes(newsletter: Newsletter) -> list[str]:
    """What must be agreed to: measurement only where single readers would be measured."""
    asks = newsletter.tracking == Tracking.INDIVIDUAL and newsletter.tracking_needs_consent
    return [Purpose.NEWSLETTER, *([Purpose.MEASUREMENT] if asks else [])]


def default_button(language: str) -> str:
    with translation.override(language):
        return _("Subscribe")


def default_text(newsletter: Newsletter, purpose: str, language: str) -> str:
    with translation.override(language):
        names = {
            "button": default_button(language),
            "title": newsletter.title_in(language),
            "brand": newsletter.brand,
        }
        if purpose == Purpose.MEASUREMENT:
            return (
                _(
                    "I agree that %(brand)s counts which links I open in %(title)s, to make better issues. "
                    "I can turn this off at any time, and I get every issue without it too."
                )
                % names
            )
        return (
            _(
                "By pressing %(button)s, you agree to receive %(title)s from %(brand)s by e-mail. "
                "You can stop at any time with the link in each issue."
            )
            % names
        )


def privacy_url(newsletter: Newsletter) -> str:
    return newsletter.privacy_url or f"{settings.SITE_URL}/privacy/"


def privacy_hash(newsletter: Newsletter) -> str:
    """Of the facts our privacy notice is made from, so that a change of them shows."""
    facts = [newsletter.brand, newsletter.postal_address, newsletter.reply_to, newsletter.tracking]
    return hashlib.sha256(json.dumps([*facts, privacy_url(newsletter)]).encode()).hexdigest()


# --- asking and confirming -------------------------------------------------------------------------------------------


def record_request(subscription: Subscription, *, signup: SignupRequest, now: datetime) -> None:
    """Note what a sign-up asked for; the subscription waits for its confirmation."""
    Subscription.objects.filter(pk=subscription.pk).exclude(status__in=ACTIVE_STATUSES).update(
        status=SubscriptionStatus.PENDING,
        language=signup.language,
        requested_at=signup.created_at,
        confirmed_at=None,
        source_url=signup.page_url,
        signup_form=signup.form,
    )
    subscription.refresh_from_db()
    for text in signup.consent_texts.filter(newsletter=subscription.newsletter_id):
        append_event(_event_data(subscription, signup, ConsentAction.REQUESTED, text), now=signup.created_at)


def _event_data(subscription: Subscription, signup: SignupRequest, action: str, text: ConsentText | None) -> EventData:
    return EventData(
        subscription,
        action,
        purpose=text.purpose if text else Purpose.NEWSLETTER,
        text=text,
        form_slug=signup.form.slug if signup.form else "",
        page_url=signup.page_url,
        ip=signup.ip,
        user_agent=signup.user_agent,
        evidence={"request": signup.pk},
    )


def pending_subscriptions(signup: SignupRequest) -> list[Subscription]:
    """What this sign-up would confirm."""
    return list(
        Subscription.objects.filter(
            subscriber__email_key=signup.email.lower(),
            newsletter__in=signup.newsletters.all(),
            status=SubscriptionStatus.PENDING,
        )
        .select_related("subscriber", "newsletter")
        .order_by("newsletter")
    )


def record_confirmation_sent(signup: SignupRequest, *, message_id: str, now: datetime) -> None:
    """The confirmation mail was handed over; it is part of the proof."""
    with transaction.atomic():
        for subscription in pending_subscriptions(signup):
            evidence = {"request": signup.pk, "message_id": message_id}
            append_event(
                EventData(subscription, ConsentAction.CONFIRMATION_SENT, actor="system", evidence=evidence), now=now
            )


def confirm(signup: SignupRequest, *, now: datetime, ip: str | None = None, user_agent: str = "") -> list[Subscription]:
    """The reader pressed the button: subscribed, with both halves in the chain and a welcome mail due.

    Raises AlreadyConfirmed if the link was used before or nothing waits any more.
    """
    with transaction.atomic():
        lock_chain()
        if not SignupRequest.objects.filter(pk=signup.pk, confirmed_at__isnull=True).update(confirmed_at=now):
            raise AlreadyConfirmed(f"Sign-up request {signup.pk} is confirmed")
        confirmed = [
            subscription
            for subscription in pending_subscriptions(signup)
            if _confirm_one(subscription, signup, now=now, ip=ip, user_agent=user_agent)
        ]
        if not confirmed:
            raise AlreadyConfirmed(f"Nothing waits for sign-up request {signup.pk}")
    logger.info("subscriptions confirmed", extra={"signup": signup.pk, "count": len(confirmed)})
    return confirmed


def _confirm_one(
    subscription: Subscription, signup: SignupRequest, *, now: datetime, ip: str | None, user_agent: str
) -> bool:
    texts: list[ConsentText | None] = list(signup.consent_texts.filter(newsletter=subscription.newsletter_id))
    measured = any(text is not None and text.purpose == Purpose.MEASUREMENT for text in texts)
    moved = Subscription.objects.filter(pk=subscription.pk, status=SubscriptionStatus.PENDING).update(
        status=SubscriptionStatus.SUBSCRIBED, confirmed_at=now, ended_at=None, may_track=measured
    )
    if not moved:
        return False
    subscription.refresh_from_db(fields=["status", "confirmed_at", "ended_at", "may_track"])
    for text in texts or [None]:
        step = _event_data(subscription, signup, ConsentAction.CONFIRMED, text)
        append_event(EventData(**{**step.__dict__, "ip": ip, "user_agent": user_agent, "page_url": ""}), now=now)
    Notice.objects.create(
        kind=NoticeKind.WELCOME,
        subscriber=subscription.subscriber,
        request=signup,
        newsletter=subscription.newsletter,
        language=subscription.language,
        payload={"subscription": subscription.pk},
        due_at=now,
        created_at=now,
    )
    return True


def subscribe(
    subscriber: Subscriber, newsletter: Newsletter, *, now: datetime, ip: str | None = None, user_agent: str = ""
) -> Subscription:
    """A reader with a confirmed address takes another newsletter on the preferences page."""
    with transaction.atomic():
        lock_chain()
        subscription, _made = Subscription.objects.get_or_create(
            subscriber=subscriber,
            newsletter=newsletter,
            defaults={"language": newsletter.best_language(subscriber.language), "requested_at": now},
        )
        if subscription.status in ACTIVE_STATUSES:
            return subscription
        Subscription.objects.filter(pk=subscription.pk).update(
            status=SubscriptionStatus.SUBSCRIBED, requested_at=now, confirmed_at=now, ended_at=None, may_track=False
        )
        subscription.refresh_from_db()
        text = current_text(newsletter, Purpose.NEWSLETTER, subscription.language)
        for action in (ConsentAction.REQUESTED, ConsentAction.CONFIRMED):
            step = EventData(
                subscription, action, text=text, ip=ip, user_agent=user_agent, evidence={"page": "preferences"}
            )
            append_event(step, now=now)
    return subscription


# --- leaving and coming back -----------------------------------------------------------------------------------------


def withdraw(
    subscription: Subscription,
    *,
    now: datetime,
    issue_id: int = 0,
    actor: str = "reader",
    ip: str | None = None,
    user_agent: str = "",
    objected: bool = False,
) -> bool:
    """Stop a newsletter, at once. False if it had stopped before; harmless to repeat."""
    with transaction.atomic():
        lock_chain()
        running = Subscription.objects.filter(pk=subscription.pk).exclude(status=SubscriptionStatus.UNSUBSCRIBED)
        measured = running.filter(may_track=True).exists()
        moved = running.update(status=SubscriptionStatus.UNSUBSCRIBED, ended_at=now, paused_until=None, may_track=False)
        if not moved:
            return False
        subscription.refresh_from_db()
        step = EventData(
            subscription,
            ConsentAction.OBJECTED if objected else ConsentAction.WITHDRAWN,
            actor=actor,
            ip=ip,
            user_agent=user_agent,
            evidence={"issue": issue_id} if issue_id else {},
        )
        append_event(step, now=now)
        if measured:
            append_event(
                EventData(subscription, ConsentAction.WITHDRAWN, purpose=Purpose.MEASUREMENT, actor=actor), now=now
            )
    logger.info("subscription ended", extra={"subscription": subscription.pk, "actor": actor})
    return True


def undo_withdrawal(subscription: Subscription, *, now: datetime, ip: str | None = None, user_agent: str = "") -> None:
    """Take back an unsubscription of the last day; the words agreed to are those of then. Raises CannotUndo."""
    with transaction.atomic():
        lock_chain()
        moved = Subscription.objects.filter(
            pk=subscription.pk,
            status=SubscriptionStatus.UNSUBSCRIBED,
            confirmed_at__isnull=False,
            ended_at__gte=now - UNDO_LIFETIME,
            subscriber__suppressed_at__isnull=True,
            subscriber__erased_at__isnull=True,
        ).update(status=SubscriptionStatus.SUBSCRIBED, ended_at=None)
        if not moved:
            raise CannotUndo(f"Subscription {subscription.pk} did not end within the last day")
        subscription.refresh_from_db()
        newest = ConsentEvent.objects.filter(subscription=subscription.pk, purpose=Purpose.NEWSLETTER).order_by("-pk")
        agreed = newest.filter(action=ConsentAction.CONFIRMED).first()
        left = newest.filter(action__in=(ConsentAction.WITHDRAWN, ConsentAction.OBJECTED)).first()
        step = EventData(
            subscription,
            ConsentAction.CONFIRMED,
            text=agreed.consent_text if agreed else None,
            ip=ip,
            user_agent=user_agent,
            evidence={"undo_of": left.pk if left else 0},
        )
        append_event(step, now=now)


def can_undo(subscription: Subscription, *, now: datetime) -> bool:
    return (
        subscription.status == SubscriptionStatus.UNSUBSCRIBED
        and subscription.confirmed_at is not None
        and subscription.ended_at is not None
        and subscription.ended_at >= now - UNDO_LIFETIME
        and subscription.subscriber.suppressed_at is None
    )


def record_reason(subscription: Subscription, *, reason: str, now: datetime) -> None:
    """Why somebody left, in one of REASONS; an event of its own, since events never change. Only the first one counts."""
    if reason not in UNSUBSCRIBE_REASONS:
        raise ValueError(f"{reason!r} is none of {UNSUBSCRIBE_REASONS}")
    with transaction.atomic():
        lock_chain()
        said = ConsentEvent.objects.filter(subscription=subscription.pk, evidence__has_key="reason")
        if not said.filter(occurred_at__gte=subscription.ended_at or now).exists():
            append_event(EventData(subscription, ConsentAction.WITHDRAWN, evidence={"reason": reason}), now=now)


def set_measurement(
    subscription: Subscription,
    *,
    agrees: bool,
    now: datetime,
    ip: str | None = None,
    user_agent: str = "",
    evidence: dict[str, Any] | None = None,
) -> bool:
    """Turn the measuring of one reader on or off; False if that changes nothing."""
    with transaction.atomic():
        lock_chain()
        if not Subscription.objects.filter(pk=subscription.pk, may_track=not agrees).update(may_track=agrees):
            return False
        subscription.may_track = agrees
        text = current_text(subscription.newsletter, Purpose.MEASUREMENT, subscription.language)
        step = EventData(
            subscription,
            ConsentAction.CONFIRMED if agrees else ConsentAction.WITHDRAWN,
            purpose=Purpose.MEASUREMENT,
            text=text,
            ip=ip,
            user_agent=user_agent,
            evidence=evidence or {"page": "preferences"},
        )
        append_event(step, now=now)
    return True


def set_language(subscription: Subscription, *, language: str) -> bool:
    """The language of the issues to come; False if it was that already."""
    moved = Subscription.objects.filter(pk=subscription.pk).exclude(language=language).update(language=language)
    subscription.language = language
    return bool(moved)


def expire_pending(*, now: datetime) -> int:
    """Forget sign-ups nobody confirmed within 30 days (S-71, C-09): subscriptions, readers without any, requests."""
    before = now - PENDING_LIFETIME
    stale = Subscription.objects.filter(status=SubscriptionStatus.PENDING, requested_at__lt=before)
    ids = list(stale.order_by("pk").values_list("pk", flat=True))
    for pk in ids:
        with transaction.atomic():
            _expire(pk, before=before, now=now)
    SignupRequest.objects.filter(created_at__lt=before).delete()
    return len(ids)


def _expire(pk: int, *, before: datetime, now: datetime) -> None:
    lock_chain()
    subscription = (
        Subscription.objects.select_related("subscriber")
        .filter(pk=pk, status=SubscriptionStatus.PENDING, requested_at__lt=before)
        .first()
    )
    if subscription is None:
        return
    append_event(EventData(subscription, ConsentAction.EXPIRED, actor="system"), now=now)
    blank_personal_fields([pk], since=subscription.requested_at)
    if subscription.ended_at is not None:
        subscription.status = SubscriptionStatus.UNSUBSCRIBED  # left before; asking again came to nothing
        subscription.save(update_fields=["status"])
        return
    subscription.delete()
    if not subscription.subscriber.subscriptions.exists() and subscription.subscriber.erased_at is None:
        subscription.subscriber.delete()
