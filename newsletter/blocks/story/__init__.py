"""A story: a headline that links to the article, a summary, a small picture at its side."""

from newsletter.blocks.article import build_view
from newsletter.blocks.kind import BlockKind
from newsletter.blocks.story.document import Story

__all__ = ["KIND", "Story"]

KIND = BlockKind(
    model=Story,
    build_view=build_view,
    has_picture=True,
    can_become=("lead", "brief"),
    line_above="after-text",
    is_text=True,
    is_section=True,
)
