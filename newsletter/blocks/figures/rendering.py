from __future__ import annotations

from typing import NamedTuple

from newsletter.blocks.figures.document import Figures, FiguresWords
from newsletter.blocks.view import BlockView, ViewContext
from newsletter.rendering import richtext

FONT_SIZES = {2: 32, 3: 28, 4: 24}
"""Pixels, by the number of figures: columns beside each other are 268, 178 and 134 pixels wide."""
LONGEST_VALUE = {2: 14, 3: 10, 4: 8}
"""Characters of a value that fit on one line of its column at these sizes."""


class FigureView(NamedTuple):
    value: str
    label: str


class FiguresView(NamedTuple):
    figures: tuple[FigureView, ...]

    @property
    def font_size(self) -> int:
        return FONT_SIZES[min(max(len(self.figures), 2), 4)]

    @property
    def column_width(self) -> str:
        """A share of the width of the mail."""
        return {2: "50%", 3: "33.33%", 4: "25%"}[min(max(len(self.figures), 2), 4)]


def build_view(view: BlockView, block: Figures, words: FiguresWords, context: ViewContext) -> BlockView:
    """Figures without a value or without a label are left out."""
    figures = (FigureView(richtext.clean_line(one.value), richtext.clean_line(one.label)) for one in words.figures)
    return view.with_fields(
        headline=richtext.clean_line(words.heading),
        details=FiguresView(tuple(figure for figure in figures if figure.value and figure.label)),
        source=richtext.clean_line(words.source),
    )
