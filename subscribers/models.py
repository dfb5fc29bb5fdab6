"""Who reads, what they agreed to, and what they must be told. Arrows live in `signup`, `consent` and `suppression`."""

from __future__ import annotations

import secrets
import uuid
from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from newsletter.models import Editor, LanguageField, Newsletter


def public_id() -> str:
    return secrets.token_urlsafe(18)


class Subscriber(models.Model):
    """A person with an address. `email` is as typed; `email_key` is what makes it unique."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    email = models.CharField(max_length=254)
    email_key = models.CharField(max_length=254, unique=True)
    name = models.CharField(max_length=120, blank=True)
    language = LanguageField()
    attributes = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    suppressed_at = models.DateTimeField(null=True)
    """Kept in step with Suppression by `suppression`, so that set-wise queries need no hash."""
    suppressed_for = models.CharField(max_length=12, blank=True)
    """The SuppressionReason, likewise."""
    erased_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.name or f"reader {self.pk}"


class LegalBasis(models.TextChoices):
    CONSENT = "consent", _("Consent")
    SOFT_OPT_IN = "soft_opt_in", _("Existing relationship")
    PUBLIC_TASK = "public_task", _("Public task")


class SubscriptionStatus(models.TextChoices):
    PENDING = "pending", _("Not confirmed")
    SUBSCRIBED = "subscribed", _("Subscribed")
    PAUSED = "paused", _("Paused")
    UNSUBSCRIBED = "unsubscribed", _("Unsubscribed")


class Subscription(models.Model):
    """One reader of one newsletter. Its id is the pseudonym in consent events, tokens and deliveries."""

    subscriber = models.ForeignKey(Subscriber, models.CASCADE, related_name="subscriptions")
    newsletter = models.ForeignKey(Newsletter, models.CASCADE, related_name="+")
    status = models.CharField(max_length=12, choices=SubscriptionStatus, default=SubscriptionStatus.PENDING)
    language = LanguageField()
    legal_basis = models.CharField(max_length=12, choices=LegalBasis, default=LegalBasis.CONSENT)
    requested_at = models.DateTimeField()
    confirmed_at = models.DateTimeField(null=True)
    paused_until = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    source_url = models.URLField(max_length=1000, blank=True)
    signup_form = models.ForeignKey("SignupForm", models.SET_NULL, null=True, related_name="+")
    may_track = models.BooleanField(default=False)
    """The reader agreed to `measurement` in this newsletter."""

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["subscriber", "newsletter"], name="one_subscription_per_newsletter"),
            models.CheckConstraint(condition=Q(status__in=SubscriptionStatus.values), name="subscription_status_known"),
            models.CheckConstraint(condition=Q(legal_basis__in=LegalBasis.values), name="legal_basis_known"),
            models.CheckConstraint(
                condition=~Q(status=SubscriptionStatus.SUBSCRIBED) | Q(confirmed_at__isnull=False),
                name="subscribed_means_confirmed",
            ),
        ]
        indexes = [models.Index(fields=["newsletter", "status", "id"], name="subscription_audience")]

    def __str__(self) -> str:
        return f"subscription {self.pk}"


class ConsentStyle(models.TextChoices):
    SENTENCE = "sentence", _("A sentence above the button")
    CHECKBOX = "checkbox", _("A box to tick")


class SignupForm(models.Model):
    """A box on the publisher's pages: which newsletters it offers, and who may post to it."""

    slug = models.SlugField(unique=True)
    newsletters = models.ManyToManyField(Newsletter, related_name="+")
    allowed_origins = models.JSONField(default=list, blank=True)
    """Web origins whose pages may post here, such as https://news.example; ours always may."""
    texts = models.JSONField(default=dict, blank=True)
    """Heading and invitation per language: {"id": {"heading": "…", "invitation": "…"}}."""
    consent_style = models.CharField(max_length=8, choices=ConsentStyle, default=ConsentStyle.SENTENCE)
    asks_measurement = models.BooleanField(default=False)
    success_url = models.URLField(blank=True)
    is_active = models.BooleanField(default=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(consent_style__in=ConsentStyle.values), name="consent_style_known"),
        ]

    def __str__(self) -> str:
        return self.slug


class Purpose(models.TextChoices):
    NEWSLETTER = "newsletter", _("Newsletter")
    MEASUREMENT = "measurement", _("Measurement")


class ConsentText(models.Model):
    """The exact words shown for one purpose in one language. A version that was used can never change (triggers)."""

    newsletter = models.ForeignKey(Newsletter, models.PROTECT, related_name="+")
    purpose = models.CharField(max_length=12, choices=Purpose)
    language = LanguageField()
    version = models.PositiveIntegerField()
    text = models.TextField()
    button = models.CharField(max_length=60)
    privacy_url = models.URLField(blank=True)
    privacy_hash = models.CharField(max_length=64, blank=True)
    valid_from = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["newsletter", "purpose", "language", "version"], name="one_consent_text_per_version"
            ),
            models.CheckConstraint(condition=Q(purpose__in=Purpose.values), name="consent_text_purpose_known"),
        ]

    def __str__(self) -> str:
        return f"{self.purpose} {self.language} v{self.version}"


class SignupRequest(models.Model):
    """What a visitor sent. The only thing the public form writes; the `admit` tick does the rest."""

    public_id = models.CharField(max_length=32, unique=True, default=public_id)
    email = models.CharField(max_length=254)
    cap_key = models.CharField(max_length=254, db_index=True)
    """The mailbox behind the address, without plus tag and Gmail's dots: mails are capped per mailbox."""
    is_resend = models.BooleanField(default=False)
    """The visitor pressed "Send again"; the daily cap does not hold, the cap of three does."""
    form = models.ForeignKey(SignupForm, models.SET_NULL, null=True, related_name="+")
    newsletters = models.ManyToManyField(Newsletter, related_name="+")
    language = LanguageField()
    page_url = models.URLField(max_length=1000, blank=True)
    consent_texts = models.ManyToManyField(ConsentText, related_name="+")
    ip = models.GenericIPAddressField(null=True)
    network = models.CharField(max_length=43, blank=True, db_index=True)
    """The /24 or /48 the visitor came from, for limits."""
    user_agent = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(default=timezone.now, db_index=True)
    admitted_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=30, blank=True)
    """What `admit` did: confirmation, already subscribed, capped, suppressed, trap …; never shown to the visitor."""
    confirmed_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["created_at"], name="signup_to_admit", condition=Q(admitted_at__isnull=True)),
        ]

    def __str__(self) -> str:
        return f"sign-up request {self.pk}"


class ConsentAction(models.TextChoices):
    REQUESTED = "requested", _("Asked for")
    CONFIRMATION_SENT = "confirmation_sent", _("Confirmation mail sent")
    CONFIRMED = "confirmed", _("Confirmed")
    WITHDRAWN = "withdrawn", _("Withdrawn")
    OBJECTED = "objected", _("Objected")
    EXPIRED = "expired", _("Expired")
    IMPORTED = "imported", _("Imported")
    REFUSED = "refused", _("Refused")


class ConsentEvent(models.Model):
    """One step of a consent, chained to the one before by an HMAC; rows are blanked on erasure, never deleted."""

    subscription = models.BigIntegerField(db_index=True)
    """The pseudonym: a subscription's id, without a foreign key, so that it outlives the reader."""
    newsletter = models.ForeignKey(Newsletter, models.PROTECT, related_name="+")
    purpose = models.CharField(max_length=12, choices=Purpose)
    action = models.CharField(max_length=20, choices=ConsentAction)
    consent_text = models.ForeignKey(ConsentText, models.PROTECT, null=True, related_name="+")
    form_slug = models.CharField(max_length=50, blank=True)
    language = LanguageField(blank=True)
    page_url = models.CharField(max_length=1000, blank=True)
    ip = models.GenericIPAddressField(null=True)
    user_agent = models.CharField(max_length=200, blank=True)
    personal_digest = models.BinaryField(max_length=96)
    """Keyed digests of page, ip and agent as first written, 32 bytes each; they outlive the fields when those are blanked."""
    actor = models.CharField(max_length=60, blank=True)
    """"reader", "editor 3", "provider" …"""
    evidence = models.JSONField(default=dict)
    """Ids only: sign-up request, Message-ID of the confirmation, issue of the mail that led here."""
    occurred_at = models.DateTimeField()
    key_id = models.PositiveSmallIntegerField()
    mac = models.BinaryField(max_length=32)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.CheckConstraint(condition=Q(purpose__in=Purpose.values), name="consent_event_purpose_known"),
            models.CheckConstraint(condition=Q(action__in=ConsentAction.values), name="consent_event_action_known"),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.purpose} {self.subscription}"


class ConsentHead(models.Model):
    """The end of the consent chain; locked while an event is added. One row, id 1."""

    count = models.PositiveBigIntegerField(default=0)
    mac = models.BinaryField(max_length=32)
    key_id = models.PositiveSmallIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.count} consent events"


class SuppressionReason(models.TextChoices):
    BOUNCED = "bounced", _("The address does not exist")
    COMPLAINED = "complained", _("The reader complained")
    ERASED = "erased", _("The reader asked to be forgotten")
    MANUAL = "manual", _("Set by an administrator")


class Suppression(models.Model):
    """An address nothing may be sent to, known only by a keyed hash, so that it survives erasure and re-import."""

    email_hash = models.BinaryField(max_length=32)
    key_id = models.PositiveSmallIntegerField()
    reason = models.CharField(max_length=12, choices=SuppressionReason)
    detail = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    lifted_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["email_hash"], condition=Q(lifted_at__isnull=True), name="one_live_suppression_per_address"
            ),
            models.CheckConstraint(condition=Q(reason__in=SuppressionReason.values), name="suppression_reason_known"),
        ]

    def __str__(self) -> str:
        return f"suppression {self.pk}: {self.reason}"


class NoticeKind(models.TextChoices):
    CONFIRMATION = "confirmation", _("Confirmation")
    WELCOME = "welcome", _("Welcome")
    ALREADY_SUBSCRIBED = "already_subscribed", _("Already subscribed")
    ALERT = "alert", _("Alert to an editor")
    INVITATION = "invitation", _("Invitation to the studio")


class Notice(models.Model):
    """A single mail that is due: the outbox `workers.notifications.outbox` sends from."""

    kind = models.CharField(max_length=20, choices=NoticeKind)
    subscriber = models.ForeignKey(Subscriber, models.CASCADE, null=True, related_name="+")
    editor = models.ForeignKey(Editor, models.CASCADE, null=True, related_name="+")
    request = models.ForeignKey(SignupRequest, models.CASCADE, null=True, related_name="+")
    newsletter = models.ForeignKey(Newsletter, models.CASCADE, null=True, related_name="+")
    language = LanguageField()
    payload = models.JSONField(default=dict)
    """Ids only."""
    due_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)
    failed_at = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    error = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    objects: ClassVar[models.Manager[Notice]] = models.Manager()

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(kind__in=NoticeKind.values), name="notice_kind_known")]
        indexes = [
            models.Index(
                fields=["due_at"], name="notice_due", condition=Q(sent_at__isnull=True, failed_at__isnull=True)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"
