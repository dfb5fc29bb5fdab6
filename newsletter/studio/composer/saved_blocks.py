"""Saved blocks of a newsletter: save under a name, rename, delete, restore."""

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

MAX_NAME_LENGTH = 80


@require_POST
def save(request: HttpRequest, issue_id: int) -> HttpResponse:
    """Save the composer's form, then save a copy of the block named by `shelve` for other issues."""
    issue = access.get_issue(request, issue_id)
    language = composer.chosen_language(issue, request.POST)
    block_id = str(request.POST.get("shelve", ""))
    try:
        read = composer.read_form(request, issue, language)
        if read.errors:
            return composer.respond(request, issue, language, read=read, status=422)
        issue = composer.store(request, issue, read.document)
    except document_form.BadForm:
        return HttpResponseBadRequest(_("This form is incomplete. Reload the page."))
    except issues.Conflict as conflict:
        return composer.respond(request, issue, language, read=read, conflict=conflict.current, status=409)
    except issues.WrongState as error:
        return composer.respond(request, issue, language, read=read, note=str(error), status=409)
    document = content.parse(issue.content)
    block = document.block(block_id)
    if block is None:
        return HttpResponseBadRequest(_("This block is no longer in the issue. Reload the page."))
    name = richtext.clean_line(str(request.POST.get(f"{block_id}.name", ""))) or _title(document, block_id, language)
    saved = library.save_block(
        issue.newsletter, block, name=name, editor=access.current_editor(request), now=timezone.now()
    )
    note = _("“%(name)s” was saved. You can find it under Saved blocks.") % {"name": saved.name}
    return composer.respond(request, issue, language, note=note, focus=block_id, is_whole=True)


def _title(document: content.Document, block_id: str, language: str) -> str:
    cards = document_form.build_cards(document, language=language, default=language)
    card = next(card for card in cards if card.id == block_id)
    return card.title or card.label


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """List the saved blocks of a newsletter. `?deleted=` shows an undo button for a block that was just deleted."""
    newsletter = _requested_newsletter(request)
    return _render_page(request, newsletter)


def _render_page(
    request: HttpRequest, newsletter: Newsletter, *, wrong: int = 0, typed: str = "", status: int = 200
) -> HttpResponse:
    key = access.parse_number(request.GET.get("deleted", ""))
    deleted = newsletter.saved_blocks.filter(deleted_at__isnull=False, pk=key)
    context = {
        "section": "settings",
        "tab": "blocks",
        "newsletter": newsletter,
        "rows": [
            {
                "saved": saved,
                "kind": document_form.KIND_LABELS.get(saved.content.get("kind", ""), ""),
                "name": saved.name,
            }
            | (
                {"name": typed, "error": _("Enter a name of at most %(most)s characters.") % {"most": MAX_NAME_LENGTH}}
                if saved.pk == wrong
                else {}
            )
            for saved in library.saved_blocks(newsletter).select_related("created_by")
        ],
        "deleted": deleted.first(),
    }
    return render(request, "studio/composer/saved_blocks.html", context, status=status)


def _requested_newsletter(request: HttpRequest) -> Newsletter:
    """The newsletter in `?newsletter=`, or the editor's first one."""
    slug = request.GET.get("newsletter", "")
    if slug:
        return access.get_newsletter(request, slug, roles.Action.WRITE)
    mine = roles.allowed_newsletters(access.current_editor(request), roles.Action.WRITE)
    if not mine:
        roles.deny(access.current_editor(request), roles.Action.WRITE)
    return mine[0]


@require_POST
def rename(request: HttpRequest, saved_id: int) -> HttpResponse:
    saved = _get_block(request, saved_id)
    name = richtext.clean_line(str(request.POST.get("name", "")))
    if not name or len(name) > MAX_NAME_LENGTH:
        return _render_page(request, saved.newsletter, wrong=saved.pk, typed=name, status=422)
    library.rename_block(saved, name)
    messages.success(request, _("The block is now called “%(name)s”.") % {"name": name})
    return redirect(_list_url(saved.newsletter))


@require_POST
def delete(request: HttpRequest, saved_id: int) -> HttpResponse:
    saved = _get_block(request, saved_id)
    library.delete_block(saved, now=timezone.now())
    return redirect(f"{_list_url(saved.newsletter)}&deleted={saved.pk}")


@require_POST
def bring_back(request: HttpRequest, saved_id: int) -> HttpResponse:
    saved = _get_block(request, saved_id)
    library.undelete_block(saved)
    messages.success(request, _("“%(name)s” was restored.") % {"name": saved.name})
    return redirect(_list_url(saved.newsletter))


def _get_block(request: HttpRequest, saved_id: int) -> SavedBlock:
    saved = SavedBlock.objects.select_related("newsletter").filter(pk=saved_id).first()
    if saved is None:
        raise Http404("no such saved block")
    access.get_newsletter(request, saved.newsletter.slug, roles.Action.WRITE)
    return saved


def _list_url(newsletter: Newsletter) -> str:
    return f"{reverse('saved-blocks')}?newsletter={newsletter.slug}"
