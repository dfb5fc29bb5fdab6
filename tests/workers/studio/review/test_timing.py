"""Which moment the review page proposes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from newsletter.models import Issue, IssueStatus
from tests.factories import NOW, make_issue, make_newsletter
from workers.studio.review import timing

pytestmark = pytest.mark.django_db

JAKARTA = ZoneInfo("Asia/Jakarta")
TUESDAYS = {"days": [1], "at": "07:00", "days_before": 1, "prepared_at": "09:00"}
"""NOW is a Tuesday at 07:00 in Jakarta."""
NEXT_TUESDAY = datetime(2026, 12, 1, 7, 0, tzinfo=JAKARTA)


def sent(letter, at):
    issue = make_issue(letter)
    Issue.objects.filter(pk=issue.pk).update(status=IssueStatus.SENT, scheduled_at=at, sent_at=at)


def test_the_next_slot_of_the_rhythm_is_proposed_whatever_went_out_before():
    letter = make_newsletter(cadence=TUESDAYS)
    sent(letter, NOW - timedelta(days=3))

    assert timing.propose_slot(make_issue(letter), now=NOW) == timing.Slot(NEXT_TUESDAY, is_usual=True)


def test_a_prepared_draft_goes_out_at_the_slot_it_was_made_for():
    issue = make_issue(make_newsletter(cadence=TUESDAYS))
    issue.prepared_for = NEXT_TUESDAY + timedelta(days=7)

    assert timing.propose_slot(issue, now=NOW).moment == datetime(2026, 12, 8, 7, 0, tzinfo=JAKARTA)


def test_a_slot_that_has_passed_gives_way_to_the_next_one():
    issue = make_issue(make_newsletter(cadence=TUESDAYS))
    issue.prepared_for = NOW

    assert timing.propose_slot(issue, now=NOW).moment == NEXT_TUESDAY


def test_a_slot_at_which_another_issue_leaves_is_not_proposed_again():
    letter = make_newsletter(cadence=TUESDAYS)
    Issue.objects.filter(pk=make_issue(letter).pk).update(status=IssueStatus.SCHEDULED, scheduled_at=NEXT_TUESDAY)

    assert timing.propose_slot(make_issue(letter), now=NOW).moment == NEXT_TUESDAY + timedelta(days=7)


def test_a_rhythm_that_cannot_be_read_is_none():
    letter = make_newsletter(cadence={"days": [9]})

    assert timing.propose_slot(make_issue(letter), now=NOW).is_usual is False


def test_an_issue_sent_late_at_night_does_not_make_nights_the_habit():
    letter = make_newsletter()
    sent(letter, datetime(2026, 11, 20, 15, 10, tzinfo=UTC))  # 22:10 in Jakarta

    slot = timing.propose_slot(make_issue(letter), now=NOW)

    assert slot.moment == datetime(2026, 11, 27, 8, 0, tzinfo=JAKARTA)


@pytest.mark.parametrize(("hour", "night"), [(20, False), (21, True), (23, True), (4, True), (5, False)])
def test_from_nine_in_the_evening_readers_sleep(hour, night):
    assert timing.is_night(datetime(2026, 11, 24, hour, 59, tzinfo=JAKARTA), JAKARTA) is night
