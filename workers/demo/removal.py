"""Taking all demo data away again: whatever belongs to a newsletter, address or page of the invented publication."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet

from newsletter.models import Article, AuditEntry, Editor, Issue, Link, MediaFile, Newsletter
from subscribers import consent, suppression
from subscribers.models import Notice, SignupForm, SignupRequest, Subscriber, Subscription, Suppression
from workers.demo import publication, views
from workers.models import Event

SEEDED_ACTION = "demo-seeded"
REMOVED_ACTION = "demo-removed"
OPT_OUT_FILE = "no-demo"
"""A file in VAR_DIR that says: the demo was removed on purpose, so the next start does not make it again."""


def exists() -> bool:
    return Newsletter.objects.filter(is_demo=True).exists()


def is_complete() -> bool:
    return exists() and AuditEntry.objects.filter(action=SEEDED_ACTION, newsletter__is_demo=True).exists()


def remove(*, now: datetime, tell: Callable[[str], object]) -> None:
    """Delete everything the seed made, and what was added to its newsletters since. All or nothing."""
    newsletters = Newsletter.objects.filter(is_demo=True)
    files: list[MediaFile] = []
    with transaction.atomic():
        tell(f"{_remove_readers(newsletters)} readers with their requests and mails")
        issues = list(Issue.objects.filter(newsletter__in=newsletters).values_list("pk", flat=True))
        Event.objects.filter(issue__in=issues).delete()
        Link.objects.filter(issue_key__in=issues).delete()
        tell(f"{consent.delete_demo_consent(newsletters)} consent events")
        AuditEntry.objects.filter(newsletter__in=newsletters).delete()
        SignupForm.objects.filter(slug=views.FORM_SLUG).delete()
        newsletters.delete()
        tell(f"2 newsletters with {len(issues)} issues")
        files = _remove_articles(tell)
        _remove_editors(tell)
        AuditEntry.objects.create(action=REMOVED_ACTION, subject="demo data", occurred_at=now)
    for file in files:
        file.file.storage.delete(file.file.name or "")


def _remove_readers(newsletters: QuerySet[Newsletter]) -> int:
    """Subscriptions of the demo's newsletters, and everybody who has no other."""
    ids = list(newsletters.values_list("pk", flat=True))
    subscriptions = Subscription.objects.filter(newsletter__in=ids)
    readers = Subscriber.objects.filter(pk__in=list(subscriptions.values_list("subscriber", flat=True)))
    addresses = dict(readers.values_list("pk", "email_key"))
    requests = SignupRequest.objects.exclude(newsletters__in=Newsletter.objects.exclude(pk__in=ids))
    Notice.objects.filter(Q(newsletter__in=ids) | Q(request__in=requests, editor__isnull=True)).delete()
    requests.delete()
    subscriptions.delete()
    gone = readers.exclude(pk__in=Subscription.objects.values("subscriber"))
    hashes = [value for pk in gone.values_list("pk", flat=True) for value in suppression.email_hashes(addresses[pk])]
    for start in range(0, len(hashes), 500):
        Suppression.objects.filter(email_hash__in=hashes[start : start + 500]).delete()
    count = gone.count()
    gone.delete()
    return count


def _remove_articles(tell: Callable[[str], object]) -> list[MediaFile]:
    """Articles and pictures from the demo site; the files themselves go after the transaction."""
    site = f"{settings.SITE_URL}/demo/"
    found = Article.objects.filter(url__startswith=site)
    tell(f"{found.count()} articles")
    found.delete()
    pictures = MediaFile.objects.filter(source_url__startswith=site).exclude(
        pk__in=Article.objects.filter(image__isnull=False).values("image")
    )
    files = list(pictures)
    pictures.delete()
    return files


def _remove_editors(tell: Callable[[str], object]) -> None:
    """The invented editors; the administrator stays as long as nobody else could log in."""
    invented = Editor.objects.filter(email__endswith=f"@{publication.DOMAIN}")
    others = Editor.objects.filter(is_superuser=True, is_active=True).exclude(pk__in=invented)
    if not others.exists():
        invented = invented.exclude(email=publication.ADMINISTRATOR)
        tell(f"{publication.ADMINISTRATOR} stays, because there is no other administrator yet")
    invented.delete()
