"""Find the headline among the headings of a page, and remove the site's name from "Headline | Section | Site"."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from newsletter.articles.article_data import clean_text, count_words

WIDE_CHARACTERS = "\u3000-\u30ff\u3400-\u9fff\uac00-\ud7af\uff00-\uffef"
SEPARATOR = re.compile(
    rf"\s+[|–—·•»›│ㅣ/:-]+\s+|\s*[|│ㅣ｜]\s*|(?<=[{WIDE_CHARACTERS}])[-_－：](?=[{WIDE_CHARACTERS}])"
)
LOGO_NAME = re.compile(r"logo|brand|(site|blog)[-_]?(title|name|header)", re.IGNORECASE)
HEADING_XPATHS = (
    "//article//h1 | //main//h1 | //*[@itemprop='headline']",
    "//h1",
    "//*[self::h2 or self::h3][contains(@class, 'post-title') or contains(@class, 'entry-title') or contains(@class, 'article-title')]",
)
MIN_LETTERS = 4
"""Shorter words may match by coincidence."""
TitleSplit = tuple[str, str]
Elements = list[Any]


@dataclass(frozen=True)
class SiteNames:
    """Names of a site: as given by its pages, and derived from its host name."""

    given: frozenset[str]
    host: str
    label: str
    """The longest label of the host name: bbc of www.bbc.co.uk."""

    def has(self, text: str) -> bool:
        return normalize_letters(text) in {*self.given, self.host, self.label} - {""}

    def resembles(self, text: str) -> bool:
        """Whether the text contains the host's label, as "Die Kabar Lintas" contains that of kabarlintas.example."""
        word = normalize_letters(text)
        is_inside = len(self.label) >= MIN_LETTERS and self.label in word and len(word) <= 2.7 * len(self.label)
        return self.has(text) or is_inside or (len(word) >= MIN_LETTERS and self.host.startswith(word))


def collect_site_names(given: list[str], *, url: str) -> SiteNames:
    host = re.sub(r"^(www|m|amp)\.", "", urlsplit(url).hostname or "")
    label = max((normalize_letters(part) for part in host.split(".")[:-1]), key=len, default="")
    return SiteNames(
        frozenset(word for name in given if (word := normalize_letters(name))), normalize_letters(host), label
    )


def normalize_letters(text: str) -> str:
    """Letters only, lower case, umlauts written out: boersenzeitung for Börsen-Zeitung."""
    text = re.sub("[äöü]", lambda match: match[0] + "e", text.casefold())
    return "".join(letter for letter in unicodedata.normalize("NFKD", text) if letter.isalnum())


def find_headings(tree: Any) -> Elements:
    """<h1> elements that may be the headline, the most likely first, without links to the front page and logos."""
    elements = [element for path in HEADING_XPATHS for element in tree.xpath(path)[:10]]
    return [element for element in dict.fromkeys(elements) if heading_text(element) and not _is_logo(element)]


def heading_text(heading: Any) -> str:
    return clean_text(" ".join(heading.itertext()), most=400)


def _is_logo(heading: Any) -> bool:
    marks = f"{heading.get('class') or ''} {heading.get('id') or ''}"
    links = (link.get("href") or "-" for link in heading.iter("a"))
    return bool(LOGO_NAME.search(marks)) or any(
        re.fullmatch(r"(https?://[^/]+)?/?(index\.\w+)?", link) for link in links
    )


def find_headline(tree: Any, *, names: SiteNames, said: str) -> Any | None:
    """The heading of the article: the first one that is also in `said`, the titles in <head>; else an <h1>."""
    firsts = [element for element in find_headings(tree) if not names.has(heading_text(element))]
    seconds = [*tree.xpath("//article//h2 | //main//h2")[:3], *tree.xpath("//h2")[:20]]
    titles = normalize_letters(said)
    for element in [*firsts, *seconds]:
        word = normalize_letters(heading_text(element))
        if len(word) >= MIN_LETTERS and word in titles and not names.has(word):
            return element
    return next(iter(firsts), None)


def strip_site_name(title: object, *, names: SiteNames, heading_letters: set[str]) -> str:
    """A title without the site's name; "" if it is only that. `heading_letters` holds the letters of the headings."""
    text = clean_text(title, most=400)
    if names.has(text):
        return ""
    for head, tail in _cuts(text):
        if names.resembles(tail) or _is_heading(head, heading_letters):
            return strip_site_name(head, names=names, heading_letters=heading_letters) or head
        if names.has(head) or _is_heading(tail, heading_letters):
            return strip_site_name(tail, names=names, heading_letters=heading_letters) or tail
    return text


def _is_heading(part: str, heading_letters: set[str]) -> bool:
    return len(normalize_letters(part)) >= MIN_LETTERS and normalize_letters(part) in heading_letters


def _cuts(text: str) -> list[TitleSplit]:
    """All splits of `text` at a separator, from its end."""
    cuts = [(text[: match.start()].strip(), text[match.end() :].strip()) for match in SEPARATOR.finditer(text)]
    return [cut for cut in cuts if all(cut)][::-1]


def choose_headline(heading: str, title: str) -> str:
    """The heading, unless it is one or two words and the title is a sentence."""
    title = title if heading else next((head for head, tail in _cuts(title)[:1] if len(head) > 2 * len(tail)), title)
    is_furniture = count_words(heading) <= 3 < count_words(title) and normalize_letters(
        heading
    ) not in normalize_letters(title)
    return title if not heading or is_furniture else heading
