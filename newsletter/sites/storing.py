"""Keep what was read: newsletter, sources, articles, pictures and the first draft."""

from __future__ import annotations

import logging
import secrets
import time
from dataclasses import replace
from datetime import datetime
from urllib.parse import urlsplit

from django.conf import settings
from django.db import transaction
from django.utils.text import slugify

from newsletter import articles
from newsletter.articles.storing import fetch_picture
from newsletter.drafts import preparation
from newsletter.media import images
from newsletter.models import Editor, Issue, Membership, Newsletter, Role, Source, SourceKind
from newsletter.sites.first_issue import MAX_LENGTH, build_newsletter
from newsletter.sites.site_reading import SiteReading

logger = logging.getLogger(__name__)

PICTURES_TIMEOUT_S = 5
"""Pictures that have not come by then are fetched with the next reading of the feed."""


def store_site(reading: SiteReading, *, editor: Editor, now: datetime) -> Issue:
    """Make the newsletter, with `editor` as its administrator, its sources, articles, logo and first draft.

    Sender and, where the site does not say it, postal address stay empty: until they are given, checks block sending.
    """
    newsletter = build_newsletter(reading)
    with transaction.atomic():
        newsletter.slug = unused_slug(newsletter.title)
        newsletter.list_id = _list_id(newsletter.slug, urlsplit(reading.url).hostname or "")
        newsletter.created_at = now
        newsletter.save()
        Membership.objects.create(editor=editor, newsletter=newsletter, role=Role.ADMINISTRATOR)
        sources = [
            Source.objects.create(
                newsletter=newsletter, url=one.url, kind=SourceKind.SITEMAP if one.is_sitemap else SourceKind.FEED
            )
            for one in reading.feeds
        ]
        _store_articles(reading, newsletter, sources, now=now)
    _fetch_pictures(reading, newsletter)
    issue = preparation.create_first_draft(newsletter, editor=editor, now=now)
    logger.info("newsletter made from a site", extra={"newsletter": newsletter.pk, "issue": issue.pk})
    return issue


def _list_id(slug: str, host: str) -> str:
    """Under the site's own name, or ours where that is too long."""
    own = f"{slug}.{host}"
    return own if host and len(own) <= MAX_LENGTH else f"{slug}.{settings.SITE_HOST}"


def _store_articles(reading: SiteReading, newsletter: Newsletter, sources: list[Source], *, now: datetime) -> None:
    """Each article under the feed that lists it; twins that no feed lists under the first one."""
    by_url = {item.url: source for one, source in zip(reading.feeds, sources, strict=True) for item in one.items}
    for item in reading.told:
        source = by_url.get(item.url) or next(iter(sources), None)
        # Without a hash the next reading of the feed looks at the page once more, and fetches what is left.
        articles.upsert(replace(item, content_hash=""), source=source, now=now, language=newsletter.default_language)


def _fetch_pictures(reading: SiteReading, newsletter: Newsletter) -> None:
    """The logo, and the pictures of what will be told; no transaction is open while the network is."""
    ends = time.monotonic() + PICTURES_TIMEOUT_S
    if reading.logo is not None and reading.shows_logo:
        newsletter.logo = images.store(reading.logo.data, source_url=reading.logo.url, smallest=32)
        newsletter.save(update_fields=["logo"])
    for story in preparation.select_articles(newsletter, preparation.DraftRule()).picks:
        fetch_picture(story.article, ends=ends)


def unused_slug(title: str) -> str:
    """A slug for addresses that no newsletter has yet."""
    slug = slugify(title)[:40] or "newsletter"
    is_taken = slug == "new" or Newsletter.objects.filter(slug=slug).exists()
    return f"{slug}-{secrets.token_hex(2)}" if is_taken else slug
