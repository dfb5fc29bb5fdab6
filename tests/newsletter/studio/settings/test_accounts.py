"""Logging in and out, a forgotten password, an invitation, and one's own account."""

from __future__ import annotations

import re

import pytest
from django.core import mail
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from newsletter.models import AuditEntry, Editor, Membership, Role
from tests.factories import make_editor, make_newsletter

pytestmark = pytest.mark.django_db
PASSWORD = "katasandi-panjang"
NEW = "empat kata sudah cukup"


@pytest.fixture(autouse=True)
def _fresh(settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    cache.clear()


def log_in(client, email, password=PASSWORD):
    return client.post(reverse("account_login"), {"login": email, "password": password})


# --- log in ----------------------------------------------------------------------------------------------------------


def test_an_editor_logs_in_with_address_and_password(client):
    editor = make_editor(make_newsletter())

    response = log_in(client, editor.email)

    assert response.status_code == 302
    assert response.url == reverse("studio-start")


def test_a_closed_page_leads_to_the_login_and_back(client):
    editor = make_editor(make_newsletter())

    asked = client.get(reverse("issue-list"))
    back = client.post(asked.url, {"login": editor.email, "password": PASSWORD, "next": reverse("issue-list")})

    assert asked.url == f"{reverse('account_login')}?next=/studio/issues/"
    assert back.url == reverse("issue-list")


def test_the_message_does_not_tell_whether_an_account_exists(client):
    known = log_in(client, make_editor().email, "falsch falsch falsch")
    unknown = log_in(client, "tidak.ada@kabarlintas.example", "falsch falsch falsch")

    words = [re.search(r'role="alert".*?<p>(.*?)</p>', page.text, re.DOTALL)[1] for page in (known, unknown)]
    assert known.status_code == unknown.status_code == 422
    assert words[0] == words[1]


def test_a_closed_account_cannot_log_in(client):
    editor = make_editor(make_newsletter(), is_active=False)

    log_in(client, editor.email)

    assert client.get(reverse("studio-start")).status_code == 302


def test_login_is_throttled_per_account_even_with_the_right_password(client):
    editor = make_editor(make_newsletter())
    for _ in range(5):
        log_in(client, editor.email, "falsch falsch falsch")

    response = log_in(client, editor.email)

    assert response.status_code == 422
    assert client.get(reverse("studio-start")).status_code == 302


def test_too_many_requests_from_one_address_get_a_page_in_words(client):
    for number in range(30):
        log_in(client, f"orang{number}@kabarlintas.example")

    response = client.post(reverse("account_login"), headers={"accept-language": "en"})

    assert response.status_code == 429
    assert "Wait a few minutes" in response.text


def test_logging_out_takes_a_post(client):
    client.force_login(make_editor(make_newsletter()))

    asked = client.get(reverse("account_logout"))
    still_in = client.get(reverse("studio-start")).status_code
    client.post(reverse("account_logout"))

    assert (asked.status_code, still_in) == (200, 200)
    assert client.get(reverse("studio-start")).status_code == 302


@pytest.mark.parametrize("path", ["signup/", "email/", "confirm-email/", "password/set/", "3rdparty/"])
def test_there_is_no_sign_up_and_no_address_management(client, path):
    client.force_login(make_editor(make_newsletter()))

    assert client.get(f"/studio/account/{path}").status_code == 404


# --- forgotten password ----------------------------------------------------------------------------------------------


def ask_for_reset(client, email):
    return client.post(reverse("account_reset_password"), {"email": email})


def link_in(message):
    return re.search(r"http://127\.0\.0\.1:\d+(/studio/account/password/reset/key/\S+)", message.body)[1]


def test_a_reset_is_mailed_in_the_editors_own_language(client):
    ask_for_reset(client, make_editor(language="en").email)

    assert mail.outbox[0].subject == "A new password for Warta"
    assert "works for 3 days and only once" in mail.outbox[0].body


def test_a_reset_answers_alike_for_an_unknown_address_and_mails_nobody(client):
    known = ask_for_reset(client, make_editor().email)
    unknown = ask_for_reset(client, "tidak.ada@kabarlintas.example")

    assert (known.status_code, known.url) == (unknown.status_code, unknown.url)
    assert len(mail.outbox) == 1


def test_a_reset_link_works_once(client):
    editor = make_editor(make_newsletter())
    ask_for_reset(client, editor.email)
    path = link_in(mail.outbox[0])

    form = client.get(path, follow=True)
    saved = client.post(form.wsgi_request.path, {"password1": NEW, "password2": NEW})
    again = Client().get(path)

    assert saved.url == reverse("account_reset_password_from_key_done")
    assert log_in(client, editor.email, NEW).url == reverse("studio-start")
    assert reverse("account_reset_password") in again.text


def test_a_short_new_password_is_refused_with_422(client):
    ask_for_reset(client, make_editor().email)
    form = client.get(link_in(mail.outbox[0]), follow=True)

    response = client.post(form.wsgi_request.path, {"password1": "pendek", "password2": "pendek"})

    assert response.status_code == 422
    assert 'aria-invalid="true"' in response.text


# --- invitation ------------------------------------------------------------------------------------------------------


def invite(client, newsletter, **fields):
    form = {"email": "rizky@kabarlintas.example", "name": "Rizky Pratama", "role": "publisher", "language": "en"}
    return client.post(reverse("settings-editor-invite"), {**form, "newsletter": newsletter.slug, **fields})


def test_an_invited_editor_chooses_a_password_and_logs_in(client):
    newsletter = make_newsletter()
    client.force_login(make_editor(newsletter))
    invite(client, newsletter)
    theirs = Client()

    form = theirs.get(link_in(mail.outbox[0]), follow=True)
    theirs.post(form.wsgi_request.path, {"password1": NEW, "password2": NEW})

    assert log_in(theirs, "rizky@kabarlintas.example", NEW).url == reverse("studio-start")
    assert Membership.objects.get(editor__email="rizky@kabarlintas.example").role == Role.PUBLISHER


def test_an_invitation_says_who_invites_to_what(client):
    newsletter = make_newsletter()
    client.force_login(make_editor(newsletter))

    invite(client, newsletter)

    message = mail.outbox[0]
    assert message.to == ["rizky@kabarlintas.example"]
    assert message.subject == "You are invited to work on “Ringkasan mingguan”"
    assert "Ayu Lestari invites you" in message.body


def test_inviting_somebody_with_an_account_adds_a_role_and_mails_nothing(client):
    newsletter = make_newsletter()
    known = make_editor(make_newsletter(), role=Role.WRITER)
    client.force_login(make_editor(newsletter))

    invite(client, newsletter, email=known.email.upper())

    assert known.memberships.get(newsletter=newsletter).role == Role.PUBLISHER
    assert mail.outbox == []
    assert Editor.objects.filter(email__iexact=known.email).count() == 1


def test_inviting_a_member_again_says_so_and_keeps_what_was_typed(client):
    newsletter = make_newsletter()
    member = make_editor(newsletter, role=Role.WRITER)
    client.force_login(make_editor(newsletter))

    response = invite(client, newsletter, email=member.email, name="Nama Lain")

    assert response.status_code == 422
    assert 'value="Nama Lain"' in response.text
    assert member.memberships.get().role == Role.WRITER


def test_an_invitation_that_cannot_be_mailed_can_be_sent_again(client, settings):
    newsletter = make_newsletter()
    client.force_login(make_editor(newsletter))
    settings.EMAIL_BACKEND = "tests.newsletter.studio.settings.test_accounts.BrokenBackend"
    broken = client.post(
        reverse("settings-editor-invite"),
        {
            "email": "rizky@kabarlintas.example",
            "name": "Rizky",
            "role": "writer",
            "language": "id",
            "newsletter": newsletter.slug,
        },
        follow=True,
    )

    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    member = Membership.objects.get(editor__email="rizky@kabarlintas.example")
    client.post(reverse("settings-editor-invite-again", args=[member.pk]))

    assert "could not be sent" in broken.text
    assert len(mail.outbox) == 1


class BrokenBackend:
    def __init__(self, *args, **kwargs):
        pass

    def send_messages(self, messages):
        raise ConnectionRefusedError


# --- one's own account -----------------------------------------------------------------------------------------------


def test_name_language_and_look_are_kept(client):
    editor = make_editor(make_newsletter())
    client.force_login(editor)

    client.post(reverse("settings-account"), {"name": "Ayu L.", "language": "id", "theme": "dark"})

    editor.refresh_from_db()
    page = client.get(reverse("studio-start"))
    assert (editor.name, editor.language) == ("Ayu L.", "id")
    assert '<html lang="id" data-theme="dark">' in page.text


def test_the_look_of_the_device_needs_no_cookie(client):
    client.force_login(make_editor(make_newsletter()))
    client.cookies["theme"] = "dark"

    client.post(reverse("settings-account"), {"name": "Ayu", "language": "en", "theme": "system"})

    assert "data-theme" not in client.get(reverse("studio-start")).text


def test_an_empty_name_is_refused_and_the_rest_stays_typed(client):
    client.force_login(make_editor(make_newsletter()))

    response = client.post(reverse("settings-account"), {"name": "", "language": "id", "theme": "dark"})

    assert response.status_code == 422
    assert '<option value="id" selected>' in response.text


def test_a_new_password_ends_all_other_sessions(client):
    editor = make_editor(make_newsletter())
    other = Client()
    for browser in (client, other):
        browser.force_login(editor)
    form = {"old_password": PASSWORD, "new_password1": NEW, "new_password2": NEW}

    client.post(reverse("settings-password"), form)

    assert client.get(reverse("studio-start")).status_code == 200
    assert other.get(reverse("studio-start")).status_code == 302
    assert AuditEntry.objects.get().action == "password-changed"


def test_a_wrong_current_password_changes_nothing(client):
    editor = make_editor(make_newsletter())
    client.force_login(editor)
    form = {"old_password": "bukan ini", "new_password1": NEW, "new_password2": NEW}

    response = client.post(reverse("settings-password"), form)

    editor.refresh_from_db()
    assert response.status_code == 422
    assert editor.check_password(PASSWORD)


def test_guessing_the_current_password_is_throttled(client):
    client.force_login(make_editor(make_newsletter()))
    form = {"old_password": "bukan ini", "new_password1": NEW, "new_password2": NEW}

    answers = [client.post(reverse("settings-password"), form).status_code for _ in range(6)]

    assert answers == [422] * 5 + [429]
