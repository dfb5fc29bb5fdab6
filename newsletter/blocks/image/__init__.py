"""A picture or an infographic, with a caption, its facts in words, and an optional link."""

from newsletter.blocks.image.document import Image, ImageWords
from newsletter.blocks.image.rendering import build_view
from newsletter.blocks.kind import BlockKind

__all__ = ["KIND", "Image", "ImageWords"]

KIND = BlockKind(model=Image, build_view=build_view, has_picture=True, is_picture=True, heading_level=0, is_text=True)
