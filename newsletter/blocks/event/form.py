from __future__ import annotations

from collections.abc import Mapping

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from newsletter.blocks.event.document import CalendarEvent
from newsletter.blocks.fields import HEADLINE, SUMMARY, BlockForm, Field


def find_errors(block: CalendarEvent) -> Mapping[str, str]:
    if block.starts_at and block.ends_at and block.ends_at < block.starts_at:
        return {"ends_at": _("This is before the start. Write a later time, or leave it empty.")}
    return {}


FORM = BlockForm(
    label=gettext_lazy("Event"),
    empty_hint=gettext_lazy("A date with its place; readers can put it into their calendar."),
    fields=(
        HEADLINE,
        SUMMARY,
        Field("place", gettext_lazy("Place"), is_main=True),
        Field("url", gettext_lazy("Page about it"), "url", 1000),
    ),
    block_fields=(
        Field("starts_at", gettext_lazy("Starts"), "moment", is_main=True),
        Field("ends_at", gettext_lazy("Ends"), "moment", is_main=True),
    ),
    find_errors=find_errors,
)
