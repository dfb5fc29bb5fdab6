"""The articles that issues are made of: the list with each one's state in words, adding one, and the feeds they come from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Exists, OuterRef, Prefetch, Q, QuerySet
from django.db.models.fields.json import KeyTextTransform
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from newsletter import articles, issues, roles
from newsletter.models import EDITABLE, Article, ArticleState, Issue, IssueStatus, Newsletter, Source
from newsletter.studio import access, audit
from newsletter.studio.forms import StudioFormMixin

A_PAGE = 40
IN_TRAY = 25
STATES: dict[str, Promise] = {
    "": gettext_lazy("All"),
    "new": gettext_lazy("New"),
    "draft": gettext_lazy("In this draft"),
    "used": gettext_lazy("Used"),
    "gone": gettext_lazy("Gone"),
}


class AddressForm(StudioFormMixin, forms.Form):
    url = forms.URLField(
        label=gettext_lazy("Address of the article"),
        max_length=1000,
        assume_scheme="https",
        error_messages={"invalid": gettext_lazy("This is no web address. Copy it from the browser, with https://")},
        widget=forms.URLInput(attrs={"placeholder": gettext_lazy("Paste an article’s address")}),
    )


class SourceForm(AddressForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["url"].label = _("Address of the feed")
        self.fields["url"].widget.attrs["placeholder"] = "https://"


@dataclass(frozen=True)
class Row:
    """An article and where it stands."""

    article: Article
    languages: list[str]
    at: datetime
    state: str
    """new, draft, used or gone."""
    used_in: Issue | None


# --- reads -----------------------------------------------------------------------------------------------------------


def for_newsletter(newsletter: Newsletter, words: str = "") -> QuerySet[Article]:
    """What its own feeds brought, and what was added by hand; with the issues each one is in.

    One row a story: the twin in another language comes along with the original when that is added.
    """
    used = Prefetch("issues", Issue.objects.kept().order_by("-created_at"), to_attr="in_issues")
    found = articles.search(words, newsletter=newsletter).annotate(
        original=KeyTextTransform(newsletter.default_language, "alternates")
    )
    is_twin = ~Q(language=newsletter.default_language) & Exists(Article.objects.filter(url=OuterRef("original")))
    return found.exclude(is_twin).prefetch_related(used)


def current_draft(newsletter: Newsletter) -> Issue | None:
    return newsletter.issues.filter(status__in=EDITABLE, deleted_at__isnull=True).order_by("-created_at").first()


def rows(found: Iterable[Article], draft: Issue | None) -> list[Row]:
    return [_row(article, draft) for article in found]


def _row(article: Article, draft: Issue | None) -> Row:
    in_issues: list[Issue] = article.in_issues  # type: ignore[attr-defined]  # prefetched by for_newsletter
    used_in = next((issue for issue in in_issues if draft is None or issue.pk != draft.pk), None)
    languages = [article.language, *article.alternates] if article.language else list(article.alternates)
    if article.state == ArticleState.GONE:
        state = "gone"
    elif draft is not None and any(issue.pk == draft.pk for issue in in_issues):
        state = "draft"
    else:
        state = "used" if used_in else "new"
    at = article.published_at or article.created_at
    return Row(article, list(dict.fromkeys(languages)), at, state, used_in)


def tray(issue: Issue) -> list[Row]:
    """What the composer offers: the newest articles that are not in the issue already."""
    found = for_newsletter(issue.newsletter).filter(state=ArticleState.LIVE).exclude(issues=issue)
    return rows(found[:IN_TRAY], issue)


def _in_state(found: QuerySet[Article], state: str, draft: Issue | None) -> QuerySet[Article]:
    in_draft = Q(issues=draft) if draft else Q(pk__in=[])
    if state == "gone":
        return found.filter(state=ArticleState.GONE)
    live = found.filter(state=ArticleState.LIVE)
    if state == "draft":
        return live.filter(in_draft)
    if state == "used":
        return live.filter(issues__isnull=False).exclude(in_draft).distinct()
    return live.filter(issues__isnull=True) if state == "new" else found


# --- the list --------------------------------------------------------------------------------------------------------


@require_safe
def listing(request: HttpRequest) -> HttpResponse:
    return _page(request, _newsletter(request, request.GET.get("newsletter", "")))


def _newsletter(request: HttpRequest, slug: str) -> Newsletter:
    """The one asked for, or the editor's first."""
    if slug:
        return access.newsletter(request, slug, roles.Action.WRITE)
    mine = roles.newsletters(access.editor(request), roles.Action.WRITE)
    if not mine:
        roles.refuse(access.editor(request), roles.Action.WRITE)
    return mine[0]


def _page(
    request: HttpRequest, newsletter: Newsletter, *, form: AddressForm | None = None, status: int = 200
) -> HttpResponse:
    draft = current_draft(newsletter)
    state, words = request.GET.get("state", ""), request.GET.get("q", "").strip()
    found = for_newsletter(newsletter)
    counts = {key: _in_state(found, key, draft).count() for key in STATES}
    shown = _in_state(for_newsletter(newsletter, words), state if state in STATES else "", draft)
    sheet = Paginator(shown, A_PAGE).get_page(request.GET.get("page"))
    last = newsletter.issues.filter(status=IssueStatus.SENT).order_by("-sent_at").first()
    context = {
        "section": "articles",
        "newsletter": newsletter,
        "draft": draft,
        "last": last,
        "bands": _bands(rows(sheet, draft), last),
        "sheet": sheet,
        "states": [{"key": key, "label": label, "count": counts[key]} for key, label in STATES.items()],
        "state": state,
        "q": words,
        "form": form or AddressForm(),
        "sources": newsletter.sources.filter(is_active=True).order_by("-fetched_at"),
    }
    return render(request, "studio/articles/list.html", context, status=status)


def _bands(found: list[Row], last: Issue | None) -> list[dict[str, Any]]:
    """Rows since the last issue apart from older ones; one band without a title where nothing was sent yet."""
    if last is None or last.sent_at is None:
        return [{"title": "", "rows": found}] if found else []
    since = [row for row in found if row.at > last.sent_at]
    older = [row for row in found if row.at <= last.sent_at]
    title = _("Since Issue %(number)s") % {"number": last.number}
    return [band for band in ({"title": title, "rows": since}, {"title": _("Older"), "rows": older}) if band["rows"]]


@require_POST
def add(request: HttpRequest) -> HttpResponse:
    """Read the page behind an address and keep it as an article."""
    newsletter = _newsletter(request, request.POST.get("newsletter", ""))
    form = AddressForm(request.POST)
    if not form.is_valid():
        return _page(request, newsletter, form=form, status=422)
    try:
        article = articles.add_by_url(form.cleaned_data["url"], newsletter=newsletter, now=timezone.now())
    except articles.NoArticle as error:
        form.add_error("url", str(error))
        return _page(request, newsletter, form=form, status=422)
    messages.success(request, _("“%(title)s” is here.") % {"title": article.title})
    return redirect(_list(newsletter))


@require_POST
def use(request: HttpRequest) -> HttpResponse:
    """Put an article into the draft, or into a new issue where there is no draft. A second use wants `again`."""
    newsletter = _newsletter(request, request.POST.get("newsletter", ""))
    key = request.POST.get("article", "")
    article = for_newsletter(newsletter).filter(pk=int(key) if key.isdecimal() else 0).first()
    if article is None:
        raise Http404("no such article")
    me, now = access.editor(request), timezone.now()
    draft = current_draft(newsletter) or issues.create(newsletter, editor=me, now=now)
    try:
        draft = issues.add_article(draft, article, editor=me, now=now, again=request.POST.get("again") == "yes")
    except issues.AlreadyUsed as used:
        messages.warning(
            request,
            _("“%(title)s” was in #%(number)s. Choose “Use again” if you want it once more.")
            % {"title": article.title, "number": used.issue.number},
        )
        return redirect(_list(newsletter))
    except issues.Conflict:
        messages.error(request, _("Somebody else saved the draft at this very moment. Try once more."))
        return redirect(_list(newsletter))
    messages.success(
        request, _("“%(title)s” is in the draft of #%(number)s.") % {"title": article.title, "number": draft.number}
    )
    return redirect(_list(newsletter))


def _list(newsletter: Newsletter) -> str:
    return f"{reverse('article-list')}?newsletter={newsletter.slug}"


# --- feeds -----------------------------------------------------------------------------------------------------------


@require_safe
def sources(request: HttpRequest) -> HttpResponse:
    return _sources_page(request, _newsletter(request, request.GET.get("newsletter", "")))


def _sources_page(
    request: HttpRequest, newsletter: Newsletter, *, form: SourceForm | None = None, status: int = 200
) -> HttpResponse:
    context = {
        "section": "articles",
        "newsletter": newsletter,
        "sources": newsletter.sources.order_by("-is_active", "pk"),
        "form": form or SourceForm(),
    }
    return render(request, "studio/articles/sources.html", context, status=status)


@require_http_methods(["POST"])
def add_source(request: HttpRequest) -> HttpResponse:
    newsletter = _newsletter(request, request.POST.get("newsletter", ""))
    form = SourceForm(request.POST)
    if not form.is_valid():
        return _sources_page(request, newsletter, form=form, status=422)
    try:
        source = articles.connect(form.cleaned_data["url"], newsletter=newsletter)
    except articles.NoArticle as error:
        form.add_error("url", str(error))
        return _sources_page(request, newsletter, form=form, status=422)
    audit.record(request, "source-added", newsletter=newsletter, subject=f"newsletter {newsletter.pk}")
    return _read(request, source)


@require_POST
def read_source(request: HttpRequest, source_id: int) -> HttpResponse:
    return _read(request, _source(request, source_id))


@require_POST
def stop_source(request: HttpRequest, source_id: int) -> HttpResponse:
    """Stop reading a feed, or start again; its articles stay."""
    source = _source(request, source_id)
    Source.objects.filter(pk=source.pk).update(is_active=not source.is_active)
    action = "source-removed" if source.is_active else "source-added"
    audit.record(request, action, newsletter=source.newsletter, subject=f"newsletter {source.newsletter_id}")
    return redirect(f"{reverse('source-list')}?newsletter={source.newsletter.slug}")


def _source(request: HttpRequest, source_id: int) -> Source:
    source = Source.objects.select_related("newsletter").filter(pk=source_id).first()
    if source is None:
        raise Http404("no such feed")
    access.newsletter(request, source.newsletter.slug, roles.Action.WRITE)
    return source


def _read(request: HttpRequest, source: Source) -> HttpResponse:
    """Read the feed now, and say what came of it."""
    outcome = articles.collect(source, now=timezone.now())
    if outcome.error:
        messages.error(request, _("The feed could not be read: %(error)s") % {"error": outcome.error})
    elif outcome.new:
        said = ngettext("%(count)s new article.", "%(count)s new articles.", outcome.new)
        messages.success(request, said % {"count": outcome.new})
    else:
        messages.success(request, _("The feed was read just now; it has nothing new."))
    return redirect(f"{reverse('source-list')}?newsletter={source.newsletter.slug}")
