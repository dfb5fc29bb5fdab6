"""Changes of an issue: save, conflict, undo, redo, delete, and every transition until it is due."""

from __future__ import annotations

from datetime import timedelta

import pytest

from newsletter import content, issues
from newsletter.models import Article, AuditEntry, Issue, IssueStatus, Role
from tests.factories import NOW, make_document, make_editor, make_issue, make_newsletter

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(minutes=1)


def renamed(issue, subject, *, editor=None, now=LATER):
    document = content.parse(issue.content)
    document.envelopes["id"].subject = subject
    return issues.save(issue, document, version=issue.version, editor=editor, now=now)


def with_headline(issue, block_id, headline, *, now=LATER, editor=None):
    document = content.parse(issue.content)
    document.block(block_id).words["id"].headline = headline
    return issues.save(issue, document, version=issue.version, editor=editor, now=now)


def subject(issue):
    issue.refresh_from_db()
    return issue.content["envelopes"]["id"]["subject"]


# --- save ------------------------------------------------------------------------------------------------------------


def test_numbers_count_up_within_a_newsletter():
    first, second = make_newsletter(), make_newsletter()

    numbers = [issues.create(letter, editor=None, now=NOW).number for letter in (first, first, second)]

    assert numbers == [1, 2, 1]


@pytest.mark.parametrize("document", [make_document(), make_document(stories=0)], ids=["stories", "an envelope only"])
def test_an_issue_that_a_test_starts_from_is_as_create_and_save_leave_it(document):
    def rows(issue):
        unlike = ("id", "newsletter_id", "slug", "issue_id")
        of_issue, *of_revisions = (
            {name: value for name, value in row.items() if name not in unlike}
            for row in (Issue.objects.filter(pk=issue.pk).values()[0], *issue.revisions.values())
        )
        in_memory = {name: value for name, value in vars(issue).items() if name in of_issue}
        assert in_memory == of_issue
        return of_issue, of_revisions, issue.slug.removeprefix(issue.newsletter.slug), issue.articles.count()

    editor = make_editor()
    written = issues.save(
        issues.create(make_newsletter(), editor=editor, now=NOW), document, version=1, editor=editor, now=NOW
    )

    assert rows(make_issue(document=document, editor=editor)) == rows(written)


def test_save_raises_the_version_by_one():
    issue = make_issue()

    saved = renamed(issue, "Baru")

    assert saved.version == issue.version + 1


def test_second_save_of_the_same_version_is_a_conflict_and_changes_nothing():
    issue = make_issue()
    renamed(issue, "Yang pertama")

    with pytest.raises(issues.Conflict) as conflict:
        issues.save(issue, make_document(), version=issue.version, editor=None, now=LATER)

    assert conflict.value.current.content["envelopes"]["id"]["subject"] == "Yang pertama"
    assert subject(issue) == "Yang pertama"


@pytest.mark.parametrize("status", ["scheduled", "sending", "paused", "sent", "cancelled"])
def test_an_issue_on_its_way_cannot_be_edited(status):
    issue = make_issue()
    type(issue).objects.filter(pk=issue.pk).update(status=status, scheduled_at=NOW)

    with pytest.raises(issues.WrongState):
        renamed(issue, "Terlambat")

    assert subject(issue) == "Autogate baru dan izin tinggal daring"


def test_an_edit_voids_the_approval():
    issue = issues.approve(make_issue(), editor=make_editor(), now=NOW)

    saved = renamed(issue, "Diubah")

    assert (saved.status, saved.approved_hash, saved.approved_by) == (IssueStatus.DRAFT, "", None)


def test_saving_keeps_the_list_of_articles_used():
    article = Article.objects.create(guid="a", url="https://kabarlintas.example/a", title="Paspor", language="id")
    issue = issues.add_article(make_issue(), article, editor=None, now=LATER)

    without = content.parse(issue.content)
    without.blocks.pop()
    issues.save(issue, without, version=issue.version, editor=None, now=LATER)

    assert list(article.issues.all()) == []


def test_an_article_of_another_issue_is_added_again_only_on_purpose():
    article = Article.objects.create(guid="a", url="https://kabarlintas.example/a", title="Paspor", language="id")
    newsletter = make_newsletter()
    first = issues.add_article(make_issue(newsletter), article, editor=None, now=LATER)
    second = make_issue(newsletter)

    with pytest.raises(issues.ArticleAlreadyUsed) as used:
        issues.add_article(second, article, editor=None, now=LATER)
    again = issues.add_article(second, article, editor=None, now=LATER, again=True)

    assert used.value.issue == first
    assert again.content["blocks"][-1]["words"]["id"]["headline"] == "Paspor"


# --- undo, redo, history ---------------------------------------------------------------------------------------------


def test_undo_and_redo_walk_the_revisions():
    issue = renamed(make_issue(), "Satu")
    issue = renamed(issue, "Dua", now=LATER + timedelta(minutes=1))

    undone = issues.undo(issue, version=issue.version, editor=None, now=LATER)
    back = subject(undone)
    redone = issues.redo(undone, version=undone.version, editor=None, now=LATER)

    assert (back, subject(redone)) == ("Satu", "Dua")


def test_a_change_after_undo_ends_redo():
    issue = renamed(make_issue(), "Satu")
    undone = issues.undo(issue, version=issue.version, editor=None, now=LATER)
    changed = renamed(undone, "Lain", now=LATER + timedelta(minutes=1))

    with pytest.raises(issues.NoSuchRevision):
        issues.redo(changed, version=changed.version, editor=None, now=LATER)

    assert subject(changed) == "Lain"


def test_undo_stops_at_the_empty_issue():
    issue = make_issue()
    empty = issues.undo(issue, version=issue.version, editor=None, now=LATER)

    with pytest.raises(issues.NoSuchRevision):
        issues.undo(empty, version=empty.version, editor=None, now=LATER)

    assert empty.content["blocks"] == []


def test_undo_of_an_old_version_is_a_conflict():
    issue = make_issue()
    renamed(issue, "Orang lain")
    issue.refresh_from_db()

    with pytest.raises(issues.Conflict):
        issues.undo(issue, version=issue.version - 1, editor=None, now=LATER)

    assert subject(issue) == "Orang lain"


def test_typing_in_one_block_within_ten_seconds_is_one_revision():
    issue = with_headline(make_issue(), "b001", "Imi", now=LATER)

    issue = with_headline(issue, "b001", "Imigrasi", now=LATER + timedelta(seconds=9))

    assert issue.revisions.count() == 3  # empty, made, typed
    assert issue.revisions.last().content["blocks"][0]["words"]["id"]["headline"] == "Imigrasi"


def test_typing_in_two_blocks_is_two_revisions():
    issue = with_headline(make_issue(), "b001", "Imigrasi", now=LATER)

    issue = with_headline(issue, "b002", "Paspor", now=LATER + timedelta(seconds=2))

    assert issue.revisions.count() == 4


def test_typing_by_two_people_is_two_revisions():
    issue = with_headline(make_issue(), "b001", "Imigrasi", editor=make_editor())

    issue = with_headline(issue, "b001", "Imigrasi kini", editor=make_editor())

    assert issue.revisions.count() == 4


def test_moving_a_block_is_a_revision_of_its_own():
    issue = make_issue()
    for _ in range(2):
        document = content.parse(issue.content)
        document.blocks.reverse()
        issue = issues.save(issue, document, version=issue.version, editor=None, now=LATER)

    assert issue.revisions.count() == 4


def test_restore_puts_an_old_version_on_top_and_keeps_what_was_there():
    issue = renamed(make_issue(), "Satu")
    issue = renamed(issue, "Dua", now=LATER + timedelta(minutes=1))

    restored = issues.restore(issue, 3, version=issue.version, editor=None, now=LATER)

    assert subject(restored) == "Satu"
    assert [r.content["envelopes"]["id"]["subject"] for r in restored.revisions.all()[2:]] == ["Satu", "Dua", "Satu"]


def test_a_copy_is_a_new_draft_and_leaves_the_first_alone():
    issue = make_issue()

    twin = issues.copy(issue, make_document(stories=1), editor=None, now=LATER)

    assert (twin.number, len(twin.content["blocks"])) == (issue.number + 1, 1)
    assert len(issue.content["blocks"]) == 3


# --- delete ----------------------------------------------------------------------------------------------------------


def test_a_deleted_draft_comes_back_as_it_was():
    issue = make_issue()

    issues.delete(issue, editor=None, now=LATER)
    issues.undelete(issue, editor=None, now=LATER)

    issue.refresh_from_db()
    assert (issue.deleted_at, len(issue.content["blocks"])) == (None, 3)


def test_a_deleted_draft_can_be_neither_edited_nor_approved():
    issue = make_issue()
    issues.delete(issue, editor=None, now=LATER)
    issue.refresh_from_db()

    with pytest.raises(issues.WrongState):
        renamed(issue, "Hantu")
    with pytest.raises(issues.WrongState):
        issues.approve(issue, editor=None, now=LATER)


@pytest.mark.parametrize("status", ["scheduled", "sending", "paused", "sent", "cancelled"])
def test_an_issue_on_its_way_cannot_be_deleted(status):
    issue = make_issue()
    type(issue).objects.filter(pk=issue.pk).update(status=status, scheduled_at=NOW)

    with pytest.raises(issues.WrongState):
        issues.delete(issue, editor=None, now=LATER)


# --- transitions -----------------------------------------------------------------------------------------------------

ARROWS = {
    "submit": (lambda issue: issues.submit(issue, editor=None, now=NOW), {"draft"}),
    "approve": (lambda issue: issues.approve(issue, editor=None, now=NOW), {"draft", "in_review"}),
    "schedule": (lambda issue: issues.schedule(issue, at=LATER, editor=None, now=NOW), {"approved"}),
    "unschedule": (lambda issue: issues.unschedule(issue, editor=None, now=NOW), {"scheduled"}),
    "cancel": (lambda issue: issues.cancel(issue, editor=None, now=NOW), {"scheduled", "paused"}),
}
WRONG = [
    (arrow, status) for arrow, (_, starts) in ARROWS.items() for status in IssueStatus.values if status not in starts
]


@pytest.mark.parametrize(("arrow", "status"), WRONG)
def test_an_arrow_from_a_wrong_state_changes_nothing(arrow, status):
    issue = make_issue()
    moved = {"status": status, "scheduled_at": NOW, "approved_hash": issues.approval_digest(issue)}
    type(issue).objects.filter(pk=issue.pk).update(**moved)
    issue.refresh_from_db()

    with pytest.raises(issues.WrongState):
        ARROWS[arrow][0](issue)

    issue.refresh_from_db()
    assert issue.status == status


def test_an_issue_goes_from_draft_to_scheduled_and_back_to_draft():
    issue = issues.submit(make_issue(), editor=None, now=NOW)
    issue = issues.approve(issue, editor=None, now=NOW)
    issue = issues.schedule(issue, at=LATER, editor=None, now=NOW)
    scheduled = issue.status

    issue = issues.unschedule(issue, editor=None, now=NOW, to_edit=True)

    assert (scheduled, issue.status, issue.approved_hash) == ("scheduled", "draft", "")


@pytest.mark.parametrize(
    "change",
    [
        {"from_email": "lain@kabarlintas.example"},
        {"from_name": "Lain"},
        {"reply_to": ""},
        {"postal_address": "Jl. Lain No. 2, Jakarta 12345"},
        {"tracking": "off"},
    ],
)
def test_a_changed_sender_address_or_measurement_voids_the_approval(change):
    issue = issues.approve(make_issue(), editor=None, now=NOW)
    type(issue.newsletter).objects.filter(pk=issue.newsletter_id).update(**change)
    issue = type(issue).objects.select_related("newsletter").get(pk=issue.pk)

    with pytest.raises(issues.WrongState):
        issues.schedule(issue, at=LATER, editor=None, now=NOW)


def test_four_eyes_means_that_whoever_changed_it_last_cannot_approve():
    newsletter = make_newsletter(four_eyes=True)
    writer, other = (make_editor(newsletter, role=Role.EDITOR) for _ in range(2))
    issue = make_issue(newsletter, editor=writer)

    with pytest.raises(issues.WrongState):
        issues.approve(issue, editor=writer, now=NOW)

    assert issues.approve(issue, editor=other, now=NOW).status == IssueStatus.APPROVED


def test_an_undo_counts_as_a_change_for_four_eyes():
    newsletter = make_newsletter(four_eyes=True)
    writer, other = (make_editor(newsletter, role=Role.EDITOR) for _ in range(2))
    issue = renamed(make_issue(newsletter, editor=writer), "Baru", editor=writer)
    issue = issues.undo(issue, version=issue.version, editor=other, now=LATER)

    with pytest.raises(issues.WrongState):
        issues.approve(issue, editor=other, now=NOW)


def test_every_arrow_is_in_the_audit_log():
    editor = make_editor()
    issue = issues.approve(make_issue(), editor=editor, now=NOW)
    issue = issues.schedule(issue, at=LATER, editor=editor, now=NOW)
    issues.cancel(issue, editor=editor, now=NOW)

    actions = AuditEntry.objects.order_by("pk").values_list("action", "actor")

    assert list(actions) == [(f"issue-{step}", editor.pk) for step in ("approved", "scheduled", "cancelled")]
