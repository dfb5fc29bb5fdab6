"""Read a posted form into a document: texts are cleaned, and errors are collected by field name."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.http import QueryDict
from django.utils.translation import gettext as _
from pydantic import ValidationError

from newsletter import content
from newsletter.blocks import registry
from newsletter.blocks.fields import Field, ItemForm
from newsletter.blocks.forms import form_of
from newsletter.rendering import richtext
from newsletter.studio.shared.document_form import markup
from newsletter.studio.shared.document_form.fields import ENVELOPE_FIELDS, POLICY_LABELS

MAX_BLOCKS = 60
_ID = re.compile(r"[a-z][a-z0-9]{2,39}")
_HREF = re.compile(r"(https?://[^\s/]+\S*|mailto:\S+@\S+)", re.IGNORECASE)
_DURATION = re.compile(r"([1-9]?\d:[0-5]\d|\d{1,3}):[0-5]\d")


class BadForm(ValueError):
    """A POST that the pages cannot have made."""


class StepNotPossible(Exception):
    """A step that is not possible here. The message says why, and what to do; it is shown to editors."""


@dataclass
class ParsedForm:
    """A posted form: the document made from it, the texts as they were typed, and messages about errors, by field name."""

    document: content.Document
    typed: dict[str, str] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)


def parse(
    post: QueryDict, stored: content.Document, known: Mapping[str, content.Block], *, language: str
) -> ParsedForm:
    """The document that `post` makes of `stored`. `known` holds every block the form may name. Raises BadForm."""
    ids = post.getlist("block")
    if len(ids) > MAX_BLOCKS or len(set(ids)) != len(ids) or not all(map(_ID.fullmatch, ids)):
        raise BadForm("blocks")
    result = ParsedForm(stored.model_copy(deep=True))
    result.document.envelopes[language] = content.Envelope(**_parse_texts(post, "", ENVELOPE_FIELDS, result))
    result.document.blocks = [_parse_block(post, known, block_id, language, result) for block_id in ids]
    return result


def empty_words(kind: str) -> content.Words:
    words: content.Words = registry.KINDS[kind].new_words()
    return words


def known_blocks(stored: content.Document, revisions: Iterable[dict[str, Any]]) -> dict[str, content.Block]:
    """Blocks by id: the stored ones, and those of older revisions, which somebody else may have removed in between."""
    known = {block.id: block for block in stored.blocks}
    for old in revisions:
        try:
            document = content.parse(old)
        except ValidationError:
            continue
        known = {block.id: block for block in document.blocks} | known
    return known


# --- a block ---------------------------------------------------------------------------------------------------------


def _parse_block(
    post: QueryDict, known: Mapping[str, content.Block], block_id: str, language: str, result: ParsedForm
) -> content.Block:
    if block_id not in known:
        raise BadForm("unknown block")
    block = known[block_id].model_copy(deep=True)
    form, kind = form_of(block), registry.kind_of(block)
    old = block.words.get(language) or empty_words(block.kind)
    words: Any = old.model_copy(update=_parse_texts(post, f"{block_id}.", form.fields, result))
    if form.items:
        setattr(words, words.ITEMS_FIELD, _parse_items(post, block_id, form.items, words.items, result))
    if kind.has_words and (words != empty_words(block.kind) or language in block.words):
        block.words[language] = words
    policy = post.get(f"{block_id}.policy")
    if policy in POLICY_LABELS and policy != block.policy.get(language, "fallback"):
        block.policy[language] = policy  # type: ignore[assignment]  # one of the LanguagePolicy literals
    _parse_settings(post, block, result)
    return block


def _parse_items(post: QueryDict, block_id: str, form: ItemForm, old: list[Any], result: ParsedForm) -> list[Any]:
    """The posted items. Empty ones at the end are unused fields and are dropped, unless they are stored already."""
    items: list[Any] = []
    for number in range(form.most):
        prefix = f"{block_id}.{form.prefix}{number}."
        if not any(f"{prefix}{spec.name}" in post for spec in form.fields):
            break
        before = old[number] if number < len(old) else form.new_item()
        items.append(before.model_copy(update=_parse_texts(post, prefix, form.fields, result)))
    if not items:
        return old
    while len(items) > len(old) and items[-1] == form.new_item():
        items.pop()
    return items


def _parse_settings(post: QueryDict, block: Any, result: ParsedForm) -> None:
    """What belongs to the block in all languages: choices, times, and what only its kind has."""
    form = form_of(block)
    for choice in form.choices:
        value = post.get(f"{block.id}.{choice.name}")
        if value in choice.values:
            setattr(block, choice.name, value)
    for spec in form.block_fields:
        _parse_moment(post, block, spec, result)
    form.read_settings(post, block)
    for name, message in form.find_errors(block).items():
        result.errors.setdefault(f"{block.id}.{name}", message)


def _parse_moment(post: QueryDict, block: Any, spec: Field, result: ParsedForm) -> None:
    name = f"{block.id}.{spec.name}"
    if name not in post:
        return
    text = result.typed[name] = str(post[name]).strip()
    moment = _ascii_digits(text).replace(" ", "T", 1)[:16]
    if moment and not _is_moment(moment):
        result.errors[name] = _("Write a date and a time, such as 2026-12-01 09:00.")
    else:
        setattr(block, spec.name, moment)


def _ascii_digits(text: str) -> str:
    """Replace Arabic, full-width and other digits by 0 to 9."""
    return "".join(str(unicodedata.decimal(sign)) if sign.isdecimal() else sign for sign in text)


def _is_moment(text: str) -> bool:
    try:
        at = datetime.strptime(text, "%Y-%m-%dT%H:%M")  # noqa: DTZ007 - a clock in the newsletter's zone
    except ValueError:
        return False
    return len(text) == 16 and 2000 <= at.year < 2100


def _parse_texts(post: QueryDict, prefix: str, fields: Iterable[Field], result: ParsedForm) -> dict[str, str]:
    """The posted texts of `fields`, cleaned. Fields that are not in the form are left out."""
    texts = {}
    for spec in fields:
        name = prefix + spec.name
        if name not in post:
            continue
        text = str(post[name]).replace("\r\n", "\n")
        result.typed[name] = text
        if error := _find_error(spec, text):
            result.errors[name] = error
        elif spec.kind == "rich":
            try:
                texts[spec.name] = markup.typed_to_html(text)
            except richtext.TooComplex:
                result.errors[name] = _("Too much markup for a summary.")
        else:
            texts[spec.name] = richtext.clean_line(text)
    return texts


def _find_error(spec: Field, text: str) -> str:
    if len(text) > spec.most:
        return _("Too long: %(have)s characters, and %(most)s fit.") % {"have": len(text), "most": spec.most}
    if spec.kind == "url" and text.strip() and not _HREF.fullmatch(text.strip()):
        return _("Write a whole address that begins with https://")
    if spec.kind == "duration" and text.strip() and not _DURATION.fullmatch(text.strip()):
        return _("Write minutes and seconds, such as 3:45.")
    return ""
