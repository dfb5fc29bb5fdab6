"""A posted form read into a document: what was typed is cleaned, and what is wrong is said field by field."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, get_args

from django.http import QueryDict
from django.utils.translation import gettext as _
from pydantic import ValidationError

from newsletter import content
from newsletter.rendering import richtext
from newsletter.studio.shared.document_form import markup
from newsletter.studio.shared.document_form.fields import (
    ANSWER,
    ENVELOPE_FIELDS,
    EVENT_TIME_FIELDS,
    FIELDS,
    POLICY_LABELS,
    QUESTION,
    TONE_LABELS,
    Field,
)

MAX_BLOCKS = 60
MAX_QUESTIONS = 20
_ID = re.compile(r"[a-z][a-z0-9]{2,39}")
_HREF = re.compile(r"(https?://[^\s/]+\S*|mailto:\S+@\S+)", re.IGNORECASE)
_DURATION = re.compile(r"([1-9]?\d:[0-5]\d|\d{1,3}):[0-5]\d")


class BadForm(ValueError):
    """A POST that our pages cannot have made."""


class StepNotPossible(Exception):
    """A step that cannot be taken here; the message says why, and what to do, to a person."""


@dataclass
class ParsedForm:
    """A posted form: the document it makes, what was typed, and what is wrong with it by field name."""

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
    annotation = content.BLOCK_TYPES[kind].model_fields["words"].annotation
    words: content.Words = get_args(annotation)[1]()
    return words


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


# --- a block ---------------------------------------------------------------------------------------------------------


def _parse_block(
    post: QueryDict, known: Mapping[str, content.Block], block_id: str, language: str, result: ParsedForm
) -> content.Block:
    if block_id not in known:
        raise BadForm("unknown block")
    block = known[block_id].model_copy(deep=True)
    old = block.words.get(language) or empty_words(block.kind)
    words: Any = old.model_copy(update=_parse_texts(post, f"{block_id}.", FIELDS[block.kind], result))
    if isinstance(words, content.FaqWords):
        words.questions = _parse_questions(post, block_id, words.questions, result)
    if block.kind != "divider" and (words != empty_words(block.kind) or language in block.words):
        block.words[language] = words
    policy, tone = post.get(f"{block_id}.policy"), post.get(f"{block_id}.tone")
    if policy in POLICY_LABELS and policy != block.policy.get(language, "fallback"):
        block.policy[language] = policy  # type: ignore[assignment]  # one of the Policy literals
    if isinstance(block, content.Callout) and tone in TONE_LABELS:
        block.tone = tone  # type: ignore[assignment]  # one of the Tone literals
    if isinstance(block, content.Image) and f"{block_id}.is_decorative" in post:
        block.is_decorative = post[f"{block_id}.is_decorative"] == "yes"
    if isinstance(block, content.CalendarEvent):
        _parse_event_times(post, block, result)
    return block


def _parse_questions(
    post: QueryDict, block_id: str, old: list[content.FaqEntry], result: ParsedForm
) -> list[content.FaqEntry]:
    """The pairs that were posted. An empty one at the end is a field nobody used, unless it was asked for."""
    found: list[content.FaqEntry] = []
    for number in range(MAX_QUESTIONS):
        prefix = f"{block_id}.q{number}."
        if f"{prefix}question" not in post and f"{prefix}answer" not in post:
            break
        before = old[number] if number < len(old) else content.FaqEntry()
        found.append(before.model_copy(update=_parse_texts(post, prefix, (QUESTION, ANSWER), result)))
    if not found:
        return old
    while len(found) > len(old) and found[-1] == content.FaqEntry():
        found.pop()
    return found


def _parse_event_times(post: QueryDict, block: content.CalendarEvent, result: ParsedForm) -> None:
    for spec in EVENT_TIME_FIELDS:
        name = f"{block.id}.{spec.name}"
        if name not in post:
            continue
        text = result.typed[name] = str(post[name]).strip()
        moment = _ascii_digits(text).replace(" ", "T", 1)[:16]
        if moment and not _is_moment(moment):
            result.errors[name] = _("Write a date and a time, such as 2026-12-01 09:00.")
        else:
            setattr(block, spec.name, moment)
    end = f"{block.id}.ends_at"
    if block.starts_at and block.ends_at and block.ends_at < block.starts_at:
        result.errors.setdefault(end, _("This is before the start. Write a later time, or leave it empty."))


def _ascii_digits(text: str) -> str:
    """Arabic and full-width digits as those that a document is stored with."""
    return "".join(str(unicodedata.decimal(sign)) if sign.isdecimal() else sign for sign in text)


def _is_moment(text: str) -> bool:
    try:
        at = datetime.strptime(text, "%Y-%m-%dT%H:%M")  # noqa: DTZ007 - a clock in the newsletter's zone
    except ValueError:
        return False
    return len(text) == 16 and 2000 <= at.year < 2100


def _parse_texts(post: QueryDict, prefix: str, fields: Iterable[Field], result: ParsedForm) -> dict[str, str]:
    """What was typed into `fields`, cleaned; fields that were not on the form are left out."""
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
