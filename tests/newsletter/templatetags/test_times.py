"""Times as people of each language write them."""

from __future__ import annotations

import datetime

import pytest
from django.utils import translation

from newsletter import formatting

SEVEN_IN_JAKARTA = datetime.datetime(2026, 11, 24, 0, 0, tzinfo=datetime.UTC)


@pytest.mark.parametrize(("language", "expected"), [("en", "07:05"), ("id", "07.05"), ("ar", "07:05")])
def test_a_time_of_day_has_the_mark_of_its_language(language, expected):
    with translation.override(language):
        assert formatting.format_time(datetime.time(7, 5)) == expected


def test_seconds_stand_behind_the_same_mark():
    with translation.override("id"):
        assert formatting.format_time(SEVEN_IN_JAKARTA, seconds=True) == "00.00.00"


def test_a_moment_in_bahasa_indonesia():
    with translation.override("id"):
        assert formatting.format_datetime(SEVEN_IN_JAKARTA) == "Selasa, 24 November 2026, 07.00 WIB"
        assert formatting.format_time_with_zone(SEVEN_IN_JAKARTA) == "07.00 WIB"
