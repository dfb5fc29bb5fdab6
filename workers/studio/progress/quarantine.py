"""What was held back because too many bounces or complaints came at once, and what an administrator decides (T-44)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.text import get_text_list
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from newsletter import formatting, roles
from newsletter.models import Editor, Issue, IssueStatus, Newsletter
from newsletter.roles import Action
from newsletter.studio.shared import access
from newsletter.studio.start.dashboard import Need
from workers import provider_events
from workers.models import HELD_KINDS, Event

NAMES = {
    "mailgun": "Mailgun",
    "mailjet": "Mailjet",
    "postmark": "Postmark",
    "sendgrid": "SendGrid",
    "resend": "Resend",
    "brevo": "Brevo",
    "mailersend": "MailerSend",
    "mandrill": "Mandrill",
    "ses": "Amazon SES",
}
DECISIONS = ("apply", "leave-out")


@require_safe
def page(request: HttpRequest, issue_id: int) -> HttpResponse:
    issue = access.issue(request, issue_id, Action.ADMINISTER)
    held, zone = provider_events.held_of(issue), issue.newsletter.zone
    context = {"issue": issue, "newsletter": issue.newsletter, "zone": zone, "section": "issues", "held": held}
    if held:
        asked = request.GET.get("decide", "")
        context |= {
            "said": _in_words(issue, held),
            "share": formatting.format_percent(held.readers, held.accepted),
            "reasons": [_reason(*reason) for reason in held.reasons],
            "asked": asked if asked in DECISIONS else "",
        }
    return render(request, "studio/sending/held.html", context)


_KINDS: dict[str, Callable[[], str]] = {
    provider_events.BOUNCED: lambda: _("Address does not exist"),
    provider_events.COMPLAINED: lambda: _("Complaint"),
    provider_events.LEFT: lambda: _("Unsubscribed at the provider"),
}


def _reason(kind: str, code: str, detail: str, count: int) -> tuple[str, str, int]:
    answer = detail if code in detail else f"{code} {detail}".strip()
    return _KINDS[kind](), answer or "–", count


def _in_words(issue: Issue, held: provider_events.HeldBack) -> list[str]:
    zone, now, length = issue.newsletter.zone, timezone.now(), held.last_at - held.first_at
    names = [NAMES[kind] for kind in held.providers if kind in NAMES]
    who = get_text_list(names, _("and")) if names else _("Your e-mail provider")
    when = formatting.time_ago(held.first_at, zone, now=now)
    if length < timedelta(seconds=1):
        came = _("%(who)s reported all of it %(when)s, at once.") % {"who": who, "when": when}
    else:
        within = {"who": who, "when": when, "span": formatting.format_duration(length)}
        came = _("%(who)s reported the first of it %(when)s, all of it within %(span)s.") % within
    waits = ngettext(
        "Nothing has happened to %(count)s reader yet: the subscription goes on until you decide.",
        "Nothing has happened to these %(count)s readers yet: their subscriptions go on until you decide.",
        held.readers,
    )
    return [came, waits % {"count": formatting.format_number(held.readers)}]


@require_POST
def decide(request: HttpRequest, issue_id: int) -> HttpResponse:
    """Take one of DECISIONS about exactly what the person saw; if more has come since, the page asks again."""
    issue = access.issue(request, issue_id, Action.ADMINISTER)
    decision, seen = request.POST.get("decision", ""), access.number(request.POST.get("seen", ""))
    if decision not in DECISIONS or not seen:
        messages.error(request, _("Choose one of the two."))
        return redirect("issue-held", issue.pk)
    editor, now = access.editor(request), timezone.now()
    if decision == "apply":
        readers = provider_events.apply(issue, seen=seen, editor=editor, now=now)
        provider_events.go_on(now=now)
    else:
        readers = provider_events.leave_out(issue, seen=seen, editor=editor, now=now)
    if not readers:
        messages.warning(request, _("It is not what you saw any more: more came, or somebody decided. Look again."))
        return redirect("issue-held", issue.pk)
    messages.success(request, _done(decision, readers))
    return redirect("issue-report" if issue.status == IssueStatus.SENT else "issue-progress", issue.pk)


def _done(decision: str, readers: int) -> str:
    if decision == "apply":
        said = ngettext(
            "It takes effect for %(count)s reader. Your decision is recorded.",
            "It takes effect for %(count)s readers. Your decision is recorded.",
            readers,
        )
    else:
        said = ngettext(
            "Left out: %(count)s reader stays subscribed. Your decision is recorded.",
            "Left out: %(count)s readers stay subscribed. Your decision is recorded.",
            readers,
        )
    return said % {"count": formatting.format_number(readers)}


def needs(editor: Editor, mine: list[Newsletter]) -> Iterable[Need]:
    """A line on the start page of an administrator while something is held back."""
    held = Event.objects.filter(kind__in=HELD_KINDS).order_by().values_list("issue", flat=True).distinct()
    if not (numbers := list(held)):
        return
    for issue in Issue.objects.filter(pk__in=numbers, newsletter__in=mine).select_related("newsletter"):
        if roles.may(editor, Action.ADMINISTER, issue.newsletter):
            yield Need(
                _("Issue %(number)s: bounces or complaints wait for you") % {"number": issue.number},
                _("Unusually many came at once, so their effect is held back."),
                reverse("issue-held", args=[issue.pk]),
                "shield-alert",
                "danger",
            )
