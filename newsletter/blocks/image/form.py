from __future__ import annotations

from dataclasses import replace

from django.utils.translation import gettext_lazy

from newsletter.blocks.fields import ALT_TEXT, BlockForm, Field, Posted
from newsletter.blocks.image.document import Image


def read_settings(post: Posted, block: Image) -> None:
    name = f"{block.id}.is_decorative"
    if name in post:
        block.is_decorative = post[name] == "yes"


FORM = BlockForm(
    label=gettext_lazy("Picture"),
    empty_hint=gettext_lazy("A picture or an infographic. Choose one, or drop it here."),
    fields=(
        replace(ALT_TEXT, is_main=True),
        Field("caption", gettext_lazy("Caption"), is_main=True),
        Field(
            "facts",
            gettext_lazy("What it says, in words"),
            "rich",
            4000,
            hint=gettext_lazy("For an infographic: its figures, for readers who do not see it."),
        ),
        Field("url", gettext_lazy("Leads to"), "url", 1000, hint=gettext_lazy("Empty: the picture is no link.")),
    ),
    picture_first=True,
    read_settings=read_settings,
)
