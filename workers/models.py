"""Models of sending, provider events and tracking. Their transitions are in `workers.ledger`, `workers.provider_events`
and `workers.tracking`."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from newsletter.models import Edition, Issue, LanguageField


class BatchStatus(models.TextChoices):
    WAITING = "waiting", _("Waiting")
    CLAIMED = "claimed", _("Being sent")
    DONE = "done", _("Done")
    UNCERTAIN = "uncertain", _("Uncertain")


class Outcome(models.TextChoices):
    """Result of sending one message."""

    ACCEPTED = "accepted", _("Accepted")
    REFUSED = "refused", _("Refused")
    DEFERRED = "deferred", _("Deferred")
    SKIPPED = "skipped", _("Left out")
    UNCERTAIN = "uncertain", _("Uncertain")


class DeliveryStatus(models.TextChoices):
    """Status reported by events. It may only be raised in the order of STATUS_RANK."""

    NONE = "", _("No report yet")
    DELIVERED = "delivered", _("Delivered")
    BOUNCED = "bounced", _("Bounced")
    COMPLAINED = "complained", _("Complained")


STATUS_RANK = {
    DeliveryStatus.NONE: 0,
    DeliveryStatus.DELIVERED: 1,
    DeliveryStatus.BOUNCED: 2,
    DeliveryStatus.COMPLAINED: 3,
}
EVENT_STATUS = {
    "delivered": DeliveryStatus.DELIVERED,
    "bounced": DeliveryStatus.BOUNCED,
    "soft_bounced": DeliveryStatus.BOUNCED,
    "blocked": DeliveryStatus.BOUNCED,
    "complained": DeliveryStatus.COMPLAINED,
    "held_bounced": DeliveryStatus.BOUNCED,
    "held_complained": DeliveryStatus.COMPLAINED,
    "due_bounced": DeliveryStatus.BOUNCED,
    "due_complained": DeliveryStatus.COMPLAINED,
    "unsubscribed": DeliveryStatus.NONE,
    "held_unsubscribed": DeliveryStatus.NONE,
    "due_unsubscribed": DeliveryStatus.NONE,
    "deferred": DeliveryStatus.NONE,
}
"""The delivery status that each kind of `Event` implies."""
HELD_KINDS = ("held_bounced", "held_complained", "held_unsubscribed")
DUE_KINDS = ("due_bounced", "due_complained", "due_unsubscribed")
SERIOUS_KINDS = ("bounced", "complained", "unsubscribed", *HELD_KINDS, *DUE_KINDS)
"""Rare kinds that are queried without an issue; they have a partial index."""


SENDER_PROBLEM_KINDS = [f"{before}{kind}" for kind in ("bounced", "complained") for before in ("", "due_", "held_")]
"""Kinds that may pause an issue, including quarantined events."""


class Batch(models.Model):
    """A part of the plan: up to 500 readers of one edition, in ascending order."""

    issue = models.ForeignKey(Issue, models.CASCADE, related_name="+")
    edition = models.ForeignKey(Edition, models.CASCADE, related_name="+")
    number = models.PositiveIntegerField()
    size = models.PositiveSmallIntegerField()
    reader_ids = models.BinaryField()
    """Subscription ids, little-endian signed 64-bit, ascending."""
    first_id = models.BigIntegerField()
    last_id = models.BigIntegerField()
    is_first = models.BooleanField(default=False)
    """A first small batch. The other batches wait until it is done and no threshold is exceeded."""
    status = models.CharField(max_length=10, choices=BatchStatus, default=BatchStatus.WAITING)
    worker = models.CharField(max_length=80, blank=True)
    """host:pid:boot:folder of the claim holder (`workers.spool.worker_name`)."""
    lease_expires_at = models.DateTimeField(null=True)
    attempt = models.PositiveSmallIntegerField(default=0)
    is_retry = models.BooleanField(default=False)
    """True if its readers already have a `Delivery` (deferred, or resent by an editor)."""
    route = models.CharField(max_length=40, blank=True)
    due_at = models.DateTimeField(null=True)
    """Not to be claimed before this time: the readers wait for a domain limit."""
    lane = models.CharField(max_length=253, blank=True)
    """The domain limit (`Lane.name`) of all its readers, if they were held back for it."""
    accepted = models.PositiveSmallIntegerField(default=0)
    refused = models.PositiveSmallIntegerField(default=0)
    deferred = models.PositiveSmallIntegerField(default=0)
    skipped = models.PositiveSmallIntegerField(default=0)
    uncertain = models.PositiveSmallIntegerField(default=0)
    sent_at = models.DateTimeField(null=True)
    """When it was last recorded or released; for a retry batch, at first when it was planned."""

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["issue", "number"], name="one_batch_per_number"),
            models.CheckConstraint(condition=Q(status__in=BatchStatus.values), name="batch_status_known"),
        ]
        indexes = [
            models.Index(fields=["issue", "status", "number"], name="batch_to_claim"),
            models.Index(fields=["lease_expires_at"], name="batch_lease", condition=Q(status=BatchStatus.CLAIMED)),
        ]

    def __str__(self) -> str:
        return f"batch {self.issue_id}.{self.number}"


class Delivery(models.Model):
    """The record: the outcome of one reader's message of one issue. A unique constraint allows one a reader and issue."""

    issue = models.ForeignKey(Issue, models.CASCADE, related_name="+", db_index=False)
    subscription = models.BigIntegerField()
    batch = models.ForeignKey(Batch, models.CASCADE, related_name="+", db_index=False, db_constraint=False)
    outcome = models.CharField(max_length=10, choices=Outcome)
    status = models.CharField(max_length=10, choices=DeliveryStatus, default=DeliveryStatus.NONE, blank=True)
    message_id = models.CharField(max_length=200, blank=True)
    provider_id = models.CharField(max_length=200, blank=True)
    code = models.CharField(max_length=20, blank=True)
    """SMTP reply or provider code, such as 550 or 5.1.1."""
    detail = models.CharField(max_length=300, blank=True)
    """Text of the answer, without an address."""
    attempts = models.PositiveSmallIntegerField(default=1)
    due_at = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)
    delivered_at = models.DateTimeField(null=True)
    first_clicked_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["issue", "subscription"], name="nobody_is_mailed_twice"),
            models.CheckConstraint(condition=Q(outcome__in=Outcome.values), name="delivery_outcome_known"),
            models.CheckConstraint(condition=Q(status__in=DeliveryStatus.values), name="delivery_status_known"),
        ]
        indexes = [
            models.Index(fields=["subscription"], name="delivery_of_reader"),
            models.Index(fields=["due_at"], name="delivery_due", condition=Q(outcome=Outcome.DEFERRED)),
            models.Index(
                fields=["issue", "outcome"], name="delivery_uncertain", condition=Q(outcome=Outcome.UNCERTAIN)
            ),
            models.Index(fields=["issue", "code"], name="delivery_refused", condition=Q(outcome=Outcome.REFUSED)),
        ]

    def __str__(self) -> str:
        return f"delivery {self.issue_id}/{self.subscription}"


class AgentClass(models.TextChoices):
    HUMAN = "human", _("People")
    PROXY = "proxy", _("Mail services' proxies")
    SCANNER = "scanner", _("Link scanners")
    UNKNOWN = "unknown", _("Unknown")


class Event(models.Model):
    """A provider event about a message, with Anymail's names of kinds, or a hit on a pixel or link."""

    issue = models.BigIntegerField()
    subscription = models.BigIntegerField(default=0)
    """0 for hits by the token that all readers share."""
    kind = models.CharField(max_length=20)
    occurred_at = models.DateTimeField()
    link = models.PositiveIntegerField(default=0)
    agent_class = models.CharField(max_length=8, choices=AgentClass, default=AgentClass.UNKNOWN)
    agent = models.CharField(max_length=200, blank=True)
    network = models.CharField(max_length=43, blank=True)
    code = models.CharField(max_length=20, blank=True)
    detail = models.CharField(max_length=300, blank=True)
    provider_event_id = models.CharField(max_length=100, null=True, unique=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(agent_class__in=AgentClass.values), name="event_agent_class_known"),
        ]
        indexes = [
            models.Index(fields=["issue", "subscription"], name="event_of_delivery"),
            models.Index(fields=["occurred_at"], name="event_age"),
            models.Index(fields=["issue", "kind"], name="event_serious", condition=Q(kind__in=SERIOUS_KINDS)),
            models.Index(fields=["issue", "kind"], name="event_against_us", condition=Q(kind__in=SENDER_PROBLEM_KINDS)),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.issue}/{self.subscription}"


class Tally(models.Model):
    """Number of hits of one issue in one hour, for reports."""

    issue = models.ForeignKey(Issue, models.CASCADE, related_name="+")
    hour = models.DateTimeField()
    link = models.PositiveIntegerField(default=0)
    """Link number; 0 is the pixel."""
    language = LanguageField(blank=True)
    kind = models.CharField(max_length=8)
    """opened or clicked."""
    agent_class = models.CharField(max_length=8, choices=AgentClass)
    count = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["issue", "hour", "link", "language", "kind", "agent_class"], name="one_tally_per_hour"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.issue_id}.{self.link}: {self.count}"


class SpoolFile(models.Model):
    """Offset up to which a hit spool is loaded. Written in the transaction that loads it, so each hit counts once."""

    name = models.CharField(max_length=200, unique=True)
    """host/file."""
    offset = models.PositiveBigIntegerField(default=0)
    loaded_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.name} @{self.offset}"


class Route(models.Model):
    """Rate limit and circuit breaker of a route. Its secrets stay in `MAIL_URL`."""

    name = models.CharField(max_length=40, unique=True)
    """Kind and position in `MAIL_URL`, such as smtp-1."""
    kind = models.CharField(max_length=20)
    priority = models.PositiveSmallIntegerField()
    rate = models.FloatField(default=0)
    """Messages a second; 0 is unlimited."""
    tokens = models.FloatField(default=0)
    refilled_at = models.DateTimeField(null=True)
    failures = models.PositiveIntegerField(default=0)
    """Connection or account errors in a row."""
    open_until = models.DateTimeField(null=True)
    """The breaker is open until this time: nothing is claimed for this route."""
    last_error = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ["priority"]

    def __str__(self) -> str:
        return self.name


class Lane(models.Model):
    """Domain limit: the rate of one route to one mailbox provider that asked to slow down. Deleted when it ends."""

    route = models.ForeignKey(Route, models.CASCADE, related_name="lanes")
    name = models.CharField(max_length=253)
    """A group of `mailbox_providers`, or a domain."""
    rate = models.FloatField()
    """Messages a second."""
    ceiling = models.FloatField()
    """The rate at which the provider asked to slow down. The limit ends at twice this rate."""
    tokens = models.FloatField(default=0)
    refilled_at = models.DateTimeField(null=True)
    held_until = models.DateTimeField(null=True)
    failures = models.PositiveIntegerField(default=0)
    """Requests to slow down since the last successful claim."""
    last_error = models.CharField(max_length=300, blank=True)
    slowed_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["route", "name"], name="one_lane_per_mail_service")]

    def __str__(self) -> str:
        return f"{self.route_id}/{self.name}"
