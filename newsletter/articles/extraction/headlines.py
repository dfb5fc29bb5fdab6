"""Headlines: which heading of a page is one, and what is left of "Headline | Section | Site" without the site."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from newsletter.articles.article_data import plain, words

WIDE = "\u3000-\u30ff\u3400-\u9fff\uac00-\ud7af\uff00-\uffef"
SEPARATOR = re.compile(rf"\s+[|–—·•»›│ㅣ/:-]+\s+|\s*[|│ㅣ｜]\s*|(?<=[{WIDE}])[-_－：](?=[{WIDE}])")
LOGO = re.compile(r"logo|brand|(site|blog)[-_]?(title|name|header)", re.IGNORECASE)
HEADINGS = (
    "//article//h1 | //main//h1 | //*[@itemprop='headline']",
    "//h1",
    "//*[self::h2 or self::h3][contains(@class, 'post-title') or contains(@class, 'entry-title') or contains(@class, 'article-title')]",
)
SHORTEST = 4
"""Letters; less may be anywhere by chance."""
Cut = tuple[str, str]
Elements = list[Any]


@dataclass(frozen=True)
class Names:
    """What a site is called: in its own words, and by its address."""

    said: frozenset[str]
    host: str
    label: str
    """The longest part of the host's name: bbc of www.bbc.co.uk."""

    def has(self, text: str) -> bool:
        return letters(text) in {*self.said, self.host, self.label} - {""}

    def resembles(self, text: str) -> bool:
        """Whether it has the site's address in it, as "Die Kabar Lintas" has kabarlintas.example."""
        word = letters(text)
        is_inside = len(self.label) >= SHORTEST and self.label in word and len(word) <= 2.7 * len(self.label)
        return self.has(text) or is_inside or (len(word) >= SHORTEST and self.host.startswith(word))


def names_of(said: list[str], *, url: str) -> Names:
    host = re.sub(r"^(www|m|amp)\.", "", urlsplit(url).hostname or "")
    label = max((letters(part) for part in host.split(".")[:-1]), key=len, default="")
    return Names(frozenset(word for name in said if (word := letters(name))), letters(host), label)


def letters(text: str) -> str:
    """What is heard of a text, so that case, spelling and punctuation do not matter: boersenzeitung for Börsen-Zeitung."""
    text = re.sub("[äöü]", lambda found: found[0] + "e", text.casefold())
    return "".join(letter for letter in unicodedata.normalize("NFKD", text) if letter.isalnum())


def headings(tree: Any) -> Elements:
    """The <h1> that may be the headline, likeliest first; those that lead home, or are a logo, left out."""
    found = [element for path in HEADINGS for element in tree.xpath(path)[:10]]
    return [element for element in dict.fromkeys(found) if shown(element) and not _is_logo(element)]


def shown(heading: Any) -> str:
    return plain(" ".join(heading.itertext()), most=400)


def _is_logo(heading: Any) -> bool:
    marks = f"{heading.get('class') or ''} {heading.get('id') or ''}"
    links = (link.get("href") or "-" for link in heading.iter("a"))
    return bool(LOGO.search(marks)) or any(re.fullmatch(r"(https?://[^/]+)?/?(index\.\w+)?", link) for link in links)


def headline(tree: Any, *, names: Names, said: str) -> Any | None:
    """The heading over the article: the first that is found in `said`, the page's titles for machines; else an <h1>."""
    firsts = [element for element in headings(tree) if not names.has(shown(element))]
    seconds = [*tree.xpath("//article//h2 | //main//h2")[:3], *tree.xpath("//h2")[:20]]
    told = letters(said)
    for element in [*firsts, *seconds]:
        word = letters(shown(element))
        if len(word) >= SHORTEST and word in told and not names.has(word):
            return element
    return next(iter(firsts), None)


def without_site(title: object, *, names: Names, heard: set[str]) -> str:
    """A title for machines without the site's name; "" where it is nothing but that. `heard` are the headings' letters."""
    text = plain(title, most=400)
    if names.has(text):
        return ""
    for head, tail in _cuts(text):
        if names.resembles(tail) or _is_heard(head, heard):
            return without_site(head, names=names, heard=heard) or head
        if names.has(head) or _is_heard(tail, heard):
            return without_site(tail, names=names, heard=heard) or tail
    return text


def _is_heard(part: str, heard: set[str]) -> bool:
    return len(letters(part)) >= SHORTEST and letters(part) in heard


def _cuts(text: str) -> list[Cut]:
    """All ways to cut `text` in two at a separator, from its end."""
    cuts = [(text[: found.start()].strip(), text[found.end() :].strip()) for found in SEPARATOR.finditer(text)]
    return [cut for cut in cuts if all(cut)][::-1]


def likelier(heading: str, title: str) -> str:
    """The heading, unless it is a word or two of the page's furniture and the title tells a story."""
    title = title if heading else next((head for head, tail in _cuts(title)[:1] if len(head) > 2 * len(tail)), title)
    is_furniture = words(heading) <= 3 < words(title) and letters(heading) not in letters(title)
    return title if not heading or is_furniture else heading
