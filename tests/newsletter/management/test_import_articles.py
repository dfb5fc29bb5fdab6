"""`import_articles`: its JSON, exit codes and messages."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from newsletter.models import Article, Source
from tests.factories import make_newsletter

ROOT = Path(__file__).resolve().parents[3]
TEXT = "<p>" + "Kantor imigrasi menambah kuota antrean paspor pada akhir pekan ini. " * 12 + "</p>"
PAGE = (
    '<html lang="id"><head><meta name="author" content="Dewi"><meta name="description" content="Ringkas.">'
    '<meta property="article:published_time" content="2026-11-20T08:00:00+07:00">'
    '<link rel="alternate" hreflang="en" href="/en/passport"></head>'
    f"<body><h1>Paspor anak</h1>{TEXT}</body></html>"
)


def explain(capsys, *args: str) -> dict:
    call_command("import_articles", "--explain", *args)
    return json.loads(capsys.readouterr().out)


def test_a_saved_page_is_explained_without_network_and_database(tmp_path, capsys):
    file = tmp_path / "page.html"
    file.write_text(PAGE)

    said = explain(capsys, "--file", str(file), "--url", "https://kabar.example/id/paspor-anak?utm_source=x")

    assert said == {
        "kind": "article",
        "url": "https://kabar.example/id/paspor-anak",
        "title": "Paspor anak",
        "summary": "Ringkas.",
        "author": "Dewi",
        "published_at": "2026-11-20T08:00:00+07:00",
        "language": "id",
        "section": "",
        "image_url": "",
        "alternates": {"en": "https://kabar.example/en/passport"},
        "why": {
            "section": "No section in JSON-LD or <meta>.",
            "image_url": "No picture in JSON-LD, OpenGraph or the text.",
        },
    }


@pytest.mark.django_db
def test_a_feed_is_explained_with_its_items_and_nothing_is_stored(web, capsys):
    url = web.put(
        "/demo/umpan", "<rss><channel><title>K</title><item><title>A</title><link>/a</link></item></channel></rss>"
    )

    said = explain(capsys, url)

    assert (said["kind"], said["title"], said["url"]) == ("feed", "K", url)
    assert said["items"][0]["url"] == web.origin + "/a"
    assert said["items"][0]["title"] == "A"
    assert "author" in said["items"][0]["why"]
    assert not Article.objects.exists()
    assert not Source.objects.exists()


def test_a_page_that_is_no_article_is_explained(tmp_path, capsys):
    file = tmp_path / "app.html"
    file.write_text('<title>App</title><div id="root"></div><script src="/app.js"></script>')

    said = explain(capsys, "--file", str(file), "--url", "https://kabar.example/app")

    assert said["kind"] == "none"
    assert "only by script" in said["why"]["kind"]
    assert "published_at" in said["why"]


@pytest.mark.parametrize("body", [b"", b"\x00\xff" * 100, b"<rss>", b"{", b"%PDF", b"<" * 100_000])
def test_any_bytes_are_explained_as_something(tmp_path, capsys, body):
    file = tmp_path / "x"
    file.write_bytes(body)

    assert explain(capsys, "--file", str(file), "--url", "https://kabar.example/x")["kind"] == "none"


@pytest.mark.django_db
def test_pages_and_feeds_are_stored_with_a_line_each(web, capsys):
    newsletter = make_newsletter(slug="ringkasan")
    page = web.put("/demo/a", PAGE)
    feed = web.put(
        "/demo/umpan", "<rss><channel><title>K</title><item><title>B</title><link>/demo/b</link></item></channel></rss>"
    )

    call_command("import_articles", page, feed, "--newsletter", "ringkasan")

    out = capsys.readouterr().out
    assert f"{page}: Paspor anak" in out
    assert f"{feed}: 1 new, 0 changed, 0 known" in out
    assert Article.objects.count() == 2
    assert newsletter.sources.get().url == feed


@pytest.mark.django_db
def test_an_address_without_an_article_fails_and_the_others_are_stored(web, capsys):
    make_newsletter()
    page = web.put("/demo/a", PAGE)

    with pytest.raises(CommandError, match="1 of the addresses") as failed:
        call_command("import_articles", web.origin + "/demo/tidak-ada", page)

    assert failed.value.returncode == 1
    assert "no page at this address" in capsys.readouterr().err
    assert Article.objects.count() == 1


@pytest.mark.django_db
@pytest.mark.parametrize(
    "args",
    [
        [],
        ["--explain"],
        ["--explain", "https://a.example/", "https://b.example/"],
        ["--explain", "--file", "tidak-ada.html"],
        ["--explain", "--file", "tidak-ada.html", "--url", "https://a.example/"],
        ["--url", "https://a.example/"],
        ["https://a.example/", "--newsletter", "tidak-ada"],
        ["https://a.example/"],
    ],
)
def test_wrong_use_ends_with_2_and_a_sentence(args):
    with pytest.raises(CommandError) as wrong:
        call_command("import_articles", *args)

    assert wrong.value.returncode == 2
    assert str(wrong.value).endswith(".")


def test_an_address_that_cannot_be_read_is_explained_as_none_and_fails(web, capsys):
    with pytest.raises(CommandError, match="no page at this address") as failed:
        call_command("import_articles", "--explain", web.origin + "/demo/tidak-ada")

    said = json.loads(capsys.readouterr().out)
    assert failed.value.returncode == 1
    assert (said["kind"], said["url"], said["title"]) == ("none", web.origin + "/demo/tidak-ada", "")
    assert said["why"]["kind"] == "There is no page at this address (any more). Check it in a browser."
    assert said["why"]["title"] == "Nothing could be read."


def test_a_feeds_items_say_what_a_feed_can_say(tmp_path, capsys):
    file = tmp_path / "umpan.xml"
    file.write_text(
        '<feed xmlns="http://www.w3.org/2005/Atom" xml:lang="id"><title>Kabar</title><entry><title>Paspor</title>'
        '<id>tag:kabar.example,2026:1</id><link href="/paspor"/><published>2026-11-20T08:00:00+07:00</published>'
        "<summary>Ringkas.</summary><author><name>Dewi</name></author></entry></feed>"
    )

    said = explain(capsys, "--file", str(file), "--url", "https://kabar.example/umpan.xml")

    assert (said["kind"], said["title"], said["language"], len(said["items"])) == ("feed", "Kabar", "id", 1)
    item = said["items"][0]
    assert (item["guid"], item["url"]) == ("tag:kabar.example,2026:1", "https://kabar.example/paspor")
    assert (item["title"], item["summary"], item["author"]) == ("Paspor", "Ringkas.", "Dewi")
    assert item["published_at"] == "2026-11-20T08:00:00+07:00"
    assert {"section", "alternates"} <= set(item["why"])
    assert all(not item[name] for name in item["why"])


def test_from_a_shell_it_prints_json_and_ends_with_0_1_or_2(tmp_path):
    file = tmp_path / "page.html"
    file.write_text(PAGE)

    def run(*args: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "manage.py", "import_articles", *args]
        environment = {**os.environ, "VAR_DIR": str(tmp_path)}
        environment.pop("DATABASE_URL", None)
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)

    saved = run("--explain", "--file", str(file), "--url", "https://kabar.example/a")
    inside = run("--explain", "http://10.0.0.1/")
    nothing = run("--explain")

    assert (saved.returncode, json.loads(saved.stdout)["title"]) == (0, "Paspor anak")
    assert (inside.returncode, json.loads(inside.stdout)["kind"]) == (1, "none")
    assert "private network" in inside.stderr
    assert (nothing.returncode, nothing.stdout) == (2, "")
    assert "--explain takes one address" in nothing.stderr
