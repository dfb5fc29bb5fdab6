from __future__ import annotations

from django.utils.translation import gettext_lazy

from newsletter.blocks.fields import ARTICLE_URL, HEADLINE, SUMMARY, UPDATE, BlockForm

FORM = BlockForm(
    label=gettext_lazy("In brief"),
    empty_hint=gettext_lazy("One of the short news; those that follow each other share a box."),
    fields=(HEADLINE, SUMMARY, ARTICLE_URL, UPDATE),
)
