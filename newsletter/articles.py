"""Operations on articles: collect them from feeds and sitemaps, add one by its address, find them, say where used.

Everything goes out through `fetching`; no transaction is open while the network is.
"""

from __future__ import annotations

import hashlib
import logging
import re
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils import translation
from django.utils.translation import gettext as _

from newsletter import feeds, fetching, pages, pictures
from newsletter.articledata import ArticleData, canonical, plain, web_address
from newsletter.articledata import NoArticle as NoArticle  # part of what callers of this module catch
from newsletter.models import Article, ArticleState, Issue, MediaFile, Newsletter, Source, SourceKind

logger = logging.getLogger(__name__)

EVERY = timedelta(minutes=15)
"""How often a source is read."""
MOST_PAGES = 40
"""Pages of new articles read in one go; a sitemap with more is continued the next time."""
MOST_SECONDS = 90
MOST_SITEMAPS = 3
FIELDS = (
    *("title", "summary", "author", "section", "language", "image_url", "image_alt", "published_at", "updated_at"),
    *("reading_minutes", "content_hash", "alternates"),
)
PAGE_KNOWS_BETTER = ("title", "summary", "author", "language", "image_url", "image_alt", "published_at")
NOT_FOUND = re.compile(r"\b(404|not found|no longer available|tidak ditemukan|tidak tersedia)\b", re.IGNORECASE)
BINARY = frozenset({"application/pdf", "application/zip", "application/octet-stream", "application/msword"})


@dataclass
class Collected:
    """What reading a source brought."""

    new: int = 0
    changed: int = 0
    same: int = 0
    left_out: list[str] = field(default_factory=list)
    """Why an item became no article, in words."""
    is_unchanged: bool = False
    """The site said that nothing happened since last time."""
    error: str = ""


@dataclass(frozen=True)
class Read:
    """What an address holds: an article, a feed, or neither and why."""

    kind: str
    """article, feed or none."""
    url: str
    page: pages.Page | None = None
    feed: feeds.Feed | None = None
    reason: str = ""


@dataclass(frozen=True)
class Look:
    """One more reading of an article's page."""

    url: str
    read: Read | None = None
    is_gone: bool = False
    error: str = ""
    """Why it gave no article, in English words that are msgids."""


# --- reading ---------------------------------------------------------------------------------------------------------


def read_url(url: str) -> Read:
    """Fetch an address and say what it holds. Raises fetching.Refused and fetching.TryLater."""
    return understand(fetching.fetch(_typed(url)))


def understand(fetched: fetching.Fetched) -> Read:
    """Say what these bytes hold. Never raises for what they are."""
    if feeds.is_feed(fetched.body, content_type=fetched.content_type):
        return _as_feed(fetched)
    if fetched.content_type.startswith(("image/", "video/", "audio/", "font/")) or fetched.content_type in BINARY:
        return Read(
            "none", fetched.url, reason=_("This is a file rather than a page. Paste the address of an article.")
        )
    page = pages.read(fetched.body, url=fetched.url, charset=fetched.charset, language=fetched.language, zone=_zone())
    return Read("none" if page.reason else "article", fetched.url, page=page, reason=page.reason)


def _as_feed(fetched: fetching.Fetched) -> Read:
    try:
        feed = _feed(fetched)
    except feeds.BrokenFeed as error:
        return Read("none", fetched.url, reason=str(error))
    return Read("feed", fetched.url, feed=feed)


def _feed(fetched: fetching.Fetched) -> feeds.Feed:
    return feeds.read(
        fetched.body, url=fetched.url, content_type=fetched.content_type, charset=fetched.charset, zone=_zone()
    )


def _zone() -> ZoneInfo:
    return ZoneInfo(settings.TIME_ZONE)


def _typed(url: str) -> str:
    """An address as people type it; without a scheme it is https."""
    url = url.strip()
    return url if "://" in url[:10] or url.lower().startswith(("javascript:", "data:", "file:")) else f"https://{url}"


# --- one article -----------------------------------------------------------------------------------------------------


def add_by_url(url: str, *, newsletter: Newsletter, now: datetime) -> Article:
    """The article at `url`, stored with its picture. Raises NoArticle with words for people.

    `newsletter` gives the language where the page names none.
    """
    try:
        found = read_url(url)
    except (fetching.Refused, fetching.TryLater) as error:
        raise NoArticle(str(error)) from error
    if found.kind == "feed":
        raise NoArticle(_("This is a feed rather than an article. Connect it as a source."))
    if found.page is None or found.reason:
        raise NoArticle(found.reason)
    article, _outcome = upsert(found.page.article, source=None, now=now, language=newsletter.default_language)
    return _with_picture(article)


def refresh(article: Article, *, now: datetime) -> Article:
    """Read the article's page again, and keep when that was and why it failed, if it did.

    It becomes gone if the page is, or if something else stands there now; a site that is down changes nothing.
    """
    return keep(article, look(article.url), now=now)


def look(url: str) -> Look:
    """What stands at an article's address now. Network only, no database; failures are said in English, as msgids."""
    with translation.override("en"):
        try:
            found = read_url(url)
        except fetching.Gone as error:
            return Look(url, is_gone=True, error=str(error))
        except (fetching.Refused, fetching.TryLater) as error:
            return Look(url, error=str(error))
        return Look(url, read=found, error=found.reason)


def keep(article: Article, seen: Look, *, now: datetime) -> Article:
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
        article = _with_picture(article)
    Article.objects.filter(pk=article.pk).update(**facts)
    for name, value in facts.items():
        setattr(article, name, value)
    return article


def _is_unpublished(article: Article, found: Read) -> bool:
    """Whether something else stands where the article was: the front page, a notice that nothing is there, a list.

    A page that merely gives nothing to read (a login, a challenge, only script) is no proof of that.
    """
    here, asked = urlsplit(found.url), urlsplit(article.url)
    if here.path in {"", "/"} and asked.path not in {"", "/"}:
        return True
    if found.page is None or not found.reason:
        return False
    if (here.hostname, here.path.rstrip("/")) != (asked.hostname, asked.path.rstrip("/")):
        return article.reading_minutes is not None
    title = found.page.article.title
    has_text = found.page.article.reading_minutes is not None
    return bool(NOT_FOUND.search(title)) or (has_text and not _shares_a_word(title, article.title))


def _shares_a_word(one: str, other: str) -> bool:
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
    parts = urlsplit(canonical(url))
    return f"{(parts.hostname or '').removeprefix('www.')}{parts.path.rstrip('/')}?{parts.query}"


def upsert(data: ArticleData, *, source: Source | None, now: datetime, language: str = "") -> tuple[Article, str]:
    """Store what is known about an article; "new", "changed" or "same". One row per address, and per guid.

    What a later reading does not say is kept. A date ahead of `now` counts as now.
    """
    data = replace(data, guid=_guid(data), language=data.language or language)
    if data.published_at is not None and data.published_at > now:
        data = replace(data, published_at=now)
    try:
        with transaction.atomic():
            return _stored(data, source=source, now=now)
    except IntegrityError:  # somebody else stored it between our look and our write
        with transaction.atomic():
            return _stored(data, source=source, now=now)


def _guid(data: ArticleData) -> str:
    """A guid that is unique over all sites: bare numbers get the site's name in front."""
    if not data.guid or data.guid.startswith(("http://", "https://", "urn:", "tag:")):
        return data.guid or data.url
    return f"{urlsplit(data.url).hostname}#{data.guid}"[:1000]


def _stored(data: ArticleData, *, source: Source | None, now: datetime) -> tuple[Article, str]:
    known = list(Article.objects.select_for_update().filter(Q(url=data.url) | Q(guid=data.guid))[:2])
    if not known:
        values = {name: getattr(data, name) for name in FIELDS}
        return Article.objects.create(url=data.url, guid=data.guid, source=source, created_at=now, **values), "new"
    article = next((one for one in known if one.url == data.url), known[0])
    changes = {name: getattr(data, name) for name in FIELDS if getattr(data, name) not in ("", None, {})}
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


def _with_picture(article: Article) -> Article:
    """Fetch the article's picture once and keep it; an article without one is good too."""
    if article.image_id is not None or not article.image_url:
        return article
    try:
        picture = MediaFile.objects.filter(source_url=article.image_url).first()
        if picture is None:
            fetched = fetching.fetch(article.image_url, limits=fetching.IMAGE)
            picture = pictures.store(fetched.body, alt=article.image_alt, source_url=article.image_url)
    except (fetching.Refused, fetching.TryLater, pictures.NoPicture) as error:
        logger.info("article picture left out", extra={"article": article.pk, "reason": type(error).__name__})
        return article
    Article.objects.filter(pk=article.pk).update(image=picture)
    article.image = picture
    return article


# --- sources ---------------------------------------------------------------------------------------------------------


def look_at_site(url: str) -> pages.Site:
    """Name, feeds, languages, logo and accent of a site. Raises fetching.Refused and fetching.TryLater."""
    fetched = fetching.fetch(_typed(url))
    return pages.read_site(fetched.body, url=fetched.url, charset=fetched.charset)


def connect(url: str, *, newsletter: Newsletter) -> Source:
    """The source for the feed or sitemap at `url`, or for the first feed that the page at `url` names.

    Raises NoArticle with words for people if there is none.
    """
    try:
        found = read_url(url)
        if found.kind != "feed" and found.page is not None and found.page.feeds:
            found = read_url(found.page.feeds[0])
    except (fetching.Refused, fetching.TryLater) as error:
        raise NoArticle(str(error)) from error
    if found.feed is None:
        raise NoArticle(_("There is no feed at this address, and the page names none. Paste the address of the feed."))
    is_sitemap = bool(found.feed.sitemaps) or found.feed.needs_pages
    source, _created = Source.objects.get_or_create(
        newsletter=newsletter,
        url=found.url,
        defaults={"kind": SourceKind.SITEMAP if is_sitemap else SourceKind.FEED},
    )
    if not source.is_active:
        Source.objects.filter(pk=source.pk).update(is_active=True)
        source.is_active = True
    return source


def collect_due(*, now: datetime) -> int:
    """Read every source that was not read for a quarter of an hour; how many articles are new.

    Two workers share the work: a source is read by whoever moves its time.
    """
    new = 0
    due = Q(fetched_at__isnull=True) | Q(fetched_at__lte=now - EVERY)
    for source in Source.objects.filter(due, is_active=True).order_by("fetched_at", "pk")[:50]:
        if Source.objects.filter(due, pk=source.pk, is_active=True).update(fetched_at=now):
            new += collect(source, now=now).new
    return new


def collect(source: Source, *, now: datetime) -> Collected:
    """Read one source and store its articles. What goes wrong is said in `error`, and kept with the source."""
    outcome = Collected()
    facts: dict[str, object] = {"fetched_at": now, "error": ""}
    try:
        fetched = fetching.fetch(source.url, etag=source.etag, last_modified=source.last_modified)
        if fetched.not_modified:
            outcome.is_unchanged = True
        elif _take(_complete(_feed(fetched)), source=source, now=now, outcome=outcome):
            facts |= {"etag": fetched.etag, "last_modified": fetched.last_modified}
        else:  # more to come: have all of it again next time
            facts |= {"etag": "", "last_modified": ""}
    except (fetching.Refused, fetching.TryLater, feeds.BrokenFeed) as error:
        outcome.error = str(error)
        facts["error"] = outcome.error[:300]
        logger.warning("source not read", extra={"source": source.pk, "reason": type(error).__name__})
    Source.objects.filter(pk=source.pk).update(**facts)
    for name, value in facts.items():
        setattr(source, name, value)
    if outcome.new or outcome.changed:
        logger.info("source read", extra={"source": source.pk, "new": outcome.new, "changed": outcome.changed})
    return outcome


def _complete(feed: feeds.Feed) -> feeds.Feed:
    """For a sitemap index: the items of its newest sitemaps."""
    if not feed.sitemaps:
        return feed
    parts = [_feed(fetching.fetch(address)) for address in feed.sitemaps[:MOST_SITEMAPS]]
    items = [item for part in parts for item in part.items]
    return replace(feed, items=items, needs_pages=any(part.needs_pages for part in parts))


def _take(feed: feeds.Feed, *, source: Source, now: datetime, outcome: Collected) -> bool:
    """Store what is new or changed. False if some is left for the next time."""
    items = [replace(item, content_hash=_item_hash(item)) for item in _with_guids(feed.items)]
    known = _known(items)
    language = feed.language or source.newsletter.default_language
    ends, left, is_done = time.monotonic() + MOST_SECONDS, MOST_PAGES, True
    for item in items:
        if item.content_hash in known.get(_guid(item), set()) | known.get(item.url, set()):
            outcome.same += 1
            continue
        if left and time.monotonic() < ends:
            left -= 1
            item = _with_page(item, outcome=outcome)
        else:
            is_done = False
            item = replace(item, content_hash="")
        if item.title:
            _count(upsert(item, source=source, now=now, language=language), outcome=outcome)
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
    mine = Q(url__in=[item.url for item in items]) | Q(guid__in=[_guid(item) for item in items])
    for guid, url, heard in Article.objects.filter(mine).values_list("guid", "url", "content_hash"):
        known.setdefault(guid, set()).add(heard)
        known.setdefault(url, set()).add(heard)
    return known


def _with_page(item: ArticleData, *, outcome: Collected) -> ArticleData:
    """The item with what its own page adds: address, languages, picture, author, better words."""
    try:
        found = read_url(item.url)
        reason = found.reason
    except (fetching.Refused, fetching.TryLater) as error:
        found, reason = Read("none", item.url), str(error)
    if found.page is None or reason:
        if not item.title:
            outcome.left_out.append(f"{item.url}: {reason}")
        return item
    page = found.page.article
    facts = {name: getattr(item, name) for name in FIELDS if getattr(item, name) not in ("", None, {})}
    better = {name: getattr(page, name) for name in PAGE_KNOWS_BETTER if getattr(page, name)}
    if item.title and not _shares_a_word(page.title, item.title):
        better.pop("title", None)  # the page's title is about something else, such as the site
    return replace(page, guid=item.guid, **{**facts, **better, "content_hash": item.content_hash})


def _count(stored: tuple[Article, str], *, outcome: Collected) -> None:
    article, what = stored
    if what == "new":
        outcome.new += 1
    elif what == "changed":
        outcome.changed += 1
    else:
        outcome.same += 1
    if what != "same":
        _with_picture(article)


# --- finding ---------------------------------------------------------------------------------------------------------


def search(text: str = "", *, newsletter: Newsletter | None = None, language: str = "") -> QuerySet[Article]:
    """Articles with all words of `text` in title, summary, section, author or address; newest first.

    With `newsletter`, only those from its own sources or added by address.
    """
    found = Article.objects.all()
    if newsletter is not None:
        own = newsletter.sources.values("url")
        found = found.filter(Q(source__isnull=True) | Q(source__url__in=own))
    if language:
        found = found.filter(language=language)
    for word in plain(text, most=200).split()[:8]:
        found = found.filter(
            Q(title__icontains=word)
            | Q(summary__icontains=word)
            | Q(section__icontains=word)
            | Q(author__icontains=word)
            | Q(url__icontains=word)
        )
    return found.order_by("-published_at", "-pk")


def used_in(article: Article) -> QuerySet[Issue]:
    """The issues that tell this article, newest first."""
    return article.issues.select_related("newsletter").order_by("-created_at", "-pk")


def by_url(url: str) -> Article | None:
    """The article we know at this address, if we do."""
    return Article.objects.filter(url=canonical(web_address(_typed(url)))).first()
