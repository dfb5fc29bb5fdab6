"""An issue beside the last one that went out. Reads only."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from django.utils.translation import gettext as _

from newsletter import content, editions, formatting
from newsletter.models import AuditEntry, Issue
from newsletter.studio.shared import document_form
from subscribers.models import Subscription

SENDER_FIELDS: dict[str, Callable[[], str]] = {
    "brand": lambda: _("name of the newsletter"),
    "from_name": lambda: _("sender's name"),
    "from_email": lambda: _("sender's address"),
    "reply_to": lambda: _("address for answers"),
    "postal_address": lambda: _("postal address"),
    "tracking": lambda: _("tracking"),
}
"""Settings that readers would notice, named late, in the page's language."""


@dataclass(frozen=True)
class Comparison:
    what: str
    before: str
    now: str
    why: str


def compare(issue: Issue, last: Issue, *, count: int) -> list[Comparison]:
    document, old = content.parse(issue.content), content.parse(last.content)
    return [
        Comparison(
            _("Readers"),
            formatting.format_number(last.audience_count),
            formatting.format_number(count),
            _audience_change(issue, last),
        ),
        Comparison(
            _("Mail, at most"),
            _kilobytes(_largest_html(last)),
            _kilobytes(_largest_html(issue)),
            _("Gmail clips from 102 kB"),
        ),
        Comparison(
            _("Blocks"),
            formatting.format_number(len(old.blocks)),
            formatting.format_number(len(document.blocks)),
            _kind_changes(old, document),
        ),
    ]


def changed_settings(issue: Issue, last: Issue) -> list[str]:
    """Names of the sender's settings that were changed since `last` went out."""
    since = last.started_at or last.sent_at or last.created_at
    entries = AuditEntry.objects.filter(
        action="settings-changed", newsletter=issue.newsletter, occurred_at__gt=since
    ).values_list("detail", flat=True)
    changed = {name for detail in entries for name in detail.get("fields", [])}
    return [words() for name, words in SENDER_FIELDS.items() if name in changed]


def _audience_change(issue: Issue, last: Issue) -> str:
    since = last.started_at or last.sent_at
    subscriptions = Subscription.objects.filter(newsletter=issue.newsletter)
    parts = {
        _("%(count)s confirmed"): ("+", subscriptions.filter(confirmed_at__gt=since).count()),
        _("%(count)s left"): ("−", subscriptions.filter(ended_at__gt=since, confirmed_at__isnull=False).count()),
    }
    return ", ".join(sign + words % {"count": formatting.format_number(n)} for words, (sign, n) in parts.items() if n)


def _largest_html(issue: Issue) -> int:
    """Bytes of the largest HTML part, frozen or as it would be now; 0 if it cannot be rendered."""
    # Editions of an issue that was scheduled and then stopped to be edited are out of date.
    frozen = [] if issue.is_editable else [len(edition.html.encode()) for edition in issue.editions.all()]
    if frozen:
        return max(frozen)
    try:
        return max(len(editions.render(issue, code).html.encode()) for code in issue.newsletter.languages)
    except editions.RenderError:
        return 0


def _kilobytes(size: int) -> str:
    return f"{formatting.format_number(round(size / 1000))}\u00a0kB" if size else "–"


def _kind_changes(old: content.Document, document: content.Document) -> str:
    before, after = ({block.kind for block in each.blocks} for each in (old, document))
    parts = []
    if after - before:
        parts.append(_("new: %(kinds)s") % {"kinds": _labels(after - before)})
    if before - after:
        parts.append(_("gone: %(kinds)s") % {"kinds": _labels(before - after)})
    return "; ".join(parts)


def _labels(kinds: Collection[str]) -> str:
    """As the composer calls them."""
    return ", ".join(sorted(str(document_form.KIND_LABELS[kind]) for kind in kinds))
