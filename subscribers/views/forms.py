"""The forms of the public pages: what a visitor typed, read and checked, with words for what is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext as _

from newsletter.languages import tags
from newsletter.models import Newsletter
from subscribers import addresses, consent, signup
from subscribers.models import SignupForm
from subscribers.signup import limits

HONEYPOT = "website"


class CheckboxIdsForm(forms.Form):
    """A form whose ticked boxes carry ids."""

    def __init__(self, sent: QueryDict) -> None:
        super().__init__(sent)
        self.posted = sent

    def ids(self, name: str) -> set[int]:
        return {int(value) for value in self.posted.getlist(name)[:50] if value.isdecimal() and len(value) < 16}


class SignupBoxForm(CheckboxIdsForm):
    """One sign-up, from whichever page the box was on."""

    email = forms.CharField(max_length=320, required=False)
    website = forms.CharField(required=False)
    """No person sees this field; what fills it in is a robot."""
    stamp = forms.CharField(required=False)
    language = forms.CharField(required=False)
    page = forms.CharField(required=False)
    agree = forms.BooleanField(required=False)

    def __init__(self, sent: QueryDict, *, form: SignupForm) -> None:
        super().__init__(sent)
        self.form = form
        self.offered = list(signup.offered_newsletters(form))

    def clean_email(self) -> str:
        try:
            return addresses.parse_public(self.cleaned_data["email"]).email
        except addresses.InvalidAddress as wrong:
            raise forms.ValidationError(str(wrong)) from None

    def clean(self) -> dict[str, Any]:
        if not self.chosen:
            self.add_error(None, forms.ValidationError(_("Choose at least one newsletter."), code="newsletters"))
        if self.form.consent_style == "checkbox" and not self.cleaned_data.get("agree"):
            self.add_error("agree", _("Please tick the box if you agree, so that we may write to you."))
        return self.cleaned_data

    @property
    def chosen(self) -> list[Newsletter]:
        """The ticked newsletters; where only one is offered there is nothing to tick."""
        if len(self.offered) == 1:
            return self.offered
        ids = self.ids("newsletters")
        return [newsletter for newsletter in self.offered if newsletter.pk in ids]

    def is_robot(self, *, origin_is_foreign: bool, now: datetime) -> bool:
        """Whether a robot sent this. A box pasted into a registered site has no time stamp. Raises OldStamp."""
        if self.posted.get(HONEYPOT):
            return True
        stamp = self.posted.get("stamp", "")
        if not stamp and origin_is_foreign:
            return False
        try:
            limits.check_stamp(stamp, now=now)
        except limits.InvalidStamp:
            return True
        return False

    @property
    def messages(self) -> dict[str, str]:
        """The first message of each field, as the box shows them."""
        named = {name: str(errors[0]) for name, errors in self.errors.items() if name != "__all__"}
        general = self.non_field_errors()
        return {**named, **({"newsletters": str(general[0])} if general else {})}


class PreferencesForm(CheckboxIdsForm):
    """What a reader chose on the preferences page."""

    language = forms.CharField(max_length=tags.MAX_LENGTH, required=False)

    def __init__(self, sent: QueryDict, *, languages: Sequence[str]) -> None:
        super().__init__(sent)
        self.languages = languages

    def clean_language(self) -> str:
        language = str(self.cleaned_data["language"])
        if language and language not in self.languages:
            raise forms.ValidationError("not offered", code="invalid_choice")
        return language


class UnsubscribeReasonForm(forms.Form):
    reason = forms.ChoiceField(choices=[(reason, reason) for reason in consent.UNSUBSCRIBE_REASONS])
