from __future__ import annotations

from django.utils.translation import gettext_lazy

from newsletter.blocks.fields import BlockForm, Field

FORM = BlockForm(
    label=gettext_lazy("Quote"),
    empty_hint=gettext_lazy("What somebody said, and who it was."),
    fields=(
        Field("quote", gettext_lazy("Quote"), "headline", 1000, is_main=True),
        Field("source", gettext_lazy("Who said it"), is_main=True),
    ),
)
