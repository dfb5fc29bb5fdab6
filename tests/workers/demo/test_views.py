"""The invented news site of embedded mode."""

from __future__ import annotations

import io
import json
import re
from datetime import timedelta

import lxml.html
import pytest
from django.urls import reverse
from PIL import Image

from newsletter.articles import extraction, feed_parser
from subscribers.models import SignupForm
from tests.factories import make_newsletter
from workers.demo import drawings, stories

pytestmark = pytest.mark.django_db

STORIES = stories.all_stories()


@pytest.fixture(autouse=True)
def _site(settings):
    settings.SITE_URL = "http://127.0.0.1:8000"


def tree(client, path):
    answer = client.get(path)
    assert answer.status_code == 200, path
    return lxml.html.fromstring(answer.content)


def test_there_are_a_dozen_articles_and_half_of_them_have_an_english_twin():
    assert len(stories.in_language("id")) == 12
    assert len(stories.in_language("en")) >= 6
    assert len({story.path for story in STORIES}) == len(STORIES)


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.slug)
def test_an_article_is_long_enough_and_its_twin_points_back(story):
    assert 150 <= story.words <= 300
    assert story.picture in drawings.SCENES
    for language, slug in story.twins.items():
        assert stories.find(slug, language).twins == {story.language: story.slug}


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.slug)
def test_our_own_reading_finds_everything_on_an_article_page(client, story, now):
    make_newsletter(is_demo=True, created_at=now)

    answer = client.get(story.path, headers={"accept-language": "de"})

    found = extraction.extract_page(answer.content, url="http://127.0.0.1:8000" + story.path)
    article = found.article
    assert found.reason == ""
    assert (article.title, article.summary, article.author) == (story.title, story.summary, story.author)
    assert (article.language, article.section, article.image_alt) == (story.language, story.section, story.alt)
    assert article.image_url == f"http://127.0.0.1:8000/demo/pictures/{story.picture}.png"
    assert article.published_at == story.published_at(now)
    assert set(article.alternates) == set(story.twins)
    assert answer["Content-Language"] == story.language


def test_an_article_page_says_the_same_in_json_ld_and_opengraph(client):
    page = tree(client, "/demo/paspor-elektronik/")

    said = json.loads(page.xpath("string(//script[@type='application/ld+json'])"))
    meta = {element.get("property"): element.get("content") for element in page.xpath("//meta[@property]")}
    assert said["@type"] == "NewsArticle"
    assert said["headline"] == meta["og:title"]
    assert said["datePublished"] == meta["article:published_time"]
    assert page.get("lang") == "id"
    assert page.xpath("//link[@rel='canonical']/@href") == ["http://127.0.0.1:8000/demo/paspor-elektronik/"]
    assert page.xpath("//link[@hreflang='en']/@href") == ["http://127.0.0.1:8000/demo/en/electronic-passport/"]


def test_the_language_switch_leads_to_the_twin_or_to_the_front_page(client):
    with_twin = tree(client, "/demo/paspor-elektronik/")
    without = tree(client, "/demo/paspor-hilang/")

    assert with_twin.xpath("//nav//a[@hreflang='en']/@href") == ["http://127.0.0.1:8000/demo/en/electronic-passport/"]
    assert without.xpath("//nav//a[@hreflang='en']/@href") == ["http://127.0.0.1:8000/demo/en/"]


def test_the_sign_up_box_stands_at_the_end_in_the_articles_language(client, now):
    form = SignupForm.objects.create(slug="artikel")
    form.newsletters.add(make_newsletter(is_demo=True))

    page = tree(client, "/demo/en/electronic-passport/")

    (box,) = page.xpath("//form")
    assert box.get("action") == reverse("signup-post", args=["artikel"])
    assert box.xpath(".//input[@name='page']/@value") == ["http://127.0.0.1:8000/demo/en/electronic-passport/"]
    assert box.xpath(".//input[@name='language']/@value") == ["en"]
    assert page.xpath("//article/following::form")


@pytest.mark.parametrize("language", ["id", "en"])
def test_front_page_and_feed_list_every_article_of_their_language(client, language):
    prefix = "/demo/" if language == "id" else "/demo/en/"
    expected = {story.path for story in stories.in_language(language)}

    page = tree(client, prefix)
    feed = feed_parser.parse(client.get(prefix + "feed.xml").content, url="http://127.0.0.1:8000" + prefix + "feed.xml")

    assert expected <= set(page.xpath("//main//a/@href"))
    assert {item.url for item in feed.items} == {"http://127.0.0.1:8000" + path for path in expected}
    assert feed.language == language
    assert all(item.image_url and item.author and item.section and item.published_at for item in feed.items)


def test_the_feed_is_not_sent_again_while_nothing_changed(client, now):
    make_newsletter(is_demo=True, created_at=now)
    first = client.get("/demo/feed.xml")

    again = client.get("/demo/feed.xml", headers={"if-none-match": first["ETag"]})

    assert again.status_code == 304


def test_dates_lie_in_the_six_weeks_before_the_first_day_and_stay(now):
    make_newsletter(is_demo=True, created_at=now)

    dates = [story.published_at(stories.first_day(now=now + timedelta(days=90))) for story in STORIES]

    assert all(timedelta(hours=1) < now - date < timedelta(days=43) for date in dates)
    assert max(dates) - min(dates) > timedelta(days=35)


@pytest.mark.parametrize("name", list(drawings.SCENES))
def test_each_picture_is_drawn_and_light(client, name):
    answer = client.get(f"/demo/pictures/{name}.png")

    picture = Image.open(io.BytesIO(answer.content))
    assert (answer["Content-Type"], picture.format, picture.size) == ("image/png", "PNG", (1200, 630))
    assert len(answer.content) < 60_000


@pytest.mark.parametrize("path", ["/demo/tidak-ada/", "/demo/en/paspor-hilang/", "/demo/pictures/x.png", "/demo/de/"])
def test_what_is_not_there_is_not_found(client, path):
    assert client.get(path).status_code == 404


@pytest.mark.parametrize("path", ["/demo/", "/demo/en/", "/demo/golden-visa/", "/demo/en/fake-mail/"])
def test_pages_have_one_heading_of_the_first_rank_no_inline_style_and_nothing_from_elsewhere(client, path):
    page = tree(client, path)

    assert len(page.xpath("//h1")) == 1
    assert not page.xpath("//*[@style] | //style | //script[not(@type='application/ld+json')]")
    loaded = page.xpath("//img/@src | //link[@rel='stylesheet']/@href | //script/@src")
    assert all(re.match(r"/(static|demo)/", address) for address in loaded)
    assert all(image.get("alt") is not None for image in page.xpath("//img"))
