"""An issue's document as a form: fields per block in one language, and back from a POST.

The form is the state: hidden `block` inputs in order, fields named `<block>.<field>`. What a form does not show (other
languages, article, picture) is taken from the stored blocks.
"""

from newsletter.studio.shared.document_form.block_names import block_title
from newsletter.studio.shared.document_form.cards import (
    BoundField,
    Card,
    DocumentFacts,
    QuestionPair,
    build_cards,
    count_missing,
    count_questions,
    envelope_fields,
    is_written,
)
from newsletter.studio.shared.document_form.fields import (
    ARTICLE_KINDS,
    EMPTY_HINTS,
    FIELDS,
    KIND_LABELS,
    PICTURE_KINDS,
    POLICY_LABELS,
    TONE_LABELS,
    Field,
)
from newsletter.studio.shared.document_form.markup import html_to_typed, typed_to_html
from newsletter.studio.shared.document_form.parsing import (
    MAX_BLOCKS,
    MAX_QUESTIONS,
    BadForm,
    ParsedForm,
    StepNotPossible,
    empty_words,
    known_blocks,
    parse,
)

__all__ = [
    "EMPTY_HINTS",
    "FIELDS",
    "ARTICLE_KINDS",
    "KIND_LABELS",
    "MAX_BLOCKS",
    "MAX_QUESTIONS",
    "POLICY_LABELS",
    "TONE_LABELS",
    "PICTURE_KINDS",
    "BadForm",
    "BoundField",
    "Card",
    "DocumentFacts",
    "Field",
    "StepNotPossible",
    "QuestionPair",
    "ParsedForm",
    "typed_to_html",
    "html_to_typed",
    "build_cards",
    "empty_words",
    "envelope_fields",
    "is_written",
    "known_blocks",
    "count_missing",
    "block_title",
    "parse",
    "count_questions",
]
