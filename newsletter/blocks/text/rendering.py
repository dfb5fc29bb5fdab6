from __future__ import annotations

from newsletter.blocks.text.document import Text, TextWords
from newsletter.blocks.view import BlockView, ViewContext
from newsletter.rendering import richtext


def build_view(view: BlockView, block: Text, words: TextWords, context: ViewContext) -> BlockView:
    return view.with_fields(headline=richtext.clean_line(words.heading), body=richtext.parse(words.body))
