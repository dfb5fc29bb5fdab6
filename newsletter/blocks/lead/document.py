from __future__ import annotations

from typing import Literal

from newsletter.blocks.article import ArticleBlock, StoryWords
from newsletter.blocks.base import Language, Picture


class Lead(ArticleBlock):
    kind: Literal["lead"] = "lead"
    picture: Picture | None = None
    words: dict[Language, StoryWords] = {}
