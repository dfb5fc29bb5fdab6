"""Counts by mailbox provider: every reader is counted once, for any provider and outcome."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import translation
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import html as lxml_html

from newsletter.models import Issue, IssueStatus, Role
from subscribers.models import Subscriber
from tests.examples import examples
from tests.factories import NOW, make_editor, make_newsletter, make_reader
from tests.workers.sending_helpers import make_sending_issue
from workers import ledger
from workers.ledger import planning
from workers.models import Batch, Delivery, DeliveryStatus, Outcome
from workers.reporting import by_mailbox_provider
from workers.throttling import rate_limit

pytestmark = pytest.mark.django_db

ROUTE = "mailbox-1"
EMAILS = (
    "siti@gmail.com",
    "budi@GoogleMail.com",
    "ayu@yahoo.co.id",
    "rina@hotmail.com",
    "dewi@icloud.com",
    '"a@b"@kantor.example',
    "joko@imigrasi.example",
    "tono@imigrasi.example",
)


@pytest.fixture(autouse=True)
def _english():
    with translation.override("en"):
        yield


def make_issue_for(*emails: str):
    rate_limit.register([(ROUTE, "mailbox", 0)])
    newsletter = make_newsletter(first_batch=0)
    for email in emails:
        make_reader(newsletter, email=email)
    return make_sending_issue(newsletter=newsletter, readers=0)[0]


def take(issue, *, now=NOW):
    return ledger.claim(issue, worker="surabaya:1:boot:spool", now=now, routes=[ROUTE])


def by_name(issue, *, now=NOW):
    return {service.name: service for service in by_mailbox_provider.count_by_provider(issue, now=now)}


def page(client, issue, name="issue-progress"):
    client.force_login(make_editor(issue.newsletter, role=Role.PUBLISHER))
    return client.get(reverse(name, args=[issue.pk]))


def cells(response):
    [table] = lxml_html.document_fromstring(response.content.decode()).find_class("dom")
    return [[" ".join(cell.text_content().split()) for cell in row.iterchildren()] for row in table.iter("tr")]


def test_readers_stand_at_the_service_that_has_their_mailbox():
    found = by_name(make_issue_for(*EMAILS))

    assert [(name, service.counts["waiting"]) for name, service in found.items()] == [
        ("gmail", 2),
        ("microsoft", 1),
        ("yahoo", 1),
        ("apple", 1),
        ("imigrasi.example", 2),
        ("kantor.example", 1),
    ]


def test_small_services_stand_together():
    few = [f"reader-{number}@small-{number}.example" for number in range(7)]
    found = by_name(make_issue_for("siti@gmail.com", *few, "joko@imigrasi.example", "tono@imigrasi.example"))

    assert list(found)[:2] == ["gmail", "imigrasi.example"]
    assert len(found) == 2 + (by_mailbox_provider.MAX_SEPARATE - 1) + 1
    assert (found["other"].readers, len(found["other"].lanes)) == (3, 3)


@settings(max_examples=examples(25), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from([*Outcome.values, ""]), min_size=len(EMAILS), max_size=len(EMAILS)))
def test_the_table_adds_up_to_the_equation(outcomes):
    issue = make_issue_for(*EMAILS)
    claim = take(issue)
    entries = [
        ledger.LedgerEntry(reader, outcome, "250" if outcome == Outcome.ACCEPTED else "450")
        for reader, outcome in zip(claim.ids, outcomes, strict=True)
        if outcome
    ]
    ledger.record(claim, entries, now=NOW)

    whole, equation = (
        by_mailbox_provider.merge_counts(by_mailbox_provider.count_by_provider(issue, now=NOW)),
        ledger.count_deliveries(issue),
    )

    assert whole.readers == equation.audience == len(EMAILS)
    for name in (*Outcome.values, by_mailbox_provider.WAITING):
        assert whole.counts[name] == getattr(equation, name)


def test_a_reader_who_is_tried_again_is_counted_once():
    issue = make_issue_for(*EMAILS)
    claim = take(issue)
    ledger.record(claim, [ledger.LedgerEntry(reader, Outcome.DEFERRED, "450") for reader in claim.ids[:5]], now=NOW)
    Delivery.objects.update(due_at=NOW)
    ledger.plan_retries(now=NOW)

    whole = by_mailbox_provider.merge_counts(by_mailbox_provider.count_by_provider(issue, now=NOW))

    assert Batch.objects.filter(issue=issue, is_retry=True).exists()
    assert (whole.readers, whole.counts["deferred"], whole.counts["waiting"]) == (8, 5, 3)


def test_a_reader_who_was_erased_stays_in_the_sum():
    issue = make_issue_for(*EMAILS[:3])
    Subscriber.objects.filter(email="siti@gmail.com").delete()

    found = by_name(issue)

    assert found["other"].counts["waiting"] == 1
    assert found["other"].lanes == set()
    assert by_mailbox_provider.merge_counts(found.values()).readers == 3


def test_the_progress_page_tells_each_service_and_all_together(client):
    issue = make_issue_for("siti@gmail.com", "budi@gmail.com", "ayu@yahoo.com", "joko@imigrasi.example")
    claim = take(issue)
    ledger.record(claim, [ledger.LedgerEntry(reader, Outcome.ACCEPTED, "250") for reader in claim.ids[:2]], now=NOW)
    Issue.objects.filter(pk=issue.pk).update(status=IssueStatus.PAUSED, pause_reason="Ayu paused it.")

    assert cells(page(client, issue)) == [
        ["Mail service", "Readers", "Accepted", "Deferred", "Refused", "Left out", "Uncertain", "Waiting"],
        ["Gmail", "2", "2", "0", "0", "0", "0", "0"],
        ["Yahoo, AOL", "1", "0", "0", "0", "0", "0", "1"],
        ["imigrasi.example", "1", "0", "0", "0", "0", "0", "1"],
        ["All", "4", "2", "0", "0", "0", "0", "2"],
    ]


def test_a_service_that_asked_for_less_says_so_and_until_when(client, monkeypatch):
    monkeypatch.setattr("django.utils.timezone.now", lambda: NOW + timedelta(seconds=30))
    issue = make_issue_for("siti@gmail.com", "ayu@yahoo.com", "joko@imigrasi.example", "tono@kantor.example")
    claim = take(issue)
    ledger.record(claim, [ledger.LedgerEntry(claim.ids[0], Outcome.ACCEPTED, "250")], now=NOW)
    held = {"lane": "yahoo", "due_at": NOW + timedelta(minutes=5)}
    planning.add_batch(issue.pk, claim.edition, claim.ids[1:2], **held)
    Batch.objects.filter(pk=claim.batch).update(reader_ids=ledger.pack([claim.ids[0], *claim.ids[2:]]), size=3)

    rows = {row[0]: row for row in cells(page(client, issue))}

    assert rows["Mail service"][-2:] == ["A second", "Note"]
    assert rows["Yahoo, AOL"][-1] == "Asks us to slow down, until 07:05 WIB"
    assert rows["kantor.example"][-1] == ""
    assert rows["All"][1:8] == ["4", "1", "0", "0", "0", "0", "3"]


def test_the_table_asks_again_by_itself_until_the_issue_is_over(client):
    issue = make_issue_for("siti@gmail.com")
    fragment = page(client, issue, "issue-services")

    assert fragment.status_code == 200
    assert 'hx-trigger="every 20s"' in fragment.content.decode()

    Issue.objects.filter(pk=issue.pk).update(status=IssueStatus.SENT, sent_at=NOW)
    fragment = page(client, issue, "issue-services")

    assert fragment.status_code == 286
    assert "hx-get" not in fragment.content.decode()
    assert "Gmail" in fragment.content.decode()


def test_nobody_elses_issue_is_told(client):
    issue = make_issue_for("siti@gmail.com")
    client.force_login(make_editor(make_newsletter()))

    assert client.get(reverse("issue-services", args=[issue.pk])).status_code == 404


def test_too_many_readers_to_count_is_said(client, monkeypatch):
    monkeypatch.setattr(by_mailbox_provider, "MAX_SUBSCRIBERS", 2)
    issue = make_issue_for(*EMAILS)

    said = page(client, issue).content.decode()

    assert "With more than 2 readers they are not counted by mail service" in said
    assert "table" not in said


def test_the_report_tells_what_came_back_from_where(client):
    issue = make_issue_for("siti@gmail.com", "ayu@yahoo.com")
    claim = take(issue)
    ledger.record(claim, [ledger.LedgerEntry(reader, Outcome.ACCEPTED, "250") for reader in claim.ids], now=NOW)
    Delivery.objects.filter(subscription=claim.ids[1]).update(status=DeliveryStatus.COMPLAINED)
    Issue.objects.filter(pk=issue.pk).update(status=IssueStatus.SENT, sent_at=NOW)

    assert cells(page(client, issue, "issue-report")) == [
        ["Mail service", "Readers", "Accepted", "Refused", "Bounced", "Complained"],
        ["Gmail", "1", "1", "0", "0", "0"],
        ["Yahoo, AOL", "1", "1", "0", "0", "1"],
        ["All", "2", "2", "0", "0", "1"],
    ]


def test_the_table_asks_four_questions_whatever_the_number_of_services(django_assert_max_num_queries):
    issue = make_issue_for(*EMAILS)

    with django_assert_max_num_queries(5):
        by_mailbox_provider.count_by_provider(issue, now=NOW)
