"""Article pages into ArticleData: JSON-LD, then OpenGraph, Twitter cards, and the HTML itself. No database, no network.

Each of the four says what it can; the first that says something usable about a field is believed.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, tzinfo
from typing import Any
from urllib.parse import urlsplit

import lxml.html
from django.utils.translation import gettext as _
from lxml import etree

from newsletter.articledata import (
    CONTROL,
    ArticleData,
    canonical,
    date_in_words,
    decoded,
    language_code,
    moment,
    plain,
    shortened,
    web_address,
)

ARTICLE_TYPE = re.compile(r"(Article|Posting|Report|LiveBlog)$")
JSON_LD = "//script[contains(translate(@type, 'LDJSON', 'ldjson'), 'ld+json')]"
PUBLISHED = (
    *("article:published_time", "og:published_time", "og:article:published_time", "datepublished", "parsely-pub-date"),
    *("pubdate", "publishdate", "publish-date", "publication_date", "dc.date.issued", "dcterms.created", "dc.date"),
    *("sailthru.date", "cxenseparse:recs:publishtime", "date"),
)
UPDATED = (
    "article:modified_time",
    "og:updated_time",
    "og:modified_time",
    "datemodified",
    "last-modified",
    "dcterms.modified",
)
AUTHORS = ("author", "article:author", "og:article:author", "parsely-author", "dc.creator", "byl")
SECTIONS = ("article:section", "og:article:section", "section", "parsely-section", "category")
ASIDE = frozenset({"nav", "footer", "aside", "form", "header", "script", "style", "noscript", "template", "figure"})
BYLINE = re.compile(
    r"^\s*(?:oleh|by|penulis|ditulis oleh|written by|author|reporter)\s*[:：]?\s+(.{2,80})$", re.IGNORECASE
)
PERSON = re.compile(r"[A-ZÀ-Ž][\w.'’-]*(\s+[A-ZÀ-Ž][\w.'’-]*){1,7}")
WORDS_A_MINUTE = 200
FEWEST_WORDS = 60
Said = dict[str, Any]


@dataclass(frozen=True)
class Page:
    article: ArticleData
    reason: str = ""
    """Why this is no article, in words; "" if it is one."""
    feeds: list[str] = field(default_factory=list)
    """Feeds the page names."""


@dataclass(frozen=True)
class Site:
    """What the front page of a site says about it."""

    name: str
    feeds: list[str]
    languages: list[str]
    logo_url: str = ""
    accent: str = ""


def read(body: bytes, *, url: str, charset: str = "", language: str = "", zone: tzinfo = UTC) -> Page:
    """Read a page as an article. Never raises for what the page holds; `reason` says why it is none.

    `language` is what the server declared; a moment without a zone is local to `zone`.
    """
    tree = _tree(decoded(body, charset=charset))
    if tree is None:
        return Page(ArticleData(url=canonical(web_address(url))), _("This page is empty."))
    base = web_address(next(iter(tree.xpath("//base/@href")), ""), base=url) or url
    linked = _linked_data(tree, url=url)
    meta = _meta(tree)
    said = [_from_linked_data(linked), _from_open_graph(meta), _from_twitter(meta), _from_html(tree, meta)]
    text = _text(tree)
    article = _article(said, tree=tree, url=url, base=base, text=text, language=language, zone=zone)
    is_marked = bool(linked) or meta.get("og:type", "").lower() == "article"
    reason = _why_none(tree, article, url=url, text=text, is_marked=is_marked, meta=meta)
    return Page(article, reason, _feeds(tree, base=base))


def read_site(body: bytes, *, url: str, charset: str = "") -> Site:
    """Name, feeds, languages, logo and accent of a site, as its front page gives them."""
    tree = _tree(decoded(body, charset=charset))
    if tree is None:
        return Site(name=urlsplit(url).hostname or "", feeds=[], languages=[])
    meta = _meta(tree)
    title = re.split(r"\s+[|–—·-]\s+", plain(_first_text(tree, "//title"), most=200))[0]
    codes = [_page_language(tree), *_alternates(tree, base=url)]
    icons = tree.xpath("//link[contains(@rel, 'apple-touch-icon')]/@href")
    return Site(
        name=plain(meta.get("og:site_name") or meta.get("application-name"), most=80) or shortened(title, most=80),
        feeds=_feeds(tree, base=url),
        languages=list(dict.fromkeys(code for code in codes if code)),
        logo_url=web_address(_logo(tree) or next(iter(icons), "") or meta.get("og:image"), base=url),
        accent=meta["theme-color"] if re.fullmatch(r"#[0-9A-Fa-f]{6}", meta.get("theme-color", "")) else "",
    )


def _tree(text: str) -> Any | None:
    parser = lxml.html.HTMLParser(encoding="utf-8", no_network=True, huge_tree=False)
    try:
        return lxml.html.document_fromstring(CONTROL.sub(" ", text).encode(), parser=parser)
    except (etree.LxmlError, ValueError, AssertionError):
        return None


# --- what each part says ---------------------------------------------------------------------------------------------


def _linked_data(tree: Any, *, url: str) -> Said:
    """The JSON-LD thing that is this page's article, with references inside the page followed; {} if there is none."""
    things = [thing for script in tree.xpath(JSON_LD)[:40] for thing in _things(_json(script.text or ""))]
    by_id = {thing["@id"]: thing for thing in things if isinstance(thing.get("@id"), str)}
    articles = [thing for thing in things if any(ARTICLE_TYPE.search(kind) for kind in _kinds(thing))]
    headlines = {plain(_heading(tree)), plain(_first_text(tree, "//title"))}
    own = [thing for thing in articles if canonical(web_address(_page_of(thing), base=url)) == canonical(url)]
    own = own or [thing for thing in articles if plain(_name(thing.get("headline"))) in headlines]
    if not own and len(articles) == 1:
        own = articles  # with several and none ours, this is a list
    return {name: _followed(value, by_id) for name, value in next(iter(own), {}).items()}


def _json(text: str) -> Any:
    """Whatever JSON the text holds; comments around it, line breaks in it and commas too many are forgiven."""
    text = re.sub(r"^\s*(<!--|//\s*<!\[CDATA\[|<!\[CDATA\[)|(-->|//\s*\]\]>|\]\]>)\s*;?\s*$", "", text.strip())
    for attempt in (text, re.sub(r",(\s*[}\]])", r"\1", text)):
        try:
            return json.loads(attempt, strict=False)
        except (ValueError, RecursionError):
            continue
    return None


def _things(value: Any, depth: int = 0) -> Iterator[Said]:
    if depth > 4:
        return
    if isinstance(value, list):
        for part in value[:200]:
            yield from _things(part, depth + 1)
    elif isinstance(value, dict):
        yield value
        for name in ("@graph", "mainEntity", "mainEntityOfPage"):
            yield from _things(value.get(name), depth + 1)


def _kinds(thing: Said) -> list[str]:
    kinds = thing.get("@type")
    return [str(kind) for kind in (kinds if isinstance(kinds, list) else [kinds])]


def _page_of(thing: Said) -> str:
    page = thing.get("mainEntityOfPage")
    return str(thing.get("url") or (page.get("@id") if isinstance(page, dict) else page) or "")


def _followed(value: Any, by_id: dict[str, Said]) -> Any:
    if isinstance(value, list):
        return [_followed(part, by_id) if isinstance(part, dict) else part for part in value[:50]]
    if isinstance(value, dict) and set(value) == {"@id"}:
        return by_id.get(str(value["@id"]), value)
    return value


def _name(value: Any, *names: str) -> str:
    """The words of a JSON-LD value: a text, a thing with a name, or the first of a list."""
    if isinstance(value, list):
        return next((words for part in value if (words := _name(part, *names))), "")
    if isinstance(value, dict):
        return next((words for name in names if (words := _name(value.get(name), *names))), "")
    return value if isinstance(value, str) else ""


def _from_linked_data(thing: Said) -> Said:
    authors = thing.get("author") or thing.get("creator")
    people = authors if isinstance(authors, list) else [authors]
    names = dict.fromkeys(name for person in people if (name := plain(_name(person, "name"), most=100)))
    image = thing.get("image") or thing.get("thumbnailUrl")
    return {
        "title": _name(thing.get("headline") or thing.get("name")),
        "summary": _name(thing.get("description") or thing.get("abstract")),
        "author": ", ".join(names),
        "published": _name(thing.get("datePublished") or thing.get("dateCreated")),
        "updated": _name(thing.get("dateModified")),
        "language": _name(thing.get("inLanguage"), "alternateName", "name", "@value"),
        "section": _name(thing.get("articleSection")),
        "image": _name(image, "url", "contentUrl", "@id"),
        "image_alt": _name(image, "caption", "description") if isinstance(image, dict) else "",
        "url": _page_of(thing),
        "minutes": _minutes_said(_name(thing.get("timeRequired"))),
    }


def _minutes_said(duration: str) -> int | None:
    found = re.fullmatch(r"PT(?:(\d{1,2})H)?(?:(\d{1,3})M)?(?:\d+S)?", duration)
    minutes = int(found[1] or 0) * 60 + int(found[2] or 0) if found else 0
    return minutes or None


def _meta(tree: Any) -> dict[str, str]:
    """<meta> contents by their lower-case name, property or itemprop; the first of a name counts."""
    meta: dict[str, str] = {}
    for element in tree.iterfind(".//meta"):
        content = (element.get("content") or "").strip()
        for attribute in ("property", "name", "itemprop", "http-equiv"):
            name = (element.get(attribute) or "").strip().lower()
            if name and content:
                meta.setdefault(name, content)
    return meta


def _meta_first(meta: dict[str, str], names: tuple[str, ...]) -> str:
    return next((meta[name] for name in names if name in meta), "")


def _from_open_graph(meta: dict[str, str]) -> Said:
    author = _meta_first(meta, AUTHORS)
    return {
        "title": _without_site(meta.get("og:title", ""), meta.get("og:site_name", "")),
        "summary": meta.get("og:description", ""),
        "author": "" if author.startswith("http") or "@" in author else author,
        "published": _meta_first(meta, PUBLISHED[:3]),
        "updated": _meta_first(meta, UPDATED[:3]),
        "language": meta.get("og:locale", ""),
        "section": _meta_first(meta, SECTIONS[:2]),
        "image": _meta_first(meta, ("og:image:secure_url", "og:image", "og:image:url")),
        "image_alt": meta.get("og:image:alt", ""),
        "url": meta.get("og:url", ""),
    }


def _from_twitter(meta: dict[str, str]) -> Said:
    return {
        "title": _without_site(meta.get("twitter:title", ""), meta.get("og:site_name", "")),
        "summary": meta.get("twitter:description", ""),
        "image": _meta_first(meta, ("twitter:image", "twitter:image:src")),
        "image_alt": meta.get("twitter:image:alt", ""),
    }


def _from_html(tree: Any, meta: dict[str, str]) -> Said:
    heading = _heading(tree)
    image, alt = _first_picture(tree)
    return {
        "title": heading or _without_site(_first_text(tree, "//title"), meta.get("og:site_name", ""), is_title=True),
        "summary": meta.get("description") or meta.get("dc.description") or _first_paragraph(tree),
        "author": _byline(tree),
        "published": _meta_first(meta, PUBLISHED) or _time_element(tree) or _date_near_heading(tree),
        "updated": _meta_first(meta, UPDATED),
        "language": _page_language(tree) or meta.get("content-language") or meta.get("language", ""),
        "section": _meta_first(meta, SECTIONS) or _first_text(tree, "//*[@itemprop='articleSection']"),
        "image": image,
        "image_alt": alt,
        "url": next(iter(tree.xpath("//link[translate(@rel, 'CANOIL', 'canoil')='canonical']/@href")), ""),
    }


def _first_text(tree: Any, path: str) -> str:
    return next((text for element in tree.xpath(path)[:20] if (text := " ".join(element.itertext()).strip())), "")


def _heading(tree: Any) -> str:
    """The one <h1> of the article; a logo in an <h1> beside it does not count."""
    return _first_text(tree, "//article//h1 | //main//h1") or _first_text(tree, "//h1[not(ancestor::header)] | //h1")


def _without_site(title: str, site: str, *, is_title: bool = False) -> str:
    """ "Headline | Site" without the site, where that is known to be the site's name or clearly the short end."""
    title, site = plain(title, most=400), plain(site, most=100)
    head, mark, tail = _last_part(title)
    if mark and (tail.casefold() == site.casefold() or (is_title and not site and len(head) > 2 * len(tail))):
        return head
    return title


def _last_part(title: str) -> tuple[str, str, str]:
    found = re.match(r"(.+)(\s[|–—·»-]\s)(.+)$", title)
    return (found[1].strip(), found[2], found[3].strip()) if found else (title, "", "")


def _page_language(tree: Any) -> str:
    return language_code(tree.get("lang") or tree.get("{http://www.w3.org/XML/1998/namespace}lang") or "")


def _first_picture(tree: Any) -> tuple[str, str]:
    """The first picture of the article that is large enough to mean something."""
    for image in tree.xpath("//article//img | //main//img")[:20] or tree.xpath("//figure//img")[:5]:
        width = image.get("width") or "300"
        source = image.get("data-src") or image.get("src") or ""
        if source and not source.startswith("data:") and (not width.isdecimal() or int(width[:6]) >= 200):
            return source, image.get("alt") or ""
    return "", ""


def _paragraphs(tree: Any) -> list[Any]:
    """Paragraphs of running text: inside the article if there is one, outside navigation and forms anyway."""
    for path in ("//*[@itemprop='articleBody']//p", "//article//p", "//main//p", "//body//p"):
        found = [p for p in tree.xpath(path)[:2000] if not any(parent.tag in ASIDE for parent in p.iterancestors())]
        if found:
            return found
    bare = tree.xpath("//body//div[not(.//div) and not(.//table)]")[:2000]  # old pages: text straight in <div>
    return [div for div in bare if len(" ".join(div.itertext()).split()) >= 12]


def _first_paragraph(tree: Any) -> str:
    texts = (" ".join(" ".join(paragraph.itertext()).split()) for paragraph in _paragraphs(tree))
    headline = _heading(tree) or _first_text(tree, "//title")
    return next((text for text in texts if len(text) >= 60 and text not in headline), "")


def _byline(tree: Any) -> str:
    marked = _first_text(
        tree, "//*[@rel='author'] | //*[@itemprop='author']//*[@itemprop='name'] | //*[@itemprop='author']"
    )
    if marked:
        return _person(marked)
    for text in tree.xpath(
        "//*[contains(@class, 'author') or contains(@class, 'byline') or contains(@class, 'penulis')]"
    )[:5]:
        words = " ".join(" ".join(text.itertext()).split())
        if 2 < len(words) <= 80:
            return _person(words)
    lines = (
        " ".join(" ".join(element.itertext()).split()) for element in tree.xpath("//p | //span | //div[not(*)]")[:400]
    )
    return next((_person(line) for line in lines if BYLINE.match(line)), "") or _name_before_date(tree)


def _name_before_date(tree: Any) -> str:
    """Pages without any markup: a line that looks like a name, right before the line with the date."""
    lines = _lines_after_heading(tree)
    for before, line in zip(lines, lines[1:], strict=False):
        words = before.split()
        half = len(words) // 2
        if date_in_words(line) and PERSON.fullmatch(before):
            return " ".join(words[:half] if words[:half] == words[half:] else words)
    return ""


def _lines_after_heading(tree: Any) -> list[str]:
    after = tree.xpath("(//h1)[1]/following::text()[normalize-space()][not(ancestor::script or ancestor::style)]")[:12]
    return [" ".join(str(text).split()) for text in after]


def _person(words: str) -> str:
    found = BYLINE.match(words)
    name = re.split(r"\s*[|·•]\s*|\s+[-–]\s+", found[1] if found else words)[0].strip(" ,.:")
    return "" if "@" in name or date_in_words(name) else name


def _time_element(tree: Any) -> str:
    for path in ("//*[@itemprop='datePublished']", "//article//time", "//main//time", "//time"):
        for element in tree.xpath(path)[:3]:
            said = element.get("datetime") or element.get("content") or " ".join(element.itertext())
            if moment(said) is not None:
                return str(said)
    return ""


def _date_near_heading(tree: Any) -> str:
    """A date in words in the first lines after the heading, as readers see it."""
    return next((line for line in _lines_after_heading(tree) if len(line) <= 200 and date_in_words(line)), "")


# --- putting it together ---------------------------------------------------------------------------------------------


def _article(
    said: list[Said], *, tree: Any, url: str, base: str, text: str, language: str, zone: tzinfo
) -> ArticleData:
    def first(name: str, clean: Callable[[Any], Any]) -> Any:
        return next((value for part in said if (value := clean(part.get(name)))), clean(""))

    address = _own_address([part.get("url") for part in said], url=url, base=base)
    image = first("image", lambda value: web_address(value, base=base))
    body_words = len(text.split())
    alternates = _alternates(tree, base=base)
    article = ArticleData(
        url=address,
        guid=address,
        title=first("title", lambda value: plain(value, most=300)),
        summary=first("summary", plain),
        author=first("author", lambda value: plain(value, most=200)),
        section=first("section", lambda value: plain(value, most=120)),
        language=first("language", language_code) or language_code(language),
        image_url=image,
        image_alt=(first("image_alt", lambda value: plain(value, most=300)) or _alt_of(tree, image, base))
        if image
        else "",
        published_at=first("published", lambda value: moment(value, zone=zone)),
        updated_at=first("updated", lambda value: moment(value, zone=zone)),
        reading_minutes=first("minutes", lambda value: value or None)
        or (max(1, round(body_words / WORDS_A_MINUTE)) if body_words >= FEWEST_WORDS else None),
        alternates={code: twin for code, twin in alternates.items() if twin != address},
    )
    article = replace(article, content_hash=content_hash(article, text))
    return replace(article, why=why_empty(article))


def content_hash(article: ArticleData, text: str) -> str:
    """Changes when what a reader would read changes."""
    return hashlib.sha256("\n".join((article.title, article.summary, text)).encode("utf-8", "replace")).hexdigest()


def _own_address(claims: list[Any], *, url: str, base: str) -> str:
    """What the page calls its own address, if that is on the same site and not merely its front page."""
    here = canonical(web_address(url))
    for claim in reversed(claims):  # rel=canonical is meant for this; then OpenGraph, then JSON-LD
        address = canonical(web_address(claim, base=base))
        if address and _same_site(address, here) and (urlsplit(address).path != "/" or urlsplit(here).path == "/"):
            return address
    return here


def _same_site(one: str, other: str) -> bool:
    names = [re.sub(r"^(www|m|amp|mobile)\.", "", urlsplit(address).hostname or "") for address in (one, other)]
    return names[0] == names[1] or names[0].endswith("." + names[1]) or names[1].endswith("." + names[0])


def _alternates(tree: Any, *, base: str) -> dict[str, str]:
    twins: dict[str, str] = {}
    for link in tree.xpath("//link[@hreflang][@href]")[:100]:
        code = language_code(link.get("hreflang")) if link.get("hreflang", "").lower() != "x-default" else ""
        address = canonical(web_address(link.get("href"), base=base))
        if code and address and "alternate" in (link.get("rel") or "").lower():
            twins.setdefault(code, address)
    return twins


def _alt_of(tree: Any, image: str, base: str) -> str:
    for element in tree.iterfind(".//img[@alt]"):
        if web_address(element.get("src") or "", base=base) == image:
            return plain(element.get("alt"), most=300)
    return ""


def _feeds(tree: Any, *, base: str) -> list[str]:
    kinds = re.compile(r"application/(rss|atom|feed)\+(xml|json)", re.IGNORECASE)
    links = [link for link in tree.xpath("//link[@href]")[:300] if kinds.search(link.get("type") or "")]
    found = [
        web_address(link.get("href"), base=base) for link in links if "comment" not in (link.get("title") or "").lower()
    ]
    return list(dict.fromkeys(address for address in found if address))


def _logo(tree: Any) -> str:
    things = [thing for script in tree.xpath(JSON_LD)[:40] for thing in _things(_json(script.text or ""))]
    return next((logo for thing in things if (logo := _name(thing.get("logo"), "url", "contentUrl"))), "")


def _text(tree: Any) -> str:
    return " ".join(" ".join(" ".join(paragraph.itertext()) for paragraph in _paragraphs(tree)).split())


# --- in words --------------------------------------------------------------------------------------------------------


def why_empty(article: ArticleData) -> dict[str, str]:
    """For each field that nothing on the page gave, where it was looked for."""
    reasons = {
        "title": _("No headline in JSON-LD, OpenGraph, <h1> or <title>."),
        "summary": _("No description in JSON-LD, OpenGraph or <meta>, and no paragraph long enough to stand for one."),
        "author": _("No author in JSON-LD or <meta>, and no byline."),
        "section": _("No section in JSON-LD or <meta>."),
        "language": _("Neither the page nor the server says which language it is in."),
        "image_url": _("No picture in JSON-LD, OpenGraph or the text."),
        "published_at": _("No date in JSON-LD, <meta>, <time> or near the headline."),
        "alternates": _("The page names no version in another language (hreflang)."),
    }
    return {name: reason for name, reason in reasons.items() if not getattr(article, name)}


def _why_none(tree: Any, article: ArticleData, *, url: str, text: str, is_marked: bool, meta: dict[str, str]) -> str:
    words = len(text.split())
    if not article.title and not is_marked:
        if _is_filled_by_script(tree):
            return _(
                "This page shows its text only by script, so there is nothing to read. Use a page with the text in it."
            )
        return _("This page has no headline.")
    if is_marked:
        return ""
    if words < FEWEST_WORDS and _is_filled_by_script(tree):
        return _(
            "This page shows its text only by script, so there is nothing to read. Use a page with the text in it."
        )
    if urlsplit(url).path in {"", "/"} or meta.get("og:type", "").lower() == "website" and words < 2 * FEWEST_WORDS:
        return _("This is the front page of a site rather than an article. Paste the address of one article.")
    if tree.xpath("//input[@type='password']"):
        return _("This page asks for a login. Paste the address of a page that everybody can read.")
    if words < FEWEST_WORDS:
        return _("This page has too little text for an article: %(words)d words.") % {"words": words}
    if len(tree.xpath("//article//h2/a | //article//h3/a | //main//h2/a | //main//h3/a")) >= 5 and words < 300:
        return _("This page lists articles. Paste the address of one article.")
    return ""


def _is_filled_by_script(tree: Any) -> bool:
    """Almost no words of its own, but scripts, or an empty place for them to fill."""
    visible = tree.xpath(
        "//body//text()[not(ancestor::script or ancestor::style or ancestor::noscript or ancestor::template)]"
    )
    words = sum(len(str(text).split()) for text in visible)
    return words < FEWEST_WORDS and bool(
        tree.xpath("//script[@src] | //body//script | //*[@id='root' or @id='app' or @id='__next']")
    )
