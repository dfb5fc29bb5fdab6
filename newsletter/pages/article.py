"""One page as an article: each part says what it can, and the first usable word about a field is believed."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, tzinfo
from typing import Any
from urllib.parse import urlsplit

from django.utils.translation import gettext as _

from newsletter.articledata import ArticleData, canonical, decoded, language_code, moment, plain, web_address
from newsletter.pages import linked_data, markup, metatags, reasons, visible
from newsletter.pages.markup import Said

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
    tree = markup.parsed(decoded(body, charset=charset))
    if tree is None:
        return Page(ArticleData(url=canonical(web_address(url))), _("This page is empty."))
    base = markup.base_of(tree, url=url)
    headlines = {plain(visible.heading(tree)), plain(markup.first_text(tree, "//title"))}
    linked = linked_data.own_article(linked_data.things(tree), url=url, headlines=headlines)
    meta = markup.metas(tree)
    said = [linked_data.said_by(linked), metatags.open_graph(meta), metatags.twitter(meta), visible.said(tree, meta)]
    text = visible.text(tree)
    article = _article(said, tree=tree, url=url, base=base, text=text, language=language, zone=zone)
    is_marked = bool(linked) or meta.get("og:type", "").lower() == "article"
    reason = reasons.why_none(tree, article, url=url, text=text, is_marked=is_marked, meta=meta)
    return Page(article, reason, markup.feeds(tree, base=base))


def _article(
    said: list[Said], *, tree: Any, url: str, base: str, text: str, language: str, zone: tzinfo
) -> ArticleData:
    def first(name: str, clean: Callable[[Any], Any]) -> Any:
        return next((value for part in said if (value := clean(part.get(name)))), clean(""))

    address = _own_address([part.get("url") for part in said], url=url, base=base)
    image = first("image", lambda value: web_address(value, base=base))
    alt = first("image_alt", lambda value: plain(value, most=300)) or visible.alt_of(tree, image, base=base)
    article = ArticleData(
        url=address,
        guid=address,
        title=first("title", lambda value: plain(value, most=300)),
        summary=first("summary", plain),
        author=first("author", lambda value: plain(value, most=200)),
        section=first("section", lambda value: plain(value, most=120)),
        language=first("language", language_code) or language_code(language),
        image_url=image,
        image_alt=alt if image else "",
        published_at=first("published", lambda value: moment(value, zone=zone)),
        updated_at=first("updated", lambda value: moment(value, zone=zone)),
        reading_minutes=first("minutes", lambda value: value or None) or _minutes(text),
        alternates={code: twin for code, twin in markup.alternates(tree, base=base).items() if twin != address},
    )
    article = replace(article, content_hash=content_hash(article, text))
    return replace(article, why=reasons.why_empty(article))


def _minutes(text: str) -> int | None:
    words = len(text.split())
    return max(1, round(words / WORDS_A_MINUTE)) if words >= reasons.FEWEST_WORDS else None


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
