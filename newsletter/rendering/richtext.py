"""Editors' inline HTML, read into paragraphs and lists of runs, and written again for a mail, a page or plain text.

Nesting ends here: however deep the input, what comes out is two levels. Allowed: p, br, strong, em, a, ul, ol, li.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from html import escape
from html.parser import HTMLParser
from itertools import groupby
from typing import NamedTuple

import nh3

from newsletter.rendering import slots

TAGS = {"p", "br", "strong", "em", "a", "ul", "ol", "li"}
MOST_CHARACTERS = 100_000
MOST_TAGS = 1_000
_BREAK = "\n"
_NEVER = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
_BLANKS = re.compile(r"[ \t\r\n\f]+")

Href = Callable[[str, str], str]
"""(url, words of the link) -> what to write, or "" for a link that may not be one."""


class TooComplex(ValueError):
    """More characters or tags than a person writes."""


class Markup(str):
    """Text that is HTML already: templates do not escape it."""

    __slots__ = ()

    def __html__(self) -> str:
        return self


class Run(NamedTuple):
    """A stretch of words in one style; the text "\\n" alone is a line break."""

    text: str
    strong: bool = False
    em: bool = False
    href: str = ""


Runs = tuple[Run, ...]


@dataclass(frozen=True)
class Paragraph:
    runs: Runs


@dataclass(frozen=True)
class Listing:
    is_ordered: bool
    items: tuple[Runs, ...]


Rich = tuple[Paragraph | Listing, ...]


@dataclass(frozen=True)
class Look:
    """Inline styles for mail programs that drop style sheets; all empty for our own pages."""

    link: str = ""
    paragraph: str = ""
    last: str = ""
    listing: str = ""
    item: str = ""


def plain(text: str) -> str:
    """A one-line text of a person: no control characters, no reserved marks, single blanks."""
    return _BLANKS.sub(" ", slots.without_marks(_NEVER.sub("", text))).strip()


def read(html: str) -> Rich:
    """Editors' HTML as paragraphs and lists. Raises TooComplex."""
    if len(html) > MOST_CHARACTERS or html.count("<") > MOST_TAGS:
        raise TooComplex(f"{len(html)} characters, {html.count('<')} tags")
    clean = nh3.clean(
        _NEVER.sub("", html),
        tags=TAGS,
        attributes={"a": {"href"}},
        url_schemes={"http", "https", "mailto"},
        link_rel=None,
    )
    reader = _Reader()
    reader.feed(slots.without_marks(clean))
    reader.close()
    return reader.finish()


@dataclass
class _Pen:
    strong: int = 0
    em: int = 0
    hrefs: list[str] = field(default_factory=list)


class _Reader(HTMLParser):
    """Goes through clean HTML once; a stack of lists is all the nesting it knows."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._pen = _Pen()
        self._runs: list[Run] = []
        self._blocks: list[Paragraph | Listing] = []
        self._lists: list[bool] = []
        self._items: list[Runs] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "br":
            self._runs.append(Run(_BREAK))
        elif tag == "strong":
            self._pen.strong += 1
        elif tag == "em":
            self._pen.em += 1
        elif tag == "a":
            self._pen.hrefs.append(dict(attrs).get("href") or "")
        else:
            self._end_of_runs()
            if tag in ("ul", "ol"):
                if not self._lists:
                    self._items = []
                self._lists.append(tag == "ol")

    def handle_endtag(self, tag: str) -> None:
        if tag == "strong":
            self._pen.strong = max(0, self._pen.strong - 1)
        elif tag == "em":
            self._pen.em = max(0, self._pen.em - 1)
        elif tag == "a":
            self._pen.hrefs[-1:] = []
        elif tag in ("p", "li", "ul", "ol"):
            self._end_of_runs()
            if tag in ("ul", "ol") and self._lists:
                is_ordered = self._lists.pop()
                if not self._lists and self._items:
                    self._blocks.append(Listing(is_ordered, tuple(self._items)))

    def handle_data(self, data: str) -> None:
        text = _BLANKS.sub(" ", slots.without_marks(data))
        href = self._pen.hrefs[-1].strip() if self._pen.hrefs else ""
        self._runs.append(Run(text, self._pen.strong > 0, self._pen.em > 0, href))

    def _end_of_runs(self) -> None:
        runs = _trimmed(self._runs)
        self._runs = []
        if not runs:
            return
        if self._lists:
            self._items.append(runs)
        else:
            self._blocks.append(Paragraph(runs))

    def finish(self) -> Rich:
        while self._lists:
            self.handle_endtag("ul")
        self._end_of_runs()
        return tuple(self._blocks)


def _trimmed(runs: list[Run]) -> Runs:
    """Without blanks and breaks at either end; none at all where nothing can be seen."""
    while runs and not runs[0].text.strip():
        runs = runs[1:]
    while runs and not runs[-1].text.strip():
        runs = runs[:-1]
    if not runs:
        return ()
    runs[0] = runs[0]._replace(text=runs[0].text.lstrip(" "))
    runs[-1] = runs[-1]._replace(text=runs[-1].text.rstrip(" "))
    return tuple(runs)


def urls(rich: Rich) -> Iterator[tuple[str, str]]:
    """Each link as (url, its words)."""
    for runs in _all_runs(rich):
        for href, group in groupby(runs, key=lambda run: run.href):
            words = "".join(run.text for run in group).strip()
            if href:
                yield href, words


def _all_runs(rich: Rich) -> Iterator[Runs]:
    for block in rich:
        yield from block.items if isinstance(block, Listing) else (block.runs,)


def words(rich: Rich) -> str:
    """Every word in reading order, without links."""
    return " ".join("".join(run.text for run in runs) for runs in _all_runs(rich))


def to_html(rich: Rich, href: Href, look: Look | None = None) -> Markup:
    """Well-formed HTML (also as XML)."""
    look = look or Look()
    pieces = []
    for number, block in enumerate(rich, start=1):
        style = look.last if number == len(rich) else look.paragraph
        if isinstance(block, Paragraph):
            pieces.append(f"<p{_style(style)}>{_html(block.runs, href, look)}</p>")
            continue
        tag = "ol" if block.is_ordered else "ul"
        items = "".join(f"<li{_style(look.item)}>{_html(runs, href, look)}</li>" for runs in block.items)
        pieces.append(f"<{tag}{_style(look.listing)}>{items}</{tag}>")
    return Markup("".join(pieces))


def _style(style: str) -> str:
    return f' style="{style}"' if style else ""


def _html(runs: Runs, href: Href, look: Look) -> str:
    pieces = []
    for url, group in groupby(runs, key=lambda run: run.href):
        stretch = list(group)
        inner = "".join(map(_styled, stretch))
        label = "".join(run.text for run in stretch).strip()
        target = href(url, label) if url and label else ""
        pieces.append(f'<a href="{escape(target)}"{_style(look.link)}>{inner}</a>' if target else inner)
    return "".join(pieces)


def _styled(run: Run) -> str:
    if run.text == _BREAK:
        return "<br />"
    inner = escape(run.text, quote=False).replace("\xa0", "&#160;")
    inner = f"<em>{inner}</em>" if run.em else inner
    return f"<strong>{inner}</strong>" if run.strong else inner


def to_text(rich: Rich, href: Href) -> str:
    """Plain text: paragraphs parted by an empty line, list items with a dash or number, links after their words."""
    pieces = []
    for block in rich:
        if isinstance(block, Paragraph):
            pieces.append(_text(block.runs, href))
            continue
        marks = (f"{number}. " if block.is_ordered else "- " for number in range(1, len(block.items) + 1))
        pieces.append("\n".join(mark + _text(runs, href) for mark, runs in zip(marks, block.items, strict=False)))
    return "\n\n".join(pieces)


def _text(runs: Runs, href: Href) -> str:
    pieces = []
    for url, group in groupby(runs, key=lambda run: run.href):
        label = "".join(run.text for run in group)
        target = href(url, label.strip()) if url and label.strip() else ""
        if not target:
            pieces.append(label)
        elif label.strip() in (url, target):
            pieces.append(f"<{target}>")
        else:
            pieces.append(f"{label} <{target}>")
    return "".join(pieces)
