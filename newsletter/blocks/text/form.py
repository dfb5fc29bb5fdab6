from __future__ import annotations

from django.utils.translation import gettext_lazy

from newsletter.blocks.fields import HEADING, BlockForm, Field

FORM = BlockForm(
    label=gettext_lazy("Text"),
    empty_hint=gettext_lazy("Words of your own: a greeting, a note from the newsroom."),
    fields=(HEADING, Field("body", gettext_lazy("Text"), "rich", 8000, is_main=True)),
)
