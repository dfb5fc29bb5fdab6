"""What the public pages share: language, headers of pages with a secret address, calm dead ends."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlsplit

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils import translation
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from newsletter import content, editions
from newsletter.models import Issue, IssueStatus, Newsletter
from newsletter.web import client_address
from subscribers import signup

View = Callable[..., HttpResponse]
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
MAX_LATEST_ISSUES = 3


class SeeOther(HttpResponseRedirect):
    status_code = 303


def private_page(view: View) -> View:
    """For pages whose address is a secret: no referrer, no copy in caches, not found by search engines (T-10)."""

    @wraps(view)
    def shown(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        response = view(request, *args, **kwargs)
        response["Referrer-Policy"] = "no-referrer"
        response["Cache-Control"] = "no-store"
        response["X-Robots-Tag"] = "noindex"
        return response

    return shown


def token_page(view: View) -> View:
    """Public, private in the sense above, and free of CSRF tokens: see the module's first lines."""
    methods = require_http_methods([*SAFE_METHODS, "POST"])
    return login_not_required(csrf_exempt(methods(private_page(view))))


def language_for(request: HttpRequest, preferred: str = "") -> str:
    """`?lang=` wins, then the reader's or the form's own language, then what the browser asks for."""
    asked = request.GET.get("lang", "")
    if asked in signup.LANGUAGES:
        return asked
    return preferred if preferred in signup.LANGUAGES else translation.get_language() or signup.LANGUAGES[0]


def render_page(request: HttpRequest, template: str, context: dict[str, Any], *, status: int = 200) -> HttpResponse:
    """Render in the language that is active now."""
    response = render(request, f"public/{template}.html", context, status=status)
    response["Content-Language"] = translation.get_language() or signup.LANGUAGES[0]
    return response


def render_lost(request: HttpRequest, *, language: str, kind: str = "link", status: int = 404) -> HttpResponse:
    """A link that leads nowhere: what may have happened, and the next step."""
    with translation.override(language):
        return render_page(
            request, "invalid_link", {"kind": kind, "newsletter": Newsletter.objects.first()}, status=status
        )


def visitor_details(request: HttpRequest) -> dict[str, Any]:
    return {
        "ip": client_address.get_client_address(request) or None,
        "user_agent": request.headers.get("User-Agent", "")[:200],
    }


def latest_issues(
    newsletters: list[Newsletter], language: str, *, most: int = MAX_LATEST_ISSUES
) -> list[dict[str, Any]]:
    """The newest issues that can be read on the web."""
    issues = (
        Issue.objects.filter(newsletter__in=newsletters, newsletter__archive_is_public=True, status=IssueStatus.SENT)
        .select_related("newsletter")
        .order_by("-sent_at")
    )
    return [
        {
            "issue": issue,
            "newsletter": issue.newsletter,
            "title": _issue_title(issue, language),
            "url": f"{urlsplit(editions.web_url(issue)).path}?lang={issue.newsletter.best_language(language)}",
        }
        for issue in issues[:most]
    ]


def _issue_title(issue: Issue, language: str) -> str:
    spoken = issue.newsletter.best_language(language)
    return content.parse(issue.content).envelope(spoken, issue.newsletter.default_language).subject
