"""Metadata from the visible HTML: heading, byline, date, running text and its first picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from newsletter.articles.extraction import body_text, bylines, headlines
from newsletter.articles.extraction.headlines import SiteNames
from newsletter.articles.extraction.html_tree import Metadata, find_language, first_meta, first_text
from newsletter.articles.extraction.meta_tags import PUBLISHED_NAMES, SECTION_NAMES, UPDATED_NAMES

CANONICAL_XPATH = "//link[translate(@rel, 'CANOIL', 'canoil')='canonical']/@href"


@dataclass(frozen=True)
class ParsedPage:
    """A page without scripts, prepared for extraction."""

    tree: Any
    meta: dict[str, str]
    url: str
    base: str
    names: SiteNames
    heading: Any | None
    """The element that holds the headline."""
    parts: set[Any]
    """Boilerplate elements."""
    paragraphs: body_text.Paragraphs


def read_metadata(page: ParsedPage) -> Metadata:
    tree, meta, names = page.tree, page.meta, page.names
    headline = headlines.heading_text(page.heading) if page.heading is not None else ""
    title = headlines.strip_site_name(
        first_text(tree, "//title"), names=names, heading_letters={headlines.normalize_letters(headline)}
    )
    above = body_text.find_byline_area(page.heading, page.paragraphs)
    image, alt = body_text.find_picture(tree, page.parts, page.paragraphs, base=page.base)
    return {
        "title": headlines.choose_headline(headline, title) or first_text(tree, "//h1 | //title"),
        "summary": meta.get("description")
        or meta.get("dc.description")
        or body_text.find_standfirst(page.paragraphs, headline=f"{headline} {title}"),
        "author": bylines.find_author(tree, page.heading, page.parts, above, names=names),
        "published": first_meta(meta, PUBLISHED_NAMES)
        or bylines.find_published_date(tree, page.heading, page.parts, url=page.url),
        "updated": first_meta(meta, UPDATED_NAMES),
        "language": find_language(tree) or meta.get("content-language") or meta.get("language", ""),
        "section": first_meta(meta, SECTION_NAMES) or first_text(tree, "//*[@itemprop='articleSection']"),
        "image": image,
        "image_alt": alt,
        "url": next(iter(tree.xpath(CANONICAL_XPATH)), ""),
    }


def find_heading(tree: Any, meta: dict[str, str], *, names: SiteNames) -> Any | None:
    """The element that holds the headline: the heading that the titles in <head> repeat, if one does."""
    titles = f"{first_text(tree, '//title')} {meta.get('og:title', '')} {meta.get('twitter:title', '')}"
    return headlines.find_headline(tree, names=names, said=titles)
