from __future__ import annotations

from django.utils.translation import gettext_lazy

from newsletter.blocks.fields import BlockForm, Field

FORM = BlockForm(
    label=gettext_lazy("Button"),
    empty_hint=gettext_lazy("One thing to do, and where it leads."),
    fields=(
        Field("label", gettext_lazy("Words on the button"), is_main=True),
        Field("url", gettext_lazy("Leads to"), "url", 1000, is_main=True),
    ),
)
