"""Putting an issue right after it has gone out: its links, a note in the archive, a mail about it, the next issue."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from newsletter import content, formatting, issues, roles
from newsletter import corrections as notes
from newsletter.checks import link_checker
from newsletter.models import AuditEntry, Correction, Issue, IssueStatus, Tracking
from newsletter.rendering import links as addresses
from newsletter.roles import Action
from newsletter.studio.shared import access
from workers import ledger
from workers.sending import corrections
from workers.studio.correction import correction_form
from workers.studio.correction.correction_form import CorrectionForm, LinkTarget
from workers.tracking import loader

MAX_READERS_COUNTED = 100_000
"""Above so many readers, who missed an issue is counted on the page that is about them only."""
MAX_LOG_ENTRIES = 50
"""Steps of the log listed at once."""


@require_http_methods(["GET", "HEAD", "POST"])
def correct(request: HttpRequest, issue_id: int) -> HttpResponse:
    """What can be put right; `?link=` opens the form for a link, `?fact` the one for a fact. A POST puts it right."""
    issue = access.get_issue(request, issue_id)
    if not notes.is_out(issue):
        return redirect("issue-review" if issue.is_editable else "issue-progress", issue.pk)
    if request.method == "POST":
        return _apply(request, issue)
    target = _find_target(issue, request.GET.get("link", ""))
    if "link" in request.GET and target is None:
        messages.error(request, _("This link is not in the issue. Choose one of its links."))
        return redirect("issue-correct", issue.pk)
    if target or "fact" in request.GET:
        return _render_form(request, issue, target)
    return _overview(request, issue)


# --- what can be put right -------------------------------------------------------------------------------------------


def _overview(request: HttpRequest, issue: Issue) -> HttpResponse:
    newsletter = issue.newsletter
    found, letters = correction_form.link_targets(issue), notes.mail_issues(issue)
    context = {
        **_common_context(request, issue),
        "targets": found,
        "measured": newsletter.tracking != Tracking.OFF,
        "notes": [
            _summarize(note, letters.get(note.pk)) for note in issue.corrections.select_related("made_by", "told_in")
        ],
        "missed": _count_missed(issue),
        "steps": log_entries(issue),
    }
    return render(request, "studio/correction/overview.html", context)


def _common_context(request: HttpRequest, issue: Issue) -> dict[str, Any]:
    """What both pages show around their own."""
    return {
        "section": "reports",
        "issue": issue,
        "newsletter": issue.newsletter,
        "zone": issue.newsletter.zone,
        "may_correct": roles.is_allowed(access.current_editor(request), Action.SEND, issue.newsletter),
        "in_archive": _is_in_archive(issue),
        "seconds": round(loader.TARGETS_MAX_AGE_S),
        "is_under_way": issue.status in {IssueStatus.SENDING, IssueStatus.PAUSED},
    }


def _is_in_archive(issue: Issue) -> bool:
    is_there = issue.status != IssueStatus.CANCELLED or issue.sent_at is not None
    return issue.newsletter.archive_is_public and is_there


def _count_missed(issue: Issue) -> int | None:
    """How many could get it who did not; 0 while it is on its way, None where counting them takes its time."""
    if issue.audience_count > MAX_READERS_COUNTED:
        return None
    return ledger.count_missed(issue).of(ledger.MISSED_KINDS) if issue.status == IssueStatus.SENT else 0


@dataclass(frozen=True)
class CorrectionSummary:
    """A correction as it stands in the studio."""

    row: Correction
    boxes: list[tuple[str, str, str]]
    """(code, name of the language, words)."""
    stands: bool
    """There is something to tell: not where the link was put back."""
    languages: str
    """Those in which a link was wrong; "" where a note concerns everybody who got the issue."""
    next: str
    """What became of the wish that the next issue opens with it; "" if there is none."""
    told_in: Issue | None
    letter: Issue | None
    """The mail about it."""


def _summarize(row: Correction, letter: Issue | None) -> CorrectionSummary:
    languages = row.issue.newsletter.languages
    boxes = [(code, formatting.language_name(code), row.words.get(code, "")) for code in languages]
    told = row.told_in if row.told_in and row.told_in.deleted_at is None else None
    names = formatting.join_names([formatting.language_name(code) for code in corrections.affected_languages(row)])
    return CorrectionSummary(row, boxes, notes.is_in_effect(row), names, _describe_next_issue(row, told), told, letter)


def _describe_next_issue(row: Correction, told: Issue | None) -> str:
    if told is None:
        return _("The next issue that is begun opens with it.") if row.wants_next else ""
    if any(block.id == row.told_block for block in content.parse(told.content).blocks):
        return _("Issue %(number)s opens with it.") % {"number": told.number}
    return _("It was taken out of issue %(number)s by hand.") % {"number": told.number}


@dataclass(frozen=True)
class LogEntry:
    """One thing that was put right, in a sentence."""

    at: datetime
    who: str
    did: str
    more: str


def log_entries(issue: Issue) -> list[LogEntry]:
    """What was put right after the issue went out, by whom and when, newest first."""
    actions = (*notes.PAGE_CHANGE_ACTIONS, "issue-sent-to-missed", "issue-sent-again")
    rows = AuditEntry.objects.filter(subject=f"issue {issue.pk}", action__in=actions).select_related("actor")
    labels = {link.number: link.label or link.url for link in notes.numbered_links(issue)}
    return [
        LogEntry(
            row.occurred_at,
            str(row.actor or _("Warta")),
            str(ACTION_SENTENCES[row.action]),
            _describe_details(row, labels),
        )
        for row in rows.order_by("-occurred_at", "-pk")[:MAX_LOG_ENTRIES]
    ]


ACTION_SENTENCES: dict[str, Promise] = {
    "link-amended": gettext_lazy("amended a link"),
    "link-put-back": gettext_lazy("put a link back"),
    "correction-noted": gettext_lazy("wrote a correction"),
    "correction-changed": gettext_lazy("changed the text of a correction"),
    "correction-hidden": gettext_lazy("removed a correction from the archive page"),
    "correction-shown": gettext_lazy("put a correction on the archive page again"),
    "issue-sent-to-missed": gettext_lazy("let it follow to readers who had missed it"),
    "issue-sent-again": gettext_lazy("sent it again to uncertain readers"),
}


def _describe_details(row: AuditEntry, labels: dict[int, str]) -> str:
    detail = row.detail
    if "leads" in detail:
        return f"“{labels.get(detail.get('link'), '')}”: {detail.get('was', '')} → {detail['leads']}"
    if row.action == "issue-sent-to-missed":
        return formatting.count_readers(int(detail.get("late", 0)) + int(detail.get("again", 0)))
    return ""


# --- the form --------------------------------------------------------------------------------------------------------


def _find_target(issue: Issue, number: str) -> LinkTarget | None:
    wanted = access.parse_number(number, digits=9)
    return next((one for one in correction_form.link_targets(issue) if wanted in one.numbers), None) if wanted else None


def _render_form(
    request: HttpRequest, issue: Issue, target: LinkTarget | None, data: Any = None, form: CorrectionForm | None = None
) -> HttpResponse:
    """With `data` the form holds what was typed, to look at or, with `form`, to say what is wrong in it."""
    now = timezone.now()
    chosen = _chosen_links(target, data)
    about = [link for link in target.links if link.number in chosen] if target else []
    circles = (
        [] if access.is_htmx(request) else corrections.recipient_groups(issue, about, now=now)
    )  # a script takes other parts
    offered = correction_form.recipient_choices(issue, target.links if target else [], circles)
    shown = form or _make_form(issue, target, offered, data)
    url = str(shown["url"].value() or "")
    context = {
        **_common_context(request, issue),
        "target": target,
        "chosen": chosen,
        "form": shown,
        "has_errors": form is not None,
        "offered": offered,
        "who": _chosen_recipients(data, offered),
        "shows": data is None or bool(data.get("is_shown")),
        "preview": correction_form.build_preview(issue, shown),
        "answer": _link_status(issue, url, now=now) if target and url else None,
        "hold_s": issue.newsletter.hold_s,
    }
    return render(request, "studio/correction/form.html", context, status=422 if form else 200)


def _chosen_recipients(data: Any, offered: list[correction_form.RecipientChoice]) -> str:
    """The circle chosen, where it can be."""
    named = data.get("who", "") if data is not None else ""
    return named if any(one.key == named and not one.is_disabled for one in offered) else correction_form.NOBODY


def _make_form(
    issue: Issue, target: LinkTarget | None, offered: list[correction_form.RecipientChoice], data: Any
) -> CorrectionForm:
    return CorrectionForm(data, issue=issue, target=target, offered=offered)


def _chosen_links(target: LinkTarget | None, data: Any) -> set[int]:
    """The links ticked; all that lead to the same page unless some were unticked."""
    if target is None:
        return set()
    if data is None:
        return set(target.numbers)
    ticked = {access.parse_number(value, digits=9) for value in data.getlist("number")} & set(target.numbers)
    return ticked or {target.first.number}


def _apply(request: HttpRequest, issue: Issue) -> HttpResponse:
    """Do it; `look` only shows the page anew with what was typed, and has the address tried."""
    if not roles.is_allowed(access.current_editor(request), Action.SEND, issue.newsletter):
        raise PermissionDenied(f"Editor {access.current_editor(request).pk} may not correct issue {issue.pk}")
    data, now = request.POST, timezone.now()
    target = _find_target(issue, data.get("link", ""))
    if data.get("link") and target is None:
        messages.error(request, _("This link is not in the issue. Choose one of its links."))
        return redirect("issue-correct", issue.pk)
    if data.get("do") == "look":
        return _check_and_preview(request, issue, target)
    about = [link for link in target.links if link.number in _chosen_links(target, data)] if target else []
    circles = corrections.recipient_groups(issue, about, now=now)
    form = _make_form(issue, target, correction_form.recipient_choices(issue, about, circles), data)
    if not form.is_valid():
        return _render_form(request, issue, target, data, form)
    wish = corrections.CorrectionRequest(
        words=form.words,
        numbers=[link.number for link in about],
        was=form.cleaned_data["was"],
        url=form.cleaned_data["url"],
        is_shown=form.cleaned_data["is_shown"] and _is_in_archive(issue),
        tells_next=form.cleaned_data["tells_next"],
        group=next((one for one in circles if one.key == form.cleaned_data["who"]), None),
    )
    try:
        done = corrections.apply(issue, wish, editor=access.current_editor(request), now=now)
    except issues.WrongState as wrong:
        form.add_error(None, str(wrong))
        return _render_form(request, issue, _find_target(issue, data.get("link", "")), data, form)
    return _redirect_with_messages(request, issue, wish, done)


def _check_and_preview(request: HttpRequest, issue: Issue, target: LinkTarget | None) -> HttpResponse:
    typed = request.POST.get("url", "")
    if target:
        with contextlib.suppress(notes.InvalidLinkAddress):  # the page says so beside the field
            link_checker.request_url_check(issue, notes.parse_address(typed), now=timezone.now())
    return _render_form(request, issue, target, request.POST)


def _redirect_with_messages(
    request: HttpRequest, issue: Issue, wish: corrections.CorrectionRequest, done: corrections.CorrectionResult
) -> HttpResponse:
    if wish.numbers:
        said = _(
            "Amended. From about %(seconds)s seconds on the link leads to the right page, in every mail delivered."
        )
        messages.success(request, said % {"seconds": round(loader.TARGETS_MAX_AGE_S)})
    if wish.is_shown and wish.words:
        messages.success(request, _("The archive says so, with today’s date."))
    if wish.tells_next:
        messages.success(request, _describe_mention(done.told_in, has_lapsed=done.has_lapsed))
    if done.draft:
        messages.success(request, _("This is the note. Nothing is sent before you have reviewed it."))
        return redirect("issue-compose", done.draft.pk)
    return redirect("issue-correct", issue.pk)


# --- does it answer? -------------------------------------------------------------------------------------------------


@require_GET
def check_link(request: HttpRequest, issue_id: int) -> HttpResponse:
    """What the address said when a worker tried it; the fragment asks again until it did."""
    issue = access.get_issue(request, issue_id)
    said = _link_status(issue, request.GET.get("url", ""), now=timezone.now())
    return render(request, "studio/correction/_link_status.html", {"issue": issue, "answer": said})


def _link_status(issue: Issue, typed: str, *, now: datetime) -> dict[str, Any]:
    """What the page says beside the field: why the address is refused, or whether its page answers. A tip, no bar."""
    try:
        url = notes.parse_address(typed)
    except notes.InvalidLinkAddress as wrong:
        return {"problem": str(wrong)}
    known = link_checker.latest_results(issue).get(url)
    return {
        "url": url,
        "title": correction_form.article_title(url),
        "is_waiting": link_checker.is_url_pending(issue, url, now=now),
        "is_fine": known is not None and known.is_fine,
        "reason": _(known.reason) if known and not known.is_fine and not known.keeps_out else "",
        "keeps_out": known is not None and known.keeps_out,
        "is_ours": bool(known and known.is_fine) and addresses.host(url) in link_checker.own_hosts(issue),
    }


# --- undoing, and the notes ------------------------------------------------------------------------------------------


@require_POST
def revert_link(request: HttpRequest, issue_id: int) -> HttpResponse:
    """The old address again, as it was before the last amendment."""
    issue = access.get_issue(request, issue_id, Action.SEND)
    numbers = {number for value in request.POST.getlist("number") if (number := access.parse_number(value, digits=9))}
    try:
        rows = notes.revert_links(
            issue, numbers, was=request.POST.get("was", ""), editor=access.current_editor(request), now=timezone.now()
        )
    except issues.WrongState as wrong:
        messages.error(request, str(wrong))
    else:
        said = _("Put back: from about %(seconds)s seconds on the link leads to %(address)s")
        messages.success(request, said % {"seconds": round(loader.TARGETS_MAX_AGE_S), "address": rows[0].target})
        for one in notes.issues_with_lapsed_errata(issue):
            still = _("Issue %(number)s still says that the link was wrong. Change it before it goes out.")
            messages.warning(request, still % {"number": one.number})
    return redirect("issue-correct", issue.pk)


@require_POST
def update_note(request: HttpRequest, issue_id: int, note_id: int) -> HttpResponse:
    """What a button beside a note asks for: other words, off the page, on it again, into the next issue, by mail."""
    issue = access.get_issue(request, issue_id, Action.SEND)
    row = get_object_or_404(Correction.objects.select_related("issue__newsletter"), pk=note_id, issue=issue)
    who: Any = {"editor": access.current_editor(request), "now": timezone.now()}
    match request.POST.get("do"):
        case "reword":
            words = {code: request.POST.get(f"words_{code}", "") for code in issue.newsletter.languages}
            if any(said.strip() for said in words.values()):
                notes.update_note(row, words, **who)
                messages.success(request, _("Changed. The page says that the words changed."))
            else:
                messages.error(request, _("A correction without words says nothing. Take it off the page instead."))
        case "hide":
            notes.set_note_visibility(row, False, **who)
            messages.success(request, _("Taken off the archive page. The log keeps it."))
        case "show":
            notes.set_note_visibility(row, True, **who)
            messages.success(request, _("On the archive page again, with the date it was made."))
        case "next":
            _tell_next(request, row, **who)
        case "not-next":
            notes.remove_from_next_issue(row)
            messages.success(request, _("The next issue does not open with it."))
        case "write":
            draft = corrections.draft_mail(row, **who)
            messages.success(request, _("This is the note. Nothing is sent before you have reviewed it."))
            return redirect("issue-compose", draft.pk)
    return redirect("issue-correct", issue.pk)


def _tell_next(request: HttpRequest, row: Correction, **who: Any) -> None:
    try:
        told, has_lapsed = corrections.add_to_next_issue(row, **who)
    except issues.WrongState as wrong:
        messages.error(request, str(wrong))
        return
    messages.success(request, _describe_mention(told, has_lapsed=has_lapsed))


def _describe_mention(told: Issue | None, *, has_lapsed: bool) -> str:
    if told is None:
        return _("The next issue that is begun opens with it.")
    said = _("Issue %(number)s opens with it.") % {"number": told.number}
    return f"{said} {_('Its approval has lapsed; review it once more.')}" if has_lapsed else said
