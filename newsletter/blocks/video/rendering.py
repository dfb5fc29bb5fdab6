from __future__ import annotations

from newsletter.blocks.video.document import Video, VideoWords
from newsletter.blocks.view import BlockView, ViewContext
from newsletter.rendering import richtext


def build_view(view: BlockView, block: Video, words: VideoWords, context: ViewContext) -> BlockView:
    headline = richtext.clean_line(words.headline)
    # The video's link is entered before the transcript's: numbers of links follow the reading order.
    context.book.href(words.url, block=block.id, label=headline)
    return view.with_fields(
        headline=headline,
        url=words.url,
        body=richtext.parse(words.summary),
        picture=block.picture,
        picture_alt=richtext.clean_line(words.image_alt),
        duration=richtext.clean_line(words.duration),
        transcript_href=context.book.href(words.transcript_url, block=block.id, label=headline),
    )
