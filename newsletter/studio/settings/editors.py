"""Editors and their roles, newsletter by newsletter. For administrators."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.db import transaction
from django.db.models import F
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from newsletter import roles
from newsletter.models import Editor, Membership, Newsletter, Role
from newsletter.models.languages import first_interface_language
from newsletter.studio.settings import accounts, audit_log
from newsletter.studio.settings.forms import InviteForm
from newsletter.studio.shared import access

logger = logging.getLogger(__name__)


class LastAdministrator(Exception):
    """A newsletter keeps at least one administrator."""


@dataclass(frozen=True)
class Team:
    """A newsletter with its people, for the page."""

    newsletter: Newsletter
    memberships: list[Membership]


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    return _render_page(request)


def _render_page(request: HttpRequest, *, form: InviteForm | None = None, status: int = 200) -> HttpResponse:
    mine = _administered_newsletters(request)
    teams = [
        Team(letter, list(letter.memberships.select_related("editor").order_by("editor__name"))) for letter in mine
    ]
    queryset = Newsletter.objects.filter(pk__in=[letter.pk for letter in mine])
    form = form or InviteForm(
        newsletters=queryset, initial={"newsletter": mine[0], "language": first_interface_language()}
    )
    context = {"section": "settings", "tab": "editors", "teams": teams, "form": form, "roles": Role.choices}
    return render(request, "studio/settings/editors.html", context, status=status)


def _administered_newsletters(request: HttpRequest) -> list[Newsletter]:
    mine = roles.allowed_newsletters(access.current_editor(request), roles.Action.ADMINISTER)
    if not mine:
        roles.deny(access.current_editor(request), roles.Action.ADMINISTER)
    return mine


@require_POST
def invite(request: HttpRequest) -> HttpResponse:
    """Make an account without a password where there is none yet, give it a role, and mail a link."""
    mine = _administered_newsletters(request)
    form = InviteForm(request.POST, newsletters=Newsletter.objects.filter(pk__in=[letter.pk for letter in mine]))
    if not form.is_valid():
        return _render_page(request, form=form, status=422)
    newsletter: Newsletter = form.cleaned_data["newsletter"]
    with transaction.atomic():
        editor = _get_or_create_editor(form)
        member, is_new = Membership.objects.get_or_create(
            editor=editor, newsletter=newsletter, defaults={"role": form.cleaned_data["role"]}
        )
        if not is_new:
            form.add_error("email", _("This person is already an editor of this newsletter."))
            return _render_page(request, form=form, status=422)
        audit_log.record(
            request, "editor-invited", newsletter=newsletter, subject=f"editor {editor.pk}", to=str(member.role)
        )
    _send_invitation(request, editor, newsletter)
    return redirect("settings-editors")


def _get_or_create_editor(form: InviteForm) -> Editor:
    known = Editor.objects.filter(email__iexact=form.cleaned_data["email"]).first()
    if known:
        return known
    fields = {name: form.cleaned_data[name] for name in ("name", "language")}
    return Editor.objects.create_user(form.cleaned_data["email"], None, **fields)


@require_POST
def invite_again(request: HttpRequest, membership_id: int) -> HttpResponse:
    member = _get_membership(request, membership_id)
    if member.editor.has_usable_password():
        messages.info(request, _("%(name)s has already chosen a password.") % {"name": member.editor})
    else:
        _send_invitation(request, member.editor, member.newsletter)
    return redirect("settings-editors")


def _send_invitation(request: HttpRequest, editor: Editor, newsletter: Newsletter) -> None:
    if editor.has_usable_password():
        messages.success(request, _("%(name)s can now work on this newsletter.") % {"name": editor})
        return
    try:
        accounts.send_invitation(editor, newsletter, by=access.current_editor(request))
    except OSError:
        logger.warning("invitation not sent", extra={"editor": editor.pk})
        messages.error(request, _("The invitation could not be sent. Use “Resend the invitation” in a few minutes."))
        return
    messages.success(
        request,
        _("%(name)s will receive a mail with a link to choose a password. The link works for 3 days.")
        % {"name": editor},
    )


@require_POST
def change_role(request: HttpRequest, membership_id: int) -> HttpResponse:
    """Another role; the person's sessions end, so that nothing of the old role is left open."""
    member = _get_membership(request, membership_id)
    role = request.POST.get("role", "")
    if role not in Role.values:
        raise Http404("no such role")
    if role != member.role:
        try:
            _set_role(request, member, role)
        except LastAdministrator:
            return _refuse_last_administrator(request)
        messages.success(request, _("%(name)s is now: %(role)s.") % {"name": member.editor, "role": Role(role).label})
    return redirect("settings-editors")


@require_POST
def remove(request: HttpRequest, membership_id: int) -> HttpResponse:
    member = _get_membership(request, membership_id)
    try:
        _set_role(request, member, "")
    except LastAdministrator:
        return _refuse_last_administrator(request)
    messages.success(
        request, _("%(name)s no longer works on “%(title)s”.") % {"name": member.editor, "title": member.newsletter}
    )
    return redirect(
        "settings-editors"
        if roles.allowed_newsletters(access.current_editor(request), roles.Action.ADMINISTER)
        else "studio-start"
    )


def _set_role(request: HttpRequest, member: Membership, role: str) -> None:
    """Give `member` another role, or none ("")."""
    with transaction.atomic():
        team = Membership.objects.select_for_update().filter(newsletter=member.newsletter, role=Role.ADMINISTRATOR)
        if [other.pk for other in team] == [member.pk] and role != Role.ADMINISTRATOR:
            raise LastAdministrator
        here = Membership.objects.filter(pk=member.pk)
        here.update(role=role) if role else here.delete()
        Editor.objects.filter(pk=member.editor_id).update(session_epoch=F("session_epoch") + 1)
        action = "role-changed" if role else "editor-removed"
        detail = {"from": str(member.role), "to": role} if role else {}
        audit_log.record(request, action, newsletter=member.newsletter, subject=f"editor {member.editor_id}", **detail)
    if member.editor_id == access.current_editor(request).pk:
        update_session_auth_hash(request, Editor.objects.get(pk=member.editor_id))


def _refuse_last_administrator(request: HttpRequest) -> HttpResponse:
    messages.error(request, _("A newsletter needs an administrator. Make someone else an administrator first."))
    return redirect("settings-editors")


def _get_membership(request: HttpRequest, membership_id: int) -> Membership:
    member = Membership.objects.select_related("editor", "newsletter").filter(pk=membership_id).first()
    if member is None or roles.get_role(access.current_editor(request), member.newsletter) is None:
        raise Http404("no such membership")
    roles.require(access.current_editor(request), roles.Action.ADMINISTER, member.newsletter)
    return member
