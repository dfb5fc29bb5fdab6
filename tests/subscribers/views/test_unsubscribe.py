"""One-click unsubscription (RFC 8058) and the page around it."""

from __future__ import annotations

import datetime

import pytest
from django.test import Client
from django.utils import timezone

from subscribers import consent, tokens
from subscribers.models import ConsentEvent, Subscription, SubscriptionStatus
from tests.examples import examples
from tests.factories import make_newsletter, make_reader

pytestmark = pytest.mark.django_db
ONE_CLICK = "List-Unsubscribe=One-Click"
MULTIPART = '--x\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--x--\r\n'
BODIES = {
    "urlencoded": (ONE_CLICK, "application/x-www-form-urlencoded"),
    "multipart": (MULTIPART, "multipart/form-data; boundary=x"),
}


def make_link(**fields) -> tuple[Subscription, str]:
    siti = make_reader(make_newsletter(), email="siti@contoh.id", **fields)
    return siti, f"/u/{tokens.make_unsubscribe(siti.pk, 12)}/"


def status(subscription: Subscription) -> str:
    subscription.refresh_from_db()
    return subscription.status


@pytest.mark.parametrize("encoding", BODIES)
def test_s13_one_click_stops_at_once_in_both_encodings(encoding):
    siti, link = make_link()
    body, content_type = BODIES[encoding]

    answer = Client(enforce_csrf_checks=True).post(link, body, content_type=content_type)

    assert answer.status_code == 200
    assert status(siti) == SubscriptionStatus.UNSUBSCRIBED
    event = ConsentEvent.objects.get()
    assert (event.action, event.evidence) == ("withdrawn", {"issue": 12})


def test_s13_a_line_end_after_the_body_does_no_harm(client):
    siti, link = make_link()

    client.post(link, "List-Unsubscribe=One-Click\r\n", content_type="application/x-www-form-urlencoded")

    assert status(siti) == SubscriptionStatus.UNSUBSCRIBED


@pytest.mark.parametrize("body", ["", "do=", "List-Unsubscribe=", "List-Unsubscribe=Two-Click", "x=1"])
def test_s13_any_other_body_is_a_browser_form_and_changes_nothing(client, body):
    siti, link = make_link()

    answer = client.post(link, body, content_type="application/x-www-form-urlencoded")

    assert answer.status_code == 200
    assert 'value="stop"' in answer.content.decode()
    assert status(siti) == SubscriptionStatus.SUBSCRIBED


@pytest.mark.parametrize("method", ["get", "head", "options"])
def test_s14_a_look_never_unsubscribes_however_often(client, method):
    siti, link = make_link()

    answers = {getattr(client, method)(link).status_code for _look in range(examples(100))}

    assert answers == {200}
    assert status(siti) == SubscriptionStatus.SUBSCRIBED
    assert not ConsentEvent.objects.exists()


def test_s14_the_page_has_a_button_and_a_language_switch(client):
    _siti, link = make_link()

    page = client.get(link, headers={"accept-language": "id"}).content.decode()

    assert '<button type="submit" class="btn primary" name="do" value="stop">' in page
    assert 'href="?lang=en"' in page
    assert '<html lang="id">' in page
    assert '<html lang="en">' in client.get(link + "?lang=en").content.decode()


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "null"},
        {"origin": "https://mail.example", "referer": "https://mail.example/inbox"},
        {"accept": ""},
        {"user-agent": ""},
        {"host": "TESTSERVER:443"},
        {"host": "inbox.mail.example"},
    ],
)
def test_s15_no_redirect_no_cookie_no_context(headers):
    siti, link = make_link()

    answer = Client(enforce_csrf_checks=True).post(
        link, ONE_CLICK, content_type="application/x-www-form-urlencoded", headers=headers
    )

    assert answer.status_code == 200
    assert "Location" not in answer
    assert not answer.cookies
    assert status(siti) == SubscriptionStatus.UNSUBSCRIBED


def test_s16_one_click_twice_answers_200_and_leaves_one_event(client):
    _siti, link = make_link()

    answers = [client.post(link, {"List-Unsubscribe": "One-Click"}).status_code for _click in range(2)]

    assert answers == [200, 200]
    assert ConsentEvent.objects.count() == 1


@pytest.mark.parametrize("body", [{"List-Unsubscribe": "One-Click"}, {"do": "stop"}, {}])
def test_s16_it_answers_200_after_erasure(client, body):
    answer = client.post(f"/u/{tokens.make_unsubscribe(999_999, 12)}/", body)

    assert answer.status_code == 200


def test_s16_it_works_across_a_change_of_the_secret_key(client, settings):
    siti, link = make_link()
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another secret key that is long enough to be one"

    answer = client.post(link, {"List-Unsubscribe": "One-Click"})

    assert answer.status_code == 200
    assert status(siti) == SubscriptionStatus.UNSUBSCRIBED


@pytest.mark.parametrize(
    "change", [lambda t: t[:-1], lambda t: t[:9] + ("A" if t[9] != "A" else "B") + t[10:], lambda t: "x"]
)
def test_s16_a_bad_signature_is_404_with_a_next_step_and_no_detail(client, change):
    siti, link = make_link()
    token = change(link.split("/")[2])

    answer = client.post(f"/u/{token}/?lang=en", {"List-Unsubscribe": "One-Click"})

    assert answer.status_code == 404
    assert "This link does not work" in answer.content.decode()
    assert "signature" not in answer.content.decode()
    assert status(siti) == SubscriptionStatus.SUBSCRIBED


def test_t10_a_token_of_another_purpose_cannot_unsubscribe(client):
    siti, _link = make_link()

    answer = client.post(f"/u/{tokens.make_preferences(siti.pk)}/", {"List-Unsubscribe": "One-Click"})

    assert answer.status_code == 404
    assert status(siti) == SubscriptionStatus.SUBSCRIBED


@pytest.mark.parametrize("path", ["/u/{u}/", "/p/{p}/", "/c/{bad}/", "/u/{bad}/", "/check-inbox/{bad}/"])
def test_t10_pages_with_a_secret_address_send_no_referrer_and_are_not_kept(client, path):
    siti, _link = make_link()
    path = path.format(u=tokens.make_unsubscribe(siti.pk), p=tokens.make_preferences(siti.pk), bad="x" * 36)

    answer = client.get(path)

    assert answer["Referrer-Policy"] == "no-referrer"
    assert answer["Cache-Control"] == "no-store"
    assert answer["X-Robots-Tag"] == "noindex"
    assert not answer.cookies


@pytest.mark.parametrize("page", ["u", "p"])
def test_a_test_mails_links_say_that_they_belong_to_nobody(client, page):
    token = {"u": tokens.make_unsubscribe(0, 12), "p": tokens.make_preferences(0)}[page]

    answer = client.post(f"/{page}/{token}/?lang=en", {"List-Unsubscribe": "One-Click"})

    assert answer.status_code == 200
    assert "This link is from a test mail" in answer.content.decode()


def test_c12_one_button_stops_and_the_page_says_what_was_stopped(client):
    siti, link = make_link()

    page = client.post(link + "?lang=en", {"do": "stop"}).content.decode()

    assert status(siti) == SubscriptionStatus.UNSUBSCRIBED
    assert "<b>Weekly summary</b>" in page
    assert "is no longer sent to s•••@contoh.id" in page
    assert 'value="undo"' in page


def test_s18_one_newsletter_is_stopped_and_all_are_offered(client):
    siti, link = make_link()
    other = make_reader(make_newsletter(title="Perubahan aturan", translations={}), email="siti@contoh.id")

    page = client.post(link + "?lang=en", {"do": "stop"}).content.decode()
    before = status(other)
    client.post(link + "?lang=en", {"do": "all"})

    assert "You still receive <b>Perubahan aturan</b>." in page
    assert 'value="all"' in page
    assert (before, status(other)) == (SubscriptionStatus.SUBSCRIBED, SubscriptionStatus.UNSUBSCRIBED)


def test_undo_brings_the_newsletter_back(client):
    siti, link = make_link()
    client.post(link, {"do": "stop"})

    page = client.post(link + "?lang=en", {"do": "undo"}).content.decode()

    assert status(siti) == SubscriptionStatus.SUBSCRIBED
    assert "You will continue to receive Weekly summary." in page
    assert consent.verify_chain() is None


def test_undo_after_a_day_is_refused_kindly(client):
    siti, link = make_link()
    consent.withdraw(siti, now=timezone.now() - datetime.timedelta(days=2))

    answer = client.post(link + "?lang=en", {"do": "undo"})

    assert answer.status_code == 200
    assert "too late" in answer.content.decode()
    assert status(siti) == SubscriptionStatus.UNSUBSCRIBED


def test_a_reason_is_kept_as_an_event_of_its_own(client):
    _siti, link = make_link()
    client.post(link, {"do": "stop"})

    page = client.post(link + "?lang=en", {"do": "reason", "reason": "too_often"}).content.decode()

    assert "Thank you for telling us why." in page
    assert [event.evidence for event in ConsentEvent.objects.all()] == [{"issue": 12}, {"reason": "too_often"}]
    assert consent.verify_chain() is None


def test_a_reason_is_kept_once_for_each_leaving(client):
    _siti, link = make_link()

    for step in ("stop", "reason", "reason", "undo", "stop", "reason", "reason"):
        client.post(link, {"do": step, "reason": "too_often"})

    reasons = [event.evidence for event in ConsentEvent.objects.all() if "reason" in event.evidence]
    assert reasons == [{"reason": "too_often"}, {"reason": "too_often"}]


@pytest.mark.parametrize("reason", [{}, {"reason": "x" * 500}])
def test_no_reason_or_a_made_up_one_is_not_kept(client, reason):
    _siti, link = make_link()
    client.post(link, {"do": "stop"})

    page = client.post(link + "?lang=en", {"do": "reason", **reason}).content.decode()

    assert "Please choose a reason first." in page
    assert ConsentEvent.objects.count() == 1


def test_t70_the_agent_is_cut_and_never_shown_as_markup(client):
    _siti, link = make_link()

    client.post(link, {"List-Unsubscribe": "One-Click"}, headers={"user-agent": "<script>" * 100})

    assert len(ConsentEvent.objects.get().user_agent) == 200
