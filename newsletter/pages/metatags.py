"""OpenGraph, Twitter cards and the many <meta> names in which sites write date, author and section."""

from __future__ import annotations

import re

from newsletter.articledata import plain
from newsletter.pages.markup import Said, first_meta

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


def open_graph(meta: dict[str, str]) -> Said:
    author = first_meta(meta, AUTHORS)
    return {
        "title": without_site(meta.get("og:title", ""), meta.get("og:site_name", "")),
        "summary": meta.get("og:description", ""),
        "author": "" if author.startswith("http") or "@" in author else author,
        "published": first_meta(meta, PUBLISHED[:3]),
        "updated": first_meta(meta, UPDATED[:3]),
        "language": meta.get("og:locale", ""),
        "section": first_meta(meta, SECTIONS[:2]),
        "image": first_meta(meta, ("og:image:secure_url", "og:image", "og:image:url")),
        "image_alt": meta.get("og:image:alt", ""),
        "url": meta.get("og:url", ""),
    }


def twitter(meta: dict[str, str]) -> Said:
    return {
        "title": without_site(meta.get("twitter:title", ""), meta.get("og:site_name", "")),
        "summary": meta.get("twitter:description", ""),
        "image": first_meta(meta, ("twitter:image", "twitter:image:src")),
        "image_alt": meta.get("twitter:image:alt", ""),
    }


def without_site(title: str, site: str, *, is_title: bool = False) -> str:
    """ "Headline | Site" without the site, where that is known to be the site's name or clearly the short end."""
    title, site = plain(title, most=400), plain(site, most=100)
    head, mark, tail = _last_part(title)
    if mark and (tail.casefold() == site.casefold() or (is_title and not site and len(head) > 2 * len(tail))):
        return head
    return title


def _last_part(title: str) -> tuple[str, str, str]:
    found = re.match(r"(.+)(\s[|–—·»-]\s)(.+)$", title)
    return (found[1].strip(), found[2], found[3].strip()) if found else (title, "", "")
