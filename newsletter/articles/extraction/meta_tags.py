"""Metadata from OpenGraph, Twitter cards and other <meta> names for date, author and section."""

from __future__ import annotations

from newsletter.articles.extraction.html_tree import Metadata, first_meta

PUBLISHED_NAMES = (
    *("article:published_time", "og:published_time", "og:article:published_time", "datepublished", "parsely-pub-date"),
    *("pubdate", "publishdate", "publish-date", "publication_date", "dc.date.issued", "dcterms.created", "dc.date"),
    *("bepress_citation_date", "citation_online_date", "publish_date", "article.published", "date"),
    *("sailthru.date", "cxenseparse:recs:publishtime", "citation_publication_date", "citation_date", "dc:date"),
)
UPDATED_NAMES = (
    "article:modified_time",
    "og:updated_time",
    "og:modified_time",
    "datemodified",
    "last-modified",
    "dcterms.modified",
)
AUTHOR_NAMES = ("author", "article:author", "og:article:author", "parsely-author", "dc.creator", "byl")
SECTION_NAMES = ("article:section", "og:article:section", "section", "parsely-section", "category")


def read_open_graph(meta: dict[str, str]) -> Metadata:
    author = first_meta(meta, AUTHOR_NAMES)
    return {
        "title": meta.get("og:title", ""),
        "summary": meta.get("og:description", ""),
        "author": "" if author.startswith("http") or "@" in author else author,
        "published": first_meta(meta, PUBLISHED_NAMES[:3]),
        "updated": first_meta(meta, UPDATED_NAMES[:3]),
        "language": meta.get("og:locale", ""),
        "section": first_meta(meta, SECTION_NAMES[:2]),
        "image": first_meta(meta, ("og:image:secure_url", "og:image", "og:image:url")),
        "image_alt": meta.get("og:image:alt", ""),
        "url": meta.get("og:url", ""),
    }


def read_twitter_card(meta: dict[str, str]) -> Metadata:
    return {
        "title": meta.get("twitter:title", ""),
        "summary": meta.get("twitter:description", ""),
        "image": first_meta(meta, ("twitter:image", "twitter:image:src")),
        "image_alt": meta.get("twitter:image:alt", ""),
    }
