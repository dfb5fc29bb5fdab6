"""A still picture that links to a video. Mail programs play no videos."""

from newsletter.blocks.kind import BlockKind
from newsletter.blocks.video.document import Video, VideoWords
from newsletter.blocks.video.rendering import build_view

__all__ = ["KIND", "Video", "VideoWords"]

KIND = BlockKind(
    model=Video, build_view=build_view, has_picture=True, is_text=True, has_play_mark=True, is_section=True
)
