"""Columns with a language."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext_lazy as _

from newsletter.languages import tags

LANGUAGE_LENGTH = tags.MAX_LENGTH


def validate_tag(text: str) -> None:
    """Refuse what is not a well-formed tag in canonical case."""
    try:
        is_canonical = tags.parse_tag(text) == text
    except tags.InvalidTag:
        is_canonical = False
    if not is_canonical:
        raise ValidationError(
            _("“%(text)s” is not a language tag. Write it as BCP 47 does, such as ar, pt-BR or zh-Hans."),
            params={"text": text[: LANGUAGE_LENGTH * 2]},
        )


class LanguageField(models.CharField):  # type: ignore[type-arg]
    """A BCP 47 tag in canonical case, such as "id", "pt-BR" or "zh-Hans"."""

    default_validators = [validate_tag]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("max_length", LANGUAGE_LENGTH)
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> Any:
        """Migrations see a CharField, so that they do not depend on this module."""
        name, _path, args, kwargs = super().deconstruct()
        return name, "django.db.models.CharField", args, kwargs


def first_interface_language() -> str:
    return settings.LANGUAGES[0][0]
