from __future__ import annotations

from typing import Literal

from newsletter.blocks.article import ArticleBlock, StoryWords
from newsletter.blocks.base import Language, Picture


class Story(ArticleBlock):
    kind: Literal["story"] = "story"
    picture: Picture | None = None
    words: dict[Language, StoryWords] = {}
