"""The HTML itself, read like a person would: heading, byline, date, running text and its first picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from newsletter.articles.extraction import body_text, bylines, headlines
from newsletter.articles.extraction.headlines import Names
from newsletter.articles.extraction.html_tree import Said, first_meta, first_text, language
from newsletter.articles.extraction.meta_tags import PUBLISHED, SECTIONS, UPDATED

CANONICAL = "//link[translate(@rel, 'CANOIL', 'canoil')='canonical']/@href"


@dataclass(frozen=True)
class Page:
    """A page without its scripts, taken apart for reading."""

    tree: Any
    meta: dict[str, str]
    url: str
    base: str
    names: Names
    heading: Any | None
    """The element with the headline."""
    parts: set[Any]
    """What stands beside the article."""
    paragraphs: body_text.Paragraphs


def said(page: Page) -> Said:
    tree, meta, names = page.tree, page.meta, page.names
    headline = headlines.shown(page.heading) if page.heading is not None else ""
    title = headlines.without_site(first_text(tree, "//title"), names=names, heard={headlines.letters(headline)})
    above = body_text.above(page.heading, page.paragraphs)
    image, alt = body_text.picture(tree, page.parts, page.paragraphs, base=page.base)
    return {
        "title": headlines.likelier(headline, title) or first_text(tree, "//h1 | //title"),
        "summary": meta.get("description")
        or meta.get("dc.description")
        or body_text.standfirst(page.paragraphs, headline=f"{headline} {title}"),
        "author": bylines.author(tree, page.heading, page.parts, above, names=names),
        "published": first_meta(meta, PUBLISHED) or bylines.published(tree, page.heading, page.parts, url=page.url),
        "updated": first_meta(meta, UPDATED),
        "language": language(tree) or meta.get("content-language") or meta.get("language", ""),
        "section": first_meta(meta, SECTIONS) or first_text(tree, "//*[@itemprop='articleSection']"),
        "image": image,
        "image_alt": alt,
        "url": next(iter(tree.xpath(CANONICAL)), ""),
    }


def heading(tree: Any, meta: dict[str, str], *, names: Names) -> Any | None:
    """The element with the headline: that which the page's titles for machines repeat, if one does."""
    told = f"{first_text(tree, '//title')} {meta.get('og:title', '')} {meta.get('twitter:title', '')}"
    return headlines.headline(tree, names=names, said=told)
