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
from newsletter.articles.article_data import plain, shortened
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

MOST_LOOKED_AT = 300
"""Of the newest articles; a rule picks from them."""
LONGEST_SUBJECT, LONGEST_PREHEADER = 78, 100
OUT = (IssueStatus.SCHEDULED, IssueStatus.SENDING, IssueStatus.PAUSED, IssueStatus.SENT)
A_WEEK = timedelta(days=8)


@dataclass(frozen=True)
class Rule:
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
class Story:
    """An article with its versions in other languages; the one in the newsletter's first language comes first."""

    twins: dict[str, Article]

    @property
    def article(self) -> Article:
        return next(iter(self.twins.values()))

    @property
    def at(self) -> datetime:
        return published(self.article)


@dataclass(frozen=True)
class Survey:
    """What is new since the last issue, and what the rule takes of it."""

    new: list[Story]
    picks: list[Story]
    last: Issue | None
    """The issue since which it is new; None where none has gone out yet."""


@dataclass(frozen=True)
class Outcome:
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
class Coming:
    """The next slot of a newsletter that prepares drafts, and what stands there now."""

    newsletter: Newsletter
    slot: datetime
    prepared_at: datetime
    rule: Rule
    found: Survey | None
    """What the rule finds now; None where the slot has its issue."""
    is_thin: bool
    """The time to prepare is over, and there were too few articles."""


def read(stored: Mapping[str, Any]) -> Rule | None:
    """What `Newsletter.draft_rule` holds; None where no drafts are prepared. Raises ValueError for what is no rule."""
    if not stored:
        return None
    try:
        return Rule(**{**stored, "without": tuple(stored.get("without", ()))})
    except TypeError as error:
        raise ValueError(f"This is no rule: {stored!r}") from error


# --- when ------------------------------------------------------------------------------------------------------------


def prepare_due(*, now: datetime, tell: Callable[[Outcome], object]) -> int:
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


def prepare(newsletter: Newsletter, *, now: datetime) -> Outcome | None:
    """Make the draft for the coming slot if its time has come; None if it has not, or if there is one.

    Slots that have passed are left alone: after days without a worker only the coming one gets its draft.
    """
    rhythm, rule = schedule.read(newsletter.cadence), read(newsletter.draft_rule)
    if rhythm is None or rule is None:
        return None
    slot = rhythm.next_slot(now, zone=newsletter.zone)
    if now < rhythm.preparation(slot):
        return None
    with transaction.atomic():
        Newsletter.objects.select_for_update().get(pk=newsletter.pk)
        if is_there(newsletter, slot, rhythm=rhythm):
            return None
        found = survey(newsletter, rule)
        if len(found.picks) < rule.fewest:
            return Outcome(newsletter, slot, None, len(found.picks), len(found.new))
        issue = _make(newsletter, found, rule=rule, slot=slot, editor=None, now=now)
    logger.info("draft prepared", extra={"issue": issue.pk, "newsletter": newsletter.pk})
    return Outcome(newsletter, slot, issue, len(found.picks), len(found.new))


def start(newsletter: Newsletter, *, editor: Editor | None, now: datetime) -> Issue:
    """The first draft of a new newsletter, whatever the day: what the rule picks, for the coming slot if there is one."""
    rule = read(newsletter.draft_rule) or Rule()
    slot = schedule.next_slot(newsletter.cadence, after=now, zone=newsletter.zone)
    with transaction.atomic():
        return _make(newsletter, survey(newsletter, rule), rule=rule, slot=slot, editor=editor, now=now)


def coming(newsletter: Newsletter, *, now: datetime) -> Coming | None:
    """What stands in the next slot; None for a newsletter that prepares no drafts."""
    rhythm, rule = schedule.read(newsletter.cadence), read(newsletter.draft_rule)
    if rhythm is None or rule is None:
        return None
    slot = rhythm.next_slot(now, zone=newsletter.zone)
    prepared_at = rhythm.preparation(slot)
    found = None if is_there(newsletter, slot, rhythm=rhythm) else survey(newsletter, rule)
    is_thin = found is not None and now >= prepared_at and len(found.picks) < rule.fewest
    return Coming(newsletter, slot, prepared_at, rule, found, is_thin)


def pick_again(issue: Issue, *, editor: Editor | None, now: datetime) -> Issue:
    """Fill a draft anew by the rule as things stand now; undo brings back what was in it.

    Raises issues.Conflict and issues.WrongState.
    """
    newsletter = issue.newsletter
    rule = read(newsletter.draft_rule) or Rule()
    found = survey(newsletter, rule, draft=issue)
    made = _document(newsletter, found, rule=rule)
    made.blocks[:0] = corrections.errata_in(issue)
    return issues.save(issue, made, version=issue.version, editor=editor, now=now)


def is_there(newsletter: Newsletter, slot: datetime, *, rhythm: schedule.Cadence) -> bool:
    """Whether the slot has its issue: a prepared one, even if somebody threw it away, or one begun or scheduled by hand."""
    before = _slot_before(slot, rhythm)
    kept = newsletter.issues.kept().filter(audience={})  # a note to some readers stands in nobody's place
    return (
        newsletter.issues.filter(prepared_for=slot).exists()
        or kept.filter(scheduled_at__gt=before, scheduled_at__lte=slot).exists()
        or kept.filter(status__in=EDITABLE, created_at__gt=before, articles__isnull=False).exists()
    )


def _slot_before(slot: datetime, rhythm: schedule.Cadence) -> datetime:
    zone = slot.tzinfo
    assert zone is not None, "slots know their zone"  # noqa: S101
    before = rhythm.next_slot(slot - A_WEEK, zone=zone)
    while (following := rhythm.next_slot(before, zone=zone)) < slot:
        before = following
    return before


# --- what ------------------------------------------------------------------------------------------------------------


def survey(newsletter: Newsletter, rule: Rule, *, draft: Issue | None = None) -> Survey:
    """What is new, and what `rule` takes of it; articles that only `draft` tells count as new."""
    went_out = Q(status__in=OUT) | Q(sent_at__isnull=False)
    out = newsletter.issues.kept().filter(went_out, articles__isnull=False).order_by("-number").distinct()
    last = next((one for one in out[: issues.LOOKED_BACK] if not one.is_a_note), None)
    new = new_stories(newsletter, last=last, draft=draft)
    return Survey(new, picked(new, rule), last)


def new_stories(newsletter: Newsletter, *, last: Issue | None, draft: Issue | None = None) -> list[Story]:
    """Stories since the last issue was begun that no issue tells and nobody set aside, the newest first.

    Since it was begun, not since it was sent: what came while that draft lay ready was in neither.
    """
    found = articles.search(newsletter=newsletter).filter(state=ArticleState.LIVE)
    if last is not None:
        since = last.created_at
        found = found.filter(Q(published_at__gt=since) | Q(published_at__isnull=True, created_at__gt=since))
    newest = list(found.select_related("image")[:MOST_LOOKED_AT])
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
        for story in stories(together.values(), newsletter)
        if not any(twin.pk in gone for twin in story.twins.values())
        and any(twin.pk in listed for twin in story.twins.values())
    ]


def _told(newsletter: Newsletter, draft: Issue | None) -> QuerySet[Article]:
    """Articles that an issue of this newsletter tells; what another newsletter told is new here."""
    kept = newsletter.issues.kept()
    return Article.objects.filter(issues__in=kept.exclude(pk=draft.pk) if draft else kept)


def stories(found: Iterable[Article], newsletter: Newsletter) -> list[Story]:
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
        grouped.append(Story(twins))
    return sorted(grouped, key=lambda story: (story.at, story.article.pk or 0), reverse=True)


def published(article: Article) -> datetime:
    return article.published_at or article.created_at


def picked(new: list[Story], rule: Rule) -> list[Story]:
    """The newest of `new` that the rule allows, the newest first."""
    left_out = {name.casefold() for name in rule.without}
    taken: list[Story] = []
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


def in_words(rule: Rule) -> str:
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


def lacking(issue: Issue) -> dict[str, int]:
    """For each language but the first: how many articles of `issue` are not told in it; languages that lack none are left out."""
    told = [block for block in content.parse(issue.content).blocks if isinstance(block, content.FromArticle)]
    counts = {
        language: sum(not (language in block.words and block.words[language].is_complete) for block in told)
        for language in issue.newsletter.languages[1:]
    }
    return {language: count for language, count in counts.items() if count}


# --- the draft -------------------------------------------------------------------------------------------------------


def _make(
    newsletter: Newsletter, found: Survey, *, rule: Rule, slot: datetime | None, editor: Editor | None, now: datetime
) -> Issue:
    issue = issues.create(newsletter, editor=editor, now=now)
    if slot is not None:
        Issue.objects.filter(pk=issue.pk).update(prepared_for=slot)  # unique: a second worker fails here
    made = _document(newsletter, found, rule=rule)
    issue = issues.save(issue, made, version=issue.version, editor=editor, now=now)
    return corrections.open_with_errata(issue, editor=editor, now=now)


def _document(newsletter: Newsletter, found: Survey, *, rule: Rule) -> content.Document:
    before, after = standing(found.last) if found.last else ([], [])
    return document(newsletter, found.picks, briefs=rule.briefs, before=before, after=after)


def document(
    newsletter: Newsletter,
    picks: list[Story],
    *,
    briefs: int = 0,
    before: Iterable[content.Block] = (),
    after: Iterable[content.Block] = (),
) -> content.Document:
    """The picks as an issue: the first one leads, the last `briefs` are told in brief; subject and preview text proposed."""
    told: list[content.Block] = []
    for place, story in enumerate(picks):
        if place == 0:
            told.append(issues.told(story.twins, newsletter, kind=content.Lead))
        elif place >= len(picks) - briefs:
            told.append(issues.told(story.twins, newsletter, kind=content.Brief))
        else:
            told.append(issues.told(story.twins, newsletter, kind=content.Story))
    envelopes = {language: envelope(picks, language) for language in newsletter.languages}
    return content.Document(envelopes=envelopes, blocks=[*before, *told, *after])


def envelope(picks: list[Story], language: str) -> content.Envelope:
    """A subject and a preview text made from headlines, to be replaced; empty where nothing is told in `language`."""
    told = [story.twins[language] for story in picks if language in story.twins]
    if not told:
        return content.Envelope()
    subject = shortened(plain(told[0].title), most=LONGEST_SUBJECT)
    headlines = [plain(article.title) for article in told[1:4]]
    return content.Envelope(subject=subject, preheader=_line(told[0].summary, headlines, language))


def propose(document: content.Document, newsletter: Newsletter) -> None:
    """A preview text from the headlines, in each language that has none; one that an editor wrote stays."""
    for language in newsletter.languages:
        told = [block.words[language] for block in document.blocks if _is_story(block) and language in block.words]
        own = document.envelopes.setdefault(language, content.Envelope())
        if told and not own.preheader:
            own.preheader = _line(told[0].summary, [words.headline for words in told[1:4]], language)


def _is_story(block: content.Block) -> TypeGuard[content.Lead | content.Story | content.Brief]:
    return isinstance(block, content.FromArticle)


def _line(summary: str, headlines: list[str], language: str) -> str:
    """The preview text: what else there is beside the lead, and what the lead says where that is little."""
    with translation.override(language):
        line = _("Also: %(headlines)s") % {"headlines": _fitting(headlines)} if headlines else ""
    if len(line) < LONGEST_PREHEADER // 2:
        line = f"{line} · {plain(summary)}".strip(" ·")
    return shortened(line, most=LONGEST_PREHEADER)


def _fitting(headlines: list[str]) -> str:
    """As many headlines as the preview text holds; at least the first."""
    said = headlines[0]
    for headline in headlines[1:]:
        if len(said) + len(headline) + 10 > LONGEST_PREHEADER:
            break
        said = f"{said}; {headline}"
    return said


def standing(last: Issue) -> tuple[list[content.Block], list[content.Block]]:
    """Blocks of `last` that are among the saved blocks too: those before its first article, and all others."""
    kept = [
        _said(saved) for saved in last.newsletter.saved_blocks.filter(deleted_at=None).values_list("content", flat=True)
    ]
    before: list[content.Block] = []
    after: list[content.Block] = []
    has_article = False
    for block in content.parse(last.content).blocks:
        if isinstance(block, content.FromArticle):
            has_article = True
        elif _said(block.model_dump(mode="json")) in kept:
            (after if has_article else before).append(block.model_copy(update={"id": content.new_id()}, deep=True))
    return before, after


def _said(block: Mapping[str, Any]) -> dict[str, Any]:
    """What a block says, whichever it is: without its id, and without what is empty."""
    return {name: value for name, value in block.items() if name != "id" and value not in ("", None, {}, [], False)}
