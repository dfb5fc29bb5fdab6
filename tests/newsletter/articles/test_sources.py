"""Reading of feeds: conditional requests, longer intervals after failures, Retry-After."""

from __future__ import annotations

from datetime import timedelta
from email.utils import format_datetime

import pytest
from django.utils import timezone, translation

from newsletter import articles
from tests.factories import NOW, make_newsletter
from tests.newsletter.articles.test_storing import feed_of, item

pytestmark = pytest.mark.django_db


def test_a_site_that_names_no_feed_is_searched_in_the_usual_places(web):
    home = web.put("/demo/situs/", "<title>Kabar</title><p>Selamat datang.</p>")
    web.put("/demo/situs/feed.xml", feed_of(item(1)), kind="application/rss+xml")

    source = articles.connect_source(home, newsletter=make_newsletter())

    assert source.url == web.origin + "/demo/situs/feed.xml"


def test_a_feed_that_a_page_names_and_that_is_broken_is_no_end_of_the_search(web):
    link = '<link rel="alternate" type="application/rss+xml" href="/demo/situs/rusak.xml">'
    home = web.put("/demo/situs/", f"<title>Kabar</title>{link}")
    web.put("/demo/situs/rss.xml", feed_of(item(1)), kind="application/rss+xml")

    assert articles.connect_source(home, newsletter=make_newsletter()).url == web.origin + "/demo/situs/rss.xml"


def pause_after(source) -> timedelta:
    articles.collect(source, now=NOW)
    return source.next_at - NOW


def test_both_ways_to_ask_whether_anything_changed_are_used(web, source):
    changed = "Mon, 23 Nov 2026 06:00:00 GMT"
    web.put("/demo/umpan.xml", feed_of(item(1)), ETag='"satu"', Last_Modified=changed)
    articles.collect(source, now=NOW)
    source.refresh_from_db()

    web.answers["/demo/umpan.xml"] = (304, {}, b"")
    outcome = articles.collect(source, now=NOW)

    assert outcome.is_unchanged
    asked = web.asked[-1][1]
    assert (asked["if-none-match"], asked["if-modified-since"]) == ('"satu"', changed)
    assert (source.etag, source.last_modified, source.error) == ('"satu"', changed, "")
    assert source.next_at == NOW + timedelta(minutes=15)


def test_a_site_in_trouble_is_asked_later_each_time_and_at_the_old_pace_once_it_is_well(web, source):
    web.answers["/demo/umpan.xml"] = (503, {}, b"")

    pauses = [pause_after(source) for _ in range(7)]
    web.put("/demo/umpan.xml", feed_of(item(1)))
    well = pause_after(source)

    assert [pause // timedelta(minutes=1) for pause in pauses] == [30, 60, 120, 240, 360, 360, 360]
    assert (well, source.failures, source.error) == (timedelta(minutes=15), 0, "")


@pytest.mark.parametrize(
    ("asked", "minutes"),
    [
        ("7200", 120),
        ("60", 30),
        ("99999999", 24 * 60),
        ("9" * 5000, 24 * 60),
        ("besok", 30),
        ("Mon, 99 Foo", 30),
        ("-5", 30),
        ("Mon, 01 Jan 1990 00:00:00 GMT", 30),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_a_site_that_asks_for_a_pause_gets_it_up_to_a_day(web, source, status, asked, minutes):
    web.answers["/demo/umpan.xml"] = (status, {"Retry-After": asked}, b"")

    assert pause_after(source) // timedelta(minutes=1) == minutes


def test_a_pause_can_be_asked_for_as_a_date(web, source):
    until = format_datetime(timezone.now() + timedelta(hours=2, seconds=30), usegmt=True)
    web.answers["/demo/umpan.xml"] = (503, {"Retry-After": until}, b"")

    assert pause_after(source) // timedelta(minutes=1) == 120


def test_a_source_is_not_read_before_its_time_unless_somebody_asks(web, source):
    web.answers["/demo/umpan.xml"] = (503, {}, b"")
    articles.collect(source, now=NOW)
    web.put("/demo/umpan.xml", feed_of(item(1)))

    assert articles.collect_due(now=NOW + timedelta(minutes=29)) == 0
    assert articles.collect(source, now=NOW + timedelta(minutes=29)).new == 1


def test_the_reason_is_kept_as_a_msgid_and_told_in_the_language_of_whoever_looks(web, source):
    web.answers["/demo/umpan.xml"] = (503, {}, b"")

    with translation.override("id"):
        articles.collect(source, now=NOW)
        told = articles.translate_reason(source.error)

    assert source.error == "The site is overloaded or broken just now. Try again later."
    assert told != source.error
