"""Feeds and sitemaps: connect one, read those whose time has come, and be polite to sites that have trouble."""

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
"""How often a source is read; after failures in a row twice, four times … as late."""
MAX_BACKOFF = timedelta(hours=6)
"""The longest pause after failures of ours; a site may ask for up to a day."""
MAX_RETRY_AFTER = timedelta(days=1)
MAX_PAGES = 40
"""Pages of new articles read in one go; a sitemap with more is continued the next time."""
MAX_SECONDS = 90
MAX_TOTAL_SECONDS = 100
"""After this no further source is begun; the next tick goes on."""
MAX_SITEMAPS = 3
MAX_DISCOVERY_SECONDS = 20
COMMON_FEED_PATHS = ("feed/", "feed.xml", "rss.xml", "atom.xml", "/feed/", "/rss.xml")
SKIPPED_FOR = timedelta(days=1)
"""After this a page that gave no article is looked at once more,"""
RETRIED_FOR = timedelta(days=7)
"""but only so long; later it has to say that it was changed."""


@dataclass
class CollectResult:
    """What reading a source brought."""

    new: int = 0
    changed: int = 0
    same: int = 0
    left_out: list[str] = field(default_factory=list)
    """Why an item became no article, in words."""
    is_unchanged: bool = False
    """The site said that nothing happened since last time."""
    error: str = ""
    """Why nothing could be read, in English words that are msgids."""


# --- connecting ------------------------------------------------------------------------------------------------------


def connect_source(url: str, *, newsletter: Newsletter) -> Source:
    """The source for the feed or sitemap at `url`, for the first feed that the page at `url` names, or for one of its site.

    Raises NoArticle with words for people if there is none.
    """
    try:
        found = read_url(url)
    except (http_client.PermanentFetchError, http_client.TemporaryFetchError) as error:
        raise NotAnArticle(str(error)) from error
    if found.kind != "feed":
        found = _found_near(found)
    if found.feed is None:
        raise NotAnArticle(
            _("There is no feed at this address, and the page names none. Paste the address of the feed.")
        )
    is_sitemap = bool(found.feed.sitemaps) or found.feed.needs_pages
    source, _created = Source.objects.get_or_create(
        newsletter=newsletter,
        url=found.url,
        defaults={"kind": SourceKind.SITEMAP if is_sitemap else SourceKind.FEED},
    )
    if not source.is_active:
        activate_source(source)
    return source


def _found_near(page: UrlContent) -> UrlContent:
    """The feed that a page names; else one in the usual places; else the news sitemap that the site names to robots."""
    ends = time.monotonic() + MAX_DISCOVERY_SECONDS
    named = page.page.feeds[:2] if page.page else []
    usual = (urljoin(page.url, path) for path in COMMON_FEED_PATHS)
    for address in chain(named, usual, _in_robots(page.url)):
        if time.monotonic() >= ends:
            break
        with contextlib.suppress(http_client.PermanentFetchError, http_client.TemporaryFetchError):
            found = read_url(address)
            if found.feed is not None and (found.feed.items or found.feed.sitemaps):
                return found
    return page


def _in_robots(url: str) -> Iterator[str]:
    """Asked only when nothing else was found."""
    address = urljoin(url, "/robots.txt")
    with contextlib.suppress(http_client.PermanentFetchError, http_client.TemporaryFetchError):
        yield from feed_parser.sitemaps_in_robots(http_client.fetch(address).body, url=address)[:2]


def deactivate_source(source: Source) -> None:
    """Read the source no more; its articles stay."""
    Source.objects.filter(pk=source.pk).update(is_active=False)
    source.is_active = False


def activate_source(source: Source) -> None:
    """Read the source again, beginning with the next tick."""
    fresh = {"is_active": True, "next_at": None, "failures": 0, "error": ""}
    Source.objects.filter(pk=source.pk).update(**fresh)
    for name, value in fresh.items():
        setattr(source, name, value)


# --- reading ---------------------------------------------------------------------------------------------------------


def collect_due(*, now: datetime) -> int:
    """Read every source whose time has come; how many articles are new.

    Two workers share the work: a source is read by whoever moves its time.
    """
    new, ends = 0, time.monotonic() + MAX_TOTAL_SECONDS
    due = Q(next_at__isnull=True) | Q(next_at__lte=now)
    for source in Source.objects.filter(due, is_active=True).order_by("next_at", "pk")[:50]:
        if time.monotonic() >= ends:
            break
        if Source.objects.filter(due, pk=source.pk, is_active=True).update(next_at=now + READ_INTERVAL):
            new += collect(source, now=now).new
    return new


def collect(source: Source, *, now: datetime) -> CollectResult:
    """Read one source and store its articles. What goes wrong is said in `error`, and kept with the source."""
    outcome = CollectResult()
    facts: dict[str, object] = {"fetched_at": now, "error": "", "failures": 0, "next_at": now + READ_INTERVAL}
    with translation.override("en"):
        try:
            facts |= _read(source, now=now, outcome=outcome)
        except (http_client.PermanentFetchError, http_client.TemporaryFetchError, feed_parser.FeedParseError) as error:
            outcome.error = str(error)
            failures = source.failures + 1
            pause = _pause(failures, asked_s=getattr(error, "after_s", 0))
            facts |= {"error": outcome.error[:300], "failures": failures, "next_at": now + pause}
            logger.warning("source not read", extra={"source": source.pk, "reason": type(error).__name__})
    Source.objects.filter(pk=source.pk).update(**facts)
    for name, value in facts.items():
        setattr(source, name, value)
    if outcome.new or outcome.changed:
        logger.info("source read", extra={"source": source.pk, "new": outcome.new, "changed": outcome.changed})
    return outcome


def _pause(failures: int, *, asked_s: float) -> timedelta:
    """How long a site is left alone after `failures` in a row; longer if its answer asked for that (Retry-After)."""
    ours = min(READ_INTERVAL * (1 << min(failures, 10)), MAX_BACKOFF)
    return max(ours, min(timedelta(seconds=asked_s), MAX_RETRY_AFTER))


def _read(source: Source, *, now: datetime, outcome: CollectResult) -> dict[str, object]:
    """Fetch and store; what to remember for the next conditional request."""
    fetched = http_client.fetch(source.url, etag=source.etag, last_modified=source.last_modified)
    if fetched.not_modified:
        outcome.is_unchanged = True
        return {}
    if _take(_complete(parse_as_feed(fetched)), source=source, now=now, outcome=outcome):
        return {"etag": fetched.etag, "last_modified": fetched.last_modified}
    return {"etag": "", "last_modified": ""}  # more to come: have all of it again next time


def _complete(feed: feed_parser.ParsedFeed) -> feed_parser.ParsedFeed:
    """For a sitemap index: the items of its newest sitemaps."""
    if not feed.sitemaps:
        return feed
    parts = [parse_as_feed(http_client.fetch(address)) for address in feed.sitemaps[:MAX_SITEMAPS]]
    items = [item for part in parts for item in part.items]
    return replace(feed, items=items, needs_pages=any(part.needs_pages for part in parts))


def _take(feed: feed_parser.ParsedFeed, *, source: Source, now: datetime, outcome: CollectResult) -> bool:
    """Store what is new or changed. False if some is left for the next time."""
    items = [replace(item, content_hash=_item_hash(item)) for item in _with_guids(feed.items)]
    known, left_out = _known(items), _left_out(items, source=source, now=now)
    language = feed.language or source.newsletter.default_language
    ends, left, is_done = time.monotonic() + MAX_SECONDS, MAX_PAGES, True
    stored: list[Article] = []
    for item in items:
        heard = known.get(global_guid(item), set()) | known.get(item.url, set())
        if item.content_hash in heard or _is_left_out(item, left_out):
            outcome.same += 1
            continue
        if left and time.monotonic() < ends:
            left -= 1
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
    """A guid that several items of a feed share names none of them; the address stands in."""
    seen = Counter(item.guid for item in items)
    return [replace(item, guid=item.guid if item.guid and seen[item.guid] == 1 else item.url) for item in items]


def _item_hash(item: ArticleData) -> str:
    """Changes when the source says something else about the article."""
    said = (item.title, item.summary, str(item.updated_at), item.image_url)
    return hashlib.sha256("\n".join(said).encode("utf-8", "replace")).hexdigest()


def _known(items: list[ArticleData]) -> dict[str, set[str]]:
    """For each guid and address we have already: what was last heard about it."""
    known: dict[str, set[str]] = {}
    mine = Q(url__in=[item.url for item in items]) | Q(guid__in=[global_guid(item) for item in items])
    for guid, url, heard in Article.objects.filter(mine).values_list("guid", "url", "content_hash"):
        known.setdefault(guid, set()).add(heard)
        known.setdefault(url, set()).add(heard)
    return known


def _with_page(item: ArticleData, *, source: Source, now: datetime, outcome: CollectResult) -> tuple[ArticleData, bool]:
    """The item with what its own page adds: address, languages, picture, author, better words.

    False beside it if the page is the only thing that could make an article of it, and may be there the next time.
    """
    is_read = True
    try:
        found = read_url(item.url)
        reason = found.reason
    except http_client.TemporaryFetchError as error:
        found, reason, is_read = UrlContent("none", item.url), str(error), bool(item.title)
    except http_client.PermanentFetchError as error:
        found, reason = UrlContent("none", item.url), str(error)
    if found.page is None or reason:
        if not item.title:
            outcome.left_out.append(f"{item.url}: {reason}")
            if is_read:
                _leave_out(item, found, reason or "This is a feed rather than an article.", source=source, now=now)
        return item, is_read
    return merge_page_data(item, found.page.article), True


def _count(stored: tuple[Article, str], *, outcome: CollectResult) -> Article:
    article, what = stored
    if what == "new":
        outcome.new += 1
    elif what == "changed":
        outcome.changed += 1
    else:
        outcome.same += 1
    return article if what == "same" else fetch_picture(article)


# --- what is left out, and what others have --------------------------------------------------------------------------


def _leave_out(item: ArticleData, found: UrlContent, reason: str, *, source: Source, now: datetime) -> None:
    """Keep why an item of a feed became no article, so that an editor can see it and take it all the same."""
    candidate, _created = Candidate.objects.get_or_create(
        newsletter=source.newsletter, url=item.url, defaults={"source": source, "created_at": now}
    )
    if candidate.article_id is None:
        candidates.skip(candidate, reason, title=found.page.article.title if found.page else "", now=now)


def _left_out(items: list[ArticleData], *, source: Source, now: datetime) -> dict[str, datetime]:
    """Addresses of items whose pages gave no article lately, and when they were looked at."""
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
    """An article that another newsletter's source or editor brought first is this newsletter's too."""
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
