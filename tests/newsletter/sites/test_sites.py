"""The first run: what is found on a site, error messages, and what is stored."""

from __future__ import annotations

import io

import pytest
from django.utils import translation
from PIL import Image

from newsletter import checks, content, sites
from newsletter.models import Article, Membership, Newsletter, Source, SourceKind
from newsletter.rendering import colours
from tests.factories import make_editor

pytestmark = pytest.mark.django_db

TEXT = "<p>" + "Kantor imigrasi menambah kuota antrean paspor pada akhir pekan ini. " * 12 + "</p>"
ORGANISATION = """<script type="application/ld+json">{"@context": "https://schema.org", "@type": "NewsMediaOrganization",
"name": "Kabar Lintas", "logo": "/demo/logo.png", "address": {"@type": "PostalAddress",
"streetAddress": "Jl. Contoh No. 10", "addressLocality": "Jakarta", "postalCode": "12345"}}</script>"""


def picture(size=(800, 400)):
    out = io.BytesIO()
    Image.new("RGB", size, "teal").save(out, "PNG")
    return out.getvalue()


def page(title, *, language="id", head="", text=TEXT, day=20):
    head += f'<meta property="article:published_time" content="2026-11-{day:02}T07:00:00+07:00">'
    head += '<meta property="og:type" content="article"><meta property="og:image" content="/demo/gambar.png">'
    return f'<html lang="{language}"><head>{head}</head><body><article><h1>{title}</h1>{text}</article></body></html>'


def item(number, *, language="id"):
    path = f"/demo/{number}" if language == "id" else f"/demo/en/{number}"
    title = f"Kabar imigrasi nomor {number}" if language == "id" else f"Immigration news {number}"
    return (
        f"<item><title>{title}</title><link>{path}</link><guid>{path}</guid><category>Rubrik {number % 4}</category>"
        f"<pubDate>{20 - number:02} Nov 2026 07:00:00 +0700</pubDate></item>"
    )


def feed_of(*items, language="id"):
    return f"<rss><channel><title>Kabar</title><language>{language}</language>{''.join(items)}</channel></rss>"


@pytest.fixture
def publication(web):
    """A site in two languages with six articles, of which the even ones have a translation. Returns its URL."""
    links = '<link rel="alternate" hreflang="{code}" href="{url}">'
    fronts = links.format(code="id", url="/demo/") + links.format(code="en", url="/demo/en/")
    for code, path in (("id", "/demo/"), ("en", "/demo/en/")):
        head = (
            f'{fronts}<title>Kabar Lintas</title><meta property="og:site_name" content="Kabar Lintas">'
            f'<meta name="theme-color" content="#7FC7BE">{ORGANISATION}'
            f'<link rel="alternate" type="application/rss+xml" href="{path}umpan.xml">'
        )
        web.put(path, f'<html lang="{code}"><head>{head}</head><body><h1>Kabar Lintas</h1></body></html>')
    web.put("/demo/logo.png", picture((300, 80)), kind="image/png")
    web.put("/demo/gambar.png", picture(), kind="image/png")
    for number in range(1, 7):
        twins = links.format(code="en", url=f"/demo/en/{number}") if number % 2 == 0 else ""
        web.put(f"/demo/{number}", page(f"Kabar imigrasi nomor {number}", head=twins, day=20 - number))
        back = links.format(code="id", url=f"/demo/{number}")
        web.put(f"/demo/en/{number}", page(f"Immigration news {number}", language="en", head=back, day=20 - number))
    web.put("/demo/umpan.xml", feed_of(*(item(n) for n in range(1, 7))), kind="application/rss+xml")
    web.put("/demo/en/umpan.xml", feed_of(item(2, language="en"), language="en"), kind="application/rss+xml")
    return web.origin + "/demo/"


def read(address, now):
    reading = sites.start_reading(address, now=now)
    while not reading.is_done:
        sites.read_next_step(reading)
    return reading


def refusal(address, now):
    with pytest.raises(sites.SiteReadError) as refused, translation.override("en"):
        read(address, now)
    return str(refused.value)


# --- what is found ---------------------------------------------------------------------------------------------------


def test_the_front_page_gives_name_look_languages_and_whose_it_is(publication, now):
    reading = read(publication, now)

    assert reading.name == "Kabar Lintas"
    assert reading.languages == ["id", "en"]
    assert reading.postal_address == "Jl. Contoh No. 10\nJakarta 12345"
    assert reading.time_zone == "Asia/Jakarta"
    assert (reading.logo.width, reading.logo.height) == (300, 80)


def test_an_accent_too_light_to_read_is_made_darker(publication, now):
    reading = read(publication, now)

    assert reading.site.accent == "#7FC7BE"
    assert reading.accent != "#7FC7BE"
    assert colours.contrast(reading.accent, "#FFFFFF") >= 4.5


def test_feeds_of_all_languages_are_found_with_their_articles(publication, web, now):
    reading = read(publication, now)

    assert [one.url for one in reading.found] == [web.origin + "/demo/umpan.xml", web.origin + "/demo/en/umpan.xml"]
    assert (len(reading.found[0].items), reading.found[0].sections) == (6, 4)


def test_articles_bring_their_twins(publication, now):
    reading = read(publication, now)

    assert [sorted(story.versions) for story in sites.pick_articles(reading)] == [["id"], ["en", "id"]] * 2 + [["id"]]


def test_nothing_is_stored_by_reading_and_looking(publication, now):
    reading = read(publication, now)
    sites.render_preview(reading, "id")

    assert not any(model.objects.exists() for model in (Newsletter, Source, Article))


def test_the_preview_is_the_mail_with_its_pictures_inside(publication, now):
    reading = read(publication, now)

    html = sites.render_preview(reading, "id")

    assert "Kabar imigrasi nomor 1" in html
    assert html.count("data:image/") == 2
    assert "first-run/" not in html
    assert reading.accent.lower() in html.lower()
    assert "Immigration news 2" in sites.render_preview(reading, "en")
    assert sites.build_envelope(reading, "id").subject == "Kabar imigrasi nomor 1"


def test_of_several_named_feeds_the_fullest_is_taken(web, now):
    links = "".join(
        f'<link rel="alternate" type="application/rss+xml" href="/demo/{name}.xml">'
        for name in ("arsip", "kabar", "hilang")
    )
    web.put("/demo/", f"<html lang=id><head><title>Kabar</title>{links}</head><body></body></html>")
    web.put("/demo/arsip.xml", feed_of(item(1)), kind="application/rss+xml")
    web.put("/demo/kabar.xml", feed_of(item(1), item(2)), kind="application/rss+xml")

    assert [one.url for one in read(web.origin + "/demo/", now).found] == [web.origin + "/demo/kabar.xml"]


def test_without_a_named_feed_the_usual_places_are_looked_at(web, now):
    web.put("/demo/", "<html lang=id><head><title>Kabar</title></head><body></body></html>")
    web.put("/demo/feed.xml", feed_of(item(1)), kind="application/rss+xml")

    assert [one.url for one in read(web.origin + "/demo/", now).found] == [web.origin + "/demo/feed.xml"]


def test_a_feeds_own_address_is_enough(publication, web, now):
    assert read(web.origin + "/demo/umpan.xml", now).found[0].url == web.origin + "/demo/umpan.xml"


def test_the_address_of_one_article_makes_an_issue_of_one(web, now):
    web.put("/demo/satu", page("Kabar tunggal"))

    reading = read(web.origin + "/demo/satu", now)

    assert [story.article.title for story in sites.pick_articles(reading)] == ["Kabar tunggal"]
    assert reading.found == []


def test_a_page_that_fails_leaves_what_the_feed_says(publication, web, now):
    del web.answers["/demo/1"]

    assert "Kabar imigrasi nomor 1" in [item.title for item in read(publication, now).articles]


# --- missing data ----------------------------------------------------------------------------------------------------


def test_no_feed_says_what_to_paste_instead(web, now):
    web.put("/demo/", "<html lang=id><head><title>Kabar</title></head><body>Selamat datang</body></html>")

    assert refusal(web.origin + "/demo/", now) == (
        "We found no feed and no news sitemap on this site. Paste the address of its feed, or of one article."
    )


def test_a_site_that_is_not_there_says_so(web, now):
    assert (
        refusal(web.origin + "/demo/hilang", now)
        == "There is no page at this address (any more). Check it in a browser."
    )


@pytest.mark.parametrize("address", ["http://10.0.0.1/", "http://169.254.169.254/latest/", "http://[::1]/"])
def test_addresses_that_lead_inside_are_not_read(now, settings, address):
    settings.EMBEDDED = False

    assert "private network" in refusal(address, now)


def test_a_site_in_any_language_becomes_a_newsletter_in_it(web, now):
    web.put("/demo/", "<html lang=de><head><title>Nachrichten</title></head><body></body></html>")
    web.put("/demo/feed.xml", feed_of(item(1), language="de"), kind="application/rss+xml")

    assert read(web.origin + "/demo/", now).languages == ["de"]


def test_a_feed_of_nothing_readable_says_so(web, now):
    web.put("/demo/", "<html lang=id><head><title>Kabar</title></head><body></body></html>")
    entry = "<item><link>/demo/9</link><guid>9</guid></item>"
    web.put("/demo/feed.xml", feed_of(entry), kind="application/rss+xml")

    assert refusal(web.origin + "/demo/", now).startswith("The feed lists no article that can be read.")


# --- storing ---------------------------------------------------------------------------------------------------------


def test_keeping_makes_newsletter_sources_articles_logo_and_draft(publication, now):
    reading, editor = read(publication, now), make_editor()

    issue = sites.store_site(reading, editor=editor, now=now)

    newsletter = issue.newsletter
    assert (newsletter.title, newsletter.slug, newsletter.languages) == ("Kabar Lintas", "kabar-lintas", ["id", "en"])
    assert Membership.objects.get(newsletter=newsletter).editor == editor
    assert newsletter.list_id == "kabar-lintas.127.0.0.1"
    assert set(newsletter.sources.values_list("kind", flat=True)) == {SourceKind.FEED}
    assert newsletter.logo.width == 300
    assert newsletter.cadence["days"] == [1]
    assert Article.objects.count() == 9
    blocks = content.parse(issue.content).blocks
    assert [block.kind for block in blocks] == ["lead", "story", "story", "story", "story"]
    assert blocks[0].picture.width == 800
    assert issue.prepared_for.isoformat() == "2026-11-24T01:00:00+00:00"


def test_the_draft_kept_is_the_one_that_was_shown(publication, now):
    reading = read(publication, now)
    shown = [story.article.url for story in sites.pick_articles(reading)]

    issue = sites.store_site(reading, editor=make_editor(), now=now)

    told = [block.article for block in content.parse(issue.content).blocks]
    assert [Article.objects.get(pk=key).url for key in told] == shown


def test_what_the_site_does_not_say_is_not_invented_and_blocks_sending(publication, now):
    reading = read(publication, now)
    reading.postal_address = ""

    issue = sites.store_site(reading, editor=make_editor(), now=now)

    assert (issue.newsletter.from_email, issue.newsletter.postal_address) == ("", "")
    assert "address" in {check.id for check in checks.check_issue(issue) if check.severity == "blocks" and not check.ok}


def test_feeds_left_out_are_not_connected_and_their_articles_stay(publication, web, now):
    reading = read(publication, now)
    reading.without = [web.origin + "/demo/en/umpan.xml"]

    issue = sites.store_site(reading, editor=make_editor(), now=now)

    assert issue.newsletter.sources.get().url == web.origin + "/demo/umpan.xml"
    assert Article.objects.filter(language="en").exists()


def test_a_second_site_of_the_same_name_gets_an_address_of_its_own(publication, now):
    first = sites.store_site(read(publication, now), editor=make_editor(), now=now)
    second = sites.store_site(read(publication, now), editor=make_editor(), now=now)

    assert first.newsletter.slug != second.newsletter.slug


# --- long addresses --------------------------------------------------------------------------------------------------


def test_a_newsletter_keeps_no_longer_address_than_fits(publication, now):
    reading = read(publication, now)
    reading.url = "https://kabar.example/" + "x" * 900

    newsletter = sites.store_site(reading, editor=make_editor(), now=now).newsletter

    assert newsletter.site_url == "https://kabar.example/"
    assert newsletter.list_id == "kabar-lintas.kabar.example"


def test_a_site_with_a_very_long_name_is_listed_under_ours(publication, now, settings):
    settings.SITE_HOST = "surat.example"
    reading = read(publication, now)
    reading.url = "https://" + ".".join(["a" * 60] * 4) + "/"

    newsletter = sites.store_site(reading, editor=make_editor(), now=now).newsletter

    assert newsletter.site_url == ""
    assert newsletter.list_id == "kabar-lintas.surat.example"


def test_a_feed_at_an_address_longer_than_one_we_keep_is_none(web, publication, now):
    longest = web.origin + "/demo/" + "u" * 1000
    front = '<html lang="id"><head><title>Kabar</title><link rel="alternate" type="application/rss+xml" href="/demo/u">'
    web.put("/demo/panjang/", front + "</head><body></body></html>")
    web.answers["/demo/u"] = (302, {"Location": longest}, b"")
    web.put(longest.removeprefix(web.origin), feed_of(item(1)), kind="application/rss+xml")

    assert "We found no feed" in refusal(web.origin + "/demo/panjang/", now)


def test_a_reading_survives_the_way_to_json_and_back(publication, now):
    reading = sites.start_reading(publication, now=now)
    while not reading.is_done:
        sites.read_next_step(reading)

    again = sites.SiteReading.from_json(reading.to_json())

    assert again == reading
    assert again.lead.data == reading.lead.data


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"address": 5, "at": "gestern"}'])
def test_json_that_is_no_reading_is_refused(text):
    with pytest.raises(sites.UnreadableReading):
        sites.SiteReading.from_json(text)
