from __future__ import annotations

from typing import Literal

from newsletter.blocks.article import ArticleBlock, StoryWords
from newsletter.blocks.base import Language


class Brief(ArticleBlock):
    kind: Literal["brief"] = "brief"
    words: dict[Language, StoryWords] = {}
