"""Prepared drafts: at the set time the rule of a newsletter picks new articles, and one draft for the coming slot is there.

Nothing here sends, schedules or approves. What was picked, and why, can be said in words; every pick can be taken out.
What stays from the last issue: blocks of it that are also among the saved blocks (a greeting, a standing notice) come
along, before the articles or after them, as they stood.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, TypeGuard

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from newsletter import articles, content, corrections, issues
from newsletter.articles.article_data import clean_text, shorten
from newsletter.drafts import schedule
from newsletter.models import (
    EDITABLE,
    Article,
    ArticleState,
    Candidate,
    CandidateState,
    Editor,
    Issue,
    IssueStatus,
    Newsletter,
)

logger = logging.getLogger(__name__)

MAX_ARTICLES = 300
"""Of the newest articles; a rule picks from them."""
MAX_SUBJECT_LENGTH, MAX_PREHEADER_LENGTH = 78, 100
COMMITTED_STATUSES = (IssueStatus.SCHEDULED, IssueStatus.SENDING, IssueStatus.PAUSED, IssueStatus.SENT)
OVER_A_WEEK = timedelta(days=8)


@dataclass(frozen=True)
class DraftRule:
    """Which of the new articles a draft takes: the newest, within these bounds."""

    most: int = 5
    per_section: int = 2
    """At most so many of one section; 0 sets no bound. Articles without a section are not counted."""
    fewest: int = 3
    """With fewer to pick there is no draft."""
    briefs: int = 0
    """So many of the last picks are told in brief."""
    without: tuple[str, ...] = ()
    """Sections left out."""

    def __post_init__(self) -> None:
        if not (1 <= self.fewest <= self.most and 0 <= self.briefs < self.most and self.per_section >= 0):
            raise ValueError(f"These bounds leave nothing to pick: {self!r}")

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "without": list(self.without)}


@dataclass(frozen=True)
class TranslatedArticle:
    """An article with its versions in other languages; the one in the newsletter's first language comes first."""

    twins: dict[str, Article]

    @property
    def article(self) -> Article:
        return next(iter(self.twins.values()))

    @property
    def at(self) -> datetime:
        return publication_date(self.article)


@dataclass(frozen=True)
class ArticleSelection:
    """What is new since the last issue, and what the rule takes of it."""

    new: list[TranslatedArticle]
    picks: list[TranslatedArticle]
    last: Issue | None
    """The issue since which it is new; None where none has gone out yet."""


@dataclass(frozen=True)
class PreparationResult:
    """What came of preparing: a draft, or a week too thin for one."""

    newsletter: Newsletter
    slot: datetime
    issue: Issue | None
    picked: int
    new: int

    @property
    def is_thin(self) -> bool:
        return self.issue is None


@dataclass(frozen=True)
class UpcomingDraft:
    """The next slot of a newsletter that prepares drafts, and what stands there now."""

    newsletter: Newsletter
    slot: datetime
    prepared_at: datetime
    rule: DraftRule
    found: ArticleSelection | None
    """What the rule finds now; None where the slot has its issue."""
    is_thin: bool
    """The time to prepare is over, and there were too few articles."""


def parse_rule(stored: Mapping[str, Any]) -> DraftRule | None:
    """What `Newsletter.draft_rule` holds; None where no drafts are prepared. Raises ValueError for what is no rule."""
    if not stored:
        return None
    try:
        return DraftRule(**{**stored, "without": tuple(stored.get("without", ()))})
    except TypeError as error:
        raise ValueError(f"This is no rule: {stored!r}") from error


# --- when ------------------------------------------------------------------------------------------------------------


def prepare_due(*, now: datetime, tell: Callable[[PreparationResult], object]) -> int:
    """Prepare the draft of every newsletter whose time has come; how many drafts were made.

    `tell` gets each outcome in the transaction that made it, so that what it writes is there if the draft is. A thin
    week is told each time: only who hears it knows whether it was said before.
    """
    made = 0
    for newsletter in Newsletter.objects.exclude(cadence={}).exclude(draft_rule={}):
        try:
            with transaction.atomic():
                outcome = prepare(newsletter, now=now)
                if outcome is not None:
                    tell(outcome)
                    made += outcome.issue is not None
        except IntegrityError:  # another worker made it in the meantime
            logger.info("draft prepared by another worker", extra={"newsletter": newsletter.pk})
        except ValueError:
            logger.exception("cadence or rule of a newsletter cannot be read", extra={"newsletter": newsletter.pk})
    return made


def prepare(newsletter: Newsletter, *, now: datetime) -> PreparationResult | None:
    """Make the draft for the coming slot if its time has come; None if it has not, or if there is one.

    Slots that have passed are left alone: after days without a worker only the coming one gets its draft.
    """
    rhythm, rule = schedule.parse_cadence(newsletter.cadence), parse_rule(newsletter.draft_rule)
    if rhythm is None or rule is None:
        return None
    slot = rhythm.next_slot(now, zone=newsletter.zone)
    if now < rhythm.preparation(slot):
        return None
    with transaction.atomic():
        Newsletter.objects.select_for_update().get(pk=newsletter.pk)
        if is_slot_taken(newsletter, slot, rhythm=rhythm):
            return None
        found = select_articles(newsletter, rule)
        if len(found.picks) < rule.fewest:
            return PreparationResult(newsletter, slot, None, len(found.picks), len(found.new))
        issue = _make(newsletter, found, rule=rule, slot=slot, editor=None, now=now)
    logger.info("draft prepared", extra={"issue": issue.pk, "newsletter": newsletter.pk})
    return PreparationResult(newsletter, slot, issue, len(found.picks), len(found.new))


def create_first_draft(newsletter: Newsletter, *, editor: Editor | None, now: datetime) -> Issue:
    """The first draft of a new newsletter, whatever the day: what the rule picks, for the coming slot if there is one."""
    rule = parse_rule(newsletter.draft_rule) or DraftRule()
    slot = schedule.next_slot(newsletter.cadence, after=now, zone=newsletter.zone)
    with transaction.atomic():
        return _make(newsletter, select_articles(newsletter, rule), rule=rule, slot=slot, editor=editor, now=now)


def upcoming_draft(newsletter: Newsletter, *, now: datetime) -> UpcomingDraft | None:
    """What stands in the next slot; None for a newsletter that prepares no drafts."""
    rhythm, rule = schedule.parse_cadence(newsletter.cadence), parse_rule(newsletter.draft_rule)
    if rhythm is None or rule is None:
        return None
    slot = rhythm.next_slot(now, zone=newsletter.zone)
    prepared_at = rhythm.preparation(slot)
    found = None if is_slot_taken(newsletter, slot, rhythm=rhythm) else select_articles(newsletter, rule)
    is_thin = found is not None and now >= prepared_at and len(found.picks) < rule.fewest
    return UpcomingDraft(newsletter, slot, prepared_at, rule, found, is_thin)


def refill(issue: Issue, *, editor: Editor | None, now: datetime) -> Issue:
    """Fill a draft anew by the rule as things stand now; undo brings back what was in it.

    Raises issues.Conflict and issues.WrongState.
    """
    newsletter = issue.newsletter
    rule = parse_rule(newsletter.draft_rule) or DraftRule()
    found = select_articles(newsletter, rule, draft=issue)
    made = _document(newsletter, found, rule=rule)
    made.blocks[:0] = corrections.errata_blocks(issue)
    return issues.save(issue, made, version=issue.version, editor=editor, now=now)


def is_slot_taken(newsletter: Newsletter, slot: datetime, *, rhythm: schedule.Cadence) -> bool:
    """Whether the slot has its issue: a prepared one, even if somebody threw it away, or one begun or scheduled by hand."""
    before = _slot_before(slot, rhythm)
    kept = newsletter.issues.not_deleted().filter(audience={})  # a note to some readers stands in nobody's place
    return (
        newsletter.issues.filter(prepared_for=slot).exists()
        or kept.filter(scheduled_at__gt=before, scheduled_at__lte=slot).exists()
        or kept.filter(status__in=EDITABLE, created_at__gt=before, articles__isnull=False).exists()
    )


def _slot_before(slot: datetime, rhythm: schedule.Cadence) -> datetime:
    zone = slot.tzinfo
    assert zone is not None, "slots know their zone"  # noqa: S101
    before = rhythm.next_slot(slot - OVER_A_WEEK, zone=zone)
    while (following := rhythm.next_slot(before, zone=zone)) < slot:
        before = following
    return before


# --- what ------------------------------------------------------------------------------------------------------------


def select_articles(newsletter: Newsletter, rule: DraftRule, *, draft: Issue | None = None) -> ArticleSelection:
    """What is new, and what `rule` takes of it; articles that only `draft` tells count as new."""
    went_out = Q(status__in=COMMITTED_STATUSES) | Q(sent_at__isnull=False)
    out = newsletter.issues.not_deleted().filter(went_out, articles__isnull=False).order_by("-number").distinct()
    last = next((one for one in out[: issues.MAX_ISSUES_SEARCHED] if not one.is_correction_note), None)
    new = find_new_articles(newsletter, last=last, draft=draft)
    return ArticleSelection(new, apply_rule(new, rule), last)


def find_new_articles(
    newsletter: Newsletter, *, last: Issue | None, draft: Issue | None = None
) -> list[TranslatedArticle]:
    """Stories since the last issue was begun that no issue tells and nobody set aside, the newest first.

    Since it was begun, not since it was sent: what came while that draft lay ready was in neither.
    """
    found = articles.search(newsletter=newsletter).filter(state=ArticleState.LIVE)
    if last is not None:
        since = last.created_at
        found = found.filter(Q(published_at__gt=since) | Q(published_at__isnull=True, created_at__gt=since))
    newest = list(found.select_related("image")[:MAX_ARTICLES])
    addresses = {url for article in newest for url in article.alternates.values()}
    twins = Article.objects.filter(url__in=addresses, state=ArticleState.LIVE).select_related("image")
    together = {article.pk: article for article in (*newest, *twins)}
    gone = set(_told(newsletter, draft).values_list("pk", flat=True)) | set(
        Candidate.objects.filter(
            newsletter=newsletter, state=CandidateState.SKIPPED, article__isnull=False
        ).values_list("article", flat=True)
    )
    listed = {article.pk for article in newest}
    return [
        story
        for story in group_translations(together.values(), newsletter)
        if not any(twin.pk in gone for twin in story.twins.values())
        and any(twin.pk in listed for twin in story.twins.values())
    ]


def _told(newsletter: Newsletter, draft: Issue | None) -> QuerySet[Article]:
    """Articles that an issue of this newsletter tells; what another newsletter told is new here."""
    kept = newsletter.issues.not_deleted()
    return Article.objects.filter(issues__in=kept.exclude(pk=draft.pk) if draft else kept)


def group_translations(found: Iterable[Article], newsletter: Newsletter) -> list[TranslatedArticle]:
    """One story for each article in the newsletter's first language, with its twins; the newest first.

    Without a version in the first language there is no story: most readers could not be told it.
    """
    first = newsletter.default_language
    by_url = {article.url: article for article in found}
    originals = [article for article in by_url.values() if (article.language or first) == first]
    translated = {
        (url, article.language): article for article in by_url.values() for url in article.alternates.values()
    }
    grouped = []
    for article in originals:
        twins = {first: article}
        for language in newsletter.languages[1:]:
            twin = by_url.get(article.alternates.get(language, "")) or translated.get((article.url, language))
            if twin is not None and twin.language == language:
                twins[language] = twin
        grouped.append(TranslatedArticle(twins))
    return sorted(grouped, key=lambda story: (story.at, story.article.pk or 0), reverse=True)


def publication_date(article: Article) -> datetime:
    return article.published_at or article.created_at


def apply_rule(new: list[TranslatedArticle], rule: DraftRule) -> list[TranslatedArticle]:
    """The newest of `new` that the rule allows, the newest first."""
    left_out = {name.casefold() for name in rule.without}
    taken: list[TranslatedArticle] = []
    sections: Counter[str] = Counter()
    for story in new:
        section = story.article.section.casefold()
        if section in left_out or (section and rule.per_section and sections[section] >= rule.per_section):
            continue
        taken.append(story)
        sections[section] += 1
        if len(taken) == rule.most:
            break
    return taken


# --- in words --------------------------------------------------------------------------------------------------------


def describe_rule(rule: DraftRule) -> str:
    """The rule as editors read it."""
    figures = {"most": rule.most, "share": rule.per_section}
    if rule.per_section:
        said = [_("The %(most)s newest articles since the last issue, at most %(share)s of a section.") % figures]
    else:
        said = [_("The %(most)s newest articles since the last issue.") % figures]
    if rule.without:
        said.append(_("Without %(sections)s.") % {"sections": ", ".join(rule.without)})
    if rule.briefs:
        briefs = ngettext("The last one in brief.", "The last %(count)s in brief.", rule.briefs)
        said.append(briefs % {"count": rule.briefs})
    return " ".join(said)


def missing_translations(issue: Issue) -> dict[str, int]:
    """For each language but the first: how many articles of `issue` are not told in it; languages that lack none are left out."""
    told = [block for block in content.parse(issue.content).blocks if isinstance(block, content.ArticleBlock)]
    counts = {
        language: sum(not (language in block.words and block.words[language].is_complete) for block in told)
        for language in issue.newsletter.languages[1:]
    }
    return {language: count for language, count in counts.items() if count}


# --- the draft -------------------------------------------------------------------------------------------------------


def _make(
    newsletter: Newsletter,
    found: ArticleSelection,
    *,
    rule: DraftRule,
    slot: datetime | None,
    editor: Editor | None,
    now: datetime,
) -> Issue:
    issue = issues.create(newsletter, editor=editor, now=now)
    if slot is not None:
        Issue.objects.filter(pk=issue.pk).update(prepared_for=slot)  # unique: a second worker fails here
    made = _document(newsletter, found, rule=rule)
    issue = issues.save(issue, made, version=issue.version, editor=editor, now=now)
    return corrections.prepend_errata(issue, editor=editor, now=now)


def _document(newsletter: Newsletter, found: ArticleSelection, *, rule: DraftRule) -> content.Document:
    before, after = split_recurring_blocks(found.last) if found.last else ([], [])
    return build_document(newsletter, found.picks, briefs=rule.briefs, before=before, after=after)


def build_document(
    newsletter: Newsletter,
    picks: list[TranslatedArticle],
    *,
    briefs: int = 0,
    before: Iterable[content.Block] = (),
    after: Iterable[content.Block] = (),
) -> content.Document:
    """The picks as an issue: the first one leads, the last `briefs` are told in brief; subject and preview text proposed."""
    told: list[content.Block] = []
    for place, story in enumerate(picks):
        if place == 0:
            told.append(issues.build_article_block(story.twins, newsletter, kind=content.Lead))
        elif place >= len(picks) - briefs:
            told.append(issues.build_article_block(story.twins, newsletter, kind=content.Brief))
        else:
            told.append(issues.build_article_block(story.twins, newsletter, kind=content.Story))
    envelopes = {language: build_envelope(picks, language) for language in newsletter.languages}
    return content.Document(envelopes=envelopes, blocks=[*before, *told, *after])


def build_envelope(picks: list[TranslatedArticle], language: str) -> content.Envelope:
    """A subject and a preview text made from headlines, to be replaced; empty where nothing is told in `language`."""
    told = [story.twins[language] for story in picks if language in story.twins]
    if not told:
        return content.Envelope()
    subject = shorten(clean_text(told[0].title), most=MAX_SUBJECT_LENGTH)
    headlines = [clean_text(article.title) for article in told[1:4]]
    return content.Envelope(subject=subject, preheader=_line(told[0].summary, headlines, language))


def fill_preheaders(document: content.Document, newsletter: Newsletter) -> None:
    """A preview text from the headlines, in each language that has none; one that an editor wrote stays."""
    for language in newsletter.languages:
        told = [block.words[language] for block in document.blocks if _is_story(block) and language in block.words]
        own = document.envelopes.setdefault(language, content.Envelope())
        if told and not own.preheader:
            own.preheader = _line(told[0].summary, [words.headline for words in told[1:4]], language)


def _is_story(block: content.Block) -> TypeGuard[content.Lead | content.Story | content.Brief]:
    return isinstance(block, content.ArticleBlock)


def _line(summary: str, headlines: list[str], language: str) -> str:
    """The preview text: what else there is beside the lead, and what the lead says where that is little."""
    with translation.override(language):
        line = _("Also: %(headlines)s") % {"headlines": _fitting(headlines)} if headlines else ""
    if len(line) < MAX_PREHEADER_LENGTH // 2:
        line = f"{line} · {clean_text(summary)}".strip(" ·")
    return shorten(line, most=MAX_PREHEADER_LENGTH)


def _fitting(headlines: list[str]) -> str:
    """As many headlines as the preview text holds; at least the first."""
    said = headlines[0]
    for headline in headlines[1:]:
        if len(said) + len(headline) + 10 > MAX_PREHEADER_LENGTH:
            break
        said = f"{said}; {headline}"
    return said


def split_recurring_blocks(last: Issue) -> tuple[list[content.Block], list[content.Block]]:
    """Blocks of `last` that are among the saved blocks too: those before its first article, and all others."""
    kept = [
        _said(saved) for saved in last.newsletter.saved_blocks.filter(deleted_at=None).values_list("content", flat=True)
    ]
    before: list[content.Block] = []
    after: list[content.Block] = []
    has_article = False
    for block in content.parse(last.content).blocks:
        if isinstance(block, content.ArticleBlock):
            has_article = True
        elif _said(block.model_dump(mode="json")) in kept:
            (after if has_article else before).append(
                block.model_copy(update={"id": content.new_block_id()}, deep=True)
            )
    return before, after


def _said(block: Mapping[str, Any]) -> dict[str, Any]:
    """What a block says, whichever it is: without its id, and without what is empty."""
    return {name: value for name, value in block.items() if name != "id" and value not in ("", None, {}, [], False)}
