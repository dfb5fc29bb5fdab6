"""The timeline of one subscriber, newest first: consent and changes from here, mail and clicks from `workers`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from operator import attrgetter
from urllib.parse import urlsplit

from django.utils.translation import gettext as _

from newsletter.formatting import language_name
from newsletter.models import AuditEntry, Editor, Issue
from subscribers.models import ConsentAction, ConsentEvent, ConsentText, Purpose, Subscription

CONSENT, MAIL, CLICK, CHANGE = "consent", "mail", "click", "change"


@dataclass(frozen=True)
class ConsentProof:
    """The exact text that the reader agreed to, and the page."""

    text: ConsentText
    language: str
    page_url: str
    """A URL that is safe to link; "" if there is none."""
    keeps_network: bool


@dataclass(frozen=True)
class TimelineEntry:
    at: datetime
    kind: str
    icon: str
    title: str
    details: tuple[str, ...] = ()
    tone: str = ""
    proof: ConsentProof | None = None
    issue: int = 0
    """Id of the issue whose web page shows the mail; 0 for none."""
    order: int = field(default=0, compare=False)


@dataclass(frozen=True)
class TimelineQuery:
    """The requested part of a timeline: the newest `most` entries before `before`."""

    subscriptions: Sequence[Subscription]
    before: datetime | None = None
    most: int = 50


EntrySource = Callable[[TimelineQuery], Iterable[TimelineEntry]]
_sources: list[EntrySource] = []


def register(source: EntrySource) -> None:
    """Register the entries of a package above. Called from its AppConfig."""
    if source not in _sources:
        _sources.append(source)


def load_entries(span: TimelineQuery, *, kind: str = "") -> tuple[list[TimelineEntry], bool]:
    """Return the entries, newest first, of one kind or of all, and whether there are older ones."""
    found = [entry for source in _sources for entry in source(span) if kind in {"", entry.kind}]
    found.sort(key=attrgetter("at", "order"), reverse=True)
    return found[: span.most], len(found) > span.most


# --- consent ---------------------------------------------------------------------------------------------------------


def consent_entries(span: TimelineQuery) -> Iterable[TimelineEntry]:
    events = ConsentEvent.objects.filter(subscription__in=[each.pk for each in span.subscriptions])
    if span.before:
        events = events.filter(occurred_at__lt=span.before)
    editors = dict(Editor.objects.values_list("pk", "name"))
    chosen = list(events.select_related("newsletter", "consent_text").order_by("-pk")[: span.most + 1])
    issues = Issue.objects.in_bulk({event.evidence.get("issue") for event in chosen} - {None, 0})
    return [_consent_entry(event, editors, issues) for event in chosen]


def _consent_entry(event: ConsentEvent, editors: dict[int, str], issues: dict[int, Issue]) -> TimelineEntry:
    icon, tone = CONSENT_ICONS.get(event.action, ("circle", ""))
    details = [_describe_actor(event.actor, editors)]
    issue = issues.get(event.evidence.get("issue") or 0)
    if issue is not None:
        details.append(_("from the link in %(issue)s") % {"issue": issue})
    if event.evidence.get("page") == "preferences":
        details.append(_("on the preferences page"))
    return TimelineEntry(
        at=event.occurred_at,
        kind=CONSENT,
        icon=icon,
        tone=tone,
        title=describe_event(event),
        details=tuple(detail for detail in details if detail),
        proof=_proof(event),
        order=event.pk,
    )


CONSENT_ICONS: dict[str, tuple[str, str]] = {
    ConsentAction.REQUESTED: ("square-pen", "key"),
    ConsentAction.CONFIRMATION_SENT: ("send", ""),
    ConsentAction.CONFIRMED: ("mail-check", "key"),
    ConsentAction.WITHDRAWN: ("mail-x", ""),
    ConsentAction.OBJECTED: ("hand", "warnc"),
    ConsentAction.EXPIRED: ("clock", ""),
    ConsentAction.IMPORTED: ("download", "key"),
    ConsentAction.REFUSED: ("x", ""),
}


def describe_event(event: ConsentEvent) -> str:
    words = {"newsletter": event.newsletter.title}
    if event.purpose == Purpose.MEASUREMENT:
        sentences = {
            ConsentAction.REQUESTED: _("Requested measurement for %(newsletter)s"),
            ConsentAction.CONFIRMED: _("Agreed to measurement for %(newsletter)s"),
            ConsentAction.WITHDRAWN: _("Withdrew consent to measurement for %(newsletter)s"),
        }
    else:
        sentences = {
            ConsentAction.REQUESTED: _("Requested %(newsletter)s"),
            ConsentAction.CONFIRMATION_SENT: _("Confirmation mail sent for %(newsletter)s"),
            ConsentAction.CONFIRMED: _("Confirmed %(newsletter)s"),
            ConsentAction.WITHDRAWN: _("Unsubscribed from %(newsletter)s"),
            ConsentAction.OBJECTED: _("Objected to %(newsletter)s"),
            ConsentAction.EXPIRED: _("Never confirmed %(newsletter)s; the request expired"),
            ConsentAction.IMPORTED: _("Imported to %(newsletter)s"),
            ConsentAction.REFUSED: _("Declined %(newsletter)s"),
        }
    label = f"{event.get_action_display()}: {event.get_purpose_display()}, {event.newsletter.title}"
    return sentences.get(ConsentAction(event.action), label) % words


def _describe_actor(actor: str, editors: dict[int, str]) -> str:
    kind, _space, key = actor.partition(" ")
    if kind == "editor" and key.isdecimal():
        return _("by %(name)s, for the reader") % {"name": editors.get(int(key)) or _("a former editor")}
    if kind == "provider":
        return _("reported by the mail service")
    return ""


def _proof(event: ConsentEvent) -> ConsentProof | None:
    """The proof of a request or of consent to measurement. A confirmation has the text of its request, so it has none."""
    text = event.consent_text
    has_proof = event.action == ConsentAction.REQUESTED or event.purpose == Purpose.MEASUREMENT
    if text is None or not has_proof or event.action == ConsentAction.WITHDRAWN:
        return None
    return ConsentProof(
        text=text,
        language=language_name(text.language) if text.language else "",
        page_url=event.page_url if is_web_url(event.page_url) else "",
        keeps_network=bool(event.ip),
    )


def is_web_url(url: str) -> bool:
    """Whether the URL is safe to link. A form could also have sent a javascript: URL."""
    return urlsplit(url).scheme in {"http", "https"}


# --- changes by editors ----------------------------------------------------------------------------------------------


def editor_entries(span: TimelineQuery) -> Iterable[TimelineEntry]:
    readers = {f"subscriber {each.subscriber_id}" for each in span.subscriptions}
    entries = AuditEntry.objects.filter(subject__in=readers)
    if span.before:
        entries = entries.filter(occurred_at__lt=span.before)
    for entry in entries.select_related("actor").order_by("-pk")[: span.most + 1]:
        words = CHANGE_LABELS.get(entry.action)
        if words is not None:
            reason = REASON_LABELS.get(str(entry.detail.get("reason", "")))
            who = _("by %(name)s") % {"name": entry.actor.name} if entry.actor else ""
            yield TimelineEntry(
                at=entry.occurred_at,
                kind=CHANGE,
                icon="pencil",
                title=words(),
                details=tuple(detail for detail in (who, reason() if reason else "") if detail),
                order=entry.pk,
            )


CHANGE_LABELS: dict[str, Callable[[], str]] = {
    "reader-unsubscribed": lambda: _("Unsubscribed in the studio"),
    "reader-suppressed": lambda: _("All mail blocked in the studio"),
    "reader-allowed": lambda: _("Mail unblocked in the studio"),
}
REASON_LABELS: dict[str, Callable[[], str]] = {
    "asked_by_mail": lambda: _("requested by mail"),
    "asked_by_phone": lambda: _("requested by phone"),
    "not_theirs": lambda: _("the address belongs to someone else"),
    "other": lambda: _("another reason"),
}
"""Functions, so that the labels are in the page's language. Reasons are chosen, not typed, so the log has no address."""

register(consent_entries)
register(editor_entries)
