"""Store one row per article, whatever its address in feeds and pages, with its picture; store what a later reading
gives.
"""

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


# --- store -----------------------------------------------------------------------------------------------------------


def upsert(data: ArticleData, *, source: Source | None, now: datetime, language: str = "") -> tuple[Article, str]:
    """Store the data of an article. Returns the row and "new", "changed" or "same". Rows are unique by address and by
    guid.

    Empty fields of a later reading do not overwrite stored ones. A publication date after `now` is replaced by `now`.
    """
    data = replace(data, guid=global_guid(data), language=data.language or language)
    if data.published_at is not None and data.published_at > now:
        data = replace(data, published_at=now)
    try:
        with transaction.atomic():
            return _upsert(data, source=source, now=now)
    # Two workers may store one article at once. Both find no row; the second INSERT fails on the UNIQUE constraint and
    # is repeated as an update.
    except IntegrityError:
        with transaction.atomic():
            return _upsert(data, source=source, now=now)


def global_guid(data: ArticleData) -> str:
    """A guid that is unique across sites: a guid that is not a URI is prefixed with the host name."""
    if not data.guid or data.guid.startswith(("http://", "https://", "urn:", "tag:")):
        return data.guid or data.url
    return f"{urlsplit(data.url).hostname}#{data.guid}"[:1000]


def _upsert(data: ArticleData, *, source: Source | None, now: datetime) -> tuple[Article, str]:
    known = list(Article.objects.select_for_update().filter(Q(url=data.url) | Q(guid=data.guid))[:2])
    if not known:
        values = {name: getattr(data, name) for name in MERGED_FIELDS}
        return Article.objects.create(url=data.url, guid=data.guid, source=source, created_at=now, **values), "new"
    article = next((article for article in known if article.url == data.url), known[0])
    changes = {name: getattr(data, name) for name in MERGED_FIELDS if getattr(data, name) not in ("", None, {})}
    changes["state"] = ArticleState.LIVE
    if article.state == ArticleState.GONE and len(known) == 1:
        changes["url"] = data.url  # The article moved. Links in sent issues keep the old address, which redirects.
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
    """Fetch and store the article's picture, unless it has one. An article without a picture is valid.

    `ends` is the deadline of the caller, by time.monotonic().
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


# --- read again ------------------------------------------------------------------------------------------------------


def refresh(article: Article, *, now: datetime) -> Article:
    """Read the article's page again. Stores the time, and the reason if it failed.

    The article becomes gone if its page is gone or shows something else. A site that is down changes no state.
    """
    return store_page_check(article, check_page(article.url), now=now)


def store_page_check(article: Article, page_check: PageCheck, *, now: datetime) -> Article:
    """Store the result of reading the article's page."""
    facts: dict[str, object] = {"looked_at": now, "look_error": ""}
    page = page_check.read.page if page_check.read else None
    if page_check.is_gone or (page_check.read is not None and _is_unpublished(article, page_check.read)):
        facts["state"] = ArticleState.GONE
    elif page is None or page_check.error:
        facts["look_error"] = (page_check.error or "This is a feed rather than an article.")[:300]
    else:
        url, guid = _current_address(
            article,
            page.article.url,
            requested=page_check.url,
            final_url=page_check.read.url if page_check.read else "",
        )
        data = replace(page.article, url=url, guid=guid, content_hash="")
        article, _outcome = upsert(data, source=article.source, now=now)
        article = fetch_picture(article)
    Article.objects.filter(pk=article.pk).update(**facts)
    for name, value in facts.items():
        setattr(article, name, value)
    return article


def _is_unpublished(article: Article, content: UrlContent) -> bool:
    """Whether the address now shows something else: the front page, a "not found" page or a list.

    A page without readable text (login, challenge, script only) does not prove that.
    """
    current, requestedd = urlsplit(content.url), urlsplit(article.url)
    if current.path in {"", "/"} and requestedd.path not in {"", "/"}:
        return True
    if content.page is None or not content.reason:
        return False
    if _comparable_url(content.url) != _comparable_url(article.url):
        return article.reading_minutes is not None
    title = content.page.article.title
    has_text = content.page.article.reading_minutes is not None
    return bool(NOT_FOUND_TITLE.search(title)) or (has_text and not _shares_a_word(title, article.title))


PAGE_PREFERRED_FIELDS = ("title", "summary", "author", "language", "image_url", "image_alt", "published_at")


def merge_page_data(item: ArticleData, page: ArticleData) -> ArticleData:
    """Merge the data of a feed item with that of its page. Guid and hash are those of the feed."""
    facts = {name: getattr(item, name) for name in MERGED_FIELDS if getattr(item, name) not in ("", None, {})}
    page_values = {name: getattr(page, name) for name in PAGE_PREFERRED_FIELDS if getattr(page, name)}
    if item.title and not _shares_a_word(page.title, item.title):
        page_values.pop("title", None)  # the page's title is about something else, such as the site
    feed_values = {"guid": item.guid or page.guid, "content_hash": item.content_hash}
    return replace(page, **{**facts, **page_values, **feed_values})


def _shares_a_word(text_a: str, text_b: str) -> bool:
    """Whether two headlines share a word, so that they may be about the same thing."""
    first, second = (set(re.findall(r"\w{2,}", text.casefold())) for text in (text_a, text_b))
    return bool(first & second)


def _current_address(article: Article, url: str, *, requested: str, final_url: str) -> tuple[str, str]:
    """Address and guid of the article from now on: those of the page to which it redirects, if it does.

    A newer row with the address of that page is deleted if no issue uses it, because it is the same article.
    """
    if not final_url or _comparable_url(final_url) == _comparable_url(requested):
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


def _comparable_url(url: str) -> str:
    """The address without the parts in which addresses of one page differ: scheme, www, campaign parameters, last
    slash.
    """
    parts = urlsplit(canonical_url(url))
    return f"{(parts.hostname or '').removeprefix('www.')}{parts.path.rstrip('/')}?{parts.query}"
