"""The sources of a newsletter's articles: feeds and sitemaps with their state, and the buttons to read or stop them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.db.models import Count, Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from newsletter import articles, roles
from newsletter.models import CandidateState, Newsletter, Source
from newsletter.studio.articles.article_list import ArticleUrlForm, requested_newsletter
from newsletter.studio.settings import audit_log
from newsletter.studio.shared import access


class SourceForm(ArticleUrlForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["url"].label = _("URL of a feed, a sitemap or your site")
        self.fields["url"].widget.attrs["placeholder"] = "https://"


@dataclass(frozen=True)
class SourceRow:
    """A source with its counts and its last error."""

    source: Source
    articles: int
    left_out: int
    error: str


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    return _render_page(request, requested_newsletter(request, request.GET.get("newsletter", "")))


def _render_page(
    request: HttpRequest, newsletter: Newsletter, *, form: SourceForm | None = None, status: int = 200
) -> HttpResponse:
    found = newsletter.sources.annotate(count=Count("articles")).order_by("-is_active", "pk")
    left_out = Count("pk", filter=Q(state=CandidateState.SKIPPED, article__isnull=True))
    counted = newsletter.candidates.order_by().values("source").annotate(left_out=left_out)
    by_source = dict(counted.values_list("source", "left_out"))
    context = {
        "section": "articles",
        "newsletter": newsletter,
        "rows": [
            SourceRow(source, source.count, by_source.get(source.pk, 0), articles.translate_reason(source.error))
            for source in found
        ],
        "form": form or SourceForm(),
    }
    return render(request, "studio/articles/sources.html", context, status=status)


@require_POST
def add(request: HttpRequest) -> HttpResponse:
    newsletter = requested_newsletter(request, request.POST.get("newsletter", ""))
    form = SourceForm(request.POST)
    if not form.is_valid():
        return _render_page(request, newsletter, form=form, status=422)
    try:
        source = articles.connect_source(form.cleaned_data["url"], newsletter=newsletter)
    except articles.NotAnArticle as error:
        form.add_error("url", str(error))
        return _render_page(request, newsletter, form=form, status=422)
    audit_log.record(request, "source-added", newsletter=newsletter, subject=f"newsletter {newsletter.pk}")
    return _fetch(request, source)


@require_POST
def fetch(request: HttpRequest, source_id: int) -> HttpResponse:
    return _fetch(request, _get_source(request, source_id))


@require_POST
def toggle(request: HttpRequest, source_id: int) -> HttpResponse:
    """Stop or resume reading a feed. Its articles are kept."""
    source = _get_source(request, source_id)
    was_active = source.is_active
    if was_active:
        articles.deactivate_source(source)
    else:
        articles.activate_source(source)
    action = "source-removed" if was_active else "source-added"
    audit_log.record(request, action, newsletter=source.newsletter, subject=f"newsletter {source.newsletter_id}")
    return redirect(_list_url(source.newsletter))


def _get_source(request: HttpRequest, source_id: int) -> Source:
    source = Source.objects.select_related("newsletter").filter(pk=source_id).first()
    if source is None:
        raise Http404("no such feed")
    access.get_newsletter(request, source.newsletter.slug, roles.Action.WRITE)
    return source


def _fetch(request: HttpRequest, source: Source) -> HttpResponse:
    """Read the feed now and show the result as a message."""
    outcome = articles.collect(source, now=timezone.now())
    if outcome.error:
        messages.error(
            request, _("The feed could not be read: %(error)s") % {"error": articles.translate_reason(outcome.error)}
        )
    elif outcome.new or outcome.changed:
        said = [ngettext("%(count)s new article.", "%(count)s new articles.", outcome.new) % {"count": outcome.new}]
        if outcome.changed:
            changed = ngettext("%(count)s article has new text.", "%(count)s articles have new text.", outcome.changed)
            said.append(changed % {"count": outcome.changed})
        messages.success(request, " ".join(said if outcome.new else said[1:]))
    else:
        messages.success(request, _("The feed has no new articles."))
    return redirect(_list_url(source.newsletter))


def _list_url(newsletter: Newsletter) -> str:
    return f"{reverse('source-list')}?newsletter={newsletter.slug}"
