"""The review page: the only way to a send. Everything it shows is checked again when its button is pressed."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from newsletter import formatting, issues, roles
from newsletter.formatting import zone_name
from newsletter.models import Editor, Issue
from newsletter.roles import Action
from newsletter.studio.composer import checks_panel
from newsletter.studio.shared import access
from workers.sending import test_mail
from workers.studio.review import changes_since_test, content_by_language, last_issue_comparison
from workers.studio.review.decision import Decision
from workers.studio.review.forms import MAX_ADDRESSES_LENGTH, DecisionForm, TestRecipientsForm, TimeForm

TEST_ADDRESSES_KEY = "test_addresses"
"""In the session: whom this editor sends tests to, as typed, by newsletter."""


@require_http_methods(["GET", "HEAD", "POST"])
def review(request: HttpRequest, issue_id: int) -> HttpResponse:
    """A POST only comes back with the time and ticks in the address, so that the page names a time just chosen."""
    issue = access.get_issue(request, issue_id, Action.WRITE)
    if not issue.is_editable:
        return redirect("issue-progress", issue.pk)
    if request.method == "POST":
        _remember_addresses(request, issue)
        return _redirect_back(issue, request.POST)
    plan = _build_decision(issue, request.GET, now=timezone.now())
    if request.headers.get("HX-Target") == "verdict":
        return _render_chosen_time(request, plan)
    return _render_page(request, plan)


def _render_chosen_time(request: HttpRequest, plan: Decision) -> HttpResponse:
    """What changes with the time chosen, and nothing that is slow: the sentence, the button's words, the readers."""
    editor, newsletter = access.current_editor(request), plan.issue.newsletter
    context = {
        "issue": plan.issue,
        "newsletter": newsletter,
        "plan": plan,
        "options": plan.options(),
        "shares": _describe_shares(plan),
        "tested": changes_since_test.compare(plan.issue, editor=editor),
        "may_see_people": roles.is_allowed(editor, Action.SEE_PEOPLE, newsletter),
        "zone_name": zone_name(plan.chosen_time, newsletter.zone),
    }
    return render(request, "studio/review/_chosen_time_response.html", context)


def _build_decision(issue: Issue, sent: QueryDict, *, now: datetime) -> Decision:
    """The page's figures with the time and the ticks that `sent` names; what makes no sense in it is left aside."""
    plan = Decision(issue, now, ticked=frozenset(sent.getlist("ticks")))
    plan.on_text, plan.at_text = sent.get("on", "")[:10], sent.get("at", "")[:8]
    form = TimeForm(sent)
    form.is_valid()
    plan.when = form.cleaned_data.get("when") or ("now" if issue.is_correction_note else "slot")
    plan.at = form.moment(plan)
    plan.is_skipped = plan.when == "at" and plan.at is None and form.has_date_and_time
    return plan


def _render_page(request: HttpRequest, plan: Decision, form: DecisionForm | None = None, **more: Any) -> HttpResponse:
    editor, newsletter = access.current_editor(request), plan.issue.newsletter
    last, rows = plan.last, content_by_language.matrix(plan.issue)
    context = {
        "issue": plan.issue,
        "newsletter": newsletter,
        "zone": newsletter.zone,
        "plan": plan,
        "form": form,
        "options": plan.options(),
        "shares": _describe_shares(plan),
        "matrix": rows,
        "columns": list(zip(plan.readers.shares, content_by_language.coverage(rows), strict=False)),
        "last": last,
        "comparisons": last_issue_comparison.compare(plan.issue, last, count=plan.readers.count) if last else [],
        "changed_settings": last_issue_comparison.changed_settings(plan.issue, last) if last else [],
        "may_approve": roles.is_allowed(editor, Action.APPROVE, newsletter),
        "may_send": roles.is_allowed(editor, Action.SEND, newsletter),
        "stands_in_the_way": _why_not_sendable(plan, may_send=roles.is_allowed(editor, Action.SEND, newsletter)),
        "may_see_people": roles.is_allowed(editor, Action.SEE_PEOPLE, newsletter),
        "zone_name": zone_name(plan.chosen_time, newsletter.zone),
        "look": checks_panel.slow_checks_state(plan.issue, plan.checks, now=plan.now),
        **_test_box_context(request, plan),
        **more,
    }
    status = 422 if "problem" in more or (form is not None and form.errors) else 200
    return render(request, "studio/review/review.html", context, status=status)


def _describe_shares(plan: Decision) -> str:
    """ "8,912 in Indonesian, 2,114 in English"; empty where there is one language."""
    if len(plan.readers.shares) < 2:
        return ""
    phrases = [
        _("%(count)s in %(language)s") % {"count": formatting.format_number(share.count), "language": share.name}
        for share in plan.readers.shares
    ]
    return ", ".join(phrases)


def _why_not_sendable(plan: Decision, *, may_send: bool) -> str:
    """Why the button cannot be pressed, in a sentence; empty if it can."""
    if plan.blocking:
        return _("Not possible yet: %(reason)s") % {"reason": plan.blocking[0].message}
    if plan.needs_other_person:
        return _("Not possible yet: a second person has to approve it first.")
    if not may_send:
        return _("Your role may write and review; a publisher or administrator sends.")
    return ""


def _redirect_back(issue: Issue, sent: QueryDict) -> HttpResponseRedirect:
    """The review page again, with the time and the ticks as they were."""
    kept = QueryDict(mutable=True)
    for name in ("when", "on", "at", "ticks"):
        kept.setlist(name, sent.getlist(name))
    query = kept.urlencode()
    return HttpResponseRedirect(reverse("issue-review", args=[issue.pk]) + (f"?{query}" if query else ""))


@require_POST
def approve(request: HttpRequest, issue_id: int) -> HttpResponse:
    issue = access.get_issue(request, issue_id, Action.APPROVE)
    now = timezone.now()
    try:
        _require_same_version(issue, request.POST)
        if blocking := Decision(issue, now).blocking:
            raise issues.WrongState(_("Not approved: %(reason)s") % {"reason": blocking[0].message})
        issues.approve(issue, editor=access.current_editor(request), now=now)
    except issues.WrongState as error:
        messages.error(request, str(error))
    else:
        messages.success(request, _("Approved: exactly this content for these readers. A change to either ends it."))
    return _redirect_back(issue, request.POST)


def _require_same_version(issue: Issue, sent: QueryDict) -> None:
    if sent.get("version") != str(issue.version):
        raise issues.WrongState(_("The issue was edited since you opened this page. Look at it once more."))


@require_POST
def schedule(request: HttpRequest, issue_id: int) -> HttpResponse:
    """The button: approve too, where one person may do all, and let the issue go out at the time it named."""
    issue = access.get_issue(request, issue_id, Action.SEND)
    if not issue.is_editable:
        messages.error(request, str(issues.wrong_state_error(issue)))
        return redirect("issue-progress", issue.pk)
    plan = _build_decision(issue, request.POST, now=timezone.now())
    form = DecisionForm(request.POST, plan=plan)
    if not form.is_valid():
        return _render_page(request, plan, form)
    try:
        _approve_and_schedule(request, plan)
    except issues.WrongState as error:
        messages.error(request, str(error))
        return _redirect_back(issue, request.POST)
    return redirect("issue-progress", issue.pk)


def _approve_and_schedule(request: HttpRequest, plan: Decision) -> None:
    editor, issue = access.current_editor(request), plan.issue
    with transaction.atomic():
        if not plan.is_approved:
            if issue.newsletter.four_eyes:
                raise issues.WrongState(_("Another editor has to approve this issue first."))
            issue = issues.approve(issue, editor=editor, now=plan.now)
        issues.schedule(issue, at=plan.moment, editor=editor, now=plan.now)


@require_POST
def test(request: HttpRequest, issue_id: int) -> HttpResponse:
    """Send every language to the editor who asks and to whom they name, and show the provider's own answers."""
    issue = access.get_issue(request, issue_id, Action.WRITE)
    if not issue.is_editable:
        return _render_test_results(request, issue, [], problem=str(issues.wrong_state_error(issue)))
    _remember_addresses(request, issue)
    editor = access.current_editor(request)
    form = TestRecipientsForm(request.POST, colleagues=_colleagues(editor, issue))
    if not form.is_valid():
        return _render_test_results(request, issue, [], problem=str(form.errors["to"][0]), is_about_addresses=True)
    everybody = list(dict.fromkeys([editor.email, *form.cleaned_data["to"]]))
    try:
        results = test_mail.send(issue, to=everybody, editor=editor, now=timezone.now())
    except test_mail.TooManyTests as problem:
        return _render_test_results(request, issue, [], problem=str(problem))
    return _render_test_results(request, access.get_issue(request, issue_id, Action.WRITE), results)


def _render_test_results(
    request: HttpRequest,
    issue: Issue,
    results: list[test_mail.MailTestResult],
    *,
    problem: str = "",
    is_about_addresses: bool = False,
) -> HttpResponse:
    """What became of a test, where it was asked for: in the review page's box, in a line of the composer, as a page."""
    if request.headers.get("HX-Request"):
        context = {"issue": issue, "zone": issue.newsletter.zone, "results": results, "problem": problem}
        if request.headers.get("HX-Target") != "test-box":
            return render(request, "studio/review/_test_notes.html", context)
        plan = _build_decision(issue, request.POST, now=timezone.now())
        context |= _test_box_context(request, plan) | {"plan": plan, "is_about_addresses": is_about_addresses}
        return render(request, "studio/review/_test_box.html", context, status=422 if problem else 200)
    if is_about_addresses and not _came_from_composer(request, issue):
        plan = _build_decision(issue, request.POST, now=timezone.now())
        return _render_page(request, plan, problem=problem, is_about_addresses=True)
    if problem:
        messages.error(request, problem)
    for result in results:
        messages.add_message(request, messages.SUCCESS if result.ok else messages.ERROR, str(result))
    if not issue.is_editable:
        return redirect("issue-progress", issue.pk)
    if _came_from_composer(request, issue):
        return redirect("issue-compose", issue.pk)
    return _redirect_back(issue, request.POST)


def _colleagues(editor: Editor, issue: Issue) -> list[str] | None:
    """Addresses of those who work on the newsletter; None for whoever may send tests to anybody."""
    if roles.is_allowed(editor, Action.SEE_PEOPLE, issue.newsletter):
        return None
    return list(Editor.objects.filter(memberships__newsletter=issue.newsletter).values_list("email", flat=True))


def _came_from_composer(request: HttpRequest, issue: Issue) -> bool:
    return urlsplit(request.headers.get("Referer", "")).path == reverse("issue-compose", args=[issue.pk])


def _test_box_context(request: HttpRequest, plan: Decision) -> dict[str, Any]:
    editor = access.current_editor(request)
    return {
        "editor": editor,
        "tested": changes_since_test.compare(plan.issue, editor=editor),
        "tested_when": formatting.time_ago(plan.issue.tested_at, plan.issue.newsletter.zone, now=plan.now)
        if plan.issue.tested_at
        else "",
        "further": request.session.get(TEST_ADDRESSES_KEY, {}).get(str(plan.issue.newsletter_id), ""),
        "most_further": test_mail.MAX_EXTRA_ADDRESSES,
    }


def _remember_addresses(request: HttpRequest, issue: Issue) -> None:
    """Keep what was typed, right or wrong, for this editor's next test of the newsletter."""
    if "to" in request.POST:
        typed = request.POST["to"].strip()[:MAX_ADDRESSES_LENGTH]
        kept = {**request.session.get(TEST_ADDRESSES_KEY, {}), str(issue.newsletter_id): typed}
        request.session[TEST_ADDRESSES_KEY] = kept
