"""Archive pages: the list of sent issues, one issue, and the feeds."""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby
from typing import Any

from csp.constants import NONE, SELF
from csp.decorators import csp
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.core.paginator import Page, Paginator
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from newsletter import editions
from newsletter.archive import feeds, pages, sharing
from newsletter.formatting import own_language_name
from newsletter.languages import reader_words
from newsletter.models import Issue, Newsletter
from newsletter.rendering import mjml
from newsletter.web import page_language

ISSUES_PER_PAGE = 40
View = Callable[..., HttpResponseBase]

STRICT_CSP = csp(
    {
        "default-src": [NONE],
        "img-src": [SELF],
        "style-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
)
"""T-23: no script, frame, font or external picture is loaded, whatever an article contains."""


def public_view(view: View) -> View:
    """Mark a view as public and read-only, with the strictest Content-Security-Policy."""
    return login_not_required(require_safe(STRICT_CSP(view)))


# --- pages -----------------------------------------------------------------------------------------------------------


@public_view
def issue_list(request: HttpRequest) -> HttpResponse:
    """Sent issues of all public archives, the newest first. `?newsletter=` and `?year=` filter them."""
    sent = pages.sent_issues()
    newsletter = Newsletter.objects.filter(slug=request.GET.get("newsletter", ""), archive_is_public=True).first()
    shown = [newsletter] if newsletter else list(Newsletter.objects.filter(archive_is_public=True))
    codes = page_language.offered_languages(shown)
    language = page_language.choose_language(request, codes)
    if newsletter:
        sent = sent.filter(newsletter=newsletter)
    years = pages.years(sent)
    year = next((one for one in years if str(one) == request.GET.get("year")), None)
    page = Paginator(sent.filter(sent_at__year=year) if year else sent, ISSUES_PER_PAGE).get_page(
        request.GET.get("page")
    )
    with reader_words.override(language, shown[0].fixed_words_language if shown else ""):
        return _render_list(request, page, newsletter, language=language, codes=codes, years=years, year=year)


def _render_list(
    request: HttpRequest,
    page: Page[Issue],
    newsletter: Newsletter | None,
    *,
    language: str,
    codes: list[str],
    years: list[int],
    year: int | None,
) -> HttpResponse:
    address, query = settings.SITE_URL + reverse("archive-list"), _list_query(newsletter, year)
    context = {
        "page": page,
        "page_language": language,
        "by_year": [(key, list(found)) for key, found in groupby((_entry(one, language) for one in page), _year)],
        "years": [(one, _list_query(newsletter, one), one == year) for one in years] if len(years) > 1 else [],
        "all_years": _list_query(newsletter, None),
        "query": query,
        "newsletter": newsletter,
        "canonical": _with_language(f"{address}?{query}" if query else address, language),
        "plain_address": f"{address}?{query}" if query else address,
        "alternates": _alternates(f"{address}?{query}" if query else address, codes),
        "languages_here": _language_links(f"{address}?{query}" if query else address, codes, language),
    }
    response = render(request, "archive/list.html", context)
    response.headers["Content-Language"] = reader_words.current_language()
    return response


def _list_query(newsletter: Newsletter | None, year: int | None) -> str:
    parts = [f"newsletter={newsletter.slug}"] if newsletter else []
    return "&".join([*parts, *([f"year={year}"] if year else [])])


def _entry(issue: Issue, language: str) -> dict[str, Any]:
    spoken = issue.newsletter.best_language(language)
    return {
        "issue": issue,
        "language": spoken,
        "direction": mjml.text_direction(spoken),
        "title": pages.title(issue, spoken),
        "summary": pages.summary(issue, spoken),
        "edition": editions.edition_line(issue),
        "newsletter": issue.newsletter.title_in(spoken),
        "address": f"{_path(issue)}?lang={spoken}",
    }


def _year(entry: dict[str, Any]) -> int:
    return timezone.localtime(entry["issue"].sent_at).year


@public_view
def issue_detail(request: HttpRequest, year: int, slug: str) -> HttpResponse:
    """One issue as a page, in the requested language or the newsletter's best match."""
    shown = pages.readable_issues().filter(slug=slug).first()
    if shown is None:
        return _test_mail_page(request)
    if year != editions.issue_date(shown).year:
        return redirect(_path(shown), permanent=True)
    newsletter = shown.newsletter
    language = newsletter.best_language(page_language.choose_language(request, newsletter.languages))
    with reader_words.override(language, newsletter.fixed_words_language):
        response = render(request, "archive/issue.html", _context(shown, language))
        response.headers["Content-Language"] = language
    if shown.audience:
        response.headers["X-Robots-Tag"] = "noindex"
    return response


def _test_mail_page(request: HttpRequest) -> HttpResponse:
    """A link from a test mail to a page that does not exist yet. Other addresses give 404, so issue slugs cannot be
    guessed.
    """
    if request.GET.get("warta") != "test":
        raise Http404("no such issue")
    response = render(request, "archive/test_mail_link.html")
    response.headers["X-Robots-Tag"] = "noindex"
    return response


def _context(issue: Issue, language: str) -> dict[str, Any]:
    newsletter, address = issue.newsletter, editions.web_url(issue)
    title, summary = pages.title(issue, language), pages.summary(issue, language)
    blocks = list(pages.block_groups(issue, language))
    before, after = pages.adjacent_issues(issue)
    picture = sharing.preview_image(editions.document(issue), language, newsletter.default_language)
    canonical, alternates = _with_language(address, language), _alternates(address, editions.languages(issue))
    changed_at, put_right = pages.last_changes([issue]).get(issue.pk), pages.page_corrections(issue, language)
    facts = sharing.structured_data(
        issue,
        language=language,
        title=title,
        summary=summary,
        address=canonical,
        alternates=alternates,
        picture=picture,
        changed_at=changed_at,
        corrections=put_right,
    )
    return {
        "issue": issue,
        "newsletter": newsletter,
        "page_language": language,
        "story_direction": mjml.text_direction(language),
        "title": title,
        "summary": summary,
        "edition": editions.edition_line(issue),
        "published": editions.issue_date(issue).isoformat(),
        "changed": changed_at.isoformat() if changed_at else "",
        "minutes": pages.reading_minutes(blocks),
        "blocks": blocks,
        "sections": pages.SECTION_KINDS,
        "corrections": put_right,
        "canonical": canonical,
        "plain_address": address,
        "alternates": alternates,
        "languages_here": _language_links(address, editions.languages(issue), language),
        "picture": picture,
        "locale": sharing.open_graph_locale(language),
        "locales": [sharing.open_graph_locale(code) for code in editions.languages(issue) if code != language],
        "facts": facts,
        "privacy_url": editions.privacy_url(newsletter),
        "before": before and _entry(before, language),
        "after": after and _entry(after, language),
        "brand": newsletter.brand,
        "archive_address": f"{reverse('archive-list')}?newsletter={newsletter.slug}&lang={language}",
    }


def _path(issue: Issue) -> str:
    return reverse("archive-issue", kwargs={"year": editions.issue_date(issue).year, "slug": issue.slug})


def _with_language(address: str, language: str) -> str:
    return f"{address}{'&' if '?' in address else '?'}lang={language}"


def _alternates(address: str, languages: list[str]) -> list[dict[str, str]]:
    return [{"language": code, "address": _with_language(address, code)} for code in languages]


def _language_links(address: str, languages: list[str], language: str) -> list[dict[str, str]]:
    return [
        {"code": code, "name": own_language_name(code), "address": _with_language(address, code)}
        for code in languages
        if code != language
    ]


# --- feeds -----------------------------------------------------------------------------------------------------------


@public_view
def atom_feed(request: HttpRequest) -> HttpResponseBase:
    return feeds.feed_response(request, feeds.render_atom, "application/atom+xml")


@public_view
def rss_feed(request: HttpRequest) -> HttpResponseBase:
    return feeds.feed_response(request, feeds.render_rss, "application/rss+xml")


@public_view
def json_feed(request: HttpRequest) -> HttpResponseBase:
    return feeds.feed_response(request, feeds.render_json_feed, "application/feed+json")
