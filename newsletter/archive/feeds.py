"""Sent issues as feeds: Atom (RFC 4287), RSS 2.0 and JSON Feed 1.1, with conditional GET.

The three formats have the same content: absolute URLs, ids that never change, direct links, and no data of a reader.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import nh3
from django.conf import settings
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.template import loader
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import get_conditional_response
from django.utils.feedgenerator import Atom1Feed, Rss201rev2Feed, rfc3339_date
from django.utils.http import http_date, quote_etag
from django.utils.translation import gettext as _

from newsletter import editions
from newsletter.archive import pages, sharing
from newsletter.issues import TEMPLATE_VERSION
from newsletter.languages import reader_words, tags
from newsletter.models import Issue, Newsletter
from newsletter.web import page_language

FORMAT_VERSION = "1"
"""Raise it when the HTML of entries changes: the ETag changes, so that clients fetch the feed again."""
MAX_ISSUES = 20
MAX_AGE_S = 300
ALLOWED_TAGS = frozenset(
    {"a", "aside", "b", "blockquote", "br", "em", "figcaption", "figure", "h2", "h3", "hr", "i", "img", "li", "ol", "p"}
    | {"section", "strong", "ul"}
)
ALLOWED_ATTRIBUTES = {"a": {"href"}, "img": {"src", "alt", "width", "height"}, "*": {"lang", "dir"}}
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class FeedEntry:
    """One issue in one language."""

    id: str
    url: str
    title: str
    summary: str
    html: str
    language: str
    author: str
    author_url: str
    picture: str
    published_at: datetime
    changed_at: datetime


@dataclass(frozen=True)
class Channel:
    """A feed, independent of its format."""

    title: str
    description: str
    home: str
    address: str
    """URL of the feed itself."""
    language: str
    author: str
    author_url: str
    changed_at: datetime
    entries: tuple[FeedEntry, ...]


# --- content ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class FeedRequest:
    """The parameters of a request and the issues it needs, before anything is rendered."""

    newsletter: Newsletter | None
    language: str
    """The requested language. Each issue is shown in its best matching language."""
    spoken: str
    """Language of the feed's own title and description."""
    address: str
    home: str
    issues: tuple[Issue, ...]
    changes: dict[int, datetime]
    """The time of the last change of an issue's page, by issue id."""
    changed_at: datetime

    @property
    def etag(self) -> str:
        """A hash of everything that goes into the feed. Nothing is rendered to compute it."""
        parts: list[object] = [
            FORMAT_VERSION,
            TEMPLATE_VERSION,
            self.address,
            self.language,
            self.changed_at.isoformat(),
        ]
        for issue in self.issues:
            letter = issue.newsletter
            about = [letter.brand, letter.title, letter.description, letter.translations, letter.languages]
            mended = sorted((link.number, link.language, link.amended_url) for link in issue.links.all())
            notes = [[one.words, one.is_shown, one.changed_at.isoformat()] for one in issue.corrections.all()]
            parts += [issue.pk, _sent_at(issue).isoformat(), issue.content, *about, letter.site_url, mended, notes]
        return quote_etag(hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32])


def parse_request(request: HttpRequest) -> FeedRequest:
    """The newest issues of all newsletters with a public archive, or of `?newsletter=`, in the language of `?lang=`.

    Without `?lang=`, the feed of one newsletter is in its default language, that of several in the visitor's language.
    Raises Http404.
    """
    newsletter, requested = _newsletter(request), request.GET.get("lang", "")
    issues = tuple(_issues(newsletter)[:MAX_ISSUES])
    offered = page_language.offered_languages([newsletter] if newsletter else [one.newsletter for one in issues])
    language = requested or (
        newsletter.default_language if newsletter else page_language.choose_language(request, offered)
    )
    spoken = newsletter.best_language(language) if newsletter else _feed_language(language, offered)
    changes = pages.last_changes(issues)
    moments = [*(_sent_at(issue) for issue in issues), *changes.values()]
    query = {**({"newsletter": newsletter.slug} if newsletter else {}), "lang": spoken}
    name = request.resolver_match.url_name if request.resolver_match else ""
    return FeedRequest(
        newsletter=newsletter,
        language=language,
        spoken=spoken,
        address=_address(name or "archive-feed", query),
        home=_address("archive-list", query),
        issues=issues,
        changes=changes,
        changed_at=max(moments) if moments else _created_at(newsletter),
    )


def build_channel(about: FeedRequest) -> Channel:
    fallback = about.newsletter.fixed_words_language if about.newsletter else ""
    with reader_words.override(about.spoken, fallback):
        title, description = _title_and_description(about.newsletter, about.issues, about.spoken)
    first = about.newsletter or (about.issues[0].newsletter if about.issues else None)
    return Channel(
        title=_clean(title),
        description=_clean(description),
        home=about.home,
        address=about.address,
        language=about.spoken,
        author=_clean(first.brand if first else title),
        author_url=first.site_url if first else "",
        changed_at=about.changed_at,
        entries=tuple(
            _entry(issue, issue.newsletter.best_language(about.language), about.changes) for issue in about.issues
        ),
    )


def _sent_at(issue: Issue) -> datetime:
    return issue.sent_at or editions.issue_date(issue)


def _newsletter(request: HttpRequest) -> Newsletter | None:
    slug = request.GET.get("newsletter", "")
    if not slug:
        return None
    newsletter = Newsletter.objects.filter(slug=slug, archive_is_public=True).first()
    if newsletter is None:
        raise Http404("no newsletter with an open archive")
    return newsletter


def _issues(newsletter: Newsletter | None) -> QuerySet[Issue]:
    sent = pages.sent_issues().select_related("newsletter__logo").prefetch_related("links", "corrections")
    return sent.filter(newsletter=newsletter) if newsletter else sent


def _feed_language(language: str, offered: list[str]) -> str:
    codes = offered or list(reader_words.INTERFACE_LANGUAGES)
    return tags.find_match(language, codes) or codes[0]


def _title_and_description(newsletter: Newsletter | None, issues: tuple[Issue, ...], language: str) -> tuple[str, str]:
    every = _("All sent issues, readable without a subscription.")
    if newsletter:
        title = newsletter.title_in(language)
        full_title = title if newsletter.brand in title else f"{newsletter.brand}: {title}"
        return full_title, newsletter.description_in(language) or every
    brands = {issue.newsletter.brand for issue in issues}
    return (brands.pop() if len(brands) == 1 else _("All issues")), every


def _created_at(newsletter: Newsletter | None) -> datetime:
    """The date of the last change of an empty feed: when the newsletter was created, so that it is the same at each
    request.
    """
    first = newsletter or Newsletter.objects.order_by("created_at").first()
    return first.created_at if first else datetime(2026, 1, 1, tzinfo=timezone.get_default_timezone())


def _entry(issue: Issue, language: str, changes: dict[int, datetime]) -> FeedEntry:
    newsletter, address = issue.newsletter, editions.web_url(issue)
    published_at = _sent_at(issue)
    picture = sharing.preview_image(editions.document(issue), language, newsletter.default_language)
    is_first = language == newsletter.default_language
    return FeedEntry(
        id=address if is_first else f"{address}?lang={language}",
        url=f"{address}?lang={language}",
        title=_clean(pages.title(issue, language)),
        summary=_clean(pages.summary(issue, language)),
        html=_clean(render_story(issue, language)),
        language=language,
        author=_clean(newsletter.brand),
        author_url=newsletter.site_url,
        picture=picture.url if picture else "",
        published_at=published_at,
        changed_at=max(published_at, changes.get(issue.pk, published_at)),
    )


def render_story(issue: Issue, language: str) -> str:
    """The issue's blocks as simple HTML: the content of its page without classes and icons."""
    with reader_words.override(language, issue.newsletter.fixed_words_language):
        errata = {"corrections": pages.page_corrections(issue, language), "newsletter": issue.newsletter}
        shown = [loader.render_to_string("archive/_errata.html", errata)]
        shown += [
            loader.render_to_string("archive/_block.html", {"kind": kind, "parts": parts, "page_language": language})
            for kind, parts in pages.block_groups(issue, language)
        ]
    return nh3.clean(
        "".join(shown),
        tags=set(ALLOWED_TAGS),
        attributes={tag: set(names) for tag, names in ALLOWED_ATTRIBUTES.items()},
        clean_content_tags={"script", "style", "svg"},
        url_schemes={"http", "https", "mailto"},
        link_rel=None,
    ).strip()


def _clean(text: str) -> str:
    return _NO_XML.sub("", text)


def _address(name: str, query: dict[str, str]) -> str:
    return f"{settings.SITE_URL}{reverse(name)}?{urlencode(query)}"


# --- formats ---------------------------------------------------------------------------------------------------------


class _Rss(Rss201rev2Feed):
    """With the full content (content:encoded) beside RSS's own summary."""

    def rss_attributes(self) -> dict[str, str]:
        return {
            **super().rss_attributes(),
            "xmlns:content": "http://purl.org/rss/1.0/modules/content/",
        }

    def latest_post_date(self) -> datetime:
        changed_at: datetime = self.feed["changed_at"]
        return changed_at

    def add_item_elements(self, handler: Any, item: dict[str, Any]) -> None:
        super().add_item_elements(handler, item)
        handler.addQuickElement("content:encoded", item["html"])


class _Atom(Atom1Feed):
    def latest_post_date(self) -> datetime:
        changed_at: datetime = self.feed["changed_at"]
        return changed_at

    def item_attributes(self, item: dict[str, Any]) -> dict[str, str]:
        return {"xml:lang": item["language"]}

    def add_item_elements(self, handler: Any, item: dict[str, Any]) -> None:
        super().add_item_elements(handler, item)
        handler.addQuickElement("content", item["html"], {"type": "html"})


def render_atom(channel: Channel) -> str:
    return _xml(_Atom, channel)


def render_rss(channel: Channel) -> str:
    return _xml(_Rss, channel)


def _xml(form: type[_Rss] | type[_Atom], channel: Channel) -> str:
    feed = form(
        title=channel.title,
        link=channel.home,
        description=channel.description,
        language=channel.language,
        subtitle=channel.description,
        author_name=channel.author,
        author_link=channel.author_url or None,
        feed_url=channel.address,
        feed_guid=channel.address,
        changed_at=channel.changed_at,
    )
    for entry in channel.entries:
        feed.add_item(
            title=entry.title,
            link=entry.url,
            description=entry.summary,
            unique_id=entry.id,
            unique_id_is_permalink=False,
            pubdate=entry.published_at,
            updateddate=entry.changed_at,
            html=entry.html,
            language=entry.language,
            author_name=entry.author,
        )
    written = io.StringIO()
    feed.write(written, "utf-8")
    return written.getvalue()


def render_json_feed(channel: Channel) -> str:
    """JSON Feed 1.1 (jsonfeed.org/version/1.1)."""
    authors = [{"name": channel.author, **({"url": channel.author_url} if channel.author_url else {})}]
    feed = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": channel.title,
        "home_page_url": channel.home,
        "feed_url": channel.address,
        "description": channel.description,
        "language": channel.language,
        "authors": authors,
        "items": [_json_item(entry) for entry in channel.entries],
    }
    return json.dumps(feed, ensure_ascii=False, indent=1)


def _json_item(entry: FeedEntry) -> dict[str, Any]:
    item = {
        "id": entry.id,
        "url": entry.url,
        "title": entry.title,
        "summary": entry.summary,
        "content_html": entry.html,
        "image": entry.picture,
        "language": entry.language,
        "authors": [{"name": entry.author, **({"url": entry.author_url} if entry.author_url else {})}],
        "date_published": rfc3339_date(entry.published_at),
        "date_modified": rfc3339_date(entry.changed_at),
    }
    return {name: value for name, value in item.items() if value or name == "content_html"}


# --- response --------------------------------------------------------------------------------------------------------

FeedRenderer = Callable[[Channel], str]


def feed_response(request: HttpRequest, form: FeedRenderer, content_type: str) -> HttpResponseBase:
    """The feed, or 304 Not Modified."""
    about = parse_request(request)
    response = HttpResponse(content_type=f"{content_type}; charset=utf-8")
    response.headers["ETag"] = about.etag
    response.headers["Last-Modified"] = http_date(about.changed_at.timestamp())
    response.headers["Cache-Control"] = f"public, max-age={MAX_AGE_S}"
    response.headers["Content-Language"] = about.spoken
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Access-Control-Allow-Origin"] = "*"
    conditional = get_conditional_response(
        request, etag=about.etag, last_modified=int(about.changed_at.timestamp()), response=response
    )
    if conditional is not None and conditional is not response:
        return conditional
    response.content = form(build_channel(about)).encode()
    return response
