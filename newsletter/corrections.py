"""Putting right what an issue said after it has gone out: where its links lead, what the archive says about it, and an
erratum on top of the next issue.

Mails that were delivered hold a number, not an address: a link that is amended here leads elsewhere in all of them. Who
may get a correction by mail is `workers.corrections`.
"""

from __future__ import annotations

import logging
import posixpath
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from html import escape
from typing import Any
from urllib.parse import unquote, urlsplit

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import translation
from django.utils.translation import gettext as _

from newsletter import content, issues
from newsletter.articledata import shortened
from newsletter.models import (
    EDITABLE,
    AuditEntry,
    Correction,
    CorrectionKind,
    Editor,
    Issue,
    IssueStatus,
    Link,
    Newsletter,
)
from newsletter.rendering import links as addresses

logger = logging.getLogger(__name__)

OUT = (IssueStatus.SENDING, IssueStatus.PAUSED, IssueStatus.SENT, IssueStatus.CANCELLED)
CHANGES = (
    "link-amended",
    "link-put-back",
    "correction-noted",
    "correction-changed",
    "correction-hidden",
    "correction-shown",
)
"""What the log calls everything that changes an issue's page after it was sent."""
LONGEST = 1000
LABEL_MOST = 45
"""Characters of a link's words in a subject, which is not to be longer than mailboxes show."""
TWICE = timedelta(minutes=10)
"""The same words again within so long are one correction."""
OURS_ALONE = ("/l/", "/t/", "/u/", "/p/", "/c/", "/studio/", "/admin/")
"""Pages of this service that no link may be sent on to: they belong to one reader, or to nobody."""
Words = Mapping[str, str]


class WrongAddress(ValueError):
    """No link may lead there; the message says why to a person."""


def is_out(issue: Issue) -> bool:
    """Whether somebody may have it by now."""
    return issue.status in OUT and issue.started_at is not None


# --- links -----------------------------------------------------------------------------------------------------------


def address(typed: str) -> str:
    """What was typed as an address that a link may lead to, by the rules of the composer. Raises WrongAddress."""
    url = addresses.encoded(typed)
    if not addresses.is_safe(url) or not url.lower().startswith(("https://", "http://")):
        raise WrongAddress(_("This is not a web address. It has to start with https."))
    host, own = urlsplit(url).hostname or "", urlsplit(settings.SITE_URL)
    try:
        host.encode("idna")
    except UnicodeError:
        raise WrongAddress(_("This is not a web address: no website can have this name.")) from None
    is_own = host.rstrip(".") == own.hostname
    if is_own and _path(url).startswith(OURS_ALONE):
        raise WrongAddress(
            _("This page belongs to one reader or to the studio. Choose a page that everybody can open.")
        )
    if url.lower().startswith("http://") and not (is_own and own.scheme == "http"):
        raise WrongAddress(_("This address starts with http. Use the secure address that starts with https."))
    return url


def _path(url: str) -> str:
    """The path as a server reads it: decoded, without dots and doubled slashes."""
    path = posixpath.normpath(unquote(urlsplit(url).path)).lstrip("/")
    return f"/{path}/"


def links(issue: Issue) -> list[Link]:
    """The numbered links of an issue, in order; none where they lead straight to their pages."""
    return list(Link.objects.filter(issue_key=issue.pk).order_by("number"))


def amend(
    issue: Issue, numbers: Collection[int], url: str, *, was: str, editor: Editor | None, now: datetime
) -> list[Link]:
    """Let these links lead to `url` from now on, also in mails that were delivered.

    `was` is where they led when the editor looked. Raises WrongAddress; issues.WrongState where the issue is not out,
    or where somebody else amended one of them.
    """
    leads = address(url)
    with transaction.atomic():
        rows = _locked(issue, numbers)
        if any(row.target != was for row in rows):
            raise issues.WrongState(_("Somebody amended this link in the meantime. Look at where it leads now."))
        for row in rows:
            _lead(issue, row, leads, "link-amended", editor=editor, now=now)
        _settle(issue, editor=editor, now=now)
    logger.info("links amended", extra={"issue": issue.pk, "links": len(rows)})
    return rows


def put_back(issue: Issue, numbers: Collection[int], *, was: str, editor: Editor | None, now: datetime) -> list[Link]:
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
        raise issues.wrong_state(issue)
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


def stands(correction: Correction) -> bool:
    """Whether there is something to tell: not where every link leads where it led in the mail again."""
    amended = {row.number for row in links(correction.issue) if row.amended_url}
    return correction.kind == CorrectionKind.FACT or bool(amended.intersection(correction.links))


def _settle(issue: Issue, *, editor: Editor | None, now: datetime) -> None:
    """Take down what says that a link was wrong which leads where it led, and let the wish lapse to tell it next."""
    for note in issue.corrections.filter(kind=CorrectionKind.LINK).select_related("told_in"):
        if stands(note):
            continue
        show(note, False, editor=editor, now=now)
        not_next(note)


def not_next(correction: Correction) -> None:
    """The next issue that is begun need not open with it; one that does already keeps it."""
    Correction.objects.filter(_UNTOLD, pk=correction.pk).update(wants_next=False)


def still_saying(issue: Issue) -> list[Issue]:
    """Issues that have not left and say that a link was wrong which leads where it led in the mail again."""
    here = letters(issue)
    found: dict[int, Issue] = {}
    for note in issue.corrections.select_related("told_in"):
        if stands(note):
            continue
        if letter := here.get(note.pk):
            found[letter.pk] = letter
        if note.told_in and any(block.id == note.told_block for block in content.parse(note.told_in.content).blocks):
            found[note.told_in.pk] = note.told_in
    waiting = (*EDITABLE, IssueStatus.SCHEDULED)
    return [one for one in found.values() if one.status in waiting and one.deleted_at is None]


_UNTOLD = Q(told_in__isnull=True) | Q(told_in__deleted_at__isnull=False)


# --- notes in the archive --------------------------------------------------------------------------------------------


def note(
    issue: Issue,
    words: Words,
    *,
    numbers: Iterable[int] = (),
    is_shown: bool = True,
    editor: Editor | None,
    now: datetime,
) -> Correction:
    """Keep what was wrong and what is right, by language; the archive says it with today's date if `is_shown`.

    With `numbers` it is about these links, else about a fact. Raises issues.WrongState where the issue is not out, and
    where the same fact was put right in the same words a moment ago: somebody pressed the button twice.
    """
    about, said = sorted(set(numbers)), _said(words)
    with transaction.atomic():
        here = Issue.objects.select_for_update().get(pk=issue.pk)
        if not is_out(here):
            raise issues.wrong_state(issue)
        if not about and _is_there(here, said, now=now):
            raise issues.WrongState(_("This correction was kept a moment ago already. Nothing was done twice."))
        made = Correction.objects.create(
            issue=issue,
            kind=CorrectionKind.LINK if about else CorrectionKind.FACT,
            links=about,
            words=said,
            is_shown=is_shown,
            made_at=now,
            made_by=editor,
            changed_at=now,
        )
        issues.audit("correction-noted", issue, editor=editor, now=now, correction=made.pk, shown=is_shown)
    return made


def _is_there(issue: Issue, said: dict[str, str], *, now: datetime) -> bool:
    lately = issue.corrections.filter(kind=CorrectionKind.FACT, made_at__gt=now - TWICE)
    return any(one.words == said for one in lately)


def reword(correction: Correction, words: Words, *, editor: Editor | None, now: datetime) -> None:
    """Say it better; the day of the correction stays, and the page says that it changed."""
    before, after = dict(correction.words), _said(words)
    if before == after:
        return
    with transaction.atomic():
        Correction.objects.filter(pk=correction.pk).update(words=after, changed_at=now)
        about = {"correction": correction.pk, "before": before, "after": after}
        issues.audit("correction-changed", correction.issue, editor=editor, now=now, **about)
    correction.words, correction.changed_at = after, now


def show(correction: Correction, is_shown: bool, *, editor: Editor | None, now: datetime) -> None:
    """Take the note off the page, or put it there again; the log remembers either."""
    with transaction.atomic():
        here = Correction.objects.filter(pk=correction.pk, is_shown=not is_shown)
        if here.update(is_shown=is_shown, changed_at=now):
            action = "correction-shown" if is_shown else "correction-hidden"
            issues.audit(action, correction.issue, editor=editor, now=now, correction=correction.pk)
    correction.is_shown = is_shown


def _said(words: Words) -> dict[str, str]:
    typed = {language: lines(said).strip() for language, said in words.items()}
    return {language: said[:LONGEST] for language, said in typed.items() if said}


def lines(typed: str) -> str:
    """With the line ends that we count and keep; browsers send two characters for each."""
    return typed.replace("\r\n", "\n").replace("\r", "\n")


def proposed(label: str, language: str) -> str:
    """A note about a wrong link, for an editor to make better; "" in a language that we do not speak."""
    if not speaks(language):
        return ""
    with translation.override(language):
        sentence = _("The link “%(label)s” led to the wrong page. It leads to the right one now.")
        return sentence % {"label": label}


def speaks(language: str) -> bool:
    return language in dict(settings.LANGUAGES)


# --- the next issue --------------------------------------------------------------------------------------------------


def tell_next(correction: Correction, *, editor: Editor | None, now: datetime) -> Issue | None:
    """Let the next issue open with this correction: the open draft at once, else the next one that is begun.

    Returns the draft that has it; None while it waits. Asked twice, it changes nothing.
    """
    with transaction.atomic():
        newsletter = Newsletter.objects.select_for_update().get(pk=correction.issue.newsletter_id)
        stored = Correction.objects.select_related("told_in").get(pk=correction.pk)
        if stored.told_in is not None and stored.told_in.deleted_at is None:
            return stored.told_in
        if not stands(stored):
            raise issues.WrongState(_("The link leads where it led in the mail: there is nothing to tell."))
        Correction.objects.filter(pk=correction.pk).update(wants_next=True)
        draft = open_draft(newsletter)
        return open_with_errata(draft, editor=editor, now=now) if draft else None


def open_draft(newsletter: Newsletter) -> Issue | None:
    """The issue for everybody that is being written."""
    drafts = newsletter.issues.kept().filter(status__in=EDITABLE, audience={}).select_related("newsletter")
    return drafts.order_by("-created_at", "-pk").first()


def is_approved(newsletter: Newsletter) -> bool:
    """Whether an erratum put on top of the open draft costs it its approval."""
    draft = open_draft(newsletter)
    return draft is not None and draft.status == IssueStatus.APPROVED


def waiting(newsletter: Newsletter) -> QuerySet[Correction]:
    """Errata that no issue has been given yet."""
    wanted = Correction.objects.filter(_UNTOLD, issue__newsletter=newsletter, wants_next=True)
    return wanted.select_related("issue").order_by("made_at", "pk")


def open_with_errata(draft: Issue, *, editor: Editor | None, now: datetime) -> Issue:
    """Put a notice for every erratum that waits on top of `draft`; each is given to one issue only."""
    with transaction.atomic():
        errata = [one for one in waiting(draft.newsletter).select_for_update(of=("self",)) if stands(one)]
        if not errata:
            return draft
        here = Issue.objects.select_for_update(of=("self",)).select_related("newsletter").get(pk=draft.pk)
        document = content.parse(here.content)
        blocks = [_notice(one, here.newsletter) for one in errata]
        document.blocks[:0] = blocks
        stored = issues.save(here, document, version=here.version, editor=editor, now=now, is_step=True)
        for one, block in zip(errata, blocks, strict=True):
            Correction.objects.filter(pk=one.pk).update(told_in=stored, told_block=block.id)
            issues.audit("erratum-added", stored, editor=editor, now=now, correction=one.pk)
    return stored


def errata_in(draft: Issue) -> list[content.Block]:
    """The blocks of `draft` that tell an erratum, as they stand."""
    told = set(Correction.objects.filter(told_in=draft).values_list("told_block", flat=True))
    return [block for block in content.parse(draft.content).blocks if block.id in told]


def _notice(correction: Correction, newsletter: Newsletter) -> content.Notice:
    """What an issue says about an earlier one. Where a language has no words, it says nothing."""
    words = {
        language: content.TextWords(heading=_heading(correction.issue, language), body=_body(correction, language))
        for language in newsletter.languages
        if language in correction.words
    }
    silent: dict[str, content.Policy] = {code: "optional" for code in newsletter.languages if code not in words}
    return content.Notice(words=words, policy=silent)


def _heading(issue: Issue, language: str) -> str:
    with translation.override(language):
        return _("Correction to issue %(number)s") % {"number": issue.number}


def _body(correction: Correction, language: str) -> str:
    """The editor's words, a paragraph each, and the link as it should have been."""
    body = paragraphs(correction.words[language])
    link = next((one for one in links(correction.issue) if _is_told(one, correction, language)), None)
    if link is None:
        return body
    return f'{body}<p><a href="{escape(link.target)}">{escape(link.label or link.target, quote=False)}</a></p>'


def _is_told(link: Link, correction: Correction, language: str) -> bool:
    return link.number in correction.links and link.language == language and bool(link.amended_url)


def paragraphs(typed: str) -> str:
    """Plain words as the little HTML of a document."""
    parts = [" ".join(part.split()) for part in lines(typed).split("\n\n")]
    return "".join(f"<p>{escape(part, quote=False)}</p>" for part in parts if part)


# --- a note by mail --------------------------------------------------------------------------------------------------


def draft(correction: Correction, audience: dict[str, Any], *, editor: Editor | None, now: datetime) -> Issue:
    """A short issue that says what was wrong and what is right, for those whom `audience` describes.

    A draft like any other: it is edited, reviewed, approved and sent as every issue is.
    """
    newsletter = correction.issue.newsletter
    amended = [one for one in links(correction.issue) if one.number in correction.links and one.amended_url]
    document = letter(correction, amended)
    with transaction.atomic():
        made = issues.create(newsletter, editor=editor, now=now)
        Issue.objects.filter(pk=made.pk).update(audience=audience)
        made = issues.save(made, document, version=made.version, editor=editor, now=now)
        about = {"corrects": correction.issue_id, "correction": correction.pk}
        issues.audit("correction-drafted", made, editor=editor, now=now, **about)
    return made


def letters(issue: Issue) -> dict[int, Issue]:
    """The mail about each correction of `issue`, by the correction's id; drafts that were thrown away do not count."""
    about = {"detail__corrects": issue.pk, "detail__has_key": "correction"}
    made = AuditEntry.objects.filter(action="correction-drafted", **about).order_by("pk")
    named = {int(row.detail["correction"]): int(row.subject.removeprefix("issue ")) for row in made}
    found = Issue.objects.kept().in_bulk(named.values())
    return {correction: found[pk] for correction, pk in named.items() if pk in found}


def letter(correction: Correction, amended: list[Link]) -> content.Document:
    """What that draft says; `amended` are the links that it is about."""
    newsletter = correction.issue.newsletter
    return content.Document(
        envelopes={language: _envelope(correction, amended, language) for language in newsletter.languages},
        blocks=_blocks(correction, amended, newsletter),
    )


def _envelope(correction: Correction, amended: list[Link], language: str) -> content.Envelope:
    if not speaks(language):
        return content.Envelope()
    label = _label(amended, language)
    with translation.override(language):
        about = {"number": correction.issue.number, "label": shortened(label, most=LABEL_MOST)}
        if not amended:
            return content.Envelope(
                subject=_("Correction to issue %(number)s") % about,
                preheader=_("One detail was wrong. Here is what is right."),
            )
        return content.Envelope(
            subject=_("Correction to issue %(number)s: “%(label)s”") % about,
            preheader=_("One link was wrong. Here is the right one, and in the first mail it is right now, too."),
        )


def _blocks(correction: Correction, amended: list[Link], newsletter: Newsletter) -> list[content.Block]:
    notice = content.Notice()
    button, close = content.Button(), content.Text()
    for language in newsletter.languages:
        label = _label(amended, language)
        said = correction.words.get(language) or (proposed(label, language) if amended else "")
        if not said:
            continue
        notice.words[language] = content.TextWords(heading=_heading(correction.issue, language), body=paragraphs(said))
        if amended:
            button.words[language] = content.ButtonWords(label=label, url=_target(amended, language))
        close.words[language] = content.TextWords(body=paragraphs(_sorry(bool(amended), language)))
    return [notice, *([button] if amended else []), close]


def _label(amended: list[Link], language: str) -> str:
    """What readers of `language` know the link as, else any words of it."""
    told = [one.label for one in amended if one.language == language] + [one.label for one in amended]
    return next((label for label in told if label), amended[0].target if amended else "")


def _target(amended: list[Link], language: str) -> str:
    return next((one.target for one in amended if one.language == language), amended[0].target)


def _sorry(is_a_link: bool, language: str) -> str:
    with translation.override(language):
        if is_a_link:
            return _("We are sorry. In the mail that you already have, the link leads to the right page now, too.")
        return _("We are sorry for the mistake.")
