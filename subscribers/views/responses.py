"""What the public pages share: language, headers of pages with a secret address, calm dead ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any
from urllib.parse import urlsplit

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from newsletter import content, editions, formatting
from newsletter.languages import reader_words
from newsletter.models import Issue, IssueStatus, Newsletter
from newsletter.web import client_address, page_language

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


def language_for(request: HttpRequest, preferred: str = "", newsletters: Iterable[Newsletter] | None = None) -> str:
    """`?lang=` wins, then the reader's or the form's own language, then what the browser asks for.

    Of the browser's languages counts the first in which `newsletters` (else all public ones) are written; without one,
    the first language of the first newsletter.
    """
    shown = Newsletter.objects.public() if newsletters is None else newsletters
    return page_language.choose_language(request, page_language.offered_languages(shown), preferred=preferred)


@contextmanager
def speak(language: str, newsletter: Newsletter | None = None) -> Iterator[str]:
    """Show the fixed words of a page for a reader of `language`, falling back as `newsletter` says."""
    if newsletter is None:
        newsletter = Newsletter.objects.public().first() or Newsletter.objects.first()
    with reader_words.override(language, newsletter.fixed_words_language if newsletter else "") as spoken:
        yield spoken


def render_page(
    request: HttpRequest,
    template: str,
    context: dict[str, Any],
    *,
    language: str,
    languages: Iterable[str] | None = None,
    status: int = 200,
) -> HttpResponse:
    """Render for a reader of `language`; the fixed words are in the language that is active now.

    `languages` are those that the page offers links to; by default those of the page's newsletter.
    """
    newsletter = context.get("newsletter")
    offered = languages if languages is not None else newsletter.languages if newsletter else (language,)
    page = {
        "page_language": language,
        "languages": [{"code": code, "name": formatting.own_language_name(code)} for code in offered],
    }
    response = render(request, f"public/{template}.html", {**page, **context}, status=status)
    response["Content-Language"] = reader_words.current_language()
    return response


def render_lost(request: HttpRequest, *, language: str, kind: str = "link", status: int = 404) -> HttpResponse:
    """A link that leads nowhere: what may have happened, and the next step."""
    newsletter = Newsletter.objects.first()
    with speak(language, newsletter):
        context = {"kind": kind, "newsletter": newsletter}
        return render_page(request, "invalid_link", context, language=language, status=status)


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
            "language": issue.newsletter.best_language(language),
            "url": f"{urlsplit(editions.web_url(issue)).path}?lang={issue.newsletter.best_language(language)}",
        }
        for issue in issues[:most]
    ]


def _issue_title(issue: Issue, language: str) -> str:
    spoken = issue.newsletter.best_language(language)
    return content.parse(issue.content).envelope(spoken, issue.newsletter.default_language).subject
