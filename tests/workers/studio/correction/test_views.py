"""An editor puts right what was wrong in an issue that is out: link, archive, note by mail, and who did not get it."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.db import connection
from django.urls import reverse
from lxml import html

from newsletter import content, issues
from newsletter import corrections as notes
from newsletter.checks import link_checker
from newsletter.fetching import http_client
from newsletter.models import AuditEntry, Correction, Issue, IssueStatus, Link, Role, Tracking
from subscribers.models import Subscription, SubscriptionStatus
from tests.factories import NOW, make_editor, make_issue, make_newsletter, make_reader, make_sent
from tests.workers.sending_helpers import make_sending_issue
from workers import ledger
from workers.models import Batch, Delivery, Event, Outcome, Tally
from workers.sending import corrections, slow_checks
from workers.studio.review import timing
from workers.tracking import loader

pytestmark = [pytest.mark.django_db]

AFTER = NOW + timedelta(hours=2)
WRONG = "https://kabarlintas.example/id/autogate-1"
RIGHT = "https://kabarlintas.example/biaya-paspor-2026/"
LABEL = "Daftar biaya paspor dan cara membayarnya"


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    cache.clear()
    monkeypatch.setattr("django.utils.timezone.now", lambda: AFTER)


def out(*, status=IssueStatus.SENT, readers=3, english=1, **fields):
    """An issue that readers got, some in English, with links 1 (Indonesian), 2 (both lead to one page) and 3."""
    newsletter = make_newsletter(**fields)
    for _ in range(english):
        make_reader(newsletter, language="en")
    issue, people = make_sending_issue(readers=readers, newsletter=newsletter)
    people = list(Subscription.objects.filter(newsletter=newsletter).order_by("pk"))
    for batch in Batch.objects.filter(issue=issue):
        ids = ledger.unpack(batch.reader_ids)
        Delivery.objects.bulk_create(
            Delivery(issue=issue, subscription=reader, batch=batch, outcome=Outcome.ACCEPTED) for reader in ids
        )
        Batch.objects.filter(pk=batch.pk).update(status="done", accepted=len(ids), sent_at=NOW)
    if newsletter.tracking != Tracking.OFF:
        link(issue, 1, WRONG, "id", LABEL)
        link(issue, 2, "https://kabarlintas.example/kantor", "id", "Alamat kantor")
        link(issue, 3, "https://kabarlintas.example/kantor", "en", "Our offices")
    if status == IssueStatus.SENT:
        assert ledger.finish(issue, now=NOW + timedelta(minutes=2))
    return Issue.objects.select_related("newsletter").get(pk=issue.pk), people


def link(issue, number, url, language, label):
    Link.objects.create(
        issue=issue, issue_key=issue.pk, number=number, url=url, language=language, label=label, block="b001"
    )


def log_in(client, issue, role=Role.PUBLISHER, **fields):
    editor = make_editor(issue.newsletter, role=role, **fields)
    client.force_login(editor)
    return editor


def page(client, issue, query="", **more):
    return html.document_fromstring(client.get(f"/studio/issues/{issue.pk}/correct/{query}", **more).content.decode())


def words_of(found):
    return " ".join(" ".join(found.itertext()).split())


def send(client, issue, **fields):
    posted = {"link": "1", "number": ["1"], "was": WRONG, "url": RIGHT, "who": "nobody", "is_shown": "on", **fields}
    return client.post(f"/studio/issues/{issue.pk}/correct/", {key: value for key, value in posted.items() if value})


def said_after(client, response):
    return words_of(html.document_fromstring(client.get(response.url).content.decode()).find_class("notes")[0])


# --- the link --------------------------------------------------------------------------------------------------------


def test_the_page_lists_where_the_links_lead_and_how_often_they_were_followed(client):
    issue, _people = out()
    Tally.objects.create(issue=issue, hour=NOW, link=1, language="id", kind="clicked", agent_class="human", count=312)
    log_in(client, issue)

    rows = [words_of(row) for row in page(client, issue).find_class("targets")[0].findall("li")]

    assert len(rows) == 2
    assert LABEL in rows[0]
    assert WRONG in rows[0]
    assert "Indonesian: Lead story · 312 clicks" in rows[0]
    assert "Indonesian: Lead story; English: Lead story" in rows[1]


def test_one_post_amends_the_link_and_says_so_in_the_archive(client):
    issue, _people = out()
    ayu = log_in(client, issue)

    answer = send(client, issue, words_id="Ralat: tautan sempat menuju daftar 2024.")

    assert answer.url == f"/studio/issues/{issue.pk}/correct/"
    assert Link.objects.get(issue=issue, number=1).target == RIGHT
    assert f"From about {round(loader.TARGETS_MAX_AGE_S)} seconds on" in said_after(client, answer)
    archive = client.get(f"/archive/2026/{issue.slug}/", {"lang": "id"}).content.decode()
    assert "Ralat: tautan sempat menuju daftar 2024." in archive
    assert AuditEntry.objects.get(action="link-amended").actor == ayu


def test_the_same_page_linked_in_both_languages_is_amended_in_one_go_or_where_ticked(client):
    issue, _people = out()
    log_in(client, issue)
    about = {"link": "2", "was": "https://kabarlintas.example/kantor"}

    send(client, issue, **about, number=["3"])
    one = [row.target == RIGHT for row in Link.objects.filter(issue=issue).order_by("number")]
    send(client, issue, **about, number=["2"])

    assert one == [False, False, True]
    assert [row.target == RIGHT for row in Link.objects.filter(issue=issue).order_by("number")] == [False, True, True]


@pytest.mark.parametrize("typed", ["javascript:alert(1)", "http://kabarlintas.example/x", "kabarlintas", "", WRONG])
def test_what_no_link_may_lead_to_is_refused_in_words_and_nothing_changes(client, typed):
    issue, _people = out()
    log_in(client, issue)

    answer = send(client, issue, url=typed, words_id="Ralat.")

    found = html.document_fromstring(answer.content.decode())
    assert answer.status_code == 422
    assert "Nothing changed." in words_of(found)
    assert found.get_element_by_id("url").get("aria-invalid") == "true"
    assert found.xpath("//textarea[@lang='id']/text()")[0].strip() == "Ralat."
    assert Link.objects.get(issue=issue, number=1).amended_url == ""
    assert not Correction.objects.exists()


def test_of_two_editors_the_second_learns_where_it_leads_now(client):
    issue, _people = out()
    log_in(client, issue)
    send(client, issue)

    answer = send(client, issue, url="https://kabarlintas.example/lain")

    assert answer.status_code == 422
    assert "Another editor has amended this link in the meantime" in answer.content.decode()
    assert Link.objects.get(issue=issue, number=1).target == RIGHT


def test_the_old_address_is_put_back_with_a_click(client):
    issue, _people = out()
    log_in(client, issue)
    send(client, issue)
    form = page(client, issue).xpath("//form[contains(@action, 'put-back')]")[0]

    answer = client.post(form.get("action"), dict(form.form_values()))

    assert WRONG in said_after(client, answer)
    assert Link.objects.get(issue=issue, number=1).target == WRONG
    assert "put a link back" in words_of(page(client, issue))


def test_while_it_is_still_going_out_the_page_says_what_that_means(client):
    issue, _people = out(status=IssueStatus.SENDING)
    log_in(client, issue)

    send(client, issue)

    assert Link.objects.get(issue=issue, number=1).target == RIGHT
    assert "still going out" in words_of(page(client, issue))


def test_where_nothing_was_measured_the_page_says_why_no_link_can_be_amended(client):
    issue, _people = out(tracking=Tracking.OFF)
    log_in(client, issue)

    found = page(client, issue)

    assert "no link can be amended" in words_of(found)
    assert found.find_class("targets") == []
    assert found.xpath("//a[@href='?fact']")


@pytest.mark.parametrize("status", [IssueStatus.DRAFT, IssueStatus.SCHEDULED])
def test_what_is_not_out_yet_is_edited(client, status):
    issue = make_issue()
    Issue.objects.filter(pk=issue.pk).update(status=status, scheduled_at=AFTER)
    log_in(client, issue)

    assert client.get(f"/studio/issues/{issue.pk}/correct/").status_code == 302


# --- does the address answer? ----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("_no_network")
def test_the_address_is_tried_by_a_worker_and_its_answer_is_a_tip(client, monkeypatch):
    issue, _people = out()
    log_in(client, issue)
    fields = {"link": "1", "number": "1", "was": WRONG, "url": RIGHT, "do": "look", "who": "nobody"}
    place = f"/studio/issues/{issue.pk}/correct/answer/"

    waits = client.post(f"/studio/issues/{issue.pk}/correct/", fields).content.decode()
    assert slow_checks.due_issues(now=AFTER) == [issue.pk]
    slow_checks.check(issue.pk, now=AFTER)
    fine = client.get(place, {"url": RIGHT}).content.decode()

    assert "The address is being tried." in waits
    assert 'role="alert"' not in waits
    assert "It answers, on our own site." in fine
    assert Link.objects.get(issue=issue, number=1).amended_url == ""


@pytest.mark.usefixtures("_no_network")
def test_an_address_that_does_not_answer_can_still_be_taken(client, monkeypatch):
    issue, _people = out()
    log_in(client, issue)

    def gone(url, **_):
        raise http_client.PageGone("This page is not there.")

    monkeypatch.setattr(http_client, "check_link", gone)
    link_checker.request_url_check(issue, RIGHT, now=AFTER)
    slow_checks.check(issue.pk, now=AFTER)

    said = client.get(f"/studio/issues/{issue.pk}/correct/answer/", {"url": RIGHT}).content.decode()
    send(client, issue)

    assert "It does not answer: This page is not there." in " ".join(said.split())
    assert Link.objects.get(issue=issue, number=1).target == RIGHT


@pytest.mark.usefixtures("_no_network")
def test_a_look_at_an_issue_that_is_out_asks_for_that_address_only(client, monkeypatch):
    issue, _people = out()
    tried = []
    monkeypatch.setattr(http_client, "check_link", lambda url, **_: tried.append(url) or url)
    link_checker.request_url_check(issue, RIGHT, now=AFTER)

    slow_checks.check(issue.pk, now=AFTER)
    link_checker.request_url_check(Issue.objects.get(pk=issue.pk), RIGHT, now=AFTER + timedelta(minutes=1))

    assert tried == [RIGHT]
    assert slow_checks.due_issues(now=AFTER + timedelta(minutes=1)) == []


# --- whom to write to ------------------------------------------------------------------------------------------------


def choices(client, issue, query="?link=1"):
    return [words_of(label) for label in page(client, issue, query).find_class("choice")]


def test_the_choices_say_how_many_and_why_the_others_do_not(client):
    issue, people = out(readers=4)
    indonesian = [person for person in people if person.language == "id"]
    Subscription.objects.filter(pk=indonesian[0].pk).update(status=SubscriptionStatus.UNSUBSCRIBED)
    Subscription.objects.filter(pk=indonesian[1].pk).update(status=SubscriptionStatus.PAUSED)
    log_in(client, issue)

    found = choices(client, issue)

    assert found[1] == "Those who got it in Indonesian: 2 4 got it; 1 has left since, 1 pauses."
    assert found[2] == "Everybody who got issue 1: 3 5 got it; 1 has left since, 1 pauses."


def test_decision_35_counted_together_those_who_clicked_are_not_known_and_the_page_says_why(client):
    issue, _people = out()
    log_in(client, issue)

    found = page(client, issue, "?link=1")

    last = found.find_class("choice")[-1]
    assert words_of(last) == (
        "Only those who clicked it Not known: this newsletter counts clicks together, not per reader."
    )
    assert last.find("input").get("disabled") is not None


def test_a_choice_that_is_disabled_cannot_be_posted(client):
    issue, _people = out()
    log_in(client, issue)

    answer = send(client, issue, who="clicked")

    assert answer.status_code == 422
    assert Link.objects.get(issue=issue, number=1).amended_url == ""


def test_measured_one_by_one_those_who_clicked_can_be_written_to(client):
    issue, people = out(tracking=Tracking.INDIVIDUAL)
    Subscription.objects.filter(pk=people[0].pk).update(may_track=True)
    Event.objects.create(
        issue=issue.pk, subscription=people[0].pk, kind="clicked", link=1, occurred_at=NOW, agent_class="human"
    )
    log_in(client, issue)

    answer = send(client, issue, who="clicked", words_id="Ralat.")

    draft = Issue.objects.exclude(pk=issue.pk).get()
    assert answer.url == f"/studio/issues/{draft.pk}/compose/"
    assert draft.audience == {"clicked_link": {"issue": issue.pk, "links": [1]}}


@pytest.mark.usefixtures("_no_network")
def test_a_note_opens_as_a_draft_whose_review_says_in_an_equation_who_gets_it(client):
    issue, people = out(readers=4)
    Subscription.objects.filter(pk=people[-1].pk).update(status=SubscriptionStatus.UNSUBSCRIBED)
    make_reader(issue.newsletter)
    log_in(client, issue)

    send(client, issue, who="edition", words_id="Ralat: tautan sempat menuju daftar 2024.")

    draft = Issue.objects.exclude(pk=issue.pk).get()
    review = html.document_fromstring(client.get(f"/studio/issues/{draft.pk}/review/").content.decode())
    equation = words_of(review.get_element_by_id("readers"))
    assert re.search(r"got issue 1 4 have left since − 1 get issue 2 = 3", equation)
    assert "Only those who got issue 1 in Indonesian." in equation
    assert draft.status == IssueStatus.DRAFT
    assert draft.approved_hash == ""


def test_while_a_note_is_written_the_composer_says_whom_it_is_for(client):
    issue, _people = out(readers=4)
    log_in(client, issue)
    send(client, issue, who="edition", words_id="Ralat.")
    note, regular = Issue.objects.exclude(pk=issue.pk).get(), make_issue(issue.newsletter)

    pages = [
        html.document_fromstring(client.get(reverse("issue-compose", args=[one.pk])).content.decode())
        for one in (note, regular)
    ]

    assert [[words_of(one) for one in page.xpath("//*[@id='for-whom']")] for page in pages] == [
        ["To 4 readers who got issue 1 in Indonesian"],
        [],
    ]


def test_the_draft_has_subject_notice_and_link_in_both_languages(client):
    issue, _people = out()
    log_in(client, issue)

    send(client, issue, who="everybody", words_id="Ralat: daftar 2024.")

    document = content.parse(Issue.objects.exclude(pk=issue.pk).get().content)
    assert document.envelopes["en"].subject == f"Correction to issue 1: “{LABEL}”"
    assert set(document.blocks[0].words) == {"id", "en"}
    assert document.blocks[1].words["id"].url == RIGHT


def test_a_fact_is_corrected_in_words_and_wants_some(client):
    issue, _people = out()
    log_in(client, issue)
    about = {"link": "", "number": "", "was": "", "url": ""}

    empty = send(client, issue, **about)
    send(client, issue, **about, words_id="Ralat: 220 pemohon, bukan 240.", tells_next="on")

    assert empty.status_code == 422
    note = Correction.objects.get()
    assert (note.kind, note.words, note.wants_next) == ("fact", {"id": "Ralat: 220 pemohon, bukan 240."}, True)


def test_of_an_issue_stopped_halfway_those_who_got_it_can_be_told(client):
    issue, people = out(status=IssueStatus.SENDING)
    Issue.objects.filter(pk=issue.pk).update(status=IssueStatus.CANCELLED)
    Delivery.objects.filter(issue=issue, subscription=people[-1].pk).delete()
    log_in(client, issue)
    about = {"link": "", "number": "", "was": "", "url": ""}

    found = page(client, issue, "?fact")
    send(client, issue, **about, who="everybody", words_id="Edisi ini keliru dikirim kepada Anda.")

    assert "Everybody who got issue 1: 3" in words_of(found)
    assert found.xpath("//input[@name='is_shown']") == []
    assert not Correction.objects.get().is_shown
    assert Issue.objects.exclude(pk=issue.pk).get().audience == {"got_issue": issue.pk}


@pytest.mark.parametrize("who", ["", "clicked", "somebody"])
def test_a_form_that_comes_back_always_has_words_on_its_button(client, who):
    issue, _people = out()
    log_in(client, issue)

    answer = send(client, issue, url="javascript:alert(1)", who=who)

    assert html.document_fromstring(answer.content.decode()).xpath("//input[@name='who'][@checked]/@value") == [
        "nobody"
    ]


# --- notes afterwards ------------------------------------------------------------------------------------------------


def act(client, issue, note, **fields):
    return client.post(f"/studio/issues/{issue.pk}/correct/notes/{note.pk}/", fields)


def test_a_note_is_reworded_taken_down_shown_and_told_next(client):
    issue, _people = out()
    log_in(client, issue)
    send(client, issue, words_id="Ralat lama.")
    note = Correction.objects.get()

    act(client, issue, note, do="reword", words_id="Ralat baru.", words_en="")
    act(client, issue, note, do="hide")
    hidden = Correction.objects.get().is_shown
    act(client, issue, note, do="show")
    draft = make_issue(issue.newsletter)
    for _ in range(2):
        act(client, issue, note, do="next")

    stored = Correction.objects.get()
    assert (hidden, stored.is_shown, stored.words) == (False, True, {"id": "Ralat baru."})
    assert sum(block.kind == "notice" for block in content.parse(Issue.objects.get(pk=draft.pk).content).blocks) == 1
    assert f"Issue {draft.number} opens with it." in words_of(page(client, issue))


def test_an_approval_that_lapsed_by_it_is_named(client):
    issue, _people = out()
    log_in(client, issue)
    draft = issues.approve(make_issue(issue.newsletter), editor=None, now=AFTER)

    answer = send(client, issue, words_id="Ralat.", tells_next="on")

    assert f"Issue {draft.number} opens with it. Its approval has lapsed; review it once more." in said_after(
        client, answer
    )
    assert Issue.objects.get(pk=draft.pk).status == IssueStatus.DRAFT


def test_a_wish_for_the_next_issue_is_taken_back_and_lapses_with_the_link(client):
    issue, _people = out()
    log_in(client, issue)
    send(client, issue, words_id="Ralat.", tells_next="on", who="everybody")
    note = Correction.objects.get()

    act(client, issue, note, do="not-next")
    taken_back = Correction.objects.get().wants_next
    act(client, issue, note, do="next")
    answer = client.post(f"/studio/issues/{issue.pk}/correct/put-back/", {"number": "1", "was": RIGHT})

    assert not taken_back
    assert not Correction.objects.get().wants_next
    assert "Issue 2 still says that the link was wrong." in said_after(client, answer)


@pytest.mark.usefixtures("_no_network")
def test_a_note_is_sent_now_and_takes_no_other_issues_time(client):
    rhythm = {"days": [1], "at": "07:00", "days_before": 1, "prepared_at": "16:00"}
    issue, _people = out(cadence=rhythm)
    log_in(client, issue)
    send(client, issue, words_id="Ralat.", who="everybody")
    draft = Issue.objects.exclude(pk=issue.pk).get()
    regular = make_issue(issue.newsletter)
    slot = timing.propose_slot(regular, now=AFTER).moment

    review = html.document_fromstring(client.get(f"/studio/issues/{draft.pk}/review/").content.decode())
    Issue.objects.filter(pk=draft.pk).update(status=IssueStatus.SCHEDULED, scheduled_at=slot)

    assert review.xpath("//input[@name='when'][@checked]/@value") == ["now"]
    assert timing.propose_slot(regular, now=AFTER).moment == slot


def test_the_hour_of_a_correction_is_no_rhythm():
    newsletter = make_newsletter()
    for days in (14, 7):
        make_sent(newsletter, days=-days)
    before = timing.propose_slot(make_issue(newsletter), now=AFTER).moment
    note = make_sent(newsletter, days=-1)
    Issue.objects.filter(pk=note.pk).update(audience={"got_issue": 1}, scheduled_at=NOW - timedelta(days=1, hours=-3))

    assert timing.propose_slot(make_issue(newsletter), now=AFTER).moment == before


def test_words_that_look_like_markup_are_previewed_as_typed(client):
    issue, _people = out()
    log_in(client, issue)
    typed = "lihat <a> dan x<y>z & 5 < 6\r\n\r\nBaris " + "x" * 960

    answer = send(client, issue, do="look", words_id=typed)

    paragraphs = html.document_fromstring(answer.content.decode()).xpath("//*[@id='preview']//p/text()")
    assert "lihat <a> dan x<y>z & 5 < 6" in paragraphs
    assert any(part.startswith("Baris x") for part in paragraphs)


def test_line_ends_of_a_browser_do_not_make_words_too_long(client):
    issue, _people = out()
    log_in(client, issue)

    send(client, issue, words_id="x\r\n" * 499 + "y")

    assert Correction.objects.get().words["id"] == "x\n" * 499 + "y"


def test_a_correction_is_written_about_once(client):
    issue, _people = out()
    log_in(client, issue)
    send(client, issue, words_id="Ralat.")
    note = Correction.objects.get()

    places = [act(client, issue, note, do="write").url for _ in range(2)]

    assert places[0] == places[1]
    assert Issue.objects.exclude(pk=issue.pk).count() == 1
    assert "Note by mail: issue 2, Draft" in words_of(page(client, issue))


def test_a_note_written_later_goes_to_those_who_got_what_was_wrong(client):
    issue, _people = out()
    log_in(client, issue)
    send(client, issue, words_id="Ralat.")
    note = Correction.objects.get()

    offered = words_of(page(client, issue))
    act(client, issue, note, do="write")

    assert "Write to those who got it in Indonesian…" in offered
    draft = Issue.objects.exclude(pk=issue.pk).get()
    assert draft.audience == {"got_edition": {"issue": issue.pk, "languages": ["id"]}}


def test_a_fact_is_put_right_once_however_often_the_button_is_pressed(client):
    issue, _people = out()
    log_in(client, issue)
    about = {"link": "", "number": "", "was": "", "url": "", "words_id": "Ralat: 220 pemohon.", "who": "everybody"}

    send(client, issue, **about)
    again = send(client, issue, **about)

    assert again.status_code == 422
    assert "It was not stored twice." in again.content.decode()
    assert Correction.objects.count() == 1
    assert Issue.objects.exclude(pk=issue.pk).count() == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer at a time")
def test_pressed_thrice_at_once_one_mail_is_drafted():
    issue, _people = out()
    note = notes.create_note(issue, {"id": "Ralat."}, numbers=[1], editor=None, now=AFTER)

    def write(_turn):
        try:
            return corrections.draft_mail(note, editor=None, now=AFTER).pk
        finally:
            connection.close()

    with ThreadPoolExecutor(3) as pool:
        drafts = set(pool.map(write, range(3)))

    assert len(drafts) == 1
    assert Issue.objects.exclude(pk=issue.pk).count() == 1


def test_a_note_without_words_is_not_saved(client):
    issue, _people = out()
    log_in(client, issue)
    send(client, issue, words_id="Ralat.")

    act(client, issue, Correction.objects.get(), do="reword", words_id=" ", words_en="")

    assert Correction.objects.get().words == {"id": "Ralat."}


def test_the_log_and_the_report_tell_what_was_put_right(client):
    issue, _people = out()
    log_in(client, issue, role=Role.ADMINISTRATOR)
    send(client, issue, words_id="Ralat.")

    report = client.get(f"/studio/issues/{issue.pk}/report/").content.decode()
    log = client.get(reverse("audit")).content.decode()

    assert "amended a link" in report
    assert RIGHT in report
    assert f"/studio/issues/{issue.pk}/correct/" in report
    assert "changed a link of" in log
    assert "wrote a correction of" in log


# --- who did not get it ----------------------------------------------------------------------------------------------


def test_those_who_missed_it_get_it_after_a_look_at_the_equation(client):
    issue, _people = out()
    make_reader(issue.newsletter)
    make_reader(issue.newsletter)
    log_in(client, issue)
    place = f"/studio/issues/{issue.pk}/missed/"

    found = html.document_fromstring(client.get(place).content.decode())
    answer = client.post(place, {"kind": ["late"], "count": "2"})

    equation = words_of(found.find_class("eq")[0])
    assert re.search(r"readers who may get mail now 6 have it − 4 get issue 1 now = 2", equation)
    assert "Send it to 2 readers" in words_of(found.get_element_by_id("send"))
    assert answer.url == f"/studio/issues/{issue.pk}/progress/"
    assert Issue.objects.get(pk=issue.pk).status == IssueStatus.SENDING


def test_unticked_readers_are_named_as_such_and_not_sent_to(client):
    issue, _people = out()
    make_reader(issue.newsletter)
    log_in(client, issue)

    found = html.document_fromstring(client.get(f"/studio/issues/{issue.pk}/missed/?chosen=yes").content.decode())
    answer = client.post(f"/studio/issues/{issue.pk}/missed/", {"kind": [], "count": "0"})

    assert "not ticked − 1" in words_of(found.find_class("eq")[0])
    assert answer.status_code == 422
    assert Issue.objects.get(pk=issue.pk).status == IssueStatus.SENT


def test_a_number_that_grew_since_wants_a_second_look(client):
    issue, _people = out()
    for _ in range(7):
        make_reader(issue.newsletter)
    log_in(client, issue)

    answer = client.post(f"/studio/issues/{issue.pk}/missed/", {"kind": ["late"], "count": "1"})

    assert answer.status_code == 422
    assert "It was 1 reader" in answer.content.decode()


# --- who may ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", [Role.WRITER, Role.EDITOR])
def test_who_may_not_send_looks_and_puts_nothing_right(client, role):
    issue, _people = out()
    note = Correction.objects.create(issue=issue, kind="fact", words={"id": "Ralat."}, made_at=NOW, changed_at=NOW)
    make_reader(issue.newsletter)
    log_in(client, issue, role=role)

    looked = [client.get(f"/studio/issues/{issue.pk}/{place}").status_code for place in ("correct/", "missed/")]
    done = [
        send(client, issue).status_code,
        act(client, issue, note, do="hide").status_code,
        client.post(f"/studio/issues/{issue.pk}/correct/put-back/", {"number": "1", "was": WRONG}).status_code,
        client.post(f"/studio/issues/{issue.pk}/missed/", {"kind": "late", "count": "1"}).status_code,
    ]

    assert (looked, done) == ([200, 200], [403, 403, 403, 403])
    assert not AuditEntry.objects.filter(action__startswith="link-").exists()


def test_somebody_elses_issue_is_not_there(client):
    issue, _people = out()
    client.force_login(make_editor(make_newsletter()))

    assert client.get(f"/studio/issues/{issue.pk}/correct/").status_code == 404
    assert client.get(f"/studio/issues/{issue.pk}/missed/").status_code == 404


def test_of_a_large_issue_who_missed_it_is_counted_on_their_own_page_only(client):
    issue, _people = out()
    make_reader(issue.newsletter)
    Issue.objects.filter(pk=issue.pk).update(audience_count=1_000_000)
    log_in(client, issue)

    found = words_of(page(client, issue))

    assert "See who, and why" in found
    assert "could still get it" not in found
