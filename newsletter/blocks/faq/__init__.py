"""Questions of readers, each with an answer."""

from newsletter.blocks.faq.document import Faq, FaqEntry, FaqWords
from newsletter.blocks.faq.rendering import build_view
from newsletter.blocks.kind import BlockKind

__all__ = ["KIND", "Faq", "FaqEntry", "FaqWords"]

KIND = BlockKind(model=Faq, build_view=build_view, has_default_heading=True, line_above="after-text", is_text=True)
