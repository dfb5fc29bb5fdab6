"""A database and a VAR_DIR of the previous release are migrated and used by the code of today.

The data was made at commit f96955b by tests/data/upgrade/make.py. An SMTP server of the tests counts what arrives; the
mails that arrived before are in the data.
"""

from __future__ import annotations

import base64
import json
import os
import re
from collections import Counter
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import lxml.html
import pytest
from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import DatabaseError, connection, transaction
from django.test import Client, override_settings
from django.urls import reverse
from django.utils import timezone
from kombu import Connection

from tests.upgrade import contract, names
from tests.upgrade import old as olds
from tests.workers.sending_helpers import parse

pytestmark = pytest.mark.database

RECORD = json.loads((olds.DATA / "contract.json").read_text())
ONE_CLICK = "List-Unsubscribe=One-Click"
START = datetime.fromisoformat("2025-11-18T00:00:00+00:00")


def model(label: str):
    return apps.get_model(label)


def issue(pk: int):
    return model("newsletter.Issue").objects.select_related("newsletter").get(pk=pk)


def consent_is_proven() -> bool:
    said = StringIO()
    call_command("verify_consent", stdout=said)
    return "every one as it was written" in said.getvalue()


@pytest.fixture
def application():
    return names.wsgi_application()


@pytest.fixture
def tasks(old):
    """The tasks by name. What they publish is run at once."""
    app = names.celery_app()
    before = app.conf.task_always_eager, app.conf.task_eager_propagates
    app.conf.update(task_always_eager=True, task_eager_propagates=True)
    yield app.tasks
    app.conf.update(task_always_eager=before[0], task_eager_propagates=before[1])


# --- the database ----------------------------------------------------------------------------------------------------


def test_every_row_is_there_after_the_migration(old):
    counted = {label: model(label).objects.count() for label in old.facts["rows"]}
    by_django = {"auth.Permission", "contenttypes.ContentType"}

    assert {label: counted[label] for label in counted if label not in by_django} == {
        label: rows for label, rows in old.facts["rows"].items() if label not in by_django
    }


def test_the_migrated_database_has_what_the_old_one_had(old_to_read):
    recorded = json.loads((olds.DATA / "contract_database.json").read_text())[connection.vendor]

    assert contract.missing(recorded, contract.database()) == []


def test_the_consent_chain_verifies_and_the_triggers_still_forbid_changes(old):
    assert consent_is_proven()

    events, texts = model("subscribers.ConsentEvent").objects, model("subscribers.ConsentText").objects
    for change in (
        lambda: events.filter(pk=1).update(action="withdrawn"),
        lambda: events.filter(pk=1).delete(),
        lambda: texts.filter(pk=1).update(text="other words"),
    ):
        with pytest.raises(DatabaseError), transaction.atomic():
            change()
    assert consent_is_proven()


def test_suppressed_addresses_are_still_known(old_to_read):
    said = names.suppression.is_suppressed

    assert said("siti57@pembaca.example")
    assert said("siti58@pembaca.example")
    assert said("orang-lain@pembaca.example")
    assert not said("siti59@pembaca.example")
    assert not said("siti00@pembaca.example")


def test_what_was_approved_is_still_what_would_be_sent(old_to_read):
    approved = model("newsletter.Issue").objects.exclude(approved_hash="").select_related("newsletter")

    assert approved.count() >= 8
    assert [one.pk for one in approved if names.issues.approval_digest(one) != one.approved_hash] == []


def test_every_stored_document_and_block_is_read(old_to_read):
    documents = [*model("newsletter.Issue").objects.all(), *model("newsletter.Revision").objects.all()]
    kinds = {block.kind for one in documents for block in names.content.parse(one.content).blocks}
    saved = [names.content.parse({"blocks": [one.content]}) for one in model("newsletter.SavedBlock").objects.all()]

    assert kinds == set(RECORD["words"]["blocks"])
    assert len(saved) == 3


# --- the links of mails that were sent -------------------------------------------------------------------------------


def links_of(raw: bytes) -> set[str]:
    """Paths on this site that a mail names: in its HTML, in its text and in its headers."""
    tree = lxml.html.fromstring(olds.body_of(raw, "html"))
    found = {value for _element, name, value, _at in tree.iterlinks() if name in {"href", "src", "background"}}
    found |= set(re.findall(r"https?://[^\s<>\"]+", olds.body_of(raw, "plain")))
    found |= set(re.findall(r"<(http[^>]+)>", str(parse(raw)["List-Unsubscribe"] or "")))
    here = urlsplit(settings.SITE_URL).netloc
    own = [urlsplit(url) for url in found if urlsplit(url).netloc == here]
    return {f"{url.path}?{url.query}" if url.query else url.path for url in own}


KINDS = {
    "/t/": (200, "image/gif"),
    "/l/": (302, "text/plain"),
    "/u/": (200, "text/html"),
    "/p/": (200, "text/html"),
    "/c/": (200, "text/html"),
    "/archive/events/": (200, "text/calendar"),
    "/archive/": (200, "text/html"),
    "/privacy/": (200, "text/html"),
}
MEDIA = {"/media/": "image/"}
SENT = [
    ("siti00@pembaca.example", "Saturday service", {"/t/", "/l/", "/u/", "/p/", "/archive/events/", "/archive/", "/media/"}),
    ("siti01@pembaca.example", "kuota akhir pekan", {"/t/", "/l/", "/u/", "/p/", "/archive/events/", "/archive/", "/media/"}),
    ("siti05@pembaca.example", "harian.kabarlintas.example", {"/t/", "/l/", "/u/", "/p/", "/archive/"}),
    ("tenang@pembaca.example", "tenang.kabarlintas.example", {"/u/", "/p/", "/archive/"}),
    ("siti01@pembaca.example", "Ralat Edisi 1", {"/t/", "/l/", "/u/", "/p/"}),
    ("siti00@pembaca.example", "Welcome to Weekly", {"/u/", "/p/"}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("to", "about", "expected"), SENT, ids=[about.replace(" ", "-") for _to, about, _kinds in SENT]
)
def test_every_link_of_a_mail_that_was_sent_works(old_to_read, application, to, about, expected):
    seen = set()
    for path in sorted(links_of(old_to_read.mail(to, about=about))):
        answer = olds.Answer(application, path)
        kind = next((start for start in (*KINDS, *MEDIA) if path.startswith(start)), path)
        seen.add(kind)
        if kind in MEDIA:
            assert (answer.status, answer.kind[:6]) == (200, MEDIA[kind]), path
        else:
            assert (answer.status, answer.kind) == KINDS.get(kind, (200, "text/html")), path
        if kind == "/l/":
            number, token = path.split("/")[2:4]
            link = model("newsletter.Link").objects.get(issue_key=names.CALLS["read hit"](token)[0], number=number)
            assert answer.headers["Location"] == (link.amended_url or link.url)
    assert expected <= seen


def test_a_link_that_was_amended_leads_to_the_right_page_from_the_old_mail(old_to_read, application):
    raw = old_to_read.mail("siti01@pembaca.example", about="kuota akhir pekan")
    clicks = [olds.Answer(application, path) for path in links_of(raw) if path.startswith("/l/")]

    assert "https://kabarlintas.example/id/autogate-benar" in {answer.headers["Location"] for answer in clicks}


def test_the_unsubscribe_button_of_a_mail_service_ends_the_subscription_and_the_page_can_be_posted(old, application):
    raw = old.mail("siti01@pembaca.example", about="kuota akhir pekan")
    [path] = [urlsplit(url).path for url in re.findall(r"<(http[^>]+)>", str(parse(raw)["List-Unsubscribe"]))]
    reader = model("subscribers.Subscription").objects.get(
        subscriber__email_key="siti01@pembaca.example", newsletter__slug="ringkasan"
    )
    events = model("subscribers.ConsentEvent").objects.filter(subscription=reader.pk)
    assert olds.Answer(application, path).status == 200
    reader.refresh_from_db()
    assert reader.status == "subscribed", "a GET changes nothing"

    assert olds.Answer(application, path, ONE_CLICK).status == 200

    reader.refresh_from_db()
    last = events.order_by("-pk").first()
    assert reader.status == "unsubscribed"
    assert (last.action, last.evidence) == ("withdrawn", {"issue": old.issue("sent")})
    assert consent_is_proven()


def test_the_preferences_of_an_old_mail_show_the_readers_choices_and_keep_new_ones(old, application):
    raw = old.mail("siti01@pembaca.example", about="kuota akhir pekan")
    path = next(path for path in links_of(raw) if path.startswith("/p/"))
    page = lxml.html.fromstring(olds.Answer(application, path).text)
    ticked = page.xpath("//input[@name='newsletters'][@checked]/@value")
    assert ticked == [str(model("newsletter.Newsletter").objects.get(slug="ringkasan").pk)]

    sent = {"do": "save", "newsletters": ticked, "measurement": ticked, "language": "en"}
    assert olds.Answer(application, path, urlencode(sent, doseq=True)).status == 200

    reader = model("subscribers.Subscription").objects.get(subscriber__email_key="siti01@pembaca.example")
    assert (reader.status, reader.language, reader.may_track) == ("subscribed", "en", True)
    assert consent_is_proven()


def test_a_sign_up_that_waits_is_confirmed_by_the_link_of_its_pending_notice(
    old, application, tasks, mail_server, monkeypatch
):
    """Notices and a sign-up that waited during the upgrade are sent within their time."""
    moment = START + timedelta(days=6, hours=14)
    monkeypatch.setattr(timezone, "now", lambda: moment)

    assert tasks["admit"].apply().get() == 1
    assert tasks["notify"].apply().get() >= 4

    got = {one.lower(): parse(data) for _from, [one], data in mail_server.received}
    assert {"baru@pembaca.example", "lekas@pembaca.example", "antre@pembaca.example"} <= set(got)
    assert {"siti01@pembaca.example", "publisher@kabarlintas.example"} <= set(got)
    raw = next(data for _from, [one], data in mail_server.received if one == "baru@pembaca.example")
    [path] = {path for path in links_of(raw) if path.startswith("/c/")}
    assert olds.Answer(application, path).status == 200
    assert olds.Answer(application, path, "confirm=yes").status in {200, 302, 303}
    readers = model("subscribers.Subscription").objects.filter(subscriber__email_key="baru@pembaca.example")
    assert {(one.newsletter.slug, one.status) for one in readers} == {
        ("ringkasan", "subscribed"),
        ("harian", "subscribed"),
    }
    assert consent_is_proven()


def test_a_sign_up_box_that_a_page_has_shown_before_can_still_be_sent(old, application, monkeypatch):
    moment = START + timedelta(days=7)
    monkeypatch.setattr(timezone, "now", lambda: moment)
    stamp = names.CALLS["stamp"]((moment - timedelta(minutes=2)).isoformat())
    texts = model("subscribers.ConsentText").objects.filter(language="id").values_list("pk", flat=True)
    fields = {
        "email": "lewat-kotak@pembaca.example",
        "newsletters": [1, 2],
        "measurement": [1],
        "language": "id",
        "page": "https://kabarlintas.example/id/autogate-1",
        "text": list(texts),
        "stamp": stamp,
        "website": "",
    }
    assert set(fields) | {"agree"} == set(RECORD["sign_up_form_fields"])

    answer = olds.Answer(
        application, "/s/artikel/", urlencode(fields, doseq=True), HTTP_ORIGIN="https://kabarlintas.example"
    )

    assert answer.status == 303
    kept = model("subscribers.SignupRequest").objects.get(email="lewat-kotak@pembaca.example")
    assert (kept.outcome, kept.page_url, kept.newsletters.count()) == (
        "",
        "https://kabarlintas.example/id/autogate-1",
        2,
    )
    assert "measurement" in {text.purpose for text in kept.consent_texts.all()}


def test_a_providers_report_about_an_old_copy_is_believed(old, application, settings):
    settings.WEBHOOK_SECRETS = {"": "uji:rahasia"}
    reader = model("subscribers.Subscription").objects.get(
        subscriber__email_key="siti02@pembaca.example", newsletter__slug="ringkasan"
    )
    token = names.CALLS["event"](old.issue("sent"), reader.pk)
    post = {
        "RecordType": "SpamComplaint",
        "Type": "SpamComplaint",
        "ID": 1,
        "MessageID": "m-1",
        "Metadata": {"warta": token},
    }
    secret = base64.b64encode(b"uji:rahasia").decode()

    answer = olds.Answer(
        application,
        "/webhooks/postmark/tracking/",
        json.dumps(post),
        CONTENT_TYPE="application/json",
        HTTP_AUTHORIZATION=f"Basic {secret}",
    )

    assert answer.status == 200
    assert model("workers.Event").objects.filter(issue=old.issue("sent"), subscription=reader.pk).exists()


# --- what was under way ----------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("_no_network")
def test_the_scheduled_issue_leaves_when_its_time_comes(old, tasks, mail_server):
    pk, now = old.issue("scheduled"), timezone.now()
    model("newsletter.Issue").objects.filter(pk=pk).update(scheduled_at=now, looked_at=now)

    tasks["begin"].apply()
    tasks["recover"].apply()

    there = issue(pk)
    assert (there.status, there.pause_reason) == ("sent", "")
    got = Counter(one.lower() for _from, [one], data in mail_server.received if is_about(data, there))
    expected = model("subscribers.Subscription").objects.filter(
        newsletter=there.newsletter, status="subscribed", subscriber__suppressed_at=None
    )
    assert got == Counter(one.subscriber.email_key for one in expected.select_related("subscriber"))
    assert model("newsletter.AuditEntry").objects.filter(action="issue-begun", subject=f"issue {pk}").count() == 1


def is_about(data: bytes, about) -> bool:
    subjects = set(model("newsletter.Edition").objects.filter(issue=about).values_list("subject", flat=True))
    return str(parse(data)["Subject"]) in subjects


@pytest.mark.parametrize("is_same_boot", [True, False], ids=["same-boot", "after-a-restart-of-the-host"])
def test_the_half_sent_issue_ends_with_nobody_lost_and_nobody_doubled(old, mail_server, monkeypatch, is_same_boot):
    """Readers whose mail may have left are uncertain: one letter in the same boot, else all without an answer."""
    names.as_host(monkeypatch, old.facts["host"], old.facts["boot_id"] if is_same_boot else "another-boot")
    pk = old.issue("half_sent")

    call_command("send_issue", str(pk), "--wait", stdout=StringIO())

    before = Counter(one.lower() for one in arrived_of_half_sent(old))
    now = Counter(one.lower() for _from, [one], _data in mail_server.received)
    total, audience = before + now, audience_of_half_sent(old)
    uncertain = readers(model("workers.Delivery").objects.filter(issue=pk, outcome="uncertain"))
    assert issue(pk).status == "sent"
    assert (sum(before.values()), len(audience)) == (20, 56)
    assert {who for who in total if total[who] > 1} == set(), "doubled"
    assert audience - set(total) - uncertain == set(), "lost"
    if is_same_boot:
        assert uncertain == {old.facts["under_way"].lower()}
    else:
        assert len(uncertain) == 5 + 8
        assert old.facts["under_way"].lower() in uncertain
    assert not list((old.var / "spool" / "send").glob("*.send"))
    told = names.ledger.count_deliveries(issue(pk))
    assert (told.is_consistent, told.uncertain, told.waiting, told.accepted) == (
        True,
        len(uncertain),
        0,
        56 - len(uncertain),
    )


def test_an_uncertain_reader_is_sent_to_again_only_by_a_persons_decision(old, mail_server, monkeypatch):
    names.as_host(monkeypatch, old.facts["host"], old.facts["boot_id"])
    pk = old.issue("half_sent")
    call_command("send_issue", str(pk), "--wait", stdout=StringIO())
    [row] = model("workers.Delivery").objects.filter(issue=pk, outcome="uncertain")

    names.lifecycle.resend(issue(pk), [row.subscription], editor=None, now=timezone.now())
    names.lifecycle.send(pk)

    last = mail_server.received[-1]
    assert last[1][0] == old.facts["under_way"]
    assert str(parse(last[2])["Message-ID"]) == row.message_id
    row.refresh_from_db()
    assert row.outcome == "accepted"


def arrived_of_half_sent(old) -> list[str]:
    subjects = (
        "<ringkasan.kabarlintas.example> Autogate baru dan",
        "<ringkasan.kabarlintas.example> New autogates, online permits",
    )
    exact = [key for key in old.facts["arrived"] if key.endswith("New autogates, online permits") or subjects[0] in key]
    return [who for key in exact if "ringkasan" in key for who in old.facts["arrived"][key]]


def audience_of_half_sent(old) -> set[str]:
    ids = [reader for batch in old.facts["half_sent_batches"] for reader in batch["readers"]]
    rows = model("subscribers.Subscription").objects.filter(pk__in=ids).select_related("subscriber")
    return {row.subscriber.email_key for row in rows}


def readers(deliveries) -> set[str]:
    ids = list(deliveries.values_list("subscription", flat=True))
    rows = model("subscribers.Subscription").objects.filter(pk__in=ids).select_related("subscriber")
    return {row.subscriber.email_key for row in rows}


@pytest.mark.usefixtures("_no_network")
def test_messages_that_wait_in_the_queues_are_understood_and_run(old, tasks, mail_server):
    app, run, expired = names.celery_app(), Counter(), 0
    folder = old.var / "broker"
    (folder / "taken").mkdir(exist_ok=True)
    options = {
        "data_folder_in": str(folder / "messages"),
        "data_folder_out": str(folder / "messages"),
        "control_folder": str(folder / "control"),
        "processed_folder": str(folder / "taken"),
    }
    waiting = len(list((folder / "messages").iterdir()))
    with Connection("filesystem://localhost/", transport_options=options) as broker:
        channel = broker.channel()
        for queue in RECORD["celery"]["queues"]:
            while (message := channel.basic_get(queue)) is not None:
                name = message.headers["task"]
                arguments, named, _embedded = message.decode()
                ends = datetime.fromisoformat(message.headers["expires"])
                expired += ends < timezone.now()
                assert name in app.tasks, "the worker would report an unknown task"
                tasks[name].apply(args=arguments, kwargs=named).get()
                message.ack()
                run[name] += 1

    assert waiting == sum(run.values()) == 14
    assert expired == 1
    assert set(run) == set(RECORD["celery"]["tasks"])
    assert not list((folder / "messages").iterdir())


def test_hits_are_loaded_from_where_the_old_release_stopped(old, monkeypatch):
    names.as_host(monkeypatch, old.facts["host"])
    tally = model("workers.Tally").objects
    before = sum(tally.values_list("count", flat=True))
    said = StringIO()

    call_command("drain", "--once", stdout=said)

    assert said.getvalue().strip() == f"{old.facts['unloaded_hits']} hits loaded"
    assert sum(tally.values_list("count", flat=True)) == before + old.facts["unloaded_hits"]
    daily = tally.filter(issue=old.issue("sent_daily")).values_list("kind", "count")
    assert sorted(daily) == [("clicked", 1), ("opened", 3)]
    assert model("workers.Event").objects.filter(subscription=old.facts["measured"], kind="clicked").count() == 1
    assert not list((old.var / "spool" / "hits").glob("*.hits"))


# --- people who work with it -----------------------------------------------------------------------------------------


@pytest.fixture
def editor_client(old_to_read):
    client = Client(headers={"host": "127.0.0.1"})
    client.force_login(model("newsletter.Editor").objects.get(email="ayu@kabarlintas.example"))
    return client


def test_an_editor_logs_in_with_the_old_password(old_to_read, settings):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.PBKDF2PasswordHasher"]
    client = Client(headers={"host": "127.0.0.1"})

    answer = client.post(
        reverse("account_login"), {"login": "publisher@kabarlintas.example", "password": "katasandi-panjang"}
    )

    assert (answer.status_code, answer["Location"]) == (302, reverse("studio-start"))


PAGES_OF_AN_ISSUE = ["compose", "preview", "history", "languages", "review", "progress", "report", "correct", "missed"]


@pytest.mark.parametrize("page", PAGES_OF_AN_ISSUE)
def test_the_studio_shows_every_issue_of_the_old_release(old_to_read, editor_client, page):
    answers = {
        name: editor_client.get(reverse(f"issue-{page}", args=[pk])).status_code
        for name, pk in old_to_read.facts["issues"].items()
        if name != "deleted"
    }

    assert {name: status for name, status in answers.items() if status not in {200, 302, 303, 404}} == {}
    assert 200 in answers.values()


PAGES = [
    "studio-start",
    "issue-list",
    "article-list",
    "source-list",
    "subscriber-list",
    "signup-form-list",
    "report-list",
]
PAGES += ["settings-newsletters", "settings-editors", "settings-account", "saved-blocks", "audit"]


@pytest.mark.parametrize("page", PAGES)
def test_the_studio_shows_the_lists_of_the_old_release(editor_client, page):
    assert editor_client.get(reverse(page)).status_code == 200


def test_the_archive_shows_what_was_sent_with_its_corrections(old_to_read, application):
    listing = olds.Answer(application, "/archive/")
    first = issue(old_to_read.issue("sent"))
    page = olds.Answer(application, f"/archive/{first.sent_at.year}/{first.slug}/?lang=en")

    assert listing.status == 200
    assert page.status == 200
    assert "The fee is Rp550,000." in page.text
    for feed in ("feed.xml", "rss.xml", "feed.json"):
        assert olds.Answer(application, f"/archive/{feed}").status == 200


def test_a_site_that_an_editor_was_reading_during_the_upgrade_breaks_no_page(old_to_read, editor_client):
    """It is kept in the cache for half an hour, as pickled objects: today's code goes on with it, or asks anew."""
    kept = json.loads((olds.DATA / "known_answers.json").read_text())["cache"]["first-run reading"]
    editor = model("newsletter.Editor").objects.get(email="ayu@kabarlintas.example")
    key = f":1:{kept['key'].format(editor=editor.pk, token='lama')}"
    database_cache = {"default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "django_cache"}}
    with connection.cursor() as cursor:
        ends = connection.ops.adapt_datetimefield_value(timezone.now() + timedelta(hours=1))
        cursor.execute(
            "INSERT INTO django_cache (cache_key, value, expires) VALUES (%s, %s, %s)", [key, kept["value"], ends]
        )

    with override_settings(CACHES=database_cache):
        status = editor_client.get(reverse("site-found", args=["lama"])).status_code

    assert status in {200, 302, 404}


# --- commands --------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("_no_network")
def test_commands_end_with_the_codes_they_had(old):
    for case in RECORD["exit_codes"]:
        words = [word.format(**old.facts["issues"]) for word in case["command"]]

        assert (words, exit_code(words)) == (words, case["code"])


def exit_code(words: list[str]) -> int:
    try:
        call_command(*words, stdout=StringIO(), stderr=StringIO())
    except CommandError as error:
        return error.returncode
    except SystemExit as error:
        return int(str(error.code or 0))
    return 0


def test_verify_consent_names_a_row_that_was_altered_and_ends_with_1(old):
    names.database_triggers.remove(connection)
    model("subscribers.ConsentEvent").objects.filter(pk=5).update(action="withdrawn")
    names.database_triggers.install(connection)
    said = StringIO()

    with pytest.raises(SystemExit) as ended:
        call_command("verify_consent", stdout=StringIO(), stderr=said)

    assert ended.value.code == 1
    assert "Consent event 5" in said.getvalue()


def test_the_checks_of_an_issue_have_their_names(old_to_read):
    said = StringIO()
    call_command("check_issue", str(old_to_read.issue("draft_every_kind")), stdout=said)
    rows = json.loads(said.getvalue())

    assert {"id", "severity", "ok", "block", "message", "language", "pending"} <= set(rows[0])
    assert set(RECORD["words"]["criteria"]) <= {row["id"] for row in rows}


# --- the other engine ------------------------------------------------------------------------------------------------


def test_the_dump_of_postgresql_was_loaded(old_to_read, engine):
    if engine != "postgresql":
        pytest.skip("DATABASE_URL names no PostgreSQL server; with one, all tests of this file use the dump")
    assert connection.vendor == "postgresql"


def test_the_files_of_both_engines_are_small():
    files = [path for path in Path(olds.DATA).iterdir() if path.suffix != ".py"]

    assert sum(path.stat().st_size for path in files) < 2_000_000
    assert os.path.commonpath([str(path) for path in files]) == str(olds.DATA)
