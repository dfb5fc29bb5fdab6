"""Change notes in the composer: a note on each block whose article has changed, and the steps that answer it.

`take:b1` and `take:b1:en` use the article's new text. `keep:b1` and `keep:b1:en` keep the editor's text.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _

from newsletter import content, formatting
from newsletter.articles import article_changes
from newsletter.models import Issue
from newsletter.studio.shared import document_form

MIN_SIMILARITY = 0.4
"""Texts with a lower similarity ratio are shown one after the other, not as a word diff."""


@dataclass(frozen=True)
class DiffSegment:
    """Words of a text that are new, old or unchanged."""

    text: str
    is_new: bool = False
    is_old: bool = False


@dataclass(frozen=True)
class TextDiff:
    """The old text, the new text and the word diff."""

    then: str
    now: str
    pieces: tuple[DiffSegment, ...]


@dataclass(frozen=True)
class ChangeNote:
    """A change as the card of its block shows it."""

    block: str
    kind: article_changes.ChangeKind
    language: str
    language_name: str
    """"" for the language of the open tab."""
    differences: tuple[TextDiff, ...]
    url: str
    reason: str
    looked_at: datetime | None

    @property
    def rest(self) -> str:
        """The arguments of the step in `do`, after the verb."""
        return f"{self.block}:{self.language}"

    @property
    def can_take(self) -> bool:
        return self.kind in {"retitled", "reworded", "moved"}


def list_notes(document: content.Document, *, language: str) -> list[ChangeNote]:
    """The notes of all blocks. Notes for `language` come first."""
    found = [build_note(change, language=language) for change in article_changes.find_document_changes(document)]
    return sorted(found, key=lambda one: bool(one.language_name))


def build_note(change: article_changes.ArticleChange, *, language: str = "") -> ChangeNote:
    then, now = change.then, change.now
    texts = [(then.title, now.title), (then.summary, now.summary)] if change.kind in {"retitled", "reworded"} else []
    return ChangeNote(
        block=change.block,
        kind=change.kind,
        language=change.language,
        language_name="" if change.language == language else formatting.language_name(change.language),
        differences=tuple(diff_texts(old, new) for old, new in texts if not article_changes.is_same_text(old, new)),
        url=change.url,
        reason=_(change.reason) if change.reason else "",
        looked_at=change.looked_at,
    )


def diff_texts(then: str, now: str) -> TextDiff:
    """Compare two texts word by word."""
    old, new = then.split(), now.split()
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    if matcher.ratio() < MIN_SIMILARITY:
        return TextDiff(then, now, _old_and_new(then, now))
    pieces: list[DiffSegment] = []
    for what, a, b, c, d in matcher.get_opcodes():
        removed, added = " ".join(old[a:b]), " ".join(new[c:d])
        pieces += [DiffSegment(removed)] if what == "equal" else _old_and_new(removed, added)
    return TextDiff(then, now, tuple(pieces))


def _old_and_new(then: str, now: str) -> tuple[DiffSegment, ...]:
    return tuple(piece for piece in (DiffSegment(then, is_old=True), DiffSegment(now, is_new=True)) if piece.text)


# --- steps -----------------------------------------------------------------------------------------------------------


def accept_change(_issue: Issue, document: content.Document, rest: str) -> str:
    return _apply_answer(article_changes.update_block, document, rest)


def reject_change(_issue: Issue, document: content.Document, rest: str) -> str:
    return _apply_answer(article_changes.dismiss_change, document, rest)


def _apply_answer(answer: Callable[..., None], document: content.Document, rest: str) -> str:
    block, _colon, language = rest.partition(":")
    try:
        answer(document, block, language=language)
    except article_changes.BlockNotFound:
        raise document_form.BadForm("block") from None
    return block
