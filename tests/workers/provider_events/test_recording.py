"""What providers report, posted through the real view: who is believed, and what follows."""

from __future__ import annotations

import base64
import datetime
import itertools
import json
import threading
import time
from pathlib import Path

import pytest
from anymail.signals import AnymailTrackingEvent, EventType
from django.conf import settings
from django.core.checks import run_checks
from django.db import connection, transaction
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from newsletter.models import Edition
from subscribers import suppression, tokens
from subscribers.models import ConsentEvent, Notice, Subscription
from tests.examples import examples
from tests.factories import NOW, make_editor, make_issue, make_newsletter, make_reader
from workers import ledger, provider_events
from workers.ledger import locks, recording
from workers.models import Batch, Delivery, Event
from workers.provider_events import quarantine

pytestmark = pytest.mark.django_db

SECRET = "penyedia:kata-sandi-panjang"
FOLDER = Path(__file__).parent.parent.parent / "data" / "postmark"


@pytest.fixture(autouse=True)
def _secret(settings):
    settings.WEBHOOK_SECRETS = {"": SECRET}


def deliver(issue, subscription, **fields):
    edition, _ = Edition.objects.get_or_create(
        issue=issue, language="id", defaults={"subject": "s", "html": "", "text": "", "frozen_at": NOW}
    )
    batch, _ = Batch.objects.get_or_create(
        issue=issue, number=1, defaults={"edition": edition, "size": 1, "reader_ids": b"", "first_id": 1, "last_id": 1}
    )
    fields.setdefault("outcome", "accepted")
    return Delivery.objects.create(issue=issue, subscription=subscription.pk, batch=batch, sent_at=NOW, **fields)


def body(name, token, **changes):
    raw = json.loads((FOLDER / f"{name}.json").read_text())
    return {**raw, "Metadata": {"warta": token}, **changes}


def post(client, content, *, secret=SECRET, provider="postmark"):
    authorization = "Basic " + base64.b64encode(secret.encode()).decode()
    return client.post(
        f"/webhooks/{provider}/tracking/",
        json.dumps(content),
        content_type="application/json",
        headers={"Authorization": authorization} if secret else {},
    )


def report(issue, subscription, kind, *, after_s=0, event_id=""):
    moment = NOW + datetime.timedelta(seconds=after_s)
    return provider_events.EventReport(
        issue.pk, subscription.pk, kind, moment, event_id or f"{kind}-{subscription.pk}-{after_s}"
    )


def test_s32_a_hard_bounce_suppresses_the_address_at_once(client, issue, siti):
    delivery = deliver(issue, siti)

    answer = post(client, body("hard_bounce", tokens.make_event_token(issue.pk, siti.pk)))

    assert answer.status_code == 200
    assert suppression.is_suppressed("siti@pembaca.example")
    delivery.refresh_from_db()
    assert delivery.status == "bounced"
    event = Event.objects.get()
    assert (event.kind, event.code) == ("bounced", "5.1.1")
    assert "@" not in event.detail


def test_a_bounced_mail_carries_the_answer_of_the_bounce_and_not_that_of_its_acceptance(client, issue, siti):
    delivery = deliver(issue, siti, code="250", detail="")

    post(client, body("hard_bounce", tokens.make_event_token(issue.pk, siti.pk)))

    delivery.refresh_from_db()
    assert delivery.code == "5.1.1"
    assert delivery.detail == Event.objects.get().detail != ""


def test_a_later_delivered_does_not_take_the_bounces_answer_away(client, issue, siti):
    delivery = deliver(issue, siti, code="250")
    post(client, body("hard_bounce", tokens.make_event_token(issue.pk, siti.pk)))

    provider_events.record([report(issue, siti, "delivered", after_s=60)], now=NOW)

    delivery.refresh_from_db()
    assert (delivery.status, delivery.code) == ("bounced", "5.1.1")


def test_s32_a_full_mailbox_is_counted_and_not_suppressed(client, issue, siti):
    delivery = deliver(issue, siti)

    post(client, body("full_mailbox", tokens.make_event_token(issue.pk, siti.pk)))

    delivery.refresh_from_db()
    assert delivery.status == "bounced"
    assert Event.objects.get().kind == "soft_bounced"
    assert not suppression.is_suppressed("siti@pembaca.example")


def test_s32_what_a_provider_has_against_the_sender_is_never_the_readers_fault(client, issue, siti):
    post(client, body("policy_block", tokens.make_event_token(issue.pk, siti.pk)))

    assert Event.objects.get().kind == "blocked"
    assert not suppression.is_suppressed("siti@pembaca.example")


def test_s32_five_soft_bounces_over_two_weeks_are_enough(issue, siti):
    day = 24 * 3600
    for number in range(4):
        provider_events.record([report(issue, siti, "soft_bounced", after_s=number * 4 * day)], now=NOW)
    assert not suppression.is_suppressed("siti@pembaca.example")

    provider_events.record([report(issue, siti, "soft_bounced", after_s=16 * day)], now=NOW)

    assert suppression.is_suppressed("siti@pembaca.example")


def test_s32_a_delivery_in_between_starts_the_count_anew(issue, siti):
    day = 24 * 3600
    kinds = [
        "soft_bounced",
        "soft_bounced",
        "delivered",
        "soft_bounced",
        "soft_bounced",
        "soft_bounced",
        "soft_bounced",
    ]

    for number, kind in enumerate(kinds):
        provider_events.record([report(issue, siti, kind, after_s=number * 5 * day)], now=NOW)

    assert not suppression.is_suppressed("siti@pembaca.example")


def test_a_complaint_suppresses_and_withdraws_the_consent(client, issue, siti):
    post(client, body("complaint", tokens.make_event_token(issue.pk, siti.pk)))

    siti.refresh_from_db()
    assert siti.status == "unsubscribed"
    assert suppression.is_suppressed("siti@pembaca.example")
    event = ConsentEvent.objects.get(subscription=siti.pk)
    assert (event.action, event.actor, event.evidence) == ("withdrawn", "provider", {"issue": issue.pk})


def test_t43_a_forged_complaint_has_no_effect(client, issue, siti):
    for token in ["", "forged", tokens.make_hit(issue.pk, siti.pk), tokens.make_unsubscribe(siti.pk, issue.pk)]:
        assert post(client, body("complaint", token)).status_code == 200

    assert Event.objects.count() == 0
    assert Subscription.objects.get().status == "subscribed"


@pytest.mark.parametrize("secret", ["", "penyedia:falsch", SECRET + "x"])
def test_t40_without_the_secret_nothing_is_read(client, issue, siti, secret):
    answer = post(client, body("complaint", tokens.make_event_token(issue.pk, siti.pk)), secret=secret)

    assert answer.status_code == 400
    assert Event.objects.count() == 0


def test_t40_a_replayed_event_has_no_effect(client, issue, siti):
    content = body("hard_bounce", tokens.make_event_token(issue.pk, siti.pk))
    post(client, content)
    suppression.lift("siti@pembaca.example", now=NOW)

    post(client, content)

    assert Event.objects.count() == 1
    assert not suppression.is_suppressed("siti@pembaca.example")


def test_t42_no_secret_no_webhook(client, issue, siti, settings):
    settings.WEBHOOK_SECRETS = {}

    assert post(client, body("complaint", tokens.make_event_token(issue.pk, siti.pk))).status_code == 404
    assert Event.objects.count() == 0


def test_t42_a_provider_without_a_secret_stops_the_start(settings):
    settings.MAIL_ROUTES = ["postmark://kunci@"]
    settings.WEBHOOK_SECRETS = {}

    assert [error.id for error in run_checks() if error.id.startswith("workers.")] == ["workers.E001"]


def test_t42_no_provider_needs_no_secret(settings):
    settings.MAIL_ROUTES = ["mailbox:", "smtp://localhost"]
    settings.WEBHOOK_SECRETS = {}

    assert [error for error in run_checks() if error.id.startswith("workers.")] == []


def test_unknown_providers_have_no_webhook(client):
    assert post(client, {}, provider="ses").status_code == 404
    assert post(client, {}, provider="anybody").status_code == 404


def test_nonsense_is_refused_in_one_line(client):
    authorization = "Basic " + base64.b64encode(SECRET.encode()).decode()
    headers = {"Authorization": authorization}

    answer = client.post("/webhooks/postmark/tracking/", "{", content_type="application/json", headers=headers)

    assert (answer.status_code, answer.content) == (400, b"")


def test_the_opens_a_provider_saw_are_none_of_our_business(client, issue, siti):
    post(client, body("open", tokens.make_event_token(issue.pk, siti.pk)))

    assert Event.objects.count() == 0


def test_a_delivery_is_dated(client, issue, siti):
    delivery = deliver(issue, siti)

    post(client, body("delivery", tokens.make_event_token(issue.pk, siti.pk)))

    delivery.refresh_from_db()
    assert delivery.status == "delivered"
    assert delivery.delivered_at == datetime.datetime(2026, 11, 24, 0, 1, 30, tzinfo=datetime.UTC)


def test_a_delivery_before_its_record_is_kept_for_later(client, issue, siti):
    post(client, body("delivery", tokens.make_event_token(issue.pk, siti.pk)))

    assert Event.objects.filter(issue=issue.pk, subscription=siti.pk, kind="delivered").count() == 1


needs_two_writers = pytest.mark.skipif(
    settings.DATABASES["default"]["ENGINE"].endswith("sqlite3"), reason="SQLite has one writer at a time"
)
TOLD = st.tuples(
    st.sampled_from(["delivered", "soft_bounced", "blocked", "bounced", "complained", "deferred", "unsubscribed"]),
    st.integers(0, 3),  # some of them in the same second
    st.sampled_from([("5.1.1", "no such user"), ("5.7.1", "policy"), ("", "")]),
)
HIGHEST = {"": 0, "delivered": 1, "bounced": 2, "complained": 3}


@hypothesis_settings(
    max_examples=examples(25), suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(data=st.data(), told=st.lists(TOLD, min_size=1, max_size=5), outcome=st.sampled_from(["accepted", "uncertain"]))
def test_s35_the_order_of_events_does_not_matter(data, told, outcome):
    """In any order, in posts of any size, repeated, before and after the row is written: one final state."""
    issue = make_issue(make_newsletter())
    batch = make_batch(issue)
    reader, other = make_reader(issue.newsletter), make_reader(issue.newsletter)
    in_turn = [made(issue, reader, number, one) for number, one in enumerate(told)]
    write_row(batch, reader, outcome)
    for one in sorted(in_turn, key=lambda report: report.occurred_at):
        provider_events.record([one], now=NOW)

    mixed = [made(issue, other, number, one) for number, one in enumerate(told)]
    mixed = data.draw(st.permutations(mixed + data.draw(st.lists(st.sampled_from(mixed), max_size=4))))
    row_at = data.draw(st.integers(0, len(mixed)))
    cuts = sorted({0, row_at, len(mixed), *data.draw(st.lists(st.integers(0, len(mixed)), max_size=3))})
    for start, end in itertools.pairwise([*cuts, len(mixed)]):
        if start == row_at and not Delivery.objects.filter(subscription=other.pk).exists():
            write_row(batch, other, outcome)
        provider_events.record(mixed[start:end], now=NOW)

    assert state(issue, other) == state(issue, reader)
    said = {"soft_bounced": "bounced", "blocked": "bounced", "deferred": "", "unsubscribed": ""}
    best = max((said.get(kind, kind) for kind, _second, _words in told), key=HIGHEST.get)
    assert state(issue, other)[:2] == ("accepted", best)
    batch.refresh_from_db()
    assert (batch.accepted, batch.uncertain) == (2, 0)


def make_batch(issue):
    edition = Edition.objects.create(issue=issue, language="id", subject="s", html="", text="", frozen_at=NOW)
    return Batch.objects.create(
        issue=issue, number=1, edition=edition, size=2, reader_ids=b"", first_id=1, last_id=2**40
    )


def made(issue, reader, number, told):
    kind, second, (code, detail) = told
    moment = NOW + datetime.timedelta(seconds=second)
    return provider_events.EventReport(
        issue.pk, reader.pk, kind, moment, f"{issue.pk}-{reader.pk}-{number}", code, detail
    )


def write_row(batch, reader, outcome):
    with transaction.atomic():
        recording.write_deliveries(batch, [ledger.LedgerEntry(reader.pk, outcome, code="250")], now=NOW)


def state(issue, reader):
    row = Delivery.objects.get(issue=issue, subscription=reader.pk)
    events = sorted(Event.objects.filter(issue=issue.pk, subscription=reader.pk).values_list("kind", flat=True))
    subscriber = row and Subscription.objects.select_related("subscriber").get(pk=reader.pk)
    return (
        *(row.outcome, row.status, row.code, row.detail, row.delivered_at, events),
        *(subscriber.status, subscriber.subscriber.suppressed_for),
    )


@pytest.mark.parametrize("is_early", [True, False])
@pytest.mark.parametrize(
    ("kind", "words", "outcome"),
    [
        (EventType.REJECTED, "on our suppression list", "refused"),
        (EventType.FAILED, "", "refused"),
        (EventType.REJECTED, "550 5.7.1 blocked", "accepted"),
        (EventType.BOUNCED, "", "accepted"),
    ],
)
def test_what_the_provider_itself_did_not_send_settles_an_uncertain_reader_as_refused(kind, words, outcome, is_early):
    issue = make_issue(make_newsletter())
    batch, siti = make_batch(issue), make_reader(issue.newsletter)
    token = tokens.make_event_token(issue.pk, siti.pk)
    event = AnymailTrackingEvent(event_type=kind, event_id="e1", metadata={"warta": token}, description=words)

    if not is_early:
        write_row(batch, siti, "uncertain")
    assert provider_events.receive([event], provider="mailgun", now=NOW) == 1
    if is_early:
        write_row(batch, siti, "uncertain")

    assert state(issue, siti)[:2] == (outcome, "bounced")
    batch.refresh_from_db()
    assert (getattr(batch, outcome), batch.uncertain) == (1, 0)


@needs_two_writers
@pytest.mark.django_db(transaction=True)
def test_s35_an_event_that_comes_while_its_row_is_being_written_finds_it(monkeypatch):
    """On PostgreSQL neither sees the other's uncommitted row, so one waits for the other; SQLite has one writer."""
    issue = make_issue(make_newsletter())
    batch, siti = make_batch(issue), make_reader(issue.newsletter)
    written, insert = threading.Event(), recording._insert

    def slow(*args, **kwargs):
        insert(*args, **kwargs)
        written.set()
        time.sleep(0.3)

    monkeypatch.setattr(recording, "_insert", slow)

    def write():
        with transaction.atomic():
            locks.acquire_shared(issue.pk)
            recording.write_deliveries(batch, [ledger.LedgerEntry(siti.pk, "accepted", code="250")], now=NOW)
        connection.close()

    writer = threading.Thread(target=write)
    writer.start()
    assert written.wait(5)
    provider_events.record([report(issue, siti, "bounced")], now=NOW)
    writer.join()

    assert Delivery.objects.get().status == "bounced"


@needs_two_writers
@pytest.mark.django_db(transaction=True)
def test_s34_of_two_posts_of_the_same_events_at_once_one_counts():
    issue = make_issue(make_newsletter())
    people = [make_reader(issue.newsletter) for _ in range(20)]
    told = [report(issue, reader, "bounced") for reader in people]
    counts, start = [], threading.Barrier(2)

    def post(events):
        start.wait()
        counts.append(provider_events.record(events, now=NOW))
        connection.close()

    both = [threading.Thread(target=post, args=[events]) for events in (told, told[::-1])]
    for one in both:
        one.start()
    for one in both:
        one.join()

    assert sorted(counts) == [0, 20]
    assert Event.objects.count() == 20


def test_s34_one_bounce_reported_five_times_is_one_suppression(client, issue, siti):
    deliver(issue, siti)

    for number in range(5):
        post(client, body("hard_bounce", tokens.make_event_token(issue.pk, siti.pk), ID=number))

    assert siti.subscriber.__class__.objects.get().suppressed_at is not None
    assert suppression.Suppression.objects.count() == 1


def test_t44_a_storm_of_complaints_waits_for_a_person(issue, monkeypatch):
    monkeypatch.setattr(quarantine, "STORM_EVENTS", 3)
    administrator = make_editor(issue.newsletter)
    readers = [make_reader(issue.newsletter) for _ in range(6)]

    for reader in readers:
        provider_events.record([report(issue, reader, "complained")], now=NOW)

    left = Subscription.objects.filter(status="unsubscribed").count()
    assert (left, provider_events.count_held(issue)) == (3, 3)
    notice = Notice.objects.get()
    assert (notice.kind, notice.editor, notice.payload) == ("alert", administrator, {"storm": issue.pk})

    assert provider_events.release(issue, seen=3, editor=administrator, now=NOW) == 3
    assert Subscription.objects.filter(status="unsubscribed").count() == 3
    provider_events.apply_released(now=NOW)

    assert Subscription.objects.filter(status="unsubscribed").count() == 6
    assert provider_events.count_held(issue) == 0


def event(kind, *, response="", description="", reason=None, raw=None):
    return AnymailTrackingEvent(
        event_type=kind, mta_response=response, description=description, reject_reason=reason, esp_event=raw or {}
    )


@pytest.mark.parametrize(
    ("response", "reason", "raw", "kind"),
    [
        ("550 5.1.1 user unknown", "bounced", {}, "bounced"),
        ("550 5.1.10 RESOLVER.ADR.RecipientNotFound", "bounced", {}, "bounced"),
        ("550 No such user here", "bounced", {}, "bounced"),
        ("", "invalid", {}, "bounced"),
        ("550 rejected", "bounced", {"Type": "HardBounce"}, "bounced"),
        ("452 4.2.2 mailbox full", "bounced", {"severity": "permanent"}, "soft_bounced"),
        ("552 5.2.2 over quota", "bounced", {"Type": "HardBounce"}, "soft_bounced"),
        ("", "bounced", {}, "soft_bounced"),
        ("550 5.7.515 Access denied, sending domain does not meet the required level", "bounced", {}, "blocked"),
        ("550 5.7.1 message rejected as spam", "bounced", {"Type": "HardBounce"}, "blocked"),
        ("554 Message blocked by policy", "bounced", {}, "blocked"),
        ("550 listed at a blocklist", "blocked", {}, "blocked"),
    ],
)
def test_s31_bounces_are_told_apart_by_reason_not_by_first_digit(response, reason, raw, kind):
    assert provider_events.event_kind(event("bounced", response=response, reason=reason, raw=raw)) == kind


def test_t43_a_provider_without_metadata_brings_the_token_back_as_a_tag():
    bounced = event("bounced", response="550 5.1.1 user unknown")
    bounced.tags, bounced.metadata = [tokens.make_event_token(7, 1234)], {}

    report = provider_events.parse_event(bounced, esp_name="mailersend", now=NOW)

    assert (report.issue, report.subscription, report.kind) == (7, 1234, "bounced")
