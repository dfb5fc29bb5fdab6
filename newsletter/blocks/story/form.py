from __future__ import annotations

from django.utils.translation import gettext_lazy

from newsletter.blocks.fields import ALT_TEXT, ARTICLE_URL, HEADLINE, LINK_TEXT, SUMMARY, UPDATE, BlockForm

FORM = BlockForm(
    label=gettext_lazy("Story"),
    empty_hint=gettext_lazy("A headline that links to its article, and two lines about it."),
    fields=(HEADLINE, SUMMARY, ARTICLE_URL, LINK_TEXT, ALT_TEXT, UPDATE),
)
