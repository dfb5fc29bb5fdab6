"""Corrections of sent issues."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from newsletter.models.issues import Issue
from newsletter.models.people import Editor


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
