"""The sent issues as an Atom feed."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from django.conf import settings
from django.contrib.syndication.views import Feed
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import translation
from django.utils.feedgenerator import Atom1Feed
from django.utils.translation import gettext as _

from newsletter import editions
from newsletter.archive import pages
from newsletter.models import Issue, Newsletter

ISSUES = 20


if TYPE_CHECKING:
    IssueFeed = Feed[Issue, QuerySet[Issue]]
else:
    IssueFeed = Feed


class SentIssues(IssueFeed):
    """The newest issues of all open newsletters, or of one (`?newsletter=`)."""

    feed_type = Atom1Feed

    def get_object(self, request: HttpRequest, *args: object, **kwargs: object) -> QuerySet[Issue]:
        slug = request.GET.get("newsletter", "")
        return pages.sent().filter(newsletter__slug=slug) if slug else pages.sent()

    def title(self, issues: QuerySet[Issue]) -> str:
        first = issues.first()
        return first.newsletter.brand if first else _("All issues")

    def link(self) -> str:
        return settings.SITE_URL + reverse("archive-list")

    def feed_url(self) -> str:
        return settings.SITE_URL + reverse("archive-feed")

    def items(self, issues: QuerySet[Issue]) -> QuerySet[Issue]:
        return issues[:ISSUES]

    def item_title(self, item: Issue) -> str:
        return pages.title(item, self._language(item.newsletter))

    def item_description(self, item: Issue) -> str:
        return pages.summary(item, self._language(item.newsletter))

    def item_link(self, item: Issue) -> str:
        return f"{editions.web_url(item)}?lang={self._language(item.newsletter)}"

    def item_guid(self, item: Issue) -> str:
        return editions.web_url(item)

    def item_pubdate(self, item: Issue) -> datetime | None:
        return item.sent_at

    def item_updateddate(self, item: Issue) -> datetime | None:
        return item.sent_at

    def _language(self, newsletter: Newsletter) -> str:
        return newsletter.best_language(translation.get_language())
