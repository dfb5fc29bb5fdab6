"""The checks panel of the composer: failed checks by severity with their fixes, and the state of the slow checks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_http_methods

from newsletter import checks, content, formatting
from newsletter.checks import Check, link_checker, link_results
from newsletter.models import Issue
from newsletter.studio.composer import fix_steps
from newsletter.studio.shared import access

FIELD_BY_CHECK = {"E20": "preheader", "E21": "subject", "subject": "subject", "tongue": "subject"}


@dataclass(frozen=True)
class CheckRow:
    """A check that failed, as the panel shows it."""

    check: Check
    href: str
    """Link to the field or block in the composer; "" if there is none."""
    elsewhere: str
    """Name of the language tab with that field, if it is not the current one."""
    do: str = ""
    label: str = ""
    """Value and label of the button that fixes the check."""


def panel_context(issue: Issue, language: str, *, now: datetime | None = None) -> dict[str, Any]:
    """Context of `_checks.html`."""
    now = now or timezone.now()
    found = checks.filter_for_editors(checks.check_issue(issue, now=now), issue)
    wrong = [check for check in found if not check.ok and not check.is_pending]
    offered = fix_steps.available_fixes(issue, content.parse(issue.content), wrong) if wrong else {}
    counts = {severity: sum(check.severity == severity for check in wrong) for severity in checks.SEVERITY_ORDER}
    return {
        "open_checks": [_row(check, language, *offered.get(check, ("", ""))) for check in wrong],
        "passed": list(dict.fromkeys(check.message for check in found if check.ok)),
        "blocking": counts["blocks"],
        "warning": counts["warns"],
        "tips": counts["suggests"],
        "look": slow_checks_state(issue, found, now=now),
    }


def _row(check: Check, language: str, do: str, label: str) -> CheckRow:
    anchor = check.block or FIELD_BY_CHECK.get(check.id, "")
    is_elsewhere = bool(check.language) and check.language != language
    place = f"?language={check.language}#{anchor}" if is_elsewhere else f"#{anchor}"
    elsewhere = formatting.language_name(check.language or "") if is_elsewhere else ""
    return CheckRow(check, place if anchor else "", elsewhere, do, label)


# --- the slow checks -------------------------------------------------------------------------------------------------


def slow_checks_state(issue: Issue, found: list[Check] | None = None, *, now: datetime) -> dict[str, Any]:
    """State of the slow checks: whether they are due or running, and how long ago they finished."""
    pending = [check for check in found or () if check.is_pending and check.id == "E19"]
    return {
        "is_waiting": link_checker.is_pending(issue, now=now),
        "is_due": issue.is_editable and link_checker.is_due(issue, now=now),
        "age": link_results.describe_age(issue.looked_at, now=now),
        "untried": pending[0].message if pending and issue.looked_at else "",
    }


@require_http_methods(["GET", "HEAD", "POST"])
def request_slow_checks(request: HttpRequest, issue_id: int) -> HttpResponse:
    """POST requests the slow checks, unless they were requested recently. GET shows their state.

    The fragment polls until the checks are done. The last response triggers the event `looked` on the page.
    """
    issue, now = access.get_issue(request, issue_id), timezone.now()
    if request.method == "POST":
        if issue.is_editable and _may_request(issue, by_hand="now" in request.POST, now=now):
            link_checker.request_check(issue, now=now)
        if not access.is_htmx(request):
            return redirect(_return_url(request, issue))
    shown = slow_checks_state(issue, now=now)
    response = render(request, "studio/shared/_slow_checks.html", {"issue": issue, "look": shown})
    if request.method != "POST" and not shown["is_waiting"]:
        response["HX-Trigger"] = "looked"
    return response


def _may_request(issue: Issue, *, by_hand: bool, now: datetime) -> bool:
    """Whether a check may be requested now.

    Automatic requests of the page are limited to one in ten minutes. The button is limited only by a running check.
    """
    return not link_checker.is_pending(issue, now=now) if by_hand else link_checker.is_due(issue, now=now)


def _return_url(request: HttpRequest, issue: Issue) -> str:
    """The page to return to without JavaScript. `back` is used only if it points to this host (open redirect)."""
    page = request.POST.get("back", "")
    is_safe = url_has_allowed_host_and_scheme(
        page, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return page if is_safe else reverse("issue-compose", args=[issue.pk]) + "#checks"
