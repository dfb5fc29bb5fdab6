"""The composer: one issue as a form that saves itself, with its preview, checks, undo and history.

Every step is a POST of the whole form and works without script; htmx gets only the parts that changed.
"""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from newsletter import checks, content, editions, issues, roles
from newsletter.models import Issue
from newsletter.studio import access, articles_page, documents, guarding, steps

PREVIEW_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data: https:; script-src 'none'; "
    "form-action 'none'; frame-ancestors 'self'; sandbox allow-same-origin"
)
RECENT_REVISIONS = 20
FIELD_OF_CHECK = {"E20": "preheader", "E21": "subject"}


@require_safe
def compose(request: HttpRequest, issue_id: int) -> HttpResponse:
    issue = access.issue(request, issue_id)
    if not issue.is_editable:
        return _locked(request, issue)
    return _page(request, issue, _language(issue, request.GET))


@require_POST
def autosave(request: HttpRequest, issue_id: int) -> HttpResponse:
    """Save the posted form; with `do`, take one step on its blocks as well."""
    issue = access.issue(request, issue_id)
    language = _language(issue, request.POST)
    do, focus = request.POST.get("do", ""), ""
    try:
        read = _read(request, issue, language)
        if read.errors:
            return _answer(request, issue, language, read=read, status=422)
        issue = _store(request, issue, read.document)
        if do:
            issue, focus = _step(request, issue, do)
    except documents.BadForm:
        return HttpResponseBadRequest(_("This form is not complete. Load the page again."))
    except issues.AlreadyUsed as used:
        note = _("Used in #%(number)s already. Choose “Use again” to add it once more.") % {"number": used.issue.number}
        return _answer(request, issue, language, note=note)
    except issues.Conflict as conflict:
        return _answer(request, issue, language, read=read, conflict=conflict.current, status=409)
    except issues.WrongState as wrong:
        return _answer(request, issue, language, read=read, note=str(wrong), status=409)
    return _answer(request, issue, language, focus=focus, is_whole=bool(do))


@require_POST
def undo(request: HttpRequest, issue_id: int) -> HttpResponse:
    return _walk(request, issue_id, issues.undo)


@require_POST
def redo(request: HttpRequest, issue_id: int) -> HttpResponse:
    return _walk(request, issue_id, issues.redo)


@require_POST
def copy(request: HttpRequest, issue_id: int) -> HttpResponse:
    """Keep what was typed as a draft of its own, when somebody else saved the issue meanwhile."""
    issue = access.issue(request, issue_id)
    language = _language(issue, request.POST)
    try:
        read = _read(request, issue, language)
    except documents.BadForm:
        return HttpResponseBadRequest(_("This form is not complete. Load the page again."))
    twin = issues.copy(issue, read.document, editor=access.editor(request), now=timezone.now())
    messages.success(
        request,
        _("This is your version, kept as issue %(new)s. Issue %(old)s is as the other editor left it.")
        % {"new": twin.number, "old": issue.number},
    )
    return _go(request, _address(twin, language))


@require_safe
def preview(request: HttpRequest, issue_id: int) -> HttpResponse:
    """The mail itself, in a policy of its own: its inline styles hold, and nothing in it can run."""
    issue = access.issue(request, issue_id)
    language = _language(issue, request.GET)
    try:
        if request.GET.get("view") == "text":
            body = _as_page(editions.preview_text(issue, language), language)
        else:
            is_dark, images = request.GET.get("look") == "dark", request.GET.get("images") != "off"
            body = editions.preview_html(issue, language, dark=is_dark, images=images)
    except editions.CannotRender as error:
        body = _as_page(str(error), language)
    response = HttpResponse(body)
    response["Content-Security-Policy"] = PREVIEW_POLICY
    response["X-Frame-Options"] = "SAMEORIGIN"
    response["Cache-Control"] = "private, no-store"
    return response


@require_safe
def checked(request: HttpRequest, issue_id: int) -> HttpResponse:
    """The checks by themselves: they take longer than a save, so a save does not wait for them."""
    issue = access.issue(request, issue_id)
    language = _language(issue, request.GET)
    context = {"issue": issue, "language": language, **_checked(issue, language)}
    return render(request, "studio/composer/_checked.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def history(request: HttpRequest, issue_id: int) -> HttpResponse:
    """What the issue said before, by whom; a POST makes an old version the newest."""
    issue = access.issue(request, issue_id)
    if request.method == "POST":
        return _restore(request, issue)
    revisions = list(issue.revisions.select_related("editor").order_by("-number")[:100])
    rows = [
        {
            "revision": revision,
            "said": _in_words(before.content if before else {}, revision.content, issue.newsletter.default_language),
            "is_head": revision.number == issue.revision_head,
        }
        for revision, before in zip(revisions, [*revisions[1:], None], strict=True)
    ]
    return render(request, "studio/composer/history.html", {"section": "issues", "issue": issue, "rows": rows})


# --- reading and saving ----------------------------------------------------------------------------------------------


def _language(issue: Issue, given: QueryDict) -> str:
    return issue.newsletter.best_language(given.get("language", ""))


def _read(request: HttpRequest, issue: Issue, language: str) -> documents.Read:
    stored = content.parse(issue.content)
    older = issue.revisions.order_by("-number").values_list("content", flat=True)[:RECENT_REVISIONS]
    named = set(request.POST.getlist("block"))
    known = {block.id: block for block in stored.blocks}
    if not named <= known.keys():
        known = documents.known_blocks(stored, older)
    return documents.read(request.POST, stored, known, language=language)


def _version(request: HttpRequest) -> int:
    given = request.POST.get("version", "")
    return int(given) if given.isdecimal() and len(given) < 10 else 0


def _step(request: HttpRequest, issue: Issue, do: str) -> tuple[Issue, str]:
    """Take a step on the stored blocks, as a revision of its own; with the id of the block to look at next."""
    document = content.parse(issue.content)
    focus = steps.take(issue, document, do)
    moved = issues.save(issue, document, version=issue.version, editor=access.editor(request), now=timezone.now())
    return moved, focus


def _store(request: HttpRequest, issue: Issue, document: content.Document) -> Issue:
    """Save, unless nothing was changed; the version is compared in both cases."""
    version = _version(request)
    if version == issue.version and content.dump(document) == issue.content:
        return issue
    return issues.save(issue, document, version=version, editor=access.editor(request), now=timezone.now())


def _walk(request: HttpRequest, issue_id: int, walk: Any) -> HttpResponse:
    """Undo or redo. What was typed and not saved yet is saved first, so that it is the first thing undone."""
    issue = access.issue(request, issue_id)
    language = _language(issue, request.POST)
    note = ""
    try:
        read = _read(request, issue, language)
        if request.POST.getlist("block") and not read.errors:
            issue = _store(request, issue, read.document)
            version = issue.version
        else:
            version = _version(request)
        issue = walk(issue, version=version, editor=access.editor(request), now=timezone.now())
    except documents.BadForm:
        return HttpResponseBadRequest(_("This form is not complete. Load the page again."))
    except issues.NothingThere as nothing:
        note = str(nothing)
    except issues.Conflict as conflict:
        return _answer(request, issue, language, read=read, conflict=conflict.current, status=409)
    except issues.WrongState as wrong:
        return _answer(request, issue, language, read=read, note=str(wrong), status=409)
    return _answer(request, issue, language, note=note, is_whole=True)


def _restore(request: HttpRequest, issue: Issue) -> HttpResponse:
    number = request.POST.get("number", "")
    try:
        issues.restore(
            issue,
            int(number) if number.isdecimal() else 0,
            version=issue.version,
            editor=access.editor(request),
            now=timezone.now(),
        )
    except (issues.NothingThere, issues.WrongState) as wrong:
        messages.error(request, str(wrong))
        return redirect("issue-history", issue.pk)
    messages.success(request, _("Version %(number)s is back. Undo takes you to where you were.") % {"number": number})
    return redirect("issue-compose", issue.pk)


# --- answering -------------------------------------------------------------------------------------------------------


def _answer(
    request: HttpRequest,
    issue: Issue,
    language: str,
    *,
    read: documents.Read | None = None,
    conflict: Issue | None = None,
    note: str = "",
    focus: str = "",
    is_whole: bool = False,
    status: int = 200,
) -> HttpResponse:
    """The changed parts for htmx; for a plain form the page again, or a redirect to it where all went well."""
    if not request.htmx:  # type: ignore[attr-defined]
        if status == 200:
            if note:
                messages.info(request, note)
            return redirect(_address(issue, language) + (f"#{focus}" if focus else ""))
        return _page(request, issue, language, read=read, conflict=conflict, note=note, status=status)
    context = _context(request, issue, language, read=read, conflict=conflict, note=note)
    context |= {"is_whole": is_whole, "focus": focus, "is_saved": status == 200}
    if is_whole:
        context["tray"] = articles_page.tray(issue)
    response = render(request, "studio/composer/_saved.html", context, status=status)
    if status == 200:
        response["HX-Trigger"] = "preview-stale"
    return response


def _page(
    request: HttpRequest,
    issue: Issue,
    language: str,
    *,
    read: documents.Read | None = None,
    conflict: Issue | None = None,
    note: str = "",
    status: int = 200,
) -> HttpResponse:
    context = _context(request, issue, language, read=read, conflict=conflict, note=note)
    context |= {"tray": articles_page.tray(issue), **_checked(issue, language)}
    return render(request, "studio/composer/compose.html", context, status=status)


def _context(
    request: HttpRequest,
    issue: Issue,
    language: str,
    *,
    read: documents.Read | None,
    conflict: Issue | None,
    note: str,
) -> dict[str, Any]:
    newsletter = issue.newsletter
    stored = content.parse(issue.content)
    document = read.document if read else stored
    typed, errors = (read.typed, read.errors) if read else ({}, {})
    shown = stored.envelope(language, newsletter.default_language)
    may_undo, may_redo = issues.steps(issue)
    return {
        "section": "issues",
        "issue": issue,
        "newsletter": newsletter,
        "language": language,
        "tabs": [
            {"code": code, "missing": documents.missing(stored, code), "is_here": code == language}
            for code in editions.languages(issue)
        ],
        "version": _version(request) if read else issue.version,
        "envelope": documents.envelope(document, language=language, typed=typed, errors=errors),
        "cards": documents.cards(
            document, language=language, default=newsletter.default_language, typed=typed, errors=errors
        ),
        "guarded": guarding.notes(document, language=language),
        "kinds": documents.KINDS.items(),
        "tones": documents.TONES.items(),
        "policies": documents.POLICIES.items(),
        "errors": errors,
        "conflict": conflict,
        "note": note,
        "may_undo": may_undo,
        "may_redo": may_redo,
        "inbox": shown,
    }


def _checked(issue: Issue, language: str) -> dict[str, Any]:
    """What the checks say, the worst first."""
    found = checks.run(issue)
    order = {"blocks": 0, "warns": 1, "suggests": 2}
    open_checks = sorted((check for check in found if not check.ok), key=lambda check: order[check.severity])
    rows = [{"check": check, "href": _place(check, language)} for check in open_checks]
    return {
        "open_checks": rows,
        "passed": [check for check in found if check.ok],
        "blocking": sum(1 for check in open_checks if check.severity == "blocks"),
    }


def _place(check: checks.Check, language: str) -> str:
    """Where in the composer a check can be answered; "" if nowhere."""
    anchor = check.block or FIELD_OF_CHECK.get(check.id, "")
    if not anchor:
        return ""
    elsewhere = check.language and check.language != language
    return f"?language={check.language}#{anchor}" if elsewhere else f"#{anchor}"


def _locked(request: HttpRequest, issue: Issue) -> HttpResponse:
    context = {"section": "issues", "issue": issue, "language": _language(issue, request.GET)}
    context["tabs"] = editions.languages(issue)
    context["may_send"] = roles.may(access.editor(request), roles.Action.SEND, issue.newsletter)
    return render(request, "studio/composer/locked.html", context)


def _address(issue: Issue, language: str) -> str:
    address = reverse("issue-compose", args=[issue.pk])
    return address if language == issue.newsletter.default_language else f"{address}?language={language}"


def _go(request: HttpRequest, address: str) -> HttpResponse:
    if request.htmx:  # type: ignore[attr-defined]
        return HttpResponse(headers={"HX-Redirect": address})
    return redirect(address)


def _as_page(text: str, language: str) -> str:
    return format_html(
        '<!doctype html><html lang="{}"><head><meta charset="utf-8"><title>{}</title><style>'
        "body{{margin:0;padding:1.25rem;background:#fff;color:#1d1b17}}"
        "pre{{font:14px/1.5 ui-monospace,monospace;white-space:pre-wrap;overflow-wrap:anywhere;margin:0}}"
        "</style></head><body><pre>{}</pre></body></html>",
        language,
        _("Text version"),
        text,
    )


def _in_words(before: dict[str, Any], after: dict[str, Any], language: str) -> list[str]:
    """What changed between two versions, a phrase each."""
    old, new = content.parse(before), content.parse(after)
    titles = {card.id: card.title or card.label for card in documents.cards(old, language=language, default=language)}
    titles |= {card.id: card.title or card.label for card in documents.cards(new, language=language, default=language)}
    old_ids, new_ids = [block.id for block in old.blocks], [block.id for block in new.blocks]
    changed = issues.differences(before, after)
    said = [_("Added: %(title)s") % {"title": titles[key]} for key in new_ids if key not in old_ids]
    said += [_("Removed: %(title)s") % {"title": titles[key]} for key in old_ids if key not in new_ids]
    said += [_("Changed: %(title)s") % {"title": titles[key]} for key in new_ids if key in changed]
    if issues.ENVELOPE in changed:
        said.append(_("Subject or preview text"))
    if issues.ORDER in changed and not said:
        said.append(_("Order of the blocks"))
    return said or [_("Started")]
