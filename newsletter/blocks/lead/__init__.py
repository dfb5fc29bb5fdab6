"""The lead story: a large picture, the largest headline, a summary and a button."""

from newsletter.blocks.article import build_view
from newsletter.blocks.kind import BlockKind
from newsletter.blocks.lead.document import Lead

__all__ = ["KIND", "Lead"]

KIND = BlockKind(
    model=Lead,
    build_view=build_view,
    has_picture=True,
    shows_article_picture=True,
    can_become=("story", "brief"),
    second_becomes="story",
    is_title=True,
    line_above="after-text",
    is_text=True,
    is_section=True,
)
