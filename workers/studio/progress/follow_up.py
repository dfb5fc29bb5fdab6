"""Readers who did not get an issue that was sent, and letting it follow to them."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from newsletter import formatting, issues, roles
from newsletter.models import Issue, IssueStatus
from newsletter.roles import Action
from newsletter.studio.shared import access
from workers import ledger

DEFAULT_KINDS = frozenset({"late", "gave_up", "returned"})
"""Ticked unless somebody chose otherwise; who was refused is not."""
COUNT_TOLERANCE = 0.02


@require_http_methods(["GET", "HEAD", "POST"])
def follow_up(request: HttpRequest, issue_id: int) -> HttpResponse:
    """The equation, and ticks for whom it follows to (GET); the button sends to exactly those (POST)."""
    issue = access.get_issue(request, issue_id, Action.SEND if request.method == "POST" else Action.WRITE)
    if issue.status != IssueStatus.SENT:
        return redirect("issue-review" if issue.is_editable else "issue-progress", issue.pk)
    if request.method == "POST":
        return _send(request, issue)
    return _render_page(
        request, issue, _parse_kinds(request.GET.getlist("kind")) if "chosen" in request.GET else DEFAULT_KINDS
    )


def _parse_kinds(named: list[str]) -> frozenset[str]:
    return frozenset(named) & frozenset(ledger.MISSED_KINDS)


def _render_page(request: HttpRequest, issue: Issue, kinds: frozenset[str], problem: str = "") -> HttpResponse:
    found = ledger.count_missed(issue)
    context = {
        "section": "reports",
        "issue": issue,
        "newsletter": issue.newsletter,
        "zone": issue.newsletter.zone,
        "found": found,
        "rows": [row | {"chosen": row["key"] in kinds} for row in _rows(found) if row["count"]],
        "kinds": sorted(kinds),
        "count": found.of(kinds),
        "who": formatting.count_readers(found.of(kinds)),
        "terms": _terms(found, kinds),
        "age": formatting.format_duration(timezone.now() - issue.started_at) if issue.started_at else "",
        "may_send": roles.is_allowed(access.current_editor(request), Action.SEND, issue.newsletter),
        "problem": problem,
    }
    return render(request, "studio/progress/follow_up.html", context, status=422 if problem else 200)


def _rows(found: ledger.MissedCounts) -> list[dict[str, Any]]:
    return [
        {
            "key": "late",
            "count": found.late,
            "title": _("They signed up after it had begun"),
            "words": _("They get it as it was sent, in their language."),
        },
        {
            "key": "gave_up",
            "count": found.gave_up,
            "title": _("Their mail service put us off until we gave up"),
            "words": _("A full mailbox or a busy server; by now it may take the mail."),
        },
        {
            "key": "returned",
            "count": found.returned,
            "title": _("They were away when it went out"),
            "words": _("They had paused or left, and are subscribed again."),
        },
        {
            "key": "refused",
            "count": found.refused,
            "title": _("Their mail service said no"),
            "words": _("Tick this only if the reason is gone. Mail that is refused again harms the sender’s name."),
        },
    ]


def _terms(found: ledger.MissedCounts, kinds: frozenset[str]) -> list[tuple[int, str]]:
    """What is taken from everybody who may get mail now."""
    terms = [
        (found.have, _("have it")),
        (found.uncertain, _("uncertain: they may have it")),
        (found.waiting, _("deferred, tried again by itself")),
        (found.of(set(ledger.MISSED_KINDS) - kinds), _("not ticked")),
    ]
    return [(count, words) for count, words in terms if count]


def _send(request: HttpRequest, issue: Issue) -> HttpResponse:
    kinds = _parse_kinds(request.POST.getlist("kind"))
    count, said = ledger.count_missed(issue).of(kinds), access.parse_number(request.POST.get("count", ""))
    if abs(count - said) > max(5, COUNT_TOLERANCE * said):
        words = _("It was %(before)s when you opened this page; it is %(now)s by now. Look at it once more.")
        figures = {"before": formatting.count_readers(said), "now": formatting.count_readers(count)}
        return _render_page(request, issue, kinds, words % figures)
    try:
        readers = ledger.send_to_missed(issue, kinds, editor=access.current_editor(request), now=timezone.now())
    except ledger.NobodyMissed:
        return _render_page(request, issue, kinds, _("There is nobody to send it to. Tick somebody."))
    except issues.WrongState as wrong:
        messages.error(request, str(wrong))
        return redirect("issue-progress", issue.pk)
    words = ngettext(
        "It follows to %(count)s reader. Nobody gets it twice, and your click is recorded.",
        "It follows to %(count)s readers. Nobody gets it twice, and your click is recorded.",
        readers,
    )
    messages.success(request, words % {"count": formatting.format_number(readers)})
    return redirect("issue-progress", issue.pk)
