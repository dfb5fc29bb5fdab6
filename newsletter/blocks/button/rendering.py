from __future__ import annotations

from newsletter.blocks.button.document import Button, ButtonWords
from newsletter.blocks.view import BlockView, ViewContext
from newsletter.rendering import richtext


def build_view(view: BlockView, block: Button, words: ButtonWords, context: ViewContext) -> BlockView:
    return view.with_fields(headline=richtext.clean_line(words.label), url=words.url)
