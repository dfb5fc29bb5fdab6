"""Images for an issue: upload into a block, or choose from the newsletter's library."""

from __future__ import annotations

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBadRequest
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from newsletter import content, issues
from newsletter.media import images, library
from newsletter.models import Issue, MediaFile
from newsletter.rendering import richtext
from newsletter.studio.composer import block_steps, save_tokens
from newsletter.studio.composer import views as composer
from newsletter.studio.shared import access, document_form

PAGE_SIZE = 24


@require_safe
def show(request: HttpRequest, issue_id: int) -> HttpResponse:
    """The library with an upload form. `?block=` is the block that the image is for."""
    return _render_page(request, access.get_issue(request, issue_id), request.GET.get("block", ""))


def _render_page(
    request: HttpRequest, issue: Issue, block_id: str, *, error: str = "", status: int = 200
) -> HttpResponse:
    language = composer.chosen_language(issue, request.GET if request.method == "GET" else request.POST)
    words = request.GET.get("q", "").strip()
    document = content.parse(issue.content)
    block = document.block(block_id)
    card = next((card for card in _cards(issue, document, language) if block and card.id == block.id), None)
    context = {
        "section": "issues",
        "issue": issue,
        "newsletter": issue.newsletter,
        "language": language,
        "back": composer.compose_url(issue, language),
        "card": card if card and card.takes_picture and issue.is_editable else None,
        "sheet": Paginator(library.search(issue.newsletter, words), PAGE_SIZE).get_page(request.GET.get("page")),
        "q": words,
        "error": error,
        "most_megabytes": library.MAX_UPLOAD_BYTES // library.MEGABYTE,
    }
    return render(request, "studio/composer/image_picker.html", context, status=status)


def _cards(issue: Issue, document: content.Document, language: str) -> list[document_form.Card]:
    return document_form.build_cards(document, language=language, default=issue.newsletter.default_language)


@require_POST
def upload_picture(request: HttpRequest, issue_id: int) -> HttpResponse:
    """Add an uploaded image to the library, and to a block if the form names one.

    JavaScript receives the changed card. A plain form is redirected to the composer, or receives this page with the
    error. If the form posts a version and another editor saved in the meantime, the status is 409; the image stays in
    the library.
    """
    issue = access.get_issue(request, issue_id)
    block_id, upload = str(request.POST.get("block", "")), request.FILES.get("file")
    if upload is None:
        return _reject(request, issue, block_id, _("Choose an image first."))
    try:
        if (upload.size or 0) > library.MAX_UPLOAD_BYTES:
            raise library.too_large_error(upload.size or 0)
        file = library.add_picture(
            issue.newsletter, upload.read(), alt=richtext.clean_line(str(request.POST.get("alt", "")))
        )
    except images.InvalidPicture as error:
        return _reject(request, issue, block_id, str(error))
    if not block_id:
        messages.success(request, _("The image is in the library."))
        return redirect("issue-images", issue.pk)
    return _set_in_block(request, issue, block_id, file)


def _reject(request: HttpRequest, issue: Issue, block_id: str, why: str) -> HttpResponse:
    if _is_script(request):
        return HttpResponse(why, content_type="text/plain; charset=utf-8", status=422)
    return _render_page(request, issue, block_id, error=why, status=422)


def _set_in_block(request: HttpRequest, issue: Issue, block_id: str, file: MediaFile) -> HttpResponse:
    document = content.parse(issue.content)
    language = composer.chosen_language(issue, request.POST)
    me = access.current_editor(request)
    version = save_tokens.base_version(request.POST, issue, editor=me) if "version" in request.POST else issue.version
    default = issue.newsletter.default_language
    try:
        block_steps.set_picture(document, block_id, issues.build_picture(file), alt=file.alt, language=default)
        issue = issues.save(issue, document, version=version, editor=me, now=timezone.now())
    except document_form.BadForm:
        return HttpResponseBadRequest(_("This block is no longer in the issue. Reload the page."))
    except issues.Conflict as conflict:
        return composer.respond(request, conflict.current, language, conflict=conflict.current, status=409)
    except issues.WrongState as error:
        return composer.respond(request, issue, language, note=str(error), status=409)
    if not _is_script(request):
        return redirect(f"{composer.compose_url(issue, language)}#{block_id}")
    return composer.respond_with_card(request, issue, language, block_id)


def _is_script(request: HttpRequest) -> bool:
    return access.is_htmx(request) or request.headers.get("X-Requested-With") == "fetch"


@require_POST
def choose(request: HttpRequest, issue_id: int) -> HttpResponse:
    """Use an image of the library in a block, then redirect to the block."""
    issue = access.get_issue(request, issue_id)
    block_id = str(request.POST.get("block", ""))
    file = library.find_picture(issue.newsletter, str(request.POST.get("media", "")))
    if file is None:
        raise Http404("not in the library of this newsletter")
    return _set_in_block(request, issue, block_id, file)


@require_POST
def describe(request: HttpRequest, issue_id: int, media_id: int) -> HttpResponse:
    """Save the description of an image in the library. Issues that use the image later start with it."""
    issue = access.get_issue(request, issue_id)
    file = library.find_picture(issue.newsletter, str(media_id))
    if file is None:
        raise Http404("not in the library of this newsletter")
    library.set_alt_text(file, richtext.clean_line(str(request.POST.get("alt", ""))))
    messages.success(request, _("The description was saved."))
    block = str(request.POST.get("block", ""))
    return redirect(reverse("issue-images", args=[issue.pk]) + (f"?block={block}" if block.isalnum() else ""))
