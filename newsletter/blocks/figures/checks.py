from __future__ import annotations

from collections.abc import Iterator

from django.utils.translation import gettext as _

from newsletter.blocks.figures.document import FiguresWords
from newsletter.blocks.figures.rendering import LONGEST_VALUE
from newsletter.blocks.findings import BlockChecks, Defect


def describe_unfinished(words: FiguresWords) -> str:
    return _("Fill in at least two figures, each with a number and a label.")


def find_flaws(words: FiguresWords) -> Iterator[Defect]:
    """Figures that would be left out, and numbers that break into two lines."""
    most = LONGEST_VALUE[max(2, sum(figure.is_complete for figure in words.figures))]
    for figure in words.figures:
        if figure.value and not figure.label:
            yield Defect(_("“%(number)s” has no label.") % {"number": figure.value})
        elif figure.label and not figure.value:
            yield Defect(_("“%(label)s” has no number.") % {"label": figure.label[:60]})
        elif len(figure.value) > most:
            message = _(
                "“%(number)s” is too long for one line: %(most)s characters fit. Round it, or shorten the unit."
            )
            yield Defect(message % {"number": figure.value, "most": most}, severity="warns")


CHECKS = BlockChecks(describe_unfinished=describe_unfinished, find_flaws=find_flaws)
