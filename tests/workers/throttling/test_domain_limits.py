"""One slow mailbox provider: its readers wait in separate batches, and all others get the issue at full speed."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import timedelta
from itertools import count
from uuid import uuid4

import pytest
from django.db import connection
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from newsletter.models import IssueStatus
from subscribers.models import Subscription, SubscriptionStatus
from tests.examples import examples
from tests.factories import NOW, make_newsletter, make_reader
from tests.workers.sending_helpers import make_sending_issue
from workers import ledger
from workers.models import Batch, BatchStatus, Delivery, Lane, Outcome, Route
from workers.sending import lifecycle
from workers.throttling import domain_limits, rate_limit

pytestmark = pytest.mark.django_db

ROUTE = "smtp-1"


@pytest.fixture
def route():
    rate_limit.register([(ROUTE, "smtp", 0)])
    return ROUTE


def after(seconds: float):
    return NOW + timedelta(seconds=seconds)


def make_issue_for(*emails: str, **fields):
    newsletter = make_newsletter(**fields)
    people = [make_reader(newsletter, email=email) for email in emails]
    issue, _people = make_sending_issue(newsletter=newsletter, readers=0)
    return issue, people


def mixed(count: int):
    """Give every second reader a Gmail address."""
    return [f"reader{number}@{'gmail.com' if number % 2 else 'p.example'}" for number in range(count)]


def take(issue, *, now=NOW, **options):
    return ledger.claim(issue, worker="here:1:boot:spool", now=now, routes=[ROUTE], **options)


def record(claim, *, now=NOW, outcome="accepted", code="250"):
    ledger.record(claim, [ledger.LedgerEntry(reader, outcome, code) for reader in claim.ids], now=now)
    domain_limits.settle_claim(ROUTE, claim.limited, set(claim.ids), went_well=outcome == "accepted")


def slow(lane="gmail", *, now=NOW, rate=20.0, **fields):
    domain_limits.slow_down(
        ROUTE, domain_limits.SlowDownRequest(lane, rate, "421 4.7.28 unusual rate", **fields), now=now
    )


def planned(issue):
    """Return every planned reader, once per batch that contains the reader."""
    batches = Batch.objects.filter(issue=issue, is_retry=False)
    return Counter(reader for batch in batches for reader in ledger.unpack(batch.reader_ids))


def assert_each_is_planned_once(issue, people):
    assert planned(issue) == Counter(reader.pk for reader in people)
    told = ledger.count_deliveries(issue)
    assert told.is_consistent
    assert told.audience == len(people)


# --- claims ----------------------------------------------------------------------------------------------------------


def test_s46_a_slowed_service_waits_and_the_others_go_on(route):
    issue, people = make_issue_for(*mixed(6))
    slow()

    claim = take(issue)

    assert claim.ids == tuple(reader.pk for reader in people[::2])
    held = Batch.objects.get(lane="gmail")
    assert list(ledger.unpack(held.reader_ids)) == [reader.pk for reader in people[1::2]]
    assert (held.status, held.due_at) == (BatchStatus.WAITING, after(60))
    assert_each_is_planned_once(issue, people)
    record(claim)
    assert take(issue, now=after(59)) is None
    assert not ledger.finish(issue, now=after(59))


def test_the_held_follow_when_their_time_has_come_and_the_issue_ends(route):
    issue, people = make_issue_for(*mixed(6))
    slow()
    record(take(issue))

    claim = take(issue, now=after(60))
    assert claim.ids == tuple(reader.pk for reader in people[1::2])
    assert set(claim.limited.values()) == {"gmail"}
    record(claim, now=after(61))

    assert_each_is_planned_once(issue, people)
    assert ledger.count_deliveries(issue).accepted == 6
    assert ledger.finish(issue, now=after(61))


def test_a_batch_of_the_held_alone_waits_as_it_is(route):
    issue, people = make_issue_for("siti@gmail.com", "budi@gmail.com")
    slow()

    assert take(issue) is None

    batch = Batch.objects.get()
    assert (batch.lane, batch.due_at, batch.status) == ("gmail", after(60), BatchStatus.WAITING)
    assert_each_is_planned_once(issue, people)


def test_two_slow_services_wait_apart(route):
    issue, people = make_issue_for("a@gmail.com", "b@yahoo.com", "c@gmail.com", "d@yahoo.co.id")
    slow("gmail")
    slow("yahoo", retry_after_s=300)

    assert take(issue) is None

    waits = {batch.lane: (batch.size, batch.due_at) for batch in Batch.objects.all()}
    assert waits == {"gmail": (2, after(60)), "yahoo": (2, after(300))}
    assert_each_is_planned_once(issue, people)


def test_after_a_hold_a_few_are_tried_and_then_the_lane_keeps_its_rate(route):
    issue, people = make_issue_for(*(f"reader{number}@gmail.com" for number in range(80)))
    slow(rate=20.0)

    claim = take(issue, now=after(60))
    assert len(claim.ids) == domain_limits.TRIAL_MESSAGES
    record(claim, now=after(60))
    assert take(issue, now=after(60.5)) is None  # ten messages at ten a second
    claim = take(issue, now=after(62))
    assert len(claim.ids) == 44  # four seconds at eleven a second
    assert_each_is_planned_once(issue, people)


def test_all_batches_of_a_lane_wait_together_for_its_next_opening(route):
    issue, _people = make_issue_for(*(f"reader{number}@gmail.com" for number in range(40)))
    for _ in range(4):
        claim = take(issue, most=10)
        ledger.record(claim, [], now=NOW)  # stopped before the first message: four batches of ten
    slow()
    Batch.objects.update(lane="gmail", due_at=after(60))
    record(take(issue, now=after(60)), now=after(60))

    assert take(issue, now=after(60.5)) is None

    assert set(Batch.objects.filter(status=BatchStatus.WAITING).values_list("due_at", flat=True)) == {after(61.5)}


def test_a_reader_who_leaves_while_held_is_skipped(route):
    issue, (siti, budi) = make_issue_for("siti@gmail.com", "budi@p.example")
    slow()
    record(take(issue))
    Subscription.objects.filter(pk=siti.pk).update(status=SubscriptionStatus.UNSUBSCRIBED)

    assert take(issue, now=after(60)) is None

    assert Delivery.objects.get(subscription=siti.pk).outcome == Outcome.SKIPPED
    assert Delivery.objects.get(subscription=budi.pk).outcome == Outcome.ACCEPTED
    assert_each_is_planned_once(issue, [siti, budi])


def test_a_deferred_reader_waits_for_the_lane_too(route):
    issue, (siti,) = make_issue_for("siti@gmail.com")
    record(take(issue), outcome="deferred", code="450")
    slow(now=after(299))
    ledger.plan_retries(now=after(300))

    assert take(issue, now=after(300)) is None
    claim = take(issue, now=after(359))

    assert claim.ids == (siti.pk,)
    record(claim, now=after(359))
    assert ledger.count_deliveries(issue).accepted == 1


def test_the_held_of_the_first_small_batch_do_not_hold_up_the_rest(route):
    issue, people = make_issue_for(*mixed(8), first_batch=4)
    slow()

    first = take(issue)
    record(first)
    rest = take(issue)

    assert (first.ids, rest.ids) == ((people[0].pk, people[2].pk), (people[4].pk, people[6].pk))


def test_without_a_slow_service_a_claim_asks_for_no_domains(route, django_assert_num_queries):
    issue, _people = make_issue_for(*mixed(6))
    Lane.objects.create(route=Route.objects.get(), name="gmail", rate=1, ceiling=1, slowed_at=NOW)
    slowed_queries = _queries_of_a_claim(issue)
    Lane.objects.all().delete()

    assert slowed_queries - _queries_of_a_claim(issue) >= 2


def _queries_of_a_claim(issue) -> int:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as queries:
        claim = take(issue)
    ledger.record(claim, [], now=NOW)
    return len(queries)


# --- growth and removal of a limit -----------------------------------------------------------------------------------


def test_each_wish_after_a_hold_halves_the_rate_and_holds_twice_as_long(route):
    slow(rate=20)
    slow(now=after(30), rate=20)  # an answer to a message that was in flight already
    assert (Lane.objects.get().rate, Lane.objects.get().held_until) == (10, after(60))

    slow(now=after(61), rate=10)

    assert (Lane.objects.get().rate, Lane.objects.get().held_until) == (5, after(61 + 120))


def test_a_hold_is_never_longer_than_half_an_hour_unless_nothing_else_helps(route):
    for hour in range(10):
        slow(now=after(hour * 3600), retry_after_s=4000)

    assert Lane.objects.get().held_until == after(9 * 3600 + 1800)


def test_a_lane_goes_a_tenth_faster_after_each_good_claim_and_vanishes_when_free(route):
    slow(rate=20)
    readers = {7: "gmail"}

    domain_limits.settle_claim(ROUTE, readers, {7}, went_well=True)
    assert Lane.objects.get().rate == pytest.approx(11)
    domain_limits.settle_claim(ROUTE, readers, {7}, went_well=False)
    assert Lane.objects.get().rate == pytest.approx(11)
    for _ in range(14):
        domain_limits.settle_claim(ROUTE, readers, {7}, went_well=True)

    assert not Lane.objects.exists()


def test_what_a_lane_granted_and_was_not_sent_is_given_back(route):
    issue, _people = make_issue_for(*(f"reader{number}@gmail.com" for number in range(30)))
    slow(rate=20)
    claim = take(issue, now=after(60))
    assert Lane.objects.get().tokens == -10

    domain_limits.settle_claim(ROUTE, claim.limited, set(claim.ids[:4]), went_well=False)

    assert Lane.objects.get().tokens == -4


def test_a_lane_that_nobody_complained_about_for_a_day_is_forgotten(route):
    issue, people = make_issue_for(*mixed(4))
    slow(now=NOW - timedelta(days=2))

    assert len(take(issue).ids) == len(people)
    assert not Lane.objects.exists()


def test_many_services_at_once_and_nothing_taken_slow_the_route(route):
    for domain in ("a.example", "b.example"):
        slow(domain, none_accepted=True)
    assert Route.objects.get().rate == 0

    slow("c.example", none_accepted=True)

    assert Route.objects.get().rate == 10


def test_no_log_names_the_domain_of_a_reader(route, caplog):
    slow("siti-wulandari.example")

    assert "siti" not in caplog.text
    assert caplog.records[-1].group == "other"


# --- a whole send ----------------------------------------------------------------------------------------------------


def test_s46_one_domain_defers_and_the_others_finish(sink):
    emails = [f"reader{number}@{'slow.example' if number % 10 == 3 else 'p.example'}" for number in range(60)]
    issue, _people = make_issue_for(*emails)
    sink.on_rcpt = lambda address: "451 4.7.1 too many messages" if address.endswith("slow.example") else None

    lifecycle.send(issue.pk)

    told = ledger.count_deliveries(issue)
    assert (told.accepted, told.deferred, told.waiting) == (54, 1, 5)
    assert Route.objects.get().rate == 0
    assert Lane.objects.get().name == "slow.example"
    issue.refresh_from_db()
    assert issue.status == IssueStatus.SENDING
    assert lifecycle.dispatch(now=timezone.now()) == []


def test_an_answer_to_mail_from_slows_the_route_and_no_lane(sink):
    issue, _people = make_issue_for("siti@gmail.com", "budi@p.example")
    sink.on_mail = lambda _sender: "450 4.7.0 slow down, all of you"

    lifecycle.send(issue.pk)

    assert not Lane.objects.exists()
    assert Route.objects.get().rate > 0


# --- properties under any order of events ----------------------------------------------------------------------------

SERVICES = ("gmail.com", "yahoo.co.id", "a.example", "b.example")
MOVES = st.lists(
    st.one_of(
        st.tuples(st.just("claim"), st.integers(1, 40), st.sampled_from(["accepted", "deferred", "nothing", "half"])),
        st.tuples(st.just("slow"), st.sampled_from(["gmail", "yahoo", "a.example"]), st.floats(0.5, 60)),
        st.tuples(st.just("wait"), st.floats(0.5, 400), st.none()),
    ),
    max_size=25,
)


@settings(max_examples=examples(25), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(moves=MOVES, services=st.lists(st.sampled_from(SERVICES), min_size=1, max_size=30))
def test_nobody_is_ever_in_two_batches_and_everybody_gets_it_in_the_end(route, moves, services):
    Lane.objects.all().delete()
    issue, people = make_issue_for(*(f"r{uuid4()}@{service}" for service in services), first_batch=3)
    elapsed = 0.0

    for move, argument, how in moves:
        if move == "wait":
            elapsed += argument
            ledger.plan_retries(now=after(elapsed))
        elif move == "slow":
            slow(argument, now=after(elapsed), rate=how)
        elif claim := take(issue, now=after(elapsed), most=argument):
            assert list(claim.ids) == sorted(claim.ids)
            told = {"nothing": [], "half": claim.ids[: len(claim.ids) // 2]}.get(how, claim.ids)
            outcome = "deferred" if how == "deferred" else "accepted"
            ledger.record(claim, [ledger.LedgerEntry(reader, outcome, "450") for reader in told], now=after(elapsed))
            domain_limits.settle_claim(ROUTE, claim.limited, set(told), went_well=outcome == "accepted")
        assert_each_is_planned_once(issue, people)

    for _ in range(400):
        elapsed += 300
        ledger.plan_retries(now=after(elapsed))
        while claim := take(issue, now=after(elapsed)):
            record(claim, now=after(elapsed))
        if ledger.finish(issue, now=after(elapsed)):
            break
    assert_each_is_planned_once(issue, people)
    told = ledger.count_deliveries(issue)
    assert (told.accepted + told.refused, told.waiting, told.deferred) == (len(people), 0, 0)


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer at a time; this is about several")
def test_several_workers_hold_back_at_once_and_nobody_is_lost_or_doubled(route):
    issue, people = make_issue_for(*mixed(200), first_batch=20)
    slow(rate=400.0, now=NOW - timedelta(seconds=55))
    seen, clock = Counter(), count()

    def work(name: str) -> None:
        try:
            for _ in range(40):
                now = after(next(clock) * 0.5)
                claim = ledger.claim(issue, worker=name, now=now, routes=[ROUTE], most=25)
                if claim:
                    seen.update(claim.ids)
                    record(claim, now=now)
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(f"w{number}:1:boot:spool",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert seen == Counter(reader.pk for reader in people)
    assert_each_is_planned_once(issue, people)
    assert ledger.count_deliveries(issue).accepted == 200
