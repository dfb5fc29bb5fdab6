"""The pages of the caught mail: what they show, and to whom."""

from __future__ import annotations

import re
from email.message import EmailMessage

import pytest
from django.utils.html import escape

from workers import routes
from workers.mailbox import views
from workers.routes import mailbox

pytestmark = pytest.mark.django_db

HTML = '<!doctype html><html><head><title>x</title></head><body><p>Halo <a href="https://a.example">baca</a></p></body></html>'


def catch(settings, *, to="siti@pembaca.example", subject="Halo Siti", html=HTML, number=1):
    message = EmailMessage()
    message["From"] = "Kabar Lintas <redaksi@kabarlintas.example>"
    message["To"] = to
    message["Subject"] = subject
    message["Message-ID"] = f"<{number}@kabarlintas.example>"
    message["Date"] = "Tue, 24 Nov 2026 07:00:00 +0700"
    message.set_content("Halo\nhttps://kabarlintas.example/baca")
    if html:
        message.add_alternative(html, subtype="html")
    route = routes.from_url("mailbox-1", "mailbox:")
    route.open()
    letter = routes.OutgoingMessage("redaksi@kabarlintas.example", to, message["Message-ID"], data=message.as_bytes())
    assert route.send(letter).outcome == "accepted"
    return f"{number}@kabarlintas.example.eml"


def test_the_list_shows_who_was_written_to_and_leads_to_the_mail(client, settings):
    name = catch(settings)

    page = client.get("/mailbox/")

    assert page.status_code == 200
    assert f'href="/mailbox/{name}/"' in page.content.decode()
    assert "siti@pembaca.example" in page.content.decode()


def test_the_list_is_searched_by_address(client, settings):
    catch(settings, to="siti@pembaca.example", subject="Untuk Siti", number=1)
    catch(settings, to="budi@pembaca.example", subject="Untuk Budi", number=2)

    page = client.get("/mailbox/?to=BUDI@").content.decode()

    assert "Untuk Budi" in page
    assert "Untuk Siti" not in page


def test_a_search_without_a_find_says_so(client, settings):
    page = client.get("/mailbox/?to=<script>&lang=en").content.decode()

    assert "<script>" not in page
    assert "No mail to an address with “&lt;script&gt;” in it." in page


def test_long_lists_come_in_pages(client, settings, monkeypatch):
    monkeypatch.setattr(views, "PER_PAGE", 2)
    for number in range(3):
        catch(settings, number=number)

    first, second = client.get("/mailbox/").content.decode(), client.get("/mailbox/?page=2").content.decode()

    assert (first.count("/mailbox/"), "?page=2" in first) == (second.count("/mailbox/") + 1, True)
    assert client.get("/mailbox/?page=nonsense").status_code == 200


def test_t23_the_mail_is_shown_in_a_frame_without_scripts_under_its_own_policy(client, settings):
    name = catch(settings, html=HTML.replace("<p>", "<script>alert(1)</script><p>"))

    page, framed = client.get(f"/mailbox/{name}/"), client.get(f"/mailbox/{name}/html/")

    (sandbox,) = re.findall(r'<iframe[^>]* sandbox="([^"]*)"', page.content.decode())
    assert set(sandbox.split()) == {
        "allow-popups",
        "allow-popups-to-escape-sandbox",
        "allow-top-navigation-by-user-activation",
    }
    policy = framed.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; img-src 'self' data:; style-src 'unsafe-inline'; form-action 'none'")
    assert "script-src" not in policy
    assert policy.endswith(f"sandbox {sandbox}")
    assert framed.headers["X-Frame-Options"] == "SAMEORIGIN"
    assert '<base target="_top">' in framed.content.decode()
    assert "style-src 'self'" in page.headers["Content-Security-Policy"]


def test_headers_and_text_part_are_there_word_for_word(client, settings):
    name = catch(settings)

    page = client.get(f"/mailbox/{name}/?lang=en").content.decode()

    assert "<dt>Message-ID</dt><dd>&lt;1@kabarlintas.example&gt;</dd>" in page
    assert '<a href="https://kabarlintas.example/baca"' in page
    assert escape("Kabar Lintas <redaksi@kabarlintas.example>") in page


def test_a_mail_without_html_shows_its_text(client, settings):
    name = catch(settings, html="")

    page = client.get(f"/mailbox/{name}/").content.decode()

    assert "<iframe" not in page
    assert "<details open>" in page
    assert client.get(f"/mailbox/{name}/html/").status_code == 404


def test_the_download_is_the_very_mail(client, settings):
    name = catch(settings)

    answer = client.get(f"/mailbox/{name}/download/")

    assert answer.content == mailbox.open_message(name).source
    assert answer.headers["Content-Type"] == "message/rfc822"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{name}"'


@pytest.mark.parametrize("path", ["", "1@kabarlintas.example.eml/", "1@kabarlintas.example.eml/html/"])
@pytest.mark.parametrize(
    "visitor",
    [{"REMOTE_ADDR": "203.0.113.9"}, {"REMOTE_ADDR": ""}, {"HTTP_X_FORWARDED_FOR": "203.0.113.9"}],
    ids=["from elsewhere", "from nowhere", "through a proxy"],
)
def test_nobody_else_sees_the_caught_mail(client, settings, path, visitor):
    catch(settings)

    assert client.get(f"/mailbox/{path}", **visitor).status_code == 404


def test_there_is_no_caught_mail_outside_embedded_mode(client, settings):
    catch(settings)
    settings.EMBEDDED = False

    assert client.get("/mailbox/").status_code == 404


@pytest.mark.parametrize("name", ["..%2f..%2fsecret_key", "%2e%2e", ".hidden.eml", "nobody.eml", "x" * 300])
def test_no_name_leads_out_of_the_folder(client, settings, name):
    assert client.get(f"/mailbox/{name}/").status_code == 404


def test_reading_changes_nothing_and_nothing_else_is_allowed(client, settings):
    catch(settings)

    assert client.post("/mailbox/").status_code == 405


def test_both_languages_are_spoken(client, settings):
    page = client.get("/mailbox/", headers={"Accept-Language": "en"}).content.decode()

    assert '<html lang="en">' in page
    assert 'hreflang="id"' in page
