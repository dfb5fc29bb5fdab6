"""Create a newsletter from a reading: sources, articles, pictures and the first draft."""

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
"""Seconds for all pictures. Missing ones are fetched when the feed is read next."""


def store_site(reading: SiteReading, *, editor: Editor, now: datetime) -> Issue:
    """Create the newsletter with its sources, articles, logo and first draft. `editor` becomes its administrator.

    The sender stays empty, and the postal address if the site does not give it. Checks block sending until both are
    entered.
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
    """A List-Id under the site's host name, or under that of this installation if it would be too long."""
    own = f"{slug}.{host}"
    return own if host and len(own) <= MAX_LENGTH else f"{slug}.{settings.SITE_HOST}"


def _store_articles(reading: SiteReading, newsletter: Newsletter, sources: list[Source], *, now: datetime) -> None:
    """Store each article under the feed that lists it. Translations that no feed lists get the first feed."""
    by_url = {item.url: source for one, source in zip(reading.feeds, sources, strict=True) for item in one.items}
    for item in reading.articles:
        source = by_url.get(item.url) or next(iter(sources), None)
        # Without a hash, the next reading of the feed reads the page again and fetches what is missing.
        articles.upsert(replace(item, content_hash=""), source=source, now=now, language=newsletter.default_language)


def _fetch_pictures(reading: SiteReading, newsletter: Newsletter) -> None:
    """Store the logo, and the pictures of the selected articles. No transaction is open during the requests."""
    ends = time.monotonic() + PICTURES_TIMEOUT_S
    if reading.logo is not None and reading.shows_logo:
        newsletter.logo = images.store(reading.logo.data, source_url=reading.logo.url, smallest=32)
        newsletter.save(update_fields=["logo"])
    for story in preparation.select_articles(newsletter, preparation.DraftRule()).picks:
        fetch_picture(story.article, ends=ends)


def unused_slug(title: str) -> str:
    """A slug that no newsletter has."""
    slug = slugify(title)[:40] or "newsletter"
    is_taken = slug == "new" or Newsletter.objects.filter(slug=slug).exists()
    return f"{slug}-{secrets.token_hex(2)}" if is_taken else slug
