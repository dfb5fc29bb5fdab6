from __future__ import annotations

from newsletter.blocks.faq.document import Faq, FaqWords
from newsletter.blocks.view import BlockView, FaqAnswer, ViewContext
from newsletter.rendering import richtext


def build_view(view: BlockView, block: Faq, words: FaqWords, context: ViewContext) -> BlockView:
    """Questions without an answer are left out."""
    pairs = (FaqAnswer(richtext.clean_line(one.question), richtext.parse(one.answer)) for one in words.questions)
    complete = tuple(one for one in pairs if one.question and one.body)
    return view.with_fields(headline=richtext.clean_line(words.heading), answers=complete)
