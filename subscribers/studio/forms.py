"""The studio's forms for sign-up forms and consent texts."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from newsletter.formatting import language_name
from newsletter.languages import tags
from newsletter.models import Newsletter
from newsletter.studio.settings.forms import StudioFormMixin
from subscribers import consent
from subscribers.models import Purpose, SignupForm

RESERVED_SLUGS = frozenset({"new", "texts"})
"""URLs of the studio below /studio/forms/."""
MAX_ORIGINS = 20


def parse_origin(text: str) -> str:
    """Parse a web origin such as https://news.example. Raises ValidationError for anything else."""
    parts = urlsplit(text.strip().rstrip("/"))
    try:
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        port = "?"
    is_bare = not (parts.path or parts.query or parts.fragment or parts.username) and port != "?"
    if parts.scheme not in {"http", "https"} or not parts.hostname or not is_bare or "*" in text:
        raise ValidationError(
            _("“%(text)s” is not a valid origin. Enter scheme and host only, such as https://news.example."),
            params={"text": text[:80]},
        )
    return f"{parts.scheme}://{parts.hostname}{port}"


def _text_languages(form: SignupForm, newsletters: list[Newsletter]) -> list[str]:
    """The languages of the newsletters that may be offered, and those a form has words in already."""
    return list(dict.fromkeys([*(code for each in newsletters for code in each.languages), *form.texts]))


class SignupFormForm(StudioFormMixin, forms.ModelForm):  # type: ignore[type-arg]
    """A sign-up form with heading and invitation in each language."""

    allowed_origins = forms.CharField(
        label=gettext_lazy("Allowed sites"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
        help_text=gettext_lazy(
            "One origin per line, such as https://news.example. Only pages on these sites can send sign-ups."
        ),
    )

    success_url = forms.URLField(
        label=gettext_lazy("Link after sign-up"),
        required=False,
        max_length=200,
        assume_scheme="https",
        help_text=gettext_lazy("Shown on the page after sign-up, for example your start page. Optional."),
    )

    class Meta:
        model = SignupForm
        fields = ("slug", "newsletters", "consent_style", "asks_measurement", "success_url", "is_active")
        labels = {
            "slug": gettext_lazy("Short name"),
            "newsletters": gettext_lazy("Newsletters offered"),
            "consent_style": gettext_lazy("How consent is given"),
            "asks_measurement": gettext_lazy("Also ask for consent to measurement in a separate box"),
            "is_active": gettext_lazy("Accepts sign-ups"),
        }
        help_texts = {
            "slug": gettext_lazy("Part of the form’s target URL. Do not change it once the form is on your site."),
        }
        widgets = {"newsletters": forms.CheckboxSelectMultiple, "consent_style": forms.RadioSelect}

    def __init__(self, *args: Any, newsletters: list[Newsletter], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choice = self.fields["newsletters"]
        assert isinstance(choice, forms.ModelMultipleChoiceField)  # noqa: S101 (for the type checker)
        choice.queryset = Newsletter.objects.filter(pk__in=[each.pk for each in newsletters])
        self.fields["allowed_origins"].initial = "\n".join(self.instance.allowed_origins)
        self.codes = _text_languages(self.instance, newsletters)
        for code in self.codes:
            words = self.instance.texts.get(code, {})
            self._add_words(code, words)

    def _add_words(self, code: str, words: dict[str, str]) -> None:
        name = language_name(code)
        heading = forms.CharField(required=False, max_length=80, initial=words.get("heading", ""))
        heading.label = _("Heading in %(language)s") % {"language": name}
        invitation = forms.CharField(required=False, max_length=200, initial=words.get("invitation", ""))
        invitation.label = _("Invitation in %(language)s") % {"language": name}
        for field in (heading, invitation):
            field.widget.attrs.update({"class": "input", "lang": code, "dir": tags.text_direction(code)})
        self.fields[f"heading_{code}"], self.fields[f"invitation_{code}"] = heading, invitation

    @property
    def words(self) -> list[tuple[forms.BoundField, forms.BoundField]]:
        return [(self[f"heading_{code}"], self[f"invitation_{code}"]) for code in self.codes]

    def clean_slug(self) -> str:
        slug = str(self.cleaned_data["slug"])
        if slug in RESERVED_SLUGS:
            raise ValidationError(_("This short name is taken. Choose another one."))
        return slug

    def clean_allowed_origins(self) -> list[str]:
        lines = [line for line in self.cleaned_data["allowed_origins"].split() if line]
        if len(lines) > MAX_ORIGINS:
            raise ValidationError(_("At most %(most)s sites."), params={"most": MAX_ORIGINS})
        return list(dict.fromkeys(parse_origin(line) for line in lines))

    def save(self, commit: bool = True) -> SignupForm:
        form: SignupForm = self.instance
        form.allowed_origins = self.cleaned_data["allowed_origins"]
        form.texts = {code: words for code in self.codes if any((words := self._words(code)).values())}
        saved: SignupForm = super().save(commit)
        return saved

    def _words(self, code: str) -> dict[str, str]:
        return {name: self.cleaned_data[f"{name}_{code}"] for name in ("heading", "invitation")}


class ConsentTextForm(StudioFormMixin, forms.Form):
    """A new version of one consent text."""

    purpose = forms.ChoiceField(choices=Purpose.choices, widget=forms.HiddenInput)
    language = forms.ChoiceField(widget=forms.HiddenInput)
    text = forms.CharField(
        label=gettext_lazy("Consent text"),
        min_length=20,
        max_length=1000,
        widget=forms.Textarea(attrs={"rows": 4}),
    )
    button = forms.CharField(label=gettext_lazy("Text on the button"), max_length=60, required=False)

    def __init__(self, *args: Any, newsletter: Newsletter, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.newsletter = newsletter
        language = self.fields["language"]
        assert isinstance(language, forms.ChoiceField)  # noqa: S101 (for the type checker)
        language.choices = [(code, code) for code in newsletter.languages]

    def clean_text(self) -> str:
        return " ".join(str(self.cleaned_data["text"]).split())

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        purpose, text = cleaned.get("purpose"), cleaned.get("text", "")
        if purpose == Purpose.NEWSLETTER and text and self.newsletter.brand not in text:
            message = _("Name the sender: the text must contain “%(brand)s”.") % {"brand": self.newsletter.brand}
            self.add_error("text", message)
        return cleaned

    @property
    def current(self) -> Any:
        return consent.current_text(self.newsletter, self["purpose"].value(), self["language"].value())
