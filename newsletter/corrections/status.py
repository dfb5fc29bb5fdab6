"""Links of a sent issue, and which corrections are in effect."""

from __future__ import annotations

from collections.abc import Collection

from django.db.models import Q

from newsletter.models import Correction, CorrectionKind, Issue, IssueStatus, Link

OUT_STATUSES = (IssueStatus.SENDING, IssueStatus.PAUSED, IssueStatus.SENT, IssueStatus.CANCELLED)
NOT_IN_ISSUE = Q(told_in__isnull=True) | Q(told_in__deleted_at__isnull=False)


def is_out(issue: Issue) -> bool:
    """Whether readers may have received it."""
    return issue.status in OUT_STATUSES and issue.started_at is not None


def numbered_links(issue: Issue) -> list[Link]:
    """The numbered links of an issue, in order; none if tracking is off and links are direct."""
    return list(Link.objects.filter(issue_key=issue.pk).order_by("number"))


def is_in_effect(correction: Correction) -> bool:
    """Whether the correction has content. A note about links has none once all of them lead where they led in the mail."""
    return bool(filter_in_effect([correction]))


def filter_in_effect(corrections: Collection[Correction]) -> list[Correction]:
    """The corrections that are in effect, by one query."""
    amended = Link.objects.filter(issue_key__in={correction.issue_id for correction in corrections}).exclude(
        amended_url=""
    )
    amended_numbers = set(amended.values_list("issue_key", "number"))
    return [
        correction
        for correction in corrections
        if correction.kind == CorrectionKind.FACT
        or any((correction.issue_id, number) in amended_numbers for number in correction.links)
    ]
