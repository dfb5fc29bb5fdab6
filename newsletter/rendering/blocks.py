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

RenderTemplate = Callable[[str, Mapping[str, Any]], str]
"""(template name, context) -> text. The template escapes every value that is not `richtext.Markup`."""
ShownBlocks = Iterable[tuple[content.Block, content.Words, content.Language]]

BLOCKS_PLACEHOLDER = "⟦blocks⟧"
_QUOTES = "\"'“”„‟«»‘’"
_PARTED_BY_A_LINE = {"lead", "story", "text", "brief", "quote", "button", "image", "video", "faq"}
_BEGINS_WITH_A_LINE = {"lead", "story", "text", "faq"}


class InvalidBlock(ValueError):
    """A block that cannot be shown; the message says why."""

    def __init__(self, block: str, why: str) -> None:
        super().__init__(f"{block}: {why}")
        self.block = block


@dataclass(frozen=True)
class EventTime:
    """When an event is, in words of the mail's language."""

    day: str = ""
    """The date, or from which to which for an event of several days."""
    hours: str = ""
    """With the zone: 08:00 to 12:00 WITA. Empty where `day` says it already."""
    calendar_url: str = ""


EventTimeOf = Callable[[content.CalendarEvent, content.Language], EventTime]
"""(event, language it is told in) -> when it is."""


@dataclass(frozen=True)
class FaqAnswer:
    """One question of a reader, answered."""

    question: str
    body: richtext.RichText


@dataclass(frozen=True)
class BlockView:
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
    body: richtext.RichText = ()
    link_text: str = ""
    update: str = ""
    tone: str = ""
    source: str = ""
    picture: content.Picture | None = None
    picture_alt: str = ""
    duration: str = ""
    transcript_href: str = ""
    answers: tuple[FaqAnswer, ...] = ()
    place: str = ""
    moment: EventTime = EventTime()

    @property
    def direction(self) -> str:
        return mjml.text_direction(self.language)


@dataclass(frozen=True)
class Frame:
    """What stands around the blocks, and the mail's own pages. Words are in the mail's language, ready to show."""

    language: str
    subject: str
    preheader: str
    values: Mapping[str, Any]
    """For the templates: brand, edition, palette, addresses, notes per language …"""
    picture_url: Callable[[content.Picture], str]
    thumbnail_url: Callable[[content.Picture], str]
    """The same picture with a play mark on it."""


def _no_moment(event: content.CalendarEvent, language: content.Language) -> EventTime:
    return EventTime()


def build_views(
    shown: ShownBlocks, *, language: str, book: LinkBook, when: EventTimeOf = _no_moment
) -> tuple[BlockView, ...]:
    """Blocks ready to show; story links enter the book in reading order. Raises WrongBlock."""
    ready: list[BlockView] = []
    has_heading = False
    for block, words, spoken in shown:
        try:
            view = _view(block, words, spoken, book=book, when=when)
        except richtext.TooComplex as error:
            raise InvalidBlock(block.id, str(error)) from None
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


def _href(view: BlockView, book: LinkBook) -> str:
    label = view.headline or view.picture_alt
    return book.href(view.url, block=view.block, label=label) if view.url and label else ""


def _view(block: content.Block, words: content.Words, language: str, *, book: LinkBook, when: EventTimeOf) -> BlockView:
    view = BlockView(kind=block.kind, block=block.id, language=language, tone=getattr(block, "tone", ""))
    if isinstance(words, content.StoryWords):
        picture = None if isinstance(block, content.Brief) else getattr(block, "picture", None)
        return replace(
            view,
            headline=richtext.clean_line(words.headline),
            url=words.url,
            body=richtext.parse(words.summary),
            link_text=richtext.clean_line(words.link_text),
            update=richtext.clean_line(words.update),
            picture=picture,
            picture_alt=richtext.clean_line(words.image_alt),
        )
    if isinstance(words, content.TextWords):
        return replace(view, headline=richtext.clean_line(words.heading), body=richtext.parse(words.body))
    if isinstance(words, content.ButtonWords):
        return replace(view, headline=richtext.clean_line(words.label), url=words.url)
    if isinstance(words, content.QuoteWords):
        return replace(
            view,
            headline=richtext.clean_line(words.quote).strip(_QUOTES).strip(),
            source=richtext.clean_line(words.source),
        )
    if isinstance(words, content.FaqWords):
        pairs = (FaqAnswer(richtext.clean_line(one.question), richtext.parse(one.answer)) for one in words.questions)
        whole = tuple(one for one in pairs if one.question and one.body)
        return replace(view, headline=richtext.clean_line(words.heading), answers=whole)
    if isinstance(block, content.CalendarEvent) and isinstance(words, content.CalendarEventWords):
        return replace(
            view,
            headline=richtext.clean_line(words.headline),
            url=words.url,
            body=richtext.parse(words.summary),
            place=richtext.clean_line(words.place),
            moment=when(block, language),
        )
    return _with_picture(view, block, words, book)


def _with_picture(view: BlockView, block: content.Block, words: content.Words, book: LinkBook) -> BlockView:
    if isinstance(block, content.Image) and isinstance(words, content.ImageWords):
        if block.is_decorative:
            return replace(view, picture=block.picture)
        return replace(
            view,
            url=words.url,
            body=richtext.parse(words.facts),
            source=richtext.clean_line(words.caption),
            picture=block.picture,
            picture_alt=richtext.clean_line(words.image_alt),
        )
    if isinstance(block, content.Video) and isinstance(words, content.VideoWords):
        headline = richtext.clean_line(words.headline)
        book.href(words.url, block=block.id, label=headline)  # before the transcript's: numbers follow reading order
        return replace(
            view,
            headline=headline,
            url=words.url,
            body=richtext.parse(words.summary),
            picture=block.picture,
            picture_alt=richtext.clean_line(words.image_alt),
            duration=richtext.clean_line(words.duration),
            transcript_href=book.href(words.transcript_url, block=block.id, label=headline),
        )
    return view


def _level(view: BlockView, *, is_first: bool) -> int:
    if view.kind == "faq":
        return 2
    if view.kind in ("quote", "button", "divider", "image") or not view.headline:
        return 0
    if view.kind == "brief":
        return 3
    return 1 if view.kind == "lead" and is_first else 2


def has_title(ready: Iterable[BlockView]) -> bool:
    """Whether a block is the mail's H1; otherwise the masthead is."""
    return any(view.level == 1 for view in ready)


def group_views(ready: Iterable[BlockView]) -> Iterator[tuple[str, tuple[BlockView, ...]]]:
    """(kind, blocks): consecutive briefs share a box, all others stand alone."""
    for kind, together in groupby(ready, key=lambda view: view.kind):
        if kind == "brief":
            yield kind, tuple(together)
        else:
            yield from ((kind, (view,)) for view in together)


def compose(ready: tuple[BlockView, ...], *, frame: Frame, book: LinkBook, render: RenderTemplate) -> mjml.MjmlSource:
    """The whole mail as MJML, in parts, so that a block that cannot be compiled can be named."""
    context = {**frame.values, "frame": frame, "masthead_is_title": not has_title(ready)}
    before, _, after = render("mail/issue.mjml", context).partition(BLOCKS_PLACEHOLDER)
    parts = [
        mjml.MjmlPart(together[0].block, _part(kind, together, context, frame=frame, book=book, render=render))
        for kind, together in group_views(ready)
    ]
    return mjml.MjmlSource(before, tuple(parts), after)


def _part(
    kind: str,
    together: tuple[BlockView, ...],
    context: Mapping[str, Any],
    *,
    frame: Frame,
    book: LinkBook,
    render: RenderTemplate,
) -> str:

    def write(view: BlockView) -> Callable[[richtext.RichText], richtext.Markup]:
        look = frame.values["looks"][mjml.text_direction(view.language)]
        return lambda body: richtext.to_html(body, _hrefs(view, book), look, slots.format_field)

    items = [
        {
            "view": view,
            "body": write(view)(view.body),
            "answers": render_answers(view, write(view)),
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
    direction = mjml.text_direction(spoken)
    start, end = ("right", "left") if direction == "rtl" else ("left", "right")
    turns = direction != mjml.text_direction(language)
    return {
        "start": start,
        "end": end,
        "align": richtext.Markup(f' align="{start}"') if turns else "",
        "turn": richtext.Markup(f' direction="{direction}"') if turns else "",
    }


def _picture_url(view: BlockView, frame: Frame) -> str:
    if view.picture is None:
        return ""
    return frame.thumbnail_url(view.picture) if view.kind == "video" else frame.picture_url(view.picture)


def render_answers(view: BlockView, write: Callable[[richtext.RichText], str]) -> tuple[tuple[str, str], ...]:
    """Each question with its answer as `write` puts it."""
    return tuple((one.question, write(one.body)) for one in view.answers)


def _hrefs(view: BlockView, book: LinkBook) -> richtext.ResolveHref:
    return lambda url, label: book.href(url, block=view.block, label=label)
