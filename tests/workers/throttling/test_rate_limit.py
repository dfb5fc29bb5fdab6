"""Rate limit and circuit breaker of routes."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.factories import NOW
from workers.models import Route
from workers.throttling import rate_limit

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _routes(db):
    rate_limit.register([("smtp-1", "smtp", 0), ("postmark-2", "postmark", 10)])


def after(seconds: float):
    return NOW + timedelta(seconds=seconds)


def test_a_route_without_a_limit_grants_all():
    assert rate_limit.acquire(["smtp-1"], want=500, now=NOW) == rate_limit.Grant("smtp-1", 500)


def test_a_limited_route_grants_four_seconds_and_then_waits_for_them():
    assert rate_limit.acquire(["postmark-2"], want=500, now=NOW) == rate_limit.Grant("postmark-2", 40, 0.1)
    assert rate_limit.acquire(["postmark-2"], want=500, now=after(3.9)) is None
    assert rate_limit.acquire(["postmark-2"], want=500, now=after(4.0)) == rate_limit.Grant("postmark-2", 40, 0.1)


def test_what_was_not_sent_is_given_back():
    rate_limit.acquire(["postmark-2"], want=500, now=NOW)

    rate_limit.return_tokens("postmark-2", 30)

    assert rate_limit.acquire(["postmark-2"], want=500, now=after(0.5)) is None
    assert rate_limit.acquire(["postmark-2"], want=500, now=after(1.0)) is not None


def test_the_second_route_takes_over_when_the_first_is_open():
    assert rate_limit.record_failure("smtp-1", error="no answer", now=NOW, at_once=True)

    assert rate_limit.acquire(["smtp-1", "postmark-2"], want=500, now=NOW).route == "postmark-2"


def test_the_breaker_opens_at_the_third_failure_and_then_one_message_is_tried():
    assert [rate_limit.record_failure("smtp-1", error="no answer", now=NOW) for _ in range(3)] == [False, False, True]

    assert rate_limit.acquire(["smtp-1"], want=500, now=after(29)) is None
    assert not rate_limit.is_any_usable(["smtp-1"], now=after(29))
    assert rate_limit.acquire(["smtp-1"], want=500, now=after(31)) == rate_limit.Grant("smtp-1", 1, is_probe=True)
    assert rate_limit.acquire(["smtp-1"], want=500, now=after(32)) is None

    rate_limit.record_success("smtp-1", limit=0)
    assert rate_limit.acquire(["smtp-1"], want=500, now=after(33)) == rate_limit.Grant("smtp-1", 500)


def test_each_failed_probe_waits_longer_up_to_ten_minutes():
    for _ in range(12):
        rate_limit.record_failure("smtp-1", error="no answer", now=NOW)

    assert Route.objects.get(name="smtp-1").open_until == after(600)


def test_a_provider_that_wants_less_gets_half_and_slowly_more_again():
    rate_limit.slow_down("smtp-1", sent_per_s=200, now=NOW)
    assert Route.objects.get(name="smtp-1").rate == 100

    rate_limit.record_success("smtp-1", limit=0)
    assert Route.objects.get(name="smtp-1").rate == pytest.approx(110)


def test_growth_ends_at_the_operators_limit():
    rate_limit.slow_down("postmark-2", sent_per_s=10, now=NOW)
    assert Route.objects.get(name="postmark-2").rate == 5

    for _ in range(20):
        rate_limit.record_success("postmark-2", limit=10)

    assert Route.objects.get(name="postmark-2").rate == 10


def test_routes_that_left_mail_url_are_forgotten_and_new_limits_hold_at_once():
    rate_limit.register([("smtp-1", "smtp", 5)])

    assert [(row.name, row.rate) for row in Route.objects.all()] == [("smtp-1", 5)]


# --- properties of the bucket under any order of events --------------------------------------------------------------

STEPS = st.lists(
    st.tuples(
        st.floats(0, 8),  # seconds until this worker acquires
        st.integers(1, 500),  # messages it wants
        st.floats(0, 1),  # share of them that it sends
        st.floats(-2, 2),  # error of its clock in seconds
    ),
    min_size=1,
    max_size=30,
)


@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rate=st.floats(0.3, 400), steps=STEPS)
def test_never_more_leaves_than_the_rate_and_one_advance_of_four_seconds(rate, steps):
    Route.objects.filter(name="postmark-2").update(rate=rate, tokens=0, refilled_at=None)
    sent, elapsed = [], 0.0

    for wait, want, part, off in steps:
        elapsed += wait
        grant = rate_limit.acquire(["postmark-2"], want=want, now=after(elapsed + off))
        if grant is None:
            continue
        assert 1 <= grant.most <= max(1, min(want, int(rate * 4)))
        used = round(grant.most * part)
        rate_limit.release_grant(grant, grant.most - used)
        sent.append((elapsed, used))
        assert Route.objects.get(name="postmark-2").tokens <= 0

    for start, _used in sent:
        for end, _ in sent:
            if end >= start:
                within = sum(used for moment, used in sent if start <= moment <= end)
                # Two clocks with errors of up to two seconds either way can count four seconds that have not passed.
                assert within <= rate * (end - start + 4) + max(1, rate * 4)


@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rate=st.floats(0.3, 400), waits=st.lists(st.floats(0, 8), min_size=1, max_size=30))
def test_with_one_clock_the_bound_is_exact_and_the_rate_is_reached(rate, waits):
    Route.objects.filter(name="postmark-2").update(rate=rate, tokens=0, refilled_at=None)
    sent, elapsed = 0, 0.0

    for wait in waits:
        elapsed += wait
        grant = rate_limit.acquire(["postmark-2"], want=10_000, now=after(elapsed))
        sent += grant.most if grant else 0
        assert sent <= rate * elapsed + max(1, rate * 4) + 1e-6

    if all(wait <= 4 for wait in waits):
        assert sent >= int(rate * 4)  # a worker that retries often enough is never refused forever


@given(owed=st.floats(0, 500), unused=st.integers(0, 1000))
@settings(max_examples=examples(30), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_giving_back_never_makes_a_credit(owed, unused):
    Route.objects.filter(name="postmark-2").update(tokens=-owed, refilled_at=NOW)

    rate_limit.return_tokens("postmark-2", unused)

    assert Route.objects.get(name="postmark-2").tokens == min(0.0, -owed + unused)


def test_a_clock_that_was_far_ahead_does_not_stop_the_route_for_good():
    Route.objects.filter(name="postmark-2").update(tokens=-40, refilled_at=after(86_400))

    assert rate_limit.acquire(["postmark-2"], want=500, now=NOW) is not None


def test_a_provider_that_names_a_time_gets_nothing_before_it():
    rate_limit.slow_down("smtp-1", sent_per_s=100, retry_after_s=30, now=NOW)

    assert rate_limit.acquire(["smtp-1"], want=500, now=after(29)) is None
    assert rate_limit.acquire(["smtp-1"], want=500, now=after(30)).most == 200


def test_a_probe_that_nobody_was_there_for_may_be_tried_at_once():
    rate_limit.record_failure("smtp-1", error="no answer", now=NOW, at_once=True)
    probe = rate_limit.acquire(["smtp-1"], want=500, now=after(31))

    rate_limit.release_grant(probe, 1)

    assert rate_limit.acquire(["smtp-1"], want=500, now=after(31)).is_probe


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer at a time; this is about several")
def test_several_workers_at_once_share_one_bucket():
    granted = []

    def work():
        try:
            for second in range(12):
                with transaction.atomic():
                    grant = rate_limit.acquire(["postmark-2"], want=500, now=after(second))
                if grant:
                    granted.append(grant.most)
                    rate_limit.return_tokens("postmark-2", 10)
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(granted) - 10 * len(granted) <= 10 * 11 + 40
    assert len(granted) >= 3


def test_a_clock_that_is_set_back_does_not_keep_the_breaker_open_for_hours():
    row = Route(name="smtp-1", kind="smtp", priority=0, open_until=NOW + timedelta(minutes=10))

    assert rate_limit.is_breaker_open(row, now=NOW)
    assert not rate_limit.is_breaker_open(row, now=NOW - timedelta(hours=2))
