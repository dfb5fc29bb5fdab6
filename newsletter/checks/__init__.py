"""The checks E01–E28 of an issue before it is sent. What needs readers or bytes on the wire is in `workers.preflight`.

`inspect` looks at one rendering, `run` at an issue: all its languages, and what its document lacks. Every check answers at
least once, also when all is well.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.utils.translation import gettext as _

from newsletter import content, editions
from newsletter.checks import document as documents
from newsletter.checks import mail
from newsletter.checks.findings import Defect, Severity
from newsletter.models import Issue, Newsletter

__all__ = ["SYSTEM", "Check", "Severity", "inspect", "run"]

SYSTEM = frozenset(
    {
        *("E01", "E02", "E03", "E04", "E05", "E06", "E10", "E11", "E12", "E13", "E14", "E15"),
        *("E23", "E24", "E25", "E26", "E27", "E28"),
    }
)
"""Defects of our templates or code: no editor can mend them."""


@dataclass(frozen=True)
class Check:
    id: str
    severity: Severity
    ok: bool
    message: str
    block: str | None = None
    language: str | None = None

    @property
    def is_system(self) -> bool:
        """Only we can mend it: shown as our defect, not as the editor's task."""
        return self.id in SYSTEM


def inspect(rendering: editions.Rendering, *, newsletter: Newsletter) -> list[Check]:
    """All rules over one rendering: one check per defect, or one that says all is well."""
    parsed = mail.Mail(rendering, newsletter)
    return [
        check
        for rule in mail.RULES
        for check in _checks(rule.id, rule.severity, rule.find(parsed), str(rule.all_well), rendering.language)
    ]


def _checks(
    rule: str, severity: Severity, defects: Iterable[Defect], all_well: str, language: str | None
) -> list[Check]:
    """At most one check for the same words about the same block."""
    unique = dict.fromkeys(defects)
    if not unique:
        return [Check(rule, severity, True, all_well, None, language)]
    return [
        Check(rule, defect.severity or severity, False, defect.message, defect.block, language) for defect in unique
    ]


def run(issue: Issue) -> list[Check]:
    """Everything that can be said about an issue without readers; what blocks comes first."""
    try:
        document = editions.document(issue)
    except editions.CannotRender as error:
        return [Check("render", "blocks", False, str(error))]
    found = [
        *_checks("headline", "blocks", documents.unfinished(document), _("No block is left half-written."), None),
        *_checks("link", "blocks", documents.wrong_links(document), _("Every address can be opened."), None),
        *_checks("twice", "warns", documents.told_twice(document), _("Nothing is told twice."), None),
        *_checks(
            "E17", "warns", documents.heavy_pictures(document), _("Pictures are light and of a common kind."), None
        ),
    ]
    for language in editions.languages(issue):
        found += _in_language(issue, document, language)
    order = {"blocks": 0, "warns": 1, "suggests": 2}
    return sorted(found, key=lambda check: (check.ok, order[check.severity]))


def _in_language(issue: Issue, document: content.Document, language: str) -> list[Check]:
    default = issue.newsletter.default_language
    all_well = _("Every text is there in this language.")
    found = _checks("language", "blocks", documents.missing(document, language, default), all_well, language)
    try:
        rendering = editions.render(issue, language)
    except editions.CannotRender as error:
        return [*found, Check("render", "blocks", False, str(error), error.block, language)]
    foreign = documents.foreign_unmarked(rendering, document, default)
    found += _checks("E26", "warns", foreign, _("Texts in another language are marked."), language)
    return found + inspect(rendering, newsletter=issue.newsletter)
