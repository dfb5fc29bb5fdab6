"""The HTML itself, read like a person would: heading, byline, date, running text and its first picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from newsletter.pages import bylines, prose, titles
from newsletter.pages.markup import Said, first_meta, first_text, language
from newsletter.pages.metatags import PUBLISHED, SECTIONS, UPDATED
from newsletter.pages.titles import Names

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
    paragraphs: prose.Paragraphs


def said(page: Page) -> Said:
    tree, meta, names = page.tree, page.meta, page.names
    headline = titles.shown(page.heading) if page.heading is not None else ""
    title = titles.without_site(first_text(tree, "//title"), names=names, heard={titles.letters(headline)})
    above = prose.above(page.heading, page.paragraphs)
    image, alt = prose.picture(tree, page.parts, page.paragraphs, base=page.base)
    return {
        "title": titles.likelier(headline, title) or first_text(tree, "//h1 | //title"),
        "summary": meta.get("description")
        or meta.get("dc.description")
        or prose.standfirst(page.paragraphs, headline=f"{headline} {title}"),
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
    return titles.headline(tree, names=names, said=told)
