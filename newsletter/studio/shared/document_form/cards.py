"""A document as the composer shows it: one card a block, its fields filled in one language."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from newsletter import content
from newsletter.formatting import zone_name
from newsletter.rendering import richtext
from newsletter.studio.shared.document_form import markup
from newsletter.studio.shared.document_form.block_names import block_title
from newsletter.studio.shared.document_form.fields import (
    ANSWER,
    ARTICLE_KINDS,
    EMPTY_HINTS,
    ENVELOPE_FIELDS,
    EVENT_TIME_FIELDS,
    FIELDS,
    KIND_LABELS,
    PICTURE_KINDS,
    QUESTION,
    Field,
)
from newsletter.studio.shared.document_form.parsing import MAX_QUESTIONS, empty_words


@dataclass(frozen=True)
class DocumentFacts:
    """What is known about a document beside what is in it."""

    zone: ZoneInfo | None = None
    warnings: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    """By picture: what readers would not like about it, in words."""
    twins: Mapping[int, frozenset[str]] = field(default_factory=dict)
    """By article: the languages it can be had in."""


@dataclass(frozen=True)
class BoundField:
    """A field with what is in it."""

    field: Field
    name: str
    value: str
    error: str = ""
    beside: str = ""
    """What the newsletter's first language says here, as plain words, where another one is being written."""
    html: str = ""
    """The value of a rich field as it is stored."""

    @property
    def id(self) -> str:
        return self.name.replace(".", "-")


@dataclass(frozen=True)
class QuestionPair:
    """A question with its answer."""

    number: int
    question: BoundField
    answer: BoundField
    is_first: bool
    is_last: bool


@dataclass(frozen=True)
class Card:
    """A block as the composer shows it."""

    id: str
    kind: str
    label: str
    title: str
    fields: tuple[BoundField, ...]
    more: tuple[BoundField, ...]
    pairs: tuple[QuestionPair, ...]
    moments: tuple[BoundField, ...]
    picture: content.Picture | None
    takes_picture: bool
    warnings: tuple[str, ...]
    is_decorative: bool | None
    """None where a picture cannot be decorative."""
    article: int | None
    tone: str
    policy: str
    lacks_words: bool
    has_translation: bool
    """Its article can be had in this language."""
    zone: str
    """What clocks are called where an event's times are read, such as WIB."""
    kinds: tuple[tuple[str, str], ...]
    """What it can become: (lead, "Lead story") …"""
    empty: str
    """What the block is for, while nothing is written in it."""
    is_first: bool
    is_last: bool

    @property
    def opens(self) -> bool:
        """Whether the folded fields must be seen at once: something in them is wrong or missing."""
        needs_address = self.kind in {"lead", "story", "brief"}
        return any(
            bound.error or (needs_address and bound.field.name == "url" and not bound.value) for bound in self.more
        )

    @property
    def bound_fields(self) -> tuple[BoundField, ...]:
        """Every field, in the order of the page."""
        asked = (bound for pair in self.pairs for bound in (pair.question, pair.answer))
        return (*self.fields, *asked, *self.moments, *self.more)


def build_cards(
    document: content.Document,
    *,
    language: str,
    default: str,
    typed: Mapping[str, str] | None = None,
    errors: Mapping[str, str] | None = None,
    facts: DocumentFacts | None = None,
) -> list[Card]:
    """One card a block. `typed` wins over the document: what a person wrote stays, also where it is wrong."""
    drawer = _CardBuilder(language, default, facts or DocumentFacts(), typed or {}, errors or {})
    last = len(document.blocks) - 1
    return [
        drawer.card(block, is_first=place == 0, is_last=place == last) for place, block in enumerate(document.blocks)
    ]


@dataclass(frozen=True)
class _CardBuilder:
    language: str
    default: str
    facts: DocumentFacts
    typed: Mapping[str, str]
    errors: Mapping[str, str]

    def card(self, block: content.Block, *, is_first: bool, is_last: bool) -> Card:
        words: Any = block.words.get(self.language) or empty_words(block.kind)
        first: Any = block.words.get(self.default) or empty_words(block.kind)
        picture = getattr(block, "picture", None)
        bounds = [
            self.bind(spec, f"{block.id}.{spec.name}", getattr(words, spec.name), getattr(first, spec.name))
            for spec in FIELDS[block.kind]
            if spec.name != "image_alt" or picture is not None
        ]
        title, spoken = block_title(block, self.language, self.default)
        article = getattr(block, "article", None)
        lacks_words = self.language != self.default and not is_written(block, self.language)
        return Card(
            id=block.id,
            kind=block.kind,
            label=str(KIND_LABELS[block.kind]),
            title=title if spoken else "",
            fields=tuple(bound for bound in bounds if bound.field.is_main),
            more=tuple(bound for bound in bounds if not bound.field.is_main),
            pairs=tuple(self.pairs(block, words, first)) if isinstance(block, content.Faq) else (),
            moments=tuple(self.moments(block)) if isinstance(block, content.CalendarEvent) else (),
            picture=picture,
            takes_picture=block.kind in PICTURE_KINDS,
            warnings=self.facts.warnings.get(picture.media, ()) if picture else (),
            is_decorative=block.is_decorative if isinstance(block, content.Image) else None,
            article=article,
            tone=getattr(block, "tone", ""),
            policy=block.policy.get(self.language, "fallback"),
            lacks_words=lacks_words,
            has_translation=lacks_words and self.language in self.facts.twins.get(article or 0, frozenset()),
            zone=zone_abbreviation(self.facts.zone, block.starts_at)
            if isinstance(block, content.CalendarEvent) and self.facts.zone
            else "",
            kinds=tuple((kind, str(KIND_LABELS[kind])) for kind in ("lead", "story", "brief") if kind != block.kind)
            if block.kind in ARTICLE_KINDS
            else (),
            empty="" if picture or any(map(_has_words, block.words.values())) else str(EMPTY_HINTS.get(block.kind, "")),
            is_first=is_first,
            is_last=is_last,
        )

    def bind(self, spec: Field, name: str, value: str, first: str = "") -> BoundField:
        is_rich = spec.kind == "rich"
        beside = "" if self.language == self.default else markup.html_to_plain_text(first) if is_rich else first
        if name in self.typed:
            shown = self.typed[name]
            stored = _typed_to_html(shown) if is_rich else ""
        else:
            shown, stored = (markup.html_to_typed(value), value) if is_rich else (value, "")
        return BoundField(spec, name, shown, self.errors.get(name, ""), beside, stored)

    def pairs(self, block: content.Faq, words: content.FaqWords, first: content.FaqWords) -> Iterator[QuestionPair]:
        count = count_questions(words, first if self.language != self.default else None)
        for number in range(count):
            own, other = _question_at(words, number), _question_at(first, number)
            prefix = f"{block.id}.q{number}"
            yield QuestionPair(
                number,
                self.bind(QUESTION, f"{prefix}.question", own.question, other.question),
                self.bind(ANSWER, f"{prefix}.answer", own.answer, other.answer),
                is_first=number == 0,
                is_last=number == count - 1,
            )

    def moments(self, block: content.CalendarEvent) -> Iterator[BoundField]:
        for spec in EVENT_TIME_FIELDS:
            yield self.bind(spec, f"{block.id}.{spec.name}", getattr(block, spec.name))


def _typed_to_html(typed: str) -> str:
    """Also for what was refused because nothing can be made of it: its words stay."""
    try:
        return markup.typed_to_html(typed)
    except richtext.TooComplex:
        return markup.typed_to_plain_html(typed)


def _question_at(words: content.FaqWords, number: int) -> content.FaqEntry:
    return words.questions[number] if number < len(words.questions) else content.FaqEntry()


def count_questions(words: content.FaqWords, first: content.FaqWords | None) -> int:
    """How many pairs of fields a language has: its own, or as many as there are to translate; one at least."""
    return min(max(1, len(words.questions) or len(first.questions if first else ())), MAX_QUESTIONS)


def _has_words(words: content.Words) -> bool:
    return any(words.model_dump().values())


def envelope_fields(
    document: content.Document,
    *,
    language: str,
    default: str = "",
    typed: Mapping[str, str] | None = None,
    errors: Mapping[str, str] | None = None,
) -> list[BoundField]:
    own = document.envelopes.get(language, content.Envelope())
    first = document.envelopes.get(default, content.Envelope())
    drawer = _CardBuilder(language, default or language, DocumentFacts(), typed or {}, errors or {})
    return [
        drawer.bind(spec, spec.name, getattr(own, spec.name), getattr(first, spec.name)) for spec in ENVELOPE_FIELDS
    ]


def zone_abbreviation(zone: ZoneInfo, moment: str) -> str:
    """What clocks in `zone` are called at a local moment of a document, such as WIB."""
    try:
        at = datetime.fromisoformat(moment)
    except ValueError:  # none yet, or none that can be read
        at = datetime(2000, 1, 1)  # noqa: DTZ001 - given its zone below
    return zone_name(at.replace(tzinfo=zone), zone)


def is_written(block: content.Block, language: str) -> bool:
    """Whether `block` says all it has to in `language`."""
    if isinstance(block, content.Divider) or (
        isinstance(block, content.Image) and block.is_decorative and block.picture
    ):
        return True
    return language in block.words and block.words[language].is_complete


def count_missing(document: content.Document, language: str) -> int:
    """How many blocks have no words of their own in `language`."""
    return sum(1 for block in document.blocks if not is_written(block, language))
