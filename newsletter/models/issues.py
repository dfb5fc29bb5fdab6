"""Issues, their revisions, and the editions and links of issues that were frozen."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from newsletter.models.articles import Article
from newsletter.models.languages import LanguageField
from newsletter.models.newsletters import Newsletter
from newsletter.models.people import Editor


class IssueStatus(models.TextChoices):
    DRAFT = "draft", _("Draft")
    IN_REVIEW = "in_review", _("In review")
    APPROVED = "approved", _("Approved")
    SCHEDULED = "scheduled", _("Scheduled")
    SENDING = "sending", _("Sending")
    PAUSED = "paused", _("Paused")
    SENT = "sent", _("Sent")
    CANCELLED = "cancelled", _("Cancelled")


ABOUT_ANOTHER = frozenset({"got_issue", "got_edition", "clicked_link"})
"""Filters of an issue's audience that find readers by what they have of an earlier one."""
EDITABLE = (IssueStatus.DRAFT, IssueStatus.IN_REVIEW, IssueStatus.APPROVED)


class IssueQuerySet(models.QuerySet["Issue"]):
    def not_deleted(self) -> IssueQuerySet:
        """All but deleted drafts."""
        return self.filter(deleted_at__isnull=True)


class Issue(models.Model):
    """One number of a newsletter: a document in one or more languages, and how far it has come."""

    newsletter = models.ForeignKey(Newsletter, models.CASCADE, related_name="issues")
    number = models.PositiveIntegerField()
    slug = models.SlugField(max_length=120, unique=True)
    status = models.CharField(max_length=12, choices=IssueStatus, default=IssueStatus.DRAFT)
    content = models.JSONField(default=dict)
    """A `newsletter.content.Document`."""
    articles = models.ManyToManyField(Article, related_name="issues", blank=True)
    version = models.PositiveIntegerField(default=1)
    revision_head = models.PositiveIntegerField(default=0)
    approved_hash = models.CharField(max_length=64, blank=True)
    approved_digest_version = models.PositiveSmallIntegerField(default=1, db_default=1)
    """The version of `newsletter.issues.approval_digest` that made `approved_hash`."""
    approved_by = models.ForeignKey(Editor, models.SET_NULL, null=True, related_name="+")
    approved_at = models.DateTimeField(null=True)
    scheduled_at = models.DateTimeField(null=True)
    scheduled_by = models.ForeignKey(Editor, models.SET_NULL, null=True, related_name="+")
    prepared_for = models.DateTimeField(null=True)
    """The slot of the newsletter's cadence that a prepared draft was made for."""
    look_asked_at = models.DateTimeField(null=True)
    """When somebody last wanted the slow checks: articles read again, links tried, spam score."""
    looked_at = models.DateTimeField(null=True)
    look = models.JSONField(default=dict, blank=True)
    """What the slow checks found, as `newsletter.checks.link_checker` writes it."""
    tested_at = models.DateTimeField(null=True)
    tested_version = models.PositiveIntegerField(null=True)
    started_at = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)
    pause_reason = models.CharField(max_length=300, blank=True)
    audience = models.JSONField(default=dict)
    """A filter of subscriptions; {} is everybody. {"language": "id"}, {"got_issue": 12}."""
    created_by = models.ForeignKey(Editor, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    edited_at = models.DateTimeField(default=timezone.now)
    edited_by = models.ForeignKey(Editor, models.SET_NULL, null=True, related_name="+")
    deleted_at = models.DateTimeField(null=True)
    """A deleted draft can be brought back for 30 days."""
    # Counters for lists, recounted by `workers` and never added to:
    audience_count = models.PositiveIntegerField(default=0)
    accepted_count = models.PositiveIntegerField(default=0)
    refused_count = models.PositiveIntegerField(default=0)
    click_count = models.PositiveIntegerField(default=0)

    objects = IssueQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-pk"]
        constraints = [
            models.UniqueConstraint(fields=["newsletter", "number"], name="one_issue_per_number"),
            models.UniqueConstraint(
                fields=["newsletter", "prepared_for"],
                condition=Q(prepared_for__isnull=False),
                name="one_prepared_draft_per_slot",
            ),
            models.CheckConstraint(condition=Q(status__in=IssueStatus.values), name="issue_status_known"),
            models.CheckConstraint(
                condition=~Q(status=IssueStatus.SCHEDULED) | Q(scheduled_at__isnull=False),
                name="scheduled_issue_has_a_time",
            ),
        ]
        indexes = [models.Index(fields=["status", "scheduled_at"], name="issue_due")]

    def __str__(self) -> str:
        return f"{self.newsletter.title} #{self.number}"

    @property
    def is_correction_note(self) -> bool:
        """Whether it goes to readers of another issue only, as a correction does."""
        return bool(ABOUT_ANOTHER & set(self.audience))

    @property
    def is_editable(self) -> bool:
        return self.status in EDITABLE and self.deleted_at is None


class Revision(models.Model):
    """What an issue said at one moment; undo, redo and history walk these."""

    issue = models.ForeignKey(Issue, models.CASCADE, related_name="revisions")
    number = models.PositiveIntegerField()
    editor = models.ForeignKey(Editor, models.SET_NULL, null=True, related_name="+")
    saved_at = models.DateTimeField()
    content = models.JSONField()

    class Meta:
        ordering = ["number"]
        constraints = [models.UniqueConstraint(fields=["issue", "number"], name="one_revision_per_number")]

    def __str__(self) -> str:
        return f"{self.issue_id}.{self.number}"


class Edition(models.Model):
    """An issue frozen in one language: HTML and text with slots, filled per reader. Never changes once written."""

    issue = models.ForeignKey(Issue, models.CASCADE, related_name="editions")
    language = LanguageField()
    variant = models.CharField(max_length=20, default="", blank=True)
    subject = models.CharField(max_length=300)
    preheader = models.CharField(max_length=300, blank=True)
    html = models.TextField()
    text = models.TextField()
    template_version = models.CharField(max_length=20)
    frozen_at = models.DateTimeField()
    frozen_for = models.CharField(max_length=80, blank=True, default="", db_default="")
    """The approval digest and the local date that the edition was rendered for; empty if an older release froze it."""

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["issue", "language", "variant"], name="one_edition_per_language"),
        ]

    def __str__(self) -> str:
        return f"{self.issue_id} {self.language}"


class Link(models.Model):
    """A numbered link of an issue. A redirect looks its target up here and nowhere else; the row outlives the issue."""

    issue = models.ForeignKey(Issue, models.SET_NULL, null=True, related_name="links")
    issue_key = models.BigIntegerField()
    """The issue's id, kept when the issue is deleted, so that links in old mails go on working."""
    number = models.PositiveIntegerField()
    language = LanguageField()
    url = models.URLField(max_length=2000)
    block = models.CharField(max_length=40, blank=True)
    label = models.CharField(max_length=300, blank=True)
    amended_url = models.URLField(max_length=2000, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["issue_key", "number"], name="one_link_per_number"),
            models.CheckConstraint(
                condition=Q(issue__isnull=True) | Q(issue_key=F("issue_id")), name="link_key_is_the_issue"
            ),
        ]

    def __str__(self) -> str:
        return self.target

    @property
    def target(self) -> str:
        return self.amended_url or self.url
