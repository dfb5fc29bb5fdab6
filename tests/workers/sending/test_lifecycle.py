"""A whole send with real parts: claims, message bytes, a mail server, the record; and failures in between."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.utils import timezone

from newsletter.models import Edition, IssueStatus, Link
from subscribers import audience, tokens
from subscribers.models import Subscriber, Subscription, SubscriptionStatus
from tests.factories import NOW, make_editor, make_newsletter, make_reader, make_scheduled_issue
from tests.workers.sending_helpers import equation, make_sending_issue, parse, smtp_server
from workers import ledger, routes, spool
from workers.models import Batch, BatchStatus, Delivery, Lane, Outcome, Route
from workers.routes import mailbox, smtp
from workers.sending import claim_sender, lifecycle, preflight

pytestmark = pytest.mark.django_db


@pytest.fixture
def always_ask(monkeypatch):
    """Recheck before every message instead of every 250 ms, so that tests do not wait."""
    monkeypatch.setattr(claim_sender, "RECHECK_INTERVAL_S", 0.0)


# --- without failures ------------------------------------------------------------------------------------------------


def test_every_reader_gets_the_issue_once_and_the_record_says_so(sink):
    issue, people = make_sending_issue(readers=5)

    assert lifecycle.send(issue.pk) == 5

    assert sink.recipients == [reader.subscriber.email for reader in people]
    assert sink.message_ids == [tokens.message_id(issue.pk, r.pk, "kabarlintas.example") for r in people]
    issue.refresh_from_db()
    assert issue.status == IssueStatus.SENT
    assert equation(issue) == (5, 0, 0, 0, 0, 0)
    row = Delivery.objects.first()
    assert (row.outcome, row.code, row.provider_id, row.message_id) == (
        "accepted",
        "250 2.0.0",
        "4XyZ",
        sink.message_ids[0],
    )


def test_s12_one_click_headers_leave_the_socket_as_they_should(sink):
    issue, (siti,) = make_sending_issue(readers=1)
    lifecycle.send(issue.pk)

    [(sender, _rcpts, data)] = sink.received
    message = parse(data)
    assert sender == "redaksi@kabarlintas.example"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert message["List-Unsubscribe"].startswith("<http://127.0.0.1:")
    assert max(map(len, data.split(b"\r\n"))) <= 998
    token = message["List-Unsubscribe"].split("/u/")[1].split("/")[0]
    assert tokens.read_unsubscribe(token) == (siti.pk, issue.pk)


def test_each_reader_reads_it_in_their_language(sink):
    newsletter = make_newsletter()
    make_reader(newsletter, email="siti@p.example")
    make_reader(newsletter, email="john@p.example", language="en")
    issue, _people = make_sending_issue(newsletter=newsletter, readers=0)
    Edition.objects.filter(issue=issue, language="en").update(subject="New autogates")

    lifecycle.send(issue.pk)

    subjects = {parse(data)["To"].addresses[0].addr_spec: parse(data)["Subject"] for _s, _r, data in sink.received}
    assert subjects == {"siti@p.example": "Autogate baru", "john@p.example": "New autogates"}


def test_the_first_small_batch_goes_alone_and_then_the_rest(sink):
    issue, _people = make_sending_issue(readers=7, first_batch=2)

    lifecycle.send(issue.pk)

    assert [batch.accepted for batch in Batch.objects.order_by("number")] == [2, 5]


def test_a_spool_is_gone_once_everything_is_recorded(sink, settings):
    issue, _people = make_sending_issue(readers=2)

    lifecycle.send(issue.pk)

    assert list(settings.SEND_SPOOL.glob("*.send")) == []


# --- answers ---------------------------------------------------------------------------------------------------------


def test_each_answer_of_the_server_is_recorded_with_its_reader(sink):
    issue, (siti, budi, ayu, _dewi) = make_sending_issue(readers=4)
    answers = {
        siti.subscriber.email: "550 5.1.1 no such user",
        budi.subscriber.email: "450 4.2.1 greylisted",
        ayu.subscriber.email: "452 4.2.2 full",
    }
    sink.on_rcpt = answers.get

    lifecycle.send(issue.pk)

    assert equation(issue) == (1, 1, 2, 0, 0, 0)
    assert Delivery.objects.get(subscription=siti.pk).code == "550 5.1.1"
    assert Delivery.objects.get(subscription=budi.pk).due_at is not None
    issue.refresh_from_db()
    assert issue.status == IssueStatus.SENDING


def test_deferred_readers_get_it_later(sink):
    issue, (siti,) = make_sending_issue(readers=1)
    sink.on_rcpt = lambda _address: "450 4.2.1 greylisted"
    lifecycle.send(issue.pk)
    sink.on_rcpt = lambda _address: None

    lifecycle.recover(now=timezone.now() + timedelta(minutes=6))
    assert lifecycle.dispatch(now=timezone.now()) == [issue.pk]
    lifecycle.send(issue.pk)

    assert equation(issue) == (1, 0, 0, 0, 0, 0)
    assert len(sink.received) == 1
    assert Delivery.objects.get(subscription=siti.pk).attempts == 2


def test_t64_a_connection_cut_after_the_body_names_one_reader_and_is_never_repeated(sink):
    issue, (siti, budi, ayu) = make_sending_issue(readers=3)
    cut = iter([None, "keep and cut"])
    sink.on_data = lambda _data: next(cut, None)

    lifecycle.send(issue.pk)
    lifecycle.send(issue.pk)

    assert [row.subscription for row in ledger.uncertain_deliveries(issue)] == [budi.pk]
    assert sink.recipients.count(budi.subscriber.email) == 1
    assert equation(issue) == (2, 0, 0, 0, 1, 0)
    issue.refresh_from_db()
    assert issue.status == IssueStatus.SENT


def test_t64_an_editors_click_sends_once_more_with_the_same_message_id(sink):
    issue, (siti,) = make_sending_issue(readers=1)
    sink.on_data = lambda _data: "keep and cut"
    lifecycle.send(issue.pk)
    sink.on_data = lambda _data: None

    assert lifecycle.resend(issue, [siti.pk], editor=make_editor(), now=timezone.now()) == 1
    assert lifecycle.dispatch(now=timezone.now()) == [issue.pk]
    lifecycle.send(issue.pk)

    assert len(sink.message_ids) == 2
    assert len(set(sink.message_ids)) == 1
    assert equation(issue) == (1, 0, 0, 0, 0, 0)


def test_whom_a_mail_service_puts_off_when_a_sent_issue_is_sent_again_gets_it_later(sink):
    issue, (siti,) = make_sending_issue(readers=1)
    sink.on_data = lambda _data: "cut"
    lifecycle.send(issue.pk)
    lifecycle.resend(issue, [siti.pk], editor=make_editor(), now=timezone.now())
    sink.on_data = lambda _data: "450 4.5.0 Come back later"
    lifecycle.send(issue.pk)
    assert equation(issue) == (0, 0, 1, 0, 0, 0)
    sink.on_data = lambda _data: None

    lifecycle.recover(now=timezone.now() + timedelta(hours=1))
    lifecycle.send(issue.pk)

    assert sink.recipients == [siti.subscriber.email]
    assert equation(issue) == (1, 0, 0, 0, 0, 0)


def test_an_address_that_mail_cannot_carry_is_refused_without_a_connection(sink):
    issue, (siti, _budi) = make_sending_issue(readers=2)
    Subscriber.objects.filter(pk=siti.subscriber_id).update(email="si ti@p.example")

    lifecycle.send(issue.pk)

    assert Delivery.objects.get(subscription=siti.pk).code == "5.1.3"
    assert equation(issue) == (1, 1, 0, 0, 0, 0)


def test_a_server_that_wants_less_gets_it_slower(sink):
    issue, people = make_sending_issue(readers=4)
    sink.on_rcpt = lambda address: "450 4.7.28 too fast" if address == people[1].subscriber.email else None

    lifecycle.send(issue.pk)

    assert Lane.objects.get().name == "pembaca.example"
    assert equation(issue)[2] == 1


# --- no usable route -------------------------------------------------------------------------------------------------


def test_nobody_is_lost_while_the_server_is_away(settings):
    with smtp_server() as server:
        settings.MAIL_ROUTES = [f"smtp://127.0.0.1:{server.port}"]
    issue, _people = make_sending_issue(readers=3)

    assert lifecycle.send(issue.pk) == 0

    assert equation(issue) == (0, 0, 0, 0, 0, 3)
    assert Route.objects.get().failures == 3
    assert lifecycle.dispatch(now=timezone.now()) == []
    assert lifecycle.dispatch(now=timezone.now() + timedelta(seconds=31)) == [issue.pk]


def test_the_next_route_takes_over_in_the_middle_of_an_issue(settings):
    with smtp_server() as server:
        settings.MAIL_ROUTES = [f"smtp://127.0.0.1:{server.port}", "mailbox:"]
    issue, _people = make_sending_issue(readers=3)

    assert lifecycle.send(issue.pk) == 3
    assert mailbox.count() == 3
    assert Batch.objects.get().route == "mailbox-2"


def test_a_provider_that_refuses_us_pauses_the_issue_in_words(sink):
    issue, _people = make_sending_issue(readers=3)
    sink.on_mail = lambda _address: "553 5.7.1 sender not allowed"

    lifecycle.send(issue.pk)

    issue.refresh_from_db()
    assert issue.status == IssueStatus.PAUSED
    assert "553 5.7.1" in issue.pause_reason
    assert equation(issue) == (0, 0, 0, 0, 0, 3)


# --- during a send ---------------------------------------------------------------------------------------------------


def test_s17_who_leaves_in_mid_send_gets_nothing(sink, always_ask, monkeypatch):
    issue, people = make_sending_issue(readers=10)
    ask = audience.no_longer_allowed

    def after_the_last_one_left(ids):
        if len(sink.received) == 2:
            Subscription.objects.filter(pk=people[-1].pk).update(status=SubscriptionStatus.UNSUBSCRIBED)
        return ask(ids)

    monkeypatch.setattr(audience, "no_longer_allowed", after_the_last_one_left)
    lifecycle.send(issue.pk)

    assert len(sink.received) == 9
    assert people[-1].subscriber.email not in sink.recipients
    assert Delivery.objects.get(subscription=people[-1].pk).outcome == Outcome.SKIPPED
    assert equation(issue) == (9, 0, 0, 1, 0, 0)


def test_s17_before_each_call_of_an_api_the_reader_is_asked_for(monkeypatch):
    issue, people = make_sending_issue(readers=3)
    asked = []
    ask = audience.no_longer_allowed
    monkeypatch.setattr(audience, "no_longer_allowed", lambda ids: asked.append(list(ids)) or ask(ids))
    route = routes.first()
    monkeypatch.setattr(type(route), "capabilities", routes.Capabilities(window=0, asks_before_each=True))

    lifecycle.send(issue.pk)

    assert [[reader.pk] for reader in people] == [ids for ids in asked if len(ids) == 1]


def test_t65_a_pause_in_mid_send_stops_it_and_resuming_sends_the_rest(sink, always_ask, monkeypatch):
    issue, people = make_sending_issue(readers=10)
    goes = ledger.sendable_scope

    def pause_after_three(issue_id):
        if len(sink.received) == 3 and goes(issue_id) == "all":
            ledger.pause(issue, reason="Salah tautan", editor=None, now=NOW)
        return goes(issue_id)

    monkeypatch.setattr(ledger, "sendable_scope", pause_after_three)
    lifecycle.send(issue.pk)

    assert equation(issue) == (3, 0, 0, 0, 0, 7)
    monkeypatch.setattr(ledger, "sendable_scope", goes)
    ledger.resume(issue, editor=None, now=NOW)
    lifecycle.send(issue.pk)
    assert sink.recipients == [reader.subscriber.email for reader in people]
    assert equation(issue) == (10, 0, 0, 0, 0, 0)


def test_a_lost_lease_sends_nothing_more_and_leaves_the_answers_to_be_settled(sink, always_ask, monkeypatch):
    issue, _people = make_sending_issue(readers=5)
    real_tick, extend = claim_sender.boottime, ledger.extend_lease
    monkeypatch.setattr(claim_sender, "boottime", lambda: real_tick() + len(sink.received) * ledger.LEASE_S / 2)

    def too_late(claim, *, now):
        if sink.received:
            ledger.expire_leases(now=now + timedelta(minutes=2))
        return extend(claim, now=now)

    monkeypatch.setattr(ledger, "extend_lease", too_late)
    lifecycle.send(issue.pk)
    sent = len(sink.received)

    assert sent == 1
    assert Delivery.objects.count() == 0
    assert lifecycle.settle_orphaned(now=timezone.now()) == 0
    assert equation(issue) == (1, 0, 0, 0, 0, 4)


def test_an_error_of_ours_in_mid_send_loses_nobody(sink, monkeypatch):
    issue, people = make_sending_issue(readers=4)
    fill = claim_sender.builder.render

    def break_at_the_third(mail, reader, **rest):
        if reader.id == people[2].pk:
            raise RuntimeError("broken")
        return fill(mail, reader, **rest)

    monkeypatch.setattr(claim_sender.builder, "render", break_at_the_third)
    with pytest.raises(RuntimeError):
        lifecycle.send(issue.pk)
    monkeypatch.setattr(claim_sender.builder, "render", fill)

    issue.refresh_from_db()
    assert issue.status == IssueStatus.PAUSED
    assert lifecycle.settle_orphaned(now=timezone.now()) == 0
    ledger.resume(issue, editor=None, now=timezone.now())
    lifecycle.send(issue.pk)
    assert equation(issue) == (4, 0, 0, 0, 0, 0)
    assert sink.recipients == [reader.subscriber.email for reader in people]


def test_an_error_while_a_message_is_under_way_names_its_reader_uncertain(sink, monkeypatch):
    issue, people = make_sending_issue(readers=3)
    send = smtp.SmtpRoute.send

    def die_after_the_second(self, letter, *, deadline):
        result = send(self, letter, deadline=deadline)
        if letter.recipient == people[1].subscriber.email:
            raise KeyboardInterrupt
        return result

    monkeypatch.setattr(smtp.SmtpRoute, "send", die_after_the_second)
    with pytest.raises(KeyboardInterrupt):
        lifecycle.send(issue.pk)

    assert lifecycle.settle_orphaned(now=timezone.now()) == 1
    assert [row.subscription for row in ledger.uncertain_deliveries(issue)] == [people[1].pk]
    assert equation(issue) == (1, 0, 0, 0, 1, 1)


def test_a_spool_that_cannot_be_settled_keeps_no_other_waiting(sink, monkeypatch):
    settle, here = ledger.settle_spool, []
    for _number in range(2):
        issue, _people = make_sending_issue(readers=2)
        claim = ledger.claim(issue, worker="host:1:boot:folder", now=timezone.now())
        header = spool.SpoolHeader(issue.pk, claim.batch, claim.attempt, claim.worker, 1, claim.ids)
        spool.SendSpool(Path(settings.SEND_SPOOL), header).close()
        here.append((issue, claim.batch))

    def break_at_the_first(left, **rest):
        if left.batch == here[0][1]:
            raise RuntimeError("broken")
        return settle(left, **rest)

    monkeypatch.setattr(ledger, "settle_spool", break_at_the_first)
    assert lifecycle.settle_orphaned(now=timezone.now()) == 1
    assert equation(here[1][0]) == (0, 0, 0, 0, 1, 1)

    monkeypatch.setattr(ledger, "settle_spool", settle)
    assert lifecycle.settle_orphaned(now=timezone.now()) == 1
    assert equation(here[0][0]) == (0, 0, 0, 0, 1, 1)


def test_a_full_disk_sends_nothing(sink, monkeypatch):
    issue, _people = make_sending_issue(readers=2)

    def full(*_args):
        raise OSError("No space left on device")

    monkeypatch.setattr(spool, "SendSpool", full)
    with pytest.raises(OSError, match="No space"):
        lifecycle.send(issue.pk)

    assert sink.received == []
    assert equation(issue) == (0, 0, 0, 0, 0, 2)
    assert Batch.objects.get().status == BatchStatus.WAITING
    issue.refresh_from_db()
    assert issue.status == IssueStatus.PAUSED


# --- dispatch --------------------------------------------------------------------------------------------------------


def test_wake_ups_are_shared_between_issues_and_never_more_than_free_slots(settings):
    settings.SEND_SLOTS = 3
    first, _people = make_sending_issue(readers=2)
    second, _people = make_sending_issue(readers=2)

    assert sorted(lifecycle.dispatch(now=NOW)) == sorted([first.pk, second.pk])

    lifecycle.rate_limit.register([("mailbox-1", "mailbox", 0)])
    ledger.claim(first, worker="a:1:b:c", now=NOW, routes=["mailbox-1"])
    assert lifecycle.dispatch(now=NOW) == [second.pk]


def test_no_wake_up_for_the_rest_while_the_first_small_batch_is_under_way():
    issue, _people = make_sending_issue(readers=5, first_batch=2)
    lifecycle.rate_limit.register([("mailbox-1", "mailbox", 0)])
    ledger.claim(issue, worker="a:1:b:c", now=NOW, routes=["mailbox-1"])

    assert lifecycle.dispatch(now=NOW) == []


def test_a_paused_issue_wakes_nobody():
    issue, _people = make_sending_issue(readers=5)
    ledger.pause(issue, reason="", editor=None, now=NOW)

    assert lifecycle.dispatch(now=NOW) == []


# --- begin -----------------------------------------------------------------------------------------------------------


def test_a_due_issue_is_frozen_checked_planned_and_sent():
    newsletter = make_newsletter()
    make_reader(newsletter, email="siti@p.example")
    issue = make_scheduled_issue(newsletter)

    assert lifecycle.begin_due(now=NOW - timedelta(seconds=1)) == []
    assert lifecycle.begin_due(now=NOW) == [issue.pk]
    assert lifecycle.begin_due(now=NOW) == []
    lifecycle.send(issue.pk)

    [caught] = mailbox.messages()
    assert caught.subject == "Autogate baru dan izin tinggal daring"
    assert Link.objects.filter(issue=issue).exists()
    html = mailbox.open_message(caught.name).html
    assert f"/l/1/{tokens.make_hit(issue.pk, 0)}" in html
    assert "⟦" not in html


def test_an_issue_for_nobody_is_held_back_with_the_reason():
    issue = make_scheduled_issue()

    assert lifecycle.begin_due(now=NOW) == []

    issue.refresh_from_db()
    assert issue.status == IssueStatus.PAUSED
    assert issue.pause_reason
    assert Batch.objects.count() == 0


def test_an_issue_that_changed_after_approval_is_held_back():
    newsletter = make_newsletter()
    make_reader(newsletter)
    issue = make_scheduled_issue(newsletter)
    newsletter.postal_address = "Lain"
    newsletter.save()

    assert lifecycle.begin_due(now=NOW) == []
    issue.refresh_from_db()
    assert (issue.status, issue.started_at) == (IssueStatus.PAUSED, None)


def test_a_broken_issue_is_held_back_and_the_next_begins(monkeypatch):
    broken, whole = make_scheduled_issue(), make_scheduled_issue()
    make_reader(whole.newsletter)
    check = preflight.run_checks

    def break_at_the_first(issue):
        if issue.pk == broken.pk:
            raise RuntimeError("broken")
        return check(issue)

    monkeypatch.setattr(preflight, "run_checks", break_at_the_first)

    assert lifecycle.begin_due(now=NOW) == [whole.pk]
    broken.refresh_from_db()
    assert broken.status == IssueStatus.PAUSED


def test_a_wake_up_for_an_issue_that_is_gone_does_nothing():
    assert lifecycle.send(999) == 0


def test_an_issue_that_was_stopped_and_edited_is_frozen_anew():
    from newsletter import content, issues
    from newsletter.checks import link_checker

    newsletter = make_newsletter()
    make_reader(newsletter)
    issue = make_scheduled_issue(newsletter)
    lifecycle._freeze(issue, now=NOW)
    issue = issues.unschedule(issue, editor=None, now=NOW, to_edit=True)
    document = content.parse(issue.content)
    document.envelopes["id"].subject = "Judul yang sudah dibetulkan"
    later = NOW + timedelta(minutes=5)
    issue = issues.save(issue, document, version=issue.version, editor=None, now=later)
    issue = issues.approve(issue, editor=None, now=later)
    issue = issues.schedule(issue, at=later, editor=None, now=later)
    link_checker.store_results(issue, {}, now=later)

    assert lifecycle.begin_due(now=later + timedelta(seconds=1)) == [issue.pk]

    assert Edition.objects.get(issue=issue, language="id").subject == "Judul yang sudah dibetulkan"
