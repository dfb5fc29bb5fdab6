"""One call a reader: each answer of a provider counts for its reader alone, a few are under way at once."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from datetime import timedelta
from itertools import count

import pytest
from django.utils import timezone

from newsletter.models import IssueStatus
from subscribers import tokens
from subscribers.models import Subscriber, Subscription, SubscriptionStatus
from tests.workers.provider_api_servers import ONE_BY_ONE, one_by_one, one_by_one_url
from tests.workers.sending_helpers import equation, make_sending_issue
from workers import ledger, routes
from workers.models import Delivery, Outcome
from workers.routes import anymail_single, base
from workers.sending import lifecycle

pytestmark = pytest.mark.django_db


@contextmanager
def provider(settings, kind, options=""):
    with one_by_one(kind) as api:
        settings.MAIL_ROUTES = [one_by_one_url(kind, api, options)]
        yield api
        routes.first().close()


@pytest.fixture
def at_once(monkeypatch):
    """Repeat a call without an answer without waiting."""
    monkeypatch.setattr(anymail_single, "RETRY_DELAYS_S", (0.0, 0.0))


def nth(n, answer):
    """This answer for the n-th call, and the usual one for the others."""
    calls = iter(range(1, 1000))
    return lambda _call: answer if next(calls) == n else None


@pytest.mark.parametrize("kind", sorted(ONE_BY_ONE))
def test_every_reader_gets_a_copy_of_their_own(settings, kind):
    with provider(settings, kind) as api:
        issue, people = make_sending_issue(readers=9)
        assert lifecycle.send(issue.pk) == 9

    assert sorted(api.recipients) == sorted(reader.subscriber.email for reader in people)
    by_email = {copy.to: copy for copy in api.copies}
    for reader in people:
        header = by_email[reader.subscriber.email].headers["List-Unsubscribe"]
        assert tokens.read_unsubscribe(header.split("/u/")[1].split("/")[0]) == (reader.pk, issue.pk)
    assert Delivery.objects.values("provider_id").distinct().count() == 9
    assert 2 <= len(api.connections) <= 4


INACTIVE = {
    "ErrorCode": 406,
    "Message": "You tried to send to a recipient that has been marked as inactive.\n"
    "Found inactive addresses: {}.\nInactive recipients are ones that have generated a hard bounce.",
}


@pytest.mark.parametrize(
    ("kind", "answer", "told"),
    [
        ("postmark", (422, INACTIVE), (2, 1, 0, 0, 0, 0)),
        ("postmark", (422, {"ErrorCode": 300, "Message": "Invalid 'To' address: '{}'."}), (2, 1, 0, 0, 0, 0)),
        ("postmark", (422, {"ErrorCode": 405, "Message": "Not allowed to send."}), (1, 0, 0, 0, 0, 2)),
        ("postmark", (429, {"ErrorCode": 429, "Message": "Too many"}), (1, 0, 1, 0, 0, 1)),
        ("postmark", (500, {"Message": "Internal"}), (1, 0, 0, 0, 1, 1)),
        ("postmark", "cut", (1, 0, 0, 0, 1, 1)),
        ("postmark", "reset", (1, 0, 0, 0, 1, 1)),
        ("resend", (422, {"name": "validation_error", "message": "Invalid `to` field."}), (2, 1, 0, 0, 0, 0)),
        ("resend", (422, {"name": "validation_error", "message": "Invalid `from` field."}), (1, 0, 0, 0, 0, 2)),
        ("resend", (422, {"name": "quota", "message": "Recipient limit exceeded."}), (1, 0, 0, 0, 0, 2)),
        ("resend", (422, {"name": "missing_required_field", "message": "What?"}), (2, 0, 1, 0, 0, 0)),
        ("brevo", (201, {}), (1, 0, 0, 0, 1, 1)),
        ("brevo", (201, {"messageIds": []}), (2, 0, 0, 0, 1, 0)),
        ("brevo", (400, {"code": "invalid_parameter", "message": "email is not valid in to"}), (2, 1, 0, 0, 0, 0)),
        ("mandrill", (200, [{"email": "{}", "status": "rejected", "_id": "x"}]), (2, 1, 0, 0, 0, 0)),
        ("mandrill", (500, {"status": "error", "name": "Invalid_Key", "message": "Invalid"}), (1, 0, 0, 0, 0, 2)),
        ("mandrill", (500, {"status": "error", "name": "GeneralError", "message": "?"}), (1, 0, 0, 0, 1, 1)),
    ],
)
def test_s64_the_answer_for_the_second_of_three_counts_for_that_reader(settings, at_once, kind, answer, told):
    with provider(settings, kind, "&threads=1") as api:
        issue, people = make_sending_issue(readers=3)
        if isinstance(answer, tuple):
            answer = (answer[0], _for(answer[1], people[1].subscriber.email))
        api.answer = nth(2, answer)
        send_one_claim(issue)

    assert equation(issue) == told
    assert not Delivery.objects.filter(detail__contains="@").exists()
    if told[0] < 3:
        got = set(Delivery.objects.filter(outcome=Outcome.ACCEPTED).values_list("subscription", flat=True))
        assert people[1].pk not in got


def send_one_claim(issue):
    goes_on = iter([False])
    lifecycle.send(issue.pk, is_stopping=lambda: next(goes_on, True))


def _for(said, email):
    if isinstance(said, list):
        return [_for(one, email) for one in said]
    return {key: value.replace("{}", email) if isinstance(value, str) else value for key, value in said.items()}


def test_postmark_is_asked_for_each_uncertain_reader(settings):
    with provider(settings, "postmark", "&threads=1") as api:
        issue, people = make_sending_issue(readers=2)
        api.answer = nth(1, "cut")
        send_one_claim(issue)
        assert [row.subscription for row in ledger.uncertain_deliveries(issue)] == [people[0].pk]
        lifecycle.recover(now=timezone.now() + timedelta(seconds=15))

    assert len(api.looks) == 1
    assert equation(issue) == (1, 0, 0, 0, 0, 1)


def test_a_provider_without_metadata_gets_the_token_as_its_only_tag(settings):
    with provider(settings, "mailersend") as api:
        issue, people = make_sending_issue(readers=1)
        lifecycle.send(issue.pk)

    assert [tokens.read_event_token(tag) for tag in api.copies[0].tags] == [(issue.pk, people[0].pk)]


@pytest.mark.parametrize("kind", ["mailersend", "mandrill", "postmark"])
def test_no_provider_counts_opens_or_rewrites_links(settings, kind):
    with provider(settings, kind) as api:
        issue, _people = make_sending_issue(readers=1)
        lifecycle.send(issue.pk)

    said = api.calls[0].json
    told = {
        "mailersend": lambda: said["settings"],
        "mandrill": lambda: {key: said["message"][key] for key in ("track_clicks", "track_opens")},
        "postmark": lambda: {"clicks": said["TrackLinks"] != "None", "opens": said["TrackOpens"]},
    }[kind]()
    assert set(told.values()) == {False}


# --- a few at once ---------------------------------------------------------------------------------------------------


def test_a_slow_provider_has_as_many_calls_under_way_as_allowed(settings):
    with provider(settings, "postmark", "&threads=6") as api:
        issue, _people = make_sending_issue(readers=18)
        here, most, lock, many = [0], [0], threading.Lock(), threading.Event()

        def slow(call):
            with lock:
                here[0] += 1
                most[0] = max(most[0], here[0])
                if here[0] == 4:
                    many.set()
            many.wait(10)
            with lock:
                here[0] -= 1

        api.before = slow
        assert lifecycle.send(issue.pk) == 18

    assert 4 <= most[0] <= 6


def test_t64_a_sender_that_dies_names_no_more_readers_than_were_under_way(settings, monkeypatch):
    with provider(settings, "brevo", "&threads=3") as api:
        issue, people = make_sending_issue(readers=12)
        answered = lifecycle.claim_sender.ClaimSender._record_result

        def die_after_four(self, *args):
            if len(self.entries) == 4:
                raise KeyboardInterrupt
            answered(self, *args)

        monkeypatch.setattr(lifecycle.claim_sender.ClaimSender, "_record_result", die_after_four)
        with pytest.raises(KeyboardInterrupt):
            lifecycle.send(issue.pk)
        routes.first().close()
        monkeypatch.setattr(lifecycle.claim_sender.ClaimSender, "_record_result", answered)
        reached = len(api.copies)
        assert lifecycle.settle_orphaned(now=timezone.now()) == 3
        lifecycle.send(issue.pk)

    assert 4 < reached <= 7
    assert sorted(api.recipients) == sorted(set(api.recipients))
    assert set(api.recipients) | {
        reader.subscriber.email
        for reader in people
        if reader.pk in {row.subscription for row in ledger.uncertain_deliveries(issue)}
    } == {reader.subscriber.email for reader in people}
    assert equation(issue) == (9, 0, 0, 0, 3, 0)


@pytest.mark.parametrize("where", ["answer", "begin"])
def test_an_error_after_a_letter_left_makes_its_reader_uncertain_and_sends_no_second(settings, monkeypatch, where):
    """The others under way are still heard, and the one that was lost sight of is not called unsent."""
    with provider(settings, "brevo", "&threads=3") as api:
        issue, people = make_sending_issue(readers=6)
        route, calls = routes.first(), count(1)
        place, name = (lifecycle.claim_sender.ClaimSender, "_record_result") if where == "answer" else (route, "begin")
        real = getattr(place, name)

        def fail_once(*args, **options):
            if next(calls) != 2:
                return real(*args, **options)
            if where == "begin":
                real(*args, **options)
            raise KeyboardInterrupt

        monkeypatch.setattr(place, name, fail_once)
        with pytest.raises(KeyboardInterrupt):
            lifecycle.send(issue.pk)
        route.close()
        reached = set(api.recipients)
        settled = lifecycle.settle_orphaned(now=timezone.now())
        told = {row.subscription for row in Delivery.objects.all()}
        lifecycle.send(issue.pk)

    assert settled >= 1
    assert reached <= {reader.subscriber.email for reader in people if reader.pk in told}
    assert sorted(api.recipients) == sorted(set(api.recipients))


def test_one_that_cannot_leave_stops_the_next_ones_and_not_the_others(settings):
    with provider(settings, "postmark", "&threads=3") as api:
        issue, _people = make_sending_issue(readers=30)
        api.answer = nth(2, (401, {"ErrorCode": 10, "Message": "Bad token"}))
        lifecycle.send(issue.pk)

    told = equation(issue)
    assert told == (len(api.copies), 0, 0, 0, 0, 30 - len(api.copies))
    assert len(api.copies) < 20
    issue.refresh_from_db()
    assert issue.status == IssueStatus.PAUSED


# --- keys ------------------------------------------------------------------------------------------------------------


def test_a_call_without_an_answer_is_repeated_under_its_key_and_nobody_gets_two(settings, at_once):
    with provider(settings, "resend", "&threads=1") as api:
        issue, _people = make_sending_issue(readers=3)
        api.answer = nth(2, "cut")
        assert lifecycle.send(issue.pk) == 3

    assert len(api.calls) == 4
    assert len(api.copies) == 3
    assert equation(issue) == (3, 0, 0, 0, 0, 0)


def test_a_repeated_call_that_is_put_off_leaves_the_first_uncertain(settings, at_once):
    with provider(settings, "resend", "&threads=1") as api:
        issue, _people = make_sending_issue(readers=1)
        answers = iter(["cut", (429, {"name": "rate_limit_exceeded", "message": "Too many requests"})])
        api.answer = lambda _call: next(answers)
        send_one_claim(issue)

    assert len(api.calls) == 2
    assert equation(issue) == (0, 0, 0, 0, 1, 0)


def test_a_provider_who_let_us_wait_is_not_asked_again_at_once(settings, at_once, monkeypatch):
    with provider(settings, "resend", "&threads=1") as api:
        issue, _people = make_sending_issue(readers=1)
        real = base.boottime
        monkeypatch.setattr(base, "boottime", lambda: real() + 21 * len(api.calls))
        api.answer = lambda _call: "cut"
        send_one_claim(issue)

    assert len(api.calls) == 1
    assert equation(issue) == (0, 0, 0, 0, 1, 0)


def test_s64_an_answer_with_errors_instead_of_an_id_is_no_acceptance(settings, at_once):
    with provider(settings, "resend") as api:
        issue, _people = make_sending_issue(readers=3)
        api.answer = lambda _call: (200, {"data": [], "errors": [{"index": 0, "message": "no"}]})
        lifecycle.send(issue.pk)

    assert equation(issue) == (0, 0, 0, 0, 3, 0)


def unanswered(api, issue):
    """All calls of the issue go unanswered. It began just now, whatever day it is: keys last for hours only."""
    type(issue).objects.filter(pk=issue.pk).update(started_at=timezone.now())
    lifecycle.send(issue.pk)
    api.answer = lambda _call: None
    return ledger.uncertain_deliveries(issue)


@pytest.mark.parametrize(("answer", "copies_then"), [("cut", 1), ("reset", 0)])
def test_s64_whether_it_arrived_or_not_asking_again_under_the_key_ends_with_one_copy(
    settings, at_once, answer, copies_then
):
    with provider(settings, "resend", "&threads=1") as api:
        issue, _people = make_sending_issue(readers=1)
        api.answer = lambda _call: answer
        assert len(unanswered(api, issue)) == 1
        assert len(api.copies) == copies_then

        lifecycle.recover(now=timezone.now() + timedelta(seconds=15))

    assert len(api.copies) == 1
    assert equation(issue) == (1, 0, 0, 0, 0, 0)


def test_another_text_under_a_known_key_says_that_the_first_arrived(settings, at_once):
    with provider(settings, "resend", "&threads=1") as api:
        issue, people = make_sending_issue(readers=1)
        api.answer = lambda _call: "cut"
        unanswered(api, issue)
        Subscriber.objects.filter(pk=people[0].subscriber_id).update(name="Siti Baru")

        lifecycle.recover(now=timezone.now() + timedelta(seconds=15))

    assert len(api.copies) == 1
    assert equation(issue) == (1, 0, 0, 0, 0, 0)


@pytest.mark.parametrize("why", ["left", "paused", "late"])
def test_nobody_is_asked_for_by_repeating_who_may_not_get_it_any_more(settings, at_once, why):
    with provider(settings, "resend", "&threads=1") as api:
        issue, people = make_sending_issue(readers=2)
        api.answer = lambda _call: "reset"
        unanswered(api, issue)
        calls, now = len(api.calls), timezone.now() + timedelta(seconds=15)
        if why == "left":
            Subscription.objects.filter(pk__in=[reader.pk for reader in people]).update(
                status=SubscriptionStatus.UNSUBSCRIBED
            )
        if why == "paused":
            type(issue).objects.filter(pk=issue.pk).update(status=IssueStatus.PAUSED)
        if why == "late":
            type(issue).objects.filter(pk=issue.pk).update(started_at=now - timedelta(hours=21))

        lifecycle.recover(now=now)

    assert len(api.calls) == calls
    assert api.copies == []
