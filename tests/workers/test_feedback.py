"""What providers report, posted through the real view: who is believed, and what follows."""

from __future__ import annotations

import base64
import datetime
import itertools
import json
from pathlib import Path

import pytest
from anymail.signals import AnymailTrackingEvent
from django.core.checks import run_checks
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from newsletter.models import Edition
from subscribers import suppression, tokens
from subscribers.models import ConsentEvent, Notice, Subscription
from tests.makers import NOW, make_editor, make_issue, make_newsletter, make_reader
from workers import feedback
from workers.feedback import storms
from workers.models import Batch, Delivery, Event

pytestmark = pytest.mark.django_db

SECRET = "penyedia:kata-sandi-panjang"
FOLDER = Path(__file__).parent.parent / "data" / "postmark"


@pytest.fixture(autouse=True)
def _secret(settings):
    settings.WEBHOOK_SECRETS = {"": SECRET}


@pytest.fixture
def issue():
    return make_issue(make_newsletter())


@pytest.fixture
def siti(issue):
    return make_reader(issue.newsletter, email="siti@pembaca.example")


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
    return feedback.Report(issue.pk, subscription.pk, kind, moment, event_id or f"{kind}-{subscription.pk}-{after_s}")


def test_s32_a_hard_bounce_suppresses_the_address_at_once(client, issue, siti):
    delivery = deliver(issue, siti)

    answer = post(client, body("hard_bounce", tokens.event_mac(issue.pk, siti.pk)))

    assert answer.status_code == 200
    assert suppression.is_suppressed("siti@pembaca.example")
    delivery.refresh_from_db()
    assert delivery.status == "bounced"
    event = Event.objects.get()
    assert (event.kind, event.code) == ("bounced", "5.1.1")
    assert "@" not in event.detail


def test_a_bounced_mail_carries_the_answer_of_the_bounce_and_not_that_of_its_acceptance(client, issue, siti):
    delivery = deliver(issue, siti, code="250", detail="")

    post(client, body("hard_bounce", tokens.event_mac(issue.pk, siti.pk)))

    delivery.refresh_from_db()
    assert delivery.code == "5.1.1"
    assert delivery.detail == Event.objects.get().detail != ""


def test_a_later_delivered_does_not_take_the_bounces_answer_away(client, issue, siti):
    delivery = deliver(issue, siti, code="250")
    post(client, body("hard_bounce", tokens.event_mac(issue.pk, siti.pk)))

    feedback.record([report(issue, siti, "delivered", after_s=60)], now=NOW)

    delivery.refresh_from_db()
    assert (delivery.status, delivery.code) == ("bounced", "5.1.1")


def test_s32_a_full_mailbox_is_counted_and_not_suppressed(client, issue, siti):
    delivery = deliver(issue, siti)

    post(client, body("full_mailbox", tokens.event_mac(issue.pk, siti.pk)))

    delivery.refresh_from_db()
    assert delivery.status == "bounced"
    assert Event.objects.get().kind == "soft_bounced"
    assert not suppression.is_suppressed("siti@pembaca.example")


def test_s32_what_a_provider_has_against_the_sender_is_never_the_readers_fault(client, issue, siti):
    post(client, body("policy_block", tokens.event_mac(issue.pk, siti.pk)))

    assert Event.objects.get().kind == "blocked"
    assert not suppression.is_suppressed("siti@pembaca.example")


def test_s32_five_soft_bounces_over_two_weeks_are_enough(issue, siti):
    day = 24 * 3600
    for number in range(4):
        feedback.record([report(issue, siti, "soft_bounced", after_s=number * 4 * day)], now=NOW)
    assert not suppression.is_suppressed("siti@pembaca.example")

    feedback.record([report(issue, siti, "soft_bounced", after_s=16 * day)], now=NOW)

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
        feedback.record([report(issue, siti, kind, after_s=number * 5 * day)], now=NOW)

    assert not suppression.is_suppressed("siti@pembaca.example")


def test_a_complaint_suppresses_and_withdraws_the_consent(client, issue, siti):
    post(client, body("complaint", tokens.event_mac(issue.pk, siti.pk)))

    siti.refresh_from_db()
    assert siti.status == "unsubscribed"
    assert suppression.is_suppressed("siti@pembaca.example")
    event = ConsentEvent.objects.get(subscription=siti.pk)
    assert (event.action, event.actor, event.evidence) == ("withdrawn", "provider", {"issue": issue.pk})


def test_t43_a_forged_complaint_has_no_effect(client, issue, siti):
    for token in ["", "forged", tokens.hit(issue.pk, siti.pk), tokens.unsubscribe(siti.pk, issue.pk)]:
        assert post(client, body("complaint", token)).status_code == 200

    assert Event.objects.count() == 0
    assert Subscription.objects.get().status == "subscribed"


@pytest.mark.parametrize("secret", ["", "penyedia:falsch", SECRET + "x"])
def test_t40_without_the_secret_nothing_is_read(client, issue, siti, secret):
    answer = post(client, body("complaint", tokens.event_mac(issue.pk, siti.pk)), secret=secret)

    assert answer.status_code == 400
    assert Event.objects.count() == 0


def test_t40_a_replayed_event_has_no_effect(client, issue, siti):
    content = body("hard_bounce", tokens.event_mac(issue.pk, siti.pk))
    post(client, content)
    suppression.lift("siti@pembaca.example", now=NOW)

    post(client, content)

    assert Event.objects.count() == 1
    assert not suppression.is_suppressed("siti@pembaca.example")


def test_t42_no_secret_no_webhook(client, issue, siti, settings):
    settings.WEBHOOK_SECRETS = {}

    assert post(client, body("complaint", tokens.event_mac(issue.pk, siti.pk))).status_code == 404
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
    post(client, body("open", tokens.event_mac(issue.pk, siti.pk)))

    assert Event.objects.count() == 0


def test_a_delivery_is_dated(client, issue, siti):
    delivery = deliver(issue, siti)

    post(client, body("delivery", tokens.event_mac(issue.pk, siti.pk)))

    delivery.refresh_from_db()
    assert delivery.status == "delivered"
    assert delivery.delivered_at == datetime.datetime(2026, 11, 24, 0, 1, 30, tzinfo=datetime.UTC)


def test_a_delivery_before_its_record_is_kept_for_later(client, issue, siti):
    post(client, body("delivery", tokens.event_mac(issue.pk, siti.pk)))

    assert Event.objects.filter(issue=issue.pk, subscription=siti.pk, kind="delivered").count() == 1


@hypothesis_settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(kinds=st.lists(st.sampled_from(["delivered", "soft_bounced", "bounced", "complained", "deferred"]), max_size=5))
def test_s35_the_order_of_events_does_not_matter(kinds):
    issue = make_issue(make_newsletter())
    highest = {"delivered": 1, "soft_bounced": 2, "bounced": 2, "complained": 3, "deferred": 0}
    expected = max((highest[kind] for kind in kinds), default=0)

    statuses, delivered = set(), set()
    for order in itertools.islice(itertools.permutations(enumerate(kinds)), 12):
        reader = make_reader(issue.newsletter)
        delivery = deliver(issue, reader)
        for number, kind in order:
            for _ in range(2):
                feedback.record(
                    [report(issue, reader, kind, after_s=number, event_id=f"{reader.pk}-{number}")], now=NOW
                )
        delivery.refresh_from_db()
        statuses.add(delivery.status)
        delivered.add(delivery.delivered_at)

    assert statuses == {["", "delivered", "bounced", "complained"][expected]}
    assert len(delivered) == 1


def test_s34_one_bounce_reported_five_times_is_one_suppression(client, issue, siti):
    deliver(issue, siti)

    for number in range(5):
        post(client, body("hard_bounce", tokens.event_mac(issue.pk, siti.pk), ID=number))

    assert siti.subscriber.__class__.objects.get().suppressed_at is not None
    assert suppression.Suppression.objects.count() == 1


def test_t44_a_storm_of_complaints_waits_for_a_person(issue, monkeypatch):
    monkeypatch.setattr(storms, "STORM_EVENTS", 3)
    administrator = make_editor(issue.newsletter)
    readers = [make_reader(issue.newsletter) for _ in range(6)]

    for reader in readers:
        feedback.record([report(issue, reader, "complained")], now=NOW)

    left = Subscription.objects.filter(status="unsubscribed").count()
    assert (left, feedback.held_back(issue)) == (3, 3)
    notice = Notice.objects.get()
    assert (notice.kind, notice.editor, notice.payload) == ("alert", administrator, {"storm": issue.pk})

    assert feedback.apply(issue, seen=3, editor=administrator, now=NOW) == 3
    assert Subscription.objects.filter(status="unsubscribed").count() == 3
    feedback.go_on(now=NOW)

    assert Subscription.objects.filter(status="unsubscribed").count() == 6
    assert feedback.held_back(issue) == 0


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
    assert feedback.kind_of(event("bounced", response=response, reason=reason, raw=raw)) == kind


def test_t43_a_provider_without_metadata_brings_the_token_back_as_a_tag():
    bounced = event("bounced", response="550 5.1.1 user unknown")
    bounced.tags, bounced.metadata = [tokens.event_mac(7, 1234)], {}

    report = feedback.read(bounced, esp_name="MailerSend", now=NOW)

    assert (report.issue, report.subscription, report.kind) == (7, 1234, "bounced")
