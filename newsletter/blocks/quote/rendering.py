from __future__ import annotations

from newsletter.blocks.quote.document import Quote, QuoteWords
from newsletter.blocks.view import BlockView, ViewContext
from newsletter.rendering import richtext

_QUOTES = "\"'“”„‟«»‘’"


def build_view(view: BlockView, block: Quote, words: QuoteWords, context: ViewContext) -> BlockView:
    """Quotation marks that an editor typed are removed: the templates write them."""
    return view.with_fields(
        headline=richtext.clean_line(words.quote).strip(_QUOTES).strip(), source=richtext.clean_line(words.source)
    )
