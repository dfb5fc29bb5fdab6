"""An issue's blocks, made ready to be shown, and composed into MJML by the templates handed in.

`views` is what mail, plain text and the web archive have in common: which heading is which level, where a hairline goes, what
each link is called. Editors' words are cleaned here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from newsletter import content
from newsletter.rendering import mjml, richtext, slots
from newsletter.rendering.links import LinkBook

Render = Callable[[str, Mapping[str, Any]], str]
"""(template name, context) -> text. The template escapes every value that is not `richtext.Markup`."""
Shown = Iterable[tuple[content.Block, content.Words, content.Language]]

BLOCKS_GO_HERE = "⟦blocks⟧"
_QUOTES = "\"'“”„‟«»‘’"
_PARTED_BY_A_LINE = {"lead", "story", "text", "brief", "quote", "button", "image", "video", "faq"}
_BEGINS_WITH_A_LINE = {"lead", "story", "text", "faq"}


class WrongBlock(ValueError):
    """A block that cannot be shown; the message says why."""

    def __init__(self, block: str, why: str) -> None:
        super().__init__(f"{block}: {why}")
        self.block = block


@dataclass(frozen=True)
class Moment:
    """When an event is, in words of the mail's language."""

    day: str = ""
    """The date, or from which to which for an event of several days."""
    hours: str = ""
    """With the zone: 08:00 to 12:00 WITA. Empty where `day` says it already."""
    calendar_url: str = ""


When = Callable[[content.Event, content.Language], Moment]
"""(event, language it is told in) -> when it is."""


@dataclass(frozen=True)
class Answer:
    """One question of a reader, answered."""

    question: str
    body: richtext.Rich


@dataclass(frozen=True)
class View:
    """One block as a reader of one language sees it. What a kind does not have is empty."""

    kind: str
    block: str
    language: str
    is_foreign: bool = False
    """In another language than the rest of the issue."""
    level: int = 0
    """Of its heading; 0 without one."""
    has_line: bool = False
    headline: str = ""
    url: str = ""
    href: str = ""
    body: richtext.Rich = ()
    link_text: str = ""
    update: str = ""
    tone: str = ""
    source: str = ""
    picture: content.Picture | None = None
    picture_alt: str = ""
    duration: str = ""
    transcript_href: str = ""
    answers: tuple[Answer, ...] = ()
    place: str = ""
    moment: Moment = Moment()

    @property
    def direction(self) -> str:
        return mjml.direction(self.language)


@dataclass(frozen=True)
class Frame:
    """What stands around the blocks, and the mail's own pages. Words are in the mail's language, ready to show."""

    language: str
    subject: str
    preheader: str
    values: Mapping[str, Any]
    """For the templates: brand, edition, palette, addresses, notes per language …"""
    picture_url: Callable[[content.Picture], str]
    still_url: Callable[[content.Picture], str]
    """The same picture with a play mark on it."""


def _no_moment(event: content.Event, language: content.Language) -> Moment:
    return Moment()


def views(shown: Shown, *, language: str, book: LinkBook, when: When = _no_moment) -> tuple[View, ...]:
    """Blocks ready to show; story links enter the book in reading order. Raises WrongBlock."""
    ready: list[View] = []
    has_heading = False
    for block, words, spoken in shown:
        try:
            view = _view(block, words, spoken, book=book, when=when)
        except richtext.TooComplex as error:
            raise WrongBlock(block.id, str(error)) from None
        level = _level(view, is_first=not has_heading)
        has_heading = has_heading or bool(level)
        before = ready[-1].kind if ready else ""
        ready.append(
            replace(
                view,
                is_foreign=spoken != language,
                level=level,
                has_line=before in _PARTED_BY_A_LINE and view.kind in _BEGINS_WITH_A_LINE and bool(level),
                href=_href(view, book),
            )
        )
    return tuple(ready)


def _href(view: View, book: LinkBook) -> str:
    label = view.headline or view.picture_alt
    return book.href(view.url, block=view.block, label=label) if view.url and label else ""


def _view(block: content.Block, words: content.Words, language: str, *, book: LinkBook, when: When) -> View:
    view = View(kind=block.kind, block=block.id, language=language, tone=getattr(block, "tone", ""))
    if isinstance(words, content.StoryWords):
        picture = None if isinstance(block, content.Brief) else getattr(block, "picture", None)
        return replace(
            view,
            headline=richtext.plain(words.headline),
            url=words.url,
            body=richtext.read(words.summary),
            link_text=richtext.plain(words.link_text),
            update=richtext.plain(words.update),
            picture=picture,
            picture_alt=richtext.plain(words.image_alt),
        )
    if isinstance(words, content.TextWords):
        return replace(view, headline=richtext.plain(words.heading), body=richtext.read(words.body))
    if isinstance(words, content.ButtonWords):
        return replace(view, headline=richtext.plain(words.label), url=words.url)
    if isinstance(words, content.QuoteWords):
        return replace(
            view, headline=richtext.plain(words.quote).strip(_QUOTES).strip(), source=richtext.plain(words.source)
        )
    if isinstance(words, content.FaqWords):
        pairs = (Answer(richtext.plain(one.question), richtext.read(one.answer)) for one in words.questions)
        whole = tuple(one for one in pairs if one.question and one.body)
        return replace(view, headline=richtext.plain(words.heading), answers=whole)
    if isinstance(block, content.Event) and isinstance(words, content.EventWords):
        return replace(
            view,
            headline=richtext.plain(words.headline),
            url=words.url,
            body=richtext.read(words.summary),
            place=richtext.plain(words.place),
            moment=when(block, language),
        )
    return _with_picture(view, block, words, book)


def _with_picture(view: View, block: content.Block, words: content.Words, book: LinkBook) -> View:
    if isinstance(block, content.Image) and isinstance(words, content.ImageWords):
        if block.is_decorative:
            return replace(view, picture=block.picture)
        return replace(
            view,
            url=words.url,
            body=richtext.read(words.facts),
            source=richtext.plain(words.caption),
            picture=block.picture,
            picture_alt=richtext.plain(words.image_alt),
        )
    if isinstance(block, content.Video) and isinstance(words, content.VideoWords):
        headline = richtext.plain(words.headline)
        book.href(words.url, block=block.id, label=headline)  # before the transcript's: numbers follow reading order
        return replace(
            view,
            headline=headline,
            url=words.url,
            body=richtext.read(words.summary),
            picture=block.picture,
            picture_alt=richtext.plain(words.image_alt),
            duration=richtext.plain(words.duration),
            transcript_href=book.href(words.transcript_url, block=block.id, label=headline),
        )
    return view


def _level(view: View, *, is_first: bool) -> int:
    if view.kind == "faq":
        return 2
    if view.kind in ("quote", "button", "divider", "image") or not view.headline:
        return 0
    if view.kind == "brief":
        return 3
    return 1 if view.kind == "lead" and is_first else 2


def has_title(ready: Iterable[View]) -> bool:
    """Whether a block is the mail's H1; otherwise the masthead is."""
    return any(view.level == 1 for view in ready)


def grouped(ready: Iterable[View]) -> Iterator[tuple[str, tuple[View, ...]]]:
    """(kind, blocks): consecutive briefs share a box, all others stand alone."""
    for kind, together in groupby(ready, key=lambda view: view.kind):
        if kind == "brief":
            yield kind, tuple(together)
        else:
            yield from ((kind, (view,)) for view in together)


def compose(ready: tuple[View, ...], *, frame: Frame, book: LinkBook, render: Render) -> mjml.Source:
    """The whole mail as MJML, in parts, so that a block that cannot be compiled can be named."""
    context = {**frame.values, "frame": frame, "masthead_is_title": not has_title(ready)}
    before, _, after = render("mail/issue.mjml", context).partition(BLOCKS_GO_HERE)
    parts = [
        mjml.Part(together[0].block, _part(kind, together, context, frame=frame, book=book, render=render))
        for kind, together in grouped(ready)
    ]
    return mjml.Source(before, tuple(parts), after)


def _part(
    kind: str, together: tuple[View, ...], context: Mapping[str, Any], *, frame: Frame, book: LinkBook, render: Render
) -> str:

    def write(view: View) -> Callable[[richtext.Rich], richtext.Markup]:
        look = frame.values["looks"][mjml.direction(view.language)]
        return lambda body: richtext.to_html(body, _hrefs(view, book), look, slots.field)

    items = [
        {
            "view": view,
            "body": write(view)(view.body),
            "answers": answers(view, write(view)),
            "language_class": f"lang-{view.language}" if view.is_foreign else "",
            "note": frame.values["note_on"](view.language) if view.is_foreign else "",
            "picture_url": _picture_url(view, frame),
            **_side(view.language, frame.language),
        }
        for view in together
    ]
    return render(f"mail/blocks/{kind}.mjml", {**context, "items": items, **items[0]})


def _side(spoken: str, language: str) -> dict[str, str]:
    """On which side a block begins; attributes for tags where that is not the side the mail begins on."""
    direction = mjml.direction(spoken)
    start, end = ("right", "left") if direction == "rtl" else ("left", "right")
    turns = direction != mjml.direction(language)
    return {
        "start": start,
        "end": end,
        "align": richtext.Markup(f' align="{start}"') if turns else "",
        "turn": richtext.Markup(f' direction="{direction}"') if turns else "",
    }


def _picture_url(view: View, frame: Frame) -> str:
    if view.picture is None:
        return ""
    return frame.still_url(view.picture) if view.kind == "video" else frame.picture_url(view.picture)


def answers(view: View, write: Callable[[richtext.Rich], str]) -> tuple[tuple[str, str], ...]:
    """Each question with its answer as `write` puts it."""
    return tuple((one.question, write(one.body)) for one in view.answers)


def _hrefs(view: View, book: LinkBook) -> richtext.Href:
    return lambda url, label: book.href(url, block=view.block, label=label)
