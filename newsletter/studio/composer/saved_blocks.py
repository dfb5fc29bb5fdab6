"""Blocks kept for other issues of a newsletter: save one under a name, rename, delete, bring back."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBadRequest
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from newsletter import content, issues, roles
from newsletter.media import library
from newsletter.models import Newsletter, SavedBlock
from newsletter.rendering import richtext
from newsletter.studio.composer import views as composer
from newsletter.studio.shared import access, document_form

MOST_NAME = 80


@require_POST
def keep(request: HttpRequest, issue_id: int) -> HttpResponse:
    """Save the composer's form, and a copy of the block `shelve` for other issues, under the name typed for it."""
    issue = access.issue(request, issue_id)
    language = composer.language_of(issue, request.POST)
    block_id = str(request.POST.get("shelve", ""))
    try:
        read = composer.read_form(request, issue, language)
        if read.errors:
            return composer.answer(request, issue, language, read=read, status=422)
        issue = composer.store(request, issue, read.document)
    except document_form.BadForm:
        return HttpResponseBadRequest(_("This form is not complete. Load the page again."))
    except issues.Conflict as conflict:
        return composer.answer(request, issue, language, read=read, conflict=conflict.current, status=409)
    except issues.WrongState as wrong:
        return composer.answer(request, issue, language, read=read, note=str(wrong), status=409)
    document = content.parse(issue.content)
    block = document.block(block_id)
    if block is None:
        return HttpResponseBadRequest(_("This block is not in the issue any more. Load the page again."))
    name = richtext.plain(str(request.POST.get(f"{block_id}.name", ""))) or _title(document, block_id, language)
    kept = library.keep_block(issue.newsletter, block, name=name, editor=access.editor(request), now=timezone.now())
    note = _("“%(name)s” is kept for other issues: you find it among the saved blocks.") % {"name": kept.name}
    return composer.answer(request, issue, language, note=note, focus=block_id, is_whole=True)


def _title(document: content.Document, block_id: str, language: str) -> str:
    cards = document_form.cards(document, language=language, default=language)
    card = next(card for card in cards if card.id == block_id)
    return card.title or card.label


@require_safe
def listing(request: HttpRequest) -> HttpResponse:
    """The saved blocks of a newsletter; `?deleted=` offers the way back of one that was just deleted."""
    newsletter = _newsletter(request)
    return _page(request, newsletter)


def _page(
    request: HttpRequest, newsletter: Newsletter, *, wrong: int = 0, typed: str = "", status: int = 200
) -> HttpResponse:
    key = access.number(request.GET.get("deleted", ""))
    away = newsletter.saved_blocks.filter(deleted_at__isnull=False, pk=key)
    context = {
        "section": "settings",
        "tab": "blocks",
        "newsletter": newsletter,
        "rows": [
            {"saved": saved, "kind": document_form.KINDS.get(saved.content.get("kind", ""), ""), "name": saved.name}
            | (
                {"name": typed, "error": _("Write a name, of %(most)s characters at most.") % {"most": MOST_NAME}}
                if saved.pk == wrong
                else {}
            )
            for saved in library.blocks(newsletter).select_related("created_by")
        ],
        "deleted": away.first(),
    }
    return render(request, "studio/composer/saved_blocks.html", context, status=status)


def _newsletter(request: HttpRequest) -> Newsletter:
    """The one asked for, or the editor's first."""
    slug = request.GET.get("newsletter", "")
    if slug:
        return access.newsletter(request, slug, roles.Action.WRITE)
    mine = roles.newsletters(access.editor(request), roles.Action.WRITE)
    if not mine:
        roles.refuse(access.editor(request), roles.Action.WRITE)
    return mine[0]


@require_POST
def rename(request: HttpRequest, saved_id: int) -> HttpResponse:
    saved = _saved(request, saved_id)
    name = richtext.plain(str(request.POST.get("name", "")))
    if not name or len(name) > MOST_NAME:
        return _page(request, saved.newsletter, wrong=saved.pk, typed=name, status=422)
    library.rename_block(saved, name)
    messages.success(request, _("The block is called “%(name)s” now.") % {"name": name})
    return redirect(_list(saved.newsletter))


@require_POST
def delete(request: HttpRequest, saved_id: int) -> HttpResponse:
    saved = _saved(request, saved_id)
    library.delete_block(saved, now=timezone.now())
    return redirect(f"{_list(saved.newsletter)}&deleted={saved.pk}")


@require_POST
def bring_back(request: HttpRequest, saved_id: int) -> HttpResponse:
    saved = _saved(request, saved_id)
    library.bring_back_block(saved)
    messages.success(request, _("“%(name)s” is back.") % {"name": saved.name})
    return redirect(_list(saved.newsletter))


def _saved(request: HttpRequest, saved_id: int) -> SavedBlock:
    saved = SavedBlock.objects.select_related("newsletter").filter(pk=saved_id).first()
    if saved is None:
        raise Http404("no such saved block")
    access.newsletter(request, saved.newsletter.slug, roles.Action.WRITE)
    return saved


def _list(newsletter: Newsletter) -> str:
    return f"{reverse('saved-blocks')}?newsletter={newsletter.slug}"
