"""How the words of a block are edited: `BlockForm`, its fields, and the fields that kinds share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy


@dataclass(frozen=True)
class Field:
    """How one text of a block is edited."""

    name: str
    label: Promise
    kind: str = "line"
    """line, headline, url, duration, moment (a local time) or rich (a little HTML)."""
    most: int = 300
    """Characters."""
    hint: Promise | str = ""
    is_main: bool = False
    """Always visible; other fields are folded."""


@dataclass(frozen=True)
class ItemForm:
    """How the items of a block are edited, such as questions with their answers.

    Its labels contain `%(number)s`, the place of the item, from 1.
    """

    verb: str
    """Names the steps of the composer: `<verb>`, `no<verb>`, `<verb>-up`, `<verb>-down`."""
    prefix: str
    """Of field names: q makes `<block>.q0.question`."""
    new_item: Callable[[], Any]
    fields: tuple[Field, ...]
    label: Promise
    move_up: Promise
    move_down: Promise
    remove: Promise
    add: Promise
    too_many: Promise
    """Contains `%(most)s`."""
    least: int = 1
    """So many are shown for editing, also if fewer are stored."""
    most: int = 20


@dataclass(frozen=True)
class Choice:
    """A setting of the block with fixed values, the same in all languages."""

    name: str
    label: Promise
    values: Mapping[str, Promise]


Posted = Mapping[str, Any]
ReadSettings = Callable[[Posted, Any], None]
"""(POST, block): take what the form says about the block itself, in all languages."""
FindErrors = Callable[[Any], Mapping[str, str]]
"""(block) -> messages by field name, about the block's own fields together."""


def read_nothing(post: Posted, block: Any) -> None:
    pass


def find_no_errors(block: Any) -> Mapping[str, str]:
    return {}


@dataclass(frozen=True)
class BlockForm:
    """How a kind of block is shown and edited in the composer."""

    label: Promise
    empty_hint: Promise | str = ""
    """What the block is for; shown while nothing is written in it."""
    fields: tuple[Field, ...] = ()
    """Of the words, per language."""
    items: ItemForm | None = None
    block_fields: tuple[Field, ...] = ()
    """Of the block itself, the same in all languages; of kind moment."""
    choices: tuple[Choice, ...] = ()
    picture_first: bool = False
    """The picture is above the fields, also while there is none."""
    template: str = ""
    """Included above the fields."""
    read_settings: ReadSettings = read_nothing
    find_errors: FindErrors = find_no_errors


HEADLINE = Field("headline", gettext_lazy("Headline"), "headline", is_main=True)
HEADING = Field("heading", gettext_lazy("Heading"), "headline", is_main=True)
SUMMARY = Field("summary", gettext_lazy("Summary"), "rich", 4000, is_main=True)
ARTICLE_URL = Field("url", gettext_lazy("Address of the article"), "url", 1000)
LINK_TEXT = Field(
    "link_text", gettext_lazy("Words of the link"), hint=gettext_lazy("Say where it leads. Empty: no link.")
)
ALT_TEXT = Field(
    "image_alt", gettext_lazy("What the picture shows"), hint=gettext_lazy("For readers who do not see it.")
)
UPDATE = Field("update", gettext_lazy("What changed since"), hint=gettext_lazy("Only for a story you told before."))
