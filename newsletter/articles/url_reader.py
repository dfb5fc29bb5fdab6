"""What a web address holds: an article, a feed, or neither with the reason. Uses the network, not the database."""

from __future__ import annotations

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils import translation
from django.utils.translation import gettext as _

from newsletter.articles import extraction, feed_parser
from newsletter.fetching import http_client

BINARY_TYPES = frozenset({"application/pdf", "application/zip", "application/octet-stream", "application/msword"})


@dataclass(frozen=True)
class UrlContent:
    """The content at an address: an article, a feed, or neither with the reason."""

    kind: str
    """"article", "feed" or "none"."""
    url: str
    page: extraction.ExtractedPage | None = None
    feed: feed_parser.ParsedFeed | None = None
    reason: str = ""


@dataclass(frozen=True)
class PageCheck:
    """The result of reading an article's page again."""

    url: str
    read: UrlContent | None = None
    is_gone: bool = False
    error: str = ""
    """Why the page gave no article: an English sentence that is a msgid."""


def read_url(url: str, *, limits: http_client.FetchLimits = http_client.PAGE_LIMITS) -> UrlContent:
    """Fetch an address and classify its content. Raises http_client.PermanentFetchError and TemporaryFetchError."""
    return classify(http_client.fetch(normalize_typed_url(url), limits=limits))


def classify(fetched: http_client.FetchResult) -> UrlContent:
    """Classify a fetched response. Never raises, whatever the bytes are."""
    if feed_parser.is_feed(fetched.body, content_type=fetched.content_type):
        return _as_feed(fetched)
    if fetched.content_type.startswith(("image/", "video/", "audio/", "font/")) or fetched.content_type in BINARY_TYPES:
        return UrlContent(
            "none", fetched.url, reason=_("This is a file rather than a page. Paste the address of an article.")
        )
    page = extraction.extract_page(
        fetched.body, url=fetched.url, charset=fetched.charset, language=fetched.language, zone=_default_zone()
    )
    return UrlContent("none" if page.reason else "article", fetched.url, page=page, reason=page.reason)


def _as_feed(fetched: http_client.FetchResult) -> UrlContent:
    try:
        feed = parse_as_feed(fetched)
    except feed_parser.FeedParseError as error:
        return UrlContent("none", fetched.url, reason=str(error))
    return UrlContent("feed", fetched.url, feed=feed)


def parse_as_feed(fetched: http_client.FetchResult) -> feed_parser.ParsedFeed:
    """Parse the response as a feed or sitemap. Raises feed_parser.FeedParseError."""
    return feed_parser.parse(
        fetched.body, url=fetched.url, content_type=fetched.content_type, charset=fetched.charset, zone=_default_zone()
    )


def check_page(url: str) -> PageCheck:
    """Read an article's page now. Uses the network, not the database. Errors are returned in English, as msgids."""
    with translation.override("en"):
        try:
            content = read_url(url)
        except http_client.PageGone as error:
            return PageCheck(url, is_gone=True, error=str(error))
        except (http_client.PermanentFetchError, http_client.TemporaryFetchError) as error:
            return PageCheck(url, error=str(error))
        return PageCheck(url, read=content, error=content.reason)


def read_site(url: str) -> extraction.Site:
    """Name, feeds, languages, logo and accent of a site. Raises http_client.PermanentFetchError and
    TemporaryFetchError.
    """
    fetched = http_client.fetch(normalize_typed_url(url))
    return extraction.extract_site(fetched.body, url=fetched.url, charset=fetched.charset)


def normalize_typed_url(url: str) -> str:
    """An address as typed by a person. Without a scheme it is https."""
    url = url.strip()
    return url if "://" in url[:10] or url.lower().startswith(("javascript:", "data:", "file:")) else f"https://{url}"


def _default_zone() -> ZoneInfo:
    return ZoneInfo(settings.TIME_ZONE)
