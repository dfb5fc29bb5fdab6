from __future__ import annotations

from django.utils.translation import gettext_lazy

from newsletter.blocks.fields import ALT_TEXT, ARTICLE_URL, HEADLINE, LINK_TEXT, SUMMARY, UPDATE, BlockForm

FORM = BlockForm(
    label=gettext_lazy("Lead story"),
    empty_hint=gettext_lazy("The story on top, with a large picture and a button. Add an article, or write one here."),
    fields=(HEADLINE, SUMMARY, ARTICLE_URL, LINK_TEXT, ALT_TEXT, UPDATE),
)
