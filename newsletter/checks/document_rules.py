"""What an issue's document lacks before anything is rendered: languages, half-written blocks, wrong addresses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

from newsletter import content, editions
from newsletter.checks import link_checker
from newsletter.checks.findings import Defect
from newsletter.formatting import language_name
from newsletter.models import MediaFile
from newsletter.rendering import appearance, links, richtext

MAX_PICTURE_BYTES = 600_000
MAX_PICTURE_WIDTH = 1_200


def find_missing_translations(document: content.Document, language: str, default: str) -> Iterator[Defect]:
    """What a reader of `language` would not get, or would get in another language without being told."""
    name = language_name(language)
    if not any(block.kind != "divider" for block, _words, _spoken in content.shown_blocks(document, language, default)):
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
    """Blocks that somebody began in a language; they, or parts of them, would be left out without a word."""
    for block in document.blocks:
        yield from _unfinished_picture(block, tuple(languages))
        for language in languages:
            words = block.words.get(language)
            if words is None or not any(words.model_dump().values()) or _is_decoration(block):
                continue
            if not words.is_complete:
                yield Defect(_lacks(words), block.id, None, language)
            elif isinstance(words, content.FaqWords):
                yield from _unanswered(words, block.id, language)


def _lacks(words: content.Words) -> str:
    match words:
        case content.StoryWords(headline="") | content.VideoWords(headline="") | content.CalendarEventWords():
            return _("This block has no headline.")
        case content.StoryWords():
            return _("This story has no link to its article.")
        case content.VideoWords():
            return _("This video has no address, so nobody could watch it.")
        case content.ImageWords():
            return _("This picture has no description. Say what it shows.")
        case content.FaqWords():
            return _("No question here has an answer.")
        case content.ButtonWords(label=""):
            return _("This button has no words.")
        case content.ButtonWords():
            return _("This button leads nowhere.")
        case content.QuoteWords():
            return _("This quote has a source, but no words.")
        case _:
            return _("This block is not finished.")


def _unanswered(words: content.FaqWords, block: str, language: str) -> Iterator[Defect]:
    for one in words.questions:
        if one.question and not _words_of(one.answer):
            yield Defect(_("“%(question)s” has no answer.") % {"question": one.question[:60]}, block, None, language)
        elif one.answer and not one.question:
            yield Defect(_("An answer has no question."), block, None, language)


def _words_of(html: str) -> str:
    try:
        return richtext.plain_words(richtext.parse(html))
    except richtext.TooComplex:
        return html  # rendering says so


def _unfinished_picture(block: content.Block, languages: tuple[str, ...]) -> Iterator[Defect]:
    if not isinstance(block, content.Image):
        return
    if block.picture is None:
        yield Defect(_("There is no picture in this block yet."), block.id)
    elif not block.is_decorative and not any(_has_words(block, language) for language in languages):
        yield Defect(_("This picture has no description. Say what it shows."), block.id, None, languages[0])


def _has_words(block: content.Block, language: str) -> bool:
    words = block.words.get(language)
    return words is not None and any(words.model_dump().values())


def _is_decoration(block: content.Block) -> bool:
    return isinstance(block, content.Image) and block.is_decorative


def find_linked_decorations(document: content.Document, languages: Iterable[str]) -> Iterator[Defect]:
    for block in document.blocks:
        for language in languages:
            words = block.words.get(language)
            if _is_decoration(block) and isinstance(words, content.ImageWords) and words.url:
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
    """Merge fields without the words that stand in for a reader who gave no name."""
    message = _("A place for the reader's name has no words for readers who gave none. Write some, such as “reader”.")
    for block in document.blocks:
        for language in languages:
            if any(not fallback for text in _rich(block.words.get(language)) for _name, fallback in _fields(text)):
                yield Defect(message, block.id, None, language)


def _rich(words: content.Words | None) -> Iterator[str]:
    for name in ("summary", "body", "facts"):
        yield getattr(words, name, "")
    if isinstance(words, content.FaqWords):
        yield from (one.answer for one in words.questions)


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
    """Pictures of stories that readers who do not see them would never hear of."""
    for block in document.blocks:
        for language in languages:
            words = block.words.get(language)
            if (
                shown_picture(block)
                and isinstance(words, content.StoryWords)
                and words.is_complete
                and not words.image_alt
            ):
                yield Defect(_("This picture has no description. Say what it shows."), block.id, None, language)


def find_missing_alternatives(document: content.Document, languages: Iterable[str]) -> Iterator[Defect]:
    """Drawings whose facts are told nowhere in words, and videos for readers who cannot hear."""
    for block in document.blocks:
        for language in languages:
            words = block.words.get(language)
            if words is None or not words.is_complete:
                continue
            if isinstance(words, content.VideoWords) and not words.transcript_url:
                message = _("This video has no transcript. Link one for readers who cannot hear it.")
                yield Defect(message, block.id, None, language)
            elif isinstance(words, content.ImageWords) and not words.facts and _is_drawing(block):
                message = _("If this drawing holds facts, such as figures or a map, tell them in words below it.")
                yield Defect(message, block.id, None, language)


def _is_drawing(block: content.Block) -> bool:
    """Pictures of few colours are stored as PNG."""
    picture = shown_picture(block)
    return picture is not None and not _is_decoration(block) and picture.path.lower().endswith(".png")


# --- events ----------------------------------------------------------------------------------------------------------


def find_invalid_times(document: content.Document, *, at: datetime, zone: ZoneInfo) -> Iterator[Defect]:
    """Events without a time, that end before they begin, or that are over when the issue goes out at `at`."""
    for block in document.blocks:
        if not isinstance(block, content.CalendarEvent) or not any(words.is_complete for words in block.words.values()):
            continue
        begins, ends = parse_local_time(block.starts_at, zone), parse_local_time(block.ends_at, zone)
        if begins is None:
            yield Defect(_("This event has no date and time."), block.id, "blocks")
        elif ends is not None and ends <= begins:
            yield Defect(_("This event ends before it begins."), block.id, "blocks")
        elif (ends or begins) < at:
            yield Defect(_("This event is over by the time the issue goes out."), block.id)


def parse_local_time(moment: str, zone: ZoneInfo) -> datetime | None:
    """What clocks in `zone` show, as a moment; None for none, or for a day that does not exist."""
    try:
        return datetime.fromisoformat(moment).replace(tzinfo=zone) if moment else None
    except ValueError:
        return None
