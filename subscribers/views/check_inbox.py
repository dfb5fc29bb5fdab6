""" "Check your inbox": what is on its way, and "Send again"."""

from __future__ import annotations

from datetime import datetime
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone

from newsletter.web import page_language
from subscribers import signup
from subscribers.models import (
    SignupRequest,
)
from subscribers.signup import limits
from subscribers.views import responses
from subscribers.views import signup as signup_views


@responses.token_page
def show(request: HttpRequest, public_id: str) -> HttpResponse:
    now = timezone.now()
    found = _find_recent_request(public_id, now=now)
    if found is None:
        return responses.render_lost(request, language=responses.language_for(request), kind="page")
    return _render_page(request, found, now=now)


def _find_recent_request(public_id: str, *, now: datetime) -> SignupRequest | None:
    requests = SignupRequest.objects.select_related("form").filter(created_at__gt=now - signup.PAGE_LIFETIME)
    return requests.filter(public_id=public_id).first()


def _render_page(request: HttpRequest, found: SignupRequest, *, now: datetime, too_early: bool = False) -> HttpResponse:
    newsletters = list(found.newsletters.order_by("pk"))
    language = responses.language_for(request, found.language, newsletters)
    with responses.speak(language, newsletters[0]):
        letter = signup_views.describe_confirmation_mail(found)
        letter["language"] = signup_views.confirmation_language(found)
        context = {
            "newsletter": newsletters[0],
            "titles": [newsletter.title_in(language) for newsletter in newsletters],
            "found": found,
            "letter": letter,
            "service": signup.find_webmail(found.email, sender=newsletters[0].from_email),
            "mailbox": _mailbox_url(),
            "expires_at": signup.link_expires_at(found),
            "resend_at": found.created_at + signup.RESEND_AFTER,
            "can_resend": now >= found.created_at + signup.RESEND_AFTER,
            "too_early": too_early,
            "back": f"{reverse('signup-post', args=[found.form.slug])}" if found.form else reverse("signup"),
            "success_url": found.form.success_url if found.form else "",
        }
        return responses.render_page(
            request, "check_inbox", context, language=language, status=429 if too_early else 200
        )


def _mailbox_url() -> str:
    """Where this installation shows the mail it catches; empty once mail really leaves."""
    catches = settings.EMBEDDED and any(route.startswith("mailbox:") for route in settings.MAIL_ROUTES)
    return "/mailbox/" if catches else ""


@responses.token_page
def resend(request: HttpRequest, public_id: str) -> HttpResponse:
    """Send the mail once more, a minute after the first at the earliest. GET shows the page."""
    now = timezone.now()
    found = _find_recent_request(public_id, now=now)
    if found is None or found.form is None:
        return responses.render_lost(request, language=responses.language_for(request), kind="page")
    if request.method != "POST":
        return responses.SeeOther(reverse("check-inbox", args=[public_id]))
    visitor = responses.visitor_details(request)
    is_busy = limits.is_network_over_limit(limits.network_prefix(visitor["ip"] or ""), now=now)
    if is_busy or now < found.created_at + signup.RESEND_AFTER:
        return _render_page(request, found, now=now, too_early=True)
    again = signup.accept_resend(found, ip=visitor["ip"] or "", user_agent=visitor["user_agent"], now=now)
    return responses.SeeOther(reverse("check-inbox", args=[again.public_id]) + _language_query(request))


def _language_query(request: HttpRequest) -> str:
    asked = page_language.asked_language(request)
    return "?" + urlencode({"lang": asked}) if asked else ""
