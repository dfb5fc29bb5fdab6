"""Editors, their roles in newsletters, and the log of what they did."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.auth.base_user import BaseUserManager
from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext_lazy as _

from newsletter.models.languages import LANGUAGE_LENGTH, first_interface_language
from newsletter.models.newsletters import Newsletter


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
    language = models.CharField(_("language"), max_length=LANGUAGE_LENGTH, default=first_interface_language)
    """The language of the studio: one of `settings.LANGUAGES`."""
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
