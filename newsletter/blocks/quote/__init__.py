"""What somebody said, and their name."""

from newsletter.blocks.kind import BlockKind
from newsletter.blocks.quote.document import Quote, QuoteWords
from newsletter.blocks.quote.rendering import build_view

__all__ = ["KIND", "Quote", "QuoteWords"]

KIND = BlockKind(model=Quote, build_view=build_view, heading_level=0, is_text=True)
