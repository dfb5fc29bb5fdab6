"""The composer: one issue as a form with autosave, preview, checks, undo and history.

Every step is a POST of the whole form and works without JavaScript. htmx requests receive only the changed parts.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from newsletter import content, editions, formatting, issues, roles
from newsletter.media import library
from newsletter.models import Article, Issue, Newsletter
from newsletter.studio.composer import checks_panel, preview_readers, save_tokens, steps, tray
from newsletter.studio.shared import access, change_notes, document_form

PREVIEW_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data: https:; script-src 'none'; "
    "form-action 'none'; frame-ancestors 'self'; sandbox allow-same-origin"
)
INVERTED_COLOURS_STYLE = (
    "<style>html{background:#fff;filter:invert(1) hue-rotate(180deg)}img{filter:invert(1) hue-rotate(180deg)}</style>"
)
"""Imitates mail programs that invert all colours in dark mode, as some do on phones. Images are not inverted."""
RECENT_REVISIONS = 20


@require_safe
def compose(request: HttpRequest, issue_id: int) -> HttpResponse:
    issue = access.get_issue(request, issue_id)
    if not issue.is_editable:
        return _render_locked(request, issue)
    return _render_page(request, issue, chosen_language(issue, request.GET))


@require_POST
def autosave(request: HttpRequest, issue_id: int) -> HttpResponse:
    """Save the posted form. If `do` names a step, apply it to the blocks as a second revision."""
    issue = access.get_issue(request, issue_id)
    language = chosen_language(issue, request.POST)
    do, focus = _requested_step(request.POST), ""
    try:
        read = read_form(request, issue, language)
        if read.errors:
            return respond(request, issue, language, read=read, status=422)
        issue = store(request, issue, read.document)
        if do.startswith("pick:"):
            return redirect_to(request, _pictures_url(issue, language, do.removeprefix("pick:")))
        if do:
            issue, focus = _apply_step(request, issue, do)
    except document_form.BadForm:
        return HttpResponseBadRequest(_("This form is incomplete. Reload the page."))
    except document_form.StepNotPossible as error:
        return respond(request, issue, language, note=str(error))
    except issues.ArticleAlreadyUsed as used:
        note = _("Already used in #%(number)s. Choose “Use again” to add it again.") % {"number": used.issue.number}
        return respond(request, issue, language, note=note)
    except issues.Conflict as conflict:
        return respond(request, issue, language, read=read, conflict=conflict.current, status=409)
    except issues.WrongState as error:
        return respond(request, issue, language, read=read, note=str(error), status=409)
    return respond(request, issue, language, focus=focus, is_whole=bool(do), is_removed=do.startswith("remove:"))


@require_POST
def undo(request: HttpRequest, issue_id: int) -> HttpResponse:
    return _undo_or_redo(request, issue_id, issues.undo)


@require_POST
def redo(request: HttpRequest, issue_id: int) -> HttpResponse:
    return _undo_or_redo(request, issue_id, issues.redo)


@require_POST
def save_as_copy(request: HttpRequest, issue_id: int) -> HttpResponse:
    """Save the posted form as a new draft, after another editor saved the issue in the meantime."""
    issue = access.get_issue(request, issue_id)
    language = chosen_language(issue, request.POST)
    try:
        read = read_form(request, issue, language)
    except document_form.BadForm:
        return HttpResponseBadRequest(_("This form is incomplete. Reload the page."))
    copied_issue = issues.copy(issue, read.document, editor=access.current_editor(request), now=timezone.now())
    messages.success(
        request,
        _("This is your version, saved as issue %(new)s. Issue %(old)s contains the other editor’s version.")
        % {"new": copied_issue.number, "old": issue.number},
    )
    return redirect_to(request, compose_url(copied_issue, language))


@require_safe
def preview(request: HttpRequest, issue_id: int) -> HttpResponse:
    """Return the mail as a page. Its own Content-Security-Policy allows inline styles and forbids scripts."""
    issue = access.get_issue(request, issue_id)
    language = chosen_language(issue, request.GET)
    name = preview_readers.get_name(issue, language, access.current_editor(request), request.GET.get("reader", ""))
    try:
        if request.GET.get("view") == "text":
            body = _text_to_page(editions.preview_text(issue, language, name=name), language)
        else:
            is_dark, images = request.GET.get("look") == "dark", request.GET.get("images") != "off"
            body = editions.preview_html(issue, language, dark=is_dark, images=images, name=name)
            if request.GET.get("look") == "inverted":
                body = body.replace("</head>", f"{INVERTED_COLOURS_STYLE}</head>", 1)
    except editions.RenderError as error:
        body = _text_to_page(str(error), language)
    response = HttpResponse(body)
    response["Content-Security-Policy"] = PREVIEW_POLICY
    response["X-Frame-Options"] = "SAMEORIGIN"
    response["Cache-Control"] = "private, no-store"
    return response


@require_safe
def show_checks(request: HttpRequest, issue_id: int) -> HttpResponse:
    """Return the checks panel. It is loaded separately because the checks take longer than a save."""
    issue = access.get_issue(request, issue_id)
    language = chosen_language(issue, request.GET)
    context = {"issue": issue, "language": language, **checks_panel.panel_context(issue, language)}
    return render(request, "studio/composer/_checks_response.html", context)


@require_safe
def show_tray(request: HttpRequest, issue_id: int) -> HttpResponse:
    """Return the search results of the article tray. Without htmx, redirect to the composer with the same query."""
    issue = access.get_issue(request, issue_id)
    language = chosen_language(issue, request.GET)
    if not access.is_htmx(request):
        return redirect(compose_url(issue, language, q=_search_words(request)))
    found = {"issue": issue, "newsletter": issue.newsletter, "language": language}
    return render(
        request, "studio/composer/_tray_results.html", found | {"tray": tray.build(issue, _search_words(request))}
    )


# --- reading and saving ----------------------------------------------------------------------------------------------


def chosen_language(issue: Issue, given: QueryDict) -> str:
    return issue.newsletter.best_language(given.get("language", ""))


def read_form(request: HttpRequest, issue: Issue, language: str) -> document_form.ParsedForm:
    stored = content.parse(issue.content)
    older = issue.revisions.order_by("-number").values_list("content", flat=True)[:RECENT_REVISIONS]
    named = set(request.POST.getlist("block"))
    known = {block.id: block for block in stored.blocks}
    if not named <= known.keys():
        known = document_form.known_blocks(stored, older)
    return document_form.parse(request.POST, stored, known, language=language)


def posted_version(request: HttpRequest) -> int:
    """The version of the issue that the form was rendered from; 0 if the form has none."""
    return access.parse_number(request.POST.get("version", ""), digits=save_tokens.MAX_DIGITS)


def _requested_step(post: QueryDict) -> str:
    """The requested step. The Enter key submits "save"; if the tray's search field holds a URL, add that page."""
    do = post.get("do", "")
    if do not in {"save", "find"}:
        return do
    address = tray.parse_url(post.get("q", "")) if do == "save" else ""
    return f"paste:{address}" if address else ""


def _apply_step(request: HttpRequest, issue: Issue, do: str) -> tuple[Issue, str]:
    """Apply a step to the stored blocks as a separate revision. Return the issue and the id of the block to focus."""
    document = content.parse(issue.content)
    verb, _colon, rest = do.partition(":")
    is_placed = ":" in rest and verb in {"add", "article", "again", "saved"}
    after = "" if is_placed else request.POST.get("after" if verb == "add" else "tray_after", "")
    focus = steps.apply(issue, document, do, after=after)
    editor, now = access.current_editor(request), timezone.now()
    saved = issues.save(issue, document, version=issue.version, editor=editor, now=now, is_step=True)
    return saved, focus


def store(request: HttpRequest, issue: Issue, document: content.Document) -> Issue:
    """Save the document if it changed. Raises issues.Conflict if the issue was saved since the form was rendered."""
    version = save_tokens.base_version(request.POST, issue, editor=access.current_editor(request))
    if version == issue.version and content.dump(document) == issue.content:
        return issue
    stored = issues.save(issue, document, version=version, editor=access.current_editor(request), now=timezone.now())
    library.remember_alt_texts(document, issue.newsletter.default_language)
    return stored


def _undo_or_redo(request: HttpRequest, issue_id: int, operation: Any) -> HttpResponse:
    """Undo or redo. Unsaved changes of the form are saved first, so that undo reverts them first."""
    issue = access.get_issue(request, issue_id)
    language = chosen_language(issue, request.POST)
    note = ""
    try:
        read = read_form(request, issue, language)
        if request.POST.getlist("block") and not read.errors:
            issue = store(request, issue, read.document)
            version = issue.version
        else:
            version = posted_version(request)
        issue = operation(issue, version=version, editor=access.current_editor(request), now=timezone.now())
    except document_form.BadForm:
        return HttpResponseBadRequest(_("This form is incomplete. Reload the page."))
    except issues.NoSuchRevision as error:
        note = str(error)
    except issues.Conflict as conflict:
        return respond(request, issue, language, read=read, conflict=conflict.current, status=409)
    except issues.WrongState as error:
        return respond(request, issue, language, read=read, note=str(error), status=409)
    return respond(request, issue, language, note=note, is_whole=True)


# --- answering -------------------------------------------------------------------------------------------------------


def respond(
    request: HttpRequest,
    issue: Issue,
    language: str,
    *,
    read: document_form.ParsedForm | None = None,
    conflict: Issue | None = None,
    note: str = "",
    focus: str = "",
    is_whole: bool = False,
    is_removed: bool = False,
    status: int = 200,
) -> HttpResponse:
    """Answer a POST. htmx receives the changed parts. A plain form receives a redirect, or the page if status is not 200."""
    if not access.is_htmx(request):
        if status == 200:
            if note:
                messages.info(request, note)
            query = {"q": _search_words(request), "removed": "yes" if is_removed else ""}
            return redirect(compose_url(issue, language, **query) + (f"#{focus}" if focus else ""))
        return _render_page(request, issue, language, read=read, conflict=conflict, note=note, status=status)
    context = _shared_context(request, issue, language, read=read, conflict=conflict, note=note)
    context |= {"is_whole": is_whole, "focus": focus, "is_saved": status == 200, "is_removed": is_removed}
    context["has_moved"] = issue.version != posted_version(request)
    if is_whole or context["errors"]:
        context |= _blocks_context(request, issue, language, read=read)
    if is_whole:
        context["tray"] = tray.build(issue, _search_words(request))
    response = render(request, "studio/composer/_save_response.html", context, status=status)
    if status == 200:
        save_tokens.remember_save(request.POST, issue, editor=access.current_editor(request))
        response["HX-Trigger"] = "preview-stale"
    return response


def respond_with_card(request: HttpRequest, issue: Issue, language: str, block_id: str) -> HttpResponse:
    """Answer an htmx request with one changed card and the save state."""
    save_tokens.remember_save(request.POST, issue, editor=access.current_editor(request))
    context = _shared_context(request, issue, language, read=None, conflict=None, note="") | _blocks_context(
        request, issue, language
    )
    context["card"] = next(card for card in context["cards"] if card.id == block_id)
    response = render(request, "studio/composer/_card_response.html", context)
    response["HX-Trigger"] = "preview-stale"
    return response


def _search_words(request: HttpRequest) -> str:
    """The search words of the tray. A URL that was added by this request is cleared."""
    words = str(request.POST.get("q", "") if request.method == "POST" else request.GET.get("q", ""))
    return "" if request.method == "POST" and request.POST.get("do") != "find" and tray.parse_url(words) else words


def _render_page(
    request: HttpRequest,
    issue: Issue,
    language: str,
    *,
    read: document_form.ParsedForm | None = None,
    conflict: Issue | None = None,
    note: str = "",
    status: int = 200,
) -> HttpResponse:
    context = _shared_context(request, issue, language, read=read, conflict=conflict, note=note)
    context |= _blocks_context(request, issue, language, read=read)
    context |= {"tray": tray.build(issue, _search_words(request)), **checks_panel.panel_context(issue, language)}
    context["is_removed"] = "removed" in request.GET and context["may_undo"]
    context["readers"] = preview_readers.choices(issue, language, access.current_editor(request))
    return render(request, "studio/composer/composer.html", context, status=status)


def _shared_context(
    request: HttpRequest,
    issue: Issue,
    language: str,
    *,
    read: document_form.ParsedForm | None,
    conflict: Issue | None,
    note: str,
) -> dict[str, Any]:
    """Context of every answer: save state, version, language tabs, undo, inbox preview."""
    newsletter = issue.newsletter
    stored = content.parse(issue.content)
    may_undo, may_redo = issues.undo_redo_available(issue)
    return {
        "section": "issues",
        "issue": issue,
        "newsletter": newsletter,
        "language": language,
        "default": newsletter.default_language,
        "is_translation": language != newsletter.default_language,
        "tabs": [
            {"code": code, "missing": document_form.count_missing(stored, code), "is_here": code == language}
            for code in editions.languages(issue)
        ],
        "version": posted_version(request) if read else issue.version,
        "envelope": document_form.envelope_fields(
            read.document if read else stored,
            language=language,
            default=newsletter.default_language,
            typed=read.typed if read else {},
            errors=read.errors if read else {},
        ),
        "errors": read.errors if read else {},
        "conflict": conflict,
        "note": note,
        "may_undo": may_undo,
        "may_redo": may_redo,
        "inbox": stored.envelope(language, newsletter.default_language),
    }


def _blocks_context(
    request: HttpRequest, issue: Issue, language: str, *, read: document_form.ParsedForm | None = None
) -> dict[str, Any]:
    """Context of the fields: the envelope and one card for each block, with errors, warnings and change notes."""
    newsletter = issue.newsletter
    document = read.document if read else content.parse(issue.content)
    typed, errors = (read.typed, read.errors) if read else ({}, {})
    shared: dict[str, Any] = {
        "language": language,
        "default": newsletter.default_language,
        "typed": typed,
        "errors": errors,
    }
    cards = document_form.build_cards(document, facts=_document_facts(newsletter, document), **shared)
    bounds = [
        *document_form.envelope_fields(document, **shared),
        *(bound for card in cards for bound in card.bound_fields),
    ]
    return {
        "cards": cards,
        "faults": [bound for bound in bounds if bound.error],
        "guarded": change_notes.list_notes(document, language=language),
        "kinds": document_form.KIND_LABELS.items(),
        "policies": document_form.POLICY_LABELS.items(),
        "first_language": formatting.language_name(newsletter.default_language),
        "is_beside": request.method != "POST" or "beside" in request.POST,
    }


def _document_facts(newsletter: Newsletter, document: content.Document) -> document_form.DocumentFacts:
    rows = Article.objects.filter(pk__in=document.article_ids()).values_list("pk", "language", "alternates")
    return document_form.DocumentFacts(
        zone=newsletter.zone,
        warnings=library.picture_warnings(document),
        twins={key: frozenset([language, *alternates]) for key, language, alternates in rows},
    )


def _render_locked(request: HttpRequest, issue: Issue) -> HttpResponse:
    context = {"section": "issues", "issue": issue, "language": chosen_language(issue, request.GET)}
    context["tabs"] = editions.languages(issue)
    context["may_send"] = roles.is_allowed(access.current_editor(request), roles.Action.SEND, issue.newsletter)
    return render(request, "studio/composer/locked.html", context)


def compose_url(issue: Issue, language: str, **query: str) -> str:
    """The URL of the composer in a language. Empty parameters are left out."""
    parameters = {"language": language if language != issue.newsletter.default_language else "", **query}
    encoded = urlencode({name: value for name, value in parameters.items() if value})
    return reverse("issue-compose", args=[issue.pk]) + (f"?{encoded}" if encoded else "")


def _pictures_url(issue: Issue, language: str, block_id: str) -> str:
    return f"{reverse('issue-images', args=[issue.pk])}?{urlencode({'block': block_id, 'language': language})}"


def redirect_to(request: HttpRequest, address: str) -> HttpResponse:
    if access.is_htmx(request):
        return HttpResponse(headers={"HX-Redirect": address})
    return redirect(address)


def _text_to_page(text: str, language: str) -> str:
    return format_html(
        '<!doctype html><html lang="{}"><head><meta charset="utf-8"><title>{}</title><style>'
        "body{{margin:0;padding:1.25rem;background:#fff;color:#1d1b17}}"
        "pre{{font:14px/1.5 ui-monospace,monospace;white-space:pre-wrap;overflow-wrap:anywhere;margin:0}}"
        "</style></head><body><pre>{}</pre></body></html>",
        language,
        _("Text version"),
        text,
    )
