from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsletter.drafts import schedule
from newsletter.drafts.schedule import Cadence
from tests.examples import examples

JAKARTA, BERLIN = ZoneInfo("Asia/Jakarta"), ZoneInfo("Europe/Berlin")
TUESDAYS = Cadence(days=(1,), at=time(8), days_before=1, prepared_at=time(9))
ZONES = ("Asia/Jakarta", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "Africa/Cairo")


def moment(text: str, zone: ZoneInfo = JAKARTA) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone)


@pytest.mark.parametrize(
    ("now", "slot"),
    [
        ("2026-11-23T16:40", "2026-11-24T08:00"),
        ("2026-11-24T07:59:59", "2026-11-24T08:00"),
        ("2026-11-24T08:00", "2026-12-01T08:00"),
        ("2026-12-29T09:00", "2027-01-05T08:00"),
    ],
)
def test_next_slot_is_the_first_one_later_than_the_moment(now: str, slot: str) -> None:
    assert TUESDAYS.next_slot(moment(now), zone=JAKARTA) == moment(slot)


def test_slot_is_found_in_the_newsletters_zone_whatever_zone_the_moment_is_in() -> None:
    monday_evening_in_utc = datetime(2026, 11, 24, 0, 30, tzinfo=UTC)  # Tuesday 07:30 in Jakarta

    slot = TUESDAYS.next_slot(monday_evening_in_utc, zone=JAKARTA)

    assert slot.isoformat() == "2026-11-24T08:00:00+07:00"


def test_draft_is_prepared_by_the_clock_on_the_wall_of_the_day_before() -> None:
    slot = TUESDAYS.next_slot(moment("2026-11-23T16:40"), zone=JAKARTA)

    assert TUESDAYS.preparation(slot) == moment("2026-11-23T09:00")


def test_slot_in_the_hour_that_clocks_skip_is_an_hour_later() -> None:
    at_night = Cadence(days=(6,), at=time(2, 30), days_before=1, prepared_at=time(9))

    slot = at_night.next_slot(moment("2026-03-28T12:00", BERLIN), zone=BERLIN)

    assert slot.isoformat() == "2026-03-29T03:30:00+02:00"
    assert at_night.next_slot(slot, zone=BERLIN).isoformat() == "2026-04-05T02:30:00+02:00"


def test_slot_in_the_hour_that_comes_twice_is_the_first_and_comes_once() -> None:
    at_night = Cadence(days=(6,), at=time(2, 30), days_before=1, prepared_at=time(9))

    slot = at_night.next_slot(moment("2026-10-24T12:00", BERLIN), zone=BERLIN)

    assert slot.isoformat() == "2026-10-25T02:30:00+02:00"
    between_the_two = datetime(2026, 10, 25, 1, 0, tzinfo=UTC)  # 02:00 for the second time
    assert at_night.next_slot(between_the_two, zone=BERLIN).isoformat() == "2026-11-01T02:30:00+01:00"


def test_draft_of_the_same_night_is_never_prepared_after_its_slot() -> None:
    at_night = Cadence(days=(6,), at=time(3), days_before=0, prepared_at=time(2, 30))

    slot = at_night.next_slot(moment("2026-03-28T12:00", BERLIN), zone=BERLIN)

    assert slot.isoformat() == "2026-03-29T03:00:00+02:00"
    assert at_night.preparation(slot) == slot


def test_no_rhythm_has_no_slot() -> None:
    assert schedule.parse_cadence({}) is None
    assert schedule.next_slot({}, after=moment("2026-11-23T16:40"), zone=JAKARTA) is None


@pytest.mark.parametrize(
    "stored",
    [
        {"days": [], "at": "08:00", "days_before": 1, "prepared_at": "09:00"},
        {"days": [7], "at": "08:00", "days_before": 1, "prepared_at": "09:00"},
        {"days": [2, 1], "at": "08:00", "days_before": 1, "prepared_at": "09:00"},
        {"days": [1], "at": "25:00", "days_before": 1, "prepared_at": "09:00"},
        {"days": [1], "at": "08:00", "days_before": 0, "prepared_at": "08:00"},
        {"days": [1], "at": "08:00", "days_before": 7, "prepared_at": "08:00"},
        {"days": [1], "at": "08:00"},
        {"days": 1, "at": 8, "days_before": 1, "prepared_at": None},
    ],
)
def test_what_is_no_rhythm_is_refused(stored: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="cadence|prepared|isoformat|hour"):
        schedule.parse_cadence(stored)


times = st.times().map(lambda at: at.replace(second=0, microsecond=0, fold=0))
since_1990 = st.integers(min_value=631_152_000, max_value=3_786_912_000)
moments = since_1990.map(lambda seconds: datetime.fromtimestamp(seconds, tz=UTC))


@st.composite
def rhythms(draw: st.DrawFn) -> Cadence:
    days = tuple(sorted(draw(st.sets(st.integers(0, 6), min_size=1))))
    return Cadence(days=days, at=draw(times), days_before=draw(st.integers(1, 6)), prepared_at=draw(times))


@given(rhythms())
def test_a_rhythm_comes_back_from_what_is_stored(rhythm: Cadence) -> None:
    assert schedule.parse_cadence(rhythm.to_json()) == rhythm


@settings(max_examples=examples(500), deadline=None)
@given(rhythm=rhythms(), after=moments, name=st.sampled_from(ZONES))
def test_slots_are_later_near_on_a_chosen_day_and_one_after_the_other(
    rhythm: Cadence, after: datetime, name: str
) -> None:
    zone = ZoneInfo(name)

    slot = rhythm.next_slot(after, zone=zone)
    following = rhythm.next_slot(slot, zone=zone)

    assert slot.astimezone(UTC) > after
    assert slot.astimezone(UTC) - after <= timedelta(days=14, hours=2)  # Apia skipped a whole day in 2011
    assert following.astimezone(UTC) > slot.astimezone(UTC)
    assert slot == slot.astimezone(UTC).astimezone(zone)
    a_moment_before = slot.astimezone(UTC) - timedelta(seconds=1)
    assert rhythm.next_slot(max(after, a_moment_before), zone=zone) == slot
    assert rhythm.preparation(slot).astimezone(UTC) <= slot.astimezone(UTC)
