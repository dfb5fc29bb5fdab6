"""One-click unsubscription (RFC 8058) and the page around it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from newsletter.models import Newsletter
from subscribers import addresses, audience, consent, tokens
from subscribers.models import (
    Subscription,
    SubscriptionStatus,
)
from subscribers.views import forms, responses


@responses.token_page
def unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    """RFC 8058: a POST that says One-Click stops the newsletter and answers 200, whoever sends it. GET only asks."""
    now = timezone.now()
    try:
        subscription_id, issue_id = tokens.read_unsubscribe(token)
    except tokens.InvalidToken:
        return responses.render_lost(request, language=responses.language_for(request))
    if subscription_id == 0:
        return responses.render_lost(request, language=responses.language_for(request), kind="test", status=200)
    subscription = Subscription.objects.select_related("subscriber", "newsletter").filter(pk=subscription_id).first()
    language = responses.language_for(request, subscription.language if subscription else "")
    with responses.speak(language, subscription.newsletter if subscription else None):
        if request.POST.get("List-Unsubscribe", "").strip() == "One-Click":
            return _one_click(request, subscription, issue_id=issue_id, now=now)
        if subscription is None or subscription.subscriber.erased_at is not None:
            return responses.render_page(
                request, "unsubscribed", {"newsletter": Newsletter.objects.first(), "erased": True}, language=language
            )
        return _handle_form(request, subscription, language=language, issue_id=issue_id, now=now)


def _one_click(
    request: HttpRequest, subscription: Subscription | None, *, issue_id: int, now: datetime
) -> HttpResponse:
    if subscription is not None:
        consent.withdraw(
            subscription, now=now, issue_id=issue_id, actor="reader, one click", **responses.visitor_details(request)
        )
    return HttpResponse(
        _("Done. You will no longer receive this newsletter."), content_type="text/plain; charset=utf-8"
    )


def _handle_form(
    request: HttpRequest, subscription: Subscription, *, language: str, issue_id: int, now: datetime
) -> HttpResponse:
    """What a person does on the page: stop, undo, stop everything, say why."""
    step = request.POST.get("do", "") if request.method == "POST" else ""
    visitor = responses.visitor_details(request)
    said = ""
    if step == "stop":
        consent.withdraw(subscription, now=now, issue_id=issue_id, **visitor)
    elif step == "all":
        for one in audience.open_subscriptions(subscription.subscriber):
            consent.withdraw(one, now=now, issue_id=issue_id if one.pk == subscription.pk else 0, **visitor)
    elif step == "undo":
        said = _undo(subscription, now=now, visitor=visitor)
    elif step == "reason":
        said = _record_reason(request, subscription, now=now)
    subscription.refresh_from_db()
    return _render_page(request, subscription, language=language, said=said, now=now)


def _undo(subscription: Subscription, *, now: datetime, visitor: dict[str, Any]) -> str:
    try:
        consent.undo_withdrawal(subscription, now=now, **visitor)
    except consent.CannotUndo:
        if subscription.status in consent.ACTIVE_STATUSES:
            return "undone"
        return "too late"
    return "undone"


def _record_reason(request: HttpRequest, subscription: Subscription, *, now: datetime) -> str:
    given = forms.UnsubscribeReasonForm(request.POST)
    if not given.is_valid() or subscription.status != SubscriptionStatus.UNSUBSCRIBED:
        return "no reason"
    consent.record_reason(subscription, reason=given.cleaned_data["reason"], now=now)
    return "thanks"


def _render_page(
    request: HttpRequest, subscription: Subscription, *, language: str, said: str, now: datetime
) -> HttpResponse:
    left = subscription.status == SubscriptionStatus.UNSUBSCRIBED
    context = {
        "newsletter": subscription.newsletter,
        "title": subscription.newsletter.title_in(language),
        "masked": addresses.mask(subscription.subscriber.email),
        "said": said,
        "can_undo": consent.can_undo(subscription, now=now),
        "others": [
            one.newsletter.title_in(language)
            for one in audience.open_subscriptions(subscription.subscriber)
            if one.pk != subscription.pk
        ],
        "reasons": _reason_choices() if left and said != "thanks" else [],
        "preferences_url": reverse("preferences", args=[tokens.make_preferences(subscription.pk)]),
    }
    return responses.render_page(request, "unsubscribed" if left else "unsubscribe", context, language=language)


def _reason_choices() -> list[tuple[str, str]]:
    words = (
        _("Too often"),
        _("Not what I need"),
        _("I never signed up"),
        _("Something else"),
    )
    return list(zip(consent.UNSUBSCRIBE_REASONS, words, strict=True))
