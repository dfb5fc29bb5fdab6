"""An issue that was held back at its time gets another one."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from newsletter import formatting, issues
from newsletter.models import Issue, Newsletter
from newsletter.roles import Action
from newsletter.studio.shared import access
from workers import ledger
from workers.studio.review import timing
from workers.studio.review.forms import MAX_AHEAD


class PostponeForm(forms.Form):
    """A date and a time on the newsletter's clocks; `moment` is what they make."""

    on = forms.DateField(error_messages={"required": "", "invalid": ""})
    at = forms.TimeField(error_messages={"required": "", "invalid": ""})

    def __init__(self, *args: Any, newsletter: Newsletter, now: datetime, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.newsletter, self.now = newsletter, now
        self.moment: datetime | None = None

    @property
    def problem(self) -> str:
        """Why it cannot be then, in words; "" if it can."""
        if not self.is_valid():
            return _("Choose a date and a time.")
        self.moment = timing.local_moment(self.cleaned_data["on"], self.cleaned_data["at"], self.newsletter)
        if self.moment is None:
            return _("The clocks jump over this time on that day. Choose another one.")
        if self.moment <= self.now:
            return _("This time has passed. Choose a later one, or “Send it now”.")
        if self.moment > self.now + MAX_AHEAD:
            return _("Choose a time within a year.")
        return ""


def initial_values(issue: Issue, *, now: datetime) -> dict[str, str]:
    """What the form is filled with: the next usual slot, on the newsletter's clocks."""
    newsletter, moment = issue.newsletter, timing.propose_slot(issue, now=now).moment
    return {
        "on": moment.strftime("%Y-%m-%d"),
        "at": moment.strftime("%H:%M"),
        "first": timezone.localtime(now, newsletter.zone).strftime("%Y-%m-%d"),
        "zone": formatting.zone_name(moment, newsletter.zone),
    }


@require_POST
def postpone(request: HttpRequest, issue_id: int) -> HttpResponse:
    issue = access.get_issue(request, issue_id, Action.SEND)
    now, newsletter = timezone.now(), issue.newsletter
    form = PostponeForm(request.POST, newsletter=newsletter, now=now)
    if (problem := form.problem) or form.moment is None:
        messages.error(request, problem)
        return redirect("issue-progress", issue.pk)
    try:
        ledger.postpone(issue, at=form.moment, editor=access.current_editor(request), now=now)
    except issues.WrongState as error:
        messages.error(request, str(error))
        return redirect("issue-progress", issue.pk)
    said = _("It goes out %(time)s.") % {"time": formatting.format_datetime(form.moment, newsletter.zone)}
    messages.success(request, f"{said} {timing.describe_ambiguous(form.moment, newsletter.zone)}".strip())
    return redirect("issue-progress", issue.pk)
