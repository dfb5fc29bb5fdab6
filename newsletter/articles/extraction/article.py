"""Extract an article from a page. Each part of the page gives values; for each field the first usable value counts."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, tzinfo
from typing import Any
from urllib.parse import unquote, urlsplit

from django.utils.translation import gettext as _

from newsletter.articles.article_data import (
    MAX_SUMMARY_LENGTH,
    MAX_TITLE_LENGTH,
    ArticleData,
    absolute_url,
    canonical_url,
    clean_text,
    count_words,
    decode_body,
    language_code,
    parse_datetime,
    shorten,
)
from newsletter.articles.extraction import (
    body_text,
    bylines,
    explanations,
    headlines,
    html_tree,
    json_ld,
    meta_tags,
    visible_html,
)
from newsletter.articles.extraction.html_tree import Metadata

WORDS_PER_MINUTE = 200


@dataclass(frozen=True)
class ExtractedPage:
    article: ArticleData
    reason: str = ""
    """Why the page is not an article; "" if it is one."""
    feeds: list[str] = field(default_factory=list)
    """Feeds that the page links to."""


def extract_page(body: bytes, *, url: str, charset: str = "", language: str = "", zone: tzinfo = UTC) -> ExtractedPage:
    """Extract a page as an article. Never raises because of the page's content; `reason` says why it is not an article.

    `language` is that of the Content-Language header. Dates without time zone are local to `zone`.
    """
    nothing = ArticleData(url=canonical_url(absolute_url(url)))
    reason = explanations.explain_file(body)
    tree = None if reason else html_tree.parse_html(decode_body(body, charset=charset))
    if tree is None:
        return ExtractedPage(nothing, reason or _("This page is empty. Check the address in a browser."))
    base, meta, things = (
        html_tree.find_base_url(tree, url=url),
        html_tree.read_meta_tags(tree),
        json_ld.parse_things(tree),
    )
    names = headlines.collect_site_names(_names(meta, things), url=url)
    headings = [headlines.heading_text(element) for element in headlines.find_headings(tree)]
    linked = json_ld.find_article(
        things, url=url, headlines=[*headings, clean_text(html_tree.first_text(tree, "//title"))]
    )
    is_scripted = html_tree.drop_scripts(tree)
    heading = visible_html.find_heading(tree, meta, names=names)
    weights = body_text.measure_text(tree)
    parts = body_text.find_boilerplate(tree, heading, weights)
    paragraphs = body_text.find_paragraphs(tree, parts, weights)
    metadata = [
        json_ld.article_metadata(linked, headlines=headings),
        meta_tags.read_open_graph(meta),
        meta_tags.read_twitter_card(meta),
        {} if linked else json_ld.find_page(things),
        {"section": json_ld.find_section(things)},
        visible_html.read_metadata(visible_html.ParsedPage(tree, meta, url, base, names, heading, parts, paragraphs)),
    ]
    text = body_text.join_paragraphs(paragraphs)
    values = _PageValues(metadata, names, {headlines.normalize_letters(heading) for heading in headings}, base, zone)
    article = _article(values, tree=tree, url=url, text=text, language=language)
    is_marked = bool(linked) or meta.get("og:type", "").lower() == "article"
    reason = explanations.explain_no_article(
        tree, article, url=url, text=text, is_marked=is_marked, is_scripted=is_scripted
    )
    return ExtractedPage(article, reason, html_tree.find_feeds(tree, base=base))


def _names(meta: dict[str, str], things: list[Metadata]) -> list[str]:
    """Names of the site on the page."""
    site, organisation = json_ld.find_website(things), json_ld.find_organisation(things)
    values = (
        meta.get("og:site_name", ""),
        meta.get("application-name", ""),
        site.get("name"),
        organisation.get("name"),
    )
    return [clean_text(json_ld.value_text(name), most=100) for name in values]


@dataclass(frozen=True)
class _PageValues:
    """Values from each part of the page, the most reliable part first, and what is needed to clean them."""

    parts: list[Metadata]
    names: headlines.SiteNames
    heading_letters: set[str]
    base: str
    zone: tzinfo

    def first(self, name: str, clean: Callable[[Any], Any]) -> Any:
        return next((value for part in self.parts if (value := clean(part.get(name)))), clean(""))

    def text(self, name: str, *, most: int) -> str:
        return str(self.first(name, lambda value: clean_text(value, most=most)))

    def title(self) -> str:
        clear = self.first(
            "title",
            lambda value: headlines.strip_site_name(value, names=self.names, heading_letters=self.heading_letters),
        )
        return shorten(clear, most=MAX_TITLE_LENGTH) or self.text("title", most=MAX_TITLE_LENGTH)

    def author(self) -> str:
        """Names of people. The site's own name is used only if no person is named."""
        lists = [_people(part.get("author")) for part in self.parts]
        people = next((named for names in lists if (named := [name for name in names if not self.names.has(name)])), [])
        return ", ".join(people or next((names for names in lists if names), []))

    def image(self) -> str:
        """The first meaningful picture. A logo is used only if there is no other."""
        urls = [absolute_url(part.get("image"), base=self.base) for part in self.parts]
        return next((address for address in urls if body_text.is_meaningful_image(address)), "") or next(
            (address for address in urls if address), ""
        )

    def at(self, name: str) -> datetime | None:
        moment: datetime | None = self.first(name, lambda value: parse_datetime(value, zone=self.zone))
        return moment


def _article(values: _PageValues, *, tree: Any, url: str, text: str, language: str) -> ArticleData:
    address = _own_address([part.get("url") for part in values.parts], url=url, base=values.base)
    image = values.image()
    article = ArticleData(
        url=address,
        guid=address,
        title=values.title(),
        summary=values.text("summary", most=MAX_SUMMARY_LENGTH),
        author=values.author(),
        section=values.text("section", most=120),
        language=values.first("language", language_code) or language_code(language),
        image_url=image,
        image_alt=_alt(values, tree=tree, image=image),
        published_at=values.at("published"),
        updated_at=values.at("updated"),
        reading_minutes=values.first("minutes", lambda value: value or None) or _minutes(text),
        alternates={
            code: alternate
            for code, alternate in html_tree.find_alternates(tree, base=values.base).items()
            if alternate != address
        },
    )
    article = replace(article, content_hash=content_hash(article, text))
    return replace(article, why=explanations.explain_empty_fields(article))


def _people(value: Any) -> list[str]:
    names = (bylines.parse_person(part) for part in re.split(r"[,;] ?", clean_text(value, most=200)))
    return list(dict.fromkeys(name for name in names if name))


def _alt(values: _PageValues, *, tree: Any, image: str) -> str:
    """The picture's description, unless it repeats the headline."""
    alt = (
        (values.first("image_alt", body_text.clean_alt_text) or body_text.find_alt_text(tree, image, base=values.base))
        if image
        else ""
    )
    return "" if headlines.normalize_letters(alt) == headlines.normalize_letters(values.title()) else str(alt)


def _minutes(text: str) -> int | None:
    count = count_words(text)
    return max(1, round(count / WORDS_PER_MINUTE)) if count >= explanations.MIN_WORDS else None


def content_hash(article: ArticleData, text: str) -> str:
    """A hash that changes when the readable text changes."""
    return hashlib.sha256("\n".join((article.title, article.summary, text)).encode("utf-8", "replace")).hexdigest()


def _own_address(claims: list[Any], *, url: str, base: str) -> str:
    """The page's own canonical address, if it is on the same site and not just the front page."""
    current = canonical_url(absolute_url(url))
    for claim in reversed(claims):  # rel=canonical is made for this; then OpenGraph, then JSON-LD
        address = canonical_url(absolute_url(_repaired(claim, current), base=base))
        if (
            address
            and _same_site(address, current)
            and (urlsplit(address).path != "/" or urlsplit(current).path == "/")
        ):
            return address
    return current


def _repaired(claim: Any, current: str) -> str:
    """Repair an address: add a missing scheme, or unescape it. "" if a script failed to fill it."""
    text = claim.strip() if isinstance(claim, str) else ""
    text = unquote(text) if re.match(r"https?%3A", text, re.IGNORECASE) else text
    host = urlsplit(current).netloc
    text = f"//{text}" if host and text.startswith(f"{host}/") else text
    return "" if re.search(r"(^|/)(undefined|null|NaN|false)/?$", text) else text


def _same_site(first: str, second: str) -> bool:
    names = [re.sub(r"^(www|m|amp|mobile)\.", "", urlsplit(address).hostname or "") for address in (first, second)]
    return names[0] == names[1] or names[0].endswith("." + names[1]) or names[1].endswith("." + names[0])
