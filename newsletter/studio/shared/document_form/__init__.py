"""An issue's document as a form: fields per block in one language, and back from a POST.

The form is the state: hidden `block` inputs in order, fields named `<block>.<field>`. What a form does not show (other
languages, article, picture) is taken from the stored blocks.
"""

from newsletter.studio.shared.document_form.block_names import named
from newsletter.studio.shared.document_form.cards import (
    Bound,
    Card,
    Facts,
    Pair,
    cards,
    envelope,
    is_written,
    missing,
    shown_questions,
)
from newsletter.studio.shared.document_form.fields import (
    EMPTY,
    FIELDS,
    FROM_ARTICLE,
    KINDS,
    POLICIES,
    TONES,
    WITH_PICTURE,
    Field,
)
from newsletter.studio.shared.document_form.markup import as_html, as_typed
from newsletter.studio.shared.document_form.parsing import (
    MOST_BLOCKS,
    MOST_QUESTIONS,
    BadForm,
    NotPossible,
    Read,
    empty_words,
    known_blocks,
    read,
)

__all__ = [
    "EMPTY",
    "FIELDS",
    "FROM_ARTICLE",
    "KINDS",
    "MOST_BLOCKS",
    "MOST_QUESTIONS",
    "POLICIES",
    "TONES",
    "WITH_PICTURE",
    "BadForm",
    "Bound",
    "Card",
    "Facts",
    "Field",
    "NotPossible",
    "Pair",
    "Read",
    "as_html",
    "as_typed",
    "cards",
    "empty_words",
    "envelope",
    "is_written",
    "known_blocks",
    "missing",
    "named",
    "read",
    "shown_questions",
]
