"""A story in brief. Consecutive ones share a box."""

from newsletter.blocks.article import build_view
from newsletter.blocks.brief.document import Brief
from newsletter.blocks.kind import BlockKind

__all__ = ["KIND", "Brief"]

KIND = BlockKind(
    model=Brief,
    build_view=build_view,
    can_become=("lead", "story"),
    heading_level=3,
    is_text=True,
    shares_box=True,
    is_section=True,
)
