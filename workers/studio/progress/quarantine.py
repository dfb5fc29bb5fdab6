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
from newsletter.studio.start.dashboard import ActionItem
from workers import provider_events, providers
from workers.models import HELD_KINDS, Event

DECISIONS = ("apply", "leave-out")


@require_safe
def detail(request: HttpRequest, issue_id: int) -> HttpResponse:
    issue = access.get_issue(request, issue_id, Action.ADMINISTER)
    held, zone = provider_events.held_events(issue), issue.newsletter.zone
    context = {"issue": issue, "newsletter": issue.newsletter, "zone": zone, "section": "issues", "held": held}
    if held:
        asked = request.GET.get("decide", "")
        context |= {
            "said": _describe(issue, held),
            "share": formatting.format_percent(held.readers, held.accepted),
            "reasons": [_describe_reason(*reason) for reason in held.reasons],
            "asked": asked if asked in DECISIONS else "",
        }
    return render(request, "studio/progress/quarantine.html", context)


_KIND_LABELS: dict[str, Callable[[], str]] = {
    provider_events.BOUNCED: lambda: _("Address does not exist"),
    provider_events.COMPLAINED: lambda: _("Complaint"),
    provider_events.UNSUBSCRIBED: lambda: _("Unsubscribed at the provider"),
}


def _describe_reason(kind: str, code: str, detail: str, count: int) -> tuple[str, str, int]:
    answer = detail if code in detail else f"{code} {detail}".strip()
    return _KIND_LABELS[kind](), answer or "–", count


def _describe(issue: Issue, held: provider_events.HeldEvents) -> list[str]:
    zone, now, length = issue.newsletter.zone, timezone.now(), held.last_at - held.first_at
    names = providers.display_names(held.providers)
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
    issue = access.get_issue(request, issue_id, Action.ADMINISTER)
    decision, seen = request.POST.get("decision", ""), access.parse_number(request.POST.get("seen", ""))
    if decision not in DECISIONS or not seen:
        messages.error(request, _("Choose one of the two."))
        return redirect("issue-held", issue.pk)
    editor, now = access.current_editor(request), timezone.now()
    if decision == "apply":
        readers = provider_events.release(issue, seen=seen, editor=editor, now=now)
        provider_events.apply_released(now=now)
    else:
        readers = provider_events.dismiss(issue, seen=seen, editor=editor, now=now)
    if not readers:
        messages.warning(request, _("It is not what you saw any more: more came, or somebody decided. Look again."))
        return redirect("issue-held", issue.pk)
    messages.success(request, _describe_decision(decision, readers))
    return redirect("issue-report" if issue.status == IssueStatus.SENT else "issue-progress", issue.pk)


def _describe_decision(decision: str, readers: int) -> str:
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


def needs(editor: Editor, mine: list[Newsletter]) -> Iterable[ActionItem]:
    """A line on the start page of an administrator while something is held back."""
    held = Event.objects.filter(kind__in=HELD_KINDS).order_by().values_list("issue", flat=True).distinct()
    if not (numbers := list(held)):
        return
    for issue in Issue.objects.filter(pk__in=numbers, newsletter__in=mine).select_related("newsletter"):
        if roles.is_allowed(editor, Action.ADMINISTER, issue.newsletter):
            yield ActionItem(
                _("Issue %(number)s: bounces or complaints wait for you") % {"number": issue.number},
                _("Unusually many came at once, so their effect is held back."),
                reverse("issue-held", args=[issue.pk]),
                "shield-alert",
                "danger",
            )
