"""The checks of an issue before it is sent. What needs readers, bytes on the wire or a worker is in `workers.sending.preflight`.

`inspect` looks at one rendering, `run` at an issue: all its languages, what its document lacks, and what workers found.
Every check answers at least once, also when all is well. `for_editors` leaves out what only we can mend.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone
from django.utils.translation import gettext as _

from newsletter import content, editions
from newsletter.articles import article_changes
from newsletter.blocks.findings import Defect, Severity
from newsletter.checks import document_rules as documents
from newsletter.checks import link_results, mail_rules, text_rules
from newsletter.models import Issue, Newsletter

__all__ = [
    "SEVERITY_ORDER",
    "SYSTEM_CHECKS",
    "Check",
    "Severity",
    "filter_for_editors",
    "check_rendering",
    "check_issue",
    "sort",
]

logger = logging.getLogger(__name__)

SYSTEM_CHECKS = frozenset(
    {
        *("E01", "E02", "E03", "E04", "E05", "E06", "E10", "E11", "E12", "E13", "E14", "E15"),
        *("E23", "E24", "E25", "E26", "E27", "E28", "E30"),
    }
)
"""Defects of our templates or code: no editor can mend them. Our tests fail on every one of them."""
SEVERITY_ORDER = {"blocks": 0, "warns": 1, "suggests": 2}


@dataclass(frozen=True)
class Check:
    id: str
    severity: Severity
    ok: bool
    message: str
    block: str | None = None
    language: str | None = None
    is_pending: bool = False
    """Not known yet: a worker has still to look."""
    about: str = ""
    """The address it is about, if one."""

    @property
    def is_system(self) -> bool:
        """Only we can mend it: shown as our defect, not as the editor's task."""
        return self.id in SYSTEM_CHECKS


def check_rendering(rendering: editions.Rendering, *, newsletter: Newsletter) -> list[Check]:
    """All rules over one rendering: one check per defect, or one that says all is well."""
    parsed = mail_rules.ParsedMail(rendering, newsletter)
    return [
        check
        for rule in mail_rules.RULES
        for check in _checks(rule.id, rule.severity, rule.find(parsed), str(rule.all_well), rendering.language)
    ]


def _checks(
    rule: str, severity: Severity, defects: Iterable[Defect], all_well: str, language: str | None = None
) -> list[Check]:
    """At most one check for the same words about the same block."""
    unique = dict.fromkeys(defects)
    if not unique:
        return [Check(rule, severity, True, all_well, None, language)]
    return [
        Check(
            rule,
            defect.severity or severity,
            False,
            defect.message,
            defect.block,
            defect.language or language,
            defect.is_pending,
            defect.about,
        )
        for defect in unique
    ]


def check_issue(issue: Issue, *, now: datetime | None = None) -> list[Check]:
    """Everything that can be said about an issue without readers; what blocks comes first."""
    now = now or timezone.now()
    try:
        document = editions.document(issue)
    except editions.RenderError as error:
        return [Check("render", "blocks", False, str(error))]
    found = [
        *_of_document(issue, document, now=now),
        *_of_words(issue, document, now=now),
        *_looked(issue, document, now=now),
    ]
    for language in editions.languages(issue):
        found += _new(_in_language(issue, document, language), found)
    return sort(found)


def _new(found: Iterable[Check], known: list[Check]) -> list[Check]:
    """Without what was said before of the same words, which another language shows too."""
    said = {(check.id, check.block, check.message) for check in known if check.block and not check.ok}
    return [check for check in found if check.ok or (check.id, check.block, check.message) not in said]


def sort(found: Iterable[Check]) -> list[Check]:
    """What is wrong before what is well, and what blocks first."""
    return sorted(found, key=lambda check: (check.ok, SEVERITY_ORDER[check.severity]))


def _of_document(issue: Issue, document: content.Document, *, now: datetime) -> list[Check]:
    languages, zone = editions.languages(issue), issue.newsletter.zone
    goes_out = max(now, issue.scheduled_at or now)
    decoration = documents.find_linked_decorations(document, languages)
    alternatives = documents.find_missing_alternatives(document, languages)
    times = documents.find_invalid_times(document, at=goes_out, zone=zone)
    return [
        *_checks(
            "headline",
            "blocks",
            documents.find_unfinished_blocks(document, languages),
            _("No block is left half-written."),
        ),
        *_checks("link", "blocks", documents.find_invalid_links(document), _("Every address can be opened.")),
        *_checks(
            "name",
            "blocks",
            documents.find_missing_fallbacks(document, languages),
            _("Readers without a name are greeted, too."),
        ),
        *_checks("twice", "warns", documents.find_duplicate_articles(document), _("Nothing is told twice.")),
        *_checks("decoration", "blocks", decoration, _("What is only decoration is no link.")),
        *_checks("event", "warns", times, _("Events are still to come.")),
        *_checks(
            "E17", "warns", documents.find_heavy_pictures(document), _("Pictures are light and of a common kind.")
        ),
        *_checks(
            "alt",
            "warns",
            documents.find_missing_alt_texts(document, languages),
            _("Pictures of stories are described."),
        ),
        *_checks("alternative", "suggests", alternatives, _("Videos and drawings can be had in words, too.")),
    ]


def _of_words(issue: Issue, document: content.Document, *, now: datetime) -> list[Check]:
    languages = editions.languages(issue)
    foreign = text_rules.find_foreign_subjects(document, languages)
    return [
        *_checks(
            "subject",
            "warns",
            text_rules.find_repeated_subjects(issue, document, languages),
            _("The subject is a new one."),
        ),
        *_checks("tongue", "warns", foreign, _("The subject is in its readers' language.")),
        *_checks("accent", "warns", text_rules.find_pale_accent(issue.newsletter.accent), _("The accent can be read.")),
        *_checks(
            "year",
            "suggests",
            text_rules.find_outdated_years(document, languages, at=now),
            _("No year is out of date."),
        ),
        *_checks(
            "attached",
            "suggests",
            text_rules.find_promised_attachments(document, languages),
            _("No attachment is promised."),
        ),
    ]


def _looked(issue: Issue, document: content.Document, *, now: datetime) -> list[Check]:
    changes = article_changes.find_document_changes(document)
    dead = link_results.find_dead_links(issue, document, editions.languages(issue), now=now)
    return [
        *_checks("gone", "blocks", link_results.find_gone_articles(changes), _("Every article is still there.")),
        *_checks("changed", "warns", link_results.find_changed_articles(changes), _("Articles say what they said.")),
        *_checks(
            "unreachable",
            "suggests",
            link_results.find_unreachable_articles(changes, now=now),
            _("Articles could be read again."),
        ),
        *_checks("E19", "warns", dead, link_results.describe_all_answered(issue, document, now=now)),
    ]


def _in_language(issue: Issue, document: content.Document, language: str) -> list[Check]:
    default = issue.newsletter.default_language
    all_well = _("Every text is there in this language.")
    found = _checks(
        "language", "blocks", documents.find_missing_translations(document, language, default), all_well, language
    )
    try:
        rendering = editions.render(issue, language)
    except editions.RenderError as error:
        return [*found, Check("render", "blocks", False, str(error), error.block, language)]
    foreign = documents.find_unmarked_fallbacks(rendering, document, default)
    found += _checks("E26", "warns", foreign, _("Texts in another language are marked."), language)
    return found + check_rendering(rendering, newsletter=issue.newsletter)


# --- for people ------------------------------------------------------------------------------------------------------


def filter_for_editors(found: Iterable[Check], issue: Issue) -> list[Check]:
    """What an editor can act on. Defects of ours are logged; those that block become one line that names whom to tell."""
    found = list(found)
    ours = [check for check in found if check.is_system and not check.ok]
    theirs = [check for check in found if check.ok or not check.is_system]
    if ours:
        names = ",".join(sorted({check.id for check in ours}))
        logger.error("the templates are defective", extra={"issue": issue.pk, "checks": names})
    if any(check.severity == "blocks" for check in ours):
        theirs.insert(0, Check("system", "blocks", False, _("Something in our templates is wrong; tell the operator.")))
    return theirs
