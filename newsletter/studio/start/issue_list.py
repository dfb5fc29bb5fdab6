"""The list of issues: search, create, delete and restore."""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from newsletter import corrections, issues, roles
from newsletter.languages import reader_words
from newsletter.models import EDITABLE, Issue, IssueStatus, Newsletter
from newsletter.studio.shared import access
from newsletter.studio.start.dashboard import optional_url
from newsletter.web import page_language

PAGE_SIZE = 30
STATUS_GROUPS = {
    "": (gettext_lazy("All"), tuple(IssueStatus)),
    "draft": (gettext_lazy("Drafts"), EDITABLE),
    "on-the-way": (gettext_lazy("In progress"), (IssueStatus.SCHEDULED, IssueStatus.SENDING, IssueStatus.PAUSED)),
    "sent": (gettext_lazy("Sent"), (IssueStatus.SENT,)),
    "cancelled": (gettext_lazy("Cancelled"), (IssueStatus.CANCELLED,)),
}


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    mine = roles.allowed_newsletters(access.current_editor(request), roles.Action.WRITE)
    chosen = request.GET.get("newsletter", "")
    here = [access.get_newsletter(request, chosen, roles.Action.WRITE)] if chosen else mine
    group, words = request.GET.get("status", ""), request.GET.get("q", "").strip()
    found = Issue.objects.not_deleted().filter(newsletter__in=here).select_related("newsletter", "edited_by")
    counts = {key: found.filter(status__in=statuses).count() for key, (_label, statuses) in STATUS_GROUPS.items()}
    shown = _search(
        found.filter(status__in=STATUS_GROUPS.get(group, STATUS_GROUPS[""])[1]),
        words,
        page_language.offered_languages(here),
    )
    sheet = Paginator(shown.order_by("-created_at", "-pk"), PAGE_SIZE).get_page(request.GET.get("page"))
    context = {
        "section": "issues",
        "mine": mine,
        "chosen": chosen,
        "groups": [{"key": key, "label": label, "count": counts[key]} for key, (label, _s) in STATUS_GROUPS.items()],
        "group": group,
        "q": words,
        "rows": [_row(issue) for issue in sheet],
        "sheet": sheet,
        "any": counts[""] > 0,
        "deleted": _just_deleted(here, request.GET.get("deleted", "")),
    }
    return render(request, "studio/start/issue_list.html", context)


def _just_deleted(here: list[Newsletter], key: str) -> Issue | None:
    """The draft that was just deleted, to show an undo button."""
    if not (known := access.parse_number(key)):
        return None
    return Issue.objects.filter(newsletter__in=here, deleted_at__isnull=False, pk=known).first()


def _search(found: QuerySet[Issue], words: str, languages: list[str]) -> QuerySet[Issue]:
    """Filter issues by number or subject."""
    if not words:
        return found
    number = words.lstrip("#")
    subjects = (
        Q(**{f"content__envelopes__{code}__subject__icontains": words})
        for code in languages or reader_words.INTERFACE_LANGUAGES
    )
    matches = reduce(or_, subjects)
    return found.filter(matches | Q(number=int(number)) if number.isdecimal() and len(number) < 9 else matches)


def _row(issue: Issue) -> dict[str, Any]:
    default = issue.newsletter.default_language
    envelope = issue.content.get("envelopes", {}).get(default, {})
    compose = reverse("issue-compose", args=[issue.pk])
    pages = {
        IssueStatus.SENDING: "issue-progress",
        IssueStatus.PAUSED: "issue-progress",
        IssueStatus.SCHEDULED: "issue-progress",
        IssueStatus.SENT: "issue-report",
    }
    url = optional_url(pages[IssueStatus(issue.status)], issue.pk) if issue.status in pages else compose
    return {
        "issue": issue,
        "subject": envelope.get("subject", ""),
        "language": default,
        "url": url or compose,
        "tone": {"paused": "danger", "scheduled": "warn", "sending": "warn"}.get(issue.status, ""),
    }


@require_POST
def create(request: HttpRequest) -> HttpResponse:
    """Start an empty issue."""
    me = access.current_editor(request)
    slug = request.POST.get("newsletter", "")
    mine = roles.allowed_newsletters(me, roles.Action.WRITE)
    if not slug and not mine:
        roles.deny(me, roles.Action.WRITE)
    newsletter: Newsletter = access.get_newsletter(request, slug, roles.Action.WRITE) if slug else mine[0]
    now = timezone.now()
    issue = corrections.prepend_errata(issues.create(newsletter, editor=me, now=now), editor=me, now=now)
    return redirect("issue-compose", issue.pk)


@require_POST
def delete(request: HttpRequest, issue_id: int) -> HttpResponse:
    issue = access.get_issue(request, issue_id)
    try:
        issues.delete(issue, editor=access.current_editor(request), now=timezone.now())
    except issues.WrongState as error:
        messages.error(request, str(error))
        return redirect("issue-list")
    return redirect(f"{reverse('issue-list')}?deleted={issue.pk}")


@require_POST
def bring_back(request: HttpRequest, issue_id: int) -> HttpResponse:
    issue = access.get_issue(request, issue_id, deleted=True)
    issues.undelete(issue, editor=access.current_editor(request), now=timezone.now())
    messages.success(request, _("Issue %(number)s was restored.") % {"number": issue.number})
    return redirect("issue-compose", issue.pk)
