"""Settings of newsletters: the list, a new one, one in full. For administrators."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from newsletter import roles
from newsletter.drafts import preparation, schedule
from newsletter.models import EDITABLE, IssueStatus, Membership, Newsletter, Role
from newsletter.rendering import colours
from newsletter.studio.settings import audit_log, draft_schedule
from newsletter.studio.settings.forms import NewsletterForm
from newsletter.studio.shared import access

APPROVAL_VOIDING_FIELDS = frozenset(
    {"brand", "from_name", "from_email", "reply_to", "postal_address", "tracking", "languages"}
    | {"fixed_words_language"}
)
"""A change of one of these ends the approval of issues not yet sent (see `issues.digest`)."""


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    me = access.current_editor(request)
    mine = {letter.pk for letter in roles.allowed_newsletters(me, roles.Action.ADMINISTER)}
    rows = [
        {
            "newsletter": letter,
            "sent": letter.issues.filter(status=IssueStatus.SENT).count(),
            "editors": letter.memberships.count(),
            "may_change": letter.pk in mine,
        }
        for letter in roles.allowed_newsletters(me, roles.Action.WRITE)
    ]
    context = {"section": "settings", "tab": "newsletters", "rows": rows, "may_create": may_create(request)}
    return render(request, "studio/settings/newsletters.html", context)


def may_create(request: HttpRequest) -> bool:
    """Administrators of any newsletter may start another one; so may the installation's superuser."""
    me = access.current_editor(request)
    return me.is_superuser or bool(roles.allowed_newsletters(me, roles.Action.ADMINISTER))


@require_http_methods(["GET", "HEAD", "POST"])
def create(request: HttpRequest) -> HttpResponse:
    if not may_create(request):
        roles.deny(access.current_editor(request), roles.Action.ADMINISTER)
    form = NewsletterForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        with transaction.atomic():
            newsletter = form.save()
            Membership.objects.create(
                editor=access.current_editor(request), newsletter=newsletter, role=Role.ADMINISTRATOR
            )
            audit_log.record(
                request, "newsletter-created", newsletter=newsletter, subject=f"newsletter {newsletter.pk}"
            )
        messages.success(
            request,
            _("“%(title)s” was created. Now connect a feed or paste the URL of an article.") % {"title": newsletter},
        )
        return redirect("settings-newsletter", newsletter.slug)
    return _form_page(request, form, status=422 if form.is_bound else 200)


@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: HttpRequest, slug: str) -> HttpResponse:
    newsletter = access.get_newsletter(request, slug, roles.Action.ADMINISTER)
    form = NewsletterForm(request.POST or None, instance=newsletter)
    if request.method == "POST" and form.is_valid():
        before = Newsletter.objects.get(pk=newsletter.pk)
        with transaction.atomic():
            newsletter = form.save()
            changed = _changed_fields(before, newsletter)
            if changed:
                subject = f"newsletter {newsletter.pk}"
                audit_log.record(request, "settings-changed", newsletter=newsletter, subject=subject, fields=changed)
        messages.success(request, _saved_message(newsletter, changed))
        return redirect("settings-newsletter", newsletter.slug)
    return _form_page(request, form, status=422 if form.is_bound else 200)


def _changed_fields(before: Newsletter, after: Newsletter) -> list[str]:
    names = [field.name for field in Newsletter._meta.concrete_fields]
    return [name for name in names if getattr(before, name) != getattr(after, name)]


def _saved_message(newsletter: Newsletter, changed: list[str]) -> str:
    waiting = (*EDITABLE, IssueStatus.SCHEDULED)
    approved = newsletter.issues.filter(status__in=waiting).exclude(approved_hash="").exists()
    if APPROVAL_VOIDING_FIELDS.intersection(changed) and approved:
        return _("Saved. Issues that were approved but not sent need a new approval.")
    return _("Saved.") if changed else _("Nothing changed.")


def _form_page(request: HttpRequest, form: NewsletterForm, *, status: int) -> HttpResponse:
    stored = Newsletter.objects.filter(pk=form.instance.pk).first()
    context: dict[str, Any] = {
        "section": "settings",
        "tab": "newsletters",
        "form": form,
        "newsletter": stored,
        "colour": _describe_colour(str(form["accent"].value() or "")),
        "said": draft_schedule.describe_settings(stored or _default_newsletter(), now=timezone.now()),
        "sections": draft_schedule.list_sections(stored) if stored else [],
    }
    return render(request, "studio/settings/newsletter.html", context, status=status)


def _default_newsletter() -> Newsletter:
    """The initial values of the form for a new newsletter."""
    return Newsletter(cadence=schedule.DEFAULT_CADENCE.to_json(), draft_rule=preparation.DraftRule().to_json())


def _describe_colour(accent: str) -> dict[str, Any] | None:
    """The accent colour in light and dark mail, with contrasts. None if `accent` is not a colour."""
    try:
        ratio = colours.contrast(accent, colours.PAPER)
        look = colours.build_palette(accent)
    except ValueError:
        return None
    dark = look.accent_dark
    return {
        "light": accent,
        "ratio": round(ratio, 1),
        "dark": dark,
        "dark_ratio": round(colours.contrast(dark, colours.PAPER_DARK), 1),
    }
