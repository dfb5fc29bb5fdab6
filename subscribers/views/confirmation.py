"""The page behind the link in the confirmation mail."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone

from newsletter import formatting
from newsletter.models import Article
from subscribers import addresses, consent, tokens
from subscribers.models import Purpose, SignupRequest, Subscription
from subscribers.views import responses


@responses.token_page
def confirm(request: HttpRequest, token: str) -> HttpResponse:
    """GET shows a button, POST confirms: scanners follow links, and a confirmation must be a person's (T-11)."""
    now = timezone.now()
    try:
        request_id = tokens.read_confirm(token, now)
    except tokens.ExpiredToken as expired:
        found = SignupRequest.objects.filter(pk=expired.request_id).first()
        return _render_expired(request, found)
    except tokens.InvalidToken:
        return responses.render_lost(request, language=responses.language_for(request))
    found = SignupRequest.objects.select_related("form").filter(pk=request_id).first()
    if found is None:
        return responses.render_lost(request, language=responses.language_for(request), kind="expired", status=410)
    language = responses.language_for(request, found.language)
    with responses.speak(language, found.newsletters.order_by("pk").first()):
        if request.method != "POST":
            return _render_confirm(request, found, language=language)
        try:
            confirmed = consent.confirm(found, now=now, **responses.visitor_details(request))
        except consent.AlreadyConfirmed:
            return _render_confirmed(request, found, _active_subscriptions(found), language=language, is_first=False)
        return _render_confirmed(request, found, confirmed, language=language, is_first=True)


def _render_expired(request: HttpRequest, found: SignupRequest | None) -> HttpResponse:
    language = responses.language_for(request, found.language if found else "")
    if found is not None and found.confirmed_at is not None:
        running = _active_subscriptions(found)
        with responses.speak(language, found.newsletters.order_by("pk").first()):
            return _render_confirmed(request, found, running, language=language, is_first=False, is_live=False)
    return responses.render_lost(request, language=language, kind="expired", status=410)


def _render_confirm(request: HttpRequest, found: SignupRequest, *, language: str) -> HttpResponse:
    waiting = consent.pending_subscriptions(found)
    if found.confirmed_at is not None or not waiting:
        return _render_confirmed(request, found, _active_subscriptions(found), language=language, is_first=False)
    context = {
        "newsletter": waiting[0].newsletter,
        "found": found,
        "items": [
            {
                "title": one.newsletter.title_in(language),
                "description": one.newsletter.description_in(language),
                "language": one.newsletter.title_language(language),
            }
            for one in waiting
        ],
        "measurement": found.consent_texts.filter(
            purpose=Purpose.MEASUREMENT, newsletter__in=[one.newsletter_id for one in waiting]
        ),
        "language_name": formatting.language_name(found.language),
        "page_title": _page_title(found.page_url),
        "forgotten_at": found.created_at + consent.PENDING_LIFETIME,
    }
    return responses.render_page(request, "confirm", context, language=language)


def _page_title(page_url: str) -> str:
    """The headline of the page somebody signed up on, if it is one of our articles; else its address."""
    title = Article.objects.filter(url=page_url).values_list("title", flat=True).first() if page_url else ""
    return title or page_url.partition("://")[2].rstrip("/")


def _active_subscriptions(found: SignupRequest) -> list[Subscription]:
    """The subscriptions a sign-up led to that are still running."""
    return list(
        Subscription.objects.filter(
            subscriber__email_key=found.email.lower(),
            newsletter__in=found.newsletters.all(),
            status__in=consent.ACTIVE_STATUSES,
        )
        .select_related("newsletter", "subscriber")
        .order_by("newsletter")
    )


def _render_confirmed(
    request: HttpRequest,
    found: SignupRequest,
    running: list[Subscription],
    *,
    language: str,
    is_first: bool,
    is_live: bool = True,
) -> HttpResponse:
    """The page after the button; also what a second click shows, which changes nothing.

    A link whose time is over neither names the address nor opens the choices (T-10).
    """
    if not running:
        return responses.render_lost(request, language=language, kind="ended", status=200)
    newsletters = [subscription.newsletter for subscription in running]
    context = {
        "newsletter": newsletters[0],
        "found": found,
        "is_first": is_first,
        "email": found.email if is_live else addresses.mask(found.email),
        "titles": [newsletter.title_in(language) for newsletter in newsletters],
        "latest": responses.latest_issues(newsletters, language, most=1),
        "preferences_url": reverse("preferences", args=[tokens.make_preferences(running[0].pk)]) if is_live else "",
        "success_url": found.form.success_url if found.form else "",
    }
    return responses.render_page(request, "confirmed", context, language=language)
