"""Form fields for language tags: any BCP 47 tag, with the names of languages as suggestions."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from babel.localedata import locale_identifiers
from django import forms
from django.core.exceptions import ValidationError
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from newsletter.languages import reader_words, tags

MAX_LANGUAGES = 20


class LanguageTagInput(forms.TextInput):
    """A text field that suggests languages by name (`<datalist>`); any other tag can be typed."""

    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        super().__init__({"autocapitalize": "none", "spellcheck": "false", "dir": "ltr", **(attrs or {})})

    def render(self, name: str, value: Any, attrs: dict[str, Any] | None = None, renderer: Any = None) -> SafeString:
        listed = f"{(attrs or {}).get('id') or name}-languages"
        field = super().render(name, value, {**(attrs or {}), "list": listed}, renderer)
        options = format_html_join("", '<option value="{}">{}</option>', known_languages(get_language() or ""))
        return format_html('{}<datalist id="{}">{}</datalist>', field, listed, options)


@lru_cache(maxsize=8)
def known_languages(spoken: str) -> tuple[tuple[str, str], ...]:
    """Tags and names of the languages CLDR has data for, without territories; those with fixed words come first."""
    first = reader_words.available_languages()
    others = {identifier.replace("_", "-") for identifier in locale_identifiers()} - set(first)
    named = [(tag, tags.display_name(tag, spoken)) for tag in others if not _names_a_territory(tag)]
    return tuple([(tag, tags.display_name(tag, spoken)) for tag in first] + sorted(named, key=lambda one: one[1]))


def _names_a_territory(tag: str) -> bool:
    return any(part.isupper() or part.isdigit() for part in tag.split("-")[1:])


class LanguageTagField(forms.CharField):
    """One tag, in canonical case afterwards."""

    widget = LanguageTagInput

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"max_length": tags.MAX_LENGTH, **kwargs})

    def clean(self, value: Any) -> str:
        typed = super().clean(value)
        return parse_typed_tag(typed) if typed else ""


class LanguageTagsField(forms.CharField):
    """Tags separated by spaces or commas, as a list in canonical case afterwards."""

    def clean(self, value: Any) -> Any:
        typed = str(super().clean(value)).replace(",", " ").split()
        if len(typed) > MAX_LANGUAGES:
            raise ValidationError(_("At most %(most)s languages."), params={"most": MAX_LANGUAGES})
        return [parse_typed_tag(one) for one in typed]


def parse_typed_tag(typed: str) -> str:
    try:
        return tags.parse_tag(typed)
    except tags.InvalidTag:
        raise ValidationError(
            _("“%(text)s” is not a language tag. Write it as BCP 47 does, such as ar, pt-BR or zh-Hans."),
            params={"text": typed[:70]},
        ) from None
