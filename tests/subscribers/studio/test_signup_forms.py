"""Sign-up forms and consent texts in the studio: for administrators."""

from __future__ import annotations

import re
from html import unescape

import pytest
from django.urls import reverse

from newsletter.models import AuditEntry, Role
from subscribers import consent
from subscribers.models import ConsentText, SignupForm
from tests.factories import NOW, make_editor, make_newsletter

pytestmark = pytest.mark.django_db

LIST = "/studio/forms/"
NEW = "/studio/forms/new/"


@pytest.fixture
def administrator(client, letter):
    editor = make_editor(letter)
    client.force_login(editor)
    return editor


def make_form(letter, slug="kotak", **fields):
    form = SignupForm.objects.create(slug=slug, **fields)
    form.newsletters.add(letter)
    consent.ensure_texts(letter, now=NOW)
    return form


def sent(letter, **changed):
    return {
        "slug": "kotak",
        "newsletters": [letter.pk],
        "consent_style": "sentence",
        "is_active": "on",
        "allowed_origins": "https://kabarlintas.example\n",
        "heading_id": "Tetap terhubung",
        **changed,
    }


@pytest.mark.parametrize(
    ("role", "status"), [(Role.WRITER, 403), (Role.EDITOR, 403), (Role.PUBLISHER, 403), (Role.ADMINISTRATOR, 200)]
)
def test_t61_who_sees_sign_up_forms(client, letter, role, status):
    make_form(letter)
    client.force_login(make_editor(letter, role=role))
    pages = [LIST, NEW, reverse("signup-form", args=["kotak"]), reverse("consent-texts", args=[letter.slug])]

    assert [client.get(page).status_code for page in pages] == [status] * 4


def test_t61_forms_of_another_newsletter_are_not_there(client, administrator):
    other = make_newsletter()
    make_form(other, slug="lain")

    answers = [
        client.get(reverse("signup-form", args=["lain"])),
        client.get(reverse("consent-texts", args=[other.slug])),
    ]

    assert [answer.status_code for answer in answers] == [404, 404]
    assert "lain" not in [row["form"].slug for row in client.get(LIST).context["rows"]]


def test_a_form_that_also_offers_another_newsletter_is_out_of_reach(client, administrator, letter):
    make_form(letter).newsletters.add(make_newsletter())

    assert client.get(reverse("signup-form", args=["kotak"])).status_code == 404


def test_a_new_form_has_its_words_origins_and_consent_texts(client, administrator, letter):
    answer = client.post(NEW, sent(letter))

    form = SignupForm.objects.get()
    assert (answer.status_code, answer.headers["Location"]) == (302, "/studio/forms/kotak/")
    assert form.allowed_origins == ["https://kabarlintas.example"]
    assert form.texts == {"id": {"heading": "Tetap terhubung", "invitation": ""}}
    assert set(ConsentText.objects.values_list("language", flat=True)) == {"id", "en"}
    assert AuditEntry.objects.get().action == "form-created"


@pytest.mark.parametrize(
    "origins",
    [
        "https://kabarlintas.example/artikel",
        "kabarlintas.example",
        "https://*.example",
        "javascript:alert(1)",
        "https://a@b.example",
        "https://x.example:99999",
    ],
)
def test_an_origin_has_scheme_and_host_only(client, administrator, letter, origins):
    answer = client.post(NEW, sent(letter, allowed_origins=origins))

    assert answer.status_code == 422
    assert origins in unescape(answer.content.decode())
    assert not SignupForm.objects.exists()


def test_a_form_cannot_offer_a_newsletter_of_others(client, administrator, letter):
    answer = client.post(NEW, sent(letter, newsletters=[make_newsletter().pk]))

    assert answer.status_code == 422


def test_the_snippet_is_a_plain_form_shown_as_text(client, administrator, letter):
    make_form(letter, texts={"id": {"heading": "<b>Ikuti</b>", "invitation": ""}})
    text = consent.current_text(letter, "newsletter", "id")

    page = client.get(reverse("signup-form", args=["kotak"])).content.decode()

    shown = unescape(re.search(r"<code>(.*?)</code>", page, re.DOTALL)[1])
    assert '/s/kotak/" method="post" lang="id">' in shown
    assert f'<input type="hidden" name="text" value="{text.pk}">' in shown
    assert "&lt;b&gt;Ikuti&lt;/b&gt;" in shown
    assert "<script" not in shown
    assert "style=" not in shown


def test_a_form_for_two_newsletters_lets_readers_choose_in_the_snippet(client, administrator, letter):
    from newsletter.models import Membership

    second = make_newsletter(title="Perubahan aturan")
    Membership.objects.create(editor=administrator, newsletter=second, role=Role.ADMINISTRATOR)
    make_form(letter).newsletters.add(second)

    page = client.get(reverse("signup-form", args=["kotak"])).content.decode()

    shown = unescape(re.search(r"<code>(.*?)</code>", page, re.DOTALL)[1])
    assert shown.count('name="newsletters"') == 2


def test_what_a_pasted_snippet_posts_is_a_sign_up(client, administrator, letter):
    """The snippet's own field names, sent from the publisher's page."""
    from subscribers.models import SignupRequest

    make_form(letter, allowed_origins=["https://kabarlintas.example"])
    page = client.get(reverse("signup-form", args=["kotak"])).content.decode()
    shown = unescape(re.search(r"<code>(.*?)</code>", page, re.DOTALL)[1])
    hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', shown))

    answer = client.post(
        "/s/kotak/",
        {**hidden, "page": "https://kabarlintas.example/artikel", "email": "siti@pembaca.example"},
        headers={"Origin": "https://kabarlintas.example"},
    )

    request = SignupRequest.objects.get()
    assert answer.status_code == 303
    assert (request.email, request.outcome) == ("siti@pembaca.example", "")
    assert [text.pk for text in request.consent_texts.all()] == [int(hidden["text"])]


# --- consent texts ---------------------------------------------------------------------------------------------------


def test_c01_a_change_of_words_is_a_new_version(client, administrator, letter):
    consent.ensure_texts(letter, now=NOW)
    words = "Saya setuju menerima Ringkasan mingguan dari Kabar Lintas lewat surel."

    answer = client.post(
        reverse("consent-texts", args=[letter.slug]),
        {"purpose": "newsletter", "language": "id", "text": words, "button": "Ikuti"},
    )

    versions = ConsentText.objects.filter(newsletter=letter, language="id").order_by("version")
    assert answer.status_code == 302
    assert [(text.version, text.button) for text in versions][1:] == [(2, "Ikuti")]
    assert versions[0].text != words
    assert AuditEntry.objects.get().action == "consent-text-published"


def test_the_same_words_make_no_version(client, administrator, letter):
    before = consent.ensure_texts(letter, now=NOW)[0]

    client.post(
        reverse("consent-texts", args=[letter.slug]),
        {"purpose": before.purpose, "language": before.language, "text": before.text, "button": before.button},
    )

    assert ConsentText.objects.filter(newsletter=letter, language=before.language).count() == 1
    assert not AuditEntry.objects.exists()


def test_words_that_do_not_name_the_sender_are_refused_and_stay_in_the_field(client, administrator, letter):
    answer = client.post(
        reverse("consent-texts", args=[letter.slug]),
        {"purpose": "newsletter", "language": "id", "text": "Saya setuju menerima surel apa pun.", "button": ""},
    )

    assert answer.status_code == 422
    assert "Saya setuju menerima surel apa pun." in answer.content.decode()
    assert "Name the sender" in answer.content.decode()
