"""Make the data of the previous release: a database, its VAR_DIR, and facts about both.

Run once, at commit f96955b, with `python -m tests.data.upgrade.make sqlite` and `… make postgres`. The modules that it
imports have other names in later releases, so it cannot be run again; it is kept as a record of how the data was made.

It uses the product's own operations. The clock of Django (`timezone.now`) is set to fixed moments, and the name of the
host is fixed. Two child processes of this script are ended by SIGKILL: `send` when the mail server has accepted a certain
message and has not answered yet, `claim` after its claim and before its spool exists.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

HERE = Path(__file__).parent
SERVER = "postgres://postgres@127.0.0.1:5432"
DATABASE = "warta_upgrade_make"
SECRET = "upgrade-data-secret-key-0123456789abcdefghijklmnopqrstuvwxyz"
START = datetime(2025, 11, 18, 0, 0, tzinfo=UTC)
"""Tuesday 18 November 2025, 07:00 in Jakarta: issue 1 leaves."""
SCHEDULED_AT = datetime(2025, 11, 25, 0, 0, tzinfo=UTC)
READERS = 60
YEARS_S = 20 * 365 * 24 * 3600.0
AGENT = "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36"

socket.gethostname = lambda: "old-host"
clock = [START]


def set_up() -> None:
    import django

    django.setup()
    from django.utils import timezone

    timezone.now = lambda: clock[0]


def at(**after: float) -> datetime:
    """Set the clock to START plus `after`."""
    clock[0] = START + timedelta(**after)
    return clock[0]


# --- processes that are killed ----------------------------------------------------------------------------------------


def child_send(issue_id: str, *, before_spool: bool) -> None:
    set_up()
    at(days=6, hours=1)
    from workers import ledger, sending, spool

    assert ledger.claim.__kwdefaults__ is not None
    ledger.claim.__kwdefaults__["most"] = 8
    if before_spool:
        spool.SendSpool.__init__ = lambda *_a, **_k: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[method-assign]
    sending.send(int(issue_id))


# --- people ----------------------------------------------------------------------------------------------------------


def make_newsletters():
    from newsletter.models import Editor, Membership, Newsletter, Role
    from subscribers import consent
    from subscribers.models import SignupForm
    from workers.demo.publication import BUTTONS, CONSENT, FORM_TEXTS

    common = {
        "brand": "Kabar Lintas",
        "languages": ["id", "en"],
        "from_name": "Kabar Lintas",
        "from_email": "redaksi@kabarlintas.example",
        "reply_to": "halo@kabarlintas.example",
        "postal_address": "Redaksi Kabar Lintas, Jl. Contoh No. 10, Jakarta 12345",
        "site_url": "https://kabarlintas.example",
        "hold_s": 0,
        "first_batch": 0,
        "created_at": at(days=-60),
    }
    weekly = Newsletter.objects.create(
        slug="ringkasan",
        title="Ringkasan mingguan",
        description="Lima kabar imigrasi, tiap Selasa pagi",
        translations={"en": {"title": "Weekly summary", "description": "Five stories, every Tuesday morning"}},
        list_id="ringkasan.kabarlintas.example",
        tracking="individual",
        **common,
    )
    daily = Newsletter.objects.create(
        slug="harian",
        title="Kabar harian",
        translations={"en": {"title": "Daily news"}},
        list_id="harian.kabarlintas.example",
        tracking="aggregate",
        privacy_url="https://kabarlintas.example/privasi/",
        **common,
    )
    quiet = Newsletter.objects.create(
        slug="tenang",
        title="Tanpa hitungan",
        list_id="tenang.kabarlintas.example",
        tracking="off",
        is_public=False,
        **common,
    )
    admin = Editor.objects.create_superuser(
        "ayu@kabarlintas.example", "katasandi-panjang", name="Ayu Lestari", language="en"
    )
    for role in Role.values:
        editor = Editor.objects.create_user(
            f"{role}@kabarlintas.example", "katasandi-panjang", name=f"Budi {role}", language="id"
        )
        for one in (weekly, daily, quiet):
            Membership.objects.create(editor=editor, newsletter=one, role=role)
    for one in (weekly, daily, quiet):
        for purpose in consent.purposes(one):
            for language in one.languages:
                text = CONSENT[purpose][language].format(title=one.title_in(language))
                consent.publish_text(one, purpose, language, text=text, button=BUTTONS[language], now=clock[0])
    form = SignupForm.objects.create(
        slug="artikel",
        texts=FORM_TEXTS,
        asks_measurement=True,
        allowed_origins=["https://kabarlintas.example"],
        success_url="https://kabarlintas.example/terima-kasih",
    )
    form.newsletters.set([weekly, daily])
    other = SignupForm.objects.create(slug="lama", consent_style="checkbox", is_active=False)
    other.newsletters.set([daily])
    return weekly, daily, quiet, form, admin


def sign_up(form, email: str, newsletters, *, language: str, measured: bool, confirm: bool, day: float):
    """By the operations that the pages and the ticks call."""
    from subscribers import consent, signup
    from subscribers.models import SignupRequest
    from workers import notices

    now = at(days=day)
    texts = signup.agreed_texts(
        newsletters,
        language=language,
        shown=(),
        measured=[one.pk for one in newsletters] if measured else [],
        now=now,
    )
    request = signup.accept(
        form,
        email=email,
        newsletters=newsletters,
        language=language,
        page_url="https://kabarlintas.example/id/autogate-1",
        consent_texts=texts,
        ip="203.0.113.77",
        user_agent=AGENT,
        trap=False,
        now=now,
    )
    clock[0] += timedelta(seconds=2)
    signup.admit_due(now=clock[0])
    if confirm:
        notices.send_due(now=clock[0])
        clock[0] += timedelta(minutes=5)
        request = SignupRequest.objects.get(pk=request.pk)
        consent.confirm(request, now=clock[0], ip="203.0.113.77", user_agent=AGENT)
        notices.send_due(now=clock[0])
    return SignupRequest.objects.get(pk=request.pk)


def make_readers(weekly, daily, form) -> None:
    from subscribers import consent, suppression
    from subscribers.models import Subscriber, Subscription

    for place in range(READERS):
        sign_up(
            form,
            f"Siti{place:02d}@pembaca.example",
            [weekly, daily] if place % 5 == 0 else [weekly],
            language="en" if place % 3 == 0 else "id",
            measured=place % 4 == 0,
            confirm=True,
            day=-40 + place / 10,
        )

    def of(place: int):
        return Subscription.objects.get(newsletter=weekly, subscriber__email_key=f"siti{place:02d}@pembaca.example")

    now = at(days=-20)
    consent.withdraw(of(50), now=now, ip="203.0.113.77", user_agent=AGENT)
    consent.give_reason(of(50), reason="too_often", now=now)
    consent.withdraw(of(51), now=now, objected=True)
    consent.withdraw(of(52), now=now)
    consent.undo_withdrawal(of(52), now=at(days=-20, hours=3))
    consent.set_measurement(of(53), agrees=True, now=clock[0])
    consent.set_measurement(of(48), agrees=False, now=clock[0])
    consent.set_language(of(54), language="en")
    consent.join(Subscriber.objects.get(email_key="siti56@pembaca.example"), daily, now=clock[0])
    suppression.suppress("siti57@pembaca.example", reason="bounced", detail="550 5.1.1", now=clock[0])
    suppression.suppress("siti58@pembaca.example", reason="complained", now=clock[0])
    suppression.suppress("siti59@pembaca.example", reason="manual", now=clock[0])
    suppression.lift("siti59@pembaca.example", now=at(days=-19))
    suppression.suppress("orang-lain@pembaca.example", reason="erased", now=clock[0])
    consent.blank([of(49).pk])


# --- issues ----------------------------------------------------------------------------------------------------------


def write(newsletter, document, *, editor, audience=None):
    from newsletter import issues
    from newsletter.models import Issue

    issue = issues.create(newsletter, editor=editor, now=clock[0])
    if audience:
        Issue.objects.filter(pk=issue.pk).update(audience=audience)
    return issues.save(issue, document, version=issue.version, editor=editor, now=clock[0])


def schedule(issue, *, moment, editor):
    from newsletter import issues, looks
    from newsletter.models import Issue

    issue = Issue.objects.select_related("newsletter").get(pk=issue.pk)
    issue = issues.approve(issue, editor=editor, now=clock[0])
    issue = issues.schedule(issue, at=moment, editor=editor, now=clock[0])
    looks.keep(issue, {"links": {}}, now=clock[0])
    return issue


def let_go(issue, *, editor, send=True):
    from workers import sending

    issue = schedule(issue, moment=clock[0], editor=editor)
    assert sending.begin_due(now=clock[0]) == [issue.pk], "the issue was held back"
    if send:
        sending.send(issue.pk)
    issue.refresh_from_db()
    return issue


def make_issues(weekly, daily, quiet, admin, sink, kill_while_sending):
    from newsletter import corrections, issues, library
    from newsletter.models import Article, Candidate, Issue, Link, LinkLook, Source
    from tests.makers import make_document
    from tests.newsletter import gallery
    from workers import ledger, reports
    from workers.corrections import Wish, correct

    names: dict[str, int] = {}
    # Articles and where they come from.
    at(days=-30)
    source = Source.objects.create(
        newsletter=weekly, url="https://kabarlintas.example/feed.xml", etag='"a1"', fetched_at=clock[0], is_active=False
    )
    Source.objects.create(
        newsletter=weekly, kind="sitemap", url="https://kabarlintas.example/news.xml", is_active=False,
        failures=2, error="The site does not answer.",
    )  # fmt: skip
    articles = [
        Article.objects.create(
            source=source,
            guid=f"https://kabarlintas.example/id/autogate-{number}",
            url=f"https://kabarlintas.example/id/autogate-{number}",
            title=f"Imigrasi buka jalur autogate ke-{number}",
            summary="Kurang dari 30 detik.",
            author="Ni Made Ayu Sari",
            section="Paspor",
            language="id",
            published_at=clock[0],
            reading_minutes=3,
            alternates={"en": f"https://kabarlintas.example/en/autogate-{number}"},
        )
        for number in (1, 2, 3)
    ]
    for number, state in enumerate(("waiting", "skipped", "taken")):
        Candidate.objects.create(
            newsletter=weekly, url=f"https://kabarlintas.example/id/calon-{number}", state=state,
            reason="It is no article." if state == "skipped" else "",
            article=articles[0] if state == "taken" else None, created_at=clock[0], done_at=clock[0],
        )  # fmt: skip
    LinkLook.objects.create(hash="0" * 64, url="https://kabarlintas.example/", is_fine=True, looked_at=clock[0])

    # Issue 1 of the weekly: every kind of block, sent to everybody, then corrected.
    picture, chart, still = gallery.make_picture(), gallery.make_chart(), gallery.make_still()
    gallery_document = gallery.document(picture=picture, chart=chart, still=still)
    at(days=-1)
    first = write(weekly, gallery_document, editor=admin)
    for block in gallery_document.blocks[:2]:
        library.keep_block(weekly, block, name=f"Simpanan {block.kind}", editor=admin, now=clock[0])
    library.delete_block(
        library.keep_block(weekly, gallery_document.blocks[2], name="Terhapus", editor=admin, now=clock[0]),
        now=clock[0],
    )
    at()
    first = let_go(first, editor=admin)
    assert first.status == "sent", first.pause_reason
    names["sent"] = first.pk

    at(days=1)
    one = write(daily, make_document(stories=2), editor=admin)
    sink.on_rcpt = lambda address: "550 5.1.1 No such user" if address == "Siti10@pembaca.example" else None
    names["sent_daily"] = let_go(one, editor=admin).pk
    sink.on_rcpt = lambda _address: None
    from tests.makers import make_reader

    make_reader(quiet, email="tenang@pembaca.example")
    one = write(quiet, make_document(stories=1), editor=admin)
    names["sent_quiet"] = let_go(one, editor=admin).pk

    at(days=2)
    link = Link.objects.filter(issue=first, language="id").order_by("number").first()
    assert link is not None
    done = correct(
        first,
        Wish(
            words={"id": "Tautan jalur autogate keliru; kini benar.", "en": "The autogate link was wrong."},
            numbers=[link.number],
            was=link.target,
            url="https://kabarlintas.example/id/autogate-benar",
            tells_next=True,
        ),
        editor=admin,
        now=clock[0],
    )
    fact = corrections.note(
        first, {"id": "Tarifnya Rp500.000.", "en": "The fee is Rp500,000."}, editor=admin, now=clock[0]
    )
    corrections.reword(
        fact, {"id": "Tarifnya Rp550.000.", "en": "The fee is Rp550,000."}, editor=admin, now=at(days=2, hours=1)
    )
    from workers.corrections import write as write_letter

    at(days=2, hours=2)
    letter = write_letter(done.note, editor=admin, now=clock[0])
    letter = let_go(letter, editor=admin)
    assert letter.status == "sent", (letter.status, letter.pause_reason)
    names["sent_correction"] = letter.pk
    reports.recount(now=clock[0])

    # The half-sent one, which begins with the erratum.
    at(days=6)
    half = write(weekly, make_document(stories=3), editor=admin)
    half = corrections.open_with_errata(half, editor=admin, now=clock[0])
    clock[0] += timedelta(hours=1)
    half = let_go(half, editor=admin, send=False)
    names["half_sent"] = half.pk
    kill_while_sending(half)

    # One paused, one cancelled.
    at(days=6, hours=2)
    paused = let_go(write(daily, make_document(stories=1), editor=admin), editor=admin, send=False)
    ledger.pause(paused, reason="An error of this service stopped the sending.", editor=None, now=clock[0])
    names["paused"] = paused.pk
    cancelled = schedule(write(daily, make_document(stories=1), editor=admin), moment=SCHEDULED_AT, editor=admin)
    issues.cancel(cancelled, editor=admin, now=clock[0])
    names["cancelled"] = cancelled.pk

    # Those that are written.
    scheduled = write(weekly, gallery.document(picture=picture, chart=chart, still=still), editor=admin)
    scheduled = schedule(scheduled, moment=SCHEDULED_AT, editor=admin)
    names["scheduled"] = scheduled.pk
    approved = write(daily, make_document(stories=2), editor=admin)
    names["approved"] = issues.approve(approved, editor=admin, now=clock[0]).pk
    review = write(weekly, make_document(stories=2), editor=admin)
    names["in_review"] = issues.submit(review, editor=admin, now=clock[0]).pk
    draft = issues.create(weekly, editor=admin, now=clock[0])
    for article in articles[:2]:
        draft = issues.add_article(draft, article, editor=admin, now=clock[0])
    names["draft"] = draft.pk
    every_kind = write(weekly, gallery.document(picture=picture, chart=chart, still=still), editor=admin)
    issues.undo(every_kind, version=every_kind.version, editor=admin, now=clock[0])
    every_kind = Issue.objects.get(pk=every_kind.pk)
    issues.redo(every_kind, version=every_kind.version, editor=admin, now=clock[0])
    names["draft_every_kind"] = every_kind.pk
    deleted = issues.create(weekly, editor=admin, now=clock[0])
    issues.delete(deleted, editor=admin, now=clock[0])
    names["deleted"] = deleted.pk
    return names


# --- hits, events, notices, messages ---------------------------------------------------------------------------------


def ask(application, path: str) -> int:
    answer: list[str] = []
    environ = {
        "REQUEST_METHOD": "GET", "PATH_INFO": path, "QUERY_STRING": "", "REMOTE_ADDR": "203.0.113.77",
        "HTTP_USER_AGENT": AGENT, "SERVER_NAME": "127.0.0.1", "SERVER_PORT": "8000", "HTTP_HOST": "127.0.0.1:8000",
        "wsgi.input": io.BytesIO(), "wsgi.url_scheme": "http",
    }  # fmt: skip
    b"".join(application(environ, lambda status, *_: answer.append(status)))
    return int(answer[0].split()[0])


def make_hits(weekly, names) -> dict[str, int]:
    """Some are loaded already; what follows in the same file is not."""
    from django.core.management import call_command

    from newsletter.models import Link
    from subscribers import tokens
    from subscribers.models import Subscription
    from workers.hits import application

    measured = Subscription.objects.filter(newsletter=weekly, may_track=True).order_by("pk").first()
    assert measured is not None
    sent, daily = names["sent"], names["sent_daily"]
    number = Link.objects.filter(issue_key=sent, language=measured.language).order_by("number").first().number
    of_daily = Link.objects.filter(issue_key=daily).order_by("number").first().number
    for path in (f"/t/{tokens.hit(sent, 0)}.gif", f"/t/{tokens.hit(sent, measured.pk)}.gif"):
        assert ask(application, path) == 200
    call_command("drain", "--once", stdout=io.StringIO())
    everybody, reader = tokens.hit(daily, 0), tokens.hit(sent, measured.pk)
    for _ in range(3):
        assert ask(application, f"/t/{everybody}.gif") == 200
    assert ask(application, f"/l/{of_daily}/{everybody}") == 302
    assert ask(application, f"/l/{number}/{reader}") == 302
    application.spool.sync()
    application.spool._close()
    return {"measured": measured.pk, "unloaded_hits": 5}


def make_events(names, weekly) -> None:
    from anymail.signals import AnymailTrackingEvent

    from subscribers import tokens
    from subscribers.models import Subscription
    from workers import feedback

    def event(place: int, kind: str, words: str = "") -> AnymailTrackingEvent:
        reader = Subscription.objects.get(newsletter=weekly, subscriber__email_key=f"siti{place:02d}@pembaca.example")
        return AnymailTrackingEvent(
            event_type=kind,
            timestamp=clock[0],
            event_id=f"upgrade-{place}-{kind}",
            recipient=reader.subscriber.email,
            reject_reason="bounced" if kind == "bounced" else None,
            description=words,
            metadata={"warta": tokens.event_mac(names["sent"], reader.pk)},
            esp_event={},
        )

    events = [event(place, "delivered") for place in range(5)]
    events += [event(5, "bounced", "550 5.1.1 user unknown"), event(6, "deferred", "450 4.2.1 later")]
    feedback.receive(events, provider="mailgun", now=at(days=3))


def make_notices(weekly, daily, form, names) -> dict[str, int]:
    from django.contrib.contenttypes.models import ContentType

    from newsletter.models import Editor
    from subscribers.models import Notice

    assert ContentType.objects.exists()
    request = sign_up(
        form, "baru@pembaca.example", [weekly, daily], language="id", measured=True, confirm=False, day=6.2
    )
    sign_up(form, "siti01@pembaca.example", [weekly], language="id", measured=False, confirm=False, day=6.3)
    late = sign_up(form, "lekas@pembaca.example", [daily], language="en", measured=False, confirm=False, day=6.4)
    from subscribers import consent

    consent.confirm(late, now=at(days=6.41), ip="203.0.113.77", user_agent=AGENT)
    editor = Editor.objects.get(email="publisher@kabarlintas.example")
    Notice.objects.create(
        kind="invitation", editor=editor, newsletter=weekly, language="id", due_at=clock[0], created_at=clock[0]
    )
    from subscribers import signup

    signup.accept(
        form, email="antre@pembaca.example", newsletters=[weekly], language="en", page_url="", consent_texts=[],
        ip="203.0.113.77", user_agent=AGENT, trap=False, now=at(days=6.5),
    )  # fmt: skip
    return {"pending_request": request.pk}


def make_messages(names) -> None:
    """Written by the Celery app itself. Their life is long, so that they are still to be run when the data is used."""
    from workers.celery import app
    from workers.schedule import ENTRIES
    from workers.tasks import check, wake

    wake([names["half_sent"]])  # as it is published; it has expired when the data is used
    app.tasks["send"].apply_async(kwargs={"issue_id": names["half_sent"]}, expires=YEARS_S)
    check.apply_async(kwargs={"issue_id": names["scheduled"]}, expires=YEARS_S)
    for entry in ENTRIES:
        app.tasks[entry.task].apply_async(expires=YEARS_S)


# --- keeping it ------------------------------------------------------------------------------------------------------


def main(engine: str) -> None:
    folder = Path(tempfile.mkdtemp(prefix="upgrade-"))
    variables = {"VAR_DIR": str(folder / "var"), "SECRET_KEY": SECRET, "LOG_LEVEL": "ERROR"}
    variables |= {"DJANGO_SETTINGS_MODULE": "newsletter.settings", "MAIL_URL": "smtp://127.0.0.1:25?tls=off"}
    if engine == "postgres":
        _psql(
            f"{SERVER}/postgres", f'DROP DATABASE IF EXISTS "{DATABASE}" WITH (FORCE)', f'CREATE DATABASE "{DATABASE}"'
        )
        variables["DATABASE_URL"] = f"{SERVER}/{DATABASE}"
    os.environ.update(variables)
    set_up()
    from django.conf import settings
    from django.db import connection

    from tests.workers.mailing import smtp_server

    with smtp_server() as sink:
        os.environ["MAIL_URL"] = f"smtp://127.0.0.1:{sink.port}?tls=off"
        settings.MAIL_ROUTES = [os.environ["MAIL_URL"]]
        facts = fill(sink)

    from workers import routes

    routes.first().close()
    connection.close()
    name = "postgresql" if engine == "postgres" else "sqlite"
    var = folder / "var"
    if engine == "postgres":
        dump = subprocess.run(
            ["pg_dump", "--no-owner", "--no-privileges", "--rows-per-insert=100", variables["DATABASE_URL"]],
            capture_output=True,
            check=True,
        )
        (folder / "warta.sql").write_bytes(dump.stdout)
    else:
        import sqlite3

        with contextlib.closing(sqlite3.connect(var / "warta.sqlite3")) as raw:
            raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            raw.execute("VACUUM")
            raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        for suffix in ("-wal", "-shm"):
            Path(f"{var / 'warta.sqlite3'}{suffix}").unlink(missing_ok=True)
    (var / "secret_key").write_text(SECRET)
    (folder / "facts.json").write_text(json.dumps(facts, indent=1, sort_keys=True))
    with gzip.GzipFile(HERE / f"{name}.tar.gz", "wb", mtime=0) as packed, tarfile.open(fileobj=packed, mode="w") as tar:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.suffix not in {".lock"}:
                tar.add(path, arcname=str(path.relative_to(folder)), filter=_anonymous)
    shutil.rmtree(folder)
    sys.stdout.write(f"{name}: {(HERE / f'{name}.tar.gz').stat().st_size} bytes\n")


def _anonymous(info: tarfile.TarInfo) -> tarfile.TarInfo:
    info.uid = info.gid = 0
    info.uname = info.gname = ""
    info.mtime = int(START.timestamp())
    return info


def _psql(url: str, *statements: str) -> None:
    for statement in statements:
        subprocess.run(["psql", "--quiet", url, "-c", statement], check=True)


def fill(sink) -> dict[str, object]:
    from django.conf import settings
    from django.core.management import call_command
    from django.db import connection

    call_command("migrate", verbosity=0)
    weekly, daily, quiet, form, admin = make_newsletters()
    make_readers(weekly, daily, form)
    routes, settings.MAIL_ROUTES = settings.MAIL_ROUTES, ["mailbox:"]
    sign_up(form, "kotak@pembaca.example", [daily], language="id", measured=False, confirm=True, day=-3)
    settings.MAIL_ROUTES = routes
    dead: dict[str, object] = {}

    def kill_while_sending(half) -> None:
        """Record two claims of eight; kill the sender when the server has the fourth mail of the third."""
        connection.close()
        seen = len(sink.received)
        running: list[subprocess.Popen[bytes]] = []

        def on_data(_data: bytes) -> str | None:
            if len(sink.received) - seen == 19:
                running[0].send_signal(signal.SIGKILL)
                running[0].wait()
                return "keep and cut"
            return None

        sink.on_data = on_data
        running.append(subprocess.Popen([sys.executable, "-m", "tests.data.upgrade.make", "send", str(half.pk)]))
        assert running[0].wait(60) == -signal.SIGKILL
        time.sleep(0.5)
        sink.on_data = lambda _data: None
        claiming = subprocess.Popen([sys.executable, "-m", "tests.data.upgrade.make", "claim", str(half.pk)])
        assert claiming.wait(60) == -signal.SIGKILL
        assert len(sink.received) - seen == 20
        dead["under_way"] = sink.received[-1][1][0]

    names = make_issues(weekly, daily, quiet, admin, sink, kill_while_sending)
    make_events(names, weekly)
    hits = make_hits(weekly, names)
    told = make_notices(weekly, daily, form, names)
    make_messages(names)
    return {**facts_of(names, sink), **hits, **told, **dead}


def facts_of(names: dict[str, int], sink) -> dict[str, object]:
    """What a test needs to know, and everything that arrived, as the mail server counted it."""
    from django.apps import apps

    from newsletter.models import Issue
    from tests.workers.mailing import parse
    from workers import ledger, spool
    from workers.models import Batch

    arrived: dict[str, list[str]] = {}
    raw: dict[str, str] = {}
    subject_of = {}
    for _sender, recipients, data in sink.received:
        mail = parse(data)
        kind = mail["List-ID"] or mail["List-Id"] or "notice"
        key = f"{kind} {mail['Subject']}"
        arrived.setdefault(key, []).append(recipients[0])
        if key not in raw or recipients[0].lower() == "siti00@pembaca.example":
            raw[key] = data.decode("utf-8", "surrogateescape")
            subject_of[key] = recipients[0]
    half = Issue.objects.get(pk=names["half_sent"])
    batches = Batch.objects.filter(issue=half).order_by("number")
    return {
        "commit": "f96955b",
        "secret_key": os.environ["SECRET_KEY"],
        "host": socket.gethostname(),
        "boot_id": spool.boot_id(),
        "start": START.isoformat(),
        "scheduled_at": SCHEDULED_AT.isoformat(),
        "issues": names,
        "half_sent_equation": vars_of(ledger.equation(half)),
        "half_sent_batches": [
            {"status": one.status, "readers": list(ledger.unpack(one.reader_ids))} for one in batches
        ],
        "arrived": arrived,
        "mails": [{"key": key, "to": subject_of[key], "raw": raw[key]} for key in raw],
        "rows": {model._meta.label: model.objects.count() for model in apps.get_models()},
        "outcomes": dict(Counter(str(one) for one in batches.values_list("status", flat=True))),
    }


def vars_of(equation: object) -> dict[str, int]:
    from dataclasses import asdict

    return asdict(equation)  # type: ignore[call-overload]


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["send", issue_id]:
            child_send(issue_id, before_spool=False)
        case ["claim", issue_id]:
            child_send(issue_id, before_spool=True)
        case [engine]:
            main(engine)
