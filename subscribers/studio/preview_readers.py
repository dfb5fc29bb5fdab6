"""Real subscribers for whom an editor can show a preview."""

from __future__ import annotations

from collections.abc import Iterator

from newsletter import roles
from newsletter.models import Editor, Issue
from newsletter.studio.composer import preview_readers
from subscribers.models import Subscription, SubscriptionStatus

MAX_READERS = 6


def recent_subscribers(issue: Issue, language: str, editor: Editor) -> Iterator[preview_readers.PreviewReader]:
    """The newest subscribers with a name in `language`. None for editors who may not see readers."""
    if not roles.is_allowed(editor, roles.Action.SEE_PEOPLE, issue.newsletter):
        return
    subscriptions = (
        Subscription.objects.filter(
            newsletter=issue.newsletter, status=SubscriptionStatus.SUBSCRIBED, language=language
        )
        .exclude(subscriber__name="")
        .select_related("subscriber")
        .order_by("-id")[:MAX_READERS]
    )
    for subscription in subscriptions:
        name = subscription.subscriber.name
        yield preview_readers.PreviewReader(str(subscription.pk), name, name)
