"""`seed_demo`: the invented publication comes whole, stays as it is, and goes without a trace."""

from __future__ import annotations

import random
import re
import socket
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from newsletter import content, issues
from newsletter.drafts import preparation
from newsletter.models import Article, AuditEntry, Editor, Issue, IssueStatus, Link, MediaFile, Newsletter, Source
from subscribers import consent, signup
from subscribers.consent import database_triggers
from subscribers.models import (
    ConsentEvent,
    ConsentText,
    Notice,
    SignupForm,
    SignupRequest,
    Subscriber,
    Subscription,
    Suppression,
)
from tests.factories import make_newsletter
from workers import ledger
from workers.demo import history, removal, stories, subscribers
from workers.models import Batch, Delivery, Event, Route, Tally
from workers.reporting import issue_figures
from workers.sending import preflight

SITE = "http://127.0.0.1"
LEFT_BEHIND = (
    *(Newsletter, Source, Issue, Article, MediaFile, Link),
    *(SignupForm, SignupRequest, Subscriber, Subscription, Notice, ConsentText, ConsentEvent, Suppression),
    *(Batch, Delivery, Event, Tally, Route),
)


@pytest.fixture
def seed(live_server, settings, monkeypatch, capsys):
    """The command against a site that runs, with few readers."""
    settings.SITE_URL, settings.SITE_HOST, settings.EMBEDDED = live_server.url, "localhost", True
    monkeypatch.setattr(history, "READER_COUNT", 60)

    def run(*args: str) -> str:
        call_command("seed_demo", *args)
        return capsys.readouterr().out

    return run


@pytest.mark.django_db(transaction=True)
def test_the_seed_comes_whole_and_a_second_run_changes_nothing(seed, settings):
    said = seed()

    assert re.search(r"admin@kabarlintas\.example with the password \S{16}$", said, re.MULTILINE)
    assert Article.objects.filter(image__isnull=False).count() == len(stories.all_stories())
    sent = Issue.objects.filter(status=IssueStatus.SENT)
    assert sent.count() == 4
    assert all(issue.sent_at < timezone.now() and issue.accepted_count > 10 for issue in sent)
    assert all(ledger.count_deliveries(issue).is_consistent for issue in sent)
    _a_draft_was_prepared(Issue.objects.get(status=IssueStatus.DRAFT))
    assert issue_figures.build_report(sent.order_by("pk").first()).bounced == 3
    assert sum(issue.click_count for issue in sent) > 0

    assert Subscriber.objects.count() == 60
    assert not Subscriber.objects.exclude(email__regex=r"@((\w+\.example)|(example\.(com|net|org)))$").exists()
    assert consent.verify_chain() is None
    wordings = ConsentText.objects.values_list("newsletter__slug", "purpose", "language", "button").order_by("pk")
    assert set(wordings) == {
        ("ringkasan-mingguan", "newsletter", "id", "Berlangganan"),
        ("ringkasan-mingguan", "newsletter", "en", "Subscribe"),
        ("perubahan-aturan", "newsletter", "id", "Berlangganan"),
        ("perubahan-aturan", "newsletter", "en", "Subscribe"),
        ("perubahan-aturan", "measurement", "id", "Berlangganan"),
        ("perubahan-aturan", "measurement", "en", "Subscribe"),
    }
    assert not Notice.objects.filter(sent_at__isnull=True, failed_at__isnull=True).exists()
    assert list(Path(settings.MAILBOX_DIR).iterdir()) == []
    assert settings.MAIL_ROUTES == ["mailbox:"]
    assert timezone.now.__module__ == "django.utils.timezone"

    before = {model: model.objects.count() for model in (*LEFT_BEHIND, Editor, AuditEntry)}
    assert "nothing to do" in seed()
    assert {model: model.objects.count() for model in before} == before

    said = seed("--remove")

    assert "The demo data is gone." in said
    assert {model.__name__: model.objects.count() for model in LEFT_BEHIND if model.objects.exists()} == {}
    assert list(Editor.objects.values_list("email", flat=True)) == ["admin@kabarlintas.example"]
    assert [path for path in Path(settings.MEDIA_ROOT).rglob("*") if path.is_file()] == []
    assert consent.verify_chain() is None
    assert database_triggers.missing_triggers(connection) == frozenset()
    assert "nothing to do" in seed("--remove")


def _a_draft_was_prepared(draft: Issue) -> None:
    """For the coming slot, by the rule, with nothing in the way of sending it."""
    slot = timezone.localtime(draft.prepared_for, draft.newsletter.zone)
    assert (slot.weekday(), slot.hour) == (1, 7)
    assert timedelta(0) < slot - timezone.now() <= timedelta(days=7)
    document = content.parse(draft.content)
    assert [block.kind for block in document.blocks] == ["text", "lead", "story", "story", "story", "story"]
    assert document.envelopes["id"].subject == "Paspor elektronik atau biasa: mana yang Anda butuhkan?"
    assert all(40 <= len(envelope.preheader) <= 100 for envelope in document.envelopes.values())
    assert preflight.blocking_checks(draft) == []
    found = preparation.select_articles(
        draft.newsletter, preparation.parse_rule(draft.newsletter.draft_rule), draft=draft
    )
    assert (len(found.picks), len(found.new)) == (5, 6)


def _real_reader() -> Newsletter:
    newsletter = make_newsletter(slug="sungguhan")
    (text, *_) = consent.ensure_texts(newsletter, now=timezone.now())
    form = SignupForm.objects.create(slug="sungguhan")
    form.newsletters.add(newsletter)
    request = signup.accept(
        form,
        email="sungguhan@pembaca.example",
        newsletters=[newsletter],
        language="id",
        page_url="https://kabar.example/",
        consent_texts=[text],
        ip="192.0.2.1",
        user_agent="",
        trap=False,
        now=timezone.now(),
    )
    signup.admit_due(now=timezone.now())
    request.refresh_from_db()
    consent.confirm(request, now=timezone.now())
    return newsletter


@pytest.mark.django_db(transaction=True)
def test_removing_the_demo_leaves_what_is_real_and_its_consent_proven(seed):
    seed()
    Editor.objects.create_superuser("nyata@kabar.example", "katasandi-panjang", name="Nyata")
    newsletter = _real_reader()
    issue = issues.create(newsletter, editor=None, now=timezone.now())

    seed("--remove")

    assert list(Newsletter.objects.all()) == [newsletter]
    assert list(Issue.objects.all()) == [issue]
    assert Subscription.objects.get().subscriber.email == "sungguhan@pembaca.example"
    assert list(ConsentEvent.objects.values_list("action", flat=True)) == ["requested", "confirmed"]
    assert consent.verify_chain() is None
    assert list(Editor.objects.values_list("email", flat=True)) == ["nyata@kabar.example"]


@pytest.mark.django_db(transaction=True)
def test_a_seed_that_was_interrupted_starts_over(seed, monkeypatch):
    monkeypatch.setattr(history, "READER_COUNT", 20)

    def power_cut(*args, **kwargs):
        raise RuntimeError("Listrik padam.")

    with monkeypatch.context() as patched:
        patched.setattr(history._History, "_rules", power_cut)
        with pytest.raises(CommandError, match="Listrik padam"):
            seed()
    assert removal.exists()
    assert not removal.is_complete()

    said = seed()

    assert "starting over" in said
    assert "with the password" in said
    assert removal.is_complete()
    assert Issue.objects.filter(status=IssueStatus.SENT).count() == 4


@pytest.mark.django_db
def test_a_site_in_production_gets_no_demo(settings):
    settings.EMBEDDED = False

    with pytest.raises(CommandError, match="this machine only") as refused:
        call_command("seed_demo")

    assert refused.value.returncode == 2
    assert not Newsletter.objects.exists()


@pytest.mark.django_db
def test_a_port_that_another_program_holds_is_named(settings, capsys):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        settings.SITE_URL, settings.SITE_HOST = f"{SITE}:{port}", "127.0.0.1"

        with pytest.raises(CommandError, match=f"Port {port} is taken"):
            call_command("seed_demo")


@pytest.mark.django_db
def test_a_broken_chain_is_not_sealed_over(now):
    newsletter = _real_reader()
    Newsletter.objects.filter(pk=newsletter.pk).update(is_demo=True)
    database_triggers.remove(connection)
    ConsentEvent.objects.filter(action="requested").update(language="en")
    database_triggers.install(connection)

    with pytest.raises(CommandError, match="verify_consent"):
        call_command("seed_demo", "--remove")

    assert Newsletter.objects.exists()


def test_invented_people_have_addresses_that_are_nobodys():
    invented = list(subscribers.invent(400, chance=random.Random(1)))

    assert len({person.email for person in invented}) == 400
    assert all(re.fullmatch(r"[a-z]+(\.[a-z]+)+@(example\.(com|net|org)|\w+\.example)", one.email) for one in invented)
    assert 60 < sum(person.language == "en" for person in invented) < 140
