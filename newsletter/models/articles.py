"""Articles, the sources they come from, and addresses that may become articles."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from newsletter.models.languages import LanguageField
from newsletter.models.media import MediaFile
from newsletter.models.newsletters import Newsletter


class SourceKind(models.TextChoices):
    FEED = "feed", _("Feed")
    SITEMAP = "sitemap", _("News sitemap")


class Source(models.Model):
    """A feed or sitemap that is read regularly."""

    newsletter = models.ForeignKey(Newsletter, models.CASCADE, related_name="sources")
    kind = models.CharField(max_length=8, choices=SourceKind, default=SourceKind.FEED)
    url = models.URLField(max_length=1000)
    etag = models.CharField(max_length=200, blank=True)
    last_modified = models.CharField(max_length=60, blank=True)
    fetched_at = models.DateTimeField(null=True)
    next_at = models.DateTimeField(null=True)
    """When it is read again; None is at once. Later and later while it fails, or as its site asks for."""
    failures = models.PositiveSmallIntegerField(default=0)
    """Readings in a row that failed."""
    error = models.CharField(max_length=300, blank=True)
    """Why the last reading failed, in English words that are msgids."""
    is_active = models.BooleanField(default=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["newsletter", "url"], name="one_source_per_newsletter_and_url"),
            models.CheckConstraint(condition=Q(kind__in=SourceKind.values), name="source_kind_known"),
        ]

    def __str__(self) -> str:
        return self.url


class ArticleState(models.TextChoices):
    LIVE = "live", _("Live")
    GONE = "gone", _("Gone")


class Article(models.Model):
    """What a page of the publisher's site says about itself; the stuff issues are made of."""

    source = models.ForeignKey(Source, models.SET_NULL, null=True, related_name="articles")
    guid = models.CharField(max_length=1000, unique=True)
    url = models.URLField(max_length=1000, unique=True)
    title = models.CharField(max_length=300)
    summary = models.TextField(blank=True)
    author = models.CharField(max_length=200, blank=True)
    section = models.CharField(max_length=120, blank=True)
    language = LanguageField(blank=True)
    image_url = models.URLField(max_length=1000, blank=True)
    image_alt = models.CharField(max_length=300, blank=True)
    image = models.ForeignKey(MediaFile, models.SET_NULL, null=True, related_name="+")
    published_at = models.DateTimeField(null=True, db_index=True)
    updated_at = models.DateTimeField(null=True)
    reading_minutes = models.PositiveSmallIntegerField(null=True)
    content_hash = models.CharField(max_length=64, blank=True)
    state = models.CharField(max_length=8, choices=ArticleState, default=ArticleState.LIVE)
    alternates = models.JSONField(default=dict)
    """The same article in other languages (hreflang): {"en": url}."""
    looked_at = models.DateTimeField(null=True)
    """When its page was last read again because an issue tells it."""
    look_error = models.CharField(max_length=300, blank=True)
    """Why that reading failed, in words; "" if it did not."""
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(state__in=ArticleState.values), name="article_state_known")]

    def __str__(self) -> str:
        return self.title


class CandidateState(models.TextChoices):
    WAITING = "waiting", _("Waiting to be read")
    SKIPPED = "skipped", _("Skipped")
    TAKEN = "taken", _("Taken")


class Candidate(models.Model):
    """An address that may become an article: pasted and waiting to be read, or left out, and why."""

    newsletter = models.ForeignKey(Newsletter, models.CASCADE, related_name="candidates")
    url = models.URLField(max_length=1000)
    title = models.CharField(max_length=300, blank=True)
    state = models.CharField(max_length=8, choices=CandidateState, default=CandidateState.WAITING)
    reason = models.CharField(max_length=300, blank=True)
    """Why it was left out, in words for people."""
    article = models.ForeignKey(Article, models.CASCADE, null=True, related_name="candidates")
    """Once it is one; a skipped candidate with an article was set aside by an editor."""
    source = models.ForeignKey(Source, models.SET_NULL, null=True, related_name="+")
    asked_by = models.ForeignKey("Editor", models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    done_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-created_at", "-pk"]
        constraints = [
            models.UniqueConstraint(fields=["newsletter", "url"], name="one_candidate_per_newsletter_and_url"),
            models.CheckConstraint(condition=Q(state__in=CandidateState.values), name="candidate_state_known"),
        ]
        indexes = [models.Index(fields=["state", "created_at"], name="candidate_waiting")]

    def __str__(self) -> str:
        return self.title or self.url


class LinkLook(models.Model):
    """What a link of an issue answered when it was last tried."""

    hash = models.CharField(max_length=64, unique=True)
    """SHA-256 of the address, which may be too long for an index."""
    url = models.URLField(max_length=2000)
    is_fine = models.BooleanField()
    reason = models.CharField(max_length=300, blank=True)
    looked_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return self.url
