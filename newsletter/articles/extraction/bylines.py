"""Author and date of a page, as shown near the headline."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from newsletter.articles.article_data import find_date, parse_datetime
from newsletter.articles.extraction import body_text
from newsletter.articles.extraction.headlines import SiteNames

BYLINE = re.compile(
    r"^\s*(?:oleh|by|penulis|ditulis oleh|written by|author|reporter|von|par|por|autor|auteur|text|tekst|door)\s*[:：]?\s+(.{2,80})$",
    re.IGNORECASE,
)
PERSON_NAME = re.compile(r"[A-ZÀ-Ž][\w.'’-]*(\s+[A-ZÀ-Ž][\w.'’-]*){1,7}")
NAME_END = re.compile(
    r"\s*[|·•—–(\[/→]\s*|\s+-\s+|,?\s+(?:am|on|le|pada|el|um|at|den)\s+(?=\d|\w+ \d)|,?\s+(?=\d)|\s+@"
    r"|\s+(?:alle artikel|alles von|view all|see all|all posts|follow|kontakt|contact|profil)\b",
    re.IGNORECASE,
)
NAME_PREFIX = re.compile(
    r"^(?:[\w ]{3,20}:|(?:view|see) all posts by|eingestellt von|beitrag von|posted by)\s+", re.IGNORECASE
)
LABEL_ALONE = re.compile(r"by|von|par|por|oleh|penulis|text|tekst|written by|author|autor|auteur", re.IGNORECASE)
NOT_A_NAME = re.compile(
    r"(admin\w*|wordpress\w*|name|nama|posted|published|publi\w+ (am|le)|veröffentlicht|artikel von|follow|says|sagte?|author|autor"
    r"|guest|anonymous|unknown|archiv\w*|updated|no author|see (full|all|more)|view (all|more|profile|author)|share (this|on)"
    r"|lihat|baca|(email|get) (the )?author|about (us|the)|contact us|edited by|twitter|facebook)\b|.* (says|sagt|writes)$",
    re.IGNORECASE,
)
AUTHOR_CLASSES = ("byline", "author", "penulis", "autor", "auteur", "writer")
AUTHOR_XPATHS = (
    "//*[@itemprop='author']//*[@itemprop='name']",
    "//*[@itemprop='author'] | //*[contains(concat(' ', @rel, ' '), ' author ')]",
    "//*[" + " or ".join(f"contains(@class, '{word}')" for word in AUTHOR_CLASSES) + "]",
)
DATE_XPATHS = (
    "//*[@itemprop='datePublished' or @itemprop='dateCreated']",
    "//abbr[contains(@class, 'published')] | //time[@pubdate] | //time[contains(@class, 'publish')]",
    "//article//time",
    "//main//time",
    "//time",
)
DATE_CLASS = re.compile(
    r"(^|[\s_-])(date\w*|datum|time(stamp)?|publish\w*|posted|pubdate|fecha|data|tanggal|meta|byline|info)([\s_-]|$)",
    re.IGNORECASE,
)
DATE_IN_URL = re.compile(r"/((?:19|20)\d\d)[/-]?(0[1-9]|1[0-2])[/-]?(0[1-9]|[12]\d|3[01])(?!\d)")


def find_author(tree: Any, heading: Any | None, parts: set[Any], above: set[Any], *, names: SiteNames) -> str:
    """The author named on the page. The site's own name is returned only if no person is named.

    Names in `above`, the area between headline and text, come first. Names in `parts`, the boilerplate, are ignored.
    """
    writers = list(_author_candidates(tree, heading, parts, above))
    return next((name for name in writers if not names.has(name)), "") or next(iter(writers), "")


def _author_candidates(tree: Any, heading: Any | None, parts: set[Any], above: set[Any]) -> Iterator[str]:
    marked = [element for path in AUTHOR_XPATHS for element in tree.xpath(path)[:12]]
    elements = [element for element in marked if element in above]
    elements += [element for element in marked if element not in above and not body_text.is_inside(element, parts)]
    yield from (
        name
        for element in elements
        if (name := parse_person(element.get("content") or body_text.element_text(element)))
    )
    for element in tree.xpath("//p | //span | //div[not(*)]")[:400]:
        text = body_text.element_text(element)
        if (
            len(text) <= 90
            and BYLINE.match(text)
            and PERSON_NAME.match(parse_person(text))
            and not body_text.is_inside(element, parts)
        ):
            yield parse_person(text)
    name = _name_before_date(heading)
    if name:
        yield name


def parse_person(text: str) -> str:
    """The name in a byline such as "Oleh Dewi Anggraini | 20 November 2026"; "" if there is none."""
    text = " ".join(text.split())[:200]
    if re.search(r"\[at\]|\w@\w", text):
        return ""
    text = NAME_PREFIX.sub("", text)
    match = BYLINE.match(text)
    name = NAME_END.split(match[1] if match else text)[0].strip(" ,.:")
    is_name = (
        2 <= len(name) <= 60
        and not LABEL_ALONE.fullmatch(name)
        and len(name.split()) <= 7
        and any(letter.isalpha() for letter in name)
    )
    if (
        not is_name
        or re.search(r"[@*:<>{}=]|(^|\s)\d|https?|www\.|\w_?\.[a-z]+[._]", name)
        or NOT_A_NAME.match(name)
        or find_date(name)
    ):
        return ""
    return name


def _name_before_date(heading: Any | None) -> str:
    """For pages without markup: a line that looks like a name, directly before the line with the date."""
    lines = _lines_after(heading)
    for before, line in zip(lines, lines[1:], strict=False):
        words = before.split()
        half = len(words) // 2
        if find_date(line) and PERSON_NAME.fullmatch(before):
            return " ".join(words[:half] if words[:half] == words[half:] else words)
    return ""


# --- date ------------------------------------------------------------------------------------------------------------


def find_published_date(tree: Any, heading: Any | None, parts: set[Any], *, url: str) -> str:
    """The publication date on the page, as ISO 8601. If there are several, the one that agrees with the date in the
    URL.
    """
    spoken = (tree.get("lang") or "").lower()
    dates = list(_dates(tree, heading, parts, month_first=spoken in {"en", "en-us", "en_us"}))
    in_url = DATE_IN_URL.search(urlsplit(url).path)
    if in_url:
        day = datetime(int(in_url[1]), int(in_url[2]), min(int(in_url[3]), 28))  # noqa: DTZ001 (compared by days only)
        near = (
            date
            for date in dates
            if (at := parse_datetime(date)) and abs(at.replace(tzinfo=None) - day) < timedelta(days=4)
        )
        return next(near, f"{in_url[1]}-{in_url[2]}-{in_url[3]}")
    return next(iter(dates), "")


def _dates(tree: Any, heading: Any | None, parts: set[Any], *, month_first: bool) -> Iterator[str]:
    for path in DATE_XPATHS:
        for element in tree.xpath(path)[:5]:
            texts = (element.get(name) or "" for name in ("datetime", "content", "title"))
            yield from (
                text
                for text in (*texts, body_text.element_text(element))
                if len(text) <= 60 and parse_datetime(text) and not body_text.is_inside(element, parts)
            )
    shown = [*_lines_after(heading), *_lines_before(heading), *_date_texts(tree, parts)]
    for line in shown:
        at = find_date(line, month_first=month_first) if len(line) <= 200 else None
        if at is not None:
            yield at.isoformat()


def _lines_after(heading: Any | None) -> list[str]:
    return [" ".join(str(text).split()) for text in _texts(heading, "following")[:16]]


def _lines_before(heading: Any | None) -> list[str]:
    return [" ".join(str(text).split()) for text in reversed(_texts(heading, "preceding")[-4:])]


def _texts(heading: Any | None, side: str) -> list[Any]:
    path = f"{side}::text()[normalize-space()][not(ancestor::script or ancestor::style or ancestor::noscript)]"
    return [] if heading is None else list(heading.xpath(path))


def _date_texts(tree: Any, parts: set[Any]) -> Iterator[str]:
    """Short texts of elements whose class or id suggests a date."""
    for element in tree.iterfind(".//*[@class]"):
        if DATE_CLASS.search(element.get("class")) and not body_text.is_inside(element, parts):
            text = body_text.element_text(element)
            if len(text) <= 120:
                yield text
