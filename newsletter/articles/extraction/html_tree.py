"""The element tree of an HTML page, and what its <head> contains. Used by `article` and `site`."""

from __future__ import annotations

import re
from typing import Any

import lxml.html
from lxml import etree

from newsletter.articles.article_data import CONTROL_CHARACTERS, absolute_url, canonical_url, language_code

Metadata = dict[str, Any]
"""Values by field from one part of a page, as they are in the page."""
FEED_TYPE = re.compile(r"application/(rss|atom|feed)\+(xml|json)", re.IGNORECASE)


def parse_html(text: str) -> Any | None:
    """Parse a page. Returns None for an empty page."""
    parser = lxml.html.HTMLParser(encoding="utf-8", no_network=True, huge_tree=False)
    try:
        return lxml.html.document_fromstring(CONTROL_CHARACTERS.sub(" ", text).encode(), parser=parser)
    except (etree.LxmlError, ValueError, AssertionError):
        return None


def find_base_url(tree: Any, *, url: str) -> str:
    """The base URL for relative addresses of the page."""
    return absolute_url(next(iter(tree.xpath("//base/@href")), ""), base=url) or url


def read_meta_tags(tree: Any) -> dict[str, str]:
    """<meta> contents by lower-case name, property or itemprop. The first element of a name counts."""
    meta: dict[str, str] = {}
    for element in tree.iterfind(".//meta"):
        content = (element.get("content") or element.get("value") or "").strip()
        for attribute in ("property", "name", "itemprop", "http-equiv"):
            for name in (element.get(attribute) or "").lower().split()[:4] if content else ():
                meta.setdefault(name, content)
    return meta


def drop_scripts(tree: Any) -> bool:
    """Remove scripts, styles and templates from the tree. Returns whether scripts may have filled the page."""
    has_scripts = bool(tree.xpath("//script[@src] | //body//script | //*[@id='root' or @id='app' or @id='__next']"))
    etree.strip_elements(tree, "script", "style", "template", etree.Comment, with_tail=False)
    return has_scripts


def first_meta(meta: dict[str, str], names: tuple[str, ...]) -> str:
    return next((meta[name] for name in names if name in meta), "")


def first_text(tree: Any, path: str) -> str:
    return next((text for element in tree.xpath(path)[:20] if (text := " ".join(element.itertext()).strip())), "")


def find_language(tree: Any) -> str:
    return language_code(tree.get("lang") or tree.get("{http://www.w3.org/XML/1998/namespace}lang") or "")


def find_alternates(tree: Any, *, base: str) -> dict[str, str]:
    """Addresses of this page by language, from its hreflang links."""
    addresses: dict[str, str] = {}
    for link in tree.xpath("//link[@hreflang][@href]")[:100]:
        code = language_code(link.get("hreflang")) if link.get("hreflang", "").lower() != "x-default" else ""
        address = canonical_url(absolute_url(link.get("href"), base=base))
        if code and address and "alternate" in (link.get("rel") or "").lower():
            addresses.setdefault(code, address)
    return addresses


def find_feeds(tree: Any, *, base: str) -> list[str]:
    """Feeds of articles that the page links to, without feeds of comments."""
    links = [link for link in tree.xpath("//link[@href]")[:300] if FEED_TYPE.search(link.get("type") or "")]
    urls = [
        absolute_url(link.get("href"), base=base)
        for link in links
        if "comment" not in (link.get("title") or "").lower()
    ]
    return list(dict.fromkeys(address for address in urls if address))
