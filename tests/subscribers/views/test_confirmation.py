"""Check your inbox, the link in the mail, the button behind it, and what follows."""

from __future__ import annotations

import datetime

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from newsletter.models import Article, Issue, IssueStatus
from subscribers import consent, signup, tokens
from subscribers.models import (
    ConsentEvent,
    Notice,
    NoticeKind,
    SignupRequest,
    Subscription,
    SubscriptionStatus,
)
from tests.examples import examples
from tests.factories import make_issue, make_newsletter
from tests.subscribers.signup_helpers import PAGE, ask_and_admit, make_form, texts_of

pytestmark = pytest.mark.django_db
MINUTE = datetime.timedelta(minutes=1)
HOUR = datetime.timedelta(hours=1)


def make_request(form=None, **fields) -> SignupRequest:
    return ask_and_admit(form or make_form(), **{"now": timezone.now() - 5 * MINUTE, **fields})


def link_to(request: SignupRequest) -> str:
    return signup.confirm_url(request).removeprefix("http://127.0.0.1:8000")


# --- check your inbox ------------------------------------------------------------------------------------------------


def test_the_page_names_sender_subject_address_and_how_long_the_link_works(client):
    request = make_request(now=timezone.now())

    page = client.get(f"/check-inbox/{request.public_id}/?lang=en").content.decode()

    assert "Kabar Lintas &lt;redaksi@kabarlintas.example&gt;" in page
    assert signup.confirmation_subject(request.newsletters.get(), "id") in page
    assert "<strong>siti@contoh.id</strong>" in page
    assert "7 days" in page


@pytest.mark.parametrize(
    ("email", "address"),
    [
        ("siti@gmail.com", "https://mail.google.com/mail/u/0/#search/from%3A%28redaksi%40kabarlintas.example%29"),
        ("siti@hotmail.com", "https://outlook.live.com/mail/0/"),
        ("siti@yahoo.co.id", "https://mail.yahoo.com/"),
    ],
)
def test_the_page_leads_to_the_readers_own_inbox(client, email, address):
    request = make_request(email=email)

    assert address in client.get(f"/check-inbox/{request.public_id}/").content.decode()


def test_an_installation_that_catches_its_mail_leads_to_it(client, settings):
    request = make_request()
    settings.EMBEDDED, settings.MAIL_ROUTES = True, ["mailbox:"]
    caught = client.get(f"/check-inbox/{request.public_id}/").content.decode()
    settings.MAIL_ROUTES = ["smtp://127.0.0.1:2525"]
    sent = client.get(f"/check-inbox/{request.public_id}/").content.decode()

    assert 'href="/mailbox/"' in caught
    assert 'href="/mailbox/"' not in sent


def test_the_page_is_gone_after_a_day(client):
    request = make_request(now=timezone.now() - 25 * HOUR)

    answer = client.get(f"/check-inbox/{request.public_id}/?lang=en")

    assert answer.status_code == 404
    assert "This page is no longer here" in answer.content.decode()
    assert "siti@contoh.id" not in answer.content.decode()


@pytest.mark.parametrize(
    ("address", "status"), [("/check-inbox/%00/", 404), ("/archive/?newsletter=%00", 400), ("/?lang=%00", 400)]
)
def test_an_address_with_a_nul_is_refused_before_any_query(client, address, status):
    with CaptureQueriesContext(connection) as queries:
        answer = client.get(address)

    assert answer.status_code == status
    assert not any("\0" in query["sql"] for query in queries), "PostgreSQL fails on a NUL"


def test_send_again_works_after_a_minute(client):
    request = make_request()

    answer = client.post(f"/check-inbox/{request.public_id}/resend/")

    again = SignupRequest.objects.get(is_resend=True)
    assert answer.status_code == 303
    assert answer["Location"] == f"/check-inbox/{again.public_id}/"
    assert (again.email, again.page_url, again.language) == (request.email, request.page_url, request.language)
    assert list(again.consent_texts.all()) == list(request.consent_texts.all())


def test_send_again_before_a_minute_says_when(client):
    request = make_request(now=timezone.now() - datetime.timedelta(seconds=20))

    answer = client.post(f"/check-inbox/{request.public_id}/resend/?lang=en")

    assert answer.status_code == 429
    assert "Please wait until" in answer.content.decode()
    assert SignupRequest.objects.count() == 1


def test_s66_a_look_at_send_again_sends_nothing(client):
    request = make_request()

    assert client.get(f"/check-inbox/{request.public_id}/resend/").status_code == 303
    assert SignupRequest.objects.count() == 1


def test_s72_a_robots_send_again_stays_trapped(client):
    request = make_request(trap=True)

    client.post(f"/check-inbox/{request.public_id}/resend/")

    assert set(SignupRequest.objects.values_list("outcome", flat=True)) == {"trap"}


# --- the button ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["get", "head", "options"])
def test_t11_following_the_link_confirms_nothing_however_often(client, method):
    link = link_to(make_request())

    answers = {getattr(client, method)(link).status_code for _look in range(examples(100))}

    assert answers == {200}
    assert Subscription.objects.get().status == SubscriptionStatus.PENDING
    assert ConsentEvent.objects.count() == 1


def test_the_page_says_what_for_and_where_it_was_asked(client):
    newsletter = make_newsletter()
    Article.objects.create(guid="1", url=PAGE, title="Imigrasi buka 12 jalur autogate")
    request = make_request(make_form(newsletter))

    page = client.get(link_to(request) + "?lang=en").content.decode()

    assert "<strong>siti@contoh.id</strong>" in page
    assert "Weekly summary" in page
    assert "on the page “Imigrasi buka 12 jalur autogate”" in page


def test_s70_the_button_subscribes_with_both_halves_of_the_proof():
    form = make_form()
    request = make_request(form)
    consent.record_confirmation_sent(request, message_id="<x@kabarlintas.example>", now=timezone.now())

    answer = Client(enforce_csrf_checks=True).post(link_to(request) + "?lang=en", headers={"user-agent": "Firefox"})

    subscription = Subscription.objects.get()
    events = list(ConsentEvent.objects.all())
    assert answer.status_code == 200
    assert "Thank you, you are subscribed" in answer.content.decode()
    assert subscription.status == SubscriptionStatus.SUBSCRIBED
    assert subscription.confirmed_at is not None
    assert [event.action for event in events] == ["requested", "confirmation_sent", "confirmed"]
    assert events[2].consent_text == events[0].consent_text == texts_of(form)[0]
    assert (events[2].ip, events[2].user_agent) == ("127.0.0.1", "Firefox")
    assert consent.verify_chain() is None


def test_a_welcome_mail_is_due_for_each_newsletter(client):
    request = make_request(make_form(make_newsletter(), make_newsletter()))

    client.post(link_to(request))

    welcomes = Notice.objects.filter(kind=NoticeKind.WELCOME)
    assert welcomes.count() == 2
    assert {notice.newsletter for notice in welcomes} == set(request.newsletters.all())


def test_second_click_on_the_confirmation_link_changes_nothing(client):
    link = link_to(make_request())
    client.post(link)

    again = client.post(link + "?lang=en")
    looked = client.get(link + "?lang=en")

    assert "You are already subscribed" in again.content.decode()
    assert "You are already subscribed" in looked.content.decode()
    assert ConsentEvent.objects.filter(action="confirmed").count() == 1
    assert Notice.objects.filter(kind=NoticeKind.WELCOME).count() == 1


def test_t10_an_old_link_cannot_bring_back_a_reader_who_has_left(client):
    link = link_to(make_request())
    client.post(link)
    consent.withdraw(Subscription.objects.select_related("newsletter").get(), now=timezone.now())

    answer = client.post(link + "?lang=en")

    assert Subscription.objects.get().status == SubscriptionStatus.UNSUBSCRIBED
    assert "The subscription of this link no longer exists" in answer.content.decode()


def test_s71_the_link_works_for_seven_days_and_then_says_how_to_go_on(client):
    request = make_request(now=timezone.now() - datetime.timedelta(days=7, minutes=1))

    answer = client.post(link_to(request) + "?lang=en")

    assert answer.status_code == 410
    assert "Sign up again" in answer.content.decode()
    assert 'href="/subscribe/?lang=en"' in answer.content.decode()
    assert Subscription.objects.get().status == SubscriptionStatus.PENDING


def test_t10_a_used_link_whose_time_is_over_names_no_address_and_opens_no_choices(client):
    request = make_request(now=timezone.now() - 8 * 24 * HOUR)
    consent.confirm(request, now=timezone.now() - 7 * 24 * HOUR)

    page = client.get(link_to(request) + "?lang=en").content.decode()

    assert "You are already subscribed" in page
    assert "s•••@contoh.id" in page
    assert "siti@contoh.id" not in page
    assert "/p/" not in page


@pytest.mark.parametrize("token", ["x", "a" * 38, "%00", "é", "A" * 3000])
def test_a_foreign_link_gets_a_calm_page(client, token):
    make_form()

    answer = client.get(f"/c/{token}/?lang=en")

    assert answer.status_code == 404
    assert "This link does not work" in answer.content.decode()


def test_t10_an_unsubscribe_token_confirms_nothing(client):
    request = make_request()

    answer = client.post(f"/c/{tokens.make_unsubscribe(request.pk)}/")

    assert answer.status_code == 404
    assert Subscription.objects.get().status == SubscriptionStatus.PENDING


def test_c03_the_page_before_the_button_says_that_measurement_was_ticked(client):
    form = make_form(make_newsletter(tracking="individual"))
    words = consent.current_text(form.newsletters.get(), "measurement", "id").text

    without = client.get(link_to(make_request(form, email="siti@contoh.id"))).content.decode()
    ticked = client.get(
        link_to(make_request(form, email="john@contoh.id", consent_texts=texts_of(form, measurement=True)))
    ).content.decode()

    assert (words in without, words in ticked) == (False, True)


def test_c03_measurement_starts_only_if_it_was_agreed_to(client):
    form = make_form(make_newsletter(tracking="individual"))
    without = make_request(form, email="siti@contoh.id")
    agreed = make_request(form, email="john@contoh.id", consent_texts=texts_of(form, measurement=True))

    client.post(link_to(without))
    client.post(link_to(agreed))

    tracked = dict(Subscription.objects.values_list("subscriber__email", "may_track"))
    assert tracked == {"siti@contoh.id": False, "john@contoh.id": True}
    assert ConsentEvent.objects.filter(purpose="measurement", action="confirmed").count() == 1


def test_the_page_after_it_leads_to_the_newest_issue_and_the_choices(client):
    newsletter = make_newsletter()
    issue = make_issue(newsletter)
    Issue.objects.filter(pk=issue.pk).update(status=IssueStatus.SENT, sent_at=timezone.now())

    page = client.post(link_to(make_request(make_form(newsletter))) + "?lang=en").content.decode()

    assert "New autogates, online permits" in page
    assert f"{issue.slug}/?lang=en" in page
    assert f"/p/{tokens.make_preferences(Subscription.objects.get().pk)}/" in page


def test_pages_speak_the_forms_language_unless_asked_otherwise(client):
    link = link_to(make_request(language="en"))

    assert '<html lang="en">' in client.get(link, headers={"accept-language": "id"}).content.decode()
    assert '<html lang="id">' in client.get(link + "?lang=id").content.decode()
