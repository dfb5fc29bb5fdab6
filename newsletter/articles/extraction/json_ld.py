"""JSON-LD of a page: its article, and the organisation that publishes it."""

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
    """All JSON-LD objects of the page."""
    return [thing for script in tree.xpath(SCRIPT_XPATH)[:40] for thing in _things(_json(script.text or ""))]


def find_article(things: list[Metadata], *, url: str, headlines: Collection[str]) -> Metadata:
    """The article object of this page, with references resolved; {} if there is none."""
    articles = [thing for thing in things if has_type(thing, ARTICLE_TYPE)]
    matching = [
        thing for thing in articles if canonical_url(absolute_url(thing_url(thing), base=url)) == canonical_url(url)
    ]
    matching = matching or [thing for thing in articles if clean_text(value_text(thing.get("headline"))) in headlines]
    if not matching and len(articles) == 1:
        matching = articles  # several articles that do not match this page are a list
    return resolve_references(next(iter(matching), {}), things)


def find_page(things: list[Metadata]) -> Metadata:
    """Data of a page without article object: its dates, picture and language."""
    page = resolve_references(
        next((thing for thing in things if has_type(thing, PAGE_TYPE) and thing.get("datePublished")), {}), things
    )
    metadata = article_metadata({**page, "image": page.get("primaryImageOfPage") or page.get("image")})
    return {name: metadata[name] for name in ("published", "updated", "image", "language", "author")}


def find_section(things: list[Metadata]) -> str:
    """The first breadcrumb after the front page (BreadcrumbList)."""
    trail = next((thing for thing in things if "BreadcrumbList" in _types(thing)), {})
    crumbs = trail.get("itemListElement")
    names = [value_text(crumb.get("name") or crumb.get("item"), "name") for crumb in _in_order(crumbs)]
    return clean_text(names[1], most=120) if len(names) >= 3 else ""  # home, section, …, this page


def _in_order(crumbs: Any) -> list[Metadata]:
    valid = [crumb for crumb in crumbs if isinstance(crumb, dict)] if isinstance(crumbs, list) else []
    return sorted(valid, key=lambda crumb: str(crumb.get("position") or "").zfill(4))[:20]


def find_organisation(things: list[Metadata]) -> Metadata:
    """The first organisation with a name, which on a front page is usually the publisher; {} if there is none."""
    organisations = (resolve_references(thing, things) for thing in things if has_type(thing, ORGANISATION_TYPE))
    return next((thing for thing in organisations if value_text(thing.get("name"))), {})


def find_website(things: list[Metadata]) -> Metadata:
    return next((thing for thing in things if "WebSite" in _types(thing)), {})


def has_type(thing: Metadata, kind: re.Pattern[str]) -> bool:
    return any(kind.search(name) for name in _types(thing))


def resolve_references(thing: Metadata, things: list[Metadata]) -> Metadata:
    """Replace references ({"@id": …}) in `thing` by the objects of this page that they name."""
    by_id = {item["@id"]: item for item in things if isinstance(item.get("@id"), str) and set(item) != {"@id"}}
    return {name: _resolve(value, by_id) for name, value in thing.items()}


def _json(text: str) -> Any:
    """Parse JSON. Surrounding comments, line breaks in strings and trailing commas are tolerated."""
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


def _types(thing: Metadata) -> list[str]:
    kinds = thing.get("@type")
    return [str(kind) for kind in (kinds if isinstance(kinds, list) else [kinds])]


def thing_url(thing: Metadata) -> str:
    page = thing.get("mainEntityOfPage")
    return str(thing.get("url") or (page.get("@id") if isinstance(page, dict) else page) or "")


def _resolve(value: Any, by_id: dict[str, Metadata]) -> Any:
    if isinstance(value, list):
        return [_resolve(part, by_id) if isinstance(part, dict) else part for part in value[:50]]
    if isinstance(value, dict) and set(value) == {"@id"}:
        return by_id.get(str(value["@id"]), value)
    return value


def value_text(value: Any, *names: str) -> str:
    """The text of a JSON-LD value: a string, an object with one of `names`, or the first text of a list."""
    if isinstance(value, list):
        return next((text for part in value if (text := value_text(part, *names))), "")
    if isinstance(value, dict):
        return next((text for name in names if (text := value_text(value.get(name), *names))), "")
    return value if isinstance(value, str) else ""


def article_metadata(thing: Metadata, *, headlines: Collection[str] = ()) -> Metadata:
    """Values of an article object by field. Its name counts before its headline if the page shows it as heading."""
    authors = thing.get("author") or thing.get("creator")
    people = authors if isinstance(authors, list) else [authors]
    people = [
        person for person in people if not (isinstance(person, dict) and has_type(person, ORGANISATION_TYPE))
    ] or people
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
    match = re.fullmatch(r"PT(?:(\d{1,2})H)?(?:(\d{1,3})M)?(?:\d+S)?", duration)
    minutes = int(match[1] or 0) * 60 + int(match[2] or 0) if match else 0
    return minutes or None
