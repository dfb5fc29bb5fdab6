"""Editors' inline HTML, read into paragraphs and lists of runs, and written again for a mail, a page or plain text.

Nesting ends here: however deep the input, what comes out is two levels. Allowed: p, br, strong, em, a, ul, ol, li, and
`<span data-merge="name">friend</span>`: a reader's own words, or the visible ones where we have none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from html import escape
from html.parser import HTMLParser
from itertools import groupby
from typing import NamedTuple

import nh3

from newsletter.rendering import slots

ALLOWED_TAGS = {"p", "br", "strong", "em", "a", "ul", "ol", "li", "span"}
MERGE_ATTRIBUTE = "data-merge"
MAX_FALLBACK_LENGTH = 60
MAX_CHARACTERS = 100_000
MAX_TAGS = 1_000
_BREAK = "\n"
_NEVER = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
_BLANKS = re.compile(r"[ \t\r\n\f]+")

ResolveHref = Callable[[str, str], str]
"""(url, words of the link) -> what to write, or "" for a link that may not be one."""
WriteMergeField = Callable[[str, str], str]
"""(field, fallback as HTML) -> HTML."""


class TooComplex(ValueError):
    """More characters or tags than a person writes."""


class Markup(str):
    """Text that is HTML already: templates do not escape it."""

    __slots__ = ()

    def __html__(self) -> str:
        return self


class TextRun(NamedTuple):
    """A stretch of words in one style; the text "\\n" alone is a line break."""

    text: str
    strong: bool = False
    em: bool = False
    href: str = ""
    merge: str = ""
    """The field whose value goes here; `text` is the fallback."""


TextRuns = tuple[TextRun, ...]


@dataclass(frozen=True)
class Paragraph:
    runs: TextRuns


@dataclass(frozen=True)
class ListBlock:
    is_ordered: bool
    items: tuple[TextRuns, ...]


RichText = tuple[Paragraph | ListBlock, ...]


@dataclass(frozen=True)
class InlineStyles:
    """Inline styles for mail programs that drop style sheets; all empty for our own pages."""

    link: str = ""
    paragraph: str = ""
    last: str = ""
    listing: str = ""
    item: str = ""


def clean_line(text: str) -> str:
    """A one-line text of a person: no control characters, no reserved marks, single blanks."""
    return _BLANKS.sub(" ", slots.strip_marks(_NEVER.sub("", text))).strip()


@lru_cache(maxsize=256)
def parse(html: str) -> RichText:
    """Editors' HTML as paragraphs and lists. Raises TooComplex."""
    if len(html) > MAX_CHARACTERS or html.count("<") > MAX_TAGS:
        raise TooComplex(f"{len(html)} characters, {html.count('<')} tags")
    clean = nh3.clean(
        _NEVER.sub("", html),
        tags=ALLOWED_TAGS,
        attributes={"a": {"href"}},
        tag_attribute_values={"span": {MERGE_ATTRIBUTE: set(slots.FIELD_NAMES)}},
        url_schemes={"http", "https", "mailto"},
        link_rel=None,
    )
    reader = _Reader()
    reader.feed(slots.strip_marks(clean))
    reader.close()
    return reader.finish()


@dataclass
class _Pen:
    strong: int = 0
    em: int = 0
    hrefs: list[str] = field(default_factory=list)
    spans: list[bool] = field(default_factory=list)
    """Of the open spans, whether each is a merge field."""
    merge: str = ""
    words: list[str] = field(default_factory=list)
    """Of the merge field that is open."""


class _Reader(HTMLParser):
    """Goes through clean HTML once; a stack of lists is all the nesting it knows."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._pen = _Pen()
        self._runs: list[TextRun] = []
        self._blocks: list[Paragraph | ListBlock] = []
        self._lists: list[bool] = []
        self._items: list[TextRuns] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "span":
            self._open_span(dict(attrs).get(MERGE_ATTRIBUTE) or "")
        elif self._pen.merge:
            return  # a name is a few words: nothing begins within it
        elif tag == "br":
            self._runs.append(TextRun(_BREAK))
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

    def _open_span(self, field: str) -> None:
        begins = bool(field) and not self._pen.merge
        self._pen.spans.append(begins)
        if begins:
            self._pen.merge, self._pen.words = field, []

    def _close_span(self) -> None:
        if self._pen.spans and self._pen.spans.pop():
            words = _BLANKS.sub(" ", "".join(self._pen.words)).strip()[:MAX_FALLBACK_LENGTH].strip()
            self._runs.append(self._run(words)._replace(merge=self._pen.merge))
            self._pen.merge = ""

    def handle_endtag(self, tag: str) -> None:
        if tag == "span":
            self._close_span()
        elif self._pen.merge:
            return
        elif tag == "strong":
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
                    self._blocks.append(ListBlock(is_ordered, tuple(self._items)))

    def handle_data(self, data: str) -> None:
        text = _BLANKS.sub(" ", slots.strip_marks(data))
        if self._pen.merge:
            self._pen.words.append(text)
        else:
            self._runs.append(self._run(text))

    def _run(self, text: str) -> TextRun:
        href = self._pen.hrefs[-1].strip() if self._pen.hrefs else ""
        return TextRun(text, self._pen.strong > 0, self._pen.em > 0, href)

    def _end_of_runs(self) -> None:
        runs = _trimmed(self._runs)
        self._runs = []
        if not runs:
            return
        if self._lists:
            self._items.append(runs)
        else:
            self._blocks.append(Paragraph(runs))

    def finish(self) -> RichText:
        while self._pen.spans:
            self._close_span()
        while self._lists:
            self.handle_endtag("ul")
        self._end_of_runs()
        return tuple(self._blocks)


def _trimmed(runs: list[TextRun]) -> TextRuns:
    """Without blanks and breaks at either end; none at all where nothing can be seen."""
    while runs and not _is_seen(runs[0]):
        runs = runs[1:]
    while runs and not _is_seen(runs[-1]):
        runs = runs[:-1]
    if not runs:
        return ()
    runs[0] = runs[0]._replace(text=runs[0].text.lstrip(" "))
    runs[-1] = runs[-1]._replace(text=runs[-1].text.rstrip(" "))
    return tuple(runs)


def _is_seen(run: TextRun) -> bool:
    return bool(run.text.strip() or run.merge)


def merge_fields(rich: RichText) -> Iterator[tuple[str, str]]:
    """Each merge field as (field, fallback)."""
    for runs in _all_runs(rich):
        yield from ((run.merge, run.text) for run in runs if run.merge)


def link_targets(rich: RichText) -> Iterator[tuple[str, str]]:
    """Each link as (url, its words)."""
    for runs in _all_runs(rich):
        for href, group in groupby(runs, key=lambda run: run.href):
            words = "".join(run.text for run in group).strip()
            if href:
                yield href, words


def _all_runs(rich: RichText) -> Iterator[TextRuns]:
    for block in rich:
        yield from block.items if isinstance(block, ListBlock) else (block.runs,)


def plain_words(rich: RichText) -> str:
    """Every word in reading order, without links."""
    return " ".join("".join(run.text for run in runs) for runs in _all_runs(rich))


def merge_field_html(field: str, fallback: str) -> str:
    """The element itself: what editors' words are stored with."""
    return f'<span {MERGE_ATTRIBUTE}="{field}">{fallback}</span>'


def fallback_only(field: str, fallback: str) -> str:
    """The fallback, for pages that are the same for everybody."""
    return fallback


def to_html(
    rich: RichText, href: ResolveHref, look: InlineStyles | None = None, merge: WriteMergeField = merge_field_html
) -> Markup:
    """Well-formed HTML (also as XML). Written with neither look nor other `merge`, it is what `read` can read again."""
    look = look or InlineStyles()
    pieces = []
    for number, block in enumerate(rich, start=1):
        style = look.last if number == len(rich) else look.paragraph
        if isinstance(block, Paragraph):
            pieces.append(f"<p{_style(style)}>{_html(block.runs, href, look, merge)}</p>")
            continue
        tag = "ol" if block.is_ordered else "ul"
        items = "".join(f"<li{_style(look.item)}>{_html(runs, href, look, merge)}</li>" for runs in block.items)
        pieces.append(f"<{tag}{_style(look.listing)}>{items}</{tag}>")
    return Markup("".join(pieces))


def _style(style: str) -> str:
    return f' style="{style}"' if style else ""


def _html(runs: TextRuns, href: ResolveHref, look: InlineStyles, merge: WriteMergeField) -> str:
    pieces = []
    for url, group in groupby(runs, key=lambda run: run.href):
        stretch = list(group)
        inner = "".join(_styled(run, merge) for run in stretch)
        label = "".join(run.text for run in stretch).strip()
        target = href(url, label) if url and label else ""
        pieces.append(f'<a href="{escape(target)}"{_style(look.link)}>{inner}</a>' if target else inner)
    return "".join(pieces)


def _styled(run: TextRun, merge: WriteMergeField) -> str:
    if run.text == _BREAK and not run.merge:
        return "<br />"
    inner = escape(run.text, quote=False).replace("\xa0", "&#160;")
    inner = merge(run.merge, inner) if run.merge else inner
    inner = f"<em>{inner}</em>" if run.em else inner
    return f"<strong>{inner}</strong>" if run.strong else inner


def to_text(rich: RichText, href: ResolveHref, merge: WriteMergeField = fallback_only) -> str:
    """Plain text: paragraphs parted by an empty line, list items with a dash or number, links after their words."""
    pieces = []
    for block in rich:
        if isinstance(block, Paragraph):
            pieces.append(_text(block.runs, href, merge))
            continue
        marks = (f"{number}. " if block.is_ordered else "- " for number in range(1, len(block.items) + 1))
        pieces.append(
            "\n".join(mark + _text(runs, href, merge) for mark, runs in zip(marks, block.items, strict=False))
        )
    return "\n\n".join(pieces)


def _text(runs: TextRuns, href: ResolveHref, merge: WriteMergeField) -> str:
    pieces = []
    for url, group in groupby(runs, key=lambda run: run.href):
        stretch = list(group)
        words = "".join(run.text for run in stretch).strip()
        label = "".join(merge(run.merge, run.text) if run.merge else run.text for run in stretch)
        target = href(url, words) if url and words else ""
        if not target:
            pieces.append(label)
        elif label.strip() in (url, target):
            pieces.append(f"<{target}>")
        else:
            pieces.append(f"{label} <{target}>")
    return "".join(pieces)
