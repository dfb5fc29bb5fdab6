"""A preview of a site's first issue: unsaved newsletter, articles and issue, and the mail rendered from them."""

from __future__ import annotations

from urllib.parse import urljoin

from django.conf import settings

from newsletter import content, editions
from newsletter.articles.storing import MERGED_FIELDS
from newsletter.drafts import preparation, schedule
from newsletter.models import Article, Issue, MediaFile, Newsletter
from newsletter.sites.site_reading import DEFAULT_ACCENT, FetchedPicture, SiteReading

MAX_LENGTH = 200
"""Maximum length of a newsletter's `site_url` and `list_id`."""
LEAD_PATH, LOGO_PATH = "first-run/lead", "first-run/logo"
"""Placeholder paths of pictures that are not stored yet. `render_preview` replaces them by data URIs."""


def build_newsletter(reading: SiteReading) -> Newsletter:
    """The newsletter, unsaved. The editor enters the sender in the next step."""
    return Newsletter(
        slug="first-run",
        brand=reading.name,
        title=reading.name,
        from_name=reading.name,
        languages=list(reading.languages),
        postal_address=reading.postal_address,
        site_url=_site_url(reading),
        time_zone=reading.time_zone or settings.TIME_ZONE,
        accent=reading.accent or DEFAULT_ACCENT,
        is_public=False,  # no sign-ups before the sender is known
        cadence=schedule.DEFAULT_CADENCE.to_json(),
        draft_rule=preparation.DraftRule().to_json(),
    )


def _site_url(reading: SiteReading) -> str:
    """The site's URL, or its root if a redirect led to a URL that is too long to store."""
    return next((url for url in (reading.url, urljoin(reading.url, "/")) if len(url) <= MAX_LENGTH), "")


def pick_articles(reading: SiteReading) -> list[preparation.TranslatedArticle]:
    """Articles of the first issue: the same that the rule selects once the articles are stored."""
    newsletter = build_newsletter(reading)
    return preparation.apply_rule(
        preparation.group_translations(_unstored(reading), newsletter), preparation.DraftRule()
    )


def _unstored(reading: SiteReading) -> list[Article]:
    values = (
        {name: getattr(item, name) for name in MERGED_FIELDS if name != "alternates"}
        | {"url": item.url, "guid": item.url}
        for item in reading.articles
    )
    unsaved = [Article(created_at=reading.at, **value) for value in values]
    for article, item in zip(unsaved, reading.articles, strict=True):
        article.alternates = item.alternates
        article.language = item.language or reading.languages[0]
    return unsaved


def build_issue(reading: SiteReading) -> Issue:
    """The first issue, unsaved."""
    newsletter, chosen = build_newsletter(reading), pick_articles(reading)
    if reading.lead and chosen:
        chosen[0].article.image = _placeholder(LEAD_PATH, reading.lead)
    if reading.logo and reading.shows_logo:
        newsletter.logo = _placeholder(LOGO_PATH, reading.logo)
    document = preparation.build_document(newsletter, chosen)
    return Issue(
        newsletter=newsletter, number=1, slug="first-run-1", content=content.dump(document), edited_at=reading.at
    )


def _placeholder(path: str, picture: FetchedPicture) -> MediaFile:
    return MediaFile(pk=0, file=path, width=picture.width, height=picture.height)


def render_preview(reading: SiteReading, language: str) -> str:
    """The first issue as an HTML mail in `language`, with pictures as data URIs. Raises editions.RenderError."""
    html = editions.preview_html(build_issue(reading), language)
    for path, picture in ((LEAD_PATH, reading.lead), (LOGO_PATH, reading.logo)):
        if picture is not None:
            html = html.replace(editions.media_url(path), picture.data_uri)
    return html


def build_envelope(reading: SiteReading, language: str) -> content.Envelope:
    newsletter = build_newsletter(reading)
    document = preparation.build_document(newsletter, pick_articles(reading))
    return document.envelope(language, newsletter.default_language)
