"""Every arrow of an issue up to the moment it is due, and every change of its words.

    draft -submit-> in review -approve-> approved -schedule-> scheduled -(workers.ledger.begin)-> sending …
    any edit voids the approval; scheduled -unschedule-> approved, or draft to edit it

Each arrow is one conditional UPDATE; zero rows means somebody was faster, and raises WrongState.
"""

from __future__ import annotations

import hashlib
import json
import logging
from datetime import datetime, timedelta
from typing import Any, TypeVar

from django.db import transaction
from django.db.models import F, Max
from django.utils.translation import gettext as _

from newsletter import content
from newsletter.models import EDITABLE, Article, AuditEntry, Editor, Issue, IssueStatus, MediaFile, Newsletter, Revision

logger = logging.getLogger(__name__)

TEMPLATE_VERSION = "1"
"""Raise it when the look of mails changes. It is stored with each frozen edition and no approval depends on it."""
DIGEST_VERSION = 1
"""Version of `approval_digest`. Raise it when the digest covers other fields, and keep computing the older versions."""
COALESCE_WINDOW = timedelta(seconds=10)
MAX_ISSUES_SEARCHED = 20
"""Issues among which the last one is looked for that went to everybody."""
ORDER, ENVELOPE = "(order)", "(envelope)"
StoryBlock = TypeVar("StoryBlock", content.Lead, content.Story, content.Brief)


class WrongState(Exception):
    """The issue is not where this step starts from; the message says so to a person."""


class Conflict(Exception):
    """Somebody else saved the issue in the meantime; `current` is what is stored now."""

    def __init__(self, current: Issue) -> None:
        super().__init__(f"Issue {current.pk} is at version {current.version}")
        self.current = current


class NoSuchRevision(Exception):
    """There is no earlier or later version to go to; the message says so to a person."""


class ArticleAlreadyUsed(Exception):
    """The article is in another issue; add it again only on purpose."""

    def __init__(self, issue: Issue) -> None:
        super().__init__(f"Used in issue {issue.pk}")
        self.issue = issue


# --- writing ---------------------------------------------------------------------------------------------------------


def create(newsletter: Newsletter, *, editor: Editor | None, now: datetime) -> Issue:
    """Start an empty issue with the next number."""
    document = content.Document(envelopes={language: content.Envelope() for language in newsletter.languages})
    with transaction.atomic():
        Newsletter.objects.select_for_update().get(pk=newsletter.pk)
        number = (newsletter.issues.aggregate(last=Max("number"))["last"] or 0) + 1
        issue = Issue.objects.create(
            newsletter=newsletter,
            number=number,
            slug=f"{newsletter.slug}-{number}",
            content=content.dump(document),
            created_by=editor,
            created_at=now,
            edited_at=now,
            edited_by=editor,
        )
        _add_revision(issue, editor=editor, now=now)
    logger.info("issue created", extra={"issue": issue.pk})
    return issue


def save(
    issue: Issue,
    document: content.Document,
    *,
    version: int,
    editor: Editor | None,
    now: datetime,
    is_step: bool = False,
) -> Issue:
    """Store `document` if the issue is still at `version`; it is then one higher, and no longer approved.

    What a button did (`is_step`) is undone by itself, without what was typed just before.
    Raises Conflict if it is at another version, WrongState if it may not be edited any more.
    """
    with transaction.atomic():
        stored = _store(issue, content.dump(document), version=version, editor=editor, now=now)
        _remember(stored, editor=editor, now=now, is_step=is_step)
    return stored


def undo(issue: Issue, *, version: int, editor: Editor | None, now: datetime) -> Issue:
    """Go back to the revision before the head. Raises NothingThere at the first one."""
    return _walk(issue, -1, version=version, editor=editor, now=now)


def redo(issue: Issue, *, version: int, editor: Editor | None, now: datetime) -> Issue:
    """Take back an undo. Raises NothingThere if nothing was undone since the last change."""
    return _walk(issue, +1, version=version, editor=editor, now=now)


def last_sent(issue: Issue) -> Issue | None:
    """The newest issue of its newsletter that has gone out, apart from itself.

    A note to readers of another issue is held against notes, every other issue against those that went to everybody.
    """
    sent = issue.newsletter.issues.filter(status=IssueStatus.SENT).exclude(pk=issue.pk).order_by("-sent_at")
    return next((one for one in sent[:MAX_ISSUES_SEARCHED] if one.is_correction_note == issue.is_correction_note), None)


def restore(issue: Issue, number: int, *, version: int, editor: Editor | None, now: datetime) -> Issue:
    """Make an old revision the newest one; what was there since stays in the history."""
    old = issue.revisions.filter(number=number).first()
    if old is None:
        raise NoSuchRevision(_("This version is not in the history any more."))
    with transaction.atomic():
        stored = _store(issue, old.content, version=version, editor=editor, now=now)
        _add_revision(stored, editor=editor, now=now)
    return stored


def undo_redo_available(issue: Issue) -> tuple[bool, bool]:
    """Whether there is something to undo, and to redo."""
    numbers = set(issue.revisions.values_list("number", flat=True))
    return issue.revision_head - 1 in numbers, issue.revision_head + 1 in numbers


def copy(issue: Issue, document: content.Document, *, editor: Editor | None, now: datetime) -> Issue:
    """Keep `document` as a new draft of the same newsletter and for the same readers, beside `issue`."""
    with transaction.atomic():
        twin = create(issue.newsletter, editor=editor, now=now)
        Issue.objects.filter(pk=twin.pk).update(audience=issue.audience)
        return save(twin, document, version=twin.version, editor=editor, now=now)


def delete(issue: Issue, *, editor: Editor | None, now: datetime) -> None:
    """Put a draft away; `bring_back` undoes it. Raises WrongState for an issue that is on its way or sent."""
    with transaction.atomic():
        here = Issue.objects.filter(pk=issue.pk, status__in=EDITABLE, deleted_at__isnull=True)
        voided: dict[str, object] = {"approved_hash": "", "approved_by": None, "approved_at": None}
        if not here.update(deleted_at=now, status=IssueStatus.DRAFT, version=F("version") + 1, **voided):
            raise wrong_state_error(issue)
        audit("issue-deleted", issue, editor=editor, now=now)


def undelete(issue: Issue, *, editor: Editor | None, now: datetime) -> None:
    with transaction.atomic():
        if not Issue.objects.filter(pk=issue.pk, deleted_at__isnull=False).update(deleted_at=None):
            raise wrong_state_error(issue)
        audit("issue-brought-back", issue, editor=editor, now=now)


def _store(issue: Issue, data: dict[str, Any], *, version: int, editor: Editor | None, now: datetime) -> Issue:
    here = Issue.objects.filter(pk=issue.pk, version=version, status__in=EDITABLE, deleted_at__isnull=True)
    moved = here.update(
        content=data,
        version=F("version") + 1,
        status=IssueStatus.DRAFT,
        approved_hash="",
        approved_by=None,
        approved_at=None,
        edited_at=now,
        edited_by=editor,
    )
    stored = Issue.objects.select_related("newsletter").get(pk=issue.pk)
    if not moved:
        if not stored.is_editable:
            raise WrongState(_("This issue can no longer be edited. Stop it first."))
        raise Conflict(stored)
    stored.articles.set(Article.objects.filter(pk__in=content.parse(data).article_ids()))
    if added := _pictures(data) - _pictures(issue.content):
        stored.newsletter.media.add(*MediaFile.objects.filter(pk__in=added))
    return stored


def _pictures(data: dict[str, Any]) -> set[int]:
    """The pictures that a stored document shows; a newsletter's library has all of them."""
    return {block["picture"]["media"] for block in data.get("blocks", []) if block.get("picture")}


def _walk(issue: Issue, step: int, *, version: int, editor: Editor | None, now: datetime) -> Issue:
    target = issue.revisions.filter(number=issue.revision_head + step).first()
    if target is None:
        raise NoSuchRevision(_("There is nothing to undo.") if step < 0 else _("There is nothing to redo."))
    with transaction.atomic():
        stored = _store(issue, target.content, version=version, editor=editor, now=now)
        Issue.objects.filter(pk=issue.pk).update(revision_head=target.number)
    stored.revision_head = target.number
    return stored


def _remember(issue: Issue, *, editor: Editor | None, now: datetime, is_step: bool = False) -> None:
    """Write a revision; quick successive saves of the same block by the same person become one.

    One that was sent as a test stays, so that the review page can say what changed since; a step is one by itself.
    """
    last, before = [*issue.revisions.order_by("-number")[:2], None, None][:2]
    at_the_top = last is not None and last.number == issue.revision_head
    if last and at_the_top and last.content == issue.content:
        return
    was_tested = last is not None and issue.tested_at is not None and issue.tested_at >= last.saved_at
    may_join = at_the_top and not was_tested and not is_step
    if last and before and may_join and last.editor == editor and now - last.saved_at < COALESCE_WINDOW:
        touched = changed_blocks(last.content, issue.content)
        if ORDER not in touched and touched == changed_blocks(before.content, last.content):
            Revision.objects.filter(pk=last.pk).update(content=issue.content, saved_at=now)
            return
    _add_revision(issue, editor=editor, now=now)


def _add_revision(issue: Issue, *, editor: Editor | None, now: datetime) -> None:
    issue.revisions.filter(number__gt=issue.revision_head).delete()
    number = issue.revision_head + 1
    Revision.objects.create(issue=issue, number=number, editor=editor, saved_at=now, content=issue.content)
    Issue.objects.filter(pk=issue.pk).update(revision_head=number)
    issue.revision_head = number


def changed_blocks(before: dict[str, Any], after: dict[str, Any]) -> set[str]:
    """Ids of the blocks that differ, ENVELOPE for subject and preheader, ORDER for blocks moved, added or removed."""
    old = {block["id"]: block for block in before.get("blocks", [])}
    new = {block["id"]: block for block in after.get("blocks", [])}
    changed = {key for key in old.keys() & new.keys() if old[key] != new[key]}
    if list(old) != list(new):
        changed.add(ORDER)
    if before.get("envelopes") != after.get("envelopes"):
        changed.add(ENVELOPE)
    return changed


def add_article(issue: Issue, article: Article, *, editor: Editor | None, now: datetime, again: bool = False) -> Issue:
    """Append `article` as a block, in every language it exists in: the first becomes the lead.

    Raises AlreadyUsed if another issue of the newsletter has it and `again` is false.
    """
    others = issue.newsletter.issues.not_deleted().filter(articles=article).exclude(pk=issue.pk)
    used = others.order_by("-created_at").first()
    if used and not again:
        raise ArticleAlreadyUsed(used)
    document = content.parse(issue.content)
    document.blocks.append(build_story_block(article, issue.newsletter, is_lead=not document.blocks))
    return save(issue, document, version=issue.version, editor=editor, now=now)


def build_story_block(article: Article, newsletter: Newsletter, *, is_lead: bool) -> content.Lead | content.Story:
    """A block that tells `article`, with its twins in other languages where we know them."""
    twins = {article.language or newsletter.default_language: article}
    for language, url in article.alternates.items():
        twin = Article.objects.filter(url=url).first()
        if twin and language not in twins:
            twins[language] = twin
    if is_lead:
        return build_article_block(twins, newsletter, kind=content.Lead)
    return build_article_block(twins, newsletter, kind=content.Story)


def build_article_block(twins: dict[str, Article], newsletter: Newsletter, *, kind: type[StoryBlock]) -> StoryBlock:
    """A block of `kind` that tells an article, given in each language it exists in; the first one is the original."""
    article = next(iter(twins.values()))
    words = {
        language: content.StoryWords(
            headline=twin.title,
            summary=f"<p>{_escape(twin.summary)}</p>" if twin.summary else "",
            url=twin.url,
            image_alt=twin.image_alt or article.image_alt,
        )
        for language, twin in twins.items()
        if language in newsletter.languages
    }
    seen = {language: snapshot_article(twin) for language, twin in twins.items() if language in words}
    block = kind(article=article.pk, words=words, seen=seen)
    if isinstance(block, content.Lead):
        block.picture = build_picture(article.image)
    return block


def snapshot_article(article: Article) -> content.ArticleSnapshot:
    """What the article says now, to compare a later reading with."""
    return content.ArticleSnapshot(title=article.title, summary=article.summary, url=article.url)


def build_picture(file: MediaFile | None) -> content.Picture | None:
    if file is None:
        return None
    return content.Picture(media=file.pk, path=file.file.name or "", width=file.width, height=file.height)


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


# --- arrows ----------------------------------------------------------------------------------------------------------


def approval_digest(issue: Issue, *, version: int = DIGEST_VERSION) -> str:
    """Return the SHA-256 of what an approval covers: content, languages, audience, sender, postal address, tracking.

    Raises ValueError for a version that this release does not know, as after a downgrade.
    """
    if version != 1:
        raise ValueError(f"Unknown version of the approval digest: {version}")
    newsletter = issue.newsletter
    covered = {
        "content": issue.content,
        "languages": newsletter.languages,
        "audience": issue.audience,
        "from": [newsletter.brand, newsletter.from_name, newsletter.from_email, newsletter.reply_to],
        "postal_address": newsletter.postal_address,
        "tracking": newsletter.tracking,
        # A constant of version 1, not TEMPLATE_VERSION: a rise of the template version must not end an approval.
        "template": "1",
    }
    return hashlib.sha256(json.dumps(covered, sort_keys=True).encode()).hexdigest()


def matches_approval(issue: Issue) -> bool:
    """Whether the issue is still what was approved, by the version of the digest that the approval was given with."""
    try:
        return bool(issue.approved_hash) and issue.approved_hash == approval_digest(
            issue, version=issue.approved_digest_version
        )
    except ValueError:
        return False


def submit(issue: Issue, *, editor: Editor | None, now: datetime) -> Issue:
    return _move(issue, (IssueStatus.DRAFT,), IssueStatus.IN_REVIEW, "issue-submitted", editor=editor, now=now)


def approve(issue: Issue, *, editor: Editor | None, now: datetime) -> Issue:
    """Say yes to exactly this content and audience.

    Where the newsletter asks for four eyes, whoever made the last change cannot be the one. An issue whose approval
    lapsed with a change of settings is approved once more.
    """
    if issue.newsletter.four_eyes and editor is not None and issue.edited_by_id == editor.pk:
        raise WrongState(_("Another editor has to approve this issue: you made the last change."))
    approval = {
        "approved_hash": approval_digest(issue),
        "approved_digest_version": DIGEST_VERSION,
        "approved_by": editor,
        "approved_at": now,
    }
    starts = [IssueStatus.DRAFT, IssueStatus.IN_REVIEW]
    if not matches_approval(issue):
        starts.append(IssueStatus.APPROVED)
    return _move(issue, tuple(starts), IssueStatus.APPROVED, "issue-approved", editor=editor, now=now, **approval)


def schedule(issue: Issue, *, at: datetime, editor: Editor | None, now: datetime) -> Issue:
    """Let an approved issue go out at `at`. "Send now" is `at` = now + hold."""
    if not matches_approval(issue):
        raise WrongState(_("Something changed since this issue was approved. Review it once more."))
    fields = {"scheduled_at": at, "scheduled_by": editor, "pause_reason": ""}
    return _move(
        issue, (IssueStatus.APPROVED,), IssueStatus.SCHEDULED, "issue-scheduled", editor=editor, now=now, **fields
    )


def unschedule(issue: Issue, *, editor: Editor | None, now: datetime, to_edit: bool = False) -> Issue:
    """Stop an issue that has not begun: back to approved, or to draft to edit it."""
    fields: dict[str, object] = {"scheduled_at": None, "scheduled_by": None}
    if to_edit:
        fields |= {"approved_hash": "", "approved_by": None, "approved_at": None}
    status = IssueStatus.DRAFT if to_edit else IssueStatus.APPROVED
    return _move(issue, (IssueStatus.SCHEDULED,), status, "issue-stopped", editor=editor, now=now, **fields)


def cancel(issue: Issue, *, editor: Editor | None, now: datetime) -> Issue:
    starts = (IssueStatus.SCHEDULED, IssueStatus.PAUSED)
    return _move(issue, starts, IssueStatus.CANCELLED, "issue-cancelled", editor=editor, now=now)


def _move(
    issue: Issue,
    starts: tuple[IssueStatus, ...],
    status: IssueStatus,
    action: str,
    *,
    editor: Editor | None,
    now: datetime,
    **fields: object,
) -> Issue:
    with transaction.atomic():
        here = Issue.objects.filter(pk=issue.pk, status__in=starts, version=issue.version, deleted_at__isnull=True)
        if not here.update(status=status, **fields):
            raise wrong_state_error(issue)
        audit(action, issue, editor=editor, now=now)
    logger.info("issue moved", extra={"issue": issue.pk, "status": str(status)})
    return Issue.objects.select_related("newsletter").get(pk=issue.pk)


def wrong_state_error(issue: Issue) -> WrongState:
    """The error that says where the issue really is."""
    stored = Issue.objects.get(pk=issue.pk)
    return WrongState(
        _("Issue %(number)s is “%(status)s” by now, so this step is not possible. Look at it again.")
        % {"number": stored.number, "status": stored.get_status_display()}
    )


def audit(action: str, issue: Issue, *, editor: Editor | None, now: datetime, **detail: object) -> None:
    AuditEntry.objects.create(
        actor=editor,
        action=action,
        newsletter=issue.newsletter,
        subject=f"issue {issue.pk}",
        detail={"version": issue.version, **detail},
        occurred_at=now,
    )
