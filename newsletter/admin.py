"""Django's admin, for superusers only, to look up rows and to repair them. Editors use the studio instead."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from newsletter.models import (
    Article,
    AuditEntry,
    Edition,
    Editor,
    Issue,
    Link,
    MediaFile,
    Membership,
    Newsletter,
    Revision,
    Source,
)


class ReadOnlyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Rows that only operations may change: these keep them consistent with rows of other tables."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Editor)
class EditorAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Create and close accounts. Editors set their own password, by a link that is mailed to them."""

    list_display = ("name", "email", "language", "is_active", "is_superuser", "last_login")
    list_filter = ("is_active", "is_superuser", "language")
    search_fields = ("name", "email")
    fields = ("name", "email", "language", "is_active", "is_staff", "is_superuser", "last_login", "date_joined")
    readonly_fields = ("last_login", "date_joined")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Membership)
class MembershipAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("editor", "newsletter", "role")
    list_filter = ("role", "newsletter")
    list_select_related = ("editor", "newsletter")


@admin.register(Newsletter)
class NewsletterAdmin(ReadOnlyAdmin):
    list_display = ("title", "brand", "slug", "from_email", "tracking", "is_public")


@admin.register(Source)
class SourceAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("url", "newsletter", "kind", "fetched_at", "error", "is_active")
    list_filter = ("is_active", "kind", "newsletter")
    readonly_fields = ("etag", "last_modified", "fetched_at", "error")


@admin.register(Article)
class ArticleAdmin(ReadOnlyAdmin):
    list_display = ("title", "section", "language", "state", "published_at")
    list_filter = ("state", "language")
    search_fields = ("title", "url")


@admin.register(Issue)
class IssueAdmin(ReadOnlyAdmin):
    list_display = ("newsletter", "number", "status", "version", "scheduled_at", "sent_at", "deleted_at")
    list_filter = ("status", "newsletter")
    list_select_related = ("newsletter",)


@admin.register(Revision)
class RevisionAdmin(ReadOnlyAdmin):
    list_display = ("issue", "number", "editor", "saved_at")
    list_select_related = ("issue__newsletter", "editor")


@admin.register(Edition)
class EditionAdmin(ReadOnlyAdmin):
    list_display = ("issue", "language", "subject", "frozen_at")
    list_select_related = ("issue__newsletter",)


@admin.register(Link)
class LinkAdmin(ReadOnlyAdmin):
    list_display = ("issue_key", "number", "language", "label", "url", "amended_url")


@admin.register(MediaFile)
class MediaFileAdmin(ReadOnlyAdmin):
    list_display = ("file", "width", "height", "size", "created_at")


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    list_display = ("occurred_at", "actor", "action", "subject", "newsletter", "ip")
    list_filter = ("action", "newsletter")
    list_select_related = ("actor", "newsletter")
