"""Reports: what became of an issue, in words first, then in figures. Clicks are counted, opens are a lower bound."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from typing import Any

from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import formats, timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from newsletter import formatting, issues, roles
from newsletter.models import Issue, IssueStatus, Tracking
from newsletter.roles import Action
from newsletter.studio.settings import audit_log
from newsletter.studio.shared import access
from workers import provider_events
from workers.models import Delivery, DeliveryStatus, Outcome
from workers.reporting import issue_figures
from workers.studio.correction import views as correction
from workers.studio.reports import charts
from workers.studio.shared import by_mailbox_provider

STARTED_STATUSES = (IssueStatus.SENDING, IssueStatus.PAUSED, IssueStatus.SENT, IssueStatus.CANCELLED)
CHART_HOURS = 48
FORMULA_PREFIXES = "=+-@\t\r＝＋－＠"
"""A cell that starts so could be taken for a formula."""


@require_safe
def report_list(request: HttpRequest) -> HttpResponse:
    """Issues that went out, newest first, in the newsletters one works on."""
    mine = roles.allowed_newsletters(access.current_editor(request), Action.WRITE)
    begun = Issue.objects.not_deleted().filter(
        newsletter__in=mine, status__in=STARTED_STATUSES, started_at__isnull=False
    )
    found = list(begun.select_related("newsletter").order_by("-started_at", "-pk")[:200])
    context = {
        "section": "reports",
        "rows": [_row(issue) for issue in found],
        "several": len(mine) > 1,
        "shares_clicks": any(issue.newsletter.tracking != Tracking.OFF for issue in found),
    }
    return render(request, "studio/reports/list.html", context)


def _row(issue: Issue) -> dict[str, Any]:
    local = timezone.localtime(issue.started_at, issue.newsletter.zone)
    return {
        "issue": issue,
        "started": f"{formats.date_format(local, 'j M Y')}, {formatting.format_time(local)}",
        "measured": issue.newsletter.tracking != Tracking.OFF,
        "per_reader": formatting.format_percent(issue.click_count, issue.accepted_count),
    }


@require_safe
def issue_report(request: HttpRequest, issue_id: int) -> HttpResponse:
    issue = access.get_issue(request, issue_id, Action.WRITE)
    if issue.status not in STARTED_STATUSES or issue.started_at is None:
        return redirect("issue-progress" if not issue.is_editable else "issue-review", issue.pk)
    report = issue_figures.build_report(issue)
    newsletter = issue.newsletter
    context = {
        "section": "reports",
        "issue": issue,
        "newsletter": newsletter,
        "zone": newsletter.zone,
        "report": report,
        "measured": newsletter.tracking != Tracking.OFF,
        "individual": newsletter.tracking == Tracking.INDIVIDUAL,
        "said": _describe(issue, report),
        "charts": _charts(issue, report),
        "hours": _clicks_by_hour(issue, report),
        "links": _links(report),
        "languages": [(formatting.language_name(row.language), row) for row in report.by_language],
        "services": by_mailbox_provider.report_table(issue, now=timezone.now()),
        "reasons": _reasons(issue),
        "shares": {
            "delivered": formatting.format_percent(report.delivered or report.accepted, issue.audience_count),
            "refused": formatting.format_percent(report.refused + report.bounced, issue.audience_count),
            "unsubscribed": formatting.format_percent(report.unsubscribed, report.accepted),
            "complained": formatting.format_percent(report.complained, report.accepted),
        },
        "refused_or_bounced": report.refused + report.bounced,
        "held_count": provider_events.count_held(issue),
        "may_decide": roles.is_allowed(access.current_editor(request), Action.ADMINISTER, newsletter),
        "steps": correction.log_entries(issue),
        "may_export": roles.is_allowed(access.current_editor(request), Action.APPROVE, newsletter),
    }
    return render(request, "studio/reports/report.html", context)


def _describe(issue: Issue, report: issue_figures.IssueReport) -> list[str]:
    """The report in sentences, most important first."""
    zone = issue.newsletter.zone
    sentences = [
        ngettext(
            "%(issue)s went to %(count)s reader on %(time)s.",
            "%(issue)s went to %(count)s readers on %(time)s.",
            report.accepted,
        )
        % {
            "issue": issue,
            "count": formatting.format_number(report.accepted),
            "time": formatting.format_datetime(issue.started_at, zone),
        }
    ]
    if issue.newsletter.tracking != Tracking.OFF:
        sentences.append(
            ngettext(
                "Its links were clicked %(count)s time.",
                "Its links were clicked %(count)s times.",
                report.clicks_people,
            )
            % {"count": formatting.format_number(report.clicks_people)}
        )
    top = max(report.links, key=lambda link: link.clicks, default=None)
    if top is not None and top.clicks:
        share = formatting.format_percent(top.clicks, report.clicks_people)
        sentences.append(_("Most went to “%(link)s”: %(share)s.") % {"link": top.label or top.url, "share": share})
    left = ngettext("%(count)s reader left through it", "%(count)s readers left through it", report.unsubscribed)
    complained = ngettext("%(count)s complained", "%(count)s complained", report.complained)
    sentences.append(
        _("%(left)s, %(complained)s.")
        % {
            "left": left % {"count": formatting.format_number(report.unsubscribed)},
            "complained": complained % {"count": formatting.format_number(report.complained)},
        }
    )
    return sentences


# --- clicks over time ------------------------------------------------------------------------------------------------


def _clicks_by_hour(issue: Issue, report: issue_figures.IssueReport) -> list[dict[str, int]]:
    """Clicks by people, hour by hour from the start to the last click within 48 hours, and their sum so far."""
    if issue.started_at is None:
        return []
    start = issue.started_at.replace(minute=0, second=0, microsecond=0)
    clicks = {round((point.hour - start).total_seconds() / 3600): point.clicks for point in report.hours}
    last = max((hour for hour, count in clicks.items() if 0 <= hour < CHART_HOURS and count), default=-1)
    rows, so_far = [], 0
    for hour in range(last + 1):
        so_far += clicks.get(hour, 0)
        rows.append({"hour": hour + 1, "clicks": clicks.get(hour, 0), "so_far": so_far})
    return rows


def _charts(issue: Issue, report: issue_figures.IssueReport) -> list[charts.Chart]:
    """The same picture for a desk and for a phone; empty without clicks."""
    rows = _clicks_by_hour(issue, report)
    if not rows or not rows[-1]["so_far"]:
        return []
    series: list[tuple[str, Sequence[float]]] = [(_("This issue"), [0, *(row["so_far"] for row in rows)])]
    before = _previous_issue(issue)
    if before is not None:
        earlier = _clicks_by_hour(before, issue_figures.build_report(before))[: len(rows)]
        if earlier and earlier[-1]["so_far"]:
            label = _("Issue %(number)s") % {"number": before.number}
            series.append((label, [0, *(row["so_far"] for row in earlier)]))
    total = formatting.format_number(rows[-1]["so_far"])
    half = next(row["hour"] for row in rows if 2 * row["so_far"] >= rows[-1]["so_far"])
    title = _("Clicks by people in the first %(hours)s hours: %(total)s, half of them within %(half)s h.")
    ticks = [(hour, _("%(count)s h") % {"count": hour}) for hour in range(0, len(rows) + 1, 12)]
    words = title % {"hours": len(rows), "total": total, "half": half}
    return [
        charts.line_chart(series, title=words, labels=ticks, number=formatting.format_number, size=size)
        for size in (charts.WIDE, charts.NARROW)
    ]


def _previous_issue(issue: Issue) -> Issue | None:
    """The last one that went to as many: a note to a few is no measure for an issue, nor the other way round."""
    sent = Issue.objects.filter(newsletter=issue.newsletter, status=IssueStatus.SENT, started_at__lt=issue.started_at)
    before = sent.select_related("newsletter").order_by("-started_at")[: issues.MAX_ISSUES_SEARCHED]
    return next((one for one in before if one.is_correction_note == issue.is_correction_note), None)


# --- links, reasons --------------------------------------------------------------------------------------------------


def _links(report: issue_figures.IssueReport) -> list[dict[str, Any]]:
    total = sum(link.clicks for link in report.links)
    ordered = sorted(report.links, key=lambda link: (-link.clicks, link.number))
    return [{"link": link, "share": formatting.format_percent(link.clicks, total)} for link in ordered]


def _reasons(issue: Issue) -> list[dict[str, Any]]:
    """Why mails were refused or came back: the mail service's own words, most frequent first."""
    refused = Delivery.objects.filter(issue=issue, outcome=Outcome.REFUSED).values("code", "detail")
    bounced = Delivery.objects.filter(issue=issue, status=DeliveryStatus.BOUNCED).exclude(outcome=Outcome.REFUSED)
    rows: list[dict[str, Any]] = [
        *({**row, "kind": _("refused")} for row in refused.annotate(count=Count("pk")).order_by("-count")[:20]),
        *(
            {**row, "kind": _("bounced")}
            for row in bounced.values("code", "detail").annotate(count=Count("pk")).order_by("-count")[:20]
        ),
    ]
    return sorted(rows, key=lambda row: -row["count"])[:20]


@require_POST
def links_csv(request: HttpRequest, issue_id: int) -> HttpResponse:
    """The links table as a file; written down, since figures leave the house."""
    issue = access.get_issue(request, issue_id, Action.APPROVE)
    report = issue_figures.build_report(issue)
    response = HttpResponse(content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="{issue.slug}-links.csv"'
    response.write("\ufeff")
    sheet = csv.writer(response, quoting=csv.QUOTE_ALL)
    sheet.writerow([_("Link"), _("Address"), _("Clicks"), _("Share")])
    for row in _links(report):
        link = row["link"]
        sheet.writerow([escape_formula(link.label), escape_formula(link.url), link.clicks, row["share"]])
    audit_log.record(request, "report-exported", newsletter=issue.newsletter, subject=f"issue {issue.pk}")
    return response


def escape_formula(text: str) -> str:
    """A cell no spreadsheet takes for a formula (T-51)."""
    return f"'{text}" if text.startswith(tuple(FORMULA_PREFIXES)) else text
