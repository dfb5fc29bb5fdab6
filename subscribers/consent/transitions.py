"""Transitions of a subscription. Each one appends its consent events in the same transaction (C-01, C-02).

    (new) | unsubscribed -record_request-> pending -confirm-> subscribed -withdraw-> unsubscribed
    unsubscribed -undo_withdrawal (within a day)-> subscribed      pending -expire_pending (after 30 days)-> deleted

Lock order: first the head of the chain (`lock_chain`), then rows of subscriptions. Every transition follows it, so two
of them cannot deadlock.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from newsletter.models import Newsletter
from subscribers.consent.chain import EventData, append_event, blank_personal_fields, lock_chain
from subscribers.consent.texts import current_text, text_language
from subscribers.models import (
    ConsentAction,
    ConsentEvent,
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

LINK_LIFETIME = timedelta(days=7)
PENDING_LIFETIME = timedelta(days=30)
UNDO_LIFETIME = timedelta(days=1)
UNSUBSCRIBE_REASONS = ("too_often", "not_needed", "never_signed_up", "other")
ACTIVE_STATUSES = (SubscriptionStatus.SUBSCRIBED, SubscriptionStatus.PAUSED)


class AlreadyConfirmed(Exception):
    """The link was used before, or no subscription is pending."""


class CannotUndo(Exception):
    """The subscription did not end within the last day, or the address is suppressed or erased."""


def record_request(subscription: Subscription, *, signup: SignupRequest, now: datetime) -> None:
    """Make the subscription pending and record the requested texts. An active subscription keeps its status.

    Must run inside a transaction.
    """
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
    """The pending subscriptions that this sign-up would confirm."""
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
    """Record that the confirmation mail was sent. The event is part of the proof of consent."""
    with transaction.atomic():
        for subscription in pending_subscriptions(signup):
            evidence = {"request": signup.pk, "message_id": message_id}
            append_event(
                EventData(subscription, ConsentAction.CONFIRMATION_SENT, actor="system", evidence=evidence), now=now
            )


def confirm(signup: SignupRequest, *, now: datetime, ip: str | None = None, user_agent: str = "") -> list[Subscription]:
    """Subscribe the reader who pressed the confirmation button: append the events, schedule the welcome mail.

    Raises AlreadyConfirmed if the link was used before or no subscription is pending.
    """
    with transaction.atomic():
        lock_chain()
        # Race: a second click waits at the lock, and its conditional UPDATE changes no row.
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
    changed = Subscription.objects.filter(pk=subscription.pk, status=SubscriptionStatus.PENDING).update(
        status=SubscriptionStatus.SUBSCRIBED, confirmed_at=now, ended_at=None, may_track=measured
    )
    if not changed:
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
    """Subscribe a reader with a confirmed address to another newsletter (preferences page).

    Do nothing if the subscription is active. The address is confirmed already, so no mail is sent.
    """
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
        language = text_language(newsletter, Purpose.NEWSLETTER, subscription.language)
        text = current_text(newsletter, Purpose.NEWSLETTER, language)
        for action in (ConsentAction.REQUESTED, ConsentAction.CONFIRMED):
            step = EventData(
                subscription, action, text=text, ip=ip, user_agent=user_agent, evidence={"page": "preferences"}
            )
            append_event(step, now=now)
    return subscription


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
    """End a subscription immediately. Return False if it had ended before. May be repeated."""
    with transaction.atomic():
        lock_chain()
        current = Subscription.objects.filter(pk=subscription.pk).exclude(status=SubscriptionStatus.UNSUBSCRIBED)
        measured = current.filter(may_track=True).exists()
        changed = current.update(
            status=SubscriptionStatus.UNSUBSCRIBED, ended_at=now, paused_until=None, may_track=False
        )
        if not changed:
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
    """Undo an unsubscription of the last day. The event refers to the text agreed to before. Raises CannotUndo."""
    with transaction.atomic():
        lock_chain()
        changed = Subscription.objects.filter(
            pk=subscription.pk,
            status=SubscriptionStatus.UNSUBSCRIBED,
            confirmed_at__isnull=False,
            ended_at__gte=now - UNDO_LIFETIME,
            subscriber__suppressed_at__isnull=True,
            subscriber__erased_at__isnull=True,
        ).update(status=SubscriptionStatus.SUBSCRIBED, ended_at=None)
        if not changed:
            raise CannotUndo(f"Subscription {subscription.pk} did not end within the last day")
        subscription.refresh_from_db()
        events = ConsentEvent.objects.filter(subscription=subscription.pk, purpose=Purpose.NEWSLETTER).order_by("-pk")
        confirmation = events.filter(action=ConsentAction.CONFIRMED).first()
        withdrawal = events.filter(action__in=(ConsentAction.WITHDRAWN, ConsentAction.OBJECTED)).first()
        step = EventData(
            subscription,
            ConsentAction.CONFIRMED,
            text=confirmation.consent_text if confirmation else None,
            ip=ip,
            user_agent=user_agent,
            evidence={"undo_of": withdrawal.pk if withdrawal else 0},
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
    """Record why a reader unsubscribed, as an event of its own because events never change.

    Only the first reason after an unsubscription counts. Raises ValueError if `reason` is not in UNSUBSCRIBE_REASONS.
    """
    if reason not in UNSUBSCRIBE_REASONS:
        raise ValueError(f"{reason!r} is not in {UNSUBSCRIBE_REASONS}")
    with transaction.atomic():
        lock_chain()
        reasons = ConsentEvent.objects.filter(subscription=subscription.pk, evidence__has_key="reason")
        if not reasons.filter(occurred_at__gte=subscription.ended_at or now).exists():
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
    """Turn individual measurement of one reader on or off. Return False if nothing changed."""
    with transaction.atomic():
        lock_chain()
        if not Subscription.objects.filter(pk=subscription.pk, may_track=not agrees).update(may_track=agrees):
            return False
        subscription.may_track = agrees
        language = text_language(subscription.newsletter, Purpose.MEASUREMENT, subscription.language)
        text = current_text(subscription.newsletter, Purpose.MEASUREMENT, language)
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
    """Set the language of future issues. Return False if it was set already."""
    changed = Subscription.objects.filter(pk=subscription.pk).exclude(language=language).update(language=language)
    subscription.language = language
    return bool(changed)


def expire_pending(*, now: datetime) -> int:
    """Delete sign-ups that were not confirmed within 30 days (S-71, C-09).

    Deletes pending subscriptions, subscribers who then have no subscription, and sign-up requests. Return the number
    of subscriptions. Each one has its own transaction, so that the chain is locked only briefly.
    """
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
    # Race: the reader may have confirmed since `expire_pending` listed the ids. Read the row again under the lock.
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
        # The reader had unsubscribed before this sign-up, so the row goes back to that state.
        subscription.status = SubscriptionStatus.UNSUBSCRIBED
        subscription.save(update_fields=["status"])
        return
    subscription.delete()
    if not subscription.subscriber.subscriptions.exists() and subscription.subscriber.erased_at is None:
        subscription.subscriber.delete()
