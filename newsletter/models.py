"""What is written, and by whom. Arrows between states live in `issues` (writing) and `workers.ledger` (sending)."""

from __future__ import annotations

from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from django.contrib.auth.base_user import BaseUserManager
from django.contrib.auth.models import AbstractUser
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext_lazy as _

ACCENT = RegexValidator(r"^#[0-9A-Fa-f]{6}$", _("Write a colour as # and six digits, such as #0E5A55."))


class EditorManager(BaseUserManager["Editor"]):
    def get_by_natural_key(self, username: str | None) -> Editor:
        return self.get(email__iexact=username)

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> Editor:
        editor = self.model(email=self.normalize_email(email), **fields)
        editor.set_password(password)
        editor.save(using=self._db)
        return editor

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> Editor:
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)


class Editor(AbstractUser):
    """Somebody who may log into the studio; what they may do is in their memberships."""

    username = None  # type: ignore[assignment]
    first_name = None  # type: ignore[assignment]
    last_name = None  # type: ignore[assignment]
    email = models.EmailField(_("e-mail address"))
    name = models.CharField(_("name"), max_length=120)
    language = models.CharField(_("language"), max_length=8, default="id")
    session_epoch = models.PositiveIntegerField(default=0)
    """Raised to end all of this editor's sessions, as a change of role does; a new password does so anyway."""

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["name"]
    objects: ClassVar[EditorManager] = EditorManager()  # type: ignore[assignment]

    class Meta:
        verbose_name = _("editor")
        verbose_name_plural = _("editors")
        constraints = [models.UniqueConstraint(Lower("email"), name="one_editor_per_email")]

    def __str__(self) -> str:
        return self.name or self.email

    def get_full_name(self) -> str:
        return self.name

    def get_short_name(self) -> str:
        return self.name.partition(" ")[0]

    def _get_session_auth_hash(self, secret: str | None = None) -> str:
        """What a session is bound to: Django's own (the password) and the epoch."""
        bound_to = f"{self.password}:{self.session_epoch}"
        return salted_hmac("newsletter.Editor.session", bound_to, secret=secret, algorithm="sha256").hexdigest()


class Role(models.TextChoices):
    WRITER = "writer", _("Writer")
    EDITOR = "editor", _("Editor")
    PUBLISHER = "publisher", _("Publisher")
    ADMINISTRATOR = "administrator", _("Administrator")


class Tracking(models.TextChoices):
    OFF = "off", _("Off")
    AGGREGATE = "aggregate", _("Counted together")
    INDIVIDUAL = "individual", _("Per reader, only with consent")


class NewsletterQuerySet(models.QuerySet["Newsletter"]):
    def public(self) -> NewsletterQuerySet:
        return self.filter(is_public=True)


class Newsletter(models.Model):
    """One regular mail of a publisher, with the brand, sender and rules it goes out under."""

    slug = models.SlugField(unique=True)
    brand = models.CharField(_("name"), max_length=80, help_text=_("What readers see on top of each mail."))
    title = models.CharField(_("title"), max_length=80)
    description = models.CharField(_("description"), max_length=200, blank=True)
    translations = models.JSONField(default=dict, blank=True)
    """Title and description in the other languages: {"en": {"title": "…", "description": "…"}}."""
    languages = models.JSONField(default=list)
    """Language codes; the first is the default."""
    list_id = models.CharField(max_length=200, unique=True)
    """The label and domain of List-Id (RFC 2919), such as weekly.news.example; fixed for the newsletter's life."""
    from_name = models.CharField(_("sender's name"), max_length=80)
    from_email = models.EmailField(_("sender's address"))
    reply_to = models.EmailField(_("answers go to"), blank=True)
    postal_address = models.TextField(_("postal address"), blank=True)
    privacy_url = models.URLField(_("privacy notice"), blank=True)
    site_url = models.URLField(_("site"), blank=True)
    time_zone = models.CharField(_("time zone"), max_length=64, default="Asia/Jakarta")
    accent = models.CharField(_("accent"), max_length=7, default="#0E5A55", validators=[ACCENT])
    logo = models.ForeignKey("MediaFile", models.SET_NULL, null=True, blank=True, related_name="+")
    is_public = models.BooleanField(default=True)
    archive_is_public = models.BooleanField(default=True)
    is_demo = models.BooleanField(default=False, editable=False)
    tracking = models.CharField(max_length=12, choices=Tracking, default=Tracking.AGGREGATE)
    tracking_needs_consent = models.BooleanField(default=True)
    hold_s = models.PositiveSmallIntegerField(_("hold"), default=120)
    first_batch = models.PositiveSmallIntegerField(_("first small batch"), default=50)
    four_eyes = models.BooleanField(_("a second person approves"), default=False)
    cadence = models.JSONField(default=dict, blank=True)
    """When issues usually leave and drafts are prepared, as `newsletter.drafts.schedule` reads it; {} has no rhythm."""
    draft_rule = models.JSONField(default=dict, blank=True)
    """Which articles a prepared draft takes, as `newsletter.drafts.preparation` reads it; {} prepares none."""
    created_at = models.DateTimeField(default=timezone.now)

    objects: ClassVar[models.Manager[Newsletter]] = NewsletterQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.CheckConstraint(condition=Q(tracking__in=Tracking.values), name="newsletter_tracking_known"),
            models.CheckConstraint(condition=Q(hold_s__lte=300), name="newsletter_hold_at_most_300_s"),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def default_language(self) -> str:
        return self.languages[0] if self.languages else "id"

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)

    def title_in(self, language: str) -> str:
        return self.translations.get(language, {}).get("title") or self.title

    def description_in(self, language: str) -> str:
        return self.translations.get(language, {}).get("description") or self.description

    def best_language(self, language: str) -> str:
        return language if language in self.languages else self.default_language


class Membership(models.Model):
    """What an editor may do in one newsletter. Checked in `newsletter.roles`, nowhere else."""

    editor = models.ForeignKey(Editor, models.CASCADE, related_name="memberships")
    newsletter = models.ForeignKey(Newsletter, models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=16, choices=Role)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["editor", "newsletter"], name="one_role_per_newsletter"),
            models.CheckConstraint(condition=Q(role__in=Role.values), name="membership_role_known"),
        ]

    def __str__(self) -> str:
        return f"{self.editor}: {self.get_role_display()}"


class AuditEntry(models.Model):
    """Who did what, from where: sends, roles, texts, settings. Only ever added to."""

    actor = models.ForeignKey(Editor, models.SET_NULL, null=True, related_name="+")
    action = models.CharField(max_length=60)
    """A product verb: issue-scheduled, settings-changed, role-changed …"""
    newsletter = models.ForeignKey(Newsletter, models.SET_NULL, null=True, related_name="+")
    subject = models.CharField(max_length=120)
    """What it was done to, such as "issue 12"; never an address."""
    detail = models.JSONField(default=dict)
    occurred_at = models.DateTimeField(default=timezone.now, db_index=True)
    ip = models.GenericIPAddressField(null=True)

    def __str__(self) -> str:
        return f"{self.action} {self.subject}"


class MediaFile(models.Model):
    """A picture of ours: JPEG or PNG, upright, stripped of metadata, at most 1,200 px wide."""

    file = models.FileField(upload_to="images/%Y/%m")
    hash = models.CharField(max_length=64, unique=True)
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    size = models.PositiveIntegerField(help_text="bytes")
    alt = models.CharField(max_length=300, blank=True)
    source_url = models.URLField(max_length=1000, blank=True)
    newsletters = models.ManyToManyField(Newsletter, related_name="media", blank=True)
    """Whose picture library shows it."""
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return self.file.name or ""


class SavedBlock(models.Model):
    """A block kept for other issues of a newsletter, such as an opening or a sponsor's notice."""

    newsletter = models.ForeignKey(Newsletter, models.CASCADE, related_name="saved_blocks")
    name = models.CharField(max_length=80)
    content = models.JSONField()
    """One block of `newsletter.content`."""
    created_by = models.ForeignKey("Editor", models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    deleted_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["name", "pk"]

    def __str__(self) -> str:
        return self.name


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
    language = models.CharField(max_length=8, blank=True)
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
    language = models.CharField(max_length=8)
    variant = models.CharField(max_length=20, default="", blank=True)
    subject = models.CharField(max_length=300)
    preheader = models.CharField(max_length=300, blank=True)
    html = models.TextField()
    text = models.TextField()
    template_version = models.CharField(max_length=20)
    frozen_at = models.DateTimeField()

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
    language = models.CharField(max_length=8)
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


class CorrectionKind(models.TextChoices):
    LINK = "link", _("A link")
    FACT = "fact", _("A fact")


class Correction(models.Model):
    """What was put right after an issue had gone out, in an editor's words; its page in the archive says it with the date."""

    issue = models.ForeignKey(Issue, models.CASCADE, related_name="corrections")
    kind = models.CharField(max_length=4, choices=CorrectionKind)
    links = models.JSONField(default=list, blank=True)
    """Numbers of the links it is about; where each leads is in `Link`."""
    words = models.JSONField(default=dict)
    """What was wrong and what is right, by language: {"id": "…", "en": "…"}. A language without words says nothing."""
    is_shown = models.BooleanField(default=True)
    made_at = models.DateTimeField()
    made_by = models.ForeignKey(Editor, models.SET_NULL, null=True, related_name="+")
    changed_at = models.DateTimeField()
    wants_next = models.BooleanField(default=False)
    """The next issue that is begun opens with it."""
    told_in = models.ForeignKey(Issue, models.SET_NULL, null=True, related_name="+")
    """The issue that was given a block about it; there is never a second one."""
    told_block = models.CharField(max_length=40, blank=True)

    class Meta:
        ordering = ["made_at", "pk"]
        constraints = [
            models.CheckConstraint(condition=Q(kind__in=CorrectionKind.values), name="correction_kind_known")
        ]

    def __str__(self) -> str:
        return f"correction of issue {self.issue_id}"
