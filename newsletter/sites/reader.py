"""The steps that read a site. Network, no database.

front      the front page: name, look, languages, whose it is
feed       its feeds; else the usual places; else the news sitemap that robots.txt names
articles   the pages of the newest articles, and their versions in other languages
pictures   the logo, and the picture of the article that would lead
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
"""One step takes no longer; without script, all of them together."""
MAX_PAGES = 12
MAX_TRANSLATIONS = 12
MAX_ITEMS = 60
"""So many items of a feed are kept in mind while its editor looks."""
MAX_NAMED_FEEDS = 4
"""A page may name several feeds, such as one of a section or of an archive; of the first ones the fullest is taken."""
MAX_CONCURRENT = 6
COMMON_FEED_PATHS = ("feed/", "feed.xml", "rss.xml", "rss", "atom.xml", "index.xml", "feed.json", "?feed=rss2")
Item = TypeVar("Item")
Result = TypeVar("Result")


class SiteReadError(Exception):
    """The site gives nothing to make an issue of; the message says why and what to do."""


def start_reading(address: str, *, now: datetime) -> SiteReading:
    return SiteReading(address=address.strip(), at=now)


# --- reading ---------------------------------------------------------------------------------------------------------


def read_next_step(reading: SiteReading, *, seconds: float = STEP_SECONDS) -> SiteReading:
    """Do the next step. Raises CannotRead with words for people."""
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


def _front(reading: SiteReading, ends: float) -> None:
    """The page at the address; if that is a feed or an article, the front page of its site as well."""
    fetched = _fetch(normalize_typed_url(reading.address), ends)
    reading.url = fetched.url
    if feed_parser.is_feed(fetched.body, content_type=fetched.content_type):
        read = classify(fetched)
        if read.feed is None:
            raise SiteReadError(read.reason)
        reading.named = [fetched.url]
        reading.url = read.feed.site_url or urljoin(fetched.url, "/")
        site = _site_at(reading.url, ends)
        reading.site = site or extraction.Site(read.feed.title, [], [read.feed.language] if read.feed.language else [])
    else:
        _front_of_page(reading, fetched, ends)
    _first_choices(reading)


def _front_of_page(reading: SiteReading, fetched: http_client.FetchResult, ends: float) -> None:
    site = extraction.extract_site(fetched.body, url=fetched.url, charset=fetched.charset)
    read = classify(fetched)
    home = urljoin(fetched.url, "/")
    if read.kind == "article" and fetched.url != home:
        if read.page is not None:
            reading.told = [read.page.article]
        above = _site_at(home, ends)
        if above is not None:
            reading.url, site = home, replace(above, feeds=above.feeds or site.feeds)
    elif not site.name and not site.feeds and read.reason:
        raise SiteReadError(read.reason)
    reading.site, reading.named = site, site.feeds[:MAX_NAMED_FEEDS]


def _first_choices(reading: SiteReading) -> None:
    site, known = reading.site, [code for code, _name in settings.LANGUAGES]
    reading.name = site.name or (urlsplit(reading.url).hostname or "").removeprefix("www.")
    reading.languages = [code for code in site.languages if code in known]
    reading.accent = colours.readable_accent(site.accent or DEFAULT_ACCENT)
    reading.postal_address = site.postal_address


def _feed(reading: SiteReading, ends: float) -> None:
    """The feeds of the site, and of its front pages in other languages we can write in."""
    twins = [reading.site.addresses[code] for code in reading.languages if code in reading.site.addresses]
    others = [address for address in twins if address.rstrip("/") != reading.url.rstrip("/")]
    sites = _each(lambda address: _site_at(address, ends), others)
    reading.found = _fullest(
        [reading.named, *(site.feeds[:MAX_NAMED_FEEDS] for site in sites if site is not None)], ends
    )
    if not reading.found:
        places = [
            urljoin(base, path) for base in (reading.url, urljoin(reading.url, "/")) for path in COMMON_FEED_PATHS
        ]
        reading.found = _read_feeds(dict.fromkeys(places), ends)[:1]
    if not reading.found:
        reading.found = _news_sitemap(reading, ends)
    if not reading.found and not reading.told:
        raise SiteReadError(
            _("We found no feed and no news sitemap on this site. Paste the address of its feed, or of one article.")
        )
    _choose_languages(reading)


def _fullest(groups: list[list[str]], ends: float) -> list[FoundFeed]:
    """Of each group of feeds the one with the most articles, the first of those."""
    asked = dict.fromkeys(address for group in groups for address in group)
    read = dict(zip(asked, _each(lambda address: _read_feed(address, ends), asked), strict=True))
    chosen: dict[str, FoundFeed] = {}
    for group in groups:
        full = [one for address in group if (one := read[address]) is not None and one.items]
        if full:
            best = max(full, key=lambda one: one.count)
            chosen.setdefault(best.url, best)
    return list(chosen.values())


def _read_feeds(addresses: Iterable[str], ends: float) -> list[FoundFeed]:
    found = _each(lambda address: _read_feed(address, ends), addresses)
    unique = {one.url: one for one in found if one is not None and one.items}
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
        named = feed_parser.sitemaps_in_robots(_fetch(robots, ends).body, url=robots)
    except (http_client.PermanentFetchError, http_client.TemporaryFetchError):
        return []
    return _read_feeds(named[:2], ends)[:1]


def _choose_languages(reading: SiteReading) -> None:
    """If the front page names no language we know: those of the feeds and articles; else the first one we know."""
    known = [code for code, _name in settings.LANGUAGES]
    said = [one.language for one in reading.found]
    said += [item.language for one in reading.found for item in one.items] + [item.language for item in reading.told]
    if not reading.languages:
        reading.languages = [code for code in dict.fromkeys(said) if code in known]
    if not reading.languages and any([*said, *reading.site.languages]):
        spoken = next(code for code in [*reading.site.languages, *said] if code)
        raise SiteReadError(
            _("This site is in a language that issues cannot be written in yet (%(code)s).") % {"code": spoken}
        )
    reading.languages = reading.languages or known[:1]


def _articles(reading: SiteReading, ends: float) -> None:
    """The newest articles with what their pages say, then the versions in other languages that those name."""
    first = reading.languages[0]
    items = [
        replace(item, language=item.language or one.language or first) for one in reading.found for item in one.items
    ]
    newest = sorted(items, key=lambda item: item.published_at or reading.at, reverse=True)
    originals = [item for item in newest if item.language == first][:MAX_PAGES] or newest[:MAX_PAGES]
    told = {item.url: item for item in reading.told}
    for item in _each(lambda item: _with_page(item, ends), originals):
        if item is not None:
            told[item.url] = item
    wanted = [
        url
        for item in list(told.values())
        for code, url in item.alternates.items()
        if code in reading.languages and url not in told
    ]
    listed = {item.url: item for item in items}
    for twin in _each(lambda url: _with_page(listed.get(url, ArticleData(url=url)), ends), wanted[:MAX_TRANSLATIONS]):
        if twin is not None:
            told[twin.url] = twin
    reading.told = [item for item in told.values() if item.title]
    zone = reading.site.time_zone or guess_time_zone(
        (item.published_at for item in items if item.published_at), language=first
    )
    reading.time_zone = zone or settings.TIME_ZONE
    reading.site = replace(reading.site, time_zone=zone)
    if not reading.told:
        raise SiteReadError(
            _("The feed lists no article that can be read. Paste the address of another feed, or of one article.")
        )


def _with_page(item: ArticleData, ends: float) -> ArticleData | None:
    """The item with what its own page adds; the item alone where the page gives nothing."""
    try:
        page = classify(_fetch(item.url, ends)).page
    except (http_client.PermanentFetchError, http_client.TemporaryFetchError):
        page = None
    if page is None or page.reason:
        return item if item.title else None
    return merge_page_data(item, page.article)


def _pictures(reading: SiteReading, ends: float) -> None:
    lead = next(iter(pick_articles(reading)), None)
    wanted = [lead.article.image_url if lead else "", *reading.site.logos[:3]]
    got = _each(lambda address: _picture(address, ends), wanted)
    reading.lead = got[0] if got else None
    reading.logo = next((one for one in got[1:] if one is not None), None)


def _picture(address: str, ends: float) -> FetchedPicture | None:
    if not address:
        return None
    try:
        body = _fetch(address, ends, limits=http_client.IMAGE_LIMITS).body
        data, kind, (width, height) = images.prepare(body, smallest=32)
    except (http_client.PermanentFetchError, http_client.TemporaryFetchError, images.InvalidPicture):
        return None
    return FetchedPicture(address, data, kind, width, height) if len(data) <= MAX_PICTURE_BYTES else None


def _site_at(address: str, ends: float) -> extraction.Site | None:
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


def _each(do: Callable[[Item], Result], things: Iterable[Item]) -> list[Result]:
    """`do` for each of `things`, a few at once, in order. Threads do not know the language of the request by themselves."""
    language = translation.get_language() or settings.LANGUAGE_CODE

    def one(thing: Item) -> Result:
        with translation.override(language):
            return do(thing)

    listed = list(things)
    if not listed:
        return []
    with ThreadPoolExecutor(max_workers=MAX_CONCURRENT) as pool:
        return list(pool.map(one, listed))


STEPS: dict[str, Callable[[SiteReading, float], None]] = {
    FIRST_STEP: _front,
    "feed": _feed,
    "articles": _articles,
    "pictures": _pictures,
}
