"""The chain of consent events: complete, in order, unaltered, and still so after personal fields are blanked."""

from __future__ import annotations

import datetime
import io

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction

from subscribers import consent
from subscribers.consent import database_triggers
from subscribers.models import ConsentAction, ConsentEvent, ConsentHead, ConsentText, Purpose, SubscriptionStatus
from tests.factories import NOW, make_newsletter, make_reader

pytestmark = pytest.mark.django_db


def make_events(count: int = 4) -> list[ConsentEvent]:
    newsletter = make_newsletter()
    consent.ensure_texts(newsletter, now=NOW)
    text = consent.current_text(newsletter, Purpose.NEWSLETTER, "id")
    events = []
    for number in range(count):
        reader = make_reader(newsletter)
        step = consent.EventData(
            reader,
            ConsentAction.REQUESTED,
            text=text,
            page_url="https://kabarlintas.example/id/autogate",
            ip="192.0.2.7",
            user_agent="Firefox",
            evidence={"request": number},
        )
        events.append(consent.append_event(step, now=NOW + datetime.timedelta(seconds=number)))
    return events


@pytest.fixture
def unguarded():
    """The database as somebody with its password could make it."""
    database_triggers.remove(connection)
    yield
    database_triggers.install(connection)


def test_c02_an_untouched_chain_verifies():
    make_events()

    assert consent.verify_chain() is None
    assert ConsentHead.objects.get(pk=1).count == 4


@pytest.mark.parametrize(
    "change",
    [
        {"action": "withdrawn"},
        {"subscription": 999},
        {"actor": "editor 3"},
        {"evidence": {"request": 77}},
        {"language": "en"},
        {"occurred_at": NOW - datetime.timedelta(days=1)},
        {"consent_text": None},
        {"page_url": "https://elsewhere.example/"},
        {"ip": "192.0.2.8"},
        {"user_agent": "Chrome"},
        {"mac": bytes(32)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_c02_an_altered_row_is_named(unguarded, change):
    events = make_events()

    ConsentEvent.objects.filter(pk=events[1].pk).update(**change)

    broken = consent.verify_chain()
    assert broken is not None
    assert broken.event == events[1].pk


def test_c02_a_removed_row_shows_at_the_one_after_it(unguarded):
    events = make_events()

    ConsentEvent.objects.filter(pk=events[1].pk).delete()

    assert consent.verify_chain().event == events[2].pk


def test_c02_rows_removed_at_the_end_are_missed(unguarded):
    events = make_events()

    ConsentEvent.objects.filter(pk__gte=events[2].pk).delete()

    assert consent.verify_chain() == consent.ChainBreak(None, "2 rows are missing at the end")


def test_c02_rows_removed_at_the_end_are_missed_even_when_the_head_is_set_back(unguarded):
    events = make_events()

    ConsentEvent.objects.filter(pk__gte=events[2].pk).delete()
    ConsentHead.objects.update(count=2, mac=events[1].mac)

    assert "does not match" in consent.verify_chain().reason


def test_c02_rows_removed_at_the_end_are_missed_even_when_the_head_is_gone(unguarded):
    events = make_events()

    ConsentEvent.objects.filter(pk__gte=events[2].pk).delete()
    ConsentHead.objects.all().delete()

    assert "does not match" in consent.verify_chain().reason


def test_c02_an_end_cut_off_stays_visible_once_the_chain_has_gone_on(unguarded):
    events = make_events()
    ConsentEvent.objects.filter(pk__gte=events[2].pk).delete()
    ConsentHead.objects.update(count=2, mac=events[1].mac)

    step = consent.EventData(make_reader(make_newsletter()), ConsentAction.REQUESTED)
    added = consent.append_event(step, now=NOW)

    assert consent.verify_chain().event == added.pk


def test_c01_words_altered_later_show_at_the_first_event_that_rests_on_them(unguarded):
    events = make_events()

    ConsentText.objects.filter(pk=events[0].consent_text_id).update(text="I agree to everything.")

    assert consent.verify_chain().event == events[0].pk


def test_c02_events_added_while_the_chain_is_walked_are_no_fault(monkeypatch):
    events = make_events()
    prove = consent._find_key

    def add_one_meanwhile(event, seal):
        if event.pk == events[0].pk:
            make_events(1)
        return prove(event, seal)

    monkeypatch.setattr("subscribers.consent.chain._find_key", add_one_meanwhile)

    assert consent.verify_chain() is None


def test_c02_two_rows_that_changed_places_are_found(unguarded):
    first, second, *_ = make_events()

    ConsentEvent.objects.filter(pk=first.pk).update(mac=second.mac)
    ConsentEvent.objects.filter(pk=second.pk).update(mac=first.mac)

    assert consent.verify_chain().event == first.pk


def test_c08_the_chain_verifies_after_personal_fields_are_blanked():
    events = make_events()

    consent.blank_personal_fields([events[0].subscription])
    consent.blank_personal_fields([events[1].subscription], fields=["ip"])

    assert consent.verify_chain() is None
    blanked = ConsentEvent.objects.get(pk=events[0].pk)
    assert (blanked.page_url, blanked.ip, blanked.user_agent) == ("", None, "")
    assert ConsentEvent.objects.get(pk=events[1].pk).user_agent == "Firefox"


def test_c02_equal_personal_fields_have_different_digests():
    first, second, *_ = make_events()

    assert bytes(first.personal_digest)[32:64] != bytes(second.personal_digest)[32:64]


def test_t10_the_chain_verifies_under_a_rotated_key(settings):
    make_events(2)
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "a new secret key that is long enough to be one"
    make_events(2)

    assert consent.verify_chain() is None


def test_t10_a_lost_key_is_named_not_called_tampering(settings):
    events = make_events(1)
    settings.SECRET_KEY = "a new secret key that is long enough to be one"
    settings.SECRET_KEY_FALLBACKS = []

    broken = consent.verify_chain()

    assert broken.event == events[0].pk
    assert "SECRET_KEY_FALLBACKS" in broken.reason


def test_leaving_ends_measurement_that_was_agreed_to_in_the_meantime():
    newsletter = make_newsletter(tracking="individual")
    siti = make_reader(newsletter)
    stale = type(siti).objects.get(pk=siti.pk)
    consent.set_measurement(siti, agrees=True, now=NOW)

    consent.withdraw(stale, now=NOW)

    ended = ConsentEvent.objects.filter(purpose=Purpose.MEASUREMENT, action=ConsentAction.WITHDRAWN)
    assert ended.count() == 1


def test_verify_consent_says_that_all_is_well():
    make_events(2)
    out = io.StringIO()

    call_command("verify_consent", stdout=out)

    assert out.getvalue() == "2 consent events, every one as it was written.\n"


def test_verify_consent_fails_and_names_the_row(unguarded):
    events = make_events(2)
    ConsentEvent.objects.filter(pk=events[0].pk).update(actor="editor 9")
    err = io.StringIO()

    with pytest.raises(SystemExit) as stop:
        call_command("verify_consent", stderr=err)

    assert stop.value.code == 1
    assert f"Consent event {events[0].pk}: the event or its consent text was altered" in err.getvalue()


# --- triggers --------------------------------------------------------------------------------------------------------


def test_c01_the_guards_exist_on_the_running_database():
    assert database_triggers.missing_triggers(connection) == frozenset()


@pytest.mark.parametrize(
    "change",
    [{"text": "Other words"}, {"button": "OK"}, {"version": 9}, {"valid_from": NOW}, {"privacy_hash": "0" * 64}],
    ids=lambda change: next(iter(change)),
)
def test_c01_no_field_of_a_consent_text_can_change(change):
    newsletter = make_newsletter()
    text = consent.ensure_texts(newsletter, now=NOW - datetime.timedelta(days=1))[0]

    with pytest.raises(IntegrityError, match="publish a new version"), transaction.atomic():
        ConsentText.objects.filter(pk=text.pk).update(**change)


def test_c01_new_words_are_a_new_version():
    newsletter = make_newsletter()
    first = consent.ensure_texts(newsletter, now=NOW)[0]

    second = consent.publish_text(newsletter, Purpose.NEWSLETTER, "id", text="Kata baru.", now=NOW)

    assert (first.version, second.version) == (1, 2)
    assert consent.current_text(newsletter, Purpose.NEWSLETTER, "id").text == "Kata baru."
    assert consent.publish_text(newsletter, Purpose.NEWSLETTER, "id", text="Kata baru.", now=NOW) == second


def test_c01_a_used_text_cannot_be_deleted():
    text = make_events(1)[0].consent_text

    with pytest.raises(Exception, match="protected foreign keys"):
        text.delete()


@pytest.mark.parametrize(
    "change",
    [
        {"action": "withdrawn"},
        {"mac": bytes(32)},
        {"evidence": {}},
        {"subscription": 999},
        {"personal_digest": b""},
        {"page_url": "https://elsewhere.example/"},
        {"ip": "192.0.2.8"},
        {"user_agent": "Chrome"},
        {"page_url": "", "actor": "nobody"},
    ],
    ids=lambda change: " and ".join(change),
)
def test_c02_a_consent_event_can_only_be_blanked(change):
    event = make_events(1)[0]

    with pytest.raises(IntegrityError, match="only page, ip and agent may be blanked"), transaction.atomic():
        ConsentEvent.objects.filter(pk=event.pk).update(**change)


def test_c02_a_blanked_field_stays_blank():
    event = make_events(1)[0]
    consent.blank_personal_fields([event.subscription])

    with pytest.raises(IntegrityError), transaction.atomic():
        ConsentEvent.objects.filter(pk=event.pk).update(ip="192.0.2.7")


def test_c02_a_consent_event_is_never_deleted():
    event = make_events(1)[0]

    with pytest.raises(IntegrityError, match="never deleted"), transaction.atomic():
        ConsentEvent.objects.filter(pk=event.pk).delete()


# --- the arrows ------------------------------------------------------------------------------------------------------


def test_c12_leaving_stops_newsletter_and_measurement_at_once():
    newsletter = make_newsletter(tracking="individual")
    siti = make_reader(newsletter, may_track=True)

    stopped = consent.withdraw(siti, now=NOW, issue_id=12)

    siti.refresh_from_db()
    assert stopped
    assert (siti.status, siti.may_track, siti.ended_at) == (SubscriptionStatus.UNSUBSCRIBED, False, NOW)
    events = list(ConsentEvent.objects.values_list("purpose", "action", "evidence"))
    assert events == [("newsletter", "withdrawn", {"issue": 12}), ("measurement", "withdrawn", {})]


def test_s16_leaving_twice_leaves_one_event():
    siti = make_reader(make_newsletter())
    consent.withdraw(siti, now=NOW)

    again = consent.withdraw(siti, now=NOW)

    assert not again
    assert ConsentEvent.objects.count() == 1


def test_undo_brings_a_reader_back_for_a_day():
    siti = make_reader(make_newsletter())
    consent.withdraw(siti, now=NOW)

    consent.undo_withdrawal(siti, now=NOW + datetime.timedelta(hours=23))

    assert siti.status == SubscriptionStatus.SUBSCRIBED
    assert consent.verify_chain() is None


def test_undo_is_over_after_a_day():
    siti = make_reader(make_newsletter())
    consent.withdraw(siti, now=NOW)

    with pytest.raises(consent.CannotUndo):
        consent.undo_withdrawal(siti, now=NOW + datetime.timedelta(hours=25))


def test_undo_cannot_subscribe_somebody_who_never_confirmed():
    budi = make_reader(make_newsletter(), status=SubscriptionStatus.PENDING)
    consent.withdraw(budi, now=NOW)

    with pytest.raises(consent.CannotUndo):
        consent.undo_withdrawal(budi, now=NOW)
