"""The history of an issue: what each version changed, word by word, and the way back."""

from __future__ import annotations

import pytest
from django.urls import reverse

from newsletter import content, issues
from newsletter.models import Issue
from newsletter.studio.composer import history
from tests.factories import NOW, make_document, make_editor, make_issue, make_newsletter
from tests.newsletter.studio.composer.composer_client import HTMX, ids, step, stored

pytestmark = pytest.mark.django_db


@pytest.fixture
def issue():
    return make_issue(make_newsletter())


@pytest.fixture
def studio(client, issue):
    client.force_login(make_editor(issue.newsletter))
    return client


def change(issue, act):
    document = stored(issue)
    act(document)
    current = Issue.objects.select_related("newsletter").get(pk=issue.pk)
    return issues.save(current, document, version=current.version, editor=make_editor(), now=NOW)


def opened(studio, issue, number):
    return studio.get(reverse("issue-history", args=[issue.pk]), {"version": number}).text


def changes(before, after):
    found = history.differences(content.dump(before), content.dump(after), ["id", "en"])
    return {
        (one.title, change.label, change.language): [
            ("+" if piece.is_new else "-" if piece.is_old else "=") + piece.text for piece in change.pieces
        ]
        for one in found
        for change in one.changes
    }


def test_a_changed_word_is_marked_among_the_others():
    before, after = make_document(), make_document()
    after.block("b002").words["id"].headline = "Imigrasi buka gerbang autogate ke-2"

    assert changes(before, after) == {
        ("Imigrasi buka gerbang autogate ke-2", "Headline", "id"): [
            "=Imigrasi buka",
            "-jalur",
            "+gerbang",
            "=autogate ke-2",
        ]
    }


def test_a_changed_summary_is_compared_as_it_is_typed():
    before, after = make_document(stories=1), make_document(stories=1)
    after.block("b001").words[
        "en"
    ].summary = "<p>Holders of a biometric passport pass in <strong>less than 30 seconds</strong>.</p>"

    (pieces,) = changes(before, after).values()

    assert ("-an electronic" in pieces, "+a biometric" in pieces) == (True, True)
    assert not any("<p>" in piece for piece in pieces)


def test_subject_order_picture_and_policy_are_told():
    before, after = make_document(), make_document()
    after.envelopes["id"].subject = "Autogate lama dan izin tinggal daring"
    after.block("b001").picture = content.Picture(media=1, path="images/loket.jpg", width=9, height=9)
    after.block("b002").policy["en"] = "optional"

    labels = {label for _title, label, _language in changes(before, after)}

    assert labels == {"Subject", "Picture", "As long as this is empty"}


def test_blocks_that_came_and_went_are_named():
    before, after = make_document(), make_document()
    after.blocks.pop(1)
    after.blocks.append(content.Text(id="bnew", words={"id": content.TextWords(heading="Salam")}))

    found = history.differences(content.dump(before), content.dump(after), ["id", "en"])

    assert [(one.title, one.what) for one in found] == [
        ("Salam", "added"),
        ("Imigrasi buka jalur autogate ke-2", "removed"),
    ]


def test_questions_and_times_are_compared_too():
    def document(question, at):
        words = {"id": content.FaqWords(questions=[content.FaqEntry(question=question)])}
        return content.Document(
            blocks=[content.Faq(id="bfaq", words=words), content.CalendarEvent(id="bday", starts_at=at)]
        )

    found = changes(document("Biaya?", "2026-12-01T09:00"), document("Berapa biaya?", "2026-12-01T10:00"))

    assert {label for _title, label, _language in found} == {"Question", "Starts"}


def test_a_kind_that_changed_is_told():
    before, after = make_document(stories=1), make_document(stories=1)
    after.blocks[0] = content.Story(id="b001", words=after.blocks[0].words)

    (pieces,) = changes(before, after).values()

    assert pieces == ["-Lead story", "+Story"] or pieces == ["-Lead", "+Story"] or "+Story" in pieces


def test_the_page_shows_insertions_and_deletions_with_words_for_those_who_do_not_see_them(studio, issue):
    change(
        issue,
        lambda document: setattr(document.block("b002").words["id"], "headline", "Imigrasi buka gerbang autogate ke-2"),
    )

    page = opened(studio, issue, 3)

    assert '<del><span class="sr">Removed: </span>jalur</del>' in page
    assert '<ins><span class="sr">Added: </span>gerbang</ins>' in page


def test_markup_in_a_text_is_shown_and_does_nothing(studio, issue):
    change(issue, lambda document: setattr(document.block("b002").words["id"], "headline", "<script>alert(1)</script>"))

    page = opened(studio, issue, 3)

    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_only_the_version_asked_for_is_opened(studio, issue):
    change(issue, lambda document: setattr(document.envelopes["id"], "subject", "Judul lain"))

    assert "<ins>" not in studio.get(reverse("issue-history", args=[issue.pk])).text
    assert "<ins>" in opened(studio, issue, 3)


def test_a_change_of_order_alone_is_said(studio, issue):
    change(issue, lambda document: document.blocks.reverse())

    assert "Only the order of the blocks changed." in opened(studio, issue, 3)


@pytest.mark.parametrize("htmx", [False, True])
def test_an_old_version_is_the_newest_again_and_undo_leads_back(studio, issue, htmx):
    step(studio, issue, "remove:b002")

    studio.post(reverse("issue-history", args=[issue.pk]), {"number": "2"}, headers=HTMX if htmx else {})
    restored = ids(issue)
    studio.post(reverse("issue-undo", args=[issue.pk]), {"version": Issue.objects.get(pk=issue.pk).version})

    assert restored == ["b001", "b002", "b003"]
    assert ids(issue) == ["b001", "b003"]


@pytest.mark.parametrize("number", ["0", "99", "x", "", "9" * 30])
def test_a_version_that_is_not_there_changes_nothing(studio, issue, number):
    response = studio.post(reverse("issue-history", args=[issue.pk]), {"number": number}, follow=True)

    assert "This version is no longer in the history." in response.text


def test_the_history_asks_as_often_for_many_versions_as_for_few(studio, issue, django_assert_max_num_queries):
    def queries():
        with django_assert_max_num_queries(50) as counted:
            opened(studio, issue, 2)
        return len(counted)

    few = queries()
    for number in range(12):
        change(issue, lambda document, number=number: setattr(document.envelopes["id"], "subject", f"Judul {number}"))

    assert queries() == few
