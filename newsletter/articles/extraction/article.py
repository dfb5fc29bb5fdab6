"""One page as an article: each part says what it can, and the first usable word about a field is believed."""

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
    """Why this is no article, in words; "" if it is one."""
    feeds: list[str] = field(default_factory=list)
    """Feeds the page names."""


def extract_page(body: bytes, *, url: str, charset: str = "", language: str = "", zone: tzinfo = UTC) -> ExtractedPage:
    """Read a page as an article. Never raises for what the page holds; `reason` says why it is none.

    `language` is what the server declared; a moment without a zone is local to `zone`.
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
    said = [
        json_ld.article_metadata(linked, headlines=headings),
        meta_tags.read_open_graph(meta),
        meta_tags.read_twitter_card(meta),
        {} if linked else json_ld.find_page(things),
        {"section": json_ld.find_section(things)},
        visible_html.read_metadata(visible_html.ParsedPage(tree, meta, url, base, names, heading, parts, paragraphs)),
    ]
    text = body_text.join_paragraphs(paragraphs)
    told = _Told(said, names, {headlines.normalize_letters(heading) for heading in headings}, base, zone)
    article = _article(told, tree=tree, url=url, text=text, language=language)
    is_marked = bool(linked) or meta.get("og:type", "").lower() == "article"
    reason = explanations.explain_no_article(
        tree, article, url=url, text=text, is_marked=is_marked, is_scripted=is_scripted
    )
    return ExtractedPage(article, reason, html_tree.find_feeds(tree, base=base))


def _names(meta: dict[str, str], things: list[Metadata]) -> list[str]:
    """What the page says its site is called."""
    site, organisation = json_ld.find_website(things), json_ld.find_organisation(things)
    said = (meta.get("og:site_name", ""), meta.get("application-name", ""), site.get("name"), organisation.get("name"))
    return [clean_text(json_ld.value_text(name), most=100) for name in said]


@dataclass(frozen=True)
class _Told:
    """What each part of a page says, the most reliable part first; and what it takes to understand it."""

    said: list[Metadata]
    names: headlines.SiteNames
    heard: set[str]
    base: str
    zone: tzinfo

    def first(self, name: str, clean: Callable[[Any], Any]) -> Any:
        return next((value for part in self.said if (value := clean(part.get(name)))), clean(""))

    def words(self, name: str, *, most: int) -> str:
        return str(self.first(name, lambda value: clean_text(value, most=most)))

    def title(self) -> str:
        clear = self.first("title", lambda value: headlines.strip_site_name(value, names=self.names, heard=self.heard))
        return shorten(clear, most=MAX_TITLE_LENGTH) or self.words("title", most=MAX_TITLE_LENGTH)

    def author(self) -> str:
        """Names of people as far as they are told; the site's own name only where it names nobody else."""
        lists = [_people(part.get("author")) for part in self.said]
        people = next((found for names in lists if (found := [one for one in names if not self.names.has(one)])), [])
        return ", ".join(people or next((names for names in lists if names), []))

    def image(self) -> str:
        """The first picture that shows something; a logo only where there is nothing else."""
        found = [absolute_url(part.get("image"), base=self.base) for part in self.said]
        return next((one for one in found if body_text.is_meaningful_image(one)), "") or next(
            (one for one in found if one), ""
        )

    def at(self, name: str) -> datetime | None:
        found: datetime | None = self.first(name, lambda value: parse_datetime(value, zone=self.zone))
        return found


def _article(told: _Told, *, tree: Any, url: str, text: str, language: str) -> ArticleData:
    address = _own_address([part.get("url") for part in told.said], url=url, base=told.base)
    image = told.image()
    article = ArticleData(
        url=address,
        guid=address,
        title=told.title(),
        summary=told.words("summary", most=MAX_SUMMARY_LENGTH),
        author=told.author(),
        section=told.words("section", most=120),
        language=told.first("language", language_code) or language_code(language),
        image_url=image,
        image_alt=_alt(told, tree=tree, image=image),
        published_at=told.at("published"),
        updated_at=told.at("updated"),
        reading_minutes=told.first("minutes", lambda value: value or None) or _minutes(text),
        alternates={
            code: twin for code, twin in html_tree.find_alternates(tree, base=told.base).items() if twin != address
        },
    )
    article = replace(article, content_hash=content_hash(article, text))
    return replace(article, why=explanations.explain_empty_fields(article))


def _people(value: Any) -> list[str]:
    names = (bylines.parse_person(part) for part in re.split(r"[,;] ?", clean_text(value, most=200)))
    return list(dict.fromkeys(name for name in names if name))


def _alt(told: _Told, *, tree: Any, image: str) -> str:
    """What the picture shows, in words that are not those of the headline once more."""
    alt = (
        (told.first("image_alt", body_text.clean_alt_text) or body_text.find_alt_text(tree, image, base=told.base))
        if image
        else ""
    )
    return "" if headlines.normalize_letters(alt) == headlines.normalize_letters(told.title()) else str(alt)


def _minutes(text: str) -> int | None:
    count = count_words(text)
    return max(1, round(count / WORDS_PER_MINUTE)) if count >= explanations.MIN_WORDS else None


def content_hash(article: ArticleData, text: str) -> str:
    """Changes when what a reader would read changes."""
    return hashlib.sha256("\n".join((article.title, article.summary, text)).encode("utf-8", "replace")).hexdigest()


def _own_address(claims: list[Any], *, url: str, base: str) -> str:
    """What the page calls its own address, if that is on the same site and not merely its front page."""
    here = canonical_url(absolute_url(url))
    for claim in reversed(claims):  # rel=canonical is meant for this; then OpenGraph, then JSON-LD
        address = canonical_url(absolute_url(_mended(claim, here), base=base))
        if address and _same_site(address, here) and (urlsplit(address).path != "/" or urlsplit(here).path == "/"):
            return address
    return here


def _mended(claim: Any, here: str) -> str:
    """An address as it was meant: without its scheme, or escaped as a whole. "" where a script left out the end."""
    text = claim.strip() if isinstance(claim, str) else ""
    text = unquote(text) if re.match(r"https?%3A", text, re.IGNORECASE) else text
    host = urlsplit(here).netloc
    text = f"//{text}" if host and text.startswith(f"{host}/") else text
    return "" if re.search(r"(^|/)(undefined|null|NaN|false)/?$", text) else text


def _same_site(one: str, other: str) -> bool:
    names = [re.sub(r"^(www|m|amp|mobile)\.", "", urlsplit(address).hostname or "") for address in (one, other)]
    return names[0] == names[1] or names[0].endswith("." + names[1]) or names[1].endswith("." + names[0])
