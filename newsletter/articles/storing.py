"""One row an article, whatever feeds and pages call it; its picture; and what a later reading of its page brings."""

from __future__ import annotations

import logging
import re
import time
from dataclasses import replace
from datetime import datetime
from urllib.parse import urlsplit

from django.db import IntegrityError, transaction
from django.db.models import Q

from newsletter.articles.article_data import ArticleData, canonical_url
from newsletter.articles.url_reader import PageCheck, UrlContent, check_page
from newsletter.fetching import http_client
from newsletter.media import images
from newsletter.models import Article, ArticleState, MediaFile, Source

logger = logging.getLogger(__name__)

MERGED_FIELDS = (
    *("title", "summary", "author", "section", "language", "image_url", "image_alt", "published_at", "updated_at"),
    *("reading_minutes", "content_hash", "alternates"),
)
NOT_FOUND_TITLE = re.compile(
    r"\b(404|not found|no longer (available|exists)|tidak ditemukan|tidak tersedia|nicht gefunden|introuvable"
    r"|no encontrad[ao]|não encontrad[ao]|non trovata|niet gevonden)\b|页面不存在|見つかりません",
    re.IGNORECASE,
)


# --- storing ---------------------------------------------------------------------------------------------------------


def upsert(data: ArticleData, *, source: Source | None, now: datetime, language: str = "") -> tuple[Article, str]:
    """Store what is known about an article; "new", "changed" or "same". One row per address, and per guid.

    What a later reading does not say is kept. A date ahead of `now` counts as now.
    """
    data = replace(data, guid=global_guid(data), language=data.language or language)
    if data.published_at is not None and data.published_at > now:
        data = replace(data, published_at=now)
    try:
        with transaction.atomic():
            return _stored(data, source=source, now=now)
    except IntegrityError:  # somebody else stored it between our look and our write
        with transaction.atomic():
            return _stored(data, source=source, now=now)


def global_guid(data: ArticleData) -> str:
    """A guid that is unique over all sites: bare numbers get the site's name in front."""
    if not data.guid or data.guid.startswith(("http://", "https://", "urn:", "tag:")):
        return data.guid or data.url
    return f"{urlsplit(data.url).hostname}#{data.guid}"[:1000]


def _stored(data: ArticleData, *, source: Source | None, now: datetime) -> tuple[Article, str]:
    known = list(Article.objects.select_for_update().filter(Q(url=data.url) | Q(guid=data.guid))[:2])
    if not known:
        values = {name: getattr(data, name) for name in MERGED_FIELDS}
        return Article.objects.create(url=data.url, guid=data.guid, source=source, created_at=now, **values), "new"
    article = next((one for one in known if one.url == data.url), known[0])
    changes = {name: getattr(data, name) for name in MERGED_FIELDS if getattr(data, name) not in ("", None, {})}
    changes["state"] = ArticleState.LIVE
    if article.state == ArticleState.GONE and len(known) == 1:
        changes["url"] = data.url  # it moved; while the old address works, links in sent issues agree with it
    if article.source_id is None and source is not None:
        changes["source"] = source
    differing = {name: value for name, value in changes.items() if getattr(article, name) != value}
    if not differing:
        return article, "same"
    if "image_url" in differing:
        differing["image"] = None
    for name, value in differing.items():
        setattr(article, name, value)
    article.save(update_fields=list(differing))
    return article, "changed" if set(differing) - {"content_hash", "source"} else "same"


def fetch_picture(article: Article, *, ends: float | None = None) -> Article:
    """Fetch the article's picture once and keep it; an article without one is good too.

    `ends` is the moment, by time.monotonic, at which whoever waits has waited long enough.
    """
    seconds = (
        http_client.IMAGE_LIMITS.total_s
        if ends is None
        else min(http_client.IMAGE_LIMITS.total_s, ends - time.monotonic())
    )
    if article.image_id is not None or not article.image_url or seconds <= 0:
        return article
    try:
        picture = MediaFile.objects.filter(source_url=article.image_url).first()
        if picture is None:
            fetched = http_client.fetch(article.image_url, limits=replace(http_client.IMAGE_LIMITS, total_s=seconds))
            picture = images.store(fetched.body, alt=article.image_alt, source_url=article.image_url)
    except (http_client.PermanentFetchError, http_client.TemporaryFetchError, images.InvalidPicture) as error:
        logger.info("article picture left out", extra={"article": article.pk, "reason": type(error).__name__})
        return article
    Article.objects.filter(pk=article.pk).update(image=picture)
    article.image = picture
    return article


# --- reading again ---------------------------------------------------------------------------------------------------


def refresh(article: Article, *, now: datetime) -> Article:
    """Read the article's page again, and keep when that was and why it failed, if it did.

    It becomes gone if the page is, or if something else stands there now; a site that is down changes nothing.
    """
    return store_page_check(article, check_page(article.url), now=now)


def store_page_check(article: Article, seen: PageCheck, *, now: datetime) -> Article:
    """Store what a look at the article's page brought."""
    facts: dict[str, object] = {"looked_at": now, "look_error": ""}
    page = seen.read.page if seen.read else None
    if seen.is_gone or (seen.read is not None and _is_unpublished(article, seen.read)):
        facts["state"] = ArticleState.GONE
    elif page is None or seen.error:
        facts["look_error"] = (seen.error or "This is a feed rather than an article.")[:300]
    else:
        url, guid = _place_now(article, page.article.url, asked=seen.url, led_to=seen.read.url if seen.read else "")
        data = replace(page.article, url=url, guid=guid, content_hash="")
        article, _outcome = upsert(data, source=article.source, now=now)
        article = fetch_picture(article)
    Article.objects.filter(pk=article.pk).update(**facts)
    for name, value in facts.items():
        setattr(article, name, value)
    return article


def _is_unpublished(article: Article, found: UrlContent) -> bool:
    """Whether something else stands where the article was: the front page, a notice that nothing is there, a list.

    A page that merely gives nothing to read (a login, a challenge, only script) is no proof of that.
    """
    here, asked = urlsplit(found.url), urlsplit(article.url)
    if here.path in {"", "/"} and asked.path not in {"", "/"}:
        return True
    if found.page is None or not found.reason:
        return False
    if _bare(found.url) != _bare(article.url):
        return article.reading_minutes is not None
    title = found.page.article.title
    has_text = found.page.article.reading_minutes is not None
    return bool(NOT_FOUND_TITLE.search(title)) or (has_text and not _shares_a_word(title, article.title))


PAGE_PREFERRED_FIELDS = ("title", "summary", "author", "language", "image_url", "image_alt", "published_at")


def merge_page_data(item: ArticleData, page: ArticleData) -> ArticleData:
    """What a feed says of an article, with what the article's own page adds or knows better; the feed's guid and hash."""
    facts = {name: getattr(item, name) for name in MERGED_FIELDS if getattr(item, name) not in ("", None, {})}
    better = {name: getattr(page, name) for name in PAGE_PREFERRED_FIELDS if getattr(page, name)}
    if item.title and not _shares_a_word(page.title, item.title):
        better.pop("title", None)  # the page's title is about something else, such as the site
    kept = {"guid": item.guid or page.guid, "content_hash": item.content_hash}
    return replace(page, **{**facts, **better, **kept})


def _shares_a_word(one: str, other: str) -> bool:
    """Whether two headlines can be about the same thing."""
    first, second = (set(re.findall(r"\w{2,}", text.casefold())) for text in (one, other))
    return bool(first & second)


def _place_now(article: Article, url: str, *, asked: str, led_to: str) -> tuple[str, str]:
    """Address and guid that the article has from now on: those of the page it was redirected to, if it was.

    A newer row for that page gives way as long as no issue tells it: it is the same article.
    """
    if not led_to or _bare(led_to) == _bare(asked):
        return article.url, article.guid
    other = Article.objects.filter(url=url).exclude(pk=article.pk).first()
    guid = other.guid if other else article.guid
    with transaction.atomic():
        if other is not None:
            if other.issues.exists():
                return article.url, article.guid
            other.delete()
        Article.objects.filter(pk=article.pk).update(url=url, guid=guid)
    article.url, article.guid = url, guid
    return url, guid


def _bare(url: str) -> str:
    """An address without what makes no other page of it: scheme, www, campaign, last slash."""
    parts = urlsplit(canonical_url(url))
    return f"{(parts.hostname or '').removeprefix('www.')}{parts.path.rstrip('/')}?{parts.query}"
