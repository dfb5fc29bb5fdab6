from __future__ import annotations

from django.utils.translation import gettext as _

from newsletter.blocks.findings import BlockChecks
from newsletter.blocks.video.document import Video, VideoWords


def describe_unfinished(words: VideoWords) -> str:
    if not words.headline:
        return _("This block has no headline.")
    return _("This video has no address, so nobody could watch it.")


def missing_alternative(block: Video, words: VideoWords) -> str:
    if words.transcript_url:
        return ""
    return _("This video has no transcript. Link one for readers who cannot hear it.")


CHECKS = BlockChecks(describe_unfinished=describe_unfinished, missing_alternative=missing_alternative)
