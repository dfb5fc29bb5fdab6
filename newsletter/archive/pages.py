"""Content of archive pages: which issues are listed, and the blocks of an issue."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q, QuerySet

from newsletter import corrections, editions
from newsletter.blocks import composing, registry
from newsletter.blocks.view import BlockView
from newsletter.models import AuditEntry, Issue, IssueStatus, Link
from newsletter.models import Correction as Note
from newsletter.rendering import richtext
from newsletter.rendering.links import LinkBook

WORDS_PER_MINUTE = 200
SECTION_KINDS = frozenset(name for name, kind in registry.KINDS.items() if kind.is_section)
"""Block kinds that become a <section> if they have a heading. Other kinds are elements of their own."""


@dataclass(frozen=True)
class PageBlock:
    """A block of a page with its texts as HTML."""

    view: BlockView
    body: richtext.Markup
    picture_url: str
    note: str
    answers: tuple[tuple[str, str], ...] = ()
    """Questions and their answers as HTML."""


@dataclass(frozen=True)
class PageCorrection:
    """A correction made after the mail was sent."""

    made_at: datetime | None
    words: str = ""
    """The editor's note. If it is empty, the page shows a standard sentence about the amended link."""
    label: str = ""
    was: str = ""
    """Where the link led in the mail."""
    changed_at: datetime | None = None
    """Set if the note was changed on a later day."""


def sent_issues() -> QuerySet[Issue]:
    """Sent issues for all readers, the newest first, also while they follow up to readers who missed them.

    Correction notes to some readers are not listed; their page is linked only from their mail.
    """
    public = Issue.objects.filter(_IS_SENT, newsletter__archive_is_public=True, audience={})
    return public.select_related("newsletter").order_by("-sent_at", "-pk")


def readable_issues() -> QuerySet[Issue]:
    """Issues whose page is public: sent ones, and those being sent, because their mails link to the page."""
    on_their_way = Q(status__in=(IssueStatus.SENDING, IssueStatus.PAUSED), editions__isnull=False)
    public = Issue.objects.filter(newsletter__archive_is_public=True)
    return public.filter(_IS_SENT | on_their_way).select_related("newsletter").distinct()


_IS_SENT = Q(status=IssueStatus.SENT) | Q(
    status__in=(IssueStatus.SENDING, IssueStatus.PAUSED, IssueStatus.CANCELLED), sent_at__isnull=False
)


def title(issue: Issue, language: str) -> str:
    envelope = editions.document(issue).envelope(language, issue.newsletter.default_language)
    return richtext.clean_line(envelope.subject) or str(issue)


def summary(issue: Issue, language: str) -> str:
    envelope = editions.document(issue).envelope(language, issue.newsletter.default_language)
    return richtext.clean_line(envelope.preheader)


def block_groups(issue: Issue, language: str) -> Iterator[tuple[str, tuple[PageBlock, ...]]]:
    """(kind, blocks) in order. Links lead directly to their targets, amended links to the new one."""
    book = editions.build_link_book(issue, language, amended=_amended_targets(issue, language))
    ready = editions.build_block_views(
        editions.document(issue), language=language, default=issue.newsletter.default_language, book=book, issue=issue
    )
    for kind, together in composing.group_views(ready):
        yield kind, tuple(_page_block(view, book) for view in together)


def _page_block(view: BlockView, book: LinkBook) -> PageBlock:
    def write(body: richtext.RichText) -> richtext.Markup:
        return richtext.to_html(
            body, lambda url, label: book.href(url, block=view.block, label=label), merge=richtext.fallback_only
        )

    picture = ""
    if view.picture:
        has_play_mark = registry.KINDS[view.kind].has_play_mark
        picture = (editions.thumbnail_url if has_play_mark else editions.picture_url)(view.picture)
    note = editions.language_note(view.language) if view.is_foreign else ""
    return PageBlock(view, write(view.body), picture, note, composing.render_answers(view, write))


def _amended_links(issue: Issue, language: str) -> list[Link]:
    """Amended links of the language, in order. Uses prefetched rows if there are any."""
    return sorted(
        (link for link in issue.links.all() if link.amended_url and link.language == language),
        key=lambda link: link.number,
    )


def _amended_targets(issue: Issue, language: str) -> dict[tuple[str, str], str]:
    return {(link.block, link.url): link.amended_url for link in _amended_links(issue, language)}


def last_changes(issues: Iterable[Issue]) -> dict[int, datetime]:
    """When each issue's page last changed after sending, by issue id."""
    requested = list(issues)
    subjects = {f"issue {issue.pk}": issue.pk for issue in requested}
    entries = AuditEntry.objects.filter(action__in=corrections.PAGE_CHANGE_ACTIONS, subject__in=subjects).order_by(
        "occurred_at"
    )
    changed_at = {subjects[subject]: at for subject, at in entries.values_list("subject", "occurred_at")}
    for issue in requested:
        for note in issue.corrections.all():  # audit entries are deleted by retention, notes are not
            changed_at[issue.pk] = max(note.changed_at, changed_at.get(issue.pk, note.changed_at))
    return changed_at


def page_corrections(issue: Issue, language: str) -> list[PageCorrection]:
    """Corrections of this language's edition. Editors' notes replace the standard sentence."""
    mended = {link.number: link for link in _amended_links(issue, language)}
    covered: set[int] = set()
    shown = []
    for note in issue.corrections.all():
        words = note.words.get(language, "")
        if words or not note.is_shown:
            covered.update(note.links)
        else:  # the latest note decides: without an editor's text the page shows the standard sentence
            covered.difference_update(note.links)
        if words and note.is_shown:
            shown.append(_page_correction(note, words, mended))
    uncovered = [link for number, link in mended.items() if number not in covered]
    moment = last_changes([issue]).get(issue.pk) if uncovered else None
    return shown + [PageCorrection(moment, label=link.label, was=link.url) for link in uncovered]


def _page_correction(note: Note, words: str, mended: Mapping[int, Link]) -> PageCorrection:
    link = next((mended[number] for number in note.links if number in mended), None)
    zone = note.issue.newsletter.zone
    is_later = note.changed_at.astimezone(zone).date() > note.made_at.astimezone(zone).date()
    return PageCorrection(
        note.made_at,
        words,
        label=link.label if link else "",
        was=link.url if link else "",
        changed_at=note.changed_at if is_later else None,
    )


def reading_minutes(shown: list[tuple[str, tuple[PageBlock, ...]]]) -> int:
    texts = (f"{part.view.headline} {richtext.plain_words(part.view.body)}" for _, parts in shown for part in parts)
    return max(1, round(sum(len(text.split()) for text in texts) / WORDS_PER_MINUTE))


def years(issues: QuerySet[Issue]) -> list[int]:
    """The years in which these issues were sent, the newest first, in the installation's time zone."""
    return [moment.year for moment in issues.order_by().datetimes("sent_at", "year", order="DESC")]


def adjacent_issues(issue: Issue) -> tuple[Issue | None, Issue | None]:
    """The issues sent before and after this one."""
    others = sent_issues().filter(newsletter=issue.newsletter)
    before = others.filter(number__lt=issue.number).order_by("-number").first()
    after = others.filter(number__gt=issue.number).order_by("number").first()
    return before, after
