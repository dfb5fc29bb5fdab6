"""What an issue that is out is made of for whoever puts it right: its links, and whether a correction still stands."""

from __future__ import annotations

from collections.abc import Collection

from django.db.models import Q

from newsletter.models import Correction, CorrectionKind, Issue, IssueStatus, Link

OUT_STATUSES = (IssueStatus.SENDING, IssueStatus.PAUSED, IssueStatus.SENT, IssueStatus.CANCELLED)
NOT_IN_ISSUE = Q(told_in__isnull=True) | Q(told_in__deleted_at__isnull=False)


def is_out(issue: Issue) -> bool:
    """Whether somebody may have it by now."""
    return issue.status in OUT_STATUSES and issue.started_at is not None


def numbered_links(issue: Issue) -> list[Link]:
    """The numbered links of an issue, in order; none where they lead straight to their pages."""
    return list(Link.objects.filter(issue_key=issue.pk).order_by("number"))


def is_in_effect(correction: Correction) -> bool:
    """Whether there is something to tell: not where every link leads where it led in the mail again."""
    return bool(filter_in_effect([correction]))


def filter_in_effect(corrections: Collection[Correction]) -> list[Correction]:
    """Those of them that have something to tell, by one query."""
    amended = Link.objects.filter(issue_key__in={one.issue_id for one in corrections}).exclude(amended_url="")
    there = set(amended.values_list("issue_key", "number"))
    return [
        one
        for one in corrections
        if one.kind == CorrectionKind.FACT or any((one.issue_id, number) in there for number in one.links)
    ]
