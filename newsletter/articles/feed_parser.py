"""Parse RSS, Atom, JSON Feed, sitemaps and news sitemaps into ArticleData; find sitemaps in robots.txt. No database, no
network.

Any input gives a ParsedFeed or raises FeedParseError.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from html.entities import html5
from typing import Any
from urllib.parse import urlsplit

from django.utils.translation import gettext as _
from lxml import etree

from newsletter.articles.article_data import (
    CONTROL_CHARACTERS,
    ArticleData,
    absolute_url,
    canonical_url,
    clean_text,
    decode_body,
    language_code,
    parse_datetime,
    shorten,
)

MAX_ITEMS = 500
"""Only the newest items are read; a longer feed is an archive."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MAX_ENTRIES_READ = 10_000
MAX_BYTES = 5 * 2**20
"""Bytes after decompression."""
MAX_SITEMAPS = 100
MEDIA_RSS_NAMESPACE = "http://search.yahoo.com/mrss/"
ITUNES_NAMESPACE = "http://www.itunes.com/dtds/podcast-1.0.dtd"
RDF_ABOUT = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}about"
XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
LANGUAGE_XPATH = "ancestor-or-self::*[@xml:lang][1]/@xml:lang"
CHANNEL_ELEMENTS = ("title", "link", "id", "updated", "modified", "description", "subtitle", "tagline")
"""Elements in which a feed describes itself, before it lists items."""
SUMMARY_ELEMENTS = ("summary", "description", "encoded", "content")
HTML_ENTITY = re.compile(r"&(?!(?:amp|lt|gt|quot|apos);)([A-Za-z][A-Za-z0-9]{1,30});")
"""Named entities of HTML, which XML does not define."""
BARE_AMPERSAND = re.compile(r"&(?!#?[A-Za-z0-9]{1,31};)")
CDATA_SECTION = re.compile(r"(<!\[CDATA\[.*?\]\]>)", re.DOTALL)
XML_START = re.compile(
    r"\s*(<\?xml[^>]*>\s*|<\?[^>]*>\s*|<!--.*?-->\s*|<!DOCTYPE[^\[>]*(?:\[.{0,20000}?\]\s*)?>\s*)*<", re.DOTALL
)
FEED_ROOT = re.compile(r"(?:[\w.-]+:)?(rss|rdf|feed|channel)\b", re.IGNORECASE)
SITEMAP_ROOT = re.compile(r"(?:[\w.-]+:)?(urlset|sitemapindex)\b", re.IGNORECASE)


class FeedParseError(Exception):
    """The bytes are not a readable feed. The message is shown to the editor."""


@dataclass(frozen=True)
class ParsedFeed:
    items: list[ArticleData]
    """Newest first, one per address."""
    title: str = ""
    language: str = ""
    site_url: str = ""
    sitemaps: list[str] = field(default_factory=list)
    """Sitemaps that a sitemap index lists, the newest first."""
    needs_pages: bool = False
    """True for a plain sitemap: its items have addresses and no titles, so the pages must be read."""


def is_feed(body: bytes, *, content_type: str = "") -> bool:
    """Whether the bytes look like a feed or sitemap. The first element counts, not the Content-Type."""
    start = _decompress(body, most=8192)[:8192]
    return bool(_root(decode_body(start))) or _is_json_feed(start, content_type)


def parse(body: bytes, *, url: str, content_type: str = "", charset: str = "", zone: tzinfo = UTC) -> ParsedFeed:
    """Parse any of the formats, also gzipped (sitemap.xml.gz). Raises FeedParseError."""
    body = _decompress(body, most=MAX_BYTES)
    if len(body) > MAX_BYTES:
        raise FeedParseError(
            _("This feed is larger than %(size)d MB, so it is not read.") % {"size": MAX_BYTES // 2**20}
        )
    if _is_json_feed(body, content_type):
        return _json_feed(body, url=url, zone=zone)
    text = decode_body(body, charset=charset)
    root = _root(text[:8192])
    if not root:
        raise FeedParseError(
            _("This is no feed. A feed is a file that lists articles; look for a link called RSS or Feed.")
        )
    if re.search(r"<!ENTITY", text[:65536], re.IGNORECASE):
        raise FeedParseError(_("This feed defines abbreviations of its own (XML entities), which is not safe to read."))
    if SITEMAP_ROOT.fullmatch(root):
        return _sitemap(text, url=url, zone=zone)
    return _syndication(text, url=url, zone=zone)


def _decompress(body: bytes, *, most: int) -> bytes:
    """Decompress gzip up to `most` bytes plus one. Other bytes are returned as they are."""
    if not body.startswith(b"\x1f\x8b"):
        return body
    try:
        return zlib.decompressobj(31).decompress(body, most + 1)
    except zlib.error:
        return b""


def _root(text: str) -> str:
    """The name of the first element if it belongs to a feed or sitemap, else ""."""
    start = XML_START.match(text)
    rest = text[start.end() :] if start else ""
    match = FEED_ROOT.match(rest) or SITEMAP_ROOT.match(rest)
    return match[0] if match else ""


def _is_json_feed(body: bytes, content_type: str) -> bool:
    start = body[:2048].lstrip(b"\xef\xbb\xbf \t\r\n")
    return start.startswith(b"{") and (b"jsonfeed.org" in start or "json" in content_type)


# --- RSS and Atom ----------------------------------------------------------------------------------------------------


def _syndication(text: str, *, url: str, zone: tzinfo) -> ParsedFeed:
    root = _tree(text, url=url)
    channel = next(iter(root.iterfind("{*}channel")), root)
    language = language_code(_text(channel, "language") or root.get(XML_LANG) or channel.get(XML_LANG))
    entries = [element for name in ("item", "entry") for element in root.iterfind(f".//{{*}}{name}")]
    site = next((_text(link) or link.get("href") for link in _children(channel, "link") if not _is_self(link)), "")
    title = clean_text(_text(channel, "title"), most=200)
    if not entries and not _children(channel, *CHANNEL_ELEMENTS):
        raise FeedParseError(_("This feed is damaged or has nothing in it. Try again once it lists articles."))
    return ParsedFeed(
        items=_newest(_entry(entry, language=language, zone=zone) for entry in _newest_entries(entries, zone=zone)),
        title=title,
        language=language,
        site_url=absolute_url(site, base=url),
    )


def _tree(text: str, *, url: str) -> Any:
    """Parse the document. External entities are never loaded, and libxml2 limits the depth."""
    text = "".join(_with_entities(part) for part in CDATA_SECTION.split(CONTROL_CHARACTERS.sub(" ", text)))
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, recover=True, encoding="utf-8"
    )
    try:
        root = etree.fromstring(text.strip().encode(), parser, base_url=url)
    except (etree.LxmlError, ValueError) as error:
        raise FeedParseError(_("This feed is damaged and cannot be read.")) from error
    if root is None:
        raise FeedParseError(_("This feed is damaged and cannot be read."))
    return root


def _with_entities(text: str) -> str:
    """Convert named HTML entities to characters and escape bare "&". CDATA sections stay as they are."""
    text = HTML_ENTITY.sub(lambda match: html5.get(f"{match[1]};", " "), text)
    return text if text.startswith("<![CDATA[") else BARE_AMPERSAND.sub("&amp;", text)


def _children(element: Any, *names: str) -> list[Any]:
    """Direct children with one of these local names, in the order of the names. Media RSS and iTunes elements come
    last.
    """
    children = [child for name in names for child in element.iterfind(f"{{*}}{name}")]
    return sorted(children, key=lambda child: etree.QName(child).namespace in (MEDIA_RSS_NAMESPACE, ITUNES_NAMESPACE))


def _text(element: Any, *names: str) -> str:
    """The text of `element`, or of its first child with one of `names` that has text."""
    if not names:
        return "".join(element.itertext()).strip()
    return next((text for child in _children(element, *names) if (text := _text(child))), "")


def _is_self(link: Any) -> bool:
    return str(link.get("rel", "alternate")) != "alternate"


def _entry(entry: Any, *, language: str, zone: tzinfo) -> ArticleData:
    base = entry.base or ""
    link = _entry_link(entry, base=base)
    image, alt = _entry_image(entry, base=link or base)
    updated = next(_moments(entry, "updated", "modified", zone=zone), None)
    return ArticleData(
        url=canonical_url(link) if link else "",
        guid=clean_text(_text(entry, "guid", "id") or entry.get(RDF_ABOUT), most=900),
        title=clean_text(_text(entry, "title"), most=300),
        summary=_summary(entry),
        author=_entry_author(entry),
        section=next((words for part in _children(entry, "category", "subject") if (words := _category(part))), ""),
        language=language_code(_text(entry, "language") or next(iter(entry.xpath(LANGUAGE_XPATH)), "")) or language,
        image_url=image,
        image_alt=alt,
        published_at=_published(entry, zone=zone) or updated,
        updated_at=updated,
    )


def _summary(entry: Any) -> str:
    """The entry's summary; for a video, the description of its media element."""
    texts = (
        *(_text(entry, name) for name in SUMMARY_ELEMENTS),
        entry.findtext(f".//{{{MEDIA_RSS_NAMESPACE}}}description") or "",
    )
    return next((words for text in texts if (words := clean_text(text))), "")


def _newest_entries(entries: list[Any], *, zone: tzinfo) -> list[Any]:
    """The newest entries: only these are parsed in full, because an archive may have thousands."""
    if len(entries) <= MAX_ITEMS:
        return entries
    dated = [(_published(entry, zone=zone) or EPOCH, entry) for entry in entries[:MAX_ENTRIES_READ]]
    return [entry for _, entry in sorted(dated, key=lambda pair: pair[0], reverse=True)[:MAX_ITEMS]]


def _entry_link(entry: Any, *, base: str) -> str:
    """The address of the article's page. A guid counts as an address if it is a permalink and there is no link."""
    links = _children(entry, "origLink", "link")
    candidates = [link.get("href") or _text(link) for link in links if not _is_self(link)]
    for guid in _children(entry, "guid", "id"):
        text = _text(guid)
        is_address = text.startswith("http") or (text.startswith("/") and guid.get("isPermaLink") == "true")
        candidates += [text] if is_address else []
    return next((address for text in candidates if text and (address := absolute_url(text, base=base))), "")


def _entry_author(entry: Any) -> str:
    """Names without mail addresses: "redaksi@contoh.id (Dewi)" becomes Dewi."""
    names = []
    for person in _children(entry, "creator", "author"):
        text = clean_text(_text(person, "name") or _text(person), most=100)
        in_brackets = re.search(r"\(([^()]+)\)\s*$", text)
        name = in_brackets[1] if in_brackets and "@" in text else text
        if name and "@" not in name and name not in names:
            names.append(name)
    return shorten(", ".join(names), most=200)


def _category(part: Any) -> str:
    return clean_text(part.get("label") or part.get("term") or _text(part), most=120)


def _entry_image(entry: Any, *, base: str) -> tuple[str, str]:
    """The entry's picture and its description, from media elements, an enclosure, or its HTML."""
    for media in (
        entry.iterfind(f".//{{{MEDIA_RSS_NAMESPACE}}}content"),
        entry.iterfind(f".//{{{MEDIA_RSS_NAMESPACE}}}thumbnail"),
    ):
        for element in media:
            kind = f"{element.get('medium', '')}{element.get('type', '')}"
            if (not kind or "image" in kind) and (address := absolute_url(element.get("url"), base=base)):
                return address, clean_text(_text(element, "description") or _text(entry, "description"), most=300)
    enclosed = [
        link for link in _children(entry, "link") if link.get("rel") == "enclosure"
    ]  # a link without rel is the entry's page
    for link in [*_children(entry, "enclosure", "image"), *enclosed]:
        if link.get("type", "image/").startswith("image/"):
            address = link.get("url") or link.get("href") or _text(link, "url")
            if address and (address_of_image := absolute_url(address, base=base)):
                return address_of_image, ""
    return _first_image("".join(_markup(part) for part in _children(entry, *SUMMARY_ELEMENTS)), base=base)


def _markup(part: Any) -> str:
    inner = "".join(etree.tostring(child, encoding="unicode") for child in part if isinstance(child.tag, str))
    return inner + _text(part)


def _first_image(text: str, *, base: str) -> tuple[str, str]:
    """The first <img> in HTML."""
    tag = re.search(r"<img\b[^>]{1,9000}>", text[:200_000], re.IGNORECASE)
    source = re.search(r"\bsrc\s*=\s*[\"']([^\"'>]+)", tag[0], re.IGNORECASE) if tag else None
    if not tag or not source:
        return "", ""
    alt = re.search(r"\balt\s*=\s*[\"']([^\"'>]*)", tag[0], re.IGNORECASE)
    return absolute_url(source[1].replace("&amp;", "&"), base=base), clean_text(alt[1] if alt else "", most=300)


def _published(entry: Any, *, zone: tzinfo) -> datetime | None:
    return next(_moments(entry, "pubDate", "published", "issued", "created", "date", zone=zone), None)


def _moments(entry: Any, *names: str, zone: tzinfo) -> Iterator[datetime]:
    for child in _children(entry, *names):
        moment = parse_datetime(_text(child), zone=zone)
        if moment is not None:
            yield moment


def _newest(items: Iterable[ArticleData]) -> list[ArticleData]:
    """Items with an address, one per address, the newest first. Items without a date follow in their order."""
    unique: dict[str, ArticleData] = {}
    for item in items:
        if item.url:
            unique.setdefault(item.url, item)
    return sorted(unique.values(), key=lambda item: item.published_at or EPOCH, reverse=True)[:MAX_ITEMS]


# --- JSON Feed -------------------------------------------------------------------------------------------------------


def _json_feed(body: bytes, *, url: str, zone: tzinfo) -> ParsedFeed:
    try:
        data = json.loads(decode_body(body))
        rows = data["items"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise FeedParseError(_("This feed is damaged and cannot be read.")) from error
    if not isinstance(rows, list):
        raise FeedParseError(_("This feed is damaged and cannot be read."))
    language = language_code(data.get("language"))
    items = [_json_item(row, base=url, language=language, zone=zone) for row in rows if isinstance(row, dict)]
    return ParsedFeed(
        items=_newest(items),
        title=clean_text(data.get("title"), most=200),
        language=language,
        site_url=absolute_url(data.get("home_page_url"), base=url),
    )


def _json_item(row: dict[str, Any], *, base: str, language: str, zone: tzinfo) -> ArticleData:
    link = absolute_url(row.get("url"), base=base) or absolute_url(row.get("external_url"), base=base)
    tags = row.get("tags")
    return ArticleData(
        url=canonical_url(link) if link else "",
        guid=clean_text(str(row.get("id") or ""), most=900),
        title=clean_text(row.get("title"), most=300),
        summary=next(
            (text for name in ("summary", "content_text", "content_html") if (text := clean_text(row.get(name)))), ""
        ),
        author=_json_author(row),
        section=clean_text(tags[0], most=120) if isinstance(tags, list) and tags else "",
        language=language_code(row.get("language")) or language,
        image_url=absolute_url(row.get("image"), base=link) or absolute_url(row.get("banner_image"), base=link),
        published_at=parse_datetime(row.get("date_published"), zone=zone),
        updated_at=parse_datetime(row.get("date_modified"), zone=zone),
    )


def _json_author(row: dict[str, Any]) -> str:
    authors = row.get("authors")
    people = authors if isinstance(authors, list) else [row.get("author")]
    names = [clean_text(person.get("name"), most=100) for person in people if isinstance(person, dict)]
    return shorten(", ".join(name for name in names if name), most=200)


# --- sitemaps --------------------------------------------------------------------------------------------------------


def _sitemap(text: str, *, url: str, zone: tzinfo) -> ParsedFeed:
    root = _tree(text, url=url)
    rows = [_row_texts(child) for child in root if isinstance(child.tag, str)]
    if etree.QName(root).localname.lower() == "sitemapindex":
        return ParsedFeed(items=[], sitemaps=_sitemaps(rows, base=url, zone=zone))
    items = _newest(_sitemap_item(row, base=url, zone=zone) for row in rows)
    return ParsedFeed(items=items, needs_pages=any(not item.title for item in items))


def _row_texts(row: Any) -> dict[str, str]:
    """Texts below one <url> by local name. The first element of a name counts."""
    texts: dict[str, str] = {}
    for element in row.iter():
        if not isinstance(element.tag, str):
            continue
        name = etree.QName(element).localname.lower()
        if name == "link" and element.get("hreflang") and element.get("href"):
            texts.setdefault(f"hreflang {element.get('hreflang')}", element.get("href"))
        elif (text := (element.text or "").strip()) and not (name == "loc" and "image" in str(element.tag)):
            texts.setdefault(name, text)
        elif text:
            texts.setdefault("image", text)
    return texts


def _sitemaps(rows: list[dict[str, str]], *, base: str, zone: tzinfo) -> list[str]:
    dated = [
        (parse_datetime(row.get("lastmod"), zone=zone) or EPOCH, absolute_url(row.get("loc"), base=base))
        for row in rows
    ]
    return [address for _, address in sorted(dated, key=lambda pair: pair[0], reverse=True) if address]


def _sitemap_item(row: dict[str, str], *, base: str, zone: tzinfo) -> ArticleData:
    link = absolute_url(row.get("loc"), base=base)
    addresses = {name.partition(" ")[2]: address for name, address in row.items() if name.startswith("hreflang ")}
    return ArticleData(
        url=canonical_url(link) if link else "",
        title=clean_text(row.get("title"), most=300),
        language=language_code(row.get("language")),
        image_url=absolute_url(row.get("image"), base=link),
        published_at=parse_datetime(row.get("publication_date"), zone=zone)
        or parse_datetime(row.get("lastmod"), zone=zone),
        updated_at=parse_datetime(row.get("lastmod"), zone=zone),
        alternates={
            language_code(code): absolute
            for code, address in addresses.items()
            if language_code(code) and (absolute := absolute_url(address, base=base))
        },
    )


def sitemaps_in_robots(body: bytes, *, url: str) -> list[str]:
    """Sitemaps that the robots.txt at `url` lists: those with "news" in their address first, otherwise in its order."""
    lines = (line.partition("#")[0] for line in decode_body(body[: 512 * 1024]).splitlines())
    fields = (line.partition(":") for line in lines)
    addresses = (
        absolute_url(value.strip(), base=url) for name, _, value in fields if name.strip().lower() == "sitemap"
    )
    sitemaps = list(dict.fromkeys(address for address in addresses if address))[:MAX_SITEMAPS]
    return sorted(sitemaps, key=lambda address: "news" not in urlsplit(address).path.lower())
