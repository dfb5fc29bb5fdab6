"""The sign-up box for pages of other packages: `{% load signup_box %}{% signup_box newsletter %}`."""

from __future__ import annotations

from typing import Any

from django import template
from django.template.context import Context

from newsletter.models import Newsletter
from subscribers import signup

register = template.Library()


@register.inclusion_tag("public/_signup_box.html", takes_context=True)
def signup_box(context: Context, newsletter: Newsletter, page_url: str = "") -> dict[str, Any]:
    """Render the box of the oldest active form that offers `newsletter`. Render nothing if there is none."""
    form = signup.form_for(newsletter)
    request = context.get("request")
    if form is None:
        return {}
    here = request.build_absolute_uri() if request else ""
    language = context.get("page_language") or newsletter.default_language
    box = signup.box_context(form, language=language, page_url=page_url or here)
    return {"box": box, "page_language": language, "words_language": box["words_language"]}
