from __future__ import annotations

from collections.abc import Iterator

from django.utils.translation import gettext as _

from newsletter.blocks.findings import BlockChecks, Defect
from newsletter.blocks.image.document import Image, ImageWords


def describe_unfinished(words: ImageWords) -> str:
    return _("This picture has no description. Say what it shows.")


def find_unfinished(block: Image, languages: tuple[str, ...]) -> Iterator[Defect]:
    """Without a picture, or without words in all languages; if some are begun, `describe_unfinished` reports them."""
    if block.picture is None:
        yield Defect(_("There is no picture in this block yet."), block.id)
    elif not block.is_decorative and not any(_is_begun(block, language) for language in languages):
        message = _("This picture has no description. Say what it shows.")
        yield Defect(message, block.id, None, languages[0])


def _is_begun(block: Image, language: str) -> bool:
    words = block.words.get(language)
    return words is not None and words.is_begun


def missing_alternative(block: Image, words: ImageWords) -> str:
    """Pictures of few colours are stored as PNG: those are probably drawings."""
    is_drawing = block.picture is not None and block.picture.path.lower().endswith(".png")
    if not is_drawing or block.is_decorative or words.facts:
        return ""
    return _("If this drawing holds facts, such as figures or a map, tell them in words below it.")


CHECKS = BlockChecks(
    describe_unfinished=describe_unfinished, find_unfinished=find_unfinished, missing_alternative=missing_alternative
)
