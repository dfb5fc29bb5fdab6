"""What the archive shows: which issues, and an issue's blocks as parts of a page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q, QuerySet

from newsletter import corrections, editions
from newsletter.models import AuditEntry, Issue, IssueStatus, Link
from newsletter.models import Correction as Note
from newsletter.rendering import blocks, richtext
from newsletter.rendering.links import LinkBook

WORDS_PER_MINUTE = 200
SECTION_KINDS = frozenset({"lead", "story", "text", "brief", "video"})
"""Kinds that become a section of the page where they have a heading; the others are elements of their own."""


@dataclass(frozen=True)
class PageBlock:
    """A block of a page with its words as HTML."""

    view: blocks.BlockView
    body: richtext.Markup
    picture_url: str
    note: str
    answers: tuple[tuple[str, str], ...] = ()
    """Questions with their answers as HTML."""


@dataclass(frozen=True)
class PageCorrection:
    """What was put right after the mail had gone out."""

    made_at: datetime | None
    words: str = ""
    """An editor's; without them the page says in ours that a link was mended."""
    label: str = ""
    was: str = ""
    """Where the link led in the mail."""
    changed_at: datetime | None = None
    """Where the words were changed on a later day."""


def sent_issues() -> QuerySet[Issue]:
    """Issues that everybody got, newest first; also one that follows, or followed, to readers who had missed it.

    A correction that went to some readers is none of them: its page is found from its mail only.
    """
    public = Issue.objects.filter(_IS_SENT, newsletter__archive_is_public=True, audience={})
    return public.select_related("newsletter").order_by("-sent_at", "-pk")


def readable_issues() -> QuerySet[Issue]:
    """Issues whose page is there: the sent ones, and those on their way, because their mails link to it."""
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
    """(kind, blocks) in order; links lead straight to their target, mended ones to the new one."""
    book = editions.build_link_book(issue, language, amended=_amended(issue, language))
    ready = editions.build_block_views(
        editions.document(issue), language=language, default=issue.newsletter.default_language, book=book, issue=issue
    )
    for kind, together in blocks.group_views(ready):
        yield kind, tuple(_shown(view, book) for view in together)


def _shown(view: blocks.BlockView, book: LinkBook) -> PageBlock:
    def write(body: richtext.RichText) -> richtext.Markup:
        return richtext.to_html(
            body, lambda url, label: book.href(url, block=view.block, label=label), merge=richtext.fallback_only
        )

    picture = ""
    if view.picture:
        picture = (editions.thumbnail_url if view.kind == "video" else editions.picture_url)(view.picture)
    note = editions.language_note(view.language) if view.is_foreign else ""
    return PageBlock(view, write(view.body), picture, note, blocks.render_answers(view, write))


def _mended(issue: Issue, language: str) -> list[Link]:
    """In order; from what was fetched before, where a caller did."""
    return sorted(
        (link for link in issue.links.all() if link.amended_url and link.language == language),
        key=lambda link: link.number,
    )


def _amended(issue: Issue, language: str) -> dict[tuple[str, str], str]:
    return {(link.block, link.url): link.amended_url for link in _mended(issue, language)}


def last_changes(issues: Iterable[Issue]) -> dict[int, datetime]:
    """When an issue's page last changed after it was sent, by id."""
    asked = list(issues)
    subjects = {f"issue {issue.pk}": issue.pk for issue in asked}
    made = AuditEntry.objects.filter(action__in=corrections.PAGE_CHANGE_ACTIONS, subject__in=subjects).order_by(
        "occurred_at"
    )
    found = {subjects[subject]: at for subject, at in made.values_list("subject", "occurred_at")}
    for issue in asked:
        for note in issue.corrections.all():  # the log is not kept for ever
            found[issue.pk] = max(note.changed_at, found.get(issue.pk, note.changed_at))
    return found


def page_corrections(issue: Issue, language: str) -> list[PageCorrection]:
    """What was put right in this language's edition, in the words of editors where there are some."""
    mended = {link.number: link for link in _mended(issue, language)}
    told: set[int] = set()
    found = []
    for note in issue.corrections.all():
        words = note.words.get(language, "")
        if words or not note.is_shown:
            told.update(note.links)
        else:  # the latest decides: without words of an editor the page says it in ours
            told.difference_update(note.links)
        if words and note.is_shown:
            found.append(_said(note, words, mended))
    untold = [link for number, link in mended.items() if number not in told]
    moment = last_changes([issue]).get(issue.pk) if untold else None
    return found + [PageCorrection(moment, label=link.label, was=link.url) for link in untold]


def _said(note: Note, words: str, mended: Mapping[int, Link]) -> PageCorrection:
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
    """The years in which these were sent, newest first, by the clock of the installation."""
    return [moment.year for moment in issues.order_by().datetimes("sent_at", "year", order="DESC")]


def adjacent_issues(issue: Issue) -> tuple[Issue | None, Issue | None]:
    """The issues sent before and after this one."""
    others = sent_issues().filter(newsletter=issue.newsletter)
    before = others.filter(number__lt=issue.number).order_by("-number").first()
    after = others.filter(number__gt=issue.number).order_by("number").first()
    return before, after
