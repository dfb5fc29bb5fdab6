"""Plain functions that make people and things with good defaults: `make_issue(stories=3)`."""

from __future__ import annotations

import datetime
from itertools import count
from typing import Any

from django.db.models import Max

from newsletter import content, issues
from newsletter.checks import link_checker
from newsletter.models import Editor, Issue, IssueStatus, Membership, Newsletter, Revision, Role
from subscribers.models import Subscriber, Subscription, SubscriptionStatus

NOW = datetime.datetime(2026, 11, 24, 0, 0, tzinfo=datetime.UTC)
_numbers = count(1)


def make_newsletter(**fields: Any) -> Newsletter:
    number = next(_numbers)
    defaults = {
        "slug": f"ringkasan-{number}",
        "brand": "Kabar Lintas",
        "title": "Ringkasan mingguan",
        "description": "Lima kabar imigrasi, tiap Selasa pagi",
        "translations": {"en": {"title": "Weekly summary", "description": "Five stories, every Tuesday morning"}},
        "languages": ["id", "en"],
        "list_id": f"ringkasan-{number}.kabarlintas.example",
        "from_name": "Kabar Lintas",
        "from_email": "redaksi@kabarlintas.example",
        "reply_to": "halo@kabarlintas.example",
        "postal_address": "Redaksi Kabar Lintas, Jl. Contoh No. 10, Jakarta 12345",
        "privacy_url": "https://kabarlintas.example/privasi/",
        "site_url": "https://kabarlintas.example",
        "hold_s": 0,
        "first_batch": 0,
    }
    return Newsletter.objects.create(**{**defaults, **fields})


def make_editor(newsletter: Newsletter | None = None, *, role: str = Role.ADMINISTRATOR, **fields: Any) -> Editor:
    defaults = {"email": f"ayu{next(_numbers)}@kabarlintas.example", "name": "Ayu Lestari", "language": "en"}
    editor = Editor.objects.create_user(password="katasandi-panjang", **{**defaults, **fields})
    if newsletter is not None:
        Membership.objects.create(editor=editor, newsletter=newsletter, role=role)
    return editor


def story_words(number: int, language: str = "id") -> content.StoryWords:
    return content.StoryWords(
        headline=f"Imigrasi buka jalur autogate ke-{number}" if language == "id" else f"Autogate lane {number} opens",
        summary="<p>Pemegang paspor elektronik dapat melintas dalam <strong>kurang dari 30 detik</strong>.</p>"
        if language == "id"
        else "<p>Holders of an electronic passport pass in <strong>less than 30 seconds</strong>.</p>",
        url=f"https://kabarlintas.example/{language}/autogate-{number}",
        link_text="Baca cara memakai autogate" if language == "id" else "Read how to use the autogate",
    )


def make_document(*, stories: int = 3, languages: tuple[str, ...] = ("id", "en")) -> content.Document:
    kinds = [content.Lead, *[content.Story] * (stories - 1)] if stories else []
    return content.Document(
        envelopes={
            language: content.Envelope(
                subject="Autogate baru dan izin tinggal daring"
                if language == "id"
                else "New autogates, online permits",
                preheader="Kabar imigrasi pekan ini dalam lima menit baca, langsung dari redaksi"
                if language == "id"
                else "This week's immigration news in five minutes, straight from the newsroom",
            )
            for language in languages
        },
        blocks=[
            kind(id=f"b{number:03d}", words={language: story_words(number, language) for language in languages})
            for number, kind in enumerate(kinds, start=1)
        ],
    )


def make_issue(
    newsletter: Newsletter | None = None,
    *,
    stories: int = 3,
    document: content.Document | None = None,
    editor: Editor | None = None,
    now: datetime.datetime = NOW,
) -> Issue:
    """As `issues.create` and `issues.save` write it (test_issues.py holds them together), in fewer steps where that is easy."""
    newsletter, document = newsletter or make_newsletter(), document or make_document(stories=stories)
    written = content.dump(document)
    if document.article_ids() or any(block.get("picture") for block in written["blocks"]):
        issue = issues.create(newsletter, editor=editor, now=now)
        return issues.save(issue, document, version=1, editor=editor, now=now)
    empty = content.dump(
        content.Document(envelopes={language: content.Envelope() for language in newsletter.languages})
    )
    versions = [empty] if written == empty else [empty, written]
    number = (newsletter.issues.aggregate(last=Max("number"))["last"] or 0) + 1
    issue = Issue.objects.create(
        newsletter=newsletter,
        number=number,
        slug=f"{newsletter.slug}-{number}",
        content=written,
        version=2,
        revision_head=len(versions),
        created_by=editor,
        created_at=now,
        edited_at=now,
        edited_by=editor,
    )
    Revision.objects.bulk_create(
        Revision(issue=issue, number=place, editor=editor, saved_at=now, content=version)
        for place, version in enumerate(versions, start=1)
    )
    return Issue.objects.select_related("newsletter").get(pk=issue.pk)


def make_scheduled_issue(newsletter: Newsletter | None = None, **fields: Any) -> Issue:
    """An issue whose time has come: scheduled for NOW, and looked at."""
    issue = issues.approve(make_issue(newsletter, **fields), editor=None, now=NOW)
    issue = issues.schedule(issue, at=NOW, editor=None, now=NOW)
    link_checker.store_results(issue, {"links": {}}, now=NOW)
    return issue


def make_sent(newsletter: Newsletter | None = None, *, days: int = 0, **fields: Any) -> Issue:
    """An issue that the archive shows: sent `days` after NOW. Nothing is frozen and nobody got it."""
    issue = make_issue(newsletter, **fields)
    moment = NOW + datetime.timedelta(days=days)
    Issue.objects.filter(pk=issue.pk).update(
        status=IssueStatus.SENT, scheduled_at=moment, started_at=moment, sent_at=moment
    )
    return Issue.objects.select_related("newsletter").get(pk=issue.pk)


def make_reader(
    newsletter: Newsletter, *, email: str = "", status: str = SubscriptionStatus.SUBSCRIBED, **fields: Any
) -> Subscription:
    """A subscription with its subscriber; Siti confirmed unless told otherwise. No consent events are written."""
    email = email or f"siti{next(_numbers)}@pembaca.example"
    language = fields.pop("language", "id")
    subscriber, _ = Subscriber.objects.get_or_create(
        email_key=email.lower(), defaults={"email": email, "name": fields.pop("name", ""), "language": language}
    )
    return Subscription.objects.create(
        subscriber=subscriber,
        newsletter=newsletter,
        status=status,
        language=language,
        requested_at=NOW - datetime.timedelta(days=30),
        confirmed_at=NOW - datetime.timedelta(days=30) if status != SubscriptionStatus.PENDING else None,
        **fields,
    )
