"""Where links lead from now on, also in mails that were delivered; and back."""

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
"""Pages of this service that no link may be sent on to: they belong to one reader, or to nobody."""


class InvalidLinkAddress(ValueError):
    """No link may lead there; the message says why to a person."""


def parse_address(typed: str) -> str:
    """What was typed as an address that a link may lead to, by the rules of the composer. Raises WrongAddress."""
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
    """The path as a server reads it: decoded, without dots and doubled slashes."""
    path = posixpath.normpath(unquote(urlsplit(url).path)).lstrip("/")
    return f"/{path}/"


def amend_links(
    issue: Issue, numbers: Collection[int], url: str, *, was: str, editor: Editor | None, now: datetime
) -> list[Link]:
    """Let these links lead to `url` from now on, also in mails that were delivered.

    `was` is where they led when the editor looked. Raises WrongAddress; issues.WrongState where the issue is not out,
    or where somebody else amended one of them.
    """
    leads = parse_address(url)
    with transaction.atomic():
        rows = _locked(issue, numbers)
        if any(row.target != was for row in rows):
            raise issues.WrongState(_("Somebody amended this link in the meantime. Look at where it leads now."))
        for row in rows:
            _lead(issue, row, leads, "link-amended", editor=editor, now=now)
        _settle(issue, editor=editor, now=now)
    logger.info("links amended", extra={"issue": issue.pk, "links": len(rows)})
    return rows


def revert_links(
    issue: Issue, numbers: Collection[int], *, was: str, editor: Editor | None, now: datetime
) -> list[Link]:
    """Undo the last amendment of these links; a note about them that nothing is left of is taken down and told nowhere.

    Raises issues.WrongState as `amend` does.
    """
    with transaction.atomic():
        rows = _locked(issue, numbers)
        if any(row.target != was or not row.amended_url for row in rows):
            raise issues.WrongState(_("Somebody amended this link in the meantime. Look at where it leads now."))
        for row in rows:
            _lead(issue, row, _before(issue, row), "link-put-back", editor=editor, now=now)
        _settle(issue, editor=editor, now=now)
    logger.info("links put back", extra={"issue": issue.pk, "links": len(rows)})
    return rows


def _locked(issue: Issue, numbers: Collection[int]) -> list[Link]:
    stored = Issue.objects.get(pk=issue.pk)
    if not is_out(stored):
        raise issues.wrong_state_error(issue)
    rows = list(Link.objects.select_for_update().filter(issue_key=issue.pk, number__in=numbers).order_by("number"))
    if not rows or len(rows) != len(set(numbers)):
        raise issues.WrongState(_("This link is not in the issue. Choose one of its links."))
    return rows


def _lead(issue: Issue, row: Link, leads: str, action: str, *, editor: Editor | None, now: datetime) -> None:
    was = row.target
    row.amended_url = "" if leads == row.url else leads
    Link.objects.filter(pk=row.pk).update(amended_url=row.amended_url)
    issues.audit(action, issue, editor=editor, now=now, link=row.number, was=was, leads=leads)


def _before(issue: Issue, row: Link) -> str:
    """Where the link led before its last amendment that stands; where it led in the mail once that is forgotten."""
    made = AuditEntry.objects.filter(
        action__in=("link-amended", "link-put-back"), subject=f"issue {issue.pk}", detail__link=row.number
    )
    trail: list[str] = []
    leads = ""
    for action, detail in made.order_by("occurred_at", "pk").values_list("action", "detail"):
        if action == "link-amended":
            trail.append(str(detail["was"]))
        elif trail:
            trail.pop()
        leads = detail["leads"]
    return trail[-1] if trail and leads == row.target else row.url


def _settle(issue: Issue, *, editor: Editor | None, now: datetime) -> None:
    """Take down what says that a link was wrong which leads where it led, and let the wish lapse to tell it next."""
    for note in _fallen(issue):
        set_note_visibility(note, False, editor=editor, now=now)
        remove_from_next_issue(note)


def _fallen(issue: Issue) -> list[Correction]:
    """Notes about links that all lead where they led in the mail."""
    notes = list(issue.corrections.filter(kind=CorrectionKind.LINK).select_related("told_in"))
    standing = filter_in_effect(notes)
    return [note for note in notes if note not in standing]


def issues_with_lapsed_errata(issue: Issue) -> list[Issue]:
    """Issues that have not left and say that a link was wrong which leads where it led in the mail again."""
    here = mail_issues(issue)
    found: dict[int, Issue] = {}
    for note in _fallen(issue):
        if letter := here.get(note.pk):
            found[letter.pk] = letter
        if note.told_in and any(block.id == note.told_block for block in content.parse(note.told_in.content).blocks):
            found[note.told_in.pk] = note.told_in
    waiting = (*EDITABLE, IssueStatus.SCHEDULED)
    return [one for one in found.values() if one.status in waiting and one.deleted_at is None]
