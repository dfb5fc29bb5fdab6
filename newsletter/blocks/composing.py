"""The blocks of an issue composed into MJML and plain text, by the templates handed in. No Django.

`build_views` prepares what mail, plain text and archive have in common: heading levels, lines, and the names of links. The
words of editors are cleaned by the kinds' own `build_view` and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from newsletter.blocks import registry
from newsletter.blocks.base import Language, Picture
from newsletter.blocks.view import BlockView, FormatEventTime, ViewContext, no_event_time
from newsletter.rendering import mjml, plaintext, richtext, slots
from newsletter.rendering.links import LinkBook

RenderTemplate = Callable[[str, Mapping[str, Any]], str]
"""(template name, context) -> text. The template escapes every value that is not `richtext.Markup`."""
ShownBlocks = Iterable[tuple[registry.Block, registry.Words, Language]]

BLOCKS_PLACEHOLDER = "⟦blocks⟧"


class InvalidBlock(ValueError):
    """A block that cannot be shown; the message says why."""

    def __init__(self, block: str, why: str) -> None:
        super().__init__(f"{block}: {why}")
        self.block = block


@dataclass(frozen=True)
class Frame:
    """What is shown around the blocks. Texts are in the mail's language, ready to show."""

    language: str
    subject: str
    preheader: str
    values: Mapping[str, Any]
    """For the templates: brand, edition, palette, addresses, notes per language …"""
    picture_url: Callable[[Picture], str]
    thumbnail_url: Callable[[Picture], str]
    """The same picture with a play mark on it."""


def build_views(
    shown: ShownBlocks, *, language: str, book: LinkBook, when: FormatEventTime = no_event_time
) -> tuple[BlockView, ...]:
    """The views of the blocks; links enter the book in reading order. Raises InvalidBlock."""
    views: list[BlockView] = []
    context = ViewContext(book, when)
    has_heading = False
    for block, words, spoken in shown:
        try:
            view = _build_view(block, words, spoken, context)
        except richtext.TooComplex as error:
            raise InvalidBlock(block.id, str(error)) from None
        level = _heading_level(view, is_first=not has_heading)
        has_heading = has_heading or bool(level)
        previous = views[-1] if views else None
        has_line = _has_line(view, level, previous)
        views.append(
            view.with_fields(is_foreign=spoken != language, level=level, has_line=has_line, href=_href(view, book))
        )
    return tuple(views)


def _build_view(block: registry.Block, words: registry.Words, language: str, context: ViewContext) -> BlockView:
    kind = registry.kind_of(block)
    empty = BlockView(kind=block.kind, block=block.id, language=language, is_large=kind.is_title)
    return kind.build_view(empty, block, words, context)


def _href(view: BlockView, book: LinkBook) -> str:
    label = view.headline or view.picture_alt
    return book.href(view.url, block=view.block, label=label) if view.url and label else ""


def _heading_level(view: BlockView, *, is_first: bool) -> int:
    kind = registry.KINDS[view.kind]
    if not view.headline and not kind.has_default_heading:
        return 0
    return 1 if kind.is_title and is_first else kind.heading_level


def _has_line(view: BlockView, level: int, previous: BlockView | None) -> bool:
    line_above = registry.KINDS[view.kind].line_above
    if line_above == "after-text":
        return bool(level) and previous is not None and registry.KINDS[previous.kind].is_text
    return line_above == "always"


def has_title(ready: Iterable[BlockView]) -> bool:
    """Whether a block has the mail's H1; otherwise the masthead has it."""
    return any(view.level == 1 for view in ready)


def group_views(ready: Iterable[BlockView]) -> Iterator[tuple[str, tuple[BlockView, ...]]]:
    """(kind, blocks): consecutive blocks of a kind that shares a box come together, all others alone."""
    for kind, together in groupby(ready, key=lambda view: view.kind):
        if registry.KINDS[kind].shares_box:
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
    """The sides at which a block starts and ends, and attributes for tags if the mail starts at the other side."""
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
    has_play_mark = registry.KINDS[view.kind].has_play_mark
    return frame.thumbnail_url(view.picture) if has_play_mark else frame.picture_url(view.picture)


def render_answers(view: BlockView, write: Callable[[richtext.RichText], str]) -> tuple[tuple[str, str], ...]:
    """Each question with its answer, formatted by `write`."""
    return tuple((one.question, write(one.body)) for one in view.answers)


def _hrefs(view: BlockView, book: LinkBook) -> richtext.ResolveHref:
    return lambda url, label: book.href(url, block=view.block, label=label)


# --- plain text ------------------------------------------------------------------------------------------------------


def compose_text(ready: tuple[BlockView, ...], *, frame: Frame, book: LinkBook, render: RenderTemplate) -> str:
    """The whole text part, wrapped. Composed from the blocks, not from the HTML; links have the same numbers as there."""
    pieces = [
        render(f"mail/blocks/{kind}.txt", {**frame.values, "frame": frame, "items": items, **items[0]})
        for kind, items in ((kind, _text_items(together, frame, book)) for kind, together in group_views(ready))
    ]
    body = "\n\n".join(piece.strip("\n") for piece in pieces)
    before, _, after = render("mail/issue.txt", {**frame.values, "frame": frame}).partition(BLOCKS_PLACEHOLDER)
    return plaintext.tidy(f"{before}{body}{after}")


def _text_items(together: tuple[BlockView, ...], frame: Frame, book: LinkBook) -> list[dict[str, object]]:
    def write(view: BlockView) -> Callable[[richtext.RichText], str]:
        return lambda body: richtext.to_text(body, _hrefs(view, book), slots.format_field)

    return [
        {
            "view": view,
            "body": write(view)(view.body),
            "answers": render_answers(view, write(view)),
            "underline": "-" * min(len(view.headline), plaintext.LINE_WIDTH),
            "note": frame.values["note_on"](view.language) if view.is_foreign else "",
            **registry.KINDS[view.kind].text_values(view),
        }
        for view in together
    ]
