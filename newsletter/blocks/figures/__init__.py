"""Two to four numbers side by side, each with a label, with an optional heading and source."""

from newsletter.blocks.figures.document import Figure, Figures, FiguresWords
from newsletter.blocks.figures.plaintext import text_values
from newsletter.blocks.figures.rendering import build_view
from newsletter.blocks.kind import BlockKind

__all__ = ["KIND", "Figure", "Figures", "FiguresWords"]

KIND = BlockKind(
    model=Figures,
    build_view=build_view,
    text_values=text_values,
    line_above="after-text",
    is_text=True,
    is_section=True,
)
