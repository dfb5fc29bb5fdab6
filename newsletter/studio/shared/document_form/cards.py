"""The cards of the composer: one per block, with its fields filled in one language."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from newsletter import content
from newsletter.blocks import registry
from newsletter.blocks.fields import Choice, Field, ItemForm
from newsletter.blocks.forms import form_of
from newsletter.formatting import zone_name
from newsletter.rendering import richtext
from newsletter.studio.shared.document_form import markup
from newsletter.studio.shared.document_form.block_names import block_title
from newsletter.studio.shared.document_form.fields import ENVELOPE_FIELDS, KIND_LABELS
from newsletter.studio.shared.document_form.parsing import empty_words


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
class ItemFields:
    """The fields of one item of a block, such as a question with its answer, and the labels of its buttons."""

    number: int
    """From 0."""
    fields: tuple[BoundField, ...]
    label: str
    move_up: str
    move_down: str
    remove: str
    is_first: bool
    is_last: bool


@dataclass(frozen=True)
class BoundChoice:
    """A setting of the block with its value."""

    choice: Choice
    name: str
    value: str

    @property
    def id(self) -> str:
        return self.name.replace(".", "-")

    @property
    def options(self) -> list[tuple[str, str]]:
        return [(key, str(label)) for key, label in self.choice.values.items()]


@dataclass(frozen=True)
class Card:
    """A block as the composer shows it."""

    id: str
    kind: str
    label: str
    title: str
    fields: tuple[BoundField, ...]
    more: tuple[BoundField, ...]
    items: tuple[ItemFields, ...]
    item_form: ItemForm | None
    moments: tuple[BoundField, ...]
    choices: tuple[BoundChoice, ...]
    picture: content.Picture | None
    takes_picture: bool
    picture_first: bool
    """The picture is above the fields, also while there is none."""
    warnings: tuple[str, ...]
    is_decorative: bool | None
    """None if a picture of this kind cannot be decorative."""
    article: int | None
    needs_url: bool
    policy: str
    lacks_words: bool
    has_words: bool
    """The block has words to translate."""
    has_translation: bool
    """Its article exists in this language."""
    zone: str
    """The abbreviation of the zone of the block's times, such as WIB."""
    kinds: tuple[tuple[str, str], ...]
    """What it can become: (lead, "Lead story") …"""
    empty: str
    """What the block is for, while nothing is written in it."""
    template: str
    """Included above the fields."""
    is_first: bool
    is_last: bool

    @property
    def opens(self) -> bool:
        """Whether the folded fields are shown unfolded, because something in them is wrong or missing."""
        return any(
            bound.error or (self.needs_url and bound.field.name == "url" and not bound.value) for bound in self.more
        )

    @property
    def has_headline(self) -> bool:
        """Its title can become the subject."""
        return any(bound.field.name == "headline" for bound in self.fields)

    @property
    def bound_fields(self) -> tuple[BoundField, ...]:
        """Every field, in the order of the page."""
        in_items = (bound for item in self.items for bound in item.fields)
        return (*self.fields, *in_items, *self.moments, *self.more)


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
    builder = _CardBuilder(language, default, facts or DocumentFacts(), typed or {}, errors or {})
    last = len(document.blocks) - 1
    return [
        builder.card(block, is_first=place == 0, is_last=place == last) for place, block in enumerate(document.blocks)
    ]


@dataclass(frozen=True)
class _CardBuilder:
    language: str
    default: str
    facts: DocumentFacts
    typed: Mapping[str, str]
    errors: Mapping[str, str]

    def card(self, block: content.Block, *, is_first: bool, is_last: bool) -> Card:
        kind, form = registry.kind_of(block), form_of(block)
        words: Any = block.words.get(self.language) or empty_words(block.kind)
        first: Any = block.words.get(self.default) or empty_words(block.kind)
        picture = getattr(block, "picture", None)
        bounds = [
            self.bind(spec, f"{block.id}.{spec.name}", getattr(words, spec.name), getattr(first, spec.name))
            for spec in form.fields
            if spec.name != "image_alt" or picture is not None
        ]
        title, spoken = block_title(block, self.language, self.default)
        article = getattr(block, "article", None)
        lacks_words = self.language != self.default and not is_written(block, self.language)
        is_empty = not picture and not any(own.is_begun for own in block.words.values())
        return Card(
            id=block.id,
            kind=block.kind,
            label=str(form.label),
            title=title if spoken else "",
            fields=tuple(bound for bound in bounds if bound.field.is_main),
            more=tuple(bound for bound in bounds if not bound.field.is_main),
            items=tuple(self.items(block, form.items, words, first)) if form.items else (),
            item_form=form.items,
            moments=tuple(self.moments(block)),
            choices=tuple(
                BoundChoice(choice, f"{block.id}.{choice.name}", getattr(block, choice.name)) for choice in form.choices
            ),
            picture=picture,
            takes_picture=kind.has_picture,
            picture_first=form.picture_first,
            warnings=self.facts.warnings.get(picture.media, ()) if picture else (),
            is_decorative=getattr(block, "is_decorative", None),
            article=article,
            needs_url=isinstance(block, content.ArticleBlock),
            policy=block.policy.get(self.language, "fallback"),
            lacks_words=lacks_words,
            has_words=kind.has_words,
            has_translation=lacks_words and self.language in self.facts.twins.get(article or 0, frozenset()),
            zone=self.zone(block),
            kinds=tuple((name, str(KIND_LABELS[name])) for name in kind.can_become),
            empty=str(form.empty_hint) if is_empty else "",
            template=form.template,
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

    def items(
        self, block: content.Block, form: ItemForm, words: content.WordsBase, first: content.WordsBase
    ) -> Iterator[ItemFields]:
        count = count_items(form, words, first if self.language != self.default else None)
        for place in range(count):
            own, other = _item_at(form, words, place), _item_at(form, first, place)
            prefix, number = f"{block.id}.{form.prefix}{place}", {"number": place + 1}
            yield ItemFields(
                place,
                tuple(
                    self.bind(spec, f"{prefix}.{spec.name}", getattr(own, spec.name), getattr(other, spec.name))
                    for spec in form.fields
                ),
                label=str(form.label) % number,
                move_up=str(form.move_up) % number,
                move_down=str(form.move_down) % number,
                remove=str(form.remove) % number,
                is_first=place == 0,
                is_last=place == count - 1,
            )

    def moments(self, block: content.Block) -> Iterator[BoundField]:
        for spec in form_of(block).block_fields:
            yield self.bind(spec, f"{block.id}.{spec.name}", getattr(block, spec.name))

    def zone(self, block: content.Block) -> str:
        """The abbreviation that holds at the first of the block's times; "" for blocks without times."""
        names = [spec.name for spec in form_of(block).block_fields]
        return zone_abbreviation(self.facts.zone, getattr(block, names[0])) if names and self.facts.zone else ""


def _typed_to_html(typed: str) -> str:
    """Also for what was refused because nothing can be made of it: its words stay."""
    try:
        return markup.typed_to_html(typed)
    except richtext.TooComplex:
        return markup.typed_to_plain_html(typed)


def _item_at(form: ItemForm, words: content.WordsBase, place: int) -> Any:
    return words.items[place] if place < len(words.items) else form.new_item()


def count_items(form: ItemForm, words: content.WordsBase, first: content.WordsBase | None) -> int:
    """How many items are shown for editing: the language's own, or as many as there are to translate."""
    stored = len(words.items) or (len(first.items) if first else 0)
    return min(max(form.least, stored), form.most)


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
    builder = _CardBuilder(language, default or language, DocumentFacts(), typed or {}, errors or {})
    return [
        builder.bind(spec, spec.name, getattr(own, spec.name), getattr(first, spec.name)) for spec in ENVELOPE_FIELDS
    ]


def zone_abbreviation(zone: ZoneInfo, moment: str) -> str:
    """What clocks in `zone` are called at a local moment of a document, such as WIB."""
    try:
        at = datetime.fromisoformat(moment)
    except ValueError:  # none yet, or none that can be read
        at = datetime(2000, 1, 1)  # noqa: DTZ001 - given its zone below
    return zone_name(at.replace(tzinfo=zone), zone)


def is_written(block: content.Block, language: str) -> bool:
    """Whether `block` needs no more words in `language`."""
    return block.is_written(language)


def count_missing(document: content.Document, language: str) -> int:
    """How many blocks have no words of their own in `language`."""
    return sum(1 for block in document.blocks if not is_written(block, language))
