"""JSON-LD in a page: the thing that is its article, and the organisation behind it."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from typing import Any

from newsletter.articles.article_data import absolute_url, canonical_url, clean_text
from newsletter.articles.extraction.html_tree import Metadata

ARTICLE_TYPE = re.compile(r"(Article|Posting|Report|LiveBlog|Recipe|HowTo|PodcastEpisode)$")
PAGE_TYPE = re.compile(r"Page$")
ORGANISATION_TYPE = re.compile(r"(Organization|Corporation|Business|Agency)$")
SCRIPT_XPATH = "//script[contains(translate(@type, 'LDJSON', 'ldjson'), 'ld+json')]"
NESTED_KEYS = ("@graph", "mainEntity", "mainEntityOfPage", "publisher")


def parse_things(tree: Any) -> list[Metadata]:
    """Everything the page describes in JSON-LD."""
    return [thing for script in tree.xpath(SCRIPT_XPATH)[:40] for thing in _things(_json(script.text or ""))]


def find_article(said: list[Metadata], *, url: str, headlines: Collection[str]) -> Metadata:
    """The thing that is this page's article, with references inside the page followed; {} if there is none."""
    articles = [thing for thing in said if has_type(thing, ARTICLE_TYPE)]
    own = [thing for thing in articles if canonical_url(absolute_url(thing_url(thing), base=url)) == canonical_url(url)]
    own = own or [thing for thing in articles if clean_text(value_text(thing.get("headline"))) in headlines]
    if not own and len(articles) == 1:
        own = articles  # with several and none ours, this is a list
    return resolve_references(next(iter(own), {}), said)


def find_page(said: list[Metadata]) -> Metadata:
    """What a page without an article in JSON-LD says of itself as a page: its dates, picture and language."""
    page = resolve_references(
        next((thing for thing in said if has_type(thing, PAGE_TYPE) and thing.get("datePublished")), {}), said
    )
    told = article_metadata({**page, "image": page.get("primaryImageOfPage") or page.get("image")})
    return {name: told[name] for name in ("published", "updated", "image", "language", "author")}


def find_section(said: list[Metadata]) -> str:
    """The first crumb after the front page, where the page says its place in the site (BreadcrumbList)."""
    trail = next((thing for thing in said if "BreadcrumbList" in _kinds(thing)), {})
    crumbs = trail.get("itemListElement")
    names = [value_text(crumb.get("name") or crumb.get("item"), "name") for crumb in _in_order(crumbs)]
    return clean_text(names[1], most=120) if len(names) >= 3 else ""  # home, section, …, this page


def _in_order(crumbs: Any) -> list[Metadata]:
    known = [crumb for crumb in crumbs if isinstance(crumb, dict)] if isinstance(crumbs, list) else []
    return sorted(known, key=lambda crumb: str(crumb.get("position") or "").zfill(4))[:20]


def find_organisation(said: list[Metadata]) -> Metadata:
    """The first organisation with a name, which on a front page is the one behind the site; {} if there is none."""
    found = (resolve_references(thing, said) for thing in said if has_type(thing, ORGANISATION_TYPE))
    return next((thing for thing in found if value_text(thing.get("name"))), {})


def find_website(said: list[Metadata]) -> Metadata:
    return next((thing for thing in said if "WebSite" in _kinds(thing)), {})


def has_type(thing: Metadata, kind: re.Pattern[str]) -> bool:
    return any(kind.search(name) for name in _kinds(thing))


def resolve_references(thing: Metadata, said: list[Metadata]) -> Metadata:
    """`thing` with its references ({"@id": …}) replaced by what they name on this page."""
    by_id = {one["@id"]: one for one in said if isinstance(one.get("@id"), str) and set(one) != {"@id"}}
    return {name: _followed(value, by_id) for name, value in thing.items()}


def _json(text: str) -> Any:
    """Whatever JSON the text holds; comments around it, line breaks in it and commas too many are forgiven."""
    text = re.sub(r"^\s*(<!--|//\s*<!\[CDATA\[|<!\[CDATA\[)|(-->|//\s*\]\]>|\]\]>)\s*;?\s*$", "", text.strip())
    for attempt in (text, re.sub(r",(\s*[}\]])", r"\1", text)):
        try:
            return json.loads(attempt, strict=False)
        except (ValueError, RecursionError):
            continue
    return None


def _things(value: Any, depth: int = 0) -> Iterator[Metadata]:
    if depth > 4:
        return
    if isinstance(value, list):
        for part in value[:200]:
            yield from _things(part, depth + 1)
    elif isinstance(value, dict):
        yield value
        for name in NESTED_KEYS:
            yield from _things(value.get(name), depth + 1)


def _kinds(thing: Metadata) -> list[str]:
    kinds = thing.get("@type")
    return [str(kind) for kind in (kinds if isinstance(kinds, list) else [kinds])]


def thing_url(thing: Metadata) -> str:
    page = thing.get("mainEntityOfPage")
    return str(thing.get("url") or (page.get("@id") if isinstance(page, dict) else page) or "")


def _followed(value: Any, by_id: dict[str, Metadata]) -> Any:
    if isinstance(value, list):
        return [_followed(part, by_id) if isinstance(part, dict) else part for part in value[:50]]
    if isinstance(value, dict) and set(value) == {"@id"}:
        return by_id.get(str(value["@id"]), value)
    return value


def value_text(value: Any, *names: str) -> str:
    """The words of a JSON-LD value: a text, a thing with one of `names`, or the first of a list."""
    if isinstance(value, list):
        return next((words for part in value if (words := value_text(part, *names))), "")
    if isinstance(value, dict):
        return next((words for name in names if (words := value_text(value.get(name), *names))), "")
    return value if isinstance(value, str) else ""


def article_metadata(thing: Metadata, *, headlines: Collection[str] = ()) -> Metadata:
    """What an article thing says about each field. Its name counts before its headline where the page shows it as one."""
    authors = thing.get("author") or thing.get("creator")
    people = authors if isinstance(authors, list) else [authors]
    people = [one for one in people if not (isinstance(one, dict) and has_type(one, ORGANISATION_TYPE))] or people
    names = dict.fromkeys(name for person in people if (name := clean_text(value_text(person, "name"), most=100)))
    image, name = thing.get("image") or thing.get("thumbnailUrl"), value_text(thing.get("name"))
    return {
        "title": name if clean_text(name) in headlines else value_text(thing.get("headline")) or name,
        "summary": value_text(thing.get("description") or thing.get("abstract")),
        "author": ", ".join(names),
        "published": value_text(thing.get("datePublished") or thing.get("dateCreated")),
        "updated": value_text(thing.get("dateModified")),
        "language": value_text(thing.get("inLanguage"), "alternateName", "name", "@value"),
        "section": value_text(thing.get("articleSection")),
        "image": value_text(image, "url", "contentUrl", "@id"),
        "image_alt": value_text(image, "caption", "description") if isinstance(image, dict) else "",
        "url": thing_url(thing),
        "minutes": _minutes(value_text(thing.get("timeRequired"))),
    }


def _minutes(duration: str) -> int | None:
    found = re.fullmatch(r"PT(?:(\d{1,2})H)?(?:(\d{1,3})M)?(?:\d+S)?", duration)
    minutes = int(found[1] or 0) * 60 + int(found[2] or 0) if found else 0
    return minutes or None
