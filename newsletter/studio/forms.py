"""What all studio forms share: our field class, and errors tied to their fields for screen readers."""

from __future__ import annotations

from typing import Any

from django import forms


class StudioFormMixin:
    """Gives text fields the class `input`; Django 5.2 sets aria-invalid and aria-describedby itself."""

    fields: dict[str, forms.Field]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            if not isinstance(field.widget, (forms.CheckboxInput, forms.RadioSelect, forms.CheckboxSelectMultiple)):
                field.widget.attrs.setdefault("class", "input")
