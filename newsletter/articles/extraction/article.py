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
    SUMMARY_MOST,
    TITLE_MOST,
    ArticleData,
    canonical,
    decoded,
    language_code,
    moment,
    plain,
    shortened,
    web_address,
    words,
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
from newsletter.articles.extraction.html_tree import Said

WORDS_A_MINUTE = 200


@dataclass(frozen=True)
class Page:
    article: ArticleData
    reason: str = ""
    """Why this is no article, in words; "" if it is one."""
    feeds: list[str] = field(default_factory=list)
    """Feeds the page names."""


def read(body: bytes, *, url: str, charset: str = "", language: str = "", zone: tzinfo = UTC) -> Page:
    """Read a page as an article. Never raises for what the page holds; `reason` says why it is none.

    `language` is what the server declared; a moment without a zone is local to `zone`.
    """
    nothing = ArticleData(url=canonical(web_address(url)))
    reason = explanations.of_file(body)
    tree = None if reason else html_tree.parsed(decoded(body, charset=charset))
    if tree is None:
        return Page(nothing, reason or _("This page is empty. Check the address in a browser."))
    base, meta, things = html_tree.base_of(tree, url=url), html_tree.metas(tree), json_ld.things(tree)
    names = headlines.names_of(_names(meta, things), url=url)
    headings = [headlines.shown(element) for element in headlines.headings(tree)]
    linked = json_ld.own_article(things, url=url, headlines=[*headings, plain(html_tree.first_text(tree, "//title"))])
    is_scripted = html_tree.drop_scripts(tree)
    heading = visible_html.heading(tree, meta, names=names)
    weights = body_text.weights(tree)
    parts = body_text.beside(tree, heading, weights)
    paragraphs = body_text.paragraphs(tree, parts, weights)
    said = [
        json_ld.said_by(linked, headlines=headings),
        meta_tags.open_graph(meta),
        meta_tags.twitter(meta),
        {} if linked else json_ld.own_page(things),
        {"section": json_ld.section(things)},
        visible_html.said(visible_html.Page(tree, meta, url, base, names, heading, parts, paragraphs)),
    ]
    text = body_text.text(paragraphs)
    told = _Told(said, names, {headlines.letters(heading) for heading in headings}, base, zone)
    article = _article(told, tree=tree, url=url, text=text, language=language)
    is_marked = bool(linked) or meta.get("og:type", "").lower() == "article"
    reason = explanations.why_none(tree, article, url=url, text=text, is_marked=is_marked, is_scripted=is_scripted)
    return Page(article, reason, html_tree.feeds(tree, base=base))


def _names(meta: dict[str, str], things: list[Said]) -> list[str]:
    """What the page says its site is called."""
    site, organisation = json_ld.website(things), json_ld.organisation(things)
    said = (meta.get("og:site_name", ""), meta.get("application-name", ""), site.get("name"), organisation.get("name"))
    return [plain(json_ld.words_of(name), most=100) for name in said]


@dataclass(frozen=True)
class _Told:
    """What each part of a page says, the most reliable part first; and what it takes to understand it."""

    said: list[Said]
    names: headlines.Names
    heard: set[str]
    base: str
    zone: tzinfo

    def first(self, name: str, clean: Callable[[Any], Any]) -> Any:
        return next((value for part in self.said if (value := clean(part.get(name)))), clean(""))

    def words(self, name: str, *, most: int) -> str:
        return str(self.first(name, lambda value: plain(value, most=most)))

    def title(self) -> str:
        clear = self.first("title", lambda value: headlines.without_site(value, names=self.names, heard=self.heard))
        return shortened(clear, most=TITLE_MOST) or self.words("title", most=TITLE_MOST)

    def author(self) -> str:
        """Names of people as far as they are told; the site's own name only where it names nobody else."""
        lists = [_people(part.get("author")) for part in self.said]
        people = next((found for names in lists if (found := [one for one in names if not self.names.has(one)])), [])
        return ", ".join(people or next((names for names in lists if names), []))

    def image(self) -> str:
        """The first picture that shows something; a logo only where there is nothing else."""
        found = [web_address(part.get("image"), base=self.base) for part in self.said]
        return next((one for one in found if body_text.is_telling(one)), "") or next((one for one in found if one), "")

    def at(self, name: str) -> datetime | None:
        found: datetime | None = self.first(name, lambda value: moment(value, zone=self.zone))
        return found


def _article(told: _Told, *, tree: Any, url: str, text: str, language: str) -> ArticleData:
    address = _own_address([part.get("url") for part in told.said], url=url, base=told.base)
    image = told.image()
    article = ArticleData(
        url=address,
        guid=address,
        title=told.title(),
        summary=told.words("summary", most=SUMMARY_MOST),
        author=told.author(),
        section=told.words("section", most=120),
        language=told.first("language", language_code) or language_code(language),
        image_url=image,
        image_alt=_alt(told, tree=tree, image=image),
        published_at=told.at("published"),
        updated_at=told.at("updated"),
        reading_minutes=told.first("minutes", lambda value: value or None) or _minutes(text),
        alternates={code: twin for code, twin in html_tree.alternates(tree, base=told.base).items() if twin != address},
    )
    article = replace(article, content_hash=content_hash(article, text))
    return replace(article, why=explanations.why_empty(article))


def _people(value: Any) -> list[str]:
    names = (bylines.person(part) for part in re.split(r"[,;] ?", plain(value, most=200)))
    return list(dict.fromkeys(name for name in names if name))


def _alt(told: _Told, *, tree: Any, image: str) -> str:
    """What the picture shows, in words that are not those of the headline once more."""
    alt = (told.first("image_alt", body_text.alt) or body_text.alt_of(tree, image, base=told.base)) if image else ""
    return "" if headlines.letters(alt) == headlines.letters(told.title()) else str(alt)


def _minutes(text: str) -> int | None:
    count = words(text)
    return max(1, round(count / WORDS_A_MINUTE)) if count >= explanations.FEWEST_WORDS else None


def content_hash(article: ArticleData, text: str) -> str:
    """Changes when what a reader would read changes."""
    return hashlib.sha256("\n".join((article.title, article.summary, text)).encode("utf-8", "replace")).hexdigest()


def _own_address(claims: list[Any], *, url: str, base: str) -> str:
    """What the page calls its own address, if that is on the same site and not merely its front page."""
    here = canonical(web_address(url))
    for claim in reversed(claims):  # rel=canonical is meant for this; then OpenGraph, then JSON-LD
        address = canonical(web_address(_mended(claim, here), base=base))
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
