"""The checks that lead, story and brief share."""

from __future__ import annotations

from django.utils.translation import gettext as _

from newsletter.blocks.article import StoryWords
from newsletter.blocks.findings import BlockChecks


def describe_unfinished(words: StoryWords) -> str:
    if not words.headline:
        return _("This block has no headline.")
    return _("This story has no link to its article.")


CHECKS = BlockChecks(describe_unfinished=describe_unfinished)
