"""Paste your site's address, as an editor meets it: asked, read, shown, changed, kept."""

from __future__ import annotations

import json

import pytest
from django.core.cache import cache
from django.urls import reverse

from newsletter import content
from newsletter.models import AuditEntry, Issue, Newsletter, Role
from tests.factories import make_editor, make_newsletter
from tests.newsletter.sites.test_sites import publication  # noqa: F401 (a fixture)

pytestmark = pytest.mark.django_db


@pytest.fixture
def editor():
    return make_editor(make_newsletter(is_demo=True), language="en")


@pytest.fixture
def reading(studio, publication):  # noqa: F811
    """The address of the page that shows what was found."""
    return studio.post(reverse("site-ask"), {"address": publication})["Location"]


def words(response):
    return " ".join(response.text.split())


def fields(**changes):
    usual = {
        "name": "Kabar Lintas",
        "shows_logo": "on",
        "first": "id",
        "languages": ["id", "en"],
        "accent": "#0E5A55",
        "time_zone": "Asia/Jakarta",
        "postal_address": "",
    }
    return {**usual, **changes}


def test_with_nothing_but_the_demo_the_start_page_asks_for_ones_own_site(studio, editor):
    assert f'href="{reverse("site-ask")}"' in studio.get(reverse("studio-start")).text

    make_newsletter().memberships.create(editor=editor, role=Role.WRITER)

    assert "Your own newsletter" not in studio.get(reverse("studio-start")).text


def test_starting_a_newsletter_begins_with_the_address(studio):
    assert f'href="{reverse("site-ask")}"' in studio.get(reverse("settings-newsletters")).text
    page = studio.get(reverse("site-ask")).text
    assert f'href="{reverse("settings-newsletter-create")}"' in page


def test_without_script_one_post_reads_everything(studio, reading):
    page = words(studio.get(reading))

    assert "This is what we found" in page
    assert "Read in 1 s: the front page, the list of articles, and 9 article pages." in page
    assert "<code>/demo/umpan.xml</code>" in page
    assert "6 articles, newest" in page
    assert "4 sections" in page
    assert "Indonesian, English" in page
    assert "3 have a translation in English, as their pages state (hreflang)" in page
    assert "Your site’s #7FC7BE has a contrast of 1.9 : 1 on white. It was darkened to" in page
    assert "WIB: Jakarta" in page
    assert "From the dates of your articles (+07:00)" in page
    assert "Jl. Contoh No. 10<br>Jakarta 12345" in page


def test_with_script_each_step_can_be_seen(studio, publication):  # noqa: F811
    answer = studio.post(reverse("site-ask"), {"address": publication}, headers={"hx-request": "true"})
    seen = []
    for _step in range(4):
        assert "hx-trigger" in answer.text
        seen.append(words(answer).partition('role="status">')[2].partition(" …")[0])
        url = answer.text.partition('hx-post="')[2].partition('"')[0]
        answer = studio.post(url, headers={"hx-request": "true"})

    assert seen == ["Front page: name, colours, languages", "Feed", "Newest articles", "Images"]
    assert studio.get(answer["HX-Redirect"]).status_code == 200


def test_an_unfinished_reading_can_be_gone_on_with(studio, publication):  # noqa: F811
    answer = studio.post(reverse("site-ask"), {"address": publication}, headers={"hx-request": "true"})
    url = answer.text.partition('action="')[2].partition('"')[0]

    page = studio.get(url.removesuffix("go-on/"))

    assert "Continue reading" in page.text
    assert studio.post(url).status_code == 200


@pytest.mark.parametrize("headers", [{}, {"hx-request": "true"}])
def test_what_cannot_be_read_says_why_and_stays_typed(studio, web, headers):
    address = web.origin + "/demo/hilang"
    answer = studio.post(reverse("site-ask"), {"address": address}, headers=headers)
    if headers:
        answer = studio.post(answer.text.partition('hx-post="')[2].partition('"')[0], headers=headers)

    assert answer.status_code == 422
    assert "There is no page at this address (any more)." in answer.text
    assert f'value="{address}"' in answer.text
    assert ("<html" in answer.text) is not bool(headers)


def test_no_address_is_no_reading(studio):
    answer = studio.post(reverse("site-ask"), {"address": "kabar lintas"})

    assert answer.status_code == 422
    assert "This is not a web address." in answer.text


def test_a_fact_is_changed_in_place_and_the_issue_follows(studio, reading):
    studio.post(reading, fields(name="Kabar Imigrasi", first="en", languages=["en"], accent="#8A1538", do="show"))

    page = words(studio.get(reading))
    mail = studio.get(f"{reading}preview/").text
    assert "<b>Kabar Imigrasi</b>" in page
    assert "#8A1538" in page
    assert "Immigration news 2" in mail
    assert "Kabar Imigrasi" in mail
    assert not Newsletter.objects.filter(is_demo=False).exists()


def test_a_wrong_change_is_refused_beside_its_field(studio, reading):
    answer = studio.post(reading, fields(accent="teal", do="keep"))

    assert answer.status_code == 422
    assert "Write a colour as # and six digits" in answer.text
    assert not Newsletter.objects.filter(is_demo=False).exists()


def test_the_preview_is_shut_off_from_everything(studio, reading):
    answer = studio.get(f"{reading}preview/?language=en")

    assert "Immigration news 2" in answer.text
    assert "img-src 'self' data:;" in answer["Content-Security-Policy"]
    assert "script-src 'none'" in answer["Content-Security-Policy"]


def test_one_click_keeps_it_and_leads_to_the_sender_and_on_to_the_draft(studio, reading, editor):
    answer = studio.post(reading, fields(feeds=[], do="keep"))

    newsletter = Newsletter.objects.get(is_demo=False)
    assert answer["Location"] == reverse("site-sender", args=[newsletter.slug])
    assert newsletter.memberships.get().editor == editor
    assert AuditEntry.objects.filter(action="newsletter-created", newsletter=newsletter).exists()
    issue = Issue.objects.get(newsletter=newsletter)
    assert len(content.parse(issue.content).blocks) == 5

    page = studio.get(answer["Location"]).text
    assert f'href="{reverse("issue-compose", args=[issue.pk])}"' in page

    sender = {"from_name": "Kabar Lintas", "from_email": "redaksi@kabarlintas.example"}
    refused = studio.post(answer["Location"], {**sender, "postal_address": "Jakarta"})
    assert refused.status_code == 422
    saved = studio.post(answer["Location"], {**sender, "postal_address": "Redaksi, Jl. Contoh No. 10, Jakarta 12345"})
    assert saved["Location"] == reverse("issue-compose", args=[issue.pk])
    assert (newsletter.is_public, Newsletter.objects.get(pk=newsletter.pk).is_public) == (False, True)


def test_a_second_click_makes_no_second_newsletter(studio, reading):
    studio.post(reading, fields(do="keep"))
    again = studio.post(reading, fields(do="keep"))

    assert again.status_code == 404
    assert Newsletter.objects.filter(is_demo=False).count() == 1


def test_a_reading_is_its_editors_alone(client, reading):
    client.force_login(make_editor(make_newsletter(), language="en"))

    assert client.get(reading).status_code == 404
    assert client.get(f"{reading}preview/").status_code == 404


def test_writers_start_no_newsletters(client):
    client.force_login(make_editor(make_newsletter(), role=Role.WRITER))

    assert client.get(reverse("site-ask")).status_code == 403
    assert client.post(reverse("site-go-on", args=["x"])).status_code == 403


def test_the_cache_holds_nothing_but_json(studio, publication, monkeypatch):  # noqa: F811
    stored, original = [], cache.set

    def set_json(key, value, *args, **kwargs):
        stored.append(json.dumps(value))
        return original(key, value, *args, **kwargs)

    monkeypatch.setattr(cache, "set", set_json)

    page = studio.post(reverse("site-ask"), {"address": publication})["Location"]

    assert stored
    assert studio.get(page).status_code == 200
