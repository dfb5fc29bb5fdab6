"""T-65: an instance with MAIL_ONLY_TO sends to no other address."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.mail import EmailMessage
from django.urls import reverse
from django.utils import timezone

from subscribers import audience, recipient_allowlist
from subscribers.models import Notice
from tests.factories import NOW, make_editor, make_issue, make_newsletter, make_reader
from tests.workers import provider_api_servers as providers
from tests.workers.sending_helpers import make_sending_issue
from workers import ledger, routes
from workers.models import Delivery, Outcome
from workers.notifications import outbox
from workers.routes.django_backend import EmailBackend
from workers.sending import lifecycle, test_mail

pytestmark = pytest.mark.django_db

US = ["@kabar.example", "ani@mitra.example"]


@pytest.fixture(autouse=True)
def _only_to_us(settings):
    settings.MAIL_ONLY_TO = US


def test_an_issue_reaches_nobody_else_and_the_record_says_why(sink):
    newsletter = make_newsletter()
    budi = make_reader(newsletter, email="budi@Kabar.example")
    ani = make_reader(newsletter, email="ani@mitra.example")
    siti = make_reader(newsletter, email="siti@pembaca.example")
    issue, _none = make_sending_issue(newsletter=newsletter, readers=0)

    lifecycle.send(issue.pk)

    assert sink.recipients == [budi.subscriber.email, ani.subscriber.email]
    left_out = Delivery.objects.get(subscription=siti.pk)
    assert (left_out.outcome, left_out.code) == (Outcome.SKIPPED, audience.NOT_ON_ALLOWLIST)
    told = ledger.count_deliveries(issue)
    assert (told.accepted, told.skipped, told.is_consistent) == (2, 1, True)


def test_a_merge_provider_is_not_told_of_anybody_else(settings):
    with providers.mailgun() as api:
        settings.MAIL_ROUTES = [providers.mailgun_url(api)]
        newsletter = make_newsletter()
        make_reader(newsletter, email="siti@pembaca.example")
        make_reader(newsletter, email="budi@kabar.example")
        issue, _none = make_sending_issue(newsletter=newsletter, readers=0)

        lifecycle.send(issue.pk)

        assert api.recipients == ["budi@kabar.example"]
        assert not any(b"siti@pembaca" in call.body for call in api.calls)
        routes.first().close()


def test_an_editors_click_does_not_get_past_it(sink, settings):
    settings.MAIL_ONLY_TO = []
    issue, (siti,) = make_sending_issue(readers=1)
    sink.on_data = lambda _data: "keep and cut"
    lifecycle.send(issue.pk)
    settings.MAIL_ONLY_TO = US
    ledger.plan_resend(issue, [siti.pk], editor=make_editor(), now=timezone.now())

    lifecycle.send(issue.pk)

    assert len(sink.received) == 1


def test_a_notice_to_somebody_else_is_given_up_and_one_to_us_leaves(sink):
    newsletter = make_newsletter()
    issue, _people = make_sending_issue(newsletter=newsletter, readers=1)
    ledger.pause(issue, reason="7 of 50 addresses were refused.", editor=None, now=NOW)
    for email in ("ayu@kabar.example", "ayu@elsewhere.example"):
        Notice.objects.create(
            kind="alert",
            editor=make_editor(newsletter, email=email),
            language="en",
            payload={"paused": issue.pk},
            due_at=NOW,
        )

    assert outbox.send_due(now=NOW + timedelta(seconds=1)) == 1

    assert sink.recipients == ["ayu@kabar.example"]
    given_up = Notice.objects.get(failed_at__isnull=False)
    assert recipient_allowlist.REFUSAL_MESSAGE in given_up.error


def test_a_test_to_somebody_else_is_refused_in_words(sink):
    results = test_mail.send(make_issue(), to=["ani@mitra.example", "x@mitra.example"], editor=None, now=NOW)

    assert set(sink.recipients) == {"ani@mitra.example"}
    assert "This installation sends only to the addresses in MAIL_ONLY_TO." in str(results[1])


def test_djangos_own_mail_stays_here_too_without_an_error_page(sink):
    both = ["x@elsewhere.example", "ayu@kabar.example"]
    message = EmailMessage("Subjek", "Isi", "warta@kabar.example", both)

    assert EmailBackend().send_messages([message]) == 0

    assert sink.recipients == ["ayu@kabar.example"]


@pytest.mark.parametrize(
    ("email", "may"),
    [
        ("BUDI@KABAR.EXAMPLE", True),
        ("budi@sub.kabar.example", False),
        ("budi@kabar.example.evil.example", False),
        ("xani@mitra.example", False),
        ("@kabar.example", False),
        ("kabar.example", False),
        ("siti@p.example@kabar.example", False),
        ("siti@p.example, budi@kabar.example", False),
        ("", False),
    ],
)
def test_only_whole_addresses_and_whole_domains_count(email, may):
    assert recipient_allowlist.is_allowed(email) is may


def test_every_page_of_the_studio_says_so(client, settings):
    client.force_login(make_editor(make_newsletter()))

    html = client.get(reverse("studio-start")).content.decode()
    assert "Only @kabar.example, ani@mitra.example will receive mail." in html

    settings.MAIL_ONLY_TO = []
    assert 'id="only-to"' not in client.get(reverse("studio-start")).content.decode()


def test_without_it_everybody_may_be_written_to(settings):
    settings.MAIL_ONLY_TO = []

    assert recipient_allowlist.is_allowed("siti@pembaca.example")
