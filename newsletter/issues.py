"""Transitions of an issue until it is due, and every change of its content.

    draft -submit-> in review -approve-> approved -schedule-> scheduled -(workers.ledger.begin)-> sending …
    any edit voids the approval; scheduled -unschedule-> approved, or draft to edit it

Each transition is one conditional UPDATE. If it changes no row, another request was faster, and WrongState is raised.
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
from newsletter.blocks import registry
from newsletter.languages import tags
from newsletter.models import EDITABLE, Article, AuditEntry, Editor, Issue, IssueStatus, MediaFile, Newsletter, Revision

logger = logging.getLogger(__name__)

TEMPLATE_VERSION = "1"
"""Raise it when the look of mails changes. It is stored with each frozen edition; no approval depends on it."""
DIGEST_VERSION = 1
"""Version of `approval_digest`. Raise it when the digest covers other fields, and keep computing the older versions."""
COALESCE_WINDOW = timedelta(seconds=10)
MAX_ISSUES_SEARCHED = 20
"""How many sent issues `last_sent` looks through for one of the same kind."""
ORDER, ENVELOPE = "(order)", "(envelope)"
StoryBlock = TypeVar("StoryBlock", content.Lead, content.Story, content.Brief)


class WrongState(Exception):
    """The issue is not in a status from which this transition starts. The message is shown to the editor."""


class Conflict(Exception):
    """The issue was saved by another request in the meantime. `current` is the stored issue."""

    def __init__(self, current: Issue) -> None:
        super().__init__(f"Issue {current.pk} is at version {current.version}")
        self.current = current


class NoSuchRevision(Exception):
    """There is no earlier or later revision. The message is shown to the editor."""


class ArticleAlreadyUsed(Exception):
    """Another issue of the newsletter uses the article. Call again with `again=True` to add it anyway."""

    def __init__(self, issue: Issue) -> None:
        super().__init__(f"Used in issue {issue.pk}")
        self.issue = issue


# --- content ---------------------------------------------------------------------------------------------------------


def create(newsletter: Newsletter, *, editor: Editor | None, now: datetime) -> Issue:
    """Create an empty issue with the next number."""
    document = content.Document(envelopes={language: content.Envelope() for language in newsletter.languages})
    with transaction.atomic():
        # The lock on the newsletter's row lets two requests not take the same number.
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
    """Store `document` if the issue is still at `version`. This raises the version by one and voids the approval.

    `is_step` marks a change made by a button: it gets a revision of its own, so that undo does not revert what was
    typed just before. Raises Conflict if the issue is at another version, WrongState if it can no longer be edited.
    """
    with transaction.atomic():
        stored = _store(issue, content.dump(document), version=version, editor=editor, now=now)
        _record_revision(stored, editor=editor, now=now, is_step=is_step)
    return stored


def undo(issue: Issue, *, version: int, editor: Editor | None, now: datetime) -> Issue:
    """Go back to the revision before the head. Raises NoSuchRevision at the first one."""
    return _move_head(issue, -1, version=version, editor=editor, now=now)


def redo(issue: Issue, *, version: int, editor: Editor | None, now: datetime) -> Issue:
    """Revert an undo. Raises NoSuchRevision if nothing was undone since the last change."""
    return _move_head(issue, +1, version=version, editor=editor, now=now)


def last_sent(issue: Issue) -> Issue | None:
    """Return the newest other issue of the newsletter that was sent, or None.

    A correction note, which goes to readers of another issue, is compared with notes. Every other issue is compared
    with issues that went to all readers.
    """
    sent = issue.newsletter.issues.filter(status=IssueStatus.SENT).exclude(pk=issue.pk).order_by("-sent_at")
    return next((one for one in sent[:MAX_ISSUES_SEARCHED] if one.is_correction_note == issue.is_correction_note), None)


def restore(issue: Issue, number: int, *, version: int, editor: Editor | None, now: datetime) -> Issue:
    """Store the content of an old revision as the newest one. Later revisions stay in the history."""
    old = issue.revisions.filter(number=number).first()
    if old is None:
        raise NoSuchRevision(_("This version is no longer in the history."))
    with transaction.atomic():
        stored = _store(issue, old.content, version=version, editor=editor, now=now)
        _add_revision(stored, editor=editor, now=now)
    return stored


def undo_redo_available(issue: Issue) -> tuple[bool, bool]:
    """Whether there is a revision to undo, and one to redo."""
    numbers = set(issue.revisions.values_list("number", flat=True))
    return issue.revision_head - 1 in numbers, issue.revision_head + 1 in numbers


def copy(issue: Issue, document: content.Document, *, editor: Editor | None, now: datetime) -> Issue:
    """Store `document` as a new draft with the newsletter and the audience of `issue`, which stays as it is."""
    with transaction.atomic():
        duplicate = create(issue.newsletter, editor=editor, now=now)
        Issue.objects.filter(pk=duplicate.pk).update(audience=issue.audience)
        return save(duplicate, document, version=duplicate.version, editor=editor, now=now)


def delete(issue: Issue, *, editor: Editor | None, now: datetime) -> None:
    """Mark a draft as deleted; `undelete` reverts it. Raises WrongState for an issue that is scheduled, sending or
    sent.
    """
    with transaction.atomic():
        deletable = Issue.objects.filter(pk=issue.pk, status__in=EDITABLE, deleted_at__isnull=True)
        voided: dict[str, object] = {"approved_hash": "", "approved_by": None, "approved_at": None}
        if not deletable.update(deleted_at=now, status=IssueStatus.DRAFT, version=F("version") + 1, **voided):
            raise wrong_state_error(issue)
        audit("issue-deleted", issue, editor=editor, now=now)


def undelete(issue: Issue, *, editor: Editor | None, now: datetime) -> None:
    with transaction.atomic():
        if not Issue.objects.filter(pk=issue.pk, deleted_at__isnull=False).update(deleted_at=None):
            raise wrong_state_error(issue)
        audit("issue-brought-back", issue, editor=editor, now=now)


def _store(issue: Issue, data: dict[str, Any], *, version: int, editor: Editor | None, now: datetime) -> Issue:
    current = Issue.objects.filter(pk=issue.pk, version=version, status__in=EDITABLE, deleted_at__isnull=True)
    updated = current.update(
        content=data,
        version=F("version") + 1,
        status=IssueStatus.DRAFT,
        # One conditional UPDATE: a save of an older version, or of an issue that is already being sent, changes no row.
        approved_hash="",
        approved_by=None,
        approved_at=None,
        edited_at=now,
        edited_by=editor,
    )
    stored = Issue.objects.select_related("newsletter").get(pk=issue.pk)
    if not updated:
        if not stored.is_editable:
            raise WrongState(_("This issue can no longer be edited. Stop it first."))
        raise Conflict(stored)
    stored.articles.set(Article.objects.filter(pk__in=content.parse(data).article_ids()))
    if added := _media_ids(data) - _media_ids(issue.content):
        stored.newsletter.media.add(*MediaFile.objects.filter(pk__in=added))
    return stored


def _media_ids(data: dict[str, Any]) -> set[int]:
    """Ids of the media files that a stored document shows. `_store` adds new ones to the newsletter's library."""
    return {block["picture"]["media"] for block in data.get("blocks", []) if block.get("picture")}


def _move_head(issue: Issue, step: int, *, version: int, editor: Editor | None, now: datetime) -> Issue:
    target = issue.revisions.filter(number=issue.revision_head + step).first()
    if target is None:
        raise NoSuchRevision(_("There is nothing to undo.") if step < 0 else _("There is nothing to redo."))
    with transaction.atomic():
        stored = _store(issue, target.content, version=version, editor=editor, now=now)
        Issue.objects.filter(pk=issue.pk).update(revision_head=target.number)
    stored.revision_head = target.number
    return stored


def _record_revision(issue: Issue, *, editor: Editor | None, now: datetime, is_step: bool = False) -> None:
    """Write a revision. Quick successive saves of the same blocks by the same editor replace the last revision.

    A revision that was sent as a test is never replaced, so that the review page can list the changes since the test. A
    step (see `save`) always gets a revision of its own.
    """
    last, before = [*issue.revisions.order_by("-number")[:2], None, None][:2]
    at_the_top = last is not None and last.number == issue.revision_head
    if last and at_the_top and last.content == issue.content:
        return
    was_tested = last is not None and issue.tested_at is not None and issue.tested_at >= last.saved_at
    may_join = at_the_top and not was_tested and not is_step
    if last and before and may_join and last.editor == editor and now - last.saved_at < COALESCE_WINDOW:
        changed = changed_blocks(last.content, issue.content)
        if ORDER not in changed and changed == changed_blocks(before.content, last.content):
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
    """Ids of the blocks that differ, ENVELOPE for subject or preheader, ORDER if blocks were moved, added or removed."""
    old = {block["id"]: block for block in before.get("blocks", [])}
    new = {block["id"]: block for block in after.get("blocks", [])}
    changed = {key for key in old.keys() & new.keys() if old[key] != new[key]}
    if list(old) != list(new):
        changed.add(ORDER)
    if before.get("envelopes") != after.get("envelopes"):
        changed.add(ENVELOPE)
    return changed


def add_article(issue: Issue, article: Article, *, editor: Editor | None, now: datetime, again: bool = False) -> Issue:
    """Append `article` as a block, in every language it exists in. The first article becomes the lead.

    Raises ArticleAlreadyUsed if another issue of the newsletter has it and `again` is false.
    """
    others = issue.newsletter.issues.not_deleted().filter(articles=article).exclude(pk=issue.pk)
    used = others.order_by("-created_at").first()
    if used and not again:
        raise ArticleAlreadyUsed(used)
    document = content.parse(issue.content)
    document.blocks.append(build_story_block(article, issue.newsletter, is_lead=not document.blocks))
    return save(issue, document, version=issue.version, editor=editor, now=now)


def build_story_block(article: Article, newsletter: Newsletter, *, is_lead: bool) -> content.Lead | content.Story:
    """Build a block for `article`, with its translations as far as they are stored."""
    versions = {article.language or newsletter.default_language: article}
    for language, url in article.alternates.items():
        version = Article.objects.filter(url=url).first()
        if version and language not in versions:
            versions[language] = version
    if is_lead:
        return build_article_block(versions, newsletter, kind=content.Lead)
    return build_article_block(versions, newsletter, kind=content.Story)


def build_article_block(versions: dict[str, Article], newsletter: Newsletter, *, kind: type[StoryBlock]) -> StoryBlock:
    """Build a block of `kind` from an article, given in each language it exists in. The first version is the original."""
    article = next(iter(versions.values()))
    # An article says "zh" where a newsletter says "zh-Hans".
    versions = {tags.find_match(code, newsletter.languages) or code: one for code, one in versions.items()}
    words = {
        language: content.StoryWords(
            headline=version.title,
            summary=f"<p>{_escape(version.summary)}</p>" if version.summary else "",
            url=version.url,
            image_alt=version.image_alt or article.image_alt,
        )
        for language, version in versions.items()
        if language in newsletter.languages
    }
    seen = {language: snapshot_article(version) for language, version in versions.items() if language in words}
    block = kind(article=article.pk, words=words, seen=seen)
    if registry.kind_of(block).shows_article_picture:
        block.picture = build_picture(article.image)  # type: ignore[attr-defined]  # such kinds have the field
    return block


def snapshot_article(article: Article) -> content.ArticleSnapshot:
    """The texts of the article as they are now. Later readings of the article are compared with them."""
    return content.ArticleSnapshot(title=article.title, summary=article.summary, url=article.url)


def build_picture(file: MediaFile | None) -> content.Picture | None:
    if file is None:
        return None
    return content.Picture(media=file.pk, path=file.file.name or "", width=file.width, height=file.height)


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


# --- transitions -----------------------------------------------------------------------------------------------------


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
        # Left out while it is "", so that approvals of earlier releases stay valid.
        **({"fixed_words_language": newsletter.fixed_words_language} if newsletter.fixed_words_language else {}),
    }
    return hashlib.sha256(json.dumps(covered, sort_keys=True).encode()).hexdigest()


def matches_approval(issue: Issue) -> bool:
    """Whether the issue is still what was approved, by the digest version that is stored with the approval."""
    try:
        return bool(issue.approved_hash) and issue.approved_hash == approval_digest(
            issue, version=issue.approved_digest_version
        )
    except ValueError:
        return False


def submit(issue: Issue, *, editor: Editor | None, now: datetime) -> Issue:
    return _move(issue, (IssueStatus.DRAFT,), IssueStatus.IN_REVIEW, "issue-submitted", editor=editor, now=now)


def approve(issue: Issue, *, editor: Editor | None, now: datetime) -> Issue:
    """Approve exactly this content and audience.

    If the newsletter requires four eyes, the editor of the last change cannot approve. An approved issue can be
    approved again if a change of settings has voided its approval.
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
    """Schedule an approved issue for `at`. "Send now" passes now plus the newsletter's hold."""
    if not matches_approval(issue):
        raise WrongState(_("Something changed since this issue was approved. Review it once more."))
    fields = {"scheduled_at": at, "scheduled_by": editor, "pause_reason": ""}
    return _move(
        issue, (IssueStatus.APPROVED,), IssueStatus.SCHEDULED, "issue-scheduled", editor=editor, now=now, **fields
    )


def unschedule(issue: Issue, *, editor: Editor | None, now: datetime, to_edit: bool = False) -> Issue:
    """Stop a scheduled issue. It becomes approved again, or a draft if it is to be edited."""
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
        current = Issue.objects.filter(pk=issue.pk, status__in=starts, version=issue.version, deleted_at__isnull=True)
        if not current.update(status=status, **fields):
            raise wrong_state_error(issue)
        audit(action, issue, editor=editor, now=now)
    logger.info("issue moved", extra={"issue": issue.pk, "status": str(status)})
    return Issue.objects.select_related("newsletter").get(pk=issue.pk)


def wrong_state_error(issue: Issue) -> WrongState:
    """The error that names the current status of the issue."""
    stored = Issue.objects.get(pk=issue.pk)
    return WrongState(
        _("Issue %(number)s is now “%(status)s”, so this step is not possible. Reload the page.")
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
