"""An issue's document as a form: fields per block in one language, read back from a POST; and steps on its blocks.

The form is the state: hidden `block` inputs in order, fields named `<block>.<field>`. What a form does not show (other
languages, article, picture) is taken from the stored blocks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, get_args

from django.http import QueryDict
from django.utils.functional import Promise
from django.utils.translation import get_language_info, gettext_lazy
from django.utils.translation import gettext as _
from pydantic import ValidationError

from newsletter import content
from newsletter.rendering import richtext

MOST_BLOCKS = 60
_ID = re.compile(r"[a-z][a-z0-9]{2,39}")
_HREF = re.compile(r"(https?://[^\s/]+\S*|mailto:\S+@\S+)", re.IGNORECASE)
_PARAGRAPH = re.compile(r"<p>(.*?)</p>", re.DOTALL)
_LIST = re.compile(r"<(ul|ol)>(.*?)</\1>", re.DOTALL)
_ITEM = re.compile(r"<li>(.*?)</li>", re.DOTALL)
_DASH, _NUMBER = re.compile(r"^\s*[-•]\s+"), re.compile(r"^\s*\d+[.)]\s+")

KINDS: dict[str, Promise] = {
    "lead": gettext_lazy("Lead story"),
    "story": gettext_lazy("Story"),
    "brief": gettext_lazy("In brief"),
    "text": gettext_lazy("Text"),
    "notice": gettext_lazy("Notice"),
    "quote": gettext_lazy("Quote"),
    "button": gettext_lazy("Button"),
    "divider": gettext_lazy("Divider"),
}
TONES = {
    "info": gettext_lazy("For information"),
    "warning": gettext_lazy("Warning"),
    "scam": gettext_lazy("Warning of fraud"),
}
POLICIES = {
    "fallback": gettext_lazy("Show the first language, with a note"),
    "optional": gettext_lazy("Leave this block out"),
    "required": gettext_lazy("Do not send until it is translated"),
}


class BadForm(ValueError):
    """A POST that our pages cannot have made."""


@dataclass(frozen=True)
class Field:
    """How one text of a block is typed."""

    name: str
    label: Promise
    kind: str = "line"
    """line, headline, url or rich (a little HTML)."""
    most: int = 300
    hint: Promise | str = ""


HEADLINE = Field("headline", gettext_lazy("Headline"), "headline")
SUMMARY = Field("summary", gettext_lazy("Summary"), "rich", 4000)
ADDRESS = Field("url", gettext_lazy("Address of the article"), "url", 1000)
LINK_TEXT = Field(
    "link_text", gettext_lazy("Words of the link"), hint=gettext_lazy("Say where it leads. Empty: no link.")
)
ALT = Field("image_alt", gettext_lazy("What the picture shows"), hint=gettext_lazy("For readers who do not see it."))
UPDATE = Field("update", gettext_lazy("What changed since"), hint=gettext_lazy("Only for a story you told before."))
FIELDS: dict[str, tuple[Field, ...]] = {
    "lead": (HEADLINE, SUMMARY, ADDRESS, LINK_TEXT, ALT, UPDATE),
    "story": (HEADLINE, SUMMARY, ADDRESS, LINK_TEXT, ALT, UPDATE),
    "brief": (HEADLINE, SUMMARY, ADDRESS, UPDATE),
    "text": (Field("heading", gettext_lazy("Heading"), "headline"), Field("body", gettext_lazy("Text"), "rich", 8000)),
    "notice": (
        Field("heading", gettext_lazy("Heading"), "headline"),
        Field("body", gettext_lazy("Text"), "rich", 4000),
    ),
    "quote": (
        Field("quote", gettext_lazy("Quote"), "headline", 1000),
        Field("source", gettext_lazy("Who said it")),
    ),
    "button": (
        Field("label", gettext_lazy("Words on the button")),
        Field("url", gettext_lazy("Leads to"), "url", 1000),
    ),
    "divider": (),
}
MAIN = frozenset({"headline", "summary", "heading", "body", "quote", "source", "label"})
"""Fields always in sight; the others fold away once they are filled."""
ENVELOPE = (
    Field("subject", gettext_lazy("Subject"), "headline", 200),
    Field("preheader", gettext_lazy("Preview text"), "line", 200),
)


# --- showing ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Bound:
    """A field with what is in it."""

    field: Field
    name: str
    value: str
    error: str = ""

    @property
    def id(self) -> str:
        return self.name.replace(".", "-")


@dataclass(frozen=True)
class Card:
    """A block as the composer shows it."""

    id: str
    kind: str
    label: str
    title: str
    fields: tuple[Bound, ...]
    more: tuple[Bound, ...]
    picture: content.Picture | None
    article: int | None
    tone: str
    policy: str
    lacks_words: bool
    is_first: bool
    is_last: bool

    @property
    def opens(self) -> bool:
        """Whether the folded fields must be seen at once: something in them is wrong or missing."""
        return any(bound.error or (bound.field.kind == "url" and not bound.value) for bound in self.more)


def cards(
    document: content.Document,
    *,
    language: str,
    default: str,
    typed: Mapping[str, str] | None = None,
    errors: Mapping[str, str] | None = None,
) -> list[Card]:
    """One card a block. `typed` wins over the document: what a person wrote stays, also where it is wrong."""
    bind = partial(_bound, typed=typed or {}, errors=errors or {})
    last = len(document.blocks) - 1
    return [
        _card(block, language=language, default=default, bind=bind, is_first=place == 0, is_last=place == last)
        for place, block in enumerate(document.blocks)
    ]


def _card(block: content.Block, *, language: str, default: str, bind: Any, is_first: bool, is_last: bool) -> Card:
    words: Any = block.words.get(language) or _empty_words(block.kind)
    first: Any = block.words.get(default) or _empty_words(block.kind)
    bounds = [bind(spec, f"{block.id}.{spec.name}", getattr(words, spec.name)) for spec in FIELDS[block.kind]]
    picture = getattr(block, "picture", None)
    if picture is None:
        bounds = [bound for bound in bounds if bound.field is not ALT]
    title_field = next((spec.name for spec in FIELDS[block.kind]), "")
    return Card(
        id=block.id,
        kind=block.kind,
        label=str(KINDS[block.kind]),
        title=(getattr(words, title_field, "") or getattr(first, title_field, "")) if title_field else "",
        fields=tuple(bound for bound in bounds if bound.field.name in MAIN or block.kind == "button"),
        more=tuple(bound for bound in bounds if bound.field.name not in MAIN and block.kind != "button"),
        picture=picture,
        article=getattr(block, "article", None),
        tone=getattr(block, "tone", ""),
        policy=block.policy.get(language, "fallback"),
        lacks_words=language != default and not words.is_complete and block.kind != "divider",
        is_first=is_first,
        is_last=is_last,
    )


def envelope(
    document: content.Document,
    *,
    language: str,
    typed: Mapping[str, str] | None = None,
    errors: Mapping[str, str] | None = None,
) -> list[Bound]:
    own = document.envelopes.get(language, content.Envelope())
    return [
        _bound(spec, spec.name, getattr(own, spec.name), typed=typed or {}, errors=errors or {}) for spec in ENVELOPE
    ]


def _bound(spec: Field, name: str, value: str, *, typed: Mapping[str, str], errors: Mapping[str, str]) -> Bound:
    shown = as_typed(value) if spec.kind == "rich" else value
    return Bound(spec, name, typed.get(name, shown), errors.get(name, ""))


def missing(document: content.Document, language: str) -> int:
    """How many blocks have no words of their own in `language`."""
    return sum(
        1
        for block in document.blocks
        if block.kind != "divider" and not (language in block.words and block.words[language].is_complete)
    )


def language_name(code: str) -> str:
    return str(get_language_info(code)["name_translated"])


def _empty_words(kind: str) -> content.Words:
    annotation = content.KINDS[kind].model_fields["words"].annotation
    words: content.Words = get_args(annotation)[1]()
    return words


# --- reading ---------------------------------------------------------------------------------------------------------


@dataclass
class Read:
    """A posted form: the document it makes, what was typed, and what is wrong with it by field name."""

    document: content.Document
    typed: dict[str, str] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)


def read(post: QueryDict, stored: content.Document, known: Mapping[str, content.Block], *, language: str) -> Read:
    """The document that `post` makes of `stored`. `known` holds every block the form may name. Raises BadForm."""
    ids = post.getlist("block")
    if len(ids) > MOST_BLOCKS or len(set(ids)) != len(ids) or not all(map(_ID.fullmatch, ids)):
        raise BadForm("blocks")
    result = Read(stored.model_copy(deep=True))
    result.document.envelopes[language] = content.Envelope(**_texts(post, "", ENVELOPE, result))
    result.document.blocks = [_block(post, known, block_id, language, result) for block_id in ids]
    return result


def _block(
    post: QueryDict, known: Mapping[str, content.Block], block_id: str, language: str, result: Read
) -> content.Block:
    if block_id not in known:
        raise BadForm("unknown block")
    block = known[block_id].model_copy(deep=True)
    texts = _texts(post, f"{block_id}.", FIELDS[block.kind], result)
    old = block.words.get(language) or _empty_words(block.kind)
    words: Any = old.model_copy(update=texts)
    if block.kind != "divider" and (words != _empty_words(block.kind) or language in block.words):
        block.words[language] = words
    policy, tone = post.get(f"{block_id}.policy"), post.get(f"{block_id}.tone")
    if policy in POLICIES:
        block.policy[language] = policy  # type: ignore[assignment]  # one of the Policy literals
    if isinstance(block, content.Notice) and tone in TONES:
        block.tone = tone  # type: ignore[assignment]
    return block


def _texts(post: QueryDict, prefix: str, fields: Iterable[Field], result: Read) -> dict[str, str]:
    """What was typed into `fields`, cleaned; fields that were not on the form are left out."""
    texts = {}
    for spec in fields:
        name = prefix + spec.name
        if name not in post:
            continue
        text = str(post[name]).replace("\r\n", "\n")
        result.typed[name] = text
        if error := _fault(spec, text):
            result.errors[name] = error
        elif spec.kind == "rich":
            texts[spec.name] = as_html(text)
        else:
            texts[spec.name] = richtext.plain(text)
    return texts


def _fault(spec: Field, text: str) -> str:
    if len(text) > spec.most:
        return _("Too long: %(have)s characters, and %(most)s fit.") % {"have": len(text), "most": spec.most}
    if spec.kind == "url" and text.strip() and not _HREF.fullmatch(text.strip()):
        return _("Write a whole address that begins with https://")
    if spec.kind == "rich" and text.count("<") > richtext.MOST_TAGS:
        return _("Too much markup for a summary.")
    return ""


def as_html(text: str) -> str:
    """What a person typed as clean HTML: an empty line parts paragraphs, a line with a dash or number is a list item."""
    pieces = [_piece(chunk.strip("\n")) for chunk in re.split(r"\n[ \t]*\n", text.strip()) if chunk.strip()]
    return richtext.to_html(richtext.read("".join(pieces)), lambda url, _words: url)


def _piece(chunk: str) -> str:
    lines = [line for line in chunk.split("\n") if line.strip()]
    for mark, tag in ((_DASH, "ul"), (_NUMBER, "ol")):
        if all(mark.match(line) for line in lines):
            return f"<{tag}>" + "".join(f"<li>{mark.sub('', line)}</li>" for line in lines) + f"</{tag}>"
    if chunk.lstrip().startswith(("<p", "<ul", "<ol")):
        return chunk
    return "<p>" + "<br>".join(lines) + "</p>"


def as_typed(html: str) -> str:
    """The other way round: what a textarea shows for stored HTML."""
    text = _LIST.sub(_typed_list, html)
    text = _PARAGRAPH.sub(lambda found: found[1].replace("<br />", "\n").replace("<br>", "\n") + "\n\n", text)
    return text.replace("&amp;", "&").replace("&#160;", "\xa0").strip()


def _typed_list(found: re.Match[str]) -> str:
    items = _ITEM.findall(found[2])
    marks = (f"{number}. " if found[1] == "ol" else "- " for number in range(1, len(items) + 1))
    return "\n".join(mark + item for mark, item in zip(marks, items, strict=True)) + "\n\n"


# --- steps -----------------------------------------------------------------------------------------------------------


def step(document: content.Document, do: str) -> str:
    """Do one step on the blocks (up:b1, down:b1, remove:b1, add:text, add:text:b1) and return the id to focus. Raises BadForm."""
    verb, _colon, rest = do.partition(":")
    if verb == "add":
        kind, _colon, after = rest.partition(":")
        return _add(document, kind, after)
    places = {block.id: place for place, block in enumerate(document.blocks)}
    if rest not in places or verb not in {"up", "down", "remove"}:
        raise BadForm("step")
    place, blocks = places[rest], document.blocks
    block = blocks.pop(place)
    if verb == "remove":
        return blocks[min(place, len(blocks) - 1)].id if blocks else ""
    blocks.insert(max(0, place - 1) if verb == "up" else place + 1, block)
    return block.id


def _add(document: content.Document, kind: str, after: str) -> str:
    if kind not in content.KINDS or len(document.blocks) >= MOST_BLOCKS:
        raise BadForm("kind")
    block: Any = content.KINDS[kind]()
    place = next((place + 1 for place, there in enumerate(document.blocks) if there.id == after), len(document.blocks))
    document.blocks.insert(place, block)
    return str(block.id)


def known_blocks(stored: content.Document, revisions: Iterable[dict[str, Any]]) -> dict[str, content.Block]:
    """Blocks by id: the stored ones, and those of older revisions, which somebody else may have removed meanwhile."""
    known = {block.id: block for block in stored.blocks}
    for old in revisions:
        try:
            document = content.parse(old)
        except ValidationError:
            continue
        known = {block.id: block for block in document.blocks} | known
    return known
