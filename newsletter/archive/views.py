"""Archive pages: the list of sent issues, and one issue."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import translation
from django.views.decorators.http import require_safe

from newsletter import editions
from newsletter.archive import pages
from newsletter.models import Issue, Newsletter

ISSUES_A_PAGE = 40


@login_not_required
@require_safe
def issues(request: HttpRequest) -> HttpResponse:
    """Every sent issue of every open newsletter, newest first; `?newsletter=` shows one newsletter only."""
    language = translation.get_language()
    sent = pages.sent()
    newsletter = Newsletter.objects.filter(slug=request.GET.get("newsletter", ""), archive_is_public=True).first()
    if newsletter:
        sent = sent.filter(newsletter=newsletter)
    page = Paginator(sent, ISSUES_A_PAGE).get_page(request.GET.get("page"))
    address = settings.SITE_URL + reverse("archive-list")
    if newsletter:
        address += f"?newsletter={newsletter.slug}"
    codes = [code for code, _ in settings.LANGUAGES]
    context = {
        "page": page,
        "entries": [_entry(issue, language) for issue in page],
        "newsletter": newsletter,
        "canonical": _in(address, language),
        "alternates": _alternates(address, codes),
        "languages_here": _switches(address, codes, language),
    }
    return render(request, "archive/list.html", context)


def _entry(issue: Issue, language: str) -> dict[str, Any]:
    spoken = issue.newsletter.best_language(language)
    return {
        "issue": issue,
        "language": spoken,
        "title": pages.title(issue, spoken),
        "summary": pages.summary(issue, spoken),
        "edition": editions.edition_line(issue),
        "newsletter": issue.newsletter.title_in(spoken),
        "address": f"{_path(issue)}?lang={spoken}",
    }


@login_not_required
@require_safe
def issue(request: HttpRequest, year: int, slug: str) -> HttpResponse:
    """One issue as a page, in the language asked for or the nearest the newsletter has."""
    shown = get_object_or_404(pages.readable(), slug=slug)
    if year != editions.day(shown).year:
        return redirect(_path(shown), permanent=True)
    language = shown.newsletter.best_language(request.GET.get("lang", "") or translation.get_language())
    with translation.override(language):
        return render(request, "archive/issue.html", _context(shown, language))


def _context(issue: Issue, language: str) -> dict[str, Any]:
    address = editions.web_url(issue)
    blocks = list(pages.groups(issue, language))
    before, after = pages.neighbours(issue)
    return {
        "issue": issue,
        "newsletter": issue.newsletter,
        "page_language": language,
        "title": pages.title(issue, language),
        "summary": pages.summary(issue, language),
        "edition": editions.edition_line(issue),
        "minutes": pages.reading_minutes(blocks),
        "blocks": blocks,
        "corrections": pages.corrections(issue, language),
        "canonical": _in(address, language),
        "alternates": _alternates(address, editions.languages(issue)),
        "languages_here": _switches(address, editions.languages(issue), language),
        "picture": pages.picture(editions.document(issue)),
        "privacy_url": editions.privacy_url(issue.newsletter),
        "before": before and _entry(before, language),
        "after": after and _entry(after, language),
        "brand": issue.newsletter.brand,
        "description": issue.newsletter.description_in(language),
        "archive_address": f"{reverse('archive-list')}?newsletter={issue.newsletter.slug}",
    }


def _path(issue: Issue) -> str:
    return reverse("archive-issue", kwargs={"year": editions.day(issue).year, "slug": issue.slug})


def _in(address: str, language: str) -> str:
    return f"{address}{'&' if '?' in address else '?'}lang={language}"


def _alternates(address: str, languages: list[str]) -> list[dict[str, str]]:
    return [{"language": code, "address": _in(address, code)} for code in languages]


def _switches(address: str, languages: list[str], language: str) -> list[dict[str, str]]:
    return [
        {"code": code, "name": translation.get_language_info(code)["name_local"], "address": _in(address, code)}
        for code in languages
        if code != language
    ]
