"""Amend the targets of links, also in delivered mails, and revert amendments."""

from __future__ import annotations

import logging
import posixpath
from collections.abc import Collection
from datetime import datetime
from urllib.parse import unquote, urlsplit

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from newsletter import content, issues
from newsletter.corrections.errata import remove_from_next_issue
from newsletter.corrections.mail import mail_issues
from newsletter.corrections.notes import set_note_visibility
from newsletter.corrections.status import filter_in_effect, is_out
from newsletter.models import EDITABLE, AuditEntry, Correction, CorrectionKind, Editor, Issue, IssueStatus, Link
from newsletter.rendering import links as addresses

logger = logging.getLogger(__name__)


PRIVATE_PATHS = ("/l/", "/t/", "/u/", "/p/", "/c/", "/studio/", "/admin/")
"""Pages of this service to which no link may lead: they belong to one reader or to editors."""


class InvalidLinkAddress(ValueError):
    """No link may lead to this address. The message is shown to the editor."""


def parse_address(typed: str) -> str:
    """Parse a typed address by the rules of the composer. Raises InvalidLinkAddress."""
    url = addresses.percent_encode(typed)
    if not addresses.is_safe_url(url) or not url.lower().startswith(("https://", "http://")):
        raise InvalidLinkAddress(_("This is not a web address. It has to start with https."))
    host, own = urlsplit(url).hostname or "", urlsplit(settings.SITE_URL)
    try:
        host.encode("idna")
    except UnicodeError:
        raise InvalidLinkAddress(_("This is not a web address: no website can have this name.")) from None
    is_own = host.rstrip(".") == own.hostname
    if is_own and _path(url).startswith(PRIVATE_PATHS):
        raise InvalidLinkAddress(
            _("This page belongs to one reader or to the studio. Choose a page that everybody can open.")
        )
    if url.lower().startswith("http://") and not (is_own and own.scheme == "http"):
        raise InvalidLinkAddress(_("This address starts with http. Use the secure address that starts with https."))
    return url


def _path(url: str) -> str:
    """The path as a server reads it: decoded, without dot segments and double slashes."""
    path = posixpath.normpath(unquote(urlsplit(url).path)).lstrip("/")
    return f"/{path}/"


def amend_links(
    issue: Issue, numbers: Collection[int], url: str, *, was: str, editor: Editor | None, now: datetime
) -> list[Link]:
    """Let these links lead to `url`, also in delivered mails.

    `was` is the target that the editor saw. Raises InvalidLinkAddress, and issues.WrongState if the issue was not sent
    or another editor has amended one of the links.
    """
    leads = parse_address(url)
    with transaction.atomic():
        rows = _locked(issue, numbers)
        if any(row.target != was for row in rows):
            raise issues.WrongState(
                _("Another editor has amended this link in the meantime. Check where it leads now.")
            )
        for row in rows:
            _set_target(issue, row, leads, "link-amended", editor=editor, now=now)
        _hide_lapsed_notes(issue, editor=editor, now=now)
    logger.info("links amended", extra={"issue": issue.pk, "links": len(rows)})
    return rows


def revert_links(
    issue: Issue, numbers: Collection[int], *, was: str, editor: Editor | None, now: datetime
) -> list[Link]:
    """Revert the last amendment of these links. Notes that describe only reverted links are hidden.

    Raises issues.WrongState as `amend_links` does.
    """
    with transaction.atomic():
        rows = _locked(issue, numbers)
        if any(row.target != was or not row.amended_url for row in rows):
            raise issues.WrongState(
                _("Another editor has amended this link in the meantime. Check where it leads now.")
            )
        for row in rows:
            _set_target(issue, row, _before(issue, row), "link-put-back", editor=editor, now=now)
        _hide_lapsed_notes(issue, editor=editor, now=now)
    logger.info("links put back", extra={"issue": issue.pk, "links": len(rows)})
    return rows


def _locked(issue: Issue, numbers: Collection[int]) -> list[Link]:
    stored = Issue.objects.get(pk=issue.pk)
    if not is_out(stored):
        raise issues.wrong_state_error(issue)
    # Rows are locked in the order of their numbers, so that two editors cannot deadlock.
    rows = list(Link.objects.select_for_update().filter(issue_key=issue.pk, number__in=numbers).order_by("number"))
    if not rows or len(rows) != len(set(numbers)):
        raise issues.WrongState(_("This link is not in the issue. Choose one of its links."))
    return rows


def _set_target(issue: Issue, row: Link, target: str, action: str, *, editor: Editor | None, now: datetime) -> None:
    was = row.target
    row.amended_url = "" if target == row.url else target
    Link.objects.filter(pk=row.pk).update(amended_url=row.amended_url)
    # "leads" is a stored key: entries in the audit log have it.
    issues.audit(action, issue, editor=editor, now=now, link=row.number, was=was, leads=target)


def _before(issue: Issue, row: Link) -> str:
    """The target before the last amendment that is still in effect, or that of the mail if the audit entry was deleted."""
    entries = AuditEntry.objects.filter(
        action__in=("link-amended", "link-put-back"), subject=f"issue {issue.pk}", detail__link=row.number
    )
    trail: list[str] = []
    leads = ""
    for action, detail in entries.order_by("occurred_at", "pk").values_list("action", "detail"):
        if action == "link-amended":
            trail.append(str(detail["was"]))
        elif trail:
            trail.pop()
        leads = detail["leads"]
    return trail[-1] if trail and leads == row.target else row.url


def _hide_lapsed_notes(issue: Issue, *, editor: Editor | None, now: datetime) -> None:
    """Hide notes about links that lead where they led in the mail, and stop adding them to the next issue."""
    for note in _lapsed_notes(issue):
        set_note_visibility(note, False, editor=editor, now=now)
        remove_from_next_issue(note)


def _lapsed_notes(issue: Issue) -> list[Correction]:
    """Notes whose links all lead where they led in the mail."""
    notes = list(issue.corrections.filter(kind=CorrectionKind.LINK).select_related("told_in"))
    in_effect = filter_in_effect(notes)
    return [note for note in notes if note not in in_effect]


def issues_with_lapsed_errata(issue: Issue) -> list[Issue]:
    """Unsent issues that contain an erratum about links that lead where they led in the mail again."""
    mails = mail_issues(issue)
    lapsed: dict[int, Issue] = {}
    for note in _lapsed_notes(issue):
        if mail := mails.get(note.pk):
            lapsed[mail.pk] = mail
        if note.told_in and any(block.id == note.told_block for block in content.parse(note.told_in.content).blocks):
            lapsed[note.told_in.pk] = note.told_in
    waiting = (*EDITABLE, IssueStatus.SCHEDULED)
    return [
        lapsed_issue
        for lapsed_issue in lapsed.values()
        if lapsed_issue.status in waiting and lapsed_issue.deleted_at is None
    ]
