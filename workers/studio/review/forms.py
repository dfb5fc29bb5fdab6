"""What the review page sends: the choice of a time, the words and figures it was made on, and who gets a test."""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from newsletter import formatting
from newsletter.studio.settings.forms import StudioFormMixin
from subscribers import addresses, suppression
from workers.sending import test_mail
from workers.studio.review import decision, timing

MAX_AHEAD = timedelta(days=366)
MAX_ADDRESSES_LENGTH = 1000
COUNT_TOLERANCE = 0.02
"""Readers come and go while a page is open; more than this share of them is worth a second look."""


class CountField(forms.CharField):
    """A count as a person types it: 11,026 and 11.026 and 11 026 are the same."""

    def clean(self, value: Any) -> int | None:
        text = "".join(sign for sign in str(super().clean(value) or "") if sign.isdigit())
        return int(text) if text and len(text) < 13 else None


class TimeForm(StudioFormMixin, forms.Form):
    """When an issue goes out: its usual slot, now, or at a date and time on the newsletter's clocks."""

    when = forms.ChoiceField(choices=[("slot", ""), ("now", ""), ("at", "")], required=False)
    on = forms.DateField(required=False, widget=forms.DateInput(attrs={"type": "date"}))
    at = forms.TimeField(required=False, widget=forms.TimeInput(attrs={"type": "time"}))

    @property
    def has_date_and_time(self) -> bool:
        """Both fields can be read; the clocks may still skip what they say."""
        return bool(self.cleaned_data.get("on")) and self.cleaned_data.get("at") is not None

    def moment(self, plan: decision.Decision) -> datetime | None:
        """The date and time fields as one moment; None where either is missing or the clocks skip it."""
        on, at = self.cleaned_data.get("on"), self.cleaned_data.get("at")
        return timing.local_moment(on, at, plan.issue.newsletter) if on and at else None


class DecisionForm(TimeForm):
    """Sends an issue, if everything is still as the page said. `plan` is how it is now."""

    version = forms.IntegerField(required=False)
    count = forms.IntegerField(required=False)
    said_slot = forms.CharField(required=False)
    said_at = forms.CharField(required=False)
    typed = CountField(required=False)
    ticks = forms.MultipleChoiceField(required=False)

    def __init__(self, *args: Any, plan: decision.Decision, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.plan = plan
        field = self.fields["ticks"]
        assert isinstance(field, forms.MultipleChoiceField)  # noqa: S101 - for the type checker
        field.choices = [(key, "") for key, _check in plan.warnings]
        field.valid_value = lambda value: True  # type: ignore[method-assign]  # a settled check may stay ticked

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        self._check_version()
        self._check_time()
        self._check_checks()
        self._check_count()
        return cleaned

    def _check_version(self) -> None:
        if self.cleaned_data.get("version") != self.plan.issue.version:
            self.add_error(None, _("The issue was edited since you opened this page. Look at it once more."))

    def _check_time(self) -> None:
        choice = self.plan.when
        if choice == "slot":
            said = _parse_moment(self.cleaned_data.get("said_slot"))
            if said != self.plan.slot.moment:
                self.add_error("when", _("The time named here has passed. The button now names the next one."))
        elif choice == "at":
            self._check_chosen_time()

    def _check_chosen_time(self) -> None:
        if self.errors.get("on") or self.errors.get("at"):
            return
        if not self.cleaned_data.get("on") or not self.cleaned_data.get("at"):
            self.add_error("on", _("Choose a date and a time."))
            return
        moment = self.moment(self.plan)
        if moment is None:
            self.add_error("at", _("The clocks jump over this time on that day. Choose another one."))
        elif moment <= self.plan.now:
            self.add_error("on", _("This time has passed. Choose a later one, or “Now”."))
        elif moment > self.plan.now + MAX_AHEAD:
            self.add_error("on", _("Choose a time within a year."))
        elif _parse_moment(self.cleaned_data.get("said_at")) != moment:
            self.add_error("on", _("You changed the time. The button now names it; press it once more."))

    def _check_checks(self) -> None:
        for check in self.plan.blocking:
            self.add_error(None, check.message)
        ticked = set(self.cleaned_data.get("ticks") or [])
        for key, check in self.plan.warnings:
            if key not in ticked:
                self.add_error("ticks", _("Tick “%(check)s” if it may stay so.") % {"check": check.message})

    def _check_count(self) -> None:
        count, said = self.plan.readers.count, self.cleaned_data.get("count") or 0
        if abs(count - said) > max(5, COUNT_TOLERANCE * said):
            self.add_error(
                None,
                _("It was %(before)s when you opened this page; it is %(now)s by now. Look at it once more.")
                % {"before": formatting.count_readers(said), "now": formatting.count_readers(count)},
            )
        elif self.plan.must_type_count and self.cleaned_data.get("typed") != said:
            self.add_error(
                "typed", _("Type the number of readers: %(count)s.") % {"count": formatting.format_number(count)}
            )


def _parse_moment(text: str | None) -> datetime | None:
    try:
        return parse_datetime(text or "")
    except ValueError:
        return None


class TestRecipientsForm(StudioFormMixin, forms.Form):
    """Who else gets a test: addresses parted by commas, spaces or lines.

    `colleagues` are the only ones that a writer may send to; None for whoever may see readers' addresses.
    """

    to = forms.CharField(required=False, max_length=MAX_ADDRESSES_LENGTH)

    def __init__(self, *args: Any, colleagues: Collection[str] | None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.colleagues = colleagues

    def clean_to(self) -> list[str]:
        typed = [part for part in re.split(r"[\s,;]+", self.cleaned_data["to"]) if part]
        found = {address.key: address.email for address in map(_parse_address, typed)}
        if len(found) > test_mail.MAX_EXTRA_ADDRESSES:
            raise forms.ValidationError(
                ngettext(
                    "A test goes to at most %(count)s further address.",
                    "A test goes to at most %(count)s further addresses.",
                    test_mail.MAX_EXTRA_ADDRESSES,
                )
                % {"count": test_mail.MAX_EXTRA_ADDRESSES}
            )
        if self.colleagues is not None and not set(found) <= {email.lower() for email in self.colleagues}:
            raise forms.ValidationError(
                _("Your role sends tests to people who work on this newsletter. An editor can send them to others.")
            )
        for key, email in found.items():
            if suppression.is_suppressed(key):
                raise forms.ValidationError(
                    _("%(email)s is not to get mail from us any more, not even a test.") % {"email": email}
                )
        return list(found.values())


def _parse_address(typed: str) -> addresses.EmailAddress:
    try:
        return addresses.parse(typed)
    except addresses.InvalidAddress as problem:
        raise forms.ValidationError(_("“%(typed)s”: %(problem)s") % {"typed": typed[:80], "problem": problem}) from None
