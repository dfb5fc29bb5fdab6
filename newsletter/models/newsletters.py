"""A newsletter: its brand, sender, languages and rules."""

from __future__ import annotations

from typing import ClassVar
from zoneinfo import ZoneInfo

from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from newsletter.languages import tags
from newsletter.models.languages import LanguageField

ACCENT = RegexValidator(r"^#[0-9A-Fa-f]{6}$", _("Write a colour as # and six digits, such as #0E5A55."))


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
    """BCP 47 tags; a reader whose language is none of them gets the first."""
    fixed_words_language = LanguageField(blank=True, default="", db_default="")
    """The language of fixed words (footer, forms, reader pages) where `newsletter.languages.reader_words` lacks the reader's.

    "" is English.
    """
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
        return self.languages[0] if self.languages else tags.UNDETERMINED

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)

    def title_in(self, language: str) -> str:
        return self._translated(language, "title") or self.title

    def description_in(self, language: str) -> str:
        return self._translated(language, "description") or self.description

    def title_language(self, language: str) -> str:
        """The language of `title_in(language)`."""
        near = self.best_language(language)
        return near if self._translated(language, "title") else self.default_language

    def _translated(self, language: str, name: str) -> str:
        words = self.translations.get(language) or self.translations.get(self.best_language(language)) or {}
        return str(words.get(name, ""))

    def best_language(self, language: str) -> str:
        """The newsletter's language that a reader of `language` can read, else the first."""
        return tags.find_match(language, self.languages) or self.default_language
