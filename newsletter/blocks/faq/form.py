from __future__ import annotations

from django.utils.translation import gettext_lazy

from newsletter.blocks.faq.document import FaqEntry
from newsletter.blocks.fields import HEADING, BlockForm, Field, ItemForm

FORM = BlockForm(
    label=gettext_lazy("Questions and answers"),
    empty_hint=gettext_lazy("Questions that readers ask, each with a short answer."),
    fields=(HEADING,),
    items=ItemForm(
        verb="question",
        prefix="q",
        new_item=FaqEntry,
        fields=(
            Field("question", gettext_lazy("Question"), is_main=True),
            Field("answer", gettext_lazy("Answer"), "rich", 4000, is_main=True),
        ),
        label=gettext_lazy("Question %(number)s"),
        move_up=gettext_lazy("Move question %(number)s up"),
        move_down=gettext_lazy("Move question %(number)s down"),
        remove=gettext_lazy("Remove question %(number)s"),
        add=gettext_lazy("Add a question"),
        too_many=gettext_lazy("A block holds %(most)s questions at most. Add another block."),
    ),
)
