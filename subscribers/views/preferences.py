"""The preferences page."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _

from newsletter import formatting
from newsletter.models import Newsletter
from newsletter.web import page_language
from subscribers import addresses, audience, consent, signup, suppression, tokens
from subscribers.models import (
    Purpose,
    Subscription,
    SuppressionReason,
)
from subscribers.views import forms, responses


@responses.token_page
def edit(request: HttpRequest, token: str) -> HttpResponse:
    """Newsletters, language and measurement, without a password. Shows and gives away no more than that (20)."""
    now = timezone.now()
    try:
        subscription_id = tokens.read_preferences(token)
    except tokens.InvalidToken:
        return responses.render_lost(request, language=responses.language_for(request))
    if subscription_id == 0:
        return responses.render_lost(request, language=responses.language_for(request), kind="test", status=200)
    subscription = Subscription.objects.select_related("subscriber", "newsletter").filter(pk=subscription_id).first()
    if subscription is None or subscription.subscriber.erased_at is not None:
        return responses.render_lost(request, language=responses.language_for(request), kind="ended")
    languages = reading_languages(subscription)
    language = responses.language_for(request, subscription.subscriber.language)
    changes = None
    if request.method == "POST":
        with responses.speak(language, subscription.newsletter):
            changes = _apply_choices(request, subscription, language=language, languages=languages, now=now)
        chosen = request.POST.get("language", "")
        if changes and chosen in languages and "lang" not in request.GET:
            language = chosen
    with responses.speak(language, subscription.newsletter):
        return _render_page(request, subscription, language=language, languages=languages, changes=changes)


def reading_languages(subscription: Subscription) -> list[str]:
    """The languages a reader may choose: those of the newsletters on the page, and the reader's own."""
    offered = page_language.offered_languages(_selectable_newsletters(subscription))
    own = subscription.subscriber.language
    return offered if own in offered or not own else [*offered, own]


def _apply_choices(
    request: HttpRequest, subscription: Subscription, *, language: str, languages: list[str], now: datetime
) -> list[str]:
    """Carry out what the reader chose; each change as a sentence."""
    reader = subscription.subscriber
    visitor = responses.visitor_details(request)
    step = request.POST.get("do", "")
    if step == "all":
        return [
            _("%(title)s: unsubscribed, with immediate effect.") % {"title": one.newsletter.title_in(language)}
            for one in audience.open_subscriptions(subscription.subscriber)
            if consent.withdraw(one, now=now, **visitor)
        ]
    if step == "lift":
        lifted = reader.suppressed_for == SuppressionReason.COMPLAINED and suppression.lift(
            reader.email_key, by_reader=True, now=now
        )
        return [_("We can send you mail again.")] if lifted else []
    sent = forms.PreferencesForm(request.POST, languages=languages)
    if step != "save" or not sent.is_valid():
        return []
    return [
        *_update_newsletters(subscription, sent.ids("newsletters"), language=language, now=now, visitor=visitor),
        *_update_language(subscription, sent.cleaned_data["language"]),
        *_update_measurement(subscription, sent.ids("measurement"), language=language, now=now, visitor=visitor),
    ]


def _update_newsletters(
    subscription: Subscription, wanted: set[int], *, language: str, now: datetime, visitor: dict[str, Any]
) -> list[str]:
    changes = []
    running = {
        one.newsletter_id: one
        for one in audience.open_subscriptions(subscription.subscriber)
        if one.status in consent.ACTIVE_STATUSES
    }
    for newsletter in _selectable_newsletters(subscription):
        names = {"title": newsletter.title_in(language)}
        if newsletter.pk in wanted and newsletter.pk not in running:
            consent.subscribe(subscription.subscriber, newsletter, now=now, **visitor)
            changes.append(_("%(title)s: you will receive it from the next issue on.") % names)
        if newsletter.pk not in wanted and newsletter.pk in running:
            consent.withdraw(running[newsletter.pk], now=now, **visitor)
            changes.append(_("%(title)s: unsubscribed, with immediate effect.") % names)
    return changes


def _update_language(subscription: Subscription, language: str) -> list[str]:
    reader = subscription.subscriber
    if not language or language == reader.language:
        return []
    reader.language = language
    reader.save(update_fields=["language"])
    for one in audience.open_subscriptions(subscription.subscriber):
        consent.set_language(one, language=one.newsletter.best_language(language))
    with responses.speak(language, subscription.newsletter):
        name = formatting.language_name(language)
        return [_("Language: %(language)s, from the next issue on.") % {"language": name}]


def _update_measurement(
    subscription: Subscription, wanted: set[int], *, language: str, now: datetime, visitor: dict[str, Any]
) -> list[str]:
    changes = []
    for one in audience.open_subscriptions(subscription.subscriber):
        if one.status not in consent.ACTIVE_STATUSES or not _asks_measurement(one.newsletter):
            continue
        if consent.set_measurement(one, agrees=one.newsletter_id in wanted, now=now, **visitor):
            names = {"title": one.newsletter.title_in(language)}
            changes.append(
                _("%(title)s: your clicks will be counted from the next issue on.") % names
                if one.may_track
                else _("%(title)s: your clicks are no longer counted, including in earlier issues.") % names
            )
    return changes


def _asks_measurement(newsletter: Newsletter) -> bool:
    return Purpose.MEASUREMENT in consent.required_purposes(newsletter)


def _selectable_newsletters(subscription: Subscription) -> list[Newsletter]:
    """What a reader may turn on or off: the open newsletters, and whatever the reader has."""
    own = {one.newsletter_id for one in audience.open_subscriptions(subscription.subscriber)} | {
        subscription.newsletter_id
    }
    brand = subscription.newsletter.brand
    return [
        newsletter
        for newsletter in Newsletter.objects.all()
        if newsletter.pk in own or (newsletter.is_public and newsletter.brand == brand)
    ]


def _render_page(
    request: HttpRequest,
    subscription: Subscription,
    *,
    language: str,
    languages: list[str],
    changes: list[str] | None,
) -> HttpResponse:
    subscription.subscriber.refresh_from_db()
    running = {
        one.newsletter_id: one
        for one in audience.open_subscriptions(subscription.subscriber)
        if one.status in consent.ACTIVE_STATUSES
    }
    context = {
        "newsletter": subscription.newsletter,
        "masked": addresses.mask(subscription.subscriber.email),
        "choices": [
            {
                "newsletter": newsletter,
                "title": newsletter.title_in(language),
                "description": newsletter.description_in(language),
                "since": running[newsletter.pk].confirmed_at if newsletter.pk in running else None,
                "ticked": newsletter.pk in running,
            }
            for newsletter in _selectable_newsletters(subscription)
        ],
        "measurement": [
            {
                "newsletter": one.newsletter,
                "ticked": one.may_track,
                "text": signup.shown_text(one.newsletter, Purpose.MEASUREMENT, language),
            }
            for one in running.values()
            if _asks_measurement(one.newsletter)
        ],
        "reading": subscription.subscriber.language,
        "any_running": bool(running),
        "has_complained": subscription.subscriber.suppressed_for == SuppressionReason.COMPLAINED,
        "bounced": subscription.subscriber.suppressed_for == SuppressionReason.BOUNCED,
        "changes": changes,
    }
    return responses.render_page(request, "preferences", context, language=language, languages=languages)
