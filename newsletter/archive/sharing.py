"""Metadata of an issue's page for search engines and link previews. Public facts only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.urls import reverse
from django.utils.translation import gettext as _

from newsletter import content, editions
from newsletter.archive.pages import PageCorrection
from newsletter.languages import tags
from newsletter.models import Issue, Newsletter
from newsletter.rendering import richtext

MAX_HEADLINE_LENGTH = 110
OPEN_GRAPH_LOCALES = {"ar": "ar_AR"}
"""Where OpenGraph's list names another territory than CLDR's likely subtags."""


@dataclass(frozen=True)
class PreviewImage:
    """The picture of a link preview."""

    url: str
    width: int
    height: int
    alt: str


def preview_image(document: content.Document, language: str, default: str) -> PreviewImage | None:
    """The first picture with an alternative text, or None."""
    for block, words, _spoken in content.shown_blocks(document, language, default):
        shown = getattr(block, "picture", None)
        if shown is None or getattr(block, "is_decorative", False):
            continue
        alt = richtext.clean_line(getattr(words, "image_alt", "") or getattr(words, "headline", ""))
        if url := editions.picture_url(shown):
            return PreviewImage(url, shown.width, shown.height, alt)
    return None


def open_graph_locale(language: str) -> str:
    """The language with a territory, such as id_ID, as OpenGraph wants it; without one where CLDR knows none."""
    return OPEN_GRAPH_LOCALES.get(language) or tags.with_territory(language)


def structured_data(
    issue: Issue,
    *,
    language: str,
    title: str,
    summary: str,
    address: str,
    alternates: list[dict[str, str]],
    picture: PreviewImage | None,
    changed_at: datetime | None,
    corrections: Sequence[PageCorrection] = (),
) -> dict[str, Any]:
    """The page as schema.org data: a news article in an issue of a periodical."""
    newsletter = issue.newsletter
    published = editions.issue_date(issue).isoformat()
    data: dict[str, Any] = {
        "@context": "https://schema.org",
        "@type": "NewsArticle",
        "headline": title if len(title) <= MAX_HEADLINE_LENGTH else title[: MAX_HEADLINE_LENGTH - 1].rstrip() + "…",
        "description": summary,
        "inLanguage": language,
        "datePublished": published,
        "dateModified": changed_at.astimezone(newsletter.zone).isoformat() if changed_at else published,
        "correction": [_comment(one, newsletter) for one in corrections],
        "url": address,
        "mainEntityOfPage": address,
        "isAccessibleForFree": True,
        "image": [picture.url] if picture else [],
        "author": publisher_data(newsletter),
        "publisher": publisher_data(newsletter),
        "isPartOf": {
            "@type": "PublicationIssue",
            "issueNumber": issue.number,
            "datePublished": published,
            "isPartOf": {
                "@type": "Periodical",
                "name": newsletter.title_in(language),
                "url": archive_url(newsletter),
            },
        },
        "workTranslation": [
            {"@type": "NewsArticle", "inLanguage": other["language"], "url": other["address"]}
            for other in alternates
            if other["language"] != language
        ],
    }
    return {name: value for name, value in data.items() if value not in ("", [])}


def _comment(correction: PageCorrection, newsletter: Newsletter) -> dict[str, str]:
    sentence = _("The link “%(label)s” led to the wrong page in the mail. Here it leads to the right one.")
    comment = {"@type": "CorrectionComment", "text": correction.words or sentence % {"label": correction.label}}
    if correction.made_at:
        comment["datePublished"] = correction.made_at.astimezone(newsletter.zone).isoformat()
    return comment


def publisher_data(newsletter: Newsletter) -> dict[str, Any]:
    data: dict[str, Any] = {"@type": "Organization", "name": newsletter.brand}
    if newsletter.site_url:
        data["url"] = newsletter.site_url
    if newsletter.logo and (url := editions.media_url(newsletter.logo.file.name or "")):
        data["logo"] = {"@type": "ImageObject", "url": url}
    return data


def archive_url(newsletter: Newsletter) -> str:
    return f"{settings.SITE_URL}{reverse('archive-list')}?newsletter={newsletter.slug}"
