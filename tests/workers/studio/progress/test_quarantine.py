"""The page of what was held back: who may see it, what it says, and its two decisions (T-44)."""

from __future__ import annotations

import datetime

import pytest
from django.urls import reverse

from newsletter.models import AuditEntry, Role
from newsletter.studio.start import dashboard
from subscribers.models import Notice, Subscription
from tests.factories import NOW, make_editor
from tests.workers.sending_helpers import make_sending_issue
from workers import provider_events
from workers.models import Batch, Delivery, Event, Outcome
from workers.notifications import outbox
from workers.provider_events import quarantine

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    monkeypatch.setattr("django.utils.timezone.now", lambda: NOW)


@pytest.fixture
def storm(monkeypatch):
    """Twelve readers have an issue by Postmark; nine bounce and complain within minutes, of whom seven are held back."""
    monkeypatch.setattr(quarantine, "STORM_EVENTS", 2)
    issue, people = make_sending_issue(readers=12)
    batch = Batch.objects.get(issue=issue)
    Delivery.objects.bulk_create(
        Delivery(issue=issue, subscription=reader.pk, batch=batch, outcome=Outcome.ACCEPTED, code="250", sent_at=NOW)
        for reader in people
    )
    Batch.objects.filter(pk=batch.pk).update(accepted=12, route="postmark-1", status="done")
    make_editor(issue.newsletter, role=Role.ADMINISTRATOR)
    told = [
        provider_events.EventReport(
            issue.pk,
            reader.pk,
            provider_events.COMPLAINED if number < 4 else provider_events.BOUNCED,
            NOW - datetime.timedelta(seconds=200 - 20 * number),
            f"event-{number}",
            "" if number < 4 else "5.1.1",
            "" if number < 4 else "550 5.1.1 no such user",
        )
        for number, reader in enumerate(people[:9])
    ]
    provider_events.record(told, now=NOW)
    return issue, people


def log_in(client, issue, role=Role.ADMINISTRATOR):
    editor = make_editor(issue.newsletter, role=role, email=f"{role}@kabar.example")
    client.force_login(editor)
    return editor


def page(client, issue, query=""):
    return client.get(reverse("issue-held", args=[issue.pk]) + query)


def decide(client, issue, decision, *, seen=7):
    return client.post(reverse("issue-held-decide", args=[issue.pk]), {"decision": decision, "seen": seen})


def left():
    return Subscription.objects.filter(status="unsubscribed").count()


def test_t44_the_page_says_what_came_when_from_whom_and_why(client, storm):
    log_in(client, storm[0])

    html = page(client, storm[0]).content.decode()

    assert "Postmark reported the first of it 2 min ago, all of it within 2 min." in html.replace("\xa0", " ")
    assert "<dt>Bounces</dt><dd>5<small>" in html
    assert "<dt>Complaints</dt><dd>2<small>" in html
    assert "58 % of those who got it" in html.replace("\xa0", " ")
    assert "<td>550 5.1.1 no such user</td>" in html
    assert "Let it take effect for 7 readers…" in html


@pytest.mark.parametrize("decision", ["apply", "leave-out"])
def test_t44_looking_and_being_asked_changes_nothing(client, storm, decision):
    log_in(client, storm[0])

    html = page(client, storm[0], f"?decide={decision}").content.decode()

    assert f'name="decision" value="{decision}"' in html
    assert client.get(reverse("issue-held-decide", args=[storm[0].pk])).status_code == 405
    assert (provider_events.count_held(storm[0]), left()) == (7, 2)


def test_t44_let_it_take_effect(client, storm):
    issue, people = storm
    editor = log_in(client, issue)

    decide(client, issue, "apply")

    assert (provider_events.count_held(issue), left()) == (0, 4)
    readers = Subscription.objects.filter(pk__in=[reader.pk for reader in people[:9]])
    assert readers.filter(subscriber__suppressed_for="bounced").count() == 5
    assert readers.filter(subscriber__suppressed_for="complained").count() == 4
    entry = AuditEntry.objects.get(action="events-applied")
    assert (entry.actor, entry.subject, entry.detail["readers"]) == (editor, f"issue {issue.pk}", 7)


def test_t44_leave_it_out(client, storm):
    issue, people = storm
    editor = log_in(client, issue)

    decide(client, issue, "leave-out")

    assert (provider_events.count_held(issue), left()) == (0, 2)
    assert Subscription.objects.filter(subscriber__suppressed_at__isnull=False).count() == 2
    assert Delivery.objects.filter(issue=issue, status="complained").count() == 2
    assert Delivery.objects.filter(issue=issue, status="").count() == 10
    assert AuditEntry.objects.get(action="events-left-out").actor == editor


def test_what_was_left_out_does_not_come_back_with_a_repeat(client, storm):
    issue, people = storm
    log_in(client, issue)
    decide(client, issue, "leave-out")
    again = [
        provider_events.EventReport(issue.pk, reader.pk, provider_events.BOUNCED, NOW, f"event-{number}")
        for number, reader in enumerate(people[:9])
    ]

    assert provider_events.record(again, now=NOW) == 0
    assert left() == 2


def test_a_decision_is_about_what_was_seen(client, storm):
    issue, people = storm
    log_in(client, issue)
    more = provider_events.EventReport(issue.pk, people[9].pk, provider_events.COMPLAINED, NOW, "event-10")
    provider_events.record([more], now=NOW)

    answer = decide(client, issue, "apply", seen=7)

    assert answer.url == reverse("issue-held", args=[issue.pk])
    assert (provider_events.count_held(issue), left()) == (8, 2)
    assert not AuditEntry.objects.filter(action="events-applied").exists()


@pytest.mark.parametrize("decision", ["", "both", "apply\0"])
def test_a_decision_that_is_none_changes_nothing(client, storm, decision):
    log_in(client, storm[0])

    assert decide(client, storm[0], decision).status_code in {302, 400}
    assert provider_events.count_held(storm[0]) == 7


@pytest.mark.parametrize("role", [Role.WRITER, Role.EDITOR, Role.PUBLISHER])
def test_only_administrators_look_and_decide(client, storm, role):
    log_in(client, storm[0], role)

    assert page(client, storm[0]).status_code == 403
    assert decide(client, storm[0], "apply").status_code == 403
    assert provider_events.count_held(storm[0]) == 7


def test_another_newsletters_administrator_finds_nothing(client, storm):
    client.force_login(make_editor(role=Role.ADMINISTRATOR, email="lain@kabar.example"))

    assert page(client, storm[0]).status_code == 404
    assert decide(client, storm[0], "apply").status_code == 404


def test_sending_report_and_start_page_lead_there_while_something_waits(client, storm):
    issue = storm[0]
    log_in(client, issue)
    address = reverse("issue-held", args=[issue.pk])
    pages = [
        reverse("issue-progress", args=[issue.pk]),
        reverse("issue-report", args=[issue.pk]),
        reverse("studio-start"),
    ]

    assert [address in client.get(one).content.decode() for one in pages] == [True, True, True]

    decide(client, issue, "leave-out")
    assert [address in client.get(one).content.decode() for one in pages] == [False, False, False]


def test_who_may_not_decide_is_told_who_does(client, storm):
    editor = log_in(client, storm[0], Role.WRITER)

    html = client.get(reverse("issue-progress", args=[storm[0].pk])).content.decode()

    assert "An administrator will decide." in html
    assert reverse("issue-held", args=[storm[0].pk]) not in html
    assert [need for need in dashboard.list_action_items(editor, [storm[0].newsletter]) if "held" in need.url] == []


def test_the_alert_leads_there_and_is_not_sent_after_the_decision(storm):
    issue = storm[0]
    notice = Notice.objects.get(payload__storm=issue.pk)

    assert outbox._alert(notice, NOW).values["url"].endswith(reverse("issue-held", args=[issue.pk]))

    provider_events.dismiss(issue, seen=7, editor=None, now=NOW)
    with pytest.raises(outbox.NoticeObsolete):
        outbox._alert(notice, NOW)


def test_a_second_storm_after_the_decision_is_told_once_more(storm):
    issue, people = storm
    provider_events.dismiss(issue, seen=7, editor=None, now=NOW)
    later = NOW + datetime.timedelta(minutes=1)
    told = [
        provider_events.EventReport(issue.pk, reader.pk, provider_events.COMPLAINED, later, f"later-{number}")
        for number, reader in enumerate(people[9:])
    ]

    provider_events.record(told, now=later)

    assert provider_events.count_held(issue) == 1
    assert Notice.objects.filter(payload__storm=issue.pk).count() == 2


def test_the_figures_add_up_in_a_storm_and_after_it(storm):
    issue = storm[0]
    kinds = sorted(Event.objects.filter(issue=issue.pk).values_list("kind", flat=True))

    assert kinds == ["complained"] * 2 + ["held_bounced"] * 5 + ["held_complained"] * 2


def test_a_page_without_anything_held_says_so(client):
    issue, _people = make_sending_issue(readers=1)
    log_in(client, issue)

    assert "Nothing is held back" in page(client, issue).content.decode()
    assert decide(client, issue, "apply", seen=1).status_code == 302


def test_many_released_events_take_effect_piece_by_piece(storm, monkeypatch):
    monkeypatch.setattr("workers.provider_events.consequences.CHUNK_SIZE", 3)
    provider_events.release(storm[0], seen=7, editor=None, now=NOW)

    assert provider_events.apply_released(now=NOW, most_s=0) == 3
    assert provider_events.apply_released(now=NOW) == 4
    assert left() == 4


def test_t44_a_flood_of_unsubscriptions_at_the_provider_waits_too(client, storm):
    issue, people = storm
    told = [
        provider_events.EventReport(issue.pk, reader.pk, provider_events.UNSUBSCRIBED, NOW, f"left-{number}")
        for number, reader in enumerate(people[9:])
    ]
    provider_events.record(told, now=NOW)
    log_in(client, issue)

    assert (provider_events.count_held(issue), left()) == (10, 2)
    assert "3 unsubscriptions: they count" in page(client, issue, "?decide=apply").content.decode()
    decide(client, issue, "apply", seen=10)
    assert left() == 7
