"""An issue's document as a form: fields per block in one language, and back from a POST.

The form is the state: hidden `block` inputs in order, fields named `<block>.<field>`. What a form does not show (other
languages, article, picture) is taken from the stored blocks.
"""

from newsletter.studio.shared.document_form.block_names import block_title
from newsletter.studio.shared.document_form.cards import (
    BoundField,
    Card,
    DocumentFacts,
    ItemFields,
    build_cards,
    count_items,
    count_missing,
    envelope_fields,
    is_written,
)
from newsletter.studio.shared.document_form.fields import (
    KIND_LABELS,
    POLICY_LABELS,
)
from newsletter.studio.shared.document_form.markup import html_to_typed, typed_to_html
from newsletter.studio.shared.document_form.parsing import (
    MAX_BLOCKS,
    BadForm,
    ParsedForm,
    StepNotPossible,
    empty_words,
    known_blocks,
    parse,
)

__all__ = [
    "KIND_LABELS",
    "MAX_BLOCKS",
    "POLICY_LABELS",
    "BadForm",
    "BoundField",
    "Card",
    "DocumentFacts",
    "ItemFields",
    "StepNotPossible",
    "ParsedForm",
    "typed_to_html",
    "html_to_typed",
    "build_cards",
    "empty_words",
    "envelope_fields",
    "is_written",
    "known_blocks",
    "count_items",
    "count_missing",
    "block_title",
    "parse",
]
