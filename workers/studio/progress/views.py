"""An issue on its way: the countdown, the figures, and every way to stop it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from newsletter import formatting, issues, roles
from newsletter.models import Editor, Issue, IssueStatus
from newsletter.roles import Action
from newsletter.studio.shared import access
from workers import ledger, provider_events
from workers.sending import lifecycle
from workers.studio.progress import postpone
from workers.studio.progress.sending_status import FINAL_STATUSES, SendingStatus
from workers.studio.shared import by_mailbox_provider

STOP_POLLING = 286
"""htmx swaps the answer in and asks no more."""


@require_safe
def progress(request: HttpRequest, issue_id: int) -> HttpResponse:
    issue = access.get_issue(request, issue_id, Action.WRITE)
    if issue.is_editable:
        return _redirect_to_review(request, issue)
    flight = SendingStatus(issue, timezone.now())
    context = {
        "issue": issue,
        "newsletter": issue.newsletter,
        "zone": issue.newsletter.zone,
        "section": "issues",
        "flight": flight,
        "may_send": roles.is_allowed(access.current_editor(request), Action.SEND, issue.newsletter),
        "held_count": provider_events.count_held(issue),
        "may_decide": roles.is_allowed(access.current_editor(request), Action.ADMINISTER, issue.newsletter),
        "lost": next((one for one in flight.slow if one.lost_host and one.lost_host == request.GET.get("lost")), None),
        "asks_to_stop": "stop" in request.GET and not flight.is_over,
    }
    if not request.headers.get("HX-Request"):
        context |= _provider_table_context(issue, flight.now)
        if flight.may_be_postponed and context["may_send"]:
            context["proposed"] = postpone.initial_values(issue, now=flight.now)
        return render(request, "studio/progress/progress.html", context)
    context["says_more"] = request.GET.get("said") != flight.announcement_key
    context["uncertain_changed"] = request.GET.get("uncertain") != str(flight.equation.uncertain)
    status = STOP_POLLING if flight.is_over else 200
    return render(request, "studio/progress/_poll_response.html", context, status=status)


@require_safe
def mailbox_provider_table(request: HttpRequest, issue_id: int) -> HttpResponse:
    """The table by mail service alone, which looks at each reader and is asked for more seldom than the rest."""
    issue = access.get_issue(request, issue_id, Action.WRITE)
    is_over = issue.is_editable or issue.status in FINAL_STATUSES
    context = {"issue": issue, "is_over": is_over, **_provider_table_context(issue, timezone.now())}
    return render(
        request, "studio/progress/_by_mailbox_provider.html", context, status=STOP_POLLING if is_over else 200
    )


def _provider_table_context(issue: Issue, now: datetime) -> dict[str, object]:
    return {
        "services": by_mailbox_provider.progress_table(issue, now=now),
        "too_many": by_mailbox_provider.why_no_table(issue),
    }


def _redirect_to_review(request: HttpRequest, issue: Issue) -> HttpResponse:
    """Somebody stopped the issue: it is edited or approved again, and this page has nothing to show."""
    response = redirect("issue-review", issue.pk)
    if request.headers.get("HX-Request"):
        return HttpResponse(headers={"HX-Redirect": response.headers["Location"]})
    return response


IssueAction = Callable[[Issue, Editor, datetime], object]


def _run_action(
    request: HttpRequest, issue_id: int, step: IssueAction, *, said: str, to: str = "issue-progress"
) -> HttpResponse:
    """Do one step of a person who may send; where it is not possible any more, say so in words."""
    issue = access.get_issue(request, issue_id, Action.SEND)
    try:
        step(issue, access.current_editor(request), timezone.now())
    except issues.WrongState as error:
        messages.error(request, str(error))
        return redirect("issue-progress", issue.pk)
    messages.success(request, said)
    return redirect(to, issue.pk)


@require_POST
def stop(request: HttpRequest, issue_id: int) -> HttpResponse:
    """Stop an issue that has not begun; nothing was handed over."""
    to_edit = bool(request.POST.get("to_edit"))

    def step(issue: Issue, editor: Editor, now: datetime) -> None:
        if to_edit and issue.status == IssueStatus.PAUSED:
            ledger.return_to_draft(issue, editor=editor, now=now)
        else:
            issues.unschedule(issue, editor=editor, now=now, to_edit=to_edit)

    said = _("Stopped. Nobody got it; it is a draft again.") if to_edit else _("Stopped. Nobody got it.")
    return _run_action(
        request,
        issue_id,
        step,
        said=said,
        to="issue-compose" if to_edit else "issue-review",
    )


@require_POST
def pause(request: HttpRequest, issue_id: int) -> HttpResponse:
    return _run_action(
        request,
        issue_id,
        lambda issue, editor, now: ledger.pause(
            issue, reason=_("%(name)s paused it.") % {"name": editor.name}, editor=editor, now=now
        ),
        said=_("Paused. What is being handed over ends within 5 s; then nothing more goes out."),
    )


@require_POST
def resume(request: HttpRequest, issue_id: int) -> HttpResponse:
    return _run_action(
        request,
        issue_id,
        lambda issue, editor, now: ledger.resume(issue, editor=editor, now=now),
        said=_("It goes on. Nobody gets it twice."),
    )


@require_POST
def cancel(request: HttpRequest, issue_id: int) -> HttpResponse:
    return _run_action(request, issue_id, _pause_and_cancel, said=_("Stopped for good. Whoever has it keeps it."))


def _pause_and_cancel(issue: Issue, editor: Editor, now: datetime) -> None:
    if issue.status == IssueStatus.SENDING:
        reason = _("%(name)s stopped it for good.") % {"name": editor.name}
        ledger.pause(issue, reason=reason, editor=editor, now=now)
        issue = Issue.objects.select_related("newsletter").get(pk=issue.pk)
    ledger.cancel(issue, editor=editor, now=now)


@require_POST
def give_up_host(request: HttpRequest, issue_id: int) -> HttpResponse:
    """An editor's decision: a machine will not come back, so whom it was writing to is uncertain."""
    issue, now = access.get_issue(request, issue_id, Action.SEND), timezone.now()
    host = request.POST.get("host", "")
    batches, readers = ledger.settle_lost_host(host, now=now, issue=issue)
    if not batches:
        messages.warning(request, _("Nothing waits for that machine any more."))
        return redirect("issue-progress", issue.pk)
    issues.audit("host-given-up", issue, editor=access.current_editor(request), now=now, host=host, readers=readers)
    said = ngettext(
        "It goes on. %(count)s reader is uncertain and named below.",
        "It goes on. %(count)s readers are uncertain and named below.",
        readers,
    )
    messages.success(request, said % {"count": formatting.format_number(readers)})
    return redirect("issue-progress", issue.pk)


@require_POST
def send_again(request: HttpRequest, issue_id: int) -> HttpResponse:
    """An editor's click: these uncertain readers get the issue once more, with the same Message-ID.

    All of them are those whom the page listed when the editor looked at it, and nobody who joined them since.
    """
    issue = access.get_issue(request, issue_id, Action.SEND)
    named = request.POST.getlist("listed" if "all" in request.POST else "reader")
    chosen = {key for value in named if (key := access.parse_number(value))}
    if not chosen:
        messages.error(request, _("Tick at least one reader."))
        return redirect("issue-progress", issue.pk)
    try:
        asked = lifecycle.resend(issue, sorted(chosen), editor=access.current_editor(request), now=timezone.now())
    except issues.WrongState as error:
        messages.error(request, str(error))
        return redirect("issue-progress", issue.pk)
    if not asked:
        messages.warning(request, _("None of them is uncertain any more, so nothing was sent."))
        return redirect("issue-progress", issue.pk)
    said = ngettext(
        "It goes out once more to %(count)s reader. Your click is recorded.",
        "It goes out once more to %(count)s readers. Your click is recorded.",
        asked,
    )
    messages.success(request, said % {"count": formatting.format_number(asked)})
    return redirect("issue-progress", issue.pk)
