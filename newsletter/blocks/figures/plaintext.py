from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from newsletter.blocks.view import BlockView


def text_values(view: BlockView) -> Mapping[str, Any]:
    """`lines`: a figure per line, "12,400  applications"; the labels start at the same column."""
    width = max((len(figure.value) for figure in view.details.figures), default=0)
    return {"lines": [f"{figure.value.ljust(width)}  {figure.label}" for figure in view.details.figures]}
