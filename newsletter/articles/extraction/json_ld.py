"""JSON-LD in a page: the thing that is its article, and the organisation behind it."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from typing import Any

from newsletter.articles.article_data import canonical, plain, web_address
from newsletter.articles.extraction.html_tree import Said

ARTICLE = re.compile(r"(Article|Posting|Report|LiveBlog|Recipe|HowTo|PodcastEpisode)$")
PAGE = re.compile(r"Page$")
ORGANISATION = re.compile(r"(Organization|Corporation|Business|Agency)$")
SCRIPTS = "//script[contains(translate(@type, 'LDJSON', 'ldjson'), 'ld+json')]"
INSIDE = ("@graph", "mainEntity", "mainEntityOfPage", "publisher")


def things(tree: Any) -> list[Said]:
    """Everything the page describes in JSON-LD."""
    return [thing for script in tree.xpath(SCRIPTS)[:40] for thing in _things(_json(script.text or ""))]


def own_article(said: list[Said], *, url: str, headlines: Collection[str]) -> Said:
    """The thing that is this page's article, with references inside the page followed; {} if there is none."""
    articles = [thing for thing in said if is_a(thing, ARTICLE)]
    own = [thing for thing in articles if canonical(web_address(page_of(thing), base=url)) == canonical(url)]
    own = own or [thing for thing in articles if plain(words_of(thing.get("headline"))) in headlines]
    if not own and len(articles) == 1:
        own = articles  # with several and none ours, this is a list
    return followed(next(iter(own), {}), said)


def own_page(said: list[Said]) -> Said:
    """What a page without an article in JSON-LD says of itself as a page: its dates, picture and language."""
    page = followed(next((thing for thing in said if is_a(thing, PAGE) and thing.get("datePublished")), {}), said)
    told = said_by({**page, "image": page.get("primaryImageOfPage") or page.get("image")})
    return {name: told[name] for name in ("published", "updated", "image", "language", "author")}


def section(said: list[Said]) -> str:
    """The first crumb after the front page, where the page says its place in the site (BreadcrumbList)."""
    trail = next((thing for thing in said if "BreadcrumbList" in _kinds(thing)), {})
    crumbs = trail.get("itemListElement")
    names = [words_of(crumb.get("name") or crumb.get("item"), "name") for crumb in _in_order(crumbs)]
    return plain(names[1], most=120) if len(names) >= 3 else ""  # home, section, …, this page


def _in_order(crumbs: Any) -> list[Said]:
    known = [crumb for crumb in crumbs if isinstance(crumb, dict)] if isinstance(crumbs, list) else []
    return sorted(known, key=lambda crumb: str(crumb.get("position") or "").zfill(4))[:20]


def organisation(said: list[Said]) -> Said:
    """The first organisation with a name, which on a front page is the one behind the site; {} if there is none."""
    found = (followed(thing, said) for thing in said if is_a(thing, ORGANISATION))
    return next((thing for thing in found if words_of(thing.get("name"))), {})


def website(said: list[Said]) -> Said:
    return next((thing for thing in said if "WebSite" in _kinds(thing)), {})


def is_a(thing: Said, kind: re.Pattern[str]) -> bool:
    return any(kind.search(name) for name in _kinds(thing))


def followed(thing: Said, said: list[Said]) -> Said:
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


def _things(value: Any, depth: int = 0) -> Iterator[Said]:
    if depth > 4:
        return
    if isinstance(value, list):
        for part in value[:200]:
            yield from _things(part, depth + 1)
    elif isinstance(value, dict):
        yield value
        for name in INSIDE:
            yield from _things(value.get(name), depth + 1)


def _kinds(thing: Said) -> list[str]:
    kinds = thing.get("@type")
    return [str(kind) for kind in (kinds if isinstance(kinds, list) else [kinds])]


def page_of(thing: Said) -> str:
    page = thing.get("mainEntityOfPage")
    return str(thing.get("url") or (page.get("@id") if isinstance(page, dict) else page) or "")


def _followed(value: Any, by_id: dict[str, Said]) -> Any:
    if isinstance(value, list):
        return [_followed(part, by_id) if isinstance(part, dict) else part for part in value[:50]]
    if isinstance(value, dict) and set(value) == {"@id"}:
        return by_id.get(str(value["@id"]), value)
    return value


def words_of(value: Any, *names: str) -> str:
    """The words of a JSON-LD value: a text, a thing with one of `names`, or the first of a list."""
    if isinstance(value, list):
        return next((words for part in value if (words := words_of(part, *names))), "")
    if isinstance(value, dict):
        return next((words for name in names if (words := words_of(value.get(name), *names))), "")
    return value if isinstance(value, str) else ""


def said_by(thing: Said, *, headlines: Collection[str] = ()) -> Said:
    """What an article thing says about each field. Its name counts before its headline where the page shows it as one."""
    authors = thing.get("author") or thing.get("creator")
    people = authors if isinstance(authors, list) else [authors]
    people = [one for one in people if not (isinstance(one, dict) and is_a(one, ORGANISATION))] or people
    names = dict.fromkeys(name for person in people if (name := plain(words_of(person, "name"), most=100)))
    image, name = thing.get("image") or thing.get("thumbnailUrl"), words_of(thing.get("name"))
    return {
        "title": name if plain(name) in headlines else words_of(thing.get("headline")) or name,
        "summary": words_of(thing.get("description") or thing.get("abstract")),
        "author": ", ".join(names),
        "published": words_of(thing.get("datePublished") or thing.get("dateCreated")),
        "updated": words_of(thing.get("dateModified")),
        "language": words_of(thing.get("inLanguage"), "alternateName", "name", "@value"),
        "section": words_of(thing.get("articleSection")),
        "image": words_of(image, "url", "contentUrl", "@id"),
        "image_alt": words_of(image, "caption", "description") if isinstance(image, dict) else "",
        "url": page_of(thing),
        "minutes": _minutes(words_of(thing.get("timeRequired"))),
    }


def _minutes(duration: str) -> int | None:
    found = re.fullmatch(r"PT(?:(\d{1,2})H)?(?:(\d{1,3})M)?(?:\d+S)?", duration)
    minutes = int(found[1] or 0) * 60 + int(found[2] or 0) if found else 0
    return minutes or None
