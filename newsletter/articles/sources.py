"""Feeds and sitemaps: connect one, read those that are due, and wait longer for sites that have trouble."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import chain
from urllib.parse import urljoin

from django.db.models import Q
from django.utils import translation
from django.utils.translation import gettext as _

from newsletter.articles import candidates, feed_parser
from newsletter.articles.article_data import ArticleData, NotAnArticle
from newsletter.articles.storing import fetch_picture, global_guid, merge_page_data, upsert
from newsletter.articles.url_reader import UrlContent, parse_as_feed, read_url
from newsletter.fetching import http_client
from newsletter.models import Article, Candidate, CandidateState, Newsletter, Source, SourceKind

logger = logging.getLogger(__name__)

READ_INTERVAL = timedelta(minutes=15)
"""How often a source is read. After failures in a row the interval is doubled each time."""
MAX_BACKOFF = timedelta(hours=6)
"""The longest interval after failures. A site may request up to one day (Retry-After)."""
MAX_RETRY_AFTER = timedelta(days=1)
MAX_PAGES = 40
"""Pages of new articles per reading. A larger sitemap is continued at the next reading."""
MAX_SECONDS = 90
MAX_TOTAL_SECONDS = 100
"""Seconds after which `collect_due` starts no further source. The next run continues."""
MAX_SITEMAPS = 3
MAX_DISCOVERY_SECONDS = 20
COMMON_FEED_PATHS = ("feed/", "feed.xml", "rss.xml", "atom.xml", "/feed/", "/rss.xml")
SKIPPED_FOR = timedelta(days=1)
"""A page without an article is read again after this time,"""
RETRIED_FOR = timedelta(days=7)
"""but no longer than this after the feed first listed it; later only if its date changes."""


@dataclass
class CollectResult:
    """The result of reading one source."""

    new: int = 0
    changed: int = 0
    same: int = 0
    left_out: list[str] = field(default_factory=list)
    """Why items were left out, in the active language."""
    is_unchanged: bool = False
    """The site answered 304 Not Modified, or the feed has nothing new."""
    error: str = ""
    """Why nothing could be read: an English sentence that is a msgid."""


# --- connect ---------------------------------------------------------------------------------------------------------


def connect_source(url: str, *, newsletter: Newsletter) -> Source:
    """Return the source for the feed or sitemap at `url`, or for the first feed that the page at `url` or its site
    names.

    Raises NotAnArticle, with a message for editors, if there is none.
    """
    try:
        content = read_url(url)
    except (http_client.PermanentFetchError, http_client.TemporaryFetchError) as error:
        raise NotAnArticle(str(error)) from error
    if content.kind != "feed":
        content = _find_feed_near(content)
    if content.feed is None:
        raise NotAnArticle(
            _("There is no feed at this address, and the page names none. Paste the address of the feed.")
        )
    is_sitemap = bool(content.feed.sitemaps) or content.feed.needs_pages
    source, _created = Source.objects.get_or_create(
        newsletter=newsletter,
        url=content.url,
        defaults={"kind": SourceKind.SITEMAP if is_sitemap else SourceKind.FEED},
    )
    if not source.is_active:
        activate_source(source)
    return source


def _find_feed_near(page: UrlContent) -> UrlContent:
    """The feed that a page names; else one at a common path; else the news sitemap listed in robots.txt."""
    ends = time.monotonic() + MAX_DISCOVERY_SECONDS
    feeds = page.page.feeds[:2] if page.page else []
    usual = (urljoin(page.url, path) for path in COMMON_FEED_PATHS)
    for address in chain(feeds, usual, _in_robots(page.url)):
        if time.monotonic() >= ends:
            break
        with contextlib.suppress(http_client.PermanentFetchError, http_client.TemporaryFetchError):
            content = read_url(address)
            if content.feed is not None and (content.feed.items or content.feed.sitemaps):
                return content
    return page


def _in_robots(url: str) -> Iterator[str]:
    """Sitemaps in robots.txt. A generator, so that robots.txt is requested only if nothing else was found."""
    address = urljoin(url, "/robots.txt")
    with contextlib.suppress(http_client.PermanentFetchError, http_client.TemporaryFetchError):
        yield from feed_parser.sitemaps_in_robots(http_client.fetch(address).body, url=address)[:2]


def deactivate_source(source: Source) -> None:
    """Stop reading the source. Its articles stay."""
    Source.objects.filter(pk=source.pk).update(is_active=False)
    source.is_active = False


def activate_source(source: Source) -> None:
    """Read the source again, starting with the next run."""
    fresh = {"is_active": True, "next_at": None, "failures": 0, "error": ""}
    Source.objects.filter(pk=source.pk).update(**fresh)
    for name, value in fresh.items():
        setattr(source, name, value)


# --- read ------------------------------------------------------------------------------------------------------------


def collect_due(*, now: datetime) -> int:
    """Read every source that is due. Returns the number of new articles.

    Several workers share the work: the worker whose UPDATE moves `next_at` reads the source.
    """
    new, ends = 0, time.monotonic() + MAX_TOTAL_SECONDS
    due = Q(next_at__isnull=True) | Q(next_at__lte=now)
    for source in Source.objects.filter(due, is_active=True).order_by("next_at", "pk")[:50]:
        if time.monotonic() >= ends:
            break
        # The claim: a second worker that selected the same source changes no row, because `next_at` is no longer due.
        if Source.objects.filter(due, pk=source.pk, is_active=True).update(next_at=now + READ_INTERVAL):
            new += collect(source, now=now).new
    return new


def collect(source: Source, *, now: datetime) -> CollectResult:
    """Read one source and store its articles. An error is returned in `error` and stored with the source."""
    outcome = CollectResult()
    facts: dict[str, object] = {"fetched_at": now, "error": "", "failures": 0, "next_at": now + READ_INTERVAL}
    with translation.override("en"):
        try:
            facts |= _read(source, now=now, outcome=outcome)
        except (http_client.PermanentFetchError, http_client.TemporaryFetchError, feed_parser.FeedParseError) as error:
            outcome.error = str(error)
            failures = source.failures + 1
            pause = _pause(failures, retry_after_s=getattr(error, "after_s", 0))
            facts |= {"error": outcome.error[:300], "failures": failures, "next_at": now + pause}
            logger.warning("source not read", extra={"source": source.pk, "reason": type(error).__name__})
    Source.objects.filter(pk=source.pk).update(**facts)
    for name, value in facts.items():
        setattr(source, name, value)
    if outcome.new or outcome.changed:
        logger.info("source read", extra={"source": source.pk, "new": outcome.new, "changed": outcome.changed})
    return outcome


def _pause(failures: int, *, retry_after_s: float) -> timedelta:
    """The pause after `failures` in a row; longer if the site requested it (Retry-After)."""
    backoff = min(READ_INTERVAL * (1 << min(failures, 10)), MAX_BACKOFF)
    return max(backoff, min(timedelta(seconds=retry_after_s), MAX_RETRY_AFTER))


def _read(source: Source, *, now: datetime, outcome: CollectResult) -> dict[str, object]:
    """Fetch and store. Returns the values for the next conditional request."""
    fetched = http_client.fetch(source.url, etag=source.etag, last_modified=source.last_modified)
    if fetched.not_modified:
        outcome.is_unchanged = True
        return {}
    if _store_items(_complete(parse_as_feed(fetched)), source=source, now=now, outcome=outcome):
        return {"etag": fetched.etag, "last_modified": fetched.last_modified}
    return {"etag": "", "last_modified": ""}  # some items are left: fetch the whole feed again next time


def _complete(feed: feed_parser.ParsedFeed) -> feed_parser.ParsedFeed:
    """For a sitemap index: the items of its newest sitemaps."""
    if not feed.sitemaps:
        return feed
    parts = [parse_as_feed(http_client.fetch(address)) for address in feed.sitemaps[:MAX_SITEMAPS]]
    items = [item for part in parts for item in part.items]
    return replace(feed, items=items, needs_pages=any(part.needs_pages for part in parts))


def _store_items(feed: feed_parser.ParsedFeed, *, source: Source, now: datetime, outcome: CollectResult) -> bool:
    """Store new and changed items. Returns False if some are left for the next reading."""
    items = [replace(item, content_hash=_item_hash(item)) for item in _with_guids(feed.items)]
    hashes, left_out = _known_hashes(items), _left_out(items, source=source, now=now)
    language = feed.language or source.newsletter.default_language
    ends, pages_left, is_done = time.monotonic() + MAX_SECONDS, MAX_PAGES, True
    stored: list[Article] = []
    for item in items:
        known = hashes.get(global_guid(item), set()) | hashes.get(item.url, set())
        if item.content_hash in known or _is_left_out(item, left_out):
            outcome.same += 1
            continue
        if pages_left and time.monotonic() < ends:
            pages_left -= 1
            item, is_read = _with_page(item, source=source, now=now, outcome=outcome)
            is_done &= is_read
        else:
            is_done = False
            item = replace(item, content_hash="")
        if item.title:
            stored.append(_count(upsert(item, source=source, now=now, language=language), outcome=outcome))
    candidates.enqueue_translations(stored, newsletter=source.newsletter, now=now, source=source)
    _share([item.url for item in items], source=source, now=now)
    return is_done


def _with_guids(items: list[ArticleData]) -> list[ArticleData]:
    """Replace a guid that several items share by the item's address: it identifies none of them."""
    counts = Counter(item.guid for item in items)
    return [replace(item, guid=item.guid if item.guid and counts[item.guid] == 1 else item.url) for item in items]


def _item_hash(item: ArticleData) -> str:
    """A hash that changes when the feed changes its text about the article."""
    values = (item.title, item.summary, str(item.updated_at), item.image_url)
    return hashlib.sha256("\n".join(values).encode("utf-8", "replace")).hexdigest()


def _known_hashes(items: list[ArticleData]) -> dict[str, set[str]]:
    """Content hashes of stored articles by guid and by address."""
    hashes: dict[str, set[str]] = {}
    listed = Q(url__in=[item.url for item in items]) | Q(guid__in=[global_guid(item) for item in items])
    for guid, url, content_hash in Article.objects.filter(listed).values_list("guid", "url", "content_hash"):
        hashes.setdefault(guid, set()).add(content_hash)
        hashes.setdefault(url, set()).add(content_hash)
    return hashes


def _with_page(item: ArticleData, *, source: Source, now: datetime, outcome: CollectResult) -> tuple[ArticleData, bool]:
    """Add what the article's page says: address, languages, picture, author, better texts.

    The second value is False if only the page could make this item an article, and the page may be readable next time.
    """
    is_read = True
    try:
        content = read_url(item.url)
        reason = content.reason
    except http_client.TemporaryFetchError as error:
        content, reason, is_read = UrlContent("none", item.url), str(error), bool(item.title)
    except http_client.PermanentFetchError as error:
        content, reason = UrlContent("none", item.url), str(error)
    if content.page is None or reason:
        if not item.title:
            outcome.left_out.append(f"{item.url}: {reason}")
            if is_read:
                _leave_out(item, content, reason or "This is a feed rather than an article.", source=source, now=now)
        return item, is_read
    return merge_page_data(item, content.page.article), True


def _count(stored: tuple[Article, str], *, outcome: CollectResult) -> Article:
    article, change = stored
    if change == "new":
        outcome.new += 1
    elif change == "changed":
        outcome.changed += 1
    else:
        outcome.same += 1
    return article if change == "same" else fetch_picture(article)


# --- left out, and shared with other newsletters ---------------------------------------------------------------------


def _leave_out(item: ArticleData, content: UrlContent, reason: str, *, source: Source, now: datetime) -> None:
    """Store why an item of a feed was left out, so that an editor can see the reason and add it anyway."""
    candidate, _created = Candidate.objects.get_or_create(
        newsletter=source.newsletter, url=item.url, defaults={"source": source, "created_at": now}
    )
    if candidate.article_id is None:
        candidates.skip(candidate, reason, title=content.page.article.title if content.page else "", now=now)


def _left_out(items: list[ArticleData], *, source: Source, now: datetime) -> dict[str, datetime]:
    """Addresses of items whose pages recently gave no article, and when they were read."""
    lately = Candidate.objects.filter(
        Q(done_at__gt=now - SKIPPED_FOR) | Q(created_at__lte=now - RETRIED_FOR),
        newsletter=source.newsletter,
        url__in=[item.url for item in items],
        state=CandidateState.SKIPPED,
        article__isnull=True,
    )
    return {url: done_at for url, done_at in lately.values_list("url", "done_at") if done_at}


def _is_left_out(item: ArticleData, left_out: dict[str, datetime]) -> bool:
    looked_at = left_out.get(item.url)
    return looked_at is not None and (item.updated_at is None or item.updated_at <= looked_at)


def _share(urls: list[str], *, source: Source, now: datetime) -> None:
    """Give this newsletter articles that another newsletter's source or editor brought first."""
    theirs = Article.objects.filter(url__in=urls).exclude(source__newsletter=source.newsletter)
    taken = [
        Candidate(
            newsletter=source.newsletter,
            url=article.url,
            title=article.title,
            state=CandidateState.TAKEN,
            article=article,
            source=source,
            created_at=now,
            done_at=now,
        )
        for article in theirs
    ]
    Candidate.objects.bulk_create(taken, ignore_conflicts=True)
