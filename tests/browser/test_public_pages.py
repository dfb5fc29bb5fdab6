"""The public pages as a browser shows them: which words are seen, and what axe says, light and dark."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.utils import timezone

from subscribers import consent, signup, tokens
from tests import chromium
from tests.factories import make_newsletter, make_reader
from tests.subscribers.signup_helpers import ask_and_admit, make_form, post

pytestmark = [pytest.mark.browser, pytest.mark.django_db, chromium.needs_chromium]
STYLES = (Path(django_settings.BASE_DIR) / "newsletter/static/newsletter/public.css").read_text()


def with_styles(answer) -> str:
    return answer.content.decode().replace("</head>", f"<style>{STYLES}</style></head>")


def make_pages(client) -> dict[str, str]:
    """Every public page about people, with its stylesheet inside."""
    first, second = make_newsletter(), make_newsletter(title="Perubahan aturan", tracking="individual")
    form = make_form(first, second)
    siti = make_reader(first, email="siti@contoh.id")
    make_reader(second, email="siti@contoh.id")
    eko = make_reader(first, email="eko@contoh.id")
    consent.withdraw(eko, now=timezone.now())
    waiting = ask_and_admit(form, "budi@gmail.com", now=timezone.now())
    done = ask_and_admit(form, "dewi@contoh.id", now=timezone.now())
    consent.confirm(done, now=timezone.now())
    paths = {
        "sign-up": "/",
        "check inbox": f"/check-inbox/{waiting.public_id}/",
        "confirm": signup.confirm_url(waiting).removeprefix(django_settings.SITE_URL),
        "confirmed": signup.confirm_url(done).removeprefix(django_settings.SITE_URL),
        "unsubscribe": f"/u/{tokens.make_unsubscribe(siti.pk)}/",
        "unsubscribed": f"/u/{tokens.make_unsubscribe(eko.pk)}/",
        "choices": f"/p/{tokens.make_preferences(siti.pk)}/",
        "privacy": "/privacy/",
        "bad link": "/u/x/",
        "not found": "/nowhere/",
    }
    pages = {name: with_styles(client.get(path)) for name, path in paths.items()}
    return {**pages, "error": with_styles(post(client, form, "siti@contoh,id", newsletters=[]))}


def test_c01_the_sentence_of_each_ticked_newsletter_is_seen_above_the_button_and_no_other(client):
    first, second = make_newsletter(), make_newsletter(title="Perubahan aturan")
    make_form(first, second)
    html = with_styles(client.get("/?lang=id"))
    words = [consent.current_text(newsletter, "newsletter", "id").text for newsletter in (first, second)]

    with chromium.browser() as browser:
        page = browser.new_page()
        page.set_content(html)
        boxes = page.locator("[name=newsletters]")
        seen = [[page.get_by_text(sentence).is_visible() for sentence in words]]
        boxes.nth(1).check()
        seen.append([page.get_by_text(sentence).is_visible() for sentence in words])
        boxes.nth(0).uncheck()
        seen.append([page.get_by_text(sentence).is_visible() for sentence in words])

    assert seen == [[True, False], [True, True], [False, True]]


def test_the_single_box_shows_its_sentence_and_hides_the_honeypot(client):
    newsletter = make_newsletter()
    make_form(newsletter)
    html = with_styles(client.get("/?lang=id"))
    sentence = consent.current_text(newsletter, "newsletter", "id").text

    with chromium.browser() as browser:
        page = browser.new_page(viewport={"width": 390, "height": 800})
        page.set_content(html)
        words = page.get_by_text(sentence)
        button = page.locator("button")
        is_above = words.bounding_box()["y"] < button.bounding_box()["y"]
        honeypot = page.locator("[name=website]").bounding_box()

    assert is_above
    assert honeypot["y"] < -300


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_and_nothing_scrolls_sideways(client, scheme):
    pages = make_pages(client)
    complaints = {}

    with chromium.browser() as browser:
        page = browser.new_page(viewport={"width": 320, "height": 800}, color_scheme=scheme)
        for name, html in pages.items():
            page.set_content(html)
            found = chromium.axe_complaints(page)
            if page.evaluate("document.documentElement.scrollWidth") > 320:
                found.append("scrolls sideways at 320 px")
            complaints.update({name: found} if found else {})

    assert complaints == {}
