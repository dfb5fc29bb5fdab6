"""The fields of a document's envelope, and labels. The fields of blocks are in `newsletter.blocks`, a folder per kind."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

from newsletter.blocks.fields import Field
from newsletter.blocks.forms import FORMS

KIND_LABELS: dict[str, Promise] = {kind: form.label for kind, form in FORMS.items()}
"""By stored kind, in the order in which the composer offers them."""
POLICY_LABELS = {
    "fallback": gettext_lazy("Show the first language, with a note"),
    "optional": gettext_lazy("Leave this block out"),
    "required": gettext_lazy("Do not send until it is translated"),
}
ENVELOPE_FIELDS = (
    Field("subject", gettext_lazy("Subject"), "headline", 200),
    Field("preheader", gettext_lazy("Preview text"), "line", 200),
)
