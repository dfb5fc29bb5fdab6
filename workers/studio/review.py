"""The review page: the only way to a send. Everything it shows is checked again when its button is pressed."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from newsletter import issues, roles
from newsletter.models import Issue
from newsletter.roles import Action
from newsletter.studio import access
from newsletter.templatetags.warta import zone_name
from workers import sending
from workers.studio import decision, wording
from workers.studio.decision import Decision
from workers.studio.forms import DecisionForm, TimeForm


@require_http_methods(["GET", "HEAD", "POST"])
def review(request: HttpRequest, issue_id: int) -> HttpResponse:
    """A POST only comes back with the time and ticks in the address, so that the page names a time just chosen."""
    issue = access.issue(request, issue_id, Action.WRITE)
    if not issue.is_editable:
        return redirect("issue-progress", issue.pk)
    if request.method == "POST":
        return _back(issue, request.POST)
    return _page(request, _plan(issue, request.GET, now=timezone.now()))


def _plan(issue: Issue, sent: QueryDict, *, now: datetime) -> Decision:
    """The page's figures with the time and the ticks that `sent` names; what makes no sense in it is left aside."""
    plan = Decision(issue, now, ticked=frozenset(sent.getlist("ticks")))
    plan.on_text, plan.at_text = sent.get("on", "")[:10], sent.get("at", "")[:8]
    form = TimeForm(sent)
    form.is_valid()
    plan.when = form.cleaned_data.get("when") or "slot"
    plan.at = form.moment(plan)
    return plan


def _page(request: HttpRequest, plan: Decision, form: DecisionForm | None = None, **more: Any) -> HttpResponse:
    editor, newsletter = access.editor(request), plan.issue.newsletter
    last = plan.last
    context = {
        "issue": plan.issue,
        "newsletter": newsletter,
        "zone": newsletter.zone,
        "plan": plan,
        "form": form,
        "options": plan.options(),
        "shares": _shares(plan),
        "matrix": decision.matrix(plan.issue),
        "last": last,
        "comparisons": decision.comparisons(plan.issue, last, count=plan.readers.count) if last else [],
        "tested": decision.test_state(plan.issue),
        "editor": editor,
        "may_approve": roles.may(editor, Action.APPROVE, newsletter),
        "may_send": roles.may(editor, Action.SEND, newsletter),
        "stands_in_the_way": _stands_in_the_way(plan, may_send=roles.may(editor, Action.SEND, newsletter)),
        "zone_name": zone_name(plan.custom, newsletter.zone),
        **more,
    }
    status = 422 if form is not None and form.errors else 200
    return render(request, "studio/sending/review.html", context, status=status)


def _shares(plan: Decision) -> str:
    """ "8,912 in Indonesian, 2,114 in English"; empty where there is one language."""
    if len(plan.readers.shares) < 2:
        return ""
    phrases = [
        _("%(count)s in %(language)s") % {"count": wording.number(share.count), "language": share.name}
        for share in plan.readers.shares
    ]
    return ", ".join(phrases)


def _stands_in_the_way(plan: Decision, *, may_send: bool) -> str:
    """Why the button cannot be pressed, in a sentence; empty if it can."""
    if plan.blocking:
        return _("Not possible yet: %(reason)s") % {"reason": plan.blocking[0].message}
    if plan.needs_other_person:
        return _("Not possible yet: a second person has to approve it first.")
    if not may_send:
        return _("Your role may write and review; a publisher or administrator sends.")
    return ""


def _back(issue: Issue, sent: QueryDict) -> HttpResponseRedirect:
    """The review page again, with the time and the ticks as they were."""
    kept = QueryDict(mutable=True)
    for name in ("when", "on", "at", "ticks"):
        kept.setlist(name, sent.getlist(name))
    query = kept.urlencode()
    return HttpResponseRedirect(reverse("issue-review", args=[issue.pk]) + (f"?{query}" if query else ""))


@require_POST
def approve(request: HttpRequest, issue_id: int) -> HttpResponse:
    issue = access.issue(request, issue_id, Action.APPROVE)
    now = timezone.now()
    try:
        _demand_same_version(issue, request.POST)
        if blocking := Decision(issue, now).blocking:
            raise issues.WrongState(_("Not approved: %(reason)s") % {"reason": blocking[0].message})
        issues.approve(issue, editor=access.editor(request), now=now)
    except issues.WrongState as error:
        messages.error(request, str(error))
    else:
        messages.success(request, _("Approved: exactly this content for these readers. A change to either ends it."))
    return _back(issue, request.POST)


def _demand_same_version(issue: Issue, sent: QueryDict) -> None:
    if sent.get("version") != str(issue.version):
        raise issues.WrongState(_("The issue was edited since you opened this page. Look at it once more."))


@require_POST
def schedule(request: HttpRequest, issue_id: int) -> HttpResponse:
    """The button: approve too, where one person may do all, and let the issue go out at the time it named."""
    issue = access.issue(request, issue_id, Action.SEND)
    if not issue.is_editable:
        messages.error(request, str(issues.wrong_state(issue)))
        return redirect("issue-progress", issue.pk)
    plan = _plan(issue, request.POST, now=timezone.now())
    form = DecisionForm(request.POST, plan=plan)
    if not form.is_valid():
        return _page(request, plan, form)
    try:
        _decide(request, plan)
    except issues.WrongState as error:
        messages.error(request, str(error))
        return _back(issue, request.POST)
    return redirect("issue-progress", issue.pk)


def _decide(request: HttpRequest, plan: Decision) -> None:
    editor, issue = access.editor(request), plan.issue
    with transaction.atomic():
        if not plan.is_approved:
            if issue.newsletter.four_eyes:
                raise issues.WrongState(_("Another editor has to approve this issue first."))
            issue = issues.approve(issue, editor=editor, now=plan.now)
        issues.schedule(issue, at=plan.moment, editor=editor, now=plan.now)


@require_POST
def test(request: HttpRequest, issue_id: int) -> HttpResponse:
    """Send every language to the editor who asks, inside the request, and show the provider's own answer."""
    issue = access.issue(request, issue_id, Action.WRITE)
    editor, now = access.editor(request), timezone.now()
    if not issue.is_editable:
        messages.error(request, str(issues.wrong_state(issue)))
        return redirect("issue-progress", issue.pk)
    results = sending.send_test(issue, to=[editor.email], editor=editor, now=now)
    issue = access.issue(request, issue_id, Action.WRITE)
    if request.headers.get("HX-Request"):
        plan = _plan(issue, request.POST, now=now)
        tested = decision.test_state(issue)
        context = {"issue": issue, "zone": issue.newsletter.zone, "editor": editor, "results": results}
        return render(request, "studio/sending/_test.html", context | {"plan": plan, "tested": tested})
    for result in results:
        messages.add_message(request, messages.SUCCESS if result.ok else messages.ERROR, str(result))
    return _back(issue, request.POST)
