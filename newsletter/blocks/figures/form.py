from __future__ import annotations

from django.utils.translation import gettext_lazy

from newsletter.blocks.fields import HEADING, BlockForm, Field, ItemForm
from newsletter.blocks.figures.document import LEAST, Figure

FORM = BlockForm(
    label=gettext_lazy("Figures"),
    empty_hint=gettext_lazy("Two to four numbers, each with a label."),
    fields=(
        HEADING,
        Field(
            "source",
            gettext_lazy("Source"),
            hint=gettext_lazy("Below the figures, such as “Source: the offices, October”."),
        ),
    ),
    items=ItemForm(
        verb="figure",
        prefix="f",
        new_item=Figure,
        fields=(
            Field("value", gettext_lazy("Number"), most=24, hint=gettext_lazy("Such as 12,400 or 98 %."), is_main=True),
            Field("label", gettext_lazy("What the number counts"), most=80, is_main=True),
        ),
        label=gettext_lazy("Figure %(number)s"),
        move_up=gettext_lazy("Move figure %(number)s up"),
        move_down=gettext_lazy("Move figure %(number)s down"),
        remove=gettext_lazy("Remove figure %(number)s"),
        add=gettext_lazy("Add a figure"),
        too_many=gettext_lazy("A block holds %(most)s figures at most. Add another block."),
        least=LEAST,
        most=4,
    ),
)
