"""`BlockKind`: the facts about a kind of block that other code asks for, instead of naming the kind. No Django."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

from newsletter.blocks.base import BlockBase, WordsBase
from newsletter.blocks.view import BlockView, ViewContext

BuildView = Callable[[BlockView, Any, Any, ViewContext], BlockView]
"""(view with kind, id and language, block, words, context) -> the view with everything the block shows."""
FormatText = Callable[[BlockView], Mapping[str, Any]]


class CalendarEntry(NamedTuple):
    """An event for a calendar file. Times are local times of the newsletter's zone, such as 2026-12-01T09:00."""

    starts_at: str
    ends_at: str
    headline: str
    summary: str
    """A little HTML."""
    place: str
    url: str


def no_text_values(view: BlockView) -> Mapping[str, Any]:
    return {}


@dataclass(frozen=True)
class BlockKind:
    """One kind of block. Forms are in `forms`, checks in `rules`: those use Django."""

    model: type[BlockBase]
    build_view: BuildView

    # the document
    has_words: bool = True
    """It has words to write and to translate."""
    has_picture: bool = False
    is_picture: bool = False
    """The block is a picture, and its words describe it."""
    shows_article_picture: bool = False
    """It gets the picture of its article when it is made."""
    can_become: tuple[str, ...] = ()
    """Kinds it can be changed into. They share the same words."""
    second_becomes: str = ""
    """A document holds one block of this kind at most. A second one becomes this other kind."""
    calendar_entry: Callable[[Any, Any], CalendarEntry] | None = None
    """(block, words) -> what a calendar file says, if the block is an event."""

    # headings and lines
    heading_level: int = 2
    """Of a block with a headline; 0 if the headline is not a heading."""
    is_title: bool = False
    """The first heading of the mail is its H1, and is large, if it is of this kind."""
    has_default_heading: bool = False
    """The templates show a heading also if the block has no headline."""
    line_above: Literal["never", "after-text", "always"] = "never"
    """Whether a line is drawn above: "after-text" draws one above a heading that follows a kind with `is_text`."""
    is_text: bool = False
    """The block has no frame or ground of its own, so that a line is needed to separate the next heading from it."""

    # grouping, pictures, archive
    shares_box: bool = False
    """Consecutive blocks of this kind are rendered together, by one template."""
    has_play_mark: bool = False
    """Its picture is shown with a play mark."""
    is_section: bool = False
    """In the archive it is a section of the page if it has a headline."""
    text_values: FormatText = no_text_values
    """More values for the template of the text part."""

    @property
    def name(self) -> str:
        """The stored kind, which is also the name of its folder and of its templates."""
        name: str = self.model.model_fields["kind"].default
        return name

    def new_block(self) -> Any:
        return self.model()

    def new_words(self) -> Any:
        """Words with nothing in them."""
        words: type[WordsBase] = get_args(self.model.model_fields["words"].annotation)[1]
        return words()
