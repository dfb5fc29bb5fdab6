"""The preferences page, the hosted sign-up page, the privacy notice, error pages and the stylesheet."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import rcssmin
from django.conf import settings as django_settings
from django.test import RequestFactory
from django.utils import timezone

from newsletter.models import Issue, IssueStatus
from newsletter.web import error_pages
from subscribers import consent, suppression, tokens
from subscribers.models import ConsentEvent, SignupForm, Subscriber, Subscription, SubscriptionStatus
from tests.examples import examples
from tests.factories import NOW, make_issue, make_newsletter, make_reader
from tests.subscribers.signup_helpers import make_form


def make_siti(**newsletter_fields) -> tuple[Subscription, str]:
    newsletter = make_newsletter(**newsletter_fields)
    consent.ensure_texts(newsletter, now=NOW)
    siti = make_reader(newsletter, email="siti@contoh.id")
    return siti, f"/p/{tokens.make_preferences(siti.pk)}/"


def chosen(subscription: Subscription, **changes) -> dict:
    return {"do": "save", "newsletters": [subscription.newsletter_id], "language": "id", **changes}


# --- preferences -----------------------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize("method", ["get", "head", "options"])
def test_s66_a_look_at_the_choices_changes_nothing(client, method):
    siti, link = make_siti()

    for _look in range(examples(100)):
        assert getattr(client, method)(link).status_code == 200

    siti.refresh_from_db()
    assert siti.status == SubscriptionStatus.SUBSCRIBED
    assert not ConsentEvent.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("body", ["", "x=1", "language=en"])
def test_a_body_that_no_button_sent_stops_nothing(client, body):
    siti, link = make_siti()

    answer = client.post(link, body, content_type="application/x-www-form-urlencoded")

    siti.refresh_from_db()
    assert (answer.status_code, siti.status) == (200, SubscriptionStatus.SUBSCRIBED)
    assert not ConsentEvent.objects.exists()


@pytest.mark.django_db
def test_t12_the_page_shows_a_masked_address_and_no_history(client):
    siti, link = make_siti()

    page = client.get(link).content.decode()

    assert "s•••@contoh.id" in page
    assert "siti@contoh.id" not in page


@pytest.mark.django_db
def test_a_newsletter_is_taken_and_left_and_the_page_says_so(client):
    siti, link = make_siti()
    other = make_newsletter(title="Perubahan aturan", translations={"en": {"title": "Rule changes"}})
    consent.ensure_texts(other, now=NOW)

    page = client.post(link + "?lang=en", chosen(siti, newsletters=[other.pk])).content.decode()

    siti.refresh_from_db()
    taken = Subscription.objects.get(newsletter=other)
    assert "Rule changes: you will receive it from the next issue on." in page
    assert "Weekly summary: unsubscribed, with immediate effect." in page
    assert (siti.status, taken.status) == (SubscriptionStatus.UNSUBSCRIBED, SubscriptionStatus.SUBSCRIBED)
    actions = list(ConsentEvent.objects.order_by("pk").values_list("subscription", "action", "consent_text"))
    assert (siti.pk, "withdrawn", None) in actions
    text = consent.current_text(other, "newsletter", "id").pk
    assert actions[-2:] == [(taken.pk, "requested", text), (taken.pk, "confirmed", text)]


@pytest.mark.django_db
def test_newsletters_of_another_publisher_are_neither_shown_nor_taken(client):
    siti, link = make_siti()
    foreign = make_newsletter(brand="Lain", title="Bukan milik kami")

    page = client.post(link, chosen(siti, newsletters=[siti.newsletter_id, foreign.pk])).content.decode()

    assert "Bukan milik kami" not in page
    assert Subscription.objects.count() == 1


@pytest.mark.django_db
def test_the_language_changes_for_mails_and_for_this_page(client):
    siti, link = make_siti()

    page = client.post(link, chosen(siti, language="en")).content.decode()

    siti.refresh_from_db()
    assert siti.language == "en"
    assert Subscriber.objects.get().language == "en"
    assert "Language: English, from the next issue on." in page
    assert '<html lang="en">' in page


@pytest.mark.django_db
def test_c05_measurement_has_its_own_words_and_its_own_events(client):
    siti, link = make_siti(tracking="individual")
    text = consent.current_text(siti.newsletter, "measurement", "id")

    asked = client.get(link).content.decode()
    client.post(link, chosen(siti, measurement=[siti.newsletter_id]))
    siti.refresh_from_db()
    agreed = siti.may_track
    page = client.post(link + "?lang=en", chosen(siti)).content.decode()

    siti.refresh_from_db()
    assert text.text in asked
    assert (agreed, siti.may_track) == (True, False)
    assert "your clicks are no longer counted" in page
    events = list(ConsentEvent.objects.values_list("purpose", "action", "consent_text"))
    assert events == [("measurement", "confirmed", text.pk), ("measurement", "withdrawn", text.pk)]


@pytest.mark.django_db
def test_c05_measurement_is_not_asked_where_nobody_is_measured(client):
    _siti, link = make_siti(tracking="aggregate")

    assert 'name="measurement"' not in client.get(link).content.decode()


@pytest.mark.django_db
def test_saving_what_is_already_so_says_that_nothing_changed(client):
    siti, link = make_siti()

    page = client.post(link + "?lang=en", chosen(siti)).content.decode()

    assert "Nothing was changed" in page
    assert not ConsentEvent.objects.exists()


@pytest.mark.django_db
def test_s18_everything_stops_with_one_button(client):
    siti, link = make_siti()
    other = make_reader(make_newsletter(), email="siti@contoh.id")

    client.post(link, {"do": "all"})

    siti.refresh_from_db()
    other.refresh_from_db()
    assert {siti.status, other.status} == {SubscriptionStatus.UNSUBSCRIBED}


@pytest.mark.django_db
def test_s75_the_reader_takes_back_a_complaint(client):
    _siti, link = make_siti()
    suppression.suppress("siti@contoh.id", reason="complained", now=NOW)

    asked = client.get(link + "?lang=en").content.decode()
    client.post(link, {"do": "lift"})

    assert "Send me mail again" in asked
    assert not suppression.is_suppressed("siti@contoh.id")


@pytest.mark.django_db
def test_s75_a_bounce_is_not_taken_back_by_a_click(client):
    _siti, link = make_siti()
    suppression.suppress("siti@contoh.id", reason="bounced", now=NOW)

    client.post(link, {"do": "lift"})

    assert suppression.is_suppressed("siti@contoh.id")


@pytest.mark.django_db
@pytest.mark.parametrize(
    "make", [lambda pk: tokens.make_unsubscribe(pk), lambda pk: tokens.make_preferences(999_999), lambda pk: "x"]
)
def test_t10_another_or_a_dead_token_opens_no_choices(client, make):
    siti, _link = make_siti()

    answer = client.post(f"/p/{make(siti.pk)}/", {"do": "all"})

    siti.refresh_from_db()
    assert answer.status_code == 404
    assert siti.status == SubscriptionStatus.SUBSCRIBED


# --- the hosted page -------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_the_hosted_page_shows_newsletters_words_and_newest_issues(client):
    newsletter = make_newsletter()
    form = make_form(newsletter, make_newsletter(title="Perubahan aturan", translations={}))
    issue = make_issue(newsletter)
    Issue.objects.filter(pk=issue.pk).update(status=IssueStatus.SENT, sent_at=timezone.now())

    page = client.get("/?lang=en").content.decode()

    text = consent.current_text(newsletter, "newsletter", "en")
    assert "Weekly summary" in page
    assert "Perubahan aturan" in page
    assert text.text in page
    assert f'name="text" value="{text.pk}"' in page
    assert "New autogates, online permits" in page
    assert page.index(text.text) < page.index(f">{text.button}</button>")
    assert f'action="/s/{form.slug}/"' in page


@pytest.mark.django_db
def test_c03_the_measurement_box_is_unticked_and_only_where_readers_are_measured(client):
    make_form(make_newsletter(tracking="individual"), make_newsletter(tracking="aggregate"))

    page = client.get("/").content.decode()

    boxes = re.findall(r'<input type="checkbox" name="measurement"[^>]*>', page)
    assert len(boxes) == 1
    assert "checked" not in boxes[0]


@pytest.mark.django_db
def test_a_look_at_the_public_pages_writes_nothing_and_sets_no_cookie(client):
    newsletter = make_newsletter()
    SignupForm.objects.create(slug="subscribe").newsletters.set([newsletter])

    for path in ("/", "/subscribe/", "/privacy/", "/s/subscribe/"):
        answer = client.get(path)
        assert answer.status_code == 200
        assert not answer.cookies

    assert consent.current_text(newsletter, "newsletter", "id") is None


@pytest.mark.django_db
def test_before_there_is_a_form_the_page_says_so(client):
    answer = client.get("/?lang=en")

    assert answer.status_code == 200
    assert "No newsletter is available yet" in answer.content.decode()


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/", "/privacy/"])
def test_each_page_speaks_both_languages(client, path):
    make_form()

    page = client.get(path + "?lang=id").content.decode()

    assert '<html lang="id">' in page
    assert 'href="?lang=en" lang="en" hreflang="en"' in page
    assert f'hreflang="en" href="http://127.0.0.1:8000{path}?lang=en"' in page
    assert client.get(path, headers={"accept-language": "en-GB,en;q=0.9"})["Content-Language"] == "en"


@pytest.mark.django_db
def test_the_box_can_stand_on_any_page():
    from django.template import engines

    form = make_form(slug="artikel", texts={"id": {"heading": "Tetap terhubung dengan kami!"}})
    template = engines["django"].from_string(
        '{% load signup_box %}{% language "id" %}{% signup_box newsletter page_url="https://kabarlintas.example/id/a?x=1" %}{% endlanguage %}'
    )

    box = template.render({"newsletter": form.newsletters.get()}, RequestFactory().get("/"))

    assert "Tetap terhubung dengan kami!" in box
    assert 'name="page" value="https://kabarlintas.example/id/a"' in box
    assert 'name="website"' in box
    assert 'name="stamp"' in box


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("tracking", "words"),
    [
        ("off", "nothing is counted"),
        ("aggregate", "Nobody can see who opened which link"),
        ("individual", "recorded only if you agreed"),
    ],
)
def test_the_privacy_notice_says_what_is_really_done(client, tracking, words):
    make_newsletter(tracking=tracking)

    page = client.get("/privacy/?lang=en").content.decode()

    assert words in page
    assert "Jl. Contoh No. 10" in page
    assert "30 days" in page


# --- when something is wrong -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("page", "status"),
    [
        (error_pages.bad_request, 400),
        (error_pages.forbidden, 403),
        (error_pages.form_expired, 403),
        (error_pages.not_found, 404),
        (error_pages.server_error, 500),
    ],
)
def test_error_pages_need_no_database_and_speak_both_languages(page, status):
    from django.contrib.auth.models import AnonymousUser

    request = RequestFactory().get("/nowhere/")
    request.user = AnonymousUser()

    answer = page(request)

    assert answer.status_code == status
    assert '<section lang="id">' in answer.content.decode()
    assert 'lang="en">' in answer.content.decode()
    assert 'class="btn primary"' in answer.content.decode()


STYLES = Path(django_settings.BASE_DIR) / "newsletter/static/newsletter/public.css"


def test_the_public_stylesheet_is_at_most_6_kb_as_it_is_served():
    assert len(rcssmin.cssmin(STYLES.read_text()).encode()) <= 6 * 1024


def test_the_public_stylesheet_reaches_for_nothing_outside():
    styles = STYLES.read_text()

    assert "light-dark(" not in styles
    assert "url(" not in styles
    assert "@import" not in styles


def test_public_templates_hold_no_inline_style_or_script():
    folder = Path(django_settings.BASE_DIR) / "templates"
    for template in [*folder.glob("public/*.html"), *folder.glob("errors/*.html")]:
        assert not re.search(r"\sstyle=|<script|<style|\son\w+=", template.read_text()), template.name
