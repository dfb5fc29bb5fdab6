"""An issue on its way: the figures, polling, and each way to stop it."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.urls import reverse
from lxml import html as lxml_html

from newsletter import issues
from newsletter.models import AuditEntry, Issue, IssueStatus, Role
from subscribers.models import Subscriber
from tests.factories import NOW, make_editor, make_issue, make_newsletter, make_reader, make_scheduled_issue
from tests.workers.sending_helpers import make_sending_issue
from workers import ledger
from workers.models import Batch, BatchStatus, Delivery, Outcome
from workers.studio.progress import sending_status
from workers.studio.progress.sending_status import SendingStatus
from workers.throttling import rate_limit

pytestmark = pytest.mark.django_db

HTMX = {"HX-Request": "true"}


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    monkeypatch.setattr("django.utils.timezone.now", lambda: NOW)


def log_in(client, issue, role=Role.PUBLISHER, **fields):
    editor = make_editor(issue.newsletter, role=role, **fields)
    client.force_login(editor)
    return editor


def to(name, issue):
    return reverse(f"issue-{name}", args=[issue.pk])


def record(issue, people, outcome, **fields):
    """Write down `outcome` for these readers, as a worker does."""
    batch = Batch.objects.filter(issue=issue).first()
    for reader in people:
        Delivery.objects.create(
            issue=issue, subscription=reader.pk, batch=batch, outcome=outcome, sent_at=NOW, **fields
        )
    done = {str(outcome): getattr(batch, outcome) + len(people)}
    Batch.objects.filter(pk=batch.pk).update(sent_at=NOW, **done)


def status(issue):
    return Issue.objects.get(pk=issue.pk).status


# --- figures ---------------------------------------------------------------------------------------------------------


def test_s35_the_terms_shown_add_up_to_the_plan(client):
    issue, people = make_sending_issue(readers=10)
    record(issue, people[:4], Outcome.ACCEPTED)
    record(issue, people[4:5], Outcome.REFUSED)
    record(issue, people[5:7], Outcome.UNCERTAIN)
    record(issue, people[7:8], Outcome.SKIPPED)
    log_in(client, issue)

    html = client.get(to("progress", issue)).content.decode()

    terms = [int(number) for number in re.findall(r'<dd>(?:<span class="op">\+</span>)?(\d+)</dd>', html)]
    total = int(re.search(r'<span class="op">=</span>(\d+)', html)[1])
    assert sorted(terms) == [0, 1, 1, 2, 2, 4]
    assert sum(terms) == total == 10
    assert '<progress class="big" max="10" value="8"' in html


def test_hundred_per_cent_only_when_nobody_waits():
    issue, people = make_sending_issue(readers=400)
    record(issue, people[:399], Outcome.ACCEPTED)

    assert SendingStatus(issue, NOW).percent == 99


def test_rate_and_estimate_come_from_the_last_minute():
    issue, people = make_sending_issue(readers=300)
    Batch.objects.update(accepted=120, sent_at=NOW + timedelta(seconds=50))
    Issue.objects.filter(pk=issue.pk).update(started_at=NOW - timedelta(minutes=10))
    issue.refresh_from_db()

    says = SendingStatus(issue, NOW + timedelta(minutes=1)).pace

    assert says == "2 a second · about 2\u00a0min left, done about 07:02\u00a0WIB"


def test_nothing_is_said_of_a_rate_before_there_is_one():
    issue, _people = make_sending_issue()

    assert SendingStatus(issue, NOW + timedelta(seconds=1)).pace == ""


def test_the_first_small_batch_has_its_line(client):
    issue, people = make_sending_issue(readers=6, first_batch=2)
    first = Batch.objects.filter(issue=issue, is_first=True)
    log_in(client, issue)
    before = client.get(to("progress", issue)).content.decode()

    first.update(status=BatchStatus.DONE, accepted=2, sent_at=NOW)
    after = client.get(to("progress", issue)).content.decode()

    first.update(accepted=1, deferred=1)
    unsettled = client.get(to("progress", issue)).content.decode()

    assert "The first 2 readers get it alone" in before
    assert "First 2: sent by 07:00\u00a0WIB, 2 accepted, none refused." in after
    assert "First 2: sent by 07:00\u00a0WIB, 1 accepted, 0 refused, 1 not settled yet." in unsettled


@pytest.mark.parametrize(("language", "says"), [("en", "Issue 1 is going out"), ("id", '<html lang="id"')])
def test_the_page_in_both_languages(client, language, says):
    issue, _people = make_sending_issue()
    log_in(client, issue, language=language)

    assert says in client.get(to("progress", issue)).content.decode()


def test_a_poll_asks_the_database_few_questions(client, django_assert_max_num_queries):
    issue, _people = make_sending_issue(readers=30)
    log_in(client, issue)
    client.get(to("progress", issue))

    with django_assert_max_num_queries(12):
        client.get(to("progress", issue) + "?said=sending-0&uncertain=0", headers=HTMX)


def test_an_issue_of_which_only_repeats_are_left_is_calm(client):
    issue, people = make_sending_issue(readers=10)
    record(issue, people[:8], Outcome.ACCEPTED)
    record(issue, people[8:], Outcome.DEFERRED, code="452 4.2.2", due_at=NOW + timedelta(hours=1))
    Batch.objects.filter(issue=issue).update(status=BatchStatus.DONE)
    log_in(client, issue)

    html = client.get(to("progress", issue)).content.decode()

    assert "Everybody else has it; 2 readers are tried again by themselves. There is nothing to do." in html
    assert 'hx-trigger="every 30s"' in html
    assert "2 readers: the mailbox is full. Tried again by itself, the next time by 08:00\u00a0WIB." in html


# --- polling ---------------------------------------------------------------------------------------------------------


def test_the_page_polls_while_sending_and_works_without_script(client):
    issue, _people = make_sending_issue()
    log_in(client, issue)

    html = client.get(to("progress", issue)).content.decode()

    assert 'hx-trigger="every 2s"' in html
    assert ">Refresh</a>" in html


def test_a_poll_says_nothing_new_within_ten_per_cent(client):
    issue, people = make_sending_issue(readers=10)
    record(issue, people[:3], Outcome.ACCEPTED)
    log_in(client, issue)
    address = to("progress", issue)

    same = client.get(f"{address}?said=sending-30&uncertain=0", headers=HTMX)
    more = client.get(f"{address}?said=sending-20&uncertain=0", headers=HTMX)

    assert same.status_code == 200
    assert 'id="said"' not in same.content.decode()
    assert "<html" not in same.content.decode()
    assert "Issue 1: 30 per cent done." in more.content.decode()


def test_a_poll_leaves_ticks_alone_until_the_uncertain_change(client):
    issue, people = make_sending_issue(readers=10)
    record(issue, people[:2], Outcome.UNCERTAIN)
    log_in(client, issue)
    address = to("progress", issue)

    same = client.get(f"{address}?said=sending-20&uncertain=2", headers=HTMX).content.decode()
    more = client.get(f"{address}?said=sending-20&uncertain=1", headers=HTMX).content.decode()

    assert 'id="uncertain"' not in same
    assert '<div id="uncertain" hx-swap-oob="innerHTML">' in more


@pytest.mark.parametrize("end", [IssueStatus.SENT, IssueStatus.CANCELLED])
def test_the_poll_ends_with_286_when_it_is_over(client, end):
    issue, _people = make_sending_issue()
    Issue.objects.filter(pk=issue.pk).update(status=end, sent_at=NOW)
    log_in(client, issue)

    polled = client.get(to("progress", issue), headers=HTMX)

    assert polled.status_code == 286
    assert "hx-trigger" not in polled.content.decode()
    assert "hx-trigger" not in client.get(to("progress", issue)).content.decode()


def test_an_issue_that_was_taken_back_leads_to_its_review(client):
    issue = make_issue()
    log_in(client, issue)

    plain, polled = client.get(to("progress", issue)), client.get(to("progress", issue), headers=HTMX)

    assert plain.headers["Location"] == to("review", issue)
    assert polled.headers["HX-Redirect"] == to("review", issue)


# --- before it begins ------------------------------------------------------------------------------------------------


def held(letter=None):
    issue = make_scheduled_issue(letter or make_newsletter(hold_s=120))
    Issue.objects.filter(pk=issue.pk).update(scheduled_at=NOW + timedelta(seconds=80))
    return Issue.objects.get(pk=issue.pk)


def test_the_hold_counts_down_with_stop(client):
    issue = held()
    log_in(client, issue)

    html = client.get(to("progress", issue)).content.decode()

    assert ">1:20</count-down>" in html
    assert '<progress class="big" max="120" value="80"' in html
    assert ">Stop<" in re.sub(r"<svg.*?</svg>\s*", "", html, flags=re.DOTALL)


@pytest.mark.parametrize(
    ("sent", "ends", "leads_to"), [({}, "approved", "review"), ({"to_edit": "1"}, "draft", "compose")]
)
def test_stop_takes_it_back(client, sent, ends, leads_to):
    issue = held()
    log_in(client, issue)

    answer = client.post(to("stop", issue), sent)

    assert (status(issue), answer.headers["Location"]) == (ends, to(leads_to, issue))
    assert AuditEntry.objects.filter(action="issue-stopped").count() == 1


def test_stop_after_it_began_says_so(client):
    issue, _people = make_sending_issue()
    log_in(client, issue)

    answer = client.post(to("stop", issue), follow=True)

    assert "Issue 1 is now “Sending”" in answer.content.decode()
    assert status(issue) == IssueStatus.SENDING


def test_an_issue_held_back_at_its_time_can_be_edited_again(client):
    issue = held()
    ledger.hold_back(issue, reason="The postal address was changed.", now=NOW)
    log_in(client, issue)

    html = client.get(to("progress", issue)).content.decode()
    client.post(to("stop", issue), {"to_edit": "1"})

    assert "The postal address was changed." in html
    assert "Take it back and edit" in html
    assert status(issue) == IssueStatus.DRAFT


# --- pause, resume, stop for good ------------------------------------------------------------------------------------


def test_pause_names_who_and_resume_goes_on(client):
    issue, _people = make_sending_issue()
    log_in(client, issue, name="Ayu Lestari")

    client.post(to("pause", issue))
    page = client.get(to("progress", issue)).content.decode()
    client.post(to("resume", issue))

    assert "Ayu Lestari paused it." in page
    assert status(issue) == IssueStatus.SENDING


def test_stop_for_good_first_says_what_it_means(client):
    issue, people = make_sending_issue(readers=10)
    record(issue, people[:4], Outcome.ACCEPTED)
    log_in(client, issue)

    html = client.get(to("progress", issue) + "?stop").content.decode()

    assert "6 readers will not get it." in html
    assert "4 readers have it and keep it." in html
    assert "Leave out 6 readers" in html
    assert status(issue) == IssueStatus.SENDING


def test_the_question_stays_open_while_the_page_polls(client):
    issue, _people = make_sending_issue()
    log_in(client, issue)

    html = client.get(to("progress", issue) + "?stop").content.decode()

    assert "&amp;stop" in re.search(r'hx-get="([^"]*)"', html)[1]


@pytest.mark.parametrize("paused_first", [True, False])
def test_stop_for_good_ends_it_at_once(client, paused_first):
    issue, _people = make_sending_issue()
    if paused_first:
        ledger.pause(issue, reason="", editor=None, now=NOW)
    log_in(client, issue)

    client.post(to("cancel", issue))

    assert status(issue) == IssueStatus.CANCELLED


# --- a machine that is gone ------------------------------------------------------------------------------------------


@pytest.fixture
def stranded():
    """An issue whose two readers a machine was writing to when it vanished."""
    rate_limit.register([("mailbox-1", "mailbox", 0)])
    issue, _people = make_sending_issue(readers=2)
    begun = NOW - timedelta(minutes=5)
    ledger.claim(issue, worker="surabaya:1:boot:spool", now=begun, routes=["mailbox-1"])
    ledger.expire_leases(now=NOW)
    return issue


def test_who_waits_for_a_lost_machine_is_asked_about_first(client, stranded):
    log_in(client, stranded)

    page = client.get(to("progress", stranded)).content.decode()
    asked = client.get(to("progress", stranded) + "?lost=surabaya").content.decode()

    assert '<a href="?lost=surabaya">surabaya will not come back…</a>' in page
    assert "Go on without the notes of surabaya?" in asked
    assert "2 readers will be uncertain and named below" in asked
    assert "&amp;lost=surabaya" in re.search(r'hx-get="([^"]*)"', asked)[1]
    assert ledger.count_deliveries(stranded).waiting == 2


def test_going_on_without_its_notes_names_its_readers_and_is_written_down(client, stranded):
    editor = log_in(client, stranded)

    page = client.post(to("without-notes", stranded), {"host": "surabaya"}, follow=True).content.decode()

    assert "It goes on. 2 readers are uncertain and named below." in page
    assert page.count('name="reader"') == 2
    assert ledger.count_deliveries(stranded).uncertain == 2
    [entry] = AuditEntry.objects.filter(action="host-given-up")
    assert (entry.actor, entry.detail) == (editor, {"host": "surabaya", "readers": 2, "version": 2})


@pytest.mark.parametrize("host", ["", "jakarta", "s", "surabaya:1"])
def test_no_other_machine_is_given_up(client, stranded, host):
    log_in(client, stranded)

    page = client.post(to("without-notes", stranded), {"host": host}, follow=True).content.decode()

    assert ledger.count_deliveries(stranded).uncertain == 0
    assert "Nothing waits for that machine any more." in page


def test_a_machine_that_still_sends_is_never_given_up(client):
    rate_limit.register([("mailbox-1", "mailbox", 0)])
    issue, _people = make_sending_issue(readers=2)
    ledger.claim(issue, worker="surabaya:1:boot:spool", now=NOW, routes=["mailbox-1"])
    log_in(client, issue)

    client.post(to("without-notes", issue), {"host": "surabaya"})

    assert ledger.count_deliveries(issue).uncertain == 0


def test_who_may_not_send_decides_nothing_about_a_lost_machine(client, stranded):
    log_in(client, stranded, role=Role.EDITOR)

    assert "will not come back" not in client.get(to("progress", stranded)).content.decode()
    assert client.post(to("without-notes", stranded), {"host": "surabaya"}).status_code == 403


@pytest.mark.parametrize("name", ["pause", "resume", "cancel", "stop"])
def test_a_step_that_came_too_late_is_explained(client, name):
    issue, _people = make_sending_issue()
    Issue.objects.filter(pk=issue.pk).update(status=IssueStatus.SENT, sent_at=NOW)
    log_in(client, issue)

    answer = client.post(to(name, issue), follow=True)

    assert "Issue 1 is now “Sent”" in answer.content.decode()


@pytest.mark.parametrize("name", ["stop", "pause", "resume", "cancel", "send-again"])
def test_a_look_at_a_step_does_nothing(client, name):
    issue, _people = make_sending_issue()
    log_in(client, issue)

    assert client.get(to(name, issue)).status_code == 405


# --- uncertain -------------------------------------------------------------------------------------------------------


def test_no_uncertain_reader_is_left_untold(client, monkeypatch):
    monkeypatch.setattr(sending_status, "MAX_UNCERTAIN_SHOWN", 2)
    issue, people = make_sending_issue(readers=5)
    record(issue, people, Outcome.UNCERTAIN)
    Delivery.objects.filter(subscription=people[0].pk).update(due_at=NOW)
    log_in(client, issue)

    page = client.get(to("progress", issue)).content.decode()

    assert re.findall(r'name="reader" value="(\d+)"', page) == [str(people[1].pk), str(people[2].pk)]
    assert "3 more readers are listed here as soon as these are settled." in page


def test_uncertain_readers_are_named_but_masked(client):
    issue, people = make_sending_issue(readers=3)
    Subscriber.objects.filter(pk=people[0].subscriber_id).update(name="Sari Wulandari", email="sari@contoh.example")
    record(issue, people[:1], Outcome.UNCERTAIN)
    log_in(client, issue)

    html = client.get(to("progress", issue)).content.decode()

    assert "1 reader uncertain" in html
    assert "Sa•• Wu•••••••" in html
    assert "s•••@contoh.example" in html
    assert "sari@contoh.example" not in html


def test_a_click_sends_again_to_the_ticked_and_is_recorded(client):
    issue, people = make_sending_issue(readers=3)
    record(issue, people[:2], Outcome.UNCERTAIN)
    editor = log_in(client, issue)

    answer = client.post(to("send-again", issue), {"reader": [people[0].pk]}, follow=True)

    assert "It goes out once more to 1 reader." in answer.content.decode()
    assert "on its way" in answer.content.decode()
    assert Delivery.objects.get(subscription=people[0].pk).due_at == NOW
    assert Delivery.objects.get(subscription=people[1].pk).due_at is None
    entry = AuditEntry.objects.get(action="issue-sent-again")
    assert (entry.actor, entry.detail["readers"]) == (editor, [people[0].pk])


def test_one_click_sends_again_to_all_that_were_listed_and_to_nobody_who_came_since(client):
    issue, people = make_sending_issue(readers=4)
    record(issue, people[:3], Outcome.UNCERTAIN)
    log_in(client, issue)
    page = lxml_html.document_fromstring(client.get(to("progress", issue)).content.decode())
    [form] = [form for form in page.forms if form.get("action") == to("send-again", issue)]
    record(issue, people[3:], Outcome.UNCERTAIN)

    listed = [value for name, value in form.form_values() if name == "listed"]
    answer = client.post(to("send-again", issue), {"listed": listed, "all": "yes"}, follow=True)

    assert "It goes out once more to 3 readers." in answer.content.decode()
    assert Delivery.objects.get(subscription=people[3].pk).due_at is None


def test_all_is_offered_where_there_are_several_to_decide_about(client):
    issue, people = make_sending_issue(readers=3)
    record(issue, people[:1], Outcome.UNCERTAIN)
    log_in(client, issue)

    assert 'name="all"' not in client.get(to("progress", issue)).content.decode()

    record(issue, people[1:], Outcome.UNCERTAIN)

    assert "Send again to all 3 listed" in client.get(to("progress", issue)).content.decode()


@pytest.mark.parametrize("sent", [{}, {"all": "yes"}, {"reader": ["all", "9" * 30, "-1"]}])
def test_nothing_ticked_sends_nothing(client, sent):
    issue, people = make_sending_issue(readers=3)
    record(issue, people[:2], Outcome.UNCERTAIN)
    log_in(client, issue)

    answer = client.post(to("send-again", issue), sent, follow=True)

    assert "Tick at least one reader." in answer.content.decode()
    assert not Delivery.objects.filter(due_at__isnull=False).exists()


def test_readers_who_are_not_uncertain_are_not_sent_to_again(client):
    issue, people = make_sending_issue(readers=3)
    record(issue, people[:1], Outcome.ACCEPTED)
    log_in(client, issue)

    answer = client.post(to("send-again", issue), {"reader": [people[0].pk]}, follow=True)

    assert "None of them is uncertain any more" in answer.content.decode()
    assert not Batch.objects.filter(is_retry=True).exists()


def test_a_writer_sees_the_uncertain_but_no_button(client):
    issue, people = make_sending_issue(readers=3)
    record(issue, people[:1], Outcome.UNCERTAIN)
    log_in(client, issue, role=Role.WRITER)

    html = client.get(to("progress", issue)).content.decode()

    assert "1 reader uncertain" in html
    assert 'name="reader"' not in html
    assert to("pause", issue) not in html


@pytest.mark.parametrize(
    ("name", "masked"), [("Sari Wulandari", "Sa•• Wu•••••••"), ("Bo", "Bo••"), ("", ""), ("<b>x", "<b••")]
)
def test_masked_names(name, masked):
    assert sending_status.mask_name(name) == masked


def test_t70_hostile_names_and_reasons_are_inert(client):
    bad = "<script>alert(1)</script>"
    issue, people = make_sending_issue(readers=2)
    Subscriber.objects.update(name=bad)
    record(issue, people, Outcome.UNCERTAIN)
    ledger.pause(issue, reason=bad, editor=None, now=NOW)
    log_in(client, issue)

    html = client.get(to("progress", issue)).content.decode()

    assert bad not in html
    assert "&lt;script&gt;alert(1)" in html


def test_issues_do_not_share_their_figures():
    letter = make_newsletter()
    first, people = make_sending_issue(readers=2, newsletter=letter)
    record(first, people, Outcome.ACCEPTED)
    second = issues.create(letter, editor=None, now=NOW)
    make_reader(letter)

    assert SendingStatus(second, NOW).equation == ledger.DeliveryCounts()
