"""The checks panel: three levels, a place and a click for each, our own defects as one line, and the slow checks asked for."""

from __future__ import annotations

import logging
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from newsletter import checks, content, issues
from newsletter.blocks.findings import Defect
from newsletter.checks import link_checker, mail_rules
from newsletter.models import Issue, IssueStatus, Role
from newsletter.studio.composer import checks_panel
from tests.factories import NOW, make_document, make_editor, make_issue, make_newsletter, story_words

pytestmark = pytest.mark.django_db


@pytest.fixture
def letter():
    return make_newsletter()


@pytest.fixture
def ayu(client, letter):
    editor = make_editor(letter, role=Role.WRITER)
    client.force_login(editor)
    return editor


def issue_with(letter, **words) -> Issue:
    """Two stories; the second one has these words in Indonesian."""
    document = make_document(stories=2)
    document.blocks[1].words["id"] = story_words(2).model_copy(update=words)
    return make_issue(letter, document=document)


def to(name: str, issue: Issue) -> str:
    return reverse(f"issue-{name}", args=[issue.pk])


def again(issue: Issue) -> Issue:
    return Issue.objects.select_related("newsletter").get(pk=issue.pk)


def form(issue: Issue, **more: str) -> dict[str, object]:
    """What the composer's form posts, with nothing changed."""
    document = content.parse(issue.content)
    fields: dict[str, object] = {"version": issue.version, "language": "id", "block": [b.id for b in document.blocks]}
    envelope = document.envelopes["id"]
    fields |= {"subject": envelope.subject, "preheader": envelope.preheader}
    for block in document.blocks:
        for name, value in block.words["id"].model_dump().items():
            fields[f"{block.id}.{name}"] = value
    return {**fields, **more}


# --- the panel -------------------------------------------------------------------------------------------------------


def test_each_line_has_its_level_in_words_and_leads_to_its_block(client, letter, ayu):
    issue = issue_with(letter, summary="<p>Tarif [TK] rupiah</p>", link_text="Klik di sini")

    html = client.get(to("checks", issue)).content.decode()

    assert "1 must be fixed before sending · 1 to review" in html
    assert '<b>Must be fixed before sending:</b> <a href="#b002">“[TK]” is still to be filled in.</a>' in html
    assert '<b>Check:</b> <a href="#b002">“Klik di sini” does not say where the link leads.' in html


def test_a_line_of_another_language_leads_to_its_tab(client, letter, ayu):
    issue = issue_with(letter, link_text="Klik di sini")

    html = client.get(to("checks", issue) + "?language=en").content.decode()

    assert '<b>Check · Indonesian:</b> <a href="?language=id#b002" data-after-save>' in html


def test_lines_about_the_subject_lead_to_its_field(client, letter, ayu):
    document = make_document(stories=1)
    document.envelopes["id"].subject = "Pendek"
    issue = make_issue(letter, document=document)

    assert '<a href="#subject">The subject has 6 characters.' in client.get(to("checks", issue)).content.decode()


def test_what_passed_is_told_once_and_folded_away(letter):
    shown = checks_panel.panel_context(make_issue(letter), "id", now=NOW)

    assert shown["open_checks"] == []
    assert len(shown["passed"]) == len(set(shown["passed"])) > 30
    assert (shown["blocking"], shown["warning"], shown["tips"]) == (0, 0, 0)


def spoil(monkeypatch, *broken: str) -> None:
    """Rules of these names find a defect in every mail."""
    spoiled = tuple(
        rule._replace(find=lambda _mail: [Defect("Ours", "b001")]) if rule.id in broken else rule
        for rule in mail_rules.RULES
    )
    monkeypatch.setattr(mail_rules, "RULES", spoiled)


def test_a_defect_of_ours_that_blocks_is_one_line_and_logged_with_the_issue(monkeypatch, caplog, letter):
    spoil(monkeypatch, "E01", "E05", "E12")
    issue = make_issue(letter)

    with caplog.at_level(logging.ERROR):
        shown = checks_panel.panel_context(issue, "id", now=NOW)

    assert [(row.check.message, row.href) for row in shown["open_checks"]] == [
        ("Something in our templates is wrong; tell the operator.", "")
    ]
    assert shown["blocking"] == 1
    [record] = [one for one in caplog.records if one.levelno == logging.ERROR]
    assert (record.issue, record.checks) == (issue.pk, "E01,E05,E12")


def test_a_defect_of_ours_that_blocks_nothing_is_no_editors_task(monkeypatch, letter):
    spoil(monkeypatch, "E12", "E27")

    assert checks_panel.panel_context(make_issue(letter), "id", now=NOW)["open_checks"] == []


def test_the_system_checks_are_those_an_editor_cannot_mend():
    assert {
        *("E01", "E02", "E03", "E04", "E05", "E06", "E10", "E11", "E12", "E13", "E14", "E15", "E23", "E24", "E25"),
        *("E26", "E27", "E28", "E30"),
    } == checks.SYSTEM_CHECKS


# --- fixes -----------------------------------------------------------------------------------------------------------


def test_a_click_mends_and_undo_takes_it_back_alone(client, letter, ayu):
    issue = issue_with(letter, link_text="Klik di sini")
    html = client.get(to("compose", issue)).content.decode()
    assert 'form="compose" name="do" value="fix:E09:b002:id"' in html

    typed = form(issue, **{"b002.link_text": "Baca selengkapnya"})
    client.post(to("autosave", issue), {**typed, "do": "fix:E09:b002:id"})

    fixed = again(issue)
    words = content.parse(fixed.content).block("b002").words["id"]
    assert words.link_text.endswith(": Imigrasi buka jalur autogate ke-2")

    client.post(to("undo", issue), {"version": fixed.version, "language": "id"})
    words = content.parse(again(issue).content).block("b002").words["id"]
    assert words.link_text == "Baca selengkapnya"


def test_a_click_on_what_is_mended_already_changes_nothing_and_says_so(client, letter, ayu):
    issue = issue_with(letter)

    page = client.post(to("autosave", issue), form(issue, do="fix:E09:b002:id"), follow=True)

    assert "There is nothing left to fix here" in page.content.decode()
    assert again(issue).content == issue.content


# --- the slow checks -------------------------------------------------------------------------------------------------


def test_opening_the_panel_asks_once_in_ten_minutes_and_by_post_only(client, letter, ayu):
    issue = make_issue(letter)
    html = client.get(to("compose", issue)).content.decode()
    assert f'hx-post="{to("look", issue)}" hx-trigger="load' in html
    assert again(issue).look_asked_at is None

    html = client.post(to("look", issue), headers={"HX-Request": "true"}).content.decode()

    asked = again(issue).look_asked_at
    assert timezone.now() - asked < timedelta(minutes=1)
    assert 'hx-trigger="every 2s"' in html
    assert "Links and articles are being checked." in html
    client.post(to("look", issue), headers={"HX-Request": "true"})
    assert again(issue).look_asked_at == asked


def test_the_fragment_asks_until_the_look_is_done_and_then_tells_the_page(client, letter, ayu):
    issue = make_issue(letter)
    link_checker.request_check(issue, now=timezone.now())
    waiting = client.get(to("look", issue))
    assert "HX-Trigger" not in waiting.headers

    link_checker.store_results(issue, {"links": {}}, now=timezone.now())
    done = client.get(to("look", issue))

    assert done.headers["HX-Trigger"] == "looked"
    assert "Checked just now." in done.content.decode()
    assert "every 2s" not in done.content.decode()


def test_without_script_a_button_asks_and_comes_back(client, letter, ayu):
    issue = make_issue(letter)
    link_checker.request_check(issue, now=timezone.now() - timedelta(minutes=2))
    link_checker.store_results(issue, {"links": {}}, now=timezone.now() - timedelta(minutes=1))

    answer = client.post(to("look", issue), {"now": "yes", "back": f"{to('compose', issue)}?language=en#checks"})

    assert answer.url == f"{to('compose', issue)}?language=en#checks"
    assert link_checker.is_pending(again(issue), now=timezone.now())


def test_nobody_is_sent_elsewhere(client, letter, ayu):
    issue = make_issue(letter)

    answer = client.post(to("look", issue), {"now": "yes", "back": "https://evil.example/"})

    assert answer.url == f"{to('compose', issue)}#checks"


def test_an_issue_on_its_way_is_not_asked_for(client, letter, ayu):
    issue = make_issue(letter)
    Issue.objects.filter(pk=issue.pk).update(status=IssueStatus.SENT)

    client.post(to("look", issue), {"now": "yes"})

    assert again(issue).look_asked_at is None


def test_links_that_are_not_tried_yet_are_no_task_but_are_told(client, letter, ayu):
    issue = make_issue(letter)
    link_checker.store_results(issue, {"links": {}}, now=timezone.now() - timedelta(minutes=3))

    shown = checks_panel.panel_context(again(issue), "id")

    assert shown["open_checks"] == []
    html = client.get(to("checks", issue)).content.decode()
    assert "Checked 3 minutes ago. 6 links have not been tried yet." in html


def test_the_look_of_another_newsletters_issue_is_not_there(client, ayu):
    assert client.post(to("look", make_issue()), {"now": "yes"}).status_code == 404


def test_a_step_is_undone_without_what_was_typed_just_before(letter):
    issue = issue_with(letter)
    for subject, is_step in (("Satu judul", False), ("Dua judul", False), ("Tiga judul", True)):
        document = content.parse(issue.content)
        document.envelopes["id"].subject = subject
        issue = issues.save(issue, document, version=issue.version, editor=None, now=NOW, is_step=is_step)

    issue = issues.undo(issue, version=issue.version, editor=None, now=NOW)

    assert content.parse(issue.content).envelopes["id"].subject == "Dua judul"
