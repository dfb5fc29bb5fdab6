from __future__ import annotations

from newsletter.blocks.image.document import Image, ImageWords
from newsletter.blocks.view import BlockView, ViewContext
from newsletter.rendering import richtext


def build_view(view: BlockView, block: Image, words: ImageWords, context: ViewContext) -> BlockView:
    if block.is_decorative:
        return view.with_fields(picture=block.picture)
    return view.with_fields(
        url=words.url,
        body=richtext.parse(words.facts),
        source=richtext.clean_line(words.caption),
        picture=block.picture,
        picture_alt=richtext.clean_line(words.image_alt),
    )
