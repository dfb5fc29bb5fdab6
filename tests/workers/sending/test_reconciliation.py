"""Uncertain messages are looked up at the provider, and no reader gets a second message because of it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from django.utils.module_loading import import_string

from newsletter.models import Issue
from tests.factories import make_editor
from tests.workers.provider_api_servers import (
    cutting,
    mailgun,
    mailgun_url,
    mailjet,
    mailjet_url,
    one_by_one,
    one_by_one_url,
)
from tests.workers.sending_helpers import equation, make_sending_issue
from workers import ledger, routes
from workers.ledger import look_ups
from workers.models import Delivery, Outcome
from workers.providers import PROVIDERS, can_look_up, is_idempotent, makes_message_ids
from workers.routes import anymail_single, message_lookup
from workers.sending import lifecycle, reconciliation

pytestmark = pytest.mark.django_db


@pytest.fixture
def api(settings):
    with mailgun() as server:
        settings.MAIL_ROUTES = [mailgun_url(server, "&batch=10")]
        yield server
        routes.first().close()


def pass_time(issue, seconds):
    """Call `recover` every 15 seconds of simulated time, as the tick does."""
    begun = timezone.now()
    return sum(lifecycle.recover(now=begun + timedelta(seconds=s)) for s in range(0, seconds + 1, 15))


def test_s64_a_route_cut_after_acceptance_doubles_nobody_names_all_and_settles_them(api, settings):
    cut = iter([False, True, False, True])
    with cutting(api.port, lambda: next(cut, False)) as port:
        settings.MAIL_ROUTES = [mailgun_url(api, "&batch=10").replace(str(api.port), str(port))]
        issue, people = make_sending_issue(readers=60)
        for _wakening in range(6):
            lifecycle.send(issue.pk)

        named = {row.subscription for row in ledger.uncertain_deliveries(issue)}
        assert len(named) == 20
        assert sorted(api.recipients) == sorted(reader.subscriber.email for reader in people)
        late, api.events[:] = api.events[10:20], api.events[:10] + api.events[20:]
        pass_time(issue, 60)
        assert equation(issue) == (50, 0, 0, 0, 10, 0)
        api.events += late
        pass_time(issue, 540)

        assert equation(issue) == (60, 0, 0, 0, 0, 0)
        assert len(api.copies) == 60
        routes.first().close()


def test_readers_of_a_sender_that_died_are_asked_for_too(api, monkeypatch):
    issue, _people = make_sending_issue(readers=10)
    answered = lifecycle.claim_sender.ClaimSender._record_result

    def die(*_args):
        raise KeyboardInterrupt

    monkeypatch.setattr(lifecycle.claim_sender.ClaimSender, "_record_result", die)
    with pytest.raises(KeyboardInterrupt):
        lifecycle.send(issue.pk)
    monkeypatch.setattr(lifecycle.claim_sender.ClaimSender, "_record_result", answered)
    assert lifecycle.settle_orphaned(now=timezone.now()) == 10

    pass_time(issue, 15)

    assert equation(issue) == (10, 0, 0, 0, 0, 0)


def test_what_a_provider_has_no_trace_of_is_told_and_never_sent_again_by_itself(api):
    issue, _people = make_sending_issue(readers=3)
    api.answer = lambda _call: "reset"
    lifecycle.send(issue.pk)
    api.answer = lambda _call: None

    pass_time(issue, 600)
    assert not Delivery.objects.filter(detail=reconciliation.NO_TRACE).exists()
    pass_time(issue, 1830)
    lifecycle.send(issue.pk)

    assert Delivery.objects.filter(detail=reconciliation.NO_TRACE, outcome=Outcome.UNCERTAIN).count() == 3
    assert equation(issue) == (0, 0, 0, 0, 3, 0)
    assert api.copies == []


def test_a_provider_is_asked_only_now_and_then(api):
    issue, _people = make_sending_issue(readers=3)
    api.answer = lambda _call: "reset"
    lifecycle.send(issue.pk)

    pass_time(issue, 3600)

    assert len(api.looks) == 7


def test_a_token_that_is_not_ours_settles_nobody(api):
    issue, _people = make_sending_issue(readers=3)
    api.answer = lambda _call: "cut"
    lifecycle.send(issue.pk)
    for event in api.events:
        event["user-variables"] = {"warta": "forged"}

    pass_time(issue, 60)

    assert equation(issue) == (0, 0, 0, 0, 3, 0)


def test_a_provider_that_cannot_be_asked_is_asked_again_later(api):
    issue, _people = make_sending_issue(readers=3)
    api.answer = lambda _call: "cut"
    lifecycle.send(issue.pk)
    tell, api.look = api.look, lambda _api, _call: (503, {})
    assert pass_time(issue, 30) == 0

    api.look = tell
    pass_time(issue, 15)

    assert equation(issue) == (3, 0, 0, 0, 0, 0)


def test_an_odd_answer_keeps_no_other_question_waiting(api, monkeypatch):
    odd, _people = make_sending_issue(readers=3)
    plain, _people = make_sending_issue(readers=3)
    api.answer = lambda _call: "cut"
    lifecycle.send(odd.pk)
    lifecycle.send(plain.pk)
    Delivery.objects.filter(issue=odd).update(sent_at=timezone.now() - timedelta(seconds=5))
    usual = api.look

    def look(server, call):
        return (200, {"items": [{"user-variables": "not foreseen"}]}) if len(api.looks) == 1 else usual(server, call)

    api.look = look
    pass_time(odd, 15)

    assert equation(plain) == (3, 0, 0, 0, 0, 0)
    assert Issue.objects.get(pk=plain.pk).status == "sent"
    pass_time(odd, 45)
    assert equation(odd) == (3, 0, 0, 0, 0, 0)


def test_whom_an_editor_sends_to_again_is_not_asked_for(api):
    issue, people = make_sending_issue(readers=1)
    api.answer = lambda _call: "cut"
    lifecycle.send(issue.pk)
    lifecycle.resend(issue, [people[0].pk], editor=make_editor(), now=timezone.now())

    pass_time(issue, 30)

    assert api.looks == []


def test_long_lists_of_events_are_read_page_by_page(api, monkeypatch):
    monkeypatch.setattr(message_lookup, "PAGE_SIZE", 4)
    issue, _people = make_sending_issue(readers=10)
    api.answer = lambda _call: "cut"
    lifecycle.send(issue.pk)

    pass_time(issue, 15)

    assert len(api.looks) == 3
    assert equation(issue) == (10, 0, 0, 0, 0, 0)


def test_the_progress_page_says_what_is_known_of_each(api, client):
    issue, _people = make_sending_issue(readers=2)
    api.answer = lambda _call: "reset"
    lifecycle.send(issue.pk)
    client.force_login(make_editor(issue.newsletter))
    page = reverse("issue-progress", args=[issue.pk])
    before = client.get(page).content.decode()
    pass_time(issue, 1830)
    after = client.get(page).content.decode()

    assert before.count("The email provider is queried from time to time.") == 2
    assert "and see it twice" in before
    assert after.count("The email provider has no record of it.") == 2


def test_another_account_of_the_provider_is_never_asked_nor_sent_by(settings, monkeypatch):
    monkeypatch.setattr(anymail_single, "RETRY_DELAYS_S", ())
    with one_by_one("resend") as other, one_by_one("resend") as ours:
        url = one_by_one_url("resend", ours).replace("key@", "ours@")
        settings.MAIL_ROUTES = [url]
        issue, _people = make_sending_issue(readers=2)
        Issue.objects.filter(pk=issue.pk).update(started_at=timezone.now())  # idempotency keys expire after hours
        ours.answer = lambda _call: "cut"
        lifecycle.send(issue.pk)
        ours.answer = lambda _call: None

        settings.MAIL_ROUTES = [one_by_one_url("resend", other)]
        pass_time(issue, 60)
        assert equation(issue) == (0, 0, 0, 0, 2, 0)
        assert {reconciliation.describe_look_up(row) for row in Delivery.objects.all()} == {""}
        settings.MAIL_ROUTES = [one_by_one_url("resend", other), url]
        pass_time(issue, 60)

        assert equation(issue) == (2, 0, 0, 0, 0, 0)
        assert other.calls == []
        assert len(ours.copies) == 2
        for route in routes.configured():
            route.close()


def test_an_account_is_known_by_a_digest_that_gives_no_key_away(settings):
    first = routes.from_url("resend-1", "resend://re_first@")

    assert first.account == routes.from_url("resend-4", "resend://re_first@?threads=2").account
    assert first.account != routes.from_url("resend-1", "resend://re_second@").account
    digest = first.account
    settings.SECRET_KEY = "x" * 50
    assert routes.from_url("resend-1", "resend://re_first@").account != digest


def test_a_long_list_is_asked_for_only_as_long_as_there_is_time(settings):
    with mailjet() as api:
        settings.MAIL_ROUTES = [mailjet_url(api)]
        route = routes.first()

        trace = route.look_up("", ["a", "b", "c"], since=timezone.now(), until=0.0)

        assert len(api.looks) == 1
        assert not trace.is_complete
        route.close()


def test_every_kind_that_can_be_asked_has_a_way_to_ask():
    assert {kind for kind in PROVIDERS if can_look_up(kind)} == {"mailgun", "mailjet", "postmark", "resend"}
    assert {kind for kind in PROVIDERS if is_idempotent(kind)} == {"resend"}
    assert {kind for kind in PROVIDERS if makes_message_ids(kind)} == {"mailgun", "mailjet"}
    for provider in PROVIDERS.values():
        assert not provider.look_up or callable(import_string(provider.look_up))


def test_a_question_is_read_as_it_was_written():
    text = look_ups.encode("mailgun-1", "5e0c91d2a7b4", 12, 3)

    assert look_ups.parse(text) == look_ups.LookUp("mailgun", "5e0c91d2a7b4", look_ups.make_mark(12, 3))
    assert look_ups.encode("mailgun-1", "", 12, 3) == ""
    assert look_ups.encode("smtp-1", "5e0c91d2a7b4", 12, 3) == ""
    assert look_ups.parse("<20261124.1@mg.example>") is None
    assert Issue.objects.count() == 0
