"""Drafts prepared at their time, and the alerts about them."""

from __future__ import annotations

from datetime import timedelta
from email import message_from_bytes, policy

import pytest

from newsletter import issues
from newsletter.models import Article, Issue, Role, Source
from subscribers.models import Notice
from tests.factories import make_editor, make_newsletter
from workers import routes, schedule
from workers.notifications import draft_ready, outbox

pytestmark = pytest.mark.django_db


@pytest.fixture
def newsletter():
    made = make_newsletter(
        cadence={"days": [1], "at": "08:00", "days_before": 1, "prepared_at": "09:00"},
        draft_rule={"most": 5, "per_section": 2, "fewest": 3, "briefs": 0, "without": []},
    )
    Source.objects.create(newsletter=made, url="https://kabarlintas.example/feed")
    return made


@pytest.fixture
def monday(now):
    """Monday 30 November 2026, 09:00 in Jakarta: the time at which the draft for Tuesday is prepared."""
    return now.replace(day=30, hour=2)


def add_articles(newsletter, count, *, monday, english=0):
    """Add articles; the first `english` of them have an English version."""
    for number in range(1, count + 1):
        fields = {"source": newsletter.sources.get(), "published_at": monday - timedelta(hours=number)}
        urls = {code: f"https://kabarlintas.example/{code}/{number}" for code in ("id", "en")}
        own, other = urls["id"], urls["en"]
        twins = {"en": other} if number <= english else {}
        title = f"Imigrasi buka jalur autogate ke-{number}"
        Article.objects.create(url=own, guid=own, title=title, language="id", alternates=twins, **fields)
        if twins:
            Article.objects.create(
                url=other, guid=other, title=f"Lane {number} opens", language="en", alternates={"id": own}, **fields
            )


def caught():
    """Return caught mails by recipient: (subject, text in one line)."""
    opened = [routes.mailbox.open_message(message.name) for message in routes.mailbox.messages()]
    mails = [(message_from_bytes(one.source, policy=policy.default), one.text) for one in opened]
    return {str(mail["To"]): (str(mail["Subject"]), " ".join(text.split())) for mail, text in mails}


def test_everybody_who_writes_is_told_in_their_language(newsletter, monday):
    writer = make_editor(newsletter, role=Role.WRITER, language="en", name="Dewi Anggraini")
    publisher = make_editor(newsletter, role=Role.PUBLISHER, language="id", name="Maria Tambunan")
    make_editor(make_newsletter(), role=Role.WRITER)
    make_editor(newsletter, role=Role.WRITER, is_active=False)
    add_articles(newsletter, 9, monday=monday, english=3)

    made = draft_ready.prepare_due(now=monday)
    sent = outbox.send_due(now=monday)

    assert (made, sent) == (1, 2)
    issue = Issue.objects.get()
    subject, text = caught()[writer.email]
    assert subject == ("Draft #1 is ready: 5 of 9 new articles picked by your rule; 2 need a version in English")
    assert f"/studio/issues/{issue.pk}/compose/" in text
    assert "The 5 newest articles since the last issue, at most 2 per section." in text
    assert "1. Imigrasi buka jalur autogate ke-1" in text
    assert "Tuesday, 1 December 2026, 08:00 WIB" in text
    assert publisher.email in caught()


def test_newsletter_without_a_sender_yet_still_tells_its_editors(newsletter, monday):
    editor = make_editor(newsletter, role=Role.WRITER, language="en")
    newsletter.from_email = ""
    newsletter.save()
    add_articles(newsletter, 5, monday=monday)

    draft_ready.prepare_due(now=monday)

    assert outbox.send_due(now=monday) == 1
    assert caught()[editor.email][0].startswith("Draft #1 is ready: 5 of 5")


def test_nobody_is_told_twice(newsletter, monday):
    make_editor(newsletter, role=Role.WRITER)
    add_articles(newsletter, 9, monday=monday)

    for minute in range(3):
        draft_ready.prepare_due(now=monday + timedelta(minutes=minute))

    assert Notice.objects.count() == 1


def test_thin_week_is_said_once_and_nothing_is_made(newsletter, monday):
    editor = make_editor(newsletter, role=Role.WRITER, language="en")
    add_articles(newsletter, 2, monday=monday)

    for minute in range(3):
        draft_ready.prepare_due(now=monday + timedelta(minutes=minute))
    outbox.send_due(now=monday)

    assert not Issue.objects.exists()
    subject, text = caught()[editor.email]
    assert subject == "No draft for Weekly summary: too few new articles"
    assert (
        "Your rule found 2 new articles for Tuesday, 1 December 2026, 08:00 WIB, but you want at least 3."
        in " ".join(text.split())
    )
    assert Notice.objects.count() == 1


def test_next_thin_week_is_said_again(newsletter, monday):
    make_editor(newsletter, role=Role.WRITER)

    draft_ready.prepare_due(now=monday)
    draft_ready.prepare_due(now=monday + timedelta(weeks=1))

    assert Notice.objects.count() == 2


def test_draft_thrown_away_in_the_meantime_is_not_announced(newsletter, monday):
    make_editor(newsletter, role=Role.WRITER)
    add_articles(newsletter, 5, monday=monday)
    draft_ready.prepare_due(now=monday)

    issues.delete(Issue.objects.get(), editor=None, now=monday)

    assert outbox.send_due(now=monday) == 0


def test_worker_that_falls_over_while_telling_leaves_no_draft_nobody_heard_of(newsletter, monday, monkeypatch):
    make_editor(newsletter, role=Role.WRITER)
    add_articles(newsletter, 5, monday=monday)

    def fall(*args, **kwargs):
        raise OSError("the disk is full")

    monkeypatch.setattr(Notice.objects, "bulk_create", fall)
    with pytest.raises(OSError, match="full"):
        draft_ready.prepare_due(now=monday)

    assert not Issue.objects.exists()


def test_drafts_are_looked_after_every_minute():
    assert schedule.beat_schedule()["prepare drafts"]["schedule"] == timedelta(minutes=1)
