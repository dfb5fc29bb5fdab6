"""Blocks on an archive page: their own HTML, not that of the mail."""

from __future__ import annotations

import pytest
from django.urls import reverse
from lxml import html

from newsletter import content
from tests.factories import make_newsletter, make_sent
from tests.newsletter import gallery

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("_secure_site")]


def page(client, *, language: str = "en", document: content.Document | None = None, **newsletter):
    document = document or gallery.document(picture=gallery.make_picture(), languages=gallery.LANGUAGES)
    issue = make_sent(make_newsletter(**{"languages": list(gallery.LANGUAGES), **newsletter}), document=document)
    address = reverse("archive-issue", kwargs={"year": 2026, "slug": issue.slug})
    return html.document_fromstring(client.get(address, {"lang": language}).content.decode()).find(".//article")


def test_a_picture_has_its_description_caption_and_facts(client):
    figure = page(client).xpath(".//figure[figcaption]")[0]

    assert figure.xpath(".//img/@alt") == ["Bar chart: working days from queue to passport at five offices"]
    assert figure.xpath("./a/@href") == ["https://kabarlintas.example/en/queues"]
    assert "Working days, average of October: Denpasar 8.0" in figure.text_content()


def test_a_video_is_a_still_that_leads_to_it_and_to_its_transcript(client):
    article = page(client)

    still = article.xpath(".//figure/a[img[contains(@src, '/stills/')]]")[0]
    assert still.get("href") == "https://kabarlintas.example/en/video/entry-stamp"
    assert still.find("img").get("alt") == "Play the video: How to read the entry stamp in your passport"
    assert "Video, 2:40" in article.text_content()
    assert "https://kabarlintas.example/en/video/entry-stamp/transcript" in article.xpath(".//a/@href")


def test_questions_are_headings_below_the_heading_of_their_block(client):
    section = page(client).xpath(".//section[h3]")[0]

    assert [heading.text_content() for heading in section.xpath(".//h2 | .//h3")] == [
        "Questions and answers: passports of children with two nationalities",
        "Until which age may one hold two passports?",
        "Must both parents come?",
    ]
    assert section.get("aria-labelledby") == section.find("h2").get("id")


def test_an_event_says_when_and_where_and_offers_its_calendar_file(client):
    section = page(client).xpath(".//section[contains(., 'Passport day')]")[0]

    words = " ".join(section.text_content().split())
    assert words.startswith(
        "Event: Saturday, 28 November 2026 Passport day at the Denpasar immigration office 08:00 to"
    )
    assert "Jalan D.I. Panjaitan 3, Denpasar" in words
    file = section.xpath(".//a[contains(@href, '.ics')]/@href")[0]
    assert client.get(file.removeprefix("https://surat.example")).status_code == 200


def test_a_merge_field_shows_the_words_that_stand_in_for_a_name(client):
    greeting = '<p>Halo <span data-merge="name">Sahabat</span>!</p>'
    document = content.Document(blocks=[content.Text(words={"id": content.TextWords(body=greeting)})])

    article = page(client, language="id", document=document, languages=["id"])

    assert "Halo Sahabat!" in article.text_content()
    assert not article.xpath(".//*[@data-merge]")


def test_foreign_words_say_their_language_and_run_their_own_way(client):
    document = gallery.document(picture=gallery.make_picture(), languages=("ar",))

    article = page(client, document=document, languages=["ar", "en"])

    foreign = article.xpath(".//*[@lang='ar']")
    assert len(foreign) > 15
    assert {element.get("dir") for element in foreign} == {"rtl"}
