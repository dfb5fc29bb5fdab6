"""What each language of an issue gets, block by block. Reads only."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from newsletter import content, formatting
from newsletter.blocks import registry
from newsletter.models import Issue, Newsletter
from newsletter.studio.shared import document_form

# --- the matrix ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ContentCell:
    tone: str
    """yes, part or none: a class of the stylesheet."""
    icon: str
    text: str


@dataclass(frozen=True)
class ContentRow:
    title: str
    language: str
    """Of the title; empty where it is in the page's."""
    note: str
    cells: tuple[ContentCell, ...]
    block: str = ""


def matrix(issue: Issue) -> list[ContentRow]:
    """Subject and blocks, with a cell for each language of the newsletter."""
    document, newsletter = content.parse(issue.content), issue.newsletter
    default = newsletter.default_language
    subject = ContentRow(
        title=_("Subject"),
        language=default,
        note=document.envelope(default, default).subject,
        cells=tuple(_subject_cell(document, code) for code in newsletter.languages),
    )
    blocks = (block for block in document.blocks if registry.kind_of(block).has_words)
    return [subject, *(_block_row(block, newsletter) for block in blocks)]


def coverage(rows: list[ContentRow]) -> list[str]:
    """For each language, how many of the blocks it shows: "5 of 6 blocks"."""
    blocks = [row for row in rows if row.block]
    columns = zip(*(row.cells for row in blocks), strict=True)
    shown = [sum(cell.icon not in {"minus", "circle-alert"} for cell in column) for column in columns]
    return [_describe_coverage(count, len(blocks)) for count in shown]


def _describe_coverage(count: int, all_blocks: int) -> str:
    if count == all_blocks:
        return ngettext("%(count)s block", "all %(count)s blocks", count) % {"count": formatting.format_number(count)}
    words = {"count": formatting.format_number(count), "all": formatting.format_number(all_blocks)}
    return _("%(count)s of %(all)s blocks") % words


def _subject_cell(document: content.Document, language: str) -> ContentCell:
    own = document.envelopes.get(language, content.Envelope()).subject
    if own:
        words = ngettext("%(count)s character", "%(count)s characters", len(own))
        return ContentCell("yes", "check", words % {"count": formatting.format_number(len(own))})
    return ContentCell("part", "languages", _("From the first language"))


def _block_row(block: content.Block, newsletter: Newsletter) -> ContentRow:
    default = newsletter.default_language
    title, language = document_form.block_title(block, default)
    cells = tuple(_block_cell(block, code, default) for code in newsletter.languages)
    return ContentRow(title=title, language=language, note="", cells=cells, block=block.id)


def _block_cell(block: content.Block, language: str, default: str) -> ContentCell:
    shown = content.words_for(block, language, default)
    if shown is None:
        missing = block.policy.get(language) == "required"
        return (
            ContentCell("part", "circle-alert", _("Missing"))
            if missing
            else ContentCell("none", "minus", _("Left out"))
        )
    if shown[1] != language:
        return ContentCell(
            "part", "languages", _("%(language)s, with a note") % {"language": formatting.language_name(shown[1])}
        )
    return ContentCell("yes", "check", _("Ready"))
