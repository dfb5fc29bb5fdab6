"""The list of articles with the state of each. The actions of its buttons are in `article_actions`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.core.paginator import Paginator
from django.db.models import Exists, OuterRef, Prefetch, Q, QuerySet
from django.db.models.fields.json import KeyTextTransform
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from newsletter import articles, content, roles
from newsletter.articles import article_changes
from newsletter.models import (
    EDITABLE,
    Article,
    ArticleState,
    Candidate,
    CandidateState,
    Issue,
    IssueStatus,
    Newsletter,
)
from newsletter.studio.settings.forms import StudioFormMixin
from newsletter.studio.shared import access, change_notes

PAGE_SIZE = 40
MAX_CANDIDATES = 20
CANDIDATE_MAX_AGE = timedelta(days=30)
"""How long a URL that did not become an article is shown under "All". Under "Skipped" it stays."""
STATE_LABELS: dict[str, Promise] = {
    "": gettext_lazy("All"),
    "new": gettext_lazy("New"),
    "draft": gettext_lazy("In this draft"),
    "used": gettext_lazy("Used"),
    "skipped": gettext_lazy("Skipped"),
    "changed": gettext_lazy("Changed"),
    "gone": gettext_lazy("Gone"),
}


class ArticleUrlForm(StudioFormMixin, forms.Form):
    url = forms.URLField(
        label=gettext_lazy("URL of the article"),
        max_length=1000,
        assume_scheme="https",
        error_messages={
            "invalid": gettext_lazy("This is not a web address. Copy it from the browser, including https://")
        },
        widget=forms.URLInput(attrs={"placeholder": gettext_lazy("Paste the URL of an article")}),
    )


class ArticleUrlsForm(StudioFormMixin, forms.Form):
    urls = forms.CharField(
        label=gettext_lazy("URLs, one per line"),
        max_length=60_000,
        widget=forms.Textarea(attrs={"rows": 6, "spellcheck": "false", "placeholder": "https://"}),
        help_text=gettext_lazy("Up to 100. They are read one by one while you continue working."),
    )


@dataclass(frozen=True)
class ArticleRow:
    """An article and where it stands."""

    article: Article
    languages: list[str]
    at: datetime
    state: str
    """new, draft, used, skipped or gone."""
    used_in: Issue | None
    by: str = ""
    """Who added it by its address, or set it aside."""
    picture_fault: str = ""
    changes: list[change_notes.ChangeNote] = field(default_factory=list)
    """What the article says by now and the draft does not."""

    @property
    def is_recent(self) -> bool:
        return _is_recent(self.at)

    @property
    def may_choose(self) -> bool:
        return self.state in {"new", "used", "skipped"}


@dataclass(frozen=True)
class CandidateRow:
    """An address that is no article, or not yet."""

    candidate: Candidate
    at: datetime
    reason: str

    @property
    def is_recent(self) -> bool:
        return _is_recent(self.at)

    @property
    def is_waiting(self) -> bool:
        return self.candidate.state == CandidateState.WAITING


def _is_recent(at: datetime) -> bool:
    """Whether "3 hours ago" says more than a date."""
    return timezone.now() - at < timedelta(days=1)


# --- reads -----------------------------------------------------------------------------------------------------------


def for_newsletter(newsletter: Newsletter, words: str = "") -> QuerySet[Article]:
    """What its own feeds brought, and what was added by hand; with the issues each one is in.

    One row a story: the twin in another language comes along with the original when that is added.
    """
    used = Prefetch("issues", newsletter.issues.not_deleted().order_by("-created_at"), to_attr="in_issues")
    asked = Prefetch(
        "candidates", Candidate.objects.filter(newsletter=newsletter).select_related("asked_by"), to_attr="asked"
    )
    found = articles.search(words, newsletter=newsletter).annotate(
        original=KeyTextTransform(newsletter.default_language, "alternates")
    )
    is_twin = ~Q(language=newsletter.default_language) & Exists(Article.objects.filter(url=OuterRef("original")))
    return found.exclude(is_twin).select_related("image").prefetch_related(used, asked)


def current_draft(newsletter: Newsletter) -> Issue | None:
    """The newest draft for all readers. Correction mails, which have an audience of their own, do not count."""
    drafts = newsletter.issues.filter(status__in=EDITABLE, deleted_at__isnull=True, audience={})
    return drafts.order_by("-created_at").first()


def build_rows(
    found: Iterable[Article], draft: Issue | None, changes: dict[int, list[change_notes.ChangeNote]] | None = None
) -> list[ArticleRow]:
    return [_build_row(article, draft, (changes or {}).get(article.pk, [])) for article in found]


def _build_row(article: Article, draft: Issue | None, changes: list[change_notes.ChangeNote]) -> ArticleRow:
    in_issues: list[Issue] = article.in_issues  # type: ignore[attr-defined]  # prefetched by for_newsletter
    asked: list[Candidate] = article.asked  # type: ignore[attr-defined]  # prefetched by for_newsletter
    used_in = next((issue for issue in in_issues if draft is None or issue.pk != draft.pk), None)
    languages = [article.language, *article.alternates] if article.language else list(article.alternates)
    if article.state == ArticleState.GONE:
        state = "gone"
    elif draft is not None and any(issue.pk == draft.pk for issue in in_issues):
        state = "draft"
    elif any(one.state == CandidateState.SKIPPED for one in asked):
        state = "skipped"
    else:
        state = "used" if used_in else "new"
    return ArticleRow(
        article=article,
        languages=list(dict.fromkeys(languages)),
        at=article.published_at or article.created_at,
        state=state,
        used_in=used_in,
        by=next((str(one.asked_by) for one in asked if one.asked_by), ""),
        picture_fault=articles.describe_picture_problem(article) if state in {"new", "draft", "skipped"} else "",
        changes=changes,
    )


def candidates_without_article(newsletter: Newsletter, words: str = "") -> QuerySet[Candidate]:
    """Pasted URLs that are still to be read, and URLs that did not become articles."""
    found = newsletter.candidates.filter(article__isnull=True).select_related("asked_by")
    found = found.exclude(
        state=CandidateState.WAITING, asked_by__isnull=True
    )  # translations that the reader enqueued itself
    for word in words.split()[:8]:
        found = found.filter(Q(url__icontains=word) | Q(title__icontains=word))
    return found


def _is_set_aside(newsletter: Newsletter) -> Exists:
    return Exists(Candidate.objects.filter(newsletter=newsletter, article=OuterRef("pk"), state=CandidateState.SKIPPED))


def _filter_by_state(
    found: QuerySet[Article], state: str, newsletter: Newsletter, draft: Issue | None, changed: Iterable[int]
) -> QuerySet[Article]:
    if state == "gone":
        return found.filter(state=ArticleState.GONE)
    if state == "changed":
        return found.filter(pk__in=list(changed))
    if state not in STATE_LABELS or not state:
        return found
    live = found.filter(state=ArticleState.LIVE)
    in_draft = Exists(Issue.objects.filter(pk=draft.pk if draft else 0, articles=OuterRef("pk")))
    if state == "draft":
        return live.filter(in_draft)
    live = live.exclude(in_draft)
    if state == "skipped":
        return live.filter(_is_set_aside(newsletter))
    is_used = Exists(newsletter.issues.not_deleted().filter(articles=OuterRef("pk")))
    live = live.exclude(_is_set_aside(newsletter))
    return live.filter(is_used) if state == "used" else live.exclude(is_used)


def _changes_by_article(draft: Issue | None) -> dict[int, list[change_notes.ChangeNote]]:
    """Change notes by article id, for the articles in the draft whose pages have changed."""
    if draft is None:
        return {}
    articles_by_block = {block.id: getattr(block, "article", None) for block in content.parse(draft.content).blocks}
    language = draft.newsletter.default_language
    found: dict[int, list[change_notes.ChangeNote]] = {}
    for change in article_changes.find_changes(draft):
        article = articles_by_block.get(change.block)
        if article is not None and change.kind != "unreachable":
            found.setdefault(article, []).append(change_notes.build_note(change, language=language))
    return found


# --- the list --------------------------------------------------------------------------------------------------------


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    return render_page(request, requested_newsletter(request, request.GET.get("newsletter", "")))


@require_safe
def show_waiting(request: HttpRequest) -> HttpResponse:
    """The number of URLs still to be read. The list polls this while it is not 0."""
    newsletter = requested_newsletter(request, request.GET.get("newsletter", ""))
    context = {"newsletter": newsletter, "waiting": _count_waiting(newsletter), "is_asked": True}
    return render(request, "studio/articles/_waiting_urls.html", context)


def requested_newsletter(request: HttpRequest, slug: str) -> Newsletter:
    """The newsletter with this slug, or the editor's first one."""
    if slug:
        return access.get_newsletter(request, slug, roles.Action.WRITE)
    mine = roles.allowed_newsletters(access.current_editor(request), roles.Action.WRITE)
    if not mine:
        roles.deny(access.current_editor(request), roles.Action.WRITE)
    return mine[0]


def render_page(
    request: HttpRequest,
    newsletter: Newsletter,
    *,
    form: ArticleUrlForm | None = None,
    many: ArticleUrlsForm | None = None,
    status: int = 200,
) -> HttpResponse:
    draft = current_draft(newsletter)
    state, words = request.GET.get("state", ""), request.GET.get("q", "").replace("\0", "").strip()
    state = state if state in STATE_LABELS else ""
    changes = _changes_by_article(draft)
    shown = _filter_by_state(for_newsletter(newsletter, words), state, newsletter, draft, changes)
    sheet = Paginator(shown, PAGE_SIZE).get_page(request.GET.get("page"))
    last = newsletter.issues.filter(status=IssueStatus.SENT, audience={}).order_by("-sent_at").first()
    listed: list[ArticleRow | CandidateRow] = [*build_rows(sheet, draft, changes)]
    if sheet.number == 1 and state in {"", "skipped"}:
        listed += _candidate_rows(newsletter, words, state)
    context = {
        "section": "articles",
        "newsletter": newsletter,
        "draft": draft,
        "last": last,
        "bands": _group_by_age(sorted(listed, key=lambda row: row.at, reverse=True), last),
        "can_choose": any(isinstance(row, ArticleRow) and row.may_choose for row in listed),
        "sheet": sheet,
        "states": _count_by_state(newsletter, draft, changes),
        "state": state,
        "q": words,
        "form": form or ArticleUrlForm(),
        "many": many or ArticleUrlsForm(),
        "waiting": _count_waiting(newsletter),
        "aside": _just_set_aside(request, newsletter),
        "failed": _count_failed(newsletter) if state == "skipped" else 0,
        "sources": newsletter.sources.filter(is_active=True).order_by("-fetched_at"),
        "next_at": newsletter.sources.filter(is_active=True, next_at__isnull=False)
        .order_by("next_at")
        .values_list("next_at", flat=True)
        .first(),
    }
    return render(request, "studio/articles/list.html", context, status=status)


def _count_by_state(newsletter: Newsletter, draft: Issue | None, changes: dict[int, Any]) -> list[dict[str, Any]]:
    found = for_newsletter(newsletter)
    counts = {key: _filter_by_state(found, key, newsletter, draft, changes).count() for key in STATE_LABELS}
    counts["skipped"] += candidates_without_article(newsletter).count()
    return [{"key": key, "label": label, "count": counts[key]} for key, label in STATE_LABELS.items()]


def _candidate_rows(newsletter: Newsletter, words: str, state: str) -> list[CandidateRow]:
    found = candidates_without_article(newsletter, words)
    if state != "skipped":
        found = found.filter(created_at__gt=timezone.now() - CANDIDATE_MAX_AGE)[:MAX_CANDIDATES]
    else:
        found = found[: 5 * MAX_CANDIDATES]
    return describe_candidates(found)


def describe_candidates(candidates: Iterable[Candidate]) -> list[CandidateRow]:
    """Rows of the candidates, with the reasons in the active language."""
    return [CandidateRow(one, one.created_at, articles.translate_reason(one.reason)) for one in candidates]


def _count_waiting(newsletter: Newsletter) -> int:
    return candidates_without_article(newsletter).filter(state=CandidateState.WAITING).count()


def _count_failed(newsletter: Newsletter) -> int:
    """The number of pasted URLs that did not become articles."""
    return candidates_without_article(newsletter).filter(state=CandidateState.SKIPPED, asked_by__isnull=False).count()


def _just_set_aside(request: HttpRequest, newsletter: Newsletter) -> Article | None:
    """The article that was just set aside, to show an undo button."""
    key = access.parse_number(request.GET.get("aside", ""))
    return for_newsletter(newsletter).filter(_is_set_aside(newsletter), pk=key).first() if key else None


def _group_by_age(found: list[ArticleRow | CandidateRow], last: Issue | None) -> list[dict[str, Any]]:
    """Split the rows at the time of the last sent issue. Return one group without a title if nothing was sent yet."""
    if last is None or last.sent_at is None:
        return [{"title": "", "rows": found}] if found else []
    since = [row for row in found if row.at > last.sent_at]
    older = [row for row in found if row.at <= last.sent_at]
    title = _("Since Issue %(number)s") % {"number": last.number}
    return [band for band in ({"title": title, "rows": since}, {"title": _("Older"), "rows": older}) if band["rows"]]
