"""A link that looks like a button."""

from newsletter.blocks.button.document import Button, ButtonWords
from newsletter.blocks.button.rendering import build_view
from newsletter.blocks.kind import BlockKind

__all__ = ["KIND", "Button", "ButtonWords"]

KIND = BlockKind(model=Button, build_view=build_view, heading_level=0, is_text=True)
