"""C-09: data is deleted after its period; proof is kept."""

from __future__ import annotations

from datetime import timedelta

import pytest

from newsletter.models import AuditEntry
from subscribers import consent
from subscribers.models import ConsentEvent, Notice, Subscription
from tests.factories import NOW, make_newsletter, make_reader
from workers.models import Event, SpoolFile
from workers.operations import retention

pytestmark = pytest.mark.django_db

A_MOMENT = timedelta(minutes=1)


def make_event(kind, age):
    return Event.objects.create(issue=1, kind=kind, occurred_at=NOW - age)


def left(model, **fields):
    return model.objects.filter(**fields).count()


@pytest.mark.parametrize(
    ("kind", "kept_for"),
    [
        ("opened", timedelta(days=30)),
        ("clicked", timedelta(days=30)),
        ("delivered", timedelta(days=396)),
        ("bounced", timedelta(days=396)),
        ("complained", timedelta(days=396)),
    ],
)
def test_c09_events_are_kept_for_their_time_and_no_longer(kind, kept_for):
    old, young = make_event(kind, kept_for + A_MOMENT), make_event(kind, kept_for - A_MOMENT)

    retention.apply_rules(now=NOW)

    assert list(Event.objects.values_list("pk", flat=True)) == [young.pk]
    assert old.pk != young.pk


def test_c09_pending_sign_ups_go_after_30_days():
    newsletter = make_newsletter()
    old, young = make_reader(newsletter, status="pending"), make_reader(newsletter, status="pending")
    Subscription.objects.filter(pk=old.pk).update(requested_at=NOW - timedelta(days=31))
    Subscription.objects.filter(pk=young.pk).update(requested_at=NOW - timedelta(days=29))

    retention.apply_rules(now=NOW)

    assert list(Subscription.objects.values_list("pk", flat=True)) == [young.pk]


def test_c09_networks_of_consents_are_blanked_after_three_years_and_the_chain_verifies():
    siti = make_reader(make_newsletter())
    for years in (4, 2):
        step = consent.EventData(siti, "confirmed", ip="203.0.113.7", user_agent="Mozilla/5.0")
        consent.append_event(step, now=NOW - timedelta(days=365 * years))

    retention.apply_rules(now=NOW)

    assert list(ConsentEvent.objects.order_by("pk").values_list("ip", flat=True)) == [None, "203.0.113.7"]
    assert consent.verify_chain() is None


def test_c09_three_years_after_leaving_only_the_bare_proof_is_left():
    newsletter = make_newsletter()
    for years in (4, 1):
        reader = make_reader(newsletter)
        step = consent.EventData(
            reader, "confirmed", page_url="https://kabarlintas.example/a", user_agent="Mozilla/5.0"
        )
        consent.append_event(step, now=NOW - timedelta(days=365 * years))
        consent.withdraw(reader, now=NOW - timedelta(days=365 * years))

    retention.apply_rules(now=NOW)

    confirmed = ConsentEvent.objects.filter(action="confirmed").order_by("pk")
    assert list(confirmed.values_list("page_url", "user_agent")) == [
        ("", ""),
        ("https://kabarlintas.example/a", "Mozilla/5.0"),
    ]
    assert consent.verify_chain() is None


def test_c09_the_audit_log_is_kept_for_two_years():
    for days in (731, 729):
        AuditEntry.objects.create(action="issue-sent", subject="issue 1", occurred_at=NOW - timedelta(days=days))

    retention.delete_audit_entries(now=NOW)

    assert left(AuditEntry) == 1


def test_settled_notices_go_after_30_days_waiting_ones_stay():
    old = {"kind": "alert", "language": "en", "due_at": NOW, "created_at": NOW - timedelta(days=31)}
    Notice.objects.create(**old, sent_at=NOW)
    Notice.objects.create(**old, failed_at=NOW)
    waiting = Notice.objects.create(**old)

    retention.apply_rules(now=NOW)

    assert list(Notice.objects.values_list("pk", flat=True)) == [waiting.pk]


def test_notes_of_spools_that_are_long_gone_go():
    SpoolFile.objects.create(name="web1/1.hits", loaded_at=NOW - timedelta(days=31))
    SpoolFile.objects.create(name="web1/2.hits", loaded_at=NOW - timedelta(days=1))

    retention.apply_rules(now=NOW)

    assert list(SpoolFile.objects.values_list("name", flat=True)) == ["web1/2.hits"]


def test_running_it_again_changes_nothing():
    make_event("opened", timedelta(days=40))

    assert [retention.apply_rules(now=NOW), retention.apply_rules(now=NOW)] == [1, 0]


def test_much_is_forgotten_in_pieces(monkeypatch):
    monkeypatch.setattr(retention, "CHUNK_SIZE", 2)
    for _ in range(5):
        make_event("opened", timedelta(days=40))

    assert retention.delete_hits(now=NOW) == 5
