"""Images and saved blocks."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from newsletter.models.newsletters import Newsletter


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
