"""Postfix as the mail server: its refusals, greylisting, a domain that asks to slow down, addresses beyond ASCII."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from subscribers.models import Subscriber
from tests.factories import make_newsletter, make_reader
from tests.processes import postfix_server as postfix
from tests.workers.sending_helpers import equation, make_sending_issue, parse
from workers import routes
from workers.models import Delivery, Outcome, Route
from workers.sending import lifecycle

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.processes,
    pytest.mark.skipif(bool(postfix.WHY_NOT), reason=postfix.WHY_NOT),
]

KNOWN = [f"siti{place}@p.example" for place in range(40)]
AT_GMAIL = [f"budi{place}@gmail.com" for place in range(8)]


@pytest.fixture(scope="module")
def server():
    with postfix.running([*KNOWN, *AT_GMAIL, "ayu@xn--mnchen-3ya.example"]) as here:
        yield here


@pytest.fixture
def mx(server, settings):
    server.says = lambda _recipient: None
    server.asked.clear()
    settings.MAIL_ROUTES = [f"smtp://127.0.0.1:{server.port}?tls=off"]
    yield server
    routes.first().close()


def sending_to(*emails):
    newsletter = make_newsletter()
    for email in emails:
        make_reader(newsletter, email=email)
    return make_sending_issue(newsletter=newsletter, readers=0)[0]


def outcome(email):
    reader = Subscriber.objects.get(email=email).subscriptions.get()
    return Delivery.objects.get(subscription=reader.pk)


def test_a_user_that_postfix_does_not_know_is_refused_and_the_others_get_it(mx):
    issue = sending_to(KNOWN[0], "nobody@p.example", KNOWN[1])
    before = len(mx.delivered(0))

    assert lifecycle.send(issue.pk) == 2

    refused = outcome("nobody@p.example")
    assert (refused.outcome, refused.code) == (Outcome.REFUSED, "550 5.1.1")
    assert "nobody@" not in refused.detail
    arrived = [parse(mail) for mail in mx.delivered(before + 2)[before:]]
    assert {str(mail["Delivered-To"]) for mail in arrived} <= {KNOWN[0], KNOWN[1]}
    assert all(mail["List-Unsubscribe"] for mail in arrived)
    assert equation(issue) == (2, 1, 0, 0, 0, 0)


def test_a_greylisted_reader_gets_it_at_the_second_try(mx):
    issue = sending_to(*KNOWN[:3])
    mx.says = lambda who: "DEFER_IF_PERMIT 4.7.1 Greylisted, come back later" if mx.asked.count(who) == 1 else None
    assert lifecycle.send(issue.pk) == 0
    assert equation(issue) == (0, 0, 3, 0, 0, 0)
    assert Route.objects.get().rate == 0, "a wait for newcomers is no wish that we send less"

    later = timezone.now() + timedelta(minutes=10)
    lifecycle.recover(now=later)
    assert lifecycle.dispatch(now=later) == [issue.pk]
    assert lifecycle.send(issue.pk) == 3

    assert equation(issue) == (3, 0, 0, 0, 0, 0)
    assert {row.attempts for row in Delivery.objects.all()} == {2}


def test_s46_one_domain_that_asks_for_less_holds_up_nobody_else(mx, monkeypatch):
    """Readers of that domain are spread over the list, as in real lists."""
    mixed = [email for pair in zip(AT_GMAIL, KNOWN, strict=False) for email in pair]
    issue = sending_to(*mixed, *KNOWN[len(AT_GMAIL) :])
    mx.says = lambda who: "450 4.7.1 Too much mail from you, slow down" if who.endswith("@gmail.com") else None

    lifecycle.send(issue.pk)
    lifecycle.send(issue.pk)

    assert equation(issue)[0] == len(KNOWN)
    assert Delivery.objects.filter(outcome=Outcome.ACCEPTED).count() == len(KNOWN)
    assert Route.objects.get(name=routes.first().name).rate == 0, "the route goes on at full speed"
    assert len([who for who in mx.asked if who.endswith("@gmail.com")]) < len(AT_GMAIL), "asked less of them"

    mx.says = lambda _who: None
    later = timezone.now() + timedelta(hours=6)
    monkeypatch.setattr(timezone, "now", lambda: later)
    lifecycle.recover(now=later)
    lifecycle.send(issue.pk)
    assert equation(issue)[0] > len(KNOWN), "they get it as soon as their domain takes it again"


def test_s05_an_address_beyond_ascii_is_refused_in_words_though_postfix_would_take_it(mx):
    """SMTPUTF8 must be supported by every hop to the mailbox. A domain beyond ASCII is sent as IDNA and does not need it."""
    issue = sending_to("ayu@xn--mnchen-3ya.example", "sari@p.example")
    Subscriber.objects.filter(email="sari@p.example").update(email="sarí@p.example")
    Subscriber.objects.filter(email="ayu@xn--mnchen-3ya.example").update(email="ayu@münchen.example")
    before = len(mx.delivered(0))

    assert lifecycle.send(issue.pk) == 1

    assert outcome("sarí@p.example").code == "5.1.3"
    assert mx.asked == ["ayu@xn--mnchen-3ya.example"]
    assert len(mx.delivered(before + 1)) == before + 1
    assert equation(issue) == (1, 1, 0, 0, 0, 0)
