"""T-66: an issue begins once, at its time in the newsletter's zone. Hours late or after a clock jump it needs a decision."""

from __future__ import annotations

import threading
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.urls import reverse

from newsletter.checks import link_checker
from newsletter.models import AuditEntry, Issue, IssueStatus, Role
from subscribers.models import Notice
from tests.factories import NOW, make_editor, make_issue, make_newsletter, make_reader, make_scheduled_issue
from workers import ledger
from workers.models import Batch
from workers.notifications import outbox
from workers.sending import late_start, lifecycle
from workers.studio.review import timing

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)


def make_due(**fields):
    newsletter = make_newsletter(time_zone="Asia/Jakarta", languages=["en"], **fields)
    make_reader(newsletter)
    return make_scheduled_issue(newsletter)


def look_at(issue, *, now):
    """Store a fresh link check, so that the issue does not wait for one."""
    link_checker.store_results(issue, {"links": {}}, now=now)


def stored(issue):
    return Issue.objects.get(pk=issue.pk)


# --- hours late ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("late", "begins"), [(3 * HOUR, True), (3 * HOUR + timedelta(seconds=1), False)])
def test_t66_a_service_that_was_down_sends_by_itself_within_three_hours_only(late, begins):
    issue = make_due()
    look_at(issue, now=NOW + late)

    assert bool(lifecycle.begin_due(now=NOW + late)) is begins
    assert stored(issue).status == (IssueStatus.SENDING if begins else IssueStatus.PAUSED)


def test_t66_hours_late_it_says_when_it_was_due_and_asks_by_mail_who_may_send():
    issue = make_due()
    ayu = make_editor(issue.newsletter, role=Role.PUBLISHER)
    make_editor(issue.newsletter, role=Role.WRITER)

    lifecycle.begin_due(now=NOW + 4 * HOUR + timedelta(minutes=20))
    lifecycle.begin_due(now=NOW + 5 * HOUR)

    held = stored(issue)
    assert held.pause_reason == (
        "It was due on Tuesday, 24 November 2026, 07:00 WIB, but the service was down until Tuesday, 24 November 2026, "
        "11:20 WIB. Send it now, at another time, or take it back?"
    )
    assert held.started_at is None
    assert not Batch.objects.exists()
    [notice] = Notice.objects.all()
    assert notice.editor == ayu
    mail = outbox.build_message(notice, now=NOW)
    assert held.pause_reason in " ".join(mail.body.split())
    assert reverse("issue-progress", args=[issue.pk]) in mail.body


def test_a_mail_about_an_issue_that_somebody_decided_on_is_not_sent():
    issue = make_due()
    make_editor(issue.newsletter)
    lifecycle.begin_due(now=NOW + 9 * HOUR)
    ledger.resume(issue, editor=None, now=NOW + 9 * HOUR)

    with pytest.raises(outbox.NoticeObsolete):
        outbox.build_message(Notice.objects.get(), now=NOW + 9 * HOUR)


def test_how_late_is_too_late_is_a_setting(settings):
    settings.MOST_LATE_H = 12
    look_at(make_due(), now=NOW + 11 * HOUR)

    assert lifecycle.begin_due(now=NOW + 11 * HOUR)


def test_an_issue_paused_by_its_outcome_tells_who_may_send_but_not_if_an_editor_paused_it():
    issue = make_due()
    ayu = make_editor(issue.newsletter)
    lifecycle.begin_due(now=NOW)

    ledger.pause(issue, reason="Ayu paused it.", editor=ayu, now=NOW)
    assert not Notice.objects.exists()
    ledger.resume(issue, editor=ayu, now=NOW)
    ledger.pause(issue, reason="7 of 50 addresses were refused.", editor=None, now=NOW)
    assert Notice.objects.get().payload == {"paused": issue.pk}


# --- the three choices -----------------------------------------------------------------------------------------------


@pytest.fixture
def held(client, monkeypatch):
    """A held issue, and a publisher who opens it an hour later."""
    issue = make_due()
    lifecycle.begin_due(now=NOW + 4 * HOUR)
    monkeypatch.setattr("django.utils.timezone.now", lambda: NOW + 5 * HOUR)
    client.force_login(make_editor(issue.newsletter, role=Role.PUBLISHER))
    return issue


def post(client, name, issue, **data):
    return client.post(reverse(f"issue-{name}", args=[issue.pk]), data, follow=True).content.decode()


def test_the_page_asks_and_offers_now_another_time_or_back(client, held):
    html = client.get(reverse("issue-progress", args=[held.pk])).content.decode()

    assert "the service was down until" in html
    for name in ("resume", "stop", "postpone"):
        assert f'action="{reverse(f"issue-{name}", args=[held.pk])}"' in html


def test_now_sends_it_and_nobody_asks_again(client, held):
    post(client, "resume", held)
    look_at(held, now=NOW + 5 * HOUR)

    assert lifecycle.begin_due(now=NOW + 5 * HOUR) == [held.pk]


def test_at_another_time_it_waits_for_that_and_begins_then(client, held):
    html = post(client, "postpone", held, on="2026-11-25", at="06:30")

    assert "It goes out Wednesday, 25 November 2026, 06:30 WIB." in html
    moment = datetime(2026, 11, 24, 23, 30, tzinfo=UTC)
    assert stored(held).scheduled_at == moment
    assert lifecycle.begin_due(now=moment - timedelta(seconds=1)) == []
    look_at(held, now=moment)
    assert lifecycle.begin_due(now=moment) == [held.pk]


def test_taken_back_it_is_a_draft(client, held):
    post(client, "stop", held, to_edit="1")

    assert stored(held).status == IssueStatus.DRAFT


@pytest.mark.parametrize(
    ("on", "at", "words"),
    [
        ("", "06:30", "Choose a date and a time."),
        ("2026-11-24", "12:00", "This time has passed."),
        ("2028-01-01", "06:30", "Choose a time within a year."),
        ("2027-03-28", "02:30", "The clocks jump over this time on that day."),
    ],
)
def test_another_time_that_cannot_be_is_refused_in_words(client, held, on, at, words):
    type(held.newsletter).objects.update(time_zone="Europe/Berlin")

    assert words in post(client, "postpone", held, on=on, at=at if words != "This time has passed." else "05:00")
    assert stored(held).status == IssueStatus.PAUSED


def test_an_issue_that_has_begun_gets_no_other_time(client, held):
    Issue.objects.filter(pk=held.pk).update(started_at=NOW)

    post(client, "postpone", held, on="2026-11-25", at="06:30")

    assert stored(held).status == IssueStatus.PAUSED
    assert 'id="postpone"' not in client.get(reverse("issue-progress", args=[held.pk])).content.decode()


# --- clocks that jump ------------------------------------------------------------------------------------------------


def test_a_clock_that_jumps_ahead_is_noticed_and_sleep_or_a_small_correction_is_no_jump():
    watch = late_start.ClockWatch()

    assert watch.jumped_from(now=NOW, tick=1000.0) is None
    assert watch.jumped_from(now=NOW + timedelta(seconds=1), tick=1001.0) is None
    assert watch.jumped_from(now=NOW + 8 * HOUR, tick=1000.0 + 8 * 3600) is None, "the machine slept"
    assert watch.jumped_from(now=NOW + 8 * HOUR + timedelta(minutes=4), tick=1000.0 + 8 * 3600) is None
    assert watch.jumped_from(now=NOW + 7 * HOUR, tick=1001.0 + 8 * 3600) is None, "back, not ahead"
    ahead = watch.jumped_from(now=NOW + 9 * HOUR, tick=1002.0 + 8 * 3600)
    assert ahead == NOW + 7 * HOUR + timedelta(seconds=1)


def test_t66_what_is_due_only_because_the_clock_jumped_waits_for_a_person():
    early, due = make_due(), make_due()
    Issue.objects.filter(pk=early.pk).update(scheduled_at=NOW + HOUR)
    look_at(due, now=NOW + 2 * HOUR)

    begun = lifecycle.begin_due(now=NOW + 2 * HOUR, jumped_from=NOW + timedelta(minutes=10))

    assert begun == [due.pk]
    assert stored(early).pause_reason.startswith(
        "The server clock jumped from Tuesday, 24 November 2026, 07:10 WIB to Tuesday, 24 November 2026, 09:00"
    )


def test_t66_a_clock_that_jumps_back_begins_nothing_twice():
    issue = make_due()
    assert lifecycle.begin_due(now=NOW + timedelta(minutes=1)) == [issue.pk]

    for moment in (NOW - 2 * HOUR, NOW, NOW + timedelta(minutes=1)):
        assert lifecycle.begin_due(now=moment) == []
    assert Batch.objects.count() == 1
    assert AuditEntry.objects.filter(action="issue-begun").count() == 1


# --- two schedulers at once ------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite lets one writer in at a time")
def test_t66_two_schedulers_at_once_begin_an_issue_once():
    """Two threads with separate database connections start at the same moment, for three issues in turn."""
    for _turn in range(3):
        issue, begun, together = make_due(), [], threading.Barrier(2)

        def schedule(begun=begun, together=together):
            together.wait(10)
            begun.extend(lifecycle.begin_due(now=NOW))
            connection.close()

        schedulers = [threading.Thread(target=schedule) for _ in range(2)]
        for each in schedulers:
            each.start()
        for each in schedulers:
            each.join(30)

        assert begun == [issue.pk]
        assert [batch.size for batch in Batch.objects.filter(issue=issue)] == [1]
        assert stored(issue).audience_count == 1


# --- the newsletter's clocks -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zone", "hour_in_utc"),
    [("Asia/Jakarta", 23), ("Asia/Makassar", 22), ("Asia/Jayapura", 21)],
    ids=["WIB", "WITA", "WIT"],
)
def test_t66_six_in_the_morning_is_six_on_the_newsletters_clocks(zone, hour_in_utc):
    newsletter = make_newsletter(time_zone=zone)

    moment = timing.local_moment(date(2026, 11, 24), time(6, 0), newsletter)

    assert moment == datetime(2026, 11, 23, hour_in_utc, 0, tzinfo=UTC)
    assert not timing.is_ambiguous(moment, newsletter.zone)


@pytest.mark.parametrize(
    ("zone", "day", "at", "twice"),
    [
        ("Europe/Berlin", date(2026, 10, 25), time(2, 30), True),
        ("Europe/Berlin", date(2026, 10, 25), time(3, 0), False),
        ("Europe/Berlin", date(2027, 3, 28), time(3, 30), False),
        ("America/New_York", date(2026, 11, 1), time(1, 0), True),
        ("Australia/Lord_Howe", date(2027, 4, 4), time(1, 45), True),
    ],
)
def test_an_hour_that_comes_twice_is_known_by_its_first_coming(zone, day, at, twice):
    newsletter = make_newsletter(time_zone=zone)

    assert timing.is_ambiguous(timing.local_moment(day, at, newsletter), newsletter.zone) is twice


@pytest.fixture
def in_berlin(client, monkeypatch):
    newsletter = make_newsletter(time_zone="Europe/Berlin")
    make_reader(newsletter)
    issue = make_issue(newsletter)
    ayu = make_editor(newsletter)

    def choose(on, at, *, today):
        monkeypatch.setattr("django.utils.timezone.now", lambda: today)
        client.force_login(ayu)
        address = reverse("issue-review", args=[issue.pk])
        return client.get(address, {"when": "at", "on": on, "at": at}).content.decode()

    return choose


def test_the_review_page_explains_an_hour_that_comes_twice(in_berlin):
    html = in_berlin("2026-10-25", "02:30", today=datetime(2026, 10, 20, 8, 0, tzinfo=UTC))

    assert (
        "The clocks show this time twice that night. It is the first of the two: 02:30 CEST, which is 00:30 UTC."
        in html
    )


def test_the_review_page_says_that_an_hour_is_missing_before_anything_is_pressed(in_berlin):
    html = in_berlin("2027-03-28", "02:30", today=datetime(2027, 3, 20, 8, 0, tzinfo=UTC))

    assert "The clocks jump over this time on that day." in html


def test_the_first_of_two_is_the_one_that_is_stored():
    newsletter = make_newsletter(time_zone="Europe/Berlin")

    moment = timing.local_moment(date(2026, 10, 25), time(2, 30), newsletter)

    assert moment.astimezone(UTC) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert moment.astimezone(ZoneInfo("Europe/Berlin")).tzname() == "CEST"
