from __future__ import annotations

from newsletter.blocks.notice.document import Callout
from newsletter.blocks.text.document import TextWords
from newsletter.blocks.view import BlockView, ViewContext
from newsletter.rendering import richtext


def build_view(view: BlockView, block: Callout, words: TextWords, context: ViewContext) -> BlockView:
    return view.with_fields(
        tone=block.tone, headline=richtext.clean_line(words.heading), body=richtext.parse(words.body)
    )
