from __future__ import annotations

from django.utils.translation import gettext_lazy

from newsletter.blocks.fields import BlockForm

FORM = BlockForm(label=gettext_lazy("Divider"), template="studio/composer/blocks/divider.html")
