from __future__ import annotations

from django.utils.translation import gettext_lazy

from newsletter.blocks.fields import HEADING, BlockForm, Choice, Field

FORM = BlockForm(
    label=gettext_lazy("Notice"),
    empty_hint=gettext_lazy("A box that stands out: for information, a warning, a fraud that goes around."),
    fields=(HEADING, Field("body", gettext_lazy("Text"), "rich", 4000, is_main=True)),
    choices=(
        Choice(
            "tone",
            gettext_lazy("Type of notice"),
            {
                "info": gettext_lazy("For information"),
                "warning": gettext_lazy("Warning"),
                "scam": gettext_lazy("Warning of fraud"),
            },
        ),
    ),
)
