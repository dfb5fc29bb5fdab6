"""Pace and breaker: how much may leave, by which route, and when nothing may."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.makers import NOW
from workers import pace
from workers.models import Route

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _routes(db):
    pace.register([("smtp-1", "smtp", 0), ("postmark-2", "postmark", 10)])


def after(seconds: float):
    return NOW + timedelta(seconds=seconds)


def test_a_route_without_a_limit_grants_all():
    assert pace.take(["smtp-1"], want=500, now=NOW) == pace.Grant("smtp-1", 500)


def test_a_limited_route_grants_four_seconds_and_then_waits_for_them():
    assert pace.take(["postmark-2"], want=500, now=NOW) == pace.Grant("postmark-2", 40, 0.1)
    assert pace.take(["postmark-2"], want=500, now=after(3.9)) is None
    assert pace.take(["postmark-2"], want=500, now=after(4.0)) == pace.Grant("postmark-2", 40, 0.1)


def test_what_was_not_sent_is_given_back():
    pace.take(["postmark-2"], want=500, now=NOW)

    pace.give_back("postmark-2", 30)

    assert pace.take(["postmark-2"], want=500, now=after(0.5)) is None
    assert pace.take(["postmark-2"], want=500, now=after(1.0)) is not None


def test_the_second_route_takes_over_when_the_first_is_open():
    assert pace.failed("smtp-1", error="no answer", now=NOW, at_once=True)

    assert pace.take(["smtp-1", "postmark-2"], want=500, now=NOW).route == "postmark-2"


def test_the_breaker_opens_at_the_third_failure_and_then_one_message_is_tried():
    assert [pace.failed("smtp-1", error="no answer", now=NOW) for _ in range(3)] == [False, False, True]

    assert pace.take(["smtp-1"], want=500, now=after(29)) is None
    assert not pace.usable(["smtp-1"], now=after(29))
    assert pace.take(["smtp-1"], want=500, now=after(31)) == pace.Grant("smtp-1", 1, is_probe=True)
    assert pace.take(["smtp-1"], want=500, now=after(32)) is None

    pace.went_well("smtp-1", limit=0)
    assert pace.take(["smtp-1"], want=500, now=after(33)) == pace.Grant("smtp-1", 500)


def test_each_failed_probe_waits_longer_up_to_ten_minutes():
    for _ in range(12):
        pace.failed("smtp-1", error="no answer", now=NOW)

    assert Route.objects.get(name="smtp-1").open_until == after(600)


def test_a_provider_that_wants_less_gets_half_and_slowly_more_again():
    pace.slow_down("smtp-1", sent_per_s=200, now=NOW)
    assert Route.objects.get(name="smtp-1").rate == 100

    pace.went_well("smtp-1", limit=0)
    assert Route.objects.get(name="smtp-1").rate == pytest.approx(110)


def test_growth_ends_at_the_operators_limit():
    pace.slow_down("postmark-2", sent_per_s=10, now=NOW)
    assert Route.objects.get(name="postmark-2").rate == 5

    for _ in range(20):
        pace.went_well("postmark-2", limit=10)

    assert Route.objects.get(name="postmark-2").rate == 10


def test_routes_that_left_mail_url_are_forgotten_and_new_limits_hold_at_once():
    pace.register([("smtp-1", "smtp", 5)])

    assert [(row.name, row.rate) for row in Route.objects.all()] == [("smtp-1", 5)]
