"""Pages and single mails for readers of any language."""

from __future__ import annotations

import re

import pytest
from django.urls import reverse
from django.utils import timezone

from newsletter.languages import reader_words
from subscribers import consent, tokens
from subscribers.models import ConsentText, SignupRequest, Subscriber
from subscribers.views.signup import describe_confirmation_mail
from tests.factories import NOW, make_newsletter, make_reader, make_sent
from tests.structure.reader_catalogue_check import SHIPPED
from tests.subscribers.signup_helpers import ask, make_form

pytestmark = pytest.mark.django_db
HEADINGS = {
    "ar": "اختياراتك",
    "de": "Ihre Einstellungen",
    "es": "Sus preferencias",
    "fr": "Vos choix",
    "ja": "あなたの設定",
    "ms": "Pilihan anda",
    "nl": "Uw voorkeuren",
    "zh-Hans": "您的选择",
}


def letter(*languages, **fields):
    return make_newsletter(languages=list(languages), translations={}, **fields)


def preferences_url(subscription) -> str:
    return reverse("preferences", args=[tokens.make_preferences(subscription.pk)])


@pytest.mark.parametrize("tag", SHIPPED)
def test_preferences_speak_the_readers_language(client, tag):
    reader = make_reader(letter(tag), language=tag)

    page = client.get(preferences_url(reader))

    html = page.content.decode()
    assert page["Content-Language"] == tag
    assert HEADINGS[tag] in html
    direction = ' dir="rtl"' if tag == "ar" else ""
    assert f'<html lang="{tag}"{direction}>' in html


@pytest.mark.parametrize("tag", ["id", "en", *SHIPPED])
def test_sign_up_confirmation_and_archive_work_in_each_language(client, tag):
    newsletter = letter(tag)
    form = make_form(newsletter)
    issue = make_sent(newsletter)

    page = client.get("/").content.decode()
    request = ask(form, language=tag, now=timezone.now())
    inbox = client.get(reverse("check-inbox", args=[request.public_id]))
    archive = client.get(reverse("archive-issue", kwargs={"year": 2026, "slug": issue.slug}))

    assert f'<html lang="{tag}"' in page
    assert consent.current_text(newsletter, "newsletter", tag).text in page.replace("&#x27;", "'")
    assert request.language == tag
    assert describe_confirmation_mail(request)["subject"] in inbox.content.decode()
    assert inbox["Content-Language"] == archive["Content-Language"] == tag


def test_a_reader_chooses_among_the_languages_of_the_newsletters(client):
    reader = make_reader(letter("id", "zh-Hans"))
    url = preferences_url(reader)

    html = client.get(url).content.decode()
    answer = client.post(url, {"do": "save", "newsletters": [reader.newsletter_id], "language": "zh-Hans"})

    assert 'value="zh-Hans"' in html
    assert 'value="en"' not in html
    assert "语言：简体中文，从下一期起。" in answer.content.decode()
    assert Subscriber.objects.get().language == "zh-Hans"


def test_a_language_that_is_not_offered_is_not_taken(client):
    reader = make_reader(letter("id", "zh-Hans"))

    client.post(preferences_url(reader), {"do": "save", "newsletters": [reader.newsletter_id], "language": "fr"})

    assert Subscriber.objects.get().language == "id"


@pytest.mark.parametrize(
    ("accepted", "tag"), [("zh-CN,zh;q=0.9", "zh-Hans"), ("de-AT", "de"), ("ko", "de"), ("", "de"), ("en", "de")]
)
def test_a_strangers_page_speaks_the_nearest_language_of_the_newsletter(client, accepted, tag):
    make_form(letter("de", "zh-Hans"))

    page = client.get("/", headers={"accept-language": accepted})

    assert page["Content-Language"] == tag
    assert re.findall(r'rel="alternate" hreflang="([\w-]+)"', page.content.decode()) == ["de", "zh-Hans"]


def test_a_link_may_ask_for_any_language_with_words(client):
    make_form(letter("de"))

    assert client.get("/?lang=ja")["Content-Language"] == "ja"
    assert client.get("/?lang=tlh")["Content-Language"] == "de"
    assert client.get("/?lang=../x")["Content-Language"] == "de"


def test_words_in_another_language_stand_apart_from_those_of_the_newsletter(client):
    """A newsletter in Persian, whose administrator chose Bahasa Indonesia for the fixed words."""
    form = make_form(letter("fa", fixed_words_language="id", title="هفته‌نامه"))

    page = client.get("/")

    html = page.content.decode()
    assert page["Content-Language"] == "id"
    assert '<html lang="id">' in html
    assert '<p class="lede" lang="fa" dir="rtl">' in html
    assert ConsentText.objects.get().language == "id"
    assert ask(form, language="fa").language == "fa"


def test_a_text_of_the_newsletters_own_replaces_the_one_in_another_language(client):
    newsletter = letter("fa", fixed_words_language="id")
    make_form(newsletter)
    words = "با فشردن دکمه می‌پذیرید که هفته‌نامهٔ Kabar Lintas را دریافت کنید."
    consent.publish_text(newsletter, "newsletter", "fa", text=words, button="اشتراک", now=NOW)

    html = client.get("/").content.decode()

    assert f'lang="fa" dir="rtl">{words}' in html


def test_a_mail_from_right_to_left_isolates_addresses():
    form = make_form(letter("ar"))
    request = ask(form, language="ar")

    page = describe_confirmation_mail(SignupRequest.objects.get(pk=request.pk))

    assert page["subject"] == "أكّد اشتراكك في \u2068Kabar Lintas\u2069"
    with reader_words.override("de"):
        assert describe_confirmation_mail(request)["subject"] == page["subject"]


@pytest.mark.parametrize("tag", ["de", "ar", "zh-Hans"])
def test_the_studio_speaks_its_own_language_only(client, tag):
    letter(tag)

    assert client.get("/studio/", headers={"accept-language": tag}, follow=True)["Content-Language"] in {"id", "en"}
