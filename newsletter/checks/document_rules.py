"""Checks of an issue's document, before anything is rendered: languages, unfinished blocks, invalid URLs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

from newsletter import content, editions
from newsletter.blocks import registry
from newsletter.blocks.findings import Defect
from newsletter.blocks.rules import checks_of
from newsletter.checks import link_checker
from newsletter.formatting import language_name
from newsletter.models import MediaFile
from newsletter.rendering import appearance, links, richtext

MAX_PICTURE_BYTES = 600_000
MAX_PICTURE_WIDTH = 1_200


def find_missing_translations(document: content.Document, language: str, default: str) -> Iterator[Defect]:
    """What readers of `language` would not get, or would get in another language."""
    name = language_name(language)
    shown = content.shown_blocks(document, language, default)
    if not any(registry.kind_of(block).has_words for block, _words, _spoken in shown):
        yield Defect(_("There is nothing to read in %(language)s.") % {"language": name})
        return
    for block in document.blocks:
        own = block.words.get(language)
        if block.policy.get(language) == "required" and not (own and own.is_complete):
            yield Defect(_("This block has to be written in %(language)s.") % {"language": name}, block.id)
    if language == default:
        return
    if not document.envelope(language, language).subject:
        yield Defect(_("The subject is not written in %(language)s yet.") % {"language": name}, None, "warns")
    if not any(
        spoken == language for block, _w, spoken in content.shown_blocks(document, language, default) if block.words
    ):
        yield Defect(_("No text is written in %(language)s yet.") % {"language": name}, None, "warns")


def find_unmarked_fallbacks(
    rendering: editions.Rendering, document: content.Document, default: str
) -> Iterator[Defect]:
    shown = content.shown_blocks(document, rendering.language, default)
    foreign = {block.id: spoken for block, _words, spoken in shown if spoken != rendering.language}
    tree = appearance.parse_html(rendering.html) if foreign else None
    for block_id, spoken in foreign.items():
        parts = [] if tree is None else tree.find_class(f"blk-{block_id}")
        marked = [
            one for part in parts for one in part.iter() if isinstance(one.tag, str) and one.get("lang") == spoken
        ]
        if parts and not marked:
            yield Defect(_("A text in another language is not marked as such."), block_id)


def find_unfinished_blocks(document: content.Document, languages: Iterable[str]) -> Iterator[Defect]:
    """Blocks that are begun in a language. They, or parts of them, would be left out without notice."""
    for block in document.blocks:
        checks = checks_of(block)
        yield from checks.find_unfinished(block, tuple(languages))
        for language in languages:
            words = block.words.get(language)
            if words is None or not words.is_begun or _is_decoration(block):
                continue
            flaws = checks.find_flaws(words) if words.is_complete else [Defect(checks.describe_unfinished(words))]
            yield from (flaw._replace(block=block.id, language=language) for flaw in flaws)


def _is_decoration(block: content.Block) -> bool:
    return bool(getattr(block, "is_decorative", False))


def find_linked_decorations(document: content.Document, languages: Iterable[str]) -> Iterator[Defect]:
    for block in document.blocks:
        for language in languages:
            words = block.words.get(language)
            if _is_decoration(block) and words and any(getattr(words, name) for name in words.LINK_FIELDS):
                message = _("A picture that is only decoration cannot be a link. Describe it, or take the link away.")
                yield Defect(message, block.id, None, language)


def find_invalid_links(document: content.Document) -> Iterator[Defect]:
    for link in link_checker.document_links(document):
        if not links.is_safe_url(link.url) and not link.url.startswith("#"):
            message = _("“%(address)s” is not a web address. It has to start with https.")
            yield Defect(message % {"address": link.url[:60]}, link.block, None, link.language)


def find_duplicate_articles(document: content.Document) -> Iterator[Defect]:
    seen: set[int] = set()
    for block in document.blocks:
        article = block.article if isinstance(block, content.ArticleBlock) else None
        if article and article in seen:
            yield Defect(_("The same article is in this issue twice."), block.id)
        if article:
            seen.add(article)


def find_missing_fallbacks(document: content.Document, languages: Iterable[str]) -> Iterator[Defect]:
    """Merge fields without a fallback for readers who gave no name."""
    message = _("A place for the reader's name has no words for readers who gave none. Write some, such as “reader”.")
    for block in document.blocks:
        for language in languages:
            words = block.words.get(language)
            texts = words.rich_texts() if words else ()
            if any(not fallback for text in texts for _name, fallback in _fields(text)):
                yield Defect(message, block.id, None, language)


def _fields(html: str) -> list[tuple[str, str]]:
    try:
        return list(richtext.merge_fields(richtext.parse(html)))
    except richtext.TooComplex:
        return []  # rendering says so


# --- pictures --------------------------------------------------------------------------------------------------------


def shown_picture(block: content.Block) -> content.Picture | None:
    """The picture that a mail shows of this block."""
    return getattr(block, "picture", None)


def find_heavy_pictures(document: content.Document) -> Iterator[Defect]:
    shown = {picture.media: block.id for block in reversed(document.blocks) if (picture := shown_picture(block))}
    total = 0
    for file in MediaFile.objects.filter(pk__in=shown):
        total += file.size
        if file.width > MAX_PICTURE_WIDTH:
            yield Defect(_("This picture is wider than 1,200 pixels."), shown[file.pk])
    if total > MAX_PICTURE_BYTES:
        yield Defect(_("The pictures have %(size)s kB together; 600 are quick to load.") % {"size": total // 1000})


def find_missing_alt_texts(document: content.Document, languages: Iterable[str]) -> Iterator[Defect]:
    """Pictures of stories without a description."""
    for block in document.blocks:
        if not isinstance(block, content.ArticleBlock) or not shown_picture(block):
            continue
        for language in languages:
            words = block.words.get(language)
            if words and words.is_complete and not getattr(words, "image_alt", ""):
                yield Defect(_("This picture has no description. Say what it shows."), block.id, None, language)


def find_missing_alternatives(document: content.Document, languages: Iterable[str]) -> Iterator[Defect]:
    """Drawings whose facts are not available in words, and videos without a transcript."""
    for block in document.blocks:
        for language in languages:
            words = block.words.get(language)
            if words is None or not words.is_complete:
                continue
            if message := checks_of(block).missing_alternative(block, words):
                yield Defect(message, block.id, None, language)


# --- dates -----------------------------------------------------------------------------------------------------------


def find_invalid_times(document: content.Document, *, at: datetime, zone: ZoneInfo) -> Iterator[Defect]:
    """Events without a time, that end before they begin, or that are over when the issue is sent at `at`."""
    for block in document.blocks:
        if defect := checks_of(block).find_invalid_time(block, at, zone):
            yield defect
