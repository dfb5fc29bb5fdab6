"""Whom an issue is for, in words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.utils.translation import gettext as _

from newsletter import formatting
from newsletter.models import ABOUT_ANOTHER, Issue, Link


def describe(issue: Issue) -> str:
    """Whom the issue is for, as a sentence."""
    newsletter = issue.newsletter.title
    if not issue.audience:
        return _("Everybody on %(newsletter)s; no segment.") % {"newsletter": newsletter}
    if len(issue.audience) == 1:
        for sentence in _describe_filter(issue.audience):
            return sentence
    return _("Only a part of the readers of %(newsletter)s.") % {"newsletter": newsletter}


def _describe_filter(audience: dict[str, Any]) -> Iterator[str]:
    match audience:
        case {"language": str(code)}:
            yield _("Only readers in %(language)s.") % {"language": formatting.language_name(code)}
        case {"got_issue": int(pk)}:
            yield _("Only those who got issue %(number)s.") % {"number": _issue_number(pk)}
        case {"got_edition": {"issue": int(pk), "languages": [*codes]}}:
            names = formatting.join_names([formatting.language_name(str(code)) for code in codes])
            yield _("Only those who got issue %(number)s in %(languages)s.") % {
                "number": _issue_number(pk),
                "languages": names,
            }
        case {"clicked_link": {"issue": int(pk), "links": [*numbers]}}:
            yield _describe_clicked(pk, numbers)
        case {"missed_issue": int(pk)}:
            yield _("Only those who did not get issue %(number)s.") % {"number": _issue_number(pk)}


def _describe_clicked(pk: int, numbers: list[int]) -> str:
    labels = Link.objects.filter(issue_key=pk, number__in=numbers).values_list("label", flat=True)
    label = next((label for label in labels if label), "")
    sentence = _("Only those who clicked “%(label)s” in issue %(number)s, of the readers who agreed to be measured.")
    return sentence % {"label": label, "number": _issue_number(pk)}


def describe_briefly(issue: Issue, count: int) -> str:
    """ "To 217 readers who got issue 3", of an issue that is not for everybody."""
    who = formatting.count_readers(count)
    match issue.audience:
        case {"got_issue": int(pk), **rest} if not rest:
            return _("To %(who)s who got issue %(number)s") % {"who": who, "number": _issue_number(pk)}
        case {"got_edition": {"issue": int(pk), "languages": [*codes]}, **rest} if not rest:
            names = formatting.join_names([formatting.language_name(str(code)) for code in codes])
            about = {"who": who, "number": _issue_number(pk), "languages": names}
            return _("To %(who)s who got issue %(number)s in %(languages)s") % about
        case {"clicked_link": {"issue": int(pk)}, **rest} if not rest:
            return _("To %(who)s who clicked a link in issue %(number)s") % {"who": who, "number": _issue_number(pk)}
    return _("To %(who)s only") % {"who": who}


def describe_source(issue: Issue) -> str:
    """What the first term of the equation says of readers found by an earlier issue; "" for all others."""
    if set(issue.audience) & ABOUT_ANOTHER == set(issue.audience) != set():
        key, asked = next(iter(issue.audience.items()))
        number = _issue_number(asked if key == "got_issue" else asked.get("issue", 0))
        said = _("clicked in issue %(number)s") if key == "clicked_link" else _("got issue %(number)s")
        return said % {"number": number}
    return ""


def _issue_number(pk: int) -> int | str:
    return Issue.objects.filter(pk=pk).values_list("number", flat=True).first() or "–"
