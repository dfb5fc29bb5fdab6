from __future__ import annotations

from collections.abc import Iterator

from django.utils.translation import gettext as _

from newsletter.blocks.faq.document import FaqWords
from newsletter.blocks.findings import BlockChecks, Defect
from newsletter.rendering import richtext


def describe_unfinished(words: FaqWords) -> str:
    return _("No question here has an answer.")


def find_flaws(words: FaqWords) -> Iterator[Defect]:
    """Questions and answers that would be left out."""
    for one in words.questions:
        if one.question and not _plain_words(one.answer):
            yield Defect(_("“%(question)s” has no answer.") % {"question": one.question[:60]})
        elif one.answer and not one.question:
            yield Defect(_("An answer has no question."))


def _plain_words(html: str) -> str:
    try:
        return richtext.plain_words(richtext.parse(html))
    except richtext.TooComplex:
        return html  # rendering reports it


CHECKS = BlockChecks(describe_unfinished=describe_unfinished, find_flaws=find_flaws)
