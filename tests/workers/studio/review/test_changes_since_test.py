"""What the review page says changed since the last test."""

from __future__ import annotations

from datetime import timedelta

import pytest

from newsletter import content, issues
from newsletter.models import AuditEntry, Issue
from tests.factories import NOW, make_document, make_editor, make_issue, make_newsletter
from workers.sending import test_mail
from workers.studio.review import changes_since_test

pytestmark = pytest.mark.django_db

LATER = NOW + timedelta(minutes=5)


@pytest.fixture
def ayu():
    return make_editor(name="Ayu Lestari")


def issue_tested(editor, **fields):
    issue = make_issue(**fields)
    test_mail.send(issue, to=[editor.email], editor=editor, now=NOW + timedelta(minutes=1))
    return Issue.objects.select_related("newsletter").get(pk=issue.pk)


def change(issue, edit):
    document = content.parse(issue.content)
    edit(document)
    return issues.save(issue, document, version=issue.version, editor=None, now=LATER)


def test_an_issue_that_was_never_tested_says_so():
    assert changes_since_test.compare(make_issue(), editor=None).said == "No test was sent."


def test_nothing_changed_since_the_test(ayu):
    state = changes_since_test.compare(issue_tested(ayu), editor=ayu)

    assert (state.is_current, state.said, state.changes) == (True, "Tested as it is.", ())


def test_links_words_and_blocks_are_counted_and_named(ayu):
    issue = issue_tested(ayu)

    def edit(document):
        document.blocks[0].words["id"].url = "https://kabarlintas.example/id/baru"
        document.blocks[1].words["id"].summary = '<p>Kurang dari <a href="https://imigrasi.example/">60 detik</a>.</p>'
        document.blocks[2].words["en"].headline = "Autogate lane 4 opens"
        document.blocks.append(content.Text(id="bnew", words={"id": content.TextWords(heading="Salam")}))
        document.envelopes["id"].subject = "Autogate baru dan paspor daring"

    state = changes_since_test.compare(change(issue, edit), editor=ayu)

    assert state.said == "2 links, 3 texts and 1 new block changed since your test."
    assert [(one.kind, one.title, one.words) for one in state.changes] == [
        ("text", "Subject", "“izin tinggal” became “paspor”"),
        ("link", "Imigrasi buka jalur autogate ke-1", "now leads to kabarlintas.example/id/baru"),
        ("link", "Imigrasi buka jalur autogate ke-2", "now leads to imigrasi.example/"),
        ("text", "Imigrasi buka jalur autogate ke-2", ""),
        ("text", "Imigrasi buka jalur autogate ke-3", "“3” became “4”"),
        ("new", "Salam", "new"),
    ]


def test_a_figure_that_changed_is_shown_as_it_was_and_is(ayu):
    document = make_document(stories=1)
    document.blocks[0].words["id"].summary = "<p>Kuota 240 pemohon tiap Sabtu.</p>"
    issue = issue_tested(ayu, document=document)

    def edit(document):
        document.blocks[0].words["id"].summary = "<p>Kuota 220 pemohon tiap Sabtu.</p>"

    [found] = changes_since_test.compare(change(issue, edit), editor=ayu).changes

    assert (found.title, found.language, found.words) == (
        "Imigrasi buka jalur autogate ke-1",
        "id",
        "“240” became “220”",
    )


def test_a_block_taken_out_and_a_new_order_are_named(ayu):
    issue = issue_tested(ayu)

    def edit(document):
        del document.blocks[0]
        document.blocks.reverse()

    state = changes_since_test.compare(change(issue, edit), editor=ayu)

    assert state.said == "1 removed block and the order changed since your test."


def test_a_picture_that_was_exchanged_is_named(ayu):
    issue = issue_tested(ayu)

    def edit(document):
        document.blocks[0].picture = content.Picture(media=1, path="images/a.png", width=1072, height=536)

    assert changes_since_test.compare(change(issue, edit), editor=ayu).said == "1 picture changed since your test."


def test_every_kind_of_block_can_be_compared(ayu):
    document = make_document(stories=0)
    document.blocks = [
        content.Faq(
            words={"id": content.FaqWords(questions=[content.FaqEntry(question="Siapa?", answer="<p>WNI</p>")])}
        ),
        content.CalendarEvent(
            starts_at="2026-12-01T09:00", words={"id": content.CalendarEventWords(headline="Loket Sabtu")}
        ),
        content.Image(is_decorative=True, words={"id": content.ImageWords(caption="Bandara")}),
        content.Video(words={"id": content.VideoWords(headline="Cara", url="https://v.example/1")}),
        content.Callout(tone="info", words={"id": content.TextWords(heading="Awas")}),
        content.Divider(),
    ]
    issue = issue_tested(ayu, document=document)

    def edit(document):
        faq, event, image, video, notice, _divider = document.blocks
        faq.words["id"].questions[0].answer = "<p>WNA</p>"
        event.starts_at = "2026-12-02T09:00"
        image.words["id"].caption = "Pelabuhan"
        video.words["id"].url = "https://v.example/2"
        notice.tone = "scam"

    state = changes_since_test.compare(change(issue, edit), editor=ayu)

    assert [(one.kind, one.title) for one in state.changes] == [
        ("text", "Siapa?"),
        ("text", "Loket Sabtu"),
        ("text", "Pelabuhan"),
        ("link", "Cara"),
        ("text", "Awas"),
    ]


def test_another_editors_test_is_not_called_mine(ayu):
    issue = change(issue_tested(ayu), lambda document: document.blocks.pop())

    assert changes_since_test.compare(issue, editor=make_editor()).said == "1 removed block changed since the test."


def test_settings_that_changed_count_as_a_change(ayu):
    issue = issue_tested(ayu)
    issue.newsletter.postal_address = "Jl. Baru No. 2, Jakarta"
    issue.newsletter.save()

    state = changes_since_test.compare(Issue.objects.select_related("newsletter").get(pk=issue.pk), editor=ayu)

    assert (state.is_current, state.said) == (False, "The settings changed since your test.")


def test_an_undo_back_to_what_was_tested_needs_no_new_test(ayu):
    issue = change(issue_tested(ayu), lambda document: document.blocks.pop())

    back = issues.undo(issue, version=issue.version, editor=None, now=LATER)

    assert changes_since_test.compare(back, editor=ayu).is_current


def test_a_test_after_an_undo_is_compared_with_what_was_on_the_screen(ayu):
    issue = change(make_issue(), lambda document: document.blocks.pop())
    issue = issues.undo(issue, version=issue.version, editor=None, now=LATER)
    test_mail.send(issue, to=[ayu.email], editor=ayu, now=LATER)
    issue = issues.redo(Issue.objects.get(pk=issue.pk), version=issue.version, editor=None, now=LATER)

    assert changes_since_test.compare(issue, editor=ayu).said == "1 removed block changed since your test."


def test_where_the_tested_version_is_gone_from_the_history_something_changed(ayu):
    issue = change(issue_tested(ayu), lambda document: document.blocks.pop())
    issue.revisions.all().delete()

    assert changes_since_test.compare(issue, editor=ayu).said == "Something changed since your test."


def test_tests_from_before_the_log_knew_more_are_told_by_their_version():
    issue = make_issue(make_newsletter())
    Issue.objects.filter(pk=issue.pk).update(tested_at=NOW, tested_version=issue.version)
    AuditEntry.objects.create(action="issue-tested", subject=f"issue {issue.pk}", detail={"mails": 2}, occurred_at=NOW)

    assert changes_since_test.compare(Issue.objects.get(pk=issue.pk), editor=None).is_current


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("Kuota 240 pemohon", "Kuota 220 pemohon", "“240” became “220”"),
        ("Buka Sabtu", "Buka tiap Sabtu", "“tiap” was added"),
        ("Buka tiap Sabtu", "Buka Sabtu", "“tiap” was taken out"),
        ("a b c", "x b y", ""),
        ("", "satu dua tiga empat lima enam", ""),
    ],
)
def test_a_small_change_is_told_in_words(old, new, words):
    assert changes_since_test.describe_change(old, new) == words
