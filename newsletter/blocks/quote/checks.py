from __future__ import annotations

from django.utils.translation import gettext as _

from newsletter.blocks.findings import BlockChecks
from newsletter.blocks.quote.document import QuoteWords


def describe_unfinished(words: QuoteWords) -> str:
    return _("This quote has a source, but no words.")


CHECKS = BlockChecks(describe_unfinished=describe_unfinished)
