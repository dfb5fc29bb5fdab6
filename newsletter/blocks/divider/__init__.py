"""A line between two blocks."""

from newsletter.blocks.divider.document import Divider, DividerWords
from newsletter.blocks.divider.rendering import build_view
from newsletter.blocks.kind import BlockKind

__all__ = ["KIND", "Divider", "DividerWords"]

KIND = BlockKind(model=Divider, build_view=build_view, has_words=False, heading_level=0, line_above="always")
