"""Select articles for a draft: what is new since the last issue, grouped with translations, and what the rule takes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q, QuerySet

from newsletter import articles, issues
from newsletter.drafts.rule import DraftRule
from newsletter.models import Article, ArticleState, Candidate, CandidateState, Issue, IssueStatus, Newsletter

MAX_ARTICLES = 300
"""The newest articles, from which the rule selects."""
COMMITTED_STATUSES = (IssueStatus.SCHEDULED, IssueStatus.SENDING, IssueStatus.PAUSED, IssueStatus.SENT)


@dataclass(frozen=True)
class TranslatedArticle:
    """An article with its versions by language. The version in the newsletter's default language comes first."""

    versions: dict[str, Article]

    @property
    def article(self) -> Article:
        return next(iter(self.versions.values()))

    @property
    def at(self) -> datetime:
        return publication_date(self.article)


@dataclass(frozen=True)
class ArticleSelection:
    """New articles since the last issue, and those that the rule selects."""

    new: list[TranslatedArticle]
    picks: list[TranslatedArticle]
    last: Issue | None
    """The issue after which an article counts as new; None if none was sent yet."""


def select_articles(newsletter: Newsletter, rule: DraftRule, *, draft: Issue | None = None) -> ArticleSelection:
    """Find the new articles and apply `rule`. Articles that are used only in `draft` count as new."""
    committed = Q(status__in=COMMITTED_STATUSES) | Q(sent_at__isnull=False)
    sent = newsletter.issues.not_deleted().filter(committed, articles__isnull=False).order_by("-number").distinct()
    last = next((issue for issue in sent[: issues.MAX_ISSUES_SEARCHED] if not issue.is_correction_note), None)
    new = find_new_articles(newsletter, last=last, draft=draft)
    return ArticleSelection(new, apply_rule(new, rule), last)


def find_new_articles(
    newsletter: Newsletter, *, last: Issue | None, draft: Issue | None = None
) -> list[TranslatedArticle]:
    """Live articles since the last issue was created that no issue uses and no editor skipped, the newest first.

    The creation of the last issue counts, not its sending: an article that came in between is in neither issue.
    """
    candidates = articles.search(newsletter=newsletter).filter(state=ArticleState.LIVE)
    if last is not None:
        since = last.created_at
        candidates = candidates.filter(Q(published_at__gt=since) | Q(published_at__isnull=True, created_at__gt=since))
    newest = list(candidates.select_related("image")[:MAX_ARTICLES])
    addresses = {url for article in newest for url in article.alternates.values()}
    translations = Article.objects.filter(url__in=addresses, state=ArticleState.LIVE).select_related("image")
    by_id = {article.pk: article for article in (*newest, *translations)}
    excluded = set(_used_articles(newsletter, draft).values_list("pk", flat=True)) | set(
        Candidate.objects.filter(
            newsletter=newsletter, state=CandidateState.SKIPPED, article__isnull=False
        ).values_list("article", flat=True)
    )
    listed = {article.pk for article in newest}
    return [
        item
        for item in group_translations(by_id.values(), newsletter)
        if not any(version.pk in excluded for version in item.versions.values())
        and any(version.pk in listed for version in item.versions.values())
    ]


def _used_articles(newsletter: Newsletter, draft: Issue | None) -> QuerySet[Article]:
    """Articles that an issue of this newsletter uses. Other newsletters do not count."""
    existing = newsletter.issues.not_deleted()
    return Article.objects.filter(issues__in=existing.exclude(pk=draft.pk) if draft else existing)


def group_translations(found: Iterable[Article], newsletter: Newsletter) -> list[TranslatedArticle]:
    """Group articles with their translations: one item per article in the default language, the newest first.

    An article without a version in the default language is left out, because most readers could not read it.
    """
    first = newsletter.default_language
    by_url = {article.url: article for article in found}
    originals = [article for article in by_url.values() if (article.language or first) == first]
    translated = {
        (url, article.language): article for article in by_url.values() for url in article.alternates.values()
    }
    grouped = []
    for article in originals:
        versions = {first: article}
        for language in newsletter.languages[1:]:
            version = by_url.get(article.alternates.get(language, "")) or translated.get((article.url, language))
            if version is not None and version.language == language:
                versions[language] = version
        grouped.append(TranslatedArticle(versions))
    return sorted(grouped, key=lambda item: (item.at, item.article.pk or 0), reverse=True)


def publication_date(article: Article) -> datetime:
    return article.published_at or article.created_at


def apply_rule(new: list[TranslatedArticle], rule: DraftRule) -> list[TranslatedArticle]:
    """The newest of `new` that the rule allows, the newest first."""
    excluded = {name.casefold() for name in rule.without}
    selected: list[TranslatedArticle] = []
    sections: Counter[str] = Counter()
    for item in new:
        section = item.article.section.casefold()
        if section in excluded or (section and rule.per_section and sections[section] >= rule.per_section):
            continue
        selected.append(item)
        sections[section] += 1
        if len(selected) == rule.most:
            break
    return selected
