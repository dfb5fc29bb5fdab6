"""The buttons of the article list: add by URL, add to the draft, set aside, accept or reject a change."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBadRequest, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from newsletter import articles, content, issues
from newsletter.articles import article_changes
from newsletter.drafts import preparation
from newsletter.models import Article, ArticleState, Candidate, CandidateState, Editor, Issue, Newsletter
from newsletter.studio.articles import article_list
from newsletter.studio.articles.article_list import ArticleUrlForm, ArticleUrlsForm, requested_newsletter
from newsletter.studio.shared import access, document_form

FILTER_PARAMETERS = ("state", "q", "page")


class TooManyBlocks(Exception):
    """The draft would exceed the maximum number of blocks. The message is shown to the editor."""


# --- adding ----------------------------------------------------------------------------------------------------------


@require_POST
def add(request: HttpRequest) -> HttpResponse:
    """Read the page at a URL and store it as an article."""
    newsletter = requested_newsletter(request, request.POST.get("newsletter", ""))
    form = ArticleUrlForm(request.POST)
    if not form.is_valid():
        return article_list.render_page(request, newsletter, form=form, status=422)
    try:
        article = articles.add_by_url(
            form.cleaned_data["url"], newsletter=newsletter, editor=access.current_editor(request), now=timezone.now()
        )
    except articles.NotAnArticle as error:
        form.add_error("url", str(error))
        return article_list.render_page(request, newsletter, form=form, status=422)
    messages.success(request, _("“%(title)s” has been added.") % {"title": article.title})
    if fault := articles.describe_picture_problem(article):
        messages.warning(request, fault)
    return redirect(list_url(newsletter))


@require_POST
def paste(request: HttpRequest) -> HttpResponse:
    """Enqueue several URLs. A worker reads them."""
    newsletter = requested_newsletter(request, request.POST.get("newsletter", ""))
    form = ArticleUrlsForm(request.POST)
    if not form.is_valid():
        return article_list.render_page(request, newsletter, many=form, status=422)
    pasted = articles.enqueue_pasted(
        form.cleaned_data["urls"], newsletter=newsletter, editor=access.current_editor(request), now=timezone.now()
    )
    if pasted.wrong:
        form = ArticleUrlsForm({"urls": "\n".join(pasted.wrong)})
        form.add_error("urls", _describe_rejected(pasted))
        return article_list.render_page(request, newsletter, many=form, status=422)
    messages.success(request, _describe_accepted(pasted))
    return redirect(list_url(newsletter))


def _describe_accepted(pasted: articles.PasteResult) -> str:
    waiting, known = len(pasted.waiting), len(pasted.known)
    said = []
    if waiting:
        said.append(ngettext("%(count)s URL will be read now.", "%(count)s URLs will be read now.", waiting))
    if known:
        said.append(ngettext("%(known)s is already in the list.", "%(known)s are already in the list.", known))
    return " ".join(said) % {"count": waiting, "known": known}


def _describe_rejected(pasted: articles.PasteResult) -> str:
    wrong = len(pasted.wrong)
    said = ngettext(
        "This line is not a web address, or exceeds the limit. Correct it and add it again.",
        "These %(count)s lines are not web addresses, or exceed the limit. Correct them and add them again.",
        wrong,
    ) % {"count": wrong}
    return f"{_describe_accepted(pasted)} {said}".strip() if pasted.waiting or pasted.known else said


@require_POST
def try_again(request: HttpRequest) -> HttpResponse:
    """Read URLs again that did not become articles: the given ones, or with `all` every pasted one.

    With `anyway`, add the given page immediately, even if it does not look like an article.
    """
    newsletter = requested_newsletter(request, request.POST.get("newsletter", ""))
    left_out = newsletter.candidates.filter(state=CandidateState.SKIPPED, article__isnull=True)
    if request.POST.get("all") == "yes":
        found = list(left_out.filter(asked_by__isnull=False)[: articles.MAX_PASTED])
    else:
        found = list(left_out.filter(pk__in=_parse_ids(request.POST.getlist("candidate"))))
    if not found:
        raise Http404("no such address")
    if request.POST.get("anyway") == "yes":
        _add_anyway(request, found[0], newsletter)
    else:
        count = articles.retry(found, now=timezone.now())
        said = ngettext("%(count)s URL will be read now.", "%(count)s URLs will be read now.", count)
        messages.success(request, said % {"count": count})
    return redirect(_return_url(request, newsletter))


def _add_anyway(request: HttpRequest, candidate: Candidate, newsletter: Newsletter) -> None:
    now = timezone.now()
    try:
        article = articles.add_by_url(
            candidate.url, newsletter=newsletter, editor=access.current_editor(request), now=now, anyway=True
        )
    except articles.NotAnArticle as error:
        messages.error(request, str(error))
        return
    Candidate.objects.filter(pk=candidate.pk).update(state=CandidateState.TAKEN, article=article, done_at=now)
    messages.success(request, _("“%(title)s” has been added.") % {"title": article.title})


# --- into the draft --------------------------------------------------------------------------------------------------


@require_POST
def add_to_draft(request: HttpRequest) -> HttpResponse:
    """Add articles to the draft, or to a new issue if there is no draft. Used articles are added only with `again`.

    A single article redirects to the list. With `many`, redirect to the composer.
    """
    newsletter = requested_newsletter(request, request.POST.get("newsletter", ""))
    is_many = request.POST.get("many") == "yes"
    chosen = _chosen_articles(newsletter, request.POST.getlist("article"))
    if not chosen and is_many:
        messages.warning(request, _("Select the articles first. Tick the box next to each one."))
        return redirect(_return_url(request, newsletter))
    if not chosen:
        raise Http404("no such article")
    draft = article_list.current_draft(newsletter)
    used = [] if request.POST.get("again") == "yes" else _used_elsewhere(chosen, draft)
    if used and is_many:
        return _ask_about_reuse(request, newsletter, chosen=chosen, used=used, draft=draft)
    if used:
        messages.warning(
            request,
            _("“%(title)s” was in #%(number)s. Choose “Use again” to add it again.")
            % {"title": used[0].article.title, "number": used[0].used_in.number if used[0].used_in else ""},
        )
        return redirect(_return_url(request, newsletter))
    try:
        draft, count = append_articles(
            chosen, newsletter, draft, editor=access.current_editor(request), now=timezone.now()
        )
    except (issues.Conflict, issues.WrongState):
        messages.error(request, _("Someone else saved the draft at the same time. Try again."))
        return redirect(_return_url(request, newsletter))
    except TooManyBlocks as error:
        messages.error(request, str(error))
        return redirect(_return_url(request, newsletter))
    _report_added(request, chosen, draft, count)
    return redirect("issue-compose", draft.pk) if is_many else redirect(_return_url(request, newsletter))


def append_articles(
    chosen: list[Article], newsletter: Newsletter, draft: Issue | None, *, editor: Editor, now: datetime
) -> tuple[Issue, int]:
    """Append articles to the draft in one revision. Return the draft and the number of added articles.

    Articles that are in the draft already are skipped. Raises TooManyBlocks, issues.Conflict and issues.WrongState.
    """
    document = content.parse(draft.content if draft else {})
    in_draft = set(document.article_ids())
    fresh = [article for article in chosen if article.pk not in in_draft]
    if len(document.blocks) + len(fresh) > document_form.MAX_BLOCKS:
        raise TooManyBlocks(
            _("An issue can have at most %(most)s blocks. Choose fewer articles.") % {"most": document_form.MAX_BLOCKS}
        )
    if draft is None:
        draft = issues.create(newsletter, editor=editor, now=now)
        document = content.parse(draft.content)
    for article in fresh:
        document.blocks.append(issues.build_story_block(article, newsletter, is_lead=not document.blocks))
    if fresh:
        preparation.fill_preheaders(document, newsletter)
        draft = issues.save(draft, document, version=draft.version, editor=editor, now=now)
    for article in fresh:
        articles.bring_back(article, newsletter=newsletter)
    return draft, len(fresh)


def _report_added(request: HttpRequest, chosen: list[Article], draft: Issue, count: int) -> None:
    if len(chosen) == 1:
        said = _("“%(title)s” was added to the draft of #%(number)s.")
    else:
        said = ngettext(
            "%(count)s article was added to the draft of #%(number)s.",
            "%(count)s articles were added to the draft of #%(number)s.",
            count,
        )
    messages.success(request, said % {"title": chosen[0].title, "number": draft.number, "count": count})


def _ask_about_reuse(
    request: HttpRequest,
    newsletter: Newsletter,
    *,
    chosen: list[Article],
    used: list[article_list.ArticleRow],
    draft: Issue | None,
) -> HttpResponse:
    """Ask whether to add all selected articles or only those that were not used before."""
    keys = {row.article.pk for row in used}
    context = {
        "section": "articles",
        "newsletter": newsletter,
        "draft": draft,
        "used": used,
        "chosen": chosen,
        "fresh": [article for article in chosen if article.pk not in keys],
    }
    return render(request, "studio/articles/reuse_confirmation.html", context)


def _chosen_articles(newsletter: Newsletter, keys: Iterable[str]) -> list[Article]:
    """The articles with these ids, in the posted order. Deleted articles are left out."""
    wanted = _parse_ids(keys)
    found = article_list.for_newsletter(newsletter).filter(pk__in=wanted, state=ArticleState.LIVE)
    return sorted(found, key=lambda article: wanted.index(article.pk))


def _used_elsewhere(chosen: list[Article], draft: Issue | None) -> list[article_list.ArticleRow]:
    """The articles that another issue of the newsletter contains."""
    return [row for row in article_list.build_rows(chosen, draft) if row.used_in and row.state != "draft"]


# --- setting aside ---------------------------------------------------------------------------------------------------


@require_POST
def set_aside(request: HttpRequest) -> HttpResponse:
    """Remove an article from the suggestions. The next page shows an undo button."""
    newsletter, article = _get_article(request)
    articles.set_aside(article, newsletter=newsletter, editor=access.current_editor(request), now=timezone.now())
    return redirect(_return_url(request, newsletter, aside=str(article.pk)))


@require_POST
def bring_back(request: HttpRequest) -> HttpResponse:
    newsletter, article = _get_article(request)
    articles.bring_back(article, newsletter=newsletter)
    messages.success(request, _("“%(title)s” is in the list again.") % {"title": article.title})
    return redirect(_return_url(request, newsletter))


# --- changed since ---------------------------------------------------------------------------------------------------


@require_POST
def answer_change(request: HttpRequest) -> HttpResponse:
    """Accept or reject an article's new text for the current draft, without opening the composer."""
    newsletter = requested_newsletter(request, request.POST.get("newsletter", ""))
    draft = article_list.current_draft(newsletter)
    answers = {"take": article_changes.update_block, "keep": article_changes.dismiss_change}
    verb, _colon, rest = request.POST.get("do", "").partition(":")
    if draft is None or verb not in answers:
        return HttpResponseBadRequest(_("This form is incomplete. Reload the page."))
    block, _colon, language = rest.partition(":")
    document = content.parse(draft.content)
    try:
        answers[verb](document, block, language=language)
        issues.save(draft, document, version=draft.version, editor=access.current_editor(request), now=timezone.now())
    except article_changes.BlockNotFound:
        messages.warning(request, _("This block is no longer in the draft."))
    except (issues.Conflict, issues.WrongState):
        messages.error(request, _("Someone else saved the draft at the same time. Try again."))
    else:
        said = _("The new text is in the draft of #%(number)s.") if verb == "take" else _("The draft was not changed.")
        messages.success(request, said % {"number": draft.number})
    return redirect(_return_url(request, newsletter))


# --- where to --------------------------------------------------------------------------------------------------------


def list_url(newsletter: Newsletter) -> str:
    return f"{reverse('article-list')}?newsletter={newsletter.slug}"


def _return_url(request: HttpRequest, newsletter: Newsletter, **more: str) -> str:
    """The URL of the list with its filters, which the form posts as a query string in `back`."""
    posted = QueryDict(request.POST.get("back", "")[:500])
    query = QueryDict(mutable=True)
    query["newsletter"] = newsletter.slug
    query.update({name: posted[name] for name in FILTER_PARAMETERS if posted.get(name)})
    query.update(more)
    return f"{reverse('article-list')}?{query.urlencode()}"


def _get_article(request: HttpRequest) -> tuple[Newsletter, Article]:
    newsletter = requested_newsletter(request, request.POST.get("newsletter", ""))
    article = (
        article_list.for_newsletter(newsletter).filter(pk__in=_parse_ids([request.POST.get("article", "")])).first()
    )
    if article is None:
        raise Http404("no such article")
    return newsletter, article


def _parse_ids(given: Iterable[str]) -> list[int]:
    return list(dict.fromkeys(key for text in given if (key := access.parse_number(text))))[:100]
