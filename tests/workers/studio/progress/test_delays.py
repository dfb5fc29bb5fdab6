"""What the progress page says of whatever is slow: who waits, for what, until when."""

from __future__ import annotations

from collections import namedtuple
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone, translation

from newsletter.models import Issue, IssueStatus, Role
from tests.factories import NOW, make_editor, make_newsletter, make_reader
from tests.workers.sending_helpers import make_sending_issue
from workers import ledger
from workers.models import Batch, BatchStatus, Route
from workers.studio.progress import delays
from workers.studio.progress.sending_status import SendingStatus
from workers.throttling import domain_limits, rate_limit

pytestmark = pytest.mark.django_db

ROUTE = "mailbox-1"


@pytest.fixture(autouse=True)
def _english():
    with translation.override("en"):
        yield


def after(seconds: float):
    return NOW + timedelta(seconds=seconds)


def make_issue_for(*emails: str):
    rate_limit.register([(ROUTE, "mailbox", 0)])
    newsletter = make_newsletter()
    for email in emails:
        make_reader(newsletter, email=email)
    return make_sending_issue(newsletter=newsletter, readers=0)[0]


def take(issue, *, now=NOW):
    return ledger.claim(issue, worker="surabaya:1:boot:spool", now=now, routes=[ROUTE])


def record(claim, code, outcome="deferred", *, now=NOW, detail=""):
    ledger.record(claim, [ledger.LedgerEntry(reader, outcome, code, detail) for reader in claim.ids], now=now)


def said(issue, *, now=NOW):
    issue.refresh_from_db()
    found = delays.delays_for(issue, deferred=ledger.count_deliveries(issue).deferred, now=now)
    return [delay.words.replace("\u00a0", " ") for delay in found]


def test_an_issue_that_goes_well_waits_for_nothing():
    issue = make_issue_for("siti@gmail.com")
    assert said(issue) == []

    record(take(issue), "250", "accepted")

    assert said(issue) == []


def test_a_slow_mail_service_is_named_with_how_many_wait_until_when():
    issue = make_issue_for(*(f"reader{number}@gmail.com" for number in range(121)), "budi@p.example")
    domain_limits.slow_down(ROUTE, domain_limits.SlowDownRequest("gmail", 20.0, "421 4.7.28 unusual rate"), now=NOW)
    for _ in range(3):
        if claim := take(issue):
            record(claim, "250", "accepted")

    # a minute of rest, then ten a second
    assert said(issue) == ["Gmail asks us to slow down; 121 readers follow until about 07:02 WIB."]
    [delay] = delays.delays_for(issue, deferred=0, now=NOW)
    assert delay.answer == "421 4.7.28 unusual rate"
    pace_said = SendingStatus(issue, after(1)).pace.replace("\u00a0", " ")
    assert pace_said.endswith("about 1 min left, done about 07:01 WIB"), "the estimate waits for them too"


def test_deferred_readers_are_told_by_cause_with_their_next_try():
    issue = make_issue_for("siti@p.example", "budi@p.example", "ayu@p.example")
    claim = take(issue)
    siti, budi, ayu = claim.ids
    full = [ledger.LedgerEntry(reader, "deferred", "452 4.2.2", "full") for reader in (siti, budi)]
    ledger.record(claim, [*full, ledger.LedgerEntry(ayu, "deferred", "450", "greylisted")], now=NOW)

    newcomer = "1 reader: their mail service asks new senders to try again later (greylisting)"
    assert said(issue) == [
        "2 readers: the mailbox is full. Tried again by itself, the next time by 08:00 WIB.",
        f"{newcomer}. Tried again by itself, the next time by 07:06 WIB.",
    ]

    ledger.plan_retries(now=after(330))
    assert f"{newcomer}. Being tried again." in said(issue, now=after(330))


def test_a_provider_that_is_away_is_said_with_the_next_try_and_who_does_it_instead():
    issue = make_issue_for("siti@gmail.com")
    rate_limit.record_failure(ROUTE, error="The mail server does not answer", now=NOW, at_once=True)
    assert said(issue) == ["mailbox-1 does not take our mail at the moment. Next try 07:01 WIB; nobody is lost."]

    Route.objects.create(name="smtp-2", kind="smtp", priority=1)

    assert said(issue) == [
        "mailbox-1 does not take our mail at the moment; smtp-2 does it instead. Next try 07:01 WIB."
    ]


def test_a_provider_that_asks_for_less_is_said_with_the_rate():
    issue = make_issue_for("siti@gmail.com")
    rate_limit.slow_down(ROUTE, sent_per_s=25, now=NOW)
    assert said(issue) == [
        "mailbox-1 asked us to slow down: 12 a second at the moment, a little more each time it goes well."
    ]

    rate_limit.slow_down(ROUTE, sent_per_s=25, retry_after_s=300, now=NOW)

    assert said(issue) == ["mailbox-1 asks us to wait until 07:05 WIB."]


def test_nobody_who_works_is_said_after_half_a_minute():
    issue = make_issue_for("siti@gmail.com", "budi@gmail.com")
    assert said(issue, now=after(29)) == []

    words = "No worker has taken anything for {}. Ask your administrator whether the workers are running."
    assert said(issue, now=after(30)) == [words.format("30 s")]

    claim = take(issue, now=after(35))
    assert said(issue, now=after(36)) == []
    ledger.record(claim, [ledger.LedgerEntry(claim.ids[0], "accepted")], now=after(40))
    assert said(issue, now=after(69)) == []
    assert said(issue, now=after(100)) == [words.format("1 min")]


def test_an_issue_that_was_paused_for_long_is_not_called_neglected():
    issue = make_issue_for("siti@gmail.com")
    ledger.pause(issue, reason="Ayu", editor=None, now=after(10))
    ledger.resume(issue, editor=None, now=after(3600))

    assert said(issue, now=after(3601)) == []


def test_readers_who_are_due_again_after_an_hour_do_not_look_neglected_at_once():
    issue = make_issue_for("siti@gmail.com")
    record(take(issue), "452 4.2.2")
    ledger.plan_retries(now=after(3600))

    assert not any("No worker" in words for words in said(issue, now=after(3601)))
    assert any("No worker" in words for words in said(issue, now=after(3631)))


def test_workers_that_are_busy_elsewhere_are_no_fault(settings):
    settings.SEND_SLOTS = 1
    issue, other = make_issue_for("siti@gmail.com"), make_issue_for("budi@gmail.com")
    ledger.claim(other, worker="surabaya:1:boot:spool", now=after(60), routes=[ROUTE])

    assert said(issue, now=after(61)) == [
        "All workers are busy with another issue; this one goes on as soon as one is free."
    ]


def test_a_worker_that_is_gone_is_named_with_the_remedy():
    issue = make_issue_for("siti@gmail.com", "budi@gmail.com")
    take(issue)
    ledger.expire_leases(now=after(61))

    [delay] = delays.delays_for(issue, deferred=0, now=after(61))

    assert delay.words == "A worker on surabaya stopped in the middle. 2 readers wait until its notes are read there."
    assert (delay.lost_host, delay.readers) == ("surabaya", 2)
    assert delay.needs_attention


def test_a_full_disk_under_the_spool_is_said(monkeypatch, settings, tmp_path):
    settings.SEND_SPOOL = tmp_path
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(delays.shutil, "disk_usage", lambda _path: usage(100, 100, 4096))

    assert said(make_issue_for("siti@gmail.com")) == [
        "The disk for the workers’ notes is full, so nothing can be handed over. Ask your administrator for room."
    ]


def test_what_is_paused_or_over_says_nothing_here():
    issue = make_issue_for("siti@gmail.com")
    Batch.objects.update(status=BatchStatus.UNCERTAIN, worker="surabaya:1:boot:spool")
    Issue.objects.filter(pk=issue.pk).update(status=IssueStatus.PAUSED)

    assert said(issue, now=after(3600)) == []


def test_the_page_tells_it_and_shows_hostile_answers_inert(client):
    issue = make_issue_for("siti@gmail.com", "budi@p.example")
    domain_limits.slow_down(
        ROUTE, domain_limits.SlowDownRequest("gmail", 20.0, "421 <script>alert(1)</script>"), now=timezone.now()
    )
    record(take(issue, now=timezone.now()), "250", "accepted", now=timezone.now())
    client.force_login(make_editor(issue.newsletter, role=Role.PUBLISHER))

    html = client.get(reverse("issue-progress", args=[issue.pk])).content.decode()

    assert "What is slow, and why" in html
    assert "Gmail asks us to slow down; 1 reader follows" in html
    assert "<script>alert" not in html
