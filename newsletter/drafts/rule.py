"""The rule of a newsletter: which of the new articles a prepared draft gets. No database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext


@dataclass(frozen=True)
class DraftRule:
    """Which of the new articles a draft gets: the newest ones, within these bounds."""

    most: int = 5
    per_section: int = 2
    """Maximum per section; 0 means no limit. Articles without a section are not counted."""
    fewest: int = 3
    """With fewer articles no draft is created."""
    briefs: int = 0
    """This many of the last articles become briefs."""
    without: tuple[str, ...] = ()
    """Excluded sections."""

    def __post_init__(self) -> None:
        if not (1 <= self.fewest <= self.most and 0 <= self.briefs < self.most and self.per_section >= 0):
            raise ValueError(f"These bounds select nothing: {self!r}")

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "without": list(self.without)}


def parse_rule(stored: Mapping[str, Any]) -> DraftRule | None:
    """Parse `Newsletter.draft_rule`. Returns None if no drafts are prepared. Raises ValueError if the rule is invalid."""
    if not stored:
        return None
    try:
        return DraftRule(**{**stored, "without": tuple(stored.get("without", ()))})
    except TypeError as error:
        raise ValueError(f"Invalid draft rule: {stored!r}") from error


def describe_rule(rule: DraftRule) -> str:
    """The rule in sentences, for editors."""
    figures = {"most": rule.most, "share": rule.per_section}
    if rule.per_section:
        sentences = [_("The %(most)s newest articles since the last issue, at most %(share)s per section.") % figures]
    else:
        sentences = [_("The %(most)s newest articles since the last issue.") % figures]
    if rule.without:
        sentences.append(_("Without %(sections)s.") % {"sections": ", ".join(rule.without)})
    if rule.briefs:
        briefs = ngettext("The last one in brief.", "The last %(count)s in brief.", rule.briefs)
        sentences.append(briefs % {"count": rule.briefs})
    return " ".join(sentences)
