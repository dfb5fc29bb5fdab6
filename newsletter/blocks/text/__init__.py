"""Text of the newsroom: an optional heading, and a body."""

from newsletter.blocks.kind import BlockKind
from newsletter.blocks.text.document import Text, TextWords
from newsletter.blocks.text.rendering import build_view

__all__ = ["KIND", "Text", "TextWords"]

KIND = BlockKind(model=Text, build_view=build_view, line_above="after-text", is_text=True, is_section=True)
