from __future__ import annotations

from typing import Literal

from newsletter.blocks.base import BlockBase, Language
from newsletter.blocks.text.document import TextWords


class Callout(BlockBase):
    kind: Literal["notice"] = "notice"
    tone: Literal["info", "warning", "scam"] = "info"
    words: dict[Language, TextWords] = {}
