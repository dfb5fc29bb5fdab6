"""The studio's forms: our field class, and errors tied to their fields for screen readers."""

from __future__ import annotations

import re
from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.conf import settings
from django.contrib.auth.forms import PasswordChangeForm
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from newsletter import sites
from newsletter.formatting import language_name, own_language_name
from newsletter.languages import reader_words
from newsletter.languages import tags as language_tags
from newsletter.models import ACCENT, Editor, Newsletter, Role
from newsletter.models.languages import first_interface_language
from newsletter.rendering import colours
from newsletter.studio.settings.draft_schedule import DraftScheduleForm
from newsletter.studio.settings.language_fields import LanguageTagField, LanguageTagsField

THEMES = {"system": gettext_lazy("Same as device"), "light": gettext_lazy("Light"), "dark": gettext_lazy("Dark")}
INDONESIAN_TIME_ZONES = [
    ("Asia/Jakarta", gettext_lazy("WIB: Jakarta, Sumatra, West and Central Kalimantan")),
    ("Asia/Makassar", gettext_lazy("WITA: Makassar, Bali, Nusa Tenggara, East and South Kalimantan")),
    ("Asia/Jayapura", gettext_lazy("WIT: Jayapura, Maluku, Papua")),
]
_HAS_POSTCODE = re.compile(r"\d{4,}|\b[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}\b")


class StudioFormMixin:
    """Gives text fields the class `input`; Django 5.2 sets aria-invalid and aria-describedby itself."""

    fields: dict[str, forms.Field]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            if not isinstance(field.widget, (forms.CheckboxInput, forms.RadioSelect, forms.CheckboxSelectMultiple)):
                field.widget.attrs.setdefault("class", "input")


def language_choices() -> list[tuple[str, str]]:
    """The languages of the studio."""
    return [(code, own_language_name(code)) for code, _name in settings.LANGUAGES]


def time_zone_choices() -> list[tuple[str, Any]]:
    """Indonesia's three first, then all others by name."""
    others = sorted(zone for zone in available_timezones() if "/" in zone and not zone.startswith(("Etc/", "SystemV/")))
    return [
        (_("Indonesia"), INDONESIAN_TIME_ZONES),
        (_("Other time zones"), [(zone, zone.replace("_", " ")) for zone in others]),
    ]


# --- one's own account -----------------------------------------------------------------------------------------------


class ProfileForm(StudioFormMixin, forms.ModelForm):  # type: ignore[type-arg]
    language = forms.ChoiceField(label=gettext_lazy("Language of the studio"), choices=language_choices)
    theme = forms.ChoiceField(label=gettext_lazy("Appearance"), choices=list(THEMES.items()), widget=forms.RadioSelect)

    class Meta:
        model = Editor
        fields = ("name", "language")

    def __init__(self, *args: Any, theme: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["theme"].initial = theme if theme in THEMES else "system"
        self.fields["name"].widget.attrs["autocomplete"] = "name"


class PasswordForm(StudioFormMixin, PasswordChangeForm):
    def __init__(self, user: Editor, *args: Any, **kwargs: Any) -> None:
        super().__init__(user, *args, **kwargs)
        self.fields["old_password"].label = gettext_lazy("Current password")
        self.fields["new_password1"].label = gettext_lazy("New password")
        self.fields["new_password1"].help_text = gettext_lazy(
            "At least 12 characters. Four words make a good password."
        )
        self.fields["new_password2"].label = gettext_lazy("Repeat the new password")
        self.fields["new_password2"].help_text = ""
        self.fields["old_password"].widget.attrs.pop("autofocus", None)
        self.error_messages["password_incorrect"] = _("This is not your current password.")
        self.error_messages["password_mismatch"] = _("The two new passwords do not match. Enter them again.")


# --- editors ---------------------------------------------------------------------------------------------------------


class InviteForm(StudioFormMixin, forms.Form):
    email = forms.EmailField(label=gettext_lazy("E-mail address"), max_length=254)
    name = forms.CharField(label=gettext_lazy("Name"), max_length=120)
    role = forms.ChoiceField(label=gettext_lazy("Role"), choices=Role.choices, initial=Role.EDITOR)
    language = forms.ChoiceField(label=gettext_lazy("Language of the studio"), choices=language_choices)
    newsletter = forms.ModelChoiceField(
        label=gettext_lazy("Newsletter"), queryset=Newsletter.objects.none(), to_field_name="slug"
    )

    def __init__(self, *args: Any, newsletters: QuerySet[Newsletter], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choice = self.fields["newsletter"]
        assert isinstance(choice, forms.ModelChoiceField)  # noqa: S101 (for the type checker)
        choice.queryset, choice.empty_label = newsletters, None


# --- newsletters -----------------------------------------------------------------------------------------------------


class PostalAddressMixin:
    """A postal address that a letter would reach; always asked for, never invented."""

    cleaned_data: dict[str, Any]

    def clean_postal_address(self) -> str:
        address = str(self.cleaned_data["postal_address"]).strip()
        if len(address.split()) < 4:
            raise ValidationError(_("Enter the complete address: name, street and number, town and postcode."))
        if not _HAS_POSTCODE.search(address):
            raise ValidationError(_("The postcode is missing. Add it, for example “Jakarta 12345”."))
        return address


class SenderForm(StudioFormMixin, PostalAddressMixin, forms.ModelForm):  # type: ignore[type-arg]
    """What no site says for certain, and every mail needs."""

    class Meta:
        model = Newsletter
        fields = ("from_name", "from_email", "postal_address")
        labels = {"from_name": gettext_lazy("Sender’s name"), "from_email": gettext_lazy("Sender’s address")}
        help_texts = {
            "from_email": gettext_lazy(
                "An address on your own domain, such as redaksi@ followed by the name of your site."
            ),
            "postal_address": gettext_lazy(
                "Shown in the footer of each mail. It is required by law in many countries, and readers trust it."
            ),
        }
        widgets = {"postal_address": forms.Textarea(attrs={"rows": 3})}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["postal_address"].required = True


class NewsletterForm(StudioFormMixin, PostalAddressMixin, DraftScheduleForm, forms.ModelForm):  # type: ignore[type-arg]
    """All settings of one newsletter. Titles in other languages are fields of their own, kept in `translations`."""

    default_language = LanguageTagField(
        label=gettext_lazy("First language"),
        help_text=gettext_lazy(
            "Shown if a text does not exist in a reader’s language. Choose one, or type its tag, such as jv or pt-BR."
        ),
    )
    more_languages = forms.MultipleChoiceField(
        label=gettext_lazy("Sent in"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    other_languages = LanguageTagsField(
        label=gettext_lazy("Also sent in"),
        required=False,
        help_text=gettext_lazy("Tags of other languages, separated by spaces, such as jv su ta."),
    )
    fixed_words_language = forms.ChoiceField(
        label=gettext_lazy("Language of the fixed words"),
        required=False,
        help_text=gettext_lazy(
            "Footer, forms and reader pages appear in this language where we have no words in the reader’s."
        ),
    )
    time_zone = forms.ChoiceField(
        label=gettext_lazy("Time zone"),
        choices=time_zone_choices,
        help_text=gettext_lazy("All times of this newsletter are shown in this zone."),
    )

    site_url = forms.URLField(label=gettext_lazy("Your site"), required=False, assume_scheme="https")
    privacy_url = forms.URLField(
        label=gettext_lazy("Privacy notice"),
        required=False,
        assume_scheme="https",
        help_text=gettext_lazy("Linked from the sign-up box and from each mail."),
    )

    hold_s = forms.IntegerField(
        label=gettext_lazy("Seconds to stop an issue after “Send now”"),
        min_value=0,
        max_value=300,
        initial=120,
        help_text=gettext_lazy("From 0 to 300. Nothing is sent before this time has passed."),
    )
    first_batch = forms.IntegerField(
        label=gettext_lazy("Readers in the first small batch"),
        min_value=0,
        max_value=10_000,
        initial=50,
        help_text=gettext_lazy(
            "They receive the issue first. The rest follow only if there are no problems. 0 turns this off."
        ),
    )

    class Meta:
        model = Newsletter
        fields = (
            *("brand", "title", "description", "accent", "from_name", "from_email", "reply_to", "postal_address"),
            *("site_url", "privacy_url", "time_zone", "tracking", "hold_s", "first_batch", "four_eyes"),
            *("is_public", "archive_is_public", "fixed_words_language"),
        )
        labels = {
            "brand": gettext_lazy("Publisher"),
            "title": gettext_lazy("Title of the newsletter"),
            "description": gettext_lazy("Description, in one sentence"),
            "from_name": gettext_lazy("Name"),
            "from_email": gettext_lazy("Address"),
            "postal_address": gettext_lazy("Address"),
            "tracking": gettext_lazy("Measurement"),
            "is_public": gettext_lazy("Offered on the public sign-up page"),
            "archive_is_public": gettext_lazy("Issues can be read on the web"),
        }
        help_texts = {
            "reply_to": gettext_lazy("Someone should read this mailbox. If empty, replies go to the sender’s address."),
        }
        widgets = {"tracking": forms.RadioSelect, "postal_address": forms.Textarea(attrs={"rows": 3})}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["postal_address"].required = True
        self.set_initial(self.instance)
        languages = self.instance.languages or [first_interface_language()]
        self._set_language_choices(languages)
        for code in self._title_languages():
            words = self.instance.translations.get(code, {})
            title = forms.CharField(required=False, max_length=80, initial=words.get("title", ""))
            language = language_name(code)
            title.label = _("Title in %(language)s") % {"language": language}
            about = forms.CharField(required=False, max_length=200, initial=words.get("description", ""))
            about.label = _("In one sentence, in %(language)s") % {"language": language}
            for field in (title, about):
                field.widget.attrs.update({"class": "input", "lang": code, "dir": language_tags.text_direction(code)})
            self.fields[f"title_{code}"], self.fields[f"description_{code}"] = title, about

    def _set_language_choices(self, languages: list[str]) -> None:
        words = reader_words.available_languages()
        own = dict.fromkeys([*words, *languages])
        for name, codes in (("more_languages", own), ("fixed_words_language", words)):
            field = self.fields[name]
            assert isinstance(field, forms.ChoiceField)  # noqa: S101 (for the type checker)
            field.choices = [(code, language_name(code).capitalize()) for code in codes]
        self.fields["default_language"].initial = languages[0]
        self.fields["more_languages"].initial = languages
        chosen = self.instance.fixed_words_language or reader_words.SOURCE_LANGUAGE
        self.fields["fixed_words_language"].initial = self.initial["fixed_words_language"] = chosen

    def _title_languages(self) -> list[str]:
        """The languages that titles can be written in: the interface's, the newsletter's, and those that are posted."""
        posted = self.data.getlist("more_languages") if hasattr(self.data, "getlist") else []
        posted = [*posted, *str(self.data.get("other_languages", "")).replace(",", " ").split()]
        tags = [language_tags.parse_tag(one) for one in posted if language_tags.is_valid_tag(one)]
        return list(dict.fromkeys([*reader_words.INTERFACE_LANGUAGES, *self.instance.languages, *tags]))

    def clean_accent(self) -> str:
        accent = str(self.cleaned_data["accent"]).upper()
        ACCENT(accent)
        ratio = colours.contrast(accent, colours.PAPER)
        if ratio < colours.MIN_CONTRAST:
            near = colours.readable_accent(accent)
            raise ValidationError(
                _(
                    "Too light to read on white: %(ratio).1f : 1, but 4.5 : 1 is required. The nearest colour that meets this is %(near)s."
                ),
                params={"ratio": ratio, "near": near},
            )
        return accent

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        first = cleaned.get("default_language", "")
        more = [*cleaned.get("more_languages", []), *cleaned.get("other_languages", [])]
        cleaned["languages"] = list(dict.fromkeys([first, *more]))
        return cleaned

    def save(self, commit: bool = True) -> Newsletter:
        newsletter = self.instance
        newsletter.languages = self.cleaned_data["languages"]
        newsletter.cadence, newsletter.draft_rule = self.cleaned_data["cadence"], self.cleaned_data["draft_rule"]
        newsletter.translations = {
            code: words for code in newsletter.languages[1:] if any((words := self._words(code)).values())
        }
        if not newsletter.pk:
            newsletter.slug = sites.unused_slug(newsletter.title)
            newsletter.list_id = f"{newsletter.slug}.{newsletter.from_email.rpartition('@')[2]}"
        saved: Newsletter = super().save(commit)
        return saved

    def _words(self, code: str) -> dict[str, str]:
        return {name: self.cleaned_data.get(f"{name}_{code}", "") for name in ("title", "description")}

    @property
    def translated(self) -> list[tuple[forms.BoundField, forms.BoundField]]:
        """Title and sentence in each language but the first, for the template."""
        first = self["default_language"].value()
        return [
            (self[f"title_{code}"], self[f"description_{code}"]) for code in self._title_languages() if code != first
        ]
