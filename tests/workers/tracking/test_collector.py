"""The WSGI application in front of Django: answers, recorded hits and redirect targets."""

from __future__ import annotations

import datetime
import os
import subprocess
import sys
import textwrap
from io import BytesIO
from pathlib import Path

import pytest
from django.db import DatabaseError

from newsletter.models import Link, Tracking
from subscribers import tokens
from tests.factories import make_issue, make_newsletter
from workers import spool
from workers.tracking import collector, loader

pytestmark = pytest.mark.django_db

PEOPLE = "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36"


class Answer:
    def __init__(self, application, path, method="GET", **environ):
        self.sent = {}
        full = {
            "REQUEST_METHOD": method,
            "PATH_INFO": path,
            "REMOTE_ADDR": "203.0.113.77",
            "HTTP_USER_AGENT": PEOPLE,
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "8000",
            "wsgi.input": BytesIO(),
            "wsgi.url_scheme": "http",
            **environ,
        }
        self.body = b"".join(application(full, self.start))

    def start(self, status, headers, exc_info=None):
        self.status = int(status.partition(" ")[0])
        self.headers = dict(headers)


def from_django(environ, start_response):
    start_response("404 Not Found", [("X-From", "Django")])
    return [b"page of Django"]


@pytest.fixture(autouse=True)
def _one_transaction(monkeypatch):
    """Keep the database connection: a test runs in one transaction. Django's test client does the same."""
    monkeypatch.setattr(collector, "close_old_connections", lambda: None)


@pytest.fixture
def application():
    return collector.Application(from_django)


@pytest.fixture
def issue():
    return make_issue(make_newsletter(tracking=Tracking.AGGREGATE))


def make_link(issue, url="https://kabarlintas.example/autogate?a=%2Fb#cara", number=1, **fields):
    return Link.objects.create(issue=issue, issue_key=issue.pk, number=number, language="id", url=url, **fields)


def recorded(settings):
    files = sorted(Path(settings.TRACKING_SPOOL).glob("*.hits"))
    return [loader.Hit.unpack(payload) for file in files for payload, _end in spool.read_records(file)]


def test_pixel_is_a_picture_nobody_stores_and_is_written_down(application, issue, settings):
    answer = Answer(application, f"/t/{tokens.make_hit(issue.pk, 0)}.gif")

    assert (answer.status, answer.headers["Content-Type"], answer.body[:6]) == (200, "image/gif", b"GIF89a")
    assert answer.headers["Cache-Control"] == "no-store, private"
    (hit,) = recorded(settings)
    assert (hit.kind, hit.issue, hit.link, hit.subscription, hit.agent_class) == ("opened", issue.pk, 0, 0, "human")


def test_a_click_is_written_down_and_sent_on_with_its_fragment(application, issue, settings):
    make_link(issue, number=7)

    answer = Answer(application, f"/l/7/{tokens.make_hit(issue.pk, 0)}")

    assert answer.status == 302
    assert answer.headers["Location"] == "https://kabarlintas.example/autogate?a=%2Fb#cara"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert [(hit.kind, hit.link) for hit in recorded(settings)] == [("clicked", 7)]


def test_hits_counted_together_hold_neither_agent_nor_network(application, issue, settings):
    make_link(issue)

    Answer(application, f"/l/1/{tokens.make_hit(issue.pk, 0)}")

    (file,) = Path(settings.TRACKING_SPOOL).glob("*.hits")
    assert b"Android" not in file.read_bytes()
    assert b"203.0.113" not in file.read_bytes()


def test_individual_hits_hold_the_agent_and_a_truncated_network(application, issue, settings):
    make_link(issue)

    Answer(application, f"/l/1/{tokens.make_hit(issue.pk, 42)}", HTTP_USER_AGENT=PEOPLE + "x" * 300)

    (hit,) = recorded(settings)
    assert (hit.subscription, hit.network) == (42, "203.0.113.0/24")
    assert hit.agent.startswith("Mozilla/5.0 (Linux")
    assert len(hit.agent) == 200


def test_s63_head_never_counts(application, issue, settings):
    make_link(issue)

    answers = [
        Answer(application, f"/t/{tokens.make_hit(issue.pk, 0)}.gif", "HEAD"),
        Answer(application, f"/l/1/{tokens.make_hit(issue.pk, 0)}", "HEAD"),
    ]

    assert [(answer.status, answer.body) for answer in answers] == [(200, b""), (302, b"")]
    assert recorded(settings) == []


def test_a_bad_token_gets_the_same_picture_and_is_not_counted(application, issue, settings):
    token = tokens.make_hit(issue.pk, 0)
    altered = ("A" if token[5] != "A" else "B").join((token[:5], token[6:]))

    answer = Answer(application, f"/t/{altered}.gif")

    assert (answer.status, answer.body[:6]) == (200, b"GIF89a")
    assert recorded(settings) == []


@pytest.mark.parametrize(
    "path", ["/l/1/{altered}", "/l/99/{token}", "/l/x/{token}", "/l/1/", "/l/", "/l/1/{token}/more"]
)
def test_t20_a_bad_token_or_unknown_link_is_a_page_not_a_redirect(application, issue, settings, path):
    make_link(issue)
    token = tokens.make_hit(issue.pk, 0)

    answer = Answer(application, path.format(token=token, altered="B" * 23))

    assert (answer.status, answer.headers) == (404, {"X-From": "Django"})
    assert recorded(settings) == []


def test_the_404_page_of_a_link_is_a_page_in_words(client, issue):
    answer = Answer(collector.application, "/l/1/BBBBBBBBBBBBBBBBBBBBBBB", HTTP_HOST="127.0.0.1")

    assert answer.status == 404
    assert answer.headers["Content-Type"].startswith("text/html")


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "//evil.example",
        "\\\\evil.example",
        "https:evil.example",
        "https://kabarlintas.example@evil.example/",
        "https://kabarlintas.example/\r\nSet-Cookie: a=b",
        "https://kabarlintas.example\\@evil.example/",
        "data:text/html,x",
        "ftp://kabarlintas.example/",
        "https://[::1",
        "",
    ],
)
def test_t20_only_plain_web_addresses_are_sent_on(url):
    assert collector.safe_location(url) == ""


@pytest.mark.parametrize(
    ("url", "location"),
    [
        ("https://kabarlintas.example/a%2Fb?x=%C3%A9#s", "https://kabarlintas.example/a%2Fb?x=%C3%A9#s"),
        ("http://kabarlintas.example:8080/é", "http://kabarlintas.example:8080/%C3%A9"),
        ("https://пример.example:8443/a", "https://xn--e1afmkfd.example:8443/a"),
        ("https://kabarlintas.example/" + "a" * 1900, "https://kabarlintas.example/" + "a" * 1900),
    ],
)
def test_t21_addresses_are_sent_on_as_they_are(url, location):
    assert collector.safe_location(url) == location


def test_t22_links_work_after_their_issue_is_deleted(application, issue, settings):
    make_link(issue)
    token = tokens.make_hit(issue.pk, 0)
    issue.delete()

    answer = Answer(application, f"/l/1/{token}")

    assert answer.headers["Location"] == "https://kabarlintas.example/autogate?a=%2Fb#cara"
    assert recorded(settings) == []


def test_an_amended_link_takes_hold_within_seconds(application, issue, monkeypatch):
    clock = [1000.0]
    monkeypatch.setattr(collector.time, "monotonic", lambda: clock[0])
    link, token = make_link(issue), tokens.make_hit(issue.pk, 0)
    Answer(application, f"/l/1/{token}")

    link.amended_url = "https://kabarlintas.example/betul"
    link.save()
    clock[0] += 4

    assert Answer(application, f"/l/1/{token}").headers["Location"] == "https://kabarlintas.example/betul"


def test_links_are_not_read_again_for_each_click(application, issue, django_assert_num_queries):
    make_link(issue)
    token = tokens.make_hit(issue.pk, 0)
    Answer(application, f"/l/1/{token}")

    with django_assert_num_queries(0):
        Answer(application, f"/l/1/{token}")


def test_known_links_survive_a_database_that_does_not_answer(application, issue, monkeypatch):
    clock = [1000.0]
    monkeypatch.setattr(collector.time, "monotonic", lambda: clock[0])
    make_link(issue)
    token = tokens.make_hit(issue.pk, 0)
    Answer(application, f"/l/1/{token}")

    def broken(issue):
        raise DatabaseError("gone")

    monkeypatch.setattr(collector, "read_targets", broken)
    clock[0] += 10

    assert Answer(application, f"/l/1/{token}").status == 302
    assert Answer(application, f"/l/1/{tokens.make_hit(issue.pk + 1, 0)}").status == 503


def test_with_tracking_off_the_link_leads_on_and_nothing_is_written_down(application, settings):
    issue = make_issue(make_newsletter(tracking=Tracking.OFF))
    make_link(issue)

    answer = Answer(application, f"/l/1/{tokens.make_hit(issue.pk, 0)}")
    Answer(application, f"/t/{tokens.make_hit(issue.pk, 0)}.gif")

    assert answer.status == 302
    assert recorded(settings) == []


def test_a_full_disk_costs_the_figure_and_not_the_click(application, issue, monkeypatch, caplog):
    make_link(issue)
    monkeypatch.setattr(collector.os, "write", lambda *_: 3)

    answer = Answer(application, f"/l/1/{tokens.make_hit(issue.pk, 0)}")

    assert answer.status == 302
    assert "hit could not be recorded" in caplog.text


def test_nothing_follows_a_torn_record_in_its_file(tmp_path, monkeypatch):
    ours, write = collector.HitSpool(tmp_path), collector.os.write
    ours.append(b"first")
    monkeypatch.setattr(collector.os, "write", lambda descriptor, record: write(descriptor, record[:4]))
    with pytest.raises(OSError, match="in part"):
        ours.append(b"torn")
    monkeypatch.undo()

    ours.append(b"second")

    files = sorted(tmp_path.glob("*.hits"))
    assert [[payload for payload, _end in spool.read_records(file)] for file in files] == [[b"first"], [b"second"]]


def test_a_spool_file_is_changed_when_it_has_grown(tmp_path, monkeypatch):
    monkeypatch.setattr(collector, "ROTATE_BYTES", 50)
    ours = collector.HitSpool(tmp_path)

    for _ in range(3):
        ours.append(b"x" * 60)
        ours.sync()

    assert len(list(tmp_path.glob("*.hits"))) == 3


def test_everything_else_is_a_page_of_django(application):
    assert Answer(application, "/archive/").body == b"page of Django"
    assert Answer(application, "/t/", "POST").body == b"page of Django"


def test_the_web_process_never_imports_celery(tmp_path):
    code = """
        import sys, workers.tracking.collector
        from django.urls import get_resolver
        def walk(resolver):
            for pattern in resolver.url_patterns:
                if hasattr(pattern, "url_patterns"):
                    walk(pattern)
        walk(get_resolver())
        print(sorted(name for name in sys.modules if name.split(".")[0] in {"celery", "kombu", "billiard"}))
    """

    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "VAR_DIR": str(tmp_path)},
    )

    assert done.stdout.strip() == "[]"


def test_a_hit_is_read_back_as_it_was_written():
    hit = loader.Hit(
        kind="clicked",
        issue=12,
        link=40,
        subscription=2**47,
        occurred_at=datetime.datetime(2026, 11, 24, 1, 2, 3, 456000, tzinfo=datetime.UTC),
        agent_class="scanner",
        agent="Mozilla/5.0",
        network="203.0.113.0/24",
    )

    assert loader.Hit.unpack(hit.pack()) == hit
