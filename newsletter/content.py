"""An issue's document: blocks in order, each with its words per language. JSON in and out; no Django.

A document is stored whole in `Issue.content`. `version` names the shape, so that a later release can read old rows.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

VERSION: Literal[1] = 1
Language = str
LanguagePolicy = Literal["required", "optional", "fallback"]
"""What to do where a block has no words in a language: refuse to send, leave it out, or show the default language's."""


LOCAL_TIME_PATTERN = r"^(\d{4}-\d{2}-\d{2}T\d{2}:\d{2})?$"


def new_block_id() -> str:
    """A short random block id, safe in CSS classes, ids and URLs."""
    return "b" + secrets.token_hex(4)


class DocumentModel(BaseModel):
    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)


class Picture(DocumentModel):
    """A `MediaFile` of ours: path below the media root, and its pixels."""

    media: int
    path: str
    width: int
    height: int


class StoryWords(DocumentModel):
    headline: str = ""
    summary: str = ""
    """A little HTML: p, br, strong, em, a, ul, ol, li."""
    url: str = ""
    link_text: str = ""
    """Words of the button (lead) or the closing link; empty shows none."""
    image_alt: str = ""
    update: str = ""
    """What changed since the article was first reported, such as "also for holders of ITAP"."""

    @property
    def is_complete(self) -> bool:
        return bool(self.headline and self.url)


class ArticleSnapshot(DocumentModel):
    """What an article said when a block took its words: a later reading of it is compared with this."""

    title: str = ""
    summary: str = ""
    url: str = ""


class TextWords(DocumentModel):
    heading: str = ""
    body: str = ""

    @property
    def is_complete(self) -> bool:
        return bool(self.heading or self.body)


class ButtonWords(DocumentModel):
    label: str = ""
    url: str = ""

    @property
    def is_complete(self) -> bool:
        return bool(self.label and self.url)


class QuoteWords(DocumentModel):
    quote: str = ""
    source: str = ""

    @property
    def is_complete(self) -> bool:
        return bool(self.quote)


class ImageWords(DocumentModel):
    image_alt: str = ""
    caption: str = ""
    facts: str = ""
    """A little HTML: what an infographic says, for readers who do not see it."""
    url: str = ""

    @property
    def is_complete(self) -> bool:
        return bool(self.image_alt)


class VideoWords(DocumentModel):
    headline: str = ""
    summary: str = ""
    url: str = ""
    duration: str = ""
    """As players show it: 3:45."""
    transcript_url: str = ""
    image_alt: str = ""

    @property
    def is_complete(self) -> bool:
        return bool(self.headline and self.url)


class FaqEntry(DocumentModel):
    question: str = ""
    answer: str = ""
    """A little HTML."""


class FaqWords(DocumentModel):
    heading: str = ""
    questions: list[FaqEntry] = []

    @property
    def is_complete(self) -> bool:
        return any(one.question and one.answer for one in self.questions)


class CalendarEventWords(DocumentModel):
    headline: str = ""
    summary: str = ""
    place: str = ""
    url: str = ""

    @property
    def is_complete(self) -> bool:
        return bool(self.headline)


class DividerWords(DocumentModel):
    @property
    def is_complete(self) -> bool:
        return True


class BlockBase(DocumentModel):
    id: str = Field(default_factory=new_block_id, pattern=r"^[a-z][a-z0-9]{2,39}$")
    policy: dict[Language, LanguagePolicy] = {}


class ArticleBlock(BlockBase):
    """A block that tells an article of ours."""

    article: int | None = None
    seen: dict[Language, ArticleSnapshot] = {}
    keeps_gone: bool = False
    """An editor decided to tell it although its page is gone."""


class Lead(ArticleBlock):
    kind: Literal["lead"] = "lead"
    picture: Picture | None = None
    words: dict[Language, StoryWords] = {}


class Story(ArticleBlock):
    kind: Literal["story"] = "story"
    picture: Picture | None = None
    words: dict[Language, StoryWords] = {}


class Brief(ArticleBlock):
    kind: Literal["brief"] = "brief"
    words: dict[Language, StoryWords] = {}


class Text(BlockBase):
    kind: Literal["text"] = "text"
    words: dict[Language, TextWords] = {}


class Callout(BlockBase):
    kind: Literal["notice"] = "notice"
    tone: Literal["info", "warning", "scam"] = "info"
    words: dict[Language, TextWords] = {}


class Quote(BlockBase):
    kind: Literal["quote"] = "quote"
    words: dict[Language, QuoteWords] = {}


class Button(BlockBase):
    kind: Literal["button"] = "button"
    words: dict[Language, ButtonWords] = {}


class Image(BlockBase):
    kind: Literal["image"] = "image"
    picture: Picture | None = None
    is_decorative: bool = False
    """Says nothing that needs words; it has no alt text then, and cannot be a link."""
    words: dict[Language, ImageWords] = {}


class Video(BlockBase):
    """A still picture that links to where the video is; mail plays none."""

    kind: Literal["video"] = "video"
    picture: Picture | None = None
    words: dict[Language, VideoWords] = {}


class Faq(BlockBase):
    kind: Literal["faq"] = "faq"
    words: dict[Language, FaqWords] = {}


class CalendarEvent(BlockBase):
    kind: Literal["event"] = "event"
    starts_at: str = Field(default="", pattern=LOCAL_TIME_PATTERN)
    """What clocks in the newsletter's zone show: 2026-12-01T09:00."""
    ends_at: str = Field(default="", pattern=LOCAL_TIME_PATTERN)
    words: dict[Language, CalendarEventWords] = {}


class Divider(BlockBase):
    kind: Literal["divider"] = "divider"
    words: dict[Language, DividerWords] = {}


Block = Annotated[
    Lead | Story | Brief | Text | Image | Video | Callout | Faq | Quote | CalendarEvent | Button | Divider,
    Field(discriminator="kind"),
]
Words = (
    StoryWords
    | TextWords
    | ImageWords
    | VideoWords
    | FaqWords
    | CalendarEventWords
    | ButtonWords
    | QuoteWords
    | DividerWords
)
BLOCK_TYPES: dict[str, type[BlockBase]] = {
    kind.model_fields["kind"].default: kind for kind in get_args(get_args(Block)[0])
}


class Envelope(DocumentModel):
    subject: str = ""
    preheader: str = ""


class Document(DocumentModel):
    version: Literal[1] = VERSION
    envelopes: dict[Language, Envelope] = {}
    blocks: list[Block] = []

    def envelope(self, language: Language, default: Language) -> Envelope:
        """Subject and preheader in `language`; each falls back to the default language's."""
        own, other = self.envelopes.get(language, Envelope()), self.envelopes.get(default, Envelope())
        return Envelope(subject=own.subject or other.subject, preheader=own.preheader or other.preheader)

    def block(self, block_id: str) -> Block | None:
        return next((block for block in self.blocks if block.id == block_id), None)

    def article_ids(self) -> list[int]:
        return [block.article for block in self.blocks if isinstance(block, ArticleBlock) and block.article]


def parse(data: dict[str, Any]) -> Document:
    """Read a stored document; {} is an empty one. Raises pydantic.ValidationError naming the part that is wrong."""
    return Document.model_validate(data or {})


def dump(document: Document) -> dict[str, Any]:
    return document.model_dump(mode="json")


def words_for(block: Block, language: Language, default: Language) -> tuple[Words, Language] | None:
    """The words that `language` shows for `block`, and the language they are in.

    None where the block is left out: it has no words here and its policy is not to fall back, or it has no picture to show.
    """
    own: Words | None = block.words.get(language)
    if isinstance(block, Divider):
        return DividerWords(), language
    if isinstance(block, Image) and block.picture is None:
        return None
    if isinstance(block, Image) and block.is_decorative:
        return own or ImageWords(), language
    if own is not None and own.is_complete:
        return own, language
    other = block.words.get(default)
    if block.policy.get(language, "fallback") == "fallback" and other is not None and other.is_complete:
        return other, default
    return None


def shown_blocks(document: Document, language: Language, default: Language) -> Iterator[tuple[Block, Words, Language]]:
    """Blocks as a reader of `language` sees them, in order."""
    for block in document.blocks:
        found = words_for(block, language, default)
        if found is not None:
            yield block, *found
