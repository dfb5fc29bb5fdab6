from __future__ import annotations

from django.utils.translation import gettext as _

from newsletter.blocks.button.document import ButtonWords
from newsletter.blocks.findings import BlockChecks


def describe_unfinished(words: ButtonWords) -> str:
    return _("This button leads nowhere.") if words.label else _("This button has no words.")


CHECKS = BlockChecks(describe_unfinished=describe_unfinished)
