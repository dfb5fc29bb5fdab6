"""The steps that read a site. Network, no database.

front      the front page: name, logo and colour, languages, postal address
feed       feeds of the site; else feeds at common paths; else the news sitemap in robots.txt
articles   the pages of the newest articles, and their translations
pictures   the logo, and the picture of the lead article
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from typing import TypeVar
from urllib.parse import urljoin, urlsplit

from django.conf import settings
from django.utils import translation
from django.utils.translation import gettext as _

from newsletter.articles import extraction, feed_parser
from newsletter.articles.article_data import MAX_URL_LENGTH, ArticleData
from newsletter.articles.extraction.site import guess_time_zone
from newsletter.articles.storing import merge_page_data
from newsletter.articles.url_reader import classify, normalize_typed_url
from newsletter.fetching import http_client
from newsletter.media import images
from newsletter.rendering import colours
from newsletter.sites.first_issue import pick_articles
from newsletter.sites.site_reading import (
    DEFAULT_ACCENT,
    FIRST_STEP,
    MAX_PICTURE_BYTES,
    FetchedPicture,
    FoundFeed,
    SiteReading,
)

STEP_SECONDS = 10
"""Time limit of one step; without script, of all steps together."""
MAX_PAGES = 12
MAX_TRANSLATIONS = 12
MAX_ITEMS = 60
"""Items of a feed that are kept in the reading."""
MAX_NAMED_FEEDS = 4
"""A page may link to several feeds, for example of a section. Of the first ones, the one with the most articles is
used.
"""
MAX_CONCURRENT = 6
COMMON_FEED_PATHS = ("feed/", "feed.xml", "rss.xml", "rss", "atom.xml", "index.xml", "feed.json", "?feed=rss2")
Item = TypeVar("Item")
Result = TypeVar("Result")


class SiteReadError(Exception):
    """The site has nothing to make an issue from. The message tells the editor why, and what to do."""


def start_reading(address: str, *, now: datetime) -> SiteReading:
    return SiteReading(address=address.strip(), at=now)


# --- read ------------------------------------------------------------------------------------------------------------


def read_next_step(reading: SiteReading, *, seconds: float = STEP_SECONDS) -> SiteReading:
    """Run the next step. Raises SiteReadError with a message for the editor."""
    started = time.monotonic()
    ends = started + seconds
    try:
        STEPS[reading.step](reading, ends)
    except (http_client.PermanentFetchError, http_client.TemporaryFetchError) as error:
        raise SiteReadError(str(error)) from error
    order = list(STEPS)
    reading.step = next(iter(order[order.index(reading.step) + 1 :]), "")
    reading.seconds += time.monotonic() - started
    return reading


def _read_front_page(reading: SiteReading, ends: float) -> None:
    """Read the page at the address. If it is a feed or an article, read the front page of the site as well."""
    fetched = _fetch(normalize_typed_url(reading.address), ends)
    reading.url = fetched.url
    if feed_parser.is_feed(fetched.body, content_type=fetched.content_type):
        read = classify(fetched)
        if read.feed is None:
            raise SiteReadError(read.reason)
        reading.feed_urls = [fetched.url]
        reading.url = read.feed.site_url or urljoin(fetched.url, "/")
        site = _read_site(reading.url, ends)
        reading.site = site or extraction.Site(read.feed.title, [], [read.feed.language] if read.feed.language else [])
    else:
        _use_front_page(reading, fetched, ends)
    _set_defaults(reading)


def _use_front_page(reading: SiteReading, fetched: http_client.FetchResult, ends: float) -> None:
    site = extraction.extract_site(fetched.body, url=fetched.url, charset=fetched.charset)
    read = classify(fetched)
    home = urljoin(fetched.url, "/")
    if read.kind == "article" and fetched.url != home:
        if read.page is not None:
            reading.articles = [read.page.article]
        above = _read_site(home, ends)
        if above is not None:
            reading.url, site = home, replace(above, feeds=above.feeds or site.feeds)
    elif not site.name and not site.feeds and read.reason:
        raise SiteReadError(read.reason)
    reading.site, reading.feed_urls = site, site.feeds[:MAX_NAMED_FEEDS]


def _set_defaults(reading: SiteReading) -> None:
    site, supported = reading.site, [code for code, _name in settings.LANGUAGES]
    reading.name = site.name or (urlsplit(reading.url).hostname or "").removeprefix("www.")
    # The page's own language, whichever it is; of the languages it links to, those that the interface has too.
    reading.languages = [code for place, code in enumerate(site.languages) if place == 0 or code in supported]
    reading.accent = colours.readable_accent(site.accent or DEFAULT_ACCENT)
    reading.postal_address = site.postal_address


def _find_feeds(reading: SiteReading, ends: float) -> None:
    """The feeds of the site, and of its front pages in other supported languages."""
    front_pages = [reading.site.addresses[code] for code in reading.languages if code in reading.site.addresses]
    others = [address for address in front_pages if address.rstrip("/") != reading.url.rstrip("/")]
    sites = _map_concurrently(lambda address: _read_site(address, ends), others)
    reading.found = _largest_feeds(
        [reading.feed_urls, *(site.feeds[:MAX_NAMED_FEEDS] for site in sites if site is not None)], ends
    )
    if not reading.found:
        places = [
            urljoin(base, path) for base in (reading.url, urljoin(reading.url, "/")) for path in COMMON_FEED_PATHS
        ]
        reading.found = _read_feeds(dict.fromkeys(places), ends)[:1]
    if not reading.found:
        reading.found = _news_sitemap(reading, ends)
    if not reading.found and not reading.articles:
        raise SiteReadError(
            _("We found no feed and no news sitemap on this site. Paste the address of its feed, or of one article.")
        )
    _choose_languages(reading)


def _largest_feeds(groups: list[list[str]], ends: float) -> list[FoundFeed]:
    """The feed with the most articles of each group; the first one if several have as many."""
    addresses = dict.fromkeys(address for group in groups for address in group)
    feed_by_address = dict(
        zip(addresses, _map_concurrently(lambda address: _read_feed(address, ends), addresses), strict=True)
    )
    fullest: dict[str, FoundFeed] = {}
    for group in groups:
        full = [feed for address in group if (feed := feed_by_address[address]) is not None and feed.items]
        if full:
            best = max(full, key=lambda feed: feed.count)
            fullest.setdefault(best.url, best)
    return list(fullest.values())


def _read_feeds(addresses: Iterable[str], ends: float) -> list[FoundFeed]:
    feeds = _map_concurrently(lambda address: _read_feed(address, ends), addresses)
    unique = {feed.url: feed for feed in feeds if feed is not None and feed.items}
    return list(unique.values())


def _read_feed(address: str, ends: float) -> FoundFeed | None:
    try:
        fetched = _fetch(address, ends)
        if not feed_parser.is_feed(fetched.body, content_type=fetched.content_type):
            return None
        feed = classify(fetched).feed
        if feed is not None and feed.sitemaps:
            feed = classify(_fetch(feed.sitemaps[0], ends)).feed
    except (http_client.PermanentFetchError, http_client.TemporaryFetchError):
        return None
    if feed is None or len(fetched.url) > MAX_URL_LENGTH:
        return None
    is_sitemap = feed.needs_pages or not feed.title
    return FoundFeed(fetched.url, is_sitemap, feed.language, len(feed.items), feed.items[:MAX_ITEMS])


def _news_sitemap(reading: SiteReading, ends: float) -> list[FoundFeed]:
    robots = urljoin(reading.url, "/robots.txt")
    try:
        sitemaps = feed_parser.sitemaps_in_robots(_fetch(robots, ends).body, url=robots)
    except (http_client.PermanentFetchError, http_client.TemporaryFetchError):
        return []
    return _read_feeds(sitemaps[:2], ends)[:1]


def _choose_languages(reading: SiteReading) -> None:
    """If the front page names no language: languages of the feeds and articles, else the first of the interface."""
    supported = [code for code, _name in settings.LANGUAGES]
    named = [feed.language for feed in reading.found]
    named += [item.language for feed in reading.found for item in feed.items] + [
        item.language for item in reading.articles
    ]
    if not reading.languages:
        codes = [code for code in dict.fromkeys(named) if code]
        reading.languages = [code for code in codes if code in supported] or codes[:1]
    reading.languages = reading.languages or supported[:1]


def _read_articles(reading: SiteReading, ends: float) -> None:
    """Read the pages of the newest articles, then their versions in other languages."""
    first = reading.languages[0]
    items = [
        replace(item, language=item.language or feed.language or first) for feed in reading.found for item in feed.items
    ]
    newest = sorted(items, key=lambda item: item.published_at or reading.at, reverse=True)
    originals = [item for item in newest if item.language == first][:MAX_PAGES] or newest[:MAX_PAGES]
    articles = {item.url: item for item in reading.articles}
    for item in _map_concurrently(lambda item: _with_page(item, ends), originals):
        if item is not None:
            articles[item.url] = item
    missing = [
        url
        for item in list(articles.values())
        for code, url in item.alternates.items()
        if code in reading.languages and url not in articles
    ]
    listed = {item.url: item for item in items}
    for version in _map_concurrently(
        lambda url: _with_page(listed.get(url, ArticleData(url=url)), ends), missing[:MAX_TRANSLATIONS]
    ):
        if version is not None:
            articles[version.url] = version
    reading.articles = [item for item in articles.values() if item.title]
    zone = reading.site.time_zone or guess_time_zone(
        (item.published_at for item in items if item.published_at), language=first
    )
    reading.time_zone = zone or settings.TIME_ZONE
    reading.site = replace(reading.site, time_zone=zone)
    if not reading.articles:
        raise SiteReadError(
            _("The feed lists no article that can be read. Paste the address of another feed, or of one article.")
        )


def _with_page(item: ArticleData, ends: float) -> ArticleData | None:
    """Merge the item with the data of its page. Returns the item alone if the page gives nothing."""
    try:
        page = classify(_fetch(item.url, ends)).page
    except (http_client.PermanentFetchError, http_client.TemporaryFetchError):
        page = None
    if page is None or page.reason:
        return item if item.title else None
    return merge_page_data(item, page.article)


def _fetch_pictures(reading: SiteReading, ends: float) -> None:
    lead = next(iter(pick_articles(reading)), None)
    addresses = [lead.article.image_url if lead else "", *reading.site.logos[:3]]
    pictures = _map_concurrently(lambda address: _fetch_picture(address, ends), addresses)
    reading.lead = pictures[0] if pictures else None
    reading.logo = next((picture for picture in pictures[1:] if picture is not None), None)


def _fetch_picture(address: str, ends: float) -> FetchedPicture | None:
    if not address:
        return None
    try:
        body = _fetch(address, ends, limits=http_client.IMAGE_LIMITS).body
        data, kind, (width, height) = images.prepare(body, smallest=32)
    except (http_client.PermanentFetchError, http_client.TemporaryFetchError, images.InvalidPicture):
        return None
    return FetchedPicture(address, data, kind, width, height) if len(data) <= MAX_PICTURE_BYTES else None


def _read_site(address: str, ends: float) -> extraction.Site | None:
    try:
        fetched = _fetch(address, ends)
    except (http_client.PermanentFetchError, http_client.TemporaryFetchError):
        return None
    return extraction.extract_site(fetched.body, url=fetched.url, charset=fetched.charset)


def _fetch(
    address: str, ends: float, *, limits: http_client.FetchLimits = http_client.PAGE_LIMITS
) -> http_client.FetchResult:
    left = max(0.2, min(limits.total_s, ends - time.monotonic()))
    return http_client.fetch(address, limits=replace(limits, total_s=left))


def _map_concurrently(do: Callable[[Item], Result], things: Iterable[Item]) -> list[Result]:
    """Call `do` for each of `things`, a few at a time, in order. Threads do not inherit the active language, so it is
    set.
    """
    language = translation.get_language() or settings.LANGUAGE_CODE

    def call(thing: Item) -> Result:
        with translation.override(language):
            return do(thing)

    items = list(things)
    if not items:
        return []
    with ThreadPoolExecutor(max_workers=MAX_CONCURRENT) as pool:
        return list(pool.map(call, items))


STEPS: dict[str, Callable[[SiteReading, float], None]] = {
    FIRST_STEP: _read_front_page,
    "feed": _find_feeds,
    "articles": _read_articles,
    "pictures": _fetch_pictures,
}
