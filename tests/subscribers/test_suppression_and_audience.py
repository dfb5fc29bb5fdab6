"""Who may receive, who may not, and why."""

from __future__ import annotations

import datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from subscribers import audience, consent, suppression
from subscribers.models import Subscriber, SubscriptionStatus, Suppression, SuppressionReason
from tests.factories import NOW, make_issue, make_newsletter, make_reader

pytestmark = pytest.mark.django_db
S = SubscriptionStatus


def test_s75_a_suppression_is_known_by_hash_only_and_marks_the_reader():
    siti = make_reader(make_newsletter(), email="siti@contoh.id")

    suppression.suppress("siti@contoh.id", reason=SuppressionReason.BOUNCED, detail="5.1.1", now=NOW)

    siti.subscriber.refresh_from_db()
    assert suppression.is_suppressed("siti@contoh.id")
    assert (siti.subscriber.suppressed_at, siti.subscriber.suppressed_for) == (NOW, "bounced")
    assert b"siti" not in bytes(Suppression.objects.get().email_hash)


def test_s75_suppressing_twice_keeps_one_and_a_complaint_outranks_a_bounce():
    suppression.suppress("siti@contoh.id", reason=SuppressionReason.BOUNCED, now=NOW)

    again = suppression.suppress("siti@contoh.id", reason=SuppressionReason.COMPLAINED, now=NOW)

    assert not again
    assert Suppression.objects.get().reason == SuppressionReason.COMPLAINED


def test_s75_a_complaint_is_lifted_by_the_reader_only():
    make_reader(make_newsletter(), email="siti@contoh.id")
    suppression.suppress("siti@contoh.id", reason=SuppressionReason.COMPLAINED, now=NOW)

    with pytest.raises(suppression.OnlySubscriberMayLift):
        suppression.lift("siti@contoh.id", now=NOW)

    assert suppression.lift("siti@contoh.id", by_reader=True, now=NOW)
    assert not suppression.is_suppressed("siti@contoh.id")
    assert Subscriber.objects.get().suppressed_at is None


def test_s75_a_suppression_survives_a_new_secret_key_and_a_new_subscriber(settings):
    suppression.suppress("siti@contoh.id", reason=SuppressionReason.ERASED, now=NOW)
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another secret key that is long enough to be one"

    siti = make_reader(make_newsletter(), email="siti@contoh.id")
    suppression.sync_new_subscriber(siti.subscriber)

    assert suppression.is_suppressed("siti@contoh.id")
    assert siti.subscriber.suppressed_for == "erased"
    assert not suppression.suppress("siti@contoh.id", reason=SuppressionReason.ERASED, now=NOW)


def make_everybody():
    newsletter = make_newsletter()
    make_reader(make_newsletter(), email="elsewhere@contoh.id")
    readers = {
        "siti": make_reader(newsletter, email="siti@contoh.id"),
        "john": make_reader(newsletter, email="john@contoh.id", language="en"),
        "budi": make_reader(newsletter, email="budi@contoh.id", status=S.PENDING),
        "dewi": make_reader(newsletter, email="dewi@contoh.id", status=S.PAUSED),
        "eko": make_reader(newsletter, email="eko@contoh.id", status=S.UNSUBSCRIBED),
        "fitri": make_reader(newsletter, email="fitri@contoh.id"),
        "gita": make_reader(newsletter, email="gita@contoh.id"),
        "indra": make_reader(newsletter, email="indra@contoh.id", status=S.UNSUBSCRIBED),
        "hadi": make_reader(newsletter, email="hadi@contoh.id"),
    }
    suppression.suppress("fitri@contoh.id", reason="bounced", now=NOW)
    suppression.suppress("gita@contoh.id", reason="complained", now=NOW)
    suppression.suppress("indra@contoh.id", reason="complained", now=NOW)
    suppression.suppress("hadi@contoh.id", reason="manual", now=NOW)
    return newsletter, readers


def test_the_audience_is_who_is_subscribed_and_not_suppressed():
    newsletter, readers = make_everybody()

    receivers = audience.recipients(newsletter, {})

    assert [one.pk for one in receivers] == [readers["siti"].pk, readers["john"].pk]
    assert audience.count_by_language(receivers) == {"en": 1, "id": 1}
    assert [one.pk for one in audience.recipients(newsletter, {"language": "en"})] == [readers["john"].pk]


def test_receivers_and_excluded_add_up_to_everybody():
    newsletter, readers = make_everybody()

    excluded = audience.count_excluded(newsletter, {})

    assert excluded == {"pending": 1, "paused": 1, "left": 2, "bounced": 1, "complained": 1, "suppressed": 1}
    assert sum(excluded.values()) + audience.recipients(newsletter, {}).count() == len(readers)


def test_s17_still_allowed_names_who_may_not_and_why_in_one_query():
    _newsletter, readers = make_everybody()
    consent.withdraw(readers["john"], now=NOW)
    ids = [one.pk for one in readers.values()] + [999_999]

    with CaptureQueriesContext(
        connection,
    ) as queries:
        barred = audience.no_longer_allowed(ids)

    assert len(queries) == 1
    assert barred == {
        readers["john"].pk: "left",
        readers["budi"].pk: "left",
        readers["dewi"].pk: "paused",
        readers["eko"].pk: "left",
        readers["fitri"].pk: "suppressed",
        readers["gita"].pk: "suppressed",
        readers["hadi"].pk: "suppressed",
        readers["indra"].pk: "suppressed",
        999_999: "left",
    }


def test_an_unknown_filter_never_means_everybody():
    issue = make_issue(make_newsletter())
    issue.audience = {"shoe_size": 42}

    with pytest.raises(audience.UnknownFilter):
        audience.for_issue(issue)


def test_a_filter_from_above_narrows_the_audience(monkeypatch):
    newsletter, readers = make_everybody()
    monkeypatch.setattr(audience, "_filters", dict(audience._filters))
    audience.register_filter(
        "got_issue", lambda rows, number: rows.filter(pk=readers["siti"].pk) if number == 12 else rows
    )

    assert [one.pk for one in audience.recipients(newsletter, {"got_issue": 12})] == [readers["siti"].pk]


def test_s71_what_nobody_confirms_is_gone_after_30_days():
    newsletter = make_newsletter()
    budi = make_reader(newsletter, email="budi@contoh.id", status=S.PENDING)
    make_reader(newsletter, email="siti@contoh.id")
    left = make_reader(newsletter, email="eko@contoh.id", status=S.PENDING, ended_at=NOW)

    gone = consent.expire_pending(now=budi.requested_at + datetime.timedelta(days=30, seconds=1))

    left.refresh_from_db()
    assert gone == 2
    assert set(Subscriber.objects.values_list("email", flat=True)) == {"siti@contoh.id", "eko@contoh.id"}
    assert left.status == S.UNSUBSCRIBED
    assert consent.verify_chain() is None
