"""Whom an issue is for, on pages of other packages: `{% load issue_audience %}{% for_whom issue as whom %}`."""

from __future__ import annotations

from django import template

from newsletter.models import Issue
from subscribers import audience
from workers.studio.shared import audience_text

register = template.Library()


@register.simple_tag
def for_whom(issue: Issue) -> str:
    """ "To 217 readers who got issue 3"; "" for an issue for everybody, or for readers that cannot be found."""
    if not issue.audience:
        return ""
    try:
        count = audience.for_issue(issue).count()
    except audience.UnknownFilter:
        return ""  # the review names it, and nothing is sent
    return audience_text.describe_briefly(issue, count)
