from __future__ import annotations

from django.utils.translation import gettext_lazy

from newsletter.blocks.fields import ALT_TEXT, HEADLINE, SUMMARY, BlockForm, Field

FORM = BlockForm(
    label=gettext_lazy("Video"),
    empty_hint=gettext_lazy("A still picture that leads to the video; mail programs play none."),
    fields=(
        HEADLINE,
        SUMMARY,
        Field("url", gettext_lazy("Address of the video"), "url", 1000, is_main=True),
        Field("duration", gettext_lazy("Length"), "duration", 8, hint=gettext_lazy("Such as 3:45."), is_main=True),
        Field(
            "transcript_url",
            gettext_lazy("Address of the transcript"),
            "url",
            1000,
            hint=gettext_lazy("For readers who do not hear it, or have little data."),
        ),
        ALT_TEXT,
    ),
    picture_first=True,
)
