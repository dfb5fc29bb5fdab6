"""The activity log: `record` adds an entry, the page shows entries to administrators as sentences."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from django.core.paginator import Page, Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from newsletter import roles
from newsletter.models import AuditEntry, Editor, Issue, Newsletter, Role
from newsletter.studio.shared import access
from newsletter.web import client_address

PAGE_SIZE = 50
ACTION_LABELS: dict[str, Promise] = {
    "issue-submitted": gettext_lazy("requested approval of"),
    "issue-approved": gettext_lazy("approved"),
    "issue-scheduled": gettext_lazy("scheduled"),
    "issue-stopped": gettext_lazy("stopped"),
    "issue-paused": gettext_lazy("paused"),
    "issue-resumed": gettext_lazy("resumed"),
    "issue-cancelled": gettext_lazy("cancelled"),
    "issue-deleted": gettext_lazy("deleted the draft of"),
    "issue-brought-back": gettext_lazy("restored the draft of"),
    "issue-tested": gettext_lazy("sent a test of"),
    "issue-begun": gettext_lazy("started sending"),
    "issue-held-back": gettext_lazy("held back"),
    "issue-sent": gettext_lazy("finished sending"),
    "issue-sent-again": gettext_lazy("resent to readers without a known result:"),
    "host-given-up": gettext_lazy("continued without the records of a lost worker:"),
    "events-applied": gettext_lazy("applied bounces and complaints of"),
    "events-left-out": gettext_lazy("discarded bounces and complaints of"),
    "issue-sent-to-missed": gettext_lazy("sent to readers who had missed it:"),
    "link-amended": gettext_lazy("changed a link of"),
    "link-put-back": gettext_lazy("restored a link of"),
    "correction-noted": gettext_lazy("wrote a correction of"),
    "correction-changed": gettext_lazy("changed the text of a correction of"),
    "correction-hidden": gettext_lazy("removed a correction from the archive page of"),
    "correction-shown": gettext_lazy("restored a correction on the archive page of"),
    "correction-drafted": gettext_lazy("started a correction mail:"),
    "erratum-added": gettext_lazy("added an erratum to"),
    "report-exported": gettext_lazy("exported the report of"),
    "reader-unsubscribed": gettext_lazy("unsubscribed"),
    "reader-suppressed": gettext_lazy("blocked all mail to"),
    "reader-allowed": gettext_lazy("unblocked mail to"),
    "form-created": gettext_lazy("created the sign-up form"),
    "form-changed": gettext_lazy("changed the sign-up form"),
    "consent-text-published": gettext_lazy("published a new consent text for"),
    "demo-seeded": gettext_lazy("made"),
    "demo-removed": gettext_lazy("removed"),
    "settings-changed": gettext_lazy("changed settings of"),
    "newsletter-created": gettext_lazy("created"),
    "editor-invited": gettext_lazy("invited"),
    "editor-removed": gettext_lazy("removed"),
    "role-changed": gettext_lazy("changed the role of"),
    "password-changed": gettext_lazy("changed the password of"),
    "source-added": gettext_lazy("added a feed to"),
    "source-removed": gettext_lazy("stopped a feed of"),
}
"""Verbs of the sentence "Ayu approved Issue 12". An action without a verb is shown as it is stored."""


@dataclass(frozen=True)
class AuditRow:
    """One entry as the parts of a sentence."""

    who: str
    did: str
    what: str
    detail: str
    at: datetime
    zone: ZoneInfo
    ip: str


def record(request: HttpRequest, action: str, *, newsletter: Newsletter | None, subject: str, **detail: object) -> None:
    """Add an entry. `subject` and `detail` never hold an address, a name or a secret."""
    AuditEntry.objects.create(
        actor=access.current_editor(request),
        action=action,
        newsletter=newsletter,
        subject=subject,
        detail=detail,
        occurred_at=timezone.now(),
        ip=client_address.get_client_address(request) or None,
    )


@require_safe
def show(request: HttpRequest) -> HttpResponse:
    """Show the activity in the newsletters that the editor administers, newest first."""
    mine = roles.allowed_newsletters(access.current_editor(request), roles.Action.ADMINISTER)
    if not mine:
        roles.deny(access.current_editor(request), roles.Action.ADMINISTER)
    entries = AuditEntry.objects.filter(newsletter__in=mine).select_related("actor", "newsletter")
    sheet = Paginator(entries.order_by("-occurred_at", "-pk"), PAGE_SIZE).get_page(request.GET.get("page"))
    context = {"section": "settings", "tab": "audit", "lines": describe_entries(sheet), "sheet": sheet}
    return render(request, "studio/settings/audit_log.html", context)


def describe_entries(entries: Page[AuditEntry]) -> list[AuditRow]:
    names = dict(Editor.objects.values_list("pk", "name"))
    numbers = dict(
        Issue.objects.filter(newsletter__in={entry.newsletter_id for entry in entries}).values_list("pk", "number")
    )
    return [
        AuditRow(
            who=str(entry.actor) if entry.actor else _("Warta"),
            did=str(ACTION_LABELS.get(entry.action, entry.action)),
            what=_subject(entry, names, numbers),
            detail=_detail(entry),
            at=entry.occurred_at,
            zone=entry.newsletter.zone if entry.newsletter else timezone.get_default_timezone(),
            ip=entry.ip or "",
        )
        for entry in entries
    ]


def _subject(entry: AuditEntry, names: dict[int, str], numbers: dict[int, int]) -> str:
    kind, _space, key = entry.subject.partition(" ")
    if kind == "issue" and key.isdecimal() and int(key) in numbers:
        return _("Issue %(number)s") % {"number": numbers[int(key)]}
    if kind == "editor" and key.isdecimal():
        return names.get(int(key)) or _("a former editor")
    if kind == "demo":
        return _("the demo data")
    if kind == "newsletter" and entry.newsletter:
        return entry.newsletter.title
    return entry.subject


def _detail(entry: AuditEntry) -> str:
    detail = entry.detail
    if "leads" in detail:
        return f"{detail.get('was', '')} → {detail['leads']}"
    if "fields" in detail:
        labels = {field.name: str(field.verbose_name) for field in Newsletter._meta.concrete_fields}
        labels |= {"cadence": _("publishing schedule"), "draft_rule": _("rule for prepared drafts")}
        return ", ".join(labels[name] for name in detail["fields"] if name in labels)
    if "to" in detail:
        roles_in_words = dict(Role.choices)
        before, after = roles_in_words.get(detail.get("from", ""), ""), roles_in_words.get(detail["to"], detail["to"])
        return f"{before} → {after}" if before else str(after)
    return ""
