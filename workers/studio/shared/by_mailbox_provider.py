"""The table that tells how an issue fares at each mail service, under way and afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from newsletter import formatting
from newsletter.models import Issue, IssueStatus
from workers.models import DeliveryStatus, Outcome
from workers.reporting import by_mailbox_provider
from workers.reporting.by_mailbox_provider import MailboxProviderCounts
from workers.throttling import mailbox_providers


@dataclass(frozen=True)
class ProviderRow:
    name: str
    figures: list[int | str]
    note: str = ""
    is_slow: bool = False


@dataclass(frozen=True)
class ProviderTable:
    columns: list[str]
    rows: list[ProviderRow]
    whole: ProviderRow
    has_notes: bool


def progress_table(issue: Issue, *, now: datetime) -> ProviderTable | None:
    """Whom it has reached and who waits; None where nothing has begun, or counting would be too much."""
    if not by_mailbox_provider.is_countable(issue):
        return None
    moves = issue.status == IssueStatus.SENDING
    span_s = _rate_window_s(issue, now=now)
    outcomes = [Outcome.ACCEPTED, Outcome.DEFERRED, Outcome.REFUSED, Outcome.SKIPPED, Outcome.UNCERTAIN]
    columns = [_("Readers"), *(str(outcome.label) for outcome in outcomes)]
    columns.append(_("Not sent any more") if issue.status == IssueStatus.CANCELLED else _("Waiting"))

    def figures(service: MailboxProviderCounts) -> list[int | str]:
        told = [
            service.readers,
            *(service.counts[outcome] for outcome in outcomes),
            service.counts[by_mailbox_provider.WAITING],
        ]
        return [*told, formatting.format_number(round(service.recent / span_s))] if moves else [*told]

    found = by_mailbox_provider.count_by_provider(issue, now=now)
    rows = [
        ProviderRow(_provider_label(one), figures(one), *(_provider_note(issue, one) if moves else ())) for one in found
    ]
    columns += [_("A second")] if moves else []
    return _build_table(columns, rows, figures(by_mailbox_provider.merge_counts(found)), has_notes=moves)


def why_no_table(issue: Issue) -> str:
    """Why there is no table; empty where there is one, or nothing to tell yet."""
    if issue.started_at is None or by_mailbox_provider.is_countable(issue):
        return ""
    most = formatting.format_number(by_mailbox_provider.MAX_SUBSCRIBERS)
    return _("With more than %(most)s readers they are not counted by mail service: it would slow the sending.") % {
        "most": most
    }


def report_table(issue: Issue, *, now: datetime) -> ProviderTable | None:
    """What mail services took and sent back; None where counting would be too much."""
    if not by_mailbox_provider.is_countable(issue):
        return None
    columns = [
        _("Readers"),
        *(str(label) for label in (Outcome.ACCEPTED.label, Outcome.REFUSED.label)),
        *(str(label) for label in (DeliveryStatus.BOUNCED.label, DeliveryStatus.COMPLAINED.label)),
    ]

    def figures(service: MailboxProviderCounts) -> list[int | str]:
        counts, reports = service.counts, service.reports
        told = (counts[Outcome.ACCEPTED], counts[Outcome.REFUSED])
        return [service.readers, *told, reports[DeliveryStatus.BOUNCED], reports[DeliveryStatus.COMPLAINED]]

    found = by_mailbox_provider.count_by_provider(issue, now=now)
    rows = [ProviderRow(_provider_label(one), figures(one)) for one in found]
    return _build_table(columns, rows, figures(by_mailbox_provider.merge_counts(found)), has_notes=False)


def _build_table(
    columns: list[str], rows: list[ProviderRow], whole: Sequence[int | str], *, has_notes: bool
) -> ProviderTable | None:
    return ProviderTable(columns, rows, ProviderRow(_("All"), list(whole)), has_notes) if rows else None


def _rate_window_s(issue: Issue, *, now: datetime) -> float:
    """Seconds within which readers count as dealt with lately."""
    begun = issue.started_at or now
    return max(1.0, (min(now - begun, by_mailbox_provider.RECENT)).total_seconds())


def _provider_label(service: MailboxProviderCounts) -> str:
    if service.name != mailbox_providers.OTHER:
        return mailbox_providers.display_name(service.name)
    if not service.lanes:
        return _("Others")
    words = ngettext("%(count)s other", "%(count)s others", len(service.lanes))
    return words % {"count": formatting.format_number(len(service.lanes))}


def _provider_note(issue: Issue, service: MailboxProviderCounts) -> tuple[str, bool]:
    """Why it is slow, if it is; and whether it is."""
    if not service.held:
        return (_("Steady"), False) if service.counts[by_mailbox_provider.WAITING] and service.recent else ("", False)
    clock = formatting.format_clock(min(service.held.values()), issue.newsletter.zone)
    if service.name == mailbox_providers.OTHER:
        words = ngettext(
            "%(count)s of them asks us to slow down, until %(time)s",
            "%(count)s of them ask us to slow down, until %(time)s",
            len(service.held),
        )
        return words % {"count": formatting.format_number(len(service.held)), "time": clock}, True
    return _("Asks us to slow down, until %(time)s") % {"time": clock}, True
