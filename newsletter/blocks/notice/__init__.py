"""A box that stands out: information, a warning, or a warning of fraud."""

from newsletter.blocks.kind import BlockKind
from newsletter.blocks.notice.document import Callout
from newsletter.blocks.notice.rendering import build_view

__all__ = ["KIND", "Callout"]

KIND = BlockKind(model=Callout, build_view=build_view)
